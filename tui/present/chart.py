"""Small drawings made of block characters, for one line or several."""

from collections.abc import Sequence
from decimal import Decimal

from engine.model.money import ZERO

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_EIGHTHS) - 1


def resample(values: Sequence[Decimal], width: int) -> list[Decimal]:
    """At most ``width`` of the values, evenly spread, the newest always among them."""
    count = len(values)
    if count <= width:
        return list(values)
    return [values[(index + 1) * count // width - 1] for index in range(width)]


def area(values: Sequence[Decimal], width: int, height: int) -> tuple[str, ...]:
    """An area chart, top line first, scaled from the lowest to the highest value.

    The lowest value still has one eighth, so that a flat line is seen. Without values
    there are ``height`` empty lines.
    """
    points = resample(values, width)
    if not points:
        return ("",) * height
    low, high = min(points), max(points)
    steps = height * _STEPS - 1
    fills = [1 + (int((point - low) * steps / (high - low)) if high > low else 0) for point in points]
    return tuple(
        "".join(_EIGHTHS[min(max(fill - row * _STEPS, 0), _STEPS)] for fill in fills) for row in reversed(range(height))
    )


def progress(part: Decimal, whole: Decimal, width: int) -> tuple[str, str]:
    """A thin bar of ``width`` cells: what is done and what is left, in half-cell steps.

    Anything done shows at least half a cell, and only all of it fills the bar.
    """
    if whole <= ZERO:
        return "", "─" * width
    halves = int(part * 2 * width / whole)
    if part > ZERO:
        halves = max(halves, 1)
    if part < whole:
        halves = min(halves, 2 * width - 1)
    halves = min(halves, 2 * width)
    done = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return done, "─" * (width - len(done))

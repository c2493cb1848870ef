"""Windows of time in which something of the simulated exchange does not work.

An outage is a property of time alone; it does not depend on who looks, or how often.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from engine.exchange.dice import throw


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From ``from_ms`` on, and over at ``until_ms``; UTC milliseconds of the market's own time."""

    from_ms: int
    until_ms: int

    def __post_init__(self) -> None:
        if self.from_ms >= self.until_ms:
            raise ValueError(f"an outage must begin before it ends, was {self.from_ms} to {self.until_ms}")


def merged(outages: Iterable[Outage]) -> tuple[Outage, ...]:
    """The same windows in the order of time, those that overlap or touch made one."""
    apart: list[Outage] = []
    for outage in sorted(outages, key=_begin):
        if apart and outage.from_ms <= apart[-1].until_ms:
            before = apart.pop()
            outage = Outage(from_ms=before.from_ms, until_ms=max(before.until_ms, outage.until_ms))
        apart.append(outage)
    return tuple(apart)


def outage_at(outages: tuple[Outage, ...], at_ms: int) -> Outage | None:
    """The window that ``at_ms`` lies in, of windows as ``merged`` leaves them; None: in none."""
    index = bisect_right(outages, at_ms, key=_begin) - 1
    return outages[index] if index >= 0 and at_ms < outages[index].until_ms else None


def draw_outages(
    seed: int, what: str, *, from_ms: int, until_ms: int, outages_max: int, length_ms_max: int
) -> tuple[Outage, ...]:
    """Up to ``outages_max`` windows inside a span of time; the same for the same seed and words.

    Raises:
        ValueError: the span is empty, or a bound makes no sense.
    """
    if from_ms >= until_ms or outages_max < 0 or length_ms_max < 1:
        raise ValueError(
            "expected a span, at least 0 outages and at least 1 ms, "
            f"was {from_ms} to {until_ms}, {outages_max} and {length_ms_max}"
        )
    drawn = []
    for number in range(throw(seed, what, "how many") % (outages_max + 1)):
        begin = from_ms + throw(seed, what, number, "from") % (until_ms - from_ms)
        length = 1 + throw(seed, what, number, "length") % length_ms_max
        drawn.append(Outage(from_ms=begin, until_ms=min(begin + length, until_ms)))
    return merged(drawn)


def _begin(outage: Outage) -> int:
    return outage.from_ms

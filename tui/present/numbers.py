"""Numbers, times and text from outside, as a person reads them.

Rounding here is for the eye only and never goes back to the engine. The residual and
other amounts that must be exact are shown with ``exact``.
"""

from datetime import UTC, datetime
from decimal import Decimal

from engine.model.money import ZERO, text_from_decimal

MINUS = "\N{MINUS SIGN}"
NOTHING = "–"
_HUNDRED = Decimal(100)
_QUOTE_PLACES_MIN = 2
_PLACES_MAX = 8
_DAY_MS = 86_400_000


def places_of(step: Decimal) -> int:
    """Decimal places that multiples of ``step`` need: 0.01 has 2, 5 has 0."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def quote_places(tick_size: Decimal) -> int:
    """Decimal places for amounts of quote on a market with this tick."""
    return min(max(places_of(tick_size), _QUOTE_PLACES_MIN), _PLACES_MAX)


def number(value: Decimal, places: int) -> str:
    """``60,412.37``; a value that rounds to zero has no sign."""
    text = f"{value:,.{places}f}"
    if not text.startswith("-"):
        return text
    return text[1:] if not text.strip("-0.,") else MINUS + text[1:]


def signed(value: Decimal, places: int) -> str:
    """``+12.84``, ``−3.10`` or ``0.00``."""
    text = number(value, places)
    return text if value <= 0 or not text.strip("0.,") else "+" + text


def percent(ratio: Decimal, places: int = 2) -> str:
    """A ratio as a signed percentage: 0.0021 is ``+0.21%``."""
    return signed(ratio * _HUNDRED, places) + "%"


def share(ratio: Decimal) -> str:
    """A ratio between 0 and 1 in whole percent, rounded down so that 100% means all."""
    return f"{int(ratio * _HUNDRED)}%"


def exact(value: Decimal) -> str:
    """Every digit, nothing rounded: ``0.00000012``."""
    text = text_from_decimal(value)
    return MINUS + text[1:] if text.startswith("-") else text


def distance(level: Decimal, price: Decimal) -> Decimal:
    """How far ``level`` lies from ``price``, as a ratio of the price; below is negative."""
    return (level - price) / price if price > ZERO else ZERO


def clock(at_ms: int) -> str:
    """Time of day in UTC: ``08:14:07``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S")


def date_clock(at_ms: int) -> str:
    """Date and time in UTC: ``2020-03-12 08:14:07Z``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(span_ms: int) -> str:
    """The two largest units of a span: ``3d 04h``, ``12m 07s``, ``8s``."""
    seconds = max(span_ms, 0) // 1000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minutes}m {second:02}s" if minutes else f"{second}s"


def moment(at_ms: int, now_ms: int) -> str:
    """A time in UTC, with its date unless it is within a day of now: ``08:14:07Z``."""
    return clock(at_ms) + "Z" if abs(now_ms - at_ms) < _DAY_MS else date_clock(at_ms)


def plural(count: int, noun: str, nouns: str = "") -> str:
    """``1 order``, ``2 orders``; ``nouns`` is a plural that is not made with an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or noun + 's'}"

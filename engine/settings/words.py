"""How the file writes candle intervals, times and symbols: to text and back."""

import re
from datetime import UTC, datetime, timedelta

_INTERVAL = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_INTERVAL_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
_INTERVAL_MS_MAX = 7 * 86_400_000
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = re.compile(_DATE + r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def is_swap(symbol: str) -> bool:
    """Whether this is the symbol of a perpetual swap, ``BASE/QUOTE:SETTLE``."""
    return ":" in symbol


def interval_text(interval_ms: int) -> str:
    """A candle interval of whole minutes: ``1m``, ``4h``, ``1d``."""
    letter, unit = next((letter, unit) for letter, unit in _INTERVAL_UNITS_MS.items() if interval_ms % unit == 0)
    return f"{interval_ms // unit}{letter}"


def interval_from_text(text: str) -> int | None:
    """The milliseconds of a candle interval; None for any other text and for more than 7 days."""
    match = _INTERVAL.fullmatch(text)
    interval_ms = 0 if match is None else int(match[1]) * _INTERVAL_UNITS_MS[match[2]]
    return interval_ms if 0 < interval_ms <= _INTERVAL_MS_MAX else None


def time_text(at_ms: int) -> str:
    """ISO 8601 in UTC: ``2020-03-12T10:30:00Z``."""
    moment = _EPOCH + at_ms * _MILLISECOND
    precision = "seconds" if at_ms % 1000 == 0 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def time_from_text(text: str) -> datetime | None:
    """A date or a time of ISO 8601, at most to the millisecond; None for any other text."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def ms_from_time(moment: datetime) -> int | None:
    """Milliseconds since 1970, in UTC where no zone is said; None before that and for fractions of one."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    at_ms, rest = divmod(aware - _EPOCH, _MILLISECOND)
    return None if at_ms < 0 or rest else at_ms

"""Candles of a foreign exchange in our words, and the names it has for their intervals."""

from collections.abc import Sequence

from engine.exchange.foreign.words.numbers import decimal_from, millis_from
from engine.model.regime import Candle

_MINUTE_MS = 60_000
_UNITS = ((7 * 24 * 60, "w"), (24 * 60, "d"), (60, "h"), (1, "m"))
"""Minutes of a unit, longest first. A month has no fixed length: no interval is one."""
_ROW_LENGTH = 6


def candle_from_foreign(row: Sequence[object]) -> Candle | None:
    """A row of open time, open, high, low, close and volume; None where it is no candle.

    A row without a volume counts none: some exchanges leave it out of quiet minutes.
    """
    if isinstance(row, str) or len(row) < _ROW_LENGTH - 1:
        return None
    open_ms = millis_from(row[0])
    prices = [decimal_from(each) for each in row[1 : _ROW_LENGTH - 1]]
    volume = decimal_from(row[_ROW_LENGTH - 1]) if len(row) >= _ROW_LENGTH else None
    if open_ms is None or any(price is None for price in prices):
        return None
    opened, high, low, close = (float(price) for price in prices if price is not None)
    try:
        return Candle(open_ms=open_ms, open=opened, high=high, low=low, close=close, volume=float(volume or 0))
    except ValueError:
        return None


def timeframe_of(interval_ms: int) -> str:
    """What the exchanges call an interval: ``1m``, ``4h``, ``1d``.

    Raises:
        ValueError: it is not whole minutes.
    """
    minutes, rest = divmod(interval_ms, _MINUTE_MS)
    if minutes < 1 or rest:
        raise ValueError(f"expected an interval of whole minutes, found {interval_ms} ms")
    for length, unit in _UNITS:
        if minutes % length == 0:
            return f"{minutes // length}{unit}"
    raise AssertionError("a minute divides whole minutes")

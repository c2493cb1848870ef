"""Replay of recorded candles or trades as a price source, with a search made for skipping quiet rows.

A candle is walked as four rows: open-low-high-close when it closes at or above its open, else
open-high-low-close, a quarter of its volume in each. A trade is one row. numpy and pyarrow are
imported when a replay is made.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exchange.datafiles import Candles, MarketData, Trades, market_data_from_columns, read_market_data
from engine.exchange.prices import Bar, Tick, bounds_in_ticks, candle_from_bar
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid
from engine.model.regime import Candle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_BLOCK_ROWS = 256
_BLOCKS_FIRST = 32
_BLOCKS_GROWTH = 8


class ReplaySource:
    """A ``PriceSource`` over data in memory; made by ``replay_from_file`` or ``replay_from_trades``.

    Invariant: ``0 <= position <= rows``; ``_lows`` and ``_highs`` are the extremes of each block of rows.
    """

    history_ms = None

    def __init__(self, *, symbol: str, data: MarketData, start_ms: int | None = None) -> None:
        """Begin with the first row, or the first one at or after ``start_ms``.

        Raises:
            DataInvalid: the data ends before ``start_ms``.
        """
        import numpy as np

        self.symbol = symbol
        self.tick_size = data.tick_size
        self.gaps: list[tuple[int, int]] = []
        """Where candles are missing: when the first missing one would begin, and how many there are."""
        self._times = data.at_ms
        self._offsets: tuple[int, ...] = (0,)
        match data:
            case Candles():
                self.gaps = data.gaps
                self._offsets = _row_offsets(data.interval_ms)
                self._prices = _rows_of_candles(data)
                self._volumes = data.volume
            case Trades():
                self._prices = data.price
                self._volumes = data.amount
        self.rows = len(self._prices)
        starts = np.arange(0, self.rows, _BLOCK_ROWS)
        self._lows = np.minimum.reduceat(self._prices, starts)
        self._highs = np.maximum.reduceat(self._prices, starts)
        self.end_ms = int(self._times[-1]) + self._offsets[-1]
        if start_ms is not None and start_ms > self.end_ms:
            raise DataInvalid(f"expected a start up to {self.end_ms}, where the data ends, found {start_ms}")
        self.position = 0 if start_ms is None else self._rows_before(start_ms)
        self.start_ms = self._time_of(self.position)

    def next(self) -> Tick | None:
        """The row at ``position``, without moving; None at the end."""
        return self._tick(self.position) if self.position < self.rows else None

    def next_outside(self, band: QuietBand | None) -> Tick | None:
        """First row at or after ``position`` that is not inside the band; None when the data ends first."""
        if band is None:
            return self.next()
        index = self._find(*bounds_in_ticks(band, self.tick_size))
        return None if index is None else self._tick(index)

    def last_before(self, index: int) -> Tick | None:
        """The row just before ``index``; None when there is none."""
        return self._tick(index - 1) if 0 < index <= self.rows else None

    def pass_until(self, at_ms: int) -> None:
        """Move to the first row later than ``at_ms``."""
        self.pass_row(self._rows_before(at_ms + 1) - 1)

    def pass_row(self, index: int) -> None:
        """Move just behind row ``index``; a row already passed changes nothing."""
        self.position = max(self.position, min(index + 1, self.rows))

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """The rows of a span; None when there are none: a gap is a gap."""
        begin, end = self._rows_before(open_ms), self._rows_before(end_ms)
        if begin >= end:
            return None
        prices = self._prices[begin:end]
        bar = Bar(
            open=int(prices[0]),
            high=int(prices.max()),
            low=int(prices.min()),
            close=int(prices[-1]),
            volume=self._volume_of(begin, end),
        )
        return candle_from_bar(open_ms, bar, self.tick_size)

    def last_ms_before(self, at_ms: int) -> int | None:
        """Time of the last row before ``at_ms``; None when there is none."""
        row = self._rows_before(at_ms) - 1
        return None if row < 0 else self._time_of(row)

    def state(self) -> dict[str, object]:
        """The position, and a fingerprint of the data it is a position in."""
        return {"source": self._fingerprint(), "position": self.position}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a kept state.

        Raises:
            DataInvalid: the state is damaged, or of other data.
        """
        fingerprint = self._fingerprint()
        if state.get("source") != fingerprint:
            raise DataInvalid(
                f"the kept market state is of other data: {_differences(state.get('source'), fingerprint)}"
            )
        position = state.get("position")
        if not isinstance(position, int) or not 0 <= position <= self.rows:
            raise DataInvalid(
                f"the kept market state is damaged: expected a position up to {self.rows}, found {position!r}"
            )
        self.position = position

    def _fingerprint(self) -> dict[str, object]:
        return {
            "kind": "replay",
            "symbol": self.symbol,
            "tick_size": str(self.tick_size.normalize()),
            "rows": self.rows,
            "start_ms": self._time_of(0),
            "end_ms": self.end_ms,
            "first": int(self._prices[0]),
            "last": int(self._prices[-1]),
            "sum": int(self._prices.sum()),
        }

    def _tick(self, index: int) -> Tick:
        return Tick(index, self._time_of(index), self._prices.item(index) * self.tick_size)

    def _time_of(self, index: int) -> int:
        entry, step = divmod(index, len(self._offsets))
        return int(self._times.item(entry)) + self._offsets[step]

    def _rows_before(self, at_ms: int) -> int:
        """How many rows there are before a time."""
        entry = int(self._times.searchsorted(at_ms)) - 1
        if entry < 0:
            return 0
        since = at_ms - int(self._times[entry])
        return entry * len(self._offsets) + sum(offset < since for offset in self._offsets)

    def _volume_of(self, begin: int, end: int) -> float:
        """What rows turned over; whole candles are counted whole, so that their volume stays what it is."""
        steps = len(self._offsets)
        first, last = -(-begin // steps), end // steps
        if first > last:
            return float(self._volumes[last]) * (end - begin) / steps
        whole = float(self._volumes[first:last].sum())
        before = float(self._volumes[first - 1]) * (first * steps - begin) if begin % steps else 0.0
        after = float(self._volumes[last]) * (end - last * steps) if end % steps else 0.0
        return whole + (before + after) / steps

    def _find(self, low: int, high: int) -> int | None:
        """A near row costs a look at a few rows, a far one looks at block extremes in growing strides."""
        near = self._find_in_rows(self.position, low, high)
        block = (self.position + _BLOCK_ROWS) // _BLOCK_ROWS
        if near is not None or block >= len(self._lows):
            return near
        count = _BLOCKS_FIRST
        while block < len(self._lows):
            lows, highs = self._lows[block : block + count], self._highs[block : block + count]
            is_outside = (lows <= low) | (highs >= high)
            place = int(is_outside.argmax())
            if is_outside[place]:
                return self._find_in_rows((block + place) * _BLOCK_ROWS, low, high)
            block += count
            count *= _BLOCKS_GROWTH
        return None

    def _find_in_rows(self, first: int, low: int, high: int) -> int | None:
        prices = self._prices[first : first + _BLOCK_ROWS]
        place = ((prices <= low) | (prices >= high)).tobytes().find(b"\x01")
        return None if place < 0 else first + place


def replay_from_file(
    path: Path, *, symbol: str, tick_size: Decimal | None = None, start_ms: int | None = None
) -> ReplaySource:
    """Read a file of candles or trades (see ``datafiles``) for replay.

    ``tick_size`` None: a unit of the finest decimal that any price uses. ``start_ms``: skip what
    comes before; candles of it may be asked for.

    Raises:
        DataInvalid: the file is missing, torn, unsorted or not what was promised, or ends before ``start_ms``.
    """
    return ReplaySource(symbol=symbol, data=read_market_data(path, tick_size), start_ms=start_ms)


def replay_from_trades(trades: Iterable[tuple[int, Decimal]], *, symbol: str, tick_size: Decimal) -> ReplaySource:
    """Replay trades given as ``(at_ms, price)``.

    Raises:
        DataInvalid: there are none, or they are unsorted, not above 0 or off the tick.
    """
    import numpy as np

    listed = list(trades)
    if not listed:
        raise DataInvalid("expected trades, found none")
    columns = {
        "ts_ms": np.array([at_ms for at_ms, _ in listed], dtype=np.int64),
        "price": np.array([float(price) for _, price in listed]),
        "amount": np.zeros(len(listed)),
    }
    return ReplaySource(symbol=symbol, data=market_data_from_columns("trades", columns, tick_size))


def _differences(kept: object, given: Mapping[str, object]) -> str:
    if not isinstance(kept, Mapping):
        return f"expected {given}, found {kept!r}"
    return "; ".join(
        f"expected {key} {kept.get(key)}, found {value}" for key, value in given.items() if kept.get(key) != value
    )


def _row_offsets(interval_ms: int) -> tuple[int, ...]:
    """When the four rows of a candle happen, after its begin."""
    return 0, interval_ms // 3, 2 * interval_ms // 3, interval_ms - 1


def _rows_of_candles(candles: Candles) -> "Integers":
    import numpy as np

    rows = np.empty((len(candles.at_ms), 4), dtype=np.int64)
    is_up = candles.close >= candles.open
    rows[:, 0] = candles.open
    rows[:, 1] = np.where(is_up, candles.low, candles.high)
    rows[:, 2] = np.where(is_up, candles.high, candles.low)
    rows[:, 3] = candles.close
    return rows.reshape(-1)

"""The synthetic market: an endless, seeded price path of one row per market second.

The seed, the symbol, the start price and the tick size decide every row; how the path moves is
left to ``synthetic_path``, its candles to ``synthetic_candles``. What is passed is dropped.
"""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

from engine.exchange.prices import Tick, bounds_in_ticks
from engine.exchange.synthetic_candles import HISTORY_MINUTES, SyntheticCandles
from engine.exchange.synthetic_path import (
    BLOCK_ROWS,
    HABITS,
    ROW_MS,
    START_MS,
    Block,
    Path,
    Phase,
    walk_from_state,
)
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid
from engine.model.money import nearest_step
from engine.model.regime import Candle

ROWS_AHEAD_MAX = 4 * BLOCK_ROWS
"""How far a search looks ahead at most: about one market hour, a few milliseconds of work."""


class SyntheticSource:
    """A ``PriceSource`` that never ends; row 0 is ``start_price``, to the nearest tick, at ``START_MS``.

    Invariant: ``_blocks`` are consecutive, and begin no later than the last row passed.
    """

    rows = None
    end_ms = None
    history_ms = HISTORY_MINUTES * 60 * ROW_MS
    start_ms = START_MS

    def __init__(self, *, symbol: str, seed: int, start_price: Decimal, tick_size: Decimal) -> None:
        start = nearest_step(start_price, tick_size)
        if start <= 0:
            raise ValueError(f"start price must be above 0 and worth a tick {tick_size}, was {start_price}")
        self.symbol = symbol
        self.tick_size = tick_size
        self.position = 0
        self._seed = seed
        self._start_ticks = int(start / tick_size)
        self._path = Path(name=f"{seed}/{symbol}", start_ticks=self._start_ticks, habits=HABITS)
        self._blocks: deque[Block] = deque()
        self._candles = SyntheticCandles(name=f"{seed}/{symbol}", start_ticks=self._start_ticks, tick_size=tick_size)

    def next(self) -> Tick:
        """The row at ``position``, without moving."""
        return self._tick(self.position)

    def next_outside(self, band: QuietBand | None) -> Tick:
        """First row outside the band, or the last of the next ``ROWS_AHEAD_MAX`` rows; does not move."""
        if band is None:
            return self.next()
        low, high = bounds_in_ticks(band, self.tick_size)
        index, end = self.position, self.position + ROWS_AHEAD_MAX
        while index < end:
            block = self._block_of(index)
            offset = index % BLOCK_ROWS
            if block.low <= low or block.high >= high:
                for place, price in enumerate(block.prices[offset : offset + end - index], index):
                    if price <= low or price >= high:
                        return self._tick(place)
            index += BLOCK_ROWS - offset
        return self._tick(end - 1)

    def last_before(self, index: int) -> Tick | None:
        """The row just before ``index``; None before the first one.

        Raises:
            ValueError: ``index`` lies so far before ``position`` that the row is gone.
        """
        return self._tick(index - 1) if index > 0 else None

    def pass_until(self, at_ms: int) -> None:
        """Move to the first row later than ``at_ms``."""
        self.pass_row((at_ms - START_MS) // ROW_MS)

    def pass_row(self, index: int) -> None:
        """Move just behind row ``index``; a row already passed changes nothing."""
        if index < self.position:
            return
        self.position = index + 1
        if self._blocks and self._blocks[0].number < index // BLOCK_ROWS:
            self._forget()

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """What the rows of a span amount to; before the first row, what was invented for then.

        Before the first row the span is of whole minutes.
        """
        return self._candles.candle(open_ms, end_ms)

    def last_ms_before(self, at_ms: int) -> int:
        """Time of the last second earlier than ``at_ms``, before the first row too."""
        return at_ms - 1 - (at_ms - 1 - START_MS) % ROW_MS

    def phase_at(self, index: int) -> Phase:
        """What the market was up to at a row, for the curious.

        Raises:
            ValueError: the row is long passed and gone.
        """
        self._block_of(index)
        return next(phase for first, phase in reversed(self._path.marks) if first <= index)

    def state(self) -> dict[str, object]:
        """Everything needed to go on; the rows ahead are made again from it."""
        block = self._block_of(max(self.position - 1, 0))
        return {
            "source": self._fingerprint(),
            "position": self.position,
            "block": block.number,
            "walk": dict(block.walk),
            "anchors": self._candles.anchors_state(),
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a kept state.

        Raises:
            DataInvalid: the state is damaged, or of a market with another symbol, seed, start or tick.
        """
        if state.get("source") != self._fingerprint():
            raise DataInvalid(
                f"the kept market state is of another market: expected {self._fingerprint()}, "
                f"found {state.get('source')}"
            )
        position, number = state.get("position"), state.get("block")
        if not isinstance(position, int) or not isinstance(number, int):
            raise DataInvalid(f"the kept market state is damaged: position {position!r}, block {number!r}")
        if position < 0 or number != max(position - 1, 0) // BLOCK_ROWS:
            raise DataInvalid(f"the kept market state is damaged: block {number} has no row {position}")
        walk = walk_from_state(state.get("walk"))
        self._candles.restore_anchors(state.get("anchors", []))
        self._blocks.clear()
        self._path.go_on(walk)
        self.position = position
        self._make_block(number)

    def _fingerprint(self) -> dict[str, object]:
        return {
            "kind": "synthetic",
            "version": 1,
            "symbol": self.symbol,
            "seed": self._seed,
            "start_ticks": self._start_ticks,
            "tick_size": str(self.tick_size.normalize()),
        }

    def _first_row(self) -> int:
        return self._blocks[0].number * BLOCK_ROWS

    def _tick(self, index: int) -> Tick:
        ticks = self._block_of(index).prices[index % BLOCK_ROWS]
        return Tick(index, START_MS + index * ROW_MS, ticks * self.tick_size)

    def _block_of(self, index: int) -> Block:
        number = index // BLOCK_ROWS
        if not self._blocks:
            self._make_block(0)
        if number < self._blocks[0].number:
            raise ValueError(f"expected a row at or after {self._first_row()}, found {index}")
        while number > self._blocks[-1].number:
            self._make_block(self._blocks[-1].number + 1)
            self._forget()
        return self._blocks[number - self._blocks[0].number]

    def _forget(self) -> None:
        """Drop the blocks before the last row passed, and the phases that ended before them."""
        needed = max(self.position - 1, 0) // BLOCK_ROWS
        while len(self._blocks) > 1 and self._blocks[1].number <= needed:
            self._blocks.popleft()
        marks = self._path.marks
        while len(marks) > 1 and marks[1][0] <= self._first_row():
            marks.popleft()

    def _make_block(self, number: int) -> None:
        block = self._path.make_block(number)
        self._candles.see_block(block)
        self._blocks.append(block)

"""Candles of a synthetic market: of its rows, passed or not, and of a past that is invented for it.

The rows are made a second time, beside those that are traded, from the nearest block whose walk is
remembered; nothing is made until somebody asks. The past is a path of the same kind with dice of its
own, a row for each minute, told backwards: it ends in the first price, and moves as the market does.
Volume is made up too: every row turns over some, and more by the square of its move.

Invariant: a span has the same candle whenever, and by whichever instance, it is asked for.
"""

from array import array
from dataclasses import asdict, replace
from decimal import Decimal
from math import fsum
from operator import mul, sub

from engine.exchange.prices import Bar, candle_from_bar, joined
from engine.exchange.synthetic_path import (
    BLOCK_ROWS,
    HABITS,
    ROW_MS,
    START_MS,
    Block,
    Habit,
    Path,
    Phase,
    Walk,
    dice_from_text,
    walk_from_state,
)
from engine.model.errors import DataInvalid
from engine.model.regime import Candle

HISTORY_MINUTES = 366 * 1_440
"""How far back candles reach at any time."""

_MINUTE_ROWS = 60
_MINUTE_MS = _MINUTE_ROWS * ROW_MS
_ANCHOR_BLOCKS = 64
_SURPLUS_MINUTES = 65_536
_TAIL_ROWS = 4 * BLOCK_ROWS
_TURNOVER_QUOTE = 500.0
"""What a row turns over when nothing moves, valued at the start price."""
_ROW_MOVE = 0.00018
_MINUTE_MOVE = 0.0024
"""Usual moves, as fractions of the start price: they double the turnover."""
_UPROAR = 6.0
"""How many times the usual turnover the moves of an invented minute add at most."""
_ROOT_OF_MINUTE_ROWS = 7.746
_WICK = 0.0009
"""How far an invented minute reaches beyond its open and close, at most, as a fraction of the start price."""


def _habits_of_minutes() -> dict[Phase, Habit]:
    """The same habits for a path with a row for each minute: as far in as many minutes."""

    def shorter(length: tuple[int, int]) -> tuple[int, int]:
        return length[0] // _MINUTE_ROWS, length[1] // _MINUTE_ROWS

    return {
        phase: replace(
            habit, length=shorter(habit.length), leg=shorter(habit.leg), noise=habit.noise * _ROOT_OF_MINUTE_ROWS
        )
        for phase, habit in HABITS.items()
    }


class _Bars:
    """Consecutive minutes, in whole ticks; numbered in the order in which they were made."""

    def __init__(self) -> None:
        self.open, self.high, self.low, self.close = array("q"), array("q"), array("q"), array("q")
        self.volume = array("d")

    def __len__(self) -> int:
        return len(self.open)

    def append(self, bar: Bar) -> None:
        self.open.append(bar.open)
        self.high.append(bar.high)
        self.low.append(bar.low)
        self.close.append(bar.close)
        self.volume.append(bar.volume)

    def drop(self, count: int) -> None:
        """Forget the first ones."""
        for column in (self.open, self.high, self.low, self.close, self.volume):
            del column[:count]

    def joined(self, first: int, last: int, begin: int, end: int) -> Bar | None:
        """Those from ``begin`` to before ``end`` as one that opens with ``first`` and closes with ``last``."""
        if begin >= end:
            return None
        return Bar(
            open=self.open[first],
            high=max(self.high[begin:end]),
            low=min(self.low[begin:end]),
            close=self.close[last],
            volume=fsum(self.volume[begin:end]),
        )


class _Past:
    """The minutes before the first row, made backwards as far as they are asked for."""

    def __init__(self, *, name: str, start_ticks: int, row_volume: float) -> None:
        self._name = f"{name}/past"
        self._start_ticks = start_ticks
        self._minute_volume = _MINUTE_ROWS * row_volume
        self._path = Path(name=self._name, start_ticks=start_ticks, habits=_habits_of_minutes())
        self._bars = _Bars()
        self._blocks = 0
        self._oldest = start_ticks

    def bar(self, begin: int, end: int) -> Bar | None:
        """The minutes from ``begin`` to before ``end``; minute -1 is the one before the first row."""
        while len(self._bars) < -begin:
            self._make_bars()
        return self._bars.joined(-begin - 1, -end, -end, -begin)

    def _make_bars(self) -> None:
        prices = self._path.make_block(self._blocks).prices
        self._path.marks.clear()
        uniform = dice_from_text(f"{self._name}/wicks/{self._blocks}").random
        reach, usual = _WICK * self._start_ticks, _MINUTE_MOVE * self._start_ticks
        for older in prices:
            newer, self._oldest = self._oldest, older
            move = (newer - older) / usual
            self._bars.append(
                Bar(
                    open=older,
                    high=max(older, newer) + int(uniform() * reach),
                    low=max(min(older, newer) - int(uniform() * reach), 1),
                    close=newer,
                    volume=self._minute_volume * (1.0 + min(move * move, _UPROAR)),
                )
            )
        self._blocks += 1


class _Minutes:
    """The whole minutes of the rows from one block on, and the newest rows themselves.

    Invariant: ``_tail`` begins at ``_tail_row``, a row of the first minute that is not in ``_bars`` or before it.
    """

    def __init__(self, path: Path, first_block: int, *, row_volume: float, usual_move: float) -> None:
        self._path = path
        self._next_block = first_block
        self._row_volume = row_volume
        self._usual = usual_move * usual_move
        self._bars = _Bars()
        self._tail = array("q")
        self._tail_row = first_block * BLOCK_ROWS
        self._first = -(-self._tail_row // _MINUTE_ROWS)

    def has(self, begin: int, end: int) -> bool:
        """Whether the rows of a span are still known, or yet to come."""
        rest = end - end % _MINUTE_ROWS
        return begin >= self._first * _MINUTE_ROWS and (rest == end or rest >= self._tail_row)

    def bar(self, begin: int, end: int) -> Bar | None:
        """The rows from ``begin``, where a minute begins, to before ``end``."""
        while self._next_block * BLOCK_ROWS < end:
            self._make_block()
        first, last = begin // _MINUTE_ROWS - self._first, end // _MINUTE_ROWS - self._first
        whole = self._bars.joined(first, last - 1, first, last)
        if end % _MINUTE_ROWS == 0:
            return whole
        rest = self._tail[end - end % _MINUTE_ROWS - self._tail_row : end - self._tail_row]
        return joined(whole, self._bar_of_rows(rest))

    def _make_block(self) -> None:
        self._tail.extend(self._path.make_block(self._next_block).prices)
        self._path.marks.clear()
        self._next_block += 1
        begin = (self._first + len(self._bars)) * _MINUTE_ROWS - self._tail_row
        while begin + _MINUTE_ROWS <= len(self._tail):
            self._bars.append(self._bar_of_rows(self._tail[begin : begin + _MINUTE_ROWS]))
            begin += _MINUTE_ROWS
        if len(self._tail) > 2 * _TAIL_ROWS:
            del self._tail[:_TAIL_ROWS]
            self._tail_row += _TAIL_ROWS
        if len(self._bars) > HISTORY_MINUTES + 2 * _SURPLUS_MINUTES:
            self._bars.drop(_SURPLUS_MINUTES)
            self._first += _SURPLUS_MINUTES

    def _bar_of_rows(self, prices: "array[int]") -> Bar:
        moves = list(map(sub, prices[1:], prices))
        squares = sum(map(mul, moves, moves)) / self._usual
        return Bar(
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=self._row_volume * (len(prices) + squares),
        )


class SyntheticCandles:
    """Candles of one market; ``name`` and ``start_ticks`` are those of its path.

    Invariant: ``_anchors`` are walks by the number of the block that begins with them, the fewer the
    further they lie back, so that a span is at most about three times as far from one as from now.
    """

    def __init__(self, *, name: str, start_ticks: int, tick_size: Decimal) -> None:
        self._name = name
        self._start_ticks = start_ticks
        self._tick_size = tick_size
        self._row_volume = _TURNOVER_QUOTE / float(start_ticks * tick_size)
        self._past = _Past(name=name, start_ticks=start_ticks, row_volume=self._row_volume)
        self._minutes: _Minutes | None = None
        self._anchors: dict[int, dict[str, object]] = {}

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """The rows of a span that begins with a whole minute; before the first row, whole minutes only."""
        begin, end = (open_ms - START_MS) // ROW_MS, -((START_MS - end_ms) // ROW_MS)
        past = self._past.bar(begin // _MINUTE_ROWS, min(end // _MINUTE_ROWS, 0)) if begin < 0 else None
        rows = self._bar_of_rows(max(begin, 0), end) if end > max(begin, 0) else None
        bar = joined(past, rows)
        return None if bar is None else candle_from_bar(open_ms, bar, self._tick_size)

    def see_block(self, block: Block) -> None:
        """The market made a block."""
        number = block.number
        if number and number % _ANCHOR_BLOCKS == 0:
            self._anchors[number] = block.walk
            # Of the multiples of a power of two, the last few are kept.
            self._anchors = {kept: walk for kept, walk in self._anchors.items() if number - kept <= 4 * (kept & -kept)}

    def anchors_state(self) -> list[list[object]]:
        """What ``restore_anchors`` needs, fit for JSON."""
        return [[number, dict(walk)] for number, walk in self._anchors.items()]

    def restore_anchors(self, kept: object) -> None:
        """Go on from a kept state; without one, everything is made from the first row on.

        Raises:
            DataInvalid: the state is damaged.
        """
        if not isinstance(kept, list):
            raise DataInvalid(f"the kept market state is damaged: expected anchors, found {kept!r}")
        anchors: dict[int, dict[str, object]] = {}
        for entry in kept:
            if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], int) or entry[0] < 1:
                raise DataInvalid(f"the kept market state is damaged: expected an anchor, found {entry!r}")
            anchors[entry[0]] = asdict(walk_from_state(entry[1]))
        self._anchors = anchors
        self._minutes = None

    def _bar_of_rows(self, begin: int, end: int) -> Bar | None:
        if self._minutes is None or not self._minutes.has(begin, end):
            self._minutes = self._minutes_from(begin)
        return self._minutes.bar(begin, end)

    def _minutes_from(self, row: int) -> _Minutes:
        path = Path(name=self._name, start_ticks=self._start_ticks, habits=HABITS)
        number = max((number for number in self._anchors if number * BLOCK_ROWS <= row), default=0)
        path.go_on(walk_from_state(self._anchors[number]) if number else Walk())
        return _Minutes(path, number, row_volume=self._row_volume, usual_move=_ROW_MOVE * self._start_ticks)

"""The synthetic market: an endless, seeded price path of one row per market second.

It ranges, trends, crashes and recovers in phases of random length, and stays near its start
price over days. The seed, the symbol, the start price and the tick size decide every row, on
every machine and Python version: only ``random.Random.random`` and the four operations of
IEEE arithmetic are used. Rows are made in blocks; what is passed is dropped.
"""

import hashlib
import random
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum

from engine.exchange.prices import Tick, bounds_in_ticks
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid
from engine.model.money import nearest_step

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
ROW_MS = 1_000
BLOCK_ROWS = 1_024
ROWS_AHEAD_MAX = 4 * BLOCK_ROWS
"""How far a search looks ahead at most: about one market hour, a few milliseconds of work."""

_FACTOR_MIN, _FACTOR_MAX = 0.79, 1.24
"""Where phases may lead, as a factor of the start price; noise and swings come on top."""
_MINUTE = 60


class Phase(StrEnum):
    RANGE = "range"
    TREND_UP = "trend up"
    TREND_DOWN = "trend down"
    CRASH = "crash"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Habit:
    """How a phase moves. Lengths in rows, swings and noise as fractions of the price."""

    length: tuple[int, int]
    leg: tuple[int, int]
    swing: tuple[float, float]
    noise: float


_HABITS = {
    Phase.RANGE: _Habit(
        length=(60 * _MINUTE, 150 * _MINUTE),
        leg=(5 * _MINUTE, 10 * _MINUTE),
        swing=(0.006, 0.010),
        noise=0.00016,
    ),
    Phase.TREND_UP: _Habit(
        length=(60 * _MINUTE, 200 * _MINUTE),
        leg=(6 * _MINUTE, 12 * _MINUTE),
        swing=(0.004, 0.008),
        noise=0.00016,
    ),
    Phase.TREND_DOWN: _Habit(
        length=(60 * _MINUTE, 200 * _MINUTE),
        leg=(6 * _MINUTE, 12 * _MINUTE),
        swing=(0.004, 0.008),
        noise=0.00016,
    ),
    Phase.CRASH: _Habit(
        length=(15 * _MINUTE, 30 * _MINUTE),
        leg=(2 * _MINUTE, 4 * _MINUTE),
        swing=(0.003, 0.010),
        noise=0.0004,
    ),
    Phase.RECOVERY: _Habit(
        length=(60 * _MINUTE, 180 * _MINUTE),
        leg=(4 * _MINUTE, 9 * _MINUTE),
        swing=(0.004, 0.009),
        noise=0.00024,
    ),
}


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Where the path stands; prices as factors of the start price.

    A phase leads in a line from ``origin`` to ``goal``; the path zigzags around that line in
    legs and ends every leg near ``leg_target``. ``high`` is the top of the last fall.
    """

    factor: float = 1.0
    phase: Phase = Phase.RANGE
    phase_start: int = 0
    phase_end: int = 0
    origin: float = 1.0
    goal: float = 1.0
    leg_end: int = 0
    leg_target: float = 1.0
    is_leg_up: bool = False
    high: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """``BLOCK_ROWS`` rows in whole ticks, and the walk they began with."""

    number: int
    prices: "array[int]"
    low: int
    high: int
    walk: dict[str, object]


class SyntheticSource:
    """A ``PriceSource`` that never ends; row 0 is ``start_price``, to the nearest tick, at ``START_MS``.

    Invariant: ``_blocks`` are consecutive, and begin no later than the last row passed.
    """

    rows = None
    end_ms = None
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
        self._walk = _Walk()
        self._blocks: deque[_Block] = deque()
        self._marks: deque[tuple[int, Phase]] = deque()

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

    def phase_at(self, index: int) -> Phase:
        """What the market was up to at a row, for the curious.

        Raises:
            ValueError: the row is long passed and gone.
        """
        self._block_of(index)
        return next(phase for first, phase in reversed(self._marks) if first <= index)

    def state(self) -> dict[str, object]:
        """Everything needed to go on; the rows ahead are made again from it."""
        block = self._block_of(max(self.position - 1, 0))
        return {
            "source": self._fingerprint(),
            "position": self.position,
            "block": block.number,
            "walk": dict(block.walk),
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
        walk = _walk_from_state(state.get("walk"))
        self._blocks.clear()
        self._marks.clear()
        self._marks.append((walk.phase_start, walk.phase))
        self._walk = walk
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

    def _block_of(self, index: int) -> _Block:
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
        while len(self._marks) > 1 and self._marks[1][0] <= self._first_row():
            self._marks.popleft()

    def _make_block(self, number: int) -> None:
        first = number * BLOCK_ROWS
        walk = self._walk
        began = asdict(walk)
        dice = _dice(f"{self._seed}/{self.symbol}/{number}")
        prices = array("q")
        while len(prices) < BLOCK_ROWS:
            row = first + len(prices)
            if row >= walk.leg_end:
                self._turn(row, dice)
            rows = min(walk.leg_end - row, BLOCK_ROWS - len(prices))
            prices.extend(_leg_prices(walk, dice, row, rows, self._start_ticks))
        self._blocks.append(_Block(number=number, prices=prices, low=min(prices), high=max(prices), walk=began))

    def _turn(self, row: int, dice: random.Random) -> None:
        walk = self._walk
        if row >= walk.phase_end:
            _begin_phase(walk, _phase_after(walk, dice) if row > 0 else Phase.RANGE, row, dice)
            self._marks.append((row, walk.phase))
        _begin_leg(walk, row, dice)


def _dice(text: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def _between(dice: random.Random, bounds: tuple[float, float]) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * dice.random()


def _leg_prices(walk: _Walk, dice: random.Random, row: int, rows: int, start_ticks: int) -> list[int]:
    """The next rows of the current leg: a straight way to its target, disturbed by noise."""
    uniform = dice.random
    noise = 2.0 * _HABITS[walk.phase].noise
    factor, target, left = walk.factor, walk.leg_target, walk.leg_end - row
    prices = []
    for remaining in range(left, left - rows, -1):
        prices.append(max(int(factor * start_ticks + 0.5), 1))
        # Three uniforms have variance 1/4: twice their centred sum stands in for a normal.
        bump = uniform() + uniform() + uniform() - 1.5
        factor += (target - factor) / remaining + factor * noise * bump
    walk.factor = factor
    return prices


def _begin_leg(walk: _Walk, row: int, dice: random.Random) -> None:
    habit = _HABITS[walk.phase]
    end = row + int(_between(dice, habit.leg))
    is_last = walk.phase_end - end < habit.leg[0]
    walk.leg_end = walk.phase_end if is_last else end
    walk.is_leg_up = not walk.is_leg_up
    share = (walk.leg_end - walk.phase_start) / (walk.phase_end - walk.phase_start)
    line = walk.origin + (walk.goal - walk.origin) * share
    swing = _between(dice, habit.swing)
    if is_last and walk.phase is not Phase.RANGE:
        walk.leg_target = walk.goal
    else:
        walk.leg_target = line * (1.0 + (swing if walk.is_leg_up else -swing))


def _phase_after(walk: _Walk, dice: random.Random) -> Phase:
    """What comes next; the further the price is from its start, the likelier it is pulled back."""
    if walk.phase is Phase.CRASH:
        return Phase.RECOVERY
    roll = dice.random()
    if roll < (0.15 if walk.phase is Phase.RANGE else 0.75):
        return Phase.RANGE
    if roll > 0.8 and walk.factor > 0.95:
        return Phase.CRASH
    return Phase.TREND_UP if dice.random() < 0.5 - 3.0 * (walk.factor - 1.0) else Phase.TREND_DOWN


def _begin_phase(walk: _Walk, phase: Phase, row: int, dice: random.Random) -> None:
    if phase is Phase.CRASH:
        walk.high = walk.factor
    walk.phase = phase
    walk.phase_start = row
    walk.phase_end = row + int(_between(dice, _HABITS[phase].length))
    walk.origin = walk.factor
    walk.goal = min(max(_goal_of_phase(walk, dice), _FACTOR_MIN), _FACTOR_MAX)


def _goal_of_phase(walk: _Walk, dice: random.Random) -> float:
    origin = walk.origin
    match walk.phase:
        case Phase.RANGE:
            return origin + 0.1 * (1.0 - origin)
        case Phase.TREND_UP:
            return origin * (1.0 + _between(dice, (0.03, 0.08)))
        case Phase.TREND_DOWN:
            return origin * (1.0 - _between(dice, (0.03, 0.08)))
        case Phase.CRASH:
            return origin * (1.0 - _between(dice, (0.085, 0.145)))
        case Phase.RECOVERY:
            return origin + (walk.high - origin) * _between(dice, (0.6, 0.9))


def _walk_from_state(kept: object) -> _Walk:
    expected = asdict(_Walk())
    if not isinstance(kept, dict) or kept.keys() != expected.keys():
        raise DataInvalid(f"the kept market state is damaged: expected a walk, found {kept!r}")
    if kept["phase"] not in list(Phase):
        raise DataInvalid(f"the kept market state is damaged: expected a phase, found {kept['phase']!r}")
    walk = {**kept, "phase": Phase(kept["phase"])}
    wrong = [name for name, value in expected.items() if not isinstance(walk[name], type(value))]
    if wrong:
        raise DataInvalid(f"the kept market state is damaged: {', '.join(wrong)} in {kept!r}")
    return _Walk(**walk)

"""The path of a synthetic market: legs around lines, in phases that range, trend, crash and recover.

It stays near where it began over days. Its name and its beginning decide every row, on every
machine and Python version: only ``random.Random.random`` and the four operations of IEEE
arithmetic are used. Rows are made in blocks, each with dice of its own, so that a path can be
gone on with from the walk that any block began with.
"""

import hashlib
import random
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from engine.model.errors import DataInvalid

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
ROW_MS = 1_000
BLOCK_ROWS = 1_024
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
class Habit:
    """How a phase moves. Lengths in rows, swings and noise as fractions of the price."""

    length: tuple[int, int]
    leg: tuple[int, int]
    swing: tuple[float, float]
    noise: float


HABITS = {
    Phase.RANGE: Habit(
        length=(60 * _MINUTE, 150 * _MINUTE),
        leg=(5 * _MINUTE, 10 * _MINUTE),
        swing=(0.006, 0.010),
        noise=0.00016,
    ),
    Phase.TREND_UP: Habit(
        length=(60 * _MINUTE, 200 * _MINUTE),
        leg=(6 * _MINUTE, 12 * _MINUTE),
        swing=(0.004, 0.008),
        noise=0.00016,
    ),
    Phase.TREND_DOWN: Habit(
        length=(60 * _MINUTE, 200 * _MINUTE),
        leg=(6 * _MINUTE, 12 * _MINUTE),
        swing=(0.004, 0.008),
        noise=0.00016,
    ),
    Phase.CRASH: Habit(
        length=(15 * _MINUTE, 30 * _MINUTE),
        leg=(2 * _MINUTE, 4 * _MINUTE),
        swing=(0.003, 0.010),
        noise=0.0004,
    ),
    Phase.RECOVERY: Habit(
        length=(60 * _MINUTE, 180 * _MINUTE),
        leg=(4 * _MINUTE, 9 * _MINUTE),
        swing=(0.004, 0.009),
        noise=0.00024,
    ),
}


@dataclass(slots=True, kw_only=True)
class Walk:
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
class Block:
    """``BLOCK_ROWS`` rows in whole ticks, and the walk they began with."""

    number: int
    prices: "array[int]"
    low: int
    high: int
    walk: dict[str, object]


class Path:
    """Makes the blocks of a path one after the other.

    ``name`` and the number of a block are its dice; ``habits`` is how phases move, in rows of any length.
    """

    def __init__(self, *, name: str, start_ticks: int, habits: Mapping[Phase, Habit]) -> None:
        self.marks: deque[tuple[int, Phase]] = deque()
        """The rows at which phases began, and which."""
        self._name = name
        self._start_ticks = start_ticks
        self._habits = habits
        self._walk = Walk()

    def go_on(self, walk: Walk) -> None:
        """The next block is the one that began with this walk."""
        self.marks.clear()
        self.marks.append((walk.phase_start, walk.phase))
        self._walk = walk

    def make_block(self, number: int) -> Block:
        """The next block; ``number`` says which it is."""
        first = number * BLOCK_ROWS
        walk = self._walk
        began = asdict(walk)
        dice = dice_from_text(f"{self._name}/{number}")
        prices = array("q")
        while len(prices) < BLOCK_ROWS:
            row = first + len(prices)
            if row >= walk.leg_end:
                self._turn(row, dice)
            rows = min(walk.leg_end - row, BLOCK_ROWS - len(prices))
            prices.extend(_leg_prices(walk, self._habits[walk.phase].noise, dice, row, rows, self._start_ticks))
        return Block(number=number, prices=prices, low=min(prices), high=max(prices), walk=began)

    def _turn(self, row: int, dice: random.Random) -> None:
        walk, habits = self._walk, self._habits
        if row >= walk.phase_end:
            _begin_phase(walk, _phase_after(walk, dice) if row > 0 else Phase.RANGE, habits, row, dice)
            self.marks.append((row, walk.phase))
        _begin_leg(walk, habits[walk.phase], row, dice)


def walk_from_state(kept: object) -> Walk:
    """The walk that was kept.

    Raises:
        DataInvalid: it is none.
    """
    expected = asdict(Walk())
    if not isinstance(kept, dict) or kept.keys() != expected.keys():
        raise DataInvalid(f"the kept market state is damaged: expected a walk, found {kept!r}")
    if kept["phase"] not in list(Phase):
        raise DataInvalid(f"the kept market state is damaged: expected a phase, found {kept['phase']!r}")
    walk = {**kept, "phase": Phase(kept["phase"])}
    wrong = [name for name, value in expected.items() if not isinstance(walk[name], type(value))]
    if wrong:
        raise DataInvalid(f"the kept market state is damaged: {', '.join(wrong)} in {kept!r}")
    return Walk(**walk)


def dice_from_text(text: str) -> random.Random:
    """Dice of their own for every text."""
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def between(dice: random.Random, bounds: tuple[float, float]) -> float:
    """A number between two, as the dice say."""
    return bounds[0] + (bounds[1] - bounds[0]) * dice.random()


def _leg_prices(walk: Walk, noise: float, dice: random.Random, row: int, rows: int, start_ticks: int) -> list[int]:
    """The next rows of the current leg: a straight way to its target, disturbed by noise."""
    uniform = dice.random
    noise *= 2.0
    factor, target, left = walk.factor, walk.leg_target, walk.leg_end - row
    prices = []
    for remaining in range(left, left - rows, -1):
        prices.append(max(int(factor * start_ticks + 0.5), 1))
        # Three uniforms have variance 1/4: twice their centred sum stands in for a normal.
        bump = uniform() + uniform() + uniform() - 1.5
        factor += (target - factor) / remaining + factor * noise * bump
    walk.factor = factor
    return prices


def _begin_leg(walk: Walk, habit: Habit, row: int, dice: random.Random) -> None:
    end = row + int(between(dice, habit.leg))
    is_last = walk.phase_end - end < habit.leg[0]
    walk.leg_end = walk.phase_end if is_last else end
    walk.is_leg_up = not walk.is_leg_up
    share = (walk.leg_end - walk.phase_start) / (walk.phase_end - walk.phase_start)
    line = walk.origin + (walk.goal - walk.origin) * share
    swing = between(dice, habit.swing)
    if is_last and walk.phase is not Phase.RANGE:
        walk.leg_target = walk.goal
    else:
        walk.leg_target = line * (1.0 + (swing if walk.is_leg_up else -swing))


def _phase_after(walk: Walk, dice: random.Random) -> Phase:
    """What comes next; the further the price is from its start, the likelier it is pulled back."""
    if walk.phase is Phase.CRASH:
        return Phase.RECOVERY
    roll = dice.random()
    if roll < (0.15 if walk.phase is Phase.RANGE else 0.75):
        return Phase.RANGE
    if roll > 0.8 and walk.factor > 0.95:
        return Phase.CRASH
    return Phase.TREND_UP if dice.random() < 0.5 - 3.0 * (walk.factor - 1.0) else Phase.TREND_DOWN


def _begin_phase(walk: Walk, phase: Phase, habits: Mapping[Phase, Habit], row: int, dice: random.Random) -> None:
    if phase is Phase.CRASH:
        walk.high = walk.factor
    walk.phase = phase
    walk.phase_start = row
    walk.phase_end = row + int(between(dice, habits[phase].length))
    walk.origin = walk.factor
    walk.goal = min(max(_goal_of_phase(walk, dice), _FACTOR_MIN), _FACTOR_MAX)


def _goal_of_phase(walk: Walk, dice: random.Random) -> float:
    origin = walk.origin
    match walk.phase:
        case Phase.RANGE:
            return origin + 0.1 * (1.0 - origin)
        case Phase.TREND_UP:
            return origin * (1.0 + between(dice, (0.03, 0.08)))
        case Phase.TREND_DOWN:
            return origin * (1.0 - between(dice, (0.03, 0.08)))
        case Phase.CRASH:
            return origin * (1.0 - between(dice, (0.085, 0.145)))
        case Phase.RECOVERY:
            return origin + (walk.high - origin) * between(dice, (0.6, 0.9))

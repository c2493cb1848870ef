"""Where the levels of a grid lie: inside its range, and beyond it where it trails the price."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count, islice

from engine.model.grid import Direction, GridSpec, Spacing
from engine.model.market import Market
from engine.model.money import nearest_step
from engine.model.order import Side

BEYOND_MAX = 1000
"""The most levels that a grid may trail by in one direction."""


def level_at(spec: GridSpec, market: Market, index: int) -> Decimal:
    """The price line with this number on the nearest tick: 0 is ``lower``, N is ``upper``, others lie beyond."""
    return _level(market, spec.lower, spec.upper, spec.slots, spec.spacing, index)


def levels_of(spec: GridSpec, market: Market) -> tuple[Decimal, ...]:
    """The N+1 price lines of N slots, lowest first, each on a tick."""
    return levels_between(market, spec.lower, spec.upper, spec.slots, spec.spacing)


def levels_between(market: Market, lower: Decimal, upper: Decimal, slots: int, spacing: Spacing) -> tuple[Decimal, ...]:
    """The levels of this many slots between two prices, lowest first, each on a tick; some may meet on one."""
    return tuple(_level(market, lower, upper, slots, spacing, index) for index in range(slots + 1))


def levels_above(spec: GridSpec, market: Market, highest: Decimal) -> tuple[Decimal, ...]:
    """The levels above ``highest`` that trailing up may reach, nearest first; more than ``BEYOND_MAX`` are cut off."""
    bound = spec.trailing.up_to
    if bound is None:
        return ()
    rising = (level_at(spec, market, index) for index in count(0))
    return tuple(islice(_between(rising, highest, bound), BEYOND_MAX + 1))


def levels_below(spec: GridSpec, market: Market, lowest: Decimal) -> tuple[Decimal, ...]:
    """The levels below ``lowest`` that trailing down may reach, nearest first; more than ``BEYOND_MAX`` are cut off."""
    bound = spec.trailing.down_to
    if bound is None:
        return ()
    falling = (-level_at(spec, market, index) for index in count(spec.slots, -1))
    return tuple(-level for level in islice(_between(falling, -lowest, -max(bound, market.tick_size)), BEYOND_MAX + 1))


def sides_of(spec: GridSpec, levels: tuple[Decimal, ...], anchor: Decimal) -> tuple[Side, ...]:
    """The sides of the entries of the slots between these levels, lowest first; empty where all buy."""
    match spec.direction:
        case Direction.LONG:
            return ()
        case Direction.SHORT:
            return (Side.SELL,) * (len(levels) - 1)
        case Direction.NEUTRAL:
            return tuple(Side.BUY if level <= anchor else Side.SELL for level in levels[:-1])


def _level(market: Market, lower: Decimal, upper: Decimal, slots: int, spacing: Spacing, index: int) -> Decimal:
    match spacing:
        case Spacing.ARITHMETIC:
            exact = lower + (upper - lower) / slots * index
        case Spacing.GEOMETRIC:
            exact = lower * (upper / lower) ** (Decimal(index) / slots)
    return nearest_step(exact, market.tick_size)


def _between(rising: Iterator[Decimal], low: Decimal, high: Decimal) -> Iterator[Decimal]:
    """Rising prices above ``low`` and up to ``high``, each once: near zero, levels meet on one tick."""
    last = low
    for level in rising:
        if level > high:
            return
        if level > last:
            last = level
            yield level

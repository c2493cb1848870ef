"""When the lattice follows the price by itself, and how: trailing up and down, and growth without an upper bound.

Levels have numbers: 0 is ``lower`` of the grid's wish and N its ``upper``; those beyond are counted on. A
shift never changes the wish, so that level k is always computed from it and never from rounded neighbours, and
the number of a lattice's lowest level is the one whose price is nearest to it: two numbers never share a price.

A grid that trails drops slots at one end and adds as many at the other. Where the price goes with the grid (up for
one that buys first) those dropped have closed their lots; as long as one has not, nothing moves. Where it
goes against the grid they hold lots, which move to the best exits that are left, for a grid that buys first the
highest: the shift itself sells nothing, but what was paid above those exits is lost when they are reached.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import log

from engine.core.cycles import cycle_profit
from engine.core.levels import level_at, levels_of
from engine.core.migration import Cause, GridNow, MigrationPlan, MigrationRefused, plan_migration
from engine.core.sizing import amounts_beyond, amounts_of, sellable
from engine.model.actions import QuietBand
from engine.model.grid import Direction, GridSpec, Lattice, Spacing
from engine.model.ids import SLOTS_MAX
from engine.model.market import Market
from engine.model.money import ONE, ZERO, text_from_decimal
from engine.model.order import Side
from engine.model.slot import NO_LOT, Slot, lot_of

NEAR_TOP = 10
"""An infinite grid grows when the price is within this many slots of its top."""
ABOVE_PRICE = 20
"""So many whole slots an infinite grid has above the price after it has grown."""
BY = "trailing"
"""Who is named in the journal for a shift."""
_INFINITY = Decimal("Infinity")


def shift(grid: GridNow, price: Decimal) -> MigrationPlan | None:
    """How the lattice follows the price; None if it need not, or cannot now."""
    found = shift_or_reason(grid, price)
    return found if isinstance(found, MigrationPlan) else None


def shift_or_reason(grid: GridNow, price: Decimal) -> MigrationPlan | MigrationRefused | None:
    """How the lattice follows the price, or why it cannot though it should; None if it need not."""
    wanted = _wanted(grid.spec, grid.market, grid.lattice, price)
    if wanted is None:
        return None
    if wanted.drops:
        reasons = tuple(_holding(grid, wanted))
        if reasons:
            return MigrationRefused(reasons=reasons)
    count = _count_possible(grid, wanted)
    if count == 0:
        return MigrationRefused(reasons=(_problem_with(grid, wanted.slot_number(1)) or _no_room(grid),))
    target = _target(grid, wanted, count)
    return plan_migration(
        grid, target, spec=grid.spec, price=price, cause=Cause.SHIFT, reason=_reason(wanted, count, price), by=BY
    )


def trail_band(spec: GridSpec, market: Market, lattice: Lattice, price: Decimal) -> QuietBand:
    """The open interval of prices around ``price`` in which the lattice stays where it is; empty if it should move."""
    low, high = _edges(spec, market, lattice)
    return QuietBand(low, high) if low < price < high else QuietBand(price, price)


def first_number(spec: GridSpec, market: Market, lattice: Lattice) -> int:
    """The number of the lattice's lowest level."""
    lowest = lattice.levels[0]
    about = _number_about(spec, lowest)
    return min(range(about - 2, about + 3), key=lambda number: abs(level_at(spec, market, number) - lowest))


def amounts_between(
    spec: GridSpec, market: Market, levels: Sequence[Decimal], first: int, anchor: Decimal
) -> tuple[Decimal, ...]:
    """The base of each slot between neighbouring levels, of which the lowest has the number ``first``.

    Inside the range of the wish it is that of the wish; slots beyond are sized like the ends of its profile.
    """
    numbers = range(first, first + len(levels) - 1)
    slots = [_slot(spec, lower, upper) for lower, upper in pairwise(levels)]
    outside = [slot for number, slot in zip(numbers, slots, strict=True) if not 0 <= number < spec.slots]
    beyond = iter(amounts_beyond(spec, market, anchor, outside) if outside else ())
    inside = amounts_of(spec, market, levels_of(spec, market), anchor) if len(outside) < len(slots) else ()
    return tuple(inside[number] if 0 <= number < spec.slots else next(beyond) for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Add ``count`` slots at the end where ``side`` says the price is: BUY below, SELL above.

    ``edge`` is the number of the level there now; ``drops`` whether as many are dropped at the other end.
    """

    side: Side
    edge: int
    count: int
    drops: bool

    def slot_number(self, count: int) -> int:
        """The number of the lower level of the farthest of ``count`` slots."""
        return self.edge - count if self.side is Side.BUY else self.edge + count - 1


def _edges(spec: GridSpec, market: Market, lattice: Lattice) -> tuple[Decimal, Decimal]:
    """The prices at or beyond which the lattice should move, below and above."""
    if not _follows(spec):
        return ZERO, _INFINITY
    first = first_number(spec, market, lattice)
    top = first + len(lattice.amounts)
    if spec.is_infinite:
        return ZERO, level_at(spec, market, top - NEAR_TOP)
    low, high = level_at(spec, market, first - 1), level_at(spec, market, top + 1)
    up_to, down_to = spec.trailing.up_to, spec.trailing.down_to
    return (
        low if down_to is not None and low >= down_to and low > 0 else ZERO,
        high if up_to is not None and high <= up_to else _INFINITY,
    )


def _follows(spec: GridSpec) -> bool:
    if spec.is_infinite:
        return True
    trails = spec.trailing.up_to is not None or spec.trailing.down_to is not None
    return trails and spec.direction is not Direction.NEUTRAL


def _wanted(spec: GridSpec, market: Market, lattice: Lattice, price: Decimal) -> _Wanted | None:
    low, high = _edges(spec, market, lattice)
    if low < price < high:
        return None
    first = first_number(spec, market, lattice)
    top = first + len(lattice.amounts)
    if spec.is_infinite:
        # Below the range there is no slot between the price and the lowest level.
        next_above = max(_number_at_most(spec, market, price) + 1, first)
        count = next_above + ABOVE_PRICE - top
        return _Wanted(side=Side.SELL, edge=top, count=count, drops=False)
    if price >= high:
        limit = min(price, spec.trailing.up_to or price)
        return _Wanted(side=Side.SELL, edge=top, count=_number_at_most(spec, market, limit) - top, drops=True)
    limit = max(price, spec.trailing.down_to or price)
    return _Wanted(side=Side.BUY, edge=first, count=first - _number_at_least(spec, market, limit), drops=True)


def _holding(grid: GridNow, wanted: _Wanted) -> Iterator[str]:
    """The lots that are still to be closed before the price's way with the grid can be followed."""
    along = Side.SELL if grid.spec.direction is Direction.LONG else Side.BUY
    if wanted.side is not along:
        return
    places = grid.lattice.places
    dropped = places[: wanted.count] if wanted.side is Side.SELL else places[-wanted.count :]
    for identity in dropped:
        if lot_of(grid.slots[identity]) != NO_LOT:
            yield f"slot {identity} would disappear, and its lot is not closed yet"


def _count_possible(grid: GridNow, wanted: _Wanted) -> int:
    """How many of the slots can trade: the farther out, the sooner steps or orders become too small."""
    room = wanted.count if wanted.drops else min(wanted.count, SLOTS_MAX - len(grid.slots))
    counts = range(1, room + 1)
    return bisect_left(counts, True, key=lambda count: _problem_with(grid, wanted.slot_number(count)) is not None)


def _problem_with(grid: GridNow, number: int) -> str | None:
    """Why the slot above the level with this number cannot trade."""
    spec, market = grid.spec, grid.market
    lower, upper = (level_at(spec, market, each) for each in (number, number + 1))
    where = f"the slot from {text_from_decimal(lower)} to {text_from_decimal(upper)}"
    if not ZERO < lower < upper:
        return f"expected a level above 0 and a step of at least a tick, found {where}"
    (amount,) = amounts_between(spec, market, (lower, upper), number, grid.lattice.anchor)
    slot = _slot(spec, lower, upper, amount)
    if cycle_profit(market, lower, upper, slot.entry_side) <= 0:
        return f"expected steps wider than the fees of a cycle, found {where}"
    for price, found in ((slot.entry_price, amount), (slot.exit_price, sellable(market, slot))):
        problem = market.problem_with(price, found)
        if problem:
            return f"expected orders that {market.symbol} takes, found {where}: {problem}"
    return None


def _no_room(grid: GridNow) -> str:
    return f"expected at most {SLOTS_MAX} slots ever used, found {len(grid.slots)}"


def _target(grid: GridNow, wanted: _Wanted, count: int) -> Lattice:
    """The lattice after the shift: what stays of it as it is, what is new from the wish."""
    spec, market, old = grid.spec, grid.market, grid.lattice
    size = len(old.amounts)
    added = min(count, size) if wanted.drops else count
    match wanted.side:
        case Side.SELL:
            edge = wanted.edge + count
            numbers = range(edge - added, edge + 1)
            kept = slice(count, None) if wanted.drops else slice(None)
        case Side.BUY:
            edge = wanted.edge - count
            numbers = range(edge, edge + added + 1)
            kept = slice(None, max(size - count, 0))
    levels = tuple(level_at(spec, market, number) for number in numbers)
    amounts = amounts_between(spec, market, levels, numbers[0], old.anchor)
    kept_amounts = old.amounts[kept]
    if kept_amounts:
        levels, amounts = _joined(wanted.side, old, kept, levels, amounts)
    sides = (Side.SELL,) * len(amounts) if spec.direction is Direction.SHORT else ()
    return Lattice(version=old.version, anchor=old.anchor, levels=levels, amounts=amounts, sides=sides)


def _joined(
    side: Side, old: Lattice, kept: slice, levels: tuple[Decimal, ...], amounts: tuple[Decimal, ...]
) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...]]:
    """The slots that stay with those that are new, which share one level."""
    match side:
        case Side.SELL:
            return (*old.levels[kept], *levels[1:]), (*old.amounts[kept], *amounts)
        case Side.BUY:
            stay = len(old.amounts[kept])
            return (*levels[:-1], *old.levels[: stay + 1]), (*amounts, *old.amounts[kept])


def _slot(spec: GridSpec, lower: Decimal, upper: Decimal, amount: Decimal = ONE) -> Slot:
    side = Side.SELL if spec.direction is Direction.SHORT else Side.BUY
    return Slot(index=0, lower=lower, upper=upper, amount=amount, entry_side=side)


def _number_about(spec: GridSpec, price: Decimal) -> int:
    """The number of the level at or below a price, or nearly so; an estimate for where to look."""
    match spec.spacing:
        case Spacing.ARITHMETIC:
            return int((price - spec.lower) / (spec.upper - spec.lower) * spec.slots)
        case Spacing.GEOMETRIC:
            return int(log(price / spec.lower) / log(spec.upper / spec.lower) * spec.slots)


def _number_at_most(spec: GridSpec, market: Market, price: Decimal) -> int:
    """The greatest number of a level at or below a price."""
    number = _number_about(spec, price)
    while level_at(spec, market, number) > price:
        number -= 1
    while level_at(spec, market, number + 1) <= price:
        number += 1
    return number


def _number_at_least(spec: GridSpec, market: Market, price: Decimal) -> int:
    """The least number of a level at or above a price."""
    number = _number_about(spec, price)
    while level_at(spec, market, number) < price:
        number += 1
    while level_at(spec, market, number - 1) >= price:
        number -= 1
    return number


def _reason(wanted: _Wanted, count: int, price: Decimal) -> str:
    way = "risen" if wanted.side is Side.SELL else "fallen"
    levels = f"{count} level" if count == 1 else f"{count} levels"
    done = f"the lattice follows by {levels}" if wanted.drops else f"{levels} are added above"
    return f"the price has {way} to {text_from_decimal(price)}: {done}"

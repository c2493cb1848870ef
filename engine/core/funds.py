"""What a whole grid can have bound at any time, with the levels that it may trail to."""

from collections.abc import Sequence

from engine.core.costs import NO_FUNDS, Funds, funds_of_slot, reserve_of_sellers, worst_fee_rate
from engine.core.levels import levels_above, levels_below
from engine.core.sizing import amounts_beyond, slots_between, slots_of
from engine.model.grid import Direction, GridSpec, Lattice, SizedBy
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO, ceil_to_step
from engine.model.order import Side
from engine.model.slot import Slot


def funds_needed(spec: GridSpec, market: Market, lattice: Lattice) -> Funds:
    """The most that the grid can have bound at any time.

    A slot that the start price has left behind is traded there, or at its own level if the price gets there first.
    A slot that sells first needs its base and no quote: it buys back with what it sold for. On a swap ``quote`` is
    margin and fees. Where the grid trails, every level that it may open a lot at counts; ``investment`` is for the
    range alone.
    """
    needed = NO_FUNDS
    for slot in slots_of(lattice):
        needed = needed.plus(funds_of_slot(spec, market, lattice.anchor, slot))
    needed = needed.plus(_trailing_against(spec, market, lattice)).plus(_trailing_along(spec, market, lattice))
    if Side.SELL in lattice.sides:
        reserve = reserve_of_sellers(spec, market, lattice.levels[0])
        if reserve.base:
            needed = Funds(quote=needed.quote, base=ceil_to_step(needed.base, market.lot_size)).plus(reserve)
    factor = ONE + (worst_fee_rate(market, FeeCurrency.QUOTE) if market.swap is None else ZERO)
    return Funds(quote=needed.quote * factor, base=needed.base)


def _trailing_against(spec: GridSpec, market: Market, lattice: Lattice) -> Funds:
    """Where the price goes on against the grid, each level that is added opens one more lot."""
    needed = NO_FUNDS
    if spec.direction is not Direction.SHORT:
        for slot in _slots_beyond(spec, market, lattice, Side.BUY):
            needed = needed.plus(_at_its_level(spec, market, slot))
    if spec.direction is not Direction.LONG:
        for slot in _slots_beyond(spec, market, lattice, Side.SELL):
            needed = needed.plus(_at_its_level(spec, market, slot))
    return needed


def _trailing_along(spec: GridSpec, market: Market, lattice: Lattice) -> Funds:
    """Where the price goes with the grid, each slot that is added replaces the empty one farthest behind.

    The same quote buys less base at a higher price, so only what is sized in base needs more there; and the
    same quote is more base at a lower one, which a grid that sells base first has to have.
    """
    match spec.direction:
        case Direction.LONG:
            if spec.sized_by is not SizedBy.BASE_PER_SLOT:
                return NO_FUNDS
            added, kept = _slots_beyond(spec, market, lattice, Side.SELL), slots_of(lattice)
        case Direction.SHORT:
            if spec.sized_by is SizedBy.BASE_PER_SLOT or market.swap is not None:
                return NO_FUNDS
            added, kept = _slots_beyond(spec, market, lattice, Side.BUY), slots_of(lattice)[::-1]
        case Direction.NEUTRAL:
            return NO_FUNDS
    return _most_in_exchange(spec, market, added, [*kept, *added])


def _most_in_exchange(spec: GridSpec, market: Market, added: Sequence[Slot], replaced: Sequence[Slot]) -> Funds:
    """The most by which the slots added so far need more than those which they replaced, in their order."""
    quote, base = ZERO, ZERO
    quote_most, base_most = ZERO, ZERO
    for new, old in zip(added, replaced, strict=False):
        after, before = _at_its_level(spec, market, new), _at_its_level(spec, market, old)
        quote += after.quote - before.quote
        base += after.base - before.base
        quote_most, base_most = max(quote_most, quote), max(base_most, base)
    return Funds(quote=quote_most, base=base_most)


def _at_its_level(spec: GridSpec, market: Market, slot: Slot) -> Funds:
    return funds_of_slot(spec, market, slot.entry_price, slot)


def _slots_beyond(spec: GridSpec, market: Market, lattice: Lattice, where: Side) -> list[Slot]:
    """The slots that trailing may add, nearest first: where one would buy, below the range; else above it."""
    match where:
        case Side.BUY:
            levels = (lattice.levels[0], *levels_below(spec, market, lattice.levels[0]))[::-1]
        case Side.SELL:
            levels = (lattice.levels[-1], *levels_above(spec, market, lattice.levels[-1]))
    side = where if spec.direction is Direction.NEUTRAL else _only_side(spec.direction)
    slots = slots_between(levels, (side,) * (len(levels) - 1))
    amounts = amounts_beyond(spec, market, lattice.anchor, slots)
    sized = slots_between(levels, (side,) * len(slots), amounts)
    return sized[::-1] if where is Side.BUY else sized


def _only_side(direction: Direction) -> Side:
    return Side.SELL if direction is Direction.SHORT else Side.BUY

"""How much each slot trades: the grid's size, its profile along the price, and slots of a size of their own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from engine.core.costs import funds_of_slot, initial_price, is_left_behind, reserve_of_sellers, worst_fee_rate
from engine.core.levels import levels_of, sides_of
from engine.model.grid import GridSpec, InitialPurchase, Lattice, SizedBy, SizeProfile
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO, ceil_to_step, floor_to_step, text_from_decimal
from engine.model.order import Side
from engine.model.slot import Slot

WEIGHT_MAX = 3
"""How many times the least of a profile its most is."""
_FINEST_QUOTE = Decimal("0.00000001")


def shares_of(profile: SizeProfile, slots: int) -> tuple[Decimal, ...]:
    """The size of each slot as a multiple of their mean, lowest first."""
    last = max(slots - 1, 1)
    heights = [last - abs(2 * place - (slots - 1)) for place in range(slots)]
    match profile:
        case SizeProfile.FLAT:
            weights = [1] * slots
        case SizeProfile.PYRAMID:
            weights = [last + (WEIGHT_MAX - 1) * height for height in heights]
        case SizeProfile.VALLEY:
            weights = [WEIGHT_MAX * last - (WEIGHT_MAX - 1) * height for height in heights]
    whole = sum(weights)
    return tuple(Decimal(weight * slots) / whole for weight in weights)


def slots_between(
    levels: Sequence[Decimal], sides: Sequence[Side], amounts: Sequence[Decimal] | None = None
) -> list[Slot]:
    """Empty slots between neighbouring levels, lowest first, of 1 base each unless ``amounts`` says otherwise."""
    return [
        Slot(
            index=place,
            lower=levels[place],
            upper=levels[place + 1],
            amount=amounts[place] if amounts is not None else ONE,
            entry_side=sides[place] if sides else Side.BUY,
        )
        for place in range(len(levels) - 1)
    ]


def slots_of(lattice: Lattice) -> list[Slot]:
    """The slots of a lattice as they begin, empty, counted by place."""
    return slots_between(lattice.levels, lattice.sides, lattice.amounts)


def problems_with_sizes(spec: GridSpec) -> Iterator[str]:
    """What is wrong with the slots of a size of their own."""
    for slot, times in Counter(size.slot for size in spec.sizes).items():
        if not 0 <= slot < spec.slots:
            yield f"sizes: expected slots from 0 to {spec.slots - 1}, found slot {slot}"
        if times > 1:
            yield f"sizes: expected each slot once, found slot {slot} {times} times"
    for size in spec.sizes:
        if not (size.size.is_finite() and size.size > 0):
            yield f"sizes: expected a size above 0 for slot {size.slot}, found {size.size}"


def problem_with_investment(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> str | None:
    """Why the investment leaves nothing for the slots without a size of their own, if it does not."""
    if spec.sized_by is not SizedBy.INVESTMENT:
        return None
    taken = _fixed_costs(spec, market, levels, anchor)
    left_for = spec.slots - len(spec.sizes)
    if taken > spec.size or (left_for and taken == spec.size):
        return (
            f"expected more than the {text_from_decimal(ceil_to_step(taken, market.tick_size))} {market.quote} that "
            f"the slots of a size of their own and the reserve need, found {text_from_decimal(spec.size)}"
        )
    return None


def amounts_of(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> tuple[Decimal, ...]:
    """The base of each slot, lowest first, in whole lots: what the size is worth at the level of the entry."""
    sides = sides_of(spec, levels, anchor)
    slots = slots_between(levels, sides)
    shares, own = shares_of(spec.profile, spec.slots), _own_sizes(spec)
    unit = _unit(spec, market, levels, anchor)
    sizes = (own.get(place, unit * share) for place, share in enumerate(shares))
    return tuple(market.floor_amount(_base(spec, size, slot)) for size, slot in zip(sizes, slots, strict=True))


def amounts_beyond(spec: GridSpec, market: Market, anchor: Decimal, slots: Sequence[Slot]) -> list[Decimal]:
    """The base of slots outside the range, in whole lots: sized like the ends of the profile."""
    unit = _unit(spec, market, levels_of(spec, market), anchor)
    size = unit * shares_of(spec.profile, spec.slots)[0]
    return [market.floor_amount(_base(spec, size, slot)) for slot in slots]


def sellable(market: Market, slot: Slot) -> Decimal:
    """What the exit of a slot's whole lot trades: fees in base come off what was bought."""
    if slot.entry_side is Side.SELL:
        return slot.amount
    return market.floor_amount(slot.amount * (ONE - worst_fee_rate(market, FeeCurrency.RECEIVED)))


def least_investment(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> Decimal:
    """The least quote, base valued at ``anchor``, with which every slot's orders meet the market's minimum.

    Slots of a size of their own keep it.
    """
    own, shares = _own_sizes(spec), shares_of(spec.profile, spec.slots)
    slots = slots_between(levels, sides_of(spec, levels, anchor))
    costs = _costs(spec, market, levels, anchor)
    free = [slot for slot in slots if slot.index not in own]
    taken = _fixed_costs(spec, market, levels, anchor)
    match spec.sized_by:
        case SizedBy.BASE_PER_SLOT:
            unit = max((_least_amount(spec, market, anchor, slot) / shares[slot.index] for slot in free), default=ZERO)
            amounts = {slot.index: ceil_to_step(unit * shares[slot.index], market.lot_size) for slot in free}
            shared = sum((costs[place] * slots[place].entry_price * each for place, each in amounts.items()), ZERO)
        case SizedBy.QUOTE_PER_SLOT | SizedBy.INVESTMENT:
            notionals = (
                _least_amount(spec, market, anchor, slot) * slot.entry_price / shares[slot.index] for slot in free
            )
            unit = max(notionals, default=ZERO)
            shared = unit * sum((costs[slot.index] * shares[slot.index] for slot in free), ZERO)
    # A quotient that is rounded down would miss a whole lot.
    return floor_to_step(shared * _quote_fee_factor(market) + taken, _FINEST_QUOTE) + _FINEST_QUOTE


def _least_amount(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Decimal:
    """The least amount of a slot whose entry and exit the market takes, and its first trade at the start."""
    prices = [slot.entry_price]
    if is_left_behind(slot, anchor) and spec.initial_purchase in (InitialPurchase.LIMIT, InitialPurchase.MARKET):
        prices.append(initial_price(spec.initial_purchase, market, anchor, slot.entry_side))
    entered = max(_least_order(market, price) for price in prices)
    left = _least_order(market, slot.exit_price)
    if slot.entry_side is Side.BUY:
        left = ceil_to_step(left / (ONE - worst_fee_rate(market, FeeCurrency.RECEIVED)), market.lot_size)
    return max(entered, left)


def _least_order(market: Market, price: Decimal) -> Decimal:
    return ceil_to_step(max(market.amount_min, market.lot_size, market.notional_min / price), market.lot_size)


def _own_sizes(spec: GridSpec) -> dict[int, Decimal]:
    return {size.slot: size.size for size in spec.sizes}


def _base(spec: GridSpec, size: Decimal, slot: Slot) -> Decimal:
    match spec.sized_by:
        case SizedBy.BASE_PER_SLOT:
            return size
        case SizedBy.QUOTE_PER_SLOT | SizedBy.INVESTMENT:
            return size / slot.entry_price


def _unit(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> Decimal:
    """The mean size of a slot, were none of a size of its own."""
    if spec.sized_by is not SizedBy.INVESTMENT:
        return spec.size
    own = _own_sizes(spec)
    shares = enumerate(shares_of(spec.profile, spec.slots))
    costs = _costs(spec, market, levels, anchor)
    shared = sum((costs[place] * share for place, share in shares if place not in own), ZERO)
    if shared == 0:
        return spec.size / spec.slots
    return (spec.size - _fixed_costs(spec, market, levels, anchor)) / (shared * _quote_fee_factor(market))


def _fixed_costs(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> Decimal:
    """What of an investment is spoken for before it is shared: slots of a size of their own, and the reserve."""
    costs = _costs(spec, market, levels, anchor)
    slots = slots_between(levels, sides_of(spec, levels, anchor))
    taken = ZERO
    for place, size in _own_sizes(spec).items():
        taken += _base(spec, size, slots[place]) * slots[place].entry_price * costs[place]
    if Side.SELL in sides_of(spec, levels, anchor):
        reserve = reserve_of_sellers(spec, market, levels[0])
        # The base that is needed is rounded up to whole lots, which is another one at the most.
        taken += reserve.quote + 2 * reserve.base * anchor
    return taken * _quote_fee_factor(market)


def _costs(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> list[Decimal]:
    """What a slot of a notional of 1 takes from the investment, base valued at the start price."""
    costs = []
    for slot in slots_between(levels, sides_of(spec, levels, anchor)):
        funds = funds_of_slot(spec, market, anchor, slot)
        costs.append((funds.quote + funds.base * anchor) / slot.entry_price)
    return costs


def _quote_fee_factor(market: Market) -> Decimal:
    """A swap's slots count all of their fees themselves."""
    return ONE + (worst_fee_rate(market, FeeCurrency.QUOTE) if market.swap is None else ZERO)

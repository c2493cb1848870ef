"""A live edit: from what to change of a running grid to a preview for a person and a plan for the engine.

The wish is changed first, and the lattice is made from it anew, anchored at the price. Where neither range nor number
of slots change, the levels stay those of the running lattice, wherever it has trailed or grown to; a new range starts
from the running one, not from the one of the wish. Slots beyond the price that are left without a lot
buy it at the price if the wish says so for a start. A neutral grid's slots keep the side on which they hold a lot.
The losses in the preview are those of what the grid really holds, before and after, with all that it may still open
on the way to the far bound, or where the price already is if that is worse; the two pre-flights are those of grids
that would start afresh at the present price.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.core.lattice import initial_price, make_lattice
from engine.core.levels import levels_of, sides_of
from engine.core.migration import Cause, GridNow, MigrationPlan, MigrationRefused, plan_migration
from engine.core.preflight import preflight
from engine.core.sizing import sellable, slots_between
from engine.core.trailing import amounts_between, first_number
from engine.model.commands import GridChange
from engine.model.errors import SettingsInvalid
from engine.model.grid import NO_TRAILING, GridSpec, Lattice
from engine.model.ids import SLOTS_MAX
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO, text_from_decimal
from engine.model.order import Side
from engine.model.preflight import EditPreview, Preflight
from engine.model.risk import Limits, StopRule
from engine.model.slot import NO_LOT, Empty, Entering, Exiting, Holding, Lot, Slot, lot_of, order_of
from engine.model.words import price_text, shown_text

_NOTHING = GridChange()
_AMOUNT_LEAST, _AMOUNT_MOST = Decimal("1E-20"), Decimal("1E20")
"""Beyond these a number is no price and no size of any market, and reckoning with it is not exact any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditTerms:
    """What an edited grid is judged by; None is not known and not judged (``core.preflight``).

    ``hindrance`` is why the grid cannot be edited in its state, ``waits_for`` what keeps entries of a side from
    opening; ``liquidation_price`` is that of the swap position that is held.
    """

    limits: Limits
    stops: Sequence[StopRule] = ()
    orders_max: int | None = None
    requests_per_minute: int | None = None
    hindrance: str = ""
    waits_for: Mapping[Side, str] = field(default_factory=dict)
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPlan:
    """``plan`` is None exactly when ``preview.problems`` names a reason."""

    preview: EditPreview
    plan: MigrationPlan | None


def edit_plan(grid: GridNow, price: Decimal, change: GridChange, terms: EditTerms, *, by: str) -> EditPlan:
    """What a change of a running grid would do at this price.

    Where the wish is impossible, the preview shows the grid as it is, with the problems.
    """
    before = _preflight(grid.spec, grid.market, _started_now(grid, price), price, terms)
    nonsense = ((terms.hindrance,) if terms.hindrance else ()) + tuple(_nonsense_in(change))
    if nonsense or change == _NOTHING:
        return _refused(grid, price, before, before, nonsense or ("nothing would change",))
    try:
        keeps_levels = _keeps_levels(grid, change)
        spec = _changed(grid, change, keeps_levels=keeps_levels)
        target = _target(grid, spec, price, keeps_levels=keeps_levels)
    except SettingsInvalid as impossible:
        return _refused(grid, price, before, before, impossible.problems)
    except ValueError as contradiction:
        return _refused(grid, price, before, before, (str(contradiction),))
    if _is_same(grid.lattice, target):
        return _refused(grid, price, before, before, ("nothing would change",))
    found = plan_migration(
        grid, target, spec=spec, price=price, cause=Cause.EDIT, reason=_reason(grid, spec, target), by=by
    )
    after = _preflight(spec, grid.market, target, price, terms)
    match found:
        case MigrationRefused():
            return _refused(grid, price, before, after, (*after.problems, *found.reasons))
        case MigrationPlan():
            problems = (*after.problems, *_money_problems(grid, found))
            preview = _preview(grid, price, before, after, found, terms)
            preview = replace(preview, problems=tuple(dict.fromkeys(problems)))
            return EditPlan(preview=preview, plan=None if problems else found)


def worst_loss(market: Market, lattice: Lattice, slots: Sequence[Slot], price: Decimal) -> Decimal:
    """What the grid has lost, in quote, once the price has gone from here to the far bound; 0 if it gains.

    It counts what is held against its cost, and what is bought on the way at its level, or at the anchor. Where the
    price is beyond the bound already, it is the loss there: the least that can be said.
    """
    losses = [ZERO]
    for side in Side:
        bound = _far_end(lattice, side, price)
        held = NO_LOT
        for identity in lattice.places:
            if slots[identity].entry_side is side:
                held = held.plus(_held_at_bound(market, lattice, slots[identity], price))
        losses.append(held.cost_quote - held.quantity * bound)
    return max(losses)


def _far_end(lattice: Lattice, side: Side, price: Decimal) -> Decimal:
    """The bound at which slots of this side lose, or the price if it is beyond."""
    return min(lattice.levels[0], price) if side is Side.BUY else max(lattice.levels[-1], price)


def _started_now(grid: GridNow, price: Decimal) -> Lattice:
    """The running lattice as if the grid started at this price."""
    return replace(grid.lattice, anchor=price, sides=sides_of(grid.spec, grid.lattice.levels, price))


def _nonsense_in(change: GridChange) -> Iterator[str]:
    """What no grid can be, whatever its market."""
    for name, value in (("lower", change.lower), ("upper", change.upper), ("size", change.size)):
        if value is not None and not (value.is_finite() and _AMOUNT_LEAST <= value <= _AMOUNT_MOST):
            yield f"{name}: expected a number from {_AMOUNT_LEAST} to {_AMOUNT_MOST}, found {value}"
    if change.slots is not None and not 1 <= change.slots <= SLOTS_MAX:
        yield f"slots: expected a whole number from 1 to {SLOTS_MAX}, found {change.slots}"


def _keeps_levels(grid: GridNow, change: GridChange) -> bool:
    """Whether range and number of slots are to be what they are, wherever the lattice has trailed or grown to."""
    lattice = grid.lattice
    return (
        change.lower in (None, lattice.levels[0])
        and change.upper in (None, lattice.levels[-1])
        and change.slots in (None, len(lattice.amounts))
    )


def _changed(grid: GridNow, change: GridChange, *, keeps_levels: bool) -> GridSpec:
    """The wish after the change.

    Raises:
        ValueError: it contradicts itself.
    """
    size = grid.spec.size if change.size is None else change.size
    if keeps_levels:
        return replace(grid.spec, size=size)
    lattice = grid.lattice
    lower = lattice.levels[0] if change.lower is None else change.lower
    upper = lattice.levels[-1] if change.upper is None else change.upper
    is_as_wished = lattice.levels == levels_of(grid.spec, grid.market)
    return replace(
        grid.spec,
        lower=grid.spec.lower if change.lower is None and is_as_wished else lower,
        upper=grid.spec.upper if change.upper is None and is_as_wished else upper,
        slots=len(lattice.amounts) if change.slots is None else change.slots,
        size=size,
    )


def _target(grid: GridNow, spec: GridSpec, price: Decimal, *, keeps_levels: bool) -> Lattice:
    """The lattice of the changed wish.

    Raises:
        SettingsInvalid: the grid cannot trade like that.
    """
    market, old = grid.market, grid.lattice
    made = make_lattice(spec, market, price)
    if not keeps_levels:
        return replace(made, sides=_sides(grid, made.levels, made.sides))
    first = first_number(spec, market, old)
    amounts = amounts_between(spec, market, old.levels, first, price)
    sides = _sides(grid, old.levels, sides_of(spec, old.levels, price))
    problems = tuple(_order_problems(market, slots_between(old.levels, sides, amounts)))
    if problems:
        raise SettingsInvalid(*problems)
    return Lattice(version=old.version, anchor=price, levels=old.levels, amounts=amounts, sides=sides)


def _order_problems(market: Market, slots: Sequence[Slot]) -> Iterator[str]:
    """What the market does not take of slots beyond the range of the wish."""
    for slot in slots:
        for price, amount in ((slot.entry_price, slot.amount), (slot.exit_price, sellable(market, slot))):
            problem = market.problem_with(price, amount)
            if problem:
                where = f"from {text_from_decimal(slot.lower)} to {text_from_decimal(slot.upper)}"
                yield f"expected orders that {market.symbol} takes, found a slot {where}: {problem}"


def _sides(grid: GridNow, levels: tuple[Decimal, ...], sides: tuple[Side, ...]) -> tuple[Side, ...]:
    """The sides of a new lattice; a slot that holds something keeps its own."""
    held = {
        (slot.lower, slot.upper): slot.entry_side
        for slot in (grid.slots[identity] for identity in grid.lattice.places)
        if lot_of(slot) != NO_LOT
    }
    return tuple(held.get((levels[place], levels[place + 1]), side) for place, side in enumerate(sides))


def _is_same(old: Lattice, target: Lattice) -> bool:
    places = range(len(target.amounts))
    return (old.levels, old.amounts) == (target.levels, target.amounts) and all(
        old.side_at(place) is target.side_at(place) for place in places
    )


def _reason(grid: GridNow, spec: GridSpec, target: Lattice) -> str:
    old, text = grid.lattice, text_from_decimal

    def shape(levels: tuple[Decimal, ...], size: Decimal) -> str:
        return f"{len(levels) - 1} slots of {text(size)} from {text(levels[0])} to {text(levels[-1])}"

    return f"edited: {shape(target.levels, spec.size)}, before {shape(old.levels, grid.spec.size)}"


def _preflight(spec: GridSpec, market: Market, lattice: Lattice, price: Decimal, terms: EditTerms) -> Preflight:
    if lattice.levels != levels_of(spec, market):
        # It has trailed or grown: shown as the grid that would start like that.
        levels = lattice.levels
        spec = replace(
            spec,
            lower=levels[0],
            upper=levels[-1],
            slots=len(lattice.amounts),
            trailing=NO_TRAILING,
        )
    return preflight(
        spec,
        market,
        lattice,
        price,
        limits=terms.limits,
        stops=terms.stops,
        orders_max=terms.orders_max,
        requests_per_minute=terms.requests_per_minute,
    )


def _money_problems(grid: GridNow, plan: MigrationPlan) -> Iterator[str]:
    fact, text = plan.fact, shown_text
    for currency, needs, given, had, beyond in (
        (grid.market.quote, plan.needs.quote, fact.funds_quote, grid.funds.quote, grid.beyond.quote),
        (grid.market.base, plan.needs.base, fact.funds_base, grid.funds.base, grid.beyond.base),
    ):
        if needs > given:
            yield (
                f"the new lattice needs {text(needs)} {currency} from the start on, the grid has {text(had)} and "
                f"the account has {text(max(beyond, ZERO))} {currency} beyond"
            )


def _preview(
    grid: GridNow, price: Decimal, before: Preflight, after: Preflight, plan: MigrationPlan, terms: EditTerms
) -> EditPreview:
    buying = [plan.after[identity] for identity in plan.fact.initial if order_of(plan.after[identity]) is None]
    signs = {Side.BUY: 1, Side.SELL: -1}
    orders = (order_of(grid.slots[identity]) for identity in plan.must_be_quiet)
    purchase, anchor = plan.fact.spec.initial_purchase, plan.fact.lattice.anchor
    traded = {slot.entry_side for slot in buying}
    warnings = (
        *after.warnings,
        *_loss_warnings(grid, plan),
        *_waiting_warnings(grid, buying, terms.waits_for),
        *_liquidation_warnings(grid, plan.fact.lattice, price, terms.liquidation_price),
    )
    return EditPreview(
        before=before,
        after=replace(after, warnings=warnings),
        stays=plan.stays,
        gone=plan.gone,
        new=plan.new,
        lots_moved=tuple((move.source, move.target) for move in plan.fact.moved),
        cancels=tuple(order.client_order_id for order in orders if order is not None),
        buys_base=sum((signs[slot.entry_side] * slot.amount for slot in buying), ZERO),
        buys_quote=sum(
            (
                signs[slot.entry_side] * slot.amount * initial_price(purchase, grid.market, anchor, slot.entry_side)
                for slot in buying
            ),
            ZERO,
        ),
        loss_before=worst_loss(grid.market, grid.lattice, grid.slots, price),
        loss_after=worst_loss(grid.market, plan.fact.lattice, plan.after, price),
        waits_for="; ".join(dict.fromkeys(reason for side, reason in terms.waits_for.items() if side in traded)),
    )


def _waiting_warnings(grid: GridNow, buying: Sequence[Slot], waits_for: Mapping[Side, str]) -> Iterator[str]:
    """What an edit would trade at once, and cannot for now."""
    for side, reason in waits_for.items():
        mine = [slot for slot in buying if slot.entry_side is side]
        if not mine:
            continue
        done, noun = ("bought", "purchase") if side is Side.BUY else ("sold", "sale")
        amount = text_from_decimal(sum((slot.amount for slot in mine), ZERO))
        count = f"{len(mine)} initial {noun}{'' if len(mine) == 1 else 's'} of {amount} {grid.market.base}"
        yield f"nothing is {done} now: {reason}; when that ends, {count} go out"


def _liquidation_warnings(grid: GridNow, lattice: Lattice, price: Decimal, at: Decimal | None) -> Iterator[str]:
    """Where the exchange ends the position before the loss can be as large as at the bound."""
    held = grid.ledger.base
    if at is None or not held:
        return
    end = _far_end(lattice, Side.BUY if held > 0 else Side.SELL, price)
    if at >= end if held > 0 else at <= end:
        tick, quote = grid.market.tick_size, grid.market.quote
        yield f"the position is liquidated at {price_text(at, tick)} {quote}: the loss at the bound is not reached"


def _loss_warnings(grid: GridNow, plan: MigrationPlan) -> Iterator[str]:
    for move in plan.at_a_loss:
        lot, exit_price = lot_of(grid.slots[move.source]), plan.after[move.target].exit_price
        loss = shown_text(lot.cost_quote - exit_price * lot.quantity)
        yield (
            f"the lot of slot {move.source} would leave at {text_from_decimal(exit_price)}, "
            f"{loss} {grid.market.quote} below its cost"
        )


def _refused(grid: GridNow, price: Decimal, before: Preflight, after: Preflight, problems: tuple[str, ...]) -> EditPlan:
    loss = worst_loss(grid.market, grid.lattice, grid.slots, price)
    preview = EditPreview(
        before=before,
        after=after,
        stays=tuple(sorted(grid.lattice.places)),
        gone=(),
        new=(),
        lots_moved=(),
        cancels=(),
        buys_base=ZERO,
        buys_quote=ZERO,
        loss_before=loss,
        loss_after=loss,
        problems=problems,
    )
    return EditPlan(preview=preview, plan=None)


def _held_at_bound(market: Market, lattice: Lattice, slot: Slot, price: Decimal) -> Lot:
    """What a slot holds once the price is at the far bound, and what it has cost."""
    state = slot.state
    match state:
        case Empty():
            if slot.is_initial:
                return _opened(market, slot.entry_side, lattice.anchor, slot.amount)
            on_the_way = slot.lower <= price if slot.entry_side is Side.BUY else slot.upper >= price
            return _opened(market, slot.entry_side, slot.entry_price, slot.amount) if on_the_way else NO_LOT
        case Entering():
            order = state.order
            return state.lot.plus(_opened(market, order.side, order.price, order.amount - order.filled))
        case Holding() | Exiting():
            return lot_of(slot)


def _opened(market: Market, side: Side, price: Decimal, amount: Decimal) -> Lot:
    """The lot that an entry of a maker makes."""
    fee, notional = market.maker_fee_rate, price * amount
    match side:
        case Side.SELL:
            return Lot(quantity=-amount, cost_quote=-notional * (ONE - fee))
        case Side.BUY:
            match market.fee_currency:
                case FeeCurrency.RECEIVED:
                    return Lot(quantity=amount * (ONE - fee), cost_quote=notional)
                case FeeCurrency.QUOTE:
                    return Lot(quantity=amount, cost_quote=notional * (ONE + fee))

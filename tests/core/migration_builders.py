"""Grids in the middle of their life, and random ones, for the tests of migrations."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from engine.core.books import GridBooks
from engine.core.costs import NO_FUNDS
from engine.core.lattice import Funds
from engine.core.ledger import Ledger
from engine.core.migration import GridNow, MigrationPlan, grid_now
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, GridSpec, Lattice, Spacing, Trailing
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Leg, Order, OrderStatus, Side
from engine.model.slot import EMPTY, NO_LOT, Entering, Exiting, Holding, Lot, Slot, lot_of
from tests.builders import a_lattice, a_market, a_spec, an_id, an_opening


def a_grid(
    spec: GridSpec | None = None,
    market: Market | None = None,
    *,
    anchor: Decimal | int = 150,
    states: Sequence[Slot] = (),
    beyond: Funds = NO_FUNDS,
    questioned: frozenset[int] = frozenset(),
) -> GridNow:
    """A grid whose lots, those of ``states``, were bought with its own money."""
    books = GridBooks(an_opening(spec, market, anchor=Decimal(anchor)))
    return with_states(replace(grid_now(books, beyond=beyond), questioned=questioned), states)


def with_states(grid: GridNow, states: Sequence[Slot]) -> GridNow:
    """A new grid after these slots have become what they are, with the grid's own money."""
    slots = list(grid.slots)
    for slot in states:
        slots[slot.index] = slot
    held = total([lot_of(slot) for slot in states])
    return replace(grid, slots=tuple(slots), ledger=Ledger(cash=-held.cost_quote, base=held.quantity))


def slot_of(grid: GridNow, identity: int, **changes: object) -> Slot:
    """A slot of a grid as it would be with changes."""
    return replace(grid.slots[identity], **changes)  # type: ignore[arg-type]


def holding(slot: Slot) -> Slot:
    """The slot with the lot of its own entry."""
    return replace(slot, state=Holding(lot=own_lot(slot)), is_initial=False)


def exiting(slot: Slot) -> Slot:
    """The slot with its lot, and a resting exit."""
    lot = own_lot(slot)
    order = resting(slot, Leg.EXIT)
    return replace(slot, state=Exiting(lot=lot, offered=lot, order=order), is_initial=False)


def entering(slot: Slot, filled: Decimal = ZERO) -> Slot:
    """The slot with a resting entry, some of it filled."""
    lot = part(own_lot(slot), filled, slot.amount)
    order = replace(resting(slot, Leg.ENTRY), filled=filled, reported_filled=filled)
    return replace(slot, state=Entering(order=order, lot=lot))


def own_lot(slot: Slot) -> Lot:
    """What its entry brings without fees."""
    sign = 1 if slot.entry_side is Side.BUY else -1
    return Lot(quantity=sign * slot.amount, cost_quote=sign * slot.amount * slot.entry_price)


def part(lot: Lot, filled: Decimal, amount: Decimal) -> Lot:
    """As much of a lot as is filled of its entry."""
    if filled == 0:
        return NO_LOT
    price = lot.cost_quote / lot.quantity
    quantity = filled if lot.quantity > 0 else -filled
    return Lot(quantity=quantity, cost_quote=quantity * price)


def resting(slot: Slot, leg: Leg) -> Order:
    """An open order of a slot at its own level."""
    is_entry = leg is Leg.ENTRY
    return Order(
        client_order_id=an_id(slot.index, leg),
        slot=slot.index,
        leg=leg,
        side=slot.entry_side if is_entry else slot.exit_side,
        price=slot.entry_price if is_entry else slot.exit_price,
        amount=slot.amount,
        post_only=is_entry,
        created_ms=0,
        status=OrderStatus.OPEN,
    )


def total(lots: Sequence[Lot]) -> Lot:
    """Everything held."""
    held = NO_LOT
    for lot in lots:
        held = held.plus(lot)
    return held


def quieted(grid: GridNow, identities: Sequence[int]) -> GridNow:
    """The grid after the orders of these slots were cancelled without a fill."""
    slots = list(grid.slots)
    for identity in identities:
        lot = lot_of(slots[identity])
        slots[identity] = replace(slots[identity], state=EMPTY if lot == NO_LOT else Holding(lot=lot))
    return replace(grid, slots=tuple(slots))


def applied(grid: GridNow, plan: MigrationPlan) -> GridNow:
    """The grid after a migration, done by the books themselves."""
    return replace(grid_now(books_after(grid, plan), beyond=grid.beyond), questioned=grid.questioned)


def books_after(grid: GridNow, plan: MigrationPlan) -> GridBooks:
    """The books of a grid after a migration."""
    books = GridBooks(an_opening(a_spec(), a_market()))
    books.slots = list(quieted(grid, plan.must_be_quiet).slots)
    books.market, books.ledger = grid.market, grid.ledger
    books.apply(plan.fact, at_ms=1)
    return books


def decimals(*values: int) -> tuple[Decimal, ...]:
    """Whole numbers as amounts."""
    return tuple(Decimal(value) for value in values)


def in_order(grid: GridNow) -> list[Slot]:
    """The slots of the lattice, lowest first."""
    return [grid.slots[identity] for identity in grid.lattice.places]


MARKETS = (a_market(tick_size=Decimal("0.1")), a_market(), a_market(tick_size=Decimal(1)))


@st.composite
def specs(draw: st.DrawFn, direction: Direction | None = None) -> GridSpec:
    """Grids of up to a dozen slots between 100 and 400, sized in quote or base."""
    lower = draw(st.integers(100, 200))
    return a_spec(
        direction=direction or draw(st.sampled_from((Direction.LONG, Direction.SHORT))),
        spacing=draw(st.sampled_from(Spacing)),
        lower=Decimal(lower),
        upper=Decimal(lower + draw(st.integers(40, 200))),
        slots=draw(st.integers(1, 12)),
        size=Decimal(draw(st.integers(1, 9))),
    )


@st.composite
def grids(draw: st.DrawFn, direction: Direction | None = None, trailing: Trailing | None = None) -> GridNow:
    """Grids whose slots are in any state."""
    market = draw(st.sampled_from(MARKETS))
    spec = draw(specs(direction))
    if trailing is not None:
        spec = replace(spec, trailing=trailing)
    anchor = draw(st.integers(80, 450))
    grid = a_grid(spec, market, anchor=anchor)
    states = [_in_some_state(draw, slot) for slot in grid.slots]
    return with_states(grid, states)


def _in_some_state(draw: st.DrawFn, slot: Slot) -> Slot:
    return draw(
        st.sampled_from(
            (slot, entering(slot), entering(slot, Decimal("0.5")), holding(slot), exiting(slot)),
        )
    )


def lattice_or_none(spec: GridSpec, market: Market, anchor: Decimal) -> Lattice | None:
    """The lattice of a wish, if it is possible."""
    try:
        return a_lattice(spec, market, anchor=anchor)
    except SettingsInvalid:
        return None

"""Small builders of the engine's values: each has a plain default, a test names only what it is about.

The default market trades BTC/USDT in ticks of 0.01 and lots of 0.00001 with fees of 0.1 %
in what is received; the default grid has 10 arithmetic slots of 1 BTC from 100 to 200, all
of them in the window, and starts at 150 without an initial purchase.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.grid_view import GridView
from engine.core.lattice import make_lattice
from engine.model.events import GridOpened, GridStateChanged, OrderIntended
from engine.model.grid import (
    Direction,
    Disposal,
    GridSpec,
    GridState,
    InitialPurchase,
    Lattice,
    SizedBy,
    Spacing,
)
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import Fill, Leg, Order, OrderReport, OrderStatus, Side
from engine.model.slot import NO_LOT, Lot, Slot

INSTANCE = "abc"
SYMBOL = "BTC/USDT"

Number = str | int | Decimal
"""What a test may write an amount as."""


def a_market(**changes: object) -> Market:
    """BTC/USDT, or what it becomes with ``changes``."""
    market = Market(
        symbol=SYMBOL,
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        amount_min=Decimal("0.00001"),
        amount_max=Decimal(9000),
        notional_min=Decimal(5),
        maker_fee_rate=Decimal("0.001"),
        taker_fee_rate=Decimal("0.001"),
        fee_currency=FeeCurrency.RECEIVED,
    )
    return replace(market, **changes)  # type: ignore[arg-type]


def a_spec(**changes: object) -> GridSpec:
    """Ten arithmetic slots of 1 BTC from 100 to 200, or what it becomes with ``changes``."""
    spec = GridSpec(
        name="main",
        symbol=SYMBOL,
        direction=Direction.LONG,
        spacing=Spacing.ARITHMETIC,
        lower=Decimal(100),
        upper=Decimal(200),
        slots=10,
        sized_by=SizedBy.BASE_PER_SLOT,
        size=Decimal(1),
        window=10,
        initial_purchase=InitialPurchase.NONE,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def a_lattice(spec: GridSpec | None = None, market: Market | None = None, *, anchor: Number = 150) -> Lattice:
    """The lattice of a grid that starts at ``anchor``."""
    return make_lattice(spec or a_spec(), market or a_market(), Decimal(anchor))


def an_opening(
    spec: GridSpec | None = None, market: Market | None = None, *, anchor: Number = 150, number: int = 0
) -> GridOpened:
    """The fact that a grid began."""
    spec, market = spec or a_spec(), market or a_market()
    return GridOpened(number=number, spec=spec, market=market, lattice=a_lattice(spec, market, anchor=anchor))


def some_books(
    spec: GridSpec | None = None,
    market: Market | None = None,
    *,
    anchor: Number = 150,
    state: GridState = GridState.RUNNING,
) -> GridBooks:
    """The books of a new grid in a state."""
    books = GridBooks(an_opening(spec, market, anchor=anchor))
    books.apply(a_state(state), at_ms=0)
    return books


def a_state(state: GridState, disposal: Disposal | None = None) -> GridStateChanged:
    """The fact that a grid went into a state."""
    return GridStateChanged(state=state, disposal=disposal, reason=f"{state} by a test", by="test")


def a_view(
    slots: Sequence[Slot],
    *,
    spec: GridSpec | None = None,
    market: Market | None = None,
    anchor: Number = 150,
    state: GridState = GridState.RUNNING,
    disposal: Disposal | None = None,
    dust: Lot = NO_LOT,
) -> GridView:
    """What ``decide`` decides on."""
    spec, market = spec or a_spec(), market or a_market()
    return GridView(
        market=market,
        lattice=a_lattice(spec, market, anchor=anchor),
        slots=slots,
        state=state,
        disposal=disposal,
        window=spec.window,
        initial_purchase=spec.initial_purchase,
        dust=dust,
    )


def a_slot(index: int = 5, **changes: object) -> Slot:
    """A slot of the default grid: slot 5 goes from 150 to 160."""
    slot = Slot(index=index, lower=Decimal(100 + 10 * index), upper=Decimal(110 + 10 * index), amount=Decimal(1))
    return replace(slot, **changes)  # type: ignore[arg-type]


def some_slots(*special: Slot) -> list[Slot]:
    """The ten slots of the default grid, empty but for the special ones."""
    slots = [a_slot(index) for index in range(10)]
    for slot in special:
        slots[slot.index] = slot
    return slots


def a_lot(quantity: Number, cost_quote: Number) -> Lot:
    """A lot."""
    return Lot(quantity=Decimal(quantity), cost_quote=Decimal(cost_quote))


def an_id(slot: int = 5, leg: Leg = Leg.ENTRY, generation: int = 0, grid: int = 0) -> str:
    """One of our client order ids."""
    return client_order_id_from_key(OrderKey(instance=INSTANCE, grid=grid, slot=slot, leg=leg, generation=generation))


def an_order(slot: int = 5, leg: Leg = Leg.ENTRY, **changes: object) -> Order:
    """Buy 1 at 150 (an entry of slot 5), or sell 1 at 160 (any other leg)."""
    is_entry = leg is Leg.ENTRY
    order = Order(
        client_order_id=an_id(slot, leg),
        slot=slot,
        leg=leg,
        side=Side.BUY if is_entry else Side.SELL,
        price=Decimal((100 if is_entry else 110) + 10 * slot),
        amount=Decimal(1),
        post_only=is_entry,
        created_ms=0,
    )
    return replace(order, **changes)  # type: ignore[arg-type]


def an_intent(
    slot: int = 5,
    leg: Leg = Leg.ENTRY,
    *,
    generation: int = 0,
    price: Number | None = None,
    amount: Number = 1,
    dust: Lot = NO_LOT,
) -> OrderIntended:
    """The decision to place an order of a slot of the default grid, at its own level."""
    is_entry = leg is Leg.ENTRY
    return OrderIntended(
        slot=slot,
        client_order_id=an_id(slot, leg, generation),
        leg=leg,
        side=Side.BUY if is_entry else Side.SELL,
        price=Decimal((100 if is_entry else 110) + 10 * slot if price is None else price),
        amount=Decimal(amount),
        post_only=is_entry,
        dust=dust,
        price_seen=Decimal(150),
        reason="a test wants it",
    )


def a_fill(
    trade_id: str = "1",
    *,
    price: Number = 150,
    amount: Number = 1,
    fee: Number = 0,
    fee_currency: str = "BTC",
    at_ms: int = 1,
) -> Fill:
    """One execution."""
    return Fill(
        trade_id=trade_id,
        price=Decimal(price),
        amount=Decimal(amount),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        is_maker=True,
        at_ms=at_ms,
    )


def a_report(
    of: Order | OrderIntended,
    status: OrderStatus,
    *fills: Fill,
    filled: Number | None = None,
    reason: str = "",
    at_ms: int = 1,
) -> OrderReport:
    """What the exchange says of an order; ``filled`` is the sum of ``fills`` unless it is given."""
    total = sum((fill.amount for fill in fills), ZERO) if filled is None else Decimal(filled)
    return OrderReport(
        client_order_id=of.client_order_id,
        symbol=SYMBOL,
        side=of.side,
        price=of.price,
        amount=of.amount,
        status=status,
        filled=total,
        fills=fills,
        at_ms=at_ms,
        reason=reason,
    )

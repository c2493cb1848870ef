"""What a decision about a grid is made on, and the actions that every kind of decision is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.ledger import part_of_lot
from engine.model.actions import CancelOrder, PlaceOrder, SetAside
from engine.model.events import RegimeChanged
from engine.model.grid import Disposal, GridState, InitialPurchase, Lattice, ProfitUse, StartTrigger
from engine.model.market import Market
from engine.model.money import ONE, ZERO, floor_quotient
from engine.model.order import Leg, Order, OrderStatus, Side
from engine.model.slot import NO_LOT, Exiting, Lot, Slot

_SETTLED_STATUSES = frozenset((OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED))
SOLD_LATE = "its lot was traded away by an order that was thought to be closed"
"""Why an exit is cancelled that offers too much."""
_CLOSING_WORDS = {Side.SELL: "sell", Side.BUY: "buy back"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridView:
    """What a decision is made on; ``slots`` are in the order of price and not changed while it is made.

    ``is_blocked``: risk lets nothing open. ``regime`` says which entries the market's kind lets through, None
    all. ``growth`` is how many times its amount an entry trades.
    """

    market: Market
    lattice: Lattice
    slots: Sequence[Slot]
    state: GridState
    disposal: Disposal | None
    window: int
    initial_purchase: InitialPurchase
    dust: Lot
    start: StartTrigger | None = None
    is_blocked: bool = False
    regime: RegimeChanged | None = None
    growth: Decimal = ONE

    @property
    def can_open(self) -> bool:
        """Whether entries rest at all."""
        return self.state is GridState.RUNNING and not self.is_blocked


def view_of(books: GridBooks) -> GridView:
    """The books as they are decided on; not to be kept while they may change."""
    spec = books.spec
    return GridView(
        market=books.market,
        lattice=books.lattice,
        slots=books.slots_by_price,
        state=books.state,
        disposal=books.disposal,
        window=spec.window,
        initial_purchase=spec.initial_purchase,
        dust=books.ledger.dust,
        start=spec.start,
        is_blocked=bool(books.blocks),
        regime=books.regime,
        growth=_growth(books) if spec.profit_use is ProfitUse.REINVEST else ONE,
    )


def _growth(books: GridBooks) -> Decimal:
    """How many times its funds a grid has become by its realised profit; it never shrinks below one."""
    funds = books.funds
    invested = funds.quote + funds.base * books.lattice.anchor
    profit = max(books.ledger.realised, ZERO)
    return ONE + floor_quotient(profit, invested) if invested > 0 else ONE


def not_frozen(view: GridView) -> Iterator[Slot]:
    """The slots that may be touched, lowest first."""
    return (slot for slot in view.slots if slot.freeze_reason is None)


def closing(
    view: GridView, slot: Slot, lot: Lot, dust: Lot, price: Decimal, leg: Leg, reason: str
) -> PlaceOrder | SetAside:
    """Trade a lot away, rounded down to whole lots of the market after the dust has been added to it."""
    market = view.market
    held, extra = (lot.quantity, dust.quantity) if lot.quantity > 0 else (-lot.quantity, -dust.quantity)
    # Whole lots that are owed, since more was traded away than was held, are kept back for that.
    owed = min(market.floor_amount(max(-extra, ZERO)), market.floor_amount(held))
    amount = min(market.floor_amount(held + max(extra, ZERO)) - owed, market.floor_amount(market.amount_max))
    taken = -owed if owed else amount - held
    problem = market.problem_with(price, amount)
    if problem:
        return SetAside(slot=slot.index, reason=f"too small to {_CLOSING_WORDS[slot.exit_side]}: {problem}")
    return PlaceOrder(
        slot=slot.index,
        leg=leg,
        side=slot.exit_side,
        price=price,
        amount=amount,
        post_only=False,
        reason=reason,
        dust=part_of_lot(dust, taken if lot.quantity > 0 else -taken) if taken > 0 or owed else NO_LOT,
    )


def offers_too_much(state: Exiting) -> bool:
    """Whether an exit offers what was traded away by an order that was thought to be closed."""
    lot, late = state.lot.quantity, state.late.quantity
    return lot * late < 0 and state.order.amount - state.order.filled > max(abs(lot) - abs(late), ZERO)


def cancel(slot: Slot, order: Order, reason: str) -> Iterator[CancelOrder]:
    """Cancel an order that the exchange is known to have, once."""
    if order.status in _SETTLED_STATUSES and not order.is_cancel_requested:
        yield CancelOrder(slot=slot.index, client_order_id=order.client_order_id, reason=reason)

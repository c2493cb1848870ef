"""A grid on an ideal exchange, in one thread and without time: books, ``decide`` and resting orders.

The ideal exchange keeps every rule of the port and has nothing else: an order rests at its price
and fills there when the price touches or passes it. What it has to say of orders waits in
``mail`` until the grid reads it, so that a test can lose, double and shuffle it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal

from engine.core.books import GridBooks
from engine.core.grid_view import view_of
from engine.core.ladder import decide
from engine.core.reading import is_untold, late_facts
from engine.core.slots import REFUSALS_MAX
from engine.core.wind_down import is_wound_down
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.errors import InvariantBroken
from engine.model.events import (
    CancelRequested,
    Fact,
    GridOpened,
    LotSetAside,
    OrderIntended,
    OrderReported,
    SlotFrozen,
)
from engine.model.grid import GridState
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import Fill, Order, OrderReport, OrderStatus, Side
from engine.model.slot import order_of
from tests.builders import INSTANCE, a_report, a_state

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)
_FEE_QUANTUM = Decimal("0.00000001")


@dataclass(slots=True)
class Resting:
    """An order as the exchange knows it."""

    intent: OrderIntended
    status: OrderStatus = OrderStatus.OPEN
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.amount for fill in self.fills), ZERO)

    def report(self, *fills: Fill) -> OrderReport:
        return a_report(self.intent, self.status, *fills, filled=self.filled)


class IdealExchange:
    """Orders and what became of them; ``cash`` and ``base`` are the account's own truth."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.price = ZERO
        self.orders: dict[str, Resting] = {}
        self.live: dict[str, Resting] = {}
        self.mail: list[OrderReport] = []
        self.cash = ZERO
        self.base = ZERO
        self._trades = 0

    def place(self, intent: OrderIntended) -> None:
        """Let an order rest; it fills at once if the price is already there."""
        assert intent.client_order_id not in self.orders
        assert self.market.problem_with(intent.price, intent.amount) is None
        order = Resting(intent)
        self.orders[intent.client_order_id] = self.live[intent.client_order_id] = order
        self.mail.append(order.report())
        if not intent.post_only and _is_reached(intent, self.price):
            self.fill(order, intent.amount)

    def refuse(self, intent: OrderIntended, status: OrderStatus) -> None:
        """Do not take an order: REJECTED or EXPIRED."""
        order = Resting(intent, status)
        self.orders[intent.client_order_id] = order
        self.mail.append(replace(order.report(), reason="no"))

    def cancel(self, client_order_id: str) -> None:
        """Cancel an order; one that is closed already says again what became of it."""
        order = self.orders[client_order_id]
        if self.live.pop(client_order_id, None) is not None:
            order.status = OrderStatus.CANCELED
        self.mail.append(order.report(*order.fills))

    def move(self, price: Decimal) -> None:
        """The market trades at a price: everything it touches or passes fills."""
        self.price = price
        for order in list(self.live.values()):
            if _is_reached(order.intent, price):
                self.fill(order, order.intent.amount - order.filled)

    def fill(self, order: Resting, amount: Decimal) -> None:
        """Execute some of an order at its price."""
        intent = order.intent
        fill = self._executed(intent, amount)
        order.fills.append(fill)
        is_whole = order.filled == intent.amount
        order.status = OrderStatus.FILLED if is_whole else OrderStatus.PARTIALLY_FILLED
        if is_whole:
            del self.live[intent.client_order_id]
        self.mail.append(order.report(fill))

    def execute_late(self, client_order_id: str, amount: Decimal) -> None:
        """Let it come out that some of a canceled order was executed before it was canceled."""
        order = self.orders[client_order_id]
        order.fills.append(self._executed(order.intent, amount))
        self.mail.append(order.report(*order.fills))

    def _executed(self, intent: OrderIntended, amount: Decimal) -> Fill:
        self._trades += 1
        market, cost = self.market, intent.price * amount
        is_buy = intent.side is Side.BUY
        in_base = is_buy and market.fee_currency is FeeCurrency.RECEIVED
        fee = _ROUNDING.quantize((amount if in_base else cost) * market.maker_fee_rate, _FEE_QUANTUM)
        self.cash += (-cost if is_buy else cost) - (ZERO if in_base else fee)
        self.base += (amount if is_buy else -amount) - (fee if in_base else ZERO)
        return Fill(
            trade_id=str(self._trades),
            price=intent.price,
            amount=amount,
            fee=fee,
            fee_currency=market.base if in_base else market.quote,
            is_maker=True,
            at_ms=self._trades,
        )


class GridRun:
    """A grid at work: every fact it is told or decides is applied and kept in ``facts``."""

    def __init__(self, opened: GridOpened, *, after_fact: Callable[["GridRun"], None] | None = None) -> None:
        self.opened = opened
        self.books = GridBooks(opened)
        self.exchange = IdealExchange(opened.market)
        self.facts: list[Fact] = []
        self.refuse_next: OrderStatus | None = None
        self.cancels = 0
        self._after_fact = after_fact
        self.record(a_state(GridState.RUNNING))

    def record(self, fact: Fact) -> None:
        """Apply a fact and keep it."""
        self.books.apply(fact, at_ms=len(self.facts))
        self.facts.append(fact)
        if self._after_fact is not None:
            self._after_fact(self)

    def trade(self, *prices: Decimal | int | str) -> None:
        """Move the market along prices; at each the grid reads its mail and acts until it is content."""
        for price in prices:
            self.exchange.move(Decimal(price))
            self.settle()

    def settle(self) -> None:
        """Read all mail and act, until there is neither."""
        for _ in range(50):
            self.read()
            if not self.act():
                return
        raise AssertionError(f"the grid is not content after 50 decisions at {self.exchange.price}")

    def read(self) -> None:
        """Read all mail, in the order in which it lies there."""
        mail, self.exchange.mail = self.exchange.mail, []
        for report in mail:
            self.hear(report)

    def hear(self, report: OrderReport) -> None:
        """Take in one report as the coordinator does: by client order id, or not at all."""
        books = self.books
        index = books.slot_of_order.get(report.client_order_id)
        if index is None:
            for fact in late_facts(books, (report,)):
                self.record(fact)
            if is_untold(books, report):
                raise InvariantBroken(f"{report.client_order_id} was executed further than it was told: {report}")
            return
        change = books.foresee(books.slots[index], report)
        if change is None:
            return
        self.record(OrderReported(slot=index, report=report))
        slot = books.slots[index]
        if slot.refusals >= REFUSALS_MAX and slot.freeze_reason is None:
            self.record(SlotFrozen(slot=index, reason=report.reason, by="engine"))

    def ask(self) -> None:
        """Ask what became of every live order, all of its fills included."""
        for client_order_id in list(self.books.slot_of_order):
            order = self.exchange.orders[client_order_id]
            self.exchange.mail.append(order.report(*order.fills))

    def act(self) -> int:
        """Decide once and do it; how many actions that were."""
        decision = decide(view_of(self.books), self.exchange.price)
        for action in decision.actions:
            self._do(action)
        if self.books.state is GridState.STOPPING and is_wound_down(view_of(self.books)):
            self.record(a_state(GridState.STOPPED, self.books.disposal))
        return len(decision.actions)

    def live_orders(self) -> list[Order]:
        """The orders of the slots, in the order of the slots."""
        return [order for slot in self.books.slots if (order := order_of(slot)) is not None]

    def _do(self, action: Action) -> None:
        match action:
            case PlaceOrder():
                intent = self._intent(action)
                self.record(intent)
                if self.refuse_next is None:
                    self.exchange.place(intent)
                else:
                    self.exchange.refuse(intent, self.refuse_next)
                    self.refuse_next = None
            case CancelOrder():
                self.cancels += 1
                self.record(
                    CancelRequested(slot=action.slot, client_order_id=action.client_order_id, reason=action.reason)
                )
                self.exchange.cancel(action.client_order_id)
            case SetAside():
                self.record(LotSetAside(slot=action.slot, reason=action.reason))

    def _intent(self, action: PlaceOrder) -> OrderIntended:
        slot = self.books.slots[action.slot]
        key = OrderKey(
            instance=INSTANCE,
            grid=self.books.number,
            slot=action.slot,
            leg=action.leg,
            generation=slot.generation,
        )
        return OrderIntended(
            slot=action.slot,
            client_order_id=client_order_id_from_key(key),
            leg=action.leg,
            side=action.side,
            price=action.price,
            amount=action.amount,
            post_only=action.post_only,
            dust=action.dust,
            price_seen=self.exchange.price,
            reason=action.reason,
        )


def _is_reached(intent: OrderIntended, price: Decimal) -> bool:
    match intent.side:
        case Side.BUY:
            return price <= intent.price
        case Side.SELL:
            return price >= intent.price

"""SwapDesk: books what the exchange does to a swap position by itself, funding and liquidation, each once."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from engine.model.events import Fact, FundingBooked, GridStateChanged, PositionLiquidated
from engine.model.grid import GridState
from engine.model.money import text_from_decimal
from engine.model.order import OrderStatus
from engine.model.slot import order_of
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.bookkeeper import GridBookkeeper

LIQUIDATED = "the exchange liquidated "
"""How the reason begins of a grid that is halted because its position is gone."""
_BY_EXCHANGE = "exchange"
_WAITING_MAX = 10_000
_RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class OrderEnder(Protocol):
    """Who gets orders out of the way, or learns that they are."""

    def cancel(self, symbol: str, client_order_id: str) -> None:
        """Cancel an order; what becomes of it is reported."""

    def ask(self, symbol: str, client_order_id: str) -> None:
        """Fetch an order with all of its fills and report it."""


class SwapDesk:
    """One grid's payments and liquidations."""

    def __init__(self, bookkeeper: GridBookkeeper, *, orders: OrderEnder) -> None:
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._orders = orders
        self._payments: deque[FundingPayment] = deque(maxlen=_WAITING_MAX)
        self._liquidations: deque[Liquidation] = deque(maxlen=_WAITING_MAX)
        self._cancelled: set[str] = set()
        self._asked: set[str] = set()
        """The orders that were cancelled, and asked about, since a liquidation came."""

    @property
    def has_news(self) -> bool:
        """Whether something is still to be booked that is known to be the grid's own."""
        times = [*(one.at_ms for one in self._payments), *(one.at_ms for one in self._liquidations)]
        return any(map(self._is_own, times))

    def on_funding(self, payment: FundingPayment) -> None:
        """Funding was paid or received."""
        if payment.funding_id not in self._books.funding_ids:
            self._payments.append(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """The exchange closed the position."""
        is_known = liquidation.trade_id in self._books.liquidations or liquidation in self._liquidations
        if not is_known:
            self._liquidations.append(liquidation)

    async def book(self) -> bool:
        """Book what can be booked; whether anything was.

        A liquidation halts the grid first, and is booked once every order is gone: none may be left that could
        open again, and what an order traded before is booked before.
        """
        was_booked = False
        self._drop_what_is_not_ours()
        while self._payments:
            facts = await self._bookkeeper.transition((), partial(self._funding, self._payments.popleft()))
            was_booked |= bool(facts)
        if self._liquidations:
            await self._bookkeeper.put_in_force(self._halt)
            self._end_orders()
        while self._liquidations and not self._books.slot_of_order:
            held = range(len(self._books.slots))
            facts = await self._bookkeeper.transition(held, partial(self._liquidation, held))
            was_booked |= bool(facts)
        return was_booked

    def _is_own(self, at_ms: int) -> bool:
        """Whether the grid had traded by then, by the exchange's clock alone; before that no position was its own."""
        first_ms = self._books.first_fill_ms
        return first_ms is not None and at_ms >= first_ms

    def _drop_what_is_not_ours(self) -> None:
        """News may overtake the report of the first fill, so before that nothing is known of them."""
        self._payments = deque((one for one in self._payments if self._is_own(one.at_ms)), _WAITING_MAX)
        self._liquidations = deque((one for one in self._liquidations if self._is_own(one.at_ms)), _WAITING_MAX)

    def _funding(self, payment: FundingPayment) -> Sequence[Fact]:
        return () if payment.funding_id in self._books.funding_ids else (FundingBooked(payment=payment),)

    def _halt(self) -> Sequence[Fact]:
        if self._books.state is GridState.HALTED:
            return ()
        told = self._liquidations[0]
        amount, price = text_from_decimal(abs(told.amount)), text_from_decimal(told.price)
        market = self._books.market
        reason = f"{LIQUIDATED}{amount} {market.base} of the position at {price} {market.quote}"
        return (GridStateChanged(state=GridState.HALTED, disposal=None, reason=reason, by=_BY_EXCHANGE),)

    def _end_orders(self) -> None:
        symbol = self._books.spec.symbol
        for slot in self._books.live_slots():
            order = order_of(slot)
            if order is None:
                continue
            name, is_resting = order.client_order_id, order.status in _RESTING
            if is_resting and name not in self._cancelled:
                self._cancelled.add(name)
                self._orders.cancel(symbol, name)
            if not is_resting and name not in self._asked:
                self._asked.add(name)
                self._orders.ask(symbol, name)

    def _liquidation(self, held: range) -> Sequence[Fact]:
        """The fact that empties the books; of a position that was not theirs alone, a person says what is whose."""
        books = self._books
        if books.slot_of_order or len(books.slots) != len(held):
            return ()
        told = self._liquidations.popleft()
        self._cancelled.clear()
        self._asked.clear()
        if told.trade_id in books.liquidations:
            return ()
        return (PositionLiquidated(liquidation=told, is_booked=told.amount == -books.ledger.base),)

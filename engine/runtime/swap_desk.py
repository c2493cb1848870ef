"""SwapDesk: books what the exchange does to a swap position by itself, funding and liquidation, each once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from engine.model.events import Fact, FundingBooked, GridStateChanged, PositionLiquidated
from engine.model.grid import GridState
from engine.model.order import Order
from engine.model.slot import order_of
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.bookkeeper import GridBookkeeper

_BY_EXCHANGE = "exchange"


class SwapDesk:
    """One grid's payments and liquidations. ``ask`` fetches an order whose end is still to be told."""

    def __init__(self, bookkeeper: GridBookkeeper, *, ask: Callable[[Order], None]) -> None:
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._ask = ask
        self._payments: deque[FundingPayment] = deque()
        self._liquidations: deque[Liquidation] = deque()

    @property
    def has_news(self) -> bool:
        """Whether something is still to be booked."""
        return bool(self._payments or self._liquidations)

    def on_funding(self, payment: FundingPayment) -> None:
        """Funding was paid or received; what was so before the grid began is not its own."""
        if payment.at_ms >= self._books.opened_ms:
            self._payments.append(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """The exchange closed the position; every order's end is asked for, for it comes before."""
        books = self._books
        if liquidation.at_ms < books.opened_ms or liquidation.trade_id in books.liquidations:
            return
        self._liquidations.append(liquidation)
        for slot in books.live_slots():
            order = order_of(slot)
            if order is not None:
                self._ask(order)

    async def book(self) -> bool:
        """Book what can be booked; whether anything was. A liquidation waits for the end of every order."""
        was_booked = False
        while self._payments:
            payment = self._payments.popleft()
            facts = await self._bookkeeper.transition((), partial(self._funding, payment))
            was_booked |= bool(facts)
        while self._liquidations and not self._books.slot_of_order:
            told = self._liquidations.popleft()
            slots = range(len(self._books.slots))
            facts = await self._bookkeeper.transition(slots, partial(self._liquidation, told))
            was_booked |= bool(facts)
        return was_booked

    def _funding(self, payment: FundingPayment) -> Sequence[Fact]:
        return () if payment.funding_id in self._books.funding_ids else (FundingBooked(payment=payment),)

    def _liquidation(self, told: Liquidation) -> Sequence[Fact]:
        books = self._books
        if told.trade_id in books.liquidations:
            return ()
        if books.slot_of_order:
            self._liquidations.append(told)
            return ()
        reason = f"the exchange liquidated the position at {told.price}"
        halted = GridStateChanged(state=GridState.HALTED, disposal=None, reason=reason, by=_BY_EXCHANGE)
        return (PositionLiquidated(liquidation=told), halted)

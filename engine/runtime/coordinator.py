"""GridCoordinator: price and report in, reserved actions out.

Decide and reserve under the manager lock, journal the intent under the slot locks,
release, execute. What the exchange answers comes back as a report, an event like any
other, and is applied by client order id and rank.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Protocol

import anyio

from engine.core import ladder, reading
from engine.core.costs import NO_FUNDS, Funds
from engine.core.slots import SlotChange
from engine.core.trailing import trail_band
from engine.model.actions import QuietBand
from engine.model.errors import CommandRefused, InvariantBroken
from engine.model.events import Fact, GridStateChanged, LotSetAside, OrderReported, SlotFrozen
from engine.model.grid import GridState
from engine.model.money import text_from_decimal
from engine.model.order import OrderReport, OrderRequest, OrderStatus
from engine.model.risk import RiskSettings
from engine.model.risk_view import RiskView
from engine.model.slot import order_of
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.bookkeeper import FactLog, GridBookkeeper
from engine.runtime.clock import Clock
from engine.runtime.grid_guard import GridGuard
from engine.runtime.grid_sense import GridSense, RegimeSource
from engine.runtime.late_desk import LateDesk
from engine.runtime.manager import Reservation, SlotManager
from engine.runtime.migrator import Migrator
from engine.runtime.swap_desk import SwapDesk

STOPPING_BY_WISH = "stopping: "
"""How the reason begins of a grid that stops because somebody asked for it."""
REPORTS_MAX = 100_000
"""Reports that may wait; a fill is never dropped, so more than this halts the engine."""
_BATCH_MAX = 256
_NOTHING = QuietBand(Decimal(0), Decimal(0))
_ACKNOWLEDGED = frozenset(OrderStatus) - {
    OrderStatus.INTENT,
    OrderStatus.SENT,
    OrderStatus.UNKNOWN,
}


class Executor(Protocol):
    """Who carries out what stands in the journal."""

    def place(self, request: OrderRequest) -> None:
        """Send an order; what becomes of it is reported."""

    def cancel(self, symbol: str, client_order_id: str) -> None:
        """Cancel an order; what becomes of it is reported."""

    def ask(self, symbol: str, client_order_id: str) -> None:
        """Fetch an order with all of its fills and report it."""


def _nothing() -> None:
    """Where every price is told, none has gone by unseen."""


async def _nobody_looks() -> None:
    """Where the account has nothing beyond what its grids have."""


class GridCoordinator:
    """Runs one grid. ``watch`` is told the quiet band after each decision.

    ``guard`` None limits nothing; ``freshen`` makes the exchange tell a price that went by unseen.
    """

    def __init__(
        self,
        manager: SlotManager,
        *,
        journal: FactLog,
        executor: Executor,
        clock: Clock,
        watch: Callable[[QuietBand], None],
        guard: GridGuard | None = None,
        beyond: Callable[[], Funds] = lambda: NO_FUNDS,
        look_at_account: Callable[[], Awaitable[object]] = _nobody_looks,
        account_moved: Callable[[], None] = _nothing,
        regime: RegimeSource | None = None,
        freshen: Callable[[], None] = _nothing,
    ) -> None:
        self.manager = manager
        self.books = manager.books
        self.bookkeeper = GridBookkeeper(manager, journal=journal, clock=clock)
        self.mark: Decimal | None = None
        self.mark_at_ms = 0
        self.wait_reason: str | None = None
        """Why nothing is decided now, whatever the state of the grid is."""
        self.foreign_orders = 0
        self.guard = guard or GridGuard(self.books, RiskSettings())
        self.sense = GridSense(self.bookkeeper, self.guard, clock=clock, regime=regime)
        self.late = LateDesk(self.bookkeeper, ask=executor.ask)
        self.swaps = SwapDesk(self.bookkeeper, orders=executor)
        self.migrator = Migrator(
            self.bookkeeper, cancel=executor.cancel, terms=self.guard.edit_terms, beyond=beyond, look=look_at_account
        )
        self._freshen = freshen
        self._account_moved = account_moved
        self._executor = executor
        self._clock = clock
        self._watch = watch
        self._inbox: deque[OrderReport] = deque()
        self._decision_price: Decimal | None = None
        self._band = _NOTHING
        self._wake = anyio.Event()
        self._is_working = False
        self._is_decision_due = False
        self._due_ms: int | None = None
        """Until when the loop waits for news."""
        self._decisions = 0
        self._decision_of_unacknowledged: dict[str, int] = {}

    @property
    def changes(self) -> int:
        """Rises with everything that is journalled."""
        return self.bookkeeper.changes

    @property
    def is_busy(self) -> bool:
        """Whether a report or a price is still to be dealt with."""
        return self._is_working or bool(self._inbox) or self._wake.is_set() or self.swaps.has_news

    def risk_view(self) -> RiskView:
        """What bounds the grid now."""
        return self.guard.view(self.mark, self.mark_at_ms, self._clock.now_ms())

    # Feeds: plain calls that return at once

    def on_price(self, price: Decimal, at_ms: int) -> None:
        """The market traded at this price; inside the quiet band that is one comparison."""
        self.mark = price
        self.mark_at_ms = at_ms
        band = self._band
        if band.low < price < band.high:
            return
        self._decision_price = price
        self.decide_soon()

    def on_report(self, report: OrderReport) -> None:
        """The exchange said something of one of our orders."""
        if len(self._inbox) >= REPORTS_MAX:
            raise InvariantBroken(f"expected at most {REPORTS_MAX} waiting reports, one more arrived")
        self._inbox.append(report)
        self._wake.set()

    def on_funding(self, payment: FundingPayment) -> None:
        """Funding was paid or received for the position."""
        self.swaps.on_funding(payment)
        self._wake.set()

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """The exchange closed the position."""
        self.swaps.on_liquidation(liquidation)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._until_woken()
                self._wake = anyio.Event()
                self._is_working = True
                try:
                    await self.step()
                finally:
                    self._is_working = False
        finally:
            self.migrator.give_up("the engine has ended or halted; nothing was changed")

    async def _until_woken(self) -> None:
        """Wait for news, or for the time at which to look again without any."""
        now_ms = self._clock.now_ms()
        due_ms = self._due_ms = self.guard.due_ms(now_ms)
        if due_ms is None or self._wake.is_set():
            await self._wake.wait()
            return
        with anyio.move_on_after((due_ms - now_ms) / 1000) as waiting:
            await self._wake.wait()
        self._is_decision_due |= waiting.cancelled_caught

    async def step(self) -> None:
        """Apply the reports that have arrived, and decide."""
        must_decide = self._is_decision_due
        self._is_decision_due = False
        while self._inbox:
            batch = [self._inbox.popleft() for _ in range(min(len(self._inbox), _BATCH_MAX))]
            news = [report for report in batch if reading.is_news(self.books, report)]
            if news:
                must_decide |= await self.apply_reports(news) or self.migrator.is_clearing
            must_decide |= await self.late.book(batch)
        if self.swaps.has_news:
            must_decide |= await self.swaps.book()
        if must_decide:
            await self.decide()

    # Decisions

    async def decide(self) -> None:
        """Compare the ladder that should rest with the one that does, and act on the difference."""
        if self._decision_price is None or self.wait_reason is not None:
            return
        while not await self._decide_at(*await self._look()):
            pass  # a newer price came, or another decision was made, while the lock was awaited
        if self.guard.is_position_old:
            self._account_moved()
        self._keep_time()
        if self.books.state is GridState.STOPPING and self.manager.is_wound_down:
            await self._end_stopping()

    async def _decide_at(self, price: Decimal, price_at_ms: int) -> bool:
        """Decide at a price that was looked at; False: it is not the newest any more."""
        async with self.manager.locks.manager:
            if price != self._newest():
                return False
            decision = ladder.decide(self.manager.view(), price)
            at_ms = self._clock.now_ms()
            hold, reservation = self.manager.reserve(
                decision.actions,
                price_seen=price,
                at_ms=at_ms,
                unsettled=self.bookkeeper.unsettled,
                refuse=lambda actions: self.guard.refused(actions, price, price_at_ms, at_ms),
            )
            self.sense.note_suppressed(price)
            self._decisions += 1
            for request in reservation.requests:
                self._decision_of_unacknowledged[request.client_order_id] = self._decisions
            if any(isinstance(fact, LotSetAside) for fact in reservation.facts):
                self.decide_soon()
            quiet = trail_band(self.books.spec, self.books.market, self.books.lattice, price)
            self._set_band(decision.band.and_in(self.sense.band_at(price)).and_in(quiet))
        with hold:
            if reservation.facts:
                await self.bookkeeper.record(reservation.facts, at_ms)
        self._act(reservation)
        return True

    def _newest(self) -> Decimal:
        """The price to decide at: the newest of all where that matters, else the last that left the quiet band."""
        if self.sense.needs_newest_price and self.mark is not None:
            self._decision_price = self.mark
        if self._decision_price is None:
            raise InvariantBroken("a decision was to be made before the first price")
        return self._decision_price

    async def _look(self) -> tuple[Decimal, int]:
        """Make true what the newest price brings, so that the decision is made on it; which price that is, and of when.

        While the disk is waited for newer ones may come: they must not make this one look younger.
        """
        if self.sense.needs_newest_price:
            self._freshen()
        price = await self.sense.look(self._newest)
        price_at_ms = self.mark_at_ms
        await self.migrator.advance(price)
        return price, price_at_ms

    def _keep_time(self) -> None:
        """Whoever waits for news learns that there is something to look at earlier than it knew."""
        due_ms = self.guard.due_ms(self._clock.now_ms())
        if due_ms is not None and not self._is_working and (self._due_ms is None or due_ms < self._due_ms):
            self._wake.set()

    async def apply_reports(self, reports: Sequence[OrderReport]) -> bool:
        """Book what reports tell, and say whether a new decision is due."""
        books = self.books
        async with self.manager.locks.manager:
            slot_of_order = books.slot_of_order
            indices = {
                slot_of_order[report.client_order_id] for report in reports if report.client_order_id in slot_of_order
            }
            hold = await self.manager.locks.hold_slots(indices)
        with hold:
            changes, facts = self._foresee(reports)
            if not facts:
                return False
            at_ms = self._clock.now_ms()
            staged = self.bookkeeper.stage(facts, at_ms)
            await self.bookkeeper.make_durable(staged)
            # Only now: a decision that was made meanwhile left these slots out.
            mattering = [change for change in changes if self._matters(change)]
            for change in changes:
                books.settle(change, at_ms)
            for fact in facts:
                if isinstance(fact, SlotFrozen):
                    books.apply(fact, 0)
            self.bookkeeper.settled(staged)
        self._ask_for_missing_fills(changes)
        expired = {fact.slot for fact in facts if isinstance(fact, OrderReported) and _would_have_taken(fact.report)}
        if expired:
            # At the price that led to it the same order would only be refused again: any other price decides.
            self._set_band(_NOTHING)
        return any(change.slot.index not in expired for change in mattering)

    async def start(self) -> None:
        """Go from starting to running, once everything that was open has been asked for."""
        start = self.books.spec.start
        if self.books.state is GridState.STARTING and start is not None:
            reason = f"waits for a price at or {start.side} {text_from_decimal(start.price)}"
            await self.bookkeeper.put_in_force(lambda: self._still_starting(reason))
        elif self.books.state is GridState.STARTING:
            only_from = (GridState.STARTING,)
            await self.bookkeeper.change_state(GridState.RUNNING, None, "started", by="engine", only_from=only_from)
        for slot in self.books.live_slots():
            order = order_of(slot)
            if order is not None and order.is_cancel_requested:
                self._executor.cancel(self.books.spec.symbol, order.client_order_id)
        self.decide_soon()

    # Steps

    def _still_starting(self, reason: str) -> Sequence[Fact]:
        if self.books.state is not GridState.STARTING or self.books.state_reason == reason:
            return ()
        return (GridStateChanged(state=GridState.STARTING, disposal=None, reason=reason, by="engine"),)

    def _foresee(self, reports: Sequence[OrderReport]) -> tuple[list[SlotChange], list[Fact]]:
        return reading.foresee(self.books, reports)

    def _matters(self, change: SlotChange) -> bool:
        """Whether a change can lead to another decision: what a slot holds or is, or an order that a
        decision may have wanted to cancel before the exchange was known to have it."""
        before = self.books.slots[change.slot.index]
        order = order_of(change.slot)
        is_overtaken = False
        if order is None or order.status in _ACKNOWLEDGED:
            order_before = order_of(before)
            if order_before is not None:
                decision = self._decision_of_unacknowledged.pop(order_before.client_order_id, self._decisions)
                is_overtaken = decision != self._decisions
        return is_overtaken or bool(change.bookings) or type(before.state) is not type(change.slot.state)

    async def decide_afresh(self) -> None:
        """Decide at the newest price; the last one that led to a decision may be a whole band away."""
        if self.mark is not None:
            self._decision_price = self.mark
        await self.decide()

    def decide_soon(self) -> None:
        """Decide with the next step."""
        self._is_decision_due = True
        self._wake.set()

    def _ask_for_missing_fills(self, changes: Sequence[SlotChange]) -> None:
        for change in changes:
            order = order_of(self.books.slots[change.slot.index])
            if order is not None and order.filled < order.reported_filled:
                self._executor.ask(self.books.spec.symbol, order.client_order_id)

    def _act(self, reservation: Reservation) -> None:
        for client_order_id in reservation.cancellations:
            self._executor.cancel(self.books.spec.symbol, client_order_id)
        for request in reservation.requests:
            self._executor.place(request)

    async def _end_stopping(self) -> None:
        only_from = (GridState.STOPPING,)
        books = self.books
        is_by_wish = books.state_reason.startswith(STOPPING_BY_WISH)
        why = "stopped as asked" if is_by_wish else books.state_reason
        # Another decision may have ended it, or an operator may have changed the wish, while the lock was awaited.
        with suppress(CommandRefused):
            await self.bookkeeper.change_state(GridState.STOPPED, books.disposal, why, "engine", only_from=only_from)

    def _set_band(self, band: QuietBand) -> None:
        """From now on this band is quiet; the newest price may already be outside of it."""
        if band == self._band:
            return
        self._band = band
        self._watch(band)
        if self.mark is not None and self.mark != self._decision_price:
            self.on_price(self.mark, self.mark_at_ms)


def _would_have_taken(report: OrderReport) -> bool:
    """A post-only order that the exchange would not rest: the price is elsewhere than we last heard."""
    return report.status is OrderStatus.EXPIRED

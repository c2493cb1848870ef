"""The defects of engines before this one, each put back into the real engine for as long as a ``with`` lasts.

``BUGS`` holds them by name. What finds each of them is said beside it and proved in ``test_planted_bugs``.
"""

from asyncio import current_task
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from engine.core import corrections, grid_view, ladder, ledger, orders, reconcile, slots
from engine.core.reconcile import AccountEvidence
from engine.model.actions import Action, PlaceOrder, SetAside
from engine.model.errors import CommandRefused, OutcomeUnknown, Rejected, Transient
from engine.model.events import Fact, GridStateChanged, OrderIntended, OrderReported
from engine.model.ids import client_order_id_from_key, key_from_client_order_id
from engine.model.money import ONE, ZERO
from engine.model.order import Order, OrderReport, OrderRequest, OrderStatus, Side
from engine.model.reconcile import Discrepancy
from engine.model.slot import EMPTY, NO_LOT, Lot, Slot, order_of
from engine.runtime import executor as executors
from engine.runtime import locks, opening, reconciler
from engine.runtime.account_view import look_at_orders as look_at_orders_there
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.engine import Engine
from engine.runtime.executor import OrderExecutor
from engine.runtime.findings import Findings
from engine.runtime.grid_control import GridControl
from engine.runtime.grid_router import GridRouter
from engine.runtime.journal_gate import JournalGate, Staged
from engine.runtime.locks import GridLocks, RankedLock, SlotHold
from engine.runtime.manager import Reservation, SlotManager
from engine.runtime.mirror import MemoryPhoto
from engine.runtime.opening import GridOpener
from engine.runtime.reconciler import Reconciler
from engine.runtime.tally import Tally
from tests.sim import lock_audit

Changes = list[tuple[object, str, object]]
"""What is replaced: the owner, the name, and by what."""


class Finder(StrEnum):
    """Who looks for bugs."""

    SWARM = "swarm"
    """Runs drawn from a seed."""
    CRASHES = "crash points"
    """Scripted stories, whole and killed somewhere."""
    STORIES = "directed stories"
    """Stories in which two things meet: a ban and a pause, a kill and a cancellation, a disk without its end."""
    LINT = "lock lint"
    """The source, read."""
    GRAPH = "lock graph"
    """Which lock was taken under which."""


BOTH = (Finder.SWARM, Finder.CRASHES)
SWARM = (Finder.SWARM,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One defect; ``says`` is a pattern of what each finder says of it first."""

    name: str
    what: str
    plant: Callable[[], Changes]
    found_by: tuple[Finder, ...]
    says: str

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The engine with this defect."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, by in self.plant():
                patch.setattr(owner, name, by)
            yield


BUGS: dict[str, Bug] = {}
"""Every defect by name."""


def bug(
    what: str, *, says: str, found_by: tuple[Finder, ...] = BOTH
) -> Callable[[Callable[[], Changes]], Callable[[], Changes]]:
    """Decorator: what the function replaces is a bug of its name."""

    def note(plant: Callable[[], Changes]) -> Callable[[], Changes]:
        name = plant.__name__
        BUGS[name] = Bug(name=name, what=what, plant=plant, found_by=found_by, says=says)
        return plant

    return note


def _told(symbol: str, client_order_id: str, status: OrderStatus, *, filled: Decimal = ZERO) -> OrderReport:
    """A report that nobody made but ourselves."""
    return OrderReport(
        client_order_id=client_order_id,
        symbol=symbol,
        side=Side.BUY,
        price=ONE,
        amount=ONE,
        status=status,
        filled=filled,
        at_ms=0,
        reason="made up",
    )


# Locks


async def _slots_then_manager(grid: GridCoordinator, reports: Sequence[OrderReport]) -> None:
    """Take the slots of reports, and the manager lock above them."""
    index = grid.books.slot_of_order
    with await grid.manager.locks.hold_slots(
        {index[one.client_order_id] for one in reports if one.client_order_id in index}
    ):
        async with grid.manager.locks.manager:
            await checkpoint()


@bug(
    "reports take the slot and then the manager, decisions the other way round",
    says="LockOrderBroken|order: ",
    found_by=(Finder.LINT, *BOTH),
)
def slot_before_manager() -> Changes:
    real = GridCoordinator.apply_reports

    async def apply_reports(grid: GridCoordinator, reports: Sequence[OrderReport]) -> bool:
        await _slots_then_manager(grid, reports)
        return await real(grid, reports)

    return [(GridCoordinator, "apply_reports", apply_reports)]


@bug(
    "whoever has written its facts takes the manager lock, its slots still held, and no lock refuses it",
    says="does not rise|TimeoutError|SimDeadlock|the engine is|I15",
    found_by=(Finder.GRAPH, *SWARM),
)
def slot_before_manager_unrefused() -> Changes:
    real = GridBookkeeper.make_durable

    async def make_durable(keeper: GridBookkeeper, staged: Staged) -> None:
        await real(keeper, staged)
        async with keeper.manager.locks.manager:
            await checkpoint()

    return [
        (GridBookkeeper, "make_durable", make_durable),
        (RankedLock, "_checked_task", lambda _: current_task()),
        # The graph of the whole session is not to know of it.
        (locks, "_edges", set()),
    ]


async def _place_under_lock(grid: GridCoordinator, reservation: Reservation) -> None:
    async with grid.manager.locks.manager:
        for request in reservation.requests:
            await grid._executor._exchange.place(request)  # type: ignore[attr-defined]


@bug(
    "orders are placed while the manager lock is held",
    says="was asked of the exchange while holding manager|network: ",
    found_by=(Finder.LINT, *BOTH),
)
def exchange_called_under_lock() -> Changes:
    async def decide(grid: GridCoordinator) -> None:
        await _decide(grid, act=_place_under_lock)

    return [(GridCoordinator, "decide", decide), (lock_audit, "spans", [])]


async def _act(grid: GridCoordinator, reservation: Reservation) -> None:
    grid._act(reservation)


async def _decide(
    grid: GridCoordinator, *, act: Any = _act, is_locked: bool = True, pauses: bool = False, sends_first: bool = False
) -> None:
    """A decision as the engine makes it, but for what is asked otherwise."""
    if grid._decision_price is None or grid.wait_reason is not None:
        return
    price = grid._decision_price
    if pauses:
        async with grid.manager.locks.manager:
            decision = ladder.decide(grid.manager.view(), price)
        await anyio.sleep(0.2)
    if is_locked:
        await grid.manager.locks.manager.acquire()
    try:
        if not pauses:
            price = grid._decision_price
            decision = ladder.decide(grid.manager.view(), price)
        at_ms = grid._clock.now_ms()
        hold, reservation = grid.manager.reserve(
            decision.actions, price_seen=price, at_ms=at_ms, unsettled=grid.bookkeeper.unsettled
        )
        grid._set_band(decision.band)
    finally:
        if is_locked:
            grid.manager.locks.manager.release()
    with hold:
        if sends_first:
            await act(grid, reservation)
        if reservation.facts:
            await grid.bookkeeper.record(reservation.facts, at_ms)
    if not sends_first:
        await act(grid, reservation)


@bug("decisions take no manager lock", says="without the manager lock")
def decision_without_manager_lock() -> Changes:
    async def decide(grid: GridCoordinator) -> None:
        await _decide(grid, is_locked=False)

    return [(GridCoordinator, "decide", decide)]


@bug("the lock is let go of between the decision and its reservation", says="InvariantBroken|I1|I7", found_by=SWARM)
def reserved_after_the_lock() -> Changes:
    async def decide(grid: GridCoordinator) -> None:
        await _decide(grid, pauses=True)

    return [(GridCoordinator, "decide", decide)]


@bug("slots that are in transition are decided upon like any other", says="I7|InvariantBroken", found_by=SWARM)
def busy_slots_decided_upon() -> Changes:
    real = GridLocks.hold_free_slots

    def hold_free_slots(grid: GridLocks, indices: Iterator[int]) -> tuple[SlotHold, frozenset[int]]:
        wanted = list(indices)
        hold, _ = real(grid, wanted)
        return hold, frozenset(wanted)

    return [(GridLocks, "hold_free_slots", hold_free_slots)]


@bug("reports and corrections hold no slot", says="I7|InvariantBroken|I3", found_by=SWARM)
def slots_not_held() -> Changes:
    async def hold_slots(_: GridLocks, __: Iterator[int]) -> SlotHold:
        return SlotHold([])

    return [(GridLocks, "hold_slots", hold_slots)]


LINTED: dict[str, Callable[..., object]] = {
    "slot_before_manager": _slots_then_manager,
    "exchange_called_under_lock": _place_under_lock,
}
"""The function of a bug that breaks the hierarchy in the source."""


# What the exchange reports


@bug("every fill of every report is booked", says="I3|more than|InvariantBroken")
def fills_not_deduplicated() -> Changes:
    def news(_: Order, report: OrderReport) -> tuple[object, ...]:
        return report.fills

    return [(orders, "_news", news)]


@bug("what is news is found out before the slots are held", says="I3|I7|InvariantBroken|I5", found_by=SWARM)
def deduplicated_outside_the_lock() -> Changes:
    real, foresee = GridCoordinator.apply_reports, GridCoordinator._foresee

    async def apply_reports(grid: GridCoordinator, reports: Sequence[OrderReport]) -> bool:
        foreseen = foresee(grid, reports)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grid, "_foresee", lambda _: foreseen)
            return await real(grid, reports)

    return [(GridCoordinator, "apply_reports", apply_reports)]


@bug("a result is applied without a look at the rank of what it is about", says="I5")
def rank_not_checked() -> Changes:
    def status_after(now: OrderStatus, told: OrderStatus, *, has_fills: bool) -> OrderStatus:
        return told

    return [(orders, "_status_after", status_after)]


@bug(
    "an order is closed by its status, before all of its fills are booked", says="I1|I3|InvariantBroken", found_by=SWARM
)
def closed_before_its_fills() -> Changes:
    return [(Order, "is_settled", property(lambda order: order.is_terminal))]


@bug("a partial fill is forgotten when its order is cancelled", says="I3")
def partial_dropped_on_cancel() -> Changes:
    real = slots._entering

    def entering(slot: Slot, state: object, change: orders.OrderChange, market: object) -> slots.SlotChange:
        changed = real(slot, state, change, market)  # type: ignore[arg-type]
        order = change.order
        if order.is_settled and 0 < order.filled < order.amount:
            return replace(changed, slot=replace(changed.slot, state=EMPTY))
        return changed

    return [(slots, "_entering", entering)]


@bug("reports that come while others wait are dropped", says="I2|I15", found_by=SWARM)
def reports_dropped_when_full() -> Changes:
    def on_report(grid: GridCoordinator, report: OrderReport) -> None:
        if not grid._inbox:
            grid._inbox.append(report)
            grid._wake.set()

    return [(GridCoordinator, "on_report", on_report)]


# Requests and their outcomes


@bug("an order goes out, and then its intent is journalled", says="I6|cannot follow")
def journalled_after_sending() -> Changes:
    async def decide(grid: GridCoordinator) -> None:
        await _decide(grid, sends_first=True)

    return [(GridCoordinator, "decide", decide)]


@bug("orders that could not be reserved are sent all the same", says="I6|I1|I4|cannot follow", found_by=SWARM)
def unreserved_orders_sent() -> Changes:
    real = SlotManager.reserve

    def reserve(
        manager: SlotManager, actions: Sequence[Action], *, price_seen: Decimal, **more: Any
    ) -> tuple[SlotHold, Reservation]:
        hold, reservation = real(manager, actions, price_seen=price_seen, **more)
        reserved = {fact.slot for fact in reservation.facts if isinstance(fact, OrderIntended)}
        extra = [one for one in actions if isinstance(one, PlaceOrder) and one.slot not in reserved]
        requests = [manager._request_of(manager._intent(one, price_seen)) for one in extra]
        return hold, replace(reservation, requests=(*reservation.requests, *requests))

    return [(SlotManager, "reserve", reserve)]


@bug("a request whose outcome is unknown is sent again", says="I4|I1|arrived again")
def unknown_outcome_resent() -> Changes:
    real = OrderExecutor._placed

    async def placed(executor: OrderExecutor, request: OrderRequest) -> OrderReport:
        report = await real(executor, request)
        return await real(executor, request) if report.status is OrderStatus.UNKNOWN else report

    return [(OrderExecutor, "_placed", placed)]


@bug("a request whose outcome is unknown is sent again under the next id", says="I6|cannot follow")
def unknown_outcome_resent_under_a_new_id() -> Changes:
    real = OrderExecutor._placed

    async def placed(executor: OrderExecutor, request: OrderRequest) -> OrderReport:
        report = await real(executor, request)
        key = key_from_client_order_id(request.client_order_id)
        if report.status is OrderStatus.UNKNOWN and key is not None:
            again = client_order_id_from_key(replace(key, generation=key.generation + 1))
            await real(executor, replace(request, client_order_id=again))
        return report

    return [(OrderExecutor, "_placed", placed)]


@bug("a request whose outcome is unknown is taken as failed, and its slot decides anew", says="I1|I2")
def unknown_outcome_taken_as_failure() -> Changes:
    real = OrderExecutor._placed

    async def placed(executor: OrderExecutor, request: OrderRequest) -> OrderReport:
        report = await real(executor, request)
        return replace(report, status=OrderStatus.CANCELED) if report.status is OrderStatus.UNKNOWN else report

    return [(OrderExecutor, "_placed", placed)]


@bug("'not found' is believed while the request may still arrive", says="I1|I2|I6")
def not_found_trusted_too_early() -> Changes:
    return [(executors, "REQUEST_LIFE_SECONDS", 0.0)]


@bug("a cancellation that failed is taken as done", says="I1|I2|InvariantBroken", found_by=SWARM)
def failed_cancel_taken_as_done() -> Changes:
    async def canceled(executor: OrderExecutor, job: Any) -> OrderReport:
        await executor._budget.spend_cancel()
        try:
            return await executor._exchange.cancel(job.symbol, job.client_order_id)
        except (Transient, Rejected, OutcomeUnknown):
            return _told(job.symbol, job.client_order_id, OrderStatus.CANCELED)

    return [(OrderExecutor, "_canceled", canceled)]


@bug("a slot is free as soon as its cancellation is sent", says="I1|I2|InvariantBroken")
def slot_freed_before_cancel_is_known() -> Changes:
    real = GridCoordinator._act

    def act(grid: GridCoordinator, reservation: Reservation) -> None:
        real(grid, reservation)
        for name in reservation.cancellations:
            order = order_of(grid.books.slots[grid.books.slot_of_order[name]])
            filled = ZERO if order is None else order.filled
            grid.on_report(_told(grid.books.spec.symbol, name, OrderStatus.CANCELED, filled=filled))

    return [(GridCoordinator, "_act", act)]


@bug(
    "what waited for its turn goes out, whatever its grid has become meanwhile", says="I10", found_by=(Finder.STORIES,)
)
def stale_orders_sent() -> Changes:
    return [(GridRouter, "is_wanted", lambda *_: True)]


# The journal


@bug("a commit is acknowledged before it is durable", says="I6|KeyError: 'main'")
def commit_acknowledged_early() -> Changes:
    async def make_durable(gate: JournalGate, staged: Staged) -> None:
        async with gate.lock:
            if gate._journal.durable < staged.sequences[0] - 1:
                await gate._journal.commit()
        for fact in staged.facts:
            gate._story.tell_fact(staged.grid, fact, staged.at_ms)

    return [(JournalGate, "make_durable", make_durable)]


@bug("a change of the grid's state is applied and not journalled", says="I7|I10")
def state_not_journalled() -> Changes:
    async def change_state(
        keeper: GridBookkeeper, state: Any, disposal: Any, reason: str, by: str, *, only_from: Any
    ) -> None:
        async with keeper.manager.locks.manager:
            if keeper.books.state not in only_from:
                raise CommandRefused("not now")
            keeper.books.apply(GridStateChanged(state=state, disposal=disposal, reason=reason, by=by), 0)

    return [(GridBookkeeper, "change_state", change_state)]


# Starting, and starting again


@bug(
    "the generation of client order ids is counted in memory, from 0 at every start",
    says="I4|used before|does not belong|I7",
)
def ids_used_again_after_restart() -> Changes:
    real = GridOpener.fold

    def fold(opener: GridOpener) -> Any:
        books = real(opener)
        for each in books.values():
            each.slots = [replace(slot, generation=0) for slot in each.slots]
        return books

    return [(GridOpener, "fold", fold)]


@bug("after a crash only acknowledged orders are asked for", says="I2|I15")
def intents_not_asked_for() -> Changes:
    real = SlotManager.live_requests

    def live_requests(manager: SlotManager) -> list[tuple[OrderRequest, bool]]:
        return [(request, was_seen) for request, was_seen in real(manager) if was_seen]

    return [(SlotManager, "live_requests", live_requests)]


@bug("a cancellation that was journalled is not sent again after a crash", says="I15", found_by=(Finder.STORIES,))
def cancellations_forgotten_after_restart() -> Changes:
    real = GridCoordinator.start

    async def start(grid: GridCoordinator) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grid._executor, "cancel", lambda *_: None)
            await real(grid)

    return [(GridCoordinator, "start", start)]


@bug("books and exchange are not compared at the start", says="gap: ")
def not_compared_at_start() -> Changes:
    async def at_start(keeper: Reconciler) -> None:
        keeper._caught_up(Tally())

    return [(Reconciler, "at_start", at_start)]


@bug("the reconciler is configured and never run", says="SimDeadlock|TimeoutError")
def reconciler_never_run() -> Changes:
    async def run(_: Reconciler, __: float) -> None:
        await anyio.sleep_forever()

    return [(Reconciler, "run", run)]


# Comparing


@bug("an adopted execution has its price as its quantity", says="InvariantBroken|I3")
def price_adopted_as_quantity() -> Changes:
    real = corrections._adoption

    def adoption(books: Any, found: Discrepancy) -> Iterator[Fact]:
        for fact in real(books, found):
            if isinstance(fact, OrderReported):
                fills = tuple(replace(fill, amount=fill.price) for fill in fact.report.fills)
                filled = sum((fill.amount for fill in fills), ZERO)
                yield replace(fact, report=replace(fact.report, filled=filled, fills=fills))
            else:
                yield fact

    return [(corrections, "_adoption", adoption)]


@bug("holdings that are taken over have their price as their quantity", says="false alarm|I3")
def price_taken_over_as_quantity() -> Changes:
    real = opening._adoptions

    def adoptions(books: Any) -> list[Any]:
        return [
            replace(fact, lot=Lot(quantity=fact.lot.cost_quote, cost_quote=fact.lot.quantity)) for fact in real(books)
        ]

    return [(opening, "_adoptions", adoptions)]


@bug("the reconciler finds differences and does nothing about them", says="I2|I3|I15|I5|missing: reconciliation")
def differences_left_alone() -> Changes:
    async def correct(*_: object, **__: object) -> bool:
        return True

    return [(GridControl, "correct", correct)]


@bug("the reconciler compares with the live table instead of a photograph", says="I3|I5|I7|InvariantBroken|false alarm")
def live_table_compared() -> Changes:
    real = MemoryPhoto.__init__

    def init(photo: MemoryPhoto, keeper: GridBookkeeper, through: int) -> None:
        real(photo, keeper, through)
        photo.slots = keeper.books.slots  # type: ignore[assignment]

    return [(MemoryPhoto, "__init__", init)]


@bug(
    "the reconciler acts on evidence about a slot that was touched since",
    says="I3|I5|I7|InvariantBroken|false alarm",
    found_by=SWARM,
)
def fence_removed() -> Changes:
    return [(reconciler, "_fence", lambda *_: lambda: True)]


@bug("the reconciler acts on what it has seen once", says="false alarm", found_by=SWARM)
def one_look_instead_of_two() -> Changes:
    real = Findings.is_confirmed

    def is_confirmed(findings: Findings, grid: str, found: Discrepancy) -> bool:
        real(findings, grid, found)
        return True

    return [(Findings, "is_confirmed", is_confirmed)]


@bug(
    "an order that is not among the open ones is taken as cancelled",
    says="I1|I2|I3|I5|InvariantBroken",
    found_by=(Finder.SWARM,),
)
def missing_taken_as_cancelled() -> Changes:
    real = look_at_orders_there

    async def look_at_orders(*things: Any, symbol: str, own: Sequence[Order], **more: Any) -> AccountEvidence:
        evidence = await real(*things, symbol=symbol, own=own, **more)
        asked = dict(evidence.asked)
        for order in own:
            if order.client_order_id in asked and order.status in reconcile._SEEN:
                told = _told(symbol, order.client_order_id, OrderStatus.CANCELED, filled=order.filled)
                asked[order.client_order_id] = replace(told, side=order.side, price=order.price, amount=order.amount)
        return replace(evidence, asked=asked)

    return [(reconciler, "look_at_orders", look_at_orders)]


@bug(
    "an order that the exchange does not know any more is taken as never placed",
    says="I1|I2",
    found_by=(Finder.STORIES,),
)
def vanished_taken_as_cancelled() -> Changes:
    real = SlotManager.live_requests

    def live_requests(manager: SlotManager) -> list[tuple[OrderRequest, bool]]:
        return [(request, False) for request, _ in real(manager)]

    return [(SlotManager, "live_requests", live_requests)]


@bug("orders that the journal does not know are ignored at the start", says="I4|I2", found_by=(Finder.STORIES,))
def orphans_ignored() -> Changes:
    return [(reconcile, "_lost_order", lambda *_: None)]


@bug("nothing is compared after a gap of the streams", says="gap: ")
def gap_ignored() -> Changes:
    def look_again(engine: Engine) -> None:
        engine._grids.let_go()

    return [(Engine, "_look_again", look_again)]


@bug("a comparison that began before the end of a gap is enough", says="gap: ", found_by=(Finder.STORIES,))
def gap_ended_under_a_comparison() -> Changes:
    real = Reconciler._pass

    async def one_pass(keeper: Reconciler, *, at_start: bool) -> Tally:
        tally = await real(keeper, at_start=at_start)
        keeper._wanted = anyio.Event()
        return tally

    return [(Reconciler, "_pass", one_pass)]


@bug("grids decide and place while the streams are down", says="gap: ", found_by=SWARM)
def placed_during_a_gap() -> Changes:
    return [(GridRouter, "hold_back", lambda *_: None)]


# Money


@bug("an exit sells the configured amount, not what is held", says="InvariantBroken|I8|I3|I15: left undone: Pl.*EXIT")
def exit_of_the_default_amount() -> Changes:
    real = grid_view.closing

    def sale(view: Any, slot: Slot, *more: Any) -> PlaceOrder | SetAside:
        action = real(view, slot, *more)
        return replace(action, amount=slot.amount) if isinstance(action, PlaceOrder) else action

    return [(ladder, "closing", sale)]


@bug("a fee that is taken in base is forgotten", says="I3")
def fee_in_base_forgotten() -> Changes:
    real = ledger.fees_of

    def fees_of(market: Any, fill: Any) -> tuple[Decimal, Decimal]:
        return ZERO, real(market, fill)[1]

    return [(ledger, "fees_of", fees_of)]


@bug("what an exit leaves over is lost", says="I3")
def dust_lost() -> Changes:
    real = slots._exiting

    def exiting(*things: Any) -> slots.SlotChange:
        return replace(real(*things), dust=NO_LOT)

    return [(slots, "_exiting", exiting)]

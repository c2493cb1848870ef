"""The executor: every outcome is found out, nothing is ever sent twice that may have been executed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan, RequestFate
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Thaw
from engine.model.errors import InvariantBroken, OrderNotFound, OutcomeUnknown, Rejected, RetryScope, Transient
from engine.model.events import OrderIntended, OrderReported, SlotFrozen
from engine.model.money import ONE
from engine.model.order import OrderReport, OrderRequest, OrderStatus
from engine.model.slot import Empty, Entering, order_of
from engine.model.snapshot import EngineState
from engine.runtime.clock import VirtualClock, run_on
from engine.runtime.engine import Engine
from engine.runtime.executor import QUEUE_MAX, REQUEST_LIFE_SECONDS, OrderExecutor
from engine.runtime.rate_budget import RateBudget
from tests.builders import SYMBOL, a_report, an_intent
from tests.sim.engine_builders import AuditedExchange, Bench, a_path, a_timed_path, assert_balanced

D = Decimal
FIRST_OF_SLOT_5 = an_intent().client_order_id
SECOND_OF_SLOT_5 = an_intent(generation=1).client_order_id
Outcome = OrderReport | Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPlacement(FaultPlan):
    """The first placement of slot 5 meets this fate, and the stream says nothing of it."""

    fate: RequestFate = RequestFate.ANSWER_LOST
    report_dropped_chance: Decimal = ONE

    def fate_of(self, request: str, sent_ms: int) -> RequestFate:
        return self.fate if request == f"place {FIRST_OF_SLOT_5}" else RequestFate.ANSWERED


def reports_of(bench: Bench, client_order_id: str) -> list[tuple[OrderStatus, str]]:
    """What became of an order, as the journal tells it."""
    found = [fact.report for fact in bench.facts(OrderReported) if fact.report.client_order_id == client_order_id]
    return [(report.status, report.reason) for report in found]


def intents_of_slot_5(bench: Bench) -> list[str]:
    return [fact.client_order_id for fact in bench.facts(OrderIntended) if fact.slot == 5]


# The whole engine on an exchange that fails


def test_an_answer_lost_after_execution_is_unknown_until_the_order_is_found_and_never_sent_again() -> None:
    bench = Bench(a_path(*[155] * 5), options=SimulatedOptions(faults=LostPlacement()))
    engine = bench.run()
    assert reports_of(bench, FIRST_OF_SLOT_5) == [
        (OrderStatus.UNKNOWN, f"no answer to place {FIRST_OF_SLOT_5} within 5000 ms"),
        (OrderStatus.OPEN, ""),
    ]
    assert bench.exchange.placed[FIRST_OF_SLOT_5] == 1
    assert intents_of_slot_5(bench) == [FIRST_OF_SLOT_5]
    assert_balanced(bench, engine)


def test_a_lost_request_is_asked_for_until_it_can_no_longer_arrive_and_then_the_slot_trades_again() -> None:
    plan = LostPlacement(fate=RequestFate.REQUEST_LOST)
    bench = Bench(a_path(*[155] * 5), options=SimulatedOptions(faults=plan))
    engine = bench.run()
    assert [status for status, _ in reports_of(bench, FIRST_OF_SLOT_5)] == [
        OrderStatus.UNKNOWN,
        OrderStatus.CANCELED,
    ]
    assert reports_of(bench, FIRST_OF_SLOT_5)[-1][1] == "the request never arrived"
    unknown, rejected = (
        record.at_ms
        for record in bench.records()
        if isinstance(record.fact, OrderReported) and record.fact.report.client_order_id == FIRST_OF_SLOT_5
    )
    assert rejected - unknown > REQUEST_LIFE_SECONDS * 1_000 > 30_000, "a receive window and its margin"
    assert bench.exchange.placed[FIRST_OF_SLOT_5] == 0
    assert bench.exchange.open_order(SECOND_OF_SLOT_5).price == 150
    assert_balanced(bench, engine)


def test_a_request_turned_away_by_the_rate_limit_goes_out_again_with_the_same_id() -> None:
    limit = RateLimit(requests_max=2, window_ms=1_000)
    bench = Bench(a_path(*[155] * 3), options=SimulatedOptions(order_limit=limit))
    engine = bench.run()
    intents = bench.facts(OrderIntended)
    assert len(intents) == len(bench.exchange.placed) == 6
    assert max(bench.exchange.placed.values()) > 1
    bench.exchange.placed.clear()
    assert_balanced(bench, engine)


def test_a_post_only_order_that_would_take_frees_its_slot_which_gets_a_new_one_when_the_price_is_back() -> None:
    """The engine decides at 350 ms on 155, its order arrives at 375 ms, the market is at 145 since 360 ms."""
    bench = Bench(a_timed_path((0, 155), (360, 145), (60_000, 155), (120_000, 155)))
    engine = bench.run()
    ((status, reason),) = reports_of(bench, FIRST_OF_SLOT_5)
    assert status is OrderStatus.EXPIRED
    assert "a post-only buy must not cross the last price 145" in reason
    assert intents_of_slot_5(bench) == [FIRST_OF_SLOT_5, SECOND_OF_SLOT_5]
    slot = engine.coordinators["main"].books.slots[5]
    assert (slot.freeze_reason, slot.refusals) == (None, 0)
    assert bench.exchange.open_order(SECOND_OF_SLOT_5).price == 150
    assert_balanced(bench, engine)


class Refusing(AuditedExchange):
    """Takes no order of slot 5."""

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        if request.price == 150:
            raise Rejected("the account may not trade at 150")
        return super()._place(request, at_ms)


def test_three_rejections_in_a_row_freeze_the_slot_with_the_reason_and_thawing_gives_it_three_more() -> None:
    bench = Bench(a_path(*[155] * 5), exchange_type=Refusing)

    async def wait_and_thaw(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        await anyio.sleep(60)
        slot = grid.books.slots[5]
        assert slot.freeze_reason == "refused 3 times: the account may not trade at 150"
        assert isinstance(slot.state, Empty)
        assert len(intents_of_slot_5(bench)) == 3
        await engine.command(Thaw(grid="main", slot=5), by="test")
        await anyio.sleep(60)

    engine = bench.run(wait_and_thaw)
    frozen = [fact.by for fact in bench.facts(SlotFrozen)]
    assert frozen == ["engine", "engine"]
    assert len(intents_of_slot_5(bench)) == 6
    assert sum(isinstance(slot.state, Entering) for slot in engine.coordinators["main"].books.slots) == 5
    assert_balanced(bench, engine)


# The executor alone, on an exchange that does as it is told


class Told:
    """An exchange whose answers are written down beforehand; the last one is given for ever."""

    name = "told"

    def __init__(self, *, place: Sequence[Outcome] = (), cancel: Sequence[Outcome] = (), fetch: Sequence[Outcome] = ()):
        self.asked: list[str] = []
        self._outcomes = {"place": list(place), "cancel": list(cancel), "fetch": list(fetch)}

    async def place(self, request: OrderRequest) -> OrderReport:
        return await self._answer("place")

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        return await self._answer("cancel")

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        return await self._answer("fetch")

    async def _answer(self, what: str) -> OrderReport:
        self.asked.append(what)
        outcomes = self._outcomes[what]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


REQUEST = OrderRequest(
    client_order_id=FIRST_OF_SLOT_5,
    symbol=SYMBOL,
    side=an_intent().side,
    price=D(150),
    amount=D(1),
    post_only=True,
)
OPEN = a_report(an_intent(), OrderStatus.OPEN)
CANCELED = a_report(an_intent(), OrderStatus.CANCELED)


def work(
    exchange: Told, submit: Callable[[OrderExecutor], None], *, is_booked: Callable[[str], bool] = lambda _: True
) -> tuple[list[OrderReport], list[str], int]:
    """Submit jobs and let the executor finish them: reports, notes, and how long it took in ms."""
    clock = VirtualClock(start_ms=0)
    reports: list[OrderReport] = []
    notes: list[str] = []

    async def until_done() -> None:
        executor = OrderExecutor(
            exchange,  # type: ignore[arg-type]
            clock=clock,
            budget=RateBudget(clock),
            report=reports.append,
            is_booked=is_booked,
            is_wanted=lambda _: True,
            note=notes.append,
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            submit(executor)
            while executor.is_busy:  # noqa: ASYNC110 - it tells nobody when it is done
                await anyio.sleep(0.001)
            assert executor.in_flight == set()
            tasks.cancel_scope.cancel()

    run_on(clock, until_done)
    return reports, notes, clock.now_ms()


def test_a_request_that_is_never_taken_is_given_up_after_eight_tries() -> None:
    exchange = Told(place=[Transient("busy", retry_after_seconds=2)])
    reports, _, took_ms = work(exchange, lambda executor: executor.place(REQUEST))
    assert exchange.asked == ["place"] * 8
    assert [(report.status, report.reason) for report in reports] == [(OrderStatus.CANCELED, "not taken after 8 tries")]
    assert took_ms >= 16_000


def test_a_rate_limit_that_one_order_meets_holds_back_every_other_order_and_no_cancellation() -> None:
    limited = Transient("too many orders", retry_after_seconds=30, scope=RetryScope.ORDERS)
    exchange, clock = Told(place=[limited, OPEN], cancel=[CANCELED]), VirtualClock(start_ms=0)
    told: list[tuple[OrderStatus, int]] = []

    async def one_and_another_a_second_later() -> None:
        executor = OrderExecutor(
            exchange,  # type: ignore[arg-type]
            clock=clock,
            budget=RateBudget(clock),
            report=lambda report: told.append((report.status, clock.now_ms())),
            is_booked=lambda _: True,
            is_wanted=lambda _: True,
            note=lambda _: None,
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            executor.place(REQUEST)
            await anyio.sleep(1)
            executor.place(REQUEST)
            executor.cancel(SYMBOL, FIRST_OF_SLOT_5)
            await anyio.sleep(40)
            tasks.cancel_scope.cancel()

    run_on(clock, one_and_another_a_second_later)
    assert told == [(OrderStatus.CANCELED, 1_000), (OrderStatus.OPEN, 30_000), (OrderStatus.OPEN, 30_000)]


def test_a_cancellation_that_lost_the_race_asks_what_became_of_the_order() -> None:
    filled = replace(CANCELED, status=OrderStatus.FILLED)
    exchange = Told(cancel=[OrderNotFound("gone")], fetch=[filled])
    reports, notes, _ = work(exchange, lambda executor: executor.cancel(SYMBOL, FIRST_OF_SLOT_5))
    assert reports == [filled]
    assert notes == [f"cancelling {FIRST_OF_SLOT_5}: gone; asking what became of it"]


def test_a_cancellation_without_an_answer_is_sent_again_as_long_as_the_order_is_open() -> None:
    exchange = Told(cancel=[OutcomeUnknown("lost"), Transient("busy"), CANCELED], fetch=[OPEN])
    reports, _, _ = work(exchange, lambda executor: executor.cancel(SYMBOL, FIRST_OF_SLOT_5))
    assert exchange.asked == ["cancel", "fetch", "cancel", "cancel"]
    assert reports == [OPEN, CANCELED]


def test_an_order_is_asked_for_until_it_is_seen_and_only_once_however_often_that_is_wanted() -> None:
    exchange = Told(fetch=[OrderNotFound("hidden"), OPEN])

    def ask_often(executor: OrderExecutor) -> None:
        for _ in range(5):
            executor.ask(SYMBOL, FIRST_OF_SLOT_5)

    reports, notes, _ = work(exchange, ask_often)
    assert (exchange.asked, reports) == (["fetch", "fetch"], [OPEN])
    assert notes == [f"order {FIRST_OF_SLOT_5} cannot be seen: hidden"]


def test_an_order_that_the_books_have_closed_is_asked_for_a_few_times_and_left_to_the_comparisons() -> None:
    exchange = Told(fetch=[OrderNotFound("hidden")])
    reports, notes, took_ms = work(
        exchange, lambda executor: executor.ask(SYMBOL, FIRST_OF_SLOT_5), is_booked=lambda _: False
    )
    assert (exchange.asked, reports, len(notes)) == (["fetch"] * 5, [], 5)
    assert took_ms < 10_000


def test_a_full_queue_is_said_at_once() -> None:
    clock = VirtualClock(start_ms=0)

    async def fill() -> None:
        executor = OrderExecutor(
            Told(),  # type: ignore[arg-type]
            clock=clock,
            budget=RateBudget(clock),
            report=lambda _: None,
            is_booked=lambda _: True,
            is_wanted=lambda _: True,
            note=lambda _: None,
        )
        for _ in range(QUEUE_MAX):
            executor.place(REQUEST)
        with pytest.raises(InvariantBroken, match="expected at most 20000 requests waiting to be sent"):
            executor.place(REQUEST)
        with pytest.raises(InvariantBroken, match="asked to act before it ran"):
            executor.cancel(SYMBOL, FIRST_OF_SLOT_5)
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            tasks.cancel_scope.cancel()

    run_on(clock, fill)


def test_an_order_of_the_engine_that_was_never_journalled_is_never_sent() -> None:
    """I6: what arrives at the exchange is what the journal intends, and nothing else."""
    bench = Bench(a_path(155, 145, 135, 155, 165))
    engine = bench.run()
    intents = [fact.client_order_id for fact in bench.facts(OrderIntended)]
    assert sorted(bench.exchange.placed) == sorted(intents)
    live = [order_of(slot) for slot in engine.coordinators["main"].books.live_slots()]
    assert {order.client_order_id for order in live if order} <= set(intents)
    assert engine.state is EngineState.STOPPED

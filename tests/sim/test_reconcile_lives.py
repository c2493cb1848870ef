"""From one life to the next: what happened while nobody looked, and what an older copy of the journal has lost."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.model.events import DiscrepancyFound, OrderIntended, OrderReported
from engine.model.grid import GridState
from engine.model.ids import key_from_client_order_id
from engine.model.order import OrderReport, OrderStatus
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import Exiting
from engine.runtime.engine import Engine
from tests.builders import SYMBOL
from tests.sim.engine_builders import AuditedExchange, Bench, assert_balanced, until_quiet
from tests.sim.lock_audit import audited
from tests.sim.reconcile_builders import (
    NEVER_TOLD,
    PERIOD,
    SURE,
    a_bench,
    an_id_of,
    books_of,
    buys,
    compare,
    corrections,
    entry_of,
    exit_of,
    lose_records,
    questions,
    reports_of,
    resolve,
    resting,
    sells,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
LIVELY = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)


def lives(bench: Bench, *seconds: float, apart: float = 0.0) -> Engine:
    """Engines one after the other, each alive for so many seconds and dead for ``apart`` before the next."""

    async def all_of_them() -> Engine:
        for index, span in enumerate(seconds):
            if index:
                await anyio.sleep(apart)
            async with bench.engine() as engine:
                await anyio.sleep(span)
        return engine

    return bench.run_scene(all_of_them)


# While the engine is dead


def test_a_fill_while_the_engine_is_dead_is_booked_at_the_start_and_its_lot_offered() -> None:
    bench = a_bench(155, 155, *[145] * 10)
    engine = lives(bench, 60, 20, apart=120)
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.OPEN, D(0)), (OrderStatus.FILLED, D(1))]
    assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
    assert_balanced(bench, engine)


def test_a_part_filled_and_cancelled_by_hand_while_the_engine_is_dead_is_a_lot_of_that_part() -> None:
    bench = a_bench()

    async def scene() -> Engine:
        async with bench.engine():
            await anyio.sleep(20)
        matching = bench.exchange.matching
        order, book = bench.exchange.open_order(entry_of(5)), matching._books[SYMBOL]
        matching._execute(book, order, order.price, D("0.4"), bench.clock.now_ms(), is_maker=True)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
        await anyio.sleep(30)
        async with bench.engine() as engine:
            await anyio.sleep(20)
        return engine

    engine = bench.run_scene(scene)
    assert reports_of(bench, entry_of(5))[-1] == (OrderStatus.CANCELED, D("0.4"))
    state = books_of(engine).slots[5].state
    assert isinstance(state, Exiting)
    assert (state.lot.quantity, state.order.client_order_id) == (D("0.4"), exit_of(5))
    assert_balanced(bench, engine)


def test_an_order_cancelled_by_hand_while_the_engine_is_dead_gets_a_successor() -> None:
    bench = a_bench()

    async def scene() -> Engine:
        async with bench.engine():
            await anyio.sleep(20)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
        async with bench.engine() as engine:
            await anyio.sleep(20)
        return engine

    engine = bench.run_scene(scene)
    assert bench.exchange.placed[entry_of(5, 1)] == 1
    assert resting(bench) == buys(100, 110, 120, 130, 140, 150)
    assert_balanced(bench, engine)


# An older copy of the journal


def run_and_lose(count: int, *, price_path: Sequence[int] = LIVELY) -> tuple[Bench, Engine]:
    """A lively life, then one on a journal without its newest records."""
    bench = a_bench(*price_path, *[155] * 10)
    lives(bench, 60.0 * len(price_path))
    lose_records(bench, count)
    engine = lives(bench, 2 * SURE)
    return bench, engine


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 24, 28, 33, 38, 44, 50, 56])
def test_books_from_an_older_copy_of_the_journal_equal_the_exchange_to_the_last_unit(count: int) -> None:
    """Whatever the end of the journal was: orders, fills and whole cycles that it lost are taken from the exchange."""
    bench, engine = run_and_lose(count)
    assert (books_of(engine).questions, books_of(engine).state) == ({}, GridState.RUNNING)
    assert_balanced(bench, engine)


def test_what_was_lost_stands_in_the_new_journal_as_adopted() -> None:
    """All six entries were intended and placed, and none of it is on record."""
    bench = a_bench()
    lives(bench, 30)
    count = sum(isinstance(record.fact, OrderIntended | OrderReported) for record in bench.records())
    lost = lose_records(bench, count)
    assert {type(record.fact) for record in lost} == {OrderIntended, OrderReported}
    engine = lives(bench, 30)
    intents = bench.facts(OrderIntended)
    assert [(fact.slot, fact.is_adopted) for fact in intents] == [(slot, True) for slot in range(6)]
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.ADOPT, "reconciler")] * 6
    assert max(bench.exchange.placed.values()) == 1
    assert_balanced(bench, engine)


def test_lost_records_can_be_asked_about_instead() -> None:
    bench = a_bench(policy={K.ORPHAN_ORDER: None})
    lives(bench, 30)

    async def answer(engine: Engine) -> None:
        open_questions = questions(engine)
        assert open_questions == [(f"q{slot + 1}", K.ORPHAN_ORDER, slot) for slot in range(6)]
        for name, _, slot in open_questions:
            assert slot is not None
            assert books_of(engine).slots[slot].freeze_reason == f"question {name}: orphan order"
            await resolve(engine, name, R.ADOPT)
        await anyio.sleep(SURE)
        assert questions(engine) == []

    lose_records(bench, sum(isinstance(record.fact, OrderIntended | OrderReported) for record in bench.records()))
    engine = bench.run(answer)
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.ADOPT, "ann")] * 6
    assert_balanced(bench, engine)


def test_a_question_about_a_lost_order_follows_what_becomes_of_it_and_hides_no_holding() -> None:
    """Asked while it rested, filled meanwhile: the question says so, what it bought is no surplus, and it is booked."""
    bench = a_bench(155, 155, 155, *[145] * 20, policy={K.ORPHAN_ORDER: None, K.HOLDING_OVER: None})
    lives(bench, 30)
    lose_records(bench, sum(isinstance(record.fact, OrderIntended | OrderReported) for record in bench.records()))

    async def answer(engine: Engine) -> None:
        await anyio.sleep(400)
        found = {name: question.found.discrepancy for name, question in books_of(engine).questions.items()}
        about_five = {name: each for name, each in found.items() if each.slot == 5}
        ((name, asked),) = about_five.items()
        assert asked.report is not None
        assert (asked.report.status, asked.report.filled) == (OrderStatus.FILLED, D(1))
        assert books_of(engine).slots[5].freeze_reason == f"question {name}: orphan order"
        assert {each.kind for each in found.values()} == {K.ORPHAN_ORDER}
        for each in found:
            await resolve(engine, each, R.ADOPT)
        await anyio.sleep(SURE)
        assert questions(engine) == []
        assert books_of(engine).slots[5].freeze_reason is None

    assert_balanced(bench, bench.run(answer))


def test_an_engine_on_a_copy_of_the_journal_beside_a_running_one_ends_with_one_of_them_halted() -> None:
    """The same instance twice: whoever finds orders of its own name that it never intended stops and asks."""
    bench = a_bench(155, 155, 145, 145, 155, 165, *[155, 145] * 10)

    async def two() -> Engine:
        async with bench.engine() as one:
            await anyio.sleep(30)
            lose_records(bench, 0)
            twin = Engine(
                bench.settings,
                clock=bench.clock,
                exchange=bench.port,
                journal=bench.journal,
                reconcile_seconds=PERIOD,
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(twin.run)
                await anyio.sleep(400)
                halted = [engine for engine in (one, twin) if books_of(engine).state is GridState.HALTED]
                assert halted
                assert questions(halted[0])[0][1] is K.SECOND_INSTANCE
                twin.close()
            return one

    bench.run_scene(two)
    keys = [key_from_client_order_id(name) for name in bench.exchange.open_ids(SYMBOL)]
    assert max(Counter(key.slot for key in keys if key is not None).values()) == 1


# Answers that are not to be believed at once


class OnceStale(AuditedExchange):
    """Shows slot 5's filled order as still open, and then as it is."""

    stale: int = 0

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        reports = list(await super().fetch_open_orders(symbol))
        if self.stale > 0:
            self.stale -= 1
            return [report for report in reports if report.client_order_id != entry_of(5)]
        return reports

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        report = await super().fetch_order(symbol, client_order_id)
        if client_order_id == entry_of(5) and self.stale >= 0 and report.status is OrderStatus.OPEN:
            return OrderReport(
                client_order_id=report.client_order_id,
                symbol=symbol,
                side=report.side,
                price=report.price,
                amount=report.amount,
                status=OrderStatus.CANCELED,
                filled=D(0),
                at_ms=report.at_ms,
            )
        return report


audited(OnceStale)


@pytest.mark.parametrize(("looks", "corrected"), [(1, False), (2, True)])
def test_one_answer_alone_corrects_nothing_and_two_alike_do(looks: int, corrected: bool) -> None:
    """For as many looks the exchange says that slot 5's entry is closed; it is not, and its successor is not alone."""
    bench = a_bench(exchange_type=OnceStale, period=0.0)
    assert isinstance(bench.exchange, OnceStale)
    exchange = bench.exchange

    async def look(engine: Engine) -> None:
        await anyio.sleep(10)
        exchange.stale = looks
        await compare(engine)

    bench.run(look)
    expected = [(K.ORDER_CLOSED, R.ADOPT, "reconciler"), (K.DUPLICATE_ORDER, R.CANCEL, "reconciler")]
    assert corrections(bench) == (expected if corrected else [])
    assert resting(bench) == buys(100, 110, 120, 130, 140, 150)


class SlowToList(AuditedExchange):
    """Answers what is open with what was so five seconds ago, when it is told to."""

    lag_seconds = 0.0

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        reports = await super().fetch_open_orders(symbol)
        await anyio.sleep(self.lag_seconds)
        return reports


audited(SlowToList)


def test_021_023_what_is_reported_while_the_exchange_is_asked_leads_to_no_correction() -> None:
    """The fence: orders are opened, filled and closed all through every look, and each was told by the stream."""
    path = [155, *[145, 155, 165, 155] * 40]
    bench = a_bench(*path, step_ms=2_000, exchange_type=SlowToList, period=1.0)
    assert isinstance(bench.exchange, SlowToList)
    bench.exchange.lag_seconds = 4.5
    engine = bench.run(until_quiet)
    assert books_of(engine).ledger.cycles > 30
    assert (bench.facts(DiscrepancyFound), books_of(engine).questions) == ([], {})
    assert_balanced(bench, engine)


@pytest.mark.parametrize("seed", range(8))
def test_stale_answers_dropped_and_late_reports_end_in_exact_books(seed: int) -> None:
    faults = FaultPlan(
        seed=seed,
        stale_answer_chance=D("0.3"),
        report_dropped_chance=D("0.3"),
        report_delayed_chance=D("0.3"),
        report_doubled_chance=D("0.2"),
    )
    bench = a_bench(*LIVELY * 2, *[155] * 4, faults=faults)
    engine = bench.run(lambda engine: anyio.sleep(60.0 * 35))
    assert (books_of(engine).questions, books_of(engine).state) == ({}, GridState.RUNNING)
    assert books_of(engine).ledger.cycles > 5
    assert_balanced(bench, engine)


def test_reports_that_never_come_change_nothing_of_the_result() -> None:
    """Two runs of the same market, one without a single report: the same lots, cycles and profit."""
    results = []
    for faults in (FaultPlan(), NEVER_TOLD):
        path = [price for price in LIVELY for _ in range(3)]
        bench = a_bench(*path, *[155] * 4, faults=faults)
        engine = lives(bench, 60.0 * (len(path) + 3))
        books = books_of(engine)
        results.append((books.ledger.cycles, books.ledger.realised, books.ledger.base))
        assert_balanced(bench, engine)
    assert results[0] == results[1]
    assert an_id_of("abc") == entry_of(5)

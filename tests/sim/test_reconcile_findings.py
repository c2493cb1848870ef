# ruff: noqa: N802 -- a regression test carries the id of its finding, as it is written
"""What went wrong in the systems before ours around slots, orders, recovery and reconciliation, and what holds here.

The defects that core alone decides are in ``tests/core/test_findings.py``; here the whole engine is at work.
"""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedOptions
from engine.model.events import (
    CancelRequested,
    DiscrepancyFound,
    DiscrepancyResolved,
    GridOpened,
    LotAdopted,
    LotCorrected,
    OrderIntended,
    OrderReported,
)
from engine.model.grid import InitialPurchase
from engine.model.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import Exiting, Holding, lot_of
from engine.model.snapshot import EngineState
from engine.runtime.engine import Engine
from engine.runtime.executor import REQUEST_LIFE_SECONDS
from tests.builders import SYMBOL, a_lot, a_spec
from tests.sim.engine_builders import BALANCES, AuditedExchange, Bench, a_path, assert_balanced, until_quiet
from tests.sim.lock_audit import audited
from tests.sim.reconcile_builders import (
    NEVER_TOLD,
    PERIOD,
    SURE,
    a_bench,
    books_of,
    buys,
    by_hand,
    corrections,
    entry_of,
    exit_of,
    live_order,
    lose_records,
    questions,
    reports_of,
    resting,
    sells,
    take_away,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
LIVELY = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)
LADDER = buys(100, 110, 120, 130, 140, 150)


def lives(bench: Bench, *seconds: float) -> Engine:
    """Engines one after the other, each alive for so many seconds."""

    async def all_of_them() -> Engine:
        for span in seconds:
            async with bench.engine() as engine:
                await anyio.sleep(span)
        return engine

    return bench.run_scene(all_of_them)


# Restarts


def test_L08_audit_2_every_boot_ends_with_the_lots_equal_to_what_the_account_holds() -> None:
    """Base that was adopted at the first start is not taken in again at the next ones."""
    spec = a_spec(initial_purchase=InitialPurchase.HOLDINGS)
    bench = Bench(a_path(*LIVELY, *[155] * 5), grids=[spec], balances={**BALANCES, "BTC": D(7)}, reconcile_seconds=30)
    for _ in range(5):
        engine = lives(bench, 150)
        books = books_of(engine)
        assert sum(lot.quantity for lot in books.lots()) + books.ledger.dust.quantity == books.ledger.base
        assert bench.balance("BTC") - books.ledger.base == 7 - len(bench.facts(LotAdopted))
        assert_balanced(bench, engine)
    assert (len(bench.facts(LotAdopted)), bench.facts(DiscrepancyFound)) == (4, [])


def test_L09_a_cold_start_with_base_on_the_account_has_the_first_price_as_its_anchor() -> None:
    bench = a_bench(balances={**BALANCES, "BTC": D(3)})
    engine = lives(bench, 10)
    assert (books_of(engine).lattice.anchor, books_of(engine).beside) == (D(155), D(3))
    assert resting(bench) == LADDER


def test_L10_a_restart_at_another_price_keeps_anchor_levels_and_orders() -> None:
    bench = a_bench(155, 155, *[178] * 20)
    first = lives(bench, 30)
    lattice, orders = books_of(first).lattice, resting(bench)
    second = lives(bench, 120)
    assert (books_of(second).lattice, books_of(second).lattice.anchor) == (lattice, D(155))
    assert set(orders) <= set(resting(bench))
    assert len(bench.facts(GridOpened)) == 1
    assert {price for _, price in resting(bench)} <= set(lattice.levels)


def test_L19_own_orders_found_at_the_start_are_adopted_and_never_placed_again() -> None:
    bench = a_bench()
    lives(bench, 30)
    lose_records(bench, sum(isinstance(record.fact, OrderIntended | OrderReported) for record in bench.records()))
    engine = lives(bench, 60)
    assert set(bench.exchange.placed.values()) == {1}
    assert [fact for fact in bench.facts(OrderReported) if fact.report.status is OrderStatus.REJECTED] == []
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.ADOPT, "reconciler")] * 6
    assert_balanced(bench, engine)


def test_L40_after_a_restart_intents_are_asked_about_and_not_sent_again() -> None:
    """The intents never reached the exchange, and the price has gone on before the next engine begins."""
    lost, bench = a_bench(), a_bench(155, *[125] * 60, step_ms=10_000)
    lives(lost, 0.01)
    bench.journal = lost.journal
    before = [fact.client_order_id for fact in bench.facts(OrderIntended)]
    engine = lives(bench, 300)
    assert before == [entry_of(slot) for slot in (5, 4, 3, 2, 1, 0)]
    assert [name for name in before if name in bench.exchange.placed] == []
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.CANCELED, D(0))]
    assert resting(bench) == buys(100, 110, 120)
    assert_balanced(bench, engine)


def test_L49_live_orders_from_before_a_crash_are_taken_up_with_the_cost_of_what_they_bought() -> None:
    bench = a_bench(155, *[145] * 20)
    lives(bench, 10)
    engine = lives(bench, 120)
    state = books_of(engine).slots[5].state
    assert isinstance(state, Exiting)
    assert (state.lot, state.order.price) == (a_lot(1, "150.15"), D(160))
    assert set(bench.exchange.placed.values()) == {1}


def test_034_a_restart_with_a_ghost_fill_leaves_the_equity_where_the_fills_put_it() -> None:
    bench = a_bench(155, 155, *[145] * 3, *[165] * 10)
    lives(bench, 30)
    bench.run_scene(lambda: _nothing(bench, 400))
    engine = lives(bench, 60)
    profit = books_of(engine).profit(D(165))
    assert bench.balance("USDT") + bench.balance("BTC") * 165 - 100_000 == profit.total
    assert profit.residual == 0


async def _nothing(bench: Bench, seconds: float) -> Engine:
    """Time passes and no engine lives; a new one for a moment."""
    await anyio.sleep(seconds)
    async with bench.engine() as engine:
        return engine


def test_audit_2026_02_08_the_whole_intent_is_in_the_journal_before_the_order_is_sent() -> None:
    bench = a_bench()
    lives(bench, 0.01)
    intent = next(fact for fact in bench.facts(OrderIntended) if fact.slot == 5)
    assert (intent.client_order_id, intent.side, intent.price, intent.amount) == (entry_of(5), Side.BUY, D(150), D(1))
    assert bench.exchange.placed == Counter()


def test_mm_021_a_difference_is_corrected_or_asked_and_never_only_told() -> None:
    """Of everything found, each is either resolved or an open question at the end."""
    bench = a_bench(faults=NEVER_TOLD)

    async def differ(engine: Engine) -> None:
        await anyio.sleep(50)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(4))
        take_away(bench, entry_of(5))
        bench.exchange.open_order(entry_of(3)).price = D("129.5")
        await anyio.sleep(SURE)

    engine = bench.run(differ)
    found = {fact.name: fact.discrepancy.kind for fact in bench.facts(DiscrepancyFound)}
    resolved = {fact.name for fact in bench.facts(DiscrepancyResolved)}
    assert Counter(found.values()) == {K.ORDER_CLOSED: 1, K.VANISHED_ORDER: 1, K.ORDER_MISMATCH: 1}
    assert resolved | set(books_of(engine).questions) == set(found)
    assert resolved & set(books_of(engine).questions) == set()


# Orders whose fate is not known


@pytest.mark.parametrize("way", ["L14", "L39"])
def test_L14_L39_an_order_without_an_answer_is_asked_for_until_it_is_known_and_never_sent_again(way: str) -> None:
    """I15: Every answer to a placement is lost, before (L14) or after (L39) it was executed."""
    lost = {"request_lost_chance": D(1)} if way == "L14" else {"answer_lost_chance": D(1)}

    class Plan(FaultPlan):
        def fate_of(self, request: str, sent_ms: int):  # type: ignore[no-untyped-def]
            return super().fate_of(request, sent_ms) if request.startswith("place") and sent_ms < 1_000 else _ANSWERED

    bench = a_bench(faults=Plan(**lost))  # type: ignore[arg-type]
    engine = lives(bench, 2 * REQUEST_LIFE_SECONDS)
    assert max(bench.exchange.placed.values()) == 1
    expected = 1 if way == "L14" else 0
    assert live_order(engine, 5) == entry_of(5, expected)
    assert resting(bench) == LADDER
    assert_balanced(bench, engine)


_ANSWERED = FaultPlan().fate_of("anything", 0)


def test_037a_L20_a_missing_order_is_asked_for_and_its_fill_is_booked_not_taken_for_a_cancel() -> None:
    """It is not among the open orders because it was filled."""
    bench = a_bench(155, 155, *[145] * 10, faults=NEVER_TOLD)
    engine = lives(bench, 240)
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.OPEN, D(0)), (OrderStatus.FILLED, D(1))]
    assert lot_of(books_of(engine).slots[5]).quantity == 1


def test_L18_of_several_missing_orders_each_gets_what_it_executed_itself() -> None:
    """Slots 4 and 5 bought, slot 2 was cancelled, slot 3 bought a part; nobody told."""
    bench = a_bench(155, 155, *[135] * 10, faults=NEVER_TOLD)

    async def lose(engine: Engine) -> None:
        await anyio.sleep(125)
        matching = bench.exchange.matching
        order, book = bench.exchange.open_order(entry_of(3)), matching._books[SYMBOL]
        matching._execute(book, order, order.price, D("0.25"), 125_000, is_maker=True)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(2))
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(3))
        await anyio.sleep(SURE)

    engine = bench.run(lose)
    assert [lot_of(slot).quantity for slot in books_of(engine).slots] == [0, 0, 0, D("0.25"), 1, 1, 0, 0, 0, 0]
    assert_balanced(bench, engine)


def test_L16_a_report_told_again_and_again_is_booked_once_and_none_is_dropped() -> None:
    bench = a_bench(*LIVELY, *[155] * 4, faults=FaultPlan(report_doubled_chance=D(1)), period=0.0)
    engine = lives(bench, 60 * 18)
    assert books_of(engine).ledger.cycles == 5
    assert_balanced(bench, engine)


def test_L29_more_reports_than_one_batch_holds_are_all_booked() -> None:
    """The price falls through everything at once, and every report is told twice."""
    bench = Bench(
        a_path(155, *[50] * 5, step_ms=60_000),
        grids=[a_spec(slots=100, window=100, size=D("0.1"))],
        options=SimulatedOptions(
            faults=FaultPlan(report_doubled_chance=D(1)), order_limit=RateLimit(requests_max=500, window_ms=10_000)
        ),
    )
    engine = lives(bench, 280)
    assert sum(isinstance(slot.state, Exiting | Holding) for slot in books_of(engine).slots) == 56
    assert_balanced(bench, engine)


# The comparison itself


def test_L21_what_is_being_placed_right_now_and_what_is_not_ours_is_never_cancelled() -> None:
    """Comparing every second, on a market where something is always on its way."""
    bench = a_bench(155, *[145, 155, 165, 155] * 30, step_ms=1_500, period=1.0)
    bench.exchange.place_by_hand(by_hand("manual", price=60))
    bench.exchange.place_by_hand(by_hand("another bot's", Side.BUY, 61))
    engine = bench.run(until_quiet)
    assert bench.facts(CancelRequested) == []
    assert [order.client_order_id for order in bench.exchange.matching.open_orders(SYMBOL)][:2] == [
        "manual",
        "another bot's",
    ]
    assert books_of(engine).ledger.cycles > 20


@audited
class SlowToAnswer(AuditedExchange):
    """What is open was so four seconds before the engine hears it."""

    async def fetch_open_orders(self, symbol: str) -> tuple[OrderReport, ...]:
        reports = tuple(await super().fetch_open_orders(symbol))
        await anyio.sleep(4)
        return reports


def test_L22_an_order_placed_between_the_exchanges_answer_and_the_comparison_is_no_ghost() -> None:
    bench = a_bench(155, *[145, 155, 165, 155] * 30, step_ms=1_500, period=1.0, exchange_type=SlowToAnswer)
    engine = bench.run(until_quiet)
    assert (bench.facts(DiscrepancyFound), questions(engine)) == ([], [])
    assert set(bench.exchange.placed.values()) == {1}
    assert_balanced(bench, engine)


def test_L25_a_correction_leaves_cost_and_every_other_lot_where_they_are() -> None:
    """No lot is zeroed and rebuilt: the books before and after differ by the one fill."""
    bench = a_bench(155, 145, 145, 145, *[135] * 10, faults=NEVER_TOLD)
    engine = lives(bench, 170)
    lots = books_of(engine).lots()
    assert lots[5] == a_lot(1, "150.15")
    engine = lives(bench, 170)
    assert books_of(engine).lots() == [*lots[:4], a_lot(1, "140.14"), *lots[5:]]
    assert bench.facts(LotCorrected) == []


def test_mm_010_after_a_gap_the_stream_comes_back_and_books_are_compared_before_anything_is_placed() -> None:
    gap = Outage(from_ms=90_000, until_ms=200_000)
    bench = a_bench(155, 155, 145, *[145] * 10, faults=FaultPlan(disconnects=(gap,)), period=0.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(195)
        assert exit_of(5) not in bench.exchange.placed
        await anyio.sleep(30)

    engine = bench.run(scene)
    facts = [type(record.fact).__name__ for record in bench.records() if record.at_ms > 200_000]
    assert facts[:4] == ["DiscrepancyFound", "OrderReported", "DiscrepancyResolved", "OrderIntended"]
    assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
    assert_balanced(bench, engine)


# Requests and disk


def test_023_a_slow_exchange_delays_neither_prices_nor_reports() -> None:
    """Every cancel and question hangs for ten seconds; fills are booked within the journal's own time."""

    @audited
    class Slow(AuditedExchange):
        async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
            await anyio.sleep(10)
            return await super().fetch_order(symbol, client_order_id)

        async def place(self, request: OrderRequest) -> OrderReport:
            report = await super().place(request)
            await anyio.sleep(10)
            return report

    bench = a_bench(155, 145, 145, 145, exchange_type=Slow)
    engine = lives(bench, 60.2)
    record = next(record for record in bench.records() if _is_fill(record.fact))
    assert record.at_ms == 60_025
    assert isinstance(books_of(engine).slots[5].state, Exiting)


def _is_fill(fact: object) -> bool:
    return isinstance(fact, OrderReported) and fact.report.status is OrderStatus.FILLED


def test_a_rate_limit_that_refuses_most_calls_makes_no_second_order_and_loses_none() -> None:
    """Workflow audit: calls are refused again and again; the same request goes out, under the same id."""
    bench = Bench(
        a_path(*LIVELY, *[155] * 4),
        grids=[a_spec()],
        options=SimulatedOptions(order_limit=RateLimit(requests_max=1, window_ms=3_000)),
        reconcile_seconds=PERIOD,
    )
    engine = lives(bench, 60 * 18)
    assert books_of(engine).ledger.cycles == 5
    assert bench.facts(DiscrepancyFound) == []
    assert max(bench.exchange.placed.values()) > 1
    bench.exchange.placed.clear()  # what the limit turned away is counted there too
    assert_balanced(bench, engine)


def test_036a_prices_alone_write_nothing_and_the_last_change_is_written_at_once() -> None:
    bench = a_bench(155, *[155 + D(n % 9) / 2 for n in range(600)], 145, 145, step_ms=100)
    lives(bench, 20)
    before = bench.journal.head
    lives(bench, 20)
    assert bench.journal.head == before
    lives(bench, 30)
    assert reports_of(bench, entry_of(5))[-1] == (OrderStatus.FILLED, D(1))


def test_034a_a_journal_that_cannot_be_read_starts_no_engine_that_trades() -> None:
    bench = a_bench()
    lives(bench, 30)
    placed = bench.exchange.placed.copy()
    records = bench.records()
    broken = replace(records[3], grid="nobody")

    class Broken(type(bench.journal)):  # type: ignore[misc]
        def records(self, after: int = 0):  # type: ignore[no-untyped-def]
            return iter([*records[:3], broken])

    bench.journal = Broken(bench.journal.identity)
    engine = lives(bench, 30)
    assert engine.state is EngineState.HALTED
    assert engine.state_reason == "JournalFailed: record 4 is of grid 'nobody', which was never opened"
    assert bench.exchange.placed == placed


def test_audit_1_a_cancel_carries_the_id_of_its_order() -> None:
    bench = a_bench(155, *[175] * 10, window=2)
    lives(bench, 120)
    ids = {fact.client_order_id for fact in bench.facts(CancelRequested)}
    assert ids == {entry_of(4), entry_of(5)}
    assert [reports_of(bench, name)[-1][0] for name in sorted(ids)] == [OrderStatus.CANCELED] * 2

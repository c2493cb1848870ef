"""What the account holds, what the exchange's rules are, and gaps of the streams: with the whole engine at work."""

from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.model.commands import Freeze, Pause, Resume
from engine.model.errors import CommandRefused, SettingsInvalid, Transient
from engine.model.events import DiscrepancyFound, GridStateChanged, LotCorrected, MarketAdopted, OrderIntended
from engine.model.grid import GridState
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import Exiting, Holding
from engine.model.snapshot import EngineState
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_lot
from tests.sim.engine_builders import QUOTE_FEES, AuditedExchange, Bench, assert_balanced
from tests.sim.lock_audit import audited
from tests.sim.reconcile_builders import (
    PERIOD,
    SURE,
    a_bench,
    an_id_of,
    books_of,
    buys,
    by_hand,
    corrections,
    entry_of,
    lose_records,
    question_views,
    questions,
    resolve,
    resting,
    sells,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
FALL = (155, *[145] * 19)
LADDER = buys(100, 110, 120, 130, 140, 150)


async def hold_one(engine: Engine) -> None:
    """Slot 5 holds 1 BTC that no exit offers: it was frozen before it bought."""
    await anyio.sleep(30)
    await engine.command(Freeze(grid="main", slot=5), by="ann")
    await anyio.sleep(50)
    assert books_of(engine).slots[5].state == Holding(lot=a_lot(1, "150.15"))


async def withdraw(bench: Bench, engine: Engine, amount: str) -> None:
    """Somebody takes base away; a period later it is asked about."""
    bench.exchange.transfer("BTC", -D(amount))
    await anyio.sleep(SURE)


# Holdings


def test_base_that_is_gone_lets_the_grid_only_exit_until_it_is_written_off() -> None:
    bench = a_bench(*FALL)

    async def scene(engine: Engine) -> None:
        await hold_one(engine)
        await withdraw(bench, engine, "0.75")
        (view,) = question_views(engine)
        assert (view.name, view.kind, view.detail) == (
            "q1",
            K.HOLDING_SHORT,
            "the account holds 0.25, the lots of its grids are 1: 0.75 is missing",
        )
        assert books_of(engine).state is GridState.EXITS_ONLY
        assert resting(bench) == []
        with pytest.raises(CommandRefused, match=r"answer question q1 first: the account holds 0\.25"):
            await engine.command(Resume(grid="main"), by="ann")
        message = await resolve(engine, "q1", R.WRITE_OFF)
        assert message == "main: q1 write_off: books 0.75 as lost, at its cost; places and cancels nothing"
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    books = books_of(engine)
    assert (books.state, books.questions) == (GridState.RUNNING, {})
    assert [(fact.slot, fact.lot) for fact in bench.facts(LotCorrected)] == [(5, a_lot("0.75", "112.6125"))]
    assert books.slots[5].state == Holding(lot=a_lot("0.25", "37.5375"))
    assert books.ledger.realised == D("-112.6125")
    assert books.profit(D(145)).residual == 0
    assert resting(bench) == buys(100, 110, 120, 130, 140)
    assert_balanced(bench, engine)


def test_base_that_is_brought_back_withdraws_the_question() -> None:
    bench = a_bench(*FALL)

    async def scene(engine: Engine) -> None:
        await hold_one(engine)
        await withdraw(bench, engine, "0.75")
        bench.exchange.transfer("BTC", D("0.75"))
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    assert (books_of(engine).state, books_of(engine).questions) == (GridState.RUNNING, {})
    assert corrections(bench) == [(K.HOLDING_SHORT, R.QUERY, "reconciler")]
    assert books_of(engine).ledger.base == 1
    assert_balanced(bench, engine)


def test_a_part_that_is_brought_back_is_asked_for_anew_so_that_no_more_than_is_missing_is_written_off() -> None:
    bench = a_bench(*FALL)

    async def scene(engine: Engine) -> None:
        await hold_one(engine)
        await withdraw(bench, engine, "0.75")
        bench.exchange.transfer("BTC", D("0.25"))
        await anyio.sleep(SURE)
        assert questions(engine) == [("q2", K.HOLDING_SHORT, None)]
        assert books_of(engine).state is GridState.EXITS_ONLY
        await resolve(engine, "q2", R.WRITE_OFF)
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    assert [fact.name for fact in bench.facts(DiscrepancyFound)] == ["q1", "q2"]
    assert (books_of(engine).state, books_of(engine).ledger.base) == (GridState.RUNNING, D("0.5"))
    assert books_of(engine).beside == 0
    assert bench.facts(GridStateChanged)[-1].state is GridState.RUNNING
    assert_balanced(bench, engine)


def test_a_write_off_that_exits_bind_is_refused_and_the_question_stays() -> None:
    """What the exchange has lost cannot be taken from lots that are offered on it."""
    bench = a_bench(*FALL)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(90)
        assert isinstance(books_of(engine).slots[5].state, Exiting)
        bench.exchange.matching._account.locked["BTC"] -= D("0.75")
        await anyio.sleep(SURE)
        with pytest.raises(CommandRefused) as told:
            await resolve(engine, "q1", R.WRITE_OFF)
        assert str(told.value).startswith("expected free lots of 0.75 to write off, 0.75 of it is offered by")
        assert questions(engine) == [("q1", K.HOLDING_SHORT, None)]
        assert resting(bench) == sells(160)
        bench.exchange.matching._account.locked["BTC"] += D("0.75")
        await anyio.sleep(SURE)
        assert questions(engine) == []

    assert_balanced(bench, bench.run(scene))


def test_base_that_is_brought_in_is_noted_and_no_question() -> None:
    bench = a_bench()

    async def scene(engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.transfer("BTC", D("0.5"))
        await anyio.sleep(SURE)
        assert (books_of(engine).beside, questions(engine)) == (D("0.5"), [])
        bench.exchange.transfer("BTC", D("-0.25"))
        await anyio.sleep(2 * PERIOD)
        assert (books_of(engine).beside, questions(engine)) == (D("0.25"), [])

    engine = bench.run(scene)
    assert corrections(bench) == [(K.HOLDING_OVER, R.NOTE, "reconciler")]
    assert books_of(engine).ledger.base == 0
    assert resting(bench) == LADDER


def test_base_that_was_there_before_the_grid_is_no_discrepancy() -> None:
    bench = a_bench(balances={"BTC": D(3), "USDT": D(100_000)})

    async def scene(engine: Engine) -> None:
        await anyio.sleep(3 * PERIOD)

    engine = bench.run(scene)
    assert (bench.facts(DiscrepancyFound), books_of(engine).beside) == ([], D(3))


# Rules of the market


@pytest.mark.parametrize("way", [R.ADOPT, R.KEEP])
def test_new_rules_that_the_lattice_fits_are_asked_at_the_next_start_and_not_asked_again(way: Resolution) -> None:
    bench = a_bench()
    told = replace(QUOTE_FEES, notional_min=D(50))

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(100)

    async def answer(engine: Engine) -> None:
        assert questions(engine) == [("q1", K.LATTICE_MISMATCH, None)]
        assert books_of(engine).state is GridState.EXITS_ONLY
        (view,) = question_views(engine)
        assert [choice.resolution for choice in view.choices] == [R.ADOPT, R.KEEP, R.HALT]
        await resolve(engine, "q1", way)
        await anyio.sleep(100)
        assert books_of(engine).state is GridState.RUNNING

    async def look(engine: Engine) -> None:
        await anyio.sleep(10)
        assert questions(engine) == []

    bench.run(a_while)
    bench.exchange._markets[SYMBOL] = told
    bench.run(answer)
    engine = bench.run(look)
    assert (books_of(engine).market == told) is (way is R.ADOPT)
    assert resting(bench) == LADDER
    assert_balanced(bench, engine)


def test_new_rules_that_the_lattice_does_not_fit_cannot_be_adopted() -> None:
    bench = a_bench()

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(100)

    async def answer(engine: Engine) -> None:
        (view,) = question_views(engine)
        assert view.detail == ("BTC/USDT has new rules (tick 0.01 is now 7); the lattice does not fit the new rules")
        assert ([choice.resolution for choice in view.choices], view.proposed) == ([R.KEEP, R.HALT], R.HALT)
        await resolve(engine, "q1", R.HALT)
        assert books_of(engine).state is GridState.HALTED

    bench.run(a_while)
    bench.exchange._markets[SYMBOL] = replace(QUOTE_FEES, tick_size=D(7))
    bench.run(answer)


def test_new_fees_are_taken_over_without_a_question() -> None:
    bench = a_bench()

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(100)

    told = replace(QUOTE_FEES, maker_fee_rate=D("0.0005"))
    bench.run(a_while)
    bench.exchange._markets[SYMBOL] = told
    engine = bench.run(a_while)
    assert (bench.facts(DiscrepancyFound), bench.facts(MarketAdopted)) == ([], [MarketAdopted(market=told)])
    assert books_of(engine).market == told


# Another engine


def test_a_new_grid_does_not_begin_where_another_engine_trades() -> None:
    bench = a_bench()
    bench.exchange.place_by_hand(by_hand(an_id_of("xyz"), price=91))

    async def nothing(engine: Engine) -> None:
        raise AssertionError("it has started")

    with pytest.raises(SettingsInvalid) as told:
        bench.run(nothing)
    assert told.value.problems == (
        (
            "grid 'main': expected no other engine on BTC/USDT, found open orders of xyz: stop that engine, "
            "restore its journal, or cancel its orders"
        ),
    )


# Gaps


def test_after_a_disconnect_nothing_is_placed_before_books_and_exchange_were_compared() -> None:
    """mm-010: four minutes without streams, in which slots 3, 4 and 5 buy; cancels go on meanwhile."""
    gap = Outage(from_ms=150_000, until_ms=400_000)
    bench = a_bench(155, 155, 155, 145, 135, 125, 125, 145, *[145] * 10, faults=FaultPlan(disconnects=(gap,)))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(140)
        before = bench.exchange.placed.copy()
        await anyio.sleep(255)
        assert bench.exchange.placed == before
        (block,) = engine.snapshot().grids[0].blocks
        assert block.what == "decisions"
        await anyio.sleep(100)
        assert engine.snapshot().grids[0].blocks == ()

    engine = bench.run(scene)
    assert [kind for kind, _, _ in corrections(bench)] == [K.OFFLINE_FILL] * 3
    intents = [record.at_ms for record in bench.records() if isinstance(record.fact, OrderIntended)]
    assert [at_ms for at_ms in intents if gap.from_ms < at_ms < gap.until_ms] == []
    assert resting(bench) == [*buys(100, 110, 120, 130), *sells(150, 160)]
    assert books_of(engine).ledger.cycles == 1
    assert_balanced(bench, engine)


def test_cancels_go_on_while_the_streams_are_down() -> None:
    gap = Outage(from_ms=50_000, until_ms=400_000)
    bench = a_bench(faults=FaultPlan(disconnects=(gap,)))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(100)
        await engine.command(Pause(grid="main"), by="ann")
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    assert books_of(engine).state is GridState.PAUSED
    assert_balanced(bench, engine)


def test_after_a_silent_stall_the_next_comparison_catches_up() -> None:
    """No sign of it: what was filled meanwhile is found all the same."""
    bench = a_bench(*FALL, faults=FaultPlan(stalls=(Outage(from_ms=50_000, until_ms=100_000),)))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(200)

    engine = bench.run(scene)
    assert corrections(bench) == [(K.OFFLINE_FILL, R.ADOPT, "reconciler")]
    assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
    assert_balanced(bench, engine)


@audited
class Mute(AuditedExchange):
    """Answers no question about orders before a moment."""

    answers_from_ms = 0

    async def fetch_open_orders(self, symbol: str):  # type: ignore[no-untyped-def]
        if self._now_ms() < self.answers_from_ms:
            raise Transient("no answer", retry_after_seconds=1.0)
        return await super().fetch_open_orders(symbol)


def test_a_start_waits_for_the_answers_and_then_trades() -> None:
    """Two minutes without answers: until then nothing is placed, and the engine says what it waits for."""
    bench = a_bench(exchange_type=Mute)
    assert isinstance(bench.exchange, Mute)

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(20)

    bench.run(a_while)
    placed = bench.exchange.placed.copy()
    bench.exchange.answers_from_ms = bench.clock.now_ms() + 120_000
    bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))

    lose_records(bench, 0)

    async def second_life() -> Engine:
        engine = Engine(bench.settings, clock=bench.clock, exchange=bench.port, journal=bench.journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await anyio.sleep(110)
            missing = [part.name for part in engine.snapshot().parts if not part.has_reported]
            assert (engine.state, missing) == (EngineState.STARTING, ["reconciliation"])
            assert bench.exchange.placed == placed
            await engine.wait_started()
            await anyio.sleep(20)
            engine.close()
        return engine

    engine = bench.run_scene(second_life)
    assert resting(bench) == LADDER
    assert_balanced(bench, engine)

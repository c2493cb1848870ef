"""Interleavings that turn on the reconciler: gaps, halts and answers in the middle of a comparison, accounts that
never stand still, records that are lost. Each was found by trying to make the engine lose money or stand still.
"""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.port import Balance
from engine.exchange.prices import Tick
from engine.exchange.venue import Told
from engine.model.commands import CommandDone, Pause, Reconcile
from engine.model.errors import EngineStopped
from engine.model.events import DiscrepancyFound
from engine.model.grid import GridState
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.snapshot import Connection, EngineState
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, an_id
from tests.sim.engine_builders import AuditedExchange, Bench, assert_balanced
from tests.sim.lock_audit import audited
from tests.sim.reconcile_builders import (
    SURE,
    a_bench,
    an_id_of,
    books_of,
    by_hand,
    compare,
    corrections,
    entry_of,
    live_order,
    lose_records,
    questions,
    resolve,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
FALL = (155, *[145] * 19)
Hook = Callable[[], Awaitable[None]]


@audited
class Interrupted(AuditedExchange):
    """Something happens once right after an answer was given and before anybody has it."""

    after_open_orders: Hook | None = None
    after_balances: Hook | None = None

    async def fetch_open_orders(self, symbol: str):  # type: ignore[no-untyped-def]
        answer = await super().fetch_open_orders(symbol)
        hook, self.after_open_orders = self.after_open_orders, None
        if hook is not None:
            await hook()
        return answer

    async def fetch_balances(self) -> dict[str, Balance]:
        answer = await super().fetch_balances()
        hook, self.after_balances = self.after_balances, None
        if hook is not None:
            await hook()
        return answer


@audited
class TwoSecondsLate(AuditedExchange):
    """Tells of an execution two seconds after it; the market trades at ``prices`` whenever balances are asked for."""

    prices: Sequence[Decimal] = ()

    async def fetch_balances(self) -> dict[str, Balance]:
        if self.prices:
            price, *self.prices = self.prices
            self._trade(SYMBOL, Tick(index=0, at_ms=self._now_ms(), price=price))
        return await super().fetch_balances()

    def _report(self, reports: Sequence[Told], at_ms: int) -> None:
        super()._report(reports, at_ms + 2_000)


def interrupted(bench: Bench) -> Interrupted:
    assert isinstance(bench.exchange, Interrupted)
    return bench.exchange


async def until_let_go(engine: Engine) -> None:
    """Wait until the grid decides again."""
    while engine.coordinators["main"].wait_reason is not None:  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(0.01)


# Gaps


def test_a_comparison_that_began_before_the_gap_ended_lets_nothing_go() -> None:
    bench = a_bench(exchange_type=Interrupted, period=0.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(50)
        order = live_order(engine, 5)

        async def gap() -> None:
            engine.on_connection(Connection.DISCONNECTED)
            bench.exchange._stream._listener = None
            await anyio.sleep(10)
            bench.exchange.cancel_by_hand(SYMBOL, order)
            await anyio.sleep(1)  # its report is lost as well
            bench.exchange._stream._listener = engine
            engine.on_connection(Connection.CONNECTED)

        interrupted(bench).after_open_orders = gap
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(compare, engine)
            await anyio.sleep(1)
            await until_let_go(engine)
            assert order not in books_of(engine).slot_of_order
            await anyio.sleep(1)

    engine = bench.run(scene)
    assert_balanced(bench, engine)


def test_a_gap_during_the_start_is_compared_again_before_anything_trades() -> None:
    bench = a_bench(exchange_type=Interrupted, period=0.0)

    async def first(engine: Engine) -> None:
        await anyio.sleep(50)

    bench.run(first)
    lose_records(bench, 0)
    order = entry_of(5)
    exchange = interrupted(bench)

    async def second() -> Engine:
        engine = Engine(bench.settings, clock=bench.clock, exchange=bench.port, journal=bench.journal)

        async def gap() -> None:
            engine.on_connection(Connection.DISCONNECTED)
            exchange._stream._listener = None
            await anyio.sleep(10)
            exchange.cancel_by_hand(SYMBOL, order)
            await anyio.sleep(1)  # its report is lost as well
            exchange._stream._listener = engine
            engine.on_connection(Connection.CONNECTED)

        exchange.after_open_orders = gap
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await engine.wait_started()
            await until_let_go(engine)
            assert order not in books_of(engine).slot_of_order
            await anyio.sleep(1)
            engine.close()
        return engine

    engine = bench.run_scene(second)
    assert_balanced(bench, engine)


# The command


def test_a_reconcile_command_that_finds_the_memory_wrong_is_told_so_and_does_not_wait_for_ever() -> None:
    bench = a_bench(period=0.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(50)
        books = books_of(engine)
        books._replace(0, cycles=5)
        with pytest.raises(EngineStopped, match="has ended before books and exchange were compared"):
            await compare(engine)

    engine = bench.run(scene)
    assert engine.state is EngineState.HALTED
    assert "expected the memory to be what the journal says" in engine.state_reason


def test_an_engine_closes_while_a_reconcile_command_waits_for_the_exchange() -> None:
    bench = a_bench(period=0.0, faults=FaultPlan(bans=(Outage(from_ms=45_000, until_ms=3_000_000),)))
    refused: list[str] = []

    async def ask(engine: Engine) -> None:
        with pytest.raises(EngineStopped) as error:
            await compare(engine)
        refused.append(str(error.value))

    async def life() -> Engine:
        async with anyio.create_task_group() as tasks, bench.engine() as engine:
            await anyio.sleep(50)
            tasks.start_soon(ask, engine)
            await anyio.sleep(1)
        return engine

    engine = bench.run_scene(life)
    assert engine.state is EngineState.STOPPED
    assert len(refused) == 1
    assert bench.clock.now_ms() < 60_000


def test_a_pause_does_not_wait_behind_a_comparison_that_waits_for_the_exchange() -> None:
    bench = a_bench(period=0.0, faults=FaultPlan(bans=(Outage(from_ms=45_000, until_ms=1_000_000),)))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(50)
        compared: Future[CommandDone] = Future()
        paused: Future[CommandDone] = Future()
        engine.post(Reconcile(grid="main"), compared, by="ann")
        engine.post(Pause(grid="main"), paused, by="ann")
        await anyio.sleep(1)
        assert (paused.done(), compared.done()) == (True, False)
        assert books_of(engine).state is GridState.PAUSED
        await anyio.sleep(1_000)
        assert compared.result().message == "main: 0 orders compared, nothing to correct"

    bench.run(scene)


# Accounts that never stand still


def test_a_missing_holding_is_still_asked_about_when_a_fill_kept_it_from_being_compared() -> None:
    bench = a_bench(*FALL, exchange_type=Interrupted, period=0.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(80)
        bench.exchange.cancel_by_hand(SYMBOL, live_order(engine, 5))
        bench.exchange.transfer("BTC", D("-0.75"))
        await compare(engine)
        await anyio.sleep(SURE)
        assert questions(engine) == [("q1", K.HOLDING_SHORT, None)]

        async def move() -> None:
            bench.exchange.place_by_hand(by_hand("other", price=90))
            ledger = books_of(engine).ledger
            books_of(engine).ledger = type(ledger)(**{name: getattr(ledger, name) for name in ledger.__slots__})

        await anyio.sleep(1)  # the screen's own look at the balances is over
        interrupted(bench).after_balances = move
        await compare(engine)
        await anyio.sleep(SURE)
        assert questions(engine) == [("q1", K.HOLDING_SHORT, None)]

    engine = bench.run(scene)
    assert books_of(engine).state is GridState.EXITS_ONLY


def test_an_owner_who_brings_base_in_all_the_time_does_not_hold_the_grid_back() -> None:
    bench = a_bench(period=0.0, faults=FaultPlan(disconnects=(Outage(from_ms=60_000, until_ms=61_000),)))

    async def scene(engine: Engine) -> None:
        for _ in range(100):
            await anyio.sleep(2)
            bench.exchange.transfer("BTC", D("0.1"))
        assert engine.coordinators["main"].wait_reason is None
        await compare(engine)
        await compare(engine)
        assert books_of(engine).beside == 10

    bench.run(scene)


def test_another_engine_whose_orders_never_stay_is_found_all_the_same() -> None:
    bench = a_bench()

    async def scene(engine: Engine) -> None:
        for number in range(40):
            name = an_id_of("xyz", generation=number)
            bench.exchange.place_by_hand(by_hand(name))
            await anyio.sleep(3)
            bench.exchange.cancel_by_hand(SYMBOL, name)
        assert [kind for _, kind, _ in questions(engine)] == [K.SECOND_INSTANCE]
        assert books_of(engine).state is GridState.HALTED

    bench.run(scene)


def test_fills_that_are_on_their_way_twice_in_a_row_are_no_missing_base() -> None:
    """Of 1 BTC each, told two seconds late: each time the account has 1 BTC less than the books, which is none gone."""
    bench = a_bench(155, *[125] * 19, exchange_type=TwoSecondsLate, period=0.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(100)
        assert books_of(engine).ledger.base == 3
        exchange = bench.exchange
        assert isinstance(exchange, TwoSecondsLate)
        exchange.prices = [D(141), D(151)]
        await compare(engine)
        await anyio.sleep(50)
        assert books_of(engine).ledger.cycles == 2

    engine = bench.run(scene)
    assert bench.facts(DiscrepancyFound) == []
    assert_balanced(bench, engine)


# Lost records


def lost_entry(bench: Bench) -> str:
    """An engine has placed entry 0 of slot 9, and the journal has lost it."""
    name = an_id(9)
    bench.exchange.place_by_hand(by_hand(name, price=140))
    return name


def a_life_before(bench: Bench) -> None:
    async def scene(engine: Engine) -> None:
        await anyio.sleep(50)

    bench.run(scene)


def test_a_lost_order_that_is_asked_about_stays_a_lost_order_and_can_be_adopted() -> None:
    bench = a_bench(policy={K.ORPHAN_ORDER: None})
    a_life_before(bench)
    name = lost_entry(bench)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(3 * SURE)
        assert questions(engine) == [("q1", K.ORPHAN_ORDER, 9)]
        assert books_of(engine).state is GridState.RUNNING
        await resolve(engine, "q1", R.ADOPT)
        assert books_of(engine).slot_of_order[name] == 9
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.ADOPT, "ann")]
    assert_balanced(bench, engine)


def test_the_question_about_a_lost_execution_stays_open_however_much_trades_after_it() -> None:
    bench = a_bench(*[155] * 3, *[156, 145, 161] * 20, policy={K.ORPHAN_ORDER: None}, step_ms=60_000)
    a_life_before(bench)
    bench.exchange.place_by_hand(by_hand(an_id(9), price=200, amount="0.5"))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(1_200)
        assert questions(engine) == [("q1", K.ORPHAN_ORDER, 9)]
        assert books_of(engine).slots[9].freeze_reason is not None
        await resolve(engine, "q1", R.ADOPT)
        assert books_of(engine).slots[9].cycles == 0
        assert sum(lot.quantity for lot in books_of(engine).lots()[9:]) == D("0.5")
        await anyio.sleep(SURE)

    engine = bench.run(scene)
    assert_balanced(bench, engine)


def test_the_id_of_a_lost_order_that_was_cancelled_is_not_used_again() -> None:
    bench = a_bench(155, 155, *[199] * 30, policy={K.ORPHAN_ORDER: R.CANCEL})
    a_life_before(bench)
    name = lost_entry(bench)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(300)
        assert live_order(engine, 9) == an_id(9, generation=1)

    engine = bench.run(scene)
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.CANCEL, "reconciler")]
    assert bench.exchange.placed[name] == 0
    assert_balanced(bench, engine)

"""What comes in between while an edit waits for its orders: it is made whole, or ended at once with the reason."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Freeze, LiftBlock, Panic, Pause, Resume, Stop
from engine.model.events import LatticeMigrated
from engine.model.grid import Disposal, GridState
from engine.model.reconcile import DiscrepancyKind
from engine.model.risk import RiskSettings, StopBasis, StopLoss
from engine.runtime.engine import Engine
from engine.runtime.migrator import EDIT_SECONDS_MAX
from tests.core.discrepancy_builders import found_about, short_of
from tests.sim.edit_scenes import BIGGER, FINER, HIGHER, STILL, edit, refusal_of
from tests.sim.engine_builders import Bench, SlowJournal, a_path, assert_settled, until_quiet
from tests.sim.migration_scenes import assert_told, lattices
from tests.sim.regime_builders import sensing
from tests.sim.test_commands import buys, minute, resting, sells

D = Decimal


async def until_stalled(engine: Engine) -> None:
    """Until nothing can be cancelled any more; what the account has was seen before."""
    await minute(0)
    await engine.wait_quiet()
    await minute(1)


def a_stalled_bench(*, from_ms: int = 59_000, until_ms: int = 400_000) -> Bench:
    """Cancellations are refused by the exchange for a while."""
    faults = FaultPlan(bans=(Outage(from_ms=from_ms, until_ms=until_ms),))
    return Bench(a_path(155, 155, 155, 155, 155, 155, 155, 155, 155), options=SimulatedOptions(faults=faults))


def test_an_edit_that_cannot_get_its_orders_out_of_the_way_is_given_up_and_the_old_lattice_trades_on() -> None:
    bench = a_stalled_bench()

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await until_stalled(engine)
        began = bench.clock.seconds
        why = await refusal_of(lambda: edit(engine, HIGHER))
        assert why == "orders in the way were not gone after 60 s; nothing was changed"
        assert EDIT_SECONDS_MAX <= bench.clock.seconds - began < EDIT_SECONDS_MAX + 1
        assert books.lattice.version == 1
        assert engine.coordinators["main"].manager.withheld == frozenset()
        await until_quiet(engine)
        assert resting(bench) == buys(100, 110, 120, 130, 140, 150)
        assert_settled(engine)

    assert_told(bench, bench.run(scene))
    assert bench.facts(LatticeMigrated) == []


def test_a_second_edit_is_refused_while_one_is_under_way() -> None:
    bench = a_stalled_bench(until_ms=100_000)

    async def scene(engine: Engine) -> None:
        await until_stalled(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edit, engine, HIGHER)
            await anyio.sleep(1)
            assert await refusal_of(lambda: edit(engine, BIGGER)) == "another edit of this grid is under way"
        assert engine.coordinators["main"].books.lattice.version == 2
        await edit(engine, BIGGER)
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))
    assert [fact.lattice.version for fact in bench.facts(LatticeMigrated)] == [2, 3]


def test_an_edit_whose_time_is_up_while_the_disk_writes_it_is_made_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.runtime.migrator.EDIT_SECONDS_MAX", 1.8)
    bench = Bench(a_path(*STILL), journal=SlowJournal(commit_seconds=0.7))

    async def scene(engine: Engine) -> None:
        await until_stalled(engine)
        assert await edit(engine, HIGHER) == "main: lattice 2 with 10 slots is in force"
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))
    assert len(lattices(bench)) == 2


Deed = Callable[[Engine], Awaitable[object]]


async def wait_for(engine: Engine, deed: Deed) -> tuple[str, float]:
    """Begin an edit whose orders do not go, do something, and hear why the edit was given up, and after how long."""
    refused: list[str] = []

    async def try_to_edit() -> None:
        refused.append(await refusal_of(lambda: edit(engine, HIGHER)))

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(try_to_edit)
        await anyio.sleep(2)
        await deed(engine)
    return refused[0], anyio.current_time() - began


@pytest.mark.parametrize("disposal", [Disposal.CANCEL, Disposal.LEAVE])
def test_an_edit_ends_at_once_when_its_grid_is_stopped(disposal: Disposal) -> None:
    bench = a_stalled_bench(until_ms=200_000)

    async def scene(engine: Engine) -> None:
        await until_stalled(engine)
        why, after_seconds = await wait_for(
            engine, lambda engine: engine.command(Stop(grid="main", disposal=disposal), by="test")
        )
        assert why.endswith("; nothing was changed")
        assert "the grid is stop" in why
        assert after_seconds < 10
        await until_quiet(engine)
        assert engine.coordinators["main"].books.state is GridState.STOPPED

    assert_told(bench, bench.run(scene))
    assert bench.facts(LatticeMigrated) == []


def test_an_engine_that_ends_does_not_wait_for_an_edit() -> None:
    bench = a_stalled_bench()
    refused: list[str] = []

    async def scene() -> Engine:
        async with anyio.create_task_group() as tasks:
            async with bench.engine() as engine:
                await until_stalled(engine)

                async def try_to_edit() -> None:
                    refused.append(await refusal_of(lambda: edit(engine, HIGHER)))

                tasks.start_soon(try_to_edit)
                await anyio.sleep(2)
                began = bench.clock.seconds
            assert bench.clock.seconds - began < 15
        return engine

    bench.run_scene(scene)
    assert refused == ["the engine has ended or halted; nothing was changed"]
    assert bench.facts(LatticeMigrated) == []
    bench.run()


def test_a_pause_during_an_edit_holds_too_and_the_edit_is_made() -> None:
    bench = a_stalled_bench(until_ms=100_000)

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await until_stalled(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edit, engine, HIGHER)
            await anyio.sleep(1)
            await engine.command(Pause(grid="main"), by="test")
        assert (books.lattice.version, books.state) == (2, GridState.PAUSED)
        await engine.wait_quiet()
        assert resting(bench) == []
        await engine.command(Resume(grid="main"), by="test")
        await until_quiet(engine)
        assert resting(bench) == buys(120, 130, 140, 150)

    assert_told(bench, bench.run(scene))


def test_a_panic_during_an_edit_lets_it_be_made_and_nothing_opens() -> None:
    bench = a_stalled_bench(until_ms=100_000)

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await until_stalled(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edit, engine, HIGHER)
            await anyio.sleep(1)
            await engine.command(Panic(grid="main"), by="test")
        assert books.lattice.version == 2
        await engine.wait_quiet()
        assert resting(bench) == []
        await engine.command(LiftBlock(grid="main", kind=books.blocks[0].kind), by="test")
        await until_quiet(engine)
        assert resting(bench) == buys(120, 130, 140, 150)

    assert_told(bench, bench.run(scene))


def test_a_slot_in_the_way_that_is_frozen_meanwhile_ends_the_edit() -> None:
    bench = a_stalled_bench(until_ms=100_000)

    async def scene(engine: Engine) -> None:
        await until_stalled(engine)
        why, after_seconds = await wait_for(
            engine, lambda engine: engine.command(Freeze(grid="main", slot=0), by="test")
        )
        assert why == "slot 0 would disappear, and is frozen: frozen by wish"
        assert after_seconds < 10
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))
    assert bench.facts(LatticeMigrated) == []


def test_a_stop_loss_during_an_edit_ends_it_and_winds_the_old_lattice_down() -> None:
    faults = FaultPlan(bans=(Outage(from_ms=59_000, until_ms=200_000),))
    bench = Bench(a_path(155, 155, 95, 95, 95, 95, 95), options=SimulatedOptions(faults=faults))
    stop = StopLoss(basis=StopBasis.PRICE_FALLS, at=D(97), disposal=Disposal.CANCEL)
    bench = sensing(bench, regime=None, risk=RiskSettings(stops=(stop,)))

    async def scene(engine: Engine) -> None:
        await minute(0)
        await engine.wait_quiet()
        await minute(1)
        why = await refusal_of(lambda: edit(engine, HIGHER))
        assert why.startswith("the grid is stopping: ")
        await until_quiet(engine)
        books = engine.coordinators["main"].books
        assert (books.state, resting(bench)) == (GridState.STOPPED, [])
        assert books.ledger.base == 6

    assert_told(bench, bench.run(scene))
    assert bench.facts(LatticeMigrated) == []


def test_a_grid_that_only_exits_over_a_question_can_be_edited_and_goes_on_exiting_only() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        await engine.command(Freeze(grid="main", slot=5), by="test")
        await engine.wait_quiet()
        control = engine._desk.grid("main")
        assert await control.ask(short_of("0.25", total="0.75"), is_current=lambda: True)
        assert books.state is GridState.EXITS_ONLY
        await edit(engine, HIGHER)
        assert (books.state, books.lattice.version, list(books.questions)) == (GridState.EXITS_ONLY, 2, ["q1"])
        await engine.wait_quiet()
        assert resting(bench) == sells(160)
        await control.withdraw("q1")
        await until_quiet(engine)
        assert resting(bench) == [*buys(120, 130, 140), *sells(160)]

    assert_told(bench, bench.run(scene))


def test_a_question_about_a_slot_in_the_way_ends_the_edit_and_the_lattice_stays() -> None:
    bench = a_stalled_bench(until_ms=100_000)

    async def ask(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        found = found_about(books, DiscrepancyKind.VANISHED_ORDER, None, slot=0)
        assert await engine._desk.grid("main").ask(found, is_current=lambda: True)

    async def scene(engine: Engine) -> None:
        await until_stalled(engine)
        why, after_seconds = await wait_for(engine, ask)
        assert why.startswith("slot 0 would disappear, and is frozen: question q1")
        assert after_seconds < 10
        await engine.wait_quiet()

    bench.run(scene)
    assert bench.facts(LatticeMigrated) == []


def test_an_edit_waits_for_the_streams_to_come_back() -> None:
    faults = FaultPlan(disconnects=(Outage(from_ms=85_000, until_ms=110_000),))
    bench = Bench(a_path(*STILL), options=SimulatedOptions(faults=faults))

    async def scene(engine: Engine) -> None:
        await anyio.sleep_until(86)
        assert await edit(engine, HIGHER) == "main: lattice 2 with 10 slots is in force"
        assert bench.clock.seconds > 110
        await until_quiet(engine)
        assert_settled(engine)

    assert_told(bench, bench.run(scene))


def test_a_paused_grid_can_be_edited_and_stays_paused() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        await engine.command(Pause(grid="main"), by="test")
        await minute(2)
        await edit(engine, FINER)
        await minute(3)
        assert (books.state, books.lattice.version, resting(bench)) == (GridState.PAUSED, 2, sells(160))
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))


def test_a_stopped_grid_is_not_edited() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        await minute(1)
        await engine.command(Stop(grid="main", disposal=Disposal.CANCEL), by="test")
        await minute(2)
        why = await refusal_of(lambda: edit(engine, HIGHER))
        assert why == "the grid is stopped (stopped as asked): resume it first"
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))

"""Stop and start again, in order or by force: journal and exchange lead back to the same books."""

import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import anyio
import pytest

from engine.core.books import GridBooks
from engine.exchange.simulated import SimulatedOptions
from engine.exchange.simulated_books import open_books
from engine.model.commands import Freeze, Pause, Reconcile, Stop
from engine.model.errors import SettingsInvalid
from engine.model.events import OrderIntended, OrderReported
from engine.model.grid import Disposal, GridSpec, GridState
from engine.model.reconcile import DiscrepancyKind
from engine.model.snapshot import EngineState
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.journal_file import CommitWait, open_journal
from engine.runtime.journal_store import read_records
from engine.runtime.worlds import open_simulated_world
from tests.builders import a_spec
from tests.sim.engine_builders import IDENTITY, Bench, a_path, assert_balanced, until_quiet
from tests.sim.market_child import child_settings

D = Decimal
TOP = Path(__file__).resolve().parents[2]
PATH = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)


def live_on_disk(
    folder: Path,
    script: Callable[[Engine], Awaitable[None]] = until_quiet,
    *grids: GridSpec,
    options: SimulatedOptions | None = None,
) -> tuple[Bench, Engine]:
    """One life of an engine whose journal and whose exchange lie in a folder."""
    bench = Bench(a_path(*PATH), grids=grids, books=open_books(folder), options=options)

    async def one_life() -> Engine:
        async with open_journal(folder, IDENTITY, hold=bench.clock.hold, wait=CommitWait.BLOCK) as journal:
            bench.journal = journal
            async with bench.engine() as engine:
                await script(engine)
            return engine

    try:
        engine = bench.run_scene(one_life)
    finally:
        bench.exchange.close()
    return bench, engine


def everything_in(books: GridBooks) -> tuple[object, ...]:
    return (books.slots, books.ledger, books.state, books.disposal, books.lattice, books.slot_of_order)


def test_what_a_new_engine_finds_is_what_the_last_one_left(tmp_path: Path) -> None:
    """A paused grid with lots, exits, a frozen slot and profit: every field of every slot is the same."""

    async def trade_freeze_and_pause(engine: Engine) -> None:
        await anyio.sleep(630)
        await engine.command(Freeze(grid="main", slot=2), by="test")
        await engine.command(Pause(grid="main"), by="test")
        await anyio.sleep(20)

    async def look(engine: Engine) -> None:
        found.append(everything_in(engine.coordinators["main"].books))

    found: list[tuple[object, ...]] = []
    bench, first = live_on_disk(tmp_path, trade_freeze_and_pause)
    head = bench.journal.head
    left = everything_in(first.coordinators["main"].books)
    assert first.coordinators["main"].books.ledger.cycles == 5
    bench, second = live_on_disk(tmp_path, look)
    assert found == [left]
    assert bench.journal.head == head
    assert_balanced(bench, second)


@pytest.mark.parametrize("lives", [2, 5])
def test_an_engine_restarted_again_and_again_ends_with_exact_books_and_ids_that_were_never_used_twice(
    tmp_path: Path, lives: int
) -> None:
    """I4, I7."""

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(900 / lives - 13)

    for _ in range(lives - 1):
        live_on_disk(tmp_path, a_while)
    bench, engine = live_on_disk(tmp_path)
    ids = [fact.client_order_id for fact in bench.facts(OrderIntended)]
    assert len(ids) == len(set(ids)) > 15
    assert engine.coordinators["main"].books.ledger.cycles == 5
    assert_balanced(bench, engine)


def test_a_window_may_change_between_two_lives_and_applies_at_once(tmp_path: Path) -> None:
    async def a_minute(engine: Engine) -> None:
        await anyio.sleep(30)

    live_on_disk(tmp_path, a_minute)
    bench, _ = live_on_disk(tmp_path, a_minute, a_spec(window=3))
    assert len(bench.exchange.open_ids("BTC/USDT")) == 3


@pytest.mark.parametrize(
    "change",
    [{"lower": D(90)}, {"slots": 12}, {"size": D("0.5")}, {"symbol": "BTC/USDC"}],
    ids=["lower", "slots", "size", "symbol"],
)
def test_a_grid_configured_otherwise_than_it_runs_is_refused_with_both_and_what_to_do(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """I14."""
    live_on_disk(tmp_path)
    with pytest.raises(SettingsInvalid) as told:
        live_on_disk(tmp_path, until_quiet, a_spec(**change))
    (problem,) = told.value.problems
    assert problem.startswith("grid 'main': expected it as it runs (BTC/USDT long arithmetic 100 to 200, 10 slots")
    assert problem.endswith("; put it back, or start over with --fresh")


def test_a_grid_that_is_gone_from_the_configuration_but_has_live_orders_is_asked_for(tmp_path: Path) -> None:
    live_on_disk(tmp_path)
    with pytest.raises(SettingsInvalid, match=r"grid 'main': expected it in the configuration, it has \d+ live orders"):
        live_on_disk(tmp_path, until_quiet, a_spec(name="other"))


# By force


def run_and_kill(folder: Path, *, lines: int) -> list[str]:
    """Start the child, read so many lines of its story, kill it at that moment."""
    command = [sys.executable, "-m", "tests.sim.market_child", str(folder)]
    with subprocess.Popen(command, cwd=TOP, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        told = [line for _, line in zip(range(lines), child.stderr, strict=False)]
        child.kill()
        child.communicate()
    return told


async def stop_and_wait(engine: Engine) -> None:
    await engine.command(Stop(grid="main", disposal=Disposal.CANCEL), by="test")
    while engine.coordinators["main"].books.state is not GridState.STOPPED:  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(1)
    await engine.wait_quiet()


def test_an_engine_killed_ten_times_at_random_goes_on_with_exact_books_and_no_order_twice(tmp_path: Path) -> None:
    """kill -9 wherever it happens to be: between intent and request, between fill and report."""
    dice = Random(9)
    for _ in range(10):
        told = run_and_kill(tmp_path, lines=dice.randrange(3, 250))
        assert [line for line in told if "halted" in line or "Traceback" in line] == []
    last: list[Engine] = []

    async def stop_beside(engine: Engine) -> None:
        last.append(engine)
        await engine.wait_started()
        assert engine.state is EngineState.RUNNING
        await stop_and_wait(engine)
        engine.close()

    with open_simulated_world(child_settings(tmp_path), fresh=False) as world:
        run_on(world.clock, run_world, world, stop_beside)
        balances = world.exchange.matching.balances()
        assert world.exchange.matching.open_orders("BTC/USDT") == ()
    books = last[0].coordinators["main"].books
    ledger = books.ledger
    assert books.profit(D(10_000)).residual == 0
    assert balances["USDT"].free == 100_000 + ledger.cash
    assert balances["BTC"].free == ledger.base == ledger.dust.quantity + sum(lot.quantity for lot in books.lots())
    facts = [record.fact for record in read_records(tmp_path / "journal.db")]
    ids = [fact.client_order_id for fact in facts if isinstance(fact, OrderIntended)]
    assert len(ids) == len(set(ids)) > 50
    reasons = {fact.report.reason for fact in facts if isinstance(fact, OrderReported)}
    assert [reason for reason in reasons if "duplicate" in reason] == []


def test_cancellations_that_were_wanted_but_never_sent_are_sent_by_the_next_engine(tmp_path: Path) -> None:
    """The engine ends in the instant in which a pause has been journalled."""

    async def pause_and_end(engine: Engine) -> None:
        await anyio.sleep(100)
        await engine.command(Pause(grid="main"), by="test")

    async def a_while(engine: Engine) -> None:
        await anyio.sleep(20)

    first, _ = live_on_disk(tmp_path, pause_and_end)
    assert any(report.side == "buy" for report in first.exchange.matching.open_orders("BTC/USDT"))
    second, engine = live_on_disk(tmp_path, a_while)
    assert engine.coordinators["main"].books.state is GridState.PAUSED
    assert [report.side for report in second.exchange.matching.open_orders("BTC/USDT") if report.side == "buy"] == []


def test_an_order_that_the_exchange_had_shown_and_now_does_not_know_is_a_question_and_no_guess(tmp_path: Path) -> None:
    """Another account, or an older copy of it: nothing is traded on such books."""

    async def trade(engine: Engine) -> None:
        await anyio.sleep(100)

    async def start(engine: Engine) -> None:
        # The other account's clock is behind: no order is missed before it can no longer be on its way.
        await anyio.sleep(100)
        await engine.command(Reconcile(grid="main"), by="test")

    live_on_disk(tmp_path, trade)
    for file in tmp_path.glob("exchange.db*"):
        file.unlink()
    second, engine = live_on_disk(tmp_path, start)
    books = engine.coordinators["main"].books
    asked = Counter(question.found.discrepancy.kind for question in books.questions.values())
    assert asked == {DiscrepancyKind.VANISHED_ORDER: len(books.slot_of_order), DiscrepancyKind.HOLDING_SHORT: 1}
    assert len(books.slot_of_order) == 6
    assert all(slot.freeze_reason is not None for slot in books.live_slots())
    assert books.state is GridState.EXITS_ONLY
    assert second.exchange.placed == {}

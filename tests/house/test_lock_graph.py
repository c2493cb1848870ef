"""The acquisition graph: an engine draws the roads of the hierarchy and no others, and no hold spans a request."""

import subprocess
import sys
from asyncio import current_task
from itertools import permutations
from pathlib import Path

import pytest

from engine.model.commands import Freeze, Thaw
from engine.model.order import OrderRequest, Side
from engine.model.snapshot import EngineState
from engine.runtime import locks
from engine.runtime.engine import Engine
from engine.runtime.locks import (
    RANK_JOURNAL,
    RANK_MANAGER,
    RANK_SLOT,
    GridLocks,
    LockEdge,
    LockOrderBroken,
    RankedLock,
    lock_edges,
    make_journal_lock,
)
from tests.builders import SYMBOL
from tests.house.lock_graph import ROADS, problems
from tests.house.sources import TOP
from tests.sim import lock_audit
from tests.sim.engine_builders import Bench, D, a_path, assert_balanced, until_quiet

PRICES = (150, 130, 170, 120, 180, 150)
UPWARD = LockEdge(held=RANK_SLOT, taken=RANK_MANAGER, is_rising=False)
MANAGER_TO_SLOT = LockEdge(held=RANK_MANAGER, taken=RANK_SLOT, is_rising=True)


@pytest.fixture
def own_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test draws stays out of the graph of the session, and the other way round."""
    monkeypatch.setattr(locks, "_edges", set())
    monkeypatch.setattr(lock_audit, "spans", [])


@pytest.mark.usefixtures("own_graph")
def test_an_engine_draws_the_roads_of_the_hierarchy_and_no_others() -> None:
    """It trades, is commanded, and closes; the journal is never taken under the manager."""
    bench = Bench(a_path(*PRICES))

    async def script(engine: Engine) -> None:
        await engine.command(Freeze(grid="main", slot=1), by="test")
        await engine.command(Thaw(grid="main", slot=1), by="test")
        await until_quiet(engine)

    engine = bench.run(script)
    assert_balanced(bench, engine)
    assert lock_edges() == ROADS
    assert problems(lock_edges(), lock_audit.spans, roads=ROADS) == []


@pytest.mark.usefixtures("own_graph")
async def test_locks_that_are_taken_one_after_the_other_draw_nothing() -> None:
    for lock in (make_journal_lock(), GridLocks(0, 1).manager):
        async with lock:
            pass
    assert lock_edges() == frozenset()


@pytest.mark.usefixtures("own_graph")
async def test_a_journal_under_a_manager_is_drawn_though_slots_are_taken_between() -> None:
    """The lowest lock that a task holds is not hidden by those above it."""
    grid = GridLocks(0, 3)
    async with grid.manager:
        with await grid.hold_slots((0, 1, 2)):
            async with make_journal_lock():
                pass
    assert lock_edges() - ROADS == {LockEdge(held=RANK_MANAGER, taken=RANK_JOURNAL, is_rising=True)}


@pytest.mark.usefixtures("own_graph")
async def test_what_is_refused_is_not_drawn() -> None:
    grid = GridLocks(0, 1)
    with await grid.hold_slots((0,)), pytest.raises(LockOrderBroken):
        await grid.manager.acquire()
    assert lock_edges() == frozenset()


@pytest.mark.usefixtures("own_graph")
async def test_an_order_that_nothing_refuses_is_drawn_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorder and refusal do not rely on each other: without the refusal, every wrong order is in the graph."""
    monkeypatch.setattr(RankedLock, "_checked_task", lambda _: current_task())
    grid, journal = GridLocks(0, 2), make_journal_lock()
    low, high = grid._slots
    rising = [grid.manager, low, high, journal]
    for first, second in permutations(rising, 2):
        locks._edges.clear()
        async with first, second:
            pass
        is_rising = rising.index(first) < rising.index(second)
        edge = LockEdge(held=first.order[0], taken=second.order[0], is_rising=is_rising)
        assert lock_edges() == {edge}
        assert (problems(lock_edges(), (), roads=frozenset()) == []) is is_rising


def test_no_two_locks_of_an_engine_have_the_same_place() -> None:
    """So of any two one is above the other: with the refusal, no ring of waiting tasks can close."""
    grids = [GridLocks(number, 2) for number in (0, 1)]
    every = [lock for grid in grids for lock in (grid.manager, *grid._slots)] + [make_journal_lock()]
    assert len({lock.order for lock in every}) == len(every) == 7


@pytest.mark.parametrize(
    ("edges", "spanned", "expected"),
    [
        (ROADS, [], []),
        (ROADS | {UPWARD}, [], ["a lock was taken out of order: slot -> manager, which does not rise"]),
        (ROADS - {MANAGER_TO_SLOT}, [], ["no test drew the edge manager -> slot"]),
        (ROADS, ["place was asked"], ["place was asked"]),
    ],
)
def test_a_run_is_faulted_for_upward_edges_missing_roads_and_requests_under_a_lock(
    edges: frozenset[LockEdge], spanned: list[str], expected: list[str]
) -> None:
    assert problems(edges, spanned, roads=ROADS) == expected


def test_a_run_of_a_part_is_not_faulted_for_roads_it_did_not_go() -> None:
    assert problems((), (), roads=frozenset()) == []


@pytest.mark.usefixtures("own_graph")
def test_a_request_made_under_a_lock_fails_and_is_remembered() -> None:
    """Planted: a command that places an order while it holds a slot."""
    bench = Bench(a_path(*PRICES))
    request = OrderRequest(
        client_order_id="foreign", symbol=SYMBOL, side=Side.BUY, price=D(100), amount=D("0.1"), post_only=True
    )

    async def script(engine: Engine) -> None:
        hold = await engine.coordinators["main"].manager.locks.hold_slots((3,))
        with hold, pytest.raises(AssertionError, match=r"place was asked of the exchange while holding slot\[0:3\]"):
            await engine.exchange.place(request)
        await engine.exchange.place(request)

    engine = bench.run(script)
    assert engine.state is EngineState.STOPPED
    assert lock_audit.spans == ["place was asked of the exchange while holding slot[0:3]"]


def test_every_request_of_the_port_is_audited() -> None:
    assert {"place", "cancel", "fetch_order", "fetch_open_orders", "fetch_fills"} <= lock_audit.REQUESTS
    kind = type(Bench(a_path(*PRICES)).exchange)
    unaudited = {name for name in lock_audit.REQUESTS if not hasattr(getattr(kind, name, None), "__wrapped__")}
    assert unaudited == set()


PLANTED = """
from engine.runtime import locks

async def test_planted(monkeypatch):
    monkeypatch.setattr(locks.RankedLock, "_checked_task", lambda _: locks.current_task())
    grid = locks.GridLocks(0, 1)
    with await grid.hold_slots((0,)):
        async with grid.manager:
            pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_a_session_with_an_upward_edge_fails_though_its_tests_pass(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """Also where the edge was drawn in a worker."""
    (tmp_path / "test_planted.py").write_text(PLANTED)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    ran = subprocess.run(
        [*command, "--rootdir", str(TOP), *workers, str(tmp_path)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "a lock was taken out of order: slot -> manager, which does not rise" in ran.stdout
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED

"""Days of the default synthetic market in virtual time: nothing grows that is not bounded, the books balance.

``pytest -s`` shows what was found; GRIDWRIGHT_SOAK_DAYS says how long the soak lasts, in market days.
"""

import asyncio
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from engine.model.money import ZERO
from engine.model.snapshot import EngineEvent, EngineState
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.locks import _held_by_task
from engine.runtime.story import EVENTS_MAX
from engine.runtime.worlds import SimulatedWorld, open_simulated_world
from tests.settings_builders import load

SLOTS = 100
CONFIG = f"""
[simulation]
source = "synthetic"
speed = 0

[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 45000
upper = 75000
slots = {SLOTS}
quote_per_slot = 100
window = 50
"""
HOUR_SECONDS = 3600
MEMORY_GROWTH_MAX = 32 * 1024 * 1024
"""Bytes from the end of the first quarter to the end: the exchange keeps its newest 10,000 closed orders,
which is the most of it, and every client order id."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Record = Callable[[str, object], None]


QUEUES_MAX = {
    "reports in the inbox": 1_000,
    "jobs of the executor": 4 * SLOTS,
    "events of the story": EVENTS_MAX,
    "journal rows on their way": 1_000,
    "deliveries of the exchange": 1_000,
    "live orders": SLOTS,
    "closed orders remembered": 4 * SLOTS,
    "tasks with locks": 2,
}
"""The most that may ever be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the process takes up at one moment."""

    memory_bytes: int
    files: int
    tasks: int


class Watch:
    """Samples of the process, and the longest that each queue was at any event of the story."""

    def __init__(self, engine: Engine, world: SimulatedWorld) -> None:
        self.samples: list[Sample] = []
        self.longest = dict.fromkeys(QUEUES_MAX, 0)
        self._engine = engine
        self._world = world
        self._loop = asyncio.get_running_loop()
        engine.story.listener = self._on_event

    def sample(self) -> None:
        """Look at the process, between two steps of the engine."""
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.samples.append(
            Sample(
                memory_bytes=resident * PAGE_BYTES,
                files=len(os.listdir("/proc/self/fd")),
                tasks=len(asyncio.all_tasks()),
            )
        )

    def _on_event(self, _: EngineEvent) -> None:
        engine = self._engine
        coordinator, journal = engine.coordinators["btc"], engine._journal
        lengths = (
            len(coordinator._inbox),
            engine._executor._jobs,
            len(engine.story._events),
            journal.head[0] - journal.durable,
            len(self._world.exchange._timeline._due),
            len(coordinator.books.slot_of_order),
            len(coordinator.books.closed.filled),
            sum(task.get_loop() is self._loop for task in _held_by_task),
        )
        for name, length in zip(QUEUES_MAX, lengths, strict=True):
            self.longest[name] = max(self.longest[name], length)


def soak_and_check(folder: Path, record: Record, *, hours: int) -> None:
    """Run a fresh engine for market hours; show what was found, then check it."""

    async def started(engine: Engine, world: SimulatedWorld) -> None:
        await engine.wait_started()
        watch = Watch(engine, world)
        for _ in range(hours):
            await anyio.sleep(HOUR_SECONDS)
            watch.sample()
        for name, figure in figures_of(engine, watch).items():
            record(name, figure)
            print(f"\n{name}: {figure}", end="")
        assert_balanced(engine)
        assert_bounded(watch)
        engine.close()

    async def live(world: SimulatedWorld) -> None:
        await run_world(world, partial(started, world=world))

    with open_simulated_world(load(CONFIG, folder, state_dir=folder / "state"), fresh=True) as world:
        run_on(world.clock, live, world)


def assert_balanced(engine: Engine) -> None:
    """It still runs, the residual is 0, and what is held is what was bought and not sold."""
    books = engine.coordinators["btc"].books
    grid = engine.snapshot().grids[0]
    assert (engine.state, engine.state_reason) == (
        EngineState.RUNNING,
        "every configured part has reported in",
    )
    assert grid.profit.residual == 0
    assert grid.inventory == grid.dust + sum((lot.quantity for lot in books.lots()), ZERO)
    assert grid.cycles > 0


def assert_bounded(watch: Watch) -> None:
    """Queues were short, files and tasks are as many as at the beginning, memory is flat."""
    samples = watch.samples
    first, last, settled = samples[0], samples[-1], samples[len(samples) // 4]
    assert {name for name, length in watch.longest.items() if length > QUEUES_MAX[name]} == set()
    assert {seen.files for seen in samples} == {first.files}
    assert max(seen.tasks for seen in samples) <= first.tasks + 2
    assert last.memory_bytes - settled.memory_bytes < MEMORY_GROWTH_MAX


def figures_of(engine: Engine, watch: Watch) -> dict[str, object]:
    """What was found, in words."""
    grid, samples = engine.snapshot().grids[0], watch.samples
    figures: dict[str, object] = {
        "market hours": len(samples),
        "cycles": grid.cycles,
        "journal records": engine._journal.head[0],
    }
    for name in ("memory_bytes", "files", "tasks"):
        seen = [getattr(sample, name) for sample in samples]
        figures[name] = f"{seen[0]:,} first, {max(seen):,} most, {seen[-1]:,} last"
    return figures | {f"most {name}": length for name, length in watch.longest.items()}


def test_a_day_of_the_market_leaves_nothing_behind(tmp_path: Path, record_property: Record) -> None:
    """I12, mm-006, mm-019, mm-020."""
    soak_and_check(tmp_path, record_property, hours=24)


@pytest.mark.soak
def test_days_of_the_market_leave_nothing_behind(tmp_path: Path, record_property: Record) -> None:
    days = int(os.environ.get("GRIDWRIGHT_SOAK_DAYS", "30"))
    soak_and_check(tmp_path, record_property, hours=24 * days)

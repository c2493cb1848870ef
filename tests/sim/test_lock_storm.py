"""Locks under load: operations by the thousand, cancelled in a storm, durable on disk; and rings of tasks.

``pytest -s`` shows the figures; GRIDWRIGHT_SOAK_SECONDS says how long the soaks last.
"""

import os
from asyncio import current_task
from collections.abc import Callable
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from engine.runtime import locks
from engine.runtime.clock import VirtualClock
from engine.runtime.journal_file import open_journal
from engine.runtime.locks import GridLocks, LockOrderBroken, RankedLock, make_journal_lock
from tests.sim.engine_builders import IDENTITY
from tests.sim.lock_storm import ForgetfulJournal, Load, assert_nothing_stuck
from tests.sim.schedules import Schedule, SimDeadlock, SimLoop, Strategy, run_simulated

TASKS = 10
CANCELLED_SHARE = 0.3
LOCKED_PER_SECOND = 1_000
DURABLE_PER_SECOND = 500
SOAK_SECONDS = float(os.environ.get("GRIDWRIGHT_SOAK_SECONDS", "600"))
DURABLE_SECONDS_MAX = 60.0
"""A journal of five thousand records a second would fill a disk in ten minutes."""
SEEDS = 40
RING_SEEDS = 100
Record = Callable[[str, object], None]


def show(load: Load, record: Record) -> None:
    """Print the figures, and keep them with the test's result."""
    for name, figure in load.figures().items():
        record(name, figure)
        print(f"\n{name}: {figure}", end="")


async def lock_operations(record: Record, *, seconds: float) -> None:
    """Ten tasks, each a thousand operations a second on manager, slots and journal, which give way inside."""
    load = Load(ForgetfulJournal(commit_seconds=0.0), Random(4), slots=40, rate=LOCKED_PER_SECOND)
    with anyio.fail_after(10 * seconds + 60):
        await load.run(tasks=TASKS, operations=round(LOCKED_PER_SECOND * seconds))
    show(load, record)
    assert_nothing_stuck(load)
    assert (load.done, load.given_up) == (TASKS * round(LOCKED_PER_SECOND * seconds), 0)
    assert load.staged == load.updates


async def test_a_thousand_lock_operations_a_second_of_ten_tasks_lose_no_update(record_property: Record) -> None:
    await lock_operations(record_property, seconds=1)


@pytest.mark.soak
async def test_a_thousand_lock_operations_a_second_of_ten_tasks_lose_no_update_in_minutes(
    record_property: Record,
) -> None:
    await lock_operations(record_property, seconds=SOAK_SECONDS)


async def storm(record: Record, *, seconds: float, seed: int) -> None:
    """A hundred operations a task and second, on a journal that takes a millisecond; a deadlock ends in
    ``TimeoutError``."""
    journal = ForgetfulJournal(commit_seconds=0.001)
    load = Load(journal, Random(seed), slots=8, rate=100, cancelled_share=CANCELLED_SHARE)
    with anyio.fail_after(10 * seconds + 60):
        await load.run(tasks=TASKS, operations=round(100 * seconds))
    show(load, record)
    assert_nothing_stuck(load)
    assert load.done + load.given_up == TASKS * round(100 * seconds)
    assert 0.2 < load.cancelled / load.seen_waiting < 0.4


async def test_a_storm_of_cancellations_leaves_no_waiter_stuck(record_property: Record) -> None:
    await storm(record_property, seconds=1.5, seed=5)


@pytest.mark.soak
async def test_a_storm_of_cancellations_leaves_no_waiter_stuck_in_minutes(record_property: Record) -> None:
    await storm(record_property, seconds=SOAK_SECONDS, seed=6)


async def durable_operations(folder: Path, record: Record, *, seconds: float) -> None:
    """Ten tasks, each five hundred operations a second, every one on disk before the next."""
    async with open_journal(folder, IDENTITY) as journal:
        load = Load(journal, Random(9), slots=100, slots_at_once=1, rate=DURABLE_PER_SECOND)
        with anyio.fail_after(10 * seconds + 60):
            await load.run(tasks=TASKS, operations=round(DURABLE_PER_SECOND * seconds))
        show(load, record)
        assert_nothing_stuck(load)
        assert load.done == TASKS * round(DURABLE_PER_SECOND * seconds)
        assert journal.durable == load.staged == load.updates
        assert sum(1 for _ in journal.records()) == load.staged


async def test_durable_operations_of_ten_tasks_are_all_counted_and_all_on_disk(
    tmp_path: Path, record_property: Record
) -> None:
    await durable_operations(tmp_path, record_property, seconds=1)


@pytest.mark.soak
async def test_durable_operations_of_ten_tasks_are_all_on_disk_in_a_minute(
    tmp_path: Path, record_property: Record
) -> None:
    await durable_operations(tmp_path, record_property, seconds=min(SOAK_SECONDS, DURABLE_SECONDS_MAX))


def schedules(seeds: int) -> list[Schedule]:
    """Every strategy, with steps that take no time and steps that take some."""
    return [
        Schedule(strategy=strategy, seed=seed, step_cost_seconds=cost)
        for strategy in (Strategy.RANDOM, Strategy.PRIORITY)
        for cost in (0.0, 0.000_03)
        for seed in range(seeds)
    ]


def test_no_schedule_lets_a_storm_of_cancellations_leave_a_waiter_stuck() -> None:
    """A waiter that nobody wakes ends the run as a deadlock."""
    totals = {"done": 0, "given up": 0}
    for schedule in schedules(SEEDS):
        journal = ForgetfulJournal(commit_seconds=0.0005)
        load = Load(journal, Random(schedule.seed), slots=5, cancelled_share=CANCELLED_SHARE)

        async def storm_and_check(load: Load = load) -> None:
            await load.run(tasks=6, operations=8)
            assert_nothing_stuck(load)
            assert load.done + load.given_up == 48

        run_simulated(SimLoop(VirtualClock(start_ms=0), schedule), storm_and_check)
        totals["done"] += load.done
        totals["given up"] += load.given_up
    print(f"\n{totals}", end="")
    assert min(totals.values()) > SEEDS


def test_no_schedule_closes_a_ring_of_waiting_tasks_whatever_order_they_ask_in() -> None:
    """What would close a ring is refused, so there is nothing left for a search of rings to find."""
    outcomes = [_tangle(schedule) for schedule in schedules(RING_SEEDS)]
    assert sum(refused for refused, _ in outcomes) > RING_SEEDS
    assert sum(taken for _, taken in outcomes) > RING_SEEDS


def test_without_the_refusal_rings_do_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tasks, with the refusal taken out: it is the refusal that keeps them from waiting for ever."""
    monkeypatch.setattr(locks, "_edges", set())
    monkeypatch.setattr(RankedLock, "_checked_task", lambda _: current_task())
    deadlocks = 0
    for schedule in schedules(5):
        monkeypatch.setattr(locks, "_held_by_task", {})
        try:
            _tangle(schedule)
        except SimDeadlock:
            deadlocks += 1
    assert deadlocks > 0


def _tangle(schedule: Schedule) -> tuple[int, int]:
    """Tasks that take locks of two grids in any order; how often they were refused, and how often they had all."""
    dice = Random(schedule.seed)
    grids = [GridLocks(number, 2) for number in (0, 1)]
    every = [lock for grid in grids for lock in (grid.manager, *grid._slots)] + [make_journal_lock()]
    outcomes = {"refused": 0, "taken": 0}

    async def one_round(wanted: list[RankedLock]) -> None:
        if not wanted:
            outcomes["taken"] += 1
            return
        async with wanted[0]:
            await checkpoint()
            await one_round(wanted[1:])

    async def work(rounds: list[list[RankedLock]]) -> None:
        for wanted in rounds:
            try:
                await one_round(wanted)
            except LockOrderBroken:
                outcomes["refused"] += 1

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work, [dice.sample(every, dice.randint(1, 3)) for _ in range(4)])

    run_simulated(SimLoop(VirtualClock(start_ms=0), schedule), all_of_them)
    return outcomes["refused"], outcomes["taken"]

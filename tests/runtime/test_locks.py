"""Ranked locks: every forbidden order is refused at once, whatever waits or is cancelled leaves nothing behind."""

import re
from random import Random

import anyio
import pytest

from engine.model.errors import InvariantBroken
from engine.runtime import locks
from engine.runtime.locks import (
    RANK_JOURNAL,
    RANK_MANAGER,
    RANK_SLOT,
    GridLocks,
    LockOrderBroken,
    RankedLock,
    make_journal_lock,
)

MANAGER = ("manager", (RANK_MANAGER, 1, 0))
SLOT_3 = ("slot 3", (RANK_SLOT, 1, 3))
SLOT_5 = ("slot 5", (RANK_SLOT, 1, 5))
OTHER_MANAGER = ("other manager", (RANK_MANAGER, 2, 0))
OTHER_SLOT = ("other slot", (RANK_SLOT, 2, 0))
JOURNAL = ("journal", (RANK_JOURNAL, 0, 0))
RISING = [MANAGER, OTHER_MANAGER, SLOT_3, SLOT_5, OTHER_SLOT, JOURNAL]
FORBIDDEN = [(held, asked) for place, held in enumerate(RISING) for asked in RISING[: place + 1]]
ALLOWED = [(held, asked) for place, held in enumerate(RISING) for asked in RISING[place + 1 :]]


@pytest.mark.parametrize(("held", "asked"), FORBIDDEN)
async def test_a_lock_of_the_same_or_a_lower_place_is_refused_at_once_though_it_is_free(
    held: tuple[str, tuple[int, int, int]], asked: tuple[str, tuple[int, int, int]]
) -> None:
    """Waiting for it and trying it alike; and the lock that is held stays as it was."""
    holder, wanted = RankedLock(*held), RankedLock(*asked)
    async with holder:
        with pytest.raises(LockOrderBroken, match=f"{asked[0]} may not be taken while holding {held[0]}"):
            await wanted.acquire()
        with pytest.raises(LockOrderBroken):
            wanted.try_acquire()
    assert (wanted.acquired, holder.acquired) == (0, 1)
    async with wanted:
        assert wanted.acquired == 1


@pytest.mark.parametrize(("held", "asked"), ALLOWED)
async def test_a_lock_of_a_higher_place_is_given(
    held: tuple[str, tuple[int, int, int]], asked: tuple[str, tuple[int, int, int]]
) -> None:
    async with RankedLock(*held), RankedLock(*asked) as wanted:
        assert repr(wanted) == f"<RankedLock {asked[0]} held>"


async def test_a_task_that_takes_its_own_lock_again_is_refused_instead_of_waiting_for_itself() -> None:
    lock = make_journal_lock()
    async with lock:
        with pytest.raises(LockOrderBroken):
            await lock.acquire()


async def test_locks_are_given_back_in_any_order_and_the_place_counts_only_while_they_are_held() -> None:
    """Manager, slot, manager given back, higher slot, lower given back: a road the coordinator takes."""
    manager, low, high = RankedLock(*MANAGER), RankedLock(*SLOT_3), RankedLock(*SLOT_5)
    await manager.acquire()
    await low.acquire()
    manager.release()
    await high.acquire()
    low.release()
    with pytest.raises(LockOrderBroken):
        await low.acquire()
    high.release()
    await low.acquire()
    low.release()


async def test_a_lock_that_nobody_holds_cannot_be_given_back() -> None:
    with pytest.raises(InvariantBroken, match="journal was released but nobody holds it"):
        make_journal_lock().release()


async def test_a_child_task_starts_with_no_locks_of_its_parent() -> None:
    """It may take the manager while its parent holds a slot; nobody inherits a place."""
    grid = GridLocks(0, 4)

    async def child() -> None:
        async with grid.manager:
            taken.append("manager")

    taken: list[str] = []
    with await grid.hold_slots((2,)):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
    assert taken == ["manager"]


async def test_slots_are_held_in_rising_index_and_busy_ones_are_left_out_when_nobody_waits() -> None:
    grid = GridLocks(0, 6)

    async def other() -> None:
        with grid.hold_free_slots((5, 0, 3, 1))[0]:
            hold, free = grid.hold_free_slots(())
            assert free == frozenset()
            hold.__exit__(None, None, None)
            told.set()
            await done.wait()

    told, done = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await told.wait()
        hold, free = grid.hold_free_slots(range(6))
        assert free == {2, 4}
        with hold, pytest.raises(LockOrderBroken):
            await grid.manager.acquire()
        done.set()
    with grid.hold_free_slots(range(6))[0]:
        assert grid.statistics()[1].acquired == 4 + 2 + 6


async def test_waiting_for_slots_that_is_cancelled_gives_back_those_it_had() -> None:
    grid = GridLocks(0, 3)
    with await grid.hold_slots((2,)):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(grid.hold_slots, (0, 1, 2))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        hold, free = grid.hold_free_slots(())
        hold.__exit__(None, None, None)
    with grid.hold_free_slots(range(3))[0] as everything:
        assert repr(everything).startswith("<")
    hold, free = grid.hold_free_slots(range(3))
    hold.__exit__(None, None, None)
    assert free == {0, 1, 2}


async def test_two_thousand_rounds_of_which_a_third_are_cancelled_leave_no_lock_stuck_and_no_two_holders() -> None:
    """Eight tasks, manager then some slots then a pause, cancelled wherever they happen to be."""
    grid, dice = GridLocks(0, 5), Random(11)
    inside = [0] * 5
    rounds = {"done": 0, "cancelled": 0}

    async def one_round(indices: list[int]) -> None:
        async with grid.manager:
            hold = await grid.hold_slots(indices)
        with hold:
            for index in indices:
                inside[index] += 1
            assert max(inside) == 1
            try:
                await anyio.lowlevel.checkpoint()
            finally:
                for index in indices:
                    inside[index] -= 1

    async def many() -> None:
        for _ in range(250):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(one_round, dice.sample(range(5), dice.randrange(1, 4)))
                    for _ in range(dice.randrange(6)):
                        await anyio.lowlevel.checkpoint()
                    if dice.random() < 0.3:
                        scope.cancel()
            rounds["cancelled" if scope.cancelled_caught else "done"] += 1

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(many)
    assert sum(rounds.values()) == 2_000
    assert rounds["cancelled"] > 200
    async with grid.manager:
        hold, free = grid.hold_free_slots(range(5))
        hold.__exit__(None, None, None)
    assert free == set(range(5))


async def test_statistics_count_who_took_a_lock_and_who_had_to_wait() -> None:
    """One holder, two that wait, one that finds it taken and goes on."""
    grid = GridLocks(7, 2)
    waiting = []

    async def wait() -> None:
        async with grid.manager:
            waiting.append(1)

    async with anyio.create_task_group() as tasks, grid.manager:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
    manager, slots = grid.statistics()
    assert (manager.name, manager.acquired, manager.waited) == ("manager[7]", 3, 2)
    assert manager.held_seconds_max > 0
    assert manager.waited_seconds_max > 0
    assert (slots.name, slots.acquired, slots.waited) == ("slots", 0, 0)
    assert (slots.held_seconds_max, slots.waited_seconds_max) == (0.0, 0.0)


async def test_a_wait_that_is_given_up_counts_as_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of several the longest is kept; whoever finds a lock free has not waited at all."""
    now = [0.0]
    monkeypatch.setattr(locks, "perf_counter", lambda: now[0])
    lock = make_journal_lock()

    async def wait(seconds: float) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock.acquire)
            await anyio.wait_all_tasks_blocked()
            now[0] += seconds
            tasks.cancel_scope.cancel()

    async with lock:
        assert lock.statistics().waited_seconds_max == 0.0
        for seconds in (2.0, 7.0, 3.0):
            await wait(seconds)
    figures = lock.statistics()
    assert (figures.acquired, figures.waited, figures.waited_seconds_max, figures.held_seconds_max) == (1, 3, 7.0, 12.0)


async def test_the_longest_wait_for_any_slot_is_the_one_of_all_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """As is the longest hold."""
    now = [0.0]
    monkeypatch.setattr(locks, "perf_counter", lambda: now[0])
    grid = GridLocks(0, 2)

    async def hold(index: int) -> None:
        with await grid.hold_slots((index,)):
            now[0] += 1.0

    for index, seconds in ((0, 4.0), (1, 2.0)):
        async with anyio.create_task_group() as tasks:
            with await grid.hold_slots((index,)):
                tasks.start_soon(hold, index)
                await anyio.wait_all_tasks_blocked()
                now[0] += seconds
    slots = grid.statistics()[1]
    assert (slots.acquired, slots.waited, slots.waited_seconds_max, slots.held_seconds_max) == (4, 2, 4.0, 4.0)


async def test_a_lock_below_the_highest_of_many_is_refused_and_the_message_names_that_one() -> None:
    grid = GridLocks(1, 6)
    with await grid.hold_slots((0, 2, 5)):
        with pytest.raises(LockOrderBroken, match=re.escape("slot[1:3] may not be taken while holding slot[1:5]")):
            await grid.hold_slots((3,))
        with await GridLocks(2, 1).hold_slots((0,)):
            pass

"""The seeded loop finds what order can break, tells the same story for the same seed, and ends what hangs."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from engine.runtime.clock import VirtualClock
from engine.runtime.locks import GridLocks, LockOrderBroken
from tests.sim.schedules import (
    NO_WATCH,
    Schedule,
    SimCrash,
    SimDeadlock,
    SimLivelock,
    SimLoop,
    Strategy,
    TasksLeft,
    Watch,
    mix,
    run_simulated,
)

Scene = Callable[[], Coroutine[Any, Any, Any]]
SEEDS = 300


def run(
    scene: Scene, seed: int = 0, strategy: Strategy = Strategy.RANDOM, cost: float = 0.0, watch: Watch = NO_WATCH
) -> SimLoop:
    """A scene on a loop of its own; the loop tells what went on."""
    schedule = Schedule(strategy=strategy, seed=seed, step_cost_seconds=cost, steps_expected=40)
    loop = SimLoop(VirtualClock(start_ms=0), schedule, watch)
    run_simulated(loop, scene)
    return loop


def failing_seeds(scene: Scene, error: type[BaseException], strategy: Strategy, seeds: int = SEEDS) -> list[int]:
    """The seeds with which a scene ends in this error."""
    failing = []
    for seed in range(seeds):
        try:
            run(scene, seed, strategy)
        except BaseException as caught:
            while isinstance(caught, BaseExceptionGroup):
                caught = caught.exceptions[0]
            if not isinstance(caught, error):
                raise
            failing.append(seed)
    return failing


# Planted bugs


async def two_locks_crosswise() -> None:
    """One task takes A and then B, another B and then A."""
    first, second = anyio.Lock(), anyio.Lock()  # noqa: TID251 - the bug that ranked locks prevent

    async def one() -> None:
        async with first:
            await checkpoint()
            async with second:
                pass

    async def other() -> None:
        for _ in range(6):
            await checkpoint()
        async with second:
            await checkpoint()
            async with first:
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(other)


async def ranked_locks_crosswise() -> None:
    """The same with the engine's locks."""
    locks = GridLocks(0, 2)

    async def one() -> None:
        async with locks.manager:
            await checkpoint()
            with await locks.hold_slots((0,)):
                pass

    async def other() -> None:
        for _ in range(6):
            await checkpoint()
        with await locks.hold_slots((0,)):
            await checkpoint()
            async with locks.manager:
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(other)


async def ranked_locks_in_order() -> None:
    """Two tasks that take the manager's lock and then the slots, again and again."""
    locks = GridLocks(0, 3)

    async def work(wait: int) -> None:
        for _ in range(wait):
            await checkpoint()
        for _ in range(3):
            async with locks.manager:
                hold = await locks.hold_slots((2, 0, 1))
            with hold:
                await checkpoint()

    async with anyio.create_task_group() as tasks:
        for wait in (0, 6, 3):
            tasks.start_soon(work, wait)


class _PlacedTwice(Exception):
    pass


async def place_once(*, is_locked: bool) -> None:
    """Two triggers place the order of one slot if it has none yet; journal and wire take a moment."""
    locks = GridLocks(0, 1)
    placed: list[str] = []

    async def place() -> None:
        if not placed:
            await checkpoint()
            await checkpoint()
            placed.append("order")

    async def trigger(wait: int) -> None:
        for _ in range(wait):
            await checkpoint()
        if is_locked:
            with await locks.hold_slots((0,)):
                await place()
        else:
            await place()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trigger, 0)
        tasks.start_soon(trigger, 8)
    if len(placed) > 1:
        raise _PlacedTwice


def test_locks_taken_crosswise_hang_in_some_random_schedules_and_never_in_the_usual_one() -> None:
    assert failing_seeds(two_locks_crosswise, SimDeadlock, Strategy.FIFO, seeds=5) == []
    assert len(failing_seeds(two_locks_crosswise, SimDeadlock, Strategy.RANDOM)) > SEEDS // 20
    assert failing_seeds(two_locks_crosswise, SimDeadlock, Strategy.PRIORITY) != []


@pytest.mark.parametrize("strategy", list(Strategy))
def test_ranked_locks_refuse_the_wrong_order_in_the_first_run_whatever_the_schedule(strategy: Strategy) -> None:
    assert failing_seeds(ranked_locks_crosswise, LockOrderBroken, strategy, seeds=20) == list(range(20))


@pytest.mark.parametrize("strategy", list(Strategy))
def test_ranked_locks_taken_in_order_never_hang(strategy: Strategy) -> None:
    assert failing_seeds(ranked_locks_in_order, SimDeadlock, strategy) == []


def test_an_order_is_placed_twice_in_some_random_schedules_without_the_slot_lock() -> None:
    async def without() -> None:
        await place_once(is_locked=False)

    assert failing_seeds(without, _PlacedTwice, Strategy.FIFO, seeds=5) == []
    assert len(failing_seeds(without, _PlacedTwice, Strategy.RANDOM)) > SEEDS // 20
    assert failing_seeds(without, _PlacedTwice, Strategy.PRIORITY) != []


@pytest.mark.parametrize("strategy", list(Strategy))
def test_an_order_is_placed_once_in_every_schedule_under_the_slot_lock(strategy: Strategy) -> None:
    async def under_the_lock() -> None:
        await place_once(is_locked=True)

    assert failing_seeds(under_the_lock, _PlacedTwice, strategy) == []


# The loop itself


async def some_traffic() -> None:
    """Timers of one instant, timeouts, events, and a group of tasks that is cancelled."""
    event = anyio.Event()

    async def work(number: int) -> None:
        await anyio.sleep(0.5)
        with anyio.move_on_after(0.25 * (number % 3)):
            await event.wait()
        await checkpoint()

    async def wait_in_vain() -> None:
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(work, number)
            tasks.start_soon(wait_in_vain)
        await anyio.sleep(1)
        event.set()
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("cost", [0.0, 1e-6])
@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_seed_tells_the_same_story_every_time(strategy: Strategy, cost: float) -> None:
    first, again = (run(some_traffic, 5, strategy, cost) for _ in range(2))
    assert first.queue.digest == again.queue.digest
    assert first.queue.steps == again.queue.steps > 50


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.PRIORITY])
def test_seeds_tell_different_stories(strategy: Strategy) -> None:
    assert len({run(some_traffic, seed, strategy).queue.digest for seed in range(20)}) == 20


def test_callbacks_run_in_the_order_in_which_they_became_ready_unless_a_schedule_is_drawn() -> None:
    told: list[int] = []

    async def tell(number: int) -> None:
        told.append(number)

    async def scene() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(tell, number)

    run(scene, strategy=Strategy.FIFO)
    assert told == list(range(20))
    told.clear()
    run(scene, seed=1, strategy=Strategy.RANDOM)
    assert sorted(told) == list(range(20)) != told


def test_steps_take_time_only_where_they_are_told_to() -> None:
    assert run(some_traffic).time() == 2.0
    with_cost = run(some_traffic, cost=1e-6)
    assert 2.0 < with_cost.time() < 2.01


def test_a_mix_is_the_same_everywhere_and_for_ever() -> None:
    assert mix() == 0x9E3779B97F4A7C15
    assert mix(1, 2, 3) == 12174095428247697372
    assert len({mix(1, number) for number in range(1000)}) == 1000


def test_a_life_that_is_killed_runs_not_one_step_more() -> None:
    told: list[str] = []

    async def scene() -> None:
        try:
            while True:
                await anyio.sleep(1)
                told.append("step")
        except BaseException:
            await checkpoint()
            told.append("never")
            raise
        finally:
            told.append("in vain")

    loop = SimLoop(VirtualClock(start_ms=0))
    loop.kill(at_step=10)
    with pytest.raises(SimCrash, match="killed before step 11"):
        run_simulated(loop, scene)
    assert loop.queue.steps == 10
    assert "never" not in told


def test_what_a_dead_life_does_in_its_clean_up_comes_after_the_word_of_its_death() -> None:
    told: list[str] = []

    async def scene() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 10)
            try:
                await anyio.sleep(10)
            finally:
                told.append("clean-up")

    loop = SimLoop(VirtualClock(start_ms=0), watch=Watch(at_death=lambda: told.append("death")))
    loop.kill(at_step=2)
    with pytest.raises(SimCrash):
        run_simulated(loop, scene)
    assert told == ["death", "clean-up"]


def test_a_life_in_which_nothing_can_go_on_says_who_waits_where() -> None:
    async def wait_for_ever() -> None:
        await anyio.Event().wait()

    for scene in (wait_for_ever, anyio.sleep_forever):
        with pytest.raises(SimDeadlock, match=r"nothing is ready and no timer is set; task 1 waits in .*"):
            run(scene)


def test_a_life_that_turns_in_circles_at_one_instant_ends() -> None:
    async def scene() -> None:
        while True:
            await checkpoint()

    with pytest.raises(SimLivelock):
        run(scene)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_task_that_always_wakes_itself_starves_nobody(strategy: Strategy) -> None:
    async def scene() -> None:
        async def turn() -> None:
            while True:
                await checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn)
            for _ in range(20):
                await checkpoint()
            tasks.cancel_scope.cancel()

    for seed in range(50):
        assert run(scene, seed, strategy).queue.steps < 5_000


def test_an_error_in_a_callback_ends_the_run() -> None:
    async def scene() -> None:
        def fail() -> None:
            raise ArithmeticError("of a timer")

        _loop_of_this().call_later(1, fail)
        await anyio.sleep(10)

    with pytest.raises(ArithmeticError, match="of a timer"):
        run(scene)


def test_a_task_that_nobody_waits_for_is_told() -> None:
    async def scene() -> None:
        _loop_of_this().create_task(anyio.sleep(1))

    with pytest.raises(TasksLeft, match="task 2"):
        run(scene)


def test_a_check_at_every_third_step_sees_every_third_step() -> None:
    seen: list[int] = []
    loop = SimLoop(VirtualClock(start_ms=0), watch=Watch(check=lambda: seen.append(loop.queue.steps), every=3))
    run_simulated(loop, some_traffic)
    assert seen == list(range(3, loop.queue.steps + 1, 3))


def test_a_real_thread_is_refused() -> None:
    refused: list[str] = []

    async def scene() -> None:
        loop = _loop_of_this()

        def call() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as error:
                refused.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    run(scene)
    assert refused == ["a real thread has no place in a simulation"]


def _loop_of_this() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.mark.parametrize("at_step", [5, 20, 35, 50, 60, 65])
def test_of_a_life_that_was_killed_nothing_stays_in_memory(at_step: int) -> None:
    loop = SimLoop(VirtualClock(start_ms=0))
    loop.kill(at_step)
    with pytest.raises(SimCrash):
        run_simulated(loop, some_traffic)
    assert loop.queue.steps == at_step
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None

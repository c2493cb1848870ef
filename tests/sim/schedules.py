"""A seeded event loop for tests: which of the ready callbacks runs next is drawn, and the draw can be repeated.

It is the virtual loop of the engine's clock with another queue of ready callbacks. The rank of
a callback is a mix of integers: the seed, the number of its task in the order of creation, and
how often that task was woken; so no address and no hash seed finds its way into the schedule.
A run can be killed at any step, ends at once when nothing will ever run again, and gives a
digest of everything that ran.
"""

import asyncio
import inspect
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from heapq import heappop, heappush
from selectors import BaseSelector, SelectorKey
from typing import Any, TypeVar, TypeVarTuple
from zlib import crc32

from anyio._backends._asyncio import _task_states

from engine.runtime.clock import VirtualClock, _VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEPS_AT_ONE_INSTANT_MAX = 200_000
_MASK = 2**64 - 1
_LAST = 2**64
"""After every drawn rank."""
_AGING = _LAST // 128
"""With each step later ones draw worse: whoever is ready is overtaken by those of 128 steps at most."""
_BURST_MAX = 100
"""Strict priorities would let a task that always wakes itself starve all others."""
_CLOSES_MAX = 50
_NEVER_SECONDS = 24 * 3600
"""A loop looks up from its waiting once a day; sleeping for ever is a timer too."""


class SimulationEnded(BaseException):
    """A simulated life is over; no ``except Exception`` of the engine may hold it up."""


class SimCrash(SimulationEnded):
    """The process was killed here, as by ``kill -9``."""


class SimDeadlock(SimulationEnded):
    """Nothing is ready, no timer is set, and the main task has not ended."""


class SimLivelock(SimulationEnded):
    """Too many steps at one instant of virtual time."""


class TasksLeft(SimulationEnded):
    """The main task has ended, and others have not."""


class Strategy(StrEnum):
    """In which order ready callbacks run."""

    FIFO = "fifo"
    """As asyncio does it."""
    RANDOM = "random"
    """Each wake of a task draws its rank anew."""
    PRIORITY = "priority"
    """Each task has a rank for good; at a few drawn steps the task that runs goes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How ready callbacks are ordered.

    Each step takes ``step_cost_seconds`` of virtual time: 0 keeps what is due at one instant
    together, a little pulls it apart. ``change_points`` lie within the first ``steps_expected``.
    """

    strategy: Strategy = Strategy.FIFO
    seed: int = 0
    step_cost_seconds: float = 0.0
    change_points: int = 3
    steps_expected: int = 2_000


FIFO = Schedule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is called as a run goes on: ``check`` at every ``every`` th step; ``at_death`` before what is left of a
    killed run is cleared away."""

    check: Callable[[], None] | None = None
    every: int = 50
    at_death: Callable[[], None] | None = None


NO_WATCH = Watch()


def mix(*numbers: int) -> int:
    """64 bits that depend on nothing but these numbers."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = ((state ^ (number & _MASK)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


class SimTask(asyncio.Task[Any]):
    """A task that knows its number in the order of creation; sets of tasks are iterated by it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], *, loop: "SimLoop", **details: Any) -> None:
        self.number = loop.next_task_number()
        self._queue = loop.queue
        super().__init__(coroutine, loop=loop, **details)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel; who cancels several walks over a set, so the queue orders what that wakes by number."""
        self._queue.is_cancelling = True
        try:
            return super().cancel(msg)
        finally:
            self._queue.is_cancelling = False


class ReadyQueue:
    """Takes the place of the loop's deque of ready handles.

    Invariant: of the handles in it, the one with the lowest rank is the next.
    """

    def __init__(self, schedule: Schedule, clock: VirtualClock, watch: Watch) -> None:
        self.steps = 0
        self.failure: BaseException | None = None
        self.is_killed = False
        self.is_cancelling = False
        self.kill_at_step: int | None = None
        self.steps_at_this_instant = 0
        self._schedule = schedule
        self._clock = clock
        self._watch = watch
        self._rank = {
            Strategy.FIFO: self._rank_in_order,
            Strategy.RANDOM: self._rank_drawn,
            Strategy.PRIORITY: self._rank_by_priority,
        }[schedule.strategy]
        points = range(schedule.change_points) if schedule.strategy is Strategy.PRIORITY else ()
        self._change_points = {mix(schedule.seed, 77, point) % schedule.steps_expected for point in points}
        self._heap: list[tuple[int, int, int, asyncio.Handle]] = []
        self._pushed = 0
        self._running = 0
        self._wakes: Counter[int] = Counter()
        self._demoted: dict[int, int] = {}
        self._burst: Counter[int] = Counter()
        self._names: dict[str, int] = {}
        self._digest = blake2b(digest_size=12)

    @property
    def digest(self) -> str:
        """Of every step so far: its number, what ran, and when."""
        return self._digest.hexdigest()

    # What the loop does with its deque

    def __len__(self) -> int:
        """At most one where steps take time: the loop looks at its timers only between rounds."""
        count = len(self._heap)
        return min(count, 1) if self._schedule.step_cost_seconds else count

    def append(self, handle: asyncio.Handle) -> None:
        """A callback became ready."""
        self._pushed += 1
        key = self._key(handle)
        rank, tie = self._rank(key)
        heappush(self._heap, (rank, tie, self._pushed, handle))

    appendleft = append

    def popleft(self) -> asyncio.Handle:
        """The callback to run now."""
        handle = heappop(self._heap)[3]
        if not handle._cancelled:
            self._step(self._key(handle))
        return handle

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()

    # Steps

    def _step(self, key: int) -> None:
        if self.failure is not None:
            raise self.failure
        if self.is_killed or self.steps == self.kill_at_step:
            raise SimCrash(f"killed before step {self.steps + 1}")
        self.steps += 1
        self.steps_at_this_instant += 1
        if self.steps_at_this_instant > STEPS_AT_ONE_INSTANT_MAX:
            raise SimLivelock(f"{self.steps_at_this_instant} steps without a pause, at last of {key}")
        if self._schedule.step_cost_seconds:
            self._clock.advance(self._schedule.step_cost_seconds)
        self._digest.update(struct.pack("<qqd", self.steps, key, self._clock.seconds))
        self._running = key
        if self.steps in self._change_points:
            self._demoted[key] = _LAST + self._pushed
        if self._watch.check is not None and self.steps % self._watch.every == 0:
            self._watch.check()

    def pass_instant(self) -> None:
        """Virtual time goes on."""
        self.steps_at_this_instant = 0
        self._burst.clear()

    # Ranks

    def _key(self, handle: asyncio.Handle) -> int:
        """The number of a task, or a negative number for the name of any other callback."""
        callback = handle._callback  # type: ignore[attr-defined]
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, SimTask):
            return owner.number
        name = getattr(callback, "__qualname__", None) or type(callback).__name__
        key = self._names.get(name)
        if key is None:
            key = self._names[name] = -1 - crc32(name.encode())
        return key

    def _rank_in_order(self, key: int) -> tuple[int, int]:
        """By the step that made it ready; a cancelled task comes last among those, by its number."""
        if self.is_cancelling:
            return self.steps * 2 + 1, key
        return self.steps * 2, self._pushed

    def _rank_drawn(self, key: int) -> tuple[int, int]:
        self._wakes[key] += 1
        drawn = _LAST if self._wakes_itself(key) else mix(self._schedule.seed, key, self._wakes[key])
        return drawn + self.steps * _AGING, 0

    def _rank_by_priority(self, key: int) -> tuple[int, int]:
        if self._wakes_itself(key):
            return _LAST + self._pushed, 0
        self._burst[key] += 1
        if self._burst[key] > _BURST_MAX:
            self._burst[key] = 0
            self._demoted[key] = _LAST + self._pushed
        return self._demoted.get(key) or mix(self._schedule.seed, key), 0

    def _wakes_itself(self, key: int) -> bool:
        """A callback that is no task and calls itself until others have moved, as anyio's cancellation does."""
        return key < 0 and key == self._running


class SimLoop(_VirtualLoop):
    """A virtual loop with a drawn schedule; real threads and real input have no place in it."""

    _ready: ReadyQueue
    _selector: BaseSelector

    def __init__(self, clock: VirtualClock, schedule: Schedule = FIFO, watch: Watch = NO_WATCH) -> None:
        super().__init__(clock)
        self.queue = ReadyQueue(schedule, clock, watch)
        self.at_death = watch.at_death
        self._ready = self.queue
        self._selector.select = self._jump  # type: ignore[method-assign]
        self._own_thread = threading.get_ident()
        self._tasks_made = 0
        self.set_task_factory(_numbered)
        self.set_exception_handler(_remember_failure)

    def kill(self, at_step: int | None = None) -> None:
        """Let nothing run after this step has been done; after the running one, if none is named."""
        if at_step is None:
            self.queue.is_killed = True
        else:
            self.queue.kill_at_step = at_step

    def next_task_number(self) -> int:
        """The number of a task that is made now."""
        self._tasks_made += 1
        return self._tasks_made

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only from the loop's own thread: any other would make a run that cannot be repeated."""
        if threading.get_ident() != self._own_thread:
            raise RuntimeError("a real thread has no place in a simulation")
        return self.call_soon(callback, *args, context=context)

    def bury(self) -> None:
        """Clear away the tasks of a life that is over; what their clean-up tries to do is in vain."""
        if self.at_death is not None:
            self.at_death()
        for task in sorted(asyncio.all_tasks(self), key=_number_of):
            _close(task)
        # Also of tasks that are done: a state refers to the task that it is kept for, so neither would be freed.
        for task in [task for task in _task_states if task.get_loop() is self]:
            del _task_states[task]

    def _jump(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout >= _NEVER_SECONDS:
            raise SimDeadlock(f"nothing is ready and no timer is set; {_tasks_in_words(self)}")
        if timeout > 0:
            self._virtual_clock.advance(timeout)
            self.queue.pass_instant()
        return []


def run_simulated(loop: SimLoop, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a loop of its own, which is closed after it.

    Raises:
        SimulationEnded: it was killed, nothing could go on, or tasks were left over.
        BaseException: what the coroutine raised, or any callback.
    """
    try:
        main = loop.create_task(function())
        result = loop.run_until_complete(main)
        if loop.queue.failure is not None:
            raise loop.queue.failure
        if asyncio.all_tasks(loop):
            raise TasksLeft(_tasks_in_words(loop))
        return result
    finally:
        loop.bury()
        loop.close()


def _close(task: asyncio.Task[Any]) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine = task.get_coro()
    assert inspect.iscoroutine(coroutine)
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        # anyio wraps what a task is to do, and that would never be awaited.
        inner = getattr(inspect.getcoroutinelocals(coroutine).get("self"), "_coro", None)
        if inspect.iscoroutine(inner):
            inner.close()
    for _ in range(_CLOSES_MAX):
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001 - a dead task's clean-up misses its loop in many ways
            continue
        break


def _numbered(loop: asyncio.AbstractEventLoop, coroutine: Any, **details: Any) -> SimTask:
    assert isinstance(loop, SimLoop)
    return SimTask(coroutine, loop=loop, **details)


def _remember_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception in a callback ends the run; the base class would only log it."""
    assert isinstance(loop, SimLoop)
    if loop.queue.failure is None:
        loop.queue.failure = context.get("exception") or RuntimeError(context["message"])


def _number_of(task: asyncio.Task[Any]) -> int:
    return task.number if isinstance(task, SimTask) else 0


def _tasks_in_words(loop: SimLoop) -> str:
    words = []
    for task in sorted(asyncio.all_tasks(loop), key=_number_of):
        frames = [f"{frame.f_code.co_name}:{frame.f_lineno}" for frame in task.get_stack(limit=4)]
        words.append(f"task {_number_of(task)} waits in {' < '.join(reversed(frames))}")
    return "; ".join(words)

"""Load for the locks alone: tasks that take manager, slots and journal, and a storm that cancels those who wait.

An operation goes the engine's road: manager, then a slot or a few, then durable under the slots. Each
slot has a count that is read before the commit and written after it, so two holders would lose an update.
"""

from asyncio import get_running_loop
from collections import deque
from collections.abc import Iterable, Sequence
from random import Random

import anyio
from anyio.lowlevel import checkpoint

from engine.model.events import SlotFrozen
from engine.runtime.journal import Journal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.locks import GridLocks, _held_by_task
from engine.runtime.story import Story
from tests.sim.engine_builders import SlowJournal

LAG_SECONDS = 0.005
"""How often the loop's lag is measured."""
LATENCIES_MAX = 500_000
"""The newest that are remembered."""
STORM_SECONDS = 0.002
"""The longest pause between two gusts of the storm."""


class ForgetfulJournal(SlowJournal):
    """A slow journal that remembers its head alone, for operations by the million."""

    def __init__(self, *, commit_seconds: float) -> None:
        super().__init__(commit_seconds=commit_seconds)
        self._records = None


class LagMeter:
    """How late the loop comes back to a task that sleeps, in seconds; the timer's own grain is in it."""

    def __init__(self) -> None:
        self.lags: list[float] = []

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = anyio.current_time() + LAG_SECONDS
            await anyio.sleep_until(due)
            self.lags.append(anyio.current_time() - due)


def in_milliseconds(seconds: Iterable[float]) -> str:
    """The median, the 99th percentile and the most, in words."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {ordered[-1] * 1000:.1f} ms of {len(ordered):,}"


class Load:
    """Tasks that each do their operations, ``rate`` a second or as fast as they can; of those that are seen
    waiting, ``cancelled_share`` are cancelled."""

    def __init__(
        self,
        journal: Journal,
        dice: Random,
        *,
        slots: int,
        slots_at_once: int = 3,
        rate: float | None = None,
        cancelled_share: float = 0.0,
    ) -> None:
        self.locks = GridLocks(0, slots)
        self.gate = JournalGate(journal, Story())
        self.journal = journal
        self.counts = [0] * slots
        self.updates = 0
        self.staged = 0
        self.done = 0
        self.seen_waiting = 0
        self.cancelled = 0
        self.given_up = 0
        self.latencies: deque[float] = deque(maxlen=LATENCIES_MAX)
        self.lag = LagMeter()
        self.seconds = 0.0
        self._dice = dice
        self._slots = slots
        self._slots_at_once = slots_at_once
        self._rate = rate
        self._cancelled_share = cancelled_share
        self._waiting: dict[anyio.CancelScope, None] = {}

    async def run(self, *, tasks: int, operations: int) -> None:
        """Let each task do its operations; all of them end, or the caller's timeout does."""
        start = anyio.current_time()
        async with anyio.create_task_group() as beside:
            beside.start_soon(self.lag.run)
            beside.start_soon(self._storm)
            async with anyio.create_task_group() as working:
                for _ in range(tasks):
                    working.start_soon(self._work, start, operations)
            beside.cancel_scope.cancel()
        self.seconds = anyio.current_time() - start

    async def _work(self, start: float, operations: int) -> None:
        for number in range(operations):
            begun = anyio.current_time()
            with anyio.CancelScope() as scope:
                self._waiting[scope] = None
                try:
                    count = self._dice.randint(1, self._slots_at_once)
                    await self._operate(self._dice.sample(range(self._slots), count))
                finally:
                    self._waiting.pop(scope, None)
            if scope.cancelled_caught:
                self.given_up += 1
            else:
                self.done += 1
                self.latencies.append(anyio.current_time() - begun)
            await checkpoint()
            if self._rate is not None:
                await anyio.sleep_until(max(start + (number + 1) / self._rate, anyio.current_time()))

    async def _operate(self, indices: Sequence[int]) -> None:
        async with self.locks.manager:
            hold = await self.locks.hold_slots(indices)
        with hold:
            before = [self.counts[index] for index in indices]
            self.staged += len(indices)
            facts = [SlotFrozen(slot=index, reason="load", by="test") for index in indices]
            await self.gate.append("main", facts, 0)
            for index, count in zip(indices, before, strict=True):
                self.counts[index] = count + 1
            self.updates += len(indices)

    async def _storm(self) -> None:
        """Whoever is seen waiting is judged once, and cancelled or let live."""
        while self._cancelled_share:
            await anyio.sleep(self._dice.uniform(0, STORM_SECONDS))
            waiting = list(self._waiting)
            self._waiting.clear()
            self.seen_waiting += len(waiting)
            for scope in waiting:
                if self._dice.random() < self._cancelled_share:
                    self.cancelled += 1
                    scope.cancel()

    def figures(self) -> dict[str, str]:
        """What was done and achieved, in words."""
        share = 100 * self.cancelled / max(self.seen_waiting, 1)
        every = [*self.locks.statistics(), self.gate.lock.statistics()]
        return {
            "operations": f"{self.done:,} done, {self.given_up:,} given up, {self.done / self.seconds:,.0f}/s",
            "waiters": f"{self.seen_waiting:,} seen by the storm, {self.cancelled:,} cancelled, {share:.1f} %",
            "latency": in_milliseconds(self.latencies),
            "loop lag": in_milliseconds(self.lag.lags),
            "locks": "; ".join(
                f"{lock.name} taken {lock.acquired:,}, waited {lock.waited:,} for at most "
                f"{lock.waited_seconds_max * 1000:.1f} ms, held at most {lock.held_seconds_max * 1000:.1f} ms"
                for lock in every
            ),
        }


def assert_nothing_stuck(load: Load) -> None:
    """No lock is held, nobody waits for one, every count is exact, every fact that was staged has its record."""
    every = [load.locks.manager, *load.locks._slots, load.gate.lock]
    assert [task for task in _held_by_task if task.get_loop() is get_running_loop()] == []
    assert [lock.name for lock in every if lock._owner is not None or lock._lock.locked()] == []
    assert [lock._lock.statistics().tasks_waiting for lock in every] == [0] * len(every)
    assert sum(load.counts) == load.updates
    assert load.journal.head[0] == load.staged
    hold, free = load.locks.hold_free_slots(range(len(load.counts)))
    with hold:
        assert free == set(range(len(load.counts)))

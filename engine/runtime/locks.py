"""Every lock of the engine, its rank, and what it guards. Locks are made here and nowhere else.

    rank  lock      guards                                                held across an await?
    10    manager   slot table, order index, lattice, reserved cash       only while taking slot locks
    20    slot[i]   one slot, from reading it to its durable transition   yes: the journal commit
    30    journal   the batch being written                               yes: the commit

A lock refuses, at once and always, to be taken below or beside a lock that the same
task already holds; slots are taken in rising index. So no tasks can wait for each other
in a ring: each waits for a lock above all that it holds. No lock is held across an exchange
call, a sleep, or anything a person waits for. Which ranks were ever taken under which is
kept, for ``lock_edges``.
"""

from asyncio import Task, current_task
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

import anyio

from engine.model.errors import InvariantBroken

RANK_MANAGER = 10
RANK_SLOT = 20
RANK_JOURNAL = 30


class LockOrderBroken(InvariantBroken):
    """A task asked for a lock that the hierarchy forbids it to take now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStatistics:
    """How often a lock was taken, how often someone had to wait, and the longest hold and wait, in real seconds."""

    name: str
    acquired: int
    waited: int
    held_seconds_max: float
    waited_seconds_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEdge:
    """A task that held a lock of rank ``held`` took one of rank ``taken``; ``is_rising`` must always hold."""

    held: int
    taken: int
    is_rising: bool


_held_by_task: dict[Task[Any], list["RankedLock"]] = {}
"""Keyed by task, not a context variable: a child task starts with nothing. Invariant: each list rises."""
_edges: set[tuple[int, int, bool]] = set()
"""Fields of ``LockEdge``; bounded, for there are three ranks."""


def lock_edges() -> frozenset[LockEdge]:
    """Which ranks were taken under which, since the process began."""
    return frozenset(LockEdge(held=held, taken=taken, is_rising=is_rising) for held, taken, is_rising in _edges)


class RankedLock:
    """An anyio lock that knows its place in the hierarchy; ``order`` is (rank, grid, slot)."""

    __slots__ = (
        "_lock",
        "_owner",
        "_since",
        "acquired",
        "held_seconds_max",
        "name",
        "order",
        "waited",
        "waited_seconds_max",
    )

    def __init__(self, name: str, order: tuple[int, int, int]) -> None:
        self.name = name
        self.order = order
        self.acquired = 0
        self.waited = 0
        self.held_seconds_max = 0.0
        self.waited_seconds_max = 0.0
        self._lock = anyio.Lock(fast_acquire=True)
        self._owner: Task[Any] | None = None
        self._since = 0.0

    def __repr__(self) -> str:
        return f"<RankedLock {self.name} {'held' if self._owner else 'free'}>"

    @property
    def is_held(self) -> bool:
        """Whether somebody holds it right now."""
        return self._owner is not None

    async def acquire(self) -> None:
        """Take the lock, waiting for it if it must.

        Raises:
            LockOrderBroken: this task holds a lock of the same or a higher place.
        """
        task = self._checked_task()
        try:
            self._lock.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait()
        self._taken_by(task)

    def try_acquire(self) -> bool:
        """Take the lock if it is free; False leaves it to its holder."""
        task = self._checked_task()
        try:
            self._lock.acquire_nowait()
        except anyio.WouldBlock:
            return False
        self._taken_by(task)
        return True

    def release(self) -> None:
        """Give the lock back; in any order among the locks a task holds."""
        owner = self._owner
        if owner is None:
            raise InvariantBroken(f"{self.name} was released but nobody holds it")
        self._lock.release()
        self._owner = None
        self.held_seconds_max = max(self.held_seconds_max, perf_counter() - self._since)
        held = _held_by_task[owner]
        held.remove(self)
        if not held:
            del _held_by_task[owner]

    async def __aenter__(self) -> "RankedLock":
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def statistics(self) -> LockStatistics:
        return LockStatistics(
            name=self.name,
            acquired=self.acquired,
            waited=self.waited,
            held_seconds_max=self.held_seconds_max,
            waited_seconds_max=self.waited_seconds_max,
        )

    async def _wait(self) -> None:
        self.waited += 1
        since = perf_counter()
        try:
            await self._lock.acquire()
        finally:  # one that gives up has waited too
            self.waited_seconds_max = max(self.waited_seconds_max, perf_counter() - since)

    def _checked_task(self) -> Task[Any]:
        task = current_task()
        if task is None:
            raise InvariantBroken(f"{self.name} was asked for outside of a task")
        held = _held_by_task.get(task)
        if held is not None and held[-1].order >= self.order:
            raise LockOrderBroken(
                f"{self.name} may not be taken while holding {held[-1].name}: manager before slot, "
                f"slots in rising index, journal last"
            )
        return task

    def _taken_by(self, task: Task[Any]) -> None:
        self._owner = task
        self._since = perf_counter()
        self.acquired += 1
        held = _held_by_task.get(task)
        if held is None:
            _held_by_task[task] = [self]
            return
        lowest, highest = held[0], held[-1]
        _edges.add((highest.order[0], self.order[0], highest.order < self.order))
        if lowest is not highest:  # a manager below slots, say
            _edges.add((lowest.order[0], self.order[0], lowest.order < self.order))
        held.append(self)


class SlotHold:
    """Slot locks that are already held; leaving the ``with`` block gives them back."""

    __slots__ = ("_locks",)

    def __init__(self, locks: list[RankedLock]) -> None:
        self._locks = locks

    def __enter__(self) -> "SlotHold":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for lock in self._locks:
            lock.release()
        self._locks = []


class GridLocks:
    """The manager lock and the slot locks of one grid."""

    def __init__(self, grid: int, slots: int) -> None:
        self._grid = grid
        self.manager = RankedLock(f"manager[{grid}]", (RANK_MANAGER, grid, 0))
        self._slots: tuple[RankedLock, ...] = ()
        self.grow(slots)

    def grow(self, slots: int) -> None:
        """Have at least this many slot locks."""
        more = range(len(self._slots), slots)
        self._slots += tuple(
            RankedLock(f"slot[{self._grid}:{index}]", (RANK_SLOT, self._grid, index)) for index in more
        )

    async def hold_slots(self, indices: Iterable[int]) -> SlotHold:
        """Wait for these slots, in rising index; the caller holds the manager lock and then lets it go."""
        taken: list[RankedLock] = []
        try:
            for index in sorted(indices):
                await self._slots[index].acquire()
                taken.append(self._slots[index])
        except BaseException:  # cancellation included: what was taken goes back
            SlotHold(taken).__exit__(None, None, None)
            raise
        return SlotHold(taken)

    def hold_free_slots(self, indices: Iterable[int]) -> tuple[SlotHold, frozenset[int]]:
        """Take those of these slots that nobody holds, without waiting; and say which they are."""
        free = [index for index in sorted(indices) if self._slots[index].try_acquire()]
        return SlotHold([self._slots[index] for index in free]), frozenset(free)

    def held_slots(self) -> frozenset[int]:
        """The slots that somebody holds right now."""
        return frozenset(index for index, lock in enumerate(self._slots) if lock.is_held)

    def statistics(self) -> tuple[LockStatistics, LockStatistics]:
        """The manager's figures, and those of all slots together."""
        slots = [lock.statistics() for lock in self._slots]
        return self.manager.statistics(), LockStatistics(
            name="slots",
            acquired=sum(lock.acquired for lock in slots),
            waited=sum(lock.waited for lock in slots),
            held_seconds_max=max((lock.held_seconds_max for lock in slots), default=0.0),
            waited_seconds_max=max((lock.waited_seconds_max for lock in slots), default=0.0),
        )


def make_journal_lock() -> RankedLock:
    """The one lock around the batch being written."""
    return RankedLock("journal", (RANK_JOURNAL, 0, 0))

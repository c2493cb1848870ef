"""GridBookkeeper: how facts get into a grid's books, durable first, under the slots' locks.

The state of a grid is the one thing that changes in memory at the moment its fact is staged, as
reservations do: from then on no decision may be made against it. Everything else is applied
after it is durable; meanwhile it is ``unsettled``, and its slots are held.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from engine.model.errors import CommandRefused
from engine.model.events import Fact, GridStateChanged, LatticeMigrated, MarketAdopted
from engine.model.grid import Disposal, GridState
from engine.model.words import words_of
from engine.runtime.clock import Clock
from engine.runtime.journal_gate import Staged
from engine.runtime.manager import SlotManager

_VERBS = {GridState.PAUSED: "pause", GridState.RUNNING: "resume", GridState.STOPPING: "stop"}


class FactLog(Protocol):
    """Where facts become durable."""

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> Staged:
        """Give facts their place in the journal."""

    async def make_durable(self, staged: Staged) -> None:
        """Return once they are durable. Raises ``JournalFailed``."""


class GridBookkeeper:
    """Keeps one grid's books and journal alike. ``changes`` rises with everything that is journalled."""

    def __init__(self, manager: SlotManager, *, journal: FactLog, clock: Clock) -> None:
        self.manager = manager
        self.books = manager.books
        self.changes = 0
        self.unsettled: set[int] = set()
        self.states_on_their_way = 0
        """States of the grid that are in force and not yet durable: nothing is sent on their strength."""
        self._journal = journal
        self._clock = clock

    def stage(self, facts: Sequence[Fact], at_ms: int) -> Staged:
        """Facts that will be applied once they are durable; ``settled`` says when they have been."""
        staged = self._stage(facts, at_ms)
        self.unsettled.update(staged.sequences)
        return staged

    async def make_durable(self, staged: Staged) -> None:
        """Return once the facts are durable. Raises ``JournalFailed``."""
        await self._journal.make_durable(staged)

    def settled(self, staged: Staged) -> None:
        """The facts are durable and applied."""
        self.unsettled.difference_update(staged.sequences)

    async def record(self, facts: Sequence[Fact], at_ms: int) -> None:
        """Make facts durable that are applied already."""
        await self._journal.make_durable(self._stage(facts, at_ms))

    async def transition(self, slots: Iterable[int], make: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
        """Hold these slots, make the facts on the books as they then are, and let them come true.

        Raises:
            CommandRefused: ``make`` found that the books do not allow it.
        """
        async with self.manager.locks.manager:
            hold = await self.manager.locks.hold_slots(slots)
        with hold:
            facts = make()
            if not facts:
                return facts
            at_ms = self._clock.now_ms()
            staged = self.stage(facts, at_ms)
            states = [fact for fact in facts if isinstance(fact, GridStateChanged)]
            for state in states:
                self.books.apply(state, at_ms)
            self.states_on_their_way += len(states)
            await self.make_durable(staged)
            self.states_on_their_way -= len(states)
            for fact in facts:
                if not isinstance(fact, GridStateChanged):
                    self.books.apply(fact, at_ms)
                if isinstance(fact, MarketAdopted | LatticeMigrated):
                    self.manager.follow_lattice()
            self.settled(staged)
        return facts

    async def change_state(
        self,
        state: GridState,
        disposal: Disposal | None,
        reason: str,
        by: str,
        *,
        only_from: tuple[GridState, ...],
    ) -> None:
        """Change the grid's state. Raises ``CommandRefused`` when it is not in one of ``only_from``."""
        fact = GridStateChanged(state=state, disposal=disposal, reason=reason, by=by)
        async with self.manager.locks.manager:
            if self.books.state not in only_from:
                raise CommandRefused(
                    f"cannot {_VERBS.get(state, state)} grid {self.books.spec.name!r}: "
                    f"it is {words_of(self.books.state)} ({self.books.state_reason})"
                )
            at_ms = self._clock.now_ms()
            self.books.apply(fact, at_ms)
            staged = self._stage((fact,), at_ms)
            self.states_on_their_way += 1
        await self._journal.make_durable(staged)
        self.states_on_their_way -= 1

    async def put_in_force(self, make: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
        """Make facts about the whole grid that hold from the moment of the decision, and return once they are durable.

        Until then nothing is sent on the strength of them.
        """
        async with self.manager.locks.manager:
            facts = make()
            if not facts:
                return facts
            at_ms = self._clock.now_ms()
            for fact in facts:
                self.books.apply(fact, at_ms)
            staged = self._stage(facts, at_ms)
            self.states_on_their_way += 1
        await self._journal.make_durable(staged)
        self.states_on_their_way -= 1
        return facts

    def _stage(self, facts: Sequence[Fact], at_ms: int) -> Staged:
        self.changes += 1
        return self._journal.stage(self.books.spec.name, facts, at_ms)

"""The one way into the journal: the journal lock, group commit, and the story told of what became durable.

Facts are staged in the order of the calls. Whoever gets the journal lock next writes
everything staged by then in one commit; the others find their facts durable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.model.events import Fact
from engine.runtime.journal import Journal
from engine.runtime.locks import RankedLock, make_journal_lock
from engine.runtime.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Facts that have their place in the journal and are not yet durable."""

    grid: str
    facts: tuple[Fact, ...]
    at_ms: int
    sequences: range


class JournalGate:
    """Appends facts under the journal lock, which is the last in the hierarchy."""

    def __init__(self, journal: Journal, story: Story) -> None:
        self.lock: RankedLock = make_journal_lock()
        self._journal = journal
        self._story = story
        self._undurable_ms: int | None = None
        """When the oldest facts were staged that are not durable yet."""

    def lag_ms(self, now_ms: int) -> int:
        """For how long the oldest staged facts have waited for the disk."""
        return 0 if self._undurable_ms is None else now_ms - self._undurable_ms

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> Staged:
        """Give facts their place in the journal. Raises ``JournalFailed``."""
        records = self._journal.stage(grid, facts, at_ms)
        if self._undurable_ms is None:
            self._undurable_ms = at_ms
        sequences = range(records[0].sequence, records[-1].sequence + 1)
        return Staged(grid=grid, facts=tuple(facts), at_ms=at_ms, sequences=sequences)

    async def make_durable(self, staged: Staged) -> None:
        """Return once the facts are durable.

        Raises:
            JournalFailed: they are not, and nothing that moves money may go on.
        """
        async with self.lock:
            if self._journal.durable < staged.sequences[-1]:
                await self._journal.commit()
            is_all = self._journal.durable == self._journal.head[0]
            self._undurable_ms = None if is_all else staged.at_ms
        for fact in staged.facts:
            self._story.tell_fact(staged.grid, fact, staged.at_ms)

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> None:
        """Stage facts and return once they are durable. Raises ``JournalFailed``."""
        await self.make_durable(self.stage(grid, facts, at_ms))

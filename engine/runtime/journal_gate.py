"""The one way into the journal: the journal lock, group commit, and the story told of what became durable.

Facts are staged in the order of the calls. Whoever gets the journal lock next writes
everything staged by then in one commit; the others find their facts durable.
"""

from collections.abc import Sequence

from engine.model.events import Fact
from engine.runtime.journal import Journal
from engine.runtime.locks import RankedLock, make_journal_lock
from engine.runtime.story import Story


class JournalGate:
    """Appends facts under the journal lock, which is the last in the hierarchy."""

    def __init__(self, journal: Journal, story: Story) -> None:
        self.lock: RankedLock = make_journal_lock()
        self._journal = journal
        self._story = story

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> None:
        """Return once the facts are durable.

        Raises:
            JournalFailed: they are not, and nothing that moves money may go on.
        """
        last = self._journal.stage(grid, facts, at_ms)[-1].sequence
        async with self.lock:
            if self._journal.durable < last:
                await self._journal.commit()
        for fact in facts:
            self._story.tell_fact(grid, fact, at_ms)

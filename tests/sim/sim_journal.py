"""A journal in virtual time on a disk that survives its engine: slow, full, or cut off in the middle of a commit.

It gives the same hashes as the real ones. Whoever is killed while it writes may leave the first
appends of the batch behind, each whole, as SQLite would; nobody was told then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio
from anyio.lowlevel import checkpoint

from engine.model.errors import JournalFailed
from engine.model.events import Fact, OrderIntended, Record
from engine.runtime.facts_codec import Chain, JournalIdentity, first_hash

NO_SPACE = "no space left on the device"
Batch = tuple[tuple[Record, ...], ...]
"""Appends that become durable together, each with its records."""


class Cut(StrEnum):
    """Where a kill meets a commit."""

    BEFORE = "before"
    """Nothing of it is kept."""
    TORN = "torn"
    """The first appends of it are kept, each whole."""
    AFTER = "after"
    """It is kept, and nobody was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitKill:
    """The engine dies in the commit with this number; the first of a disk is 1."""

    number: int
    cut: Cut


class SimDisk:
    """What is safe, and what happens to the next commits.

    Invariant: ``intents`` are exactly those in ``records``.
    """

    def __init__(self, identity: JournalIdentity) -> None:
        self.identity = identity
        self.records: list[Record] = []
        self.intents: dict[str, OrderIntended] = {}
        self.commits = 0
        self.kill: CommitKill | None = None
        self.full_from_commit: int | None = None

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last record that is safe."""
        if not self.records:
            return 0, first_hash(self.identity)
        return self.records[-1].sequence, self.records[-1].hash

    def keep(self, batch: Batch) -> None:
        """Make appends safe."""
        for records in batch:
            self.records += records
            for record in records:
                if isinstance(record.fact, OrderIntended):
                    self.intents[record.fact.client_order_id] = record.fact


class SimJournal:
    """One engine's journal on a disk; ``commit_seconds`` says how long each commit takes, by its number.

    ``kill`` ends the life of the engine: not one step more is run.
    """

    def __init__(
        self, disk: SimDisk, *, commit_seconds: Callable[[int], float] = lambda _: 0.0, kill: Callable[[], None]
    ) -> None:
        self._disk = disk
        self._commit_seconds = commit_seconds
        self._kill = kill
        self._chain = Chain(*disk.head)
        self._staged: Batch = ()
        self._writing: Batch = ()
        self._refuses = ""

    @property
    def identity(self) -> JournalIdentity:
        """Whose journal it is."""
        return self._disk.identity

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last staged record."""
        return self._chain.head

    @property
    def durable(self) -> int:
        """Sequence of the last record that is safe."""
        return self._disk.head[0]

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Number and hash facts. Raises ``JournalFailed``."""
        self._check()
        records, _ = self._chain.extend(grid, facts, at_ms)
        self._staged += (records,)
        return records

    async def commit(self) -> None:
        """Make what is staged safe, in virtual time. Raises ``JournalFailed`` when the disk is full."""
        self._check()
        disk = self._disk
        disk.commits += 1
        if disk.full_from_commit is not None and disk.commits >= disk.full_from_commit:
            self._refuses = NO_SPACE
            raise JournalFailed(NO_SPACE)
        self._writing, self._staged = self._staged, ()
        if disk.kill is not None and disk.kill.number == disk.commits:
            self._keep_cut(disk.kill.cut)
            self._kill()
        # As with a real disk nobody can take back what is being written.
        with anyio.CancelScope(shield=True):
            seconds = self._commit_seconds(disk.commits)
            await (anyio.sleep(seconds) if seconds else checkpoint())
        self._finish()

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Stage facts and commit them. Raises ``JournalFailed``."""
        records = self.stage(grid, facts, at_ms)
        await self.commit()
        return records

    def records(self, after: int = 0) -> Iterator[Record]:
        """What is safe and has a sequence above ``after``."""
        return iter(self._disk.records[after:])

    async def close(self) -> None:
        """Finish what was staged, then refuse everything."""
        if not self._refuses:
            self._finish()
            self._writing, self._staged = self._staged, ()
            self._finish()
            self._refuses = "expected an open journal, it is closed"

    def die(self, *, appends_kept: int = 0) -> None:
        """The engine was killed; so many appends of what was being written are kept."""
        if not self._refuses:
            self._disk.keep(self._writing[:appends_kept])
            self._refuses = "expected a living engine, it was killed"

    def _finish(self) -> None:
        self._disk.keep(self._writing)
        self._writing = ()

    def _keep_cut(self, cut: Cut) -> None:
        match cut:
            case Cut.BEFORE:
                kept = 0
            case Cut.TORN:
                kept = len(self._writing) // 2
            case Cut.AFTER:
                kept = len(self._writing)
        self._disk.keep(self._writing[:kept])
        self._writing = ()

    def _check(self) -> None:
        if self._refuses:
            raise JournalFailed(self._refuses)

"""The journal: what happened, in order, before anything is done about it.

Promises: ``append`` returns only when its facts are safe; the order of records is the order
of the calls; every record chains to the one before. ``FileJournal`` (``journal_file``) keeps
them on disk, ``MemoryJournal`` in memory for backtests; the same facts give the same hashes.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from engine.model.errors import JournalFailed
from engine.model.events import Fact, Record
from engine.runtime.facts_codec import Chain, JournalIdentity, first_hash

BACKTEST_IDENTITY = JournalIdentity(instance="000", created_ms=0)


class Journal(Protocol):
    """Append-only, gapless, hash-chained; used from one event loop."""

    @property
    def identity(self) -> JournalIdentity:
        """Whose journal it is; ``instance`` goes into client order ids."""

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last appended record; 0 and the first hash when there is none."""

    @property
    def durable(self) -> int:
        """Sequence of the last record that is safe."""

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Number and hash facts, in the order of the calls; the next commit makes them safe, all or none."""

    async def commit(self) -> None:
        """Make everything staged safe.

        Raises:
            JournalFailed: it is not safe, and nothing that moves money may go on.
        """

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Stage facts and commit them. Raises ``JournalFailed``."""

    def records(self, after: int = 0) -> Iterator[Record]:
        """What is safe now and has a sequence above ``after`` (at least 0), in order, checked while reading.

        Raises:
            JournalFailed: what is stored is not what was written.
        """

    async def close(self) -> None:
        """Finish what was appended, then refuse everything."""


class MemoryJournal:
    """A journal that ends with its process; ``keep=False`` remembers the head alone, in bounded memory."""

    def __init__(self, identity: JournalIdentity = BACKTEST_IDENTITY, *, keep: bool = True) -> None:
        self._identity = identity
        self._chain = Chain(0, first_hash(identity))
        self._records: list[Record] | None = [] if keep else None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"MemoryJournal({self.head[0]} records)"

    @property
    def identity(self) -> JournalIdentity:
        """Whose journal it is."""
        return self._identity

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last appended record."""
        return self._chain.head

    @property
    def durable(self) -> int:
        """Sequence of the last appended record; what is staged is as safe as it will ever be."""
        return self._chain.head[0]

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Append facts. Raises ``JournalFailed`` for an unreadable fact or when closed."""
        if self._is_closed:
            raise JournalFailed("expected an open journal, it is closed")
        records, _ = self._chain.extend(grid, facts, at_ms)
        if self._records is not None:
            self._records += records
        return records

    async def commit(self) -> None:
        """Nothing is left to do; never suspends."""

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Append facts; never suspends. Raises ``JournalFailed`` for an unreadable fact or when closed."""
        return self.stage(grid, facts, at_ms)

    def records(self, after: int = 0) -> Iterator[Record]:
        """What was appended after that sequence. Raises ``JournalFailed`` when records were not kept."""
        if self._records is None:
            raise JournalFailed("expected a journal that keeps its records, this one keeps only its head")
        if after < 0:
            raise ValueError(f"after must be at least 0, was {after}")
        return iter(self._records[after:])

    async def close(self) -> None:
        """Refuse every later append."""
        self._is_closed = True

"""The durable journal: one writer thread, one transaction for everything that waits.

Promises: order and hashes come from the order of ``append`` calls alone; ``append`` returns
when its records are on disk, even if its task is cancelled meanwhile; after the first error
nothing is written or acknowledged any more. The file itself is ``journal_store``'s.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import anyio
import anyio.lowlevel
import apsw

from engine.model.errors import JournalFailed
from engine.model.events import Fact, Record
from engine.runtime.facts_codec import Chain, JournalIdentity, Row
from engine.runtime.journal_store import Store, open_store, read_records_above

JOURNAL_NAME = "journal.db"
ROWS_IN_FLIGHT_MAX = 100_000
"""Rows that may wait for the disk; more means that it does not keep up, and the engine must halt."""

ROWS_PER_COMMIT_MAX = 5_000
_CLOSED = "it is closed"
_REMEDY = "What was acknowledged is safe; free space or repair the disk, then start again"


class CommitWait(Enum):
    """How ``append`` waits for the disk."""

    SUSPEND = "suspend"
    """Other tasks run meanwhile; which of them come first depends on the disk. For real time."""
    BLOCK = "block"
    """Every task that is ready may append once, then the loop stands still until the disk is done:
    the order of everything is a function of the program alone. For virtual time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatistics:
    """Since it was opened: records made durable, transactions that took, and rows waiting now."""

    records: int
    commits: int
    rows_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What the writer has done: ``rows`` more are durable, or it has ended for the reason ``end``."""

    rows: int = 0
    sequence: int = 0
    end: str | None = None


class FileJournal:
    """A journal on disk, used from one event loop.

    Invariant: nothing is acknowledged that is not durable. Invariant: ``_end`` once set never changes.
    """

    def __init__(
        self,
        store: Store,
        *,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
        wait: CommitWait = CommitWait.SUSPEND,
        rows_in_flight_max: int = ROWS_IN_FLIGHT_MAX,
    ) -> None:
        self._store = store
        self._chain = Chain(*store.head())
        self._hold = hold
        self._wait = wait
        self._rows_in_flight_max = rows_in_flight_max
        self._rows_in_flight = 0
        self._staged: list[Row] = []
        self._durable = self._chain.head[0]
        self._commits = 0
        self._records = 0
        self._end: str | None = None
        self._is_closing = False
        self._batches: SimpleQueue[list[Row] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._waiters: deque[tuple[int, anyio.Event]] = deque()
        self._ended = anyio.Event()
        self._post: Callable[[_Outcome], None] = self._outcomes.put
        self._has_writer = False

    def __repr__(self) -> str:
        return f"FileJournal(head {self.head[0]}, durable {self._durable}, {self._end or 'open'})"

    @property
    def identity(self) -> JournalIdentity:
        """Whose journal it is."""
        return self._store.identity

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last appended record, durable or on its way."""
        return self._chain.head

    def statistics(self) -> JournalStatistics:
        """How well the grouping works, and how far the disk is behind."""
        return JournalStatistics(records=self._records, commits=self._commits, rows_in_flight=self._rows_in_flight)

    @property
    def durable(self) -> int:
        """Sequence of the last record known to be on disk."""
        return self._durable

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Number and hash facts for the next commit. Raises ``JournalFailed``: unreadable, or too many waiting."""
        self._refuse_if_ended()
        if self._rows_in_flight + len(facts) > self._rows_in_flight_max:
            raise JournalFailed(
                f"{self._store.path}: expected at most {self._rows_in_flight_max} records on their way, "
                f"found {self._rows_in_flight} and {len(facts)} more: the disk does not keep up"
            )
        records, rows = self._chain.extend(grid, facts, at_ms)
        self._rows_in_flight += len(rows)
        self._staged += rows
        return records

    async def commit(self) -> None:
        """Write everything staged in one transaction and return once it is durable; waits through cancellation.

        Raises:
            JournalFailed: it is not known to be durable; everything later raises it too.
        """
        with self._hold(), anyio.CancelScope(shield=True):
            if self._wait is CommitWait.BLOCK:
                await anyio.lowlevel.cancel_shielded_checkpoint()
            sequence = self._chain.head[0]
            if self._staged:
                self._start_writer()
                self._batches.put(self._staged)
                self._staged = []
            await self._until_durable(sequence)

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        """Stage facts and commit them."""
        records = self.stage(grid, facts, at_ms)
        if records:
            await self.commit()
        return records

    def records(self, after: int = 0) -> Iterator[Record]:
        """What is durable and above ``after`` when reading begins, checked meanwhile. Raises ``JournalFailed``."""
        return read_records_above(self._store.path, after)

    async def close(self) -> None:
        """Write what was appended, end the writer, release the file; again is the same as once."""
        self._is_closing = True
        if not self._has_writer and self._end is None:
            self._settle(_Outcome(end=_CLOSED))
            self._store.close()
        if self._end is None:
            self._batches.put(None)
        with self._hold(), anyio.CancelScope(shield=True):
            if self._wait is CommitWait.BLOCK:
                self._block_until(lambda: self._end is not None)
            await self._ended.wait()

    def _refuse_if_ended(self) -> None:
        if self._end is not None or self._is_closing:
            raise JournalFailed(f"{self._store.path}: expected an open journal: {self._end or _CLOSED}")

    async def _until_durable(self, sequence: int) -> None:
        match self._wait:
            case CommitWait.SUSPEND:
                if self._durable < sequence and self._end is None:
                    event = anyio.Event()
                    self._waiters.append((sequence, event))
                    await event.wait()
            case CommitWait.BLOCK:
                self._block_until(lambda: self._durable >= sequence or self._end is not None)
        if self._durable < sequence:
            raise JournalFailed(f"{self._store.path}: record {sequence} is not durable: {self._end}")

    def _block_until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            self._settle(self._outcomes.get())

    def _settle(self, outcome: _Outcome) -> None:
        """Take note of what the writer did and wake its waiters in the order they appended; on the loop."""
        if outcome.end is not None:
            self._end = outcome.end
            self._ended.set()
        else:
            self._durable = outcome.sequence
            self._rows_in_flight -= outcome.rows
            self._records += outcome.rows
            self._commits += 1
        while self._waiters and (self._end is not None or self._waiters[0][0] <= self._durable):
            self._waiters.popleft()[1].set()

    def _start_writer(self) -> None:
        if self._has_writer:
            return
        self._has_writer = True
        if self._wait is CommitWait.SUSPEND:
            self._post = partial(_post_to_loop, asyncio.get_running_loop(), self._settle)
        threading.Thread(target=self._write, name="journal", daemon=True).start()

    def _write(self) -> None:
        """The writer thread: whatever ends it, those who wait are told."""
        end = "its writer ended unexpectedly"
        try:
            with closing(self._store):
                self._commit_until_closed()
            end = _CLOSED
        except (apsw.Error, OSError) as error:
            end = f"it cannot be written: {error}. {_REMEDY}"
        except Exception as error:  # noqa: BLE001 - whatever ends this thread, those who wait must be told
            end = f"its writer ended unexpectedly: {type(error).__name__}: {error}"
        finally:
            self._post(_Outcome(end=end))

    def _commit_until_closed(self) -> None:
        is_open = True
        while is_open:
            batch = self._batches.get()
            rows: list[Row] = []
            while batch is not None:
                rows += batch
                if len(rows) >= ROWS_PER_COMMIT_MAX:
                    break
                try:
                    batch = self._batches.get_nowait()
                except Empty:
                    break
            is_open = batch is not None
            if rows:
                self._store.commit(rows)
                self._post(_Outcome(rows=len(rows), sequence=rows[-1][0]))


def _post_to_loop(loop: asyncio.AbstractEventLoop, settle: Callable[[_Outcome], None], outcome: _Outcome) -> None:
    # A loop that was closed without closing the journal has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle, outcome)


@asynccontextmanager
async def open_journal(
    state_dir: Path,
    new: JournalIdentity,
    *,
    hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    wait: CommitWait = CommitWait.SUSPEND,
) -> AsyncIterator[FileJournal]:
    """The journal of a state directory, made with the identity ``new`` where there is none; closes it.

    ``hold`` is entered around every wait for the disk, so that virtual time can stand still.

    Raises:
        JournalFailed: the file is not a sound journal, or cannot be read or made.
    """
    journal = FileJournal(open_store(state_dir / JOURNAL_NAME, new), hold=hold, wait=wait)
    try:
        yield journal
    finally:
        await journal.close()

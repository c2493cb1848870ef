"""A journal as a flight recorder: the engine as it was right after any of its records.

Promises: nothing is changed, and a journal of any length takes bounded memory: books are kept at
checkpoints, and a frame folds the few records after the nearest one. An engine may go on writing
the journal; the history ends where the journal ended when it was opened.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice, takewhile
from pathlib import Path

from engine.core.books import GridBooks
from engine.model.errors import InvariantBroken, JournalFailed
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    FundingBooked,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LateFillBooked,
    LatticeMigrated,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    PositionLiquidated,
    Record,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.snapshot import Connection, EngineEvent, EngineSnapshot, EngineState, HistoryFrame, Mode
from engine.runtime.fact_words import event_from_fact
from engine.runtime.journal_store import read_records
from engine.runtime.views import BooksViewer, Seen
from engine.settings import Settings

SIMULATED = "simulated"
"""What the simulated exchange calls itself."""

CHECKPOINT_RECORDS = 250
CHECKPOINTS_MAX = 256
"""When there are more, every second one goes, so that they always span the whole journal."""

Reader = Callable[[tuple[int, str] | None], Iterator[Record]]
"""The records after the one with this sequence and hash, or all of them."""


@dataclass(frozen=True, slots=True)
class _PastGrid:
    """``price`` is the last that the grid acted on or traded at."""

    books: GridBooks
    price: Decimal
    price_at_ms: int


class Past:
    """Every grid as it was right after one record; ``grids`` are in the order in which they were opened."""

    def __init__(self) -> None:
        self.sequence = 0
        self.hash = ""
        self.at_ms = 0
        self.grids: dict[str, _PastGrid] = {}

    def apply(self, record: Record) -> None:
        """Go on by one record.

        Raises:
            JournalFailed: its grid was never opened, or it contradicts what was before it.
        """
        self.sequence, self.hash, self.at_ms = record.sequence, record.hash, record.at_ms
        fact = record.fact
        if isinstance(fact, GridOpened):
            self.grids[record.grid] = _PastGrid(GridBooks(fact, record.at_ms), fact.lattice.anchor, record.at_ms)
            return
        grid = self.grids.get(record.grid)
        if grid is None:
            raise JournalFailed(f"record {record.sequence} is of grid {record.grid!r}, which was never opened")
        try:
            grid.books.apply(fact, record.at_ms)
        except InvariantBroken as broken:
            raise JournalFailed(f"record {record.sequence} contradicts those before it: {broken}") from broken
        price = price_in(fact)
        if price is not None:
            self.grids[record.grid] = _PastGrid(grid.books, price, record.at_ms)

    def copy(self) -> "Past":
        """One that goes on by itself from here."""
        other = Past()
        other.sequence, other.hash, other.at_ms = self.sequence, self.hash, self.at_ms
        other.grids = {name: replace(grid, books=grid.books.copy()) for name, grid in self.grids.items()}
        return other


class JournalHistory:
    """A ``History`` over the records of a journal; used by one thread at a time."""

    def __init__(self, read: Reader, *, mode: Mode, exchange: str) -> None:
        """Read everything once.

        Raises:
            JournalFailed: the journal cannot be read, or its facts contradict each other.
        """
        self._read = read
        self._mode = mode
        self._exchange = exchange
        self._viewers: dict[str, BooksViewer] = {}
        self._spacing = CHECKPOINT_RECORDS
        self._started_ms = 0
        self._checkpoints = [Past()]
        newest = Past()
        for record in read(None):
            newest.apply(record)
            self._started_ms = self._started_ms or record.at_ms
            if newest.sequence % self._spacing == 0:
                self._keep(newest)
        self._now = newest
        self._last_sequence = newest.sequence
        self._block_after = -1
        self._block: tuple[Record, ...] = ()

    @classmethod
    def open(cls, path: Path, settings: Settings) -> "JournalHistory":
        """The history of a journal file, shown as a run of these settings.

        Raises:
            JournalFailed: there is none, or it cannot be read.
        """
        if not path.exists():
            raise JournalFailed(f"{path}: expected a journal to step through, found none")
        mode = settings.engine.mode
        exchange = SIMULATED if mode is Mode.SIMULATION else settings.exchange.id
        return cls(lambda after: read_records(path, after=after), mode=mode, exchange=exchange)

    @property
    def last_sequence(self) -> int:
        """The last record; 0 when the journal is empty."""
        return self._last_sequence

    def events(self, sequence: int, limit: int = 200) -> tuple[EngineEvent, ...]:
        """The records up to this one in words, oldest first, at most ``limit``.

        Raises:
            ValueError: there is no such record.
            JournalFailed: the journal can no longer be read.
        """
        self._check(sequence)
        start = self._checkpoint_before(sequence)
        told = self._records_after(start)[: sequence - start.sequence]
        if len(told) < limit and start.sequence:
            before = self._checkpoint_before(start.sequence)
            # Not through the block that is kept: the next step is most likely back in it.
            told = (*islice(self._read(_place_of(before)), start.sequence - before.sequence), *told)
        return tuple(_event(record) for record in told[max(len(told) - limit, 0) :])

    def frame(self, sequence: int) -> HistoryFrame:
        """The engine right after this record.

        Raises:
            ValueError: there is no such record.
            JournalFailed: the journal can no longer be read.
        """
        self._check(sequence)
        start = self._checkpoint_before(sequence)
        block = self._records_after(start)
        if not start.sequence <= self._now.sequence <= sequence:
            self._now = start.copy()
        for record in block[self._now.sequence - start.sequence : sequence - start.sequence]:
            self._now.apply(record)
        event = _event(block[sequence - start.sequence - 1])
        return HistoryFrame(
            sequence=sequence, last_sequence=self._last_sequence, event=event, snapshot=self._snapshot()
        )

    def sequence_at(self, at_ms: int) -> int:
        """The last record that is not later than this time, or the first record.

        Raises:
            ValueError: the journal is empty.
            JournalFailed: the journal can no longer be read.
        """
        if self._last_sequence == 0:
            raise ValueError("expected records, the journal is empty")
        index = bisect_right(self._checkpoints, at_ms, key=lambda past: past.at_ms)
        start = self._checkpoints[max(index - 1, 0)]
        earlier = takewhile(lambda record: record.at_ms <= at_ms, self._records_after(start))
        return max(start.sequence + sum(1 for _ in earlier), 1)

    def _check(self, sequence: int) -> None:
        if not 1 <= sequence <= self._last_sequence:
            raise ValueError(f"expected a record from 1 to {self._last_sequence}, found {sequence}")

    def _keep(self, past: Past) -> None:
        self._checkpoints.append(past.copy())
        if len(self._checkpoints) > CHECKPOINTS_MAX:
            self._checkpoints = self._checkpoints[::2]
            self._spacing *= 2

    def _checkpoint_before(self, sequence: int) -> Past:
        """The newest checkpoint below a record, so that the record itself is always among those read."""
        return self._checkpoints[bisect_right(self._checkpoints, sequence - 1, key=lambda past: past.sequence) - 1]

    def _records_after(self, start: Past) -> tuple[Record, ...]:
        """The records from one checkpoint to the next; the last ones read are kept."""
        if self._block_after != start.sequence:
            last = min(start.sequence + self._spacing, self._last_sequence)
            self._block = tuple(islice(self._read(_place_of(start)), last - start.sequence))
            self._block_after = start.sequence
        return self._block

    def _snapshot(self) -> EngineSnapshot:
        now = self._now
        return EngineSnapshot(
            sequence=now.sequence,
            at_ms=now.at_ms,
            started_ms=self._started_ms,
            mode=self._mode,
            exchange=self._exchange,
            connection=Connection.ENDED,
            state=EngineState.STOPPED,
            state_reason=f"history: right after record {now.sequence} of {self._last_sequence}",
            speed=None,
            loop_lag_ms=0.0,
            parts=(),
            balances=(),
            grids=tuple(
                self._viewer(name, grid.books).snapshot(grid.books, Seen(mark=grid.price, mark_at_ms=grid.price_at_ms))
                for name, grid in now.grids.items()
            ),
        )

    def _viewer(self, name: str, books: GridBooks) -> BooksViewer:
        viewer = self._viewers.get(name)
        if viewer is None:
            viewer = self._viewers[name] = BooksViewer(books)
        return viewer


def _place_of(past: Past) -> tuple[int, str] | None:
    return (past.sequence, past.hash) if past.sequence else None


def _event(record: Record) -> EngineEvent:
    return event_from_fact(record.grid, record.fact, number=record.sequence, at_ms=record.at_ms)


def price_in(fact: Fact) -> Decimal | None:
    """The price that a fact was decided at or tells of; None if it knows of none."""
    match fact:
        case GridOpened():
            return fact.lattice.anchor
        case OrderIntended() | CancelRequested() | LotSetAside():
            return fact.price_seen or None
        case OrderReported():
            return fact.report.fills[-1].price if fact.report.fills else None
        case LateFillBooked():
            return fact.fills[-1].price
        case LatticeMigrated():
            return fact.lattice.anchor
        case FundingBooked():
            return fact.payment.mark_price or None
        case PositionLiquidated():
            return fact.liquidation.price
        case (
            OrderReleased()
            | LotAdopted()
            | SlotFrozen()
            | SlotThawed()
            | GridStateChanged()
            | DiscrepancyFound()
            | DiscrepancyResolved()
            | LotCorrected()
            | HoldingNoted()
            | MarketAdopted()
            | WindowChanged()
            | RegimeChanged()
            | ShadowChanged()
            | BlocksChanged()
            | RiskMarked()
            | DecisionNarrowed()
        ):
            return None

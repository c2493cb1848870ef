"""A second fold of the journal, read back from where it lies: what a restart would find at this moment."""

from collections.abc import Collection, Mapping
from decimal import Decimal

import anyio
import anyio.lowlevel

from engine.core.books import GridBooks
from engine.core.purse import own_base
from engine.core.reconcile import differing_slots, holding_key
from engine.model.errors import InvariantBroken
from engine.model.events import GridOpened
from engine.model.money import ZERO
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.journal import Journal

_FOLDED_AT_ONCE = 250
"""Records after which others have their turn."""


class JournalMirror:
    """Books of every grid, folded from the stored records alone.

    Invariant: they are the fold of exactly the records up to ``_sequence``.
    """

    def __init__(self, journal: Journal, folded: Mapping[str, GridBooks]) -> None:
        self._journal = journal
        self._books = {name: books.copy() for name, books in folded.items()}
        self._sequence = journal.head[0]

    async def catch_up(self, through: int) -> None:
        """Fold what was stored since, up to the record ``through``, which must be durable.

        Raises:
            JournalFailed: what is stored is not what was written.
        """
        for record in self._journal.records(after=self._sequence):
            if record.sequence > through:
                break
            self._sequence = record.sequence
            if isinstance(record.fact, GridOpened):
                self._books[record.grid] = GridBooks(record.fact, record.at_ms)
            else:
                self._books[record.grid].apply(record.fact, record.at_ms)
            if record.sequence % _FOLDED_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()

    def base_of_others(self, key: str, names: Collection[str]) -> Decimal:
        """What grids hold of a coin or a position (``holding_key``) that are in the journal and not among ``names``."""
        others = [books for name, books in self._books.items() if name not in names]
        return sum((own_base(books) for books in others if holding_key(books.market) == key), ZERO)

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all grids in the journal."""
        return tuple(books.number for books in self._books.values())

    def books(self, grid: str) -> GridBooks:
        """The books of a grid as the journal has them."""
        return self._books[grid]


class MemoryPhoto:
    """What the memory held of one grid at one moment, and up to which record of the journal it stands for."""

    def __init__(self, keeper: GridBookkeeper, through: int) -> None:
        self.through = through
        self.slots = tuple(keeper.books.slots)
        self.ledger = keeper.books.ledger
        self._in_transition = keeper.manager.locks.held_slots()
        self._is_whole = not keeper.unsettled and not self._in_transition

    def check(self, mirror: JournalMirror, grid: str) -> None:
        """Compare with the journal's fold up to the same record, except what was on its way then.

        Raises:
            InvariantBroken: memory and journal differ; one of them is wrong.
        """
        journalled = mirror.books(grid)
        wrong = [index for index in differing_slots(journalled.slots, self.slots) if index not in self._in_transition]
        if wrong:
            index = wrong[0]
            raise InvariantBroken(
                f"grid {grid!r}, slot {index}: expected the memory to be what the journal says, "
                f"{journalled.slots[index]}, found {self.slots[index]}"
            )
        if self._is_whole and len(journalled.slots) != len(self.slots):
            raise InvariantBroken(
                f"grid {grid!r}: expected the {len(journalled.slots)} slots of the journal, found {len(self.slots)}"
            )
        if self._is_whole and journalled.ledger != self.ledger:
            raise InvariantBroken(
                f"grid {grid!r}: expected the ledger of the journal, {journalled.ledger}, found {self.ledger}"
            )

"""What a journal holds and how far it can be trusted: every hash checked, every fact folded; changes nothing.

Also while an engine writes it. What to do about damage is ``journal_repair``'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import apsw

from engine.core.books import GridBooks
from engine.model.errors import InvariantBroken, JournalFailed
from engine.model.events import GridOpened, OrderIntended, OrderReported, Record
from engine.runtime.facts_codec import hash_of_record
from engine.runtime.journal_store import (
    REMEDY,
    STORED_TYPES,
    StoredRow,
    check_file,
    check_header,
    check_library,
    read_records,
    reading,
)

_CONTRADICTIONS = (InvariantBroken, LookupError, ArithmeticError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Where a journal is not what was written: after ``sound`` records.

    ``behind`` is a record after the damage that is whole, which a repair would cut off as well;
    ``is_of_facts`` when the bytes are right and what they say is not.
    """

    sound: int
    reason: str
    behind: int | None = None
    is_of_facts: bool = False

    @property
    def is_tail(self) -> bool:
        """Whether nothing but a broken end would be lost by cutting it off."""
        return self.behind is None and not self.is_of_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """Of the sound records of a journal: how many, of what, from when to when (ms), and the hash of the last.

    ``first_ms``, ``last_ms`` and ``head_hash`` are None where no record is sound; ``damage`` is None where all are.
    """

    records: int
    grids: tuple[str, ...]
    orders: int
    fills: int
    first_ms: int | None
    last_ms: int | None
    head_hash: str | None
    damage: Damage | None


class _Tally:
    """Counts records, and folds them as a start does until facts contradict each other."""

    def __init__(self) -> None:
        self.books: dict[str, GridBooks] = {}
        self.records = self.orders = 0
        self._fills: set[tuple[str, str]] = set()
        self.first_ms: int | None = None
        self.last: Record | None = None
        self.contradiction: str | None = None
        self.agreeing = 0

    def add(self, record: Record) -> None:
        fact = record.fact
        if self.contradiction is None:
            self._fold(record)
        self.orders += isinstance(fact, OrderIntended)
        if isinstance(fact, OrderReported):
            self._fills.update((fact.report.client_order_id, fill.trade_id) for fill in fact.report.fills)
        self.records += 1
        self.first_ms = record.at_ms if self.first_ms is None else self.first_ms
        self.last = record

    def _fold(self, record: Record) -> None:
        fact = record.fact
        try:
            if isinstance(fact, GridOpened):
                self.books[record.grid] = GridBooks(fact)
            elif record.grid in self.books:
                self.books[record.grid].apply(fact, record.at_ms)
            else:
                raise InvariantBroken(f"grid {record.grid!r} was never opened")
        except _CONTRADICTIONS as error:
            self.contradiction = f"{type(error).__name__}: {error}"
        else:
            self.agreeing += 1

    def report(self, damage: Damage | None) -> JournalReport:
        return JournalReport(
            records=self.records,
            grids=tuple(self.books),
            orders=self.orders,
            fills=len(self._fills),
            first_ms=self.first_ms,
            last_ms=self.last.at_ms if self.last else None,
            head_hash=self.last.hash if self.last else None,
            damage=damage,
        )


def report_on_journal(path: Path) -> JournalReport:
    """Read a journal to its end, or to where it is damaged.

    Raises:
        JournalFailed: it is no journal that this program can read at all.
    """
    check_library(apsw.sqlite_lib_version())
    check_header(path)
    tally = _Tally()
    try:
        # The records before what lies around them: damage there would hide how many are sound.
        for record in read_records(path):
            tally.add(record)
        check_file(path)
    except JournalFailed as error:
        reason = str(error).removesuffix(f" {REMEDY}")
        return tally.report(Damage(sound=tally.records, reason=reason, behind=_whole_behind(path, tally.records)))
    if tally.contradiction is not None:
        sequence = tally.agreeing + 1
        reason = f"{path}: expected facts that agree, found in record {sequence}: {tally.contradiction}."
        return tally.report(Damage(sound=tally.agreeing, reason=reason, is_of_facts=True))
    return tally.report(None)


def _whole_behind(path: Path, sound: int) -> int | None:
    """The last record behind the first broken one, itself not counted, whose own hash is right."""
    try:
        with reading(path) as connection:
            for row in _rows_backwards(connection, sound + 1):
                if tuple(map(type, row)) == STORED_TYPES:
                    sequence, at_ms, grid, kind, payload, previous_hash, found = cast(StoredRow, row)
                    if hash_of_record(previous_hash, sequence, at_ms, grid, kind, payload) == found:
                        return sequence
    except (apsw.Error, UnicodeDecodeError):
        return None
    return None


def _rows_backwards(connection: apsw.Connection, down_to: int) -> Iterator[tuple[object, ...]]:
    yield from connection.execute(
        "SELECT sequence, at_ms, grid, kind, CAST(payload AS BLOB), previous_hash, hash FROM journal "
        "WHERE sequence > ? ORDER BY sequence DESC",
        (down_to,),
    )

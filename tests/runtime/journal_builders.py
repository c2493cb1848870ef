"""What the tests of the journal share: facts that can be told apart, journals to write and to damage."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import anyio
import apsw

from engine.model.events import Fact, LotAdopted, Record, SlotFrozen, SlotThawed
from engine.model.slot import Lot
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal import Journal, MemoryJournal
from engine.runtime.journal_file import CommitWait, FileJournal, open_journal
from engine.runtime.journal_store import open_store, read_records
from tests.builders import an_opening

IDENTITY = JournalIdentity(instance="k7z", created_ms=1_583_020_800_000)


def fact_number(number: int) -> Fact:
    """A fact that says its number, so that it can be expected again."""
    return LotAdopted(slot=number, lot=Lot(quantity=Decimal(number) / 1000, cost_quote=Decimal("1.50")))


def slots_of(records: Iterator[Record] | tuple[Record, ...]) -> list[int]:
    return [record.fact.slot for record in records if isinstance(record.fact, LotAdopted)]


def small_journal(folder: Path, count: int = 40) -> tuple[Path, list[Record]]:
    """A closed journal of some records, and what they were."""

    async def write() -> None:
        async with open_journal(folder, IDENTITY) as journal:
            for number in range(1, count + 1):
                await journal.append("btc", [fact_number(number)], number)

    anyio.run(write)
    return folder / "journal.db", list(read_records(folder / "journal.db"))


def grid_journal(folder: Path, count: int = 40) -> tuple[Path, list[Record]]:
    """A closed journal whose facts can be folded: a grid that is opened, and a slot frozen and thawed in turn."""

    async def write() -> None:
        async with open_journal(folder, IDENTITY) as journal:
            await journal.append("main", [an_opening()], 1)
            for number in range(2, count + 1):
                fact = SlotThawed(slot=3, by="test") if number % 2 else SlotFrozen(slot=3, reason="test", by="test")
                await journal.append("main", [fact], number)

    anyio.run(write)
    return folder / "journal.db", list(read_records(folder / "journal.db"))


def edit(path: Path, *statements: str) -> None:
    """Change the file as somebody with a database tool would."""
    with closing(apsw.Connection(str(path))) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


def open_and_read(path: Path) -> list[Record]:
    """What an engine does at its start."""
    with closing(open_store(path, IDENTITY)):
        return list(read_records(path))


class opened:  # noqa: N801 - reads as a function
    """A journal of each kind under one name."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._journal: Journal | None = None

    async def __aenter__(self) -> Journal:
        self._journal = (
            MemoryJournal(IDENTITY)
            if self._kind == "memory"
            else FileJournal(open_store(self._folder / "journal.db", IDENTITY), wait=CommitWait(self._kind))
        )
        return self._journal

    async def __aexit__(self, *_: object) -> None:
        assert self._journal is not None
        await self._journal.close()


async def at_once(journal: Journal, count: int) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(journal.append, "btc", [fact_number(number)], 1)

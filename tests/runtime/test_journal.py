"""The journal: durable before it returns, in order, in groups."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from engine.model.errors import JournalFailed
from engine.model.events import LotAdopted
from engine.model.slot import Lot
from engine.runtime.facts_codec import JournalIdentity, first_hash
from engine.runtime.journal import MemoryJournal
from engine.runtime.journal_file import CommitWait, FileJournal, JournalStatistics, open_journal
from engine.runtime.journal_store import open_store, read_records
from tests.runtime.journal_builders import IDENTITY, at_once, fact_number, opened, slots_of

both_waits = pytest.mark.parametrize("wait", list(CommitWait), ids=lambda wait: wait.value)


@pytest.mark.parametrize("kind", ["memory", "suspend", "block"])
async def test_records_are_numbered_chained_and_read_back_in_the_order_of_the_appends(
    kind: str, tmp_path: Path
) -> None:
    async with opened(kind, tmp_path) as journal:
        assert journal.head == (0, first_hash(IDENTITY))
        assert journal.identity == IDENTITY
        first = await journal.append("btc", [fact_number(1), fact_number(2)], 100)
        second = await journal.append("eth", [fact_number(3)], 90)
        nothing = await journal.append("eth", [], 95)
        assert nothing == ()
        assert [(record.sequence, record.at_ms, record.grid) for record in (*first, *second)] == [
            (1, 100, "btc"),
            (2, 100, "btc"),
            (3, 90, "eth"),
        ]
        assert [record.previous_hash for record in (*first, *second)] == [
            first_hash(IDENTITY),
            first[0].hash,
            first[1].hash,
        ]
        assert journal.head == (3, second[0].hash)
        assert tuple(journal.records()) == (*first, *second)


@pytest.mark.parametrize("kind", ["memory", "suspend", "block"])
async def test_same_facts_give_the_same_head_in_every_journal(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as journal:
        for number in range(1, 21):
            await journal.append("btc", [fact_number(number)], number * 1_000)
        assert journal.head[1] == "84b78761eb55a10eef04afe5e2eb27ff2a294584dfb95c55402f33425dbe6e1f"


@pytest.mark.parametrize("kind", ["memory", "suspend", "block"])
async def test_fact_that_could_not_be_read_back_is_refused_and_the_journal_goes_on(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as journal:
        with pytest.raises(JournalFailed, match="expected a fact that can be read back"):
            await journal.append("btc", [fact_number(1), LotAdopted(slot=1, lot=Lot(quantity=Decimal("NaN")))], 1)
        assert journal.head == (0, first_hash(IDENTITY))
        await journal.append("btc", [fact_number(7)], 1)
        assert slots_of(journal.records()) == [7]


@pytest.mark.parametrize("kind", ["memory", "suspend", "block"])
async def test_closed_journal_refuses_and_closing_again_is_nothing(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        await journal.close()
        await journal.close()
        with pytest.raises(JournalFailed, match="it is closed"):
            await journal.append("btc", [fact_number(2)], 2)


async def test_memory_journal_that_keeps_nothing_has_the_same_head_and_does_not_pretend_to_remember() -> None:
    keeping, forgetting = MemoryJournal(), MemoryJournal(keep=False)
    for journal in (keeping, forgetting):
        await journal.append("btc", [fact_number(1), fact_number(2)], 1)
    assert forgetting.head == keeping.head
    with pytest.raises(JournalFailed, match="keeps only its head"):
        forgetting.records()


@both_waits
async def test_mm_022_append_returns_when_its_records_are_on_disk_and_not_before(
    wait: CommitWait, tmp_path: Path
) -> None:
    """Memory changed before disk in a predecessor; here another reader of the file finds them first."""
    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        for number in range(1, 6):
            records = await journal.append("btc", [fact_number(number)], number)
            assert list(read_records(tmp_path / "journal.db"))[-1:] == list(records)
            assert journal.statistics().rows_in_flight == 0


@both_waits
async def test_what_waits_together_is_committed_together(wait: CommitWait, tmp_path: Path) -> None:
    """100 appends at once: whatever is queued while a commit runs shares the next one."""
    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        await at_once(journal, 100)
        statistics = journal.statistics()
        assert (statistics.records, statistics.rows_in_flight) == (100, 0)
        assert statistics.commits <= 20
        assert slots_of(journal.records()) == list(range(100))


@both_waits
async def test_032b_4_one_decision_of_many_facts_is_one_transaction(wait: CommitWait, tmp_path: Path) -> None:
    """A predecessor saved on every action; here the write rate is bounded and the last change is not lost."""
    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        await journal.append("btc", [fact_number(number) for number in range(50)], 1)
        assert journal.statistics() == JournalStatistics(records=50, commits=1, rows_in_flight=0)
        assert slots_of(journal.records()) == list(range(50))


@both_waits
async def test_l_28_concurrent_appends_are_ordered_and_the_last_before_quiet_needs_no_next_one(
    wait: CommitWait, tmp_path: Path
) -> None:
    """Unordered saves let an older state overwrite a newer one; the last change waited for the next event."""
    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        returned: list[int] = []

        async def append(number: int) -> None:
            returned.extend(record.sequence for record in await journal.append("btc", [fact_number(number)], 1))

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(append, number)
        assert returned == list(range(1, 31))
        assert slots_of(read_records(tmp_path / "journal.db")) == list(range(30))


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


async def test_cancelled_append_still_tells_that_its_records_are_durable(tmp_path: Path) -> None:
    async with open_journal(tmp_path, IDENTITY) as journal:
        with anyio.CancelScope() as scope:
            scope.cancel()
            records = await journal.append("btc", [fact_number(1)], 1)
            assert list(journal.records()) == list(records)
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught, "cancellation passes at the next wait"


async def test_closing_first_finishes_what_was_appended(tmp_path: Path) -> None:
    journal = FileJournal(open_store(tmp_path / "journal.db", IDENTITY))
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(journal.append, "btc", [fact_number(number)], 1)
        await anyio.lowlevel.checkpoint()
        await journal.close()
    assert names_in(tmp_path) == ["journal.db"], "the write-ahead log is folded in"
    assert slots_of(read_records(tmp_path / "journal.db")) == list(range(10))


@both_waits
async def test_virtual_time_is_held_around_every_wait_for_the_disk(wait: CommitWait, tmp_path: Path) -> None:
    story: list[str] = []

    @contextmanager
    def hold() -> Iterator[None]:
        story.append("held")
        yield
        story.append("free")

    async with open_journal(tmp_path, IDENTITY, hold=hold, wait=wait) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        await journal.append("btc", [], 1)
        assert story == ["held", "free"]
    assert story == ["held", "free"] * 2, "and around the closing"


async def test_blocking_wait_gives_the_same_order_of_everything_in_every_run(tmp_path: Path) -> None:
    """Five tasks that race through the disk: with a suspending wait the disk would decide who is first."""

    async def run(folder: Path) -> tuple[list[str], str]:
        story: list[str] = []
        async with open_journal(folder, IDENTITY, wait=CommitWait.BLOCK) as journal:

            async def race(name: int) -> None:
                for turn in range(10):
                    for _ in range((name * 7 + turn) % 4):
                        await anyio.lowlevel.checkpoint()
                    await journal.append("btc", [fact_number(name)], turn)
                    story.append(f"{name}.{turn}")

            async with anyio.create_task_group() as tasks:
                for name in range(5):
                    tasks.start_soon(race, name)
            return story, journal.head[1]

    for number in range(4):
        os.mkdir(tmp_path / str(number))
    first, *others = [await run(tmp_path / str(number)) for number in range(4)]
    assert others == [first] * 3


async def test_journal_goes_on_where_it_ended_with_the_instance_it_was_made_with(tmp_path: Path) -> None:
    """034b."""
    other = JournalIdentity(instance="zzz", created_ms=5)
    async with open_journal(tmp_path, IDENTITY) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        head = journal.head
    async with open_journal(tmp_path, other) as journal:
        assert journal.identity == IDENTITY
        assert journal.head == head
        await journal.append("btc", [fact_number(2)], 2)
        assert slots_of(journal.records()) == [1, 2]


async def test_file_is_closed_to_others_and_written_with_full_care(tmp_path: Path) -> None:
    async with open_journal(tmp_path, IDENTITY) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        assert names_in(tmp_path) == ["journal.db", "journal.db-shm", "journal.db-wal"]
        assert {os.stat(tmp_path / name).st_mode & 0o777 for name in names_in(tmp_path)} == {0o600}
        connection = journal._store._connection
        pragmas = (
            "journal_mode",
            "synchronous",
            "trusted_schema",
            "cell_size_check",
            "mmap_size",
            "busy_timeout",
        )
        assert [connection.execute(f"PRAGMA {name}").get for name in pragmas] == ["wal", 2, 0, 1, 0, 250]

"""A disk that fails and a process that is killed: the journal stops for good, what it acknowledged stays."""

import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import anyio
import apsw
import pytest

from engine.model.errors import JournalFailed
from engine.model.events import SlotFrozen
from engine.runtime.journal_file import CommitWait, FileJournal, open_journal
from engine.runtime.journal_store import open_store, read_records
from tests.runtime.journal_builders import IDENTITY, edit, fact_number, open_and_read, slots_of

both_waits = pytest.mark.parametrize("wait", list(CommitWait), ids=lambda wait: wait.value)


@both_waits
async def test_034a_after_a_write_error_everything_that_waits_and_everything_later_fails(
    wait: CommitWait, tmp_path: Path
) -> None:
    """Save errors were ignored in a predecessor. Here another program holds the file, which nobody may."""
    outcomes: list[str] = []

    async def append(number: int) -> None:
        try:
            await journal.append("btc", [fact_number(number)], 1)
        except JournalFailed as error:
            outcomes.append(str(error))

    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        with closing(apsw.Connection(str(tmp_path / "journal.db"))) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for number in range(2, 12):
                    tasks.start_soon(append, number)
            intruder.execute("ROLLBACK")
        assert len(outcomes) == 10
        assert all("it cannot be written: " in text and "locked" in text for text in outcomes)
        with pytest.raises(JournalFailed, match=r"expected an open journal: it cannot be written: .*locked"):
            await journal.append("btc", [fact_number(12)], 1)
    assert slots_of(read_records(tmp_path / "journal.db")) == [1]


async def test_record_of_a_foreign_writer_is_never_overwritten(tmp_path: Path) -> None:
    async with open_journal(tmp_path, IDENTITY) as journal:
        edit(tmp_path / "journal.db", "INSERT INTO journal VALUES(1, 1, 'btc', 'slot_thawed', '{}', 'x', 'y')")
        with pytest.raises(JournalFailed, match=r"UNIQUE constraint failed: journal\.sequence"):
            await journal.append("btc", [fact_number(1)], 1)


async def test_more_than_the_disk_may_lag_behind_is_refused_before_it_is_numbered(tmp_path: Path) -> None:
    store = open_store(tmp_path / "journal.db", IDENTITY)
    journal = FileJournal(store, rows_in_flight_max=2)
    with pytest.raises(JournalFailed, match="expected at most 2 records on their way, found 0 and 3 more"):
        await journal.append("btc", [fact_number(number) for number in range(3)], 1)
    await journal.append("btc", [fact_number(7), fact_number(8)], 1)
    await journal.append("btc", [fact_number(9)], 1)
    assert slots_of(journal.records()) == [7, 8, 9]
    await journal.close()


async def append_until_it_fails(journal: FileJournal) -> tuple[int, str]:
    """How many appends of one long fact were acknowledged, and why the next was not."""
    try:
        for number in range(100_000):
            await journal.append("btc", [SlotFrozen(slot=number, reason="x" * 2_000, by="test")], number)
    except JournalFailed as error:
        return journal.statistics().records, str(error)
    return 100_000, "never failed"


async def test_limit_of_the_file_size_fails_the_journal_and_keeps_every_acknowledged_record(
    tmp_path: Path,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExitStack() as undo:
        journal = FileJournal(open_store(tmp_path / "journal.db", IDENTITY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        undo.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
        acknowledged, reason = await append_until_it_fails(journal)
        await journal.close()
    assert "it cannot be written: " in reason
    assert "What was acknowledged is safe" in reason
    assert acknowledged > 10
    assert [record.sequence for record in open_and_read(tmp_path / "journal.db")] == list(range(1, acknowledged + 1))


async def test_full_disk_fails_the_journal_and_keeps_every_acknowledged_record(tmp_path: Path) -> None:
    with tiny_disk(tmp_path, size="512k"):
        journal = FileJournal(open_store(tmp_path / "journal.db", IDENTITY))
        acknowledged, reason = await append_until_it_fails(journal)
        await journal.close()
        assert "it cannot be written: " in reason
        assert "full" in reason
        with pytest.raises(JournalFailed, match="it cannot be written"):
            await journal.append("btc", [fact_number(1)], 1)
        assert acknowledged > 10
        assert [record.sequence for record in read_records(tmp_path / "journal.db")] == list(range(1, acknowledged + 1))


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    """A real disk of this size, where the system lets us make one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the system does not let us mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_kill_9_under_load_loses_no_acknowledged_record(tmp_path: Path) -> None:
    """20 lives of one journal, each killed after another number of acknowledgements."""
    dice = random.Random(7)
    acknowledged = 0
    with subprocess.Popen(
        [sys.executable, "-m", "tests.runtime.journal_lives", tmp_path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as lives:
        assert lives.stdin is not None
        assert lives.stdout is not None
        for _ in range(20):
            print(dice.randrange(1, 300), file=lives.stdin, flush=True)
            told = int(lives.stdout.readline())
            stored = open_and_read(tmp_path / "journal.db")
            assert told > acknowledged, "each life goes on where the one before ended"
            assert [record.sequence for record in stored] == list(range(1, len(stored) + 1))
            assert len(stored) >= told
            assert all(record.fact == fact_number(record.sequence) for record in stored)
            acknowledged = told
    assert lives.returncode == 0
    assert acknowledged > 1_000


@both_waits
async def test_whatever_ends_the_writer_those_who_wait_are_told(wait: CommitWait, tmp_path: Path) -> None:
    """A time that no database can hold stands for a bug of ours in the writer."""
    async with open_journal(tmp_path, IDENTITY, wait=wait) as journal:
        await journal.append("btc", [fact_number(1)], 1)
        with pytest.raises(JournalFailed, match="record 2 is not durable: its writer ended unexpectedly"):
            await journal.append("btc", [fact_number(2)], 2**70)
        with pytest.raises(JournalFailed, match="its writer ended unexpectedly"):
            await journal.append("btc", [fact_number(3)], 3)
    assert slots_of(read_records(tmp_path / "journal.db")) == [1]

"""The end of a journal: what a crash leaves is healed, what is broken is cut only on request, with a copy aside."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import apsw
import pytest

from engine.model.errors import JournalFailed
from engine.model.events import Record
from engine.runtime.facts_codec import first_hash
from engine.runtime.journal_file import FileJournal, open_journal
from engine.runtime.journal_repair import repair_journal
from engine.runtime.journal_report import report_on_journal
from engine.runtime.journal_store import check_file, open_store, read_records, read_records_above
from engine.runtime.journal_wal import scan_wal
from tests.runtime.journal_builders import (
    IDENTITY,
    at_once,
    edit,
    fact_number,
    grid_journal,
    open_and_read,
    opened,
    small_journal,
)

FRAME = 24 + 4096
UNLOCKED = ("DROP TRIGGER journal_never_updated", "DROP TRIGGER journal_never_deleted")
AT_MS = 1_583_020_800_000


class Torn:
    """A journal as a crash leaves it: the file, its log, and how long the log was when each record was safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.db"
        self.records: list[Record] = []
        self.log_bytes: list[int] = []
        self.log = b""

    async def write(self, commits: int) -> None:
        journal = FileJournal(open_store(self.folder / "live.db", IDENTITY))
        for number in range(1, commits + 1):
            self.records += await journal.append("btc", [fact_number(number), fact_number(number)], number)
            self.log_bytes.append((self.folder / "live.db-wal").stat().st_size)
        self.log = (self.folder / "live.db-wal").read_bytes()
        shutil.copyfile(self.folder / "live.db", self.folder / "copy.db")
        await journal.close()

    def crash(self, log: bytes) -> None:
        """Put the file there as it was, with this log."""
        shutil.copyfile(self.folder / "copy.db", self.path)
        self.path.chmod(0o600)
        self.path.with_name("journal.db-wal").write_bytes(log)
        self.path.with_name("journal.db-shm").unlink(missing_ok=True)

    def safe_before(self, size: int) -> list[Record]:
        """What had been acknowledged when the log was ``size`` bytes long."""
        return self.records[: 2 * sum(length <= size for length in self.log_bytes)]


async def a_torn(folder: Path, commits: int = 8) -> Torn:
    torn = Torn(folder)
    await torn.write(commits)
    return torn


async def test_log_that_is_cut_anywhere_gives_every_record_that_was_acknowledged_up_to_there(tmp_path: Path) -> None:
    """At every end of a frame, around it, in the head of a frame and in its middle."""
    torn = await a_torn(tmp_path)
    ends = range(32, len(torn.log) + 1, FRAME)
    sizes = {0, 17} | {end + more for end in ends for more in (-1, 0, 24, 2_000)}
    assert len(ends) > 16
    for size in sorted(size for size in sizes if 0 <= size <= len(torn.log)):
        torn.crash(torn.log[:size])
        expected = torn.safe_before(size)
        last_hash = expected[-1].hash if expected else first_hash(IDENTITY)
        with closing(open_store(torn.path, IDENTITY)) as store:
            assert store.head() == (len(expected), last_hash), size
            assert list(read_records(torn.path)) == expected, size


@pytest.mark.parametrize("garbage", [b"\x00" * 9_000, b"\xff" * 5_000, bytes(range(256)) * 33], ids=["0", "1", "noise"])
async def test_garbage_behind_the_log_changes_nothing(garbage: bytes, tmp_path: Path) -> None:
    torn = await a_torn(tmp_path)
    torn.crash(torn.log + garbage)
    assert open_and_read(torn.path) == torn.records


async def test_last_transaction_of_the_log_broken_may_never_have_been_safe_and_is_dropped(tmp_path: Path) -> None:
    torn = await a_torn(tmp_path)
    torn.crash(torn.log[:-50] + b"x" + torn.log[-49:])
    assert open_and_read(torn.path) == torn.records[:-2]


def broken_at(torn: Torn, commit: int) -> bytes:
    """The log with one bit wrong in the first frame after a commit."""
    log = bytearray(torn.log)
    log[torn.log_bytes[commit - 1] + 1_000] ^= 4
    return bytes(log)


async def test_log_with_safe_transactions_behind_a_broken_one_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """SQLite by itself would drop them without a word."""
    torn = await a_torn(tmp_path)
    log = broken_at(torn, 5)
    torn.crash(log)
    for _ in range(2):
        with pytest.raises(JournalFailed, match=r"ends with one unfinished .* and 2 more behind it") as refusal:
            open_store(torn.path, IDENTITY)
    assert "gridwright journal verify" in str(refusal.value)
    assert "gridwright journal repair" in str(refusal.value)
    assert torn.path.with_name("journal.db-wal").read_bytes() == log
    assert torn.path.read_bytes() == (tmp_path / "copy.db").read_bytes()


async def test_log_whose_head_is_broken_is_refused_too(tmp_path: Path) -> None:
    torn = await a_torn(tmp_path)
    torn.crash(bytes((torn.log[0] ^ 1,)) + torn.log[1:])
    with pytest.raises(JournalFailed, match="after frame 0 and 7 more behind it"):
        open_store(torn.path, IDENTITY)


async def test_repair_of_a_broken_log_keeps_all_of_it_aside_and_what_was_before_it(tmp_path: Path) -> None:
    torn = await a_torn(tmp_path)
    log = broken_at(torn, 5)
    torn.crash(log)
    before = torn.path.read_bytes()
    repaired = repair_journal(tmp_path, at_ms=AT_MS)
    assert repaired is not None
    assert repaired.kept == 10
    assert repaired.aside == tmp_path / "aside" / "2020-03-01T000000Z"
    assert (repaired.aside / "journal.db").read_bytes() == before
    assert (repaired.aside / "journal.db-wal").read_bytes() == log
    assert open_and_read(torn.path) == torn.records[:10]


def flipped(sequence: int) -> tuple[str, ...]:
    return (*UNLOCKED, f"UPDATE journal SET payload = replace(payload, '1.50', '1.51') WHERE sequence >= {sequence}")


TAILS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "last payload": (flipped(40), 39, "expected record 40 with hash"),
    "last three payloads": (flipped(38), 37, "expected record 38 with hash"),
    "last row gone": (
        (*UNLOCKED, "DELETE FROM journal WHERE sequence = 40"),
        39,
        "expected record 40 as the last one, found record 39",
    ),
    "row that nobody wrote": (
        ("INSERT INTO journal VALUES(41, 1, 'btc', 'slot_thawed', '{}', 'x', 'y')",),
        40,
        "expected record 41 to follow hash",
    ),
    "head behind": (("UPDATE head SET sequence = 39",), 40, "expected record 39 as the last one, found record 40"),
    "no head": (("DELETE FROM head",), 40, "expected one head"),
    "all payloads": (flipped(1), 0, "expected record 1 with hash"),
}


@pytest.mark.parametrize("case", list(TAILS))
def test_broken_end_is_cut_off_and_everything_kept_aside(case: str, tmp_path: Path) -> None:
    statements, kept, reason = TAILS[case]
    path, records = small_journal(tmp_path)
    edit(path, *statements)
    damaged = path.read_bytes()
    with pytest.raises(JournalFailed, match="gridwright journal repair"):
        open_and_read(path)
    report = report_on_journal(path)
    assert report.damage is not None
    assert (report.damage.sound, report.damage.is_tail) == (kept, True)
    assert reason in report.damage.reason
    repaired = repair_journal(tmp_path, at_ms=AT_MS)
    assert repaired is not None
    assert (repaired.kept, reason in repaired.reason) == (kept, True)
    assert (repaired.aside / "journal.db").read_bytes() == damaged
    assert open_and_read(path) == records[:kept]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        edit(path, "INSERT INTO journal VALUES(99, 1, '', '', '', '', '')", "DELETE FROM journal")


def test_repaired_journal_goes_on_in_the_same_chain(tmp_path: Path) -> None:
    path, records = small_journal(tmp_path)
    edit(path, *flipped(38))
    repair_journal(tmp_path, at_ms=AT_MS)

    async def go_on() -> Record:
        async with open_journal(tmp_path, IDENTITY) as journal:
            return (await journal.append("btc", [fact_number(7)], 1))[0]

    record = anyio.run(go_on)
    assert (record.sequence, record.previous_hash) == (38, records[36].hash)
    assert open_and_read(path) == [*records[:37], record]


MIDDLES: dict[str, tuple[str, ...]] = {
    "edited payload": (*UNLOCKED, "UPDATE journal SET payload = '{}' WHERE sequence = 17"),
    "edited hash": (*UNLOCKED, "UPDATE journal SET hash = 'x' WHERE sequence = 39"),
    "missing row": (*UNLOCKED, "DELETE FROM journal WHERE sequence = 17"),
    "another instance": ("UPDATE metadata SET value = 'abc' WHERE name = 'instance'",),
}


@pytest.mark.parametrize("case", list(MIDDLES))
def test_damage_before_the_end_is_refused_and_nothing_is_changed(case: str, tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path)
    edit(path, *MIDDLES[case])
    before = path.read_bytes()
    with pytest.raises(JournalFailed, match=r"found that record 40 is: .* Nothing was changed") as refusal:
        repair_journal(tmp_path, at_ms=AT_MS)
    assert "--fresh, which sets it aside" in str(refusal.value)
    assert path.read_bytes() == before
    assert not (tmp_path / "aside").exists()


def test_file_that_lost_its_last_pages_gives_back_its_longest_sound_beginning(tmp_path: Path) -> None:
    path, records = small_journal(tmp_path, count=150)
    os.truncate(path, path.stat().st_size // 4096 // 2 * 4096)
    with pytest.raises(JournalFailed, match="malformed"):
        open_store(path, IDENTITY)
    repaired = repair_journal(tmp_path, at_ms=AT_MS)
    assert repaired is not None
    assert 0 < repaired.kept < 150
    assert open_and_read(path) == records[: repaired.kept]


def test_sound_journal_is_not_touched_by_a_repair(tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path, count=0)
    before = path.read_bytes()
    assert repair_journal(tmp_path, at_ms=AT_MS) is None
    assert path.read_bytes() == before
    assert not (tmp_path / "aside").exists()


class Crash(BaseException):
    """The process dies here."""


STEPS = ("copy_aside", "_draft_of_the_sound", "_fold_log", "move_in_place")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_repair_that_is_interrupted_at_any_step_is_completed_by_the_next(
    step: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, records = grid_journal(tmp_path)
    edit(path, *UNLOCKED, "UPDATE journal SET payload = '{}' WHERE sequence >= 38")
    damaged = path.read_bytes()
    with monkeypatch.context() as planted:
        planted.setattr(f"engine.runtime.journal_repair.{step}", dying(step, when))
        with pytest.raises(Crash):
            repair_journal(tmp_path, at_ms=AT_MS)
    again = repair_journal(tmp_path, at_ms=AT_MS)
    assert (again is None) == ((step, when) == ("move_in_place", "after"))
    assert open_and_read(path) == records[:37]
    kept = [folder / "journal.db" for folder in (tmp_path / "aside").iterdir()]
    assert damaged in [copy.read_bytes() for copy in kept]


def dying(step: str, when: str) -> Callable[..., object]:
    from engine.runtime import journal_repair

    whole = getattr(journal_repair, step)

    def die(*arguments: object, **more: object) -> object:
        if when == "after":
            whole(*arguments, **more)
        raise Crash

    return die


@pytest.mark.parametrize("kind", ["memory", "suspend", "block"])
async def test_records_after_a_sequence_are_those_and_no_others(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as journal:
        assert list(journal.records(after=0)) == []
        assert list(journal.records(after=5)) == []
        await at_once(journal, 6)
        everything = list(journal.records())
        assert [len(list(journal.records(after=number))) for number in range(8)] == [6, 5, 4, 3, 2, 1, 0, 0]
        assert list(journal.records(after=4)) == everything[4:]
        with pytest.raises(ValueError, match="at least 0, was -1"):
            journal.records(after=-1)


def test_records_after_a_sequence_chain_to_the_record_that_has_it(tmp_path: Path) -> None:
    path, records = small_journal(tmp_path)
    edit(path, *UNLOCKED, "UPDATE journal SET previous_hash = 'x' WHERE sequence = 31")
    with pytest.raises(JournalFailed, match=f"expected record 31 to follow hash {records[29].hash}"):
        list(read_records_above(path, 30))
    with pytest.raises(JournalFailed, match="expected record 31 with hash"):
        list(read_records_above(path, 31))
    assert list(read_records_above(path, 32)) == records[32:]
    assert list(read_records(path, after=(35, records[34].hash))) == records[35:]
    with pytest.raises(JournalFailed, match=f"expected record 35 with hash other, found {records[34].hash}"):
        list(read_records(path, after=(35, "other")))


def test_reader_does_not_pass_over_a_head_that_knows_of_more_records(tmp_path: Path) -> None:
    path, records = small_journal(tmp_path)
    edit(path, "UPDATE head SET sequence = 41")
    found = read_records_above(path, 38)
    assert [next(found), next(found)] == records[38:]
    with pytest.raises(JournalFailed, match="expected record 41 as the last one, found record 40"):
        next(found)


async def test_reader_that_follows_a_busy_writer_misses_nothing_and_reads_nothing_twice(tmp_path: Path) -> None:
    async with open_journal(tmp_path, IDENTITY) as journal, anyio.create_task_group() as tasks:

        async def write() -> None:
            for number in range(150):
                await journal.append("btc", [fact_number(number)], number)

        for _ in range(3):
            tasks.start_soon(write)
        followed: list[Record] = []
        with anyio.fail_after(60):
            while len(followed) < 450:
                followed += journal.records(after=len(followed))
                check_file(tmp_path / "journal.db")
                await anyio.lowlevel.checkpoint()
        assert followed == list(journal.records())


OTHER_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM journal").fetchall()[0][0])
connection.close()
"""


def look_into(path: Path) -> str:
    """What a program of its own, with an SQLite of its own, finds in the file."""
    command = [sys.executable, "-c", OTHER_PROGRAM, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


async def test_reading_does_not_drop_the_locks_that_keep_other_programs_from_the_log(tmp_path: Path) -> None:
    """Every descriptor that a process closes drops its locks on the file; the last reader deletes the log."""
    journal = FileJournal(open_store(tmp_path / "journal.db", IDENTITY))
    await at_once(journal, 3)
    assert len(list(journal.records())) == 3
    assert report_on_journal(tmp_path / "journal.db").records == 3
    assert look_into(tmp_path / "journal.db") == "3\n"
    assert (tmp_path / "journal.db-wal").exists()
    await journal.append("btc", [fact_number(4)], 4)
    assert len(list(read_records(tmp_path / "journal.db"))) == 4
    await journal.close()


def test_log_of_an_earlier_life_is_not_counted(tmp_path: Path) -> None:
    """A checkpoint begins the log again from its start; the frames behind are of the life before."""
    path, _ = small_journal(tmp_path, count=1)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for number in range(2, 12):
            connection.execute(f"UPDATE head SET sequence = {number}")
        assert len(scan_wal(path).commits) == 10
        connection.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_RESTART)
        connection.execute("UPDATE head SET sequence = 1")
        assert scan_wal(path).commits == (1,)

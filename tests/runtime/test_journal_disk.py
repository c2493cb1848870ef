"""A disk that is full or fails while the engine runs: it halts with the reason, and goes on where it was."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import apsw
import pytest

from engine.model.errors import JournalFailed, JournalRefused
from engine.model.snapshot import EngineState
from engine.runtime import journal_making, journal_store
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import first_hash
from engine.runtime.journal_file import CommitWait, FileJournal
from engine.runtime.journal_store import Store, open_store
from tests.runtime.journal_builders import IDENTITY, fact_number, open_and_read
from tests.sim.engine_builders import Bench, a_path, assert_balanced

PRICES = (150, 145, 138, 129, 141, 152, 163, 148, 137, 128, 119, 131, 144, 156, 168, 151)


def fill_up(store: Store) -> None:
    """Let the file grow by one more page, and then no more."""
    connection = store._connection
    pages = int(str(connection.execute("PRAGMA page_count").get))
    connection.execute(f"PRAGMA max_page_count = {pages + 1}").fetchall()


def a_journal(folder: Path, hold: Callable[[], object]) -> tuple[FileJournal, Store]:
    store = open_store(folder / "journal.db", IDENTITY)
    return FileJournal(store, hold=hold, wait=CommitWait.BLOCK), store  # type: ignore[arg-type]


def test_disk_that_is_full_halts_with_the_reason_and_the_next_start_goes_on_with_nothing_lost(tmp_path: Path) -> None:
    bench = Bench(a_path(*PRICES))
    journal, store = a_journal(tmp_path, bench.clock.hold)
    bench.journal = journal
    fill_up(store)

    async def until_halted(engine: Engine) -> None:
        await engine.wait_over()

    halted = bench.run(until_halted)
    assert halted.state is EngineState.HALTED
    assert "it cannot be written: database or disk is full" in halted.snapshot().state_reason
    assert "What was acknowledged is safe" in halted.snapshot().state_reason
    anyio.run(journal.close)
    safe = open_and_read(tmp_path / "journal.db")
    assert len(safe) == journal.durable
    journal, _ = a_journal(tmp_path, bench.clock.hold)
    bench.journal = journal
    resumed = bench.run()
    assert resumed.state is not EngineState.HALTED
    assert_balanced(bench, resumed)
    assert bench.records()[: len(safe)] == safe
    assert len(bench.records()) > len(safe)
    anyio.run(journal.close)


class FailingDisk(apsw.VFS):
    """SQLite's own way to the disk, on which a sync of the log fails from the given one on."""

    def __init__(self) -> None:
        self.good_syncs = 10**9
        self.calls_after: list[str] = []
        super().__init__("failing", "", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    """One file on it; what is done to the log after the first failure is written down."""

    def __init__(self, disk: FailingDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._is_log:
            self._disk.good_syncs -= 1
            if self._disk.good_syncs < 0:
                self._disk.calls_after.append("sync")
                raise apsw.IOError("the disk has lost what it was given")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._is_log and self._disk.good_syncs < 0:
            self._disk.calls_after.append("write")
        super().xWrite(data, offset)


@contextmanager
def failing_disk() -> Iterator[FailingDisk]:
    disk = FailingDisk()
    try:
        yield disk
    finally:
        disk.unregister()


@pytest.mark.parametrize("wait", list(CommitWait), ids=lambda wait: wait.value)
async def test_sync_that_failed_is_never_tried_again(wait: CommitWait, tmp_path: Path) -> None:
    """The system may have dropped what it could not write, and say that all is well the second time."""
    with failing_disk() as disk:
        journal = FileJournal(open_store(tmp_path / "journal.db", IDENTITY), wait=wait)
        await journal.append("btc", [fact_number(1)], 1)
        disk.good_syncs = 0
        with pytest.raises(JournalFailed, match=r"record 2 is not durable: it cannot be written: .* free space or"):
            await journal.append("btc", [fact_number(2)], 2)
        for number in (3, 4):
            with pytest.raises(JournalFailed, match="expected an open journal: it cannot be written"):
                await journal.append("btc", [fact_number(number)], number)
        await journal.close()
        assert disk.calls_after == ["sync"]
        assert journal.durable == 1
    found = [record.fact for record in open_and_read(tmp_path / "journal.db")]
    assert found in ([fact_number(1)], [fact_number(1), fact_number(2)]), "it may have reached the disk, or not"


class Crash(BaseException):
    """The process dies here."""


CREATION: dict[str, tuple[object, str]] = {
    "the empty draft": (os, "close"),
    "the tables": (journal_making, "run_all"),
    "the whole draft": (journal_store, "create_draft"),
    "the name": (os, "fsync"),
}


@pytest.mark.parametrize("step", list(CREATION))
@pytest.mark.parametrize("when", ["before", "after"])
def test_creation_that_is_interrupted_at_any_step_is_handled_by_the_next_start(
    step: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, name = CREATION[step]
    whole = getattr(place, name)

    def die(*arguments: object, **more: object) -> None:
        if when == "after":
            whole(*arguments, **more)
        raise Crash

    with monkeypatch.context() as planted:
        planted.setattr(place, name, die)
        with pytest.raises(Crash):
            open_store(tmp_path / "journal.db", IDENTITY)
    with closing(open_store(tmp_path / "journal.db", IDENTITY)) as store:
        assert store.head() == (0, first_hash(IDENTITY))
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]


def test_draft_of_a_creation_that_died_inside_a_transaction_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "journal.db.new").write_bytes(b"half a file")
    (tmp_path / "journal.db.new-journal").write_bytes(b"half a rollback")
    with closing(open_store(tmp_path / "journal.db", IDENTITY)) as store:
        assert store.head() == (0, first_hash(IDENTITY))
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]


def test_library_that_is_known_to_damage_logs_is_refused_before_the_file_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(JournalRefused, match=r"expected SQLite 3\.51\.3 or newer, found 3\.51\.2: update"):
        open_store(tmp_path / "journal.db", IDENTITY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the system's own user")
def test_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    open_and_read(tmp_path / "journal.db")
    (tmp_path / "journal.db").chmod(0)
    with pytest.raises(JournalRefused, match="expected a readable journal, found"):
        open_store(tmp_path / "journal.db", IDENTITY)

"""A journal file that is not what was written is refused, never guessed at."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from engine.model.errors import JournalFailed
from engine.runtime.facts_codec import first_hash, hash_of_record
from engine.runtime.journal_store import Store, check_library, open_store
from tests.runtime.journal_builders import IDENTITY, edit, open_and_read, small_journal


def cut_to(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size)


def edited(*statements: str) -> Callable[[Path], None]:
    return lambda path: edit(path, *statements)


def without_its_file(path: Path) -> None:
    path.with_name("journal.db-wal").write_bytes(b"")
    path.unlink()


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def filled_with_noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


UNLOCKED = ("DROP TRIGGER journal_never_updated", "DROP TRIGGER journal_never_deleted")
REFUSALS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut to nothing": (cut_to(0), "expected an SQLite file, found 0 bytes of something else"),
    "cut in its header": (cut_to(60), "expected an SQLite file, found 60 bytes of something else"),
    "cut in a page": (cut_to(10_000), "malformed|not a database"),
    "cut between pages": (cut_to(8_192), "malformed|not a database"),
    "random bytes": (
        filled_with_noise,
        "expected an SQLite file, found 20000 bytes of something else",
    ),
    "foreign database": (
        edited("PRAGMA application_id = 0"),
        "expected a journal of gridwright, found an SQLite file of application 0x0",
    ),
    "newer version": (
        edited("PRAGMA user_version = 2"),
        "expected journal format 1 or older, found 2: a newer gridwright wrote it",
    ),
    "no version": (edited("PRAGMA user_version = 0"), "expected journal format 1, found 0"),
    "edited payload": (
        edited(*UNLOCKED, "UPDATE journal SET payload = replace(payload, '1.50', '1.51') WHERE sequence = 17"),
        "expected record 17 with hash",
    ),
    "edited time": (
        edited(*UNLOCKED, "UPDATE journal SET at_ms = 0 WHERE sequence = 5"),
        "expected record 5 with hash",
    ),
    "edited hash": (
        edited(*UNLOCKED, "UPDATE journal SET previous_hash = hash WHERE sequence = 5"),
        "expected record 5 to follow hash",
    ),
    "missing row": (
        edited(*UNLOCKED, "DELETE FROM journal WHERE sequence = 17"),
        "expected record 17, found record 18",
    ),
    "missing first row": (
        edited(*UNLOCKED, "DELETE FROM journal WHERE sequence = 1"),
        "expected record 1, found record 2",
    ),
    "missing last row": (
        edited(*UNLOCKED, "DELETE FROM journal WHERE sequence = 40"),
        "expected record 40 as the last one, found record 39",
    ),
    "added row": (
        edited("INSERT INTO journal VALUES(41, 1, 'btc', 'slot_thawed', '{}', 'x', 'y')"),
        "expected record 40 as the last one, found record 41",
    ),
    "another instance": (
        edited("UPDATE metadata SET value = 'abc' WHERE name = 'instance'"),
        "expected the hash of instance abc",
    ),
    "no instance": (
        edited("DELETE FROM metadata WHERE name = 'instance'"),
        "expected instance and time of creation, found 'instance'",
    ),
    "no head": (edited("DELETE FROM head"), r"expected one head, found \[\]"),
    "no table": (edited("DROP TABLE journal"), "no such table: journal"),
    "file gone": (without_its_file, "expected the file itself, found only its part journal.db-wal"),
    "a link": (replaced_by_a_link, "expected a regular file, found a link or a special file"),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_mm_007_damaged_journal_is_refused_with_what_was_found_and_what_to_do(case: str, tmp_path: Path) -> None:
    damage, expected = REFUSALS[case]
    path, _ = small_journal(tmp_path)
    damage(path)
    with pytest.raises(JournalFailed, match=expected) as refusal:
        open_and_read(path)
    assert str(path) in str(refusal.value)
    assert "--fresh, which sets it aside" in str(refusal.value)


def test_fact_of_an_unknown_kind_is_refused_though_its_hash_is_right(tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path, count=0)
    genesis = first_hash(IDENTITY)
    found = hash_of_record(genesis, 1, 5, "btc", "slot_melted", b"{}")
    edit(
        path,
        f"INSERT INTO journal VALUES(1, 5, 'btc', 'slot_melted', '{{}}', '{genesis}', '{found}')",
        f"UPDATE head SET sequence = 1, hash = '{found}'",
    )
    with pytest.raises(JournalFailed, match=r"journal\.db: record 1: expected a fact, found 'slot_melted'"):
        open_and_read(path)


@pytest.mark.parametrize("statement", ["UPDATE journal SET grid = 'x'", "DELETE FROM journal"])
def test_journal_is_append_only_for_everybody(statement: str, tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path, count=2)
    with pytest.raises(apsw.ConstraintError, match="the journal is append-only"):
        edit(path, statement)


def test_file_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path, count=2)
    path.chmod(0o640)
    with pytest.raises(JournalFailed, match="expected mode 600, found 640: run chmod 600 on it"):
        open_and_read(path)


def test_flipped_bit_anywhere_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """Bits that mean nothing (free space, counters) may flip; no record ever comes out different."""
    path, records = small_journal(tmp_path)
    whole = path.read_bytes()
    dice = random.Random(11)
    refused = 0
    for offset in dice.sample(range(len(whole)), 500):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        try:
            assert open_and_read(path) == records
        except JournalFailed:
            refused += 1
    assert refused > 100


def test_refusal_does_not_touch_the_file(tmp_path: Path) -> None:
    path, _ = small_journal(tmp_path)
    edit(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(JournalFailed):
        open_store(path, IDENTITY)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.db"]


def test_unfinished_creation_is_begun_again(tmp_path: Path) -> None:
    """A journal is made under another name first: what a crash leaves there is nobody's history."""
    (tmp_path / "journal.db.new").write_bytes(b"half a file")
    store: Store = open_store(tmp_path / "journal.db", IDENTITY)
    assert store.head() == (0, first_hash(IDENTITY))
    store.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.db"]


def test_sqlite_that_is_known_to_damage_files_is_refused() -> None:
    check_library("3.51.3")
    check_library("3.60.0")
    with pytest.raises(JournalFailed, match=r"expected SQLite 3\.51\.3 or newer, found 3\.40\.1"):
        check_library("3.40.1")

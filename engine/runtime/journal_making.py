"""The journal's SQLite file as it is made: its tables and settings, and a draft until it is whole."""

import os
from contextlib import closing
from pathlib import Path

import apsw

from engine.runtime.facts_codec import FORMAT_VERSION, JournalIdentity, first_hash
from engine.runtime.journal_wal import wal_of

APPLICATION_ID = 0x47726964
"""Says in the file's header that it is a journal of ours ("Grid")."""

_SCHEMA = """
CREATE TABLE metadata(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE journal(
    sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, grid TEXT NOT NULL, kind TEXT NOT NULL,
    payload TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TABLE head(
    only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TRIGGER journal_never_updated BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_never_deleted BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
# Nobody else may write, but a reader who meets a half-written index holds the write lock for an instant.
PRAGMAS = """
PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 250; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
"""


def draft_of(path: Path) -> Path:
    """Where a journal is made, or made again, until it is whole."""
    return path.with_name(f"{path.name}.new")


def create_draft(path: Path, identity: JournalIdentity) -> Path:
    """Make an empty journal beside ``path``, in the place of an earlier draft; gives its path.

    Raises:
        apsw.Error, OSError: it cannot be made.
    """
    draft = draft_of(path)
    for part in (draft, wal_of(draft), draft.with_name(f"{draft.name}-journal")):
        part.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    metadata = {
        "instance": identity.instance,
        "created_ms": str(identity.created_ms),
        "first_hash": first_hash(identity),
    }
    with closing(apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        run_all(connection, f"{PRAGMAS} BEGIN; PRAGMA application_id = {APPLICATION_ID}")
        run_all(connection, f"PRAGMA user_version = {FORMAT_VERSION}; {_SCHEMA}")
        connection.executemany("INSERT INTO metadata VALUES(?, ?)", metadata.items())
        connection.execute("INSERT INTO head VALUES(1, 0, ?)", (first_hash(identity),))
        connection.execute("COMMIT")
    return draft


def move_in_place(draft: Path, path: Path) -> None:
    """Give a whole draft its name, durably. Raises ``OSError``."""
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def run_all(connection: apsw.Connection, statements: str) -> None:
    """Run all statements; the library stops at each that answers, until its answer is read."""
    connection.execute(statements).fetchall()

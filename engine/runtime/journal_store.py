"""The journal's SQLite file: made whole or not at all, refused at the first doubt, every hash checked.

Promises: a file that is not ours, newer than us, damaged or edited is refused with what was
expected, what was found and what to do, and is never changed by the refusal. A transaction
is durable when ``Store.commit`` returns. Threads and waiting are ``journal_file``'s.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

import apsw

from engine.model.errors import JournalFailed
from engine.model.events import Record
from engine.runtime.facts_codec import (
    FORMAT_VERSION,
    JournalIdentity,
    Row,
    fact_from_payload,
    first_hash,
    hash_of_record,
)

APPLICATION_ID = 0x47726964
"""Says in the file's header that it is a journal of ours ("Grid")."""

LIBRARY_VERSION_MIN = (3, 51, 3)
"""Earlier ones can damage a write-ahead log that two connections use. Source: SQLite release log, 3.51.3."""

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
_PRAGMAS = """
PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 0; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
"""
_StoredRow = tuple[int, int, str, str, bytes, str, str]
_STORED_TYPES = (int, int, str, str, bytes, str, str)
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_SQLITE_HEADER = b"SQLite format 3\x00"
_REMEDY = "Restore it from a copy, or start with --fresh, which sets it aside and begins a new journal."


class Store:
    """One open journal file for its one writer."""

    def __init__(self, path: Path, connection: apsw.Connection, identity: JournalIdentity) -> None:
        self.path = path
        self.identity = identity
        self._connection = connection

    def __repr__(self) -> str:
        return f"Store({self.path.name}, {self.identity.instance})"

    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last stored record."""
        return _read_head(self.path, self._connection, self.identity)

    def commit(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction; durable on return. After an error the handle is spent.

        Raises:
            apsw.Error: nothing of it may be taken as stored.
        """
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO journal VALUES(?,?,?,?,?,?,?)", rows)
            execute("UPDATE head SET sequence = ?, hash = ?", (rows[-1][0], rows[-1][6]))
            execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                execute("ROLLBACK")

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._connection.close()


def open_store(path: Path, new: JournalIdentity) -> Store:
    """Open the journal file, made first with the identity ``new`` where there is none.

    Raises:
        JournalFailed: the file is not a sound journal of this program, or cannot be read or made.
    """
    check_library(apsw.sqlite_lib_version())
    try:
        if not path.exists():
            _create(path, new)
        _check_file(path)
        with ExitStack() as undo:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            undo.callback(connection.close)
            identity = _check_content(path, connection)
            _run(connection, f"PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
            undo.pop_all()
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    return Store(path, connection, identity)


def read_records(path: Path) -> Iterator[Record]:
    """Every record of a journal file as it is now, the whole chain checked; an engine may be writing it.

    Raises:
        JournalFailed: at the first record that is not what was written, naming it.
    """
    try:
        _check_file(path)
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            _run(connection, _PRAGMAS + "BEGIN")
            identity = _read_identity(path, connection)
            yield from _verified(path, connection, identity)
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def check_library(version: str) -> None:
    """Refuse an SQLite that is known to damage files.

    Raises:
        JournalFailed: ``version`` is below ``LIBRARY_VERSION_MIN``.
    """
    if tuple(int(part) for part in version.split(".")) < LIBRARY_VERSION_MIN:
        expected = ".".join(map(str, LIBRARY_VERSION_MIN))
        raise JournalFailed(f"expected SQLite {expected} or newer, found {version}: update the package apsw")


def _create(path: Path, identity: JournalIdentity) -> None:
    """Make the file under another name and move it in place, so that it is there whole or not at all."""
    for suffix in ("-wal", "-shm"):
        if path.with_name(path.name + suffix).exists():
            raise _damaged(path, "the file itself", f"only its part {path.name}{suffix}")
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    metadata = {
        "instance": identity.instance,
        "created_ms": str(identity.created_ms),
        "first_hash": first_hash(identity),
    }
    with closing(apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        _run(connection, f"{_PRAGMAS} BEGIN; PRAGMA application_id = {APPLICATION_ID}")
        _run(connection, f"PRAGMA user_version = {FORMAT_VERSION}; {_SCHEMA}")
        connection.executemany("INSERT INTO metadata VALUES(?, ?)", metadata.items())
        connection.execute("INSERT INTO head VALUES(1, 0, ?)", (first_hash(identity),))
        connection.execute("COMMIT")
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_file(path: Path) -> None:
    """What can be told without SQLite, which may change a file by opening it."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise _damaged(path, "a regular file", "a link or a special file")
    if found.st_uid != os.geteuid():
        raise JournalFailed(f"{path}: expected a file of user {os.geteuid()}, found one of user {found.st_uid}")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise JournalFailed(f"{path}: expected mode 600, found {mode:o}: run chmod 600 on it")
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_SQLITE_HEADER):
        raise _damaged(path, "an SQLite file", f"{found.st_size} bytes that are none")
    application, version = int.from_bytes(header[68:72]), int.from_bytes(header[60:64])
    if application != APPLICATION_ID:
        raise _damaged(path, "a journal of gridwright", f"an SQLite file of application {application:#x}")
    if version > FORMAT_VERSION:
        raise JournalFailed(
            f"{path}: expected journal format {FORMAT_VERSION} or older, found {version}: "
            "a newer gridwright wrote it; run that one, or start with --fresh, which sets it aside"
        )
    if version < FORMAT_VERSION:
        raise _damaged(path, f"journal format {FORMAT_VERSION}", str(version))


def _check_content(path: Path, connection: apsw.Connection) -> JournalIdentity:
    _run(connection, _PRAGMAS)
    found = str(connection.execute("PRAGMA quick_check(1)").get)
    if found != "ok":
        raise _damaged(path, "a sound file", found)
    identity = _read_identity(path, connection)
    sequence, last_hash = _read_head(path, connection, identity)
    row = connection.execute("SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1").fetchone()
    if (row or (0, first_hash(identity))) != (sequence, last_hash):
        raise _damaged(path, f"record {sequence} as the last one", f"record {row[0] if row else 0}")
    return identity


def _read_identity(path: Path, connection: apsw.Connection) -> JournalIdentity:
    found = {str(name): str(value) for name, value in connection.execute("SELECT name, value FROM metadata")}
    try:
        identity = JournalIdentity(instance=found["instance"], created_ms=int(found["created_ms"]))
    except (KeyError, ValueError) as error:
        raise _damaged(path, "instance and time of creation", str(error)) from error
    if found.get("first_hash") != first_hash(identity):
        raise _damaged(path, f"the hash of instance {identity.instance}", str(found.get("first_hash")))
    return identity


def _read_head(path: Path, connection: apsw.Connection, identity: JournalIdentity) -> tuple[int, str]:
    found = cast(list[tuple[int, str]], connection.execute("SELECT sequence, hash FROM head").fetchall())
    if len(found) != 1 or (found[0][0] == 0 and found[0][1] != first_hash(identity)):
        raise _damaged(path, "one head", str(found))
    return found[0]


def _verified(path: Path, connection: apsw.Connection, identity: JournalIdentity) -> Iterator[Record]:
    head = _read_head(path, connection, identity)
    reached = 0, first_hash(identity)
    rows = connection.execute(
        "SELECT sequence, at_ms, grid, kind, CAST(payload AS BLOB), previous_hash, hash FROM journal ORDER BY sequence"
    )
    for row in rows:
        record = _record_from_row(path, row, reached)
        reached = record.sequence, record.hash
        yield record
    if reached != head:
        raise _damaged(path, f"record {head[0]} as the last one", f"record {reached[0]}")


def _record_from_row(path: Path, row: tuple[object, ...], previous: tuple[int, str]) -> Record:
    sequence, previous_hash = previous[0] + 1, previous[1]
    if tuple(map(type, row)) != _STORED_TYPES:
        raise _damaged(path, f"the seven parts of record {sequence}", repr(row))
    found, at_ms, grid, kind, payload, found_previous, found_hash = cast(_StoredRow, row)
    if found != sequence:
        raise _damaged(path, f"record {sequence}", f"record {found}")
    if found_previous != previous_hash:
        raise _damaged(path, f"record {sequence} to follow hash {previous_hash}", found_previous)
    computed = hash_of_record(previous_hash, sequence, at_ms, grid, kind, payload)
    if computed != found_hash:
        raise _damaged(path, f"record {sequence} with hash {computed}", found_hash)
    try:
        fact = fact_from_payload(kind, payload, sequence=sequence)
    except JournalFailed as error:
        raise JournalFailed(f"{path}: {error}. {_REMEDY}") from error
    return Record(sequence=sequence, at_ms=at_ms, grid=grid, fact=fact, previous_hash=previous_hash, hash=found_hash)


def _run(connection: apsw.Connection, statements: str) -> None:
    """Run all statements; the library stops at each that answers, until its answer is read."""
    connection.execute(statements).fetchall()


def _damaged(path: Path, expected: str, found: str) -> JournalFailed:
    return JournalFailed(f"{path}: expected {expected}, found {found}. {_REMEDY}")


def _unreadable(path: Path, error: Exception) -> JournalFailed:
    return JournalFailed(f"{path}: expected a readable journal, found: {error}. {_REMEDY}")

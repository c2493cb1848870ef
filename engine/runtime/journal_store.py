"""The journal's SQLite file: made whole or not at all, refused at the first doubt, every hash checked.

Promises: a file that is not ours, newer than us, damaged or edited is refused with what was
expected, what was found and what to do, and is never changed by the refusal. A transaction
is durable when ``Store.commit`` returns. Threads and waiting are ``journal_file``'s.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import apsw

from engine.model.errors import JournalFailed, JournalRefused
from engine.model.events import Record
from engine.runtime.facts_codec import (
    FORMAT_VERSION,
    JournalIdentity,
    Row,
    fact_from_payload,
    first_hash,
    hash_of_record,
)
from engine.runtime.journal_making import APPLICATION_ID, PRAGMAS, create_draft, move_in_place, run_all
from engine.runtime.journal_wal import NO_WAL, WalScan, scan_wal, wal_of

LIBRARY_VERSION_MIN = (3, 51, 3)
"""Earlier ones can damage a write-ahead log that two connections use. Source: SQLite release log, 3.51.3."""

StoredRow = tuple[int, int, str, str, bytes, str, str]
STORED_TYPES = (int, int, str, str, bytes, str, str)
"""Of what is read of a record: sequence, at_ms, grid, kind, payload, previous hash, hash."""

_ROWS_FROM = (
    "SELECT sequence, at_ms, grid, kind, CAST(payload AS BLOB), previous_hash, hash FROM journal "
    "WHERE sequence >= ? ORDER BY sequence"
)
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_SQLITE_HEADER = b"SQLite format 3\x00"
_HEADER_BYTES = 100
_BUSY_TRIES, _BUSY_SECONDS = 100, 0.01
RESTORE = "Restore it from a copy, or start with --fresh, which sets it aside and begins a new journal."
REMEDY = (
    "gridwright journal verify says how far it is sound, gridwright journal repair keeps it aside "
    f"and cuts a broken end off. {RESTORE}"
)


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
        return _read_head(self.path, self._connection)

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
        except apsw.Error:
            # Closing would write and sync the log's content again, on a handle whose errors may have been forgotten.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            raise
        finally:
            if self._connection.in_transaction:
                execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file; the write-ahead log is folded into it, unless a commit has failed."""
        self._connection.close()


def open_store(path: Path, new: JournalIdentity) -> Store:
    """Open the journal file, made first with the identity ``new`` where there is none.

    Raises:
        JournalFailed: the file is not a sound journal of this program, or cannot be read or made.
    """
    check_library(apsw.sqlite_lib_version())
    try:
        if not path.exists():
            _create_in_place(path, new)
        check_header(path)
        wal = scan_wal(path)
        with ExitStack() as undo:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            undo.callback(connection.close)
            # A refusal must not fold a write-ahead log into a file that may be damaged.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(wal is not NO_WAL))
            _check_chain(path, connection, identity := _check_content(path, connection, wal))
            run_all(connection, f"PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            undo.pop_all()
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    return Store(path, connection, identity)


def read_records(path: Path, *, after: tuple[int, str] | None = None) -> Iterator[Record]:
    """Every record of a journal file as it is now, the whole chain checked; an engine may be writing it.

    ``after`` is sequence and hash of a record that is known to be sound: what follows it is read.

    Raises:
        JournalFailed: at the first record that is not what was written, naming it.
    """
    return (record for record, _ in _read(path, *(after or (0, None))))


def read_records_above(path: Path, sequence: int) -> Iterator[Record]:
    """The records above a sequence (at least 0), chained to the one that has it. Raises ``JournalFailed``."""
    return (record for record, _ in read_stored(path, sequence))


def read_stored(path: Path, sequence: int) -> Iterator[tuple[Record, bytes]]:
    """The same, each record with its payload as it is stored. Raises ``JournalFailed``."""
    if sequence < 0:
        raise ValueError(f"expected a sequence of at least 0, was {sequence}")
    return _read(path, sequence, None)


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """A connection that cannot write, and reads a file that has lost its last pages as far as it goes.

    Raises:
        apsw.Error: the file cannot be opened.
    """
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        # Otherwise such a file is refused as a whole.
        connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
        run_all(connection, PRAGMAS)
        yield connection


def read_identity(path: Path) -> JournalIdentity:
    """Whose journal a file is. Raises ``JournalFailed``."""
    try:
        check_header(path)
        with reading(path) as connection:
            return _identity(path, connection)
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def check_file(path: Path) -> JournalIdentity:
    """Check what lies around the records: the pages, the end of the write-ahead log, the identity; changes nothing.

    Raises:
        JournalFailed: something of it is not as it was written.
    """
    try:
        wal = scan_wal(path)
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            return _check_content(path, connection, wal)
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def check_library(version: str) -> None:
    """Refuse an SQLite that is known to damage files.

    Raises:
        JournalFailed: ``version`` is below ``LIBRARY_VERSION_MIN``.
    """
    if tuple(int(part) for part in version.split(".")) < LIBRARY_VERSION_MIN:
        expected = ".".join(map(str, LIBRARY_VERSION_MIN))
        raise JournalRefused(f"expected SQLite {expected} or newer, found {version}: update the package apsw")


def _create_in_place(path: Path, identity: JournalIdentity) -> None:
    """Make the file under another name and move it in place, so that it is there whole or not at all."""
    for suffix in ("-wal", "-shm"):
        if path.with_name(path.name + suffix).exists():
            raise _damaged(path, "the file itself", f"only its part {path.name}{suffix}")
    move_in_place(create_draft(path, identity), path)


def check_header(path: Path) -> None:
    """Check what can be told without opening the database, which may change a file.

    Raises:
        JournalFailed: it is no journal of this user that this program can read.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise _not_ours(path, "a regular file", "a link or a special file")
        if found.st_uid != os.geteuid():
            raise JournalRefused(f"{path}: expected a file of user {os.geteuid()}, found one of user {found.st_uid}")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise JournalRefused(f"{path}: expected mode 600, found {mode:o}: run chmod 600 on it")
        header = _header(path)
    except FileNotFoundError:
        raise JournalRefused(f"{path}: expected a journal, found none") from None
    except (apsw.Error, OSError) as error:
        raise JournalRefused(f"{path}: expected a readable journal, found: {error}. {RESTORE}") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_SQLITE_HEADER):
        raise _not_ours(path, "an SQLite file", f"{found.st_size} bytes of something else")
    application, version = int.from_bytes(header[68:72]), int.from_bytes(header[60:64])
    if application != APPLICATION_ID:
        raise _not_ours(path, "a journal of gridwright", f"an SQLite file of application {application:#x}")
    if version > FORMAT_VERSION:
        raise JournalRefused(
            f"{path}: expected journal format {FORMAT_VERSION} or older, found {version}: "
            "a newer gridwright wrote it; run that one, or start with --fresh, which sets it aside"
        )
    if version < FORMAT_VERSION:
        raise _not_ours(path, f"journal format {FORMAT_VERSION}", str(version))


def _header(path: Path) -> bytes:
    # Through SQLite: to open and close the file otherwise would drop the locks of every connection that
    # this process has on it, and another program's SQLite would delete the log that the engine writes.
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        return file.xRead(_HEADER_BYTES, 0)
    finally:
        file.xClose()


def _check_content(path: Path, connection: apsw.Connection, wal: WalScan) -> JournalIdentity:
    run_all(connection, PRAGMAS)
    found = str(connection.execute("PRAGMA quick_check(1)").get)
    if found != "ok":
        raise _damaged(path, "a sound file", found)
    _check_wal(path, connection, wal)
    # One moment of a file that an engine may be writing.
    run_all(connection, "BEGIN")
    identity = _identity(path, connection)
    sequence, last_hash = _read_head(path, connection)
    row = connection.execute("SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1").fetchone()
    if (row or (0, first_hash(identity))) != (sequence, last_hash):
        raise _damaged(path, f"record {sequence} as the last one", f"record {row[0] if row else 0}")
    run_all(connection, "COMMIT")
    return identity


def _check_wal(path: Path, connection: apsw.Connection, wal: WalScan) -> None:
    """``wal`` was read before, so what an engine that lives has written since is taken for whole."""
    frames = _frames(connection)
    lost = wal.lost_behind(frames)
    if lost and scan_wal(path).header == wal.header:
        raise _damaged(
            path,
            f"that {wal_of(path).name} ends with one unfinished transaction at most",
            f"a broken one after frame {frames} and {lost} more behind it",
        )


def _frames(connection: apsw.Connection) -> int:
    """How many frames of the write-ahead log are whole; an engine that is writing is waited for, for a moment."""
    for _ in range(_BUSY_TRIES):
        try:
            return connection.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)[0]
        except apsw.BusyError:
            Event().wait(_BUSY_SECONDS)
    return connection.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)[0]


def _identity(path: Path, connection: apsw.Connection) -> JournalIdentity:
    found = {str(name): str(value) for name, value in connection.execute("SELECT name, value FROM metadata")}
    try:
        identity = JournalIdentity(instance=found["instance"], created_ms=int(found["created_ms"]))
    except (KeyError, ValueError) as error:
        raise _damaged(path, "instance and time of creation", str(error)) from error
    if found.get("first_hash") != first_hash(identity):
        raise _damaged(path, f"the hash of instance {identity.instance}", str(found.get("first_hash")))
    return identity


def _read_head(path: Path, connection: apsw.Connection) -> tuple[int, str]:
    found = cast(list[tuple[int, str]], connection.execute("SELECT sequence, hash FROM head").fetchall())
    if len(found) != 1:
        raise _damaged(path, "one head", str(found))
    return found[0]


def _read(path: Path, after: int, known_hash: str | None) -> Iterator[tuple[Record, bytes]]:
    try:
        check_header(path)
        with reading(path) as connection:
            run_all(connection, "BEGIN")
            reached = 0, first_hash(_identity(path, connection))
            rows = connection.execute(_ROWS_FROM, (after,))
            if after:
                row = rows.fetchone()
                if row is None and _read_head(path, connection)[0] < after:
                    return
                known = _record_from_row(path, row or (), (after - 1, str(row[5]) if row else ""))
                reached = known.sequence, known.hash
                if known_hash not in (None, known.hash):
                    raise _damaged(path, f"record {after} with hash {known_hash}", known.hash)
            for row in rows:
                record = _record_from_row(path, row, reached)
                reached = record.sequence, record.hash
                yield record, cast(bytes, row[4])
            # Last, so that whoever repairs has had every sound record before.
            head = _read_head(path, connection)
            if reached != head:
                raise _damaged(path, f"record {head[0]} as the last one", f"record {reached[0]}")
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _check_chain(path: Path, connection: apsw.Connection, identity: JournalIdentity) -> None:
    """Every hash, before anything is decided on the records; what they say is read later."""
    reached = 0, first_hash(identity)
    for row in connection.execute(_ROWS_FROM, (0,)):
        stored = _checked(path, row, reached)
        reached = stored[0], stored[6]


def _record_from_row(path: Path, row: tuple[object, ...], previous: tuple[int, str]) -> Record:
    sequence, at_ms, grid, kind, payload, previous_hash, found_hash = _checked(path, row, previous)
    try:
        fact = fact_from_payload(kind, payload, sequence=sequence)
    except JournalFailed as error:
        raise JournalRefused(f"{path}: {error}. {REMEDY}") from error
    return Record(sequence=sequence, at_ms=at_ms, grid=grid, fact=fact, previous_hash=previous_hash, hash=found_hash)


def _checked(path: Path, row: tuple[object, ...], previous: tuple[int, str]) -> StoredRow:
    sequence, previous_hash = previous[0] + 1, previous[1]
    if tuple(map(type, row)) != STORED_TYPES:
        raise _damaged(path, f"the seven parts of record {sequence}", repr(row))
    stored = cast(StoredRow, row)
    found, at_ms, grid, kind, payload, found_previous, found_hash = stored
    if found != sequence:
        raise _damaged(path, f"record {sequence}", f"record {found}")
    if found_previous != previous_hash:
        raise _damaged(path, f"record {sequence} to follow hash {previous_hash}", found_previous)
    computed = hash_of_record(previous_hash, sequence, at_ms, grid, kind, payload)
    if computed != found_hash:
        raise _damaged(path, f"record {sequence} with hash {computed}", found_hash)
    return stored


def _damaged(path: Path, expected: str, found: str) -> JournalRefused:
    return JournalRefused(f"{path}: expected {expected}, found {found}. {REMEDY}")


def _not_ours(path: Path, expected: str, found: str) -> JournalRefused:
    return JournalRefused(f"{path}: expected {expected}, found {found}. {RESTORE}")


def _unreadable(path: Path, error: Exception) -> JournalRefused:
    return JournalRefused(f"{path}: expected a readable journal, found: {error}. {REMEDY}")

"""The state directory: where everything the engine writes lies, and that only one engine writes there.

Promises: it belongs to this user, nobody else can write to it, it lies on a disk of this
machine with room to spare, and it is held by one engine at a time. The files in it are others'.
"""

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.model.errors import SettingsInvalid

LOCK_NAME = "engine.lock"
ASIDE_NAME = "aside"
FREE_BYTES_MIN = 64 * 1024 * 1024
ACCOUNT_NAME = "account.json"
"""Which account the journal belongs to; none where it is of a simulation."""
KEPT_NAMES = (
    *(f"{name}{suffix}" for name in ("journal.db", "exchange.db") for suffix in ("", "-wal", "-shm", "-journal")),
    ACCOUNT_NAME,
)
"""What ``set_aside`` moves: each database before its parts, and last of all whose they are."""

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK_FILE_SYSTEMS = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.davfs2"),
        *("fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs"),
    )
)


def holder_of(state_dir: Path) -> str | None:
    """The process that holds a state directory, as it wrote itself down; None: nobody does.

    Not for a moment in which an engine of ours may be about to take it: asking holds the directory for an instant.
    """
    try:
        lock = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(lock)
    finally:
        os.close(lock)
    return None


def check_state_dir(folder: Path, *, free_bytes_min: int = FREE_BYTES_MIN) -> None:
    """What ``open_state_dir`` demands of a directory that is there; nothing is made and nothing is held.

    Raises:
        SettingsInvalid: not ours, writable by others or not by us, on a network, or full.
    """
    _check_owner(folder)
    _check_disk(folder, free_bytes_min)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsInvalid(f"state_dir {folder}: expected a directory to write in, found one that is read-only")


@contextmanager
def open_state_dir(path: Path, *, free_bytes_min: int = FREE_BYTES_MIN) -> Iterator[Path]:
    """Make or take the directory (mode 0700) and hold it for this engine alone; gives its absolute path.

    Raises:
        SettingsInvalid: not ours, writable by others, on a network, full, or held by another engine.
    """
    try:
        folder = path.expanduser().resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_owner(folder)
        _check_disk(folder, free_bytes_min)
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except (OSError, RuntimeError) as error:
        found = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else error
        raise SettingsInvalid(f"state_dir {path}: expected a directory to write in, found: {found}") from error
    try:
        _hold(folder, lock)
        yield folder
    finally:
        os.close(lock)


def set_aside(state_dir: Path, *, at_ms: int) -> Path | None:
    """Move the journal and the simulated exchange's books to ``aside/DATE``; None: there was nothing.

    ``at_ms`` dates the folder. All files are in the new place before one leaves the old, so a
    crash between loses nothing and a second call completes it. The caller holds the directory.

    Raises:
        SettingsInvalid: a file cannot be moved.
    """
    found = [state_dir / name for name in KEPT_NAMES if (state_dir / name).exists()]
    if not found:
        return None
    try:
        aside = _new_folder(state_dir / ASIDE_NAME, at_ms)
        for file in found:
            os.link(file, aside / file.name)
        _sync(aside)
        for file in found:
            file.unlink()
        _sync(state_dir)
    except OSError as error:
        raise SettingsInvalid(f"state_dir {state_dir}: cannot set the journal aside: {error}") from error
    return aside


def copy_aside(state_dir: Path, names: Sequence[str], *, at_ms: int) -> Path:
    """Copy those of the files that are there to ``aside/DATE``, durably. The caller holds the directory.

    Raises:
        SettingsInvalid: a file cannot be copied; nothing of the attempt is left.
    """
    try:
        aside = _new_folder(state_dir / ASIDE_NAME, at_ms)
    except OSError as error:
        raise SettingsInvalid(f"state_dir {state_dir}: cannot keep a copy aside: {error}") from error
    try:
        for name in names:
            if (state_dir / name).exists():
                _copy(state_dir / name, aside / name)
        _sync(aside)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise SettingsInvalid(f"state_dir {state_dir}: cannot keep a copy aside: {error}") from error
    return aside


def file_system_of(folder: Path, mounts: str) -> str:
    """Type of the file system a resolved path lies on, by the text of ``/proc/self/mountinfo``; else "".

    Source: proc(5): field 5 is the mount point, with octal escapes; the type follows the lone hyphen.
    """
    best, found = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        parts = before.split(" ")
        if len(parts) < 6 or not after:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), parts[4]))
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split(" ")[0]
    return found


def _check_owner(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(
            f"state_dir {folder}: expected a directory of user {os.geteuid()}, found one of user {found.st_uid}"
        )
    if found.st_mode & 0o022:
        mode = stat.S_IMODE(found.st_mode)
        raise SettingsInvalid(
            f"state_dir {folder}: expected that only its owner can write to it, found mode {mode:o}: "
            "run chmod 700 on it"
        )


def _check_disk(folder: Path, free_bytes_min: int) -> None:
    kind = file_system_of(folder, _MOUNTS.read_text()) if _MOUNTS.exists() else ""
    if kind in _NETWORK_FILE_SYSTEMS:
        raise SettingsInvalid(
            f"state_dir {folder}: expected a disk of this machine, found the network file system {kind}, "
            "which cannot keep a journal safely"
        )
    free = shutil.disk_usage(folder).free
    if free < free_bytes_min:
        raise SettingsInvalid(
            f"state_dir {folder}: expected at least {free_bytes_min} bytes of free space, found {free}"
        )


def _hold(folder: Path, lock: int) -> None:
    """Take the lock, which the system lets go of when the process ends, however it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsInvalid(
            f"state_dir {folder}: expected no other engine here, found one running as process {_holder(lock)}: "
            "attach to it, stop it, or use another --state-dir"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _holder(lock: int) -> str:
    return os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"


def _new_folder(parent: Path, at_ms: int) -> Path:
    parent.mkdir(mode=0o700, exist_ok=True)
    name = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    folder, count = parent / name, 1
    while folder.exists():
        count += 1
        folder = parent / f"{name}-{count}"
    folder.mkdir(mode=0o700)
    _sync(parent)
    return folder


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target, follow_symlinks=False)
    target.chmod(0o600)
    _sync(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The control socket as a file: made for its owner alone, never over something foreign.

Addresses of unix sockets are short (108 bytes); a longer path is reached through its
folder's descriptor where the system allows it.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.model.errors import SettingsInvalid

SOCKET_NAME = "control.sock"
_ADDRESS_BYTES_MAX = 100
_DESCRIPTORS = Path("/proc/self/fd")
_BACKLOG = 16


def socket_path(state_dir: Path) -> Path:
    """Where the control socket of an engine with this state folder lies."""
    return state_dir / SOCKET_NAME


@contextmanager
def open_address(path: Path) -> Iterator[str]:
    """An address of ``path`` that fits; good only inside the ``with``.

    Raises:
        OSError: the folder cannot be opened, or the path is too long for this system.
    """
    if len(os.fsencode(path)) <= _ADDRESS_BYTES_MAX:
        yield str(path)
        return
    if not _DESCRIPTORS.exists():
        raise OSError(errno.ENAMETOOLONG, f"expected a path of at most {_ADDRESS_BYTES_MAX} bytes", str(path))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"{_DESCRIPTORS}/{folder}/{path.name}"
    finally:
        os.close(folder)


def listening_socket(path: Path) -> socket.socket:
    """A listening socket at ``path`` with mode 0600; a folder that is missing is made with mode 0700.

    A socket left over from an engine that died is replaced, once nobody answers on it.

    Raises:
        SettingsInvalid: the path or its folder is not ours alone, or another engine answers there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SettingsInvalid(f"{path.parent}: expected a folder of ours, found: {error.strerror}") from error
    try:
        _check_folder(path.parent, os.fstat(folder))
        # Held while the old socket is proved dead and replaced, so that two engines starting
        # at once cannot take each other's; the system drops it with the descriptor.
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_stale(path)
        return _bound(path)
    except BlockingIOError:
        raise SettingsInvalid(f"{path}: another engine is starting there") from None
    except OSError as error:
        raise SettingsInvalid(f"{path}: expected a place for the control socket, found: {error.strerror}") from error
    finally:
        os.close(folder)


def remove_socket(path: Path, identity: tuple[int, int]) -> None:
    """Remove the socket file if it is still the one with this device and inode."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if (found.st_dev, found.st_ino) == identity:
        os.unlink(path)


def identity_of(path: Path) -> tuple[int, int]:
    """Device and inode of the socket file."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _check_folder(folder: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(f"{folder}: expected a folder of user {os.geteuid()}, found user {found.st_uid}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsInvalid(
            f"{folder}: expected a folder that only its owner may write to, found mode "
            f"{stat.S_IMODE(found.st_mode):04o} (chmod 700 makes it so)"
        )


def _remove_stale(path: Path) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise SettingsInvalid(f"{path}: expected a socket or nothing, found a symbolic link")
    if not stat.S_ISSOCK(found.st_mode):
        raise SettingsInvalid(f"{path}: expected a socket or nothing, found another file")
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(f"{path}: expected a socket of user {os.geteuid()}, found user {found.st_uid}")
    if _is_answered(path):
        raise SettingsInvalid(f"{path}: another engine is running with this state folder")
    os.unlink(path)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, open_address(path) as address:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # a full backlog: somebody listens
            return True
    return True


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        try:
            # Linux makes the file with the mode of the socket, so it is never wider, whatever the umask.
            os.fchmod(listener.fileno(), 0o600)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        with open_address(path) as address:
            listener.bind(address)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

"""Exchange keys in a file that its owner alone can read: TOML with ``api_key``, ``secret`` and ``password``.

Promises: everything is checked on the opened file and the opened folder, so nothing can be exchanged between
the check and the reading; a file is replaced whole or not at all, and is never readable by others, not for an
instant. What is wrong is told with the rule and, where there is one, the command that cures it.
"""

import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys
from engine.model.text import clean_text
from engine.runtime.keys_text import KeysProblem, keys_from_texts

FILE_BYTES_MAX = 64 * 1024
_NAMES = frozenset(("api_key", "secret", "password"))
_BEYOND_OWNER = 0o7777 & ~0o600
_WRITABLE_BY_OTHERS = 0o022


def read_keys_file(path: Path) -> ExchangeKeys:
    """The keys in the file at an absolute ``path``.

    Raises:
        SettingsInvalid: the file is missing, not ours alone, a link, or not what was expected.
    """
    found = _keys_in(_content(path))
    if isinstance(found, KeysProblem):
        raise SettingsInvalid(f"{_named(path)}: {found.text}")
    return found


def write_keys_file(path: Path, keys: ExchangeKeys) -> None:
    """Put the keys into the file at an absolute ``path``, mode 0600; a missing folder is made, mode 0700.

    Raises:
        SettingsInvalid: the folder is not safe or cannot be written, or a link is in the file's place.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _safe_folder(path) as folder:
            _check_place(path, folder)
            _replace(path, keys)
            os.fsync(folder)
    except (OSError, ValueError) as error:
        reason = _reason(error)
    else:
        return
    raise SettingsInvalid(f"{_named(path)}: expected a place to write the keys to, found: {reason}")


def _content(path: Path) -> bytes:
    try:
        with _safe_folder(path) as folder:
            # Not to block on a pipe that somebody has put there.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(path.name, flags, dir_fd=folder), "rb") as stream:
                _check_file(path, os.fstat(stream.fileno()))
                return stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        reason = "no file: gridwright keys set writes it"
    except (OSError, ValueError) as error:
        reason = "a link" if _is_link(path) else _reason(error)
    raise SettingsInvalid(f"{_named(path)}: expected a file with exchange keys, found {reason}")


@contextmanager
def _safe_folder(path: Path) -> Iterator[int]:
    """The opened folder of the file, in which nobody but its owner, who is this user or root, can write."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(folder)
        if found.st_uid not in (os.geteuid(), 0):
            raise SettingsInvalid(
                f"{_named(path)}: expected its folder to be owned by user {os.geteuid()}, "
                f"found one of user {found.st_uid}: move the file to a folder of your own"
            )
        if found.st_mode & _WRITABLE_BY_OTHERS:
            raise SettingsInvalid(
                f"{_named(path)}: expected a folder in which only its owner can write, "
                f"found mode {stat.S_IMODE(found.st_mode):04o}: run chmod 700 {_named(path.parent)}, "
                "or move the file to a folder of your own"
            )
        yield folder
    finally:
        os.close(folder)


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SettingsInvalid(f"{_named(path)}: expected a regular file with exchange keys, found another kind")
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(
            f"{_named(path)}: expected a file of user {os.geteuid()}, found one of user {found.st_uid}: "
            f"run chown {os.geteuid()} {_named(path)}"
        )
    if found.st_mode & _BEYOND_OWNER:
        raise SettingsInvalid(
            f"{_named(path)}: expected a file that only its owner can read, "
            f"found mode {stat.S_IMODE(found.st_mode):04o}: run chmod 600 {_named(path)}; "
            "if others may have read it, make new keys at the exchange"
        )


def _keys_in(content: bytes) -> ExchangeKeys | KeysProblem:
    if len(content) > FILE_BYTES_MAX:
        return KeysProblem(f"expected at most {FILE_BYTES_MAX} bytes, found more")
    try:
        document = tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        # The parser's own words may quote a part of the value.
        return KeysProblem('expected TOML such as api_key = "...", one key a line, found something else')
    if document.keys() - _NAMES:
        return KeysProblem("expected api_key, secret and password alone, found other keys")
    texts = {name: document.get(name, "") for name in _NAMES}
    if not all(isinstance(text, str) for text in texts.values()):
        return KeysProblem("expected every value in quotation marks, found another kind of value")
    return keys_from_texts(**texts)


def _check_place(path: Path, folder: int) -> None:
    try:
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise SettingsInvalid(
            f"{_named(path)}: expected no file, or a regular one to replace, found a link or another kind"
        )


def _replace(path: Path, keys: ExchangeKeys) -> None:
    import tomli_w

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".keys.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(tomli_w.dumps(_document(keys)).encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        # Gone if all went well; whatever went wrong, no second file with keys is left.
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _document(keys: ExchangeKeys) -> dict[str, str]:
    document = {"api_key": keys.api_key.reveal(), "secret": keys.secret.reveal()}
    return document if keys.password is None else {**document, "password": keys.password.reveal()}


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False


def _reason(error: OSError | ValueError) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)


def _named(path: Path) -> str:
    return clean_text(str(path), 1000)

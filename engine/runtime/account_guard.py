"""One state directory, one account; one account, one engine of this user.

Promises: a directory whose journal was made in another mode, on another exchange or account is refused before
anything is asked of the exchange; and no two engines of one user trade with one API key. What is kept of a
key is its fingerprint, from which nothing of it can be read.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Mode
from engine.model.text import clean_text
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.state_dir import ACCOUNT_NAME
from engine.settings import MarketType, Settings

_RECORD_BYTES_MAX = 4096
_OWN_FOLDER = "use another --state-dir for each account"
_LOCK_FOLDER = "accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a journal belongs to; ``key`` is the fingerprint of the API key, empty where none is used."""

    mode: Mode
    exchange: str
    market_type: MarketType
    sandbox: bool
    key: str

    def __str__(self) -> str:
        where = "sandbox" if self.sandbox else self.mode.value
        return f"{where} {self.exchange} {self.market_type}" + (f", key {self.key}" if self.key else "")


def account_of(settings: Settings, fingerprint: str) -> Account:
    """The account that these settings name; ``fingerprint`` of its API key, empty in paper."""
    exchange = settings.exchange
    return Account(
        mode=settings.engine.mode,
        exchange=exchange.id,
        market_type=exchange.market_type,
        sandbox=exchange.sandbox,
        key=fingerprint,
    )


def check_simulated(folder: Path) -> None:
    """Refuse to simulate where a journal of paper or live trading lies. Raises ``SettingsInvalid``."""
    if not (folder / JOURNAL_NAME).exists():
        # Left over where somebody took the journal away.
        (folder / ACCOUNT_NAME).unlink(missing_ok=True)
        return
    kept = _read(folder)
    if kept is not None:
        raise SettingsInvalid(
            f"state_dir {folder}: expected the journal of a simulation, found one of {kept}: {_OWN_FOLDER}"
        )


def take_account(folder: Path, account: Account, *, is_key_renewed: bool) -> None:
    """Make the directory this account's, or refuse where its journal is of another; before there is a journal.

    Raises:
        SettingsInvalid: the journal is of another mode, exchange or account, or the record cannot be read or kept.
    """
    if not (folder / JOURNAL_NAME).exists():
        _keep(folder, account)
        return
    kept = _read(folder)
    if kept == account:
        return
    is_same_but_key = kept is not None and bool(kept.key) and replace(kept, key=account.key) == account
    if is_same_but_key and is_key_renewed:
        _keep(folder, account)
        return
    made = "a simulation" if kept is None else str(kept)
    hint = "; if the account is the same and only its key was renewed, add --key-renewed" if is_same_but_key else ""
    raise SettingsInvalid(
        f"state_dir {folder}: expected the account of its journal ({made}), found {account}: {_OWN_FOLDER}{hint}"
    )


@contextmanager
def hold_account(account: Account, state_dir: Path) -> Iterator[None]:
    """Hold the account for this engine alone, on this machine and for this user; the system lets go of it
    when the process ends, however it ends.

    Raises:
        SettingsInvalid: another engine trades it, or the lock cannot be made.
    """
    folder = state_home() / _LOCK_FOLDER
    where = "sandbox-" if account.sandbox else ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{account.exchange}-{where}{account.key}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsInvalid(f"{folder}: expected a place for the account's lock, found: {error.strerror}") from error
    try:
        _hold(lock, account, state_dir)
        yield
    finally:
        os.close(lock)


def state_home() -> Path:
    """Where this user's programs keep their state: ``$XDG_STATE_HOME/gridwright``."""
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    return folder / "gridwright"


def _hold(lock: int, account: Account, state_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = clean_text(os.pread(lock, 1024, 0).decode(errors="replace").strip() or "an unknown process", 1000)
        raise SettingsInvalid(
            f"exchange {account.exchange}: expected no other engine on this account (key {account.key}), "
            f"found {holder}: attach to it, or end it with gridwright quit"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()} with the state_dir {state_dir}\n".encode(errors="replace"), 0)


def _keep(folder: Path, account: Account) -> None:
    """Write down, durably, whose journal lies here."""
    path, draft = folder / ACCOUNT_NAME, folder / f"{ACCOUNT_NAME}.new"
    try:
        handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(account), stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
        _sync(folder)
    except OSError as error:
        raise SettingsInvalid(f"{path}: expected a place to write, found: {error.strerror}") from error


def _read(folder: Path) -> Account | None:
    """The record; None where there is none. Raises ``SettingsInvalid`` where it is no record of ours."""
    path = folder / ACCOUNT_NAME
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_RECORD_BYTES_MAX))
        is_sound = isinstance(found["sandbox"], bool) and isinstance(found["key"], str)
        if not is_sound or not isinstance(found["exchange"], str):
            raise ValueError("expected the words of an account")
        return Account(
            mode=Mode(found["mode"]),
            exchange=clean_text(found["exchange"], 40),
            market_type=MarketType(found["market_type"]),
            sandbox=found["sandbox"],
            key=clean_text(found["key"], 64),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsInvalid(
            f"{path}: expected the record of the account whose journal lies beside it, found something else; "
            "restore it from a copy, or use another --state-dir"
        ) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

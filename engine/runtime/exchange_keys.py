"""Where the exchange keys are: the keyring of the operating system, the environment, or a file of the user's own.

Promises: keys come out wrapped, and no message, log or traceback of this road holds a part of one. The
configuration only says which place it is (``exchange.keys``).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from engine.model.errors import SettingsInvalid
from engine.model.secret import ExchangeKeys
from engine.model.text import clean_text
from engine.runtime.keys_file import read_keys_file, write_keys_file
from engine.runtime.keys_keyring import read_keyring, write_keyring
from engine.runtime.keys_text import KeysProblem, keys_from_texts
from engine.settings import ExchangeSettings

VARIABLES = ("GRIDWRIGHT_API_KEY", "GRIDWRIGHT_SECRET", "GRIDWRIGHT_PASSWORD")
_FILE = "file:"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringPlace:
    """The operating system's keyring, which lists them under ``service``."""

    service: str

    def __str__(self) -> str:
        return f"the keyring, as {self.service}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlace:
    """The environment variables of this process."""

    def __str__(self) -> str:
        return "the environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """A file; ``path`` is absolute."""

    path: Path

    def __str__(self) -> str:
        return f"the file {clean_text(str(self.path), 1000)}"


KeysPlace = KeyringPlace | EnvironmentPlace | FilePlace


def keys_place(settings: ExchangeSettings) -> KeysPlace:
    """Where the configuration says that the keys are; ``str()`` of it is for people."""
    if settings.keys.startswith(_FILE):
        return FilePlace(path=Path(settings.keys.removeprefix(_FILE)))
    if settings.keys == "env":
        return EnvironmentPlace()
    return KeyringPlace(service=f"gridwright:{settings.id}{':sandbox' if settings.sandbox else ''}")


def load_keys(settings: ExchangeSettings) -> ExchangeKeys:
    """The keys of the configured exchange; from the environment they can be taken once, then they are gone from it.

    Raises:
        SettingsInvalid: there are none, or the place is not safe; says what to do.
    """
    place = keys_place(settings)
    match place:
        case KeyringPlace():
            return read_keyring(place.service)
        case EnvironmentPlace():
            return _from_environment()
        case FilePlace():
            return read_keys_file(place.path)


def store_keys(settings: ExchangeSettings, keys: ExchangeKeys) -> None:
    """Put the keys where the configuration says that they are; what was there is replaced.

    Raises:
        SettingsInvalid: the place takes none, or is not safe; says what to do.
    """
    place = keys_place(settings)
    match place:
        case KeyringPlace():
            write_keyring(place.service, keys)
        case EnvironmentPlace():
            check_can_store(settings)
        case FilePlace():
            write_keys_file(place.path, keys)


def check_can_store(settings: ExchangeSettings) -> None:
    """Refuse before anybody types a key that could not be stored.

    Raises:
        SettingsInvalid: the configured place is the environment.
    """
    if isinstance(keys_place(settings), EnvironmentPlace):
        raise SettingsInvalid(
            'exchange.keys: expected keyring or file:PATH to store keys in, found "env": the program cannot change '
            f"the environment that it is started from; set {_listed()} there, or change exchange.keys"
        )


def _from_environment() -> ExchangeKeys:
    found = _taken_keys()
    if isinstance(found, KeysProblem):
        raise SettingsInvalid(f"environment: {found.text}; set {_listed()}")
    return found


def _taken_keys() -> ExchangeKeys | KeysProblem:
    # Taken out, so that no child process and no dump of the environment has them.
    api_key, secret, password = (os.environ.pop(name, "") for name in VARIABLES)
    return keys_from_texts(api_key=api_key, secret=secret, password=password)


def _listed() -> str:
    return f"{VARIABLES[0]} and {VARIABLES[1]}, and {VARIABLES[2]} if the exchange asks for a pass phrase"

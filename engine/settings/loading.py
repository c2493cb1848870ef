"""``config.toml`` to ``Settings``: where it is looked for, how it is read, every problem at once.

Promises: what comes out is complete and consistent in itself, paths are absolute, amounts
are exact. Left to the engine: everything that needs a market or an account (ticks, fees, money).
The validating library is imported only when a file is really read.
"""

import os
import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.model.errors import SettingsInvalid
from engine.model.text import clean_text
from engine.settings.values import Settings

EXAMPLE_FILE = Path(__file__).with_name("config.toml")
"""The shipped ``config.toml``; its values are the built-in defaults."""
FILE_BYTES_MAX = 1024 * 1024


def user_config_file() -> Path:
    """The user's own configuration: ``$XDG_CONFIG_HOME/gridwright/config.toml``."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path("~/.config").expanduser()
    return folder / "gridwright" / "config.toml"


def find_config() -> Path | None:
    """The configuration in effect when none is named: here, else the user's; None for the defaults."""
    for candidate in (Path("config.toml"), user_config_file()):
        if os.path.lexists(candidate):
            return candidate
    return None


def load_settings(path: Path | None, *, state_dir: Path | None = None) -> Settings:
    """Read and check a configuration file; ``path`` None gives the built-in defaults.

    ``state_dir`` overrules the file's, relative to the working folder.

    Raises:
        SettingsInvalid: with every problem of the file, ``FILE: key: expected ..., found ...``.
    """
    # Imported here: it brings pydantic, which costs more than everything else at start-up.
    from engine.settings.schema import settings_from_document

    source = EXAMPLE_FILE if path is None else path
    document = _read_document(source)
    folder = Path.cwd() if path is None else Path(os.path.abspath(path)).parent
    settings = settings_from_document(document, label=clean_text(str(source), 1000), folder=folder)
    settings = replace(settings, file=None if path is None else Path(os.path.abspath(path)))
    if state_dir is None:
        return settings
    return replace(settings, engine=replace(settings.engine, state_dir=expanded_state_dir(state_dir)))


def expanded_state_dir(path: Path) -> Path:
    """A state folder given on the command line, absolute.

    Raises:
        SettingsInvalid: ``~NAME`` names nobody.
    """
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError:
        raise SettingsInvalid(f"--state-dir: expected a folder, found {clean_text(str(path))}") from None


def _read_document(path: Path) -> dict[str, Any]:
    label = clean_text(str(path), 1000)
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except IsADirectoryError:
        raise SettingsInvalid(f"{label}: expected a file, found a directory") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsInvalid(f"{label}: expected a readable file, found: {reason}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise SettingsInvalid(f"{label}: expected at most {FILE_BYTES_MAX} bytes, found more")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsInvalid(f"{label}: line {line}: expected UTF-8 text, found other bytes") from None
    return _parse(text.removeprefix("\ufeff"), label)


def _parse(text: str, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise SettingsInvalid(f"{label}: expected simple TOML, found too deeply nested values") from None
    except ValueError as error:
        message = clean_text(str(error))
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        if place is None:
            raise SettingsInvalid(f"{label}: {message}") from None
        line, column = place[1] or text.count("\n") + 1, place[2]
        where = f"line {line}, column {column}" if column else f"line {line}"
        raise SettingsInvalid(f"{label}: {where}: {message[: place.start()]}") from None

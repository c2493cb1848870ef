"""Where an engine without a screen writes its log: stderr, or a file of its own that stays small."""

import logging
import os
import sys
import time
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.model.errors import SettingsInvalid

LOG_NAME = "engine.log"
LOG_BYTES_MAX = 5_000_000
LOGS_KEPT = 4
"""So many old logs lie beside the newest: ``engine.log.1`` is the youngest of them."""


def open_log(file: Path | None) -> None:
    """Send the program's log to ``file``, or to stderr where that is None.

    Raises:
        SettingsInvalid: the file cannot be written.
    """
    if file is None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
        return
    try:
        handler = _OwnLog(file, maxBytes=LOG_BYTES_MAX, backupCount=LOGS_KEPT, encoding="utf-8")
    except OSError as error:
        raise SettingsInvalid(f"{file}: expected a log to write, found: {error.strerror}") from error
    handler.setFormatter(_UtcFormatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


class _UtcFormatter(logging.Formatter):
    """In UTC, as everything else is."""

    def converter(self, seconds: float | None) -> time.struct_time:
        """The time of a line."""
        return time.gmtime(seconds)


class _OwnLog(RotatingFileHandler):
    """A log that only its owner can read, whatever the umask; its file is never reached through a link."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_own)


def _own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)

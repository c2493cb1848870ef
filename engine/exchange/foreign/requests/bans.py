"""Until when an exchange wants no request, kept in a file: a restart must not make a ban longer."""

import json
import os
from contextlib import suppress
from pathlib import Path

_LONGEST_MS = 3 * 86_400_000
"""No exchange bans for longer; a later time in the file is damage."""


class Bans:
    """The end of the present ban. ``file`` None keeps nothing."""

    def __init__(self, file: Path | None, *, now_ms: int) -> None:
        self._file = file
        self.until_ms = min(_kept(file), now_ms + _LONGEST_MS)
        """Nothing is asked before; 0: there never was a ban."""

    def extend(self, until_ms: int) -> None:
        """The exchange has named a time. A file that cannot be written changes nothing else."""
        if until_ms <= self.until_ms:
            return
        self.until_ms = until_ms
        if self._file is not None:
            with suppress(OSError):
                part = self._file.with_suffix(".part")
                part.write_text(json.dumps({"until_ms": until_ms}), "utf-8")
                os.replace(part, self._file)


def _kept(file: Path | None) -> int:
    if file is None:
        return 0
    try:
        kept = json.loads(file.read_text("utf-8"))
        return int(kept["until_ms"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 0

"""``gridwright journal replay``: make every decision of a journal again, or show the engine as it then was."""

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.output import DONE, FAILED, WRONG_USE, narrate, put
from engine.model.errors import JournalFailed
from engine.model.text import clean_text
from engine.model.times import time_text
from engine.settings import find_config, load_settings
from engine.status import status_json, status_text

if TYPE_CHECKING:
    from engine.runtime.replaying import Replay

_WORDS_MAX = 2_000


def run_replay(options: Namespace, path: Path) -> int:
    """Replay the journal file at ``path`` and return the exit code.

    ``options.until`` is the record after which the engine is shown, None to replay everything;
    ``options.json`` asks for one object. Only what is shown needs the configuration, which says
    what kind of run it was.

    Raises:
        JournalFailed: there is no journal, or it cannot be read.
        SettingsInvalid: the engine is to be shown, and the configuration cannot be read.
    """
    if not path.exists():
        raise JournalFailed(f"{path}: expected a journal, found none")
    if options.until is not None:
        return _show(path, options)
    # Imported here: decoding records brings a library that no other answer of the command line needs.
    from engine.runtime.journal_store import read_identity, read_records
    from engine.runtime.replaying import replay

    found = replay(read_records(path), instance=read_identity(path).instance)
    put(json.dumps(_replay_object(found), indent=2) if options.json else replay_text(found))
    return DONE if found.difference is None else FAILED


def replay_text(found: "Replay") -> str:
    """A replay for people."""
    difference = found.difference
    if difference is None:
        return f"reproduced exactly: {found.records:,} records, {found.decisions:,} decisions"
    where = f"record {difference.sequence:,} of grid {clean_text(difference.grid, 60)}, {time_text(difference.at_ms)}"
    before = f"{found.records:,} records before it were reproduced"
    return (
        f"not reproduced: {where}; {before}\n"
        f"  expected {clean_text(difference.expected, _WORDS_MAX)}\n"
        f"  found    {clean_text(difference.found, _WORDS_MAX)}"
    )


def _replay_object(found: "Replay") -> dict[str, Any]:
    difference = found.difference
    return {
        "reproduced": difference is None,
        "records": found.records,
        "decisions": found.decisions,
        "grids": list(found.grids),
        "difference": None
        if difference is None
        else {
            "sequence": difference.sequence,
            "time": time_text(difference.at_ms),
            "grid": difference.grid,
            "expected": difference.expected,
            "found": difference.found,
        },
    }


def _show(path: Path, options: Namespace) -> int:
    from engine.runtime.rewind import JournalHistory

    until: int = options.until
    settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    history = JournalHistory.open(path, settings)
    if not 1 <= until <= history.last_sequence:
        narrate(f"--until: expected a record from 1 to {history.last_sequence}, found {until}")
        return WRONG_USE
    frame = history.frame(until)
    make_text = status_json if options.json else status_text
    put(make_text(frame.snapshot))
    narrate(f"record {frame.sequence:,} of {frame.last_sequence:,}: {frame.event.text}")
    return DONE

"""Repair of a journal whose end is broken: everything is kept aside, then the longest sound beginning remains.

Only what cannot be trusted is cut off, and only where nothing whole lies behind it. A crash at
any step leaves either the damaged journal or the repaired one, and the copy aside.
"""

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import apsw

from engine.model.errors import JournalFailed
from engine.runtime.facts_codec import Row
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_making import create_draft, move_in_place
from engine.runtime.journal_report import Damage, report_on_journal
from engine.runtime.journal_store import (
    Store,
    read_identity,
    reading,
)
from engine.runtime.journal_wal import wal_of
from engine.runtime.state_dir import copy_aside

_ROWS_AT_ONCE = 5_000
_ADVICE = (
    "Nothing was changed. Restore the journal from a copy, or start with --fresh, which sets it aside "
    "and begins a new one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair did: the journal as it was lies in ``aside``; its first ``kept`` records remain.

    ``reason`` is what was wrong behind them.
    """

    aside: Path
    kept: int
    reason: str


def repair_journal(state_dir: Path, *, at_ms: int) -> Repaired | None:
    """Cut the broken end off the journal of a state directory, which the caller holds; None: it is sound.

    ``at_ms`` dates the folder in which everything is kept as it was.

    Raises:
        JournalFailed: it is no journal, damaged before its end, or cannot be written; nothing was changed.
        SettingsInvalid: there is no room for the copy; nothing was changed.
    """
    path = state_dir / JOURNAL_NAME
    damage = report_on_journal(path).damage
    if damage is None:
        return None
    if not damage.is_tail:
        raise JournalFailed(_refusal(damage))
    aside = copy_aside(state_dir, (path.name, wal_of(path).name), at_ms=at_ms)
    try:
        draft = _draft_of_the_sound(path, damage.sound)
        _fold_log(path)
        move_in_place(draft, path)
    except (apsw.Error, OSError) as error:
        raise JournalFailed(f"{path}: cannot be repaired: {error}. It is kept in {aside}") from error
    return Repaired(aside=aside, kept=damage.sound, reason=damage.reason)


def _refusal(damage: Damage) -> str:
    if damage.is_of_facts:
        return f"{damage.reason} What is written is what was meant to be, so nothing can be cut off. {_ADVICE}"
    return (
        f"{damage.reason} Expected nothing whole behind that place, found that record {damage.behind} is: "
        f"to cut there would lose what can still be read. {_ADVICE}"
    )


def _draft_of_the_sound(path: Path, count: int) -> Path:
    """A journal of the first ``count`` records of another, each as it is stored there."""
    with reading(path) as damaged:
        identity = read_identity(path)
        draft = create_draft(path, identity)
        with closing(apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            store = Store(draft, connection, identity)
            # Never further than the sound ones: the next step of the cursor may meet a broken page.
            rows = islice(damaged.execute("SELECT * FROM journal ORDER BY sequence"), count)
            while batch := cast(list[Row], list(islice(rows, _ROWS_AT_ONCE))):
                store.commit(batch)
    return draft


def _fold_log(path: Path) -> None:
    """Take the log's whole transactions into the damaged file, so that no log lies beside the repaired one."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_TRUNCATE)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

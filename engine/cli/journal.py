"""``gridwright journal verify | export | repair | replay``: what a journal holds, and whether it can be trusted.

Only ``repair`` changes anything, and only where no engine runs; the others work beside one.
"""

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.parser import JournalTask
from engine.model.errors import JournalFailed, JournalRefused, SettingsInvalid
from engine.model.times import time_text
from engine.settings import expanded_state_dir, find_config, load_settings

if TYPE_CHECKING:
    from engine.runtime.journal_report import Damage, JournalReport

_SQLITE_HEADER = b"SQLite format 3\x00"


def run_journal(options: Namespace) -> int:
    """Do a ``journal`` command and return the exit code; 1 where the journal is damaged.

    Raises:
        JournalFailed: there is no journal that this program can read.
        SettingsInvalid: the configuration cannot be read, or an engine runs where none may.
    """
    # Imported here: the library of the journal's file is heavy, and no other command needs it.
    from engine.runtime.journal_store import check_header

    path = _path(options)
    try:
        check_header(path)
    except JournalRefused as error:
        raise JournalRefused(_failure_text(options, error)) from error
    try:
        return _do(path, options)
    except JournalFailed as error:
        narrate(_failure_text(options, error))
        return FAILED


def _do(path: Path, options: Namespace) -> int:
    task = JournalTask(options.task)
    match task:
        case JournalTask.VERIFY:
            return _verify(path, options)
        case JournalTask.EXPORT:
            return _export(path, options)
        case JournalTask.REPAIR:
            return _repair(path)
        case JournalTask.REPLAY:
            from engine.cli.journal_replay import run_replay

            return run_replay(options, path)


def _failure_text(options: Namespace, error: JournalFailed) -> str:
    """The failure; of a file elsewhere without what only helps the journal of the state directory."""
    from engine.runtime.journal_store import REMEDY, RESTORE

    text = str(error)
    if getattr(options, "file", None) is None:
        return text
    return text.removesuffix(f" {REMEDY}").removesuffix(f" {RESTORE}")


def _path(options: Namespace) -> Path:
    from engine.runtime.journal_file import JOURNAL_NAME

    if getattr(options, "file", None) is not None:
        return Path(options.file)
    if options.state_dir is not None and options.config is None:
        return expanded_state_dir(options.state_dir) / JOURNAL_NAME
    try:
        settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    except SettingsInvalid as error:
        hint = "with --state-dir DIR alone, a journal is found without reading a configuration"
        raise SettingsInvalid(*error.problems, hint) from error
    return settings.engine.state_dir / JOURNAL_NAME


def _verify(path: Path, options: Namespace) -> int:
    from engine.runtime.journal_report import report_on_journal

    report = report_on_journal(path)
    put(json.dumps(_report_object(path, report), indent=2) if options.json else _report_text(path, report))
    if report.damage is None:
        return DONE
    narrate(report.damage.reason if options.file is not None else _damage_text(report.damage))
    return FAILED


def _report_object(path: Path, report: "JournalReport") -> dict[str, Any]:
    damage = report.damage
    return {
        "file": str(path),
        "sound": damage is None,
        "records": report.records,
        "grids": list(report.grids),
        "orders": report.orders,
        "fills": report.fills,
        "first": None if report.first_ms is None else time_text(report.first_ms),
        "last": None if report.last_ms is None else time_text(report.last_ms),
        "head": report.head_hash,
        "damage": None
        if damage is None
        else {"after": damage.sound, "reason": damage.reason, "repairable": damage.is_tail},
    }


def _report_text(path: Path, report: "JournalReport") -> str:
    sound = "sound" if report.damage is None else f"damaged after record {report.damage.sound:,}"
    lines = {
        "journal": str(path),
        "state": sound,
        "records": f"{report.records:,}",
        "grids": ", ".join(report.grids) or "none",
        "orders": f"{report.orders:,}",
        "fills": f"{report.fills:,}",
        "first": "none" if report.first_ms is None else time_text(report.first_ms),
        "last": "none" if report.last_ms is None else time_text(report.last_ms),
        "head": report.head_hash or "none",
    }
    return "\n".join(f"{name:<8} {value}" for name, value in lines.items())


def _damage_text(damage: "Damage") -> str:
    if damage.is_tail:
        cut = f"cuts off what is behind record {damage.sound:,}"
        return f"{damage.reason} gridwright journal repair keeps it all aside and {cut}"
    restore = "restore it from a copy, or start with --fresh, which sets it aside and begins a new journal"
    if damage.behind is None:
        return f"{damage.reason} It cannot be repaired: {restore}"
    return f"{damage.reason} Record {damage.behind:,} behind that is whole, so it cannot be repaired: {restore}"


def _export(path: Path, options: Namespace) -> int:
    if options.to is not None and options.to < options.start:
        raise SettingsInvalid(f"--to: expected at least {options.start} (--from), found {options.to}")
    lines = _lines(path, options.start, options.to)
    if options.output is None:
        count = _put_all(lines)
    else:
        try:
            # What a link leads to is written, the link stays.
            target = options.output.resolve()
            _check_target(target, path)
            count = _write(target, lines)
        except (OSError, RuntimeError) as error:
            found = (error.strerror or error) if isinstance(error, OSError) else error
            narrate(f"--output {options.output}: expected a file that can be written, found: {found}")
            return FAILED
    if count == 0:
        narrate(f"{path}: no record from {options.start:,} on, nothing exported")
    return DONE


def _put_all(lines: Iterator[str]) -> int:
    """Print the lines; returns how many."""
    number = 0
    for number, line in enumerate(lines, start=1):  # noqa: B007 - the last one is their count
        put(line)
    return number


def _check_target(target: Path, journal: Path) -> None:
    """The exported records replace no journal, and nothing that is no file.

    Raises:
        SettingsInvalid: they would.
    """
    if target.exists() and not target.is_file():
        found = "a folder" if target.is_dir() else "something else"
        raise SettingsInvalid(f"--output {target}: expected a file or a name that is free, found {found}")
    beside = target.parent == journal.resolve().parent and target.name.startswith(journal.name)
    if beside or _is_database(target):
        raise SettingsInvalid(
            f"--output {target}: expected a file that may be replaced, found one of a database: name another"
        )


def _is_database(path: Path) -> bool:
    """Whether a file, if there is one, is a journal or another SQLite file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def _lines(path: Path, first: int, last: int | None) -> Iterator[str]:
    from engine.runtime.facts_codec import KIND_OF_FACT
    from engine.runtime.journal_store import read_stored

    for record, payload in read_stored(path, first - 1):
        if last is not None and record.sequence > last:
            return
        yield json.dumps(
            {
                "sequence": record.sequence,
                "time": time_text(record.at_ms),
                "at_ms": record.at_ms,
                "grid": record.grid,
                "kind": KIND_OF_FACT[type(record.fact)],
                "payload": json.loads(payload),
                "previous_hash": record.previous_hash,
                "hash": record.hash,
            }
        )


def _write(target: Path, lines: Iterator[str]) -> int:
    """The whole file or none: a journal that turns out to be damaged leaves what stood there before.

    Returns how many lines were written.
    """
    number = 0
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the last one is their count
                file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return number


def _repair(path: Path) -> int:
    from engine.runtime.clock import RealClock
    from engine.runtime.journal_repair import repair_journal
    from engine.runtime.state_dir import open_state_dir

    with open_state_dir(path.parent) as folder:
        repaired = repair_journal(folder, at_ms=RealClock().now_ms())
    if repaired is None:
        narrate(f"{path} is sound: nothing to repair, nothing changed")
        return DONE
    narrate(
        f"{repaired.reason} Everything is kept as it was in {repaired.aside}; the first {repaired.kept:,} records "
        "remain, what was behind them is found again on the exchange by the reconciliation of the next start"
    )
    return DONE

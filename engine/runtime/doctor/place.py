"""The state directory: whether an engine could write there, and whether one does; and the journal in it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio

from engine.model.errors import JournalFailed, SettingsInvalid
from engine.remote.address import open_address, socket_path
from engine.runtime.doctor.finding import Finding, fail, failed, ok, skipped, warning
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.state_dir import check_state_dir, holder_of

FREE_BYTES_GOOD = 1024**3
WHOLE_BYTES_MAX = 64 * 1024 * 1024
"""A journal of more is looked at from outside only, for its records take long."""
_SOCKET_SECONDS = 3.0


async def look_at_state_dir(folder: Path) -> Sequence[Finding]:
    """Owner, rights, disk, and the engine that holds it."""
    finding = await anyio.to_thread.run_sync(_directory, folder, abandon_on_cancel=True)
    return [*finding, await _engine(folder)]


def _directory(folder: Path) -> list[Finding]:
    if not os.path.lexists(folder):
        return [_not_yet(folder)]
    try:
        check_state_dir(folder)
        free = shutil.disk_usage(folder).free
    except SettingsInvalid as problem:
        return failed("state directory", problem, "repair it, or use another --state-dir")
    except OSError as error:
        text = f"{folder}: expected a directory to write in, found: {error.strerror}"
        return [fail("state directory", text, "repair it, or use another --state-dir")]
    found = f"{folder}, ours alone to write, {free / 1024**3:.1f} GiB free"
    if free < FREE_BYTES_GOOD:
        return [warning("state directory", found, "make room: a journal that cannot be written halts the engine")]
    return [ok("state directory", found)]


def _not_yet(folder: Path) -> Finding:
    above = next(parent for parent in folder.parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return ok("state directory", f"{folder}, which is not there yet and can be made")
    return fail(
        "state directory",
        f"{folder}: expected that it can be made, found that {above} is not ours to write in",
        "use another --state-dir, or make it and give it to this user",
    )


async def _engine(folder: Path) -> Finding:
    holder = holder_of(folder)
    if holder is None:
        return ok("engine", "none runs here")
    try:
        with anyio.fail_after(_SOCKET_SECONDS), open_address(socket_path(folder)) as address:
            async with await anyio.connect_unix(address):
                return ok("engine", f"one runs as process {holder} and its control socket answers")
    except (OSError, TimeoutError):
        return warning(
            "engine",
            f"one runs as process {holder}, and its control socket does not answer",
            "wait until it has started; if that lasts, look at its log",
        )


async def look_at_journal(folder: Path) -> Sequence[Finding]:
    """Whether the journal can be trusted; every record of it where that is quick."""
    path = folder / JOURNAL_NAME
    if not path.exists():
        return [ok("journal", "none yet: an engine would begin anew")]
    return await anyio.to_thread.run_sync(lambda: list(_journal(path)), abandon_on_cancel=True)


def _journal(path: Path) -> Iterator[Finding]:
    # Imported here: the library of the journal's file is heavy.
    from engine.runtime.journal_report import report_on_journal
    from engine.runtime.journal_store import check_file

    try:
        if path.stat().st_size > WHOLE_BYTES_MAX:
            check_file(path)
            yield skipped(
                "journal",
                f"{path.stat().st_size / 1024**2:.0f} MiB, whole as a file; its records were not checked",
                "gridwright journal verify checks every record",
            )
            return
        report = report_on_journal(path)
    except JournalFailed as error:
        yield from failed("journal", error, "gridwright journal verify says more")
        return
    if report.damage is not None:
        text = f"sound for {report.damage.sound} records: {report.damage.reason}"
        yield fail("journal", text, "gridwright journal verify says more and what to do")
    else:
        grids = ", ".join(report.grids) or "no grid yet"
        yield ok("journal", f"{report.records} records, every hash right ({grids}; {report.fills} fills)")

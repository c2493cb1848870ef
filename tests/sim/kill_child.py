"""The real program, which notes what is durable where its killer can read it.

``python -m tests.sim.kill_child NOTES ARGUMENTS`` is ``gridwright ARGUMENTS``; on the file descriptor NOTES it
writes one line when the program begins, and one with sequence and hash of the journal's head after every commit:
later than the disk has it, earlier than the engine is told. A line is one ``write``, so a kill cannot tear it.
A commit in which a lattice changes is announced before it begins. With ``GRIDWRIGHT_TEST_EDITS`` set to the name of a
grid, that grid is edited again and again, as by an operator who cannot make up his mind.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import anyio
from anyio.abc import TaskStatus

from engine.model.commands import EditGrid, GridChange
from engine.model.errors import CommandRefused, EngineStopped
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import Row
from engine.runtime.journal_store import Store
from tui.main import main

BEGUN = "begun"
MIGRATING = "migrating"
EDITS = "GRIDWRIGHT_TEST_EDITS"
_EDIT_EVERY_SECONDS = 40


def note_commits(notes: int) -> None:
    """Have every commit of every journal noted from now on."""
    commit = Store.commit

    def commit_and_note(self: Store, rows: Sequence[Row]) -> None:
        if any("lattice_migrated" in row for row in rows):
            write_line(notes, MIGRATING)
        commit(self, rows)
        write_line(notes, f"{rows[-1][0]} {rows[-1][6]}")

    Store.commit = commit_and_note  # type: ignore[method-assign]


def edit_again_and_again(grid: str) -> None:
    """Have every engine of this process edit a grid as long as it lives."""
    run = Engine.run

    async def run_and_edit(self: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_edit, self, grid)
            await run(self, task_status=task_status)
            tasks.cancel_scope.cancel()

    Engine.run = run_and_edit  # type: ignore[method-assign]


async def _edit(engine: Engine, grid: str) -> None:
    await engine.wait_started()
    for number in count():
        await anyio.sleep(_EDIT_EVERY_SECONDS)
        lattice = engine.coordinators[grid].books.lattice
        slots = len(lattice.amounts)
        up = lattice.levels[1] - lattice.levels[0]
        changes = (
            GridChange(slots=slots + 3 if slots < 60 else slots - 20),
            GridChange(lower=lattice.levels[0] + up),
            GridChange(lower=lattice.levels[0] - up, upper=lattice.levels[-1] - up),
        )
        with suppress(CommandRefused, EngineStopped):
            await engine.command(EditGrid(grid=grid, change=changes[number % len(changes)]), by="test")


def write_line(notes: int, text: str) -> None:
    """Out of this process before anything else is done."""
    os.write(notes, f"{text}\n".encode())


if __name__ == "__main__":
    note_commits(int(sys.argv[1]))
    write_line(int(sys.argv[1]), BEGUN)
    if EDITS in os.environ:
        edit_again_and_again(os.environ[EDITS])
    raise SystemExit(main(sys.argv[2:]))

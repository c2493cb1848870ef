"""The real program, which notes what is durable where its killer can read it.

``python -m tests.sim.kill_child NOTES ARGUMENTS`` is ``gridwright ARGUMENTS``; on the file descriptor NOTES it
writes one line when the program begins, and one with sequence and hash of the journal's head after every commit:
later than the disk has it, earlier than the engine is told. A line is one ``write``, so a kill cannot tear it.
"""

import os
import sys
from collections.abc import Sequence

from engine.runtime.facts_codec import Row
from engine.runtime.journal_store import Store
from tui.main import main

BEGUN = "begun"


def note_commits(notes: int) -> None:
    """Have every commit of every journal noted from now on."""
    commit = Store.commit

    def commit_and_note(self: Store, rows: Sequence[Row]) -> None:
        commit(self, rows)
        write_line(notes, f"{rows[-1][0]} {rows[-1][6]}")

    Store.commit = commit_and_note  # type: ignore[method-assign]


def write_line(notes: int, text: str) -> None:
    """Out of this process before anything else is done."""
    os.write(notes, f"{text}\n".encode())


if __name__ == "__main__":
    note_commits(int(sys.argv[1]))
    write_line(int(sys.argv[1]), BEGUN)
    raise SystemExit(main(sys.argv[2:]))

"""The ``gridwright`` command: the terminal, or one of the commands that need no screen.

The screen's library is imported only when a screen is really wanted.
"""

import sys

from engine.cli import main as run_command_line
from engine.model.errors import SettingsInvalid
from engine.settings import Settings, Start


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says and return the exit code; None takes the program's own arguments."""
    return run_command_line(arguments, run_terminal=_run_terminal)


def _run_terminal(settings: Settings, *, start: Start) -> int:
    # The screen is drawn on stderr and its keys are read from stdin.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsInvalid("expected a terminal, found none; without one: gridwright run --headless")
    from tui.app import run_terminal

    return run_terminal(settings, start=start)


if __name__ == "__main__":
    raise SystemExit(main())

"""What the command line says: data to stdout, narration to stderr, and the exit codes."""

import os
import sys

from engine.model.errors import GridwrightError, SettingsInvalid
from engine.model.text import clean_text

DONE = 0
FAILED = 1
WRONG_USE = 2
"""Also: bad configuration."""
_LINE_MAX = 2000


def narrate(*lines: str) -> None:
    """Tell the person at the terminal, on stderr; text from outside is made safe to print."""
    for line in lines:
        print(clean_text(line, _LINE_MAX), file=sys.stderr)


def asked(*lines: str) -> str:
    """What the person at the terminal answers to the last of ``lines``; empty at the end of input."""
    narrate(*lines[:-1])
    print(clean_text(lines[-1], _LINE_MAX), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def is_confirmed(effect: str) -> bool:
    """Whether a person at the terminal has read ``effect`` and typed yes.

    Raises:
        SettingsInvalid: there is no terminal to ask on.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsInvalid("nothing was done: expected --yes, or a terminal to confirm this on", f"meant: {effect}")
    return asked(effect, "type yes to do it: ") == "yes"


def put(data: str) -> None:
    """Write data to stdout at once, so that a reader at the other end of a pipe has it.

    Raises:
        GridwrightError: it cannot be written, for example to a full disk.
        BrokenPipeError: nobody reads any more.
    """
    try:
        print(data, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        raise GridwrightError(f"stdout: expected room to write, found: {error.strerror or error}") from error


def leave_stdout() -> None:
    """Write nothing to stdout any more: Python must find nothing to flush when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

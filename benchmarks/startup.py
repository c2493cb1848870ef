"""Start-up in wall time: what a person waits for, against an interpreter that does nothing."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.table import Row, Unit
from benchmarks.timing import seconds_of
from benchmarks.worlds import GRID

TOP = Path(__file__).resolve().parents[1]
RUNS = 5
FIRST_SCREEN_MS_MAX = 1_500
_AGAINST = "python -c pass"
_SIMULATION = """
[simulation]
source = "synthetic"
speed = 60
"""
_TRADES = "running: started"
_DASHBOARD = b"SIMULATION"


def measure() -> Iterator[Row]:
    """Milliseconds, medians."""
    nothing = _milliseconds("-c", "pass")
    yield _row("python -c 'import engine.cli'", _milliseconds("-c", "import engine.cli"), nothing)
    yield _row("gridwright --version", _milliseconds("-m", "tui.main", "--version"), nothing)
    headless = 1000 * median(_seconds_until_trading() for _ in range(RUNS))
    yield _row("gridwright run --headless, until its grid runs", headless, nothing)
    painted = 1000 * median(_seconds_until_painted() for _ in range(RUNS))
    yield _row("gridwright on a pty, until its first screen", painted, nothing, target=FIRST_SCREEN_MS_MAX)
    yield Row(what="yardstick: python -c pass", value=nothing, unit=Unit.MILLISECONDS)


def _row(what: str, value: float, nothing: float, *, target: float | None = None) -> Row:
    return Row(what=what, value=value, unit=Unit.MILLISECONDS, yardstick=nothing, against=_AGAINST, target=target)


def _milliseconds(*arguments: str) -> float:
    command = [sys.executable, *arguments]

    def run() -> None:
        subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)

    return 1000 * median(seconds_of(run) for _ in range(RUNS))


def _seconds_until_trading() -> float:
    """From the command to the line on stderr that says that the grid runs."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "config.toml"
        config.write_text(_SIMULATION + GRID, encoding="utf-8")
        options = ["--config", str(config), "--state-dir", str(Path(name) / "state")]
        return _seconds_until_told([sys.executable, "-m", "tui.main", "run", "--headless", *options])


def _seconds_until_told(command: Sequence[str]) -> float:
    start = perf_counter()
    with subprocess.Popen(command, cwd=TOP, stderr=subprocess.PIPE, text=True) as process:
        lines = process.stderr
        if lines is None:
            raise AssertionError("stderr was asked for")
        told = next((perf_counter() for line in lines if _TRADES in line), None)
        process.terminate()
        rest = lines.read()
    if told is None:
        raise AssertionError(f"the engine ended before its grid ran: {rest}")
    return told - start


def _seconds_until_painted() -> float:
    """From the command to the first bytes of the dashboard on the terminal."""
    with tempfile.TemporaryDirectory() as name:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        command = [sys.executable, "-m", "tui.main", "--state-dir", str(Path(name) / "state")]
        start = perf_counter()
        with subprocess.Popen(command, cwd=TOP, stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            seen = b""
            while _DASHBOARD not in seen:
                seen += os.read(master, 65_536)
            painted = perf_counter() - start
            process.terminate()
            with suppress(OSError):  # the other end is closed: the terminal has ended
                while os.read(master, 65_536):
                    pass
        os.close(master)
    return painted

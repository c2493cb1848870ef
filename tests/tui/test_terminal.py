"""The program on a real pseudo-terminal: it restores what it changed, and refuses what it cannot draw on."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.settings import Start, load_settings
from tui import app as tui_app
from tui.app import run_terminal

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 30
LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def shown_terminal() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The app on a pty, once its first numbers are on the screen."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tui.show"],
        cwd=ROOT,
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        read_until(master, b"60,412.37")
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, wanted: bytes) -> bytes:
    """What the terminal was sent, up to ``wanted`` or its end."""
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([master], [], [], SECONDS_MAX)
        assert ready, f"waited for {wanted!r}, the terminal was silent after {seen[-200:]!r}"
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    return seen


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_app_in_order_and_gives_the_terminal_back(number: signal.Signals, code: int) -> None:
    with shown_terminal() as (process, master):
        process.send_signal(number)
        rest = read_until(master, b"\xff")
        assert LEAVE_ALTERNATE_SCREEN in rest
        assert SHOW_CURSOR in rest
        assert process.wait(SECONDS_MAX) == code


def test_q_and_y_leave_with_zero() -> None:
    with shown_terminal() as (process, master):
        os.write(master, b"q")
        read_until(master, b"Leave Gridwright?")
        os.write(master, b"y")
        assert LEAVE_ALTERNATE_SCREEN in read_until(master, b"\xff")
        assert process.wait(SECONDS_MAX) == 0


@pytest.mark.parametrize(
    "is_terminal, term, said",
    [
        (False, "xterm", "expected a terminal, found none; without one: gridwright run --headless\n"),
        (True, "dumb", "TERM=dumb cannot show a screen; without one: gridwright run --headless\n"),
    ],
)
def test_where_nothing_can_be_drawn_it_says_so_and_starts_no_engine(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    is_terminal: bool,
    term: str,
    said: str,
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(tui_app, "is_terminal", lambda: is_terminal)
    state_dir = tmp_path / "state"
    assert run_terminal(load_settings(None, state_dir=state_dir), start=Start(is_fresh=True)) == 2
    assert capsys.readouterr() == ("", said)
    assert not state_dir.exists()

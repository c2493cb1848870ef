"""A terminal that nobody reads must not be felt by the engine: real process, real pty, control socket as witness."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import anyio
import pytest

from engine.api import connect
from engine.model.errors import EngineStopped
from engine.model.snapshot import EngineSnapshot

STALL_SECONDS = 6.0
DELAY_SECONDS_MAX = 0.05
_CONFIG = """
[simulation]
seed = 7
speed = 1800
[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 52000
upper = 68000
slots = 40
quote_per_slot = 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a witness saw: the longest wait for an answer, and how far market and story went."""

    wait_seconds_max: float
    market_seconds: float
    events: int


class Terminal:
    """The program in a pty whose reader can stop reading."""

    def __init__(self, folder: Path) -> None:
        config = folder / "config.toml"
        config.write_text(_CONFIG)
        self.state_dir = folder / "state"
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        options = ["--config", str(config), "--state-dir", str(self.state_dir)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.main", *options],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._may_read = threading.Event()
        self._may_read.set()
        self.bytes_read = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stall(self) -> None:
        self._may_read.clear()

    def close(self) -> None:
        self._may_read.set()
        self.process.terminate()
        self.process.wait(30)
        self._reader.join(10)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            self._may_read.wait()
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            if not data:
                return
            self.bytes_read += len(data)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


async def test_a_terminal_that_is_not_read_for_six_seconds_delays_the_engine_by_less_than_50_ms(
    terminal: Terminal,
) -> None:
    """I11: The same watch with and without a reader; a shared loop would be silent for five of the six seconds."""
    await _until_running(terminal)
    read = await _watch(terminal)
    terminal.stall()
    before = terminal.bytes_read
    stalled = await _watch(terminal)
    print(f"longest wait: {read.wait_seconds_max * 1000:.1f} ms read, {stalled.wait_seconds_max * 1000:.1f} ms stalled")
    assert terminal.bytes_read - before < 70_000, "the pty was read after all"
    assert stalled.market_seconds > 0.8 * read.market_seconds
    assert stalled.events > 0, "orders went on being placed and filled"
    # On a busy machine even a reader that keeps up is answered late: then that is the measure.
    assert stalled.wait_seconds_max < max(DELAY_SECONDS_MAX, 2 * read.wait_seconds_max)


async def _until_running(terminal: Terminal) -> None:
    with anyio.fail_after(60):
        while True:
            try:
                if (await _look(terminal)).state == "running":
                    return
            except EngineStopped:
                await anyio.sleep(0.05)


async def _watch(terminal: Terminal) -> Watch:
    """Ask the engine again and again for the length of a stall."""
    client = await connect(terminal.state_dir / "control.sock")
    try:
        first = await client.snapshot()
        last_event = (await client.events(0, 1))[-1].number
        longest, until = 0.0, perf_counter() + STALL_SECONDS
        while perf_counter() < until:
            asked = perf_counter()
            last = await client.snapshot()
            longest = max(longest, perf_counter() - asked)
            await anyio.sleep(0.005)
        events = (await client.events(last_event, 2_000))[-1:]
    finally:
        await client.close()
    return Watch(
        wait_seconds_max=longest,
        market_seconds=(last.at_ms - first.at_ms) / 1000,
        events=events[0].number - last_event if events else 0,
    )


async def _look(terminal: Terminal) -> EngineSnapshot:
    client = await connect(terminal.state_dir / "control.sock")
    try:
        return await client.snapshot()
    finally:
        await client.close()

"""The real program in processes of its own: a folder with a configuration, data and a state directory."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio

from engine.api import connect
from engine.model.errors import EngineStopped
from engine.model.snapshot import EngineSnapshot

TOP = Path(__file__).parent.parent
RUN = ("run", "--headless")
RUN_TO_END = (*RUN, "--until-end")
START_MS = 1_583_020_800_000
GRID = """
[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 52000
upper = 68000
slots = 40
quote_per_slot = 100
"""
REPLAY = '[simulation]\nsource = "replay"\npath = "candles.csv"\nspeed = 0\n' + GRID
SYNTHETIC = "[simulation]\nspeed = 3600\n" + GRID


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a process ended, and what it said; ``trouble`` is what it told beyond the log of events."""

    code: int
    out: str
    err: str

    @property
    def trouble(self) -> list[str]:
        return [line for line in self.err.splitlines() if not line.startswith("INFO ")]

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.out)
        return status

    @property
    def grid(self) -> dict[str, Any]:
        grid: dict[str, Any] = self.status["grids"][0]
        return grid


class Place:
    """A folder in which the program is run, with ``my.toml``, ``candles.csv`` and ``state``."""

    def __init__(self, folder: Path, config: str = REPLAY) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.data = folder / "candles.csv"
        self.data.write_text(candles())
        self.configure(config)

    def configure(self, text: str) -> None:
        (self.folder / "my.toml").write_text(text)

    def run(self, *words: str, config: str = "my.toml", state: Path | None = None) -> Outcome:
        """Run the program to its end."""
        with self._process(*words, config=config, state=state) as process:
            out, err = process.communicate(timeout=120)
        return Outcome(code=process.returncode, out=out, err=err)

    @contextmanager
    def start(self, *words: str, state: Path | None = None) -> Iterator["Running"]:
        """Run the program beside the test; killed if the test has not ended it."""
        with self._process(*words, config="my.toml", state=state) as process:
            try:
                yield Running(process, (state or self.state) / "control.sock")
            finally:
                process.kill()

    def digests(self) -> dict[str, str]:
        """What lies in the state directory, byte for byte, but for the note of who held it."""
        files = (path for path in self.state.rglob("*") if path.is_file() and path.name != "engine.lock")
        return {str(path.relative_to(self.state)): sha256(path.read_bytes()).hexdigest() for path in files}

    def _process(self, *words: str, config: str, state: Path | None) -> subprocess.Popen[str]:
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg"), "PYTHONPATH": str(TOP)}
        options = ["--config", config, "--state-dir", str(state or self.state)]
        return subprocess.Popen(
            [sys.executable, "-m", "tui.main", *options, *words],
            cwd=self.folder,
            env={**os.environ, **home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Running:
    """A program at work, and its control socket."""

    def __init__(self, process: subprocess.Popen[str], socket: Path) -> None:
        self.process = process
        self.socket = socket

    async def wait_for(self, is_so: Callable[[EngineSnapshot], bool]) -> EngineSnapshot:
        """Look until a snapshot is as it should be."""
        with anyio.fail_after(60):
            while True:
                try:
                    snapshot = await self.look()
                except EngineStopped:
                    assert self.process.poll() is None, self.process.communicate()
                else:
                    if is_so(snapshot):
                        return snapshot
                await anyio.sleep(0.02)

    async def look(self) -> EngineSnapshot:
        client = await connect(self.socket)
        try:
            return await client.snapshot()
        finally:
            await client.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> Outcome:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return Outcome(code=self.process.returncode, out=out, err=err)


def candles(count: int = 300, *, columns: str = "ts_ms,open,high,low,close,volume") -> str:
    """A walk of one-minute candles around 60000, always the same."""
    dice = random.Random(3)
    lines, price = [columns], 60_000.0
    for minute in range(count):
        close = min(max(round(price * (1 + dice.gauss(0, 0.004)), 2), 52_500), 67_500)
        high, low = round(max(price, close) + 20, 2), round(min(price, close) - 20, 2)
        lines.append(f"{START_MS + 60_000 * minute},{price},{high},{low},{close},1")
        price = close
    return "\n".join(lines) + "\n"


def has_traded(snapshot: EngineSnapshot) -> bool:
    """Some order was filled."""
    return any(grid.cycles or grid.inventory for grid in snapshot.grids)

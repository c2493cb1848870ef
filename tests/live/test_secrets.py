"""Planted keys trade through a storm on a real exchange's protocol: nothing that is said, shown or written has one."""

import json
import os
import random
import signal
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
import tomli_w

from engine.api import connect
from engine.model.snapshot import EngineSnapshot
from tests.canary import CANARY_KEYS, assert_no_secret, plant_keys_file
from tests.live.forks import Fork, Forks, open_forks
from tests.live.program import LIVE, MARKET, config_of
from tests.loopback.faults import Fault
from tests.loopback.server import LoopbackServer, loopback
from tests.program import Outcome
from tui.app import GridwrightApp

STORM_SECONDS = 4.0
SIZE = (120, 40)
SCREENS = ("", "enter", "R", "l", "m", "question_mark")


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with open_forks() as forks:
        yield forks


class Life:
    """A folder in which the program trades on a server with planted keys, and what all of it said."""

    def __init__(self, forks: Forks, server: LoopbackServer, folder: Path) -> None:
        server.api_key, server.secret = CANARY_KEYS.api_key.reveal(), CANARY_KEYS.secret.reveal()
        self.folder, self.state = folder, folder / "state"
        self.said: dict[str, Outcome] = {}
        self._forks = forks
        document = tomllib.loads(config_of(server))
        document["exchange"]["keys"] = f"file:{plant_keys_file(folder / 'keys')}"
        (folder / "my.toml").write_text(tomli_w.dumps(document))

    async def start(self, *words: str) -> Fork:
        places = ["--config", "my.toml", "--state-dir", "state"]
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg"), "XDG_STATE_HOME": ""}
        return await self._forks.start(
            self.folder, [*places, *words], environment=home, open_seconds=20, is_logged_in_full=True
        )

    async def run(self, *words: str) -> None:
        self.said[" ".join(words)] = await self._forks.end(await self.start(*words))

    async def end(self, fork: Fork) -> Outcome:
        os.kill(fork.process, signal.SIGTERM)
        end = self.said["run"] = await self._forks.end(fork)
        return end


async def storm(server: LoopbackServer) -> None:
    """The market wanders while everything goes wrong; at the end the exchange no longer takes the key."""
    dice = random.Random(1)
    server.faults.storm(2.0)
    # Bybit's lasts ten minutes.
    server.faults.set_chance(Fault.BAN, 0)
    with anyio.move_on_after(STORM_SECONDS):
        while True:
            server.venue.print_trade(MARKET, Decimal(60_000 + dice.randrange(-3_000, 3_000)))
            await anyio.sleep(0.05)
    server.faults.calm()
    server.secret = "x" * 20
    count = len(server.requests)
    await server.until(lambda: len(server.requests) > count + 2, 20)
    server.secret = CANARY_KEYS.secret.reveal()


async def calm(server: LoopbackServer) -> None:
    """The market trades a little."""
    while True:
        server.venue.print_trade(MARKET, Decimal(60_000))
        await anyio.sleep(0.1)


async def screens(socket: Path) -> list[str]:
    """What a terminal shows that is attached to the engine."""
    client = await connect(socket)
    app = GridwrightApp(client)
    shown = []
    async with app.run_test(size=SIZE) as pilot:
        for key in SCREENS:
            if key:
                await pilot.press(key)
            await pilot.pause(0.3)
            shown.append(app.export_screenshot())
            if key:
                await pilot.press("escape")
    await client.close()
    return shown


async def at_work(socket: Path) -> EngineSnapshot:
    """Wait until orders rest."""
    with anyio.fail_after(30):
        while True:
            if socket.exists():
                client = await connect(socket)
                snapshot = await client.snapshot()
                await client.close()
                if sum(slot.order is not None for grid in snapshot.grids for slot in grid.slots) >= 19:
                    return snapshot
            await anyio.sleep(0.05)


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
async def test_nothing_of_a_life_in_a_storm_holds_a_key(protocol: str, forks: Forks, tmp_path: Path) -> None:
    """Log with everything for debugging, journal, books, commands, doctor, pre-flight, export, screens."""
    async with loopback(protocol, seed=5) as server:
        life = Life(forks, server, tmp_path)
        engine = await life.start(*LIVE)
        await at_work(life.state / "control.sock")
        await storm(server)
        shown = await screens(life.state / "control.sock")
        for line in ("status --json", "events --json --limit 1000", "status", "keys check"):
            await life.run(*line.split())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(calm, server)
            await life.run("doctor", "--json")
            tasks.cancel_scope.cancel()
        end = await life.end(engine)
        for line in ("preflight --all --json", "journal export --output export.jsonl"):
            await life.run(*line.split())
        requests = len(server.requests)
    assert end.code == 0, end.err
    assert requests > 100
    assert "DEBUG" in end.err
    assert len(json.loads(life.said["status --json"].out)["grids"]) == 1
    assert len((tmp_path / "export.jsonl").read_text().splitlines()) > 50
    assert all(len(svg) > 10_000 for svg in shown)
    assert_no_secret(tmp_path, *shown, *(text for one in life.said.values() for text in (one.out, one.err)))
    assert [name for name, one in life.said.items() if "Traceback" in one.err] == []

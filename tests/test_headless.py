"""The engine without a screen, end to end: the real program, its socket, its signals, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.model.snapshot import EngineSnapshot
from tests.program import REPLAY, RUN, RUN_TO_END, SYNTHETIC, TOP, Place, has_traded

ENGINE_KEYS = {"state", "reason", "mode", "exchange", "connection", "time"}
GRID_KEYS = {
    *("name", "symbol", "state", "price", "regime", "blocks", "slots", "profit", "inventory", "cycles"),
    "discrepancies",
}
SLOT_KEYS = {"index", "lower", "upper", "state", "quantity", "order"}
ORDER_KEYS = {"client_order_id", "side", "price", "amount", "filled", "status"}
PROFIT_KEYS = {"grid", "floating", "fees", "total", "residual"}
NAMING_IMPORTS = """
import sys
from tui.main import main
code = main(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""


def ask(place: Place, *words: str) -> str:
    """What the program answers about the running engine: its data, else its narration."""
    outcome = place.run(*words)
    assert outcome.code == 0, outcome.err
    return outcome.out or outcome.err


def status_of(place: Place) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(ask(place, "status", "--json"))
    return status


def is_stopped(snapshot: EngineSnapshot) -> bool:
    return all(grid.state == "stopped" for grid in snapshot.grids)


def is_flat(status: dict[str, Any]) -> bool:
    return all(slot["order"] is None for grid in status["grids"] for slot in grid["slots"])


def test_without_a_screen_neither_its_library_nor_that_of_real_exchanges_is_imported(tmp_path: Path) -> None:
    place = Place(tmp_path)
    options = ["--config", str(tmp_path / "my.toml"), "--state-dir", str(place.state)]
    child = subprocess.run(
        [sys.executable, "-c", NAMING_IMPORTS, *options, *RUN_TO_END],
        cwd=TOP,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, *modules = child.stderr.splitlines()[-1].split(" ")
    assert code == "0"
    assert "apsw" in modules, "the engine has run"
    assert {module.split(".")[0] for module in modules} & {"textual", "rich", "ccxt"} == set()


def test_until_end_prints_one_object_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    """Exactly one: whatever reads it need not look for its end."""
    outcome = Place(tmp_path).run(*RUN_TO_END)
    assert (outcome.code, outcome.trouble) == (0, [])
    status = outcome.status
    (grid,) = status["grids"]
    assert [name for name in ENGINE_KEYS if name not in status["engine"]] == []
    assert [name for name in GRID_KEYS if name not in grid] == []
    assert [name for name in PROFIT_KEYS if name not in grid["profit"]] == []
    assert len(grid["slots"]) == 40
    orders = [slot["order"] for slot in grid["slots"] if slot["order"] is not None]
    assert len(orders) == 24
    assert all(slot.keys() >= SLOT_KEYS for slot in grid["slots"])
    assert all(order.keys() >= ORDER_KEYS for order in orders)
    assert (grid["profit"]["residual"], grid["state"], status["engine"]["connection"]) == ("0", "running", "ended")


def test_a_status_that_finds_no_room_on_stdout_is_one_line(tmp_path: Path) -> None:
    place = Place(tmp_path)
    options = ["--config", str(tmp_path / "my.toml"), "--state-dir", str(place.state)]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "tui.main", *options, *RUN_TO_END],
            env={**os.environ, "PYTHONPATH": str(TOP)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "stdout: expected room to write, found: No space left on device"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_ends_it_in_order_and_the_next_start_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    place = Place(tmp_path, SYNTHETIC)
    with place.start(*RUN) as running:
        before = await running.wait_for(has_traded)
        ended = running.end(number)
    assert (ended.code, ended.out, ended.trouble) == (0, "", [])
    # What was under way in that instant may still be told between the two lines.
    *told, last = ended.err.splitlines()
    assert f"INFO {number.name}: closing" in told
    assert last == f"INFO closed; the state is kept in {place.state}"
    assert not running.socket.exists()
    with place.start(*RUN) as running:
        after = await running.wait_for(lambda snapshot: snapshot.state == "running")
        assert running.end().code == 0
    assert after.started_ms >= before.at_ms
    assert after.grids[0].cycles >= before.grids[0].cycles
    assert (after.grids[0].anchor, after.grids[0].profit.residual) == (before.grids[0].anchor, Decimal(0))


async def test_a_killed_engine_goes_on_with_its_books_explained(tmp_path: Path) -> None:
    place = Place(tmp_path, SYNTHETIC)
    with place.start(*RUN) as running:
        before = await running.wait_for(has_traded)
        running.process.kill()
        running.process.wait()
    with place.start(*RUN) as running:
        after = await running.wait_for(lambda snapshot: snapshot.state == "running")
        assert after.grids[0].cycles >= before.grids[0].cycles
        assert after.grids[0].profit.residual == 0
        assert running.end().code == 0


async def test_fresh_begins_anew_and_keeps_the_old_aside(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run(*RUN_TO_END)
    old = place.digests()
    again = place.run(*RUN_TO_END)
    assert "btc opened" not in again.err
    fresh = place.run(*RUN_TO_END, "--fresh")
    assert "btc opened 40 slots (41 levels) from 52000 to 68000 around 60000" in fresh.err
    (aside,) = (place.state / "aside").iterdir()
    assert sorted(path.name for path in aside.iterdir()) == ["exchange.db", "journal.db"]
    assert place.digests()["journal.db"] == old["journal.db"], "the same market was traded alike"
    assert fresh.grid["profit"] == again.grid["profit"]


async def test_every_command_works_on_a_running_engine_from_another_process(tmp_path: Path) -> None:
    place = Place(tmp_path, SYNTHETIC)
    with place.start(*RUN) as running:
        await running.wait_for(has_traded)
        assert running.socket.stat().st_mode & 0o777 == 0o600
        assert status_of(place)["engine"]["state"] == "running"
        assert "btc  BTC/USDT  running" in ask(place, "status")
        events = [json.loads(line) for line in ask(place, "events", "--json").splitlines()]
        assert [event["number"] for event in events] == list(range(events[0]["number"], events[-1]["number"] + 1))
        assert ask(place, "pause") == "btc: paused, resting entries are being cancelled\n"
        assert status_of(place)["grids"][0]["state"] == "paused"
        assert ask(place, "resume") == "btc: running\n"
        assert ask(place, "freeze", "7") == "btc: slot 7 is frozen\n"
        assert (await running.look()).grids[0].slots[7].freeze_reason is not None
        assert ask(place, "thaw", "7", "--grid", "btc") == "btc: slot 7 trades again\n"
        assert (await running.look()).grids[0].slots[7].freeze_reason is None
        assert (
            ask(place, "stop", "--cancel") == "btc: stopping, its orders are being cancelled, its inventory is kept\n"
        )
        await running.wait_for(is_stopped)
        assert is_flat(status_of(place))
        assert running.end().code == 0


@pytest.mark.parametrize("on_exit", ["leave", "cancel", "flatten"])
async def test_on_exit_says_what_becomes_of_orders_and_inventory(on_exit: str, tmp_path: Path) -> None:
    """The next start shows what the last end left."""
    place = Place(tmp_path, f'[engine]\non_exit = "{on_exit}"\n' + SYNTHETIC)
    with place.start(*RUN) as running:
        await running.wait_for(lambda snapshot: has_traded(snapshot) and snapshot.grids[0].inventory > 0)
        assert running.end().code == 0
    with place.start(*RUN) as running:
        snapshot = await running.wait_for(lambda snapshot: snapshot.state == "running")
        assert running.end().code == 0
    (grid,) = snapshot.grids
    orders = sum(slot.order is not None for slot in grid.slots)
    assert (grid.state, orders > 0, grid.inventory > grid.dust) == {
        "leave": ("running", True, True),
        "cancel": ("stopped", False, True),
        "flatten": ("stopped", False, False),
    }[on_exit]
    assert grid.profit.residual == 0


def test_a_replay_goes_on_to_the_same_end_however_often_it_is_begun(tmp_path: Path) -> None:
    """The second start finds the data at its end and changes nothing."""
    place = Place(tmp_path, REPLAY)
    first, second = place.run(*RUN_TO_END), place.run(*RUN_TO_END)
    assert second.code == 0
    names = ("slots", "profit", "inventory", "cycles", "price", "state")
    assert [second.grid[name] for name in names] == [first.grid[name] for name in names]

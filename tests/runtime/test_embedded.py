"""The engine on its own thread: who asks may leave at any time, and the engine does not care."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from engine.model.commands import Pause
from engine.model.errors import EngineStopped
from engine.model.snapshot import EngineState
from engine.runtime.embedded import EmbeddedEngine
from engine.settings import load_settings


@pytest.fixture
def faults(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the engine's loop had to complain about, of which there must be nothing."""
    found: list[str] = []
    yield found
    found.extend(record.getMessage() for record in caplog.records if record.name == "asyncio")
    assert found == []


@pytest.mark.usefixtures("faults")
async def test_who_asks_may_leave_before_the_answer(tmp_path: Path) -> None:
    engine = EmbeddedEngine(load_settings(None, state_dir=tmp_path / "state"), fresh=False)
    engine.wait_ready(30)
    for _ in range(50):
        with anyio.move_on_after(0):
            await engine.snapshot()
    with anyio.move_on_after(0):
        await engine.send(Pause(grid="btc"))
    assert (await engine.snapshot()).state is EngineState.RUNNING
    await engine.close()
    with pytest.raises(EngineStopped):
        await engine.snapshot()


async def test_a_snapshot_may_be_asked_for_before_the_engine_is_there(tmp_path: Path) -> None:
    engine = EmbeddedEngine(load_settings(None, state_dir=tmp_path / "state"), fresh=False)
    assert (await engine.snapshot()).state in (EngineState.STARTING, EngineState.RUNNING)
    await engine.close()

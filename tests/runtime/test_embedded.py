"""The engine on its own thread: a client across it, from before the engine is there until after it has ended."""

from pathlib import Path

import pytest

from engine.model.commands import Pause
from engine.model.errors import EngineStopped
from engine.model.snapshot import EngineState
from engine.runtime.embedded import EmbeddedEngine
from engine.settings import load_settings


async def test_an_engine_that_was_closed_answers_that_it_has_ended(tmp_path: Path) -> None:
    engine = EmbeddedEngine(load_settings(None, state_dir=tmp_path / "state"), fresh=False)
    engine.wait_ready(30)
    done = await engine.send(Pause(grid="btc"))
    assert done.message == "btc: paused, resting entries are being cancelled"
    await engine.close()
    with pytest.raises(EngineStopped):
        await engine.snapshot()


async def test_a_snapshot_may_be_asked_for_before_the_engine_is_there(tmp_path: Path) -> None:
    engine = EmbeddedEngine(load_settings(None, state_dir=tmp_path / "state"), fresh=False)
    assert (await engine.snapshot()).state in (EngineState.STARTING, EngineState.RUNNING)
    await engine.close()

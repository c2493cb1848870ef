"""An engine in a process of its own: found, started, outliving who started it, and telling why it could not start.

The processes are the real program; they trade on a simulated market, for how a process is started has nothing to do
with what it trades on.
"""

import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from engine.model.commands import Shutdown
from engine.model.errors import EngineStopped, SettingsInvalid
from engine.model.snapshot import EngineState
from engine.runtime.engine_log import LOG_NAME
from engine.runtime.launch import TROUBLE_NAME, LaunchedEngine
from engine.runtime.state_dir import holder_of
from engine.settings import Settings, Start
from tests.settings_builders import GRID, load

SECONDS_MAX = 60
QUIET = "[simulation]\nspeed = 60\n"


def settings_in(folder: Path, text: str = QUIET + GRID) -> Settings:
    return load(text, folder, state_dir=folder / "state")


@asynccontextmanager
async def launched(settings: Settings, start: Start | None = None) -> AsyncIterator[LaunchedEngine]:
    """An engine's process once it answers or has failed; ended with the test."""
    engine = LaunchedEngine(settings, start or Start())
    engine.launch()
    try:
        with anyio.fail_after(SECONDS_MAX):
            await engine.wait()
        yield engine
    finally:
        await engine.close()
        end(engine)


async def last_words(engine: LaunchedEngine) -> str:
    """Ask until it has ended; what it says then. It may answer for a while before its grids are refused."""
    with anyio.fail_after(SECONDS_MAX):
        while True:
            try:
                await engine.snapshot()
            except EngineStopped as stopped:
                return str(stopped)


def end(engine: LaunchedEngine) -> int | None:
    """End the process in order, if it has not ended; its code."""
    process = engine._process
    if process is None:
        return None
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    return process.wait(SECONDS_MAX)


async def test_it_answers_through_its_socket_and_is_found_by_the_next_terminal(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with launched(settings) as engine:
        assert (await engine.snapshot()).state in (EngineState.STARTING, EngineState.RUNNING)
        assert holder_of(settings.engine.state_dir) == str(engine.process_id)
        other = LaunchedEngine(settings, Start())
        assert await other.find()
        assert [grid.name for grid in (await other.snapshot()).grids] == ["btc"]
        await other.close()
        assert (await engine.snapshot()).state is not EngineState.STOPPED


async def test_it_goes_on_when_who_started_it_leaves_and_ends_when_it_is_told(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with launched(settings) as engine:
        await engine.close()
        back = LaunchedEngine(settings, Start())
        assert await back.find()
        assert (await back.send(Shutdown())).message == "the engine is ending; on exit: leave"
        await back.close()
        assert engine._process is not None
        assert await anyio.to_thread.run_sync(engine._process.wait, SECONDS_MAX) == 0
    assert not (settings.engine.state_dir / "control.sock").exists()


async def test_its_log_is_a_file_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with launched(settings) as engine:
        await engine.snapshot()
    log = settings.engine.state_dir / LOG_NAME
    assert "INFO closed; the state is kept in" in log.read_text()
    assert (settings.engine.state_dir / TROUBLE_NAME).read_text() == ""
    assert {stat.S_IMODE(log.parent.joinpath(name).stat().st_mode) for name in (LOG_NAME, TROUBLE_NAME)} == {0o600}


async def test_a_start_that_is_refused_is_told_with_every_line_of_the_engine(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, QUIET + "quote = 5\n" + GRID)
    async with launched(settings) as engine:
        assert "on the account" in await last_words(engine)
        assert engine.failure is not None
        (problem,) = engine.failure.problems
        assert problem.startswith("grid 'btc': expected ")


async def test_live_without_a_word_is_refused_by_the_engine_itself(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, '[engine]\nmode = "live"\n' + GRID)
    async with launched(settings) as engine:
        assert engine.failure is not None
        assert engine.failure.problems[0].startswith("engine.mode: expected --yes-live beside live")


async def test_two_terminals_at_once_share_one_engine(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    one, two = LaunchedEngine(settings, Start()), LaunchedEngine(settings, Start())
    one.launch()
    two.launch()
    try:
        with anyio.fail_after(SECONDS_MAX):
            await one.wait()
            await two.wait()
        assert (await one.snapshot()).started_ms == (await two.snapshot()).started_ms
        assert one.failure is two.failure is None
    finally:
        for engine in (one, two):
            await engine.close()
            await anyio.to_thread.run_sync(end, engine)


async def test_an_engine_that_dies_while_it_starts_ends_the_waiting(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    engine = LaunchedEngine(settings, Start())
    engine.launch()
    assert engine._process is not None
    engine._process.kill()
    with anyio.fail_after(SECONDS_MAX):
        await engine.wait()
    assert engine.failure is not None
    assert engine.failure.problems[0].startswith("the engine ended with code -9; its log is ")


async def test_what_the_account_cannot_be_asked_for_is_told_in_full(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(SettingsInvalid, match="expected paper or live with --all, found simulation"):
        await LaunchedEngine(settings, Start()).plan()


async def test_a_folder_that_is_not_ours_alone_gets_no_process(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.engine.state_dir.mkdir()
    settings.engine.state_dir.chmod(0o777)
    engine = LaunchedEngine(settings, Start())
    with pytest.raises(SettingsInvalid, match="expected that only its owner can write to it"):
        engine.launch()
    assert engine.process_id is None


def test_what_launches_an_engine_and_shows_it_never_imports_ccxt() -> None:
    code = (
        "import sys, tui.app, tui.launching, tui.screens.live, engine.runtime.launch, engine.remote.client; "
        "sys.exit('ccxt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

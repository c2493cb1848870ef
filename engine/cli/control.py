"""The commands that talk to a running engine over its control socket.

They read the configuration only to learn the state folder; with ``--state-dir`` and without
``--config`` none is read, so a running engine can be stopped while its file has a mistake.
"""

import json
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import anyio

from engine.cli.output import DONE, FAILED, WRONG_USE, narrate, put
from engine.cli.parser import EVENTS_MAX, CommandName
from engine.model.commands import Command, Freeze, Pause, Resume, Stop, Thaw
from engine.model.errors import EngineStopped, SettingsInvalid
from engine.model.snapshot import EngineEvent
from engine.remote.address import socket_path
from engine.remote.client import RemoteClient, connect
from engine.settings import expanded_state_dir, find_config, load_settings
from engine.status import event_from_engine, event_text, status_json, status_text

_FOLLOW_SECONDS = 0.5


def run_control(options: Namespace) -> int:
    """Do a command of the control socket and return the exit code.

    Raises:
        SettingsInvalid: the configuration cannot be read.
        GridwrightError: the engine refused or failed.
    """
    return anyio.run(_control, options, socket_path(_state_dir(options)))


def _state_dir(options: Namespace) -> Path:
    if options.state_dir is not None and options.config is None:
        return expanded_state_dir(options.state_dir)
    try:
        settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    except SettingsInvalid as error:
        hint = "with --state-dir DIR alone, a running engine is reached without reading a configuration"
        raise SettingsInvalid(*error.problems, hint) from error
    return settings.engine.state_dir


async def _control(options: Namespace, path: Path) -> int:
    try:
        client = await connect(path)
    except EngineStopped as error:
        narrate(str(error), f"start one with: {_start_line(options)}")
        return FAILED
    try:
        return await _do(client, options)
    finally:
        await client.close()


def _start_line(options: Namespace) -> str:
    words = ["gridwright", "run", "--headless"]
    if options.config is not None:
        words += ["--config", str(options.config)]
    if options.state_dir is not None:
        words += ["--state-dir", str(options.state_dir)]
    return shlex.join(words)


async def _do(client: RemoteClient, options: Namespace) -> int:
    command: CommandName = options.command
    if command is CommandName.STATUS:
        snapshot = await client.snapshot()
        make_text = status_json if options.json else status_text
        put(make_text(snapshot, version=client.version))
        return DONE
    if command is CommandName.EVENTS:
        return await _events(client, options)
    names = [grid.name for grid in (await client.snapshot()).grids]
    if not names:
        narrate("the engine has no grid")
        return FAILED
    if options.grid is None and len(names) > 1:
        narrate(f"expected --grid NAME, one of: {', '.join(names)}")
        return WRONG_USE
    grid = names[0] if options.grid is None else options.grid
    if grid not in names:
        narrate(f"--grid: expected one of {', '.join(names)}, found {grid}")
        return WRONG_USE
    done = await client.send(_command(options, grid))
    narrate(done.message)
    return DONE


def _command(options: Namespace, grid: str) -> Command:
    name: CommandName = options.command
    match name:
        case CommandName.PAUSE:
            return Pause(grid=grid)
        case CommandName.RESUME:
            return Resume(grid=grid)
        case CommandName.STOP:
            return Stop(grid=grid, disposal=options.disposal)
        case CommandName.FREEZE:
            return Freeze(grid=grid, slot=options.slot)
        case CommandName.THAW:
            return Thaw(grid=grid, slot=options.slot)
        case CommandName.TERMINAL | CommandName.RUN | CommandName.STATUS | CommandName.EVENTS | CommandName.CONFIG:
            raise AssertionError(f"{name} is not a command to a grid")


async def _events(client: RemoteClient, options: Namespace) -> int:
    last = _put_events(await client.events(-1, options.limit), options, -1)
    try:
        while options.follow:
            await anyio.sleep(_FOLLOW_SECONDS)
            events = await client.events(last, EVENTS_MAX)
            if events and last >= 0 and events[0].number > last + 1:
                narrate(f"{events[0].number - last - 1} events came too fast and are left out here")
            last = _put_events(events, options, last)
    except EngineStopped as error:
        narrate(str(error))
    return DONE


def _put_events(events: Sequence[EngineEvent], options: Namespace, last: int) -> int:
    for event in events:
        put(json.dumps(event_from_engine(event)) if options.json else event_text(event))
        last = event.number
    return last

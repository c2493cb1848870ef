"""The commands that talk to a running engine over its control socket.

They read the configuration only to learn the state folder; with ``--state-dir`` and without
``--config`` none is read, so a running engine can be stopped while its file has a mistake.
"""

import json
import shlex
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio

from engine.cli.output import DONE, FAILED, narrate, put
from engine.cli.parser import EVENTS_MAX, CommandName
from engine.model.commands import Command, Freeze, Pause, Reconcile, Resume, Stop, Thaw
from engine.model.errors import CommandRefused, EngineStopped, SettingsInvalid
from engine.model.snapshot import EngineEvent, EngineSnapshot, GridSnapshot
from engine.remote.address import socket_path
from engine.remote.client import RemoteClient, connect
from engine.settings import expanded_state_dir, find_config, load_settings
from engine.status import event_from_engine, event_text, status_json, status_text

_FOLLOW_SECONDS = 0.5

Answer = TypeVar("Answer")


def run_control(options: Namespace) -> int:
    """Do a command of the control socket and return the exit code.

    Raises:
        SettingsInvalid: the configuration cannot be read, or there is no such grid.
        GridwrightError: the engine refused or failed.
    """
    code = with_engine(options, _do)
    return FAILED if code is None else code


def with_engine(options: Namespace, do: Callable[[RemoteClient, Namespace], Awaitable[Answer]]) -> Answer | None:
    """What ``do`` returns with a client of the running engine; None, with the reason told, where none runs."""

    async def connected(path: Path) -> Answer | None:
        try:
            client = await connect(path)
        except EngineStopped as error:
            narrate(str(error), f"start one with: {_start_line(options)}")
            return None
        try:
            return await do(client, options)
        finally:
            await client.close()

    return anyio.run(connected, socket_path(state_dir_of(options)))


def grid_named(snapshot: EngineSnapshot, options: Namespace) -> GridSnapshot:
    """The grid that ``--grid`` names; without it, the only one.

    Raises:
        SettingsInvalid: there is no grid of that name, or several to choose from.
        CommandRefused: the engine has no grid.
    """
    grids = {grid.name: grid for grid in snapshot.grids}
    if not grids:
        raise CommandRefused("the engine has no grid")
    if options.grid is None and len(grids) > 1:
        raise SettingsInvalid(f"expected --grid NAME, one of: {', '.join(grids)}")
    name = next(iter(grids)) if options.grid is None else options.grid
    if name not in grids:
        raise SettingsInvalid(f"--grid: expected one of {', '.join(grids)}, found {name}")
    return grids[name]


def state_dir_of(options: Namespace) -> Path:
    """The state folder that is meant. Raises ``SettingsInvalid`` where the configuration cannot be read."""
    if options.state_dir is not None and options.config is None:
        return expanded_state_dir(options.state_dir)
    try:
        settings = load_settings(options.config or find_config(), state_dir=options.state_dir)
    except SettingsInvalid as error:
        hint = "with --state-dir DIR alone, a running engine is reached without reading a configuration"
        raise SettingsInvalid(*error.problems, hint) from error
    return settings.engine.state_dir


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
    grid = grid_named(await client.snapshot(), options)
    done = await client.send(_command(options, grid.name))
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
        case CommandName.RECONCILE:
            return Reconcile(grid=grid)
        case (
            CommandName.TERMINAL
            | CommandName.RUN
            | CommandName.STATUS
            | CommandName.EVENTS
            | CommandName.QUIT
            | CommandName.RESOLVE
            | CommandName.PREFLIGHT
            | CommandName.SUGGEST
            | CommandName.EDIT
            | CommandName.PANIC
            | CommandName.LIFT
            | CommandName.CONFIG
            | CommandName.JOURNAL
            | CommandName.KEYS
            | CommandName.DOCTOR
            | CommandName.HISTORY
        ):
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

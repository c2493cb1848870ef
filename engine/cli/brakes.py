"""``gridwright panic`` and ``gridwright lift``: open nothing more at once; end a block that waits for a person."""

from argparse import Namespace

from engine.cli.control import grid_named, with_engine
from engine.cli.output import DONE, FAILED, is_confirmed, narrate
from engine.cli.parser import CommandName
from engine.model.commands import Command, LiftBlock, Panic
from engine.model.errors import CommandRefused
from engine.model.risk import BreakerKind
from engine.model.snapshot import GridSnapshot
from engine.remote.client import RemoteClient


def run_brakes(options: Namespace) -> int:
    """Do one of the two once it is confirmed, and return the exit code.

    The connection is closed while a person thinks, so that an interruption of theirs is heard.

    Raises:
        SettingsInvalid: there is no such grid, or it is not confirmed.
        GridwrightError: no such block stands, or the engine refused or failed.
    """

    async def look(client: RemoteClient, _: Namespace) -> GridSnapshot:
        return grid_named(await client.snapshot(), options)

    grid = with_engine(options, look)
    if grid is None:
        return FAILED
    command, effect = _panic(grid) if options.command is CommandName.PANIC else _lift(grid, options.kind)
    if not options.yes and not is_confirmed(effect):
        narrate("nothing was done")
        return FAILED

    async def send(client: RemoteClient, _: Namespace) -> int:
        done = await client.send(command)
        narrate(done.message)
        return DONE

    code = with_engine(options, send)
    return FAILED if code is None else code


def _panic(grid: GridSnapshot) -> tuple[Command, str]:
    effect = f"panic: the entries of {grid.name} are cancelled and nothing opens until a person lifts it; exits go on"
    return Panic(grid=grid.name), effect


def _lift(grid: GridSnapshot, kind: BreakerKind) -> tuple[Command, str]:
    standing = {block.kind: block for block in grid.risk.blocks}
    if kind not in standing:
        names = ", ".join(standing) or "none"
        raise CommandRefused(f"{grid.name}: no block {kind} stands, it may be lifted already (standing: {names})")
    effect = f"lifting {kind} lets {grid.name} open again; it was raised because: {standing[kind].reason}"
    return LiftBlock(grid=grid.name, kind=kind), effect

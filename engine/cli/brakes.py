"""``gridwright panic`` and ``gridwright lift``: open nothing more at once; end a block that waits for a person."""

from argparse import Namespace

from engine.cli.control import grid_named, with_engine
from engine.cli.output import DONE, FAILED, is_confirmed, narrate
from engine.cli.parser import CommandName
from engine.model.commands import Command, LiftBlock, Panic
from engine.model.errors import CommandRefused
from engine.model.risk import BreakerKind
from engine.model.snapshot import GridSnapshot
from engine.model.words import cause_text, stays_words, words_of
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
    effect = f"a panic cancels the entries of {grid.name} and opens nothing until a person lifts it; exits go on"
    return Panic(grid=grid.name), effect


def _lift(grid: GridSnapshot, kind: BreakerKind) -> tuple[Command, str]:
    standing = {block.kind: block for block in grid.risk.blocks}
    if kind not in standing:
        names = ", ".join(map(words_of, standing)) or "none"
        why = f"no block of {words_of(kind)} stands, it may be lifted already (standing: {names})"
        raise CommandRefused(f"{grid.name}: {why}")
    stays = stays_words(grid.state)
    outcome = f"but {grid.name} {stays}" if stays else f"and {grid.name} opens again"
    cause = cause_text(kind, standing[kind].reason)
    effect = f"lifting ends this block, {outcome}; it was raised because of {cause}"
    return LiftBlock(grid=grid.name, kind=kind), effect

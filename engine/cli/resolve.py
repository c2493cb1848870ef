"""``gridwright resolve ID CHOICE``: answer an open question of a grid.

The question is looked up first: a choice that moves money is done only after ``--yes``, or after
a person at the terminal has read what it will do and typed ``yes``.
"""

from argparse import Namespace

from engine.cli.control import grid_named, with_engine
from engine.cli.output import DONE, FAILED, is_confirmed, narrate
from engine.model.commands import Resolve
from engine.model.errors import CommandRefused, SettingsInvalid
from engine.model.reconcile import Choice, Resolution
from engine.model.snapshot import GridSnapshot, QuestionView
from engine.remote.client import RemoteClient

_NAMED_MAX = 10


def run_resolve(options: Namespace) -> int:
    """Answer a question and return the exit code.

    The connection is closed while a person thinks, so that an interruption of theirs is heard.

    Raises:
        SettingsInvalid: the grid or the choice is not one of those there are, or is not confirmed.
        GridwrightError: there is no such question any more, or the engine refused or failed.
    """
    found = with_engine(options, _look_up)
    if found is None:
        return FAILED
    grid, choice = found
    effect = f"{choice.resolution} moves money: {choice.effect}"
    if choice.moves_money and not options.yes and not is_confirmed(effect):
        narrate("nothing was done")
        return FAILED
    command = Resolve(grid=grid.name, name=options.question, resolution=choice.resolution)

    async def answer(client: RemoteClient, _: Namespace) -> int:
        done = await client.send(command)
        narrate(done.message)
        return DONE

    code = with_engine(options, answer)
    return FAILED if code is None else code


async def _look_up(client: RemoteClient, options: Namespace) -> tuple[GridSnapshot, Choice]:
    grid = grid_named(await client.snapshot(), options)
    question = _question(grid, options.question)
    resolution: Resolution = options.choice
    choice = next((choice for choice in question.choices if choice.resolution is resolution), None)
    if choice is None:
        words = ", ".join(choice.resolution for choice in question.choices)
        raise SettingsInvalid(f"{question.name}: expected one of {words}, found {resolution}")
    return grid, choice


def _question(grid: GridSnapshot, name: str) -> QuestionView:
    # Not left to the engine to refuse: a question that opens between here and there
    # would be answered without anybody having been told whether money moves.
    question = next((question for question in grid.questions if question.name == name), None)
    if question is None:
        names = _named(grid)
        raise CommandRefused(f"{grid.name}: {name} is no open question, it may be answered already (open: {names})")
    return question


def _named(grid: GridSnapshot) -> str:
    """The first of the open questions, and how many more there are."""
    names = [question.name for question in grid.questions]
    more = f" and {len(names) - _NAMED_MAX} more, see gridwright status" if len(names) > _NAMED_MAX else ""
    return f"{', '.join(names[:_NAMED_MAX])}{more}" if names else "none"

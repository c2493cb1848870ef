"""``gridwright edit``: change a running grid through a preview that a person has agreed to.

The preview is printed first; only after ``--yes``, or a typed ``yes``, is the edit sent. What is bought
meanwhile may have grown with the market: then nothing is done, for nobody has agreed to that.
"""

from argparse import Namespace

from engine.cli.control import grid_named, with_engine
from engine.cli.output import DONE, FAILED, is_confirmed, narrate, put
from engine.cli.preflight import json_from_value, preflight_figures, traded_text
from engine.model.amounts import spans_text
from engine.model.commands import EditGrid, GridChange
from engine.model.money import text_from_decimal
from engine.model.preflight import EditPreview
from engine.model.text import clean_text
from engine.remote.client import RemoteClient

_PROBLEM_MAX = 1000
_NAMED_MAX = 20
_NOT_OF_AN_EDIT = ("traded at once", "requests to start", "loss at the bound", "loss at the stop", "average entry")
"""What a fresh start would bring and an edit does not: beside the loss of what is held it would mislead."""


def run_edit(options: Namespace) -> int:
    """Show what an edit would do, do it once that is agreed to, and return the exit code.

    The connection is closed while a person thinks, so that an interruption of theirs is heard.

    Raises:
        SettingsInvalid: there is no such grid, or the edit is not confirmed.
        GridwrightError: the engine refused or failed.
    """
    change = GridChange(lower=options.lower, upper=options.upper, slots=options.slots, size=options.size)

    async def look(client: RemoteClient, _: Namespace) -> tuple[str, EditPreview]:
        grid = grid_named(await client.snapshot(), options).name
        return grid, await client.preview(grid, change)

    found = with_engine(options, look)
    if found is None:
        return FAILED
    grid, preview = found
    put(json_from_value(preview) if options.json else preview_text(grid, preview))
    if preview.problems:
        narrate("nothing was done: the edit has problems")
        return FAILED
    if not options.yes and not is_confirmed(f"the edit {effect_text(preview)}"):
        narrate("nothing was done")
        return FAILED

    async def edit(client: RemoteClient, _: Namespace) -> int:
        if not options.yes and (await client.preview(grid, change)).trades_more_than(preview):
            narrate("nothing was done: the market has moved and the edit would trade more now; look again")
            return FAILED
        done = await client.send(EditGrid(grid=grid, change=change))
        narrate(done.message)
        return DONE

    code = with_engine(options, edit)
    return FAILED if code is None else code


def effect_text(preview: EditPreview) -> str:
    """What would happen at once, in one line."""
    after = preview.after
    traded = traded_text(preview.buys_base, preview.buys_quote, clean_text(after.base, 20), clean_text(after.quote, 20))
    match preview.buys_base != 0, bool(preview.waits_for):
        case False, _:
            verb = "trades nothing at once"
        case True, False:
            verb = f"{traded} at once"
        case True, True:
            verb = f"{traded} once it may ({clean_text(preview.waits_for, 500)})"
    return (
        f"{verb}, cancels {_orders(len(preview.cancels))}, {len(preview.new)} slots appear,"
        f" {len(preview.gone)} disappear, {len(preview.stays)} stay"
    )


def preview_text(name: str, preview: EditPreview) -> str:
    """The preview for people: what grids would be that started now, then what would happen to the one that runs."""
    after = preview.after
    price = text_from_decimal(after.price)
    quote = clean_text(after.quote, 20)
    traded = traded_text(preview.buys_base, preview.buys_quote, clean_text(after.base, 20), quote)
    moved = [f"{before} to {now}" for before, now in preview.lots_moved]
    losses = f"{preview.loss_before:z.2f} -> {preview.loss_after:z.2f} {quote}, of what is held and may still open"
    waits = f", once it may: {clean_text(preview.waits_for, 500)}" if preview.waits_for and preview.buys_base else ""
    lines = [
        f"{clean_text(name, 32)}  {clean_text(after.symbol, 50)}  price {price}",
        "  a grid like this one, and like the edited one, if it were started now:",
        *_figures_lines(preview),
        "  the grid that runs:",
        f"  stay               {_slots(preview.stays)}",
        f"  gone               {_slots(preview.gone)}",
        f"  new                {_slots(preview.new)}",
        f"  lots move          {_named(moved)}",
        f"  cancels            {_named([clean_text(order, 40) for order in preview.cancels])}",
        f"  at once            {traded}{waits}",
        f"  loss at the bound  {losses}",
        *(f"  warning: {clean_text(text, _PROBLEM_MAX)}" for text in after.warnings),
        *(f"  problem: {clean_text(text, _PROBLEM_MAX)}" for text in preview.problems),
    ]
    return "\n".join(lines)


def _figures_lines(preview: EditPreview) -> list[str]:
    before, after = dict(preflight_figures(preview.before)), dict(preflight_figures(preview.after))
    labels = [label for label in {**before, **after} if label not in _NOT_OF_AN_EDIT]
    cells = [("", "before", "after"), *((label, before.get(label, "-"), after.get(label, "-")) for label in labels)]
    widths = [max(len(row[column]) for row in cells) for column in range(2)]
    return [f"  {label.ljust(widths[0])}  {old.ljust(widths[1])}  {new}" for label, old, new in cells]


def _slots(slots: tuple[int, ...]) -> str:
    return f"{len(slots)}: {spans_text(slots)}" if slots else "none"


def _orders(count: int) -> str:
    return f"{count} {'order' if count == 1 else 'orders'}"


def _named(names: list[str]) -> str:
    """How many, and the first of them."""
    if not names:
        return "none"
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"{len(names)}: {', '.join(names[:_NAMED_MAX])}{more}"

"""How a grid that stands goes on: what a stopped one needs, and what lifting a block or resuming lets out at once."""

from engine.model.grid import GridState
from engine.model.order import Side
from engine.model.snapshot import GridSnapshot, SlotStateName, SlotView
from engine.model.text import clean_text
from tui.present.ladder import level_of, side_of
from tui.present.numbers import plural
from tui.present.words import GRID_SIGNS

_NAME_LIMIT = 24
STANDING = frozenset((GridState.HALTED, GridState.STOPPING, GridState.STOPPED))
"""States that no end of a block ends."""
SHORT_WAY_ON = "lift it (L), then resume (p)"


def way_on(grid: GridSnapshot) -> str:
    """What a person has to do so that a grid which does not go on by itself goes on; empty where it does."""
    if grid.state not in STANDING:
        return ""
    name, word = clean_text(grid.name, _NAME_LIMIT), GRID_SIGNS[grid.state].word
    stays = "then stays stopped" if grid.state is GridState.STOPPING else "stays so"
    return f"{name} is {word} and {stays}: lift the block with L, then resume with p on the dashboard"


def after_lifting(grid: GridSnapshot) -> str:
    """What happens once the last block of a grid is lifted."""
    name = clean_text(grid.name, _NAME_LIMIT)
    match grid.state:
        case GridState.RUNNING:
            return f"{name} may open again at once: {entries_text(grid)}."
        case GridState.HALTED | GridState.STOPPED:
            return f"{name} stays {GRID_SIGNS[grid.state].word}: nothing opens until you resume it with p."
        case GridState.STOPPING:
            return f"{name} goes on stopping and then stays stopped, until you resume it with p."
        case GridState.PAUSED:
            return f"{name} stays paused: nothing opens until you resume it with p."
        case GridState.EXITS_ONLY:
            return f"{name} still opens nothing, because it is in exits only: {clean_text(grid.state_reason)}."
        case GridState.STARTING:
            return f"{name} is still starting and opens nothing before it runs."


def entries_text(grid: GridSnapshot) -> str:
    """How many entries may go out at once."""
    if grid.price is None:
        return "entries go out as soon as there is a price"
    count = len(_empty_in_window(grid))
    if count == 0:
        return "no slot within the window is empty, so nothing goes out now"
    noun = plural(count, "entry", "entries")
    return f"up to {noun} within the window, as far as regime and limits let them"


def _empty_in_window(grid: GridSnapshot) -> list[SlotView]:
    """The empty slots among those nearest to the price on either side, as many as the window has."""
    price = grid.price
    if price is None:
        return []
    free = [slot for slot in grid.slots if slot.freeze_reason is None]
    below = [slot for slot in reversed(free) if side_of(slot) is Side.BUY and level_of(slot) <= price]
    above = [slot for slot in free if side_of(slot) is Side.SELL and level_of(slot) >= price]
    near = (*below[: grid.window], *above[: grid.window])
    return [slot for slot in near if slot.state is SlotStateName.EMPTY]

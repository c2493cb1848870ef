"""What stands in the way of an edit: the grid's state forbids it, or what it would open has to wait."""

from engine.core.books import GridBooks
from engine.model.grid import GridState
from engine.model.order import Side
from engine.model.regime import EntryRule
from engine.model.words import cause_text, words_of


def why_not_edited(state: GridState, reason: str) -> str:
    """Why a grid in this state cannot be edited, and what to do about it; empty if it can."""
    match state:
        case GridState.RUNNING | GridState.PAUSED | GridState.EXITS_ONLY:
            return ""
        case GridState.STARTING:
            return f"the grid is starting ({reason}): it can be edited once it runs"
        case GridState.STOPPING:
            return f"the grid is stopping ({reason}): resume it once it is stopped"
        case GridState.STOPPED | GridState.HALTED:
            return f"the grid is {words_of(state)} ({reason}): resume it first"


def why_nothing_enters(books: GridBooks) -> dict[Side, str]:
    """Why entries of a side do not open now; a side that is left out opens."""
    causes = [cause_text(block.kind, block.reason) for block in books.blocks]
    if books.state in (GridState.PAUSED, GridState.EXITS_ONLY):
        causes.insert(0, f"the grid is {words_of(books.state)} ({books.state_reason})")
    regime = books.regime
    waiting = {}
    for side in Side:
        rule = EntryRule.ALL
        if regime is not None:
            rule = regime.long_entries if side is Side.BUY else regime.short_entries
        mine = list(causes)
        if regime is not None and rule is EntryRule.NONE:
            mine.append(f"the market is {regime.name.replace('_', ' ')}")
        if mine:
            waiting[side] = "; ".join(mine)
    return waiting

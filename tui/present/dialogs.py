"""What the dialogs say: exactly what would happen, in orders, coins and money."""

from collections.abc import Sequence

from engine.model.grid import Disposal, GridState
from engine.model.money import ZERO
from engine.model.order import TERMINAL_STATUSES
from engine.model.snapshot import EngineSnapshot, GridSnapshot, Mode
from engine.model.text import clean_text
from tui.present.going_on import entries_text
from tui.present.numbers import number, places_of, plural, quote_places
from tui.present.pieces import BLANK, Line, Piece, Tone, fit_left, wrap_words
from tui.present.words import GRID_SIGNS, MODE_BANNERS

_WORD_WIDTH = 9
_IDLE_STATES = frozenset((GridState.STOPPED, GridState.HALTED))


def live_orders(grid: GridSnapshot) -> int:
    """How many of the grid's orders may still be executed."""
    return sum(slot.order is not None and slot.order.status not in TERMINAL_STATUSES for slot in grid.slots)


def disposal_text(grid: GridSnapshot, disposal: Disposal) -> str:
    """What disposing of the grid this way does, in orders, coins and money."""
    orders = live_orders(grid)
    held = f"{number(grid.inventory, places_of(grid.lot_size))} {clean_text(grid.base, 10)}"
    match disposal:
        case Disposal.LEAVE:
            return f"{plural(orders, 'order')} stay on the exchange and {held} stays held. Nothing is sent."
        case Disposal.CANCEL:
            return f"{plural(orders, 'order')} cancelled. {held} stays held and unsold."
        case Disposal.FLATTEN:
            return f"{plural(orders, 'order')} cancelled. {_sale_text(grid, held)}"


def _sale_text(grid: GridSnapshot, held: str) -> str:
    if grid.inventory == ZERO:
        return "Nothing is held, nothing is sold."
    verb = "sold" if grid.inventory > ZERO else "bought back"
    if grid.price is None:
        return f"{held} {verb} at the market, slippage bounded."
    worth = number(abs(grid.inventory) * grid.price, quote_places(grid.tick_size))
    price = number(grid.price, places_of(grid.tick_size))
    return f"{held} {verb} at about {price} for about {worth} {clean_text(grid.quote, 10)}, slippage bounded."


def stop_lines(mode: Mode, grid: GridSnapshot, typed: str, width: int) -> tuple[Line, ...]:
    """The stop dialog: scope, the three words and what each does; the word being typed is marked."""
    name = f"Stop {clean_text(grid.name, 24)} {clean_text(grid.symbol, 24)}  "
    lines: list[Line] = [(Piece(name, Tone.STRONG), MODE_BANNERS[mode]), BLANK]
    for disposal in Disposal:
        is_meant = bool(typed) and disposal.value.startswith(typed)
        word = Piece(fit_left(("▸ " if is_meant else "  ") + disposal.value, _WORD_WIDTH + 2), Tone.KEY)
        tone = Tone.TEXT if is_meant or not typed else Tone.DIM
        rows = wrap_words(disposal_text(grid, disposal), max(width - _WORD_WIDTH - 2, 8))
        lines.append((word, Piece(rows[0], tone)))
        lines.extend((Piece(" " * (_WORD_WIDTH + 2)), Piece(row, tone)) for row in rows[1:])
    return (
        *lines,
        BLANK,
        (Piece("Type one of the words and press enter. Enter alone does nothing.", Tone.DIM),),
    )


def disposal_typed(text: str) -> Disposal | None:
    """The disposal whose whole word was typed, or None."""
    word = text.strip().lower()
    return next((disposal for disposal in Disposal if disposal.value == word), None)


def needs_asking(engine: EngineSnapshot | None, ended: str | None) -> bool:
    """Whether leaving should ask first: some grid is at work and the engine still answers."""
    if engine is None or ended is not None:
        return False
    return any(grid.state not in _IDLE_STATES for grid in engine.grids)


def leaving_lines(engine: EngineSnapshot, on_exit: Disposal, width: int) -> tuple[Line, ...]:
    """The question before leaving: what closing the engine does to every grid at work."""
    lines: list[Line] = [
        (Piece("Leave Gridwright?  ", Tone.STRONG), MODE_BANNERS[engine.mode]),
        BLANK,
        (Piece("The engine closes with you, in order. On exit: ", Tone.TEXT), Piece(on_exit.value, Tone.KEY)),
    ]
    for grid in engine.grids:
        if grid.state in _IDLE_STATES:
            continue
        text = f"{clean_text(grid.name, 24)}: {disposal_text(grid, on_exit)}"
        lines.extend((Piece("  " + row),) for row in wrap_words(text, width - 2))
    again = "The next start goes on from here."
    return (*lines, BLANK, (Piece(again, Tone.DIM),), BLANK, YES_OR_NO)


def resume_lines(mode: Mode, grid: GridSnapshot, width: int) -> tuple[Line, ...]:
    """The question before a grid opens again: why it stands, and what goes out or still holds it back."""
    name = clean_text(grid.name, 24)
    texts = [f"{name} places its entries on {clean_text(grid.symbol, 24)} again: {entries_text(grid)}."]
    if grid.risk.blocks:
        count = plural(len(grid.risk.blocks), "block")
        stands = "stands" if len(grid.risk.blocks) == 1 else "stand"
        texts = [f"{name} goes on, but {count} still {stands}: nothing opens until they end; l shows them, L lifts."]
    if grid.state_reason:
        texts.insert(0, f"It is {GRID_SIGNS[grid.state].word}: {clean_text(grid.state_reason)}.")
    rows: Sequence[Line] = [(Piece(row),) for text in texts for row in wrap_words(text, width)]
    return (Piece(f"Resume {name}?  ", Tone.STRONG), MODE_BANNERS[mode]), BLANK, *rows, BLANK, YES_OR_NO


YES_OR_NO: Line = (
    Piece("y", Tone.KEY),
    Piece(" yes    ", Tone.TEXT),
    Piece("n", Tone.KEY),
    Piece(" or ", Tone.DIM),
    Piece("esc", Tone.KEY),
    Piece(" no", Tone.TEXT),
)

"""What the dialogs say: exactly what would happen, in orders, coins and money."""

from collections.abc import Sequence

from engine.model.grid import Disposal, GridState
from engine.model.money import ZERO
from engine.model.order import TERMINAL_STATUSES
from engine.model.snapshot import EngineSnapshot, GridSnapshot
from engine.model.text import clean_text
from tui.present.going_on import entries_text
from tui.present.numbers import number, places_of, plural, quote_places
from tui.present.pieces import BLANK, Line, Piece, Tone, fit_left, wrap_words
from tui.present.words import GRID_SIGNS, STAGE_BANNERS, Stage, stage_of

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


def stop_lines(stage: Stage, grid: GridSnapshot, typed: str, width: int) -> tuple[Line, ...]:
    """The stop dialog: scope, the three words and what each does; the word being typed is marked."""
    name = f"Stop {clean_text(grid.name, 24)} {clean_text(grid.symbol, 24)}  "
    lines: list[Line] = [(Piece(name, Tone.STRONG), STAGE_BANNERS[stage]), BLANK]
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


def leaving_lines(engine: EngineSnapshot, on_exit: Disposal | None, width: int) -> tuple[Line, ...]:
    """The question before leaving: what that does to every grid at work; ``on_exit`` None: the engine goes on."""
    says = Piece("The engine goes on without you.")
    again = "The same command comes back to it; gridwright quit ends it, gridwright stop its grids."
    how: Line = (says,)
    if on_exit is not None:
        how = Piece("The engine closes with you, in order. On exit: ", Tone.TEXT), Piece(on_exit.value, Tone.KEY)
        again = "The next start goes on from here."
    lines: list[Line] = [(Piece("Leave Gridwright?  ", Tone.STRONG), STAGE_BANNERS[stage_of(engine)]), BLANK, how]
    for grid in engine.grids:
        if grid.state in _IDLE_STATES:
            continue
        done = at_work_text(grid) if on_exit is None else disposal_text(grid, on_exit)
        rows = wrap_words(f"{clean_text(grid.name, 24)}: {done}", width - 2)
        lines.extend((Piece("  " + row),) for row in rows)
    rest = [(Piece(row, Tone.DIM),) for row in wrap_words(again, width)]
    return (*lines, BLANK, *rest, BLANK, YES_OR_NO)


def at_work_text(grid: GridSnapshot) -> str:
    """What a grid has in the market that goes on without a screen."""
    held = f"{number(grid.inventory, places_of(grid.lot_size))} {clean_text(grid.base, 10)}"
    return f"{plural(live_orders(grid), 'order')} at work, {held} held."


def farewell_text(engine: EngineSnapshot | None, place: str) -> str:
    """The line that is left on the terminal of somebody who has left an engine that goes on."""
    ways = f"gridwright quit --state-dir {place} ends it, the same command comes back to it"
    if engine is None:
        return f"the engine goes on starting: {ways}"
    orders = plural(sum(live_orders(grid) for grid in engine.grids), "order")
    where = f"{stage_of(engine)} {clean_text(engine.exchange_id or engine.exchange, 40)}"
    return f"the engine goes on ({where}, {orders} at work): {ways}"


def resume_lines(stage: Stage, grid: GridSnapshot, width: int) -> tuple[Line, ...]:
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
    return (Piece(f"Resume {name}?  ", Tone.STRONG), STAGE_BANNERS[stage]), BLANK, *rows, BLANK, YES_OR_NO


YES_OR_NO: Line = (
    Piece("y", Tone.KEY),
    Piece(" yes    ", Tone.TEXT),
    Piece("n", Tone.KEY),
    Piece(" or ", Tone.DIM),
    Piece("esc", Tone.KEY),
    Piece(" no", Tone.TEXT),
)

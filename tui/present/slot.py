"""One slot in full, and all slots in one glance."""

from collections import Counter

from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.snapshot import GridSnapshot, OrderView, SlotStateName, SlotView
from engine.model.text import clean_text
from tui.present.chart import progress
from tui.present.ladder import slot_of
from tui.present.numbers import (
    NOTHING,
    distance,
    exact,
    number,
    percent,
    places_of,
    quote_places,
    share,
    signed,
)
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, join, join_that_fit, wrap_words
from tui.present.questions import KIND_WORDS
from tui.present.words import ASKED, FROZEN, ORDER_WORDS, SIDE_TONES, SLOT_SIGNS, result_tone

_LABEL_WIDTH = 11
_BAR_WIDTH = 6


def slot_lines(grid: GridSnapshot | None, index: int | None, width: int) -> tuple[Line, ...]:
    """Everything known of the slot with this index, then the overview of all slots."""
    if grid is None:
        return ((Piece("slots appear with the first snapshot", Tone.DIM),),)
    overview = overview_lines(grid, index, width)
    slot = slot_of(grid, index)
    if slot is None:
        gone: Line = () if index is None else (Piece(f"slot {index} is no longer in the lattice", Tone.WARN),)
        return (cut_line(gone, width), BLANK, *overview) if gone else overview
    lines = (*_slot_part(grid, slot, width), *_order_part(grid, slot), *_result_part(grid, slot))
    return (*(cut_line(line, width) for line in lines), BLANK, *overview)


def _row(label: str, *value: Piece) -> Line:
    return Piece(fit_left(label, _LABEL_WIDTH), Tone.DIM), *value


def _slot_part(grid: GridSnapshot, slot: SlotView, width: int) -> tuple[Line, ...]:
    places = places_of(grid.tick_size)
    sign = SLOT_SIGNS[slot.state]
    state = (sign.piece(),) if slot.freeze_reason is None else (sign.piece(), Piece("  "), FROZEN.piece())
    levels = f"{number(slot.lower, places)} – {number(slot.upper, places)}"
    step = percent((slot.upper - slot.lower) / slot.lower)
    lines: tuple[Line, ...] = (
        _row("state", *state),
        _row("levels", Piece(levels), Piece(f"  {step}", Tone.DIM)),
        _row("lot", _lot_piece(grid, slot)),
    )
    lines = (*lines, *_question_rows(grid, slot))
    if slot.freeze_reason is None:
        return lines
    reasons = wrap_words(clean_text(slot.freeze_reason), max(width - _LABEL_WIDTH, 1))
    return *lines, *(_row("frozen" if row == 0 else "", Piece(reason, Tone.WARN)) for row, reason in enumerate(reasons))


def _question_rows(grid: GridSnapshot, slot: SlotView) -> list[Line]:
    kinds = [KIND_WORDS[question.kind].word for question in grid.questions if question.slot == slot.index]
    return [_row("question", Piece(f"{ASKED.glyph} {kind}: press R", ASKED.tone)) for kind in kinds]


def _lot_piece(grid: GridSnapshot, slot: SlotView) -> Piece:
    if slot.quantity == ZERO:
        return Piece("none", Tone.DIM)
    return Piece(f"{exact(slot.quantity)} {clean_text(grid.base, 10)}", Tone.HOLD)


def _order_part(grid: GridSnapshot, slot: SlotView) -> tuple[Line, ...]:
    order = slot.order
    if order is None:
        return (_row("order", Piece("none", Tone.DIM)),)
    places = places_of(grid.tick_size)
    away = NOTHING if grid.price is None else percent(distance(order.price, grid.price)) + " away"
    return (
        _row(
            "order",
            Piece(f"{order.side.value} ", SIDE_TONES[order.side]),
            Piece(number(order.price, places), SIDE_TONES[order.side]),
            Piece(f"  {away}", Tone.DIM),
        ),
        _filled_row(order),
        _row(
            "status",
            Piece(ORDER_WORDS[order.status]),
            Piece(f"  {clean_text(order.client_order_id, 36)}", Tone.DIM),
        ),
    )


def _filled_row(order: OrderView) -> Line:
    done, left = progress(order.filled, order.amount, _BAR_WIDTH)
    ratio = share(order.filled / order.amount) if order.amount > ZERO else NOTHING
    return _row(
        "filled",
        Piece(f"{exact(order.filled)} of {exact(order.amount)} "),
        Piece(done, SIDE_TONES[order.side]),
        Piece(left, Tone.FAINT),
        Piece(f" {ratio}", Tone.DIM),
    )


def _result_part(grid: GridSnapshot, slot: SlotView) -> tuple[Line, ...]:
    places = quote_places(grid.tick_size)
    average = "" if slot.cycles == 0 else f"  {signed(slot.profit / slot.cycles, places)} each, net of fees"
    return (
        _row("cycles", Piece(f"{slot.cycles:,}"), Piece(average, Tone.DIM)),
        _row("profit", Piece(signed(slot.profit, places), result_tone(slot.profit))),
        _row("next cycle", *_cycle_worth(grid, slot)),
    )


def _cycle_worth(grid: GridSnapshot, slot: SlotView) -> tuple[Piece, ...]:
    """What one whole cycle at the slot's own levels earns."""
    worth = signed(slot.cycle_profit, quote_places(grid.tick_size))
    return Piece(worth), Piece("  net of fees", Tone.DIM)


def overview_lines(grid: GridSnapshot, selected: int | None, width: int) -> tuple[Line, ...]:
    """Counts of every state, then one glyph per slot from low to high; the selected one is marked.

    Grids with more slots than the strip has room for show every n-th slot, and say so.
    """
    if not grid.slots or width < 1:
        return ()
    step = -(-len(grid.slots) // (width * 3))
    marked = next((place for place, slot in enumerate(grid.slots) if slot.index == selected), None)
    marks = [
        _overview_piece(grid.slots[place], is_selected=_is_marked(place, marked, step))
        for place in range(0, len(grid.slots), step)
    ]
    rows = [tuple(marks[start : start + width]) for start in range(0, len(marks), width)]
    note: tuple[Line, ...] = ((Piece(f"every {step} slots", Tone.DIM),),) if step > 1 else ()
    return (*_count_lines(grid, width), *note, *rows)


def _is_marked(place: int, marked: int | None, step: int) -> bool:
    return marked is not None and place <= marked < place + step


def _overview_piece(slot: SlotView, *, is_selected: bool) -> Piece:
    if is_selected:
        return Piece("▼" if slot.freeze_reason is None else FROZEN.glyph, Tone.PRICE)
    if slot.freeze_reason is not None:
        return Piece(FROZEN.glyph, FROZEN.tone)
    sign = SLOT_SIGNS[slot.state]
    side = slot.order.side if slot.order is not None else None
    return Piece(sign.glyph, SIDE_TONES[side] if isinstance(side, Side) else sign.tone)


def _count_lines(grid: GridSnapshot, width: int) -> tuple[Line, ...]:
    counts = Counter(slot.state for slot in grid.slots)
    frozen = sum(slot.freeze_reason is not None for slot in grid.slots)
    groups: list[Line] = [_count(SLOT_SIGNS[name].glyph, counts[name], SLOT_SIGNS[name].word) for name in SlotStateName]
    if frozen:
        groups.append(_count(FROZEN.glyph, frozen, FROZEN.word))
    first = join_that_fit(groups, width)
    if join(groups) == first:
        return (first,)
    return join_that_fit(groups[:2], width), join_that_fit(groups[2:], width)


def _count(glyph: str, count: int, word: str) -> Line:
    return Piece(f"{glyph} ", Tone.HOLD), Piece(f"{count:,}", Tone.STRONG), Piece(f" {word}", Tone.DIM)

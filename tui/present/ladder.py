"""The ladder as lines: one per slot from the highest to the lowest, and the market price drawn between them.

A slot's line shows the price of its live order, or else the level it would act on next: that of its
entry while it is empty, that of its exit while it holds a lot. A slot is known by its ``index``, which
says nothing of its place: after an edit the lowest slot can be any of them.
"""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.snapshot import GridSnapshot, SlotStateName, SlotView
from engine.model.text import clean_text
from tui.present.chart import progress
from tui.present.numbers import (
    distance,
    number,
    percent,
    places_of,
    quote_places,
    signed,
)
from tui.present.pieces import Line, Piece, Tone, cut_line, fit_left, fit_right, line_width
from tui.present.words import ARROWS, ASKED, FROZEN, ORDER_WORDS, SIDE_TONES, SLOT_SIGNS, result_tone


class Column(StrEnum):
    """A column; the value is its heading."""

    INDEX = "#"
    LOT = " "
    SIDE = "side"
    PRICE = "price"
    AWAY = "away"
    STATE = "state"
    AMOUNT = "amount"
    FILLED = "filled"
    CYCLES = "cyc"
    PROFIT = "profit"
    STATUS = "order"
    LOWER = "lower"
    UPPER = "upper"
    ORDER_ID = "order id"


_LEFT_ALIGNED = frozenset((Column.LOT, Column.SIDE, Column.STATE, Column.FILLED, Column.STATUS, Column.ORDER_ID))
_NEEDED = frozenset(
    (
        Column.INDEX,
        Column.LOT,
        Column.SIDE,
        Column.PRICE,
        Column.AWAY,
        Column.STATE,
        Column.AMOUNT,
        Column.PROFIT,
    )
)
_WELCOME = (
    (Column.FILLED,),
    (Column.CYCLES,),
    (Column.LOWER, Column.UPPER),
    (Column.STATUS,),
    (Column.ORDER_ID,),
)
"""Columns that come in as width allows, the most wanted first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which columns there are, how wide each is, and the decimal places of prices and amounts."""

    width: int
    gap: int
    columns: tuple[tuple[Column, int], ...]
    price_places: int
    lot_places: int
    quote_places: int


class RowFacts(NamedTuple):
    """All that a slot's line depends on; equal facts are an equal line."""

    slot: SlotView
    away: str
    is_near: bool
    is_selected: bool
    is_asked: bool = False


def layout_for(grid: GridSnapshot, width: int) -> Layout:
    """The columns that fit into ``width`` for this grid's prices and amounts."""
    widths = _column_widths(grid)
    gap = 2
    chosen = _columns_that_fit(widths, gap, width)
    if Column.CYCLES not in chosen:
        gap = 1
        chosen = _columns_that_fit(widths, gap, width)
    return Layout(
        width=width,
        gap=gap,
        columns=tuple((name, widths[name]) for name in Column if name in chosen),
        price_places=places_of(grid.tick_size),
        lot_places=places_of(grid.lot_size),
        quote_places=quote_places(grid.tick_size),
    )


def _columns_that_fit(widths: dict[Column, int], gap: int, width: int) -> set[Column]:
    chosen = set(_NEEDED)
    # The mark of the selected row comes first, and the bar of a lot stands close to the side.
    taken = 1 + sum(widths[name] + gap for name in _NEEDED) - gap - (gap - 1)
    for group in _WELCOME:
        need = sum(gap + widths[name] for name in group)
        if taken + need <= width:
            chosen.update(group)
            taken += need
    return chosen


def _column_widths(grid: GridSnapshot) -> dict[Column, int]:
    highest = max((slot.upper for slot in grid.slots), default=ZERO)
    largest = max((_amount_of(slot) for slot in grid.slots), default=ZERO)
    price = max(len(number(highest, places_of(grid.tick_size))), len(Column.PRICE))
    amount = max(len(number(largest, places_of(grid.lot_size))), len(Column.AMOUNT))
    profits = [slot.profit for slot in grid.slots] or [ZERO]
    places = quote_places(grid.tick_size)
    profit = max(len(signed(max(profits), places)), len(signed(min(profits), places)))
    return {
        Column.INDEX: max(len(str(max((slot.index for slot in grid.slots), default=0))), 3),
        Column.LOT: 1,
        Column.SIDE: 4,
        Column.PRICE: price,
        Column.AWAY: 7,
        Column.STATE: 10,
        Column.AMOUNT: amount,
        Column.FILLED: 6,
        Column.CYCLES: 4,
        Column.PROFIT: max(profit, 8),
        Column.STATUS: 11,
        Column.LOWER: price,
        Column.UPPER: price,
        Column.ORDER_ID: 16,
    }


def _amount_of(slot: SlotView) -> Decimal:
    return slot.order.amount if slot.order is not None else abs(slot.quantity)


def side_of(slot: SlotView) -> Side:
    """The side of its order, or the side it would act on next."""
    if slot.order is not None:
        return slot.order.side
    match slot.state:
        case SlotStateName.EMPTY | SlotStateName.ENTERING:
            return slot.entry_side
        case SlotStateName.HOLDING | SlotStateName.EXITING:
            return _exit_side(slot)


def _exit_side(slot: SlotView) -> Side:
    """Against what it holds; where that is nothing, against its entry."""
    if slot.quantity == ZERO:
        return Side.BUY if slot.entry_side is Side.SELL else Side.SELL
    return Side.SELL if slot.quantity > ZERO else Side.BUY


def level_of(slot: SlotView) -> Decimal:
    """The price of its order, or the level it would act on next."""
    if slot.order is not None:
        return slot.order.price
    return slot.lower if side_of(slot) is Side.BUY else slot.upper


def price_row(grid: GridSnapshot) -> int | None:
    """The row, counted from the top, that the market price takes among the slots; None without a price."""
    if grid.price is None:
        return None
    count = len(grid.slots)
    at = bisect_right(grid.slots, grid.price, key=lambda slot: slot.lower) - 1
    if at < 0:
        return count
    if grid.price >= grid.slots[at].upper:
        return count - 1 - at
    return count - at if side_of(grid.slots[at]) is Side.SELL else count - 1 - at


def slot_at_price(grid: GridSnapshot) -> SlotView | None:
    """The slot whose interval holds the market price, or the nearest end; None without price or slots."""
    if grid.price is None or not grid.slots:
        return None
    at = bisect_right(grid.slots, grid.price, key=lambda slot: slot.lower) - 1
    return grid.slots[max(at, 0)]


def slot_of(grid: GridSnapshot | None, index: int | None) -> SlotView | None:
    """The slot of this identity; None where there is none (any more)."""
    if grid is None or index is None:
        return None
    return next((slot for slot in grid.slots if slot.index == index), None)


def next_levels(grid: GridSnapshot) -> tuple[SlotView | None, SlotView | None]:
    """The slots of the highest live buy and of the lowest live sell."""
    buy: SlotView | None = None
    sell: SlotView | None = None
    for slot in grid.slots:
        order = slot.order
        if order is None:
            continue
        if order.side is Side.BUY:
            if buy is None or buy.order is None or order.price > buy.order.price:
                buy = slot
        elif sell is None or sell.order is None or order.price < sell.order.price:
            sell = slot
    return buy, sell


def away_text(slot: SlotView, price: Decimal | None) -> str:
    """Distance from the market price to the slot's level."""
    return "" if price is None else percent(distance(level_of(slot), price))


def head_line(layout: Layout) -> Line:
    """The headings."""
    text = " "
    for position, (name, width) in enumerate(layout.columns):
        fit = fit_left if name in _LEFT_ALIGNED else fit_right
        text += _gap_before(position, layout) + fit(name.value, width)
    return cut_line((Piece(text, Tone.HEAD),), layout.width)


def slot_line(facts: RowFacts, layout: Layout) -> Line:
    """One slot."""
    pieces = [Piece("▸" if facts.is_selected else " ", Tone.PRICE)]
    for position, (name, width) in enumerate(layout.columns):
        pieces.append(Piece(_gap_before(position, layout)))
        pieces.extend(_cell(name, width, facts, layout))
    return cut_line(_merged(pieces), layout.width)


def _gap_before(position: int, layout: Layout) -> str:
    if position == 0:
        return ""
    is_after_lot = layout.columns[position - 1][0] is Column.LOT
    return " " if is_after_lot else " " * layout.gap


def _merged(pieces: list[Piece]) -> Line:
    """Neighbours of one tone, and blanks, as one piece: fewer pieces are drawn faster."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and (merged[-1].tone is piece.tone or not piece.text.strip()):
            merged[-1] = Piece(merged[-1].text + piece.text, merged[-1].tone)
        else:
            merged.append(piece)
    return tuple(merged)


def _cell(name: Column, width: int, facts: RowFacts, layout: Layout) -> tuple[Piece, ...]:
    slot = facts.slot
    is_idle = slot.order is None and slot.quantity == ZERO
    quiet = Tone.FAINT if is_idle else Tone.DIM
    match name:
        case Column.INDEX:
            return (Piece(fit_right(str(slot.index), width), quiet),)
        case Column.LOT:
            return (Piece("▌" if slot.quantity else " ", Tone.HOLD),)
        case Column.SIDE:
            return (Piece(fit_left(_side_word(slot), width), _side_tone(slot)),)
        case Column.PRICE:
            return (Piece(fit_right(number(level_of(slot), layout.price_places), width), _side_tone(slot)),)
        case Column.AWAY:
            return (Piece(fit_right(facts.away, width), quiet),)
        case Column.STATE:
            return (_state_piece(facts, width),)
        case Column.AMOUNT:
            amount = _amount_of(slot)
            text = number(amount, layout.lot_places) if amount else ""
            return (Piece(fit_right(text, width), Tone.TEXT),)
        case Column.FILLED:
            return _filled_pieces(slot, width)
        case Column.CYCLES:
            return (Piece(fit_right(f"{slot.cycles:,}", width), Tone.TEXT if slot.cycles else Tone.FAINT),)
        case Column.PROFIT:
            text = fit_right(signed(slot.profit, layout.quote_places), width)
            return (Piece(text, result_tone(slot.profit) if slot.profit else Tone.FAINT),)
        case Column.STATUS:
            word = "" if slot.order is None else ORDER_WORDS[slot.order.status]
            return (Piece(fit_left(word, width), Tone.DIM),)
        case Column.LOWER:
            return (Piece(fit_right(number(slot.lower, layout.price_places), width), Tone.FAINT),)
        case Column.UPPER:
            return (Piece(fit_right(number(slot.upper, layout.price_places), width), Tone.FAINT),)
        case Column.ORDER_ID:
            text = "" if slot.order is None else clean_text(slot.order.client_order_id, width)
            return (Piece(fit_left(text, width), Tone.FAINT),)


def _side_word(slot: SlotView) -> str:
    """Capitals for a live order, small letters for what the slot waits to do."""
    word = side_of(slot).value
    return word.upper() if slot.order is not None else word


def _side_tone(slot: SlotView) -> Tone:
    return Tone.FAINT if slot.order is None else SIDE_TONES[slot.order.side]


def _state_piece(facts: RowFacts, width: int) -> Piece:
    slot = facts.slot
    sign = SLOT_SIGNS[slot.state]
    if facts.is_asked:
        return Piece(fit_left(f"{sign.glyph} {ASKED.glyph}{ASKED.word}", width), ASKED.tone)
    if slot.freeze_reason is not None:
        return Piece(fit_left(f"{sign.glyph} {FROZEN.glyph}{FROZEN.word}", width), FROZEN.tone)
    return Piece(fit_left(f"{sign.glyph} {sign.word}", width), sign.tone)


def _filled_pieces(slot: SlotView, width: int) -> tuple[Piece, ...]:
    if slot.order is None:
        return (Piece(" " * width, Tone.FAINT),)
    done, left = progress(slot.order.filled, slot.order.amount, width)
    return Piece(done, SIDE_TONES[slot.order.side]), Piece(left, Tone.FAINT)


def price_line(grid: GridSnapshot, move: int, near: tuple[SlotView | None, SlotView | None], layout: Layout) -> Line:
    """The market price between the slots, with the way to the next live buy and sell (``near``)."""
    if grid.price is None:
        return ()
    price = number(grid.price, layout.price_places)
    left = f"━━━━━ {price} {ARROWS[move]}".rstrip() + " "
    buy, sell = near
    ways = [_way("next sell", sell, grid.price), _way("next buy", buy, grid.price)]
    right = " ━━ ".join(way for way in ways if way)
    right = f" {right} ━━" if right else ""
    rest = layout.width - line_width((Piece(left + right),))
    return cut_line((Piece(left + "━" * max(rest, 1) + right, Tone.PRICE_LINE),), layout.width)


def _way(label: str, slot: SlotView | None, price: Decimal) -> str:
    return "" if slot is None else f"{label} {away_text(slot, price)}"

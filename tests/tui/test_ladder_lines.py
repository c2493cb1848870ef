"""The lines of the ladder, without a terminal."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.order import Side
from engine.model.snapshot import GridSnapshot, SlotStateName, SlotView
from tests import scenes
from tui.present.ladder import (
    Column,
    RowFacts,
    away_text,
    head_line,
    layout_for,
    level_of,
    next_levels,
    price_line,
    price_row,
    side_of,
    slot_at_price,
    slot_line,
)
from tui.present.pieces import Tone, line_text, line_width


def facts(slot: SlotView, grid: GridSnapshot, *, is_selected: bool = False) -> RowFacts:
    return RowFacts(slot, away_text(slot, grid.price), False, is_selected)


def row(grid: GridSnapshot, index: int, width: int = 78) -> str:
    return line_text(slot_line(facts(grid.slots[index], grid), layout_for(grid, width))).rstrip()


def test_each_state_of_a_slot_has_its_line() -> None:
    grid = scenes.running().grids[0]
    assert line_text(head_line(layout_for(grid, 78))).rstrip() == (
        "   #    side      price     away  state        amount  filled   cyc    profit"
    )
    assert row(grid, 36) == "  36  ▌ sell  66,800.00  +10.57%  ● holding   0.00166             0      0.00"
    assert row(grid, 22) == "  22  ▌ SELL  61,200.00   +1.30%  ◆ exiting   0.00166  ──────     8     +4.56"
    assert row(grid, 21) == "  21    BUY   60,400.00   −0.02%  ○ entering  0.00166  ──────     9     +5.13"
    assert row(grid, 3) == "   3    buy   53,200.00  −11.94%  · empty                         0      0.00"


def test_a_partial_fill_shows_a_bar_and_the_lot_it_has_made() -> None:
    grid = scenes.partial_and_frozen().grids[0]
    assert row(grid, 20) == "  20  ▌ BUY   60,000.00   −0.17%  ○ entering  0.00166  ━━╸───     9     +5.13"


def test_a_frozen_slot_keeps_the_glyph_of_its_state_and_says_frozen() -> None:
    grid = scenes.partial_and_frozen().grids[0]
    assert row(grid, 18) == "  18    BUY   59,200.00   −1.50%  ○ ‖frozen   0.00166  ──────     7     +3.99"


def test_the_selected_row_is_marked_by_a_glyph_too() -> None:
    grid = scenes.running().grids[0]
    line = slot_line(facts(grid.slots[21], grid, is_selected=True), layout_for(grid, 78))
    assert line_text(line).startswith("▸ 21")


def test_buys_sells_and_waiting_slots_have_different_tones() -> None:
    grid = scenes.running().grids[0]
    layout = layout_for(grid, 78)

    def tone_of_side(index: int) -> Tone:
        line = slot_line(facts(grid.slots[index], grid), layout)
        return next(piece.tone for piece in line if "buy" in piece.text.lower() or "sell" in piece.text.lower())

    assert [tone_of_side(index) for index in (22, 21, 3, 36)] == [Tone.SELL, Tone.BUY, Tone.FAINT, Tone.FAINT]


@pytest.mark.parametrize("width", [40, 57, 71, 78, 100, 106, 160])
def test_head_and_rows_have_the_same_columns_and_never_exceed_the_width(width: int) -> None:
    grid = scenes.running().grids[0]
    layout = layout_for(grid, width)
    widths = {line_width(slot_line(facts(slot, grid), layout)) for slot in grid.slots}
    assert widths == {line_width(head_line(layout))}
    assert max(widths) <= width


def test_columns_come_in_as_width_allows() -> None:
    grid = scenes.running().grids[0]
    shown = {width: {name for name, _ in layout_for(grid, width).columns} for width in (58, 71, 106, 160)}
    assert Column.FILLED not in shown[58]
    assert {Column.FILLED, Column.CYCLES} <= shown[71]
    assert {Column.LOWER, Column.UPPER} <= shown[106]
    assert shown[160] == set(Column)


@pytest.mark.parametrize(
    "price, expected",
    [("60412.37", 18), ("60800", 18), ("52000", 39), ("51000", 40), ("68000", 0), ("99999", 0)],
)
def test_the_price_lies_between_the_slot_it_would_sell_and_the_one_it_would_buy(price: str, expected: int) -> None:
    grid = scenes.grid(Decimal(price), slots=scenes.running().grids[0].slots)
    assert price_row(grid) == expected


def test_a_slot_at_the_price_lies_above_it_while_it_sells_and_below_while_it_buys() -> None:
    grid = scenes.running().grids[0]
    slots = list(grid.slots)
    slots[21] = scenes.slot(21, state=SlotStateName.EXITING, quantity=scenes.LOT, order=scenes.order(21, Side.SELL))
    assert price_row(grid) == 18
    assert price_row(replace(grid, slots=tuple(slots))) == 19


def test_without_a_price_there_is_no_line_and_no_slot_at_it() -> None:
    grid = scenes.starting().grids[0]
    assert (price_row(grid), slot_at_price(grid)) == (None, None)
    assert price_line(grid, 0, (None, None), layout_for(grid, 60)) == ()
    assert away_text(grid.slots[0], grid.price) == ""


def test_the_price_line_names_the_way_to_the_next_orders() -> None:
    grid = scenes.running().grids[0]
    line = price_line(grid, -1, next_levels(grid), layout_for(grid, 70))
    assert line_text(line) == "━━━━━ 60,412.37 ▼ ━━━━━━━━━━━━━ next sell +1.30% ━━ next buy −0.02% ━━"
    alone = replace(grid, slots=tuple(scenes.slot(index) for index in range(3)))
    assert line_text(price_line(alone, 0, next_levels(alone), layout_for(alone, 30))) == (
        "━━━━━ 60,412.37 ━━━━━━━━━━━━━━"
    )


def test_the_next_orders_are_the_highest_buy_and_the_lowest_sell() -> None:
    buy, sell = next_levels(scenes.running().grids[0])
    assert (buy and buy.index, sell and sell.index) == (21, 22)


def test_a_slot_without_order_shows_what_it_would_do_next() -> None:
    empty, holding = scenes.slot(5), scenes.slot(5, state=SlotStateName.HOLDING, quantity=scenes.LOT)
    short = scenes.slot(5, state=SlotStateName.HOLDING, quantity=-scenes.LOT)
    assert [(side_of(slot), level_of(slot)) for slot in (empty, holding, short)] == [
        (Side.BUY, Decimal(54_000)),
        (Side.SELL, Decimal(54_400)),
        (Side.BUY, Decimal(54_000)),
    ]

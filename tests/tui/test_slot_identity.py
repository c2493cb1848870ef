"""A slot is known by its index and stands at the place of its price: after an edit the two differ."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.commands import Command, Freeze, Thaw
from engine.model.order import Side
from engine.model.reconcile import Choice, DiscrepancyKind, Resolution
from engine.model.snapshot import EngineSnapshot, QuestionView, SlotStateName, SlotView
from tests import scenes
from tests.tui.screens import running_app, screen_rows
from tests.tui.test_pane_lines import texts
from tui.present.ladder import layout_for, slot_at_price, slot_of
from tui.present.slot import overview_lines, slot_lines
from tui.screens.details import DetailsScreen

IDS = (11, 3, 7)
"""In the order of price: the slots at 60,000, 60,400 and 60,800."""
PRICE = Decimal(60_412)


def slot(place: int, **changes: object) -> SlotView:
    lower = Decimal(60_000 + 400 * place)
    return replace(scenes.slot(IDS[place], **changes), lower=lower, upper=lower + 400)


SLOTS = (slot(0), slot(1, freeze_reason="frozen by wish"), slot(2))


def scene(slots: Sequence[SlotView] = SLOTS, sequence: int = 1, **changes: object) -> EngineSnapshot:
    return scenes.engine(scenes.grid(PRICE, slots=tuple(slots), **changes), sequence=sequence)


def question(index: int) -> QuestionView:
    return QuestionView(
        name=f"q{index}",
        kind=DiscrepancyKind.VANISHED_ORDER,
        slot=index,
        client_order_id="g1btc0003n000007",
        detail="gone",
        rows=(),
        choices=(Choice(resolution=Resolution.RELEASE, effect="releases it", moves_money=False),),
        proposed=Resolution.RELEASE,
        unanswered="the slot stays frozen",
        asked_ms=scenes.AT_MS,
    )


@pytest.mark.parametrize(
    "keys, sent",
    [
        (["j", "space"], Thaw(grid="btc", slot=3)),
        (["j", "j", "space"], Freeze(grid="btc", slot=11)),
        (["j", "k", "space"], Freeze(grid="btc", slot=7)),
        (["g", "space"], Freeze(grid="btc", slot=7)),
        (["G", "space"], Freeze(grid="btc", slot=11)),
        (["j", "pagedown", "space"], Freeze(grid="btc", slot=11)),
    ],
)
async def test_the_slot_at_the_selected_place_is_frozen_by_its_index(keys: Sequence[str], sent: Command) -> None:
    async with running_app(scene()) as (_, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert client.sent == [sent]


async def test_the_mark_stands_at_the_place_and_the_pane_shows_the_slot_of_that_index() -> None:
    async with running_app(scene()) as (app, _, pilot):
        await pilot.press("G")
        await pilot.pause()
        rows = screen_rows(app)
        assert [row.partition("▸")[2].split()[:3] for row in rows if "▸" in row] == [["11", "buy", "60,000.00"]]
        assert any("Slot 11 " in row for row in rows)
        assert any("levels     60,000.00 – 60,400.00" in row for row in rows)


async def test_a_click_selects_the_slot_under_the_pointer() -> None:
    async with running_app(scene()) as (_, client, pilot):
        await pilot.click("#slots", offset=(5, 3))
        await pilot.press("space")
        await pilot.pause()
        assert client.sent == [Freeze(grid="btc", slot=11)]


async def test_the_details_are_of_the_selected_slot() -> None:
    async with running_app(scene(), size=(80, 24)) as (app, _, pilot):
        await pilot.press("G", "enter")
        await pilot.pause()
        assert isinstance(app.screen, DetailsScreen)
        assert any("levels     60,000.00 – 60,400.00" in row for row in screen_rows(app))


async def test_the_questions_begin_with_that_of_the_selected_slot() -> None:
    asked = scene(questions=(question(3), question(11)))
    async with running_app(asked, size=(80, 24)) as (app, _, pilot):
        await pilot.press("G", "R")
        await pilot.pause()
        assert any("▸ q11" in row for row in screen_rows(app))


async def test_a_row_is_marked_as_asked_by_the_index_of_its_slot() -> None:
    async with running_app(scene(questions=(question(7),)), size=(80, 24)) as (app, _, _pilot):
        assert [row.split()[0] for row in screen_rows(app) if "?asked" in row] == ["7"]


async def test_the_selection_follows_its_slot_through_an_edit() -> None:
    async with running_app(scene()) as (app, client, pilot):
        await pilot.press("j", "j")
        below = replace(scenes.slot(5), lower=Decimal(59_600), upper=Decimal(60_000))
        client.scenes = [scene((below, *SLOTS), sequence=2, lattice_version=2)]
        await app.poll()
        await pilot.press("space")
        await pilot.pause()
        assert client.sent == [Freeze(grid="btc", slot=11)]


@pytest.mark.parametrize("is_reused", [False, True])
async def test_a_selected_slot_that_is_gone_is_selected_no_more_even_if_its_index_is_anothers(is_reused: bool) -> None:
    async with running_app(scene()) as (app, client, pilot):
        await pilot.press("G")
        above = replace(scenes.slot(11), lower=Decimal(61_200), upper=Decimal(61_600))
        client.scenes = [scene((*SLOTS[1:], *((above,) if is_reused else ())), sequence=2)]
        await app.poll()
        await pilot.press("space")
        await pilot.pause()
        assert client.sent == []
        assert not any("▸" in row for row in screen_rows(app))


def test_the_slot_at_the_price_is_found_by_its_place_and_told_by_its_index() -> None:
    grid = scene().grids[0]
    at = slot_at_price(grid)
    assert (at and at.index, slot_of(grid, 7), slot_of(grid, 0), slot_of(None, 7)) == (3, SLOTS[2], None, None)


def test_the_overview_marks_the_place_of_the_selected_slot() -> None:
    grid = scene().grids[0]
    assert texts(overview_lines(grid, 11, 40))[-1] == "▼‖·"
    assert texts(overview_lines(grid, 7, 40))[-1] == "·‖▼"
    assert texts(overview_lines(grid, 0, 40))[-1] == "·‖·"


def test_a_slot_that_is_gone_is_said_to_be_gone() -> None:
    lines = texts(slot_lines(scene().grids[0], 5, 40))
    assert lines[:2] == ["slot 5 is no longer in the lattice", ""]
    assert texts(slot_lines(scene().grids[0], 11, 40))[1] == "levels     60,000.00 – 60,400.00  +0.67%"


def test_the_column_of_the_index_is_as_wide_as_the_widest_index() -> None:
    wide = replace(SLOTS[0], index=46_655)
    grid = scene((wide, *SLOTS[1:])).grids[0]
    assert layout_for(grid, 78).columns[0][1] == 5


SHORT_EMPTY = replace(slot(1), entry_side=Side.SELL, freeze_reason=None)
SHORT_HELD = replace(SHORT_EMPTY, state=SlotStateName.HOLDING, quantity=-scenes.LOT)


@pytest.mark.parametrize(
    "shown, row",
    [
        (SHORT_EMPTY, ["3", "sell", "60,800.00", "+0.64%"]),
        (SHORT_HELD, ["3", "▌", "buy", "60,400.00", "−0.02%"]),
        (replace(SHORT_HELD, quantity=Decimal(0)), ["3", "buy", "60,400.00", "−0.02%"]),
        (slot(1), ["3", "buy", "60,400.00", "−0.02%"]),
    ],
)
async def test_a_slot_that_sells_first_is_shown_with_the_side_and_the_level_it_waits_for(
    shown: SlotView, row: Sequence[str]
) -> None:
    async with running_app(scene((slot(0), shown, slot(2))), size=(80, 24)) as (app, _, _pilot):
        found = next(text.split() for text in screen_rows(app) if text.split()[:1] == ["3"])
        assert found[: len(row)] == list(row)

"""The live edit: what the fields mean, what its preview says, and that nothing is sent before both steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.model.commands import EditGrid, GridChange
from engine.model.grid import SizedBy
from engine.model.snapshot import EngineSnapshot, Mode
from tests import preflight_scenes, scenes
from tests.tui.clients import SceneClient
from tests.tui.screens import make_app, running_app, screen_rows, show_all, toasts
from tests.tui.test_pictures import LARGE, SMALL
from tui.present.edit import (
    Fields,
    change_from_fields,
    compared_lines,
    confirm_lines,
    effect_lines,
    fields_of,
    hint_lines,
    preview_lines,
    size_label,
    traded_text,
)
from tui.present.pieces import Line, Tone, line_text, line_width
from tui.present.preflight import places_for
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.edit import EditScreen

PLACES = places_for(scenes.grid())
NOW = Fields(lower="52000", upper="68000", slots="40", size="100")
LOWER = ["E", "=53600", "enter"]
CHANGE = GridChange(lower=Decimal(53_600))
EDIT = EditGrid(grid="btc", change=CHANGE)


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line).rstrip() for line in lines]


def sized(sized_by: SizedBy = SizedBy.QUOTE_PER_SLOT, size: Decimal = Decimal("100.50")) -> EngineSnapshot:
    return scenes.engine(scenes.grid(sized_by=sized_by, size=size))


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other, each once what the one before began has come to its end.

    ``=text`` writes the text into the field that has the focus.
    """
    for key in keys:
        field = pilot.app.focused
        if key.startswith("=") and isinstance(field, Input):
            field.value = key[1:]
        elif not key.startswith("="):
            await pilot.press(key)
        await pilot.pause()
    await pilot.pause()


def test_the_fields_begin_with_what_the_grid_is_now() -> None:
    assert fields_of(scenes.grid()) == Fields(lower="52000", upper="68000", slots="40", size="")
    assert fields_of(sized().grids[0]).size == "100.5"
    assert fields_of(scenes.grid(slots=())) == Fields()
    labels = [size_label(sized(sized_by).grids[0]) for sized_by in SizedBy]
    assert (size_label(scenes.grid()), labels) == ("size", ["quote per slot", "base per slot", "investment"])


@pytest.mark.parametrize(
    "typed, change",
    [
        (replace(NOW, lower="53600"), CHANGE),
        (replace(NOW, upper=" 72000.5 "), GridChange(upper=Decimal("72000.5"))),
        (replace(NOW, slots="46", size=""), GridChange(slots=46)),
        (replace(NOW, lower="52000.00", size="120"), GridChange(size=Decimal(120))),
        (Fields(slots="41"), GridChange(slots=41)),
        (
            Fields(lower="1", upper="2", slots="3", size="4"),
            GridChange(lower=Decimal(1), upper=Decimal(2), slots=3, size=Decimal(4)),
        ),
    ],
)
def test_only_what_differs_is_changed(typed: Fields, change: GridChange) -> None:
    assert (change_from_fields(NOW, typed).change, change_from_fields(NOW, typed).problems) == (change, ())


@pytest.mark.parametrize(
    "typed, problems",
    [
        (NOW, ["nothing is changed yet: type another lower or upper level, number of slots or size"]),
        (Fields(), ["nothing is changed yet: type another lower or upper level, number of slots or size"]),
        (replace(NOW, lower="68000"), ["lower must be below upper, was 68000 and 68000"]),
        (replace(NOW, upper="51000"), ["lower must be below upper, was 52000 and 51000"]),
        (replace(NOW, lower="70000", upper="69000"), ["lower must be below upper, was 70000 and 69000"]),
        (
            replace(NOW, lower="1..2", slots="0"),
            [
                "lower: expected a decimal number above 0 such as 52000.5, found '1..2'",
                "slots: expected a whole number from 1 to 46656, found '0'",
            ],
        ),
        (replace(NOW, size="0"), ["size: expected a decimal number above 0 such as 52000.5, found '0'"]),
    ],
)
def test_fields_that_make_no_change_say_what_is_wrong_with_each(typed: Fields, problems: list[str]) -> None:
    assert list(change_from_fields(NOW, typed).problems) == problems


def test_a_grid_whose_range_is_not_known_can_be_given_one() -> None:
    assert change_from_fields(Fields(), Fields(lower="5")).change == GridChange(lower=Decimal(5))


def test_the_preview_says_all_that_would_happen() -> None:
    assert texts(effect_lines(preflight_scenes.preview(), PLACES, 76)) == [
        "stay            36 slots: 4-39",
        "disappear       4 slots: 0-3",
        "appear          10 slots: 40-49",
        "lots move       2 lots: 39 to 41, 38 to 40",
        "cancelled       2 orders: g1btc0009n000007, g1btc0010n000007",
        "at once         buys 0.01660 BTC for about 1,002.85 USDT",
        "loss at bound   405.61 to 515.20 USDT",
    ]
    quiet = preflight_scenes.preview(stays=(), gone=(), new=(), lots_moved=(), cancels=(), buys_base=Decimal(0))
    assert [line.split(None, 2)[-1] for line in texts(effect_lines(quiet, PLACES, 76))[:3]] == ["none"] * 3
    assert texts(effect_lines(quiet, PLACES, 76))[3:6] == [
        "lots move       none",
        "cancelled       none",
        "at once         nothing is bought or sold",
    ]
    selling = preflight_scenes.preview(buys_base=Decimal("-0.5"), buys_quote=Decimal(-30_000))
    assert traded_text(selling, PLACES) == "sells 0.50000 BTC for about 30,000.00 USDT"


def test_of_many_orders_and_lots_the_first_are_named() -> None:
    many = preflight_scenes.preview(
        cancels=tuple(f"g{number}\x1b" for number in range(1200)),
        lots_moved=tuple((slot, slot + 1) for slot in range(7)),
    )
    lines = texts(effect_lines(many, PLACES, 76))
    assert lines[3] == "lots move       7 lots: 0 to 1, 1 to 2, 2 to 3, 3 to 4 and 3 more"
    assert lines[4] == "cancelled       1,200 orders: g0<U+001B>, g1<U+001B>, g2<U+001B>, g3<U+001B>"
    assert lines[5] == "                and 1,196 more"


def test_the_figures_stand_beside_each_other_and_those_that_change_are_marked() -> None:
    lines = compared_lines(preflight_scenes.preview(), PLACES, 76)
    told = texts(lines)
    assert told[:3] == [
        "                before                     after",
        "highest level   68,000.00                → 72,000.00",
        "lowest level    52,000.00                → 53,600.00",
    ]
    assert "break-even step 0.200%                     0.200%" in told
    assert "loss at stop    538.41 USDT              → 760.02 USDT" in told
    assert [lines[1][-1].tone, lines[5][-1].tone] == [Tone.STRONG, Tone.DIM]
    without_stop = replace(preflight_scenes.preview().after, stop_price=None, loss_at_stop=None)
    gone = texts(compared_lines(preflight_scenes.preview(after=without_stop), PLACES, 76))
    assert "loss at stop    538.41 USDT              → –" in gone


@pytest.mark.parametrize("width", [30, 76, 149, 150, 196])
def test_no_line_of_a_preview_or_its_question_is_wider_than_its_place(width: int) -> None:
    preview = preflight_scenes.impossible()
    lines = (
        *preview_lines(preview, PLACES, width),
        *hint_lines(width),
        *effect_lines(preview, PLACES, width),
    )
    assert max(line_width(line) for line in lines) <= width


def test_problems_stand_on_top_of_the_preview() -> None:
    assert texts(preview_lines(preflight_scenes.impossible(), PLACES, 76))[:5] == [
        " ■ 2 problems: this cannot be done",
        "× slot 12 is frozen and would disappear; thaw it first",
        "× the account has 300 USDT free, [red]1002.85[/red] are needed",
        "! the highest level 72000 lies 19.2% above the price",
        "",
    ]


def test_the_question_names_the_mode_and_the_effects_and_fits_on_the_smallest_screen() -> None:
    lines = texts(confirm_lines(Mode.LIVE, scenes.grid(), preflight_scenes.preview(), PLACES, 70))
    assert lines[0] == "Edit btc BTC/USDT?   ▲ LIVE ▲"
    assert "at once         buys 0.01660 BTC for about 1,002.85 USDT" in lines
    assert lines[-1] == "y yes    n or esc no"
    spread = tuple(range(0, 40_000, 2))
    orders = tuple(f"g1btc{number:04}n000007" for number in range(900))
    moved = tuple((slot, slot + 1) for slot in spread)
    worst = preflight_scenes.preview(stays=spread, gone=spread, new=spread, cancels=orders, lots_moved=moved)
    assert len(confirm_lines(Mode.LIVE, scenes.grid(), worst, PLACES, 70)) <= 18


@pytest.mark.parametrize(
    "keys, asked, sent",
    [
        (["E"], 0, []),
        (["E", "enter"], 0, []),
        (LOWER, 1, []),
        ([*LOWER, "enter", "enter"], 1, []),
        ([*LOWER, "=appl", "enter", "y"], 1, []),
        ([*LOWER, "=apply", "y"], 1, []),
        ([*LOWER, "=apply", "enter"], 1, []),
        ([*LOWER, "=apply", "enter", "enter", "n"], 1, []),
        ([*LOWER, "=apply", "enter", "escape", "y"], 1, []),
        ([*LOWER, "=apply", "enter", "y"], 2, [EDIT]),
        ([*LOWER, "=APPLY", "enter", "y"], 2, [EDIT]),
        ([*LOWER, "=apply", "enter", "n", "=apply", "enter", "y"], 2, [EDIT]),
        ([*LOWER, "shift+tab", "enter"], 2, []),
        (["E", "p", "s", "space", "q", "exclamation_mark"], 0, []),
    ],
)
async def test_nothing_is_sent_before_the_preview_the_word_and_the_yes(
    keys: Sequence[str], asked: int, sent: Sequence[EditGrid]
) -> None:
    async with running_app(scenes.running(), size=SMALL) as (_, client, pilot):
        await press(pilot, *keys)
        assert client.asked == [("btc", CHANGE)] * asked
        assert client.sent == list(sent)


async def test_an_edit_that_is_done_is_told_and_ends_the_screen() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, _, pilot):
        await press(pilot, *LOWER)
        await press(pilot, "=apply", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "y")
        assert isinstance(app.screen, Dashboard)
        assert toasts(app) == [("information", "done: EditGrid")]


async def test_a_preview_with_problems_shows_them_and_offers_no_way_on() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        client.previews = [preflight_scenes.impossible()]
        await press(pilot, *LOWER)
        rows = "\n".join(screen_rows(app))
        assert "× the account has 300 USDT free, [red]1002.85[/red] are needed" in rows
        assert "type apply" not in rows
        await press(pilot, "=apply", "enter")
        assert isinstance(app.screen, EditScreen)
        assert client.sent == []


async def test_a_change_after_the_preview_takes_the_word_away_until_it_is_previewed_again() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, *LOWER)
        assert "type apply" in "\n".join(screen_rows(app))
        await press(pilot, "tab", "tab", "=72000")
        rows = "\n".join(screen_rows(app))
        assert "type apply" not in rows
        assert "lots move" not in rows
        await press(pilot, "enter")
        assert client.asked[-1] == ("btc", replace(CHANGE, upper=Decimal(72_000)))
        assert "type apply" in "\n".join(screen_rows(app))


async def test_an_edit_that_would_trade_more_than_agreed_is_shown_again_and_not_done() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        client.previews.append(preflight_scenes.preview(buys_base=Decimal("0.0833")))
        await press(pilot, *LOWER)
        await press(pilot, "=apply", "enter")
        await press(pilot, "y")
        rows = "\n".join(screen_rows(app))
        assert "! the market has moved: the edit would trade more now than you agreed to" in rows
        assert "buys 0.08330 BTC" in rows
        assert client.sent == []
        await press(pilot, "=apply", "enter")
        await press(pilot, "y")
        assert client.sent == [EDIT]


async def test_an_edit_that_has_got_problems_meanwhile_shows_them_and_is_not_done() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        client.previews.append(preflight_scenes.impossible())
        await press(pilot, *LOWER)
        await press(pilot, "=apply", "enter")
        await press(pilot, "y")
        assert "× slot 12 is frozen and would disappear; thaw it first" in "\n".join(screen_rows(app))
        assert client.sent == []


async def test_a_refused_edit_is_shown_in_the_engines_words_and_the_fields_stay() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, *LOWER)
        await press(pilot, "=apply", "enter")
        client.refusal = "btc: [b]a migration[/b] is under way"
        await press(pilot, "y")
        rows = screen_rows(app)
        assert any("× btc: [b]a migration[/b] is under way" in row for row in rows)
        assert rows[2].startswith(" 53600 ")
        assert toasts(app) == [("error", "btc: [b]a migration[/b] is under way")]


async def test_a_refused_preview_is_shown_in_the_engines_words() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        client.refusal = "the engine is halted"
        await press(pilot, *LOWER)
        assert any("× the engine is halted" in row for row in screen_rows(app))


async def test_fields_with_mistakes_ask_nobody() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", "full_stop", "full_stop", "enter")
        rows = "\n".join(screen_rows(app))
        assert "× lower: expected a decimal number above 0 such as 52000.5, found '..'" in rows
        assert client.asked == []


async def test_letters_do_not_come_into_the_fields_and_escape_leaves() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", "q", "P", "minus", "e")
        assert screen_rows(app)[2].startswith(" 52000 ")
        await press(pilot, "escape")
        assert isinstance(app.screen, Dashboard)
        assert (client.asked, client.sent) == ([], [])


async def test_an_engine_that_has_ended_meanwhile_is_not_asked() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E")
        client.stopped = "disk full"
        await app.poll()
        await press(pilot, *LOWER[1:])
        assert any("× the engine has stopped; nothing can be asked" in row for row in screen_rows(app))
        assert client.asked == []


async def test_the_preview_can_be_read_to_its_end() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, _, pilot):
        await press(pilot, *LOWER)
        assert not any("start requests" in row for row in screen_rows(app))
        await press(pilot, "pagedown", "pagedown")
        assert any("start requests" in row for row in screen_rows(app))
        await press(pilot, "pageup", "pageup")
        assert any("stay            36 slots" in row for row in screen_rows(app))


def edit_picture(
    compare: Callable[..., bool],
    size: tuple[int, int],
    keys: Sequence[str],
    ready: Callable[[SceneClient], None] = lambda _: None,
) -> bool:
    """Whether the screen looks like its picture after these keys."""
    app, client = make_app(sized())
    app.animation_level = "none"
    ready(client)

    async def prepare(pilot: Pilot[None]) -> None:
        await show_all(app, client)
        app.theme = "dark"
        await app.poll()
        await press(pilot, *LOWER)
        await press(pilot, *keys)

    return compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_preview_looks_like_its_picture(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert edit_picture(snap_compare, size, [])


def test_a_forbidden_edit_looks_like_its_picture(snap_compare: Callable[..., bool]) -> None:
    def forbid(client: SceneClient) -> None:
        client.previews = [preflight_scenes.impossible()]

    assert edit_picture(snap_compare, SMALL, [], forbid)


def test_the_question_before_an_edit_looks_like_its_picture(snap_compare: Callable[..., bool]) -> None:
    assert edit_picture(snap_compare, SMALL, ["=apply", "enter"])

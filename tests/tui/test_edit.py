"""The edit screen in the real app: what is no number is refused, and nothing is sent before both steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.model.commands import EditGrid, GridChange, Panic
from engine.model.grid import SizedBy
from engine.model.snapshot import EngineSnapshot
from tests import preflight_scenes, scenes
from tests.tui.clients import SceneClient
from tests.tui.screens import make_app, running_app, screen_rows, show_all, toasts
from tests.tui.test_pictures import LARGE, SMALL
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.edit import EditScreen
from tui.screens.panic import PanicScreen

LOWER = ["E", "=53600", "enter"]
CHANGE = GridChange(lower=Decimal(53_600))
EDIT = EditGrid(grid="btc", change=CHANGE)


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


@pytest.mark.parametrize(
    "tabs, keys, refused",
    [
        (0, "8,5", "× lower: expected a decimal number above 0 such as 52000.5, found '8,5'"),
        (0, "52k", "× lower: expected a decimal number above 0 such as 52000.5, found '52k'"),
        (2, "8.5", "× slots: expected a whole number from 1 to 46656, found '8.5'"),
    ],
)
async def test_what_is_no_number_is_refused_in_words_and_never_made_another_one(
    tabs: int, keys: str, refused: str
) -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", *["tab"] * tabs, *({",": "comma", ".": "full_stop"}.get(key, key) for key in keys))
        assert any(refused in row for row in screen_rows(app))
        assert keys in screen_rows(app)[2]
        await press(pilot, "enter")
        assert any(refused in row for row in screen_rows(app))
        assert client.asked == []


async def test_once_a_field_is_a_number_again_the_refusal_goes() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", "=8,5")
        await press(pilot, "=53600")
        assert not any("×" in row for row in screen_rows(app))
        await press(pilot, "enter")
        assert client.asked == [("btc", CHANGE)]


async def test_the_panic_key_is_heard_while_a_field_has_the_focus() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", "exclamation_mark")
        assert isinstance(app.screen, PanicScreen)
        await press(pilot, "y")
        assert client.sent == [Panic(grid="btc")]
        assert isinstance(app.screen, EditScreen)
        assert screen_rows(app)[2].startswith(" 52000 ")


async def test_letters_do_nothing_else_in_a_field_and_escape_leaves() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await press(pilot, "E", "q", "P", "minus", "e")
        assert isinstance(app.screen, EditScreen)
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

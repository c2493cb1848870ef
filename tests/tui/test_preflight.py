"""The pre-flight: its figures and ladder line by line, and the screen that asks for them."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from textual.pilot import Pilot

from engine.model.order import Side
from engine.model.snapshot import BalanceView
from tests import preflight_scenes, scenes
from tests.tui.clients import SceneClient
from tests.tui.screens import make_app, running_app, screen_rows, show_all, toasts
from tests.tui.test_pictures import LARGE, SMALL
from tui.present.pieces import Line, Piece, Tone, line_text, line_width
from tui.present.preflight import (
    account_figures,
    beside,
    bound_lines,
    figures,
    places_for,
    summary_lines,
    table_for,
    title_text,
    trouble_lines,
)
from tui.screens.dashboard import Dashboard
from tui.screens.preflight import PreflightScreen

PLACES = places_for(scenes.grid())


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line).rstrip() for line in lines]


def told(**changes: object) -> dict[str, str]:
    return {one.label: one.text for one in figures(preflight_scenes.preflight(**changes), PLACES)}


def test_the_summary_has_every_figure_of_a_start() -> None:
    assert told() == {
        "highest level": "68,000.00",
        "lowest level": "52,000.00",
        "slots": "40, 41 levels",
        "needs": "3,982.22 USDT",
        "least possible": "412.50 USDT",
        "break-even step": "0.200%",
        "cycle earns": "+0.4389 to +0.4907",
        "that is": "0.391% to 0.568%",
        "bought at once": "0.03320 BTC",
        "paid for it": "2,005.69 USDT",
        "average entry": "58,106.18",
        "loss at bound": "405.61 USDT",
        "the stop": "50,000.00",
        "loss at stop": "538.41 USDT",
        "orders live": "24 of 200",
        "start requests": "32 of 600 a minute",
    }


def test_figures_that_a_grid_does_not_have_are_left_out() -> None:
    short = told(
        now_base=Decimal("-0.5"),
        now_quote=Decimal(-30_000),
        needs_base=Decimal("0.5"),
        average_entry=None,
        stop_price=None,
        loss_at_stop=None,
        orders_max=None,
        requests_per_minute=None,
        liquidation_price=Decimal(71_000),
    )
    assert (short["sold at once"], short["taken for it"]) == ("0.50000 BTC", "30,000.00 USDT")
    assert (short["and needs"], short["liquidation"]) == ("0.50000 BTC", "71,000.00")
    assert (short["orders live"], short["start requests"]) == ("24", "32")
    assert not {"average entry", "the stop", "loss at stop", "bought at once"} & set(short)
    empty = told(rows=(), now_base=Decimal(0))
    assert (empty["slots"], empty["traded at once"]) == ("none", "nothing")
    assert "cycle earns" not in empty


def test_a_loss_and_a_cycle_that_loses_have_the_tone_of_a_loss() -> None:
    losing = preflight_scenes.preflight(rows=(preflight_scenes.row(3, profit=Decimal("-0.0012")),))
    tones = {one.label: one.tone for one in figures(losing, PLACES)}
    assert (tones["cycle earns"], tones["loss at bound"]) == (Tone.LOSS, Tone.LOSS)
    gaining = preflight_scenes.preflight(loss_at_bound=Decimal(-3))
    tones = {one.label: one.tone for one in figures(gaining, PLACES)}
    assert (tones["cycle earns"], tones["loss at bound"]) == (Tone.GAIN, Tone.GAIN)


def test_an_account_that_has_too_little_is_marked() -> None:
    flight = preflight_scenes.preflight(needs_quote=Decimal(500), needs_base=Decimal(1))
    balances = (
        BalanceView(currency="USDT", free=Decimal(500), locked=Decimal(0)),
        BalanceView(currency="BTC", free=Decimal("0.9"), locked=Decimal("0.2")),
    )
    assert [(one.label, one.text, one.tone) for one in account_figures(flight, balances, PLACES)] == [
        ("account, free", "500.00 USDT", Tone.TEXT),
        ("account, free", "0.90000 BTC", Tone.WARN),
    ]
    assert texts(bound_lines(flight, balances, PLACES, 76)) == ["bound by orders and positions  0.20000 BTC"]
    assert bound_lines(flight, balances[:1], PLACES, 76) == ()
    assert [(one.text, one.tone) for one in account_figures(flight, (), PLACES)] == [
        ("no USDT", Tone.WARN),
        ("no BTC", Tone.WARN),
    ]


def test_a_swap_has_no_base_and_nothing_is_said_of_it() -> None:
    told_of_quote = (BalanceView(currency="USDT", free=Decimal(4000), locked=Decimal(381)),)
    assert [one.text for one in account_figures(preflight_scenes.preflight(), told_of_quote, PLACES)] == [
        "4,000.00 USDT"
    ]
    assert texts(bound_lines(preflight_scenes.preflight(), told_of_quote, PLACES, 76)) == [
        "bound by orders and positions  381.00 USDT"
    ]


def test_two_ends_that_look_alike_are_one_figure() -> None:
    rows = tuple(preflight_scenes.row(slot, profit=Decimal("0.4"), rate=Decimal("0.01669")) for slot in range(3))
    shown = told(rows=rows)
    assert (shown["cycle earns"], shown["that is"]) == ("+0.4000", "1.669%")


def test_problems_and_warnings_stand_on_top_as_the_engine_wrote_them() -> None:
    lines = summary_lines(preflight_scenes.forbidden(), scenes.BALANCES, PLACES, 76)
    assert texts(lines)[:7] == [
        " ■ 2 problems: this cannot be done",
        "× the account has 1020.1 USDT free, the grid needs 3982.2155",
        "× slot 39: a cycle earns -0.0012 USDT, [b]less[/b] than its fees",
        "! the liquidation price 51234.5 lies above the stop at 50000; the position",
        "  would be gone first",
        "",
        "highest level   68,000.00             paid for it     2,005.69 USDT",
    ]
    assert (lines[0][0].tone, lines[1][0].tone, lines[3][0].tone) == (Tone.ALARM, Tone.LOSS, Tone.WARN)
    assert texts(trouble_lines(("\x1b[2J",), (), 40))[1] == "× <U+001B>[2J"
    assert trouble_lines((), (), 40) == ()


@pytest.mark.parametrize("width", [20, 40, 71, 72, 76, 100, 196])
def test_no_line_of_the_summary_is_wider_than_its_place_and_no_figure_is_lost(width: int) -> None:
    lines = summary_lines(preflight_scenes.forbidden(), scenes.BALANCES, PLACES, width)
    assert max(line_width(line) for line in lines) <= width
    if width >= 40:
        text = "\n".join(texts(lines))
        assert all(one.text in text for one in figures(preflight_scenes.forbidden(), PLACES))


def test_two_columns_of_unequal_length_stand_side_by_side() -> None:
    one, other = (Piece("one"),), (Piece("a long line"),)
    assert texts(beside((one,), (one, other), 20)) == ["one       one", "          a long li…"]
    assert texts(beside((one, other), (one,), 20)) == ["one       one", "a long …"]


def test_the_table_shows_every_slot_from_the_highest_to_the_lowest() -> None:
    table = table_for(preflight_scenes.preflight(), PLACES)
    assert table.height == 41
    assert [line_text(table.line(at)).rstrip() for at in (0, 1, 19, 20, 40)] == [
        " #      lower      upper  side   amount   profit    rate       now",
        "39  67,600.00  68,000.00   buy  0.00166  +0.4389  0.391%  buys now",
        "21  60,400.00  60,800.00   buy  0.00166  +0.4628  0.462%",
        "20  60,000.00  60,400.00   buy  0.00166  +0.4641  0.466%",
        " 0  52,000.00  52,400.00   buy  0.00166  +0.4907  0.568%",
    ]


def test_the_table_of_a_short_grid_says_what_is_sold_and_its_columns_stay_in_line() -> None:
    rows = (
        preflight_scenes.row(8, side=Side.SELL, opens_now=True, amount=Decimal("12.5"), profit=Decimal("-1234.5")),
        preflight_scenes.row(9, side=Side.SELL, opens_now=False),
        preflight_scenes.row(10_000, side=Side.BUY, opens_now=True),
    )
    table = table_for(preflight_scenes.preflight(rows=rows), PLACES)
    lines = [table.line(at) for at in range(table.height)]
    assert len({line_width(line) for line in lines}) == 1
    assert [line_text(line).split()[-2:] for line in lines[1:]] == [
        ["buys", "now"],
        ["+0.4787", "0.519%"],
        ["sells", "now"],
    ]
    assert [line[3].tone for line in lines[1:]] == [Tone.BUY, Tone.SELL, Tone.SELL]
    assert lines[3][5].tone is Tone.LOSS
    assert table_for(preflight_scenes.preflight(rows=()), PLACES).height == 1


def test_the_title_names_grid_market_and_price() -> None:
    flight = preflight_scenes.preflight(symbol="BTC\x1b/USDT")
    assert title_text(scenes.grid(), flight) == "Pre-flight btc BTC<U+001B>/USDT, started at 60,412.37"


async def test_the_screen_asks_when_it_opens_and_when_it_is_told_to() -> None:
    async with running_app(scenes.several_grids(), size=SMALL) as (app, client, pilot):
        await pilot.press("greater_than_sign", "P")
        await pilot.pause()
        assert client.asked == [("eth", None)]
        assert any("3,982.22 USDT" in row for row in screen_rows(app))
        client.flight = preflight_scenes.preflight(needs_quote=Decimal("77.7"))
        await pilot.press("r")
        await pilot.pause()
        assert client.asked == [("eth", None)] * 2
        assert any("needs           77.70 USDT" in row for row in screen_rows(app))
        assert client.sent == []


@pytest.mark.parametrize("key", ["escape", "q", "P"])
async def test_leaving_does_nothing(key: str) -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await pilot.press("P")
        await pilot.pause()
        assert isinstance(app.screen, PreflightScreen)
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, Dashboard)
        assert client.sent == []


async def test_a_refusal_takes_the_place_of_the_figures_in_the_engines_words() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await pilot.press("P")
        await pilot.pause()
        client.refusal = "the engine is [b]starting[/b]: waiting for prices"
        await pilot.press("r")
        await pilot.pause()
        rows = screen_rows(app)
        assert rows[2] == " the engine is [b]starting[/b]: waiting for prices"
        assert not any("3,982.22" in row or "67,600.00" in row for row in rows)


@pytest.mark.parametrize("key", ["P", "E"])
async def test_an_engine_that_has_ended_is_not_asked(key: str) -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        client.stopped = "disk full"
        await app.poll()
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, Dashboard)
        assert toasts(app) == [("warning", "The engine has stopped; nothing can be asked.")]
        assert client.asked == []


async def test_an_engine_that_ends_meanwhile_leaves_the_figures_and_is_not_asked_again() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        await pilot.press("P")
        await pilot.pause()
        client.stopped = "disk full"
        await app.poll()
        await pilot.press("r")
        await pilot.pause()
        rows = screen_rows(app)
        assert "ENGINE STOPPED: disk full" in rows[1]
        assert any("3,982.22 USDT" in row for row in rows)
        assert client.asked == [("btc", None)]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
async def test_the_ladder_can_be_read_to_its_lowest_slot_and_back(size: tuple[int, int]) -> None:
    rows = tuple(preflight_scenes.row(slot) for slot in range(200))
    async with running_app(scenes.running(), size=size) as (app, client, pilot):
        client.flight = replace(client.flight, rows=rows)
        await pilot.press("P")
        await pilot.pause()
        await pilot.press("G")
        await pilot.pause()
        assert any("52,000.00   52,400.00" in row for row in screen_rows(app)[-4:])
        await pilot.press("k", "pageup")
        await pilot.pause()
        assert not any("52,000.00   52,400.00" in row for row in screen_rows(app))
        await pilot.press("g")
        await pilot.pause()
        assert any("131,600.00  132,000.00" in row for row in screen_rows(app)[:25])


async def test_the_ladder_of_ten_thousand_slots_is_drawn_where_it_is_looked_at() -> None:
    async with running_app(scenes.running(), size=SMALL) as (app, client, pilot):
        rows = tuple(preflight_scenes.row(slot) for slot in range(10_000))
        client.flight = replace(client.flight, rows=rows)
        await pilot.press("P")
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()
        assert any(" 0     52,000.00     52,400.00" in row for row in screen_rows(app)[-3:])


def preflight_picture(
    compare: Callable[..., bool], size: tuple[int, int], ready: Callable[[SceneClient], None]
) -> bool:
    """Whether the screen looks like its picture."""
    app, client = make_app(*scenes.walk())
    app.animation_level = "none"
    ready(client)

    async def prepare(pilot: Pilot[None]) -> None:
        await show_all(app, client)
        app.theme = "dark"
        await app.poll()
        await pilot.pause()
        await pilot.press("P")
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_preflight_looks_like_its_picture(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert preflight_picture(snap_compare, size, lambda _: None)


def test_a_forbidden_start_looks_like_its_picture(snap_compare: Callable[..., bool]) -> None:
    def forbid(client: SceneClient) -> None:
        client.flight = preflight_scenes.forbidden()

    assert preflight_picture(snap_compare, SMALL, forbid)

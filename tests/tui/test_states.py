"""The dashboard in every state of the engine and every size of the terminal, as text."""

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.style import Style

from engine.model.commands import Pause
from engine.model.snapshot import EngineSnapshot
from tests import scenes
from tests.tui.clients import SceneClient
from tests.tui.screens import make_app, running_app, screen_rows, toasts
from tui.app import GridwrightApp


class SilentClient(SceneClient):
    """An engine that has not answered yet."""

    async def snapshot(self) -> EngineSnapshot:
        raise AssertionError("the first frame asked the engine")


async def test_the_first_frame_does_not_wait_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: GridwrightApp) -> None:
        """Poll not at all."""

    monkeypatch.setattr(GridwrightApp, "_keep_polling", never)
    app = GridwrightApp(SilentClient(scenes.running()))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        rows = screen_rows(app)
        assert rows[0].strip() == "GRIDWRIGHT   starting: waiting for the engine"
        assert "starting: waiting for the engine" in rows[4]
        await pilot.press("p")
        assert toasts(app) == [("warning", "The engine is still starting.")]


async def test_the_app_polls_by_itself() -> None:
    app, client = make_app(scenes.starting(), replace(scenes.running(), sequence=5))
    async with app.run_test(size=(80, 24)) as pilot:
        while client.scenes[0].sequence != 5:
            await pilot.pause(0.02)
        await app.poll()
        assert "engine ● running" in screen_rows(app)[0]


async def test_an_engine_that_ends_leaves_its_last_numbers_dimmed_and_takes_no_commands() -> None:
    async with running_app(scenes.running()) as (app, client, pilot):
        client.stopped = "the engine's thread died: disk full"
        await app.poll()
        await pilot.pause()
        rows = screen_rows(app)
        assert rows[2] == (
            " ■ ENGINE STOPPED: the engine's thread died: disk full. The numbers are the last ones; q leaves."
        )
        assert "60,412.37" in rows[1]
        assert _is_dim(app, 10)
        assert not any((segment.style or Style()).dim for segment in app._dashboard._above[2].render_line(0))
        await pilot.press("p", "s", "j", "space", "plus")
        assert client.sent == []
        assert {text for _, text in toasts(app)} == {"The engine has stopped; nothing can be sent."}
        await pilot.press("q")
        await pilot.pause()
        assert (app._exit, app.return_code) == (True, 1)


def _is_dim(app: GridwrightApp, y: int) -> bool:
    strip = app._dashboard.ladder.render_line(y)
    return all((segment.style or Style()).dim for segment in strip if segment.text.strip())


@pytest.mark.parametrize("size", [(80, 24), (104, 24), (120, 40), (140, 30), (200, 60), (180, 24), (60, 16)])
async def test_every_size_shows_status_price_ladder_and_keys(size: tuple[int, int]) -> None:
    async with running_app(*scenes.walk(), size=size) as (app, _, _):
        rows = screen_rows(app)
        assert rows[0].startswith(" SIMULATION ")
        assert "60,412.37 ▼" in rows[1]
        assert sum("━━━━━ 60,412.37" in row for row in rows) == 1
        assert "? help  p pause" in rows[-1]
        assert any("BUY" in row for row in rows)
        assert any("SELL" in row for row in rows)
        assert any("Events" in row for row in rows)


@pytest.mark.parametrize("size", [(59, 30), (100, 15), (40, 10)])
async def test_a_terminal_that_is_too_small_shows_one_line(size: tuple[int, int]) -> None:
    async with running_app(scenes.running(), size=size) as (app, _, _):
        rows = screen_rows(app)
        assert "SIMULATION" in rows[0]
        assert not any(rows[1:])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_no_letter_of_an_event_is_behind_the_scrollbar(size: tuple[int, int]) -> None:
    """Which comes with the events that have no room any more, after their lines were broken."""
    async with running_app(scenes.running(), size=size) as (app, _, pilot):
        app._dashboard.events.show([])
        many = [scenes.event(number, "nothing") for number in range(100)]
        app._dashboard.events.add([*many, scenes.event(100, "Ж" * 150)])
        await pilot.pause()
        assert "".join(screen_rows(app)).count("Ж") == 150


async def test_resizing_back_and_forth_ends_in_the_same_picture() -> None:
    async with running_app(*scenes.walk()) as (app, _, pilot):
        before = screen_rows(app)
        for size in ((80, 24), (40, 10), (200, 60), (61, 17), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert screen_rows(app) == before


async def test_what_is_painted_line_by_line_is_what_a_full_repaint_shows() -> None:
    async with running_app(*scenes.walk(), scenes.partial_and_frozen()) as (app, client, pilot):
        for number, scene in enumerate((scenes.running(), scenes.partial_and_frozen(), *scenes.walk()), 100):
            client.scenes = [replace(scene, sequence=number)]
            await app.poll()
            await pilot.pause()
        painted = screen_rows(app)
        app.screen.refresh(layout=True)
        for widget in app.screen.query("*"):
            widget.refresh()
        await pilot.pause()
        assert screen_rows(app) == painted


async def test_several_grids_have_tabs_and_angle_brackets_switch_between_them() -> None:
    async with running_app(scenes.several_grids()) as (app, _, pilot):
        assert "▸1 btc BTC/USDT" in screen_rows(app)[2]
        await pilot.press("greater_than_sign")
        await pilot.pause()
        rows = screen_rows(app)
        assert "▸2 eth ETH/USDT" in rows[2]
        assert rows[1].startswith(" eth ETH/USDT ‖ paused")
        assert any("▲ paused  paused by terminal" in row for row in rows)


async def test_without_colour_the_meaning_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running_app(scenes.partial_and_frozen()) as (app, _, pilot):
        await pilot.press("j")
        await pilot.pause()
        styles = {
            segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None and segment.text.strip()
        }
        colours = {colour.name for style in styles for colour in (style.color, style.bgcolor) if colour}
        assert colours == {"default"}
        rows = screen_rows(app)
        assert any("▸ 20 ▌ BUY" in row for row in rows)
        assert any("‖frozen" in row for row in rows)


async def test_text_from_outside_is_never_markup() -> None:
    odd = scenes.grid(name="[red]x", symbol="A[/]B", quote="[Q]")
    story = [scenes.event(1, "[bold]plain[/bold] \x1b[31m")]
    client = SceneClient(scenes.engine(odd), events=story)
    app = GridwrightApp(client)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.poll()
        await pilot.pause()
        text = "\n".join(screen_rows(app))
        for expected in ("[red]x", "A[/]B", "Profit [Q]", "[bold]plain[/bold] <U+001B>[31m"):
            assert expected in text


async def test_an_unexpected_error_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    class BrokenClient(SceneClient):
        async def snapshot(self) -> EngineSnapshot:
            secret = "hunter2" + "hunter2"
            raise ZeroDivisionError(len(secret))

    app = GridwrightApp(BrokenClient(scenes.running()))
    with pytest.raises(Exception, match="ZeroDivisionError"):
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause(0.05)
    shown = "".join(segment.text for item in app._exit_renderables for segment in app.console.render(item))
    assert "hunter2hunter2" not in shown + capsys.readouterr().err


async def test_a_long_ladder_keeps_the_price_in_the_middle_until_a_person_moves() -> None:
    price = Decimal(452_012)
    async with running_app(scenes.large(2000, price), size=(80, 24)) as (app, client, pilot):
        ladder = app._dashboard.ladder
        middle = ladder.size.height // 2

        def line_at() -> int:
            return next(y for y, row in enumerate(screen_rows(app)) if row.startswith("━━━━━"))

        at = line_at()
        client.scenes = [replace(scenes.large(2000, price + 4000), sequence=2)]
        await app.poll()
        await pilot.pause()
        assert (line_at(), ladder.scroll_offset.y) == (at, (ladder._price_row or 0) - middle)
        await pilot.press("j")
        client.scenes = [replace(scenes.large(2000, price + 3200), sequence=3)]
        await app.poll()
        await pilot.pause()
        assert line_at() == at + 2
        await pilot.press("f")
        await pilot.pause()
        assert (line_at(), ladder.selected) == (at, None)


async def test_one_changed_slot_repaints_one_row() -> None:
    scene = scenes.large(2000, Decimal(452_012))
    async with running_app(scene) as (app, _, pilot):
        ladder = app._dashboard.ladder
        await pilot.pause()
        ladder._exchange_repaint_regions()
        slots = list(scene.grids[0].slots)
        slots[998] = replace(slots[998], cycles=77)
        slots[3] = replace(slots[3], cycles=5)
        grid = replace(scene.grids[0], slots=tuple(slots))
        ladder.draw(replace(app._dashboard.view, grid=grid))
        rows = [region.y for region in ladder._exchange_repaint_regions()]
        assert rows == [ladder.size.height // 2 + 3]


async def test_a_click_selects_the_slot_under_it() -> None:
    async with running_app(scenes.running()) as (app, client, pilot):
        await pilot.click("#slots", offset=(20, 2))
        await pilot.press("p")
        await pilot.pause()
        ladder = app._dashboard.ladder
        assert ladder.selected == 39 - ladder.scroll_offset.y - 2
        assert not ladder.is_following
        assert client.sent == [Pause(grid="btc")]

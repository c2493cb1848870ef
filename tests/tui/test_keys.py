"""Each key sends exactly its command, or says why not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.model.commands import Command, Freeze, Pause, Resume, SetSpeed, Stop, Thaw
from engine.model.grid import Disposal, GridState
from engine.model.snapshot import EngineSnapshot, Mode
from tests import scenes
from tests.tui.screens import running_app, screen_rows, toasts
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.details import DetailsScreen
from tui.screens.help import HelpScreen
from tui.screens.quit import QuitScreen
from tui.screens.stop import StopScreen


def with_state(state: GridState, *, mode: Mode = Mode.SIMULATION) -> EngineSnapshot:
    return scenes.engine(scenes.grid(state=state, state_reason="a reason"), mode=mode)


@pytest.mark.parametrize(
    "scene, keys, sent",
    [
        (scenes.running(), ["p"], [Pause(grid="btc")]),
        (with_state(GridState.EXITS_ONLY), ["p"], [Pause(grid="btc")]),
        (with_state(GridState.PAUSED), ["p"], [Resume(grid="btc")]),
        (with_state(GridState.STOPPING), ["p", "y"], []),
        (with_state(GridState.HALTED), ["p", "enter", "p"], []),
        (with_state(GridState.HALTED), ["p", "y"], [Resume(grid="btc")]),
        (with_state(GridState.STOPPED), ["p", "n"], []),
        (with_state(GridState.STOPPED), ["p", "y"], [Resume(grid="btc")]),
        (scenes.running(), ["space"], []),
        (scenes.running(), ["j", "space"], [Freeze(grid="btc", slot=21)]),
        (scenes.running(), ["down", "down", "space"], [Freeze(grid="btc", slot=20)]),
        (scenes.running(), ["k", "k", "space"], [Freeze(grid="btc", slot=22)]),
        (scenes.running(), ["up", "up", "space"], [Freeze(grid="btc", slot=22)]),
        (scenes.running(), ["g", "space"], [Freeze(grid="btc", slot=39)]),
        (scenes.running(), ["home", "space"], [Freeze(grid="btc", slot=39)]),
        (scenes.running(), ["G", "space"], [Freeze(grid="btc", slot=0)]),
        (scenes.running(), ["end", "space"], [Freeze(grid="btc", slot=0)]),
        (scenes.running(), ["ctrl+d", "space"], [Freeze(grid="btc", slot=9)]),
        (scenes.running(), ["pageup", "space"], [Freeze(grid="btc", slot=33)]),
        (scenes.partial_and_frozen(), ["j", "j", "j", "space"], [Thaw(grid="btc", slot=18)]),
        (scenes.running(), ["plus"], [SetSpeed(speed=300.0)]),
        (scenes.running(), ["equals_sign"], [SetSpeed(speed=300.0)]),
        (scenes.running(), ["minus"], [SetSpeed(speed=10.0)]),
        (scenes.engine(speed=0.0), ["plus"], []),
        (scenes.engine(speed=0.0), ["minus"], [SetSpeed(speed=3600.0)]),
        (scenes.engine(speed=None), ["plus"], []),
        (scenes.several_grids(), ["greater_than_sign", "p"], [Resume(grid="eth")]),
        (scenes.several_grids(), ["comma", "p"], [Pause(grid="sol")]),
        (scenes.running(), ["s", "enter", "escape"], []),
        (scenes.running(), ["s", "c", "a", "n", "enter", "escape"], []),
        (scenes.running(), ["s", *"cancel", "enter"], [Stop(grid="btc", disposal=Disposal.CANCEL)]),
        (scenes.running(), ["s", *"leave", "enter"], [Stop(grid="btc", disposal=Disposal.LEAVE)]),
        (scenes.running(), ["s", *"flatten", "enter"], [Stop(grid="btc", disposal=Disposal.FLATTEN)]),
        (with_state(GridState.STOPPED), ["s", *"flatten", "enter"], []),
        (with_state(GridState.PAUSED, mode=Mode.LIVE), ["p", "enter", "y"], [Resume(grid="btc")]),
        (with_state(GridState.PAUSED, mode=Mode.PAPER), ["p", "n"], []),
        (with_state(GridState.PAUSED, mode=Mode.PAPER), ["p", "escape"], []),
    ],
)
async def test_a_key_sends_exactly_its_command(
    scene: EngineSnapshot, keys: Sequence[str], sent: Sequence[Command]
) -> None:
    async with running_app(scene) as (_, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert client.sent == list(sent)


async def test_what_the_engine_answers_is_shown() -> None:
    async with running_app(scenes.running()) as (app, client, pilot):
        await pilot.press("p")
        await pilot.pause()
        client.refusal = "[red]btc[/red] is stopping"
        await pilot.press("p")
        await pilot.pause()
        assert toasts(app) == [
            ("information", "done: Pause"),
            ("error", "[red]btc[/red] is stopping"),
        ]


@pytest.mark.parametrize(
    "scene, key, said",
    [
        (scenes.running(), "space", "Select a slot first, with the arrows or j and k."),
        (with_state(GridState.STOPPING), "p", "btc is stopping; it can be resumed once it has stopped."),
        (with_state(GridState.STOPPED), "s", "btc is stopped already."),
        (scenes.engine(speed=0.0), "plus", "This is as fast as it goes."),
        (scenes.engine(speed=1.0), "minus", "This is as slow as it goes."),
        (
            scenes.engine(speed=None),
            "plus",
            "Time is real here; only a simulation can be driven faster or slower.",
        ),
        (scenes.running(), "ctrl+c", "Press q to leave; it asks first while a grid is at work."),
    ],
)
async def test_a_key_that_can_do_nothing_says_why(scene: EngineSnapshot, key: str, said: str) -> None:
    async with running_app(scene) as (app, _, pilot):
        await pilot.press(key)
        await pilot.pause()
        assert [text for _, text in toasts(app)] == [said]


@pytest.mark.parametrize(
    "keys, screen",
    [
        (["question_mark"], HelpScreen),
        (["question_mark", "escape"], Dashboard),
        (["question_mark", "question_mark"], Dashboard),
        (["enter"], DetailsScreen),
        (["enter", "escape"], Dashboard),
        (["s"], StopScreen),
        (["s", "escape"], Dashboard),
        (["q"], QuitScreen),
        (["ctrl+q"], QuitScreen),
        (["ctrl+q", "ctrl+q"], QuitScreen),
        (["q", "n"], Dashboard),
        (["q", "enter"], QuitScreen),
        (["question_mark", "ctrl+q"], QuitScreen),
    ],
)
async def test_a_key_opens_and_closes_its_screen(keys: Sequence[str], screen: type) -> None:
    async with running_app(scenes.running()) as (app, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert type(app.screen) is screen
        assert client.sent == []


async def test_the_letters_of_the_dashboard_do_nothing_behind_a_dialog() -> None:
    live = with_state(GridState.PAUSED, mode=Mode.LIVE)
    async with running_app(live) as (app, client, pilot):
        await pilot.press("p", "p", "s", "space", "plus", "t")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        assert (client.sent, app.theme) == ([], "dark")


async def test_q_and_y_leave_and_a_stopped_grid_needs_no_question() -> None:
    async with running_app(scenes.running()) as (app, _, pilot):
        await pilot.press("q", "y")
        await pilot.pause()
        assert (app.return_code, app._exit) == (0, True)
    async with running_app(with_state(GridState.STOPPED)) as (app, _, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert (app.return_code, app._exit) == (0, True)


async def test_t_walks_through_the_themes() -> None:
    async with running_app(scenes.running()) as (app, _, pilot):
        seen = []
        for _ in range(4):
            seen.append(app.theme)
            await pilot.press("t")
        assert seen == ["dark", "light", "contrast", "dark"]


async def test_tab_moves_the_focus_between_ladder_and_events() -> None:
    async with running_app(scenes.running()) as (app, _, pilot):
        order = []
        for _ in range(3):
            order.append(app.focused.id if app.focused else None)
            await pilot.press("tab")
        assert order == ["slots", "events", "slots"]


async def test_the_details_show_the_slot_that_was_selected_as_it_is_now() -> None:
    running = scenes.running()
    async with running_app(running, size=(80, 24)) as (app, client, pilot):
        await pilot.press("j", "enter")
        slots = list(running.grids[0].slots)
        slots[21] = replace(slots[21], cycles=1234)
        client.scenes = [replace(running, sequence=99, grids=(replace(running.grids[0], slots=tuple(slots)),))]
        await app.poll()
        await pilot.pause()
        assert any("cycles     1,234" in row for row in screen_rows(app))

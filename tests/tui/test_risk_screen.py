"""The risk screen and the panic key in the real app: each key sends exactly its command, after a yes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.model.commands import Command, LiftBlock, Panic
from engine.model.risk import BreakerKind
from engine.model.snapshot import EngineSnapshot
from tests import risk_scenes, scenes
from tests.tui.screens import running_app, screen_rows, toasts
from tests.tui.test_pictures import LARGE, SMALL, matches
from tui.messages import SendCommand
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.panic import PanicScreen
from tui.screens.risk import RiskScreen

BLOCKED = risk_scenes.blocked()
SEVERAL = risk_scenes.several()
WATCHED = risk_scenes.watched()
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")


def lift(kind: BreakerKind, grid: str = "btc") -> LiftBlock:
    return LiftBlock(grid=grid, kind=kind)


@pytest.mark.parametrize(
    "scene, keys, sent",
    [
        (BLOCKED, ["l"], []),
        (BLOCKED, ["l", "L"], []),
        (BLOCKED, ["l", "L", "enter", "L", "space", "n"], []),
        (BLOCKED, ["l", "L", "escape"], []),
        (BLOCKED, ["l", "y", "enter", "p", "s", "space"], []),
        (BLOCKED, ["l", "L", "y"], [lift(BreakerKind.DRAWDOWN)]),
        (BLOCKED, ["l", "j", "L", "y"], [lift(BreakerKind.PANIC_KEY)]),
        (BLOCKED, ["l", "down", "down", "down", "L", "y"], [lift(BreakerKind.FLOATING_LOSS)]),
        (BLOCKED, ["l", "j", "k", "up", "L", "y"], [lift(BreakerKind.DRAWDOWN)]),
        (SEVERAL, ["l", "L", "y"], []),
        (SEVERAL, ["l", "full_stop", "j", "L", "y"], [lift(BreakerKind.FLOATING_LOSS, "eth")]),
        (WATCHED, ["exclamation_mark"], []),
        (WATCHED, ["exclamation_mark", "exclamation_mark", "enter", "space", "a", "n"], []),
        (WATCHED, ["exclamation_mark", "escape", "y"], []),
        (WATCHED, ["exclamation_mark", "y"], [Panic(grid="btc")]),
        (SEVERAL, ["exclamation_mark", "y"], [Panic(grid="btc")]),
        (SEVERAL, ["greater_than_sign", "exclamation_mark", "y"], [Panic(grid="eth")]),
        (SEVERAL, ["exclamation_mark", "a"], [Panic(grid="btc"), Panic(grid="eth"), Panic(grid="sol")]),
        (WATCHED, ["l", "exclamation_mark", "y"], [Panic(grid="btc")]),
        (WATCHED, ["m", "exclamation_mark", "y"], [Panic(grid="btc")]),
        (WATCHED, ["R", "exclamation_mark", "y"], [Panic(grid="btc")]),
        (WATCHED, ["s", "exclamation_mark", "y", "escape"], [Panic(grid="btc")]),
        (BLOCKED, ["L", "L", "y"], [lift(BreakerKind.DRAWDOWN)]),
        (scenes.running(), ["exclamation_mark", "y"], [Panic(grid="btc")]),
    ],
)
async def test_a_key_sends_exactly_its_command(
    scene: EngineSnapshot, keys: Sequence[str], sent: Sequence[Command]
) -> None:
    async with running_app(scene, size=SMALL) as (_, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert client.sent == list(sent)


@pytest.mark.parametrize(
    "keys, screen",
    [
        (["l"], RiskScreen),
        (["l", "l"], Dashboard),
        (["l", "escape"], Dashboard),
        (["l", "q"], Dashboard),
        (["l", "L"], ConfirmScreen),
        (["l", "L", "n"], RiskScreen),
        (["L"], RiskScreen),
        (["L", "l"], Dashboard),
    ],
)
async def test_a_key_opens_and_closes_its_screen(keys: Sequence[str], screen: type) -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, _, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert type(app.screen) is screen


async def test_where_nothing_is_blocked_the_key_that_lifts_says_so() -> None:
    async with running_app(WATCHED, size=SMALL) as (app, client, pilot):
        await pilot.press("l", "L")
        await pilot.pause()
        assert toasts(app) == [("warning", "There is no block to lift.")]
        assert " L lift" not in screen_rows(app)[-1]
        assert client.sent == []


async def test_a_panic_key_that_is_pressed_already_says_where_its_block_is() -> None:
    async with running_app(risk_scenes.panicked(), size=SMALL) as (app, client, pilot):
        await pilot.press("exclamation_mark", "y")
        await pilot.pause()
        said = "The panic key blocks btc already; l shows the block, and L lifts it there."
        assert toasts(app) == [("warning", said)]
        assert (type(app.screen), client.sent) == (Dashboard, [])


async def test_a_panic_of_all_grids_is_told_in_one_message() -> None:
    async with running_app(SEVERAL, size=SMALL) as (app, client, pilot):
        await pilot.press("exclamation_mark", "a")
        await pilot.pause()
        assert toasts(app) == [("information", "all 3 grids: nothing opens until you lift the block of each")]
        client.refusal = "no"
        await pilot.press("exclamation_mark", "a")
        await pilot.pause()
        assert toasts(app) == [("error", "no; no; no")]


async def test_no_message_covers_a_question() -> None:
    async with running_app(WATCHED, size=SMALL) as (app, client, pilot):
        await pilot.press("p")
        await pilot.pause()
        assert toasts(app) == [("information", "done: Pause")]
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert toasts(app) == []
        app.post_message(SendCommand(Panic(grid="btc")))
        await pilot.pause()
        assert (client.sent[-1], toasts(app)) == (Panic(grid="btc"), [])
        await pilot.press("n")
        await app.poll()
        await pilot.pause()
        assert toasts(app) == [("information", "done: Panic")]


async def test_the_key_to_the_limits_is_in_the_footer_while_a_block_stands() -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, _, _pilot):
        assert "l limits" in screen_rows(app)[-1]
        assert "! panic" in screen_rows(app)[-1]


async def test_nothing_is_sent_to_an_engine_that_has_ended() -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, client, pilot):
        client.stopped = "disk full"
        await app.poll()
        await pilot.press("l", "L", "exclamation_mark")
        await pilot.pause()
        assert toasts(app) == [("warning", "The engine has stopped; nothing can be sent.")] * 2
        assert "ENGINE STOPPED: disk full" in screen_rows(app)[1]
        assert (type(app.screen), client.sent) == (RiskScreen, [])


async def test_the_mark_stays_on_its_block_while_others_come_and_go() -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, client, pilot):
        await pilot.press("l", "j")
        blocks = (risk_scenes.LEADERS, *BLOCKED.grids[0].risk.blocks[1:])
        changed = risk_scenes.bounded(risk=replace(risk_scenes.BLOCKED, blocks=blocks))
        client.scenes = [scenes.engine(changed, sequence=9)]
        await app.poll()
        await pilot.press("L", "y")
        await pilot.pause()
        assert client.sent == [lift(BreakerKind.PANIC_KEY)]


async def test_when_the_marked_block_ends_the_mark_moves_to_its_neighbour() -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, client, pilot):
        await pilot.press("l", "j", "j")
        changed = risk_scenes.bounded(risk=replace(risk_scenes.BLOCKED, blocks=BLOCKED.grids[0].risk.blocks[:2]))
        client.scenes = [scenes.engine(changed, sequence=9)]
        await app.poll()
        await pilot.pause()
        assert sum("▸" in row for row in screen_rows(app)) == 1
        await pilot.press("L", "y")
        await pilot.pause()
        assert client.sent == [lift(BreakerKind.PANIC_KEY)]


async def test_a_yes_lifts_the_block_that_was_asked_about_even_if_another_is_marked_by_then() -> None:
    async with running_app(BLOCKED, size=SMALL) as (app, client, pilot):
        await pilot.press("l", "L")
        changed = risk_scenes.bounded(risk=replace(risk_scenes.BLOCKED, blocks=BLOCKED.grids[0].risk.blocks[1:]))
        client.scenes = [scenes.engine(changed, sequence=9)]
        await app.poll()
        await pilot.press("y")
        await pilot.pause()
        assert client.sent == [lift(BreakerKind.DRAWDOWN)]


async def test_the_marked_block_is_scrolled_into_sight() -> None:
    async with running_app(BLOCKED, size=(70, 16)) as (app, _, pilot):
        await pilot.press("l", "j", "j")
        await pilot.pause()
        assert any(row.startswith(" ▸ ■ FLOATING LOSS") for row in screen_rows(app))
        await pilot.press("pagedown", "ctrl+d", "pagedown", "pagedown")
        await pilot.pause()
        assert any("2 entries (slots 12-13)" in row for row in screen_rows(app))


@pytest.mark.parametrize("keys", [["m"], ["l"]])
async def test_before_the_first_snapshot_the_screens_open_and_wait(keys: Sequence[str]) -> None:
    async with running_app(scenes.starting(), size=SMALL) as (app, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert type(app.screen) is not Dashboard
        assert client.sent == []


@pytest.mark.parametrize("size", [(60, 16), SMALL, (120, 40), LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_block_is_named_on_the_dashboard_in_every_size(size: tuple[int, int]) -> None:
    async with running_app(BLOCKED, size=size) as (app, _, _pilot):
        said = " ".join(" ".join(screen_rows(app)).split())
        assert [words for words in ("drawdown", "panic key", "floating loss", "08:27:07Z") if words not in said] == []
        assert any("regime ↓ trending down" in row for row in screen_rows(app))


@SIZES
@pytest.mark.parametrize("scene", [WATCHED, BLOCKED], ids=["calm", "blocked"])
def test_the_risk_looks_like_its_picture(
    snap_compare: Callable[..., bool], scene: EngineSnapshot, size: tuple[int, int]
) -> None:
    assert matches(snap_compare, [scene], size, keys=["l"])


@SIZES
def test_the_dashboard_of_a_blocked_grid(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert matches(snap_compare, [BLOCKED], size)


def test_the_dashboard_of_a_blocked_grid_in_high_contrast(snap_compare: Callable[..., bool]) -> None:
    assert matches(snap_compare, [BLOCKED], SMALL, theme="contrast")


def test_the_question_before_a_block_is_lifted(snap_compare: Callable[..., bool]) -> None:
    assert matches(snap_compare, [BLOCKED], SMALL, keys=["l", "j", "L"])


def test_the_question_of_the_panic_key(snap_compare: Callable[..., bool]) -> None:
    assert matches(snap_compare, [SEVERAL], SMALL, keys=["exclamation_mark"])


async def test_the_panic_key_opens_one_question_only() -> None:
    async with running_app(WATCHED, size=SMALL) as (app, _, pilot):
        await pilot.press("exclamation_mark", "exclamation_mark")
        await pilot.pause()
        assert [type(screen) for screen in app.screen_stack[1:]] == [Dashboard, PanicScreen]

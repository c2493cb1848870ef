"""Starting where money may be real: what is shown first, what has to be typed, and what happens only after it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from textual.pilot import Pilot

from engine.model.errors import SettingsInvalid
from engine.model.snapshot import Connection, EngineSnapshot, EngineState, Mode
from engine.settings import Settings, Start
from tests import live_scenes, scenes
from tests.live_scenes import LIVE, SANDBOX
from tests.tui.launches import SceneLaunch
from tests.tui.screens import screen_rows
from tui.app import GridwrightApp
from tui.launching import Launching
from tui.present.live import Asked, is_typed, live_hint, live_lines
from tui.present.pieces import line_text, line_width
from tui.screens.dashboard import Dashboard
from tui.screens.failed import FailedScreen
from tui.screens.live import LiveScreen

Compare = Callable[..., bool]
PAPER = '[engine]\nmode = "paper"\n'
NO_MONEY = "grid 'btc': expected 4000 USDT on the account that no other grid needs, found 12"


def live_engine(**changes: Any) -> EngineSnapshot:
    known: dict[str, Any] = {"mode": Mode.LIVE, "exchange": "binance", "exchange_id": "binance", "speed": None}
    return scenes.engine(scenes.grid(), **(known | changes))


def make_launching(engine: SceneLaunch, settings: Settings, start: Start | None = None) -> GridwrightApp:
    return GridwrightApp(engine, on_exit=None, launching=Launching(engine, settings, start or Start()))


@asynccontextmanager
async def starting(
    engine: SceneLaunch, settings: Settings, start: Start | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[GridwrightApp, Pilot[None]]]:
    app = make_launching(engine, settings, start)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot
        engine.let_go()


async def until(pilot: Pilot[Any], is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not is_so():
            await pilot.pause(0.01)


async def test_nothing_is_started_before_the_phrase_was_typed_in_full(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(),))
    async with starting(engine, live_scenes.settings(LIVE, tmp_path)) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        for wrong in ("enter", *"live", "enter"):
            await pilot.press(wrong)
        assert (engine.launches, engine.is_confirmed, isinstance(app.screen, LiveScreen)) == (0, False, True)
        assert any("that is not it; type binance live" in row for row in screen_rows(app))
        await pilot.press("ctrl+u", *"Binance", "space", *"live", "enter")
        await until(pilot, lambda: engine.launches == 1)
        assert engine.is_confirmed
        engine.let_go()
        await until(pilot, lambda: isinstance(app.screen, Dashboard) and app.newest is not None)
        assert screen_rows(app)[0].startswith(" ▲ LIVE ▲   binance ● connected")


async def test_the_right_phrase_starts_nothing_while_a_problem_stands(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(NO_MONEY), live_scenes.plan()))
    async with starting(engine, live_scenes.settings(LIVE, tmp_path)) as (app, pilot):
        await until(pilot, lambda: any("problem" in row for row in screen_rows(app)))
        await pilot.press(*"binance", "space", *"live", "enter")
        assert engine.launches == 0
        await pilot.press("f5")
        await until(pilot, lambda: not any("problem" in row for row in screen_rows(app)))
        await pilot.press("enter")
        await until(pilot, lambda: engine.launches == 1)


@pytest.mark.parametrize("plans", [(), (SettingsInvalid("keys: expected an API key, found none"),)])
async def test_an_exchange_that_cannot_be_asked_starts_nothing(
    plans: tuple[SettingsInvalid, ...], tmp_path: Path
) -> None:
    engine = SceneLaunch(live_engine(), plans=plans)
    async with starting(engine, live_scenes.settings(LIVE, tmp_path)) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await pilot.press(*"binance", "space", *"live", "enter")
        assert (engine.launches, isinstance(app.screen, LiveScreen)) == (0, True)


async def test_no_leaves_with_nothing_started(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(),))
    app = make_launching(engine, live_scenes.settings(LIVE, tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not app.is_running)
    assert (engine.launches, app.return_code) == (0, 0)


async def test_the_sandbox_takes_a_plain_y_and_no_word_for_real_money(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(is_sandbox=True), plans=(live_scenes.plan(),))
    async with starting(engine, live_scenes.settings(SANDBOX, tmp_path)) as (app, pilot):
        await until(pilot, lambda: any("y starts the engine" in row for row in screen_rows(app)))
        await pilot.press("y")
        await until(pilot, lambda: engine.launches == 1)
        assert not engine.is_confirmed


@pytest.mark.parametrize("text, start", [(PAPER, Start()), (LIVE, Start(is_live_confirmed=True))])
async def test_paper_and_who_has_said_yes_are_not_asked(text: str, start: Start, tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine())
    async with starting(engine, live_scenes.settings(text, tmp_path), start) as (app, pilot):
        await until(pilot, lambda: engine.launches == 1)
        await until(pilot, lambda: "starting: opening binance: loading its library" in screen_rows(app)[0])
        assert isinstance(app.screen, Dashboard)


async def test_an_engine_that_runs_is_attached_to_without_a_question(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), is_running=True)
    async with starting(engine, live_scenes.settings(LIVE, tmp_path)) as (app, pilot):
        await until(pilot, lambda: app.newest is not None)
        assert (engine.launches, isinstance(app.screen, Dashboard)) == (0, True)


async def test_fresh_is_refused_where_an_engine_runs(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), is_running=True)
    settings = live_scenes.settings(LIVE, tmp_path)
    async with starting(engine, settings, Start(is_fresh=True)) as (_, pilot):
        await until(pilot, lambda: engine.failure is not None)
    assert str(engine.failure).startswith("--fresh: expected no engine on ")


async def test_a_failed_start_shows_every_problem_and_q_leaves(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine())
    engine.refusal_to_launch = SettingsInvalid("keys: expected some\x1b[31m", "exchange.id: expected another")
    app = make_launching(engine, live_scenes.settings(PAPER, tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, FailedScreen))
        await pilot.pause()
        rows = "\n".join(screen_rows(app))
        assert "· keys: expected some<U+001B>[31m" in rows
        assert "· exchange.id: expected another" in rows
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


async def test_an_engine_that_is_refused_after_its_first_answer_is_a_failed_start_too(tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(state=EngineState.STARTING), is_running=True)
    app = make_launching(engine, live_scenes.settings(PAPER, tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.newest is not None)
        engine.failure = SettingsInvalid(NO_MONEY)
        await until(pilot, lambda: isinstance(app.screen, FailedScreen))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


def test_the_phrase_names_the_exchange_and_is_typed_whole(tmp_path: Path) -> None:
    settings = live_scenes.settings(LIVE, tmp_path)
    typed = ("", "live", "binance", "binance  LIVE ", "kraken live", "binance live now")
    assert [is_typed(text, settings) for text in typed] == [False, False, False, True, False, False]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_line_fits_and_names_what_is_bound(width: int, tmp_path: Path) -> None:
    settings = live_scenes.settings(LIVE, tmp_path)
    lines = live_lines(settings, Asked(plan=live_scenes.plan(NO_MONEY)), width)
    assert max(line_width(line) for line in lines) <= width
    words = " ".join(" ".join(line_text(line) for line in lines).split())
    for said in (f"key {live_scenes.KEY}", "10250.5 USDT free and 1200 locked", "maker 0.1 %", "goes on", "binds"):
        assert said in words
    hint = line_text(live_hint(settings, Asked(plan=live_scenes.plan(NO_MONEY)), is_refused=False))
    assert hint == " not possible, see above  f5 asks again  esc leaves, nothing is started"


def looks(compare: Compare, engine: SceneLaunch, settings: Settings, size: tuple[int, int], *, keys: str = "") -> bool:
    """Whether the screen after these keys looks like its picture."""
    app = make_launching(engine, settings)
    app.animation_level = "none"

    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: len(app.screen_stack) > 2 or app.newest is not None or engine.launches > 0)
        for field in app.screen.query("Input"):
            field.cursor_blink = False  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause(0.4)

    return compare(app, terminal_size=size, run_before=prepare)


SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@SIZES
def test_the_confirmation_of_real_money(snap_compare: Compare, size: tuple[int, int], tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(),))
    assert looks(snap_compare, engine, live_scenes.settings(LIVE, tmp_path), size, keys="bin")


@SIZES
def test_the_confirmation_with_a_problem(snap_compare: Compare, size: tuple[int, int], tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(NO_MONEY),))
    assert looks(snap_compare, engine, live_scenes.settings(LIVE, tmp_path), size)


@SIZES
def test_the_confirmation_of_the_sandbox(snap_compare: Compare, size: tuple[int, int], tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine(), plans=(live_scenes.plan(),))
    assert looks(snap_compare, engine, live_scenes.settings(SANDBOX, tmp_path), size)


@SIZES
def test_a_start_that_takes_its_time(snap_compare: Compare, size: tuple[int, int], tmp_path: Path) -> None:
    assert looks(snap_compare, SceneLaunch(live_engine()), live_scenes.settings(PAPER, tmp_path), size)


@SIZES
def test_a_start_that_failed(snap_compare: Compare, size: tuple[int, int], tmp_path: Path) -> None:
    engine = SceneLaunch(live_engine())
    engine.refusal_to_launch = SettingsInvalid(
        NO_MONEY, "exchange.keys: expected an API key in the keyring, found none"
    )
    assert looks(snap_compare, engine, live_scenes.settings(PAPER, tmp_path), size)


@SIZES
@pytest.mark.parametrize("stage", ["paper", "sandbox", "live", "disconnected"])
def test_the_banner_of_each_stage(snap_compare: Compare, size: tuple[int, int], stage: str, tmp_path: Path) -> None:
    shown = {
        "paper": live_engine(mode=Mode.PAPER),
        "sandbox": live_engine(is_sandbox=True),
        "live": live_engine(),
        "disconnected": live_engine(connection=Connection.DISCONNECTED),
    }
    engine = SceneLaunch(shown[stage], is_running=True)
    assert looks(snap_compare, engine, live_scenes.settings(PAPER, tmp_path), size)

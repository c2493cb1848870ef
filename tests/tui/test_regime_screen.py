"""The regime screen in the real app: its keys, what it follows, and its pictures."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.model.regime import RegimeName
from engine.model.snapshot import EngineSnapshot
from tests import risk_scenes, scenes
from tests.tui.screens import running_app, screen_rows
from tests.tui.test_pictures import LARGE, SMALL, matches
from tui.screens.dashboard import Dashboard
from tui.screens.regime import RegimeScreen

WATCHED = risk_scenes.watched()
DEGRADED = scenes.engine(risk_scenes.bounded(regime=risk_scenes.unknown()))
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.mark.parametrize(
    "keys, screen",
    [
        (["m"], RegimeScreen),
        (["m", "escape"], Dashboard),
        (["m", "q"], Dashboard),
        (["m", "m"], Dashboard),
        (["m", "s", "p", "space", "enter", "y", "L", "R"], RegimeScreen),
    ],
)
async def test_a_key_opens_and_closes_the_regime_and_sends_nothing(keys: Sequence[str], screen: type) -> None:
    async with running_app(WATCHED, size=SMALL) as (app, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert type(app.screen) is screen
        assert client.sent == []


async def test_a_change_of_regime_is_seen_at_once() -> None:
    async with running_app(WATCHED, size=SMALL) as (app, client, pilot):
        await pilot.press("m")
        later = risk_scenes.regime(RegimeName.VOLATILE, since_ms=scenes.AT_MS - 1000)
        client.scenes = [replace(scenes.engine(risk_scenes.bounded(regime=later)), sequence=9)]
        await app.poll()
        await pilot.pause()
        assert screen_rows(app)[2].strip() == "⇅ VOLATILE  for 1s  since 08:14:06Z"


async def test_the_other_grids_are_a_key_away() -> None:
    async with running_app(risk_scenes.several(), size=SMALL) as (app, _, pilot):
        await pilot.press("m", "full_stop")
        await pilot.pause()
        assert screen_rows(app)[1].startswith("─Regime eth ETH/USDT")
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert [row.strip() for row in screen_rows(app)[2:4]] == [
            "No regime monitor watches sol: give its grid a [grid.regime] table in the",
            "configuration to switch it on.",
        ]
        await pilot.press("comma", "less_than_sign")
        await pilot.pause()
        assert screen_rows(app)[1].startswith("─Regime btc BTC/USDT")


async def test_what_does_not_fit_can_be_scrolled_to() -> None:
    async with running_app(WATCHED, size=(70, 16)) as (app, _, pilot):
        await pilot.press("m")
        await pilot.pause()
        assert not any("net worth" in row for row in screen_rows(app))
        await pilot.press("ctrl+d", "pagedown", "j", "down")
        await pilot.pause()
        assert any("net worth" in row for row in screen_rows(app))
        await pilot.press("ctrl+u", "pageup", "k", "up")
        await pilot.pause()
        assert any("TRENDING DOWN" in row for row in screen_rows(app))


async def test_without_colour_every_meaning_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running_app(WATCHED, size=SMALL) as (app, _, pilot):
        await pilot.press("m")
        await pilot.pause()
        rows = screen_rows(app)
        assert rows[2].strip().startswith("↓ TRENDING DOWN")
        assert rows[12].strip() == "efficiency    0.2113  ● met      ─────│┄┄┄┄┃━━━━━●━━━  enter 0.13  leave 0.075"
        colours = {
            segment.style.color
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None and segment.style.color is not None
        }
        assert {colour.name for colour in colours} <= {"default"}


@SIZES
@pytest.mark.parametrize("scene", [WATCHED, DEGRADED], ids=["falling", "degraded"])
def test_the_regime_looks_like_its_picture(
    snap_compare: Callable[..., bool], scene: EngineSnapshot, size: tuple[int, int]
) -> None:
    assert matches(snap_compare, [scene], size, keys=["m"])


def test_the_regime_in_the_light(snap_compare: Callable[..., bool]) -> None:
    assert matches(snap_compare, [risk_scenes.panicked()], SMALL, keys=["m"], theme="light")


@SIZES
def test_the_dashboard_of_a_watched_grid(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert matches(snap_compare, [WATCHED], size)

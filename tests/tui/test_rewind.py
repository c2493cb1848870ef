"""The past in the terminal: what it shows, what moves it, and that it can be taken for nothing else."""

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from textual.pilot import Pilot

from engine import api
from engine.model.errors import JournalFailed
from engine.model.snapshot import EngineSnapshot, EngineState
from engine.settings import load_settings
from tests import scenes
from tests.scenes import EVENTS
from tests.sim.test_restart import live_on_disk
from tests.tui.clients import SceneClient
from tests.tui.past import LAST, SceneHistory
from tests.tui.screens import screen_rows, show_all, toasts
from tui.app import GridwrightApp
from tui.present.pieces import line_text, line_width
from tui.present.rewind import ToRecord, ToTime, banner_line, place_lines, place_typed
from tui.screens.dashboard import Dashboard
from tui.screens.details import DetailsScreen
from tui.screens.rewind import PlaceScreen, RewindScreen

Compare = Callable[..., bool]
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
NEWEST = "record 4,031 of 4,031"


def an_app(
    *shown: EngineSnapshot, history: SceneHistory | None = None
) -> tuple[GridwrightApp, SceneClient, SceneHistory]:
    """An app whose engine keeps a journal that holds this history."""
    past = history or SceneHistory()
    client = SceneClient(*(shown or (scenes.running(),)), events=EVENTS)
    return GridwrightApp(client, open_history=lambda: past), client, past


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys and wait until what they want is shown."""
    await pilot.press(*keys)
    await settle(pilot)


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read any more."""
    while reading := [worker for worker in pilot.app.workers if worker.group == "rewind" and not worker.is_finished]:
        await pilot.app.workers.wait_for_complete(reading)
        await pilot.pause()
    await pilot.pause()


@asynccontextmanager
async def in_the_past(
    *shown: EngineSnapshot, size: tuple[int, int] = MEDIUM, history: SceneHistory | None = None
) -> AsyncIterator[tuple[GridwrightApp, SceneClient, SceneHistory, Pilot[None]]]:
    """The app, just stepped back."""
    app, client, past = an_app(*shown, history=history)
    async with app.run_test(size=size) as pilot:
        await show_all(app, client)
        await press(pilot, "left_square_bracket")
        yield app, client, past, pilot


def banner(app: GridwrightApp) -> str:
    return next(row for row in screen_rows(app) if "NOT LIVE" in row)


async def test_a_bracket_steps_back_to_the_newest_record_and_escape_returns_to_what_is_live() -> None:
    async with in_the_past() as (app, _, _, pilot):
        assert isinstance(app.screen, RewindScreen)
        assert banner(app) == (
            " ◀◀ NOT LIVE  record 4,031 of 4,031  2020-03-12 08:13:07Z" + " " * 41 + "press escape for live"
        )
        assert any("━━━━━ 60,031.00" in row for row in screen_rows(app))
        await press(pilot, "escape")
        assert type(app.screen) is Dashboard
        assert any("━━━━━ 60,412.37" in row for row in screen_rows(app))
        await press(pilot, "left_square_bracket")
        assert isinstance(app.screen, RewindScreen)


@pytest.mark.parametrize(
    "keys, sequence",
    [
        (["left_square_bracket"], 4_030),
        (["left_square_bracket", "left_square_bracket", "right_square_bracket"], 4_030),
        (["left_curly_bracket"], 3_931),
        (["left_curly_bracket", "left_curly_bracket", "right_curly_bracket"], 3_931),
        (["home"], 1),
        (["home", "right_square_bracket"], 2),
        (["home", "end"], 4_031),
        (["g", *"812", "enter"], 812),
        (["g", *"812", "enter", "right_curly_bracket"], 912),
        (["g", *"9999", "enter", "escape"], 4_031),
        (["g", *"812", "escape"], 4_031),
        (["g", *"08:00", "enter"], 3_918),
        (["g", *"08:00", "enter", "left_square_bracket"], 3_917),
        (["g", *"1999-01-01", "enter"], 1),
    ],
)
async def test_a_key_goes_to_exactly_its_record(keys: Sequence[str], sequence: int) -> None:
    async with in_the_past() as (app, client, _, pilot):
        for key in keys:
            await press(pilot, key)
        assert f"record {sequence:,} of 4,031 " in banner(app)
        assert any(f"━━━━━ {60_000 + sequence % 1000:,}.00" in row for row in screen_rows(app))
        assert client.sent == []


async def test_the_record_is_told_with_its_reason_and_those_before_it_stand_in_the_list() -> None:
    async with in_the_past() as (app, _, _, pilot):
        await press(pilot, "left_square_bracket", "left_square_bracket")
        rows = screen_rows(app)
        assert " ".join(rows[1].split()) == (
            "08:12:53 ! btc 24 frozen by engine: refused 3 times: "
            "the amount is below the exchange's minimum of 5 USDT at this…"
        )
        told = [row for row in rows if "exit 1 above the price" in row]
        assert len(told) >= 1


@pytest.mark.parametrize("key", ["p", "s", "space", "plus", "minus", "R"])
async def test_the_past_sends_nothing_and_says_so(key: str) -> None:
    async with in_the_past() as (app, client, _, pilot):
        await press(pilot, "j", key)
        assert client.sent == []
        assert isinstance(app.screen, RewindScreen)
        assert toasts(app) == [("warning", "This is the past, nothing is sent from here; escape for live.")]


@pytest.mark.parametrize(
    "keys, said",
    [
        (["right_square_bracket"], "This is the last record; escape for live."),
        (["end", "right_curly_bracket"], "This is the last record; escape for live."),
        (["home", "left_square_bracket"], "This is the first record."),
    ],
)
async def test_the_ends_are_said(keys: Sequence[str], said: str) -> None:
    async with in_the_past() as (app, _, _, pilot):
        for key in keys:
            await press(pilot, key)
        assert [text for _, text in toasts(app)] == [said]


async def test_what_is_live_goes_on_underneath_and_never_reaches_the_past() -> None:
    async with in_the_past() as (app, client, _, pilot):
        before = screen_rows(app)
        client.scenes = [replace(scenes.partial_and_frozen(), sequence=99)]
        await app.poll()
        await pilot.pause()
        assert screen_rows(app) == before
        await press(pilot, "escape")
        assert any("━━━━━ 60,102.40" in row for row in screen_rows(app))


async def test_details_of_the_past_are_not_replaced_by_what_is_live() -> None:
    async with in_the_past(size=SMALL) as (app, client, _, pilot):
        await press(pilot, "j", "enter")
        assert isinstance(app.screen, DetailsScreen)
        before = screen_rows(app)
        client.scenes = [replace(scenes.several_grids(), sequence=99, grids=(scenes.grid(cycles=777),))]
        await app.poll()
        await pilot.pause()
        assert screen_rows(app) == before


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_an_engine_that_halts_is_told_in_the_past_too(size: tuple[int, int]) -> None:
    async with in_the_past(size=size) as (app, client, _, pilot):
        client.scenes = [replace(scenes.running(), sequence=9, state=EngineState.HALTED, state_reason="disk full")]
        await app.poll()
        await pilot.pause()
        assert screen_rows(app)[0].rstrip() == " ■ NOW: HALTED: disk full"
        client.stopped = "the process has ended"
        await app.poll()
        await pilot.pause()
        assert screen_rows(app)[0].rstrip() == " ■ NOW: ENGINE STOPPED: the process has ended"
        assert NEWEST in banner(app)


async def test_the_grid_that_is_chosen_is_the_one_that_is_shown() -> None:
    async with in_the_past(scenes.several_grids(), history=SceneHistory(50)) as (app, _, _, pilot):
        assert any(row.startswith(" btc BTC/USDT") for row in screen_rows(app))
        await press(pilot, "greater_than_sign")
        assert any(row.startswith(" eth ETH/USDT") for row in screen_rows(app))
        assert "record 50 of 50" in banner(app)


async def test_places_that_are_passed_while_one_is_read_are_skipped() -> None:
    async with in_the_past() as (app, _, past, pilot):
        past.asked.clear()
        past.may_read.clear()
        await pilot.press(*["left_square_bracket"] * 40)
        past.may_read.set()
        await settle(pilot)
        assert "record 3,991 of 4,031" in banner(app)
        assert past.asked == [4_030, 3_991]


async def test_a_journal_that_can_no_longer_be_read_is_said_and_the_last_frame_stays() -> None:
    async with in_the_past() as (app, _, past, pilot):
        past.failure = "record 12 was changed"
        await press(pilot, "left_square_bracket")
        assert toasts(app) == [("error", "record 12 was changed")]
        assert NEWEST in banner(app)
        past.failure = None
        await press(pilot, "left_square_bracket")
        assert "record 4,029 of 4,031" in banner(app)


async def test_an_end_that_is_reached_again_and_again_is_said_once() -> None:
    async with in_the_past() as (app, _, _, pilot):
        await press(pilot, *["right_square_bracket"] * 5)
        assert [text for _, text in toasts(app)] == ["This is the last record; escape for live."]


async def test_a_journal_that_takes_its_time_is_said_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.app.PATIENCE_SECONDS", 0.01)
    may_open = threading.Event()

    def open_slowly() -> SceneHistory:
        may_open.wait()
        return SceneHistory()

    app = GridwrightApp(SceneClient(scenes.running()), open_history=open_slowly)
    async with app.run_test(size=MEDIUM) as pilot:
        await pilot.press("left_square_bracket")
        try:
            with anyio.fail_after(10):
                while not toasts(app):
                    await pilot.pause(0.01)
            assert toasts(app) == [("information", "Reading the journal; trading goes on.")]
            assert type(app.screen) is Dashboard
        finally:
            may_open.set()
        await settle(pilot)
        assert isinstance(app.screen, RewindScreen)


async def test_without_a_journal_the_key_says_so_and_nothing_opens() -> None:
    def refuse() -> SceneHistory:
        raise JournalFailed("expected a journal to step through, found none")

    app = GridwrightApp(SceneClient(scenes.running()), open_history=refuse)
    async with app.run_test(size=MEDIUM) as pilot:
        await press(pilot, "left_square_bracket")
        await press(pilot, "left_square_bracket")
        assert toasts(app) == [("warning", "expected a journal to step through, found none")] * 2
        assert type(app.screen) is Dashboard
    app = GridwrightApp(SceneClient(scenes.running()))
    async with app.run_test(size=MEDIUM) as pilot:
        await press(pilot, "left_square_bracket")
        assert toasts(app) == [("warning", "There is no journal here to step back in.")]
    app, _, _ = an_app(history=SceneHistory(0))
    async with app.run_test(size=MEDIUM) as pilot:
        await press(pilot, "left_square_bracket")
        assert toasts(app) == [("warning", "The journal has no records yet.")]


async def test_a_real_journal_is_stepped_through_from_its_first_record(tmp_path: Path) -> None:
    # In a thread: the run brings an event loop of its own.
    await anyio.to_thread.run_sync(live_on_disk, tmp_path)
    settings = load_settings(None, state_dir=tmp_path)
    app = GridwrightApp(SceneClient(scenes.running()), open_history=partial(api.open_history, settings))
    async with app.run_test(size=MEDIUM) as pilot:
        await press(pilot, "left_square_bracket")
        await press(pilot, "home")
        rows = screen_rows(app)
        assert rows[1].strip() == "00:00:00   main        opened 10 slots (11 levels) from 100 to 200 around 155"
        assert rows[2].startswith(" main BTC/USDT ◌ starting  155.00  total 0.00")
        await press(pilot, "end")
        assert any("cycles 5" in row for row in screen_rows(app))


async def test_a_place_that_is_none_keeps_the_question_open() -> None:
    async with in_the_past() as (app, _, _, pilot):
        await press(pilot, "g", *"noon", "enter")
        assert isinstance(app.screen, PlaceScreen)
        assert any("no such record or time" in row for row in screen_rows(app))


@pytest.mark.parametrize(
    "text, place",
    [
        ("1", ToRecord(1)),
        (" 4,031 ", ToRecord(LAST)),
        ("4032", None),
        ("0", None),
        ("-3", None),
        ("08:14", ToTime(scenes.AT_MS - 7_000)),
        ("8:14:07", ToTime(scenes.AT_MS)),
        ("2020-03-12", ToTime(scenes.AT_MS - (8 * 3600 + 14 * 60 + 7) * 1000)),
        ("2020-03-12 08:14:07", ToTime(scenes.AT_MS)),
        ("2020-03-12T08:14:07Z", ToTime(scenes.AT_MS)),
        ("2020-13-12", None),
        ("", None),
        ("²", None),
    ],
)
def test_a_place_is_a_record_or_a_time_in_utc(text: str, place: ToRecord | ToTime | None) -> None:
    assert place_typed(text, SceneHistory().frame(LAST)) == place


@pytest.mark.parametrize("width", [13, 24, 40, 59, 60, 72, 80, 120, 200])
def test_the_banner_fills_every_width_and_always_begins_with_what_it_is(width: int) -> None:
    line = banner_line(SceneHistory(9_999_999).frame(1_234_567), width)
    assert line_width(line) == width
    assert line_text(line).startswith(" ◀◀ NOT LIVE")
    if width >= 60:
        assert "record 1,234,567 of 9,999,999" in line_text(line)


def test_the_dialog_says_what_is_meant_so_far() -> None:
    frame = SceneHistory().frame(LAST)
    said = [line_text(place_lines(frame, text, 60)[-1]) for text in ("", "81", "12:03", "x")]
    assert said == ["", "record 81", "the last record by 2020-03-12 12:03:00Z", "no such record or time"]


def matches(compare: Compare, size: tuple[int, int], keys: Sequence[str], theme: str = "dark") -> bool:
    """Whether the past looks like its picture after these keys."""
    app, client, _ = an_app(*scenes.walk())
    app.animation_level = "none"

    async def prepare(pilot: Pilot[Any]) -> None:
        await show_all(app, client)
        app.theme = theme
        for key in ("left_square_bracket", *keys):
            await press(pilot, key)

    return compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_past_looks_like_its_picture(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert matches(snap_compare, size, ["left_curly_bracket", "j", "j"])


@pytest.mark.parametrize("theme", ["light", "contrast"])
def test_the_past_in_the_other_themes(snap_compare: Compare, theme: str) -> None:
    assert matches(snap_compare, MEDIUM, ["left_square_bracket"], theme)


def test_the_question_where_to_go(snap_compare: Compare) -> None:
    assert matches(snap_compare, SMALL, ["g", *"08:00"])

"""The reconciliation screen in the real app: each key sends exactly its answer, and looks like its picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.model.commands import Command, Reconcile, Resolve
from engine.model.reconcile import Resolution
from engine.model.snapshot import EngineSnapshot
from tests import question_scenes, scenes
from tests.tui.screens import running_app, screen_rows, toasts
from tests.tui.test_pictures import LARGE, SMALL, matches
from tui.screens import reconcile
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.reconcile import ReconcileScreen

ASKING = question_scenes.with_questions()
QUIET = question_scenes.reconciled(scenes.grid(foreign_orders=2))
LONG_SECONDS = 3600.0


def resolve(grid: str, name: str, resolution: Resolution) -> Resolve:
    return Resolve(grid=grid, name=name, resolution=resolution)


def without(engine: EngineSnapshot, *answered: str, sequence: int) -> EngineSnapshot:
    """The same engine after these questions, as ``grid name``, were answered."""
    grids = tuple(
        replace(grid, questions=tuple(item for item in grid.questions if f"{grid.name} {item.name}" not in answered))
        for grid in engine.grids
    )
    return replace(engine, grids=grids, sequence=sequence)


@pytest.fixture(autouse=True)
def quick_fingers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come at once here; the guard against them has its own tests."""
    monkeypatch.setattr(reconcile, "TYPE_AHEAD_SECONDS", 0.0)


@pytest.mark.parametrize(
    "scene, keys, sent",
    [
        (ASKING, ["R"], []),
        (ASKING, ["R", "1"], [resolve("btc", "q1", Resolution.QUERY)]),
        (ASKING, ["R", "3"], [resolve("btc", "q1", Resolution.HALT)]),
        (ASKING, ["R", "4"], []),
        (ASKING, ["R", "enter", "y", "space", "p", "s"], []),
        (ASKING, ["R", "2"], []),
        (ASKING, ["R", "2", "enter", "n"], []),
        (ASKING, ["R", "2", "escape"], []),
        (ASKING, ["R", "2", "y"], [resolve("btc", "q1", Resolution.RELEASE)]),
        (ASKING, ["R", "j", "1", "y"], [resolve("eth", "q1", Resolution.WRITE_OFF)]),
        (ASKING, ["R", "down", "2"], [resolve("eth", "q1", Resolution.QUERY)]),
        (ASKING, ["R", "j", "j", "j", "2"], [resolve("btc", "q2", Resolution.HALT)]),
        (ASKING, ["R", "j", "j", "3"], []),
        (ASKING, ["R", "j", "k", "k", "1"], [resolve("btc", "q1", Resolution.QUERY)]),
        (ASKING, ["full_stop", "R", "3"], [resolve("eth", "q1", Resolution.HALT)]),
        (ASKING, ["R", "r"], [Reconcile(grid="btc")]),
        (ASKING, ["R", "j", "r"], [Reconcile(grid="eth")]),
        (QUIET, ["R", "r"], [Reconcile(grid="btc")]),
        (QUIET, ["R", "1", "j", "k"], []),
    ],
)
async def test_a_key_sends_exactly_its_answer(
    scene: EngineSnapshot, keys: Sequence[str], sent: Sequence[Command]
) -> None:
    async with running_app(scene, size=SMALL) as (_, client, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert client.sent == list(sent)


@pytest.mark.parametrize(
    "keys, screen",
    [
        (["R"], ReconcileScreen),
        (["R", "1"], ReconcileScreen),
        (["R", "2"], ConfirmScreen),
        (["R", "2", "y"], ReconcileScreen),
        (["R", "2", "n"], ReconcileScreen),
        (["R", "escape"], Dashboard),
        (["R", "q"], Dashboard),
        (["R", "R"], Dashboard),
    ],
)
async def test_only_an_answer_that_moves_money_is_confirmed(keys: Sequence[str], screen: type) -> None:
    async with running_app(ASKING, size=SMALL) as (app, _, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert type(app.screen) is screen


async def test_the_confirmation_states_the_effect() -> None:
    async with running_app(ASKING, size=SMALL) as (app, _, pilot):
        await pilot.press("R", "2")
        await pilot.pause()
        text = "\n".join(screen_rows(app))
        assert "Answer release?" in text
        assert "closes the order in the books with 0.0004 filled; the slot" in text


async def test_what_the_engine_says_to_an_answer_is_shown_and_a_refusal_loses_nothing() -> None:
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R", "1")
        await pilot.pause()
        client.refusal = "[b]q1[/b] was answered already, by control socket: query"
        await pilot.press("1")
        await pilot.pause()
        assert toasts(app) == [
            ("information", "done: Resolve"),
            ("error", "[b]q1[/b] was answered already, by control socket: query"),
        ]
        assert isinstance(app.screen, ReconcileScreen)
        assert any("▸ q1  btc" in row for row in screen_rows(app))


async def test_answered_questions_go_with_the_next_snapshot_and_the_selection_goes_on() -> None:
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R", "j")
        steps = (
            (["btc q1"], "▸ q1  eth"),
            (["btc q1", "eth q1"], "▸ q2  btc"),
            (["btc q1", "eth q1", "btc q2"], "No open"),
        )
        for sequence, (answered, shown) in enumerate(steps, 10):
            client.scenes = [without(ASKING, *answered, sequence=sequence)]
            await app.poll()
            await pilot.pause()
            assert any(shown in row for row in screen_rows(app))
        client.scenes = [replace(ASKING, sequence=20)]
        await app.poll()
        await pilot.press("1")
        await pilot.pause()
        assert client.sent == [resolve("btc", "q1", Resolution.QUERY)]


async def test_a_digit_that_comes_as_a_question_appears_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("warning", "The question had only just appeared; press the key again to answer it.")
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R")
        monkeypatch.setattr(reconcile, "TYPE_AHEAD_SECONDS", LONG_SECONDS)
        await pilot.press("1")
        await pilot.pause()
        assert (client.sent, toasts(app)) == ([], [said])


@pytest.mark.parametrize(
    "answered, is_guarded", [("btc q1", True), ("btc q2", False)], ids=["the question moved up", "the question stayed"]
)
async def test_a_question_that_moves_up_by_itself_is_guarded_against_a_second_press(
    answered: str, is_guarded: bool
) -> None:
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R")
        screen = app.screen
        assert isinstance(screen, ReconcileScreen)
        screen._appeared_at = -LONG_SECONDS
        client.scenes = [without(ASKING, answered, sequence=10)]
        await app.poll()
        assert (screen._appeared_at > -LONG_SECONDS) is is_guarded


async def test_choices_that_change_under_the_finger_count_as_a_new_question() -> None:
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R")
        screen = app.screen
        assert isinstance(screen, ReconcileScreen)
        screen._appeared_at = -LONG_SECONDS
        first = question_scenes.vanished()
        changed = replace(first, choices=first.choices[::-1])
        btc = replace(ASKING.grids[0], questions=(changed, *ASKING.grids[0].questions[1:]))
        client.scenes = [replace(ASKING, sequence=10, grids=(btc, *ASKING.grids[1:]))]
        await app.poll()
        assert screen._appeared_at > -LONG_SECONDS


async def test_nothing_can_be_answered_once_the_engine_has_ended() -> None:
    async with running_app(ASKING, size=SMALL) as (app, client, pilot):
        await pilot.press("R")
        client.stopped = "disk full"
        await app.poll()
        await pilot.press("1", "r")
        await pilot.pause()
        assert client.sent == []
        assert toasts(app) == [("warning", "The engine has stopped; nothing can be sent.")] * 2
        assert "ENGINE STOPPED: disk full" in screen_rows(app)[1]


async def test_the_selected_question_stays_in_sight_in_a_long_list() -> None:
    many = tuple(question_scenes.vanished(name=f"q{number}", slot=number) for number in range(30))
    scene = question_scenes.reconciled(scenes.grid(questions=many))
    async with running_app(scene, size=SMALL) as (app, _, pilot):
        await pilot.press("R", *["j"] * 17)
        await pilot.pause()
        assert "─Questions 18 of 30" in screen_rows(app)[1]
        assert any(row.startswith(" ▸ q17  btc  slot 17") for row in screen_rows(app)[2:5])
        await pilot.press(*["k"] * 10)
        await pilot.pause()
        assert any(row.startswith(" ▸ q7   btc  slot 7") for row in screen_rows(app)[2:5])


async def test_a_long_question_can_be_read_to_its_end() -> None:
    rows = tuple(question_scenes.view_row(f"row {number}", "1", "1", "2") for number in range(30))
    scene = question_scenes.reconciled(scenes.grid(questions=(question_scenes.vanished(rows=rows),)))
    async with running_app(scene, size=SMALL) as (app, _, pilot):
        await pilot.press("R")
        await pilot.pause()
        assert not any("no answer" in row for row in screen_rows(app))
        await pilot.press("pagedown", "ctrl+d", "pagedown", "pagedown")
        await pilot.pause()
        assert any("no answer  the slot stays frozen" in row for row in screen_rows(app))
        await pilot.press("pageup", "pageup", "ctrl+u", "pageup")
        await pilot.pause()
        assert any(f"order {question_scenes.ORDER_ID} was" in row for row in screen_rows(app))


async def test_the_ladder_repaints_the_slot_that_is_no_longer_asked_about() -> None:
    async with running_app(ASKING) as (app, client, pilot):
        assert sum("?asked" in row for row in screen_rows(app)) == 1
        client.scenes = [without(ASKING, "btc q1", sequence=10)]
        await app.poll()
        await pilot.pause()
        assert sum("?asked" in row for row in screen_rows(app)) == 0


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("at", [0, 1, 2], ids=["vanished", "holding", "instance"])
def test_a_question_with_its_three_views(snap_compare: Callable[..., bool], size: tuple[int, int], at: int) -> None:
    assert matches(snap_compare, [ASKING], size, keys=["R", *["j"] * at])


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_no_open_question(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert matches(snap_compare, [QUIET], size, keys=["R"])


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_dashboard_with_open_questions(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert matches(snap_compare, [ASKING], size, keys=["G", *["k"] * 7])


def test_the_confirmation_of_an_answer(snap_compare: Callable[..., bool]) -> None:
    assert matches(snap_compare, [ASKING], SMALL, keys=["R", "2"])

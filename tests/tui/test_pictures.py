"""Pictures of the key scenes, compared cell by cell; renewed with ``pytest --snapshot-update`` and looked at."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.model.snapshot import EngineSnapshot
from tests import scenes
from tests.tui.screens import make_app, show_all

Compare = Callable[..., bool]
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)


def matches(
    compare: Compare,
    shown: Sequence[EngineSnapshot],
    size: tuple[int, int],
    *,
    keys: Sequence[str] = (),
    theme: str = "dark",
    ended: str | None = None,
) -> bool:
    """Whether the app, having shown these scenes, looks like its picture after these keys."""
    app, client = make_app(*shown)
    app.animation_level = "none"

    async def prepare(pilot: Pilot[Any]) -> None:
        await show_all(app, client)
        client.stopped = ended
        app.theme = theme
        await app.poll()
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_running_grid_in_the_middle_of_its_range(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert matches(snap_compare, scenes.walk(), size)


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_partial_fill_and_a_frozen_slot_that_is_selected(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert matches(snap_compare, [scenes.partial_and_frozen()], size, keys=["j", "j", "j"])


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=lambda size: f"{size[0]}x{size[1]}")
def test_stopping_with_a_word_half_typed(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert matches(snap_compare, scenes.walk(), size, keys=["s", "f", "l", "a"])


def test_an_engine_that_starts(snap_compare: Compare) -> None:
    assert matches(snap_compare, [scenes.starting()], MEDIUM)


def test_an_engine_that_has_halted(snap_compare: Compare) -> None:
    assert matches(snap_compare, [scenes.halted()], MEDIUM)


def test_an_engine_that_has_ended_under_its_last_numbers(snap_compare: Compare) -> None:
    assert matches(snap_compare, scenes.walk(), MEDIUM, ended="the engine's thread died: disk full")


def test_books_that_do_not_balance(snap_compare: Compare) -> None:
    assert matches(snap_compare, [scenes.unexplained()], MEDIUM)


def test_three_grids_with_tabs(snap_compare: Compare) -> None:
    assert matches(snap_compare, [scenes.several_grids()], SMALL, keys=["greater_than_sign"])


def test_the_help_screen(snap_compare: Compare) -> None:
    assert matches(snap_compare, scenes.walk(), MEDIUM, keys=["question_mark"])


def test_the_details_of_a_slot(snap_compare: Compare) -> None:
    assert matches(snap_compare, [scenes.partial_and_frozen()], SMALL, keys=["j", "enter"])


def test_the_question_before_leaving(snap_compare: Compare) -> None:
    assert matches(snap_compare, scenes.walk(), SMALL, keys=["q"])


@pytest.mark.parametrize("theme", ["light", "contrast"])
def test_the_other_themes(snap_compare: Compare, theme: str) -> None:
    assert matches(snap_compare, scenes.walk(), MEDIUM, theme=theme, keys=["k"])

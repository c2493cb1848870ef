"""States as glyph, word and tone; speeds; histories."""

from decimal import Decimal
from enum import Enum

import pytest

from engine.model.grid import GridState
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection, EngineState, EventLevel, SlotStateName
from tests import scenes
from tui.history import History, Series
from tui.present import words


@pytest.mark.parametrize(
    "table, kind",
    [
        (words.SLOT_SIGNS, SlotStateName),
        (words.GRID_SIGNS, GridState),
        (words.ENGINE_SIGNS, EngineState),
        (words.CONNECTION_SIGNS, Connection),
        (words.LEVEL_SIGNS, EventLevel),
        (words.STAGE_BANNERS, words.Stage),
        (words.ORDER_WORDS, OrderStatus),
    ],
)
def test_every_state_has_its_own_word(table: dict[Enum, object], kind: type[Enum]) -> None:
    assert set(table) == set(kind)
    assert len({str(value) for value in table.values()}) == len(table)


def test_no_two_slot_states_share_a_glyph() -> None:
    glyphs = [sign.glyph for sign in (*words.SLOT_SIGNS.values(), words.FROZEN)]
    assert len(set(glyphs)) == len(glyphs)


def test_faster_and_slower_walk_the_same_steps() -> None:
    speed, walked = 1.0, [1.0]
    while speed:
        speed = words.faster(speed)
        walked.append(speed)
    assert walked == [1.0, 10.0, 60.0, 300.0, 1000.0, 3600.0, 0.0]
    assert words.faster(0) == 0
    assert [words.slower(speed) for speed in reversed(walked)] == [
        3600.0,
        1000.0,
        300.0,
        60.0,
        10.0,
        1.0,
        1.0,
    ]
    assert (words.faster(45), words.slower(45)) == (60.0, 10.0)


def test_a_speed_is_a_factor_or_max_or_real_time() -> None:
    assert [words.speed_word(speed) for speed in (60.0, 3600.0, 0.5, 0.0, None)] == [
        "x60",
        "x3,600",
        "x0.5",
        "max",
        "real time",
    ]


def test_a_history_is_bounded_and_spans_everything() -> None:
    series = Series(limit=8)
    for value in range(1000):
        series.append(Decimal(value))
    kept = series.values()
    assert len(kept) <= 9
    assert kept[-1] == 999
    assert list(kept) == sorted(kept)


def test_a_history_knows_which_way_the_price_went_last() -> None:
    history = History()
    views = []
    for price in ("100", "101", "101", "99"):
        engine = scenes.engine(scenes.grid(Decimal(price)))
        history.add(engine)
        views.append(history.view(engine, 0, None))
    assert [view.move for view in views] == [0, 1, 1, -1]
    assert views[-1].prices == tuple(Decimal(price) for price in ("100", "101", "101", "99"))


def test_the_grid_number_wraps_around() -> None:
    history = History()
    engine = scenes.several_grids()
    history.add(engine)
    names = [view.grid.name for at in (0, 1, 2, 3) if (view := history.view(engine, at, None)).grid]
    assert names == ["btc", "eth", "sol", "btc"]

"""Levels beyond the range, and which side each slot enters on."""

from decimal import Decimal

import pytest

from engine.core.lattice import make_lattice
from engine.core.levels import BEYOND_MAX, level_at, levels_above, levels_below, levels_of, sides_of
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, Spacing, Trailing
from engine.model.order import Side
from tests.builders import a_market, a_spec

D = Decimal


def test_numbered_levels_go_on_beyond_the_range_by_the_same_step() -> None:
    arithmetic = a_spec(lower=D(100), upper=D(200), slots=10)
    assert [level_at(arithmetic, a_market(), index) for index in (-2, -1, 0, 10, 11)] == [80, 90, 100, 200, 210]
    geometric = a_spec(lower=D(100), upper=D(1600), slots=4, spacing=Spacing.GEOMETRIC)
    assert [level_at(geometric, a_market(), index) for index in (-2, -1, 0, 4, 5)] == [25, 50, 100, 1600, 3200]


def test_trailing_reaches_to_its_limit_and_not_a_level_beyond() -> None:
    spec = a_spec(trailing=Trailing(up_to=D(229), down_to=D(80)))
    assert levels_above(spec, a_market(), D(200)) == (D(210), D(220))
    assert levels_below(spec, a_market(), D(100)) == (D(90), D(80))
    assert levels_above(a_spec(), a_market(), D(200)) == levels_below(a_spec(), a_market(), D(100)) == ()


def test_levels_beyond_a_range_that_has_moved_already_are_those_that_are_left() -> None:
    spec = a_spec(trailing=Trailing(up_to=D(230), down_to=D(80)))
    assert levels_above(spec, a_market(), D(220)) == (D(230),)
    assert levels_below(spec, a_market(), D(120)) == (D(110), D(100), D(90), D(80))


def test_levels_below_end_where_they_meet_on_one_tick() -> None:
    spec = a_spec(lower=D("0.08"), upper=D("0.32"), slots=2, spacing=Spacing.GEOMETRIC,
                  trailing=Trailing(down_to=D("0.001")))  # fmt: skip
    assert levels_below(spec, a_market(), D("0.08")) == (D("0.04"), D("0.02"), D("0.01"))


@pytest.mark.parametrize(
    "trailing, problem",
    [
        (Trailing(up_to=D(200)), "trail_up_to: expected a price above upper 200, found 200"),
        (Trailing(down_to=D(100)), "trail_down_to: expected a price above 0 and below lower 100, found 100"),
        (Trailing(down_to=D(0)), "trail_down_to: expected a price above 0 and below lower 100, found 0"),
        (
            Trailing(up_to=D(99999)),
            f"trail_up_to: expected a price that is at most {BEYOND_MAX} levels beyond the range, found more",
        ),
    ],
)
def test_a_trailing_limit_that_cannot_be(trailing: Trailing, problem: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        make_lattice(a_spec(trailing=trailing), a_market(), D(150))
    assert refused.value.problems == (f"grid 'main': {problem}",)


@pytest.mark.parametrize("anchor, buying", [("99.99", 0), ("100", 1), ("149.99", 5), ("150", 6), ("190", 10)])
def test_a_neutral_grid_buys_first_at_and_below_the_start_price_and_sells_first_above(anchor: str, buying: int) -> None:
    spec = a_spec(direction=Direction.NEUTRAL)
    sides = sides_of(spec, levels_of(spec, a_market()), D(anchor))
    assert sides == (Side.BUY,) * buying + (Side.SELL,) * (10 - buying)


def test_a_long_grid_only_buys_first_and_a_short_one_only_sells_first() -> None:
    for direction, sides in ((Direction.LONG, ()), (Direction.SHORT, (Side.SELL,) * 10)):
        assert make_lattice(a_spec(direction=direction), a_market(), D(150)).sides == sides

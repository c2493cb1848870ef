"""When and how the lattice follows the price."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from engine.core.levels import level_at
from engine.core.migration import GridNow, MigrationPlan, MigrationRefused
from engine.core.trailing import ABOVE_PRICE, NEAR_TOP, first_number, shift, shift_or_reason, trail_band
from engine.model.actions import QuietBand
from engine.model.events import LotMoved
from engine.model.grid import NO_TRAILING, Direction, GridSpec, SizedBy, SizeProfile, Spacing, Trailing
from engine.model.money import ZERO
from engine.model.slot import EMPTY, NO_LOT, lot_of
from tests.builders import a_lot, a_market, a_spec
from tests.core.migration_builders import (
    a_grid,
    applied,
    decimals,
    entering,
    exiting,
    grids,
    holding,
    in_order,
    slot_of,
    specs,
    total,
)

INFINITY = Decimal("Infinity")
TOO_SMALL = (
    "expected orders that BTC/USDT takes, found the slot from 80 to 90: notional must be at least 5 USDT, was 4.8"
)
UP = Trailing(up_to=Decimal(300))
DOWN = Trailing(down_to=Decimal(50))
BOTH = Trailing(up_to=Decimal(600), down_to=Decimal(60))


def shifted(grid: GridNow, price: Decimal | int) -> GridNow:
    """The grid after the shift at a price."""
    plan = shift(grid, Decimal(price))
    assert plan is not None
    return applied(grid, plan)


def band(grid: GridNow, price: Decimal | int) -> QuietBand:
    return trail_band(grid.spec, grid.market, grid.lattice, Decimal(price))


def emptied(grid: GridNow) -> GridNow:
    """The grid without lots and orders."""
    return replace(grid, slots=tuple(replace(slot, state=EMPTY) for slot in grid.slots))


def test_a_long_grid_drops_its_lowest_slot_and_adds_one_above_when_the_price_is_a_step_above_its_top() -> None:
    grid = a_grid(a_spec(trailing=UP))
    assert shift(grid, Decimal("209.99")) is None
    plan = shift(grid, Decimal(210))
    assert plan is not None
    assert plan.fact.lattice.levels == tuple(Decimal(level) for level in range(110, 220, 10))
    assert plan.fact.lattice.places == (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    assert plan.fact.lattice.anchor == 150
    assert plan.fact.spec == grid.spec
    assert plan.fact.reason == "the price has risen to 210: the lattice follows by 1 level"
    assert (plan.gone, plan.new, plan.must_be_quiet) == ((0,), (0,), (0,))
    assert shift(applied(grid, plan), Decimal(210)) is None


def test_a_jump_of_ten_steps_shifts_by_ten_levels_at_once() -> None:
    grid = a_grid(a_spec(trailing=UP))
    after = shifted(grid, 300)
    assert after.lattice.levels == tuple(Decimal(level) for level in range(200, 310, 10))
    assert len(after.slots) == 10


def test_a_jump_beyond_the_limit_shifts_up_to_the_limit_and_never_beyond() -> None:
    grid = a_grid(a_spec(trailing=Trailing(up_to=Decimal("235.5"))))
    after = shifted(grid, 1000)
    assert after.lattice.levels[-1] == 230
    assert shift(after, Decimal(1000)) is None
    assert band(after, 1000) == QuietBand(ZERO, INFINITY)


def test_a_lot_that_is_not_closed_yet_holds_the_lattice_where_it_is() -> None:
    spec = a_spec(trailing=UP)
    grid = a_grid(spec, states=[exiting(slot_of(a_grid(spec), 0))])
    assert shift(grid, Decimal(210)) is None
    assert shift_or_reason(grid, Decimal(210)) == MigrationRefused(
        reasons=("slot 0 would disappear, and its lot is not closed yet",)
    )
    assert band(grid, 210) == QuietBand(Decimal(210), Decimal(210))


def test_a_frozen_slot_holds_the_lattice_where_it_is() -> None:
    spec = a_spec(trailing=UP)
    grid = a_grid(spec, states=[slot_of(a_grid(spec), 0, freeze_reason="by hand")])
    found = shift_or_reason(grid, Decimal(210))
    assert found == MigrationRefused(reasons=("slot 0 would disappear, and is frozen: by hand",))


def test_a_resting_entry_of_a_slot_that_is_dropped_has_to_be_quiet_first() -> None:
    spec = a_spec(trailing=UP)
    grid = a_grid(spec, states=[entering(slot_of(a_grid(spec), place)) for place in range(10)])
    plan = shift(grid, Decimal(220))
    assert plan is not None
    assert plan.must_be_quiet == (0, 1)
    assert [slot.index for slot in in_order(applied(grid, plan)) if slot.state == EMPTY] == [0, 1]


def test_a_long_grid_that_trails_down_moves_the_highest_lots_to_the_highest_exit_that_is_left() -> None:
    spec = a_spec(trailing=DOWN)
    base = a_grid(spec)
    grid = a_grid(spec, states=[exiting(slot_of(base, place)) for place in range(10)])
    assert shift(grid, Decimal("90.01")) is None
    plan = shift(grid, Decimal(80))
    assert plan is not None
    assert plan.fact.lattice.levels == tuple(Decimal(level) for level in range(80, 190, 10))
    assert plan.fact.moved == (LotMoved(source=8, target=7), LotMoved(source=9, target=7))
    assert plan.at_a_loss == (LotMoved(source=9, target=7),), "slot 8 gets back what it paid, at 180"
    assert plan.fact.lattice.places == (10, 11, 0, 1, 2, 3, 4, 5, 6, 7)
    assert plan.must_be_quiet == (7, 8, 9)
    after = applied(grid, plan)
    assert lot_of(after.slots[7]) == a_lot(3, 170 + 180 + 190)
    assert lot_of(after.slots[10]) == lot_of(after.slots[11]) == NO_LOT


def test_a_short_grid_trails_the_other_way_round() -> None:
    spec = a_spec(direction=Direction.SHORT, trailing=Trailing(up_to=Decimal(300), down_to=Decimal(50)))
    empty = a_grid(spec)
    down = shifted(empty, 80)
    assert down.lattice.levels == tuple(Decimal(level) for level in range(80, 190, 10))
    assert {slot.entry_side for slot in in_order(down)} == {"sell"}
    held = a_grid(spec, states=[exiting(slot_of(empty, place)) for place in range(10)])
    assert shift_or_reason(held, Decimal(90)) == MigrationRefused(
        reasons=("slot 9 would disappear, and its lot is not closed yet",)
    )
    up = shift(held, Decimal(210))
    assert up is not None
    assert up.fact.moved == (LotMoved(source=0, target=1),)
    assert lot_of(applied(held, up).slots[1]) == a_lot(-2, -(110 + 120))


def test_a_neutral_grid_does_not_trail() -> None:
    grid = a_grid(a_spec(direction=Direction.NEUTRAL, trailing=UP))
    assert shift(grid, Decimal(290)) is None
    assert band(grid, 290) == QuietBand(ZERO, INFINITY)


def test_a_grid_without_trailing_is_always_quiet() -> None:
    grid = a_grid()
    assert shift(grid, Decimal(5000)) is None
    assert band(grid, 5000) == QuietBand(ZERO, INFINITY)


def test_the_band_ends_a_step_beyond_the_range_and_is_empty_where_the_lattice_should_move() -> None:
    grid = a_grid(a_spec(trailing=Trailing(up_to=Decimal(300), down_to=Decimal(50))))
    assert band(grid, 150) == QuietBand(Decimal(90), Decimal(210))
    assert band(grid, 210) == QuietBand(Decimal(210), Decimal(210))
    assert band(grid, 90) == QuietBand(Decimal(90), Decimal(90))


def test_quote_sizing_keeps_the_quote_and_base_sizing_the_base_of_a_slot() -> None:
    quote = a_grid(a_spec(trailing=UP, sized_by=SizedBy.QUOTE_PER_SLOT, size=Decimal(100)))
    assert shifted(quote, 220).lattice.amounts[-2:] == (Decimal("0.5"), Decimal("0.47619"))
    base = a_grid(a_spec(trailing=UP))
    assert shifted(base, 220).lattice.amounts[-2:] == decimals(1, 1)


def test_slots_beyond_the_range_are_sized_like_the_ends_of_the_profile() -> None:
    grid = a_grid(a_spec(trailing=UP, profile=SizeProfile.PYRAMID))
    assert shifted(grid, 210).lattice.amounts[-1] == grid.lattice.amounts[0]


def test_a_shift_stops_before_steps_that_no_longer_pay_their_fees() -> None:
    market = a_market(maker_fee_rate=Decimal("0.02"))
    spec = a_spec(trailing=Trailing(up_to=Decimal(900)))
    after = shifted(a_grid(spec, market), 900)
    top = after.lattice.levels[-1]
    assert top == 250, "two fees of 2 % take a step of 4.12 %, and 10 is less above 242"
    found = shift_or_reason(after, Decimal(900))
    assert found == MigrationRefused(
        reasons=("expected steps wider than the fees of a cycle, found the slot from 250 to 260",)
    )


def test_a_shift_stops_before_orders_that_the_market_does_not_take() -> None:
    spec = a_spec(trailing=Trailing(down_to=Decimal(10)), size=Decimal("0.06"))
    after = shifted(a_grid(spec), 20)
    assert after.lattice.levels[0] == 90
    found = shift_or_reason(after, Decimal(20))
    assert found == MigrationRefused(reasons=(TOO_SMALL,))


def test_an_infinite_grid_grows_when_the_price_is_within_ten_slots_of_its_top_and_retires_nothing() -> None:
    grid = a_grid(a_spec(is_infinite=True, slots=20), states=[exiting(slot_of(a_grid(a_spec(slots=20)), 19))])
    assert band(grid, 120) == QuietBand(ZERO, Decimal(150))
    assert shift(grid, Decimal("149.99")) is None
    plan = shift(grid, Decimal("152.50"))
    assert plan is not None
    assert plan.fact.lattice.levels == tuple(Decimal(100 + 5 * number) for number in range(32))
    assert plan.fact.lattice.ids == ()
    assert (plan.gone, plan.must_be_quiet, plan.new) == ((), (), tuple(range(20, 31)))
    assert plan.fact.reason == "the price has risen to 152.5: 11 levels are added above"
    after = applied(grid, plan)
    assert sum(slot.lower > Decimal("152.50") for slot in in_order(after)) == ABOVE_PRICE
    assert after.slots[19].state == grid.slots[19].state
    assert after.lattice.levels[-1 - NEAR_TOP] > Decimal("152.50")


def test_an_infinite_grid_grows_up_to_the_identities_there_are_and_then_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.core.trailing.SLOTS_MAX", 13)
    grid = a_grid(a_spec(is_infinite=True, spacing=Spacing.GEOMETRIC))
    plan = shift(grid, Decimal(200))
    assert plan is not None
    assert plan.new == (10, 11, 12)
    assert shift_or_reason(applied(grid, plan), Decimal(200)) == MigrationRefused(
        reasons=("expected at most 13 slots ever used, found 13",)
    )


def test_funds_of_a_shift_never_become_less_and_grow_only_by_what_the_account_has() -> None:
    spec = a_spec(trailing=UP, sized_by=SizedBy.QUOTE_PER_SLOT, size=Decimal(100))
    grid = a_grid(spec)
    plan = shift(grid, Decimal(210))
    assert plan is not None
    assert plan.fact.funds_quote == grid.funds.quote
    poor = replace(grid, funds=replace(grid.funds, quote=Decimal(500)))
    poor = replace(poor, beyond=replace(poor.beyond, quote=Decimal(30)))
    plan = shift(poor, Decimal(210))
    assert plan is not None
    assert plan.fact.funds_quote == 530
    assert plan.needs.quote > 999


@pytest.mark.parametrize("spacing", list(Spacing))
@pytest.mark.parametrize("by", [-37, -3, -1, 0, 1, 2, 12, 55])
def test_the_number_of_the_lowest_level_is_told_by_its_price_alone(spacing: Spacing, by: int) -> None:
    spec, market = a_spec(spacing=spacing, lower=Decimal(700), upper=Decimal(800)), a_market()
    grid = a_grid(spec, market)
    levels = tuple(level_at(spec, market, number) for number in range(by, by + 11))
    assert first_number(spec, market, replace(grid.lattice, levels=levels)) == by


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(trailing=BOTH), st.integers(50, 620))
def test_a_shift_conserves_lots_keeps_rising_levels_on_ticks_and_is_done_at_once(grid: GridNow, price: int) -> None:
    plan = shift(grid, Decimal(price))
    if plan is None:
        reject()
    after = applied(grid, plan)
    lattice = after.lattice
    assert total([lot_of(slot) for slot in after.slots]) == total([lot_of(slot) for slot in grid.slots])
    assert len(set(lattice.places)) == len(lattice.places) == len(grid.lattice.places)
    assert all(lower < upper for lower, upper in pairwise(lattice.levels))
    assert all(level % grid.market.tick_size == 0 for level in lattice.levels)
    first = first_number(grid.spec, grid.market, lattice)
    assert lattice.levels == tuple(
        level_at(grid.spec, grid.market, first + place) for place in range(len(lattice.levels))
    )
    assert shift(after, Decimal(price)) is None


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(trailing=BOTH), st.integers(50, 620))
def test_the_band_is_honest_and_reaches_as_far_as_it_can(grid: GridNow, price: int) -> None:
    grid = emptied(grid)
    found = band(grid, price)
    tick = grid.market.tick_size
    if found.low == found.high:
        assert found.low == price
        return
    assert found.low < price < found.high
    inside = {Decimal(price), found.low + tick, found.high - tick, found.low + 7 * tick, found.high - 7 * tick}
    inside |= {Decimal(each) for each in range(50, 620, 7)}
    for each in inside:
        if found.low < each < found.high and each.is_finite() and each > 0:
            assert shift(grid, each) is None
            assert shift_or_reason(grid, each) is None
    for edge in (found.low, found.high):
        if edge not in (ZERO, INFINITY):
            assert shift_or_reason(grid, edge) is not None


def test_the_band_is_honest_at_every_tick() -> None:
    spec = a_spec(trailing=Trailing(up_to=Decimal(240), down_to=Decimal(85)), spacing=Spacing.GEOMETRIC, slots=5)
    grid = a_grid(spec, a_market(tick_size=Decimal(1)))
    found = band(grid, 150)
    assert found == QuietBand(Decimal(87), Decimal(230))
    moving = [price for price in range(60, 300) if shift(grid, Decimal(price)) is not None]
    assert moving == [*range(60, 88), *range(230, 300)]


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(specs(), st.integers(1, 30))
def test_up_and_back_down_returns_to_the_same_levels_and_amounts(spec: GridSpec, steps: int) -> None:
    market = a_market(maker_fee_rate=ZERO, taker_fee_rate=ZERO)
    highest = level_at(spec, market, spec.slots + steps)
    spec = replace(spec, trailing=Trailing(up_to=highest, down_to=Decimal(20)))
    grid = a_grid(spec, market)
    there = shift(grid, highest)
    assert isinstance(there, MigrationPlan)
    above = applied(grid, there)
    assert first_number(spec, market, above.lattice) == steps
    back = shifted(above, grid.lattice.levels[0])
    assert (back.lattice.levels, back.lattice.amounts) == (grid.lattice.levels, grid.lattice.amounts)
    assert len(back.slots) <= 2 * spec.slots


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(specs(direction=Direction.LONG), st.lists(st.integers(100, 900), max_size=6))
def test_an_infinite_grid_has_twenty_slots_above_the_price_after_it_has_grown(
    spec: GridSpec, prices: list[int]
) -> None:
    spec = replace(spec, is_infinite=True, trailing=NO_TRAILING, spacing=Spacing.GEOMETRIC)
    grid = a_grid(spec)
    for price in prices:
        plan = shift(grid, Decimal(price))
        if plan is not None:
            before, grid = grid, applied(grid, plan)
            assert grid.lattice.levels[: len(before.lattice.levels)] == before.lattice.levels
            assert grid.lattice.amounts[: len(before.lattice.amounts)] == before.lattice.amounts
            assert sum(slot.lower > price for slot in in_order(grid)) == ABOVE_PRICE
        assert price < level_at(spec, grid.market, len(grid.lattice.amounts) - NEAR_TOP)


def test_a_moved_lot_leaves_with_that_of_the_slot_it_came_to() -> None:
    spec = a_spec(trailing=DOWN)
    grid = a_grid(spec, states=[holding(slot_of(a_grid(spec), place)) for place in range(10)])
    for price in (90, 80, 70, 60, 50):
        grid = shifted(grid, price)
    highest = in_order(grid)[-1]
    assert (highest.lower, highest.upper) == decimals(140, 150)
    assert lot_of(highest) == a_lot(6, 140 + 150 + 160 + 170 + 180 + 190)
    assert shift(grid, Decimal(10)) is None


def test_a_fall_beyond_the_limit_shifts_down_to_the_limit_and_never_below() -> None:
    grid = a_grid(a_spec(trailing=Trailing(down_to=Decimal(75))))
    assert shifted(grid, 20).lattice.levels[0] == 80


def test_an_infinite_grid_below_which_the_price_is_has_twenty_slots_above_it_too() -> None:
    spec = a_spec(is_infinite=True, slots=7, lower=Decimal(105), upper=Decimal(145), spacing=Spacing.GEOMETRIC)
    assert len(shifted(a_grid(spec), 100).lattice.amounts) == ABOVE_PRICE

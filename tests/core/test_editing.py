"""A live edit: the preview for a person, and the plan for the engine."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.costs import Funds
from engine.core.editing import EditPlan, EditTerms, edit_plan, worst_loss
from engine.core.migration import GridNow
from engine.core.trailing import shift
from engine.model.commands import GridChange
from engine.model.events import LotMoved
from engine.model.grid import Direction, InitialPurchase, SizedBy, Spacing, Trailing
from engine.model.money import ZERO
from engine.model.order import Leg, Side
from engine.model.risk import Limits
from engine.model.slot import lot_of
from tests.builders import a_market, a_spec, an_id
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
    total,
)

TERMS = EditTerms(limits=Limits())
RICH = Funds(quote=Decimal(1_000_000), base=Decimal(1000))
FREE = a_market(maker_fee_rate=ZERO, taker_fee_rate=ZERO)


def edited(grid: GridNow, change: GridChange, *, price: Decimal | int = 150, terms: EditTerms = TERMS) -> EditPlan:
    return edit_plan(grid, Decimal(price), change, terms, by="test")


def change(**words: Decimal | int | str) -> GridChange:
    """What to change, in numbers."""
    slots = words.pop("slots", None)
    return GridChange(
        slots=None if slots is None else int(slots), **{name: Decimal(value) for name, value in words.items()}
    )


def test_the_preview_lists_all_that_an_edit_does() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.LIMIT)
    base = a_grid(spec, FREE, anchor=175)
    grid = a_grid(
        spec,
        FREE,
        anchor=175,
        states=[entering(slot_of(base, 4)), exiting(slot_of(base, 7)), exiting(slot_of(base, 9))],
        beyond=RICH,
    )
    found = edited(grid, change(upper=180, slots=8), price=155)
    preview = found.preview
    assert preview.problems == ()
    assert preview.stays == (0, 1, 2, 3, 4, 5, 6, 7)
    assert preview.gone == (8, 9)
    assert preview.new == ()
    assert preview.lots_moved == ((9, 7),)
    assert preview.cancels == (an_id(7, Leg.EXIT), an_id(9, Leg.EXIT))
    assert (preview.buys_base, preview.buys_quote) == decimals(1, 155), "slot 6 is above 155 and holds nothing"
    below, held = 100 + 110 + 120 + 130 + 140 + 150 - 600, 170 + 190 - 200
    assert preview.loss_before == below + held + (175 - 100), "slot 8 is still to be bought at 175"
    assert preview.loss_after == below + held + (155 - 100)
    assert preview.before.rows != preview.after.rows
    assert found.plan is not None
    assert found.plan.fact.initial == (6,)
    assert found.plan.fact.spec == replace(spec, upper=Decimal(180), slots=8)
    assert found.plan.fact.moved == (LotMoved(source=9, target=7),)
    assert found.plan.fact.reason == "edited: 8 slots of 1 from 100 to 180, before 10 slots of 1 from 100 to 200"
    assert preview.after.warnings[-1] == "the lot of slot 9 would leave at 180, 10 USDT below its cost"


def test_a_change_that_changes_nothing_is_a_problem() -> None:
    grid = a_grid()
    for same in (change(), change(lower=100), change(slots=10, size=1, upper=200)):
        found = edited(grid, same, price=163)
        assert found.preview.problems == ("nothing would change",)
        assert found.plan is None


@pytest.mark.parametrize(
    "words, problem",
    [
        ({"lower": 250}, "lower must be above 0 and below upper, was 250 and 200"),
        ({"slots": 0}, "slots: expected a whole number from 1 to 46656, found 0"),
        ({"slots": 46657}, "slots: expected a whole number from 1 to 46656, found 46657"),
        ({"size": 0}, "size: expected a number from 1E-20 to 1E+20, found 0"),
        ({"slots": 900}, "grid 'main': slots: expected steps wider than the fees of a cycle, found a step of 0.0550 %"),
        ({"size": "0.01"}, "grid 'main': base_per_slot: expected orders that BTC/USDT takes"),
    ],
)
def test_an_impossible_wish_is_a_problem_and_shows_the_grid_as_it_is(
    words: dict[str, Decimal | int | str], problem: str
) -> None:
    grid = a_grid()
    found = edited(grid, change(**words))
    assert found.plan is None
    assert len(found.preview.problems) == 1
    assert found.preview.problems[0].startswith(problem)
    assert found.preview.after == found.preview.before
    assert found.preview.stays == tuple(range(10))


def test_more_money_than_grid_and_account_have_is_a_problem_with_figures() -> None:
    grid = a_grid(beyond=Funds(quote=Decimal(1000), base=ZERO))
    found = edited(grid, change(size=2))
    assert found.plan is None
    assert found.preview.problems == (
        "the new lattice needs 2900 USDT from the start on, the grid has 1450 and the account has 1000 USDT beyond",
    )
    enough = edited(replace(grid, beyond=Funds(quote=Decimal(1450), base=ZERO)), change(size=2))
    assert enough.plan is not None
    assert enough.plan.fact.funds_quote == 2900


def test_a_smaller_grid_gives_back_what_it_needs_no_more_and_keeps_its_profit() -> None:
    grid = a_grid()
    grid = replace(grid, ledger=replace(grid.ledger, cash=Decimal(70), realised=Decimal(70)))
    found = edited(grid, change(size="0.5"))
    assert found.plan is not None
    assert found.plan.fact.funds_quote == 725


def test_what_is_held_already_need_not_be_bought_again() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.MARKET)
    base = a_grid(spec)
    grid = a_grid(spec, states=[exiting(slot_of(base, place)) for place in (5, 6, 7, 8, 9)], beyond=RICH)
    found = edited(grid, change(slots=20, size="0.5"), price=150)
    assert found.preview.problems == ()
    assert found.preview.buys_base == Decimal("2.0"), "slots from 155, 165, 175 and 185 to the next, 0.5 each"


def test_a_short_grid_sells_at_once_what_an_edit_leaves_uncovered() -> None:
    spec = a_spec(direction=Direction.SHORT, initial_purchase=InitialPurchase.LIMIT)
    base = a_grid(spec, FREE, anchor=100)
    grid = a_grid(spec, FREE, anchor=100, states=[holding(slot_of(base, 1))], beyond=RICH)
    found = edited(grid, change(size=2), price=130)
    assert found.plan is not None
    assert found.plan.fact.initial == (0,), "slot 1 holds, slot 2 ends at the price"
    assert (found.preview.buys_base, found.preview.buys_quote) == decimals(-2, -260)


def test_a_slot_of_a_neutral_grid_keeps_the_side_on_which_it_holds_a_lot() -> None:
    spec = a_spec(direction=Direction.NEUTRAL)
    base = a_grid(spec)
    grid = a_grid(spec, states=[holding(slot_of(base, 3)), holding(slot_of(base, 6))], beyond=RICH)
    assert base.slots[6].entry_side is Side.SELL
    found = edited(grid, change(size=2), price=185)
    assert found.plan is not None
    after = applied(grid, found.plan)
    assert [slot.entry_side for slot in in_order(after)] == [
        *(Side.BUY,) * 6,
        Side.SELL,
        *(Side.BUY,) * 2,
        Side.SELL,
    ]
    assert found.plan.fact.moved == ()


def test_a_frozen_slot_in_the_way_is_a_problem() -> None:
    grid = a_grid(states=[slot_of(a_grid(), 0, freeze_reason="by hand")], beyond=RICH)
    found = edited(grid, change(lower=110, slots=9))
    assert found.plan is None
    assert found.preview.problems == ("slot 0 would disappear, and is frozen: by hand",)


def test_a_limit_that_the_new_lattice_breaks_is_a_problem() -> None:
    terms = EditTerms(limits=Limits(order_notional_max=Decimal(250)))
    found = edited(a_grid(beyond=RICH), change(size=2), terms=terms)
    assert found.plan is None
    assert any("250" in problem for problem in found.preview.problems)


def test_another_size_of_a_lattice_that_has_trailed_leaves_its_levels_where_they_are() -> None:
    spec = a_spec(spacing=Spacing.GEOMETRIC, trailing=Trailing(up_to=Decimal(400)))
    plan = shift(a_grid(spec, beyond=RICH), Decimal(300))
    assert plan is not None
    grid = applied(a_grid(spec, beyond=RICH), plan)
    found = edited(grid, change(size=2), price=290)
    assert found.preview.problems == ()
    assert found.plan is not None
    assert found.plan.fact.lattice.levels == grid.lattice.levels
    assert found.plan.fact.lattice.amounts == decimals(*[2] * 10)
    assert found.plan.fact.spec == replace(spec, size=Decimal(2))
    assert found.preview.stays == tuple(sorted(grid.lattice.places))
    assert shift(applied(grid, found.plan), Decimal(300)) is None


def test_a_new_range_of_a_lattice_that_has_trailed_starts_from_where_it_is() -> None:
    spec = a_spec(trailing=Trailing(up_to=Decimal(400)))
    plan = shift(a_grid(spec, beyond=RICH), Decimal(250))
    assert plan is not None
    grid = applied(a_grid(spec, beyond=RICH), plan)
    found = edited(grid, change(upper=260, slots=11), price=240)
    assert found.plan is not None
    assert (found.plan.fact.spec.lower, found.plan.fact.spec.upper) == decimals(150, 260)
    assert len(found.preview.stays) == 10


def test_another_size_of_an_infinite_grid_that_has_grown_keeps_its_growth() -> None:
    spec = a_spec(is_infinite=True, sized_by=SizedBy.QUOTE_PER_SLOT, size=Decimal(100), spacing=Spacing.GEOMETRIC)
    plan = shift(a_grid(spec, beyond=RICH), Decimal(180))
    assert plan is not None
    grid = applied(a_grid(spec, beyond=RICH), plan)
    found = edited(grid, change(size=200), price=180)
    assert found.preview.problems == ()
    assert found.plan is not None
    assert found.plan.fact.spec.slots == 10
    assert len(found.plan.fact.lattice.amounts) == len(grid.lattice.amounts)


def test_the_worst_loss_counts_what_is_held_and_what_is_bought_on_the_way() -> None:
    base = a_grid(a_spec(), FREE)
    grid = a_grid(a_spec(), FREE, states=[holding(slot_of(base, 9)), entering(slot_of(base, 0), Decimal("0.25"))])
    below = worst_loss(FREE, grid.lattice, grid.slots, Decimal(115))
    assert below == (100 - 100) + (110 - 100) + (190 - 100), "slots 0 and 1 are reached, 9 is held"
    assert worst_loss(FREE, grid.lattice, grid.slots, Decimal(99)) == 91 + 1, (
        "below the bound already: 1 lower, with slot 0 still to fill"
    )


def test_the_worst_loss_of_a_neutral_grid_is_that_of_its_worse_end() -> None:
    grid = a_grid(a_spec(direction=Direction.NEUTRAL), FREE)
    below = worst_loss(FREE, grid.lattice, grid.slots, Decimal(150))
    assert below == 0 + 10 + 20 + 30 + 40 + 50, "six slots buy from 150 down, four sell from 170 up"


def test_fees_are_part_of_the_worst_loss() -> None:
    grid = a_grid(a_spec(slots=1), a_market(maker_fee_rate=Decimal("0.01")))
    assert worst_loss(grid.market, grid.lattice, grid.slots, Decimal(150)) == 1


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(), st.integers(90, 420), st.integers(1, 15), st.integers(80, 250), st.integers(260, 420))
def test_every_edit_is_a_whole_plan_or_a_reason_and_conserves_lots(
    grid: GridNow, price: int, slots: int, lower: int, upper: int
) -> None:
    grid = replace(grid, beyond=RICH)
    found = edited(grid, change(slots=slots, lower=lower, upper=upper), price=price)
    assert (found.plan is None) is bool(found.preview.problems)
    if found.plan is None:
        return
    after = applied(grid, found.plan)
    assert total([lot_of(slot) for slot in after.slots]) == total([lot_of(slot) for slot in grid.slots])
    assert (after.lattice.levels[0], after.lattice.levels[-1], after.lattice.anchor) == decimals(lower, upper, price)
    again = edited(after, change(slots=slots, lower=lower, upper=upper), price=price)
    assert again.preview.problems == ("nothing would change",)
    for source, target in found.preview.lots_moved:
        assert source in found.preview.gone
        assert target in (*found.preview.stays, *found.preview.new)


def test_a_first_purchase_that_rests_already_is_not_bought_twice() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.LIMIT)
    base = a_grid(spec)
    grid = a_grid(spec, states=[entering(slot_of(base, 7))], beyond=RICH)
    found = edited(grid, change(size=2))
    assert found.plan is not None
    assert found.plan.fact.initial == (6, 7, 8, 9)
    assert (found.preview.buys_base, found.preview.buys_quote) == decimals(6, 900)


def test_the_figures_before_are_of_the_grid_as_if_it_started_at_the_present_price() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.LIMIT)
    grid = a_grid(spec, FREE, anchor=195, beyond=RICH)
    before = edited(grid, change(size=2), price=155).preview.before
    assert (before.now_base, before.now_quote) == decimals(4, 620), "four slots lie above 155, none above 195"
    assert [row.slot for row in before.rows if row.opens_now] == [6, 7, 8, 9]


@pytest.mark.parametrize("direction, price, loss", [(Direction.LONG, 80, 110), (Direction.SHORT, 230, 120)])
def test_beyond_its_bound_a_grid_has_lost_what_it_has_lost_at_the_price(
    direction: Direction, price: int, loss: int
) -> None:
    """A lot bought at 190 and one that a short grid sold at 110."""
    spec = a_spec(direction=direction)
    base = a_grid(spec, FREE)
    place = 9 if direction is Direction.LONG else 0
    grid = a_grid(spec, FREE, states=[holding(slot_of(base, place))])
    assert worst_loss(FREE, grid.lattice, grid.slots, Decimal(price)) == loss
    preview = edited(grid, change(size=2), price=price).preview
    assert preview.loss_before == loss


def test_what_an_edit_would_buy_is_told_to_wait_for_what_keeps_it_from_opening() -> None:
    grid = a_grid(a_spec(initial_purchase=InitialPurchase.LIMIT), FREE, anchor=195, beyond=RICH)
    waiting = replace(TERMS, waits_for={Side.BUY: "panic key: pressed", Side.SELL: "never asked"})
    found = edited(grid, change(size=2), price=175, terms=waiting)
    assert found.preview.waits_for == "panic key: pressed"
    assert found.preview.after.warnings[-1] == (
        "nothing is bought now: panic key: pressed; when that ends, 2 initial purchases of 4 BTC go out"
    )
    assert found.plan is not None, "the lattice may change all the same"


def test_a_grid_that_cannot_be_edited_in_its_state_says_so_at_once() -> None:
    stopped = replace(TERMS, hindrance="the grid is stopped (as asked): resume it first")
    found = edited(a_grid(), change(size=2), terms=stopped)
    assert (found.plan, found.preview.problems) == (None, ("the grid is stopped (as asked): resume it first",))


@pytest.mark.parametrize("at, is_warned", [(Decimal("104.56"), True), (Decimal("99.9"), False), (None, False)])
def test_a_position_that_is_liquidated_before_the_bound_is_named(at: Decimal | None, *, is_warned: bool) -> None:
    base = a_grid(a_spec(), FREE)
    grid = a_grid(a_spec(), FREE, states=[holding(slot_of(base, 4))])
    warnings = edited(grid, change(size=2), terms=replace(TERMS, liquidation_price=at)).preview.after.warnings
    said = "the position is liquidated at 104.56 USDT: the loss at the bound is not reached"
    assert (said in warnings) is is_warned


def test_an_infinite_price_is_a_problem_and_no_exception() -> None:
    assert edited(a_grid(), change(upper="Infinity")).preview.problems == (
        "upper: expected a number from 1E-20 to 1E+20, found Infinity",
    )


def test_levels_too_far_to_trail_to_are_one_problem_that_names_its_key() -> None:
    grid = a_grid(a_spec(trailing=Trailing(up_to=Decimal(10_000))), FREE, beyond=RICH)
    said = "grid 'main': trail_up_to: expected a price that is at most 1000 levels beyond the range, found more"
    assert edited(grid, change(slots=20)).preview.problems == (said,)

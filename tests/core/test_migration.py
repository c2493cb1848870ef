"""What a new lattice does to slots and lots."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from engine.core.lattice import Funds, make_lattice
from engine.core.migration import (
    Cause,
    GridNow,
    MigrationPlan,
    MigrationRefused,
    is_quiet,
    plan_migration,
)
from engine.core.purse import cost_of, free_purse
from engine.model.actions import PlaceOrder
from engine.model.events import LotMoved
from engine.model.grid import Direction, GridSpec, InitialPurchase
from engine.model.market import FeeCurrency, Market, SwapRules
from engine.model.money import ZERO
from engine.model.order import Leg, Side
from engine.model.slot import EMPTY, NO_LOT, Empty, Exiting, Holding, lot_of, order_of
from tests.builders import a_lot, a_market, a_spec
from tests.core.migration_builders import (
    a_grid,
    applied,
    books_after,
    decimals,
    entering,
    exiting,
    grids,
    holding,
    in_order,
    lattice_or_none,
    quieted,
    slot_of,
    specs,
    total,
    with_states,
)

PRICE = Decimal(150)


def planned(
    grid: GridNow, spec: GridSpec, *, price: Decimal = PRICE, cause: Cause = Cause.EDIT
) -> MigrationPlan | MigrationRefused:
    """The plan from a grid to the lattice of another wish."""
    target = make_lattice(spec, grid.market, price)
    return plan_migration(grid, target, spec=spec, price=price, cause=cause, reason="a test wants it", by="test")


def plan_of(grid: GridNow, spec: GridSpec, *, price: Decimal = PRICE, cause: Cause = Cause.EDIT) -> MigrationPlan:
    found = planned(grid, spec, price=price, cause=cause)
    assert isinstance(found, MigrationPlan), found
    return found


def test_slots_with_the_same_levels_stay_with_their_orders_and_the_lowest_free_identities_are_used_again() -> None:
    states = [entering(slot_of(a_grid(), 3)), exiting(slot_of(a_grid(), 6))]
    grid = a_grid(states=states)
    plan = plan_of(grid, a_spec(lower=Decimal(120), upper=Decimal(220)))
    assert plan.stays == (2, 3, 4, 5, 6, 7, 8, 9)
    assert plan.gone == plan.new == plan.must_be_quiet == (0, 1)
    assert plan.fact.lattice.places == (2, 3, 4, 5, 6, 7, 8, 9, 0, 1)
    assert plan.fact.lattice.version == 2
    after = applied(grid, plan)
    assert after.slots[3].state == states[0].state
    assert after.slots[6].state == states[1].state
    assert (after.slots[0].lower, after.slots[0].upper) == decimals(200, 210)


def test_more_slots_get_new_identities_and_fewer_leave_some_retired() -> None:
    grid = a_grid()
    more = applied(grid, plan_of(grid, a_spec(slots=20)))
    assert more.lattice.ids == ()
    assert len(more.slots) == 20
    fewer = plan_of(more, a_spec(slots=5))
    assert fewer.fact.lattice.places == (0, 1, 2, 3, 4)
    assert fewer.fact.lattice.ids == (0, 1, 2, 3, 4), "slots 5 to 19 are there still, and left out by name"
    assert len(applied(more, fewer).slots) == 20
    again = plan_of(applied(more, fewer), a_spec(slots=10))
    assert again.fact.lattice.places == tuple(range(10))


def test_a_slot_whose_lot_moves_is_not_used_again_in_the_same_migration() -> None:
    grid = a_grid(states=[exiting(slot_of(a_grid(), 5))])
    plan = plan_of(grid, a_spec(slots=5))
    assert plan.fact.moved == (LotMoved(source=5, target=2),)
    assert 5 not in plan.fact.lattice.places
    after = applied(grid, plan)
    assert after.slots[2].state == Holding(lot=a_lot(1, 150))
    assert (after.slots[2].lower, after.slots[2].upper) == decimals(140, 160)
    assert after.slots[5].state == EMPTY


def test_an_exact_exit_comes_first_then_the_nearest_without_a_lot_then_the_nearest() -> None:
    states = [exiting(slot_of(a_grid(a_spec(slots=20)), place)) for place in (12, 13, 14, 15)]
    grid = a_grid(a_spec(slots=20), states=states)
    plan = plan_of(grid, a_spec(), price=Decimal(158))
    exits = {move.source: plan.after[move.target].exit_price for move in plan.fact.moved}
    assert exits == {13: 170, 15: 180, 12: 160, 14: 190}
    crowded = plan_of(grid, a_spec(slots=2), price=Decimal(158))
    assert {move.source: crowded.after[move.target].exit_price for move in crowded.fact.moved} == {
        12: 200,
        13: 200,
        14: 200,
        15: 200,
    }


def test_a_resting_entry_gives_way_to_a_lot_and_has_to_be_quiet_first() -> None:
    wish = a_spec(lower=Decimal(100), upper=Decimal(160), slots=6)
    base = a_grid()
    grid = a_grid(states=[holding(slot_of(base, 6)), entering(slot_of(base, 5))])
    plan = plan_of(grid, wish)
    assert plan.fact.moved == (LotMoved(source=6, target=5),)
    assert plan.must_be_quiet == (5, 6, 7, 8, 9)
    assert not is_quiet(plan, grid.slots)
    assert is_quiet(plan, quieted(grid, (5,)).slots)
    after = applied(grid, plan)
    assert after.slots[5].state == Holding(lot=a_lot(1, 160))


def test_a_lot_never_lands_on_a_resting_exit() -> None:
    base = a_grid()
    grid = a_grid(states=[exiting(slot_of(base, place)) for place in range(10)])
    plan = plan_of(grid, a_spec(lower=Decimal(100), upper=Decimal(150), slots=5), price=Decimal(95))
    assert {move.target for move in plan.fact.moved} == {4}
    assert 4 in plan.must_be_quiet
    assert plan.at_a_loss == tuple(LotMoved(source=place, target=4) for place in (6, 7, 8, 9))
    assert lot_of(applied(grid, plan).slots[4]) == a_lot(6, 140 + 150 + 160 + 170 + 180 + 190)


def test_a_lot_does_not_go_to_an_exit_that_the_price_has_passed_while_another_pays() -> None:
    lot = Holding(lot=a_lot(1, 90))
    base = a_grid(a_spec(slots=4))
    grid = a_grid(a_spec(slots=4), states=[replace(slot_of(base, 2), state=lot)])
    plan = plan_of(grid, a_spec(slots=5), price=Decimal(165))
    assert [plan.after[move.target].exit_price for move in plan.fact.moved] == [180]
    passed = plan_of(grid, a_spec(slots=5), price=Decimal(500))
    assert [passed.after[move.target].exit_price for move in passed.fact.moved] == [180]


def test_a_frozen_slot_that_would_disappear_refuses_the_whole_plan_with_its_reason() -> None:
    grid = a_grid(states=[slot_of(a_grid(), 0, freeze_reason="an operator said so")])
    refused = planned(grid, a_spec(lower=Decimal(120), upper=Decimal(220)))
    assert refused == MigrationRefused(reasons=("slot 0 would disappear, and is frozen: an operator said so",))
    stays = plan_of(grid, a_spec(upper=Decimal(190), slots=9))
    assert 0 in stays.stays


def test_a_slot_in_question_that_would_disappear_refuses_the_whole_plan() -> None:
    grid = a_grid(questioned=frozenset((1, 5)))
    refused = planned(grid, a_spec(lower=Decimal(120), upper=Decimal(220)))
    assert refused == MigrationRefused(reasons=("slot 1 would disappear, and an open question is about it",))


def test_a_frozen_slot_takes_no_lot_and_a_lot_without_a_slot_refuses_the_plan() -> None:
    base = a_grid()
    wish = a_spec(lower=Decimal(160), upper=Decimal(170), slots=1)
    frozen = slot_of(base, 6, freeze_reason="frozen")
    grid = a_grid(states=[frozen, holding(slot_of(base, 5))])
    refused = planned(grid, wish)
    assert isinstance(refused, MigrationRefused)
    assert refused.reasons == (
        "slot 5 holds a lot that has to sell, and no slot of the new lattice that may be touched does",
    )


def test_lots_on_both_sides_stay_on_their_side() -> None:
    neutral = a_spec(direction=Direction.NEUTRAL)
    base = a_grid(neutral)
    grid = a_grid(neutral, states=[holding(slot_of(base, 3)), holding(slot_of(base, 7))])
    after = applied(grid, plan_of(grid, replace(neutral, slots=20)))
    held = {(slot.lower, slot.entry_side): lot_of(slot).quantity for slot in in_order(after) if lot_of(slot) != NO_LOT}
    assert held == {(Decimal(135), Side.BUY): 1, (Decimal(170), Side.SELL): -1}


@pytest.mark.parametrize(
    "purchase, initial",
    [
        (InitialPurchase.LIMIT, (6, 7, 9)),
        (InitialPurchase.MARKET, (6, 7, 9)),
        (InitialPurchase.NONE, ()),
        (InitialPurchase.HOLDINGS, ()),
    ],
)
def test_slots_beyond_the_new_anchor_that_are_left_without_a_lot_buy_there_if_the_wish_says_so(
    purchase: InitialPurchase, initial: tuple[int, ...]
) -> None:
    spec = a_spec(initial_purchase=purchase)
    grid = a_grid(spec, anchor=180, states=[holding(slot_of(a_grid(spec), 8))])
    plan = plan_of(grid, replace(spec, size=Decimal(2)))
    assert plan.fact.initial == initial
    assert plan.fact.lattice.anchor == 150


def test_a_shift_keeps_the_marks_of_first_purchases_on_slots_that_stay() -> None:
    spec = a_spec(initial_purchase=InitialPurchase.LIMIT)
    grid = a_grid(spec, anchor=175)
    assert [slot.index for slot in grid.slots if slot.is_initial] == [8, 9]
    plan = plan_of(grid, replace(spec, upper=Decimal(190), lower=Decimal(90)), cause=Cause.SHIFT)
    assert plan.fact.initial == (8,)


def test_identities_are_never_more_than_client_order_ids_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.migration.SLOTS_MAX", 10)
    refused = planned(a_grid(), a_spec(slots=11))
    assert isinstance(refused, MigrationRefused)
    assert refused.reasons == ("expected at most 10 slots ever used, found 11",)


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(), specs(), st.sampled_from(tuple(InitialPurchase)), st.integers(60, 500))
def test_every_migration_conserves_lots_and_identities(
    grid: GridNow, wish: GridSpec, purchase: InitialPurchase, price: int
) -> None:
    wish = replace(wish, direction=grid.spec.direction, initial_purchase=purchase)
    target = lattice_or_none(wish, grid.market, Decimal(price))
    assume(not (purchase is InitialPurchase.HOLDINGS and wish.direction is Direction.SHORT))
    if target is None:
        reject()
    plan = plan_of(grid, wish, price=Decimal(price))
    after = applied(grid, plan)
    lattice = plan.fact.lattice
    assert total([lot_of(slot) for slot in after.slots]) == total([lot_of(slot) for slot in grid.slots])
    assert len(set(lattice.places)) == len(lattice.places) == len(lattice.amounts)
    assert tuple(after.slots) == plan.after
    assert (lattice.levels, lattice.amounts) == (target.levels, target.amounts)
    assert all(lower < upper for lower, upper in pairwise(lattice.levels))
    for identity in set(plan.stays) - set(plan.must_be_quiet):
        assert after.slots[identity].state == grid.slots[identity].state
    for slot in after.slots:
        if slot.index not in lattice.places:
            assert isinstance(slot.state, Empty)
    for move in plan.fact.moved:
        assert move.source in plan.gone
        assert move.source not in lattice.places
        assert order_of(after.slots[move.target]) is None
        assert not isinstance(after.slots[move.target].state, Exiting)
    assert set(plan.stays) | set(plan.gone) == set(grid.lattice.places)
    assert set(plan.stays) | set(plan.new) == set(lattice.places)


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(), specs(), st.integers(60, 500))
def test_a_plan_made_again_once_all_is_quiet_is_the_same(grid: GridNow, wish: GridSpec, price: int) -> None:
    wish = replace(wish, direction=grid.spec.direction)
    assume(lattice_or_none(wish, grid.market, Decimal(price)) is not None)
    plan = plan_of(grid, wish, price=Decimal(price))
    assert plan_of(quieted(grid, plan.must_be_quiet), wish, price=Decimal(price)) == plan


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(), specs(), st.integers(60, 500))
def test_a_lot_goes_below_its_cost_only_where_no_exit_pays_for_it(grid: GridNow, wish: GridSpec, price: int) -> None:
    wish = replace(wish, direction=grid.spec.direction)
    assume(lattice_or_none(wish, grid.market, Decimal(price)) is not None)
    plan = plan_of(grid, wish, price=Decimal(price))
    exits = [plan.after[identity].exit_price for identity in plan.fact.lattice.places]
    for move in plan.fact.moved:
        lot = lot_of(grid.slots[move.source])
        pays = [each for each in exits if each * lot.quantity >= lot.cost_quote]
        assert bool(pays) is (move not in plan.at_a_loss)
        assert (plan.after[move.target].exit_price in pays) is (move not in plan.at_a_loss)


def test_the_funds_of_a_first_edit_are_what_a_new_grid_needs() -> None:
    spec = a_spec()
    grid = a_grid(spec)
    plan = plan_of(grid, replace(spec, size=Decimal("0.5")))
    assert (plan.needs.quote, plan.fact.funds_quote) == (Decimal(725), Decimal(725))
    more = plan_of(grid, replace(spec, size=Decimal(2)))
    assert (more.needs.quote, more.fact.funds_quote) == (Decimal(2900), Decimal(1450)), "the account has no more"


def test_a_market_with_fees_in_quote_needs_them_too() -> None:
    market = a_market(fee_currency=FeeCurrency.QUOTE)
    plan = plan_of(a_grid(a_spec(), market), a_spec(size=Decimal("0.5")))
    assert plan.needs.quote == Decimal(725) * Decimal("1.001")


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(grids(direction=Direction.LONG), specs(direction=Direction.LONG), st.integers(60, 500), st.data())
def test_the_funds_pay_for_every_entry_to_come_in_whatever_order(
    grid: GridNow, wish: GridSpec, price: int, data: st.DataObject
) -> None:
    assume(lattice_or_none(wish, grid.market, Decimal(price)) is not None)
    plan = plan_of(grid, wish, price=Decimal(price))
    after = applied(grid, plan)
    cash = plan.needs.quote + grid.ledger.cash
    keep = 1 - grid.market.maker_fee_rate
    lots = {}
    for slot in in_order(after):
        order = order_of(slot)
        if order is not None and order.side is Side.BUY:
            cash -= order.price * (order.amount - order.filled)
            lots[slot.index] = lot_of(slot).quantity + (order.amount - order.filled)
        else:
            lots[slot.index] = lot_of(slot).quantity
    assert cash >= 0
    for identity in data.draw(st.lists(st.sampled_from(after.lattice.places), max_size=60)):
        slot, quantity = after.slots[identity], lots[identity]
        if quantity:
            cash += quantity * slot.exit_price * keep
            lots[identity] = Decimal(0)
        else:
            cash -= slot.entry_price * slot.amount
            lots[identity] = slot.amount * keep
        assert cash >= 0


SWAP = a_market(
    fee_currency=FeeCurrency.QUOTE,
    swap=SwapRules(contract_size=Decimal("0.00001"), leverage_max=Decimal(20), maintenance_rate=Decimal("0.01")),
)


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(
    st.sampled_from((a_market(), a_market(fee_currency=FeeCurrency.QUOTE), SWAP)),
    st.sampled_from(tuple(Direction)),
    st.integers(101, 300),
    st.sets(st.integers(0, 9)),
    st.sets(st.integers(0, 9)),
    st.integers(1, 14),
)
def test_what_a_grid_may_spend_after_an_edit_covers_every_entry_it_may_place(
    market: Market, direction: Direction, price: int, held: set[int], resting: set[int], slots: int
) -> None:
    spec = a_spec(direction=direction, leverage=Decimal(1 if market.swap is None else 5))
    base = a_grid(spec, market)
    states = {place: exiting(slot_of(base, place)) for place in held}
    states |= {place: entering(slot_of(base, place), Decimal("0.25")) for place in resting - held}
    grid = replace(with_states(base, list(states.values())), beyond=Funds(quote=Decimal(10**6), base=Decimal(10**3)))
    wish = replace(spec, slots=slots, upper=Decimal(220), size=Decimal(2))
    assume(lattice_or_none(wish, market, Decimal(price)) is not None)
    found = planned(grid, wish, price=Decimal(price))
    if isinstance(found, MigrationRefused):
        reject()
    books = books_after(grid, found)
    free = free_purse(books, books.funds)
    entries = [
        cost_of(
            PlaceOrder(
                slot=slot.index,
                leg=Leg.ENTRY,
                side=slot.entry_side,
                price=slot.entry_price,
                amount=slot.amount,
                post_only=True,
                reason="",
            ),
            market,
            spec,
        )
        for slot in books.slots_by_price
        if isinstance(slot.state, Empty)
    ]
    assert free.quote >= sum((cost.quote for cost in entries), ZERO)
    assert free.base >= sum((cost.base for cost in entries), ZERO)


def test_a_lot_does_not_go_to_a_nearer_exit_that_would_sell_it_at_once_and_sooner() -> None:
    base = a_grid(a_spec(slots=4))
    grid = a_grid(a_spec(slots=4), states=[replace(slot_of(base, 2), state=Holding(lot=a_lot(1, 90)))])
    plan = plan_of(grid, a_spec(slots=3), price=Decimal(170))
    assert [plan.after[move.target].exit_price for move in plan.fact.moved] == [200]


def test_a_slot_without_a_lot_comes_before_a_nearer_one_with_a_lot() -> None:
    base = a_grid()
    cheap = replace(slot_of(base, 9), state=Holding(lot=a_lot(1, 100)))
    grid = a_grid(states=[cheap, holding(slot_of(base, 7))])
    plan = plan_of(grid, a_spec(upper=Decimal(180), slots=8))
    assert plan.fact.moved == (LotMoved(source=9, target=6),)


def test_a_slot_with_a_lot_needs_what_its_exit_leaves_short_of_a_greater_entry() -> None:
    spec = a_spec(slots=1)
    grid = a_grid(spec, states=[holding(slot_of(a_grid(spec), 0))])
    plan = plan_of(grid, replace(spec, size=Decimal(3)))
    assert plan.needs.quote == 100 + (300 - Decimal("199.8")), "paid for the lot, and missing after its exit"

"""The desired ladder, case by case, on the default grid: slot i from 100 + 10i to 110 + 10i."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core.ladder import EVERYTHING, band_at, decide
from engine.core.wind_down import is_wound_down
from engine.model.actions import Action, CancelOrder, PlaceOrder, QuietBand, SetAside
from engine.model.grid import Disposal, GridState, InitialPurchase
from engine.model.order import Leg, OrderStatus, Side
from engine.model.slot import NO_LOT, Entering, Exiting, Holding, Lot, Slot
from tests.builders import a_lot, a_market, a_slot, a_spec, a_view, an_id, an_order, some_slots

D = Decimal
OPEN, PARTIAL = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
LIMIT, MARKET = InitialPurchase.LIMIT, InitialPurchase.MARKET
CANCEL, FLATTEN, LEAVE = Disposal.CANCEL, Disposal.FLATTEN, Disposal.LEAVE
ONE_LOT = a_lot(1, 150)


def entering(index: int, lot: Lot = NO_LOT, **order: object) -> Slot:
    changes = {"status": PARTIAL if lot.quantity else OPEN, "filled": lot.quantity, **order}
    return a_slot(index, state=Entering(order=replace(an_order(index), **changes), lot=lot))  # type: ignore[arg-type]


def holding(index: int, lot: Lot = ONE_LOT, **changes: object) -> Slot:
    return a_slot(index, state=Holding(lot=lot), **changes)


def exiting(index: int, leg: Leg = Leg.EXIT, **changes: object) -> Slot:
    order = replace(an_order(index, leg, status=OPEN), **changes)  # type: ignore[arg-type]
    return a_slot(index, state=Exiting(lot=ONE_LOT, offered=ONE_LOT, order=order))


def at(price: str | int, slots: Sequence[Slot], **view: object) -> tuple[Action, ...]:
    return decide(a_view(slots, **view), D(price)).actions  # type: ignore[arg-type]


def in_short(actions: Sequence[Action]) -> list[str]:
    """Each action as a word: ``buy 3 130``, ``sell 5 160``, ``cancel 4``, ``aside 2``."""
    words = []
    for action in actions:
        match action:
            case PlaceOrder():
                words.append(f"{action.side} {action.slot} {action.price.normalize():f}")
            case CancelOrder():
                words.append(f"cancel {action.slot}")
            case SetAside():
                words.append(f"aside {action.slot}")
    return words


def test_entries_rest_at_their_levels_from_the_price_down() -> None:
    assert in_short(at(135, some_slots())) == ["buy 3 130", "buy 2 120", "buy 1 110", "buy 0 100"]


def test_an_entry_is_post_only_and_says_why() -> None:
    first = at(135, some_slots())[0]
    assert first == PlaceOrder(
        slot=3,
        leg=Leg.ENTRY,
        side=Side.BUY,
        price=D(130),
        amount=D(1),
        post_only=True,
        reason="entry 1 below the price",
    )


def test_at_a_level_its_own_entry_is_wanted() -> None:
    assert in_short(at(130, some_slots()))[0] == "buy 3 130"
    assert in_short(at("129.99", some_slots()))[0] == "buy 2 120"


def test_below_the_grid_nothing_is_bought_and_above_it_everything() -> None:
    assert in_short(at("99.99", some_slots())) == []
    assert len(at(500, some_slots())) == 10


def test_lots_are_offered_at_the_level_above_lowest_first_wherever_the_price_is() -> None:
    slots = some_slots(holding(7), holding(2), holding(4))
    assert in_short(at(50, slots)) == ["sell 2 130", "sell 4 150", "sell 7 180"]
    exits = [word for word in in_short(at(500, slots)) if word.startswith("sell")]
    assert exits == ["sell 2 130", "sell 4 150", "sell 7 180"]


def test_an_exit_may_take_and_says_why() -> None:
    assert at(50, some_slots(holding(2)))[0] == PlaceOrder(
        slot=2,
        leg=Leg.EXIT,
        side=Side.SELL,
        price=D(130),
        amount=D(1),
        post_only=False,
        reason="exit 1 above the price",
    )


def test_what_rests_already_is_left_alone() -> None:
    slots = some_slots(entering(0), entering(1), entering(2), entering(3), exiting(5))
    assert at(135, slots) == ()


def test_a_window_of_more_candidates_than_places_is_filled_but_for_one_place() -> None:
    spec = a_spec(window=4)
    assert in_short(at(500, some_slots(), spec=spec)) == ["buy 9 190", "buy 8 180", "buy 7 170"]
    assert len(at(135, some_slots(), spec=spec)) == 4


def test_orders_outside_of_the_window_are_cancelled() -> None:
    spec = a_spec(window=3)
    slots = some_slots(*(entering(index) for index in range(5)))
    actions = at(145, slots, spec=spec)
    assert in_short(actions) == ["cancel 1", "cancel 0"]
    assert actions[0] == CancelOrder(slot=1, client_order_id=an_id(1), reason="outside the window of 3 entries")
    slots = some_slots(*(exiting(index) for index in range(5, 10)))
    assert in_short(at(95, slots, spec=spec)) == ["cancel 8", "cancel 9"]


def test_an_exit_that_is_partly_filled_stays_wherever_it_is() -> None:
    spec = a_spec(window=3)
    slots = some_slots(*(exiting(index) for index in range(6, 9)), exiting(9, status=PARTIAL, filled=D("0.5")))
    assert at(95, slots, spec=spec) == ()


@pytest.mark.parametrize("status", [OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.UNKNOWN])
def test_an_order_that_the_exchange_may_not_know_yet_is_not_cancelled(status: OrderStatus) -> None:
    assert at(145, some_slots(entering(3, status=status)), state=GridState.PAUSED) == ()


def test_a_cancel_is_asked_for_once() -> None:
    slots = some_slots(entering(3, is_cancel_requested=True))
    assert at(145, slots, state=GridState.PAUSED) == ()


@pytest.mark.parametrize(
    "initial_purchase, price", [(LIMIT, "buy 6 155"), (MARKET, "buy 6 155.78"), (InitialPurchase.NONE, None)]
)
def test_slots_above_the_start_are_bought_at_the_start_price(
    initial_purchase: InitialPurchase, price: str | None
) -> None:
    """MARKET may pay half a percent more."""
    spec = a_spec(initial_purchase=initial_purchase)
    wants = initial_purchase is not InitialPurchase.NONE
    slots = [a_slot(index, is_initial=wants and index > 5) for index in range(10)]
    actions = at(155, slots, spec=spec, anchor=155)
    assert in_short(actions[:6]) == [f"buy {i} {100 + 10 * i}" for i in (5, 4, 3, 2, 1, 0)]
    assert [action.slot for action in actions[6:]] == ([6, 7, 8, 9] if wants else [])
    assert in_short(actions[6:7]) == ([price] if wants else [])
    assert all(isinstance(action, PlaceOrder) and not action.post_only for action in actions[6:])


def test_a_window_of_initial_entries_comes_on_top_of_the_ladder() -> None:
    spec = a_spec(initial_purchase=LIMIT, window=3)
    slots = [a_slot(index, is_initial=index > 3) for index in range(10)]
    actions = at(135, slots, spec=spec, anchor=135)
    assert in_short(actions) == ["buy 3 130", "buy 2 120", "buy 4 135", "buy 5 135", "buy 6 135"]


def test_an_initial_entry_moves_to_its_level_once_the_price_is_there() -> None:
    spec = a_spec(initial_purchase=LIMIT)
    slots = some_slots(entering(6, price=D(150)))
    assert "cancel 6" not in in_short(at("159.99", slots, spec=spec))
    actions = at(160, slots, spec=spec)
    assert "cancel 6" in in_short(actions)
    assert "buy 6 160" not in in_short(actions)


def test_a_partly_filled_entry_waits_inside_its_slot_and_is_given_up_above_it() -> None:
    slots = some_slots(entering(3, lot=a_lot("0.4", 52)))
    assert "cancel 3" not in in_short(at("139.99", slots))
    assert "cancel 3" in in_short(at(140, slots))


def test_what_a_given_up_entry_has_bought_is_sold() -> None:
    actions = at(145, some_slots(holding(3, a_lot("0.4", 52))))
    assert "sell 3 140" in in_short(actions)
    sale = next(action for action in actions if action.slot == 3)
    assert isinstance(sale, PlaceOrder)
    assert sale.amount == D("0.4")


@pytest.mark.parametrize("state", [GridState.PAUSED, GridState.EXITS_ONLY])
def test_a_paused_grid_opens_nothing_cancels_entries_and_keeps_exits(state: GridState) -> None:
    spec = a_spec(initial_purchase=LIMIT)
    slots = some_slots(
        entering(2), entering(3, lot=a_lot("0.4", 52)), exiting(5), holding(6),
        entering(7, price=D(150)), a_slot(8, is_initial=True),
    )  # fmt: skip
    actions = at(145, slots, spec=spec, state=state)
    assert in_short(actions) == ["cancel 2", "cancel 3", "cancel 7", "sell 6 170"]
    assert isinstance(actions[0], CancelOrder)
    assert actions[0].reason == "nothing new opens now"


@pytest.mark.parametrize("state", [GridState.STARTING, GridState.HALTED, GridState.STOPPED])
def test_a_grid_that_does_not_trade_wants_nothing_at_any_price(state: GridState) -> None:
    slots = some_slots(entering(2), exiting(5), holding(6))
    decision = decide(a_view(slots, state=state), D(145))
    assert (decision.actions, decision.band) == ((), EVERYTHING)


@pytest.mark.parametrize(
    "state, disposal",
    [(GridState.RUNNING, None), (GridState.PAUSED, None), (GridState.STOPPING, FLATTEN)],
)
def test_a_frozen_slot_is_not_touched_whatever_it_is(state: GridState, disposal: Disposal | None) -> None:
    kinds = (a_slot(0), entering(1), entering(2, price=D(99)), holding(3), exiting(4), exiting(5, Leg.FLATTEN))
    frozen = [a_slot(slot.index, state=slot.state, freeze_reason="by wish") for slot in kinds]
    actions = at(155, some_slots(*frozen), state=state, disposal=disposal)
    assert {action.slot for action in actions}.isdisjoint(range(6))


def test_stopping_and_leaving_touches_no_order() -> None:
    """LEAVE: orders stay on the exchange."""
    slots = some_slots(entering(2), exiting(5), holding(6))
    view = a_view(slots, state=GridState.STOPPING, disposal=LEAVE)
    assert decide(view, D(145)).actions == ()
    assert is_wound_down(view)


def test_stopping_and_cancelling_cancels_every_order_and_keeps_the_lots() -> None:
    slots = some_slots(entering(2), exiting(5), holding(6))
    view = a_view(slots, state=GridState.STOPPING, disposal=CANCEL)
    assert in_short(decide(view, D(145)).actions) == ["cancel 2", "cancel 5"]
    assert not is_wound_down(view)
    rest = a_view(some_slots(holding(5), holding(6)), state=GridState.STOPPING, disposal=CANCEL)
    assert is_wound_down(rest)


def test_flattening_sells_every_lot_within_half_a_percent_below_the_price() -> None:
    slots = some_slots(entering(2), exiting(5), holding(6), holding(8))
    view = a_view(slots, state=GridState.STOPPING, disposal=FLATTEN)
    decision = decide(view, D(145))
    assert in_short(decision.actions) == ["cancel 2", "cancel 5", "sell 6 144.27", "sell 8 144.27"]
    sale = decision.actions[2]
    assert isinstance(sale, PlaceOrder)
    assert (sale.leg, sale.post_only, sale.amount) == (Leg.FLATTEN, False, D(1))
    assert not is_wound_down(view)
    assert is_wound_down(a_view(some_slots(), state=GridState.STOPPING, disposal=FLATTEN))


def test_a_flattening_order_follows_the_price_down_and_no_price_is_quiet() -> None:
    slots = some_slots(exiting(6, Leg.FLATTEN, price=D("144.27")))
    view = a_view(slots, state=GridState.STOPPING, disposal=FLATTEN)
    assert in_short(decide(view, D("144.27")).actions) == []
    assert in_short(decide(view, D("144.26")).actions) == ["cancel 6"]
    assert decide(view, D("144.26")).band == QuietBand(D("144.26"), D("144.26"))


def test_a_stopping_grid_is_done_when_only_frozen_slots_are_left() -> None:
    slots = some_slots(a_slot(6, state=Holding(lot=ONE_LOT), freeze_reason="refused 3 times"))
    assert is_wound_down(a_view(slots, state=GridState.STOPPING, disposal=FLATTEN))


def test_a_lot_too_small_to_sell_is_set_aside() -> None:
    actions = at(145, some_slots(holding(6, a_lot("0.02", 3))))
    assert actions[-1] == SetAside(slot=6, reason="too small to sell: notional must be at least 5 USDT, was 3.4")


def test_dust_that_makes_a_whole_lot_is_sold_along_and_only_once() -> None:
    """0.999995 and 0.000012 of dust are 1.000007: 1.00000 is sold with 0.000005 of the dust; the second
    lot needs 0.000003 and gets it; for the third too little is left."""
    lot = a_lot("0.999995", 150)
    third = a_lot("0.999994", 150)
    slots = some_slots(holding(5, lot), holding(6, a_lot("0.999997", 150)), holding(7, third))
    actions = at(95, slots, dust=a_lot("0.000012", "0.0012"))
    taken = [(a.amount, a.dust) for a in actions if isinstance(a, PlaceOrder)]
    assert taken == [
        (D(1), a_lot("0.000005", "0.0005")),
        (D(1), a_lot("0.000003", "0.0003")),
        (D("0.99999"), NO_LOT),
    ]


def test_dust_never_makes_an_order_larger_than_the_market_takes() -> None:
    market = a_market(amount_max=D(1), lot_size=D("0.1"))
    slots = some_slots(holding(5, a_lot(1, 150)))
    sale = at(95, slots, market=market, dust=a_lot("0.5", 70))[0]
    assert isinstance(sale, PlaceOrder)
    assert (sale.amount, sale.dust) == (D(1), NO_LOT)


@pytest.mark.parametrize(
    "price, low, high",
    [("145", "140", "150"), ("150", "150", "160"), ("99", "0", "100"), ("250", "190", "Infinity")],
)
def test_the_band_of_an_empty_grid_reaches_to_the_levels_around_the_price(price: str, low: str, high: str) -> None:
    """The highest level, 200, is nobody's entry."""
    assert band_at(a_view(some_slots()), D(price)) == QuietBand(D(low), D(high))


def test_the_band_ends_where_a_lot_is_sold_and_where_an_entry_is_given_up() -> None:
    everything_held = a_view(some_slots(*(holding(index) for index in range(10))))
    assert band_at(everything_held, D(145)) == QuietBand(D(140), D(150))
    partial = entering(9, lot=a_lot("0.4", 76))
    frozen = [a_slot(index, freeze_reason="by wish") for index in range(9)]
    assert band_at(a_view([*frozen, partial]), D(195)) == QuietBand(D(190), D(200))
    assert band_at(a_view(frozen), D(195)) == EVERYTHING

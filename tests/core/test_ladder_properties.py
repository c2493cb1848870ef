# ruff: noqa: N802 -- an invariant is named as it is written
"""What holds of every decision, whatever the slots have been through."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid_view import GridView
from engine.core.ladder import band_at, decide
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.grid import GridState, InitialPurchase
from engine.model.order import Leg, OrderStatus
from engine.model.slot import NO_LOT, Empty, Entering, Exiting, Holding, Slot, SlotState, order_of
from tests.builders import a_lot, a_market, a_slot, a_spec, a_view, an_opening, an_order
from tests.core.harness import GridRun

D = Decimal
CANCELLABLE = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
TRADING = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
LOTS = (a_lot("0.00002", "0.003"), a_lot("0.4", 60), a_lot("0.999", 150), a_lot(1, 150))


def _states(index: int) -> Iterator[SlotState]:
    """Every kind of state that a slot can be in; the more usual ones more often."""
    yield from [Empty(), Empty(), Empty()]
    for lot in LOTS:
        yield Holding(lot=lot)
    level = D(100 + 10 * index)
    for price in (level, D(150)):
        order = an_order(index, price=price, amount=D(2), status=OrderStatus.OPEN)
        yield Entering(order=order)
        yield Entering(order=replace(order, status=OrderStatus.INTENT))
        yield Entering(order=replace(order, status=OrderStatus.UNKNOWN))
        yield Entering(order=replace(order, is_cancel_requested=True))
        for lot in LOTS:
            partial = replace(order, status=OrderStatus.PARTIALLY_FILLED, filled=lot.quantity)
            yield Entering(order=partial, lot=lot)
    offered = a_lot(1, 150)
    for leg in (Leg.EXIT, Leg.FLATTEN):
        order = an_order(index, leg, status=OrderStatus.OPEN)
        partial = replace(order, status=OrderStatus.PARTIALLY_FILLED, filled=D("0.5"))
        yield Exiting(lot=offered, offered=offered, order=order)
        yield Exiting(lot=offered, offered=offered, order=replace(order, status=OrderStatus.INTENT))
        yield Exiting(lot=offered, offered=offered, order=replace(order, is_cancel_requested=True))
        yield Exiting(lot=a_lot("0.5", 75), offered=offered, order=partial)


def _slots(index: int) -> list[Slot]:
    usual = [
        a_slot(index, state=state, is_initial=is_initial) for state in _states(index) for is_initial in (False, True)
    ]
    return [*usual, *(replace(slot, freeze_reason="by wish") for slot in usual[::4])]


SLOTS = st.tuples(*(st.sampled_from(_slots(index)) for index in range(10)))


@st.composite
def views(draw: st.DrawFn, *states: GridState) -> GridView:
    spec = a_spec(
        window=draw(st.integers(1, 11)),
        initial_purchase=draw(st.sampled_from([InitialPurchase.LIMIT, InitialPurchase.MARKET])),
    )
    dust = draw(st.sampled_from([NO_LOT, a_lot("0.000009", "0.001"), a_lot("0.0123456", "1.9")]))
    return a_view(
        draw(SLOTS),
        spec=spec,
        state=draw(st.sampled_from(states or TRADING)),
        dust=dust,
    )


prices = st.decimals(min_value=D("0.01"), max_value=400, places=2)


def placed(actions: tuple[Action, ...], leg: Leg) -> list[PlaceOrder]:
    return [action for action in actions if isinstance(action, PlaceOrder) and action.leg is leg]


@given(views(), prices, st.decimals(min_value=0, max_value=1, places=6))
def test_every_price_inside_the_quiet_band_leads_to_the_same_decision(
    view: GridView, price: Decimal, share: Decimal
) -> None:
    decision = decide(view, price)
    assert decision.band == band_at(view, price)
    assert decision.band.low <= price < decision.band.high
    low, high = decision.band.low, min(decision.band.high, D(10**6))
    other = low + (high - low) * share
    if decision.band.low < other < decision.band.high:
        assert decide(view, other) == decision


@given(views(), st.integers(0, 11), st.integers(1, 999), st.integers(1, 999))
def test_two_prices_between_the_same_two_levels_lead_to_the_same_decision(
    view: GridView, step: int, one: int, other: int
) -> None:
    """Whatever the slots hold: a decision compares the price with levels and with nothing else."""
    below = D(90 + 10 * step)
    assert decide(view, below + D(one) / 100) == decide(view, below + D(other) / 100)


@given(views(*TRADING), prices)
def test_I1_a_slot_gets_at_most_one_action_and_only_one_it_can_take(view: GridView, price: Decimal) -> None:
    actions = decide(view, price).actions
    assert len({action.slot for action in actions}) == len(actions)
    for action in actions:
        slot = view.slots[action.slot]
        order = order_of(slot)
        assert slot.freeze_reason is None
        match action:
            case PlaceOrder():
                assert isinstance(slot.state, Empty if action.leg is Leg.ENTRY else Holding)
            case CancelOrder():
                assert order is not None
                assert order.client_order_id == action.client_order_id
                assert order.status in CANCELLABLE
                assert not order.is_cancel_requested
            case SetAside():
                assert isinstance(slot.state, Holding)


@given(views(), prices)
def test_I8_I9_every_order_is_one_the_market_takes_and_sells_no_more_than_there_is(
    view: GridView, price: Decimal
) -> None:
    dust = view.dust
    for action in decide(view, price).actions:
        if not isinstance(action, PlaceOrder):
            continue
        assert view.market.problem_with(action.price, action.amount) is None
        state = view.slots[action.slot].state
        if isinstance(state, Holding):
            assert action.amount <= state.lot.quantity + action.dust.quantity
            assert state.lot.quantity + action.dust.quantity - action.amount < view.market.lot_size
        dust = dust.minus(action.dust)
        assert dust.quantity >= 0
        assert dust.cost_quote >= 0


@given(views(), prices)
def test_never_more_than_a_window_of_entries_and_of_exits_is_wanted(view: GridView, price: Decimal) -> None:
    """What cannot be cancelled yet, and exits that are partly filled, stay on top of that."""
    actions = decide(view, price).actions
    cancelled = {action.slot for action in actions if isinstance(action, CancelOrder)}
    kept = [
        slot
        for slot in view.slots
        if slot.freeze_reason is None
        and slot.index not in cancelled
        and (order := order_of(slot)) is not None
        and order.status in CANCELLABLE
        and not order.is_cancel_requested
    ]
    entries = [slot for slot in kept if isinstance(slot.state, Entering) and slot.lower <= price]
    exits = [slot for slot in kept if isinstance(slot.state, Exiting) and slot.state.order.filled == 0]
    regular = [action for action in placed(actions, Leg.ENTRY) if action.reason != "initial purchase"]
    initial = [action for action in placed(actions, Leg.ENTRY) if action.reason == "initial purchase"]
    assert len(entries) + len(regular) <= view.window
    assert len(initial) <= view.window
    assert len(exits) + len(placed(actions, Leg.EXIT)) <= view.window


@given(views(GridState.PAUSED, GridState.EXITS_ONLY), prices)
def test_I10_a_grid_that_may_not_open_cancels_all_entries_and_goes_on_selling(view: GridView, price: Decimal) -> None:
    actions = decide(view, price).actions
    running = a_view(view.slots, spec=a_spec(window=view.window), dust=view.dust)
    assert placed(actions, Leg.ENTRY) == []
    assert placed(actions, Leg.EXIT) == placed(decide(running, price).actions, Leg.EXIT)
    cancelled = {action.slot for action in actions if isinstance(action, CancelOrder)}
    for slot in view.slots:
        state = slot.state
        if isinstance(state, Entering) and slot.freeze_reason is None:
            order = state.order
            assert (slot.index in cancelled) == (order.status in CANCELLABLE and not order.is_cancel_requested)


@given(st.integers(3, 9), st.integers(0, 10), st.integers(1, 9))
def test_a_price_swinging_around_one_level_cancels_nothing(window: int, level: int, width: int) -> None:
    """A hundred swings, after the ladder has found its place."""
    middle = D(100 + 10 * level)
    run = GridRun(an_opening(a_spec(window=window), a_market(), anchor=middle))
    run.trade(middle + width, middle - width, middle + width)
    before = run.cancels
    for _ in range(100):
        run.trade(middle - width, middle + width)
    assert run.cancels == before

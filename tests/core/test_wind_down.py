"""How a grid ends: longs are sold and shorts bought back within a bounded slippage."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid_view import view_of
from engine.core.ladder import decide
from engine.core.wind_down import is_wound_down, wind_down
from engine.model.actions import CancelOrder, PlaceOrder
from engine.model.grid import Direction, Disposal, GridState
from engine.model.order import Leg, OrderStatus, Side
from engine.model.slot import EMPTY, Exiting, Holding, order_of
from tests.builders import a_lot, a_market, a_slot, a_spec, a_state, a_view, an_opening, an_order, some_slots
from tests.core.harness import GridRun

D = Decimal
NO_FEES = a_market(maker_fee_rate=D(0), taker_fee_rate=D(0))


def held(direction: Direction) -> GridRun:
    """A grid with a lot in slots 5 and 4 (long, bought at 150 and 140) or 4 and 5 (short, sold at 150 and 160)."""
    is_long = direction is Direction.LONG
    run = GridRun(an_opening(a_spec(direction=direction), NO_FEES, anchor=155 if is_long else 145))
    run.trade(*((155, 139) if is_long else (145, 161)))
    return run


def stopping(run: GridRun, disposal: Disposal) -> None:
    run.record(a_state(GridState.STOPPING, disposal))


def test_a_short_grid_is_bought_back_no_more_than_half_a_percent_above_the_price() -> None:
    run = held(Direction.SHORT)
    stopping(run, Disposal.FLATTEN)
    cancelled = decide(view_of(run.books), D(161)).actions
    assert {type(action) for action in cancelled} == {CancelOrder}
    assert len(cancelled) == len(run.live_orders())
    for action in cancelled:
        run._do(action)
    run.read()
    orders = [action for action in decide(view_of(run.books), D(161)).actions if isinstance(action, PlaceOrder)]
    # 161 * 1.005 = 161.805, on the next tick above
    assert [(order.slot, order.leg, order.side, order.price, order.amount, order.post_only) for order in orders] == [
        (4, Leg.FLATTEN, Side.BUY, D("161.81"), D(1), False),
        (5, Leg.FLATTEN, Side.BUY, D("161.81"), D(1), False),
    ]


@pytest.mark.parametrize(
    "direction, price, cash",
    [(Direction.LONG, "138.30", "-13.40"), (Direction.SHORT, "161.81", "-13.62")],
)
def test_a_flattened_grid_holds_nothing_and_realised_the_loss(direction: Direction, price: str, cash: str) -> None:
    """2 * 138.30 - 290 and 310 - 2 * 161.81: the ideal exchange fills at the limit."""
    run = held(direction)
    assert sum(abs(lot.quantity) for lot in run.books.lots()) == 2
    stopping(run, Disposal.FLATTEN)
    run.settle()
    books = run.books
    assert books.state is GridState.STOPPED
    assert [slot.state for slot in books.slots] == [EMPTY] * 10
    assert books.ledger.base == run.exchange.base == 0
    assert books.ledger.cash == books.ledger.realised == run.exchange.cash == D(cash)
    assert run.exchange.live == {}
    flattened = [order.intent for order in run.exchange.orders.values() if order.intent.leg is Leg.FLATTEN]
    assert [order.price for order in flattened] == [D(price)] * 2


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("disposal", [Disposal.CANCEL, Disposal.LEAVE])
def test_what_is_not_flattened_keeps_its_lots(direction: Direction, disposal: Disposal) -> None:
    run = held(direction)
    before, orders = run.books.lots(), len(run.live_orders())
    stopping(run, disposal)
    run.settle()
    assert run.books.state is GridState.STOPPED
    assert run.books.lots() == before
    assert len(run.live_orders()) == (orders if disposal is Disposal.LEAVE else 0)


def _bought_back_at(limit: str) -> Exiting:
    """Slot 5 owes 1 BTC that it sold for 160, and an order that flattens it rests at this limit."""
    lot = a_lot(-1, -160)
    order = an_order(5, Leg.FLATTEN, side=Side.BUY, price=D(limit), status=OrderStatus.OPEN)
    return Exiting(lot=lot, offered=lot, order=order)


@pytest.mark.parametrize("price, cancels", [("165", 0), ("165.8", 0), ("165.81", 1)])
def test_a_buy_back_that_the_price_has_run_away_from_is_placed_anew(price: str, cancels: int) -> None:
    slot = a_slot(5, state=_bought_back_at("165.8"), entry_side=Side.SELL)
    view = a_view(
        some_slots(slot),
        spec=a_spec(direction=Direction.SHORT),
        state=GridState.STOPPING,
        disposal=Disposal.FLATTEN,
    )
    assert len(list(wind_down(view, D(price)))) == cancels
    assert not is_wound_down(view)


@given(st.decimals(min_value=1, max_value=400, places=2), st.sampled_from(Direction))
def test_slippage_is_bounded_by_half_a_percent_and_a_tick_at_any_price(price: Decimal, direction: Direction) -> None:
    is_long = direction is not Direction.SHORT
    slot = a_slot(5, state=Holding(lot=a_lot(10 if is_long else -10, 1)), entry_side=Side.BUY if is_long else Side.SELL)
    view = a_view([slot], state=GridState.STOPPING, disposal=Disposal.FLATTEN)
    (order,) = wind_down(view, price)
    assert isinstance(order, PlaceOrder)
    if is_long:
        assert price * D("0.995") - D("0.01") < order.price <= price * D("0.995")
    else:
        assert price * D("1.005") <= order.price < price * D("1.005") + D("0.01")
    assert order.amount == 10
    assert order_of(slot) is None

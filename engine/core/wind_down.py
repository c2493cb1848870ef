"""A grid that ends: what is cancelled and sold on the way, and when it is done."""

from collections.abc import Iterator
from decimal import Decimal

from engine.core.grid_view import SOLD_LATE, GridView, cancel, closing, not_frozen, offers_too_much
from engine.core.lattice import SLIPPAGE_MAX
from engine.model.actions import Action, PlaceOrder
from engine.model.grid import Disposal
from engine.model.market import Market
from engine.model.money import ONE
from engine.model.order import Leg, Side
from engine.model.slot import Empty, Entering, Exiting, Holding


def is_wound_down(view: GridView) -> bool:
    """Whether a stopping grid has nothing left to do."""
    match view.disposal:
        case Disposal.LEAVE | None:
            return True
        case Disposal.CANCEL:
            return all(isinstance(slot.state, Empty | Holding) for slot in not_frozen(view))
        case Disposal.FLATTEN:
            return all(isinstance(slot.state, Empty) for slot in not_frozen(view))


def wind_down(view: GridView, price: Decimal) -> Iterator[Action]:
    """What a stopping grid does at this price, by its disposal."""
    is_flattening = view.disposal is Disposal.FLATTEN
    dust = view.dust
    if view.disposal is Disposal.LEAVE:
        return
    for slot in not_frozen(view):
        state = slot.state
        match state:
            case Empty():
                continue
            case Entering():
                yield from cancel(slot, state.order, "the grid is stopping")
            case Exiting():
                if offers_too_much(state):
                    yield from cancel(slot, state.order, SOLD_LATE)
                elif state.order.leg is not Leg.FLATTEN or _is_out_of_reach(slot.exit_side, state.order.price, price):
                    yield from cancel(slot, state.order, "the grid is stopping")
            case Holding():
                if is_flattening:
                    bound = _worst_price(view.market, slot.exit_side, price)
                    action = closing(view, slot, state.lot, dust, bound, Leg.FLATTEN, "the grid is flattened")
                    if isinstance(action, PlaceOrder):
                        dust = dust.minus(action.dust)
                    yield action


def _worst_price(market: Market, side: Side, price: Decimal) -> Decimal:
    """How far an order that has to take may reach."""
    match side:
        case Side.SELL:
            return market.floor_price(price * (ONE - SLIPPAGE_MAX))
        case Side.BUY:
            return market.ceil_price(price * (ONE + SLIPPAGE_MAX))


def _is_out_of_reach(side: Side, limit: Decimal, price: Decimal) -> bool:
    match side:
        case Side.SELL:
            return price < limit
        case Side.BUY:
            return price > limit

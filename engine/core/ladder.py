"""The desired ladder: which orders should rest at this price, and the band in which that cannot change.

A decision depends on the price only by comparisons with levels that matter in the state
the slots are in; every price strictly between two such levels leads to the same decision.
That is the quiet band. Once a slot changes, the band is another one, and the newest price
is compared with it again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.lattice import SLIPPAGE_MAX, initial_price
from engine.core.ledger import part_of_lot
from engine.model.actions import Action, CancelOrder, Decision, PlaceOrder, QuietBand, SetAside
from engine.model.grid import Disposal, GridState, InitialPurchase, Lattice
from engine.model.market import Market
from engine.model.money import ONE, ZERO
from engine.model.order import Leg, Order, OrderStatus, Side
from engine.model.slot import NO_LOT, Empty, Entering, Exiting, Holding, Lot, Slot

_INFINITY = Decimal("Infinity")
EVERYTHING = QuietBand(ZERO, _INFINITY)
_SETTLED_STATUSES = frozenset((OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED))


@dataclass(frozen=True, slots=True, kw_only=True)
class GridView:
    """What a decision is made on; ``slots`` are not changed while it is made."""

    market: Market
    lattice: Lattice
    slots: Sequence[Slot]
    state: GridState
    disposal: Disposal | None
    window: int
    initial_purchase: InitialPurchase
    dust: Lot


def decide(view: GridView, price: Decimal) -> Decision:
    """What to do at this price, in the order in which it should be done: nearest to the price first."""
    match view.state:
        case GridState.RUNNING:
            return Decision(actions=_ladder(view, price, can_open=True), band=band_at(view, price))
        case GridState.PAUSED | GridState.EXITS_ONLY:
            return Decision(actions=_ladder(view, price, can_open=False), band=band_at(view, price))
        case GridState.STOPPING:
            # A flattening order follows the price itself, so no price is quiet.
            return Decision(actions=tuple(_wind_down(view, price)), band=QuietBand(price, price))
        case GridState.STARTING | GridState.HALTED | GridState.STOPPED:
            return Decision(actions=(), band=EVERYTHING)


def band_at(view: GridView, price: Decimal) -> QuietBand:
    """The open interval around a price that holds no price at which a decision can change.

    An empty or entering slot compares the price with its lower level, one that holds
    something is sold at its upper level. At such a price itself nothing is quiet.
    Slots do not overlap, so the nearest ones on either side have the nearest edges.
    """
    here = bisect_right(view.lattice.levels, price) - 1
    low = next(
        (edge for edge in _edges(view.slots, range(min(here, len(view.slots) - 1), -1, -1)) if edge <= price), ZERO
    )
    high = next((edge for edge in _edges(view.slots, range(max(here, 0), len(view.slots))) if edge > price), _INFINITY)
    return QuietBand(low, high)


def _edges(slots: Sequence[Slot], indices: range) -> Iterator[Decimal]:
    """The prices at which these slots have something to decide, nearest first in the order of the indices."""
    for index in indices:
        slot = slots[index]
        if slot.freeze_reason is not None:
            continue
        state = slot.state
        match state:
            case Empty():
                yield slot.lower
            case Entering():
                has_bought = state.lot.quantity > 0
                if indices.step < 0:
                    yield from (slot.upper, slot.lower) if has_bought else (slot.lower,)
                else:
                    yield from (slot.lower, slot.upper) if has_bought else (slot.lower,)
            case Holding() | Exiting():
                yield slot.upper


def is_wound_down(view: GridView) -> bool:
    """Whether a stopping grid has nothing left to do."""
    match view.disposal:
        case Disposal.LEAVE | None:
            return True
        case Disposal.CANCEL:
            return all(isinstance(slot.state, Empty | Holding) for slot in _not_frozen(view))
        case Disposal.FLATTEN:
            return all(isinstance(slot.state, Empty) for slot in _not_frozen(view))


def is_still_wanted(leg: Leg, state: GridState) -> bool:
    """Whether an order that has waited for its turn may still go out in this state of its grid."""
    match leg:
        case Leg.ENTRY:
            return state is GridState.RUNNING
        case Leg.EXIT:
            return state in (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
        case Leg.FLATTEN:
            return state is GridState.STOPPING


def _not_frozen(view: GridView) -> Iterator[Slot]:
    return (slot for slot in view.slots if slot.freeze_reason is None)


def _ladder(view: GridView, price: Decimal, *, can_open: bool) -> tuple[Action, ...]:
    below: list[Slot] = []
    initial: list[Slot] = []
    leaving: list[Slot] = []
    actions: list[Action] = []
    for slot in _not_frozen(view):
        state = slot.state
        match state:
            case Empty():
                if slot.lower <= price:
                    below.append(slot)
                elif slot.is_initial:
                    initial.append(slot)
            case Entering():
                reason = _why_cancel_entry(slot, state, price, can_open=can_open)
                if reason:
                    actions.extend(_cancel(slot, state.order, reason))
                elif slot.lower <= price:
                    below.append(slot)
                else:
                    initial.append(slot)
            case Holding() | Exiting():
                leaving.append(slot)
    below.reverse()
    if can_open:
        actions.extend(_entries(view, below))
        actions.extend(_initial_entries(view, initial))
    actions.extend(_exits(view, leaving))
    return tuple(actions)


def _why_cancel_entry(slot: Slot, state: Entering, price: Decimal, *, can_open: bool) -> str | None:
    if not can_open:
        return "nothing new opens now"
    if state.order.price != slot.lower and slot.lower <= price:
        return "the price has risen to the slot: its entry moves from the start price to its level"
    if state.lot.quantity > 0 and slot.upper <= price:
        return "the price has risen past the slot: what was bought is to be sold"
    return None


def _entries(view: GridView, below: list[Slot]) -> Iterator[Action]:
    """Entries at their own level, nearest below the price first."""
    place_ranks = _place_ranks(len(below), view.window)
    for rank, slot in enumerate(below):
        state = slot.state
        if isinstance(state, Entering):
            if rank >= view.window:
                yield from _cancel(slot, state.order, f"outside the window of {view.window} entries")
        elif rank < place_ranks:
            yield _entry(slot, slot.lower, f"entry {rank + 1} below the price", post_only=True)


def _initial_entries(view: GridView, initial: list[Slot]) -> Iterator[Action]:
    """Entries at the start price for the slots above it, lowest first, a window of them on top of the ladder."""
    price = initial_price(view.initial_purchase, view.market, view.lattice.anchor)
    for slot in initial[: view.window]:
        if isinstance(slot.state, Empty):
            yield _entry(slot, price, "initial purchase", post_only=False)


def _exits(view: GridView, leaving: list[Slot]) -> Iterator[Action]:
    """Exits, lowest first: those are nearest above the price."""
    place_ranks = _place_ranks(len(leaving), view.window)
    dust = view.dust
    for rank, slot in enumerate(leaving):
        state = slot.state
        if isinstance(state, Exiting):
            if rank >= view.window and state.order.filled == 0:
                yield from _cancel(slot, state.order, f"outside the window of {view.window} exits")
        elif isinstance(state, Holding) and rank < place_ranks:
            action = _sale(view, slot, state.lot, dust, slot.upper, Leg.EXIT, f"exit {rank + 1} above the price")
            if isinstance(action, PlaceOrder):
                dust = dust.minus(action.dust)
            yield action


def _place_ranks(candidates: int, window: int) -> int:
    """How many of the nearest get an order: one less than the window where there are more candidates
    than places, so that a price swinging around one level does not cancel and place the farthest order."""
    return window if candidates <= window or window < 3 else window - 1


def _entry(slot: Slot, price: Decimal, reason: str, *, post_only: bool) -> PlaceOrder:
    return PlaceOrder(
        slot=slot.index,
        leg=Leg.ENTRY,
        side=Side.BUY,
        price=price,
        amount=slot.amount,
        post_only=post_only,
        reason=reason,
    )


def _sale(
    view: GridView, slot: Slot, lot: Lot, dust: Lot, price: Decimal, leg: Leg, reason: str
) -> PlaceOrder | SetAside:
    """Sell a lot, rounded down to whole lots of the market after the dust has been added to it."""
    market = view.market
    amount = min(market.floor_amount(lot.quantity + dust.quantity), market.floor_amount(market.amount_max))
    taken = amount - lot.quantity
    problem = market.problem_with(price, amount)
    if problem:
        return SetAside(slot=slot.index, reason=f"too small to sell: {problem}")
    return PlaceOrder(
        slot=slot.index,
        leg=leg,
        side=Side.SELL,
        price=price,
        amount=amount,
        post_only=False,
        reason=reason,
        dust=part_of_lot(dust, taken) if taken > 0 else NO_LOT,
    )


def _cancel(slot: Slot, order: Order, reason: str) -> Iterator[CancelOrder]:
    """Cancel an order that the exchange is known to have, once."""
    if order.status in _SETTLED_STATUSES and not order.is_cancel_requested:
        yield CancelOrder(slot=slot.index, client_order_id=order.client_order_id, reason=reason)


def _wind_down(view: GridView, price: Decimal) -> Iterator[Action]:
    floor = view.market.floor_price(price * (ONE - SLIPPAGE_MAX))
    is_flattening = view.disposal is Disposal.FLATTEN
    dust = view.dust
    if view.disposal is Disposal.LEAVE:
        return
    for slot in _not_frozen(view):
        state = slot.state
        match state:
            case Empty():
                continue
            case Entering():
                yield from _cancel(slot, state.order, "the grid is stopping")
            case Exiting():
                if state.order.leg is not Leg.FLATTEN or price < state.order.price:
                    yield from _cancel(slot, state.order, "the grid is stopping")
            case Holding():
                if is_flattening:
                    action = _sale(view, slot, state.lot, dust, floor, Leg.FLATTEN, "the grid is flattened")
                    if isinstance(action, PlaceOrder):
                        dust = dust.minus(action.dust)
                    yield action

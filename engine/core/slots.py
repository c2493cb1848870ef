"""Slot transitions: one function per state; what the exchange reports goes in, the next slot comes out."""

from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core import ledger, orders
from engine.model.errors import InvariantBroken
from engine.model.events import OrderIntended
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, Leg, Order, OrderReport, OrderStatus, Side
from engine.model.slot import EMPTY, NO_LOT, Empty, Entering, Exiting, Holding, Lot, Slot, order_of

REFUSALS_MAX = 3
"""After this many refusals in a row a slot is frozen: the same request gets the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One execution for the ledger, with the profit it realised."""

    side: Side
    fill: Fill
    realised: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotChange:
    """A slot after a report; ``dust`` is what its exit left over, ``cycles`` how many it completed.

    ``realised`` is profit that no single booking has realised.
    """

    slot: Slot
    bookings: tuple[Booking, ...]
    dust: Lot
    cycles: int
    realised: Decimal = ZERO


def reserve(slot: Slot, intent: OrderIntended, at_ms: int) -> Slot:
    """The slot with the intended order in it, from the moment of the decision.

    Raises:
        InvariantBroken: the slot cannot take this order now.
    """
    order = Order(
        client_order_id=intent.client_order_id,
        slot=intent.slot,
        leg=intent.leg,
        side=intent.side,
        price=intent.price,
        amount=intent.amount,
        post_only=intent.post_only,
        created_ms=at_ms,
    )
    state = slot.state
    match state:
        case Empty():
            if intent.leg is not Leg.ENTRY:
                raise InvariantBroken(f"slot {slot.index} is empty and cannot take an {intent.leg} order")
            return replace(slot, state=Entering(order=order), generation=slot.generation + 1)
        case Holding():
            lot = state.lot.plus(intent.dust)
            if intent.leg is Leg.ENTRY or intent.amount > abs(lot.quantity):
                raise InvariantBroken(
                    f"slot {slot.index} holds {lot.quantity} and cannot take an {intent.leg} of {intent.amount}"
                )
            exiting = Exiting(lot=lot, offered=lot, order=order)
            return replace(slot, state=exiting, generation=slot.generation + 1)
        case Entering() | Exiting():
            raise InvariantBroken(
                f"slot {slot.index} already has order {state.order.client_order_id}, "
                f"{intent.client_order_id} would be a second one"
            )


def apply_report(slot: Slot, report: OrderReport, market: Market) -> SlotChange | None:
    """The slot after a report of its order; None if the report is of another order or says nothing new."""
    order = order_of(slot)
    if order is None or order.client_order_id != report.client_order_id:
        return None
    change = orders.apply_report(order, report)
    if change is None:
        return None
    refusals = _refusals_after(slot, change.order)
    if refusals != slot.refusals:
        slot = replace(slot, refusals=refusals)
    state = slot.state
    match state:
        case Entering():
            return _entering(slot, state, change, market)
        case Exiting():
            return _exiting(slot, state, change, market)
        case Empty() | Holding():
            return None


def close_as_booked(slot: Slot, reason: str, market: Market) -> SlotChange:
    """The slot with its order closed at what is booked of it, though the exchange told of more or does not know it.

    Raises:
        InvariantBroken: the slot has no order.
    """
    order = order_of(slot)
    if order is None:
        raise InvariantBroken(f"slot {slot.index} has no order to release")
    closed = replace(order, status=OrderStatus.CANCELED, reported_filled=order.filled, reason=reason)
    change = orders.OrderChange(order=closed, new_fills=())
    state = slot.state
    match state:
        case Entering():
            return _entering(slot, state, change, market)
        case Exiting():
            return _exiting(slot, state, change, market)
        case Empty() | Holding():
            raise InvariantBroken(f"slot {slot.index} has no order to release")


def mark_cancel_requested(slot: Slot) -> Slot:
    """The slot with its order's cancellation asked for."""
    state = slot.state
    match state:
        case Entering() | Exiting():
            order = replace(state.order, is_cancel_requested=True)
            return replace(slot, state=replace(state, order=order))
        case Empty() | Holding():
            raise InvariantBroken(f"slot {slot.index} has no order to cancel")


def set_aside(slot: Slot) -> tuple[Slot, Lot]:
    """The slot without its lot, and the lot, which becomes dust."""
    state = slot.state
    match state:
        case Holding():
            return replace(slot, state=EMPTY), state.lot
        case Empty() | Entering() | Exiting():
            raise InvariantBroken(f"slot {slot.index} has no free lot to set aside")


def take_out(slot: Slot, lot: Lot) -> Slot:
    """The slot without a part of its free lot, which the account no longer has; its profit bears the cost.

    Raises:
        InvariantBroken: the slot has no free lot, or less than that.
    """
    state = slot.state
    match state:
        case Holding():
            if abs(lot.quantity) > abs(state.lot.quantity):
                raise InvariantBroken(
                    f"slot {slot.index} holds {state.lot.quantity}, {lot.quantity} cannot be taken out"
                )
            rest = state.lot.minus(lot)
            after = Holding(lot=rest) if rest.quantity else EMPTY
            return replace(slot, state=after, profit_quote=slot.profit_quote - lot.cost_quote)
        case Empty() | Entering() | Exiting():
            raise InvariantBroken(f"slot {slot.index} has no free lot to take {lot.quantity} out of")


def _entering(slot: Slot, state: Entering, change: orders.OrderChange, market: Market) -> SlotChange:
    lot = state.lot
    for fill in change.new_fills:
        lot = ledger.opened(lot, market, change.order.side, fill)
    order = change.order
    if not order.is_settled:
        after = replace(slot, state=Entering(order=order, lot=lot))
    elif lot.quantity:
        after = replace(slot, state=Holding(lot=lot))
    else:
        after = replace(slot, state=EMPTY)
    if change.new_fills and slot.is_initial:
        after = replace(after, is_initial=False)
    bookings = tuple(Booking(side=order.side, fill=fill, realised=ZERO) for fill in change.new_fills)
    return SlotChange(slot=after, bookings=bookings, dust=NO_LOT, cycles=0)


def _exiting(slot: Slot, state: Exiting, change: orders.OrderChange, market: Market) -> SlotChange:
    lot, bookings, profit = state.lot, [], ZERO
    order = change.order
    for fill in change.new_fills:
        lot, realised = ledger.closed(lot, state.offered, market, order.side, fill)
        profit += realised
        bookings.append(Booking(side=order.side, fill=fill, realised=realised))
    slot = replace(slot, profit_quote=slot.profit_quote + profit)
    dust, cycles, late_profit = NO_LOT, 0, ZERO
    if not order.is_settled:
        after = replace(slot, state=replace(state, lot=lot, order=order))
    elif state.late != NO_LOT:
        lot, late_profit, dust = joined(slot, lot, state.late)
        cycles = int(order.leg is Leg.EXIT and (order.filled == order.amount or not lot.quantity))
        after = replace(
            slot,
            state=Holding(lot=lot) if lot.quantity else EMPTY,
            cycles=slot.cycles + cycles,
            profit_quote=slot.profit_quote + late_profit,
        )
    elif order.filled == order.amount:
        dust, cycles = lot, int(order.leg is Leg.EXIT)
        after = replace(slot, state=EMPTY, cycles=slot.cycles + cycles)
    else:
        after = replace(slot, state=Holding(lot=lot))
    return SlotChange(slot=after, bookings=tuple(bookings), dust=dust, cycles=cycles, realised=late_profit)


def joined(slot: Slot, lot: Lot, gained: Lot) -> tuple[Lot, Decimal, Lot]:
    """A slot's lot with another one that came late, the profit that realised, and what the slot cannot hold of it:
    what lies on the side on which it does not enter."""
    rest, realised = ledger.merged(lot, gained)
    is_its_own = rest.quantity > 0 if slot.entry_side is Side.BUY else rest.quantity < 0
    return (rest, realised, NO_LOT) if is_its_own else (NO_LOT, realised, rest)


def _refusals_after(slot: Slot, order: Order) -> int:
    match order.status:
        case OrderStatus.REJECTED:
            return slot.refusals + 1
        # An acknowledgement says nothing for good: it may be told before or after the end, or never.
        case (
            OrderStatus.INTENT
            | OrderStatus.SENT
            | OrderStatus.UNKNOWN
            | OrderStatus.OPEN
            | OrderStatus.PARTIALLY_FILLED
            | OrderStatus.EXPIRED
        ):
            return slot.refusals
        case OrderStatus.FILLED | OrderStatus.CANCELED:
            return 0

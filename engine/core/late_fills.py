"""What executions of an order that the books have closed make of its slot.

An exchange may say that an order is canceled, or say nothing of it until it is given up, and tell of an
execution afterwards. Its trade is the truth. By then the slot may be in any state, so the execution goes where
the money can be:

- into the slot's lot, which its exit then trades away as any other lot;
- against the slot's lot, where it has traded away what the slot was believed to hold;
- beside the lot while an order offers that lot (``Exiting.late``), until that order has ended;
- into the dust, where the slot cannot hold it: exits take along what is too much, and keep back what is owed.
"""

from dataclasses import replace
from decimal import Decimal

from engine.core import ledger
from engine.core.slots import Booking, SlotChange, joined
from engine.model.events import LateFillBooked
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.slot import EMPTY, NO_LOT, Empty, Entering, Exiting, Holding, Lot, Slot


def book_late(slot: Slot, told: LateFillBooked, market: Market, *, is_here: bool, ends_exit: bool) -> SlotChange:
    """The slot after executions of one of its closed orders.

    ``is_here``: the lattice still has the slot; ``ends_exit``: with these an exit is wholly filled.
    """
    ends_cycle = ends_exit and isinstance(slot.state, Holding)
    dust, bookings = NO_LOT, []
    for fill in told.fills:
        gained = ledger.opened(NO_LOT, market, told.side, fill)
        slot, realised, beside = _taken_in(slot, gained) if is_here else (slot, ZERO, gained)
        dust = dust.plus(beside)
        bookings.append(Booking(side=told.side, fill=fill, realised=realised))
    profit = sum((booking.realised for booking in bookings), ZERO)
    slot = replace(
        slot,
        profit_quote=slot.profit_quote + profit,
        cycles=slot.cycles + int(ends_cycle),
        is_initial=slot.is_initial and told.side is not slot.entry_side,
    )
    return SlotChange(slot=slot, bookings=tuple(bookings), dust=dust, cycles=int(ends_cycle))


def _taken_in(slot: Slot, gained: Lot) -> tuple[Slot, Decimal, Lot]:
    """The slot with what one execution brought or took, the profit that realised, and what the slot cannot hold."""
    state = slot.state
    match state:
        case Empty():
            lot, realised, beside = joined(slot, NO_LOT, gained)
            return replace(slot, state=Holding(lot=lot) if lot.quantity else EMPTY), realised, beside
        case Holding():
            lot, realised, beside = joined(slot, state.lot, gained)
            return replace(slot, state=Holding(lot=lot) if lot.quantity else EMPTY), realised, beside
        case Entering():
            lot, realised, beside = joined(slot, state.lot, gained)
            return replace(slot, state=replace(state, lot=lot)), realised, beside
        case Exiting():
            late, realised = ledger.merged(state.late, gained)
            return replace(slot, state=replace(state, late=late)), realised, NO_LOT

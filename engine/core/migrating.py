"""What a migration of the lattice, or a liquidation, makes of the slots: the fold of a fact that is decided."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from engine.model.errors import InvariantBroken
from engine.model.events import LatticeMigrated
from engine.model.order import Side
from engine.model.slot import EMPTY, Empty, Entering, Exiting, Holding, Slot, lot_of, order_of

_NOWHERE = Decimal(1)
"""The levels of an identity that was never in a lattice: any price, for nothing happens there."""


def migrated_slots(slots: Sequence[Slot], fact: LatticeMigrated) -> list[Slot]:
    """All slots by identity after a migration; those that the lattice has no more are empty and keep their ids.

    Raises:
        InvariantBroken: a slot that disappears has an order or a lot, one with an order is to have other levels,
            or a lot goes where it cannot.
    """
    lattice = fact.lattice
    new = range(len(slots), max(lattice.places) + 1)
    after = [*slots, *(Slot(index=each, lower=_NOWHERE, upper=_NOWHERE, amount=_NOWHERE) for each in new)]
    for move in fact.moved:
        after[move.source], after[move.target] = _moved(after[move.source], after[move.target])
    for place, identity in enumerate(lattice.places):
        before = after[identity]
        after[identity] = replace(
            before,
            lower=lattice.levels[place],
            upper=lattice.levels[place + 1],
            amount=lattice.amounts[place],
            entry_side=lattice.side_at(place),
            is_initial=identity in fact.initial,
        )
        if order_of(before) is not None and _bounds(before) != _bounds(after[identity]):
            raise InvariantBroken(f"slot {identity} cannot have other levels: its order still rests at these")
    here = set(lattice.places)
    for slot in after:
        if slot.index not in here and not isinstance(slot.state, Empty):
            raise InvariantBroken(f"slot {slot.index} cannot leave the lattice: it is not empty")
    return [slot if slot.index in here else replace(slot, is_initial=False) for slot in after]


def has_same_levels(one: Slot, other: Slot) -> bool:
    """Whether two slots lie at the same levels and enter on the same side."""
    return _bounds(one) == _bounds(other)


def without_lot(slot: Slot) -> Slot:
    """The slot after its lot was liquidated.

    Raises:
        InvariantBroken: it still has an order; the exchange cancels all orders before it liquidates.
    """
    state = slot.state
    match state:
        case Empty():
            return slot
        case Holding():
            return replace(slot, state=EMPTY)
        case Entering() | Exiting():
            raise InvariantBroken(f"slot {slot.index} has order {state.order.client_order_id} after a liquidation")


def _bounds(slot: Slot) -> tuple[Decimal, Decimal, Side]:
    return slot.lower, slot.upper, slot.entry_side


def _moved(source: Slot, target: Slot) -> tuple[Slot, Slot]:
    if not isinstance(source.state, Holding):
        raise InvariantBroken(f"slot {source.index} has no free lot to move")
    lot = source.state.lot
    if not isinstance(target.state, Empty | Holding):
        raise InvariantBroken(f"slot {target.index} has an order and cannot take the lot of slot {source.index}")
    both = lot_of(target).plus(lot)
    after = Holding(lot=both) if both.quantity else EMPTY
    return replace(source, state=EMPTY), replace(target, state=after)

"""The slots of a grid as it begins."""

from dataclasses import replace
from decimal import Decimal

from engine.model.events import GridOpened
from engine.model.grid import InitialPurchase
from engine.model.order import Side
from engine.model.slot import Slot


def first_slots(opened: GridOpened) -> list[Slot]:
    """Empty slots; those that the start price has passed trade their first lot at once, where the grid is to."""
    lattice = opened.lattice
    has_purchase = opened.spec.initial_purchase is not InitialPurchase.NONE
    slots = []
    for index, amount in enumerate(lattice.amounts):
        slot = Slot(
            index=index,
            lower=lattice.levels[index],
            upper=lattice.levels[index + 1],
            amount=amount,
            entry_side=lattice.side_at(index),
        )
        slots.append(replace(slot, is_initial=has_purchase and _is_passed(slot, lattice.anchor)))
    return slots


def _is_passed(slot: Slot, anchor: Decimal) -> bool:
    """Whether the start price has left the level of the entry behind: the lot is traded at the start."""
    match slot.entry_side:
        case Side.BUY:
            return slot.lower > anchor
        case Side.SELL:
            return slot.upper < anchor

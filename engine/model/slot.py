"""A slot and what it can be: each state carries only what is true in it."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.money import ZERO
from engine.model.order import Order, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What a slot holds: ``quantity`` in base, net of fees taken in base; ``cost_quote`` all that was paid for it.

    Both are negative where base was sold first: it is owed, and ``cost_quote`` is what it brought.
    """

    quantity: Decimal = ZERO
    cost_quote: Decimal = ZERO

    def plus(self, other: "Lot") -> "Lot":
        return Lot(quantity=self.quantity + other.quantity, cost_quote=self.cost_quote + other.cost_quote)

    def minus(self, other: "Lot") -> "Lot":
        return Lot(quantity=self.quantity - other.quantity, cost_quote=self.cost_quote - other.cost_quote)


NO_LOT = Lot()


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Holds nothing, has no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """An entry order is out; ``lot`` is what it has bought so far."""

    order: Order
    lot: Lot = NO_LOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Holds a lot, has no order."""

    lot: Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Exiting:
    """An exit or flatten order is out; ``lot`` is what is still held of the lot ``offered`` by it.

    ``late`` is what executions of closed orders, told only after this one was placed, have added to the slot, or,
    of the opposite sign, taken from it. It joins the lot when the order has ended.
    Invariant: the order's open remainder never exceeds ``lot.quantity``.
    """

    lot: Lot
    offered: Lot
    order: Order
    late: Lot = NO_LOT


SlotState = Empty | Entering | Holding | Exiting

EMPTY = Empty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The interval between two neighbouring levels and everything that happens there.

    ``index`` is its identity and never changes; in a lattice that was never migrated it is also its place.
    An entry that buys rests at ``lower`` and its exit sells at ``upper``; one that sells, the reverse.
    ``amount`` is the base amount of its entry; ``generation`` counts client order ids and never falls;
    ``is_initial`` while its first lot is still to be traded at the start price.
    """

    index: int
    lower: Decimal
    upper: Decimal
    amount: Decimal
    state: SlotState = EMPTY
    freeze_reason: str | None = None
    generation: int = 0
    is_initial: bool = False
    cycles: int = 0
    profit_quote: Decimal = ZERO
    refusals: int = 0
    entry_side: Side = Side.BUY

    @property
    def entry_price(self) -> Decimal:
        """The level of its entry."""
        return self.lower if self.entry_side is Side.BUY else self.upper

    @property
    def exit_price(self) -> Decimal:
        """The level of its exit."""
        return self.upper if self.entry_side is Side.BUY else self.lower

    @property
    def exit_side(self) -> Side:
        """The side of its exit."""
        return Side.SELL if self.entry_side is Side.BUY else Side.BUY


def order_of(slot: Slot) -> Order | None:
    """The order of a slot, if it has one."""
    state = slot.state
    match state:
        case Entering() | Exiting():
            return state.order
        case Empty() | Holding():
            return None


def lot_of(slot: Slot) -> Lot:
    """What a slot holds, maybe nothing."""
    state = slot.state
    match state:
        case Entering() | Holding():
            return state.lot
        case Exiting():
            return state.lot.plus(state.late)
        case Empty():
            return NO_LOT

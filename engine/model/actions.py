"""What core wants done; nothing of it has happened yet."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.order import Leg, Side
from engine.model.slot import NO_LOT, Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Place a limit order for a slot; ``dust`` is added to its lot first, so that whole lots are sold."""

    slot: int
    leg: Leg
    side: Side
    price: Decimal
    amount: Decimal
    post_only: bool
    reason: str
    dust: Lot = NO_LOT


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel the live order of a slot."""

    slot: int
    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Book a lot that is too small to sell as dust of the grid; the slot becomes empty."""

    slot: int
    reason: str


Action = PlaceOrder | CancelOrder | SetAside


@dataclass(frozen=True, slots=True)
class QuietBand:
    """The open interval of prices in which the grid has nothing to decide."""

    low: Decimal
    high: Decimal

    def and_in(self, other: "QuietBand") -> "QuietBand":
        """The prices that are quiet in both."""
        return QuietBand(max(self.low, other.low), min(self.high, other.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and the band in which nothing more is to be decided until something happens."""

    actions: tuple[Action, ...]
    band: QuietBand

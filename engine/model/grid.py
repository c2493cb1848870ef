"""What a grid is asked to be, and the lattice that comes of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Direction(StrEnum):
    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"


class Spacing(StrEnum):
    GEOMETRIC = "geometric"
    ARITHMETIC = "arithmetic"


class InitialPurchase(StrEnum):
    """How the slots above the start price get their first lot."""

    LIMIT = "limit"
    """Entries rest at the start price."""
    MARKET = "market"
    """Entries take at once, within a bounded slippage."""
    NONE = "none"
    """The slots wait until the price has risen above them."""
    HOLDINGS = "holdings"
    """Base already on the account is booked on them at the start price."""


class SizedBy(StrEnum):
    QUOTE_PER_SLOT = "quote_per_slot"
    BASE_PER_SLOT = "base_per_slot"
    INVESTMENT = "investment"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSpec:
    """A grid as the user wrote it. ``size`` is quote or base by ``sized_by``; N ``slots`` have N+1 levels."""

    name: str
    symbol: str
    direction: Direction
    spacing: Spacing
    lower: Decimal
    upper: Decimal
    slots: int
    sized_by: SizedBy
    size: Decimal
    window: int
    initial_purchase: InitialPurchase

    def __post_init__(self) -> None:
        if not 0 < self.lower < self.upper:
            raise ValueError(f"lower must be above 0 and below upper, was {self.lower} and {self.upper}")
        if self.slots < 1 or self.window < 1 or self.size <= 0:
            raise ValueError("slots and window must be at least 1 and the size above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The levels of a running grid; changes only by a journalled migration.

    ``levels`` has one price more than ``amounts`` (base per slot); ``anchor`` is the price at the start.
    """

    version: int
    anchor: Decimal
    levels: tuple[Decimal, ...]
    amounts: tuple[Decimal, ...]


class GridState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    EXITS_ONLY = "exits_only"
    HALTED = "halted"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Disposal(StrEnum):
    """What stopping does with orders and inventory."""

    LEAVE = "leave"
    """Orders stay on the exchange."""
    CANCEL = "cancel"
    """Orders are cancelled, inventory is kept."""
    FLATTEN = "flatten"
    """Orders are cancelled, inventory is sold within a bounded slippage."""

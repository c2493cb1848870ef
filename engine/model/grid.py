"""What a grid is asked to be, and the lattice that comes of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.model.order import Side


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


class SizeProfile(StrEnum):
    """How the sizes of the slots lie along the price, lowest to highest."""

    FLAT = "flat"
    PYRAMID = "pyramid"
    """Most in the middle of the range, least at its ends."""
    VALLEY = "valley"
    """Least in the middle of the range, most at its ends."""


class ProfitUse(StrEnum):
    BANK = "bank"
    """Entries keep their size; profit stays in cash."""
    REINVEST = "reinvest"
    """Entries grow with the realised profit."""


class MarginMode(StrEnum):
    """What stands for the losses of a swap position: its own margin, or the whole account."""

    ISOLATED = "isolated"
    CROSS = "cross"


class TriggerSide(StrEnum):
    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTrigger:
    """The grid waits until the price is at or beyond ``price`` on this side; that price is its start price."""

    side: TriggerSide
    price: Decimal

    def is_met(self, price: Decimal) -> bool:
        """Whether the grid starts at this price."""
        match self.side:
            case TriggerSide.BELOW:
                return price <= self.price
            case TriggerSide.ABOVE:
                return price >= self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailing:
    """The lattice follows the price by whole levels; None: not in that direction, else no level beyond it."""

    up_to: Decimal | None = None
    down_to: Decimal | None = None


NO_TRAILING = Trailing()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSize:
    """A slot of its own size, in the unit of the grid's ``sized_by``; slots are counted from the lowest."""

    slot: int
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSpec:
    """A grid as the user wrote it. ``size`` is quote or base by ``sized_by``; N ``slots`` have N+1 levels.

    ``is_infinite``: levels are added above ``upper`` as the price comes near it. On a swap, ``investment``
    is margin: ``leverage`` times as much is traded.
    """

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
    profile: SizeProfile = SizeProfile.FLAT
    sizes: tuple[SlotSize, ...] = ()
    profit_use: ProfitUse = ProfitUse.BANK
    start: StartTrigger | None = None
    trailing: Trailing = NO_TRAILING
    is_infinite: bool = False
    leverage: Decimal = Decimal(1)
    margin: MarginMode = MarginMode.CROSS

    def __post_init__(self) -> None:
        if not 0 < self.lower < self.upper:
            raise ValueError(f"lower must be above 0 and below upper, was {self.lower} and {self.upper}")
        if self.slots < 1 or self.window < 1 or self.size <= 0:
            raise ValueError("slots and window must be at least 1 and the size above 0")
        if self.leverage < 1:
            raise ValueError(f"leverage must be at least 1, was {self.leverage}")
        if self.is_infinite and (self.direction is not Direction.LONG or self.trailing != NO_TRAILING):
            raise ValueError("an infinite grid must be long and cannot trail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The levels of a running grid; changes only by a journalled migration.

    ``levels`` has one price more than ``amounts`` (base per slot); ``anchor`` is the price at the start, or
    at the last edit. All are in the order of price. ``ids`` are the slots' identities, empty where slot i
    lies at place i; ``sides`` are the sides of their entries, empty where all buy.
    """

    version: int
    anchor: Decimal
    levels: tuple[Decimal, ...]
    amounts: tuple[Decimal, ...]
    ids: tuple[int, ...] = ()
    sides: tuple[Side, ...] = ()

    @property
    def places(self) -> tuple[int, ...]:
        """The identities of the slots, lowest first."""
        return self.ids or tuple(range(len(self.amounts)))

    def side_at(self, place: int) -> Side:
        """The side of the entry of the slot at this place."""
        return self.sides[place] if self.sides else Side.BUY


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

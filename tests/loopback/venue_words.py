"""The words of the loopback venue: markets, orders, fills, events and refusals. Values only, nothing acts here."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum

ZERO = Decimal(0)
ONE = Decimal(1)


class MarketKind(StrEnum):
    """What is traded: coins, or a perpetual swap margined and paid in the quote currency."""

    SPOT = "spot"
    LINEAR = "linear"


class MarketStatus(StrEnum):
    """Whether a market takes orders."""

    TRADING = "trading"
    HALTED = "halted"
    DELISTED = "delisted"


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 where the base grows, -1 where it shrinks."""
        return 1 if self is Side.BUY else -1

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(StrEnum):
    """How long an order waits."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class RefusalReason(StrEnum):
    """Why a request was refused; nothing was executed."""

    UNKNOWN_MARKET = "unknown_market"
    MARKET_CLOSED = "market_closed"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_CLOSED = "order_closed"
    FILTER_PRICE = "filter_price"
    FILTER_BAND = "filter_band"
    FILTER_LOT = "filter_lot"
    FILTER_AMOUNT = "filter_amount"
    FILTER_NOTIONAL = "filter_notional"
    TOO_MANY_ORDERS = "too_many_orders"
    CLIENT_ID = "client_id"
    DUPLICATE_ID = "duplicate_id"
    POST_ONLY = "post_only"
    FUNDS = "funds"
    REDUCE_ONLY = "reduce_only"
    LEVERAGE = "leverage"
    LEVERAGE_SAME = "leverage_same"


class Refusal(Exception):
    """The venue does not do it. ``text`` is for people, ``reason`` for the protocol's codes."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        """Remember both."""
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text


class DuplicateRule(Enum):
    """How long a client order id stays taken."""

    WHILE_OPEN = "while_open"
    FOR_EVER = "for_ever"


class PostOnlyRule(Enum):
    """What becomes of a post-only order that would take: refused at once, or accepted and cancelled."""

    REFUSED = "refused"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMarket:
    """One market. ``tick`` and ``lot`` are steps; amounts are base for spot, contracts for linear.

    Invariant: tick, lot and contract_size are above zero.
    """

    id: str
    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_amount: Decimal
    max_amount: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    kind: MarketKind = MarketKind.SPOT
    contract_size: Decimal = ONE
    status: MarketStatus = MarketStatus.TRADING
    price_band: Decimal | None = None
    """An order's price must lie within ``last / band .. last * band``; None for any."""
    open_orders_max: int = 500
    leverage_max: Decimal = Decimal(100)

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if min(self.tick, self.lot, self.contract_size) <= 0:
            raise ValueError(f"tick, lot and contract size of {self.id} must be above zero")

    def value(self, price: Decimal, amount: Decimal) -> Decimal:
        """Quote value of an amount."""
        return price * amount * self.contract_size


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions:
    """Habits in which exchanges differ."""

    duplicates: DuplicateRule = DuplicateRule.WHILE_OPEN
    post_only: PostOnlyRule = PostOnlyRule.REFUSED
    partial_fill_chance: float = 0.0
    """How often an order that is touched fills in part, and one that is passed fills in two pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What is asked for; ``price`` None is a market order."""

    market: str
    side: Side
    amount: Decimal
    price: Decimal | None
    client_id: str
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """One execution of one of the account's orders."""

    trade_id: int
    order_id: int
    client_id: str
    market: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    is_maker: bool
    at_ms: int
    realized: Decimal = ZERO
    """Profit that a linear fill realized, in quote; zero on spot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """A snapshot of one order; a change makes a new one."""

    order_id: int
    client_id: str
    market: str
    side: Side
    price: Decimal | None
    amount: Decimal
    post_only: bool
    reduce_only: bool
    time_in_force: TimeInForce
    status: OrderStatus
    created_ms: int
    updated_ms: int
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    fills: tuple[VenueFill, ...] = ()
    reason: str = ""
    """Why it was cancelled, expired or rejected; empty otherwise."""

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status.is_open

    @property
    def remaining(self) -> Decimal:
        """What has not traded."""
        return self.amount - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBalance:
    """``free`` can be used, ``locked`` is bound by orders and, on linear markets, by positions."""

    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """A one-way position; ``size`` in contracts, negative when short. ``entry`` is zero when flat."""

    market: str
    size: Decimal = ZERO
    entry: Decimal = ZERO
    leverage: Decimal = ONE
    realized: Decimal = ZERO
    updated_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaid:
    """One funding settlement; ``amount`` in quote, positive when received."""

    payment_id: int
    market: str
    rate: Decimal
    size: Decimal
    price: Decimal
    amount: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One print of the market; ``taker`` is who crossed."""

    trade_id: int
    market: str
    price: Decimal
    amount: Decimal
    taker: Side
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTold:
    """The market printed."""

    trade: PublicTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTold:
    """One of the account's orders changed; ``fill`` is what traded just now."""

    order: VenueOrder
    fill: VenueFill | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTold:
    """These balances changed; the currencies that an event touched."""

    at_ms: int
    balances: dict[str, VenueBalance] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionTold:
    """A position changed."""

    position: VenuePosition


VenueEvent = PriceTold | OrderTold | BalanceTold | PositionTold

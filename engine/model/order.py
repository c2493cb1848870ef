"""Orders, what the exchange reports of them, and fills."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.model.money import ZERO


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Leg(StrEnum):
    """Which part of a slot's cycle an order serves."""

    ENTRY = "entry"
    EXIT = "exit"
    FLATTEN = "flatten"
    """Sells the lot at once, within a bounded slippage, when the grid is stopped."""


class OrderStatus(StrEnum):
    INTENT = "intent"
    SENT = "sent"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


TERMINAL_STATUSES = frozenset((OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. ``price`` in quote per base, ``amount`` in base, ``fee`` in ``fee_currency``."""

    trade_id: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    is_maker: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A limit order as it goes to the exchange. ``reduce_only``: it may only make a swap position smaller."""

    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    post_only: bool
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the exchange says of one order.

    ``filled`` is the cumulative executed amount; ``fills`` are the executions this
    report carries: the newest one on a stream, all of them when the order was asked for.
    """

    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    status: OrderStatus
    filled: Decimal
    fills: tuple[Fill, ...] = ()
    at_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFill:
    """One execution of an order of the account, whoever placed it."""

    client_order_id: str
    symbol: str
    side: Side
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Our view of one order; moves by ``core.orders`` only.

    Invariant: ``filled`` is the sum of ``fills`` and never above ``amount``; both only grow.
    Invariant: ``status`` only rises in rank.
    """

    client_order_id: str
    slot: int
    leg: Leg
    side: Side
    price: Decimal
    amount: Decimal
    post_only: bool
    created_ms: int
    status: OrderStatus = OrderStatus.INTENT
    filled: Decimal = ZERO
    reported_filled: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    is_cancel_requested: bool = False
    reason: str = ""

    @property
    def is_terminal(self) -> bool:
        """The exchange will do nothing more with it."""
        return self.status in TERMINAL_STATUSES

    @property
    def is_settled(self) -> bool:
        """Terminal, and every execution the exchange reported is booked."""
        return self.status in TERMINAL_STATUSES and self.filled == self.reported_filled

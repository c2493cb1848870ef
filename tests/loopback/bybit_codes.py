"""Bybit's numbers for "no": what each refusal of the venue is called on the wire, spot and linear each in its words.

Source: bybit-exchange.github.io/docs/v5/error; the texts are those that live requests are answered with.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.loopback.venue_words import MarketKind, NewOrder, Refusal, RefusalReason, Side, VenueMarket

JsonObject = dict[str, Any]


class BybitError(Exception):
    """The answer to a request is this code; nothing was executed."""

    def __init__(self, code: int, text: str) -> None:
        """The HTTP status of nearly all of them is 200."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a request that was done is answered with; ``extra`` says how each part of a batch went."""

    result: JsonObject = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)


BAD_PARAMETER = 10001
TIME_WINDOW = 10002
BAD_KEY = 10003
BAD_SIGNATURE = 10004
NO_PERMISSION = 10005
TOO_MANY_VISITS = 10006
KEY_BANNED_IP = 10010
SYSTEM_ERROR = 10016
NO_ROUTE = 10017

_SPOT: dict[RefusalReason, tuple[int, str]] = {
    RefusalReason.UNKNOWN_MARKET: (170121, "Invalid symbol."),
    RefusalReason.MARKET_CLOSED: (170157, "The trading pair is not available for api trading."),
    RefusalReason.UNKNOWN_ORDER: (170213, "Order does not exist."),
    RefusalReason.ORDER_CLOSED: (170213, "Order does not exist."),
    RefusalReason.FILTER_PRICE: (170134, "Order price has too many decimals."),
    RefusalReason.FILTER_BAND: (170193, "Buy order price cannot be higher than {text}."),
    RefusalReason.FILTER_LOT: (170137, "Order quantity has too many decimals."),
    RefusalReason.FILTER_AMOUNT: (170136, "Order quantity exceeded lower limit."),
    RefusalReason.FILTER_NOTIONAL: (170140, "Order value exceeded lower limit."),
    RefusalReason.TOO_MANY_ORDERS: (170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders."),
    RefusalReason.CLIENT_ID: (170130, "Data sent for paramter 'orderLinkId' is not valid."),
    RefusalReason.DUPLICATE_ID: (170141, "Duplicate clientOrderId."),
    RefusalReason.POST_ONLY: (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
    RefusalReason.FUNDS: (170131, "Insufficient balance."),
    RefusalReason.REDUCE_ONLY: (170130, "Data sent for paramter 'reduceOnly' is not valid."),
    RefusalReason.LEVERAGE: (181001, "category only support linear or option"),
    RefusalReason.LEVERAGE_SAME: (181001, "category only support linear or option"),
}
_LINEAR: dict[RefusalReason, tuple[int, str]] = {
    RefusalReason.UNKNOWN_MARKET: (BAD_PARAMETER, "params error: symbol invalid"),
    RefusalReason.MARKET_CLOSED: (110074, "This contract is not live"),
    RefusalReason.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    RefusalReason.ORDER_CLOSED: (110001, "order not exists or too late to cancel"),
    RefusalReason.FILTER_PRICE: (BAD_PARAMETER, "params error: Price invalid"),
    RefusalReason.FILTER_BAND: (
        30208,
        "Failed to submit order(s). The order price is higher than the maximum buying price.",
    ),
    RefusalReason.FILTER_LOT: (BAD_PARAMETER, "Qty invalid"),
    RefusalReason.FILTER_AMOUNT: (BAD_PARAMETER, "The number of contracts exceeds minimum limit allowed"),
    RefusalReason.FILTER_NOTIONAL: (110094, "Order does not meet minimum order value {text}"),
    RefusalReason.TOO_MANY_ORDERS: (110020, "Not allowed to have more than 500 active orders."),
    RefusalReason.CLIENT_ID: (BAD_PARAMETER, "params error: OrderLinkId invalid"),
    RefusalReason.DUPLICATE_ID: (110072, "OrderLinkedID is duplicate"),
    RefusalReason.POST_ONLY: (110003, "Order price exceeds the allowable range."),
    RefusalReason.FUNDS: (110007, "ab not enough for new order"),
    RefusalReason.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    RefusalReason.LEVERAGE: (110013, "cannot set leverage gt maxLeverage by risk limit"),
    RefusalReason.LEVERAGE_SAME: (110043, "leverage not modified"),
}
_SELL_BAND: dict[MarketKind, tuple[int, str]] = {
    MarketKind.SPOT: (170194, "Sell order price cannot be lower than {text}."),
    MarketKind.LINEAR: (30209, "Failed to submit order(s). The order price is lower than the minimum selling price."),
}
_TOO_LARGE: dict[MarketKind, tuple[int, str]] = {
    MarketKind.SPOT: (170135, "Order quantity exceeded upper limit."),
    MarketKind.LINEAR: (BAD_PARAMETER, "The number of contracts exceeds maximum limit allowed: too large"),
}


def error_from_refusal(refusal: Refusal, kind: MarketKind) -> BybitError:
    """The code that this kind of market has for a refusal."""
    code, text = (_SPOT if kind is MarketKind.SPOT else _LINEAR)[refusal.reason]
    return BybitError(code, text.format(text=refusal.text))


def error_from_order_refusal(refusal: Refusal, market: VenueMarket, order: NewOrder) -> BybitError:
    """As above for a new order, whose side and size decide which of two codes it is."""
    if refusal.reason is RefusalReason.FILTER_BAND and order.side is Side.SELL:
        code, text = _SELL_BAND[market.kind]
    elif refusal.reason is RefusalReason.FILTER_AMOUNT and order.amount > market.max_amount:
        code, text = _TOO_LARGE[market.kind]
    else:
        return error_from_refusal(refusal, market.kind)
    return BybitError(code, text.format(text=refusal.text))

"""How Bybit v5 writes down orders and executions, spot and linear, for REST and for the private streams.

Source: bybit-exchange.github.io/docs/v5/order/open-order, /order/execution, /websocket/private/order, /execution.
Spot has neither ``tpslMode`` nor ``createType``: the client tells the kinds apart by that.
"""

from collections.abc import Collection
from decimal import Decimal

from engine.model.money import floor_quotient, text_from_decimal
from tests.loopback.bybit_codes import JsonObject
from tests.loopback.venue_words import (
    ZERO,
    FundingPaid,
    MarketKind,
    OrderStatus,
    Side,
    TimeInForce,
    VenueFill,
    VenueMarket,
    VenueOrder,
)

SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
TRADE, FUNDING, BUST_TRADE = "Trade", "Funding", "BustTrade"
NAMELESS = "_"
"""Client ids that begin so belong to orders that were placed without one."""
DCP_REASON = "disconnected"
LIQUIDATED_REASON = "liquidation"
_SPOT_EXECUTIONS_FROM = 2_100_000_000_000_000_000
_CANCEL_TYPES = {
    "cancelled by the user": "CancelByUser",
    DCP_REASON: "CancelByDCP",
    LIQUIDATED_REASON: "CancelAllBeforeLiq",
    "delisted": "CancelBySettle",
    "self-trade prevention": "CancelBySmp",
}
_POST_ONLY_TAKES = "post-only would take liquidity"


def wire_symbol(market: VenueMarket) -> str:
    """Spot and linear markets share their names on Bybit; the category tells them apart."""
    return market.base + market.quote


def category_of(market: VenueMarket) -> str:
    """``spot`` or ``linear``."""
    return market.kind.value


def order_json(market: VenueMarket, order: VenueOrder) -> JsonObject:
    """One order as REST lists have it."""
    average = floor_quotient(order.quote_filled, order.filled) if order.filled else None
    common: JsonObject = {
        "orderId": wire_order_id(market, order.order_id),
        "orderLinkId": link_id(order.client_id),
        "blockTradeId": "",
        "symbol": wire_symbol(market),
        "price": "0" if order.price is None else text_from_decimal(order.price),
        "qty": text_from_decimal(order.amount),
        "side": SIDES[order.side],
        "isLeverage": "0" if market.kind is MarketKind.SPOT else "",
        "positionIdx": 0,
        "orderStatus": _status(market, order),
        "cancelType": _CANCEL_TYPES.get(order.reason, "UNKNOWN"),
        "rejectReason": _reject_reason(order),
        "avgPrice": "" if average is None else text_from_decimal(average),
        "leavesQty": text_from_decimal(order.remaining if order.is_open else ZERO),
        "leavesValue": text_from_decimal(_leaves_value(market, order)),
        "cumExecQty": text_from_decimal(order.filled),
        "cumExecValue": text_from_decimal(order.quote_filled),
        "cumExecFee": text_from_decimal(sum((fill.fee for fill in order.fills), ZERO)),
        "cumFeeDetail": _fees(order.fills),
        "timeInForce": _time_in_force(order),
        "orderType": "Market" if order.price is None else "Limit",
        "stopOrderType": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": False,
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }
    if market.kind is MarketKind.SPOT:
        return {**common, "marketUnit": "", "ocoTriggerBy": "", "basePrice": ""} | _market_unit(order)
    return {**common, "tpslMode": "", "createType": "CreateByUser", "lastPriceOnCreated": ""}


def stream_order_json(market: VenueMarket, order: VenueOrder) -> JsonObject:
    """One order as the ``order`` topic tells it."""
    return {"category": category_of(market), **order_json(market, order), "feeCurrency": "", "closedPnl": "0"}


def execution_json(market: VenueMarket, order: VenueOrder, fill: VenueFill, busted: Collection[int]) -> JsonObject:
    """One execution as REST lists have it; ``busted`` are the ids of the orders by which the exchange liquidated."""
    value = market.value(fill.price, fill.amount)
    filled_then = sum((other.amount for other in order.fills if other.trade_id <= fill.trade_id), ZERO)
    row: JsonObject = {
        "symbol": wire_symbol(market),
        "orderId": wire_order_id(market, fill.order_id),
        "orderLinkId": link_id(fill.client_id),
        "side": SIDES[fill.side],
        "orderPrice": "0" if order.price is None else text_from_decimal(order.price),
        "orderQty": text_from_decimal(order.amount),
        "leavesQty": text_from_decimal(order.amount - filled_then),
        "orderType": "Market" if order.price is None else "Limit",
        "stopOrderType": "UNKNOWN",
        "execFee": text_from_decimal(fill.fee),
        "execId": execution_id(market, fill.trade_id),
        "execPrice": text_from_decimal(fill.price),
        "execQty": text_from_decimal(fill.amount),
        "execType": BUST_TRADE if fill.order_id in busted else TRADE,
        "execValue": text_from_decimal(value),
        "execTime": str(fill.at_ms),
        "feeCurrency": fill.fee_currency,
        "isMaker": fill.is_maker,
        "feeRate": text_from_decimal(market.maker_fee if fill.is_maker else market.taker_fee),
        "tradeIv": "",
        "markIv": "",
        "markPrice": text_from_decimal(fill.price),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "0",
        "extraFees": "",
        "seq": fill.trade_id,
    }
    return row if market.kind is MarketKind.SPOT else {**row, "createType": "CreateByUser"}


def stream_execution_json(
    market: VenueMarket, order: VenueOrder, fill: VenueFill, busted: Collection[int]
) -> JsonObject:
    """One execution as the ``execution`` topic tells it."""
    row = execution_json(market, order, fill, busted)
    return {
        **row,
        "category": category_of(market),
        "isLeverage": "0",
        "marketUnit": "",
        "execPnl": text_from_decimal(fill.realized),
        "extraFees": [],
        "feeCoin": fill.fee_currency,
    }


def funding_json(market: VenueMarket, paid: FundingPaid) -> JsonObject:
    """One funding settlement as an execution: ``side`` is the position's and ``execFee`` is positive when PAID."""
    sign = 1 if paid.size > 0 else -1
    quantity = abs(paid.size)
    return {
        "symbol": wire_symbol(market),
        "orderId": _uuid("f", paid.payment_id),
        "orderLinkId": "",
        "side": "Buy" if paid.size > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": text_from_decimal(-paid.amount),
        "execId": _uuid("e", paid.payment_id),
        "execPrice": text_from_decimal(paid.price),
        "execQty": text_from_decimal(quantity),
        "execType": FUNDING,
        "execValue": text_from_decimal(market.value(paid.price, quantity)),
        "execTime": str(paid.at_ms),
        "feeCurrency": "",
        "isMaker": False,
        "feeRate": text_from_decimal(paid.rate * sign),
        "markPrice": text_from_decimal(paid.price),
        "closedSize": "0",
        "seq": paid.payment_id,
        "createType": "",
        "marketUnit": "",
    }


def link_id(client_id: str) -> str:
    """The client's own id, empty where it gave none."""
    return "" if client_id.startswith(NAMELESS) else client_id


def wire_order_id(market: VenueMarket, order_id: int) -> str:
    """Spot ids are numbers, linear ids are not: nobody may do arithmetic on them."""
    return str(order_id) if market.kind is MarketKind.SPOT else _uuid("0", order_id)


def order_id_from_wire(text: str) -> int | None:
    """The venue's id in a client's words; None where it is no id of ours."""
    digits = text.rsplit("-", 1)[-1]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def execution_id(market: VenueMarket, trade_id: int) -> str:
    """Unique in its category and without an order on linear markets."""
    return str(_SPOT_EXECUTIONS_FROM + trade_id) if market.kind is MarketKind.SPOT else _uuid("1", trade_id)


def _uuid(family: str, number: int) -> str:
    return f"{family}{number * 2_654_435_761 % 0xFFFFFFF:07x}-5c7b-4a2e-9679-{number:012d}"


def _status(market: VenueMarket, order: VenueOrder) -> str:
    match order.status:
        case OrderStatus.NEW:
            return "New"
        case OrderStatus.PARTIALLY_FILLED:
            return "PartiallyFilled"
        case OrderStatus.FILLED:
            return "Filled"
        case OrderStatus.CANCELED | OrderStatus.EXPIRED:
            return _cancelled_status(market, order)
        case OrderStatus.REJECTED:
            return "Rejected"


def _cancelled_status(market: VenueMarket, order: VenueOrder) -> str:
    if market.kind is MarketKind.LINEAR:
        return "Cancelled"
    if order.filled:
        return "PartiallyFilledCanceled"
    return "Rejected" if _reject_reason(order) == "EC_PostOnlyWillTakeLiquidity" else "Cancelled"


def _reject_reason(order: VenueOrder) -> str:
    if order.status is OrderStatus.FILLED or order.is_open:
        return "EC_NoError"
    if order.reason == _POST_ONLY_TAKES:
        return "EC_PostOnlyWillTakeLiquidity"
    if order.status is OrderStatus.EXPIRED:
        return "EC_CancelForNoFullFill" if order.time_in_force is TimeInForce.FOK else "EC_NoImmediateQtyToFill"
    return "EC_PerCancelRequest"


def _leaves_value(market: VenueMarket, order: VenueOrder) -> Decimal:
    return market.value(order.price, order.remaining) if order.is_open and order.price is not None else ZERO


def _time_in_force(order: VenueOrder) -> str:
    if order.post_only:
        return "PostOnly"
    return "IOC" if order.price is None else order.time_in_force.value


def _fees(fills: Collection[VenueFill]) -> dict[str, str]:
    totals: dict[str, Decimal] = {}
    for fill in fills:
        totals[fill.fee_currency] = totals.get(fill.fee_currency, ZERO) + fill.fee
    return {currency: text_from_decimal(fee) for currency, fee in totals.items()}


def _market_unit(order: VenueOrder) -> JsonObject:
    return {"marketUnit": "baseCoin"} if order.price is None else {}

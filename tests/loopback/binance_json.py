"""How Binance writes things down: amounts with eight decimals, orders, executions, candles, markets."""

from decimal import Decimal

from tests.loopback.venue import (
    OrderStatus,
    PublicTrade,
    Side,
    VenueBalance,
    VenueFill,
    VenueMarket,
    VenueOrder,
)
from tests.loopback.venue_candles import VenueCandle
from tests.loopback.venue_words import MarketStatus
from tests.loopback.wire import Json

_STATUS = {
    OrderStatus.NEW: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


def eight(value: Decimal) -> str:
    """With eight decimals. A value that has more would lose them, so it is refused."""
    text = f"{value:.8f}"
    if Decimal(text) != value:
        raise ValueError(f"expected at most eight decimals, found {value}")
    return text


def status_text(order: VenueOrder) -> str:
    """Binance's word for where an order stands."""
    if order.status is OrderStatus.EXPIRED and order.reason == "self-trade prevention":
        return "EXPIRED_IN_MATCH"
    return _STATUS[order.status]


def type_text(order: VenueOrder) -> str:
    """Binance's order type."""
    if order.price is None:
        return "MARKET"
    return "LIMIT_MAKER" if order.post_only else "LIMIT"


def order_core(order: VenueOrder) -> dict[str, Json]:
    """The fields that every answer about an order has."""
    return {
        "symbol": order.market,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": eight(order.price or Decimal(0)),
        "origQty": eight(order.amount),
        "executedQty": eight(order.filled),
        "origQuoteOrderQty": eight(Decimal(0)),
        "cummulativeQuoteQty": eight(order.quote_filled),
        "status": status_text(order),
        "timeInForce": order.time_in_force.value,
        "type": type_text(order),
        "side": order.side.value.upper(),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def order_json(order: VenueOrder) -> dict[str, Json]:
    """An order as lists and lookups tell it."""
    return {
        **order_core(order),
        "stopPrice": eight(Decimal(0)),
        "icebergQty": eight(Decimal(0)),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def placed_json(order: VenueOrder, response_type: str) -> dict[str, Json]:
    """The acknowledgement of a new order: ACK, RESULT or FULL."""
    core = order_core(order)
    if response_type == "ACK":
        return {key: core[key] for key in ("symbol", "orderId", "orderListId", "clientOrderId")} | {
            "transactTime": order.created_ms
        }
    result = {**core, "transactTime": order.created_ms, "workingTime": order.created_ms}
    if response_type == "RESULT":
        return result
    return {**result, "fills": [_placed_fill(fill) for fill in order.fills]}


def canceled_json(order: VenueOrder, cancel_id: str) -> dict[str, Json]:
    """The answer to a cancel: the order's client id has moved, the new one names the cancel."""
    return {
        **order_core(order),
        "origClientOrderId": order.client_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
    }


def fill_json(fill: VenueFill) -> dict[str, Json]:
    """One own execution."""
    return {
        "symbol": fill.market,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.amount),
        "quoteQty": eight(fill.price * fill.amount),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": fill.at_ms,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def aggregate_json(trade: PublicTrade) -> dict[str, Json]:
    """One public trade as an aggregate of itself."""
    return {
        "a": trade.trade_id,
        "p": eight(trade.price),
        "q": eight(trade.amount),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.taker is Side.SELL,
        "M": True,
    }


def trade_json(trade: PublicTrade) -> dict[str, Json]:
    """One public trade."""
    return {
        "id": trade.trade_id,
        "price": eight(trade.price),
        "qty": eight(trade.amount),
        "quoteQty": eight(trade.price * trade.amount),
        "time": trade.at_ms,
        "isBuyerMaker": trade.taker is Side.SELL,
        "isBestMatch": True,
    }


def candle_json(candle: VenueCandle, interval_ms: int) -> list[Json]:
    """One row of klines."""
    return [
        candle.opened_ms,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        candle.opened_ms + interval_ms - 1,
        eight(candle.turnover),
        candle.count,
        eight(Decimal(0)),
        eight(Decimal(0)),
        "0",
    ]


def balance_json(currency: str, held: VenueBalance) -> dict[str, Json]:
    """One balance of the account."""
    return {"asset": currency, "free": eight(held.free), "locked": eight(held.locked)}


def market_json(market: VenueMarket) -> dict[str, Json]:
    """One symbol of exchangeInfo, with its filters."""
    return {
        "symbol": market.id,
        "status": "TRADING" if market.status is MarketStatus.TRADING else "BREAK",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _filters(market: VenueMarket) -> list[dict[str, Json]]:
    band = market.price_band or Decimal(1000)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(market.tick),
            "maxPrice": eight(market.tick * 100_000_000),
            "tickSize": eight(market.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": eight(market.min_amount),
            "maxQty": eight(market.max_amount),
            "stepSize": eight(market.lot),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "100.00000000", "stepSize": "0.00000000"},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(band),
            "bidMultiplierDown": str(1 / band),
            "askMultiplierUp": str(band),
            "askMultiplierDown": str(1 / band),
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(market.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": market.open_orders_max},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


def _placed_fill(fill: VenueFill) -> dict[str, Json]:
    return {
        "price": eight(fill.price),
        "qty": eight(fill.amount),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_currency,
        "tradeId": fill.trade_id,
    }

"""What Bybit v5 tells everybody: instruments, tickers, candles and prints, for REST and for the public streams.

Source: bybit-exchange.github.io/docs/v5/market/instrument, /tickers, /kline, /recent-trade, /websocket/public.
"""

from decimal import Decimal

from engine.model.money import floor_quotient, text_from_decimal
from tests.loopback.bybit_codes import JsonObject
from tests.loopback.bybit_orders import SIDES, wire_symbol
from tests.loopback.venue import Venue
from tests.loopback.venue_candles import DAY_MS, MINUTE_MS, VenueCandle
from tests.loopback.venue_words import MarketKind, MarketStatus, PublicTrade, VenueMarket

FUNDING_INTERVAL_MINUTES = 480
INTERVALS_MS = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY_MS,
    "W": 7 * DAY_MS,
}
"""Months have no length: the loopback exchange does not sell them."""
_QUOTE_PRECISION = "0.0000001"
_LAUNCHED_MS = "1585526400000"
_STATUS = {MarketStatus.TRADING: "Trading", MarketStatus.HALTED: "Closed", MarketStatus.DELISTED: "Closed"}


def instrument_json(market: VenueMarket) -> JsonObject:
    """One market as ``instruments-info`` lists it."""
    return _spot_instrument(market) if market.kind is MarketKind.SPOT else _linear_instrument(market)


def ticker_json(venue: Venue, market: VenueMarket) -> JsonObject:
    """The last day of a market and its edges; only linear has a mark price, open interest and funding."""
    last = venue.last(market.id)
    day = venue.candles[market.id].day(venue.now_ms())
    opened = day.open if day is not None else last
    change = floor_quotient(last - opened, opened) if last and opened else Decimal(0)
    ticker: JsonObject = {
        "symbol": wire_symbol(market),
        "lastPrice": _text(last),
        "prevPrice24h": _text(opened),
        "price24hPcnt": text_from_decimal(change),
        "highPrice24h": _text(day.high if day else None),
        "lowPrice24h": _text(day.low if day else None),
        "turnover24h": _text(day.turnover if day else None),
        "volume24h": _text(day.volume if day else None),
    }
    if market.kind is MarketKind.SPOT:
        return {**ticker, "usdIndexPrice": _text(last)}
    value = {"openInterest": "68744.761", "openInterestValue": "1183601235.91"}
    return {
        **ticker,
        **value,
        **edges_json(venue, market),
        "prevPrice1h": _text(opened),
        "markPrice": _text(last),
        "indexPrice": _text(last),
        "fundingRate": "0.0001",
        "nextFundingTime": str(next_funding_ms(venue.now_ms())),
        "fundingIntervalHour": "8",
    }


def edges_json(venue: Venue, market: VenueMarket) -> JsonObject:
    """The best bid and ask, a lot at each."""
    return {
        "bid1Price": _text(venue.best_bid(market.id)),
        "bid1Size": text_from_decimal(market.lot),
        "ask1Price": _text(venue.best_ask(market.id)),
        "ask1Size": text_from_decimal(market.lot),
    }


def next_funding_ms(now_ms: int) -> int:
    """When funding is settled next: every eight hours."""
    interval_ms = FUNDING_INTERVAL_MINUTES * MINUTE_MS
    return (now_ms // interval_ms + 1) * interval_ms


def kline_json(candle: VenueCandle) -> list[str]:
    """One candle as REST lists it."""
    money = (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover)
    return [str(candle.opened_ms), *(text_from_decimal(value) for value in money)]


def stream_kline_json(candle: VenueCandle, interval: str, *, confirm: bool, at_ms: int) -> JsonObject:
    """One candle as ``kline.*`` tells it; ``confirm`` where it closed."""
    return {
        "start": candle.opened_ms,
        "end": candle.opened_ms + INTERVALS_MS[interval] - 1,
        "interval": interval,
        "open": text_from_decimal(candle.open),
        "close": text_from_decimal(candle.close),
        "high": text_from_decimal(candle.high),
        "low": text_from_decimal(candle.low),
        "volume": text_from_decimal(candle.volume),
        "turnover": text_from_decimal(candle.turnover),
        "confirm": confirm,
        "timestamp": at_ms,
    }


def print_json(market: VenueMarket, trade: PublicTrade) -> JsonObject:
    """One print as ``recent-trade`` lists it."""
    return {
        "execId": str(trade.trade_id),
        "symbol": wire_symbol(market),
        "price": text_from_decimal(trade.price),
        "size": text_from_decimal(trade.amount),
        "side": SIDES[trade.taker],
        "time": str(trade.at_ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(trade.trade_id),
    }


def stream_print_json(market: VenueMarket, trade: PublicTrade) -> JsonObject:
    """One print as ``publicTrade.*`` tells it."""
    return {
        "T": trade.at_ms,
        "s": wire_symbol(market),
        "S": SIDES[trade.taker],
        "v": text_from_decimal(trade.amount),
        "p": text_from_decimal(trade.price),
        "L": "PlusTick",
        "i": str(trade.trade_id),
        "BT": False,
        "RPI": False,
        "seq": trade.trade_id,
    }


def _spot_instrument(market: VenueMarket) -> JsonObject:
    return {
        "symbol": wire_symbol(market),
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": _STATUS[market.status],
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": text_from_decimal(market.lot),
            "quotePrecision": _QUOTE_PRECISION,
            "minOrderQty": text_from_decimal(market.min_amount),
            "maxOrderQty": text_from_decimal(market.max_amount),
            "minOrderAmt": text_from_decimal(market.min_notional),
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": text_from_decimal(market.tick)},
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }


def _linear_instrument(market: VenueMarket) -> JsonObject:
    exponent = market.tick.normalize().as_tuple().exponent
    scale = max(-exponent, 0) if isinstance(exponent, int) else 0
    return {
        "symbol": wire_symbol(market),
        "contractType": "LinearPerpetual",
        "status": _STATUS[market.status],
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "launchTime": _LAUNCHED_MS,
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(scale),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": text_from_decimal(market.leverage_max),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": text_from_decimal(market.tick),
            "maxPrice": "1999999.8",
            "tickSize": text_from_decimal(market.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": text_from_decimal(market.max_amount),
            "minOrderQty": text_from_decimal(market.min_amount),
            "qtyStep": text_from_decimal(market.lot),
            "postOnlyMaxOrderQty": text_from_decimal(market.max_amount),
            "maxMktOrderQty": text_from_decimal(market.max_amount),
            "minNotionalValue": text_from_decimal(market.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": FUNDING_INTERVAL_MINUTES,
        "settleCoin": market.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "symbolType": "",
    }


def _text(value: Decimal | None) -> str:
    return "" if value is None else text_from_decimal(value)

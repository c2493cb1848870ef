"""Binance's public requests: time, markets, tickers, trades, candles, the top of the book."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.loopback.binance_codes import BadRequest
from tests.loopback.binance_json import aggregate_json, candle_json, eight, market_json, trade_json
from tests.loopback.venue import PublicTrade, Venue
from tests.loopback.venue_words import MarketKind, MarketStatus, VenueMarket
from tests.loopback.views import Books
from tests.loopback.wire import Call, Json

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

ROWS = 500
ROWS_MAX = 1000
INTERVALS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
_BOOK_AMOUNT = Decimal(1)


def interval_ms(name: str) -> int:
    """Milliseconds of an interval. Raises ``BadRequest``."""
    if name not in INTERVALS:
        raise BadRequest(-1120, "Invalid interval.")
    return INTERVALS[name]


def required(call: Call, name: str) -> str:
    """A parameter that must be there. Raises ``BadRequest``."""
    value = call.params.get(name)
    if not value:
        raise BadRequest(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def number(call: Call, name: str) -> int | None:
    """A whole number, None if it was not sent."""
    value = call.params.get(name)
    return None if value is None else int(value)


def rows(call: Call) -> int:
    """How many rows are wanted."""
    return min(number(call, "limit") or ROWS, ROWS_MAX)


def server_time(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """The exchange's clock."""
    return {"serverTime": server.now_ms()}


def ping(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Nothing."""
    return {}


def exchange_info(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Markets and limits."""
    wanted = call.params.get("symbol")
    markets = [server.venue.market(wanted)] if wanted else _spot(server.venue)
    return {
        "timezone": "UTC",
        "serverTime": server.now_ms(),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
        ],
        "exchangeFilters": [],
        "symbols": [market_json(market) for market in markets],
    }


def tickers(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """The last 24 hours of one market or of all."""
    if "symbol" in call.params:
        return ticker_json(server.venue, server.venue.market(call.params["symbol"]).id)
    return [ticker_json(server.venue, market.id) for market in _spot(server.venue)]


def ticker_json(venue: Venue, market_id: str) -> dict[str, Json]:
    """A 24 hour ticker."""
    now, zero = venue.now_ms(), Decimal(0)
    day, last = venue.candles[market_id].day(now), venue.last(market_id) or zero
    opened = day.open if day else zero
    prints = venue.public_trades(market_id)
    change = last - opened
    return {
        "symbol": market_id,
        "priceChange": eight(change),
        "priceChangePercent": f"{change / opened * 100:.3f}" if opened else "0.000",
        "weightedAvgPrice": f"{day.turnover / day.volume:.8f}" if day and day.volume else eight(zero),
        "prevClosePrice": eight(opened),
        "lastPrice": eight(last),
        "lastQty": eight(prints[-1].amount if prints else zero),
        "bidPrice": eight(venue.best_bid(market_id) or zero),
        "bidQty": eight(_BOOK_AMOUNT),
        "askPrice": eight(venue.best_ask(market_id) or zero),
        "askQty": eight(_BOOK_AMOUNT),
        "openPrice": eight(opened),
        "highPrice": eight(day.high if day else zero),
        "lowPrice": eight(day.low if day else zero),
        "volume": eight(day.volume if day else zero),
        "quoteVolume": eight(day.turnover if day else zero),
        "openTime": now - 86_400_000,
        "closeTime": now,
        "firstId": prints[0].trade_id if prints else -1,
        "lastId": prints[-1].trade_id if prints else -1,
        "count": day.count if day else 0,
    }


def price(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """The last price."""
    market = server.venue.market(required(call, "symbol"))
    return {"symbol": market.id, "price": eight(server.venue.last(market.id) or Decimal(0))}


def book_top(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """The best bid and ask."""
    told = ticker_json(server.venue, server.venue.market(required(call, "symbol")).id)
    return {key: told[key] for key in ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")}


def depth(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """A book of one level a side."""
    told = ticker_json(server.venue, server.venue.market(required(call, "symbol")).id)
    return {
        "lastUpdateId": told["lastId"],
        "bids": [[told["bidPrice"], told["bidQty"]]],
        "asks": [[told["askPrice"], told["askQty"]]],
    }


def aggregate_trades(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Public trades, oldest first."""
    prints = server.venue.public_trades(server.venue.market(required(call, "symbol")).id)
    return [aggregate_json(trade) for trade in _cut(prints, call)]


def trades(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """The newest public trades, oldest first."""
    prints = server.venue.public_trades(server.venue.market(required(call, "symbol")).id)
    return [trade_json(trade) for trade in prints[-rows(call) :]]


def klines(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Candles, oldest first, the last of them still forming."""
    market = server.venue.market(required(call, "symbol"))
    interval = interval_ms(required(call, "interval"))
    candles = server.venue.candles[market.id].candles(
        interval, since_ms=number(call, "startTime"), end_ms=number(call, "endTime"), limit=rows(call)
    )
    return [candle_json(candle, interval) for candle in candles]


def _cut(prints: Sequence[PublicTrade], call: Call) -> Sequence[PublicTrade]:
    first_id, since, end = number(call, "fromId"), number(call, "startTime"), number(call, "endTime")
    if first_id is None and since is None and end is None:
        return prints[-rows(call) :]
    kept = [
        trade
        for trade in prints
        if (first_id is None or trade.trade_id >= first_id)
        and (since is None or trade.at_ms >= since)
        and (end is None or trade.at_ms <= end)
    ]
    return kept[: rows(call)]


def _spot(venue: Venue) -> list[VenueMarket]:
    return [
        market
        for market in venue.markets.values()
        if market.kind is MarketKind.SPOT and market.status is not MarketStatus.DELISTED
    ]

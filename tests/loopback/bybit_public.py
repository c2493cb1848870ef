"""The requests that anybody may make: time, status, instruments, tickers, candles, prints, edges of the book."""

from tests.loopback.bybit_codes import BAD_PARAMETER, BybitError, Reply
from tests.loopback.bybit_markets import INTERVALS_MS, edges_json, instrument_json, kline_json, print_json, ticker_json
from tests.loopback.bybit_orders import wire_symbol
from tests.loopback.bybit_params import Request, kind_of, market_of, markets_of, number_of, text_of
from tests.loopback.venue_words import MarketKind, MarketStatus

PRINTS_MAX = {MarketKind.SPOT: 60, MarketKind.LINEAR: 1000}


def server_time(request: Request) -> Reply:
    """The exchange's clock."""
    now_ms = request.venue.now_ms()
    return Reply(result={"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)})


def status(request: Request) -> Reply:
    """No maintenance is announced."""
    return Reply(result={"list": []})


def instruments(request: Request) -> Reply:
    """The markets of a category; those that are delisted are gone, and none is about to be launched."""
    is_about_to_come = text_of(request.params, "status") == "PreLaunch"
    listed = [] if is_about_to_come else markets_of(request.venue, request.params)
    rows = [instrument_json(market) for market in listed if market.status is not MarketStatus.DELISTED]
    return Reply(result={"category": text_of(request.params, "category"), "list": rows, "nextPageCursor": ""})


def tickers(request: Request) -> Reply:
    """The last day of every market of a category, or of one, with its edges."""
    rows = [
        {**ticker_json(request.venue, market), **edges_json(request.venue, market)}
        for market in markets_of(request.venue, request.params)
    ]
    return Reply(result={"category": text_of(request.params, "category"), "list": rows})


def klines(request: Request) -> Reply:
    """Candles, newest first, the one that is forming among them."""
    market = market_of(request.venue, request.params)
    interval_ms = INTERVALS_MS.get(text_of(request.params, "interval"))
    if interval_ms is None:
        raise BybitError(BAD_PARAMETER, "Invalid period!")
    limit = number_of(request.params, "limit") or 200
    start, end = number_of(request.params, "start"), number_of(request.params, "end")
    candles = request.venue.candles[market.id].candles(interval_ms, since_ms=start, end_ms=end, limit=min(limit, 1000))
    return Reply(
        result={
            "symbol": wire_symbol(market),
            "category": text_of(request.params, "category"),
            "list": [kline_json(candle) for candle in reversed(candles)],
        }
    )


def recent_trades(request: Request) -> Reply:
    """Prints, newest first."""
    market = market_of(request.venue, request.params)
    most = PRINTS_MAX[market.kind]
    limit = min(number_of(request.params, "limit") or most, most)
    newest = list(reversed(request.venue.public_trades(market.id)))[:limit]
    rows = [print_json(market, trade) for trade in newest]
    return Reply(result={"category": text_of(request.params, "category"), "list": rows})


def order_book(request: Request) -> Reply:
    """The best bid and ask."""
    if kind_of(request.params) is None:
        raise BybitError(BAD_PARAMETER, "Not supported symbols")
    market = market_of(request.venue, request.params)
    edges = edges_json(request.venue, market)
    now_ms = request.venue.now_ms()
    return Reply(
        result={
            "s": wire_symbol(market),
            "b": [[edges["bid1Price"], edges["bid1Size"]]],
            "a": [[edges["ask1Price"], edges["ask1Size"]]],
            "ts": now_ms,
            "u": now_ms,
            "seq": now_ms,
            "cts": now_ms,
        }
    )

"""The requests by which a client of Bybit reads its account: orders, executions, wallet, positions, key and fees.

Newest first, in pages, over seven days at most. Orders that are asked for by id are looked up among all that are
open and the newest 500 that are closed; whoever asks for an order by symbol is shown open ones alone.
"""

from collections.abc import Callable

from tests.loopback.bybit_account import (
    account_json,
    coin_info_json,
    fee_rate_json,
    key_json,
    position_json,
    wallet_json,
)
from tests.loopback.bybit_codes import BAD_PARAMETER, BybitError, JsonObject, Reply
from tests.loopback.bybit_orders import (
    BUST_TRADE,
    FUNDING,
    TRADE,
    execution_json,
    funding_json,
    order_json,
    wire_order_id,
)
from tests.loopback.bybit_params import (
    Request,
    kind_of,
    markets_of,
    number_of,
    orders_by_id,
    page_of,
    text_of,
    window_of,
)
from tests.loopback.venue_words import MarketKind, VenueFill, VenueMarket, VenueOrder

CLOSED_MAX = 500
CANCELLED_KEPT_MS = 86_400_000
"""How long an order that never traded stays in the history."""


def realtime_orders(request: Request) -> Reply:
    """Open orders of a category, or any recent order by its id."""
    params = request.params
    kind = kind_of(params)
    if kind is MarketKind.LINEAR and not any(text_of(params, name) for name in ("symbol", "settleCoin", "baseCoin")):
        raise BybitError(BAD_PARAMETER, "params error: symbol, settleCoin or baseCoin is required")
    orders = _orders(request)
    closed = [order for order in orders if not order.is_open][:CLOSED_MAX]
    open_ones = [order for order in orders if order.is_open]
    found = orders_by_id([*open_ones, *closed], params)
    if found is None:
        found = closed if number_of(params, "openOnly") == 1 else open_ones
    return _order_page(request, found)


def order_history(request: Request) -> Reply:
    """Closed orders."""
    params = request.params
    start, end = window_of(params, request.venue.now_ms())
    found = orders_by_id(_orders(request), params)
    if found is None:
        found = [order for order in _orders(request) if start <= order.created_ms <= end]
    oldest_ms = request.venue.now_ms() - CANCELLED_KEPT_MS
    kept = [order for order in found if not order.is_open and (order.filled or order.updated_ms >= oldest_ms)]
    status = text_of(params, "orderStatus")
    if status:
        kept = [order for order in kept if order_json(_market(request, order), order)["orderStatus"] == status]
    return _order_page(request, kept)


def executions(request: Request) -> Reply:
    """Own executions, or what funding was paid: ``execType`` says which; all kinds where it does not."""
    wanted = text_of(request.params, "execType")
    if wanted not in ("", TRADE, FUNDING, BUST_TRADE, "AdlTrade", "Settle", "Delivery"):
        raise BybitError(BAD_PARAMETER, "params error: execType invalid")
    rows = [row for row in _execution_rows(request) if wanted in ("", row["execType"])]
    rows += _funding_rows(request) if wanted in ("", FUNDING) else []
    rows.sort(key=lambda row: int(row["execTime"]), reverse=True)
    page, cursor = page_of(rows, request.params, default=50, most=100, key=lambda row: f"{row['execId']}:2")
    return Reply(result={"nextPageCursor": cursor, "category": text_of(request.params, "category"), "list": page})


def wallet(request: Request) -> Reply:
    """The unified account."""
    if text_of(request.params, "accountType") != "UNIFIED":
        raise BybitError(BAD_PARAMETER, "accountType only support UNIFIED.")
    coins = text_of(request.params, "coin")
    account = wallet_json(request.venue, coins.split(",") if coins else None)
    if not request.books.balances():
        account = {**account, "coin": []}
    return Reply(result={"list": [account]})


def positions(request: Request) -> Reply:
    """The positions of a settlement coin that are not flat, or of one symbol, flat or not."""
    params = request.params
    kind = kind_of(params)
    if kind is MarketKind.SPOT:
        raise BybitError(181001, "category only support linear or option")
    markets = markets_of(request.venue, params)
    is_named = bool(text_of(params, "symbol"))
    if kind is MarketKind.LINEAR and not is_named and not text_of(params, "settleCoin"):
        raise BybitError(BAD_PARAMETER, "params error: symbol or settleCoin is required")
    held = [(market, request.venue.ledger.position(market)) for market in markets]
    rows = [position_json(request.venue, market, each) for market, each in held if each.size or is_named]
    page, cursor = page_of(rows, params, default=20, most=200, key=lambda row: str(row["symbol"]))
    return Reply(result={"nextPageCursor": cursor, "category": text_of(params, "category"), "list": page})


def key(request: Request) -> Reply:
    """What the key may do."""
    permissions = request.permissions
    return Reply(
        result=key_json(
            request.api_key,
            may_withdraw=permissions.may_withdraw,
            is_read_only=not permissions.may_trade,
            is_ip_bound=permissions.is_ip_bound,
        )
    )


def account(request: Request) -> Reply:
    """What kind of account it is."""
    return Reply(result=account_json(request.state.margin_mode, request.venue.now_ms()))


def fee_rates(request: Request) -> Reply:
    """The account's fees."""
    return Reply(result={"list": [fee_rate_json(market) for market in markets_of(request.venue, request.params)]})


def coin_infos(request: Request) -> Reply:
    """All currencies."""
    coins = sorted({coin for market in request.venue.markets.values() for coin in (market.base, market.quote)})
    return Reply(result={"rows": [coin_info_json(coin) for coin in coins]})


def _market(request: Request, order: VenueOrder) -> VenueMarket:
    return request.venue.markets[order.market]


def _orders(request: Request) -> list[VenueOrder]:
    names = [market.id for market in markets_of(request.venue, request.params)]
    return [order for order in reversed(request.books.orders()) if order.market in names]


def _order_page(request: Request, orders: list[VenueOrder]) -> Reply:
    def cursor_of(order: VenueOrder) -> str:
        return f"{wire_order_id(_market(request, order), order.order_id)}:{order.created_ms}"

    page, cursor = page_of(orders, request.params, default=20, most=50, key=cursor_of)
    rows = [order_json(_market(request, order), order) for order in page]
    return Reply(result={"nextPageCursor": cursor, "category": text_of(request.params, "category"), "list": rows})


def _execution_rows(request: Request) -> list[JsonObject]:
    markets = {market.id: market for market in markets_of(request.venue, request.params)}
    start, end = window_of(request.params, request.venue.now_ms())
    chosen = orders_by_id([order for order in request.venue.orders() if order.market in markets], request.params)
    ids = None if chosen is None else {order.order_id for order in chosen}
    is_wanted = _execution_filter(ids, start, end)
    found = [fill for fill in request.books.trades() if fill.market in markets and is_wanted(fill)]
    return [_execution(request, markets[fill.market], fill) for fill in reversed(found)]


def _execution_filter(ids: set[int] | None, start: int, end: int) -> Callable[[VenueFill], bool]:
    """An id that is named makes every other parameter void."""
    if ids is not None:
        return lambda fill: fill.order_id in ids
    return lambda fill: start <= fill.at_ms <= end


def _execution(request: Request, market: VenueMarket, fill: VenueFill) -> JsonObject:
    order = request.venue.order(market.id, order_id=fill.order_id)
    return execution_json(market, order, fill, request.state.busted)


def _funding_rows(request: Request) -> list[JsonObject]:
    if text_of(request.params, "orderId") or text_of(request.params, "orderLinkId"):
        return []
    start, end = window_of(request.params, request.venue.now_ms())
    rows: list[JsonObject] = []
    for market in markets_of(request.venue, request.params):
        paid = [each for each in request.venue.funding(market.id, since_ms=start) if each.at_ms <= end and each.size]
        rows += [funding_json(market, each) for each in reversed(paid)]
    return rows

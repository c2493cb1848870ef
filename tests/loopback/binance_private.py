"""Binance's signed requests: orders, own trades, balances, fees and what the key may do."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from engine.model.money import floor_to_step
from tests.loopback.binance_codes import BadRequest
from tests.loopback.binance_json import (
    balance_json,
    canceled_json,
    fill_json,
    order_json,
    placed_json,
)
from tests.loopback.binance_public import number, required, rows
from tests.loopback.venue import NewOrder, Refusal, RefusalReason, Side, TimeInForce
from tests.loopback.venue_words import VenueMarket
from tests.loopback.views import Books
from tests.loopback.wire import Call, Json

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

DAY_MS = 86_400_000
DECIMALS_MAX = 8
_T = TypeVar("_T")


def place(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """A new order: LIMIT, LIMIT_MAKER or MARKET."""
    order = server.venue.place(_new_order(server, call))
    return placed_json(order, call.params.get("newOrderRespType", "FULL"))


def try_place(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Only whether the request could be read."""
    _new_order(server, call)
    return {}


def cancel(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Cancel by either id."""
    order_id, client_id = _ids(call)
    order = server.venue.cancel(_market(server, call).id, order_id=order_id, client_id=client_id)
    return canceled_json(order, call.params.get("newClientOrderId") or cancel_id(order.order_id))


def cancel_all(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Cancel every open order of a symbol; none is an error."""
    canceled = server.venue.cancel_all(_market(server, call).id)
    if not canceled:
        raise Refusal(RefusalReason.UNKNOWN_ORDER, "Unknown order sent.")
    return [canceled_json(order, cancel_id(order.order_id)) for order in canceled]


def cancel_id(order_id: int) -> str:
    """The client id of a cancel that brought none."""
    return f"cancelOf{order_id}"


def order(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """One order by either id."""
    order_id, client_id = _ids(call)
    return order_json(books.order(_market(server, call).id, order_id=order_id, client_id=client_id))


def open_orders(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Open orders of one symbol, or of all."""
    market_id = _market(server, call).id if "symbol" in call.params else None
    return [order_json(each) for each in books.open_orders(market_id)]


def all_orders(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Orders of a symbol, open or not, oldest first."""
    found = books.orders(_market(server, call).id)
    first_id = number(call, "orderId")
    kept = [
        each for each in found if (first_id is None or each.order_id >= first_id) and _is_within(each.created_ms, call)
    ]
    return [order_json(each) for each in _page(kept, call, is_from_start=_is_from_start(call, "orderId"))]


def my_trades(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Own executions on a symbol, oldest first: from an id, from a time, of an order, or the newest."""
    if "fromId" in call.params and ("startTime" in call.params or "endTime" in call.params):
        raise BadRequest(-1128, "Combination of optional parameters invalid.")
    first_id = number(call, "fromId")
    fills = books.trades(
        _market(server, call).id,
        order_id=number(call, "orderId"),
        after_id=None if first_id is None else first_id - 1,
    )
    kept = [fill for fill in fills if _is_within(fill.at_ms, call)]
    return [fill_json(fill) for fill in _page(kept, call, is_from_start=_is_from_start(call, "fromId"))]


def account(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Balances and commissions."""
    some = next(iter(server.venue.markets.values()))
    return {
        "makerCommission": int(some.maker_fee * 10_000),
        "takerCommission": int(some.taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": f"{some.maker_fee:.8f}",
            "taker": f"{some.taker_fee:.8f}",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": server.now_ms(),
        "accountType": "SPOT",
        "balances": [balance_json(currency, held) for currency, held in books.balances().items()],
        "permissions": ["SPOT"],
        "uid": 354937868,
    }


def trade_fees(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Commissions by symbol."""
    wanted = call.params.get("symbol")
    markets = [server.venue.market(wanted)] if wanted else list(server.venue.markets.values())
    return [
        {
            "symbol": market.id,
            "makerCommission": format(market.maker_fee, "f"),
            "takerCommission": format(market.taker_fee, "f"),
        }
        for market in markets
    ]


def api_restrictions(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """What the key may do."""
    permissions = server.permissions
    return {
        "ipRestrict": permissions.is_ip_bound,
        "createTime": 1_623_840_271_000,
        "enableReading": permissions.may_read,
        "enableWithdrawals": permissions.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": permissions.may_trade,
        "enablePortfolioMarginTrading": False,
    }


def coins(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Currencies, without networks."""
    held = server.venue.balances()
    return [
        {
            "coin": currency,
            "name": currency,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "free": f"{balance.free:.8f}",
            "locked": f"{balance.locked:.8f}",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for currency, balance in held.items()
    ]


def system_status(server: "LoopbackServer", call: Call, books: Books) -> Json:
    """Whether the exchange is in maintenance."""
    return {"status": 0, "msg": "normal"}


def _market(server: "LoopbackServer", call: Call) -> VenueMarket:
    return server.venue.market(required(call, "symbol"))


def _ids(call: Call) -> tuple[int | None, str | None]:
    order_id, client_id = number(call, "orderId"), call.params.get("origClientOrderId")
    if order_id is None and not client_id:
        raise BadRequest(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return order_id, client_id


def _new_order(server: "LoopbackServer", call: Call) -> NewOrder:
    market = _market(server, call)
    kind, side = required(call, "type"), Side(required(call, "side").lower())
    if kind not in ("LIMIT", "LIMIT_MAKER", "MARKET"):
        raise BadRequest(-1116, "Invalid orderType.")
    limit_price = None if kind == "MARKET" else _decimal(call, "price")
    return NewOrder(
        market=market.id,
        side=side,
        amount=_amount(server, call, market),
        price=limit_price,
        client_id=call.params.get("newClientOrderId") or f"auto{server.venue.register.next_id()}",
        post_only=kind == "LIMIT_MAKER",
        time_in_force=TimeInForce(required(call, "timeInForce")) if kind == "LIMIT" else TimeInForce.GTC,
    )


def _amount(server: "LoopbackServer", call: Call, market: VenueMarket) -> Decimal:
    if "quoteOrderQty" not in call.params:
        return _decimal(call, "quantity")
    last = server.venue.last(market.id)
    if last is None:
        raise Refusal(RefusalReason.MARKET_CLOSED, "Market is closed.")
    return floor_to_step(_decimal(call, "quoteOrderQty") / (last + market.tick), market.lot)


def _decimal(call: Call, name: str) -> Decimal:
    value = Decimal(required(call, name))
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise BadRequest(-1100, f"Illegal characters found in parameter '{name}'.")
    if -exponent > DECIMALS_MAX:
        raise BadRequest(-1111, f"Parameter '{name}' has too much precision.")
    return value


def _is_within(at_ms: int, call: Call) -> bool:
    since, end = number(call, "startTime"), number(call, "endTime")
    if since is not None and end is not None and end - since > DAY_MS:
        raise BadRequest(-1127, "More than 24 hours between startTime and endTime.")
    if end is None and since is not None:
        end = since + DAY_MS
    return (since is None or at_ms >= since) and (end is None or at_ms <= end)


def _is_from_start(call: Call, id_name: str) -> bool:
    return id_name in call.params or "startTime" in call.params


def _page(found: Sequence[_T], call: Call, *, is_from_start: bool) -> Sequence[_T]:
    return found[: rows(call)] if is_from_start else found[-rows(call) :]

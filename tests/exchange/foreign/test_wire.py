"""What really goes over the wire: the unmodified client library, spoken to by each exchange's dialect.

To be run again before every new version of the library: it has renamed and dropped client order ids before.
"""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.words.orders import client_id_of
from engine.model.ids import GENERATIONS_MAX, GRIDS_MAX, SLOTS_MAX, OrderKey, client_order_id_from_key
from engine.model.market import MarketKind
from engine.model.order import Leg
from tests.exchange.foreign.recorded_client import ID, TRIED, Answer, Sent, recorded_client, symbol_of

HEX_ID = "0x6761626330316530303230303030337a"
ORDER_ID = "1234567"
SPOT, SWAP = MarketKind.SPOT, MarketKind.SWAP
_PLAIN = {
    "binance": {"orderId": 1},
    "binanceusdm": {"orderId": 1},
    "bybit": {"retCode": 0, "result": {"orderId": "1"}},
    "okx": {"code": "0", "data": [{"ordId": "1", "sCode": "0"}]},
    "kraken": {"error": [], "result": {"txid": ["OABC12"]}},
    "krakenfutures": {
        "result": "success",
        "sendStatus": {"status": "placed", "order_id": "1", "orderEvents": []},
        "cancelStatus": {"status": "cancelled"},
        "orders": [],
    },
    "kucoin": {"code": "200000", "data": {"orderId": "1"}},
    "gate": {"id": "1"},
    "coinbase": {"success": True, "success_response": {"order_id": "1"}, "results": [{"success": True}]},
    "bitget": {"code": "00000", "data": {"orderId": "1"}},
    "mexc": {"orderId": "1"},
    "htx": {"status": "ok", "data": "1"},
}


def content(exchange: str) -> Callable[[Sent], Answer]:
    """Replies that the library takes for success."""

    def reply(sent: Sent) -> Answer:
        if sent.path.endswith("/account/accounts"):
            return Answer(
                body='{"status": "ok", "data": [{"id": 7, "type": "spot", "subtype": "", "state": "working"}]}'
            )
        if exchange != "hyperliquid":
            return Answer(body=json.dumps(_PLAIN[exchange]))
        if "userAbstraction" in sent.body:
            return Answer(body='"default"')
        if "cancelByCloid" in sent.body:
            return Answer(body='{"status": "ok", "response": {"type": "cancel", "data": {"statuses": ["success"]}}}')
        return Answer(
            body='{"status": "ok", "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 1}}]}}}'
        )

    return reply


PLACED = [
    ("binance", SPOT, {"newClientOrderId": ID, "type": "LIMIT_MAKER", "quantity": "0.00123", "price": "61250.01"}),
    ("binance", SWAP, {"newClientOrderId": ID, "timeInForce": "GTX", "reduceOnly": "true", "quantity": "0.00123"}),
    ("binanceusdm", SWAP, {"newClientOrderId": ID, "timeInForce": "GTX", "reduceOnly": "true", "price": "61250.01"}),
    ("bybit", SPOT, {"orderLinkId": ID, "timeInForce": "PostOnly", "qty": "0.00123", "price": "61250.01"}),
    ("bybit", SWAP, {"orderLinkId": ID, "timeInForce": "PostOnly", "reduceOnly": True, "qty": "0.00123"}),
    ("okx", SPOT, {"clOrdId": ID, "ordType": "post_only", "sz": "0.00123", "px": "61250.01", "tdMode": "cash"}),
    ("okx", SWAP, {"clOrdId": ID, "ordType": "post_only", "sz": "0.00123", "px": "61250.01", "reduceOnly": True}),
    ("kraken", SPOT, {"cl_ord_id": ID, "oflags": "fciq,post", "volume": "0.00123", "price": "61250.01"}),
    ("krakenfutures", SWAP, {"cliOrdId": ID, "orderType": "post", "reduceOnly": "true", "size": "0.00123"}),
    ("kucoin", SPOT, {"clientOid": ID, "postOnly": True, "size": "0.00123", "price": "61250.01"}),
    ("gate", SPOT, {"text": f"t-{ID}", "time_in_force": "poc", "amount": "0.00123", "price": "61250.01"}),
    ("gate", SWAP, {"text": f"t-{ID}", "tif": "poc", "reduce_only": True, "size": 7, "price": "61250.01"}),
    ("coinbase", SPOT, {"client_order_id": ID, "post_only": True, "base_size": "0.00123", "limit_price": "61250.01"}),
    ("bitget", SPOT, {"clientOid": ID, "force": "post_only", "size": "0.00123", "price": "61250.01"}),
    ("bitget", SWAP, {"clientOid": ID, "force": "post_only", "reduceOnly": "YES", "size": "0.00123"}),
    ("mexc", SPOT, {"newClientOrderId": ID, "type": "LIMIT_MAKER", "quantity": "0.00123", "price": "61250.01"}),
    ("htx", SPOT, {"client-order-id": ID, "type": "buy-limit-maker", "amount": "0.00123", "price": "61250.01"}),
    ("hyperliquid", SPOT, {"c": HEX_ID, "tif": "Alo", "r": False, "s": "0.00123", "p": "61250"}),
    ("hyperliquid", SWAP, {"c": HEX_ID, "tif": "Alo", "r": True, "s": "0.00123", "p": "61250"}),
]


@pytest.mark.parametrize("exchange, kind, fields", PLACED, ids=[f"{name}-{kind}" for name, kind, _ in PLACED])
async def test_rel_33_an_order_carries_our_id_post_only_reduce_only_and_the_exact_amount_and_price(
    exchange: str, kind: MarketKind, fields: dict[str, object]
) -> None:
    params = dialect_of(exchange).place_params(ID, post_only=True, reduce_only=kind is SWAP)
    amount = "7" if exchange == "gate" and kind is SWAP else "0.00123"
    price = "61250" if exchange == "hyperliquid" else "61250.01"
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.create_order(symbol_of(exchange, kind), "limit", "buy", amount, price, params)
    sent = session.sent[-1]
    assert sent.method == "POST"
    assert {name: sent.fields.get(name) for name in fields} == fields


@pytest.mark.parametrize("exchange, kind, fields", PLACED, ids=[f"{name}-{kind}" for name, kind, _ in PLACED])
async def test_an_order_that_may_take_is_not_sent_as_post_only_and_one_that_may_open_not_as_reduce_only(
    exchange: str, kind: MarketKind, fields: dict[str, object]
) -> None:
    params = dialect_of(exchange).place_params(ID, post_only=False, reduce_only=False)
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.create_order(symbol_of(exchange, kind), "limit", "sell", "7", "61250", params)
    wire = session.sent[-1].fields
    maker_words = {"LIMIT_MAKER", "GTX", "PostOnly", "post_only", "fciq,post", "post", "poc", "Alo", "sell-limit-maker"}
    assert maker_words.isdisjoint(str(value) for value in wire.values())
    for name in ("postOnly", "post_only", "reduceOnly", "reduce_only", "r"):
        assert wire.get(name, False) is False


LOOKED_UP: list[tuple[str, MarketKind, dict[str, object], str]] = [
    ("binance", SPOT, {"origClientOrderId": ID}, "/api/v3/order"),
    ("binance", SWAP, {"origClientOrderId": ID}, "/fapi/v1/order"),
    ("binanceusdm", SWAP, {"origClientOrderId": ID}, "/fapi/v1/order"),
    ("okx", SPOT, {"clOrdId": ID}, "/api/v5/trade/order"),
    ("okx", SWAP, {"clOrdId": ID}, "/api/v5/trade/order"),
    ("kucoin", SPOT, {}, f"/api/v1/hf/orders/client-order/{ID}"),
    ("gate", SPOT, {}, f"/api/v4/spot/orders/t-{ID}"),
    ("gate", SWAP, {}, f"/api/v4/futures/usdt/orders/t-{ID}"),
    ("bitget", SPOT, {"clientOid": ID}, "/api/v2/spot/trade/orderInfo"),
    ("bitget", SWAP, {"clientOid": ID}, "/api/v2/mix/order/detail"),
    ("mexc", SPOT, {"origClientOrderId": ID}, "/api/v3/order"),
    ("htx", SPOT, {"clientOrderId": ID}, "/v1/order/orders/getClientOrder"),
    ("hyperliquid", SPOT, {"type": "orderStatus", "oid": HEX_ID}, "/info"),
    ("hyperliquid", SWAP, {"type": "orderStatus", "oid": HEX_ID}, "/info"),
]


@pytest.mark.parametrize("exchange, kind, fields, path", LOOKED_UP, ids=[f"{row[0]}-{row[1]}" for row in LOOKED_UP])
async def test_rel_33_an_order_is_asked_for_by_our_id_alone(
    exchange: str, kind: MarketKind, fields: dict[str, object], path: str
) -> None:
    dialect = dialect_of(exchange)
    assert dialect.can_fetch_by_client_id
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        # an empty id, not None: Bitget's "not found" joins it to a text
        await client.fetch_order("", symbol_of(exchange, kind), dialect.lookup_params(ID))
    (sent,) = session.sent
    assert sent.path == path
    assert {name: sent.fields.get(name) for name in fields} == fields
    assert {"orderId", "ordId", "order_id", "order-id"}.isdisjoint(sent.fields)


LISTED: list[tuple[str, MarketKind, str, str, dict[str, object]]] = [
    ("bybit", SPOT, "fetch_open_orders", "/v5/order/realtime", {"orderLinkId": ID, "category": "spot"}),
    ("bybit", SWAP, "fetch_open_orders", "/v5/order/realtime", {"orderLinkId": ID, "category": "linear"}),
    ("bybit", SPOT, "fetch_canceled_and_closed_orders", "/v5/order/history", {"orderLinkId": ID}),
    ("kraken", SPOT, "fetch_open_orders", "/0/private/OpenOrders", {"cl_ord_id": ID}),
    ("kraken", SPOT, "fetch_closed_orders", "/0/private/ClosedOrders", {"cl_ord_id": ID}),
    ("krakenfutures", SWAP, "fetch_open_orders", "/derivatives/api/v3/openorders", {}),
    ("coinbase", SPOT, "fetch_open_orders", "/api/v3/brokerage/orders/historical/batch", {"order_status": "OPEN"}),
    ("coinbase", SPOT, "fetch_closed_orders", "/api/v3/brokerage/orders/historical/batch", {"order_status": "FILLED"}),
]


@pytest.mark.parametrize("exchange, kind, method, path, fields", LISTED, ids=[f"{r[0]}-{r[1]}-{r[2]}" for r in LISTED])
async def test_rel_33_where_our_id_finds_no_order_the_lists_do_and_are_narrowed_where_they_can_be(
    exchange: str, kind: MarketKind, method: str, path: str, fields: dict[str, object]
) -> None:
    dialect = dialect_of(exchange)
    assert not dialect.can_fetch_by_client_id
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await getattr(client, method)(symbol_of(exchange, kind), None, None, dialect.list_params(ID))
    (sent,) = session.sent
    assert sent.path == path
    assert {name: sent.fields.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    "exchange, kind, fields",
    [
        ("bybit", SPOT, {"orderId": ORDER_ID}),
        ("kraken", SPOT, {"txid": ORDER_ID}),
        ("krakenfutures", SWAP, {"orderIds": ORDER_ID}),
        ("coinbase", SPOT, {}),
    ],
)
async def test_rel_33_where_our_id_finds_no_order_the_exchanges_own_does(
    exchange: str, kind: MarketKind, fields: dict[str, object]
) -> None:
    params = dialect_of(exchange).lookup_params(ID, order_id=ORDER_ID)
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        with suppress(Exception):  # the canned answer knows no order; what was asked is what counts
            await client.fetch_order(ORDER_ID, symbol_of(exchange, kind), params)
    (sent,) = session.sent
    assert {name: sent.fields.get(name) for name in fields} == fields
    assert exchange != "coinbase" or sent.path.endswith(f"/historical/{ORDER_ID}")


CANCELLED: list[tuple[str, MarketKind, dict[str, object], str]] = [
    ("binance", SPOT, {"origClientOrderId": ID}, "/api/v3/order"),
    ("binance", SWAP, {"origClientOrderId": ID}, "/fapi/v1/order"),
    ("binanceusdm", SWAP, {"origClientOrderId": ID}, "/fapi/v1/order"),
    ("bybit", SPOT, {"orderLinkId": ID}, "/v5/order/cancel"),
    ("bybit", SWAP, {"orderLinkId": ID}, "/v5/order/cancel"),
    ("okx", SPOT, {"clOrdId": ID}, "/api/v5/trade/cancel-order"),
    ("okx", SWAP, {"clOrdId": ID}, "/api/v5/trade/cancel-order"),
    ("kraken", SPOT, {"cl_ord_id": ID}, "/0/private/CancelOrder"),
    ("kucoin", SPOT, {}, f"/api/v1/hf/orders/client-order/{ID}"),
    ("gate", SPOT, {}, f"/api/v4/spot/orders/t-{ID}"),
    ("gate", SWAP, {}, f"/api/v4/futures/usdt/orders/t-{ID}"),
    ("bitget", SPOT, {"clientOid": ID}, "/api/v2/spot/trade/cancel-order"),
    ("bitget", SWAP, {"clientOid": ID}, "/api/v2/mix/order/cancel-order"),
    ("mexc", SPOT, {"origClientOrderId": ID}, "/api/v3/order"),
    ("htx", SPOT, {"client-order-id": ID}, "/v1/order/orders/submitCancelClientOrder"),
    ("hyperliquid", SPOT, {"cloid": HEX_ID}, "/exchange"),
    ("hyperliquid", SWAP, {"cloid": HEX_ID}, "/exchange"),
]


@pytest.mark.parametrize("exchange, kind, fields, path", CANCELLED, ids=[f"{row[0]}-{row[1]}" for row in CANCELLED])
async def test_rel_33_an_order_is_cancelled_by_our_id_alone(
    exchange: str, kind: MarketKind, fields: dict[str, object], path: str
) -> None:
    dialect = dialect_of(exchange)
    assert dialect.can_cancel_by_client_id
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.cancel_order(None, symbol_of(exchange, kind), dialect.cancel_params(ID))
    sent = session.sent[-1]
    assert sent.path == path
    assert {name: sent.fields.get(name) for name in fields} == fields
    assert {"orderId", "ordId", "order_id", "order-id", "txid"}.isdisjoint(sent.fields)


@pytest.mark.parametrize("exchange, name", [("krakenfutures", "order_id"), ("coinbase", "")])
async def test_rel_33_an_order_that_our_id_cannot_cancel_is_cancelled_by_the_exchanges_own(
    exchange: str, name: str
) -> None:
    dialect = dialect_of(exchange)
    (kind,) = dialect.market_kinds
    assert not dialect.can_cancel_by_client_id
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.cancel_order(ORDER_ID, symbol_of(exchange, kind), dialect.cancel_params(ID, order_id=ORDER_ID))
    (sent,) = session.sent
    assert sent.fields.get(name, ORDER_ID) == ORDER_ID
    assert ORDER_ID in sent.url + sent.body
    assert ID not in sent.url + sent.body


@pytest.mark.parametrize("exchange", TRIED)
async def test_rel_29_an_order_that_fails_goes_out_once(exchange: str) -> None:
    dialect = dialect_of(exchange)
    kind = min(dialect.market_kinds)
    params = dialect.place_params(ID, post_only=False, reduce_only=False)
    succeed = content(exchange)

    def fail(sent: Sent) -> Answer:
        is_order = ID in sent.url + sent.body or HEX_ID in sent.body
        return Answer(status=503, body="<html>Service Unavailable</html>") if is_order else succeed(sent)

    async with recorded_client(exchange, kind, fail) as (client, session):
        with pytest.raises(Exception, match="503"):
            await client.create_order(symbol_of(exchange, kind), "limit", "buy", "7", "61250", params)
    orders = [sent for sent in session.sent if ID in sent.url + sent.body or HEX_ID in sent.body]
    assert len(orders) == 1
    assert client.options["maxRetriesOnFailure"] == 0


@pytest.mark.parametrize("exchange", [name for name in TRIED if name not in ("htx", "hyperliquid")])
async def test_an_order_is_the_only_request_that_placing_it_makes(exchange: str) -> None:
    dialect = dialect_of(exchange)
    kind = min(dialect.market_kinds)
    params = dialect.place_params(ID, post_only=True, reduce_only=False)
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.create_order(symbol_of(exchange, kind), "limit", "buy", "7", "61250", params)
    assert len(session.sent) == 1


async def test_the_library_takes_no_fee_and_names_no_referrer_on_hyperliquid() -> None:
    params = dialect_of("hyperliquid").place_params(ID, post_only=True, reduce_only=False)
    async with recorded_client("hyperliquid", SWAP, content("hyperliquid")) as (client, session):
        for _ in range(2):
            await client.create_order("BTC/USDC:USDC", "limit", "buy", "1", "61250", params)
    actions = [json.loads(sent.body).get("action", {}) for sent in session.sent]
    assert [action["type"] for action in actions if action] == ["order", "order"]
    assert not any("builder" in action for action in actions)


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "bybit", "mexc"])
async def test_rel_30_a_signed_request_may_arrive_for_five_seconds_and_no_longer(exchange: str) -> None:
    dialect = dialect_of(exchange)
    kind = min(dialect.market_kinds)
    async with recorded_client(exchange, kind, content(exchange)) as (client, session):
        await client.cancel_order(None, symbol_of(exchange, kind), dialect.cancel_params(ID))
    sent = session.sent[-1]
    window = sent.headers.get("X-BAPI-RECV-WINDOW") or sent.fields["recvWindow"]
    assert window == "5000"
    assert dialect.request_life_seconds == 5.0


@given(data=st.data())
def test_033a_rel_33_every_id_of_ours_fits_every_exchange_and_is_read_back_from_the_wire(data: st.DataObject) -> None:
    key = OrderKey(
        instance=data.draw(st.text(alphabet="0123456789abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=3)),
        grid=data.draw(st.integers(0, GRIDS_MAX - 1)),
        slot=data.draw(st.integers(0, SLOTS_MAX - 1)),
        leg=data.draw(st.sampled_from(Leg)),
        generation=data.draw(st.integers(0, GENERATIONS_MAX - 1)),
    )
    ours = client_order_id_from_key(key)
    for exchange in (*TRIED, "unknown"):
        dialect = dialect_of(exchange)
        params = dialect.place_params(ours, post_only=False, reduce_only=False)
        assert params[dialect.create_name] == dialect.wire_id(ours)
        told = {"clientOrderId": dialect.wire_id(ours), "info": {"text": dialect.wire_id(ours)}}
        assert client_id_of(told) == ours

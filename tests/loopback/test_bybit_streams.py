"""Bybit's streams through the real client: logins, heartbeats, private reports and public data."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.loopback.bybit_scene import (
    MARKET_IDS,
    SPOT,
    SPOT_ID,
    SWAP,
    SWAP_ID,
    bought,
    bybit_client,
    bybit_scene,
    protocol_of,
    until,
    watched,
)
from tests.loopback.faults import Fault
from tests.loopback.server import loopback
from tests.loopback.streams import StreamSocket

both = pytest.mark.parametrize("symbol", [SPOT, SWAP])


def _order(orders: Any) -> list[tuple[str, str, str, float]]:
    return [(each["symbol"], each["clientOrderId"], each["status"], each["filled"]) for each in orders]


def _trade(trades: Any) -> list[tuple[str, float, float, str]]:
    return [(each["symbol"], each["price"], each["amount"], each["fee"]["currency"]) for each in trades]


@both
async def test_an_order_is_told_when_it_is_new_when_it_fills_and_when_it_is_cancelled(symbol: str) -> None:
    async with bybit_scene() as (server, client), watched(server, "order", client.watch_orders, _order) as seen:
        await bought(client, symbol, "0.02", 59_000, "gone")
        await until(lambda: len(seen) == 1)
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(59_000), Decimal("0.01"))
        await until(lambda: len(seen) == 2)
        await client.cancel_order("", symbol, {"orderLinkId": "gone"})
        await until(lambda: len(seen) == 3)
    final = {SPOT: "closed", SWAP: "canceled"}[symbol]
    assert seen == [
        [(symbol, "gone", "open", 0.0)],
        [(symbol, "gone", "open", 0.01)],
        [(symbol, "gone", final, 0.01)],
    ]


@both
async def test_an_execution_is_told_before_the_order_that_it_changed(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        async with (
            watched(server, "execution", client.watch_my_trades, _trade) as trades,
            watched(server, "order", client.watch_orders, _order),
        ):
            await bought(client, symbol, "0.01", 59_000, "gone")
            server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_999))
            await until(lambda: len(trades) == 1)
        topics = [told.message["topic"] for told in server.told]
    assert trades == [[(symbol, 59_000.0, 0.01, {SPOT: "BTC", SWAP: "USDT"}[symbol])]]
    assert topics == ["order", "execution", "order"]


async def test_the_wallet_is_told_with_what_orders_bind() -> None:
    async with bybit_scene() as (server, client):

        def usdt(balance: Any) -> tuple[float, float]:
            return balance["USDT"]["total"], balance["USDT"]["used"]

        async with watched(server, "wallet", client.watch_balance, usdt) as seen:
            await bought(client, SPOT, "0.1", 50_000, "gone")
            await until(lambda: len(seen) == 1)
    assert seen == [(100_000.0, 5_000.0)]


async def test_a_position_is_told_when_it_opens_and_when_it_is_flat() -> None:
    async with bybit_scene() as (server, client):

        def positions(told: Any) -> list[tuple[str, str | None, float, float | None]]:
            return [(each["symbol"], each["side"], each["contracts"], each["entryPrice"]) for each in told]

        await client.fetch_positions()
        async with watched(server, "position", client.watch_positions, positions) as seen:
            await client.create_order(SWAP, "market", "sell", 0.5)
            await until(lambda: len(seen) == 2)
            await client.create_order(SWAP, "market", "buy", 0.5)
            await until(lambda: len(seen) == 3)
    assert seen == [[], [(SWAP, "short", 0.5, 59_999.9)], [(SWAP, None, 0.0, None)]]


@both
async def test_prints_are_told_with_price_amount_and_time(symbol: str) -> None:
    market_id = MARKET_IDS[symbol]
    async with bybit_scene() as (server, client):

        def prints(trades: Any) -> list[tuple[str, float, float, str]]:
            return [(each["symbol"], each["price"], each["amount"], each["side"]) for each in trades]

        async with watched(server, "publicTrade.BTCUSDT", lambda: client.watch_trades(symbol), prints) as seen:
            server.venue.print_trade(market_id, Decimal(60_001), Decimal("0.5"))
            await until(lambda: len(seen) == 1)
            server.venue.print_trade(market_id, Decimal(59_999), Decimal("0.25"))
            await until(lambda: len(seen) == 2)
    assert seen == [[(symbol, 60_001.0, 0.5, "buy")], [(symbol, 59_999.0, 0.25, "sell")]]


@both
async def test_a_ticker_begins_with_a_snapshot_and_then_follows_the_price(symbol: str) -> None:
    async with bybit_scene() as (server, client):

        def last(ticker: Any) -> tuple[str, float]:
            return ticker["symbol"], ticker["last"]

        async with watched(server, "tickers.BTCUSDT", lambda: client.watch_ticker(symbol), last) as seen:
            await until(lambda: len(seen) == 1)
            server.venue.print_trade(MARKET_IDS[symbol], Decimal(60_500))
            await until(lambda: len(seen) == 2)
    assert seen == [(symbol, 60_000.0), (symbol, 60_500.0)]


async def test_a_candle_is_told_once_more_when_it_closed_and_then_the_next_one_forms() -> None:
    clock = [1_700_000_040_000]
    async with loopback("bybit", clock_ms=lambda: clock[0]) as server, bybit_client(server, apiKey="") as client:

        def candles(told: Any) -> list[list[float]]:
            return [list(each) for each in told]

        async with watched(server, "kline.1.BTCUSDT", lambda: client.watch_ohlcv(SPOT, "1m"), candles) as seen:
            await until(lambda: len(seen) == 1)
            server.venue.print_trade(SPOT_ID, Decimal(61_000), Decimal("0.5"))
            await until(lambda: len(seen) == 2)
            clock[0] += 60_000
            server.venue.print_trade(SPOT_ID, Decimal(59_000), Decimal("0.25"))
            await until(lambda: len(seen) == 3)
    assert [told[-1][:5] for told in seen] == [
        [1_700_000_040_000, 60_000.0, 60_000.0, 60_000.0, 60_000.0],
        [1_700_000_040_000, 60_000.0, 61_000.0, 60_000.0, 61_000.0],
        [1_700_000_100_000, 59_000.0, 59_000.0, 59_000.0, 59_000.0],
    ]


async def test_spot_prints_are_not_told_to_those_who_follow_the_swap() -> None:
    async with (
        bybit_scene() as (server, client),
        watched(server, "publicTrade.BTCUSDT", lambda: client.watch_trades(SWAP), len) as seen,
    ):
        server.venue.print_trade(SPOT_ID, Decimal(60_001))
        server.venue.print_trade(SWAP_ID, Decimal(60_002))
        await until(lambda: len(seen) == 1)
        prints = [trade["price"] for trade in client.trades[SWAP]]
    assert prints == [60_002.0]


async def test_a_liquidation_is_told_as_an_execution_without_our_id() -> None:
    async with bybit_scene() as (server, client):

        def kinds(trades: Any) -> list[tuple[str, str]]:
            return [(each["info"]["execType"], each["info"]["orderLinkId"]) for each in trades]

        await client.create_order(SWAP, "market", "buy", 1)
        async with watched(server, "execution", client.watch_my_trades, kinds) as seen:
            protocol_of(server).liquidate(SWAP_ID)
            await until(lambda: len(seen) == 1)
    assert seen == [[("BustTrade", "")]]


async def test_a_login_with_a_wrong_secret_is_refused() -> None:
    import ccxt

    async with bybit_scene(secret="wrong") as (_, client):
        with pytest.raises(ccxt.AuthenticationError):
            await client.authenticate(client.urls["api"]["ws"]["private"]["contract"])


async def test_a_login_whose_time_has_passed_by_the_exchanges_clock_is_refused() -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        server.faults.skew_ms = 11_000
        await client.load_time_difference()
        with pytest.raises(ccxt.AuthenticationError):
            await client.authenticate(client.urls["api"]["ws"]["private"]["contract"])


@pytest.mark.parametrize(
    ("path", "said", "answer"),
    [
        ("/v5/private", {"op": "ping", "req_id": 7}, {"op": "pong", "req_id": "7"}),
        ("/v5/public/spot", {"op": "ping", "req_id": 7}, {"op": "ping", "ret_msg": "pong", "success": True}),
        (
            "/v5/private",
            {"op": "subscribe", "args": ["order"]},
            {"success": False, "ret_msg": "Request not authorized"},
        ),
        (
            "/v5/public/spot",
            {"op": "subscribe", "args": ["publicTrade.NONEUSDT"]},
            {"success": False, "ret_msg": "error:handler not found,topic:publicTrade.NONEUSDT"},
        ),
        ("/v5/public/linear", {"op": "subscribe", "args": ["kline.7.BTCUSDT"]}, {"success": False}),
        ("/v5/public/linear", {"op": "dance"}, {"success": False, "ret_msg": "error:invalid op dance"}),
        ("/v5/private", {"op": "auth", "args": ["k"]}, {"success": False, "ret_msg": "Params Error"}),
    ],
)
async def test_what_is_said_on_a_stream_is_answered(path: str, said: dict[str, Any], answer: dict[str, Any]) -> None:
    async with loopback("bybit") as server:
        socket = StreamSocket(
            socket_id=1, path=path, faults=server.faults, now_ms=server.now_ms, later=server.later, log=server.told
        )
        server.protocol.heard(socket, said)
        told = json.loads(socket.outgoing.receive_nowait())
        socket.close()
    assert answer.items() <= told.items()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.DROP_REPORT, ["gtwo"]),
        (Fault.DOUBLE_REPORT, ["gone", "gone", "gtwo"]),
        (Fault.SWAP_REPORT, ["gtwo", "gone"]),
        (Fault.DELAY_REPORT, ["gtwo", "gone"]),
    ],
)
async def test_private_reports_are_dropped_doubled_swapped_or_delayed(fault: Fault, told: list[str]) -> None:
    async with bybit_scene() as (server, client):

        def names(orders: Any) -> list[str]:
            return [each["clientOrderId"] for each in orders]

        async with watched(server, "order", client.watch_orders, names):
            heard: list[str] = []
            handle = client.handle_order

            def listen(stream: Any, message: Any) -> None:
                heard.extend(order["orderLinkId"] for order in message["data"])
                handle(stream, message)

            client.handle_order = listen
            server.faults.script("report", fault)
            await bought(client, SPOT, "0.01", 59_000, "gone")
            await bought(client, SPOT, "0.01", 58_000, "gtwo")
            await until(lambda: len(heard) == len(told))
    assert heard == told


async def test_a_silent_stream_answers_pings_and_tells_nothing() -> None:
    async with bybit_scene() as (server, client), watched(server, "order", client.watch_orders, _order) as seen:
        server.faults.silent_until_ms = server.now_ms() + 60_000
        await bought(client, SPOT, "0.01", 59_000, "gone")
        stream = client.clients[client.urls["api"]["ws"]["private"]["contract"]]
        stream.lastPong = 0
        await stream.send(client.ping(stream))
        await until(lambda: stream.lastPong > 0)
        assert seen == []
    assert server.faults.counts["silent_stream"] >= 1


async def test_a_cut_stream_fails_what_waits_on_it_and_may_be_refused_for_a_while() -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012 - the failure ends the block that waits
            async with watched(server, "order", client.watch_orders, _order):
                server.cut()
                await until(lambda: False)
        server.faults.refuse_until_ms = server.now_ms() + 60_000
        with pytest.raises(ccxt.NetworkError):
            await client.watch_orders()
        server.faults.calm()
        async with watched(server, "order", client.watch_orders, _order) as seen:
            await bought(client, SPOT, "0.01", 59_000, "gone")
            await until(lambda: len(seen) == 1)
    assert raised.group_contains(ccxt.NetworkError)
    assert seen == [[(SPOT, "gone", "open", 0.0)]]

"""The unmodified ccxt client trades on the loopback Binance, and what it is told is the truth."""

from decimal import Decimal
from itertools import count
from typing import Any

from tests.loopback.clients import AHEAD_MS, Client, StillClock, open_client
from tests.loopback.scene import wall_ms
from tests.loopback.server import loopback
from tests.loopback.venue import Side

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"


async def place(client: Client, price: str = "59000", client_id: str = "g1", **params: Any) -> dict[str, Any]:
    """A limit buy of a thousandth."""
    order: dict[str, Any] = await client.create_order(
        SYMBOL, "limit", "buy", "0.001", price, {"clientOrderId": client_id, **params}
    )
    return order


async def test_markets_come_with_their_filters_and_only_spot_is_asked_for() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        market = client.markets[SYMBOL]
        assert market["precision"] == {"amount": 1e-05, "price": 0.01, "base": 1e-08, "quote": 1e-08}
        assert market["limits"]["amount"] == {"min": 1e-05, "max": 9000.0}
        assert market["limits"]["cost"]["min"] == 5.0
        assert (market["active"], market["type"]) == (True, "spot")
        assert [line.path for line in server.requests] == ["/api/v3/exchangeInfo"]


async def test_the_time_is_that_of_the_exchange_whatever_ours_is() -> None:
    async with loopback("binance", clock_ms=lambda: 1_700_000_000_000) as server, open_client(server) as client:
        server.faults.skew_ms = 1_234
        assert await client.fetch_time() == 1_700_000_001_234


async def test_balances_are_free_and_used() -> None:
    money = {"USDT": D(1_000), "BTC": D("0.5")}
    async with loopback("binance", balances=money) as server, open_client(server) as client:
        await place(client)
        balances = await client.fetch_balance()
        assert balances["USDT"] == {"free": 941.0, "used": 59.0, "total": 1000.0}
        assert balances["BTC"] == {"free": 0.5, "used": 0.0, "total": 0.5}


async def test_a_limit_order_rests_under_its_client_id_and_is_found_and_cancelled_by_it() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        placed = await place(client)
        assert (placed["id"], placed["clientOrderId"], placed["status"]) == ("4000001", "g1", "open")
        assert (placed["price"], placed["amount"], placed["filled"], placed["timeInForce"]) == (59000, 0.001, 0, "GTC")
        found = await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"})
        assert (found["id"], found["clientOrderId"], found["status"]) == ("4000001", "g1", "open")
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(SYMBOL)] == ["g1"]
        cancelled = await client.cancel_order(None, SYMBOL, {"clientOrderId": "g1"})
        assert (cancelled["id"], cancelled["status"]) == ("4000001", "canceled")
        assert await client.fetch_open_orders(SYMBOL) == []
        assert server.venue.order(MARKET, client_id="g1").reason == "cancelled by the user"


async def test_ccxt_tells_the_id_of_the_cancel_as_the_client_id_of_the_cancelled_order() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        cancelled = await client.cancel_order(None, SYMBOL, {"clientOrderId": "g1"})
        assert cancelled["clientOrderId"] == "cancelOf4000001"
        assert cancelled["info"]["origClientOrderId"] == "g1"


async def test_post_only_goes_as_limit_maker_and_rests() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        placed = await place(client, postOnly=True)
        assert (placed["postOnly"], placed["status"], placed["info"]["type"]) == (True, "open", "LIMIT_MAKER")
        assert server.requests[-1].params["type"] == "LIMIT_MAKER"


async def test_a_taker_is_answered_with_its_fills_and_fees() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        placed = await place(client, price="60000.50")
        assert (placed["status"], placed["filled"], placed["average"]) == ("closed", 0.001, 60000.01)
        assert placed["fee"] == {"currency": "BTC", "cost": 1e-06}
        market = await client.create_order(SYMBOL, "market", "sell", "0.001")
        assert (market["status"], market["average"]) == ("closed", 60000.0)
        assert server.venue.balances()["BTC"].free == D("1.999999")


async def test_own_trades_are_found_by_order_by_time_by_id_and_by_number() -> None:
    async with (
        loopback("binance", clock_ms=count(wall_ms() + AHEAD_MS).__next__) as server,
        open_client(server) as client,
    ):
        for number in range(4):
            await place(client, price="60000", client_id=f"g{number}")
            server.venue.print_trade(MARKET, D(60_000))
        fills = server.venue.trades(MARKET)
        ids = [str(fill.trade_id) for fill in fills]

        async def asked(since: int | None = None, limit: int | None = None, **params: Any) -> list[str]:
            return [trade["id"] for trade in await client.fetch_my_trades(SYMBOL, since, limit, params)]

        assert await asked() == ids
        assert await asked(limit=2) == ids[2:]
        assert await asked(since=fills[1].at_ms) == ids[1:]
        assert await asked(fromId=fills[2].trade_id) == ids[2:]
        assert await asked(fromId=fills[1].trade_id, limit=1) == ids[1:2]
        assert await asked(orderId=fills[3].order_id) == ids[3:]


async def test_an_own_trade_tells_its_fee_and_that_it_was_maker() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        server.venue.print_trade(MARKET, D(59_000))
        (trade,) = await client.fetch_my_trades(SYMBOL)
        assert (trade["order"], trade["side"], trade["takerOrMaker"]) == ("4000001", "buy", "maker")
        assert (trade["price"], trade["amount"], trade["fee"]) == (59000, 0.001, {"currency": "BTC", "cost": 1e-06})


async def test_public_data_tells_what_was_printed() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.venue.print_trade(MARKET, D(61_000), D("0.5"))
        trades = await client.fetch_trades(SYMBOL)
        assert [(trade["price"], trade["amount"]) for trade in trades] == [(60000, 0.001), (61000, 0.5)]
        ticker = await client.fetch_ticker(SYMBOL)
        assert (ticker["last"], ticker["bid"], ticker["ask"]) == (61000, 60999.99, 61000.01)
        candles = await client.fetch_ohlcv(SYMBOL, "1h")
        assert candles[-1][4] == 61000
        assert max(candle[2] for candle in candles) == 61000
        assert sum(candle[5] for candle in candles) == 0.501


async def test_fees_and_permissions_are_told() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        fee = await client.fetch_trading_fee(SYMBOL)
        assert (fee["maker"], fee["taker"]) == (0.001, 0.001)
        assert (await client.sapi_get_account_apirestrictions())["enableWithdrawals"] is False
        server.permissions.may_withdraw, server.permissions.may_trade = True, False
        told = await client.sapi_get_account_apirestrictions()
        assert (told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (True, False)


async def test_all_orders_and_all_cancels_see_every_order_of_the_symbol() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        for number in range(3):
            await place(client, price=str(59_000 - number), client_id=f"g{number}")
        await client.cancel_order("4000001", SYMBOL)
        cancelled = await client.cancel_all_orders(SYMBOL)
        assert [order["id"] for order in cancelled] == ["4000002", "4000003"]
        told = [(order["id"], order["status"]) for order in await client.fetch_orders(SYMBOL)]
        assert told == [("4000001", "canceled"), ("4000002", "canceled"), ("4000003", "canceled")]
        assert server.venue.open_orders() == []


async def test_a_closed_order_gives_its_client_id_back_and_the_newest_is_found() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        await client.cancel_order(None, SYMBOL, {"clientOrderId": "g1"})
        again = await place(client, price="58000")
        found = await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"})
        assert (again["id"], found["id"], found["price"]) == ("4000002", "4000002", 58000)
        assert len(server.venue.orders(MARKET)) == 2


async def test_used_weight_and_orders_are_told_in_headers() -> None:
    async with loopback("binance", clock_ms=StillClock()) as server, open_client(server) as client:
        await place(client)
        headers = client.last_response_headers
        assert (headers["X-MBX-USED-WEIGHT-1M"], headers["X-MBX-ORDER-COUNT-10S"]) == ("21", "1")
        await client.fetch_open_orders(SYMBOL)
        assert client.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "27"


async def test_an_order_of_the_owner_by_hand_is_seen_like_any_other() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        hand = {
            "do": "place",
            "market": MARKET,
            "side": "sell",
            "amount": "0.1",
            "price": "65000",
            "client_id": "web_1",
        }
        async with client.session.post(f"{server.http}/_control", json=hand) as answer:
            assert await answer.json() == {"order_id": 4000001}
        (order,) = await client.fetch_open_orders(SYMBOL)
        assert (order["clientOrderId"], order["side"]) == ("web_1", Side.SELL.value)

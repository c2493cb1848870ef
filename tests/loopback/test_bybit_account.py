"""Wallet, positions, funding, leverage, permissions and the dead-man switch of Bybit, through the real client."""

from decimal import Decimal

import pytest

from tests.loopback.bybit_scene import (
    SPOT,
    SPOT_ID,
    SWAP,
    SWAP_ID,
    bought,
    bybit_client,
    bybit_scene,
    looked_up,
    protocol_of,
    until,
)
from tests.loopback.control import obey
from tests.loopback.server import loopback


async def test_markets_are_loaded_with_everybodys_requests_and_one_private_one_for_the_currencies() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        paths = [(line.path, line.params.get("category")) for line in server.requests]
    assert paths.count(("/v5/asset/coin/query-info", None)) == 1
    assert {category for path, category in paths[1:] if path == "/v5/market/instruments-info"} == {
        "spot",
        "linear",
        "inverse",
        "option",
    }
    assert len(paths) == 12
    assert sorted(client.markets) == ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT", "ETH/USDT:USDT", "SOL/USDT"]


async def test_without_keys_markets_are_loaded_with_no_private_request() -> None:
    async with bybit_scene(apiKey="", secret="") as (server, client):
        await client.load_markets()
    assert {line.path for line in server.requests} == {"/v5/market/instruments-info"}


async def test_the_clients_spot_market_has_the_venues_steps_and_limits() -> None:
    async with bybit_scene() as (_, client):
        await client.load_markets()
        market = client.markets[SPOT]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert (market["limits"]["amount"]["max"], market["limits"]["cost"]["min"]) == (9_000.0, 5.0)


async def test_the_clients_swap_hides_the_least_notional_that_the_exchange_tells() -> None:
    async with bybit_scene() as (_, client):
        await client.load_markets()
        market = client.markets[SWAP]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
    assert (market["limits"]["cost"]["min"], market["contractSize"]) == (None, 1.0)
    assert market["info"]["lotSizeFilter"]["minNotionalValue"] == "5"


async def test_what_orders_bind_is_not_free_and_spot_and_linear_share_one_wallet() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SPOT, "0.1", 50_000, "gspot")
        await bought(client, SWAP, "0.1", 50_000, "gswap")
        balance = await client.fetch_balance()
        truth = server.venue.balances()["USDT"]
    [row] = [coin for coin in balance["info"]["result"]["list"][0]["coin"] if coin["coin"] == "USDT"]
    assert (row["locked"], row["totalOrderIM"], row["walletBalance"]) == ("5000", "5000", "100000")
    assert (balance["USDT"]["free"], balance["USDT"]["used"]) == (90_000.0, 10_000.0)
    assert (truth.free, truth.locked) == (Decimal(90_000), Decimal(10_000))


async def test_a_position_is_told_with_its_side_entry_leverage_and_margin() -> None:
    async with bybit_scene() as (server, client):
        await client.set_leverage(5, SWAP)
        await bought(client, SWAP, "0.2", 59_000, "gone")
        await bought(client, SWAP, "0.2", 58_000, "gtwo")
        server.venue.print_trade(SWAP_ID, Decimal(57_000))
        [position] = await client.fetch_positions([SWAP])
        balance = await client.fetch_balance()
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.4, 58_500.0)
    assert (position["leverage"], position["initialMargin"], position["unrealizedPnl"]) == (5.0, 4_680.0, -600.0)
    [row] = [coin for coin in balance["info"]["result"]["list"][0]["coin"] if coin["coin"] == "USDT"]
    assert row["totalPositionIM"] == "4680"


async def test_flat_positions_are_left_out_unless_their_symbol_is_asked_for() -> None:
    async with bybit_scene() as (_, client):
        everything = await client.fetch_positions()
        [flat] = await client.fetch_positions([SWAP])
    assert everything == []
    assert (flat["side"], flat["contracts"], flat["entryPrice"]) == (None, 0.0, None)


async def test_closing_a_position_realizes_its_profit() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SWAP, "0.1", 59_000, "gin")
        server.venue.print_trade(SWAP_ID, Decimal(58_999))
        await client.create_order(SWAP, "limit", "sell", 0.1, 60_000, {"reduceOnly": True})
        server.venue.print_trade(SWAP_ID, Decimal(60_001))
        [flat] = await client.fetch_positions([SWAP])
        fees = sum((fill.fee for fill in server.venue.trades(SWAP_ID)), Decimal(0))
        total = server.venue.ledger.totals["USDT"]
    assert flat["contracts"] == 0.0
    assert total == Decimal(100_000) + Decimal(100) - fees


@pytest.mark.parametrize(("side", "received"), [("buy", Decimal(-6)), ("sell", Decimal(6))])
async def test_funding_is_told_with_the_opposite_sign_of_what_was_received(side: str, received: Decimal) -> None:
    async with bybit_scene() as (server, client):
        await client.create_order(SWAP, "market", side, 1)
        server.venue.settle_funding(SWAP_ID, Decimal("0.0001"), Decimal(60_000))
        [paid] = await client.fetch_funding_history(SWAP)
        trades = await client.fetch_my_trades(SWAP)
        [truth] = server.venue.funding()
    assert truth.amount == received
    assert (Decimal(paid["info"]["execFee"]), paid["amount"]) == (-received, float(-received))
    assert (paid["info"]["side"], paid["rate"]) == (
        {"buy": "Buy", "sell": "Sell"}[side],
        {"buy": 1e-4}.get(side, -1e-4),
    )
    assert len(trades) == 1


async def test_a_liquidation_cancels_the_orders_closes_the_position_and_is_an_execution_of_its_own_kind() -> None:
    async with bybit_scene() as (server, client):
        await client.create_order(SWAP, "market", "buy", 1)
        await bought(client, SWAP, "0.1", 50_000, "gresting")
        protocol_of(server).liquidate(SWAP_ID)
        [bust] = await client.fetch_my_liquidations(SWAP)
        trades = await client.fetch_my_trades(SWAP)
        resting = await looked_up(client, SWAP, "gresting")
        positions = await client.fetch_positions()
    assert (bust["info"]["execType"], bust["info"]["side"], bust["info"]["execQty"]) == ("BustTrade", "Sell", "1")
    assert bust["info"]["orderLinkId"] == ""
    assert len(trades) == 1
    assert (resting["status"], resting["info"]["cancelType"]) == ("canceled", "CancelAllBeforeLiq")
    assert positions == []


async def test_funding_and_liquidation_can_be_ordered_from_outside() -> None:
    async with bybit_scene() as (server, client):
        await client.create_order(SWAP, "market", "buy", 1)
        paid = obey(server, {"do": "funding", "market": SWAP_ID, "rate": "0.0001", "price": "60000"})
        closed = obey(server, {"do": "liquidate", "market": SWAP_ID})
        again = obey(server, {"do": "liquidate", "market": SWAP_ID})
        positions = server.venue.positions()
        last = server.venue.orders()[-1]
    assert (Decimal(paid["amount"]), closed["order_id"], again["order_id"]) == (Decimal(-6), last.order_id, None)
    assert positions == []


async def test_leverage_and_margin_mode_are_set() -> None:
    async with bybit_scene() as (server, client):
        await client.set_leverage(7, SWAP)
        await client.set_margin_mode("isolated")
        mode = await client.fetch_margin_mode(SWAP)
        position = server.venue.position(SWAP_ID)
    assert (position.leverage, mode["marginMode"]) == (Decimal(7), "isolated")


async def test_fees_are_told_for_both_kinds() -> None:
    async with bybit_scene() as (_, client):
        spot, swap = await client.fetch_trading_fee(SPOT), await client.fetch_trading_fee(SWAP)
    assert (spot["maker"], spot["taker"]) == (0.001, 0.001)
    assert (swap["maker"], swap["taker"]) == (0.0002, 0.00055)


async def test_a_key_that_may_withdraw_says_so() -> None:
    async with bybit_scene() as (server, client):
        tame = await client.privateGetV5UserQueryApi()
        server.permissions.may_withdraw = True
        server.permissions.may_trade = False
        server.permissions.is_ip_bound = False
        wild = await client.privateGetV5UserQueryApi()
    assert (tame["result"]["permissions"]["Wallet"], tame["result"]["readOnly"]) == ([], "0")
    assert tame["result"]["ips"] == ["127.0.0.1"]
    assert "Withdraw" in wild["result"]["permissions"]["Wallet"]
    assert (wild["result"]["readOnly"], wild["result"]["ips"]) == ("1", ["*"])


async def test_the_clock_is_told_with_its_skew() -> None:
    async with loopback("bybit", clock_ms=lambda: 1_700_000_000_000) as server:
        server.faults.skew_ms = 1_234
        async with bybit_client(server) as client:
            told = await client.fetch_time()
    assert told == 1_700_000_001_234


async def test_candles_prints_and_tickers_are_told_to_everybody() -> None:
    clock = [1_700_000_040_000]
    async with loopback("bybit", clock_ms=lambda: clock[0]) as server, bybit_client(server, apiKey="") as client:
        server.venue.print_trade(SPOT_ID, Decimal(61_000), Decimal("0.5"))
        clock[0] += 60_000
        server.venue.print_trade(SPOT_ID, Decimal(59_000), Decimal("0.25"))
        candles = await client.fetch_ohlcv(SPOT, "1m")
        prints = await client.fetch_trades(SPOT)
        ticker = await client.fetch_ticker(SPOT)
        book = await client.fetch_order_book(SPOT)
    assert candles[-2:] == [
        [1_700_000_040_000, 60_000.0, 61_000.0, 60_000.0, 61_000.0, 0.501],
        [1_700_000_100_000, 59_000.0, 59_000.0, 59_000.0, 59_000.0, 0.25],
    ]
    assert [(trade["price"], trade["side"]) for trade in prints[-2:]] == [(61_000.0, "buy"), (59_000.0, "sell")]
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (59_000.0, 58_999.99, 59_000.01)
    assert (book["bids"], book["asks"]) == ([[58_999.99, 0.00001]], [[59_000.01, 0.00001]])


async def test_the_dead_man_switch_needs_a_stream_that_subscribed_to_it() -> None:
    async with bybit_scene() as (server, client):
        await client.cancel_all_orders_after(40_000, {"type": "spot"})
        await bought(client, SPOT, "0.01", 59_000, "gspot")
        gone = protocol_of(server).check_dead_man(server.now_ms() + 10_000_000)
    [asked] = [line for line in server.requests if line.path == "/v5/order/disconnected-cancel-all"]
    assert asked.params == {"timeWindow": "40", "product": "SPOT"}
    assert gone == []


async def test_the_dead_man_switch_cancels_a_products_orders_when_its_streams_are_gone_for_the_window() -> None:
    async with loopback("bybit") as server:
        protocol = protocol_of(server)
        async with bybit_client(server) as client:
            await client.cancel_all_orders_after(40_000, {"type": "spot"})
            await bought(client, SPOT, "0.01", 59_000, "gspot")
            await bought(client, SWAP, "0.01", 59_000, "gswap")
            url = client.urls["api"]["ws"]["private"]["contract"]
            await client.authenticate(url)
            client.watch_multiple(url, ["dcp"], {"op": "subscribe", "req_id": "dcp", "args": ["dcp.spot"]}, ["dcp"])
            await until(lambda: any("dcp.spot" in socket.accounts for socket in server.sockets.values()))
            alive = protocol.check_dead_man(1_000_000)
            too_long_but_alive = protocol.check_dead_man(2_000_000)
        await until(lambda: not server.sockets)
        early = protocol.check_dead_man(2_039_999)
        late = protocol.check_dead_man(2_040_000)
    assert (alive, too_long_but_alive, early) == ([], [], [])
    assert [(order.client_id, order.reason) for order in late] == [("gspot", "disconnected")]
    assert [order.client_id for order in server.venue.open_orders()] == ["gswap"]

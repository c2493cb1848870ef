"""What Binance refuses and with which code, and as what the unmodified ccxt client raises it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.loopback.clients import Client, open_client
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side
from tests.loopback.venue_words import MarketStatus

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
ORDERS = [
    ({"price": "59000.005"}, "InvalidOrder", "Filter failure: PRICE_FILTER"),
    ({"price": "11000.00"}, "InvalidOrder", "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "0.001005"}, "InvalidOrder", "Filter failure: LOT_SIZE"),
    ({"quantity": "9000.1"}, "InvalidOrder", "Filter failure: LOT_SIZE"),
    ({"quantity": "0.00008"}, "BadRequest", "Filter failure: NOTIONAL"),
    ({"quantity": "2"}, "InsufficientFunds", "Account has insufficient balance for requested action."),
    ({"price": "60000.01", "type": "LIMIT_MAKER"}, "OrderImmediatelyFillable", "would immediately match and take"),
    ({"newClientOrderId": "taken"}, "InvalidOrder", "Duplicate order sent."),
    ({"newClientOrderId": "with.dot"}, "BadRequest", "Illegal characters found in parameter"),
    ({"price": "59000.000000001"}, "BadRequest", "too much precision"),
    ({"symbol": "NOSUCH"}, "BadSymbol", "Invalid symbol."),
    ({"type": "STOP_LOSS"}, "BadRequest", "Invalid orderType."),
    ({"price": ""}, "BadRequest", "Mandatory parameter 'price'"),
]


async def raw_order(client: Client, changes: dict[str, str]) -> None:
    """An order as it goes over the wire, past ccxt's own rounding."""
    plain = {"symbol": MARKET, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    await client.private_post_order(
        {**plain, "quantity": "0.001", "price": "59000", "newClientOrderId": "g1", **changes}
    )


@pytest.mark.parametrize(("changes", "error", "text"), ORDERS, ids=lambda each: str(each)[:40])
async def test_an_order_is_refused_and_nothing_is_placed(changes: dict[str, str], error: str, text: str) -> None:
    async with loopback("binance") as server, open_client(server) as client:
        place_by_hand(server)
        with pytest.raises(Exception, match=text) as refused:
            await raw_order(client, changes)
        assert type(refused.value).__name__ == error
        assert [order.client_id for order in server.venue.orders()] == ["taken"]
        assert not server.requests[-1].executed


async def test_a_closed_market_takes_no_orders_and_a_delisted_one_is_unknown() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        place_by_hand(server)
        market = server.venue.markets[MARKET]
        server.venue.change_market(replace(market, status=MarketStatus.HALTED))
        with pytest.raises(Exception, match=r"Market is closed\.") as refused:
            await raw_order(client, {})
        assert type(refused.value).__name__ == "MarketClosed"
        assert not (await client.load_markets(True))[SYMBOL]["active"]
        server.venue.change_market(replace(market, status=MarketStatus.DELISTED))
        with pytest.raises(Exception, match=r"Invalid symbol\."):
            await raw_order(client, {})
        assert SYMBOL not in await client.load_markets(True)
        assert server.venue.open_orders() == []


async def test_an_unknown_order_has_one_code_for_a_lookup_and_another_for_a_cancel() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        for ask, code in ((client.fetch_order, "-2013"), (client.cancel_order, "-2011")):
            with pytest.raises(Exception, match=code) as refused:
                await ask(None, SYMBOL, {"clientOrderId": "g1"})
            assert type(refused.value).__name__ == "OrderNotFound"


async def test_a_wrong_secret_a_wrong_key_and_a_malformed_key_are_told_apart() -> None:
    async with loopback("binance") as server:
        cases = (
            ({"secret": "wrong"}, "-1022"),
            ({"apiKey": "0" * 64}, "-2015"),
            ({"apiKey": "not-a-key"}, "-2014"),
        )
        for changes, code in cases:
            async with open_client(server, **changes) as client:
                with pytest.raises(Exception, match=code) as refused:
                    await client.fetch_balance()
                assert type(refused.value).__name__ == "AuthenticationError"


async def test_a_key_that_may_not_trade_reads_but_ccxt_takes_its_refusal_for_a_ban() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.permissions.may_trade = False
        with pytest.raises(Exception, match="-2015") as refused:
            await raw_order(client, {})
        assert type(refused.value).__name__ == "AuthenticationError"
        await client.fetch_balance()
        with pytest.raises(Exception, match="-2015") as refused:
            await raw_order(client, {})
        assert type(refused.value).__name__ == "DDoSProtection"
        assert server.venue.orders() == []


@pytest.mark.parametrize(("skew_ms", "text"), [(20_000, "outside of the recvWindow"), (-20_000, "1000ms ahead")])
async def test_a_clock_that_is_wrong_either_way_is_refused(skew_ms: int, text: str) -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.skew_ms = skew_ms
        with pytest.raises(Exception, match=text) as refused:
            await raw_order(client, {})
        assert type(refused.value).__name__ == "InvalidNonce"
        await client.load_time_difference()
        await raw_order(client, {})
        assert len(server.venue.open_orders()) == 1


async def test_the_window_is_the_one_that_was_asked_for() -> None:
    async with loopback("binance") as server, open_client(server, options={"recvWindow": 60_000}) as client:
        server.faults.skew_ms = 50_000
        await client.fetch_balance()
        client.options["recvWindow"] = 60_001
        with pytest.raises(Exception, match="recvWindow must be less than 60000"):
            await client.fetch_balance()


async def test_too_much_weight_is_429_with_retry_after_and_stubbornness_is_418() -> None:
    async with loopback("binance", clock_ms=lambda: 1_700_000_000_000) as server, open_client(server) as client:
        server.protocol.gate.weight_per_minute_max = 30  # type: ignore[attr-defined]
        server.faults.ban_seconds = 60
        for _ in range(10):
            await client.fetch_time()
        for _ in range(14):
            with pytest.raises(Exception, match="binance 4") as refused:
                await client.fetch_time()
            assert type(refused.value).__name__ == "DDoSProtection"
        statuses = [line.status for line in server.requests]
        assert statuses == [200] * 11 + [429] * 11 + [418] * 3
        assert 1 <= int(client.last_response_headers["Retry-After"]) <= 60


async def test_too_many_orders_in_ten_seconds_are_429_and_not_placed() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.protocol.gate.orders_per_10_seconds_max = 2  # type: ignore[attr-defined]
        for number in range(2):
            await raw_order(client, {"newClientOrderId": f"g{number}"})
        with pytest.raises(Exception, match="-1015"):
            await raw_order(client, {})
        assert len(server.venue.orders()) == 2
        await client.cancel_order(None, SYMBOL, {"clientOrderId": "g0"})


async def test_own_trades_are_not_asked_for_by_id_and_time_at_once() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        with pytest.raises(Exception, match="-1128"):
            await client.private_get_mytrades({"symbol": MARKET, "fromId": 1, "startTime": 1})


def place_by_hand(server: LoopbackServer) -> None:
    """An order that holds a client id."""
    server.venue.place(NewOrder(market=MARKET, side=Side.BUY, amount=D("0.001"), price=D(50_000), client_id="taken"))

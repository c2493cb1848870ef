"""What the unmodified ccxt.pro client hears on the streams of the loopback Binance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.loopback.clients import Client, Heard, listening, open_client
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"


@asynccontextmanager
async def orders_heard(client: Client) -> AsyncIterator[Heard]:
    """Everything ``watch_orders`` returns."""
    async with listening(client, lambda: client.watch_orders(SYMBOL), f"orders:{SYMBOL}") as heard:
        yield heard


def place(server: LoopbackServer, client_id: str = "g1", price: str = "59000") -> None:
    """A limit buy of a thousandth, not by this client."""
    server.venue.place(NewOrder(market=MARKET, side=Side.BUY, amount=D("0.001"), price=D(price), client_id=client_id))


async def test_trades_are_heard_as_they_print() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with listening(client, lambda: client.watch_trades(SYMBOL), f"trade::{SYMBOL}") as heard:
            await server.until(lambda: subscribed(server) == {"btcusdt@trade"})
            server.venue.print_trade(MARKET, D(61_000), D("0.25"))
            await heard.until(lambda: len(heard.items) == 1)
        (trade,) = heard.items[0]
        assert (trade["price"], trade["amount"], trade["side"]) == (61000, 0.25, "buy")


async def test_a_ticker_is_heard_at_once_and_at_each_print() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with listening(client, lambda: client.watch_ticker(SYMBOL), f"ticker:ticker@{SYMBOL}") as heard:
            await heard.until(lambda: len(heard.items) == 1)
            server.venue.print_trade(MARKET, D(61_000))
            await heard.until(lambda: len(heard.items) == 2)
        assert [item["last"] for item in heard.items] == [60000, 61000]


async def test_a_candle_is_heard_while_it_forms_and_its_end_with_the_next() -> None:
    clock = [1_700_000_040_000]
    async with loopback("binance", clock_ms=lambda: clock[0]) as server, open_client(server) as client:
        async with listening(client, lambda: client.watch_ohlcv(SYMBOL, "1m"), f"ohlcv::{SYMBOL}::1m") as heard:
            await server.until(lambda: subscribed(server) == {"btcusdt@kline_1m"})
            server.venue.print_trade(MARKET, D(61_000))
            await heard.until(lambda: len(heard.items) == 1)
            clock[0] += 60_000
            server.venue.print_trade(MARKET, D(62_000))
            await heard.until(lambda: heard.items[-1][-1][4] == 62000)
        opened = clock[0] - 60_000
        assert [candle[:5] for candle in heard.items[0]] == [[opened, 60000, 61000, 60000, 61000]]
        assert heard.items[-1][-1][:5] == [opened + 60_000, 62000, 62000, 62000, 62000]


async def test_own_orders_are_heard_when_placed_filled_and_cancelled() -> None:
    async with loopback("binance") as server, open_client(server) as client, orders_heard(client) as heard:
        place(server)
        await heard.until(lambda: len(heard.items) == 1)
        server.venue.print_trade(MARKET, D(59_000), D("0.0004"))
        await heard.until(lambda: len(heard.items) == 2)
        server.venue.cancel(MARKET, client_id="g1")
        await heard.until(lambda: len(heard.items) == 3)
        told = [(order["clientOrderId"], order["status"], order["filled"]) for (order,) in heard.items]
        assert told == [("g1", "open", 0), ("g1", "open", 0.0004), ("g1", "canceled", 0.0004)]


async def test_own_trades_are_heard_with_their_fee() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with listening(client, lambda: client.watch_my_trades(SYMBOL), f"myTrades:{SYMBOL}") as heard:
            place(server)
            server.venue.print_trade(MARKET, D(59_000))
            await heard.until(lambda: len(heard.items) == 1)
        (trade,) = heard.items[0]
        (fill,) = server.venue.trades()
        assert (trade["id"], trade["order"]) == (str(fill.trade_id), str(fill.order_id))
        assert trade["fee"] == {"cost": 1e-06, "currency": "BTC"}
        assert trade["takerOrMaker"] == "maker"


async def test_balances_are_heard_when_an_order_binds_and_when_money_comes() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with listening(client, client.watch_balance, "spot:balance") as heard:
            place(server)
            await heard.until(lambda: len(heard.items) == 1)
            server.venue.deposit("USDT", D(500))
            await heard.until(lambda: len(heard.items) == 2)
        assert [item["USDT"]["free"] for item in heard.items] == [99_941, 100_441]
        assert [item["USDT"]["used"] for item in heard.items] == [59, 59]


async def test_a_wrong_secret_is_refused_on_the_stream_too() -> None:
    async with loopback("binance") as server, open_client(server, secret="wrong") as client:
        async with orders_heard(client) as heard:
            await heard.until(lambda: heard.error is not None)
        assert type(heard.error).__name__ == "AuthenticationError"
        assert "-1022" in str(heard.error)


async def test_an_unknown_stream_is_refused() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with client.session.ws_connect(f"{server.ws}/stream/ws/9") as stream:
            await stream.send_json({"method": "SUBSCRIBE", "params": ["nosuch@trade"], "id": 7})
            answer = await stream.receive_json()
        assert answer == {"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 7}


def subscribed(server: LoopbackServer) -> set[str]:
    """All public subscriptions."""
    return {topic for socket in server.sockets.values() for topic in socket.topics}

"""Each fault of a stream, and what the unmodified ccxt.pro client raises, misses or believes because of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.loopback.binance import BinanceSpot
from tests.loopback.binance_streams import ACCOUNT
from tests.loopback.clients import Client, Heard, is_waiting, listening, open_client
from tests.loopback.faults import Fault
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"


@asynccontextmanager
async def orders_heard() -> AsyncIterator[tuple[LoopbackServer, Client, Heard]]:
    """A server, a client, and everything its ``watch_orders`` returns."""
    async with loopback("binance") as server, open_client(server) as client, listen(client) as heard:
        yield server, client, heard


@asynccontextmanager
async def listen(client: Client) -> AsyncIterator[Heard]:
    """Everything ``watch_orders`` returns from now on."""
    async with listening(client, lambda: client.watch_orders(SYMBOL), f"orders:{SYMBOL}") as heard:
        yield heard


def place(server: LoopbackServer, client_id: str) -> None:
    """A limit buy of a thousandth, not by this client."""
    server.venue.place(NewOrder(market=MARKET, side=Side.BUY, amount=D("0.001"), price=D(59_000), client_id=client_id))


def told(heard: Heard) -> list[tuple[Any, ...]]:
    """Every order that came, once for each time."""
    return [(order["clientOrderId"], order["status"], order["filled"]) for item in heard.items for order in item]


def fates(server: LoopbackServer, kind: str = "executionReport") -> list[object]:
    """What became of the reports of a kind."""
    return [line.fate for line in server.told if line.message["event"]["e"] == kind]


async def test_a_dropped_report_is_never_heard() -> None:
    async with orders_heard() as (server, _, heard):
        server.faults.script("report", Fault.DROP_REPORT)
        place(server, "g1")
        place(server, "g2")
        await heard.until(lambda: len(heard.items) == 1)
        assert told(heard) == [("g2", "open", 0)]
        assert fates(server) == [Fault.DROP_REPORT, None]


async def test_a_doubled_fill_is_one_trade_in_the_cache_of_ccxt() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        async with listening(client, lambda: client.watch_my_trades(SYMBOL), f"myTrades:{SYMBOL}") as heard:
            place(server, "g1")
            server.faults.script("report", Fault.DOUBLE_REPORT)
            server.venue.print_trade(MARKET, D(59_000))
            await heard.until(lambda: bool(heard.items))
            place(server, "g2")
            server.venue.print_trade(MARKET, D(59_000))
            await heard.until(lambda: len(client.myTrades) == 2)
        assert Fault.DOUBLE_REPORT in fates(server)
        assert len({trade["id"] for trade in client.myTrades}) == 2


async def test_swapped_reports_make_a_filled_order_open_again() -> None:
    async with orders_heard() as (server, client, heard):
        server.faults.delay_seconds = 30
        server.faults.script("report", Fault.SWAP_REPORT)
        place(server, "g1")
        server.venue.print_trade(MARKET, D(59_000))
        await heard.until(lambda: bool(heard.items))
        place(server, "g2")
        await heard.until(lambda: told(heard)[-1][0] == "g2")
        newest = {order["clientOrderId"]: (order["status"], order["filled"]) for order in client.orders}
        assert newest["g1"] == ("open", 0)
        assert not server.venue.order(MARKET, client_id="g1").is_open


async def test_a_report_that_is_held_for_a_swap_goes_out_alone_after_a_while() -> None:
    async with orders_heard() as (server, _, heard):
        server.faults.delay_seconds = 0.02
        server.faults.script("report", Fault.SWAP_REPORT)
        place(server, "g1")
        await heard.until(lambda: bool(heard.items))
        assert told(heard) == [("g1", "open", 0)]


async def test_a_delayed_report_comes_after_later_ones() -> None:
    async with orders_heard() as (server, _, heard):
        server.faults.delay_seconds = 0.05
        server.faults.script("report", Fault.DELAY_REPORT)
        place(server, "g1")
        place(server, "g2")
        await heard.until(lambda: len(told(heard)) == 2)
        assert [order[0] for order in told(heard)] == ["g2", "g1"]


async def test_a_silent_stream_answers_pings_and_tells_nothing() -> None:
    async with orders_heard() as (server, client, heard):
        server.faults.silent_until_ms = server.now_ms() + 60_000
        place(server, "g1")
        async with client.session.ws_connect(f"{server.ws}/ws-api/v3") as stream:
            await stream.send_json({"id": 1, "method": "ping"})
            assert (await stream.receive_json())["status"] == 200
        server.faults.calm()
        place(server, "g2")
        await heard.until(lambda: bool(heard.items))
        assert told(heard) == [("g2", "open", 0)]
        assert fates(server) == ["silent_stream", None]


@pytest.mark.parametrize("how", ["cut", "disconnect"])
async def test_a_broken_stream_raises_and_the_next_watch_opens_a_new_one(how: str) -> None:
    async with orders_heard() as (server, client, heard):
        getattr(server, how)()
        await heard.until(lambda: heard.error is not None)
        assert type(heard.error).__name__ == "NetworkError"
        place(server, "g1")
        async with listen(client) as again:
            place(server, "g2")
            await again.until(lambda: bool(again.items))
        assert told(again) == [("g2", "open", 0)]


async def test_a_refused_reconnect_raises_until_it_is_let_in() -> None:
    async with orders_heard() as (server, client, heard):
        server.faults.refuse_until_ms = server.now_ms() + 60_000
        server.cut()
        await heard.until(lambda: heard.error is not None)
        async with listen(client) as refused:
            await refused.until(lambda: refused.error is not None)
        assert type(refused.error).__name__ == "NetworkError"
        assert server.faults.counts["refused_connection"] == 1
        server.faults.calm()
        async with listen(client) as again:
            place(server, "g1")
            await again.until(lambda: bool(again.items))


async def test_a_subscription_that_the_exchange_ends_leaves_the_watch_waiting_for_ever() -> None:
    async with orders_heard() as (server, client, heard):
        protocol = server.protocol
        assert isinstance(protocol, BinanceSpot)
        protocol.streams.end_account_streams()
        with anyio.fail_after(5):
            while any("spot" in stream.subscriptions for stream in client.clients.values()):
                await anyio.lowlevel.checkpoint()
        place(server, "g1")
        assert (heard.items, heard.error) == ([], None)
        assert is_waiting(client, f"orders:{SYMBOL}")
        assert not any(ACCOUNT in socket.accounts for socket in server.sockets.values())


async def test_a_fill_while_disconnected_is_told_by_no_stream_and_by_every_list() -> None:
    async with orders_heard() as (server, client, heard):
        place(server, "g1")
        await heard.until(lambda: bool(heard.items))
        server.cut()
        await heard.until(lambda: heard.error is not None)
        server.venue.print_trade(MARKET, D(59_000))
        (trade,) = await client.fetch_my_trades(SYMBOL)
        assert (trade["order"], trade["amount"]) == ("4000001", 0.001)
        assert fates(server) == [None]

"""Keeping the streams up: the real client on both loopback protocols, and every way in which a stream ends."""

import asyncio
from typing import Any

import anyio
import pytest

from engine.exchange.foreign.streams import connections
from engine.exchange.foreign.streams.connections import Connections
from engine.model.snapshot import Connection, EventLevel
from tests.exchange.foreign.stream_bench import (
    DOWN,
    MARKET,
    PROTOCOLS,
    SYMBOL,
    UP,
    D,
    client_of,
    nothing_unhandled,
    opened,
    place,
    private_sockets,
    public_sockets,
    quick,
    streaming,
    trade_ids,
)
from tests.loopback.server import loopback

pytestmark = pytest.mark.usefixtures(quick.__name__)
CONNECTING = Connection.CONNECTING


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rel_12_connected_is_told_when_private_and_public_streams_are_there(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        assert ear.states == [CONNECTING, UP]
        assert private_sockets(server) == 1
        await server.until(lambda: public_sockets(server) == 1)
        assert {D(price) for _, price in ear.prices} == {D(60_000)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["cut", "disconnect"])
async def test_rel_12_a_break_is_told_once_and_then_the_streams_are_whole_again(protocol: str, how: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange:
        with nothing_unhandled():
            async with streaming(exchange) as ear:
                getattr(server, how)()
                await ear.until(lambda: ear.states.count(UP) == 2)
                assert ear.states == [CONNECTING, UP, DOWN, UP]
                await server.until(lambda: public_sockets(server) == 1)
                server.venue.print_trade(MARKET, D(61_000))
                await ear.until(lambda: D(ear.prices[-1][1]) == 61_000)
                assert [level for text, level in ear.notices if "broke" in text] == [EventLevel.WARNING]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reconnect_that_is_refused_is_told_once_however_often_it_is_tried(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        server.faults.refuse_until_ms = server.now_ms() + 3_600_000
        server.cut()
        await server.until(lambda: server.faults.counts["refused_connection"] >= 8)
        assert ear.states == [CONNECTING, UP, DOWN]
        assert len([text for text, _ in ear.notices if "broke" in text]) <= 3
        server.faults.refuse_until_ms = 0
        await ear.until(lambda: ear.states[-1] is UP)
        assert ear.states == [CONNECTING, UP, DOWN, UP]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rel_12_what_filled_during_a_gap_is_told_and_the_new_stream_is_not_blamed_for_it(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        place(server, "gabc00e000000001")
        await ear.until(lambda: ear.reports)
        server.faults.refuse_until_ms = server.now_ms() + 3_600_000
        server.cut()
        await ear.until(lambda: ear.states[-1] is DOWN)
        server.venue.print_trade(MARKET, D(59_000))
        server.faults.refuse_until_ms = 0
        await ear.until(lambda: trade_ids(ear) and ear.states[-1] is UP)
        asked = len([line for line in server.requests if line.name == "my_trades"])
        await server.until(lambda: len([line for line in server.requests if line.name == "my_trades"]) >= asked + 5)
        assert ear.states == [CONNECTING, UP, DOWN, UP]
        assert len(trade_ids(ear)) == len(server.venue.trades()) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nothing_is_told_after_cancel_and_run_may_be_called_again(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange:
        async with streaming(exchange) as first:
            exchange.watch_candles(SYMBOL, 60_000)
        await server.until(lambda: not server.sockets)
        heard = (list(first.prices), list(first.reports), list(first.connections), list(first.candles))
        exchange.tell_prices()
        async with streaming(exchange) as second:
            await server.until(lambda: public_sockets(server) == 1)
            server.venue.print_trade(MARKET, D(59_500))
            await second.until(lambda: D(second.prices[-1][1]) == 59_500)
            place(server, "gabc00e000000001", "58000")
            await second.until(lambda: second.reports)
        assert second.states == [CONNECTING, UP]
        assert (first.prices, first.reports, first.connections, first.candles) == heard


async def test_a_closing_handshake_that_hangs_does_not_leave_the_next_session_deaf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "CLOSE_SECONDS_MAX", 0.05)
    async with loopback("binance") as server, opened(server) as exchange, streaming(exchange) as ear:
        real = client_of(exchange).close_ws_clients
        monkeypatch.setattr(client_of(exchange), "close_ws_clients", anyio.sleep_forever)
        server.venue.print_trade(MARKET, D(61_000))
        await ear.until(lambda: D(ear.prices[-1][1]) == 61_000)
        # Both streams are sound and only one of them ends: the other is still open when it is let go of.
        for number, socket in list(server.sockets.items()):
            if socket.topics:
                server._transports[number].abort()
        await ear.until(lambda: ear.states.count(UP) == 2)
        await server.until(lambda: public_sockets(server) == 1)
        place(server, "gabc00e000000001", "58000")
        await ear.until(lambda: ear.reports)
        monkeypatch.setattr(client_of(exchange), "close_ws_clients", real)


async def test_a_connection_that_comes_up_after_it_was_let_go_of_is_closed_and_says_nothing() -> None:
    async with loopback("binance") as server, opened(server) as exchange:
        client = client_of(exchange)
        told = Connections(client)
        watch = client.watch_trades(SYMBOL)
        with nothing_unhandled():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_cancelled, watch)
                while not [each for each in client.clients.values() if each.connecting]:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            await told.let_go()
            await server.until(lambda: server._sockets_opened == 1 and not server.sockets)
        assert client.clients == {}


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.soak)])
async def test_reconnects_leave_no_task_connection_or_error_behind(times: int) -> None:
    async with loopback("binance") as server, opened(server) as exchange:
        with nothing_unhandled():
            async with streaming(exchange) as ear:
                tasks = len(asyncio.all_tasks())
                for count in range(2, times + 2):
                    (server.cut if count % 2 else server.disconnect)()
                    await ear.until_up(count)
                await server.until(lambda: public_sockets(server) == private_sockets(server) == 1)
                assert len(client_of(exchange).clients) == 2
                await server.until(lambda: len(server.sockets) == 2)
                assert len(asyncio.all_tasks()) <= tasks + 4
        assert ear.states == [CONNECTING, UP, *[DOWN, UP] * times]


async def _until_cancelled(watch: Any) -> None:
    await watch

"""Connections that nobody reads any more, and the library's errors that nobody fetches."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.streams.connections import Connections
from tests.exchange.foreign.stream_bench import (
    DOWN,
    PROTOCOLS,
    UP,
    client_of,
    nothing_unhandled,
    opened,
    place,
    quick,
    streaming,
)
from tests.loopback.binance import BinanceSpot
from tests.loopback.server import loopback

pytestmark = pytest.mark.usefixtures(quick.__name__)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("text", ['{"half": ', '{"e": "kline", "k": 5}' * 2])
async def test_rel_11_a_message_that_cannot_be_read_ends_the_session_and_is_on_no_screen(
    protocol: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with loopback(protocol) as server, opened(server) as exchange:
        with nothing_unhandled(), caplog.at_level(logging.DEBUG, "asyncio"):
            async with streaming(exchange) as ear:
                server.tear(text)
                await ear.until(lambda: ear.states.count(UP) == 2)
                place(server, "gabc00e000000001", "58000")
                await ear.until(lambda: ear.reports)
        broke = [text for text, _ in ear.notices if "broke" in text]
        assert len(broke) == 1
        assert "a message could not be read" in broke[0]
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_rel_31_an_account_stream_that_the_exchange_ends_is_opened_again_though_its_connection_lives() -> None:
    async with loopback("binance") as server, opened(server) as exchange, streaming(exchange) as ear:
        assert isinstance(server.protocol, BinanceSpot)
        server.protocol.streams.end_account_streams()
        await ear.until(lambda: ear.states.count(UP) == 2)
        assert DOWN in ear.states
        place(server, "gabc00e000000001", "58000")
        await ear.until(lambda: ear.reports)


async def test_a_busy_connection_is_not_taken_for_one_that_nobody_reads() -> None:
    connection = SimpleNamespace(buffer=[], rejections={})
    connections = _connections(connection)
    for number in range(50):
        connection.buffer = [(f"message {number}", 9)]
        assert connections.problem() is None


async def test_rel_11_a_message_that_stays_unread_is_seen_after_two_seconds() -> None:
    message = object()
    connection = SimpleNamespace(buffer=[(message, 9)], rejections={})
    connections = _connections(connection)
    looks = 0
    while (problem := connections.problem()) is None:
        connection.buffer = [(message, 9)]  # the library writes its size anew
        looks += 1
    assert looks == 8
    assert problem == "a message could not be read, and nobody reads that connection any more"


async def test_a_connection_of_another_make_without_a_buffer_is_no_trouble() -> None:
    assert _connections(SimpleNamespace()).problem() is None


async def test_an_error_of_ours_in_the_background_is_handed_on() -> None:
    connections = _connections(SimpleNamespace())
    heard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    with connections.catching_failures():
        loop.call_exception_handler({"message": "ours", "exception": ValueError("ours")})
    loop.set_exception_handler(None)
    assert [context["message"] for context in heard] == ["ours"]


async def test_no_key_or_signature_is_in_what_a_break_says() -> None:
    async with loopback("binance") as server, opened(server) as exchange:
        client = client_of(exchange)
        async with streaming(exchange) as ear:
            for connection in list(client.clients.values()):
                url = f"wss://stream.example/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61?signature={'f' * 64}"
                connection.on_error(ConnectionError(f"Connection to {url} timed out"))
            await ear.until(lambda: ear.states.count(UP) == 2)
        told = " ".join(text for text, _ in ear.notices)
        assert "timed out" in told
        assert "pqia91" not in told
        assert "ffff" not in told


def _connections(connection: object) -> Connections:
    client = SimpleNamespace(clients={"wss://stream": connection})
    return Connections(cast("ForeignClient", client))

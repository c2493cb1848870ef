"""The loopback server itself: its logs, its control from outside, its storm, and that its own mistakes end a test."""

import random
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.loopback.clients import Client, open_client
from tests.loopback.faults import RequestName
from tests.loopback.server import LoopbackServer, loopback

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"


async def command(server: LoopbackServer, client: Client, **what: Any) -> dict[str, Any]:
    """One control command over HTTP."""
    async with client.session.post(f"{server.http}/_control", json=what) as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def test_every_request_is_logged_with_what_became_of_it() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await client.create_order(SYMBOL, "limit", "buy", "0.001", "59000", {"clientOrderId": "g1"})
        with pytest.raises(Exception, match="Duplicate"):
            await client.create_order(SYMBOL, "limit", "buy", "0.001", "58000", {"clientOrderId": "g1"})
        logged = [(line.name, line.method, line.executed, line.status, line.weight) for line in server.requests]
        assert logged == [
            (RequestName.MARKETS, "GET", True, 200, 20),
            (RequestName.PLACE, "POST", True, 200, 1),
            (RequestName.PLACE, "POST", False, 400, 1),
        ]
        assert server.requests[1].params["newClientOrderId"] == "g1"


async def test_it_is_steered_from_outside() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        hand = {"market": MARKET, "client_id": "web_1"}
        await command(server, client, do="place", side="buy", amount="0.001", price="59000", **hand)
        await command(server, client, do="print", market=MARKET, price="59000", amount="0.0004")
        await command(server, client, do="cancel", **hand)
        await command(server, client, do="deposit", currency="USDT", amount="5")
        told = await command(server, client, do="truth")
        assert [(each["status"], each["filled"]) for each in told["truth"]["orders"]] == [("canceled", "0.0004")]
        assert told["truth"]["balances"]["USDT"] == {"free": "99981.4", "locked": "0"}
        assert told["truth"] == server.venue.truth()
        assert await command(server, client, do="checksum") == {"checksum": server.venue.checksum()}


async def test_faults_are_switched_from_outside() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await command(server, client, do="script", request="time", fault="rate_limit")
        with pytest.raises(Exception, match="429"):
            await client.fetch_time()
        await command(server, client, do="faults", chances={"rate_limit": 1.0}, values={"skew_ms": 5})
        assert server.faults.skew_ms == 5
        with pytest.raises(Exception, match="429"):
            await client.fetch_time()
        await command(server, client, do="calm")
        await client.fetch_time()
        counts = await command(server, client, do="counts")
        assert counts["faults"] == {"rate_limit": 2}
        assert counts["requests"] == {"markets": 1, "time": 3}
        told = await command(server, client, do="requests", newest=1)
        assert [(line["name"], line["status"]) for line in told["requests"]] == [("time", 200)]


async def test_a_mistake_of_the_server_ends_the_block_that_opened_it() -> None:
    async def provoke() -> None:
        async with loopback("binance") as server, open_client(server) as client:
            del server.venue.candles[MARKET]
            with pytest.raises(Exception, match="500"):
                await client.fetch_ticker(SYMBOL)

    with pytest.raises(ExceptionGroup, match="the loopback server failed") as failed:
        await provoke()
    assert isinstance(failed.value.exceptions[0], KeyError)


async def test_a_failing_block_raises_what_it_failed_with() -> None:
    with pytest.raises(ZeroDivisionError):
        async with loopback("binance"):
            raise ZeroDivisionError


async def test_waiting_for_what_does_not_come_ends() -> None:
    async with loopback("binance") as server:
        with pytest.raises(TimeoutError):
            await server.until(lambda: False, seconds=0.01)


async def test_a_storm_spoils_answers_and_never_the_books() -> None:
    async with loopback("binance", seed=11) as server, open_client(server, timeout=300) as client:
        server.faults.late_seconds = server.faults.delay_seconds = 0.01
        server.faults.ban_seconds = 0
        server.faults.storm(3.0)
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(trade_wildly, server, client, number)
        server.faults.calm()
        struck = {line.fault for line in server.requests if line.fault}
        assert len(struck) >= 10
        told = {order["clientOrderId"] for order in await client.fetch_open_orders(SYMBOL)}
        assert told == {order.client_id for order in server.venue.open_orders()}
        trades = await client.fetch_my_trades(SYMBOL, None, 1000)
        assert [int(trade["id"]) for trade in trades] == [fill.trade_id for fill in server.venue.trades()]
        executed = [line for line in server.requests if line.name is RequestName.PLACE and line.executed]
        assert len(executed) == len(server.venue.orders())


async def trade_wildly(server: LoopbackServer, client: Client, number: int) -> None:
    """Place, cancel and look, whatever is raised."""
    dice = random.Random(number)
    for step in range(60):
        price = D(60_000) + dice.randrange(-2_000, 2_000)
        params = {"clientOrderId": f"g{number}x{step}"}
        try:
            if step % 4 < 2:
                side = "buy" if price < 60_000 else "sell"
                await client.create_order(SYMBOL, "limit", side, "0.001", str(price), params)
            elif step % 4 == 2:
                orders = server.venue.open_orders()
                await client.cancel_order(str(dice.choice(orders).order_id if orders else 1), SYMBOL)
            else:
                await client.fetch_open_orders(SYMBOL)
        except Exception:  # noqa: BLE001 - a storm raises everything there is
            server.venue.print_trade(MARKET, price)

"""The real ccxt.pro client of Bybit against a loopback server, and what tests of it share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from tests.loopback.bybit import Bybit
from tests.loopback.server import LoopbackServer, loopback

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
SPOT_ID, SWAP_ID = "BTCUSDT", "BTCUSDT.P"
MARKET_IDS = {SPOT: SPOT_ID, SWAP: SWAP_ID}
DEADLINE_SECONDS = 10
Client = Any
"""``ccxt.pro.bybit``, which has no types."""


@asynccontextmanager
async def bybit_client(server: LoopbackServer, **config: object) -> AsyncIterator[Client]:
    """The unmodified client with the account's keys; ``config`` goes to its constructor."""
    import ccxt.pro

    settings = {**server.ccxt_keys(), **server.ccxt_options(), "enableRateLimit": False, **config}
    client = ccxt.pro.bybit(settings)
    try:
        with anyio.fail_after(DEADLINE_SECONDS):
            yield client
    finally:
        with anyio.CancelScope(shield=True):
            await client.close()


@asynccontextmanager
async def bybit_scene(**config: object) -> AsyncIterator[tuple[LoopbackServer, Client]]:
    """A server with the everyday markets and a client of it."""
    async with loopback("bybit") as server, bybit_client(server, **config) as client:
        yield server, client


def protocol_of(server: LoopbackServer) -> Bybit:
    """The protocol, with what the exchange does by itself."""
    assert isinstance(server.protocol, Bybit)
    return server.protocol


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to be true; the scene's deadline ends it."""
    while not condition():
        await checkpoint()


@asynccontextmanager
async def watched(
    server: LoopbackServer, topic: str, watch: Callable[[], Awaitable[Any]], pick: Callable[[Any], Any]
) -> AsyncIterator[list[Any]]:
    """What a watch method of the client returns from now on, each as ``pick`` sees it, once ``topic`` is subscribed."""
    seen: list[Any] = []

    async def follow() -> None:
        while True:
            seen.append(pick(await watch()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await until(lambda: any(topic in socket.topics | socket.accounts for socket in server.sockets.values()))
        yield seen
        tasks.cancel_scope.cancel()


async def bought(client: Client, symbol: str, amount: str, price: int, client_id: str, **params: object) -> Any:
    """A limit buy with our own id."""
    wanted = {"clientOrderId": client_id, **params}
    return await client.create_order(symbol, "limit", "buy", float(Decimal(amount)), price, wanted)


async def looked_up(client: Client, symbol: str, client_id: str) -> Any:
    """An order by our own id, the way it really works: an empty id of the exchange beside it."""
    return await client.fetch_order("", symbol, {"orderLinkId": client_id, "acknowledged": True})

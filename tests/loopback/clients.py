"""The real, unmodified ccxt client against a loopback server, and what it hears on a stream."""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from tests.loopback.scene import wall_ms
from tests.loopback.server import LoopbackServer

QUICK = {"enableRateLimit": False, "timeout": 5_000, "timeout_on_exit": 0, "verify": False}
"""No throttling, no wait for TLS connections to end, no certificates to load."""
AHEAD_MS = 5_000
Client = Any
"""A ``ccxt.pro`` exchange."""


@asynccontextmanager
async def open_client(server: LoopbackServer, **changes: Any) -> AsyncIterator[Client]:
    """A ccxt.pro client of the server's exchange with its markets loaded; ``changes`` go to the constructor."""
    import ccxt.pro

    known = {**server.ccxt_options(), **server.ccxt_keys(), **QUICK}
    changes["options"] = {**known["options"], **changes.get("options", {})}
    client = getattr(ccxt.pro, server.protocol.name)({**known, **changes})
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


class StillClock:
    """An exchange's clock that moves only when a test moves it.

    It begins some seconds ahead of ours, so that signed requests are still within their window later in the test.
    """

    def __init__(self) -> None:
        """Ahead of the wall clock."""
        self.ms = wall_ms() + AHEAD_MS

    def __call__(self) -> int:
        """UTC milliseconds."""
        return self.ms


class Heard:
    """What one ``watch_`` method returned so far, each a copy, and the error that ended it."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.items: list[Any] = []
        self.error: Exception | None = None
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 5) -> None:
        """Wait until something is so. Raises ``TimeoutError``."""
        with anyio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    async def listen(self, watch: Callable[[], Awaitable[Any]]) -> None:
        """Call it again and again until it raises."""
        while self.error is None:
            try:
                self.items.append(copy.deepcopy(await watch()))
            except Exception as error:  # noqa: BLE001 - whatever the client raises is what the test asks about
                self.error = error
            self._changed.set()
            self._changed = anyio.Event()


@asynccontextmanager
async def listening(client: Client, watch: Callable[[], Awaitable[Any]], message_hash: str) -> AsyncIterator[Heard]:
    """Listen while the block runs; it begins when ccxt really waits for ``message_hash``."""
    heard = Heard()
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.listen, watch)
        try:
            with anyio.fail_after(5):
                while heard.error is None and not is_waiting(client, message_hash):
                    await anyio.lowlevel.checkpoint()
            yield heard
        except Exception as error:  # noqa: BLE001 - raised below as it is, not as a group of one
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def is_waiting(client: Client, message_hash: str) -> bool:
    """Whether some stream of the client has a future for this message."""
    return any(message_hash in stream.futures for stream in client.clients.values())

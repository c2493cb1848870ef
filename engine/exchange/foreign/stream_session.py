"""One session of the streams: it lives as long as every one of them does, and breaks as a whole.

The client library's streams can die in silence: its receive loop ends when a message cannot be parsed, an update
that comes while nobody waits is held back, and a connection can answer pings and bring nothing. So each message is
only a hint to look at what the library has kept, it is looked at on a clock as well, and watchers compare with what
the exchange answers when it is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.errors import clean_reason

LOOK_SECONDS = 0.25
_STUCK_LOOKS = 8
"""A message that lies unread in a connection for so many looks: nobody reads there any more."""


class StreamBroken(Exception):
    """The session is over; the message says why."""


class StreamSession:
    """Runs pumps until one of them breaks. ``look`` is called whenever something may have come, and on a clock."""

    def __init__(self, client: ForeignClient, tasks: TaskGroup, *, look: Callable[[], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._look = look
        self._stuck: dict[str, tuple[int, int]] = {}

    def pump(self, name: str, watch: Callable[[], Awaitable[Any]], took: Callable[[Any], None] | None = None) -> None:
        """Watch a stream as long as the session lives; ``took`` gets what each message brought."""
        self._tasks.start_soon(self._pump, name, watch, took)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something beside the pumps as long as the session lives; it may raise ``StreamBroken``."""
        self._tasks.start_soon(work)

    def start_looking(self) -> None:
        """Look on a clock from now on, and whether somebody still reads every connection."""
        self._tasks.start_soon(self._look_on_a_clock)

    async def _pump(self, name: str, watch: Callable[[], Awaitable[Any]], took: Callable[[Any], None] | None) -> None:
        while True:
            try:
                brought = await watch()
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                # The library cancels what waits on a connection that it closes.
                raise StreamBroken(f"{name}: the connection was closed") from None
            except Exception as error:  # noqa: BLE001 - whatever breaks in the library ends the session, never the engine
                raise StreamBroken(f"{name}: {clean_reason(error)}") from None
            if took is not None:
                took(brought)
            self._look()

    async def _look_on_a_clock(self) -> None:
        while True:
            await anyio.sleep(LOOK_SECONDS)
            self._look()
            self._check_is_read(self._client.clients)

    def _check_is_read(self, connections: Mapping[str, Any]) -> None:
        for url, connection in list(connections.items()):
            buffer = connection.buffer
            if not buffer:
                self._stuck.pop(url, None)
                continue
            first = id(buffer[0])
            seen, looks = self._stuck.get(url, (first, 0))
            looks = looks + 1 if seen == first else 0
            self._stuck[url] = first, looks
            if looks >= _STUCK_LOOKS:
                raise StreamBroken("a message could not be read, and nobody reads that connection any more")


def _is_cancelled() -> bool:
    """Whether this task itself is to end, rather than what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""One session of the streams: it lives as long as every one of them does, and breaks as a whole.

The client library's streams can die in silence: its receive loop ends when a message cannot be parsed, an update
that comes while nobody waits is held back, and a connection can answer pings and bring nothing. So each message is
only a hint to look at what the library has kept, it is looked at on a clock as well, and watchers compare with what
the exchange answers when it is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine.exchange.foreign.proof.errors import clean_reason

LOOK_SECONDS = 0.25
ASLEEP_MS = 5_000
"""The wall clock has gone on by so much more than this process has: the machine slept, and every connection is dead."""
_BREATH = 64
"""A stream that always has something at once lets everybody else run after so many messages."""


class StreamBroken(Exception):
    """The session is over; the message says why."""


class StreamSession:
    """Runs pumps until one of them breaks. ``look`` is called on a clock; what it says is wrong ends the session."""

    def __init__(self, tasks: TaskGroup, *, look: Callable[[], str | None], now_ms: Callable[[], int]) -> None:
        self._tasks = tasks
        self._look = look
        self._now_ms = now_ms

    def pump(self, name: str, watch: Callable[[], Awaitable[Any]], took: Callable[[Any], None]) -> None:
        """Watch a stream as long as the session lives; ``took`` gets what each message brought."""
        self._tasks.start_soon(self._pump, name, watch, took)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something beside the pumps as long as the session lives; it may raise ``StreamBroken``."""
        self._tasks.start_soon(work)

    def start_looking(self) -> None:
        """Look on a clock from now on."""
        self._tasks.start_soon(self._look_on_a_clock)

    async def _pump(self, name: str, watch: Callable[[], Awaitable[Any]], took: Callable[[Any], None]) -> None:
        messages = 0
        while True:
            try:
                brought = await watch()
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                # The library cancels what waits on a connection that it closes.
                raise StreamBroken(f"{name}: the connection was closed") from None
            except StreamBroken:
                raise
            except Exception as error:  # noqa: BLE001 - whatever breaks in the library ends the session, never the engine
                raise StreamBroken(f"{name}: {clean_reason(error)}") from None
            took(brought)
            messages += 1
            if messages % _BREATH == 0:
                await anyio.lowlevel.checkpoint()

    async def _look_on_a_clock(self) -> None:
        while True:
            wall_ms, awake_seconds = self._now_ms(), anyio.current_time()
            await anyio.sleep(LOOK_SECONDS)
            slept_ms = self._now_ms() - wall_ms - (anyio.current_time() - awake_seconds) * 1000
            if slept_ms > ASLEEP_MS:
                raise StreamBroken(f"this machine slept, or its clock was set forward, by {slept_ms / 1000:.0f} s")
            problem = self._look()
            if problem is not None:
                raise StreamBroken(problem)


def _is_cancelled() -> bool:
    """Whether this task itself is to end, rather than what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""The client library's connections: whether somebody still reads them, and how a session lets go of all of them.

The library's receive loop ends without a word when a message cannot be parsed. What it raises in the background
nobody fetches, and a connection that closes late deletes the new one of the same address. So every connection is
watched, and one that is let go of can neither speak nor delete anything any more.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.proof.errors import clean_reason

CLOSE_SECONDS_MAX = 3.0
"""A closing handshake may take longer, in the background."""
_STUCK_LOOKS = 8
"""A message that lies unread in a connection for so many looks: nobody reads there any more."""
_FOREIGN_MODULES = ("ccxt", "aiohttp")


class Connections:
    """The connections of one client."""

    def __init__(self, client: ForeignClient) -> None:
        self._client = client
        self._unread: dict[str, tuple[object, int]] = {}
        self._opened: list[Any] = []
        self._failure: str | None = None
        client.on_connected = self._note  # type: ignore[attr-defined] # the library's own hook

    def problem(self) -> str | None:
        """Why no more is to be expected of them; None while all is well. To be asked again and again."""
        if self._failure is not None:
            return self._failure
        for url, connection in list(self._client.clients.items()):
            rejections = getattr(connection, "rejections", None)
            if rejections:
                return f"the exchange ended or refused a subscription: {_said(next(iter(rejections.values())))}"
            if self._is_stuck(url, connection):
                return "a message could not be read, and nobody reads that connection any more"
        return None

    @contextmanager
    def catching_failures(self) -> Iterator[None]:
        """What the library raises in the background of this loop is ours to see, and nobody else's."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()

        def hear(running: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, BaseException) and _is_foreign(error):
                if "handle" in context and isinstance(error, Exception):
                    # A callback of the library: its receive loop, which does not begin again.
                    self._failure = f"a message could not be read: {clean_reason(error)}"
            elif before is not None:
                before(running, context)
            else:
                running.default_exception_handler(context)

        loop.set_exception_handler(hear)
        try:
            yield
        finally:
            if loop.get_exception_handler() is hear:
                loop.set_exception_handler(before)

    async def let_go(self) -> None:
        """Close them all, or at least never hear of them again."""
        left = [*self._opened, *self._client.clients.values()]
        for connection in left:
            _silence(connection)
        with anyio.move_on_after(CLOSE_SECONDS_MAX):
            await self._client.close_ws_clients()
        # One that is still closing would be taken for open, and never subscribed again.
        self._client.clients.clear()
        self._opened.clear()
        self._unread.clear()
        self._failure = None

    def _note(self, connection: Any, *_: object) -> None:
        self._opened.append(connection)

    def _is_stuck(self, url: str, connection: Any) -> bool:
        buffer = getattr(connection, "buffer", None)
        first = buffer[0][0] if buffer else None
        seen, looks = self._unread.get(url, (None, 0))
        looks = looks + 1 if first is not None and first is seen else 0
        self._unread[url] = first, looks
        return looks >= _STUCK_LOOKS


def _silence(connection: Any) -> None:
    connection.on_message_callback = _ignore
    connection.on_error_callback = _ignore
    connection.on_close_callback = _ignore
    connection.on_connected_callback = _refuse
    for future in (*connection.futures.values(), getattr(connection, "ping_looper", None)):
        if future is not None:
            future.add_done_callback(_fetch_error)


def _ignore(*_: object) -> None:
    """Nobody listens to it any more."""


def _refuse(*_: object) -> None:
    """It was still connecting when it was let go of: the library closes what fails here.

    Raises:
        ConnectionAbortedError: always.
    """
    raise ConnectionAbortedError("nobody waits for this connection any more")


def _fetch_error(future: "asyncio.Future[object]") -> None:
    if not future.cancelled():
        future.exception()


def _said(refusal: object) -> str:
    return clean_reason(refusal) if isinstance(refusal, BaseException) else "it gave no reason"


def _is_foreign(error: BaseException) -> bool:
    """Whether an error is the library's own, or was raised in its code."""
    modules = [type(error).__module__]
    trace = error.__traceback__
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__")))
        trace = trace.tb_next
    return any(module.partition(".")[0] in _FOREIGN_MODULES for module in modules)


__all__ = ["CLOSE_SECONDS_MAX", "Connections"]

"""The streams of a real exchange: public prices and candles, the account's orders; kept up, watched, and told.

One state for all: either every stream is there, or the connection is down and nothing new is placed. After every
break the engine compares books and exchange before it goes on, so a session is called connected only when the
private streams are open as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import anyio
from anyio.abc import TaskStatus

from engine.exchange.foreign.candle_stream import CandleStream
from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.price_stream import PriceStream
from engine.exchange.foreign.private_watch import PrivateWatch
from engine.exchange.foreign.requester import Notice
from engine.exchange.foreign.stream_session import StreamBroken, StreamSession
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError
from engine.model.snapshot import Connection, EventLevel

OPEN_SECONDS_MAX = 30.0
"""A session that is not whole by then is begun anew."""
LONG_MS = 60_000
"""A session that lived for so long ends all back-off."""
_BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_CLOSE_SECONDS_MAX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamParts:
    """What the streams are made of. ``orders`` None: public data alone."""

    client: ForeignClient
    prices: PriceStream
    candles: CandleStream
    orders: PrivateWatch | None
    now_ms: Callable[[], int]
    notice: Notice
    dice: Random


class Streams:
    """One per account; ``run`` may be called again after it was cancelled."""

    def __init__(self, parts: StreamParts) -> None:
        self._parts = parts

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None]) -> None:
        """Keep the streams up until cancelled; started once they were whole for the first time."""
        parts = self._parts
        listener.on_connection(Connection.CONNECTING)
        failures, is_started = 0, False
        try:
            while True:
                connected_ms: int | None = None
                reason = ""
                try:
                    async with anyio.create_task_group() as tasks:
                        session = StreamSession(parts.client, tasks, look=self._look)
                        await self._open(session, listener)
                        connected_ms = parts.now_ms()
                        listener.on_connection(Connection.CONNECTED)
                        if not is_started:
                            is_started = True
                            task_status.started()
                        await anyio.sleep_forever()
                except* StreamBroken as group:
                    reason = _first_text(group)
                lived_ms = 0 if connected_ms is None else parts.now_ms() - connected_ms
                failures = 0 if lived_ms > LONG_MS else failures + 1
                if connected_ms is not None:
                    listener.on_connection(Connection.DISCONNECTED)
                parts.notice(f"the streams broke: {reason}", EventLevel.WARNING)
                await self._close()
                await anyio.sleep(self._back_off(failures))
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    def _look(self) -> None:
        self._parts.prices.look()
        if self._parts.orders is not None:
            self._parts.orders.look()

    async def _open(self, session: StreamSession, listener: ExchangeListener) -> None:
        """Open every stream; returns when all of them are there. Raises ``StreamBroken``."""
        parts = self._parts
        try:
            with anyio.fail_after(OPEN_SECONDS_MAX):
                if parts.orders is not None:
                    await parts.orders.open(session)
                await parts.prices.open(session, listener)
                parts.candles.open(session, listener)
        except TimeoutError:
            raise StreamBroken(f"expected every stream within {OPEN_SECONDS_MAX:g} s") from None
        except GridwrightError as error:
            raise StreamBroken(str(error)) from error
        session.start_looking()

    def _back_off(self, failures: int) -> float:
        longest = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS)) - 1] if failures else _BACK_OFF_SECONDS[0]
        return longest * (0.5 + self._parts.dice.random() / 2)

    async def _close(self) -> None:
        """Let go of every connection; what is left of the old session must not speak into the new one."""
        self._parts.candles.close()
        with anyio.move_on_after(_CLOSE_SECONDS_MAX):
            await self._parts.client.close_ws_clients()


def _first_text(group: BaseExceptionGroup[StreamBroken]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first)

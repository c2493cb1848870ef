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

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.requests.requester import Notice
from engine.exchange.foreign.streams.candle_stream import CandleStream
from engine.exchange.foreign.streams.connections import Connections
from engine.exchange.foreign.streams.price_stream import PriceStream
from engine.exchange.foreign.streams.private_watch import PrivateWatch
from engine.exchange.foreign.streams.stream_session import StreamBroken, StreamSession
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError
from engine.model.snapshot import Connection, EventLevel

OPEN_SECONDS_MAX = 30.0
"""A session that is not whole by then is begun anew."""
LONG_MS = 60_000
"""A session that lived for so long ends all back-off."""
_BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """One session: why it ended, and how long every stream was there. ``lived_ms`` None: they never were."""

    reason: str
    lived_ms: int | None


class Streams:
    """One per account; ``run`` may be called again after it was cancelled."""

    def __init__(self, parts: StreamParts) -> None:
        self._parts = parts
        self._connections = Connections(parts.client)

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None]) -> None:
        """Keep the streams up until cancelled; started once they were whole for the first time."""
        listener.on_connection(Connection.CONNECTING)
        is_started = False

        def whole() -> None:
            nonlocal is_started
            listener.on_connection(Connection.CONNECTED)
            if not is_started:
                is_started = True
                task_status.started()

        failures, told = 0, ""
        try:
            with self._connections.catching_failures():
                while True:
                    life = await self._live(listener, whole)
                    self._fall_silent()
                    failures = failures + 1 if life.lived_ms is None or life.lived_ms <= LONG_MS else 0
                    if life.lived_ms is not None:
                        listener.on_connection(Connection.DISCONNECTED)
                    if life.lived_ms is not None or life.reason != told:
                        told = life.reason
                        self._parts.notice(f"the streams broke: {told}", EventLevel.WARNING)
                    await self._connections.let_go()
                    await anyio.sleep(self._back_off(failures))
        finally:
            self._fall_silent()
            with anyio.CancelScope(shield=True):
                await self._connections.let_go()

    async def _live(self, listener: ExchangeListener, whole: Callable[[], None]) -> _Life:
        """One session, until it breaks."""
        parts = self._parts
        whole_ms: int | None = None
        reason = ""
        try:
            async with anyio.create_task_group() as tasks:
                session = StreamSession(tasks, look=self._look, now_ms=parts.now_ms)
                await self._open(session, listener)
                whole_ms = parts.now_ms()
                whole()
                await anyio.sleep_forever()
        except* StreamBroken as group:
            reason = _first_text(group)
        return _Life(reason=reason, lived_ms=None if whole_ms is None else parts.now_ms() - whole_ms)

    async def _open(self, session: StreamSession, listener: ExchangeListener) -> None:
        """Open every stream; returns when all of them are there. Raises ``StreamBroken``."""
        parts = self._parts
        session.start_looking()
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

    def _look(self) -> str | None:
        """Tell what came while nobody waited; what is wrong with the connections."""
        self._parts.prices.look()
        if self._parts.orders is not None:
            self._parts.orders.look()
        return self._connections.problem()

    def _fall_silent(self) -> None:
        self._parts.prices.close()
        self._parts.candles.close()

    def _back_off(self, failures: int) -> float:
        longest = _BACK_OFF_SECONDS[min(max(failures, 1), len(_BACK_OFF_SECONDS)) - 1]
        return longest * (0.5 + self._parts.dice.random() / 2)


def _first_text(group: BaseExceptionGroup[StreamBroken]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first)

"""What paper trading asks of a real exchange: its public side alone, without keys."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

import anyio
from anyio.abc import TaskStatus

from engine.exchange.port import ExchangeListener
from engine.model.errors import Transient
from engine.model.market import Market
from engine.model.regime import Candle

PublicTrade = tuple[int, Decimal, Decimal]
"""When, at which price, how much of the base."""
T = TypeVar("T")


class PublicFeed(Protocol):
    """The live public data of one exchange, opened and closed by whom it belongs to.

    Times are UTC ms of the exchange's clock.
    """

    @property
    def name(self) -> str:
        """Whose data it is."""

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None]) -> None:
        """Tell prices, watched candles, notices and the connection until cancelled.

        ``CONNECTED`` comes once the streams are up, and again after every ``DISCONNECTED``; what is told
        between the two is of the connection to come.
        """

    async def fetch_market(self, symbol: str) -> Market:
        """Filters and fees of a market. Raises ``SettingsInvalid`` for an unknown symbol."""

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The newest closed candles, oldest first, at most ``limit``."""

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """Tell every candle of this interval from now on."""

    async def fetch_public_trades(self, symbol: str, since_ms: int) -> Sequence[PublicTrade]:
        """Trades of the market at or after ``since_ms``, oldest first; as many as the exchange still tells."""


async def asked(ask: Callable[[], Awaitable[T]], *, tries: int) -> T:
    """What the feed answers, asked again after what is transient. Raises what the last try raised."""
    for _ in range(tries - 1):
        try:
            return await ask()
        except Transient as error:
            await anyio.sleep(error.retry_after_seconds)
    return await ask()

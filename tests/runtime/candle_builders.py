"""An exchange that has candles and nothing else, and scenes in virtual time for those who watch them.

Minutes are counted from ``NOON_MS``. The clock of a scene starts in the middle of minute 3, at 12:03:30, so
minute 2 is the last that has closed. A candle stays around 100 unless a test says otherwise.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sin
from typing import TypeVar, cast

import anyio
import anyio.lowlevel

from engine.exchange.port import Exchange
from engine.model.errors import SettingsInvalid
from engine.model.regime import Candle
from engine.model.snapshot import EventLevel
from engine.runtime.clock import VirtualClock, run_on

T = TypeVar("T")
MINUTE_MS = 60_000
NOON_MS = 1_785_585_600_000
START_MS = NOON_MS + 3 * MINUTE_MS + 30_000
BTC, ETH, SOL = "BTC/USDT", "ETH/USDT", "SOL/USDT"
INFO, WARNING = EventLevel.INFO, EventLevel.WARNING
_HANGS_AFTER_SECONDS = 10_000_000.0


def a_candle(minute: int, close: float | None = None, volume: float = 10.0) -> Candle:
    """The candle that begins ``minute`` minutes after noon; closes swing around 100 by themselves."""
    price = 100 + sin(minute * 2.1) if close is None else close
    open_ms = NOON_MS + minute * MINUTE_MS
    return Candle(open_ms=open_ms, open=price, high=price + 0.1, low=price - 0.1, close=price, volume=volume)


def minutes(first: int, last: int) -> list[Candle]:
    """The candles from minute ``first`` to ``last``, both included."""
    return [a_candle(minute) for minute in range(first, last + 1)]


def minute_of(candle: Candle) -> int:
    """The number of a candle's minute."""
    return (candle.open_ms - NOON_MS) // MINUTE_MS


async def settled() -> None:
    """Let everything happen that happens at this instant."""
    for _ in range(12):
        await anyio.lowlevel.checkpoint()


@dataclass
class CandleExchange:
    """Answers with what has closed by now of the ``candles`` it has, after ``latency_seconds``, unless told to fail.

    ``errors`` are raised first, one for each request; an answer is as of ``stale_ms`` ago, for ``stale_answers``
    requests; ``unknown`` symbols are refused. ``is_hanging``: no request is answered.
    """

    clock: VirtualClock
    candles: dict[str, list[Candle]] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    latency_seconds: float = 0.0
    stale_ms: int = MINUTE_MS
    stale_answers: int = 0
    unknown: frozenset[str] = frozenset()
    is_hanging: bool = False
    is_careless: bool = False
    """It gives candles that have not closed, and more of them than it was asked for."""
    watched: list[tuple[str, int]] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Symbol and limit of each request."""
    under_way: int = 0

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        self.asked.append((symbol, limit))
        self.under_way += 1
        try:
            await anyio.sleep(self.latency_seconds)
            if self.is_hanging:
                await anyio.Event().wait()
        finally:
            self.under_way -= 1
        if self.errors:
            raise self.errors.pop(0)
        if symbol in self.unknown:
            raise SettingsInvalid(f"no market {symbol}")
        now_ms = self.clock.now_ms()
        if self.stale_answers:
            self.stale_answers -= 1
            now_ms -= self.stale_ms
        have = self.candles.get(symbol, [])
        if self.is_careless:
            return list(have)
        return [each for each in have if each.open_ms + interval_ms <= now_ms][-limit:]

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        self.watched.append((symbol, interval_ms))

    @property
    def port(self) -> Exchange:
        """As an exchange; whoever asks it for anything but candles fails."""
        return cast("Exchange", self)


class Scene:
    """A clock at 12:03:30, an exchange, and what was told and changed when."""

    def __init__(self, candles: Iterable[Candle] = (), *, symbols: Sequence[str] = (BTC,)) -> None:
        self.clock = VirtualClock(start_ms=START_MS)
        have = list(candles)
        self.exchange = CandleExchange(self.clock, {symbol: list(have) for symbol in symbols})
        self.told: list[tuple[str, EventLevel]] = []
        self.changes: list[int] = []
        """Milliseconds after the start at which something changed."""

    def tell(self, text: str, level: EventLevel) -> None:
        self.told.append((text, level))

    def changed(self) -> None:
        self.changes.append(self.elapsed_ms)

    @property
    def elapsed_ms(self) -> int:
        return self.clock.now_ms() - START_MS

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.told]

    async def until(self, minute: int, ms: int = 0) -> None:
        """Wait until so many milliseconds after the begin of a minute, and until nothing is left to do then."""
        await anyio.sleep((NOON_MS + minute * MINUTE_MS + ms - self.clock.now_ms()) / 1000)
        await settled()

    def run(self, script: Callable[[], Awaitable[T]]) -> T:
        """Run in virtual time; what hangs fails at once."""

        async def bounded() -> T:
            with anyio.fail_after(_HANGS_AFTER_SECONDS):
                return await script()

        return run_on(self.clock, bounded)

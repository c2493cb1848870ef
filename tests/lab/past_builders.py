"""A past to download from: candles and trades that an exchange tells page by page, each in its own way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import anyio.lowlevel

from engine.exchange.foreign.desks.history_desk import PastCandle, PastTrade
from engine.lab.download import Road
from engine.lab.history_file import Row, times_of
from engine.lab.history_store import HistoryStore
from engine.lab.history_words import Progress
from engine.lab.patience import Patience

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
START = 1_700_006_400_000
"""A midnight."""


class Way(StrEnum):
    """How an exchange answers for a time."""

    NEXT = "next"
    """The first rows from then on, however far away."""
    WINDOW = "window"
    """Only what lies within one page of time; of trades, within an hour."""
    NEWEST = "newest"
    """Only its newest rows, whatever was asked."""


@dataclass
class Past:
    """A source of history. ``asked`` are the times that were asked for, ``troubles`` are raised first, in order."""

    candle_rows: Sequence[PastCandle] = ()
    trade_rows: Sequence[PastTrade] = ()
    way: Way = Way.NEXT
    page: int = 10
    asked: list[int] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    def has_interval(self, interval_ms: int) -> bool:
        return interval_ms in (MINUTE, DAY)

    def page_size(self, symbol: str, *, is_trades: bool) -> int:
        return self.page

    async def candles(self, symbol: str, interval_ms: int, since_ms: int) -> Sequence[PastCandle]:
        await self._meet(since_ms)
        rows = self.candle_rows if interval_ms == MINUTE else _days(self.candle_rows)
        later = [row for row in rows if row.open_ms >= since_ms]
        match self.way:
            case Way.NEXT:
                return later[: self.page]
            case Way.WINDOW:
                return [row for row in later if row.open_ms < since_ms + self.page * interval_ms]
            case Way.NEWEST:
                return later[-self.page :]

    async def trades(self, symbol: str, since_ms: int) -> Sequence[PastTrade]:
        await self._meet(since_ms)
        later = [row for row in self.trade_rows if row.at_ms >= since_ms]
        match self.way:
            case Way.NEXT:
                return later[: self.page]
            case Way.WINDOW:
                return [row for row in later if row.at_ms <= since_ms + HOUR][: self.page]
            case Way.NEWEST:
                return later[-self.page :]

    async def _meet(self, since_ms: int) -> None:
        await anyio.lowlevel.checkpoint()
        self.asked.append(since_ms)
        if self.troubles:
            raise self.troubles.pop(0)


def candle(at_ms: int, price: str = "60000.01") -> PastCandle:
    """A quiet candle."""
    exact = Decimal(price)
    return PastCandle(open_ms=at_ms, open=exact, high=exact + 1, low=exact - 1, close=exact, volume=Decimal("0.00123"))


def minutes(*counts: int) -> list[PastCandle]:
    """Candles of these minutes after the start."""
    return [candle(START + count * MINUTE) for count in counts]


def trade(name: str, at_ms: int, price: str = "60000.01") -> PastTrade:
    """A small trade so many milliseconds after the start."""
    return PastTrade(name=name, at_ms=START + at_ms, price=Decimal(price), amount=Decimal("0.5"))


def road(past: Past, store: HistoryStore) -> Road:
    """A download that never waits long."""
    return Road(
        source=past,
        store=store,
        patience=Patience(_unheard, back_off_seconds=0.0),
        symbol="BTC/USDT",
        tell=_nobody,
    )


def times_in(path: Path) -> list[int]:
    """The times of a file's rows."""
    return [at_ms for times in times_of(path) for at_ms in times]


def row(at_ms: int) -> Row:
    """A row of a candle file."""
    return (at_ms, 5.0, 6.0, 4.0, 5.5, 1.0)


def _unheard(notice: str) -> None:
    """Nobody reads it."""


def _nobody(progress: Progress) -> None:
    """Nobody listens."""


def _days(rows: Sequence[PastCandle]) -> list[PastCandle]:
    return [candle(at_ms) for at_ms in sorted({row.open_ms - row.open_ms % DAY for row in rows})]

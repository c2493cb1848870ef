"""A stretch of the past, page by page: asked for, checked against what came before, kept in parts.

Promises: memory is bounded by one part; what was kept is never asked for again; nothing that may still change is
kept: neither a candle that is forming nor the trades of an instant of which more may come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from engine.exchange.foreign.desks.history_desk import PastTrade
from engine.lab.history_file import Row, row_from_candle, row_from_trade
from engine.lab.history_store import HistoryStore
from engine.lab.history_words import Gap, PastSource, Progress, Span
from engine.lab.patience import Patience

ROWS_PER_PART = 10_000
TRADE_STEP_MS = 3_600_000
"""An hour without a trade is passed over; some exchanges answer for no more than one at a time."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What a download goes along: where from, where to keep it, whom to tell."""

    source: PastSource
    store: HistoryStore
    patience: Patience
    symbol: str
    tell: Callable[[Progress], None]


class Basket:
    """The rows that are not kept yet, and how far all that is known reaches.

    Invariant: every row lies in what is covered, from ``_begin_ms`` to ``covered_ms``.
    """

    def __init__(self, road: Road, span: Span) -> None:
        self.covered_ms = span.from_ms
        self.rows_total = 0
        self._road = road
        self._span = span
        self._begin_ms = span.from_ms
        self._rows: list[Row] = []
        self._holes: list[Gap] = []

    def add(self, rows: Sequence[Row], *, covered_ms: int, holes: Sequence[Gap] = ()) -> None:
        """Rows of what is now covered up to ``covered_ms``; kept at once where they make a part."""
        self._rows += rows
        self._holes += holes
        self.rows_total += len(rows)
        self.covered_ms = max(self.covered_ms, covered_ms)
        if len(self._rows) >= ROWS_PER_PART:
            self.keep()
        self._road.tell(
            Progress(from_ms=self._span.from_ms, to_ms=self._span.to_ms, at_ms=self.covered_ms, rows=self.rows_total)
        )

    def keep(self) -> None:
        """Write down what there is. Raises ``SettingsInvalid``."""
        span = Span(from_ms=self._begin_ms, to_ms=self.covered_ms)
        rows, holes = self._rows, self._holes
        self._rows, self._holes, self._begin_ms = [], [], self.covered_ms
        self._road.store.add(rows, span, holes)


async def download_candles(road: Road, span: Span, interval_ms: int) -> int:
    """Fill a stretch with closed candles; how many came. What came is kept even if this raises or is cancelled.

    Raises:
        GivenUp: the exchange does not answer.
        SettingsInvalid: there are no such candles, or no place to write.
    """
    basket = Basket(road, span)
    page_ms = road.source.page_size(road.symbol, is_trades=False) * interval_ms
    try:
        while basket.covered_ms < span.to_ms:
            at_ms = basket.covered_ms
            page = await road.patience.ask(partial(road.source.candles, road.symbol, interval_ms, at_ms))
            told = [candle for candle in page if at_ms <= candle.open_ms < span.to_ms]
            if told:
                reached_ms = told[-1].open_ms + interval_ms
            elif page:
                reached_ms = span.to_ms  # the next candle of all lies behind the stretch
            else:
                reached_ms = await _next_told(road, span, at_ms, at_ms + page_ms)
            basket.add([row_from_candle(candle) for candle in told], covered_ms=min(reached_ms, span.to_ms))
    finally:
        basket.keep()
    return basket.rows_total


async def _next_told(road: Road, span: Span, at_ms: int, beyond_ms: int) -> int:
    """Where to ask next after an empty page: most often what is asked for lies before the market's first day."""
    if not road.source.has_interval(_DAY_MS):
        return beyond_ms
    # A day before, since some exchanges begin their days at another hour.
    day_ms = max(at_ms - at_ms % _DAY_MS - _DAY_MS, 0)
    days = road.source.page_size(road.symbol, is_trades=False) * _DAY_MS
    while day_ms < span.to_ms:
        page = await road.patience.ask(partial(road.source.candles, road.symbol, _DAY_MS, day_ms))
        if page:
            # The day of the empty page itself may have candles, and it tells them only behind that page.
            return max(page[0].open_ms, beyond_ms)
        day_ms += days
    return span.to_ms


async def download_trades(road: Road, span: Span) -> int:
    """Fill a stretch with trades; how many came. What came is kept even if this raises or is cancelled.

    Raises:
        GivenUp: the exchange does not answer.
        SettingsInvalid: the exchange tells no trades, or there is no place to write.
    """
    basket = Basket(road, span)
    trail = _Trail(span, newest_ms=road.store.newest_before(span.from_ms))
    page_size = road.source.page_size(road.symbol, is_trades=True)
    try:
        while trail.ask_ms < span.to_ms:
            page = await road.patience.ask(partial(road.source.trades, road.symbol, trail.ask_ms))
            done, holes = trail.take(page, is_full=len(page) >= page_size)
            basket.add([row_from_trade(trade) for trade in done], covered_ms=trail.covered_ms, holes=holes)
        basket.add([row_from_trade(trade) for trade in trail.rest()], covered_ms=span.to_ms)
    finally:
        basket.keep()
    return basket.rows_total


class _Trail:
    """Trades that follow each other: each page has to hold one that is known, or something may lie between.

    Invariant: all trades before ``covered_ms`` are told; ``_waiting`` are those of ``covered_ms`` itself, by name.
    """

    def __init__(self, span: Span, *, newest_ms: int | None) -> None:
        self.covered_ms = span.from_ms
        self.ask_ms = span.from_ms if newest_ms is None else newest_ms
        self._to_ms = span.to_ms
        self._known_ms = newest_ms
        self._is_joined = False
        """An empty stretch was passed over: what comes next follows it."""
        self._waiting: dict[str, PastTrade] = {}

    def take(self, page: Sequence[PastTrade], *, is_full: bool) -> tuple[list[PastTrade], list[Gap]]:
        """The trades that are complete now, and where trades may be missing; moves on."""
        fresh = [trade for trade in page if trade.at_ms >= self.covered_ms and trade.name not in self._waiting]
        if not fresh:
            return self._pass_over(page, is_full=is_full)
        holes = self._hole_before(page)
        trades = [*self._waiting.values(), *fresh]
        newest_ms = min(trades[-1].at_ms, self._to_ms)
        self._waiting = {trade.name: trade for trade in trades if newest_ms <= trade.at_ms < self._to_ms}
        self.covered_ms = self.ask_ms = self._known_ms = newest_ms
        self._is_joined = False
        return [trade for trade in trades if trade.at_ms < newest_ms], holes

    def rest(self) -> list[PastTrade]:
        """What was waiting for more of its instant at the end."""
        return [trade for trade in self._waiting.values() if trade.at_ms < self._to_ms]

    def _pass_over(self, page: Sequence[PastTrade], *, is_full: bool) -> tuple[list[PastTrade], list[Gap]]:
        at_ms = self.covered_ms
        if self.ask_ms < at_ms:
            # Nothing since what was kept by an earlier download.
            self.ask_ms, self._is_joined = at_ms, True
            return [], []
        if is_full and page[-1].at_ms == self.ask_ms:
            # A whole page of one instant: what else happened in it cannot be asked for.
            step_ms, holes = 1, [Gap(from_ms=at_ms, to_ms=at_ms + 1, candles=None)]
        else:
            step_ms, holes = TRADE_STEP_MS, []
        done = list(self._waiting.values())
        self._waiting, self._is_joined = {}, True
        self.covered_ms = self.ask_ms = min(at_ms + step_ms, self._to_ms)
        return done, holes

    def _hole_before(self, page: Sequence[PastTrade]) -> list[Gap]:
        first_ms = page[0].at_ms
        if self._is_joined:
            return []
        if self._known_ms is None:
            is_hole = first_ms - self.covered_ms > TRADE_STEP_MS
        else:
            is_hole = first_ms > self._known_ms
        begin_ms = max(self.covered_ms, self._known_ms or 0)
        return [Gap(from_ms=begin_ms, to_ms=min(first_ms, self._to_ms), candles=None)] if is_hole else []

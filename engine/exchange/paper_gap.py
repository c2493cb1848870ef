"""What a live market did while nobody listened: its public trades, or its candles of a minute, as rows.

Trades say it exactly. Where they do not reach back so far the candles do, with a doubt that is always
decided against a fill: the high and the low of a candle are taken to be of its first instant, so they
fill only what rested before it began. What neither tells is unknown, and said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.exchange.paper_feed import PublicFeed, PublicTrade, asked
from engine.exchange.paper_source import AHEAD_MS_MAX, sane_price
from engine.model.errors import Rejected, SettingsInvalid, Transient
from engine.model.market import Market
from engine.model.regime import Candle
from engine.model.text import clean_text
from engine.model.times import time_text

_MINUTE_MS = 60_000
_TRADES_SPAN_MS = 5 * _MINUTE_MS
"""A longer gap is told by candles but for its end: trades of hours are too many to ask for."""
_PAGES_MAX = 20
_CANDLES_MAX = 10_000
_FULL_PAGE_MIN = 50
"""No exchange's page is smaller; one that is shorter holds all that there is."""
_TRIES = 5
_UNANSWERED = (Transient, Rejected, SettingsInvalid)

Row = tuple[int, Decimal]
"""When the market traded, and at which price, a multiple of the tick."""
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The rows of a gap in the order of time, and what has to be said of them."""

    rows: tuple[Row, ...]
    notices: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Trades:
    """The trades found in a gap; ``holes`` are the spans that they say nothing of."""

    found: list[PublicTrade] = field(default_factory=list)
    holes: list[Span] = field(default_factory=list)


async def tell_gap(feed: PublicFeed, market: Market, *, from_ms: int, now_ms: int) -> Told:
    """What happened on a market since its last trade that was heard, at ``from_ms``."""
    symbol, notices = market.symbol, list[str]()
    now_ms = max(now_ms, from_ms)
    trades_from_ms = from_ms
    if now_ms - from_ms > _TRADES_SPAN_MS:
        trades_from_ms = now_ms - now_ms % _MINUTE_MS - _MINUTE_MS
    trades = await _trades_since(feed, symbol, trades_from_ms, now_ms, notices)
    holes = [(from_ms, trades_from_ms), *trades.holes] if trades_from_ms > from_ms else trades.holes
    rows = [(at_ms, price) for at_ms, price, _ in trades.found]
    if holes:
        candles = await _candles_of(feed, symbol, holes, now_ms, notices)
        for candle in candles:
            rows += _rows_of_candle(candle, market, from_ms=from_ms)
        notices += [_unknown(symbol, span) for span in _untold(holes, candles)]
    return Told(rows=tuple(sorted(sane_rows(rows, market), key=_time_of)), notices=tuple(notices))


def sane_rows(rows: Iterable[Row], market: Market) -> Iterable[Row]:
    """Those that are prices, on the market's tick."""
    for at_ms, told in rows:
        price = sane_price(told, market.tick_size)
        if price is not None:
            yield at_ms, price


async def _trades_since(feed: PublicFeed, symbol: str, from_ms: int, now_ms: int, notices: list[str]) -> _Trades:
    """Page by page to the newest; what stands at the edge of two pages comes with the later one."""
    trades, since_ms = _Trades(), from_ms
    for _ in range(_PAGES_MAX):
        try:
            page = await asked(lambda since_ms=since_ms: feed.fetch_public_trades(symbol, since_ms), tries=_TRIES)  # type: ignore[misc]
        except _UNANSWERED as error:
            notices.append(f"{symbol}: its trades cannot be asked for: {clean_text(str(error))}")
            trades.holes.append((since_ms, now_ms))
            return trades
        known = [trade for trade in page if since_ms <= trade[0] <= now_ms + AHEAD_MS_MAX]
        if not known:
            return trades
        first_ms, newest_ms = min(map(_time_of, known)), max(map(_time_of, known))
        if len(page) >= _FULL_PAGE_MIN and first_ms > since_ms:
            trades.holes.append((since_ms, first_ms))
        trades.found = [trade for trade in trades.found if trade[0] < since_ms] + known
        if newest_ms == since_ms or len(page) < _FULL_PAGE_MIN:
            return trades
        since_ms = newest_ms
    trades.holes.append((since_ms, now_ms))
    return trades


async def _candles_of(
    feed: PublicFeed, symbol: str, holes: Sequence[Span], now_ms: int, notices: list[str]
) -> tuple[Candle, ...]:
    """The closed candles of a minute that lie in the holes, wholly or in part."""
    minutes = (now_ms - holes[0][0]) // _MINUTE_MS + 1
    limit = min(minutes, _CANDLES_MAX)
    try:
        told = await asked(lambda: feed.fetch_candles(symbol, _MINUTE_MS, limit), tries=_TRIES)
    except _UNANSWERED as error:
        notices.append(f"{symbol}: its candles cannot be asked for: {clean_text(str(error))}")
        return ()
    return tuple(
        candle
        for candle in told
        if any(begin < candle.open_ms + _MINUTE_MS and candle.open_ms < end for begin, end in holes)
    )


def _rows_of_candle(candle: Candle, market: Market, *, from_ms: int) -> list[Row]:
    """Its extremes at its first instant, its close at its last.

    Of the minute in which the gap began the extremes may be older than the gap. An order that rested all
    the minute would have been filled by them then; a position may be younger, so of a swap they are left out.
    """
    close = (candle.open_ms + _MINUTE_MS - 1, _decimal(candle.close))
    if candle.open_ms <= from_ms and market.swap is not None:
        return [close]
    near, far = (candle.low, candle.high) if candle.close >= candle.open else (candle.high, candle.low)
    return [(candle.open_ms, _decimal(near)), (candle.open_ms, _decimal(far)), close]


def _untold(holes: Sequence[Span], candles: Sequence[Candle]) -> Iterable[Span]:
    """What of the holes no candle tells: a minute without one between two others had no trade."""
    if not candles:
        yield from holes
        return
    begin_ms, end_ms = candles[0].open_ms, candles[-1].open_ms + _MINUTE_MS
    for begin, end in holes:
        if begin < begin_ms:
            yield begin, min(end, begin_ms)
        if end > end_ms:
            yield max(begin, end_ms), end


def _unknown(symbol: str, span: Span) -> str:
    begin, end = map(time_text, span)
    return f"{symbol}: what it traded at from {begin} to {end} is not known; what would have filled then has not"


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _time_of(row: tuple[int, *tuple[Decimal, ...]]) -> int:
    return row[0]

"""The candles that are watched: by stream where the exchange has one, else by asking; closed once the next begins.

A candle that was forming when the streams broke is not told as closed by them: what it became is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.market_desk import MarketDesk
from engine.exchange.foreign.streams.stream_session import StreamSession
from engine.exchange.foreign.words.candles import candle_from_foreign, timeframe_of
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError, SettingsInvalid
from engine.model.regime import Candle

_POLL_SECONDS_MAX = 15.0
_POLLED = 3
"""So many of the newest are asked for: one that was late in the last answer is in the next."""
Key = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class _Watched:
    """What was told of one market and interval. ``is_heard``: ``newest`` came in this session, by its stream."""

    newest: Candle | None = None
    is_heard: bool = False


class CandleStream:
    """One per account; what is watched stays watched over every session."""

    def __init__(self, client: ForeignClient, markets: MarketDesk) -> None:
        self._client = client
        self._markets = markets
        self._watched: dict[Key, _Watched] = {}
        self._session: StreamSession | None = None
        self._listener: ExchangeListener | None = None

    def watch(self, symbol: str, interval_ms: int) -> None:
        """Tell these candles from now on.

        Raises:
            SettingsInvalid: an interval that the exchange does not have.
        """
        try:
            name = timeframe_of(interval_ms)
        except ValueError as error:
            raise SettingsInvalid(str(error)) from error
        known = self._client.timeframes or {}
        if known and name not in known:
            raise SettingsInvalid(f"{self._client.id} has candles of {', '.join(known)}, not of {name}")
        if (symbol, interval_ms) not in self._watched:
            self._watched[symbol, interval_ms] = _Watched()
            if self._session is not None:
                self._start(self._session, (symbol, interval_ms))

    def open(self, session: StreamSession, listener: ExchangeListener) -> None:
        """Tell what is watched as long as this session lives."""
        self._session, self._listener = session, listener
        for key in self._watched:
            self._start(session, key)

    def close(self) -> None:
        """The session is over: nothing is told any more, and what was still forming is not known to be whole."""
        self._session = self._listener = None
        kept = getattr(self._client, "ohlcvs", None) or {}
        for (symbol, _), watched in self._watched.items():
            watched.is_heard = False
            # The library would tell what it kept of before the gap once more, as if it were news.
            kept.pop(symbol, None)

    def _start(self, session: StreamSession, key: Key) -> None:
        symbol, interval_ms = key
        name = f"candles {symbol}"
        if self._client.has.get("watchOHLCV"):
            watch = partial(self._client.watch_ohlcv, symbol, timeframe_of(interval_ms))
            session.pump(name, watch, partial(self._take, key))
        else:
            session.pump(name, partial(self._poll, key), partial(self._tell_closed, key))

    async def _poll(self, key: Key) -> Sequence[Candle]:
        symbol, interval_ms = key
        await anyio.sleep(min(interval_ms / 4000, _POLL_SECONDS_MAX))
        try:
            return await self._markets.candles(symbol, interval_ms, _POLLED)
        except GridwrightError:
            return ()  # asked again in a moment

    def _take(self, key: Key, rows: Any) -> None:
        watched, latest_ms = self._watched[key], self._client.milliseconds() + key[1]
        found = (_candle_from(row) for row in list(rows or ()))
        for candle in sorted((each for each in found if each is not None), key=lambda each: each.open_ms):
            # One of the future would make every true one look old.
            if candle.open_ms > latest_ms or candle.open_ms % key[1]:
                continue
            newest = watched.newest
            if newest is not None and candle.open_ms < newest.open_ms:
                continue
            if newest is not None and candle.open_ms > newest.open_ms and watched.is_heard:
                self._listen(key, newest, is_closed=True)
            watched.newest, watched.is_heard = candle, True
            self._listen(key, candle, is_closed=False)

    def _tell_closed(self, key: Key, closed: Sequence[Candle]) -> None:
        watched = self._watched[key]
        for candle in closed:
            if watched.newest is None or candle.open_ms > watched.newest.open_ms:
                watched.newest = candle
                self._listen(key, candle, is_closed=True)

    def _listen(self, key: Key, candle: Candle, *, is_closed: bool) -> None:
        if self._listener is not None:
            self._listener.on_candle(*key, candle, is_closed)


def _candle_from(row: object) -> Candle | None:
    """Read from a copy: the library goes on writing into its own."""
    return candle_from_foreign(list(row)) if isinstance(row, list | tuple) else None

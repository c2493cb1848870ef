"""The candles that are watched: by stream where the exchange has one, else by asking; closed once the next begins."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

import anyio

from engine.exchange.foreign.candles import candle_from_foreign, timeframe_of
from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.market_desk import MarketDesk
from engine.exchange.foreign.stream_session import StreamSession
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError, SettingsInvalid
from engine.model.regime import Candle

_POLL_SECONDS_MAX = 15.0
Key = tuple[str, int]


class CandleStream:
    """One per account; what is watched stays watched over every session."""

    def __init__(self, client: ForeignClient, markets: MarketDesk) -> None:
        self._client = client
        self._markets = markets
        self._watched: dict[Key, Candle | None] = {}
        """The newest candle that was told of each, which may still be forming."""
        self._session: StreamSession | None = None
        self._listener: ExchangeListener | None = None

    def watch(self, symbol: str, interval_ms: int) -> None:
        """Tell these candles from now on. Raises ``SettingsInvalid`` for an interval that no exchange has."""
        try:
            timeframe_of(interval_ms)
        except ValueError as error:
            raise SettingsInvalid(str(error)) from error
        if (symbol, interval_ms) not in self._watched:
            self._watched[symbol, interval_ms] = None
            if self._session is not None:
                self._start(self._session, (symbol, interval_ms))

    def open(self, session: StreamSession, listener: ExchangeListener) -> None:
        """Tell what is watched as long as this session lives."""
        self._session, self._listener = session, listener
        for key in self._watched:
            self._start(session, key)

    def close(self) -> None:
        """The session is over."""
        self._session = None

    def _start(self, session: StreamSession, key: Key) -> None:
        symbol, interval_ms = key
        name = f"candles {symbol}"
        if self._client.has.get("watchOHLCV"):
            watch = partial(self._client.watch_ohlcv, symbol, timeframe_of(interval_ms))
            session.pump(name, watch, partial(self._take, key))
        else:
            session.pump(name, self._poll(key))

    def _poll(self, key: Key) -> Callable[[], Awaitable[None]]:
        symbol, interval_ms = key

        async def poll() -> None:
            await anyio.sleep(min(interval_ms / 4000, _POLL_SECONDS_MAX))
            try:
                closed: Sequence[Candle] = await self._markets.candles(symbol, interval_ms, 3)
            except GridwrightError:
                return  # asked again in a moment
            for candle in closed:
                self._tell_closed(key, candle)

        return poll

    def _take(self, key: Key, rows: Any) -> None:
        found = (candle_from_foreign(row) for row in list(_rows(rows)))
        for candle in sorted((each for each in found if each is not None), key=lambda each: each.open_ms):
            newest = self._watched[key]
            if newest is not None and candle.open_ms < newest.open_ms:
                continue
            if newest is not None and candle.open_ms > newest.open_ms:
                self._listen(key, newest, is_closed=True)
            self._watched[key] = candle
            self._listen(key, candle, is_closed=False)

    def _tell_closed(self, key: Key, candle: Candle) -> None:
        newest = self._watched[key]
        if newest is None or candle.open_ms > newest.open_ms:
            self._watched[key] = candle
            self._listen(key, candle, is_closed=True)

    def _listen(self, key: Key, candle: Candle, *, is_closed: bool) -> None:
        if self._listener is not None:
            self._listener.on_candle(*key, candle, is_closed)


def _rows(rows: Iterable[Any]) -> Iterable[Sequence[object]]:
    """Copies: the library goes on writing into its own."""
    return (list(row) for row in rows)

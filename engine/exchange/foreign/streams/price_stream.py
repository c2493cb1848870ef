"""The newest prices of the markets that are traded, from the trades of everybody; asked for where nothing comes.

A stream can be dead while its connection lives. So a market that says nothing is asked for its newest trade: one that
the stream should have brought long ago ends the session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import anyio

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.market_desk import MarketDesk
from engine.exchange.foreign.streams.stream_session import StreamBroken, StreamSession
from engine.exchange.foreign.words.numbers import mapping_from, millis_from, positive_decimal
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError

QUIET_MS = 20_000
"""A market that says nothing for so long is asked for its newest trade."""
STALE_SECONDS = 5.0
"""A trade that the stream has not brought so long after it was asked for: the stream is dead."""
AHEAD_MS = 5_000
"""No trade is from further ahead of the exchange's clock: one that says so would make all others look old."""
BACK_MS = 5_000
"""Times that are older than what was told so long ago are not late: the exchange's clock has been set back."""
_SAME_MS = 1_000
"""One trade may have two times that are so close, one on the stream and one where it is asked for."""
_CHECK_SECONDS = 2.0
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The newest price of a market. ``at_ms`` by the exchange's clock, ``told_ms`` by ours."""

    price: Decimal
    at_ms: int
    told_ms: int


class PriceStream:
    """One per account. ``exchange_ms`` is the exchange's own clock, as far as it is known."""

    def __init__(
        self,
        client: ForeignClient,
        markets: MarketDesk,
        symbols: Sequence[str],
        *,
        now_ms: Callable[[], int],
        exchange_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._markets = markets
        self._symbols = tuple(dict.fromkeys(symbols))
        self._now_ms = now_ms
        self._exchange_ms = exchange_ms
        self._listener: ExchangeListener | None = None
        self._newest: dict[str, _Told] = {}
        self._heard_ms: dict[str, int] = {}
        self._asked_ms: dict[str, int] = {}
        self._is_checked: set[str] = set()

    @property
    def has_trades(self) -> bool:
        """Whether the exchange streams the trades of everybody."""
        return bool(self._client.has.get("watchTrades"))

    @property
    def has_tickers(self) -> bool:
        """Whether it streams the last price."""
        return bool(self._client.has.get("watchTicker"))

    async def open(self, session: StreamSession, listener: ExchangeListener) -> None:
        """Start the pumps; the newest price of every market is told before this returns.

        Raises:
            GridwrightError: no price is to be had.
        """
        self._listener = listener
        self._is_checked.clear()
        for symbol in self._symbols:
            self._heard_ms[symbol] = self._asked_ms[symbol] = self._now_ms()
            if self.has_trades:
                watch = partial(self._client.watch_trades, symbol)
                session.pump(f"trades {symbol}", watch, partial(self._take_trades, symbol))
            elif self.has_tickers:
                watch_ticker = partial(self._client.watch_ticker, symbol)
                session.pump(f"prices {symbol}", watch_ticker, partial(self._take_ticker, symbol))
            else:
                session.pump(f"prices {symbol}", partial(self._poll, symbol), partial(self._take_asked, symbol))
            self._tell_asked(symbol, *await self._newest_trade(symbol))
        session.start(self._watch)

    def close(self) -> None:
        """Tell nothing any more."""
        self._listener = None

    def look(self) -> None:
        """What came while nobody waited lies in what the library keeps."""
        kept = getattr(self._client, "trades", None) or {}
        for symbol in self._symbols:
            newest, trades = self._newest.get(symbol), kept.get(symbol)
            if newest is None or not trades or (found := _price_from(trades[-1])) is None:
                continue
            price, at_ms = found
            if at_ms > newest.at_ms:
                self._heard_ms[symbol] = self._now_ms()
                self._tell(symbol, price, at_ms)

    def tell_newest(self) -> None:
        """Tell the newest price of every market again."""
        for symbol, newest in self._newest.items():
            if self._listener is not None:
                self._listener.on_price(symbol, newest.price, self._ours(newest.at_ms))

    def _take_trades(self, symbol: str, raws: Any) -> None:
        self._heard_ms[symbol] = self._now_ms()
        for raw in raws or ():
            if (found := _price_from(raw)) is not None:
                self._tell(symbol, *found)

    def _take_ticker(self, symbol: str, raw: Any) -> None:
        self._heard_ms[symbol] = self._now_ms()
        told = mapping_from(raw)
        price = positive_decimal(told, "last")
        if price is not None:
            self._tell(symbol, price, millis_from(told.get("timestamp")) or self._exchange_ms())

    async def _poll(self, symbol: str) -> tuple[Decimal, int] | None:
        """Ask in place of a stream; None: it was not answered, and not for long yet."""
        await anyio.sleep(_POLL_SECONDS)
        try:
            return await self._newest_trade(symbol)
        except GridwrightError:
            if self._now_ms() - self._heard_ms[symbol] >= QUIET_MS:
                raise
            return None

    def _take_asked(self, symbol: str, found: tuple[Decimal, int] | None) -> None:
        if found is not None:
            self._heard_ms[symbol] = self._now_ms()
            self._tell_asked(symbol, *found)

    def _tell(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """Tell a price, unless the market has gone on since."""
        newest, now_ms = self._newest.get(symbol), self._now_ms()
        at_ms = min(at_ms, self._exchange_ms() + AHEAD_MS)
        if newest is not None and at_ms < newest.at_ms and now_ms - newest.told_ms < BACK_MS:
            return
        self._newest[symbol] = _Told(price=price, at_ms=at_ms, told_ms=now_ms)
        if self._listener is not None:
            self._listener.on_price(symbol, price, self._ours(at_ms))

    def _ours(self, exchange_ms: int) -> int:
        """A time of the exchange's clock by ours, by which a listener says how old a price is."""
        return exchange_ms - (self._exchange_ms() - self._now_ms())

    def _tell_asked(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """Tell what was answered: such a list lags at times, and is never newer than the stream."""
        newest = self._newest.get(symbol)
        if newest is None or at_ms >= newest.at_ms:
            self._tell(symbol, price, at_ms)

    async def _watch(self) -> None:
        """Ask for the newest trade of every market once, and then of those that are quiet.

        What traded between the first price and the first word of the stream is told by neither.
        """
        await anyio.sleep(_CHECK_SECONDS)
        for symbol in self._symbols:
            await self._check(symbol)
        while True:
            await anyio.sleep(_CHECK_SECONDS)
            for symbol in self._symbols:
                if self._now_ms() - max(self._heard_ms[symbol], self._asked_ms[symbol]) >= QUIET_MS:
                    await self._check(symbol)

    async def _check(self, symbol: str) -> None:
        self._asked_ms[symbol] = self._now_ms()
        heard_ms, told = self._heard_ms[symbol], self._newest[symbol]
        try:
            trade = await self._markets.newest_trade(symbol)
            price, at_ms = trade or await self._markets.last_price(symbol)
        except GridwrightError:
            return  # the next look asks again; a connection that is gone shows itself
        self._tell_asked(symbol, price, at_ms)
        # The time of a last price says when it was asked for; the times of trades are all by one clock.
        is_news = price != told.price if trade is None else at_ms > told.at_ms + _SAME_MS
        # What traded while the stream was still being opened is not its fault.
        is_first = symbol not in self._is_checked
        self._is_checked.add(symbol)
        if not is_news and self._listener is not None and self._heard_ms[symbol] == heard_ms:
            # The market is quiet, and this is its price as of now.
            self._listener.on_price(symbol, told.price, self._now_ms())
        if is_first or not is_news or not (self.has_trades or self.has_tickers):
            return
        await anyio.sleep(STALE_SECONDS)
        if self._heard_ms[symbol] == heard_ms:
            raise StreamBroken(f"{symbol} has traded and the stream of its trades brought nothing: it is dead")

    async def _newest_trade(self, symbol: str) -> tuple[Decimal, int]:
        trade = await self._markets.newest_trade(symbol)
        return await self._markets.last_price(symbol) if trade is None else trade


def _price_from(raw: object) -> tuple[Decimal, int] | None:
    """Price and time of somebody's trade; None where it is none."""
    told = mapping_from(raw)
    price, at_ms = positive_decimal(told, "price"), millis_from(told.get("timestamp"))
    return None if price is None or at_ms is None else (price, at_ms)

"""The newest prices of the markets that are traded, from the trades of everybody; asked for where nothing comes.

A stream can be dead while its connection lives. So a market that says nothing is asked for its newest trade: one that
the stream should have brought long ago ends the session.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import anyio

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.market_desk import MarketDesk, trade_from
from engine.exchange.foreign.numbers import decimal_from, millis_from
from engine.exchange.foreign.stream_session import StreamBroken, StreamSession
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError

QUIET_MS = 20_000
"""A market that says nothing for so long is asked for its newest trade."""
STALE_MS = 5_000
"""A trade that is so old and was not brought by the stream: the stream is dead."""
_CHECK_SECONDS = 2.0
_POLL_SECONDS = 2.0


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
        self._newest: dict[str, tuple[int, Decimal]] = {}
        self._heard_ms: dict[str, int] = {}

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
        for symbol in self._symbols:
            self._heard_ms[symbol] = self._now_ms()
            if self.has_trades:
                session.pump(f"trades {symbol}", partial(self._client.watch_trades, symbol), self._take_trades(symbol))
            elif self.has_tickers:
                session.pump(f"prices {symbol}", partial(self._client.watch_ticker, symbol), self._take_ticker(symbol))
            else:
                session.pump(f"prices {symbol}", self._poll(symbol))
            price, at_ms = await self._newest_trade(symbol)
            self._tell(symbol, at_ms, price)
        session.start(self._watch)

    def look(self) -> None:
        """What came while nobody waited lies in what the library keeps."""
        for symbol, kept in (getattr(self._client, "trades", None) or {}).items():
            if symbol in self._newest and kept and (named := trade_from(kept[-1])) is not None:
                at_ms, price, _ = named[1]
                if at_ms > self._newest[symbol][0]:
                    self._tell(symbol, at_ms, price)

    def tell_newest(self) -> None:
        """Tell the newest price of every market again."""
        for symbol, (at_ms, price) in self._newest.items():
            if self._listener is not None:
                self._listener.on_price(symbol, price, at_ms)

    def _take_trades(self, symbol: str) -> Callable[[Any], None]:
        def take(raws: Iterable[Raw]) -> None:
            self._heard_ms[symbol] = self._now_ms()
            for raw in raws:
                if (named := trade_from(raw)) is not None:
                    at_ms, price, _ = named[1]
                    self._tell(symbol, at_ms, price)

        return take

    def _take_ticker(self, symbol: str) -> Callable[[Any], None]:
        def take(raw: Raw) -> None:
            self._heard_ms[symbol] = self._now_ms()
            price = decimal_from(raw.get("last"))
            if price is not None and price > 0:
                self._tell(symbol, millis_from(raw.get("timestamp")) or self._exchange_ms(), price)

        return take

    def _poll(self, symbol: str) -> Callable[[], Awaitable[None]]:
        async def poll() -> None:
            await anyio.sleep(_POLL_SECONDS)
            price, at_ms = await self._newest_trade(symbol)
            self._heard_ms[symbol] = self._now_ms()
            self._tell(symbol, at_ms, price)

        return poll

    def _tell(self, symbol: str, at_ms: int, price: Decimal) -> None:
        """Tell a price, unless the market has gone on since."""
        newest = self._newest.get(symbol)
        if newest is not None and at_ms < newest[0]:
            return
        self._newest[symbol] = at_ms, price
        if self._listener is not None:
            self._listener.on_price(symbol, price, at_ms)

    async def _watch(self) -> None:
        """Ask for the newest trade of every market that is quiet."""
        while True:
            await anyio.sleep(_CHECK_SECONDS)
            for symbol in self._symbols:
                if self._now_ms() - self._heard_ms[symbol] >= QUIET_MS:
                    await self._check(symbol)

    async def _check(self, symbol: str) -> None:
        try:
            price, at_ms = await self._newest_trade(symbol)
        except GridwrightError:
            return  # the next look asks again; a connection that is gone shows itself
        told_ms = self._newest[symbol][0]
        self._heard_ms[symbol] = self._now_ms()
        self._tell(symbol, at_ms, price)
        if self.has_trades and told_ms < at_ms < self._exchange_ms() - STALE_MS:
            raise StreamBroken(f"{symbol} has traded and the stream of its trades brought nothing: it is dead")

    async def _newest_trade(self, symbol: str) -> tuple[Decimal, int]:
        trade = await self._markets.newest_trade(symbol)
        return await self._markets.last_price(symbol) if trade is None else trade

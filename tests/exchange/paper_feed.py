"""A public feed driven by hand: what it tells, what it answers, and when it breaks is a test's to say."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import anyio
from anyio.abc import TaskStatus

from engine.exchange.paper_feed import PublicTrade
from engine.exchange.port import ExchangeListener
from engine.model.errors import GridwrightError, SettingsInvalid
from engine.model.market import Market
from engine.model.regime import Candle
from engine.model.snapshot import Connection

D = Decimal
MINUTE_MS = 60_000


class HandFeed:
    """A ``PublicFeed``: a market that trades when told to, whether anybody can hear it or not."""

    name = "handmade"

    def __init__(self, *markets: Market, now_ms: Callable[[], int]) -> None:
        self.markets = {market.symbol: market for market in markets}
        self.trades: dict[str, list[PublicTrade]] = {symbol: [] for symbol in self.markets}
        self.candles: dict[str, list[Candle]] = {symbol: [] for symbol in self.markets}
        self.watched: list[tuple[str, int]] = []
        self.asked: list[str] = []
        """Every request, by name."""
        self.page_max = 1_000
        self.tells_newest_page = False
        """Whether a page is the newest trades, as on exchanges that cannot begin at a time."""
        self.failures: dict[str, list[GridwrightError]] = {}
        """What requests of a name meet next, one each."""
        self.answers_after: dict[str, anyio.Event] = {}
        """Requests of a name are answered only when this is set."""
        self._is_up = True
        self._now_ms = now_ms
        self._listener: ExchangeListener | None = None

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None]) -> None:
        self._listener = listener
        listener.on_connection(Connection.CONNECTING)
        try:
            if self._is_up:
                self._greet()
            task_status.started()
            await anyio.sleep_forever()
        finally:
            self._listener = None

    async def fetch_market(self, symbol: str) -> Market:
        await self._answer("market")
        if symbol not in self.markets:
            raise SettingsInvalid(f"expected one of {', '.join(self.markets)}, found {symbol}")
        return self.markets[symbol]

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        await self._answer("candles")
        assert interval_ms == MINUTE_MS
        closed = [candle for candle in self.candles[symbol] if candle.open_ms + MINUTE_MS <= self._now_ms()]
        return closed[-limit:]

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        self.watched.append((symbol, interval_ms))

    async def fetch_public_trades(self, symbol: str, since_ms: int) -> Sequence[PublicTrade]:
        await self._answer("trades")
        found = [trade for trade in self.trades[symbol] if trade[0] >= since_ms]
        return found[-self.page_max :] if self.tells_newest_page else found[: self.page_max]

    # What a test does

    def trade(self, symbol: str, price: Decimal | str | int, *, at_ms: int | None = None) -> None:
        """The market trades, now unless told otherwise."""
        at_ms = self._now_ms() if at_ms is None else at_ms
        self.trades[symbol].append((at_ms, D(price), D(1)))
        if self._is_up:
            self.tell(symbol, price, at_ms)

    def trade_unheard(self, symbol: str, price: Decimal | str | int) -> None:
        """The market trades, and the stream does not say so."""
        self.trades[symbol].append((self._now_ms(), D(price), D(1)))

    def tell(self, symbol: str, price: Decimal | str | int, at_ms: int) -> None:
        """The stream says so, whether it is true or not."""
        if self._listener is not None:
            self._listener.on_price(symbol, D(price), at_ms)

    def tell_candle(self, symbol: str, candle: Candle, *, is_closed: bool) -> None:
        """A watched candle is told."""
        assert (symbol, MINUTE_MS) in self.watched
        if self._listener is not None:
            self._listener.on_candle(symbol, MINUTE_MS, candle, is_closed)

    def breaks(self) -> None:
        """The stream is gone."""
        self._is_up = False
        if self._listener is not None:
            self._listener.on_connection(Connection.DISCONNECTED)

    def heals(self) -> None:
        """The stream is there again."""
        self._is_up = True
        if self._listener is not None:
            self._greet()

    def _greet(self) -> None:
        """As the client library's: the newest prices are known before the streams are called connected."""
        assert self._listener is not None
        for symbol, trades in self.trades.items():
            if trades:
                at_ms, price, _ = trades[-1]
                self._listener.on_price(symbol, price, at_ms)
        self._listener.on_connection(Connection.CONNECTED)

    async def _answer(self, name: str) -> None:
        self.asked.append(name)
        await anyio.lowlevel.checkpoint()
        if name in self.answers_after:
            await self.answers_after[name].wait()
        if self.failures.get(name):
            raise self.failures[name].pop(0)


def a_candle(open_ms: int, opened: float, high: float, low: float, close: float) -> Candle:
    """A candle of a minute."""
    return Candle(open_ms=open_ms, open=opened, high=high, low=low, close=close, volume=1.0)

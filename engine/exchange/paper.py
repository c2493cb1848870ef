"""Paper trading: a real market, and our own matching, balances and books.

It is an ``Exchange`` in real time. Prices and candles are the live ones of a public feed, which needs no
keys; everything that is asked or ordered goes to a simulated machine, which the live prices drive. While
the feed cannot be heard nothing fills and nothing is accepted; what the market did meanwhile, or while
the program did not run, is fetched and happens first.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.paper_ear import Ear
from engine.exchange.paper_feed import PublicFeed, PublicTrade, asked
from engine.exchange.paper_machine import PaperClock, PaperMachine
from engine.exchange.paper_source import LiveSource, PriceFault
from engine.exchange.port import Balance, ExchangeListener
from engine.exchange.simulated import SimulatedOptions
from engine.exchange.simulated_books import Books, NullBooks, open_books
from engine.model.actions import QuietBand
from engine.model.errors import InvariantBroken, SettingsInvalid, Transient
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OwnFill
from engine.model.regime import Candle
from engine.model.swap import FundingPayment, Liquidation, Position

__all__ = ["PaperExchange", "PaperOptions", "PublicFeed", "PublicTrade", "open_paper"]

_MATCHING = MatchingOptions()
_OPEN_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """``balances`` are what a new account begins with; ``folder`` None: nothing is kept.

    ``latency_ms`` is one way. A fee rate that is None is the real market's.
    """

    feed: PublicFeed
    symbols: Sequence[str]
    balances: Mapping[str, Decimal]
    now_ms: Callable[[], int]
    folder: Path | None = None
    matching: MatchingOptions = _MATCHING
    latency_ms: int = 25
    maker_fee_rate: Decimal | None = None
    taker_fee_rate: Decimal | None = None


def open_paper(options: PaperOptions) -> "PaperExchange":
    """The paper exchange as its books left it, or new; nothing is asked of the feed before its ``open``.

    Raises:
        SettingsInvalid: the books cannot be used.
    """
    books = NullBooks() if options.folder is None else open_books(options.folder)
    try:
        return PaperExchange(options, books)
    except SettingsInvalid:
        books.close()
        raise


class PaperExchange:
    """An ``Exchange``; made by ``open_paper``. The feed is not its own: whoever opened it closes it.

    Invariant: the machine's time goes on exactly while the feed is connected and caught up with.
    """

    def __init__(self, options: PaperOptions, books: Books) -> None:
        kept = books.load()
        self.kept_orders = None if kept is None else len(kept.used_ids)
        """How many orders the books remember of an earlier life; None where there were no books."""
        self.start_ms = options.now_ms() if kept is None else kept.at_ms
        """Where the kept books stopped, else now."""
        self.request_life_seconds = 0.0
        self.name = f"paper on {options.feed.name}"
        self.refused: Counter[PriceFault] = Counter()
        """How many prices of the feed were refused, and why."""
        self._options = options
        self._books = books
        self._clock = PaperClock(options.now_ms, start_ms=self.start_ms)
        self._markets: dict[str, Market] = {}
        self._sources: dict[str, LiveSource] = {}
        self._machine: PaperMachine | None = None
        self._opening: anyio.Event | None = None

    @property
    def matching(self) -> MatchingEngine:
        """The exchange's own truth, for audits and tests, once it is open."""
        if self._machine is None:
            raise InvariantBroken("expected an open paper exchange, found one of which nothing was asked yet")
        return self._machine.matching

    async def open(self) -> None:
        """Learn the rules of the markets, and take the books up on them; opening twice is the same as once.

        Raises:
            SettingsInvalid: the real exchange has no such market, or the kept books do not fit it.
            Transient: it does not answer.
        """
        await self._open()

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Stream prices and reports until cancelled; started when the market is heard and caught up with.

        It begins with the last price of every market; what happened before is not told, and no band of an
        earlier listener holds.

        Raises:
            JournalFailed: the exchange's books cannot be written.
            SettingsInvalid: the real exchange has no such market, or the kept books do not fit it.
        """
        machine = await self._open()
        machine.forget_bands()
        ear = Ear(
            feed=self._options.feed,
            machine=machine,
            markets=self._markets,
            sources=self._sources,
            listener=listener,
            now_ms=self._options.now_ms,
            refused=self.refused,
        )
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(machine.move_on)
                tasks.start_soon(ear.run)
                await tasks.start(self._options.feed.run, ear)
                await ear.is_ready.wait()
                task_status.started()
        finally:
            machine.hush()

    async def close(self) -> None:
        """Keep the last prices and the time for the next start, and let go of the books.

        Raises:
            JournalFailed: the books cannot be written.
        """
        if self._machine is None:
            self._books.close()
        else:
            self._machine.close()

    async def fetch_market(self, symbol: str) -> Market:
        """Filters of the real market, and the fees that are paid here. Raises ``SettingsInvalid``."""
        await self._open()
        market = self._markets.get(symbol)
        if market is None:
            raise SettingsInvalid(f"expected one of {', '.join(sorted(self._markets))}, found {symbol}")
        return market

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the paper account holds, by currency. Raises ``Transient`` while the market is not heard."""
        return await self._live().fetch_balances()

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place a limit order; its report, with its fills when it took at once.

        Raises:
            Transient: the rate limit, or the market is not heard now.
            Rejected: filters, funds, too many open orders; ``PostOnlyRejected``.
            DuplicateOrder: the id was used before.
        """
        return await self._live().place(request)

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an open order; its final report, with all of its fills.

        Raises:
            Transient: the rate limit, or the market is not heard now.
            OrderNotFound: it is not open (any more).
        """
        return await self._live().cancel(symbol, client_order_id)

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``, ``Transient`` as above."""
        return await self._live().fetch_order(symbol, client_order_id)

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders on a symbol, oldest first, each with all of its fills. Raises ``Transient`` as above."""
        return await self._live().fetch_open_orders(symbol)

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """The account's executions on a symbol since a time, oldest first. Raises ``Transient`` as above."""
        return await self._live().fetch_fills(symbol, since_ms)

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The real market's newest closed candles, oldest first, at most ``limit``."""
        return await self._options.feed.fetch_candles(symbol, interval_ms, limit)

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """Tell every candle of the real market from now on; a gap is not filled in afterwards."""
        self._options.feed.watch_candles(symbol, interval_ms)

    async def fetch_positions(self) -> dict[str, Position]:
        """The swap positions by symbol; none where the account is flat. Raises ``Transient`` as above."""
        return await self._live().fetch_positions()

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap since a time, oldest first. Raises ``Transient`` as above."""
        return await self._live().fetch_funding(symbol, since_ms)

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account since a time, oldest first. Raises ``Transient`` as above."""
        return await self._live().fetch_liquidations(symbol, since_ms)

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """Trade a swap with this leverage and margin from now on. Raises ``Rejected``, ``Transient`` as above."""
        await self._live().set_leverage(symbol, leverage, mode)

    def tell_prices(self) -> None:
        """Tell the newest price of every market that has traded unseen."""
        if self._machine is not None:
            self._machine.tell_prices()

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """What a listener need not be told from now on; None: tell every price."""
        if self._machine is not None:
            self._machine.set_quiet_band(symbol, listener_key, band)

    def _live(self) -> PaperMachine:
        if self._machine is None or not self._machine.is_live:
            raise Transient(f"{self.name}: the market cannot be heard or is being caught up with; nothing was sent")
        return self._machine

    async def _open(self) -> PaperMachine:
        """The machine, once the markets are known; whoever asks first opens it."""
        while self._machine is None:
            if self._opening is not None:
                await self._opening.wait()
                continue
            self._opening = anyio.Event()
            try:
                self._machine = await self._make_machine()
            finally:
                self._opening.set()
                self._opening = None
        return self._machine

    async def _make_machine(self) -> PaperMachine:
        options, feed = self._options, self._options.feed
        for symbol in options.symbols:
            market = await asked(partial(feed.fetch_market, symbol), tries=_OPEN_TRIES)
            self._markets[symbol] = _with_fees(market, options)
        self._sources = {
            symbol: LiveSource(
                symbol=symbol, tick_size=market.tick_size, market=feed.name, start_ms=self._clock.now_ms()
            )
            for symbol, market in self._markets.items()
        }
        return PaperMachine(
            markets=self._markets,
            sources=self._sources,
            balances=options.balances,
            clock=self._clock,
            options=SimulatedOptions(matching=options.matching, latency_ms=options.latency_ms),
            books=self._books,
        )


def _with_fees(market: Market, options: PaperOptions) -> Market:
    maker, taker = options.maker_fee_rate, options.taker_fee_rate
    return replace(
        market,
        maker_fee_rate=market.maker_fee_rate if maker is None else maker,
        taker_fee_rate=market.taker_fee_rate if taker is None else taker,
    )

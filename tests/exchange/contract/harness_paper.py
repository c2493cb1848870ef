"""The paper exchange under the contract: virtual time, and a public feed driven by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import TaskStatus

from engine.exchange.funding import next_funding_ms
from engine.exchange.paper import PaperExchange, PaperOptions, open_paper
from engine.model.market import Market
from engine.model.order import Side
from engine.runtime.clock import VirtualClock
from tests.exchange.contract.harness import MINUTE_MS, START_BALANCES, START_PRICE, Need, Truth
from tests.exchange.contract.harness_simulated import (
    FIRST_MS,
    HISTORY_MS,
    PATIENCE_SECONDS,
    hand_order,
    matching_options,
    sleep_until,
    truth_of,
)
from tests.exchange.contract.recorder import Recorder
from tests.exchange.paper_feed import HandFeed, a_candle


class PaperHarness:
    """One paper exchange, its books in ``folder``."""

    exchange: PaperExchange
    listener: Recorder

    def __init__(self, market: Market, clock: VirtualClock, folder: Path, need: Need) -> None:
        self.market = market
        self.feed = HandFeed(market, now_ms=clock.now_ms)
        self._clock = clock
        self._folder = folder
        self._need = need
        self._by_hand = 0
        price = float(START_PRICE)
        self.feed.candles[market.symbol] = [
            a_candle(open_ms, price, price, price, price)
            for open_ms in range(FIRST_MS - HISTORY_MS, FIRST_MS, MINUTE_MS)
        ]

    @property
    def symbol(self) -> str:
        return self.market.symbol

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def market_trades_at(self, price: Decimal, *, amount: Decimal | None = None) -> None:
        await anyio.sleep(0.001)
        self.feed.trade(self.symbol, price)

    def truth(self) -> Truth:
        return truth_of(self.exchange.matching, self.symbol)

    async def place_by_hand(self, side: Side, price: Decimal, amount: Decimal) -> str:
        self._by_hand += 1
        name = f"hand-{self._by_hand}"
        assert self.exchange._machine is not None
        self.exchange._machine.place_by_hand(hand_order(name, self.symbol, side, price, amount))
        return name

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        self._running.cancel()
        await self._ended.wait()
        await self.exchange.close()
        await anyio.sleep(5)

    async def start(self) -> None:
        options = PaperOptions(
            feed=self.feed,
            symbols=[self.symbol],
            balances=START_BALANCES,
            now_ms=self._clock.now_ms,
            folder=self._folder,
            matching=matching_options(self._need),
        )
        self.exchange = open_paper(options)
        self.listener = Recorder(patience_seconds=PATIENCE_SECONDS)
        await self._tasks.start(self._run)

    async def stream_breaks(self) -> None:
        self.feed.breaks()

    async def stream_heals(self) -> None:
        await anyio.sleep(5)
        self.feed.heals()

    async def candle_is_told(self) -> None:
        open_ms = self.now_ms() - self.now_ms() % MINUTE_MS
        price = float(START_PRICE)
        self.feed.tell_candle(self.symbol, a_candle(open_ms, price, price, price, price), is_closed=False)

    async def funding_is_due(self) -> None:
        assert self.market.swap is not None
        await sleep_until(self._clock, next_funding_ms(self.now_ms(), self.market.swap.funding_interval_ms) + 1_000)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["PaperHarness"]:
        """Running, until the block ends."""
        async with anyio.create_task_group() as self._tasks:
            await sleep_until(self._clock, FIRST_MS)
            self.feed.trade(self.symbol, START_PRICE)
            await self.start()
            yield self
            self._tasks.cancel_scope.cancel()
        await self.exchange.close()

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        self._ended = anyio.Event()
        with anyio.CancelScope() as self._running:
            await self.exchange.run(self.listener, task_status=task_status)
        self._ended.set()


@asynccontextmanager
async def paper(market: Market, clock: VirtualClock, need: Need) -> AsyncIterator[PaperHarness]:
    """A paper exchange of this market."""
    with TemporaryDirectory() as folder:
        async with PaperHarness(market, clock, Path(folder), need).opened() as harness:
            yield harness

"""The simulated exchange under the contract: virtual time, a market that trades when a test says so."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import TaskStatus

from engine.exchange.faults import FaultPlan
from engine.exchange.funding import FundingRates, next_funding_ms
from engine.exchange.matching import FillModel, MatchingEngine, MatchingOptions
from engine.exchange.outages import Outage
from engine.exchange.prices import Tick
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import open_books
from engine.model.market import Market
from engine.model.order import OrderRequest, Side
from engine.runtime.clock import VirtualClock
from tests.exchange.contract.harness import MINUTE_MS, START_BALANCES, START_PRICE, Need, TrueOrder, Truth
from tests.exchange.contract.recorder import Recorder
from tests.exchange.simulated_builders import ListSource

D = Decimal
FIRST_MS = 1_700_006_400_000
"""A whole minute, at which funding was due."""
HISTORY_MS = 10 * MINUTE_MS
BREAK_FROM_MS = FIRST_MS + 86_400_000 * 3
BREAK_UNTIL_MS = BREAK_FROM_MS + 60_000
END_MS = FIRST_MS + 86_400_000 * 30
PATIENCE_SECONDS = 60.0
"""Virtual ones."""


def matching_options(need: Need) -> MatchingOptions:
    """A touch fills; and fills in part, where that is what a promise is about."""
    chance = D(1) if need is Need.PART else D(0)
    return MatchingOptions(fill=FillModel.TOUCH, partial_fill_chance=chance, funding=FundingRates(rate=D("0.0001")))


def truth_of(matching: MatchingEngine, symbol: str) -> Truth:
    """What the matching engine says."""
    return Truth(
        balances={name: (held.free, held.locked) for name, held in matching.balances().items()},
        open_orders={
            report.client_order_id: TrueOrder(
                side=report.side, price=report.price, amount=report.amount, filled=report.filled
            )
            for report in matching.open_orders(symbol)
        },
    )


class HandSource(ListSource):
    """A path that grows where time stands; its last row is far away."""

    def __init__(self, market: Market, ticks: list[tuple[int, str]]) -> None:
        super().__init__(ticks, market.symbol)
        self.tick_size = market.tick_size

    def trade(self, price: Decimal, at_ms: int) -> None:
        """The market trades now."""
        end = self.ticks.pop()
        self.ticks += [Tick(len(self.ticks), at_ms, price), replace(end, index=len(self.ticks) + 1)]

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on where the last life stopped; the path may have grown since."""
        position = state["position"]
        assert isinstance(position, int)
        self.position = position

    def path(self) -> list[tuple[int, str]]:
        """All rows, for the next life."""
        return [(tick.at_ms, str(tick.price)) for tick in self.ticks]


class SimulatedHarness:
    """One simulated exchange, its books in ``folder``."""

    exchange: SimulatedExchange
    listener: Recorder

    def __init__(
        self,
        market: Market,
        clock: VirtualClock,
        folder: Path,
        need: Need,
        *,
        kind: type[SimulatedExchange] = SimulatedExchange,
    ) -> None:
        self.market = market
        self._kind = kind
        self._clock = clock
        self._folder = folder
        self._need = need
        self._running: anyio.CancelScope | None = None
        self._by_hand = 0
        history = [(at_ms, str(START_PRICE)) for at_ms in range(FIRST_MS - HISTORY_MS, FIRST_MS + 1, MINUTE_MS)]
        self._source = HandSource(market, [*history, (END_MS, str(START_PRICE))])

    @property
    def symbol(self) -> str:
        return self.market.symbol

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def market_trades_at(self, price: Decimal, *, amount: Decimal | None = None) -> None:
        await anyio.sleep(0.001)
        self._source.trade(price, self.now_ms())
        if self._running is not None:
            self.exchange._venue.feeds[self.symbol].search_again()
            self.exchange._now_settled()

    def truth(self) -> Truth:
        return truth_of(self.exchange.matching, self.symbol)

    async def place_by_hand(self, side: Side, price: Decimal, amount: Decimal) -> str:
        self._by_hand += 1
        name = f"hand-{self._by_hand}"
        self.exchange.place_by_hand(hand_order(name, self.symbol, side, price, amount))
        return name

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await self._ended.wait()
        self._running = None
        self.exchange.close()
        await anyio.sleep(5)

    async def start(self) -> None:
        self._source = HandSource(self.market, self._source.path())
        self.exchange = self._kind(
            markets={self.symbol: self.market},
            sources={self.symbol: self._source},
            balances=START_BALANCES,
            now_ms=self._clock.now_ms,
            options=SimulatedOptions(
                matching=matching_options(self._need),
                faults=FaultPlan(disconnects=(Outage(from_ms=BREAK_FROM_MS, until_ms=BREAK_UNTIL_MS),)),
            ),
            books=open_books(self._folder),
        )
        self.listener = Recorder(patience_seconds=PATIENCE_SECONDS)
        await self._tasks.start(self._run)

    async def stream_breaks(self) -> None:
        await sleep_until(self._clock, BREAK_FROM_MS)

    async def stream_heals(self) -> None:
        await sleep_until(self._clock, BREAK_UNTIL_MS)

    async def candle_is_told(self) -> None:
        await self.market_trades_at(START_PRICE + 1)
        await anyio.sleep(61)

    async def funding_is_due(self) -> None:
        assert self.market.swap is not None
        await sleep_until(self._clock, next_funding_ms(self.now_ms(), self.market.swap.funding_interval_ms) + 1_000)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["SimulatedHarness"]:
        """Running, until the block ends."""
        async with anyio.create_task_group() as self._tasks:
            await sleep_until(self._clock, FIRST_MS)
            await self.start()
            yield self
            self._tasks.cancel_scope.cancel()
        self.exchange.close()

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        self._ended = anyio.Event()
        with anyio.CancelScope() as self._running:
            await self.exchange.run(self.listener, task_status=task_status)
        self._ended.set()


def hand_order(name: str, symbol: str, side: Side, price: Decimal, amount: Decimal) -> OrderRequest:
    """An order of the account's owner."""
    return OrderRequest(client_order_id=name, symbol=symbol, side=side, price=price, amount=amount, post_only=False)


async def sleep_until(clock: VirtualClock, at_ms: int) -> None:
    """Let virtual time pass."""
    await anyio.sleep(max(at_ms - clock.now_ms(), 0) / 1_000)


@asynccontextmanager
async def simulated(market: Market, clock: VirtualClock, need: Need) -> AsyncIterator[SimulatedHarness]:
    """A simulated exchange of this market."""
    with TemporaryDirectory() as folder:
        async with SimulatedHarness(market, clock, Path(folder), need).opened() as harness:
            yield harness

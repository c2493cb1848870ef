"""The real client library under the contract, on a loopback server that speaks a real exchange's protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import TaskStatus

from engine.exchange.ccxt_exchange import CcxtExchange, CcxtOptions, open_ccxt
from engine.model.market import Market
from engine.model.order import Side
from engine.model.secret import ExchangeKeys, Secret
from tests.exchange.contract.harness import MINUTE_MS, START_BALANCES, START_PRICE, Need, TrueOrder, Truth
from tests.exchange.contract.recorder import Recorder
from tests.loopback import venue as words
from tests.loopback.scene import linear_market, spot_market, wall_ms
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue_candles import VenueCandle

D = Decimal
PATIENCE_SECONDS = 20.0
FUNDING_RATE = D("0.0001")
_SIDES = {Side.BUY: words.Side.BUY, Side.SELL: words.Side.SELL}
_OWN_SIDES = {theirs: ours for ours, theirs in _SIDES.items()}


class CcxtHarness:
    """One server and one client; a restart is of the client alone."""

    exchange: CcxtExchange
    listener: Recorder

    def __init__(self, protocol: str, market: Market, server: LoopbackServer, folder: Path) -> None:
        self.market = market
        self._protocol = protocol
        self._server = server
        self._folder = folder
        self._by_hand = 0
        (self._market_id,) = (known.id for known in server.venue.markets.values() if known.symbol == market.symbol)

    @property
    def symbol(self) -> str:
        return self.market.symbol

    def now_ms(self) -> int:
        return self._server.now_ms()

    async def market_trades_at(self, price: Decimal, *, amount: Decimal | None = None) -> None:
        # Executions are told in whole milliseconds: what follows another happens later.
        await anyio.sleep(0.002)
        self._server.venue.print_trade(self._market_id, price, amount)

    def truth(self) -> Truth:
        venue = self._server.venue
        return Truth(
            balances={name: (held.free, held.locked) for name, held in venue.balances().items()},
            open_orders={
                order.client_id: TrueOrder(
                    side=_OWN_SIDES[order.side], price=order.price or D(0), amount=order.amount, filled=order.filled
                )
                for order in venue.open_orders(self._market_id)
            },
        )

    async def place_by_hand(self, side: Side, price: Decimal, amount: Decimal) -> str:
        self._by_hand += 1
        name = f"web_{self._by_hand}"
        self._server.venue.place(
            words.NewOrder(market=self._market_id, side=_SIDES[side], amount=amount, price=price, client_id=name)
        )
        return name

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        self._running.cancel()
        await self._ended.wait()

    async def start(self) -> None:
        self.exchange = open_ccxt(
            CcxtOptions(
                exchange_id=self._protocol,
                market_type=self.market.kind,
                is_sandbox=False,
                keys=ExchangeKeys(api_key=Secret(self._server.api_key), secret=Secret(self._server.secret)),
                ccxt=self._server.ccxt_options(),
                symbols=[self.symbol],
                now_ms=wall_ms,
                state_dir=self._folder,
            )
        )
        self.listener = Recorder(patience_seconds=PATIENCE_SECONDS)
        await self._tasks.start(self._run)

    async def stream_breaks(self) -> None:
        self._server.faults.refuse_until_ms = self.now_ms() + 3_600_000
        self._server.disconnect()

    async def stream_heals(self) -> None:
        self._server.faults.refuse_until_ms = 0

    async def candle_is_told(self) -> None:
        for step in range(20):
            await self.market_trades_at(START_PRICE + 1 + step % 2)
            await anyio.sleep(0.1)
            if self.listener.candles:
                return

    async def funding_is_due(self) -> None:
        self._server.venue.settle_funding(self._market_id, FUNDING_RATE)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["CcxtHarness"]:
        """Running, until the block ends."""
        async with anyio.create_task_group() as self._tasks:
            await self.start()
            yield self
            await self.stop()

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        self._ended = anyio.Event()
        try:
            with anyio.CancelScope() as self._running:
                await self.exchange.open()
                await self.exchange.run(self.listener, task_status=task_status)
        finally:
            with anyio.CancelScope(shield=True):
                await self.exchange.close()
            self._ended.set()


def _venue_market(market: Market) -> words.VenueMarket:
    if market.swap is None:
        return spot_market("BTC", str(market.tick_size), str(market.lot_size))
    return linear_market("BTC", str(market.tick_size), str(market.lot_size))


def _history(now_ms: int) -> list[VenueCandle]:
    this_minute = now_ms - now_ms % MINUTE_MS
    return [
        VenueCandle(
            opened_ms=opened_ms,
            open=START_PRICE,
            high=START_PRICE,
            low=START_PRICE,
            close=START_PRICE,
            volume=D(1),
            turnover=START_PRICE,
            count=1,
        )
        for opened_ms in range(this_minute - 10 * MINUTE_MS, this_minute, MINUTE_MS)
    ]


@asynccontextmanager
async def through_ccxt(protocol: str, market: Market, need: Need) -> AsyncIterator[CcxtHarness]:
    """The client library on a server of this protocol."""
    venue_market = _venue_market(market)
    with TemporaryDirectory() as folder:
        async with loopback(protocol, markets=[venue_market], balances=dict(START_BALANCES)) as server:
            server.venue.candles[venue_market.id].load(_history(server.now_ms()))
            async with CcxtHarness(protocol, market, server, Path(folder)).opened() as harness:
                yield harness

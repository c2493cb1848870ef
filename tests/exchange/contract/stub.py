"""An exchange that keeps no promise: it answers everything with something, and all of it is wrong."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import anyio
from anyio.abc import TaskStatus

from engine.exchange.port import Balance, ExchangeListener
from engine.model.actions import QuietBand
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.order import Fill, OrderReport, OrderRequest, OrderStatus, OwnFill, Side
from engine.model.regime import Candle
from engine.model.swap import FundingPayment, Liquidation, Position
from engine.runtime.clock import VirtualClock
from tests.exchange.contract.harness import START_BALANCES, Need, TrueOrder, Truth
from tests.exchange.contract.recorder import Recorder
from tests.exchange.paper_feed import a_candle

D = Decimal
GHOST = "ghost"


class StubExchange:
    """Everything is possible, nothing happens."""

    name = "\x1b[31mstub"
    request_life_seconds = 0.0

    def __init__(self, market: Market) -> None:
        self._market = market

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        await anyio.sleep_forever()

    async def fetch_market(self, symbol: str) -> Market:
        return replace(self._market, symbol=symbol, maker_fee_rate=D("0.05"))

    async def fetch_balances(self) -> dict[str, Balance]:
        return {name: Balance(free=D(1), locked=D(1)) for name in START_BALANCES}

    async def place(self, request: OrderRequest) -> OrderReport:
        return self._report(request.client_order_id, OrderStatus.OPEN)

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        return self._report(client_order_id, OrderStatus.CANCELED)

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        return self._report(client_order_id, OrderStatus.OPEN)

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        return [self._report(GHOST, OrderStatus.OPEN)]

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        return [OwnFill(client_order_id=GHOST, symbol=symbol, side=Side.BUY, fill=a_ghostly_fill())]

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        return [a_candle(interval_ms * index, 1, 1, 1, 1) for index in range(limit, -1, -1)]

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        return None

    async def fetch_positions(self) -> dict[str, Position]:
        one = D(1)
        ghost = Position(
            symbol=GHOST,
            amount=one,
            entry_price=one,
            margin=one,
            liquidation_price=None,
            leverage=one,
            mode=MarginMode.CROSS,
        )
        return {GHOST: ghost, self._market.symbol: ghost}

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        return []

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        return [Liquidation(symbol=symbol, trade_id=GHOST, amount=D(1), price=D(1), fee=D(1), at_ms=1)]

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        return None

    def tell_prices(self) -> None:
        return None

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        return None

    def _report(self, client_order_id: str, status: OrderStatus) -> OrderReport:
        return OrderReport(
            client_order_id=client_order_id,
            symbol=self._market.symbol,
            side=Side.SELL,
            price=D(1),
            amount=D(1),
            status=status,
            filled=D(1),
            fills=(),
            at_ms=1,
        )


def a_ghostly_fill() -> Fill:
    """An execution that never was."""
    return Fill(trade_id=GHOST, price=D(1), amount=D(1), fee=D(0), fee_currency="USDT", is_maker=True, at_ms=1)


class StubHarness:
    """A market that does not move, and an account in which only a stranger's order rests."""

    def __init__(self, market: Market, clock: VirtualClock) -> None:
        self.market = market
        self.symbol = market.symbol
        self.exchange = StubExchange(market)
        self.listener = Recorder(patience_seconds=1)
        self._clock = clock
        self._asked = 0

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def market_trades_at(self, price: Decimal, *, amount: Decimal | None = None) -> None:
        return None

    def truth(self) -> Truth:
        """Never twice the same: whatever is asked of a stub changes something."""
        self._asked += 1
        ghost = TrueOrder(side=Side.BUY, price=D(1), amount=D(1), filled=D(self._asked))
        return Truth(balances={"USDT": (D(self._asked), D(0))}, open_orders={GHOST: ghost})

    async def place_by_hand(self, side: Side, price: Decimal, amount: Decimal) -> str:
        return "by hand"

    async def restart(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def start(self) -> None:
        return None

    async def stream_breaks(self) -> None:
        return None

    async def stream_heals(self) -> None:
        return None

    async def candle_is_told(self) -> None:
        return None

    async def funding_is_due(self) -> None:
        return None


@asynccontextmanager
async def stub(market: Market, clock: VirtualClock, need: Need) -> AsyncIterator[StubHarness]:
    """The stub, as if it were an exchange."""
    yield StubHarness(market, clock)

"""An exchange in real time that answers at once and tells of it carelessly: late, twice, out of order.

Its truth is the simulated exchange's matching engine. Nothing is lost: what has not been told yet
waits in ``late`` until somebody delivers it.
"""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import anyio
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.port import Balance, ExchangeListener
from engine.model.actions import QuietBand
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import OrderReport, OrderRequest, OwnFill
from engine.model.regime import Candle
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment, Liquidation, Position
from engine.runtime.clock import Clock

_IN_TIME = 0.5
_TWICE = 0.75
_REMEMBERED = 500


class BusyExchange:
    """One market that is moved by ``trade``; the dice decide how its reports travel.

    Invariant: every report of ``matching`` was told or is in ``late``.
    """

    name = "busy"
    request_life_seconds = 0.0

    def __init__(self, market: Market, *, quote: Decimal, price: Decimal, clock: Clock, dice: Random) -> None:
        options = MatchingOptions(seed=7, partial_fill_chance=Decimal("0.8"), open_orders_max=2_000)
        balances = {market.base: ZERO, market.quote: quote}
        self.matching = MatchingEngine(markets=[market], balances=balances, options=options)
        self.market = market
        self.price = price
        self.late: list[OrderReport] = []
        self.told: deque[OrderReport] = deque(maxlen=_REMEMBERED)
        self._clock = clock
        self._dice = dice
        self._listener: ExchangeListener | None = None

    @property
    def fills(self) -> int:
        """How many executions there were."""
        return self.matching.state().trades[self.market.symbol]

    @property
    def open_ids(self) -> list[str]:
        """Client order ids of the open orders."""
        return [report.client_order_id for report in self.matching.open_orders(self.market.symbol)]

    def change(self, currency: str, before: Decimal) -> Decimal:
        """What the account has more of a currency than ``before``."""
        balance = self.matching.balances()[currency]
        return balance.free + balance.locked - before

    def trade(self, price: Decimal) -> None:
        """The market trades at a price."""
        self.price = price
        at_ms = self._clock.now_ms()
        reports = self.matching.trade(self.market.symbol, price, at_ms)
        self.matching.take_changes()
        self._tell(reports)
        self._heard_by().on_price(self.market.symbol, price, at_ms)

    def deliver_late(self) -> None:
        """Tell any one report that is late; nothing if none is."""
        if self.late:
            index = self._dice.randrange(len(self.late))
            self.late[index], self.late[-1] = self.late[-1], self.late[index]
            self._send(self.late.pop())

    def tell_again(self) -> None:
        """Tell a report that was told before; nothing before the first."""
        if self.told:
            self._send(self._dice.choice(self.told))

    def known_order(self) -> OrderReport | None:
        """An order that was told of lately, open or not, with all of its fills; None before the first."""
        if not self.told:
            return None
        return self.matching.order(self.market.symbol, self._dice.choice(self.told).client_order_id)

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Stream until cancelled."""
        self._listener = listener
        listener.on_connection(Connection.CONNECTED)
        self.trade(self.price)
        task_status.started()
        await anyio.sleep_forever()

    async def fetch_market(self, symbol: str) -> Market:
        """The one market."""
        await checkpoint()
        assert symbol == self.market.symbol
        return self.market

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the account holds."""
        await checkpoint()
        return self.matching.balances()

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place an order; the answer and the stream race each other."""
        await checkpoint()
        self._tell(self.matching.place(request, self._clock.now_ms()))
        answer = self.matching.order(request.symbol, request.client_order_id)
        await checkpoint()
        return answer

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order; the answer and the stream race each other."""
        await checkpoint()
        answer = self.matching.cancel(symbol, client_order_id, self._clock.now_ms())
        self._tell((answer,))
        await checkpoint()
        return answer

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """An order with all of its fills."""
        await checkpoint()
        return self.matching.order(symbol, client_order_id)

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders."""
        await checkpoint()
        return self.matching.open_orders(symbol)

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """The newest executions."""
        await checkpoint()
        return tuple(own for own in self.matching.recent_fills(symbol) if own.fill.at_ms >= since_ms)

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """It has no history."""
        return ()

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """It tells none."""

    async def fetch_positions(self) -> dict[str, Position]:
        """A spot market has none."""
        return {}

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """A spot market has none."""
        return ()

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """A spot market has none."""
        return ()

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """A spot market has none."""

    def tell_prices(self) -> None:
        """Every price has been told already, quiet or not."""

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """Every price is told, quiet or not."""

    def _tell(self, reports: Sequence[OrderReport]) -> None:
        for report in reports:
            thrown = self._dice.random()
            if thrown < _TWICE:
                self._send(report)
            if thrown >= _IN_TIME:
                self.late.append(report)

    def _send(self, report: OrderReport) -> None:
        self.told.append(report)
        self._heard_by().on_report(report)

    def _heard_by(self) -> ExchangeListener:
        assert self._listener is not None
        return self._listener

"""A listener that remembers what it heard and lets a test wait for it."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import anyio

from engine.model.order import Fill, OrderReport, OrderStatus
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation

T = TypeVar("T")


class Recorder:
    """An ``ExchangeListener``; ``patience_seconds`` is how long anything may take to be heard."""

    def __init__(self, *, patience_seconds: float) -> None:
        self.patience_seconds = patience_seconds
        self.prices: list[tuple[str, Decimal, int]] = []
        self.reports: list[OrderReport] = []
        self.connections: list[Connection] = []
        self.candles: list[tuple[str, int, Candle, bool]] = []
        self.funding: list[FundingPayment] = []
        self.liquidations: list[Liquidation] = []
        self.notices: list[str] = []
        self._heard = anyio.Event()

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self.prices.append((symbol, price, at_ms))
        self._stir()

    def on_report(self, report: OrderReport) -> None:
        self.reports.append(report)
        self._stir()

    def on_connection(self, connection: Connection) -> None:
        self.connections.append(connection)
        self._stir()

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        self.candles.append((symbol, interval_ms, candle, is_closed))
        self._stir()

    def on_funding(self, payment: FundingPayment) -> None:
        self.funding.append(payment)
        self._stir()

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self.liquidations.append(liquidation)
        self._stir()

    def on_notice(self, text: str, level: EventLevel) -> None:
        self.notices.append(text)
        self._stir()

    def of(self, client_order_id: str) -> list[OrderReport]:
        """Every report of one order."""
        return [report for report in self.reports if report.client_order_id == client_order_id]

    def fills_of(self, client_order_id: str) -> dict[str, Fill]:
        """Every execution that was told of one order, by its trade id."""
        return {fill.trade_id: fill for report in self.of(client_order_id) for fill in report.fills}

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until it is so; an assertion fails when it never is."""
        try:
            with anyio.fail_after(self.patience_seconds):
                while not is_so():
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"never heard: {what}") from None

    async def until_status(self, client_order_id: str, *wanted: OrderStatus) -> OrderReport:
        """Wait for a report of an order with one of these statuses."""
        names = " or ".join(wanted)
        await self.until(
            f"{client_order_id} is {names}", lambda: any(r.status in wanted for r in self.of(client_order_id))
        )
        return next(report for report in self.of(client_order_id) if report.status in wanted)

    async def until_price(self, price: Decimal) -> None:
        """Wait until the market is told to be at a price."""
        await self.until(f"a price of {price}", lambda: any(told == price for _, told, _ in self.prices))

    async def until_connection(self, *wanted: Connection) -> None:
        """Wait until the connection went through these states, in this order, last of all."""
        await self.until(f"connections {wanted}", lambda: tuple(self.connections[-len(wanted) :]) == wanted)

    def forget(self) -> None:
        """As if nothing had been heard yet."""
        for heard in (self.prices, self.reports, self.connections, self.candles, self.funding, self.liquidations):
            heard.clear()

    def _stir(self) -> None:
        self._heard.set()
        self._heard = anyio.Event()

"""An exchange that sees whether anything is placed behind a gap of its streams before the account was looked at."""

from collections.abc import Sequence
from decimal import Decimal

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from engine.exchange.port import ExchangeListener
from engine.model.order import OrderReport, OrderRequest
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from tests.sim.history import RecordedExchange


class _Overhearing:
    """The engine's ear, and ours."""

    def __init__(self, listener: ExchangeListener, witness: "GapWitness") -> None:
        self._listener = listener
        self._witness = witness

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self._listener.on_price(symbol, price, at_ms)

    def on_report(self, report: OrderReport) -> None:
        self._listener.on_report(report)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        self._listener.on_candle(symbol, interval_ms, candle, is_closed)

    def on_funding(self, payment: FundingPayment) -> None:
        self._listener.on_funding(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self._listener.on_liquidation(liquidation)

    def on_notice(self, text: str, level: EventLevel) -> None:
        self._listener.on_notice(text, level)

    def on_connection(self, connection: Connection) -> None:
        if connection is Connection.DISCONNECTED:
            self._witness.is_cut = True
            self._witness.is_compared = False
        elif connection is Connection.CONNECTED:
            self._witness.is_cut = False
        self._listener.on_connection(connection)


class GapWitness(RecordedExchange):
    """The recorded exchange; what is placed too early is in ``too_early``, in words.

    Invariant: ``is_compared`` says whether the open orders were asked for, and answered, since the streams are up.
    """

    def __init__(self, **arguments: object) -> None:
        self.is_cut = False
        self.is_compared = False
        self.too_early: list[str] = []
        super().__init__(**arguments)

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """A new client has seen nothing yet."""
        self.is_cut = self.is_compared = False
        await super().run(_Overhearing(listener, self), task_status=task_status)

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        was_cut = self.is_cut
        orders = await super().fetch_open_orders(symbol)
        if not was_cut and not self.is_cut:
            self.is_compared = True
        return orders

    async def place(self, request: OrderRequest) -> OrderReport:
        if self.is_cut:
            self.too_early.append(f"gap: {request.client_order_id} was placed while the streams were down")
        elif not self.is_compared:
            self.too_early.append(f"gap: {request.client_order_id} was placed before the account was looked at")
        return await super().place(request)

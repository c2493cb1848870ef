"""The Exchange protocol: everything the engine asks of an exchange, and everything it is told.

An exchange promises: amounts are exact Decimals; every error is one of ``model.errors``
(``Transient``: not executed, try again; ``Rejected``: not executed, do not try again;
``OutcomeUnknown``: ask by client order id); listener methods are plain calls that never block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from anyio.abc import TaskStatus

from engine.model.actions import QuietBand
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OwnFill
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """``free`` can be used, ``locked`` is bound by open orders."""

    free: Decimal
    locked: Decimal


class ExchangeListener(Protocol):
    """What the engine hears. Called on the engine's own loop; must return at once."""

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """The market traded at this price."""

    def on_report(self, report: OrderReport) -> None:
        """One of the account's orders changed."""

    def on_connection(self, connection: Connection) -> None:
        """The streams came up, broke, or ended for good."""

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001
        """A candle that is watched closed, or, where ``is_closed`` is false, is still forming."""

    def on_funding(self, payment: FundingPayment) -> None:
        """Funding was paid or received."""

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """The exchange closed a position; its orders were cancelled before."""

    def on_notice(self, text: str, level: EventLevel) -> None:
        """Something that whoever looks at the exchange should know: a ban, a silent stream, a clock that is off."""


class Exchange(Protocol):
    """One account on one exchange."""

    @property
    def name(self) -> str:
        """What the terminal shows."""

    @property
    def request_life_seconds(self) -> float:
        """For how long after it was sent a request may still be executed, margins included; 0: no longer than
        anybody waits anyway."""

    async def run(self, listener: ExchangeListener, *, task_status: TaskStatus[None]) -> None:
        """Stream prices and reports to ``listener`` until cancelled; started once the streams are up.

        Ends by itself only when no price will ever come again (after ``Connection.ENDED``).
        """

    async def fetch_market(self, symbol: str) -> Market:
        """Filters and fees of a market. Raises ``SettingsInvalid`` for an unknown symbol."""

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the account holds, by currency."""

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place a limit order and return the first report of it."""

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an open order and return its final report. Raises ``OrderNotFound`` if none is open."""

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``."""

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders of the account on a symbol, foreign ones too, each with all of its fills."""

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """The account's executions on a symbol at or after ``since_ms`` of the exchange's clock, oldest first."""

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The newest closed candles, oldest first, at most ``limit``; fewer where there is no more history."""

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """Tell every candle of this interval from now on; a stream gap is not filled in afterwards."""

    async def fetch_positions(self) -> dict[str, Position]:
        """The swap positions of the account by symbol; none where it is flat."""

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap at or after ``since_ms`` of the exchange's clock, oldest first."""

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account at or after ``since_ms`` of the exchange's clock, oldest first."""

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """Trade a swap with this leverage and margin from now on. Raises ``Rejected``."""

    def tell_prices(self) -> None:
        """Tell the newest price of every market now, quiet or not: somebody is looking."""

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """A hint: prices strictly inside the band need not be told; None wants every price.

        ``listener_key`` names the grid; where several grids watch a symbol the bands are intersected.
        If prices have gone untold, the newest of them is told at once.
        """

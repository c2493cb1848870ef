"""Whether the streams really bring something: a price, a candle, and that the account's own opens."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio

from engine.model.money import text_from_decimal
from engine.model.order import OrderReport
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.doctor.finding import Finding, fail, ok, warning

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

OPEN_SECONDS_MAX = 30.0
_MINUTE_MS = 60_000
_BROKE = "the streams broke"
_ADVICE = "see that the network lets WebSocket connections through (proxy, firewall, wssProxy in [exchange.ccxt])"


async def look_at_streams(
    exchange: "CcxtExchange", symbol: str, *, is_private: bool, seconds: float
) -> Sequence[Finding]:
    """Open every stream, then wait ``seconds`` at the most for a price and a candle that came by themselves."""
    ear = _Ear(symbol)
    exchange.watch_candles(symbol, _MINUTE_MS)
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(OPEN_SECONDS_MAX) as opening:
            await tasks.start(_run, exchange, ear)
        if not opening.cancelled_caught:
            ear.begin()
            with anyio.move_on_after(seconds):
                await ear.wait()
        tasks.cancel_scope.cancel()
    if opening.cancelled_caught:
        found = f"expected open streams within {OPEN_SECONDS_MAX:g} s, found none{ear.trouble}"
        return [fail("streams", found, _ADVICE)]
    return list(_findings(exchange, ear, seconds, is_private=is_private))


async def _run(
    exchange: "CcxtExchange", ear: "_Ear", *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    await exchange.run(ear, task_status=task_status)


def _findings(exchange: "CcxtExchange", ear: "_Ear", seconds: float, *, is_private: bool) -> Iterator[Finding]:
    if is_private:
        yield ok("private stream", "open: the account's orders and executions are told")
    quiet = f"nothing within {seconds:g} s{ear.trouble}"
    advice = f"where {ear.symbol} is traded often this must not be: {_ADVICE}"
    if ear.price is None:
        yield warning("price stream", f"open, {quiet}", advice)
    else:
        yield ok("price stream", f"{ear.symbol} at {text_from_decimal(ear.price)}")
    has_stream = next(feature.is_there for feature in exchange.features() if "candles" in feature.name)
    if ear.candle is not None:
        yield ok("candle stream", f"{ear.symbol}, a candle of a minute at {ear.candle.close:g}")
    elif has_stream:
        yield warning("candle stream", f"open, {quiet}", advice)
    else:
        yield ok("candle stream", "the exchange has none; candles are asked for")


class _Ear:
    """Listens until a price and a candle of one market have come after it began."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.price: Decimal | None = None
        self.candle: Candle | None = None
        self._is_listening = False
        self._notice = ""
        self._heard = anyio.Event()

    @property
    def trouble(self) -> str:
        """Why the streams broke, as the end of a sentence; nothing where they did not."""
        return f" ({self._notice})" if self._notice.startswith(_BROKE) else ""

    def begin(self) -> None:
        """What was asked for to open the streams does not count."""
        self._is_listening = True

    async def wait(self) -> None:
        await self._heard.wait()

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:  # noqa: ARG002 - the port's own signature
        if self._is_listening and symbol == self.symbol:
            self.price = price
            self._look()

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: ARG002, FBT001 - the port's own
        if symbol == self.symbol:
            self.candle = candle
            self._look()

    def on_notice(self, text: str, level: EventLevel) -> None:  # noqa: ARG002 - the port's own signature
        if not self._notice.startswith(_BROKE):
            self._notice = text

    def on_report(self, report: OrderReport) -> None:
        """Of no interest here."""

    def on_connection(self, connection: Connection) -> None:
        """Of no interest here."""

    def on_funding(self, payment: FundingPayment) -> None:
        """Of no interest here."""

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """Of no interest here."""

    def _look(self) -> None:
        if self.price is not None and self.candle is not None:
            self._heard.set()

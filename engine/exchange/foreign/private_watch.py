"""The private streams and who watches them: what they do not bring is asked for, and a stream that misses is dead.

A private stream that is silent looks like an account on which nothing happens. So the executions are asked for on a
clock: one that the stream should have brought long ago is told all the same, and ends the session.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.numbers import millis_from
from engine.exchange.foreign.order_desk import OrderDesk
from engine.exchange.foreign.private_stream import PrivateStream
from engine.exchange.foreign.stream_session import StreamBroken, StreamSession
from engine.exchange.foreign.trade_desk import TradeDesk
from engine.model.errors import GridwrightError, OrderNotFound
from engine.model.order import OrderReport

STALE_MS = 5_000
"""An execution that is so old and was not brought by the stream: the stream is dead."""
CHECK_SECONDS = 15.0
POLL_SECONDS = 3.0
"""How often is asked where the exchange has no such stream."""
_FIRST_CHECK_SECONDS = 3.0
_OVERLAP_MS = 60_000
_SETTLE_SECONDS = 1.0
"""How long private streams must have been open, as most exchanges never say that they are."""
_LOOK_SECONDS = 0.05


class PrivateWatch:
    """One per account. ``tell`` gets the reports of orders that had to be asked for."""

    def __init__(
        self,
        client: ForeignClient,
        stream: PrivateStream,
        *,
        orders: OrderDesk,
        trades: TradeDesk,
        symbols: Sequence[str],
        now_ms: Callable[[], int],
        exchange_ms: Callable[[], int],
        tell: Callable[[OrderReport], None],
    ) -> None:
        self.look = stream.look
        self._client = client
        self._stream = stream
        self._orders = orders
        self._trades = trades
        self._symbols = tuple(dict.fromkeys(symbols))
        self._now_ms = now_ms
        self._exchange_ms = exchange_ms
        self._tell = tell
        self._since_ms: dict[str, int] = {}
        self._open: dict[str, frozenset[str]] = {}

    @property
    def has_orders(self) -> bool:
        """Whether the exchange streams the account's orders."""
        return bool(self._client.has.get("watchOrders"))

    @property
    def has_trades(self) -> bool:
        """Whether it streams the account's executions."""
        return bool(self._client.has.get("watchMyTrades"))

    async def open(self, session: StreamSession) -> None:
        """Start the pumps; returns when the streams can be taken to be there."""
        if self.has_orders:
            session.pump("own orders", self._client.watch_orders)
        else:
            session.start(self._poll_orders)
        if self.has_trades:
            session.pump("own executions", self._client.watch_my_trades)
        if self.has_orders or self.has_trades:
            await self._until_connected()
        session.start(self._check_on_a_clock)

    async def _until_connected(self) -> None:
        while not self._is_connected():  # noqa: ASYNC110 - the library tells nobody
            await anyio.sleep(_LOOK_SECONDS)
        await anyio.sleep(_SETTLE_SECONDS)

    def _is_connected(self) -> bool:
        connections = list(self._client.clients.values())
        return bool(connections) and all(each.isConnected for each in connections)

    async def _check_on_a_clock(self) -> None:
        await anyio.sleep(_FIRST_CHECK_SECONDS)
        while True:
            for symbol in self._symbols:
                await self._check(symbol)
            await anyio.sleep(CHECK_SECONDS if self.has_trades else POLL_SECONDS)

    async def _check(self, symbol: str) -> None:
        since_ms = self._since_ms.setdefault(symbol, self._exchange_ms() - _OVERLAP_MS)
        asked_ms = self._exchange_ms()
        try:
            raws = await self._trades.raw_since(symbol, since_ms)
        except GridwrightError:
            return  # asked again in a moment; a connection that is gone shows itself
        self._since_ms[symbol] = asked_ms - _OVERLAP_MS
        old, fresh = _split(raws, asked_ms - STALE_MS)
        missed = self._stream.take(old)
        if not self.has_trades:
            self._stream.take(fresh)
        elif missed:
            raise StreamBroken(f"{missed} executions on {symbol} were not brought by the private stream: it is dead")

    async def _poll_orders(self) -> None:
        while True:
            await anyio.sleep(POLL_SECONDS)
            for symbol in self._symbols:
                try:
                    await self._compare_open(symbol)
                except GridwrightError:
                    continue  # asked again in a moment

    async def _compare_open(self, symbol: str) -> None:
        """Tell what is open, and what became of what was."""
        reports = await self._orders.fetch_open(symbol)
        names = frozenset(report.client_order_id for report in reports)
        gone = self._open.get(symbol, frozenset()) - names
        self._open[symbol] = names | gone
        for report in reports:
            self._tell(report)
        for name in gone:
            with suppress(OrderNotFound):
                self._tell(await self._orders.fetch(symbol, name))
            self._open[symbol] -= {name}


def _split(raws: Sequence[Raw], old_ms: int) -> tuple[list[Raw], list[Raw]]:
    """The executions up to a time, and those after it."""
    old = [raw for raw in raws if (millis_from(raw.get("timestamp")) or 0) <= old_ms]
    return old, [raw for raw in raws if (millis_from(raw.get("timestamp")) or 0) > old_ms]

"""The private streams and who watches them: what they do not bring is asked for, and a stream that misses is dead.

A private stream that is silent looks like an account on which nothing happens. So the executions are asked for on a
clock: one that the stream should have brought long ago is told all the same, and ends the session.
"""

from collections.abc import Callable, Sequence

import anyio

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.desks.order_desk import OrderDesk
from engine.exchange.foreign.desks.trade_desk import TradeDesk
from engine.exchange.foreign.streams.private_stream import PrivateStream
from engine.exchange.foreign.streams.stream_session import StreamBroken, StreamSession
from engine.exchange.foreign.words.numbers import millis_from
from engine.model.errors import GridwrightError, OrderNotFound
from engine.model.ids import key_from_client_order_id
from engine.model.order import TERMINAL_STATUSES, OrderReport

STALE_SECONDS = 5.0
"""An execution that the stream has not brought so long after it was asked for: the stream is dead."""
GRACE_MS = 5_000
"""The stream need not bring what happened before it was open, by clocks that may differ so much."""
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
        exchange_ms: Callable[[], int],
        tell: Callable[[OrderReport], None],
    ) -> None:
        self.look = stream.look
        self._client = client
        self._stream = stream
        self._orders = orders
        self._trades = trades
        self._symbols = tuple(dict.fromkeys(symbols))
        self._exchange_ms = exchange_ms
        self._tell = tell
        self._since_ms: dict[str, int] = {}
        self._open: dict[str, set[str]] = {}

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
            session.pump("own orders", self._client.watch_orders, self._take)
        else:
            session.start(self._poll_orders)
        if self.has_trades:
            session.pump("own executions", self._client.watch_my_trades, self._take)
        if self.has_orders or self.has_trades:
            await self._until_connected()
        session.start(self._check_on_a_clock)

    def _take(self, _: object) -> None:
        """Something came; the library hands on a part of it and keeps all of it."""
        self.look()

    async def _until_connected(self) -> None:
        while not self._is_connected():  # noqa: ASYNC110 - the library tells nobody
            await anyio.sleep(_LOOK_SECONDS)
        await anyio.sleep(_SETTLE_SECONDS)

    def _is_connected(self) -> bool:
        connections = list(self._client.clients.values())
        return bool(connections) and all(each.isConnected for each in connections)

    async def _check_on_a_clock(self) -> None:
        blamed_ms = self._exchange_ms() + GRACE_MS
        await anyio.sleep(_FIRST_CHECK_SECONDS)
        while True:
            for symbol in self._symbols:
                await self._check(symbol, blamed_ms)
            await anyio.sleep(CHECK_SECONDS if self.has_trades else POLL_SECONDS)

    async def _check(self, symbol: str, blamed_ms: int) -> None:
        """Tell what no stream has told; it is to blame for what it misses of after ``blamed_ms``."""
        since_ms = self._since_ms.setdefault(symbol, self._exchange_ms() - _OVERLAP_MS)
        asked_ms = self._exchange_ms()
        try:
            raws = await self._trades.raw_since(symbol, since_ms)
        except GridwrightError:
            return  # asked again in a moment; a connection that is gone shows itself
        self._since_ms[symbol] = asked_ms - _OVERLAP_MS
        owed = [raw for raw in raws if self.has_trades and _at_ms(raw) >= blamed_ms]
        self._stream.take(raw for raw in raws if not self.has_trades or _at_ms(raw) < blamed_ms)
        if all(map(self._stream.is_told, owed)):
            return
        # No clock says how old an execution is: the stream is given its time from when the exchange told it here.
        await anyio.sleep(STALE_SECONDS)
        if missed := self._stream.take(owed):
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
        own = {each.client_order_id for each in reports if key_from_client_order_id(each.client_order_id) is not None}
        known = self._open.setdefault(symbol, set())
        gone = known - own
        known |= own
        for report in reports:
            self._tell(report)
        for name in sorted(gone):
            await self._tell_end(symbol, name)

    async def _tell_end(self, symbol: str, name: str) -> None:
        """An order is in no list of open ones any more, which may be late."""
        try:
            report = await self._orders.fetch(symbol, name)
        except OrderNotFound:
            self._open[symbol].discard(name)
            return
        except GridwrightError:
            return  # asked again in a moment; others are not to wait for it
        self._tell(report)
        if report.status in TERMINAL_STATUSES:
            self._open[symbol].discard(name)


def _at_ms(raw: Raw) -> int:
    return millis_from(raw.get("timestamp")) or 0

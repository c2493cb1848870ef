"""The account's executions over REST: of one order, and all of a span, without a gap and each once.

Lists of executions lag, come in pages, are cut off at windows of time, oldest or newest first. So a span is asked
for in windows, and one whose page may have been cut off is asked for again in halves.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.fills import fill_from_foreign, fills_in_order
from engine.exchange.foreign.numbers import Unreadable, decimal_from, millis_from
from engine.exchange.foreign.order_index import KnownOrder, OrderIndex
from engine.exchange.foreign.orders import client_id_of, order_id_of
from engine.exchange.foreign.requester import Requester
from engine.model.errors import OrderNotFound, Rejected, Transient
from engine.model.market import Market
from engine.model.order import Fill, OwnFill, Side

PAGE = 50
"""Fewer than the smallest page that any exchange cuts off at (Kraken's 50): a page this long may be cut off."""
WINDOW_MS = 86_400_000
"""The shortest window that an exchange lays over one page of executions (Binance spot, 24 hours)."""
_OF_ORDER_OVERLAP_MS = 60_000


class TradeDesk:
    """One per account."""

    def __init__(
        self,
        client: ForeignClient,
        *,
        requester: Requester,
        index: OrderIndex,
        markets: Mapping[str, Market],
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._requester = requester
        self._index = index
        self._markets = markets
        self._now_ms = now_ms

    def fills_in(self, raw_order: Raw, market: Market, order_id: str | None) -> tuple[Fill, ...]:
        """The executions that stand in the answer about an order itself. Raises ``Unreadable``."""
        if order_id is None:
            return ()
        for fill in fills_in_order(raw_order, market, now_ms=self._now_ms()):
            self._index.add_fill(market.symbol, order_id, fill)
        return self._index.fills_of(market.symbol, order_id)

    async def fills_of(self, raw_order: Raw, market: Market, *, filled: Decimal) -> tuple[Fill, ...]:
        """The executions of an order that has ``filled`` in all, as far as the exchange shows them by now.

        Raises:
            Unreadable: an execution cannot be read.
            Transient: no answer.
        """
        order_id = order_id_of(raw_order)
        if order_id is None:
            raise Unreadable("the id of an order", raw_order.get("id"))
        known = self.fills_in(raw_order, market, order_id)
        if _sum(known) >= filled:
            return known
        for raw in await self._trades_of(raw_order, market, order_id):
            if order_id_of_trade(raw) == order_id:
                self._note(raw, market)
        return self._index.fills_of(market.symbol, order_id)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """Every execution of the account on a symbol from a time on, oldest first.

        Raises:
            Transient: no answer, or one that cannot be read.
        """
        market = self._markets[symbol]
        raws = await self.raw_since(symbol, since_ms)
        await self._learn_names(symbol, raws)
        found: list[OwnFill] = []
        for raw in raws:
            order_id = order_id_of_trade(raw)
            try:
                fill, side = fill_from_foreign(raw, market), Side(str(raw.get("side")))
            except ValueError as error:
                raise Transient(f"an execution on {symbol} cannot be read: {error}") from error
            if fill is None or order_id is None:
                raise Transient(
                    f"execution {raw.get('id')} on {symbol} is not told whole yet: its fee or order is missing"
                )
            self._index.add_fill(symbol, order_id, fill)
            found.append(OwnFill(client_order_id=self._name_of(raw, symbol), symbol=symbol, side=side, fill=fill))
        return sorted(found, key=lambda own: own.fill.at_ms)

    async def raw_since(self, symbol: str, since_ms: int) -> list[Raw]:
        """The same as the exchange tells them, each once, oldest first."""
        seen: dict[str, Raw] = {}
        now_ms = self._now_ms()
        starts = range(since_ms, max(now_ms, since_ms) + 1, WINDOW_MS)
        waiting = deque((start, start + WINDOW_MS) for start in starts)
        while waiting:
            start_ms, end_ms = waiting.popleft()
            page = await self._page(symbol, start_ms, end_ms)
            if len(page) >= PAGE and end_ms - start_ms > 1:
                # It may have been cut off at either end, as the exchange sorts: two halves leave nothing out.
                middle_ms = (start_ms + end_ms) // 2
                waiting.extendleft(((middle_ms, end_ms), (start_ms, middle_ms)))
                continue
            seen.update((name, raw) for raw in page if (name := _trade_name(raw)) is not None)
        in_time = [raw for raw in seen.values() if (millis_from(raw.get("timestamp")) or 0) >= since_ms]
        return sorted(in_time, key=lambda raw: millis_from(raw.get("timestamp")) or 0)

    async def _page(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[Raw]:
        return await self._requester.read(
            f"executions {symbol}",
            lambda: self._client.fetch_my_trades(symbol, start_ms, PAGE, {"until": end_ms}),
        )

    async def _trades_of(self, raw_order: Raw, market: Market, order_id: str) -> Sequence[Raw]:
        symbol = market.symbol
        if self._client.has.get("fetchOrderTrades"):
            return await self._requester.read(
                f"executions of order {order_id}", lambda: self._client.fetch_order_trades(order_id, symbol)
            )
        created_ms = millis_from(raw_order.get("timestamp")) or self._now_ms() - WINDOW_MS
        return await self.raw_since(symbol, created_ms - _OF_ORDER_OVERLAP_MS)

    def _note(self, raw: Raw, market: Market) -> None:
        order_id, fill = order_id_of_trade(raw), fill_from_foreign(raw, market)
        if order_id is not None and fill is not None:
            self._index.add_fill(market.symbol, order_id, fill)

    def _name_of(self, raw: Raw, symbol: str) -> str:
        order_id = order_id_of_trade(raw)
        known = None if order_id is None else self._index.by_order_id(symbol, order_id)
        return (client_id_of(raw) or order_id or "") if known is None else known.client_order_id

    async def _learn_names(self, symbol: str, raws: Sequence[Raw]) -> None:
        """Find out what the orders of these executions are called by us, where the exchange does not say so."""
        missing = {
            order_id
            for raw in raws
            if client_id_of(raw) is None
            and (order_id := order_id_of_trade(raw)) is not None
            and self._index.by_order_id(symbol, order_id) is None
        }
        for order_id in sorted(missing):
            try:
                raw = await self._requester.look_up(
                    f"order {order_id}", partial(self._client.fetch_order, order_id, symbol)
                )
            except (OrderNotFound, Rejected):
                continue
            self._index.learn(_known_from(raw, symbol, order_id))


def order_id_of_trade(raw: Raw) -> str | None:
    """The exchange's id of the order that an execution belongs to."""
    told = raw.get("order")
    return str(told) if isinstance(told, str | int) and str(told) else None


def _trade_name(raw: Raw) -> str | None:
    told = raw.get("id")
    return None if told is None else f"{told} {order_id_of_trade(raw)} {raw.get('side')}"


def _sum(fills: Sequence[Fill]) -> Decimal:
    return sum((fill.amount for fill in fills), Decimal(0))


def _known_from(raw: Raw, symbol: str, order_id: str) -> KnownOrder:
    side = Side.SELL if raw.get("side") == Side.SELL.value else Side.BUY
    return KnownOrder(
        client_order_id=client_id_of(raw) or order_id,
        order_id=order_id,
        symbol=symbol,
        side=side,
        price=decimal_from(raw.get("price")) or Decimal(0),
        amount=decimal_from(raw.get("amount")) or Decimal(0),
    )

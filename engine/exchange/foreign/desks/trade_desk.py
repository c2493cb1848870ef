"""The account's executions over REST: of one order, and all of a span, without a gap and each once.

Lists of executions lag, come in pages, are cut off at windows of time, oldest or newest first. So a span is asked
for in windows, and one whose page may have been cut off is asked for again in halves.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.desks.order_index import KnownOrder, OrderIndex
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.habits.paging import DAY_MS, checked_rows, read_pages
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.fills import fill_from_foreign, fills_in_order, side_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable, decimal_from, mapping_from, millis_from
from engine.exchange.foreign.words.orders import client_id_of, order_id_of
from engine.model.errors import OrderNotFound, Rejected, Transient
from engine.model.ids import key_from_client_order_id
from engine.model.market import Market
from engine.model.order import Fill, OwnFill, Side
from engine.model.text import clean_text

QUESTIONS_MAX = 3_000
"""No span needs more pages; an exchange that does not heed the ends of a span would be asked for ever."""
SETTLE_MS = 60_000
"""An order that is not told is younger than this, or nobody's of ours: lists of orders lag behind executions."""
_OF_ORDER_OVERLAP_MS = 60_000
_NO_ID_NAMES = ("orderLinkId", "clOrdId", "text", "cliOrdId")
"""Where an exchange names the client order id of every execution, and leaves it empty where there is none."""


class TradeDesk:
    """One per account."""

    def __init__(
        self,
        client: ForeignClient,
        dialect: Dialect,
        *,
        requester: Requester,
        index: OrderIndex,
        markets: Mapping[str, Market],
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._pages = dialect.trades
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
        self._note(await self._narrowed(market.symbol, order_id), order_id, market)
        if _sum(self._index.fills_of(market.symbol, order_id)) < filled:
            # Narrowed lists are cut off too, and some look back a week only.
            created_ms = millis_from(raw_order.get("timestamp")) or self._now_ms() - 7 * DAY_MS
            self._note(await self.raw_since(market.symbol, created_ms - _OF_ORDER_OVERLAP_MS), order_id, market)
        return self._index.fills_of(market.symbol, order_id)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """Every execution of the account on a symbol from a time on, oldest first.

        One of somebody else's orders that cannot be read is left out until it can be.

        Raises:
            Transient: no answer, or one of ours that cannot be read.
        """
        market = self._markets[symbol]
        raws = await self.raw_since(symbol, since_ms)
        await self._learn_names(symbol, raws)
        found: list[OwnFill] = []
        for raw in raws:
            name = self._name_of(raw, symbol)
            try:
                own = self._own_fill(raw, market, name)
            except (Unreadable, Transient) as error:
                if key_from_client_order_id(name) is not None:
                    raise Transient(f"an execution on {symbol} cannot be read: {error}") from error
                continue
            found.append(own)
        return sorted(found, key=lambda own: own.fill.at_ms)

    async def raw_since(self, symbol: str, since_ms: int) -> list[Raw]:
        """The same as the exchange tells them, each once, oldest first. Raises ``Transient``, ``SettingsInvalid``."""
        seen: dict[str, Raw] = {}
        window_ms = self._pages.window_ms
        starts = range(since_ms, max(self._now_ms(), since_ms) + 1, window_ms)
        waiting = deque((start, start + window_ms) for start in starts)
        for _ in range(QUESTIONS_MAX):
            if not waiting:
                break
            start_ms, end_ms = waiting.popleft()
            page = await self._page(symbol, start_ms, end_ms, {})
            if len(page) >= self._pages.limit:
                if end_ms - start_ms > self._pages.grain_ms:
                    self._check_ends(page, end_ms)
                    # It may have been cut off at either end, as the exchange sorts: two halves leave nothing out.
                    middle_ms = (start_ms + end_ms) // 2
                    waiting.extendleft(((middle_ms, end_ms), (start_ms, middle_ms)))
                    continue
                page = await self._crowd(symbol, start_ms, end_ms)
            seen.update((_trade_name(raw), raw) for raw in page)
        else:
            raise Transient(f"{self._client.id} lists the executions on {symbol} without an end")
        return _in_order(seen.values(), symbol, since_ms)

    async def _page(
        self, symbol: str, start_ms: int, end_ms: int, more: Mapping[str, object], limit: int | None = None
    ) -> list[Raw]:
        """A span's executions, both ends included whatever the exchange makes of them."""
        pages = self._pages
        asked_for = None if pages.are_of_all_symbols else symbol
        since_ms, until_ms = max(start_ms - pages.grain_ms, 1), end_ms + pages.grain_ms
        until = {"until": until_ms} if pages.before_name is None else {pages.before_name: _iso(until_ms)}
        page = await self._requester.read(
            f"executions {symbol}",
            lambda: self._client.fetch_my_trades(asked_for, since_ms, limit or pages.limit, {**until, **more}),
        )
        return checked_rows(page)

    async def _crowd(self, symbol: str, start_ms: int, end_ms: int) -> list[Raw]:
        """A span that cannot be divided and is full, page by page."""
        is_whole, rows = False, list[Raw]()
        if self._pages.crowd is not None:
            rows, is_whole = await read_pages(
                lambda limit, more: self._page(symbol, start_ms, end_ms, more, limit),
                self._pages.crowd,
                name_of=_trade_name,
            )
        if not is_whole:
            raise Transient(
                f"{self._client.id} tells at most {self._pages.limit} executions at once, and there were more on "
                f"{symbol} within {end_ms - start_ms} ms; look at the account's history there"
            )
        return rows

    def _check_ends(self, page: Sequence[Raw], end_ms: int) -> None:
        newest_ms = max((millis_from(raw.get("timestamp")) or 0 for raw in page), default=0)
        if newest_ms > end_ms + 2 * self._pages.grain_ms:
            raise Transient(
                f"{self._client.id} lists executions after the end that was asked for: so many cannot be listed whole"
            )

    async def _narrowed(self, symbol: str, order_id: str) -> Sequence[Raw]:
        """The executions of one order, as many as fit on a page; none where the exchange cannot be asked so."""
        name, limit = self._pages.of_order, self._pages.limit
        what = f"executions of order {order_id}"
        if name is not None:
            page = await self._requester.read(
                what, lambda: self._client.fetch_my_trades(symbol, None, limit, {name: order_id})
            )
        elif self._client.has.get("fetchOrderTrades") is True:
            try:
                page = await self._requester.read(what, lambda: self._client.fetch_order_trades(order_id, symbol))
            except Rejected:
                return ()  # not on this kind of market, whatever the library says of the exchange
        else:
            return ()
        return checked_rows(page)

    def _note(self, raws: Sequence[Raw], order_id: str, market: Market) -> None:
        for raw in raws:
            fill = fill_from_foreign(raw, market) if order_id_of_trade(raw) == order_id else None
            if fill is not None:
                self._index.add_fill(market.symbol, order_id, fill)

    def _own_fill(self, raw: Raw, market: Market, name: str) -> OwnFill:
        order_id, fill, side = order_id_of_trade(raw), fill_from_foreign(raw, market), side_from_foreign(raw)
        if fill is None or order_id is None:
            raise Transient(f"execution {clean_text(str(raw.get('id')), 40)} is not told whole yet: its fee or order")
        self._index.add_fill(market.symbol, order_id, fill)
        return OwnFill(client_order_id=name, symbol=market.symbol, side=side, fill=fill)

    def _name_of(self, raw: Raw, symbol: str) -> str:
        order_id = order_id_of_trade(raw)
        known = None if order_id is None else self._index.by_order_id(symbol, order_id)
        return (client_id_of(raw) or order_id or "") if known is None else known.client_order_id

    async def _learn_names(self, symbol: str, raws: Sequence[Raw]) -> None:
        """Find out what the orders of these executions are called by us, where the exchange does not say so."""
        newest_ms = {
            order_id: millis_from(raw.get("timestamp")) or 0
            for raw in raws
            if client_id_of(raw) is None
            and not _is_told_nameless(raw)
            and (order_id := order_id_of_trade(raw)) is not None
            and self._index.by_order_id(symbol, order_id) is None
        }
        for order_id, at_ms in sorted(newest_ms.items()):
            try:
                raw = await self._order(symbol, order_id)
            except (OrderNotFound, Rejected):
                if at_ms > self._now_ms() - SETTLE_MS:
                    raise Transient(f"the order of an execution on {symbol} is not told yet") from None
                raw = {}  # somebody's that the exchange has forgotten; it is not asked for again
            self._index.learn(_known_from(raw, symbol, order_id))

    async def _order(self, symbol: str, order_id: str) -> Raw:
        params = self._dialect.lookup_params("", order_id=order_id)
        raw = await self._requester.look_up(
            f"order {order_id}", lambda: self._client.fetch_order(order_id, symbol, params)
        )
        if not isinstance(raw, Mapping):
            raise Transient(f"asked for order {order_id}, the exchange answered with nothing")
        return raw


def order_id_of_trade(raw: Raw) -> str | None:
    """The exchange's id of the order that an execution belongs to."""
    told = raw.get("order")
    return str(told) if isinstance(told, str | int) and str(told) else None


def _in_order(raws: Iterable[Raw], symbol: str, since_ms: int) -> list[Raw]:
    found: list[tuple[int, Raw]] = []
    for raw in raws:
        if raw.get("symbol") not in (None, symbol):
            continue
        at_ms = millis_from(raw.get("timestamp"))
        if at_ms is None:
            raise Transient(f"an execution on {symbol} was told without its time")
        if at_ms >= since_ms:
            found.append((at_ms, raw))
    return [raw for _, raw in sorted(found, key=lambda timed: timed[0])]


def _is_told_nameless(raw: Raw) -> bool:
    """The exchange says of every execution what its order is called, and that this one's has no name."""
    info = mapping_from(raw.get("info"))
    return any(info.get(name) == "" for name in _NO_ID_NAMES)


def _trade_name(raw: Raw) -> str:
    return f"{raw.get('id')} {order_id_of_trade(raw)} {raw.get('side')} {raw.get('symbol')}"


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
        is_guess=True,
    )

"""The lists of the account's orders, read whole: the open ones, and the ended ones as far back as one may be.

Some exchanges cannot be asked for an order by our id, or forget the id after a while; there an order is looked for
in these lists. An order is called gone only where they reach back to before it was sent.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.habits.paging import DAY_MS, Pages, read_pages
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.numbers import decimal_from, millis_from
from engine.exchange.foreign.words.orders import client_id_of
from engine.model.errors import OrderNotFound, OutcomeUnknown, Transient
from engine.model.market import Market
from engine.model.money import ZERO

LOOK_BACK_MS = 91 * DAY_MS
"""How far back an order is looked for of which nobody knows when it was sent."""
SENT_MARGIN_MS = 60_000
_NARROWED = Pages(limit=50)
Fetch = Callable[..., Awaitable[Sequence[Raw]]]


class OrderSearch:
    """One per account."""

    def __init__(
        self, client: ForeignClient, dialect: Dialect, *, requester: Requester, now_ms: Callable[[], int]
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._requester = requester
        self._now_ms = now_ms

    async def open_orders(self, market: Market) -> list[Raw]:
        """All open orders of the account on a market. Raises ``Transient`` where the list has no end."""
        pages = self._pages(self._dialect.open_orders, market)
        rows, is_whole = await read_pages(
            lambda limit, more: self._requester.read(
                f"open orders {market.symbol}",
                lambda: self._client.fetch_open_orders(market.symbol, None, limit, dict(more)),
            ),
            pages,
        )
        if not is_whole:
            raise Transient(f"{self._client.id} lists the open orders on {market.symbol} without an end")
        return [raw for raw in rows if raw.get("symbol") in (None, market.symbol)]

    async def find(self, market: Market, client_order_id: str, *, sent_ms: int | None) -> Raw:
        """The order of ours with this id; ``sent_ms`` None: nobody knows when it was sent.

        Raises:
            OrderNotFound: it is in none of the lists.
            OutcomeUnknown: nor is it, but there may be older ones.
            Transient: no answer.
        """
        narrow = self._dialect.list_params(client_order_id)
        rows = await self._narrowed_open(market, client_order_id, narrow) if narrow else await self.open_orders(market)
        found = [raw for raw in rows if client_id_of(raw) == client_order_id]
        if found:
            return _fullest(found)
        is_whole = True
        for fetch in self._ended_lists():
            rows, reaches = await self._ended(fetch, market, client_order_id, narrow, sent_ms)
            found += [raw for raw in rows if client_id_of(raw) == client_order_id]
            is_whole &= reaches
        if found:
            return _fullest(found)
        if not is_whole:
            raise OutcomeUnknown(
                f"order {client_order_id} is not among the newest orders on {market.symbol}; it may be older: "
                f"look for it in the account's order history on {self._client.id}"
            )
        raise OrderNotFound(f"no order {client_order_id} among the open and the closed ones on {market.symbol}")

    async def _narrowed_open(self, market: Market, name: str, narrow: Mapping[str, object]) -> list[Raw]:
        rows, _ = await read_pages(
            lambda limit, _more: self._ask(self._client.fetch_open_orders, market, name, None, limit, narrow),
            _NARROWED,
        )
        return rows

    async def _ended(
        self, fetch: Fetch, market: Market, name: str, narrow: Mapping[str, object], sent_ms: int | None
    ) -> tuple[list[Raw], bool]:
        """What one list of ended orders tells, and whether it reaches back to when the order was sent."""
        pages = _NARROWED if narrow else self._pages(self._dialect.closed_orders, market)
        oldest_ms = None if sent_ms is None else sent_ms - SENT_MARGIN_MS

        def is_enough(page: Sequence[Raw]) -> bool:
            is_there = any(client_id_of(raw) == name for raw in page)
            return is_there or (oldest_ms is not None and _oldest_ms(page) < oldest_ms)

        async def read(since_ms: int | None, span: Mapping[str, object]) -> tuple[list[Raw], bool]:
            return await read_pages(
                lambda limit, more: self._ask(fetch, market, name, since_ms, limit, {**narrow, **span, **more}),
                pages,
                is_enough=is_enough,
            )

        window_ms = self._dialect.closed_window_ms
        if window_ms is None:
            return await read(None, {})
        now_ms = self._now_ms()
        furthest_ms = now_ms - LOOK_BACK_MS if oldest_ms is None else oldest_ms
        for start_ms in range(now_ms - window_ms, furthest_ms - window_ms, -window_ms):
            rows, is_whole = await read(start_ms, {"until": start_ms + window_ms})
            if not is_whole or any(client_id_of(raw) == name for raw in rows):
                return rows, is_whole
        return [], True

    async def _ask(
        self,
        fetch: Fetch,
        market: Market,
        name: str,
        since_ms: int | None,
        limit: int | None,
        params: Mapping[str, object],
    ) -> Sequence[Raw]:
        try:
            return await self._requester.look_up(
                f"order {name}", lambda: fetch(market.symbol, since_ms, limit, dict(params))
            )
        except OrderNotFound:
            return []

    def _pages(self, spot: Pages, market: Market) -> Pages:
        swap = self._dialect.swap_orders
        return spot if market.swap is None or swap is None else swap

    def _ended_lists(self) -> Sequence[Fetch]:
        client, has = self._client, self._client.has
        if has.get("fetchCanceledAndClosedOrders") is True:
            return (client.fetch_canceled_and_closed_orders,)
        if has.get("fetchCanceledOrders") is True:
            return client.fetch_closed_orders, client.fetch_canceled_orders
        return (client.fetch_closed_orders,)


def _fullest(raws: Sequence[Raw]) -> Raw:
    """Where a list tells an order more than once, as it changed: what was filled only grows."""
    return max(raws, key=lambda raw: (decimal_from(raw.get("filled")) or ZERO, _changed_ms(raw)))


def _changed_ms(raw: Raw) -> int:
    return millis_from(raw.get("lastUpdateTimestamp")) or millis_from(raw.get("timestamp")) or 0


def _oldest_ms(page: Sequence[Raw]) -> float:
    """When the oldest order of a page was placed, as far as it says so of all of them."""
    told = [millis_from(raw.get("timestamp")) for raw in page]
    return min((at_ms for at_ms in told if at_ms is not None), default=float("inf"))

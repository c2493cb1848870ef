"""Every order the simulated exchange remembers: by its id, which of them changed, and which ids are used."""

from collections import deque
from collections.abc import Iterable

from engine.exchange.order_book import ExchangeOrder
from engine.model.errors import OrderNotFound
from engine.model.order import OrderReport


class OrderRegister:
    """Orders of all markets, open and closed; at most ``closed_kept`` of the closed.

    Invariant: an id is in ``used_ids`` from the moment its order is accepted, for ever.
    """

    def __init__(self, *, closed_kept: int) -> None:
        self.sequence = 0
        """That of the newest order."""
        self.used_ids: set[str] = set()
        self._closed_kept = closed_kept
        self._orders: dict[str, ExchangeOrder] = {}
        self._closed_ids: deque[str] = deque()
        self._changed: dict[str, ExchangeOrder] = {}

    def add(self, order: ExchangeOrder) -> None:
        """Remember an order that was accepted now."""
        self.used_ids.add(order.client_order_id)
        self._orders[order.client_order_id] = order
        self._changed[order.client_order_id] = order

    def restore(self, order: ExchangeOrder) -> None:
        """Remember an order of an earlier life, unchanged."""
        self._orders[order.client_order_id] = order

    def note_change(self, order: ExchangeOrder) -> None:
        """The order is not what it was."""
        self._changed[order.client_order_id] = order

    def note_close(self, order: ExchangeOrder) -> None:
        """The order is closed; the oldest of the closed may be forgotten."""
        self._changed[order.client_order_id] = order
        self._closed_ids.append(order.client_order_id)
        if len(self._closed_ids) > self._closed_kept:
            del self._orders[self._closed_ids.popleft()]

    def find(self, symbol: str, client_order_id: str) -> ExchangeOrder:
        """An order, open or closed.

        Raises:
            OrderNotFound: it was never accepted on the symbol, or is closed and forgotten.
        """
        order = self._orders.get(client_order_id)
        if order is None or order.symbol != symbol:
            raise OrderNotFound(f"no order {client_order_id} on {symbol}")
        return order

    def open_as_of(self, symbol: str, still_open: Iterable[ExchangeOrder], at_ms: int) -> tuple[OrderReport, ...]:
        """The orders that were open on a symbol at an earlier time, oldest first, as they were then."""
        orders = list(still_open)
        for client_order_id in reversed(self._closed_ids):
            order = self._orders[client_order_id]
            if order.at_ms <= at_ms:
                break
            if order.symbol == symbol:
                orders.append(order)
        orders.sort(key=lambda order: order.sequence)
        reports = (order.report_as_of(at_ms) for order in orders)
        return tuple(report for report in reports if report is not None)

    def take_changes(self) -> tuple[ExchangeOrder, ...]:
        """The orders that changed since this was last asked."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

"""The orders and executions of the venue's account, with every state that an order was ever in."""

from collections import defaultdict

from tests.loopback.venue_words import DuplicateRule, Refusal, RefusalReason, VenueFill, VenueOrder

FIRST_ORDER_ID = 4_000_001


class Register:
    """Orders by id. Nothing is ever forgotten.

    Invariant: ``history`` of an order holds its snapshots, oldest first, and is never empty.
    """

    def __init__(self) -> None:
        """No orders."""
        self.fills: list[VenueFill] = []
        self.history: dict[int, list[VenueOrder]] = {}
        self._open: dict[int, VenueOrder] = {}
        self._by_client: dict[str, list[int]] = defaultdict(list)

    def next_id(self) -> int:
        """Ids rise by one."""
        return FIRST_ORDER_ID + len(self.history)

    def keep(self, order: VenueOrder, fill: VenueFill | None = None) -> None:
        """The newest snapshot of an order, and what traded."""
        if order.order_id not in self.history:
            self.history[order.order_id] = []
            self._by_client[order.client_id].append(order.order_id)
        self.history[order.order_id].append(order)
        if order.is_open:
            self._open[order.order_id] = order
        else:
            self._open.pop(order.order_id, None)
        if fill is not None:
            self.fills.append(fill)

    def by_id(self, order_id: int) -> VenueOrder:
        """An order that exists."""
        return self.history[order_id][-1]

    def as_of(self, order_id: int, at_ms: int) -> VenueOrder | None:
        """The order as it was then, None before it existed."""
        known = [order for order in self.history[order_id] if order.updated_ms <= at_ms]
        return known[-1] if known else None

    def orders(self, market_id: str | None) -> list[VenueOrder]:
        """All orders, oldest first."""
        return [states[-1] for states in self.history.values() if market_id in (None, states[-1].market)]

    def open_orders(self, market_id: str | None) -> list[VenueOrder]:
        """Open orders, oldest first."""
        return [order for order in self._open.values() if market_id in (None, order.market)]

    def find(
        self, market_id: str, *, order_id: int | None, client_id: str | None, open_first: bool = False
    ) -> VenueOrder:
        """By either id; both must fit if both are given. Raises ``Refusal``."""
        ids = self._by_client.get(client_id or "", []) if order_id is None else [order_id]
        found = [self.by_id(each) for each in ids if each in self.history]
        found = [order for order in found if order.market == market_id and client_id in (None, order.client_id)]
        if not found:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, "Order does not exist.")
        if open_first:
            return next((order for order in reversed(found) if order.is_open), found[-1])
        return found[-1]

    def check_client_id(self, client_id: str, rule: DuplicateRule) -> None:
        """Raises ``Refusal`` if the client id is taken; orders without one never clash."""
        if not client_id:
            return
        match rule:
            case DuplicateRule.WHILE_OPEN:
                is_taken = any(each in self._open for each in self._by_client.get(client_id, ()))
            case DuplicateRule.FOR_EVER:
                is_taken = client_id in self._by_client
        if is_taken:
            raise Refusal(RefusalReason.DUPLICATE_ID, "Duplicate order sent.")

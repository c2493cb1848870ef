"""What one account's orders are called: our client order ids and the exchange's own, both ways, bounded.

Executions are told by the exchange's id alone on many exchanges. What is not remembered here is asked for.
"""

from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal

from engine.model.order import Fill, Side

REMEMBERED_MAX = 20_000
_FILLS_PER_ORDER_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """An order's names and what never changes of it."""

    client_order_id: str
    order_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    is_guess: bool = False
    """Read from an execution; the order itself has not been told yet."""


class OrderIndex:
    """The newest ``REMEMBERED_MAX`` orders that anybody has spoken of, and the executions told of them."""

    def __init__(self) -> None:
        self._by_order_id: OrderedDict[tuple[str, str], KnownOrder] = OrderedDict()
        self._order_id_of: dict[str, str] = {}
        self._fills: OrderedDict[tuple[str, str], dict[str, Fill]] = OrderedDict()

    def learn(self, order: KnownOrder) -> None:
        """The exchange has named an order."""
        key = order.symbol, order.order_id
        self._by_order_id[key] = order
        self._by_order_id.move_to_end(key)
        self._order_id_of[order.client_order_id] = order.order_id
        if len(self._by_order_id) > REMEMBERED_MAX:
            _, gone = self._by_order_id.popitem(last=False)
            if self._order_id_of.get(gone.client_order_id) == gone.order_id:
                del self._order_id_of[gone.client_order_id]

    def by_order_id(self, symbol: str, order_id: str) -> KnownOrder | None:
        """The order that the exchange calls so; its ids are unique on one symbol only."""
        return self._by_order_id.get((symbol, order_id))

    def order_id_of(self, client_order_id: str) -> str | None:
        """What the exchange calls an order."""
        return self._order_id_of.get(client_order_id)

    def add_fill(self, symbol: str, order_id: str, fill: Fill) -> bool:
        """Remember an execution; False: it was told before."""
        fills = self._fills.setdefault((symbol, order_id), {})
        if fill.trade_id in fills or len(fills) >= _FILLS_PER_ORDER_MAX:
            return False
        fills[fill.trade_id] = fill
        if len(self._fills) > REMEMBERED_MAX:
            self._fills.popitem(last=False)
        return True

    def fills_of(self, symbol: str, order_id: str) -> tuple[Fill, ...]:
        """The executions that were told of an order, by time."""
        return tuple(sorted(self._fills.get((symbol, order_id), {}).values(), key=lambda fill: fill.at_ms))

"""What is remembered of orders that the books have closed, so that what an exchange tells late is booked once."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.model.errors import InvariantBroken
from engine.model.money import ZERO
from engine.model.order import Fill

_PER_SLOT = 4
"""So many orders for every slot are remembered, however old they are."""
REMEMBERED_MS = 900_000
"""Every order is remembered for at least so long, by the engine's clock."""


@dataclass(slots=True)
class ClosedOrders:
    """The newest, in the order in which they were closed: how much of each is booked, and which trades.

    Invariant: the three have the same orders.
    """

    filled: "OrderedDict[str, Decimal]" = field(default_factory=OrderedDict)
    trades: dict[str, frozenset[str]] = field(default_factory=dict)
    closed_ms: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "ClosedOrders":
        """The same, which goes on by itself."""
        return ClosedOrders(filled=self.filled.copy(), trades=dict(self.trades), closed_ms=dict(self.closed_ms))

    def note(self, client_order_id: str, fills: Sequence[Fill], at_ms: int, *, slots: int) -> None:
        """An order of a grid with so many slots was closed with these executions; old ones are forgotten."""
        self.filled[client_order_id] = ZERO
        self.trades[client_order_id] = frozenset()
        self.closed_ms[client_order_id] = at_ms
        self.book(client_order_id, fills)
        while len(self.filled) > _PER_SLOT * slots and self.closed_ms[next(iter(self.filled))] < at_ms - REMEMBERED_MS:
            forgotten, _ = self.filled.popitem(last=False)
            del self.trades[forgotten], self.closed_ms[forgotten]

    def book(self, client_order_id: str, fills: Sequence[Fill]) -> Decimal:
        """Executions are booked of an order; how much that makes.

        Raises:
            InvariantBroken: the order is not remembered, or one of them is booked already.
        """
        trades = frozenset(fill.trade_id for fill in fills)
        known = self.trades.get(client_order_id)
        if known is None or not known.isdisjoint(trades):
            raise InvariantBroken(f"expected new trades of a closed order {client_order_id}, found {sorted(trades)}")
        self.trades[client_order_id] = known | trades
        self.filled[client_order_id] += sum((fill.amount for fill in fills), ZERO)
        return self.filled[client_order_id]

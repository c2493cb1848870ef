"""The account's orders as the simulated exchange keeps them, and those that rest on one market.

Resting orders are sorted by price, at one price the earlier first, so that the next order to
fill is the last of its list and a trade that fills nothing costs two comparisons.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.model.actions import QuietBand
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, OrderReport, OrderStatus, OwnFill, Side

NO_BUY = ZERO
"""Below every price: no buy rests."""
NO_SELL = Decimal("Infinity")
"""Above every price: no sell rests."""


@dataclass(slots=True, kw_only=True)
class ExchangeOrder:
    """One accepted order. ``locked`` is what it still binds: quote of a buy, base of a sell, margin of a swap's.

    ``at_ms`` is when it last changed; ``accepted_ms`` is 0 where an earlier life accepted it.
    Invariant: ``filled`` is the sum of ``fills``; ``locked`` is 0 once the order is closed.
    """

    sequence: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    post_only: bool
    locked: Decimal
    at_ms: int
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)
    accepted_ms: int = 0
    reduce_only: bool = False
    reason: str = ""
    """Why it was canceled, where its owner did not ask for that."""

    @property
    def is_open(self) -> bool:
        return self.status is OrderStatus.OPEN or self.status is OrderStatus.PARTIALLY_FILLED

    @property
    def remaining(self) -> Decimal:
        """Base not yet executed."""
        return self.amount - self.filled

    def report(self, fills: tuple[Fill, ...]) -> OrderReport:
        """What the exchange says of it now, carrying ``fills``."""
        return OrderReport(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            price=self.price,
            amount=self.amount,
            status=self.status,
            filled=self.filled,
            fills=fills,
            at_ms=self.at_ms,
            reason=self.reason,
        )

    def full_report(self) -> OrderReport:
        """What the exchange answers when asked: the order with all of its fills."""
        return self.report(tuple(self.fills))

    def report_as_of(self, at_ms: int) -> OrderReport | None:
        """What the exchange would have answered at an earlier time; None: it had no such order yet."""
        if self.accepted_ms > at_ms:
            return None
        if self.at_ms <= at_ms:
            return self.full_report()
        fills = tuple(fill for fill in self.fills if fill.at_ms <= at_ms)
        return replace(
            self.report(fills),
            status=OrderStatus.PARTIALLY_FILLED if fills else OrderStatus.OPEN,
            filled=sum((fill.amount for fill in fills), ZERO),
            at_ms=fills[-1].at_ms if fills else self.accepted_ms or at_ms,
            reason="",
        )


class OrderBook:
    """The account's resting orders on one market, and the market's last trade, which is a swap's mark.

    Invariant: ``best_buy`` and ``best_sell`` are the last prices of their lists, or NO_BUY and NO_SELL.
    Invariant: ``recent_fills`` are the newest executions without a gap; the last has the number ``trades``.
    """

    __slots__ = (
        *("best_buy", "best_sell", "buys", "last_price", "market", "orders", "recent_fills"),
        *("sells", "trades"),
    )

    def __init__(self, market: Market, *, fills_kept: int) -> None:
        self.market = market
        self.last_price: Decimal | None = None
        self.trades = 0
        self.recent_fills: deque[OwnFill] = deque(maxlen=fills_kept)
        self.orders: dict[str, ExchangeOrder] = {}
        self.buys: list[tuple[Decimal, int, ExchangeOrder]] = []
        self.sells: list[tuple[Decimal, int, ExchangeOrder]] = []
        self.best_buy = NO_BUY
        self.best_sell = NO_SELL

    def add(self, order: ExchangeOrder) -> None:
        """Let an order rest."""
        self.orders[order.client_order_id] = order
        insort(self._list_of(order), _entry(order))
        self._find_best()

    def remove(self, order: ExchangeOrder) -> None:
        """Take a resting order away; it must be there."""
        del self.orders[order.client_order_id]
        entries = self._list_of(order)
        del entries[bisect_left(entries, _entry(order))]
        self._find_best()

    def crossed(self, price: Decimal, *, with_touched: bool) -> list[ExchangeOrder]:
        """The orders that a trade at ``price`` goes through (or touches), nearest first."""
        hit: list[ExchangeOrder] = []
        for limit, _, order in reversed(self.buys):
            if not (price < limit or (with_touched and price == limit)):
                break
            hit.append(order)
        for negative, _, order in reversed(self.sells):
            if not (price > -negative or (with_touched and price == -negative)):
                break
            hit.append(order)
        return hit

    def quiet_band(self) -> QuietBand:
        """The open interval of prices in which no resting order fills, whatever the fill model.

        The edges are the best prices themselves: a price on an edge may fill nothing, but data
        need not keep to the tick, so nothing tighter than the edge is safe.
        """
        return QuietBand(self.best_buy, self.best_sell)

    def _list_of(self, order: ExchangeOrder) -> list[tuple[Decimal, int, ExchangeOrder]]:
        match order.side:
            case Side.BUY:
                return self.buys
            case Side.SELL:
                return self.sells

    def _find_best(self) -> None:
        self.best_buy = self.buys[-1][0] if self.buys else NO_BUY
        self.best_sell = -self.sells[-1][0] if self.sells else NO_SELL


def _entry(order: ExchangeOrder) -> tuple[Decimal, int, ExchangeOrder]:
    """Sorts the nearest order last; sequences differ, so orders themselves are never compared."""
    match order.side:
        case Side.BUY:
            return order.price, -order.sequence, order
        case Side.SELL:
            return -order.price, -order.sequence, order

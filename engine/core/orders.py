"""Order transitions: the rank of an order only rises and its filled amount only grows.

Any order of arrival of an order's reports ends in the same state; a report told twice
changes nothing the second time.
"""

from dataclasses import dataclass, replace

from engine.model.errors import InvariantBroken
from engine.model.money import ZERO
from engine.model.order import TERMINAL_STATUSES, Fill, Order, OrderReport, OrderStatus

_RANK = {
    OrderStatus.INTENT: 0,
    OrderStatus.SENT: 1,
    OrderStatus.UNKNOWN: 2,
    OrderStatus.OPEN: 3,
    OrderStatus.PARTIALLY_FILLED: 4,
    OrderStatus.FILLED: 5,
    OrderStatus.CANCELED: 5,
    OrderStatus.REJECTED: 5,
    OrderStatus.EXPIRED: 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """The order after a report, and the executions that were news."""

    order: Order
    new_fills: tuple[Fill, ...]


def apply_report(order: Order, report: OrderReport) -> OrderChange | None:
    """What a report changes in an order; None if it says nothing new.

    Raises:
        InvariantBroken: more was filled than was ordered, or one trade was told in two ways.
    """
    new_fills = _news(order, report)
    filled = order.filled + sum((fill.amount for fill in new_fills), ZERO)
    reported_filled = max(order.reported_filled, report.filled, filled)
    if reported_filled > order.amount:
        raise InvariantBroken(
            f"order {order.client_order_id}: expected at most {order.amount} filled, found {reported_filled}"
        )
    status = _status_after(order.status, report.status, has_fills=filled > 0)
    changed = replace(
        order,
        status=status,
        filled=filled,
        reported_filled=reported_filled,
        fills=tuple(sorted(order.fills + new_fills, key=_time_and_trade)) if new_fills else order.fills,
        reason=order.reason if status is order.status else report.reason,
    )
    return None if changed == order else OrderChange(order=changed, new_fills=new_fills)


def _news(order: Order, report: OrderReport) -> tuple[Fill, ...]:
    if not report.fills:
        return ()
    known = {fill.trade_id: fill for fill in order.fills}
    news: list[Fill] = []
    for fill in report.fills:
        seen = known.get(fill.trade_id)
        if seen is None:
            known[fill.trade_id] = fill
            news.append(fill)
        elif (seen.price, seen.amount) != (fill.price, fill.amount):
            raise InvariantBroken(f"trade {fill.trade_id} of order {order.client_order_id} was told in two ways")
    return tuple(news)


def _time_and_trade(fill: Fill) -> tuple[int, str]:
    return fill.at_ms, fill.trade_id


def _status_after(now: OrderStatus, told: OrderStatus, *, has_fills: bool) -> OrderStatus:
    status = told if _RANK[told] > _RANK[now] else now
    if has_fills and status not in TERMINAL_STATUSES:
        return OrderStatus.PARTIALLY_FILLED
    return status

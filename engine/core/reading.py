"""What reports of the exchange make of a grid's books, one upon the other, before any of it is true."""

from collections.abc import Iterable, Iterator, Sequence

from engine.core.books import GridBooks
from engine.core.slots import REFUSALS_MAX, SlotChange
from engine.model.errors import InvariantBroken
from engine.model.events import Fact, LateFillBooked, OrderReported, SlotFrozen
from engine.model.ids import key_from_client_order_id
from engine.model.order import Fill, OrderReport
from engine.model.slot import Slot


def foresee(books: GridBooks, reports: Sequence[OrderReport]) -> tuple[list[SlotChange], list[Fact]]:
    """The changes that these reports make, and the facts that record them."""
    changes: list[SlotChange] = []
    facts: list[Fact] = []
    current: dict[int, Slot] = {}
    for report in reports:
        index = books.slot_of_order.get(report.client_order_id)
        if index is None:
            continue
        change = books.foresee(current.get(index, books.slots[index]), report)
        if change is None:
            continue
        current[index] = change.slot
        changes.append(change)
        facts.append(OrderReported(slot=index, report=report))
        if change.slot.refusals >= REFUSALS_MAX and change.slot.freeze_reason is None:
            facts.append(SlotFrozen(slot=index, reason=f"refused {REFUSALS_MAX} times: {report.reason}", by="engine"))
    return changes, facts


def is_news(books: GridBooks, report: OrderReport) -> bool:
    """Whether a report can change anything; what an order is told twice, it is told in vain."""
    index = books.slot_of_order.get(report.client_order_id)
    return index is not None and books.foresee(books.slots[index], report) is not None


def is_late(books: GridBooks, report: OrderReport) -> bool:
    """Whether a report tells more of a closed order than is booked of it."""
    return is_untold(books, report) or any(_unbooked(books, report))


def is_untold(books: GridBooks, report: OrderReport) -> bool:
    """Whether a closed order was executed further than those of its executions say that are booked."""
    booked = books.booked_of_closed(report.client_order_id)
    return booked is not None and report.filled > booked


def slots_of(reports: Iterable[OrderReport]) -> set[int]:
    """The slots whose orders these are."""
    return {key.slot for report in reports if (key := key_from_client_order_id(report.client_order_id)) is not None}


def late_facts(books: GridBooks, reports: Iterable[OrderReport]) -> list[LateFillBooked]:
    """The facts that book what reports tell of closed orders and the books do not have.

    Raises:
        InvariantBroken: more was executed than was ordered.
    """
    told: dict[str, OrderReport] = {}
    news: dict[str, dict[str, Fill]] = {}
    for report in reports:
        for fill in _unbooked(books, report):
            told[report.client_order_id] = report
            news.setdefault(report.client_order_id, {})[fill.trade_id] = fill
    return [_late_fact(books, told[name], tuple(fills.values())) for name, fills in news.items()]


def _late_fact(books: GridBooks, report: OrderReport, fills: tuple[Fill, ...]) -> LateFillBooked:
    name = report.client_order_id
    key = key_from_client_order_id(name)
    filled = sum((fill.amount for fill in fills), books.closed.filled[name])
    if key is None or filled > report.amount:
        raise InvariantBroken(f"order {name}: expected at most {report.amount} filled, found {filled}")
    return LateFillBooked(slot=key.slot, client_order_id=name, side=report.side, amount=report.amount, fills=fills)


def _unbooked(books: GridBooks, report: OrderReport) -> Iterator[Fill]:
    """The executions of a closed order that are not booked; nothing can be said of one that is not remembered."""
    booked = books.closed.trades.get(report.client_order_id)
    if booked is not None:
        yield from (fill for fill in report.fills if fill.trade_id not in booked)

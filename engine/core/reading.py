"""What reports of the exchange make of a grid's books, one upon the other, before any of it is true."""

from collections.abc import Sequence

from engine.core.books import GridBooks
from engine.core.slots import REFUSALS_MAX, SlotChange
from engine.model.errors import InvariantBroken
from engine.model.events import Fact, OrderReported, SlotFrozen
from engine.model.order import OrderReport
from engine.model.slot import Slot


def foresee(books: GridBooks, reports: Sequence[OrderReport]) -> tuple[list[SlotChange], list[Fact]]:
    """The changes that these reports make, and the facts that record them.

    Raises:
        InvariantBroken: more was executed of an order than it was closed with.
    """
    changes: list[SlotChange] = []
    facts: list[Fact] = []
    current: dict[int, Slot] = {}
    for report in reports:
        index = books.slot_of_order.get(report.client_order_id)
        if index is None:
            _check_closed(books, report)
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
    return index is None or books.foresee(books.slots[index], report) is not None


def _check_closed(books: GridBooks, report: OrderReport) -> None:
    booked = books.booked_of_closed(report.client_order_id)
    if booked is not None and report.filled > booked:
        raise InvariantBroken(
            f"order {report.client_order_id} was closed with {booked} filled, the exchange now reports {report.filled}"
        )

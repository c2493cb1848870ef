"""Books what the exchange tells of orders that the books have closed already."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from engine.core import reading
from engine.model.money import ZERO
from engine.model.order import OrderReport
from engine.runtime.bookkeeper import GridBookkeeper


class LateDesk:
    """One grid's. ``ask`` fetches an order with all of its fills and reports it; it takes symbol and order id."""

    def __init__(self, bookkeeper: GridBookkeeper, *, ask: Callable[[str, str], None]) -> None:
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._ask = ask
        self._asked: dict[str, Decimal] = {}
        """What was told of closed orders without its executions; asked for once, then it is the reconciler's."""

    async def book(self, told: Sequence[OrderReport]) -> bool:
        """Book what these reports tell of closed orders, if anything; whether anything was booked."""
        books = self._books
        reports = [report for report in told if reading.is_late(books, report)]
        if not reports:
            return False
        facts = await self._bookkeeper.transition(reading.slots_of(reports), lambda: reading.late_facts(books, reports))
        for report in reports:
            name = report.client_order_id
            if reading.is_untold(books, report) and self._asked.get(name, ZERO) < report.filled:
                remembered = books.closed.filled
                self._asked = {each: filled for each, filled in self._asked.items() if each in remembered}
                self._asked[name] = report.filled
                self._ask(books.spec.symbol, name)
        return bool(facts)

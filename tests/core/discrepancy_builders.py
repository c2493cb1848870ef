"""Books and discrepancies for the tests of corrections and questions."""

from collections.abc import Iterable
from decimal import Decimal

from engine.core import corrections
from engine.core.books import GridBooks
from engine.core.corrections import Correction
from engine.core.differences import about_holding, about_order
from engine.model.events import (
    Fact,
    OrderIntended,
    OrderReported,
)
from engine.model.grid import GridState
from engine.model.market import FeeCurrency, MarketKind
from engine.model.order import OrderReport, OrderStatus
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution
from engine.model.slot import order_of
from tests.builders import a_fill, a_market, a_report, an_intent, some_books

D = Decimal
K, R = DiscrepancyKind, Resolution
OPEN, PARTIAL, FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED
MARKET = a_market(fee_currency=FeeCurrency.QUOTE)
AT_MS = 7_000


def books_with(*facts: Fact, state: GridState = GridState.RUNNING) -> GridBooks:
    """Books of the default grid, with fees in quote, after these facts."""
    return fold(some_books(market=MARKET, state=state), facts)


def fold(books: GridBooks, facts: Iterable[Fact]) -> GridBooks:
    for fact in facts:
        books.apply(fact, AT_MS)
    return books


def reported(intent: OrderIntended, *reports: OrderReport) -> list[Fact]:
    return [intent, *(OrderReported(slot=intent.slot, report=report) for report in reports)]


def bought(slot: int, *, generation: int = 0, amount: str = "1") -> list[Fact]:
    """A slot of which the entry was filled at its level, without a fee."""
    intent = an_intent(slot, generation=generation)
    price = 100 + 10 * slot
    fill = a_fill(f"{slot}.{generation}", price=price, amount=amount)
    return reported(intent, a_report(intent, FILLED if amount == "1" else CANCELED, fill))


def assert_exact(books: GridBooks) -> None:
    """Lots and dust are the ledger's base; nothing is unexplained at any mark."""
    held = sum((lot.quantity for lot in books.lots()), books.ledger.dust.quantity)
    assert held == books.ledger.base
    assert [books.profit(D(mark)).residual for mark in (0, 150, 1000)] == [0, 0, 0]


def found_about(
    books: GridBooks, kind: DiscrepancyKind, report: OrderReport | None, *, slot: int | None = 5
) -> Discrepancy:
    order = None if slot is None else order_of(books.slots[slot])
    return about_order(kind, None if slot is None else books.slots[slot], journalled=order, order=order, report=report)


def short_of(quantity: str, *, total: str = "0") -> Discrepancy:
    held = D(total) + D(quantity)
    return about_holding(K.HOLDING_SHORT, MarketKind.SPOT, total=D(total), held=held, quantity=D(quantity))


def correct(books: GridBooks, found: Discrepancy, way: Resolution) -> Correction:
    return corrections.correct(books, found, way, by="ann")


ENTRY = an_intent()
OPENED = reported(ENTRY, a_report(ENTRY, OPEN))
HALF = a_fill("1", amount="0.4")
HALVED = reported(ENTRY, a_report(ENTRY, PARTIAL, HALF))

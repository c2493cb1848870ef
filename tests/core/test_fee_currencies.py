# ruff: noqa: N802 -- a known failure is named as it is written
"""Fees in a third currency, and fees whose currency changes: shown by currency, no part of what the grid explains."""

from decimal import Decimal

import pytest

from engine.core.books import GridBooks
from engine.core.ledger import profit_at
from engine.model.events import OrderReported
from engine.model.order import Leg, OrderStatus
from engine.model.slot import NO_LOT, Exiting, Holding, lot_of
from tests.builders import a_fill, a_lot, a_report, an_intent, some_books

D = Decimal


def books_after_an_entry(*fees: tuple[str, str]) -> GridBooks:
    """A lot of 1 bought at 150 in equal parts, each with its fee."""
    books, entry, part = some_books(), an_intent(), D(1) / len(fees)
    books.apply(entry, 0)
    fills = [a_fill(str(n), amount=part, fee=fee, fee_currency=name, at_ms=n) for n, (fee, name) in enumerate(fees)]
    books.apply(OrderReported(slot=5, report=a_report(entry, OrderStatus.FILLED, *fills)), 1)
    return books


def test_REL_25_a_fee_in_a_third_currency_leaves_lot_and_cost_whole_and_stands_in_its_own_column() -> None:
    books = books_after_an_entry(("0.0002", "BNB"))
    assert books.slots[5].state == Holding(lot=a_lot(1, 150))
    assert books.ledger.fees == (("BNB", D("0.0002")),)
    profit = books.profit(D(160))
    assert (profit.total, profit.floating, profit.fees, profit.residual) == (D(10), D(10), D(0), D(0))


def test_REL_25_a_fee_that_changes_its_currency_in_mid_order_is_booked_for_each_execution_as_it_was() -> None:
    """The BNB run out: then the fee is taken of what is bought, then, of another order, of the quote."""
    books = books_after_an_entry(("0.0001", "BNB"), ("0.0005", "BTC"))
    assert books.slots[5].state == Holding(lot=a_lot("0.9995", 150))
    leave = an_intent(leg=Leg.EXIT, generation=1, amount="0.9995")
    books.apply(leave, 2)
    first = a_fill("x", price=160, amount="0.5", fee="0.00007", fee_currency="BNB", at_ms=5)
    second = a_fill("y", price=160, amount="0.4995", fee="0.07992", fee_currency="USDT", at_ms=6)
    books.apply(OrderReported(slot=5, report=a_report(leave, OrderStatus.FILLED, first, second)), 3)
    assert lot_of(books.slots[5]) == NO_LOT
    assert books.ledger.fees == (("BNB", D("0.00017")), ("BTC", D("0.0005")), ("USDT", D("0.07992")))
    assert books.ledger.realised == D("159.92") - D("0.07992") - 150
    assert books.profit(D(170)).residual == 0


def test_a_rebate_in_a_third_currency_is_no_profit_of_the_grid_either() -> None:
    books = books_after_an_entry(("-0.0002", "BNB"))
    assert (books.ledger.fees, books.profit(D(150)).total) == ((("BNB", D("-0.0002")),), D(0))


@pytest.mark.parametrize("amount", ["0.3", "0.7"])
def test_fees_of_base_on_a_sale_are_owed_by_the_grid_and_kept_back_once_they_make_a_lot(amount: str) -> None:
    """Where the fee coin is the base itself a sale takes more of it than was offered."""
    books = books_after_an_entry(("0", "BTC"))
    leave = an_intent(leg=Leg.EXIT, generation=1)
    books.apply(leave, 2)
    part = a_fill("x", price=160, amount=amount, fee="0.001", fee_currency="BTC", at_ms=5)
    books.apply(OrderReported(slot=5, report=a_report(leave, OrderStatus.PARTIALLY_FILLED, part)), 3)
    state = books.slots[5].state
    assert isinstance(state, Exiting)
    assert state.lot.quantity == 1 - D(amount) - D("0.001")
    assert profit_at(books.ledger, books.lots(), D(123)).residual == 0

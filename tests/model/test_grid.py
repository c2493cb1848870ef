"""A grid's wish refuses nonsense at the door; an order knows when nothing more will come of it."""

from decimal import Decimal

import pytest

from engine.model.order import TERMINAL_STATUSES, OrderStatus
from tests.builders import a_spec, an_order

D = Decimal


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lower": D(68000), "upper": D(52000)}, "lower must be above 0 and below upper, was 68000 and 52000"),
        ({"lower": D(100), "upper": D(100)}, "lower must be above 0 and below upper, was 100 and 100"),
        ({"lower": D(0)}, "lower must be above 0 and below upper, was 0 and 200"),
        ({"slots": 0}, "slots and window must be at least 1 and the size above 0"),
        ({"window": 0}, "slots and window must be at least 1 and the size above 0"),
        ({"size": D(0)}, "slots and window must be at least 1 and the size above 0"),
    ],
)
def test_an_impossible_wish_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        a_spec(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_is_settled_when_it_is_terminal_and_all_of_its_fills_are_booked(status: OrderStatus) -> None:
    is_terminal = status in TERMINAL_STATUSES
    booked = an_order(status=status, filled=D("0.4"), reported_filled=D("0.4"))
    missing = an_order(status=status, filled=D("0.4"), reported_filled=D("0.5"))
    assert (booked.is_terminal, booked.is_settled) == (is_terminal, is_terminal)
    assert (missing.is_terminal, missing.is_settled) == (is_terminal, False)

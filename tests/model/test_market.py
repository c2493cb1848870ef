"""What a market demands of an order, and of itself."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_market

D = Decimal


@pytest.mark.parametrize(
    "price, amount, problem",
    [
        ("61250.01", "0.00123", None),
        ("5", "1", None),
        ("61250.015", "1", "price must be a positive multiple of the tick 0.01, was 61250.015"),
        ("0", "1", "price must be a positive multiple of the tick 0.01, was 0"),
        ("-1", "1", "price must be a positive multiple of the tick 0.01, was -1"),
        ("100", "0.000015", "amount must be a multiple of the lot 0.00001, was 0.000015"),
        ("100", "0", "amount must be between 0.00001 and 9000, was 0"),
        ("100", "-1", "amount must be between 0.00001 and 9000, was -1"),
        ("100", "9000.00001", "amount must be between 0.00001 and 9000, was 9000.00001"),
        ("100", "0.04999", "notional must be at least 5 USDT, was 4.999"),
    ],
)
def test_a_problem_is_named_with_what_was_expected_and_found(price: str, amount: str, problem: str | None) -> None:
    assert a_market().problem_with(D(price), D(amount)) == problem


def test_a_market_without_a_least_amount_still_takes_no_empty_order() -> None:
    market = a_market(amount_min=D(0), notional_min=D(0))
    assert market.problem_with(D(1), D(0)) == "amount must be above 0, was 0"


def test_021_a_tick_is_an_increment_and_not_a_number_of_digits() -> None:
    """A tick of 2.5 allows 2.5, 5 and 7.5, and nothing else of one digit."""
    market = a_market(tick_size=D("2.5"), lot_size=D("0.25"), notional_min=D(0))
    assert market.floor_price(D("7.4")) == 5
    assert market.ceil_price(D("5.1")) == D("7.5")
    assert market.floor_amount(D("0.9")) == D("0.75")
    assert market.problem_with(D("7.5"), D("0.25")) is None
    assert market.problem_with(D(4), D(1)) == "price must be a positive multiple of the tick 2.5, was 4"


@given(st.decimals(min_value=1, max_value=10**6, places=6), st.decimals(min_value=1, max_value=100, places=9))
def test_what_a_market_has_rounded_it_takes(price: Decimal, amount: Decimal) -> None:
    market = a_market(notional_min=D(0))
    assert market.problem_with(market.floor_price(price), market.floor_amount(amount)) is None
    assert market.problem_with(market.ceil_price(price), market.floor_amount(amount)) is None


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tick_size": D(0)}, "tick_size must be above 0, was 0"),
        ({"lot_size": D(-1)}, "lot_size must be above 0, was -1"),
        ({"amount_max": D(0)}, "amount_max must be above 0, was 0"),
        ({"amount_min": D(-1)}, "amount_min must be between 0 and amount_max, was -1 and 9000"),
        ({"amount_min": D(9001)}, "amount_min must be between 0 and amount_max, was 9001 and 9000"),
        ({"maker_fee_rate": D("0.1")}, "maker_fee_rate must be a fraction in [-0.01, 0.1), was 0.1"),
        ({"taker_fee_rate": D("-0.02")}, "taker_fee_rate must be a fraction in [-0.01, 0.1), was -0.02"),
    ],
)
def test_a_market_that_makes_no_sense_cannot_be_made(changes: dict[str, Decimal], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        a_market(**changes)
    assert str(caught.value) == message

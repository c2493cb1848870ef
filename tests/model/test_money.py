"""Exact decimal arithmetic: steps, quotients, shares and their text."""

from decimal import Decimal, Inexact, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.money import (
    MONEY_QUANTUM,
    ceil_to_step,
    decimal_from_text,
    floor_quotient,
    floor_to_step,
    is_on_step,
    nearest_step,
    share_of,
    text_from_decimal,
)

D = Decimal
amounts = st.decimals(min_value=0, max_value=D(10) ** 12, places=12)
positive_amounts = st.decimals(min_value=D("0.000000000001"), max_value=D(10) ** 9, places=12)
steps = st.sampled_from([D("1E-8"), D("0.00001"), D("0.01"), D("0.05"), D("0.25"), D(1), D(3), D(1000)])


@pytest.mark.parametrize(
    "value, step, floor, nearest, ceil",
    [
        ("0.29", "0.01", "0.29", "0.29", "0.29"),
        ("4.35", "0.01", "4.35", "4.35", "4.35"),
        ("61250.014999", "0.01", "61250.01", "61250.01", "61250.02"),
        ("61250.015", "0.01", "61250.01", "61250.02", "61250.02"),
        ("0.1", "0.05", "0.10", "0.10", "0.10"),
        ("0.13", "0.05", "0.10", "0.15", "0.15"),
        ("7", "2.5", "5", "7.5", "7.5"),
        ("0", "0.01", "0", "0", "0"),
        ("0.004", "0.01", "0", "0", "0.01"),
        ("-0.013", "0.01", "-0.02", "-0.01", "-0.01"),
        ("-0.015", "0.01", "-0.02", "-0.01", "-0.01"),
    ],
)
def test_steps_are_floored_raised_and_rounded_to_the_nearest(
    value: str, step: str, floor: str, nearest: str, ceil: str
) -> None:
    assert floor_to_step(D(value), D(step)) == D(floor)
    assert nearest_step(D(value), D(step)) == D(nearest)
    assert ceil_to_step(D(value), D(step)) == D(ceil)


@given(amounts, steps)
def test_a_step_is_at_most_one_step_away_and_never_on_the_wrong_side(value: Decimal, step: Decimal) -> None:
    floor, ceil = floor_to_step(value, step), ceil_to_step(value, step)
    assert floor <= value <= ceil
    assert ceil - floor in (0, step)
    assert is_on_step(floor, step)
    assert is_on_step(ceil, step)
    assert abs(nearest_step(value, step) - value) == min(value - floor, ceil - value)


@given(amounts, positive_amounts)
def test_a_quotient_is_less_than_one_quantum_too_small(value: Decimal, divisor: Decimal) -> None:
    floor = floor_quotient(value, divisor)
    with localcontext() as context:
        context.prec = 100
        assert floor * divisor <= value < (floor + MONEY_QUANTUM) * divisor


@given(amounts, positive_amounts, positive_amounts)
def test_a_share_is_floored_and_the_whole_is_exact(total: Decimal, part: Decimal, more: Decimal) -> None:
    whole = part + more
    share = share_of(total, part, whole)
    assert share_of(total, whole, whole) == total
    with localcontext() as context:
        context.prec = 100
        assert share * whole <= total * part < (share + MONEY_QUANTUM) * whole


@given(amounts, positive_amounts, steps)
def test_rounding_by_name_works_where_inexact_results_are_trapped(
    value: Decimal, other: Decimal, step: Decimal
) -> None:
    """So everything else can run under the trap that proves it exact."""
    with localcontext() as context:
        context.traps[Inexact] = True
        floor_to_step(value, step)
        ceil_to_step(value, step)
        nearest_step(value, step)
        floor_quotient(value, other)
        share_of(value, other, other + 1)


@pytest.mark.parametrize(
    "value, text",
    [
        ("0.00120", "0.0012"),
        ("61250", "61250"),
        ("61250.00", "61250"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("0E-8", "0"),
        ("-0", "0"),
        ("-0.50", "-0.5"),
    ],
)
def test_text_is_plain_and_without_trailing_zeros(value: str, text: str) -> None:
    assert text_from_decimal(D(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(D(10) ** 15), max_value=D(10) ** 15))
def test_text_and_value_are_one_to_one(value: Decimal) -> None:
    assert decimal_from_text(text_from_decimal(value)) == value


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected a decimal number, found ''"),
        ("1,5", "expected a decimal number, found '1,5'"),
        ("NaN", "expected a finite decimal number, found 'NaN'"),
        ("-Infinity", "expected a finite decimal number, found '-Infinity'"),
    ],
)
def test_text_that_is_no_finite_number_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        decimal_from_text(text)
    assert str(caught.value) == message

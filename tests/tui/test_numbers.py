"""Numbers, times and text from outside as a person reads them."""

from decimal import Decimal

import pytest

from tui.present.numbers import (
    clock,
    date_clock,
    distance,
    duration,
    exact,
    number,
    percent,
    places_of,
    plural,
    quote_places,
    share,
    signed,
)


@pytest.mark.parametrize(
    "value, places, text",
    [
        ("60412.37", 2, "60,412.37"),
        ("-3.1", 2, "−3.10"),
        ("-0.001", 2, "0.00"),
        ("0", 2, "0.00"),
        ("1234567", 0, "1,234,567"),
        ("0.00000012", 8, "0.00000012"),
    ],
)
def test_a_number_has_separators_and_no_sign_when_it_rounds_to_zero(value: str, places: int, text: str) -> None:
    assert number(Decimal(value), places) == text


@pytest.mark.parametrize(
    "value, text",
    [("12.84", "+12.84"), ("-3.1", "−3.10"), ("0", "0.00"), ("0.001", "0.00"), ("-0.001", "0.00")],
)
def test_a_signed_number_always_says_its_direction_except_at_zero(value: str, text: str) -> None:
    assert signed(Decimal(value), 2) == text


def test_an_exact_amount_loses_no_digit() -> None:
    assert exact(Decimal("-0.00000012")) == "−0.00000012"
    assert exact(Decimal("0E-12")) == "0"
    assert exact(Decimal("1.10")) == "1.1"


def test_places_come_from_the_step() -> None:
    assert [places_of(Decimal(step)) for step in ("0.01", "5", "10", "0.00001", "0.010")] == [2, 0, 0, 5, 2]
    assert [quote_places(Decimal(tick)) for tick in ("1", "0.01", "0.00001")] == [2, 2, 5]


def test_a_distance_is_a_signed_percentage_of_the_price() -> None:
    assert percent(distance(Decimal(101), Decimal(100))) == "+1.00%"
    assert percent(distance(Decimal("99.5"), Decimal(100))) == "−0.50%"
    assert distance(Decimal(1), Decimal(0)) == 0


def test_a_share_is_all_only_when_all_is_done() -> None:
    assert share(Decimal("0.999")) == "99%"
    assert share(Decimal(1)) == "100%"


def test_times_are_utc() -> None:
    assert clock(1_584_000_847_000) == "08:14:07"
    assert date_clock(1_584_000_847_000) == "2020-03-12 08:14:07Z"


@pytest.mark.parametrize(
    "span_ms, text",
    [(8_000, "8s"), (727_000, "12m 07s"), (3_660_000, "1h 01m"), (273_600_000, "3d 04h"), (-5, "0s")],
)
def test_a_duration_has_its_two_largest_units(span_ms: int, text: str) -> None:
    assert duration(span_ms) == text


def test_counts_agree_with_their_noun() -> None:
    assert [plural(count, "order") for count in (0, 1, 1200)] == ["0 orders", "1 order", "1,200 orders"]

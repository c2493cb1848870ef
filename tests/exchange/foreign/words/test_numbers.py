"""Exact amounts and times out of untrusted values."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.words.numbers import (
    Unreadable,
    decimal_from,
    mapping_from,
    millis_from,
    positive_decimal,
    text_from,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.00001000", "0.00001"),
        (" 61250.10 ", "61250.1"),
        ("1e-8", "0.00000001"),
        ("-0.5", "-0.5"),
        (0.1, "0.1"),
        (1e-05, "0.00001"),
        (4.53e-06, "0.00000453"),
        (0.29, "0.29"),
        (922327.0, "922327"),
        (7, "7"),
        (0, "0"),
        (Decimal("1.50"), "1.5"),
    ],
)
def test_an_amount_is_read_exactly(value: object, expected: str) -> None:
    """Finding 003: a float is read by what the exchange once wrote, never by its bits."""
    assert decimal_from(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "snan",
        float("nan"),
        float("inf"),
        True,
        False,
        "twelve",
        "1,5",
        "1_000",
        "\u0661\u0662",
        "0x10",
        "1" * 65,
        "1e999999999",
        "1e-999999999",
        10**50,
        Decimal("NaN"),
        Decimal("1e50"),
        [],
        {},
        b"1",
        object(),
    ],
)
def test_what_is_no_amount_is_nothing(value: object) -> None:
    assert decimal_from(value) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e12", max_value="1e12", places=8))
def test_text_keeps_every_digit(number: Decimal) -> None:
    assert decimal_from(str(number)) == number


@given(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1), st.integers(min_value=0, max_value=12))
def test_a_float_keeps_the_fifteen_digits_that_an_exchange_wrote(digits: int, places: int) -> None:
    number = Decimal(digits).scaleb(-places)
    assert decimal_from(float(number)) == number


@given(st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.none())))
def test_anything_is_a_finite_amount_or_nothing(value: object) -> None:
    number = decimal_from(value)
    assert number is None or number.is_finite()


def test_what_cannot_be_read_says_what_was_expected_and_found() -> None:
    assert str(Unreadable("a price", None)) == "expected a price, found nothing"
    assert str(Unreadable("a price", "soon")) == "expected a price, found 'soon'"
    assert str(Unreadable("a price", [1])) == "expected a price, found a list"


def test_a_message_shows_no_escape_sequence_of_the_exchange() -> None:
    told = str(Unreadable("a price", "\x1b[31m\u202e" + "x" * 500))
    assert told.isprintable()
    assert len(told) < 150


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1733290605971, 1733290605971),
        ("1733290605971", 1733290605971),
        (1733290605971.0, 1733290605971),
        (-1, None),
        (0, None),
        (None, None),
        ("soon", None),
        (10**18, None),
        (True, None),
    ],
)
def test_a_time_is_read_or_is_nothing(value: object, expected: int | None) -> None:
    assert millis_from(value) == expected


def test_zero_is_what_exchanges_write_for_what_does_not_apply() -> None:
    assert positive_decimal({"price": "0.00000000"}, "price") is None
    assert positive_decimal({"price": "-1"}, "price") is None
    assert positive_decimal({"price": "1"}, "price") == 1


def test_text_and_dictionaries_are_read_or_are_nothing() -> None:
    values: tuple[object, ...] = ("a", 12, "", " ", None, True, 1.5, [])
    assert [text_from(value) for value in values] == ["a", "12"] + [None] * 6
    assert mapping_from({"a": 1}) == {"a": 1}
    assert mapping_from(["a"]) == {}

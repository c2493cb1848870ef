# ruff: noqa: N802 -- a regression test carries the id of its finding, as it is written
"""Client order ids: unique for ever, and a pure function both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.ids import (
    GENERATIONS_MAX,
    GRIDS_MAX,
    SLOTS_MAX,
    OrderKey,
    client_order_id_from_key,
    key_from_client_order_id,
)
from engine.model.order import Leg
from tests.builders import an_id

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
keys = st.builds(
    OrderKey,
    instance=st.text(LETTERS, min_size=3, max_size=3),
    grid=st.integers(0, GRIDS_MAX - 1),
    slot=st.integers(0, SLOTS_MAX - 1),
    leg=st.sampled_from(Leg),
    generation=st.integers(0, GENERATIONS_MAX - 1),
)


def test_an_id_says_whose_order_it_is() -> None:
    key = OrderKey(instance="abc", grid=37, slot=40, leg=Leg.EXIT, generation=1000)
    text = client_order_id_from_key(key)
    assert text[:15] == "gabc11x01400" + "0rs"
    assert key_from_client_order_id(text) == key


@given(keys)
def test_L33a_an_id_fits_every_exchange_and_leads_back_to_its_key(key: OrderKey) -> None:
    text = client_order_id_from_key(key)
    assert len(text) == 16
    assert set(text) <= set(LETTERS)
    assert not text.startswith("t")
    assert key_from_client_order_id(text) == key


@given(keys, keys)
def test_L27_two_keys_never_have_one_id(one: OrderKey, other: OrderKey) -> None:
    assert (client_order_id_from_key(one) == client_order_id_from_key(other)) == (one == other)


def test_L27_an_id_differs_by_leg_and_by_generation() -> None:
    """Entry and exit at one price, and the same order in the next cycle, are four orders."""
    ids = {an_id(5, leg, generation) for leg in (Leg.ENTRY, Leg.EXIT) for generation in (0, 1)}
    assert len(ids) == 4


@given(keys, st.integers(0, 15), st.sampled_from(LETTERS))
def test_an_id_with_one_wrong_letter_is_not_ours_or_not_the_same(key: OrderKey, place: int, letter: str) -> None:
    text = client_order_id_from_key(key)
    wrong = text[:place] + letter + text[place + 1 :]
    assert wrong == text or key_from_client_order_id(wrong) != key


@pytest.mark.parametrize(
    "text",
    ["", "g", "web_1234567890ab", "GABC00E00000000A", an_id()[:-1], an_id() + "0", "x" + an_id()[1:],
     an_id().upper(), an_id()[:6] + "z" + an_id()[7:], an_id()[:15] + "é"],
)  # fmt: skip
def test_a_foreign_id_is_nobodys(text: str) -> None:
    assert key_from_client_order_id(text) is None


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"instance": "ab"}, "instance must be three characters of 0-9a-z, was 'ab'"),
        ({"instance": "aBc"}, "instance must be three characters of 0-9a-z, was 'aBc'"),
        ({"grid": GRIDS_MAX}, "expected a number below 1296, found 1296"),
        ({"slot": SLOTS_MAX}, "expected a number below 46656, found 46656"),
        ({"generation": GENERATIONS_MAX}, "expected a number below 60466176, found 60466176"),
        ({"slot": -1}, "expected a number below 46656, found -1"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    parts: dict[str, object] = {"instance": "abc", "grid": 0, "slot": 0, "leg": Leg.ENTRY, "generation": 0}
    with pytest.raises(ValueError) as caught:
        client_order_id_from_key(OrderKey(**{**parts, **changes}))  # type: ignore[arg-type]
    assert str(caught.value) == message

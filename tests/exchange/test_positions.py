"""Swap positions, by hand: profit of every fill, margins, rounding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.positions import FLAT, MarginTerms, SwapPosition, change_by_fill
from tests.exchange.swap_builders import CROSS, ISOLATED

D = Decimal
TEN_CROSS = MarginTerms(leverage=D(10), mode=CROSS)
TEN_ISOLATED = MarginTerms(leverage=D(10), mode=ISOLATED)


def test_fills_grow_reduce_and_turn_a_position_around() -> None:
    """amount and price of a fill; amount, cost, entry price and profit after it."""
    table = [
        ("1", "99", "1", "99", "99", "0"),
        ("1", "97", "2", "196", "98", "0"),
        ("-0.5", "101", "1.5", "147", "98", "1.5"),
        ("-2", "102", "-0.5", "51", "102", "6"),
        ("-0.5", "104", "-1", "103", "103", "0"),
        ("0.25", "95", "-0.75", "77.25", "103", "2"),
        ("1", "105", "0.25", "26.25", "105", "-1.5"),
        ("-0.25", "100", "0", "0", "0", "-1.25"),
    ]
    position = FLAT
    for amount, price, *expected in table:
        change = change_by_fill(position, D(amount), D(price), TEN_CROSS)
        position = change.position
        found = (position.amount, position.cost, position.entry_price, change.realised)
        assert found == tuple(map(D, expected))
        assert position.margin == change.shortfall == 0


def test_an_isolated_margin_is_of_the_entry_and_freed_with_what_is_closed() -> None:
    table = [
        ("2", "100", "20", "0"),
        ("2", "90", "38", "0"),
        ("-1", "105", "28.5", "0"),
        ("-1", "85", "18.5", "0"),
        ("-1", "65", "-11.5", "0"),
        ("-1", "95", "0", "11.5"),
    ]
    position = FLAT
    for amount, price, margin, shortfall in table:
        change = change_by_fill(position, D(amount), D(price), TEN_ISOLATED)
        position = change.position
        assert (position.margin, change.shortfall) == (D(margin), D(shortfall))


def test_what_a_margin_cannot_pay_of_a_loss_is_its_shortfall() -> None:
    position = SwapPosition(amount=D(2), cost=D(200), margin=D(20))
    assert change_by_fill(position, D(-2), D(91), TEN_ISOLATED).shortfall == 0
    assert change_by_fill(position, D(-2), D(85), TEN_ISOLATED).shortfall == 10
    part = change_by_fill(position, D(-1), D(85), TEN_ISOLATED)
    assert (part.position.margin, part.shortfall, part.realised) == (D(5), D(0), D(-15))


@pytest.mark.parametrize(("notional", "leverage", "margin"), [("100", "3", "33.333333333334"), ("99", "3", "33")])
def test_an_initial_margin_is_rounded_up(notional: str, leverage: str, margin: str) -> None:
    assert MarginTerms(leverage=D(leverage)).margin_for(D(notional)) == D(margin)


FILLS = st.tuples(st.integers(-3_000, 3_000).filter(bool), st.integers(500, 2_000))


@given(fills=st.lists(FILLS, max_size=30), terms=st.sampled_from([TEN_CROSS, TEN_ISOLATED]))
def test_profit_is_what_was_received_less_what_was_paid_to_the_last_unit(
    fills: list[tuple[int, int]], terms: MarginTerms
) -> None:
    position, realised, cash = FLAT, D(0), D(0)
    for lots, tenths in fills:
        amount, price = lots * D("0.001"), D(tenths) / 10
        change = change_by_fill(position, amount, price, terms)
        position = change.position
        realised += change.realised
        cash -= amount * price
        assert position.cost >= 0
        assert realised + position.profit_at(price) == cash + position.amount * price
    assert (position.amount == 0) == (position == FLAT)

"""What a cycle earns, where it breaks even and how many slots that allows, against brute force."""

from decimal import Decimal
from itertools import count, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.cycles import break_even_step, cycle_fees, cycle_profit, cycle_profit_rate, slots_max
from engine.model.grid import Spacing
from engine.model.market import FeeCurrency
from engine.model.order import Side
from tests.builders import a_market

D = Decimal
QUOTE, RECEIVED = FeeCurrency.QUOTE, FeeCurrency.RECEIVED


@pytest.mark.parametrize(
    "side, fee_currency, profit",
    [
        (Side.BUY, QUOTE, "9.79"),
        (Side.SELL, QUOTE, "9.79"),
        (Side.BUY, RECEIVED, "9.78011"),
        (Side.SELL, RECEIVED, "9.7898998998998998998998999"),
    ],
)
def test_a_cycle_from_100_to_110_at_a_tenth_of_a_per_cent(side: Side, fee_currency: FeeCurrency, profit: str) -> None:
    """In base: 1 is bought and 0.999 sold, or 1 is sold and 1/0.999 bought back."""
    found = cycle_profit(a_market(fee_currency=fee_currency), D(100), D(110), side)
    assert abs(found - D(profit)) < D("1E-24")
    assert cycle_fees(a_market(fee_currency=fee_currency), D(100), D(110), side) == 10 - found


def test_the_break_even_step_is_0_2002_per_cent_with_fees_of_a_tenth_in_quote() -> None:
    assert f"{break_even_step(a_market(fee_currency=QUOTE)) * 100:.4f}" == "0.2002"
    assert f"{break_even_step(a_market(fee_currency=RECEIVED)) * 100:.4f}" == "0.2003"


def test_a_rebate_breaks_even_without_a_step() -> None:
    for fee_currency in FeeCurrency:
        assert break_even_step(a_market(fee_currency=fee_currency, maker_fee_rate=D("-0.0002"))) == 0


@given(st.decimals(min_value=D("0.0001"), max_value=D("0.05"), places=4), st.sampled_from(FeeCurrency))
def test_a_cycle_earns_nothing_at_the_break_even_step_on_either_side(fee: Decimal, fee_currency: FeeCurrency) -> None:
    market = a_market(fee_currency=fee_currency, maker_fee_rate=fee)
    upper = 100 * (1 + break_even_step(market))
    assert all(abs(cycle_profit(market, D(100), upper, side)) < D("1E-23") for side in Side)


def test_ninety_to_one_hundred_and_ten_has_room_for_100_geometric_and_90_arithmetic_slots() -> None:
    market = a_market(fee_currency=QUOTE)
    least = break_even_step(market)
    assert slots_max(market, D(90), D(110), Spacing.GEOMETRIC, step_min=least) == 100
    assert slots_max(market, D(90), D(110), Spacing.ARITHMETIC, step_min=least) == 90


@given(
    st.decimals(min_value=D("1.01"), max_value=D("1.4"), places=3),
    st.decimals(min_value=D("0.005"), max_value=D("0.02"), places=4),
    st.sampled_from(Spacing),
    st.sampled_from(FeeCurrency),
)
def test_the_most_slots_are_those_that_trying_one_after_the_other_finds(
    width: Decimal, fee: Decimal, spacing: Spacing, fee_currency: FeeCurrency
) -> None:
    market = a_market(maker_fee_rate=fee, fee_currency=fee_currency, tick_size=D("0.000001"))
    lower, upper = D(100), 100 * width

    def earns(slots: int) -> bool:
        match spacing:
            case Spacing.ARITHMETIC:
                levels = [lower + (upper - lower) / slots * place for place in range(slots + 1)]
            case Spacing.GEOMETRIC:
                levels = [lower * width ** (D(place) / slots) for place in range(slots + 1)]
        return min(cycle_profit_rate(market, low, high) for low, high in pairwise(levels)) > D("1E-20")

    most = sum(1 for _ in takewhile(earns, count(1)))
    assert slots_max(market, lower, upper, spacing, step_min=break_even_step(market)) == most


def test_a_range_of_exactly_one_break_even_step_has_no_room_and_ticks_bound_a_market_without_fees() -> None:
    market = a_market(fee_currency=QUOTE)
    assert slots_max(market, D(999), D(1001), Spacing.GEOMETRIC, step_min=break_even_step(market)) == 0
    assert slots_max(market, D(100), D("100.07"), Spacing.GEOMETRIC, step_min=D(0)) == 7
    assert slots_max(market, D(100), D("100.07"), Spacing.ARITHMETIC, step_min=D("0.00001")) == 7

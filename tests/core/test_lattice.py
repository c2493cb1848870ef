"""From a wish to a lattice: levels, amounts and needed funds against values worked out by hand."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.core.lattice import Funds, cycle_profit_rate, funds_needed, levels_of, make_lattice
from engine.model.errors import SettingsInvalid
from engine.model.grid import InitialPurchase, SizedBy, Spacing
from engine.model.market import FeeCurrency
from tests.builders import a_market, a_spec

D = Decimal
LIMIT, MARKET, NONE = InitialPurchase.LIMIT, InitialPurchase.MARKET, InitialPurchase.NONE
HOLDINGS = InitialPurchase.HOLDINGS


@pytest.mark.parametrize(
    "spacing, lower, upper, slots, tick, levels",
    [
        (Spacing.ARITHMETIC, "100", "200", 4, "0.01", "100 125 150 175 200"),
        (Spacing.ARITHMETIC, "100", "101", 3, "0.01", "100 100.33 100.67 101"),
        (Spacing.ARITHMETIC, "0.1", "0.4", 3, "0.05", "0.1 0.2 0.3 0.4"),
        (Spacing.ARITHMETIC, "100.004", "109.996", 2, "0.01", "100 105 110"),
        (Spacing.GEOMETRIC, "100", "1600", 4, "0.01", "100 200 400 800 1600"),
        (Spacing.GEOMETRIC, "100", "121", 2, "0.01", "100 110 121"),
        (Spacing.GEOMETRIC, "52000", "68000", 3, "0.01", "52000 56864.15 62183.29 68000"),
        (Spacing.GEOMETRIC, "1", "2", 12, "0.0001",
         "1 1.0595 1.1225 1.1892 1.2599 1.3348 1.4142 1.4983 1.5874 1.6818 1.7818 1.8877 2"),
        (Spacing.GEOMETRIC, "90", "110", 1, "0.01", "90 110"),
    ],
)  # fmt: skip
def test_levels_are_where_the_formula_puts_them_on_the_nearest_tick(
    spacing: Spacing, lower: str, upper: str, slots: int, tick: str, levels: str
) -> None:
    spec = a_spec(spacing=spacing, lower=D(lower), upper=D(upper), slots=slots)
    assert levels_of(spec, a_market(tick_size=D(tick))) == tuple(D(level) for level in levels.split())


def test_forty_slots_have_forty_one_levels_and_end_exactly_on_both_bounds() -> None:
    spec = a_spec(spacing=Spacing.GEOMETRIC, lower=D(52000), upper=D(68000), slots=40)
    levels = levels_of(spec, a_market())
    assert (len(levels), levels[0], levels[-1]) == (41, D(52000), D(68000))


@pytest.mark.parametrize(
    "sized_by, size, amounts",
    [
        (SizedBy.BASE_PER_SLOT, "0.123456", "0.12345 0.12345 0.12345 0.12345"),
        (SizedBy.QUOTE_PER_SLOT, "100", "1 0.8 0.66666 0.57142"),
        (SizedBy.QUOTE_PER_SLOT, "10", "0.1 0.08 0.06666 0.05714"),
    ],
)
def test_amounts_are_floored_to_whole_lots(sized_by: SizedBy, size: str, amounts: str) -> None:
    lattice = make_lattice(a_spec(slots=4, sized_by=sized_by, size=D(size)), a_market(), D(150))
    assert lattice.amounts == tuple(D(amount) for amount in amounts.split())


@pytest.mark.parametrize(
    "initial_purchase, fee_currency, amounts",
    [
        (NONE, FeeCurrency.RECEIVED, "1 0.8 0.66666 0.57142"),
        (NONE, FeeCurrency.QUOTE, "0.999 0.7992 0.666 0.57085"),
        (LIMIT, FeeCurrency.RECEIVED, "1.0125 0.81 0.675 0.57857"),
        (HOLDINGS, FeeCurrency.RECEIVED, "1.05 0.84 0.7 0.6"),
        (MARKET, FeeCurrency.RECEIVED, "1.04883 0.83906 0.69922 0.59933"),
    ],
)
def test_an_investment_is_shared_evenly_at_the_prices_that_will_be_paid(
    initial_purchase: InitialPurchase, fee_currency: FeeCurrency, amounts: str
) -> None:
    """405 (NONE: 400) at levels 100, 125, 150 and 175 with the start at 150.

    With base from the account or bought at once slot 3 costs 150 (MARKET: at most 150.75) and is
    sized by its level, so it takes 150/175 of a share; a limit entry may have to pay its own level.
    """
    size = D(400) if initial_purchase is NONE else D(405)
    spec = a_spec(slots=4, sized_by=SizedBy.INVESTMENT, size=size, initial_purchase=initial_purchase)
    lattice = make_lattice(spec, a_market(fee_currency=fee_currency), D(150))
    assert lattice.amounts == tuple(D(amount) for amount in amounts.split())


@pytest.mark.parametrize(
    "initial_purchase, fee_currency, quote, base",
    [
        (NONE, FeeCurrency.RECEIVED, "1450", "0"),
        (NONE, FeeCurrency.QUOTE, "1451.45", "0"),
        (LIMIT, FeeCurrency.RECEIVED, "1450", "0"),
        (LIMIT, FeeCurrency.QUOTE, "1451.45", "0"),
        (MARKET, FeeCurrency.RECEIVED, "1353", "0"),
        (HOLDINGS, FeeCurrency.RECEIVED, "750", "4"),
    ],
)
def test_funds_are_what_all_slots_together_can_need(
    initial_purchase: InitialPurchase, fee_currency: FeeCurrency, quote: str, base: str
) -> None:
    """Ten slots of 1 from 100 to 190: 750 for those up to 150, 160 + 170 + 180 + 190 for those above."""
    spec, market = a_spec(initial_purchase=initial_purchase), a_market(fee_currency=fee_currency)
    lattice = make_lattice(spec, market, D(150))
    assert funds_needed(spec, market, lattice) == Funds(quote=D(quote), base=D(base))


def test_a_rebate_is_no_money_to_buy_with() -> None:
    market = a_market(fee_currency=FeeCurrency.QUOTE, maker_fee_rate=D("-0.001"), taker_fee_rate=D("-0.001"))
    assert funds_needed(a_spec(), market, make_lattice(a_spec(), market, D(150))).quote == 1450


prices = st.decimals(min_value=1, max_value=1000, places=2)


@given(
    prices,
    st.decimals(min_value=D("1.1"), max_value=10, places=3),
    st.integers(1, 12),
    st.decimals(min_value=1000, max_value=10**6, places=2),
    st.sampled_from(Spacing),
    st.sampled_from([LIMIT, MARKET, NONE, HOLDINGS]),
    st.sampled_from(FeeCurrency),
    prices,
)
def test_an_investment_is_used_up_and_not_exceeded_by_the_last_unit(
    lower: Decimal,
    width: Decimal,
    slots: int,
    size: Decimal,
    spacing: Spacing,
    initial_purchase: InitialPurchase,
    fee_currency: FeeCurrency,
    anchor: Decimal,
) -> None:
    """What is left over is less than a lot of every slot, and what rounding a quotient may cost."""
    market = a_market(fee_currency=fee_currency, amount_max=D(10) ** 9)
    spec = a_spec(
        lower=lower, upper=lower * width, slots=slots, spacing=spacing, size=size,
        sized_by=SizedBy.INVESTMENT, initial_purchase=initial_purchase,
    )  # fmt: skip
    try:
        lattice = make_lattice(spec, market, anchor)
    except SettingsInvalid:
        assume(False)
    funds = funds_needed(spec, market, lattice)
    used = funds.quote + funds.base * anchor * (D("1.001") if fee_currency is FeeCurrency.QUOTE else 1)
    highest = max(*lattice.levels, anchor * D("1.01"))
    assert size - slots * market.lot_size * highest * D("1.002") - D("0.000001") < used <= size


@pytest.mark.parametrize(
    "entry, exit_price, fee_currency, rate",
    [
        ("100", "101", FeeCurrency.QUOTE, "0.00799"),
        ("100", "101", FeeCurrency.RECEIVED, "0.00798101"),
        ("100", "100", FeeCurrency.QUOTE, "-0.002"),
        ("50", "100", FeeCurrency.QUOTE, "0.997"),
    ],
)
def test_a_cycle_earns_its_step_less_the_fees_of_both_legs(
    entry: str, exit_price: str, fee_currency: FeeCurrency, rate: str
) -> None:
    assert cycle_profit_rate(a_market(fee_currency=fee_currency), D(entry), D(exit_price)) == D(rate)


@given(st.decimals(min_value=D("0.0001"), max_value=D("0.05"), places=4), st.sampled_from(FeeCurrency))
def test_the_break_even_step_earns_nothing_and_more_earns_something(fee: Decimal, fee_currency: FeeCurrency) -> None:
    """r* = (1+f)/(1-f) with fees in quote, 1/(1-f)^2 with the fee in what is received."""
    market = a_market(fee_currency=fee_currency, maker_fee_rate=fee)
    is_quote = fee_currency is FeeCurrency.QUOTE
    above, below = (1 + fee, 1 - fee) if is_quote else (D(1), (1 - fee) * (1 - fee))
    assert abs(cycle_profit_rate(market, below, above)) < D("1E-26")
    assert cycle_profit_rate(market, below, above * D("1.0001")) > 0
    assert cycle_profit_rate(market, below, above * D("0.9999")) < 0

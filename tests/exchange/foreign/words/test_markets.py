"""Markets of a foreign exchange in our words, and why some cannot be traded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.words.markets import (
    DECIMAL_PLACES,
    SIGNIFICANT_DIGITS,
    TICK_SIZE,
    Untradable,
    market_from_foreign,
    market_notes,
)
from engine.model.market import FeeCurrency, Market, SwapRules
from tests.exchange.foreign.raw_builders import a_raw_market, a_raw_swap

D = Decimal


def the_market(raw: dict[str, object], mode: int = TICK_SIZE, **changes: Decimal) -> Market:
    return market_from_foreign(raw, precision_mode=mode, fee_currency=FeeCurrency.RECEIVED, **changes)


def the_reason(raw: dict[str, object], mode: int = TICK_SIZE, **changes: Decimal) -> str:
    with pytest.raises(Untradable) as caught:
        the_market(raw, mode, **changes)
    return str(caught.value)


def test_the_numbers_of_a_mode_are_those_of_ccxt() -> None:
    import ccxt

    assert (DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE) == (
        ccxt.DECIMAL_PLACES,
        ccxt.SIGNIFICANT_DIGITS,
        ccxt.TICK_SIZE,
    )


# --- rules ------------------------------------------------------------------------------------------------------


def test_a_spot_market_has_the_rules_that_the_exchange_tells() -> None:
    assert the_market(a_raw_market()) == Market(
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=D("0.01"),
        lot_size=D("0.00001"),
        amount_min=D("0.00001"),
        amount_max=D(9000),
        notional_min=D(5),
        maker_fee_rate=D("0.001"),
        taker_fee_rate=D("0.001"),
        fee_currency=FeeCurrency.RECEIVED,
    )


def test_steps_are_increments_and_not_counts_of_digits() -> None:
    """Finding 021: two decimals are a tick of 0.01; a whole step of 100 stays one."""
    by_digits = a_raw_market(precision={"price": 2, "amount": -2}, limits={})
    market = the_market(by_digits, DECIMAL_PLACES)
    assert (market.tick_size, market.lot_size) == (D("0.01"), D(100))
    whole = the_market(a_raw_market(precision={"price": 1, "amount": 5.0}, limits={}))
    assert (whole.tick_size, whole.lot_size) == (D(1), D(5))


def test_steps_are_written_as_a_person_would() -> None:
    market = the_market(a_raw_market(precision={"price": "0.01000000", "amount": 1e-08}, limits={}))
    assert (str(market.tick_size), str(market.lot_size)) == ("0.01", "1E-8")
    assert f"{market.lot_size:f}" == "0.00000001"


@given(
    price=st.decimals(min_value="0.00001", max_value="1000000", places=5),
    digits=st.integers(min_value=3, max_value=6),
    part=st.decimals(min_value="0.001", max_value="9.99", places=3),
)
def test_a_tick_of_significant_digits_is_valid_at_every_price_up_to_ten_times_the_one_now(
    price: Decimal, digits: int, part: Decimal
) -> None:
    raw = a_raw_market(precision={"price": digits, "amount": 8}, limits={})
    market = the_market(raw, SIGNIFICANT_DIGITS, around=price)
    quoted = market.floor_price(price * part)
    assert quoted == 0 or len(quoted.normalize().as_tuple().digits) <= digits or quoted.normalize() == price * 10
    assert market.tick_size <= max(price * 100 / D(10) ** (digits - 1), D("0.00000001"))
    assert market.lot_size == D("0.00000001")


def test_a_market_of_significant_digits_needs_a_price() -> None:
    raw = a_raw_market(precision={"price": 5, "amount": 8})
    expected = "there is no price yet to derive a tick from; try again when the market has a price"
    assert expected in the_reason(raw, SIGNIFICANT_DIGITS)
    assert the_market(raw, SIGNIFICANT_DIGITS, around=D(61250)).tick_size == 10
    assert any("valid at prices up to 612500" in note for note in market_notes(raw, around=D(61250)))


def test_limits_that_are_not_told_bound_nothing_but_the_lot() -> None:
    market = the_market(a_raw_market(limits={}))
    assert (market.amount_min, market.amount_max, market.notional_min) == (D("0.00001"), D(10) ** 12, D(0))


@pytest.mark.parametrize(
    ("info", "amount_min", "amount_max"),
    [({"maxLmtSz": "250"}, "0.00001", "250"), ({"base_min_size": "0.5", "base_max_size": "80"}, "0.5", "80")],
)
def test_limits_are_found_in_the_exchanges_own_words(info: dict[str, str], amount_min: str, amount_max: str) -> None:
    market = the_market(a_raw_market(limits={}, info=info))
    assert (market.amount_min, market.amount_max) == (D(amount_min), D(amount_max))


def test_bybit_tells_two_limits_of_its_swaps_in_words_that_ccxt_leaves_out() -> None:
    own = {"lotSizeFilter": {"postOnlyMaxOrderQty": "50", "minNotionalValue": "5"}}
    limits = {"amount": {"min": 0.001, "max": 100.0}, "cost": {"min": None}}
    market = the_market(a_raw_swap(contractSize=1.0, limits=limits, info=own))
    assert (market.amount_max, market.notional_min) == (D(50), D(5))
    assert not any("worth at least" in note for note in market_notes(a_raw_swap(limits=limits, info=own)))


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ({"price": None, "amount": 0.1}, "does not tell the step of its prices"),
        ({"price": 0, "amount": 0.1}, "does not tell the step of its prices"),
        ({"price": 0.1, "amount": None}, "does not tell the step of its amounts"),
        ({"price": 0.1, "amount": 0.0}, "does not tell the step of its amounts"),
        (None, "does not tell the step of its"),
    ],
)
def test_a_step_that_is_not_told_is_never_assumed(precision: object, expected: str) -> None:
    assert expected in the_reason(a_raw_market(precision=precision))


def test_digits_that_are_no_whole_number_are_no_digits() -> None:
    """Finding 021: a tick where digits are expected, and the other way round, would make every price wrong."""
    raw = a_raw_market(precision={"price": 0.01, "amount": 5})
    assert "expected whole digits for its prices, found 0.01" in the_reason(raw, DECIMAL_PLACES)


def test_rules_that_contradict_each_other_are_refused() -> None:
    raw = a_raw_market(limits={"amount": {"min": 10, "max": 1}})
    assert "its rules contradict each other: amount_min must be between 0 and amount_max" in the_reason(raw)


# --- fees -------------------------------------------------------------------------------------------------------


def test_the_accounts_own_fees_count_before_the_markets() -> None:
    market = the_market(a_raw_market(), maker=D(0), taker=D("0.00075"))
    assert (market.maker_fee_rate, market.taker_fee_rate) == (D(0), D("0.00075"))
    told = the_market(a_raw_market(maker=0.0, taker=-0.0001))
    assert (told.maker_fee_rate, told.taker_fee_rate) == (D(0), D("-0.0001"))


@pytest.mark.parametrize("changes", [{"maker": None, "taker": None}, {"percentage": False}, {"maker": 5, "taker": "x"}])
def test_fees_that_are_not_told_are_assumed_high_and_said(changes: dict[str, object]) -> None:
    raw = a_raw_market(**changes)
    market = the_market(raw)
    assert (market.maker_fee_rate, market.taker_fee_rate) == (D("0.004"), D("0.004"))
    notes = market_notes(raw)
    assert "the exchange does not tell the maker fee: 0.4 % is assumed, more than most take" in notes
    assert not any("fee" in note for note in market_notes(raw, maker=D(0), taker=D(0)))


# --- notes ------------------------------------------------------------------------------------------------------


def test_what_our_rules_do_not_hold_is_said() -> None:
    raw = a_raw_market()
    raw["limits"]["cost"]["max"] = 9000000.0
    assert market_notes(raw, maker=D(0), taker=D(0)) == (
        "the exchange may refuse orders worth more than 9000000 USDT",
        "the exchange refuses prices below 0.01 USDT",
        "the exchange refuses prices above 1000000 USDT",
    )
    assert (
        market_notes(a_raw_market(limits={}))[-1] == "the exchange does not tell what an order must be worth at least"
    )


# --- swaps ------------------------------------------------------------------------------------------------------


def test_a_swap_counts_base_where_the_exchange_counts_contracts() -> None:
    """OKX: a contract is 0.01 BTC, and a hundredth of one can be traded."""
    market = the_market(a_raw_swap())
    assert (market.lot_size, market.amount_min, market.tick_size) == (D("0.0001"), D("0.0001"), D("0.1"))
    assert market.fee_currency is FeeCurrency.QUOTE
    assert market.swap == SwapRules(
        contract_size=D("0.01"), leverage_max=D(100), maintenance_rate=D("0.005"), funding_interval_ms=28_800_000
    )
    bounded = the_market(a_raw_swap(info={"maxLmtSz": "1000"}))
    assert bounded.amount_max == 10


@pytest.mark.parametrize(
    ("changes", "leverage", "rate"),
    [
        ({}, "100", "0.005"),
        ({"limits": {}}, "20", "0.025"),
        ({"limits": {}, "info": {"maintMarginPercent": "2.5000"}}, "20", "0.025"),
        ({"info": {"maintainMargin": 0.004}}, "100", "0.004"),
        ({"info": {"maintenance_rate": "0.0065"}}, "100", "0.0065"),
        ({"info": {"maintainMargin": "0.02"}}, "25", "0.02"),
        ({"info": {"maintainMargin": "0.6"}, "limits": {}}, "1", "0.6"),
    ],
)
def test_margin_that_is_not_told_is_assumed_on_the_careful_side(
    changes: dict[str, object], leverage: str, rate: str
) -> None:
    rules = the_market(a_raw_swap(**changes)).swap
    assert rules is not None
    assert (rules.leverage_max, rules.maintenance_rate) == (D(leverage), D(rate))


def test_what_is_assumed_of_margin_is_said() -> None:
    notes = market_notes(a_raw_swap(limits={}), maker=D(0), taker=D(0))
    assert "the exchange does not tell the highest leverage: 20 is assumed" in notes
    assert "the maintenance margin is assumed to be half of what the highest leverage asks at the start" in notes


# --- what cannot be traded --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"active": False}, "the exchange has closed it or not opened it yet; choose a market that is active"),
        ({"base": "BTC3L"}, "BTC3L is a leveraged token"),
        ({"base": "ETHDOWN"}, "ETHDOWN is a leveraged token"),
        ({"base": "XYZ", "info": {"permissions": ["LEVERAGED"]}}, "XYZ is a leveraged token"),
        ({"info": {"isSpotTradingAllowed": False}}, "the exchange does not open it to spot accounts"),
        (
            {"info": {"orderTypes": ["LIMIT", "MARKET"]}},
            "it takes no post-only orders, and a grid enters with nothing else",
        ),
        ({"spot": False, "type": "index"}, "it is neither spot nor a perpetual swap but index"),
        ({"spot": False, "type": "margin", "margin": True}, "it is neither spot nor a perpetual swap but margin"),
        ({"base": None}, "the exchange does not tell its base"),
        ({"quote": ""}, "the exchange does not tell its quote"),
    ],
)
def test_a_market_that_cannot_be_traded_has_its_reason(changes: dict[str, object], expected: str) -> None:
    reason = the_reason(a_raw_market(**changes))
    assert reason.startswith("BTC/USDT cannot be traded: ")
    assert expected in reason
    assert "; " in reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"settle": "BTC", "inverse": True, "linear": False},
            "it is settled in BTC and not in its quote USDT; choose a",
        ),
        ({"settle": "USDC"}, "it is settled in USDC and not in its quote USDT"),
        ({"expiry": 1735286400000}, "it is a future that expires; choose a perpetual swap"),
        ({"swap": False, "future": True, "type": "future"}, "it is a future that expires"),
        ({"swap": False, "option": True, "type": "option"}, "it is an option; choose a spot market"),
        ({"contractSize": None}, "the exchange does not tell the size of a contract"),
        ({"contractSize": 0}, "the exchange does not tell the size of a contract"),
        ({"info": {"maintainMargin": "1.5"}}, "no position could bear its maintenance margin"),
    ],
)
def test_a_contract_that_cannot_be_traded_has_its_reason(changes: dict[str, object], expected: str) -> None:
    assert expected in the_reason(a_raw_swap(**changes))


@pytest.mark.parametrize("base", ["JUP", "SYRUP", "PUMP", "SUPER", "BULLA", "C98", "1INCH", "SOLS", "L3"])
def test_a_currency_that_only_looks_like_a_leveraged_token_is_traded(base: str) -> None:
    assert the_market(a_raw_market(base=base)).base == base


def test_a_market_whose_activity_is_not_told_is_traded() -> None:
    assert the_market(a_raw_market(active=None)).symbol == "BTC/USDT"


@pytest.mark.parametrize("symbol", ["BTC\u202e/USDT", "\x1b[2J", "B\u200bTC/USDT"])
def test_a_name_that_cannot_be_shown_is_not_traded(symbol: str) -> None:
    reason = the_reason(a_raw_market(symbol=symbol))
    assert "its name has characters that cannot be shown" in reason
    assert reason.isprintable()


def test_a_name_in_another_script_is_traded() -> None:
    assert (
        the_market(a_raw_market(symbol="\u5e01\u5b89\u4eba\u751f/USDT", base="\u5e01\u5b89\u4eba\u751f")).quote
        == "USDT"
    )


_ANY = st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans(), st.just({}), st.just([]))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(a_raw_swap(), _ANY)), st.sampled_from((2, 3, 4)))
def test_any_market_has_rules_or_a_reason(changes: dict[str, object], mode: int) -> None:
    for raw in (a_raw_market(**changes), a_raw_swap(**changes)):
        try:
            market = the_market(raw, mode, around=D(100))
        except Untradable as error:
            shown = str(error)
        else:
            assert market.tick_size > 0
            shown = "".join(market_notes(raw))
        assert shown.isprintable()

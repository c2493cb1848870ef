"""The live price source: rows that come from outside, kept and gone on with."""

from decimal import Context, Decimal, Inexact, localcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.paper_source import LiveSource, PriceFault, sane_price
from engine.exchange.prices import PriceSource, Tick
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid

D = Decimal
TICK = D("0.01")


def a_source() -> LiveSource:
    return LiveSource(symbol="BTC/USDT", tick_size=TICK, market="here", start_ms=0)


def test_it_is_a_price_source_without_an_end() -> None:
    source: PriceSource = a_source()
    assert (source.rows, source.end_ms, source.position, source.next()) == (None, None, 0, None)
    assert source.next_outside(None) is None
    assert source.candle(0, 60_000) is None


def test_rows_come_in_the_order_they_were_offered_and_are_passed_one_by_one() -> None:
    source = a_source()
    source.offer(D(100), 5, at_ms=10)
    source.offer(D(101), 6, at_ms=20)
    first, second = Tick(0, 10, D(100)), Tick(1, 20, D(101))
    assert source.next() == first
    assert source.last_before(2) == second
    source.pass_row(0)
    assert (source.position, source.next(), source.last_before(1), source.traded_ms) == (1, second, first, 5)
    source.pass_until(19)
    assert source.next() == second
    source.pass_until(20)
    assert (source.position, source.next(), source.last_before(2), source.last_before(1)) == (2, None, second, None)
    assert (source.last_ms_before(21), source.last_ms_before(20)) == (20, None)


def test_passing_a_row_that_is_passed_changes_nothing() -> None:
    source = a_source()
    source.offer(D(100), 5, at_ms=10)
    source.offer(D(101), 6, at_ms=20)
    source.pass_row(1)
    source.pass_row(0)
    source.pass_until(5)
    assert source.position == 2


def test_the_first_row_at_or_beyond_an_edge_is_found_without_moving() -> None:
    source = a_source()
    for index, price in enumerate((100, 105, 110, 90)):
        source.offer(D(price), index, at_ms=index)
    assert source.next_outside(QuietBand(D(90), D(110))) == Tick(2, 2, D(110))
    assert source.next_outside(QuietBand(D(80), D(120))) is None
    assert source.next_outside(None) == Tick(0, 0, D(100))
    assert source.position == 0


def test_it_goes_on_where_it_was_kept() -> None:
    source = a_source()
    source.offer(D("100.10"), 5, at_ms=10)
    source.pass_row(0)
    source.offer(D(101), 6, at_ms=20)
    again = a_source()
    again.restore(source.state())
    assert (again.traded_ms, again.next(), again.state()) == (5, None, source.state())
    assert again.judge(D(99), 4, now_ms=100) is PriceFault.OLD
    assert again.judge(D("100.1"), 5, now_ms=100) is PriceFault.DOUBLED
    assert again.judge(D(99), 5, now_ms=100) == D(99)


def test_a_source_that_heard_nothing_goes_on_with_nothing() -> None:
    again = a_source()
    again.restore(a_source().state())
    assert (again.traded_ms, again.position) == (None, 0)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({}, "those of a simulation"),
        ({"seed": 1, "symbol": "BTC/USDT"}, "those of a simulation"),
        ({"live": "there", "symbol": "BTC/USDT"}, "live prices of BTC/USDT on there"),
        ({"live": "here", "symbol": "BTC/USDT", "price": 5, "at_ms": 1, "traded_ms": 1}, "price and its times"),
        ({"live": "here", "symbol": "BTC/USDT", "price": "5", "at_ms": 1}, "price and its times"),
        ({"live": "here", "symbol": "BTC/USDT", "price": "NaN", "at_ms": 1, "traded_ms": 1}, "finite"),
        ({"live": "here", "symbol": "BTC/USDT", "price": "?", "at_ms": 1, "traded_ms": 1}, "decimal number"),
    ],
)
def test_a_damaged_or_foreign_state_is_refused(state: dict[str, object], found: str) -> None:
    with pytest.raises(DataInvalid, match=found):
        a_source().restore(state)


def test_a_price_with_more_digits_than_money_has_is_rounded_without_a_word() -> None:
    with localcontext(Context(traps=[Inexact])):
        assert sane_price(D("100.015" + "0" * 60 + "1"), TICK) == D("100.02")


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_sane_price_is_a_tick_above_zero_and_near_what_was_told(price: Decimal) -> None:
    known = sane_price(price, TICK)
    if known is None:
        assert not price.is_finite() or price < TICK or price >= TICK * 2**62
    else:
        assert known > 0
        assert known % TICK == 0
        assert abs(known - price) <= TICK / 2


@given(st.lists(st.tuples(st.decimals(), st.integers(-(10**6), 10**6)), max_size=8))
def test_whatever_is_told_rows_are_sane_and_their_times_never_fall(told: list[tuple[Decimal, int]]) -> None:
    source = a_source()
    accepted: list[tuple[int, Decimal]] = []
    for price, traded_ms in told:
        judged = source.judge(price, traded_ms, now_ms=0)
        if isinstance(judged, Decimal):
            source.offer(judged, traded_ms, at_ms=0)
            accepted.append((traded_ms, judged))
    assert [at_ms for at_ms, _ in accepted] == sorted(at_ms for at_ms, _ in accepted)
    assert all(price > 0 and at_ms <= 60_000 for at_ms, price in accepted)
    assert all(one != other for one, other in pairwise(accepted))

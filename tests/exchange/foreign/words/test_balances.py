"""Balances of a foreign account: what is not known is never zero."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.words.balances import balances_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.port import Balance
from engine.model.market import MarketKind

D = Decimal


def the_balance(told: dict[str, Any], kind: MarketKind = MarketKind.SPOT) -> Balance:
    return balances_from_foreign({"info": {}, "timestamp": None, "USDT": told}, kind)["USDT"]


def test_free_and_used_are_free_and_locked() -> None:
    raw = {
        "info": {"balances": []},
        "timestamp": 1,
        "datetime": "x",
        "USDT": {"free": 1.829394, "used": 7.87654, "total": 9.705934},
        "BNB": {"free": "0.00000000", "used": "0.00000000", "total": "0.00000000"},
        "free": {"USDT": 1.829394},
        "used": {"USDT": 7.87654},
        "total": {"USDT": 9.705934},
    }
    assert balances_from_foreign(raw) == {
        "USDT": Balance(free=D("1.829394"), locked=D("7.87654")),
        "BNB": Balance(free=D(0), locked=D(0)),
    }


@pytest.mark.parametrize(
    "told",
    [
        {"free": 3, "used": 1, "total": None},
        {"free": None, "used": 1, "total": 4},
        {"free": 3, "used": None, "total": 4},
    ],
)
def test_two_of_the_three_tell_the_third(told: dict[str, Any]) -> None:
    assert the_balance(told) == Balance(free=D(3), locked=D(1))


def test_a_currency_of_which_there_is_nothing_is_told_by_its_total_alone() -> None:
    assert the_balance({"free": None, "used": None, "total": "0.0"}) == Balance(free=D(0), locked=D(0))


@pytest.mark.parametrize("raw", [{}, {"info": {}, "free": {}, "used": {}, "total": {}}, {"info": {"BTC": 1}}])
def test_an_empty_answer_is_unavailable_and_not_zero(raw: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="no currency at all: the account is empty or the answer torn"):
        balances_from_foreign(raw)


@pytest.mark.parametrize(
    "told",
    [
        {"free": None, "used": None, "total": 5},
        {"free": None, "used": None, "total": None},
        {"free": "soon", "used": 1, "total": None},
        {"free": float("nan"), "used": 1, "total": None},
        {},
    ],
)
def test_what_is_free_is_never_guessed(told: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="expected what is free of USDT"):
        the_balance(told)


def test_free_and_used_above_the_total_are_a_contradiction() -> None:
    with pytest.raises(Unreadable, match=r"expected free and used of USDT to be at most its total, .*10 and 5 and 12"):
        the_balance({"free": 10, "used": 5, "total": 12})


def test_the_last_digit_of_a_rounded_total_is_no_contradiction() -> None:
    told = {"free": "1.00000001", "used": "2.00000000", "total": "3.00000000"}
    assert the_balance(told) == Balance(free=D("1.00000001"), locked=D(2))


def test_what_is_lent_or_staked_is_neither_free_nor_locked() -> None:
    assert the_balance({"free": 1, "used": 2, "total": 50}) == Balance(free=D(1), locked=D(2))


def test_nothing_is_free_of_what_is_owed() -> None:
    assert the_balance({"free": -3, "used": 0, "total": -3, "debt": 3}) == Balance(free=D(0), locked=D(0))
    assert the_balance({"free": "-0.5", "used": "0", "total": "-0.5"}) == Balance(free=D(0), locked=D(0))


def test_the_free_margin_of_a_swap_account_may_be_more_than_its_currency_backs() -> None:
    told = {"free": 120, "used": 40, "total": 100}
    assert the_balance(told, MarketKind.SWAP) == Balance(free=D(120), locked=D(40))


@given(
    free=st.decimals(min_value=0, max_value=10**9, places=8), used=st.decimals(min_value=0, max_value=10**9, places=8)
)
def test_text_is_carried_over_exactly(free: Decimal, used: Decimal) -> None:
    told = {"free": str(free), "used": str(used), "total": str(free + used)}
    assert the_balance(told) == Balance(free=free, locked=used)

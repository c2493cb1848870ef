"""Positions, funding and liquidations of a foreign account in our words."""

from decimal import Decimal
from typing import Any

import pytest

from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.foreign.words.swaps import funding_from_foreign, liquidation_from_foreign, position_from_foreign
from engine.model.grid import MarginMode
from engine.model.swap import FundingPayment, Liquidation, Position
from tests.exchange.foreign.raw_builders import a_raw_position, a_swap_market

D = Decimal
SYMBOL = "BTC/USDT:USDT"


def the_position(**changes: object) -> Position:
    position = position_from_foreign(a_raw_position(**changes), a_swap_market())
    assert position is not None
    return position


def a_raw_payment(**changes: object) -> dict[str, Any]:
    return {"symbol": SYMBOL, "id": "f1", "code": "USDT", "amount": -1.25, "timestamp": 7000, "info": {}, **changes}


def a_raw_liquidation(**changes: object) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "contracts": 300,
        "price": 45250.5,
        "side": "sell",
        "timestamp": 7000,
        "info": {"orderId": 5},
        **changes,
    }


def test_a_position_is_signed_base() -> None:
    assert the_position() == Position(
        symbol=SYMBOL,
        amount=D(3),
        entry_price=D(50000),
        margin=D("15000.5"),
        liquidation_price=D("45250.5"),
        leverage=D(10),
        mode=MarginMode.ISOLATED,
    )
    assert the_position(side="short").amount == D(-3)
    assert the_position(side="short", contracts=-300).amount == D(-3)
    assert the_position(side=None, contracts=-300).amount == D(-3)


@pytest.mark.parametrize("contracts", [0, "0", 0.0, "0.000"])
def test_no_contracts_are_no_position(contracts: object) -> None:
    assert position_from_foreign(a_raw_position(contracts=contracts, side=None), a_swap_market()) is None


def test_a_position_that_no_price_ends_has_no_liquidation_price() -> None:
    assert the_position(liquidationPrice=None).liquidation_price is None
    assert the_position(liquidationPrice=0).liquidation_price is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"leverage": "25"}, "25"),
        ({"leverage": None, "info": {"lever": "7"}}, "7"),
        ({"leverage": None, "info": {"leverage": "3"}}, "3"),
        ({"leverage": None}, "10"),
        ({"leverage": None, "initialMargin": None}, "1"),
        ({"leverage": 0.2}, "1"),
    ],
)
def test_leverage_is_told_or_implied_by_the_margin(changes: dict[str, object], expected: str) -> None:
    assert the_position(**changes).leverage == D(expected)


def test_a_margin_mode_that_is_not_told_is_cross_and_an_unknown_one_an_error() -> None:
    """Finding 022."""
    assert the_position(marginMode=None).mode is MarginMode.CROSS
    assert the_position(marginMode="CROSS").mode is MarginMode.CROSS
    with pytest.raises(Unreadable, match="expected cross or isolated margin, found 'portfolio'"):
        the_position(marginMode="portfolio")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"contracts": None}, "the amount of the position in BTC/USDT:USDT"),
        ({"contracts": "many"}, "the amount of the position in BTC/USDT:USDT"),
        ({"side": None}, "long or short as the side of a position"),
        ({"side": "both"}, "long or short as the side of a position"),
        ({"entryPrice": None}, "the entry price of the position in BTC/USDT:USDT"),
        ({"hedged": True}, "one-way position mode on BTC/USDT:USDT, found 'hedge mode: switch the account"),
    ],
)
def test_a_position_that_cannot_be_read_is_never_flat(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(Unreadable, match=f"expected {expected}"):
        the_position(**changes)


def test_funding_is_above_zero_when_received() -> None:
    assert funding_from_foreign(a_raw_payment(), a_swap_market()) == FundingPayment(
        symbol=SYMBOL,
        funding_id="f1",
        amount=D("-1.25"),
        rate=D(0),
        position=D(0),
        mark_price=D(0),
        at_ms=7000,
    )


@pytest.mark.parametrize(
    ("fee", "rate", "position", "amount"),
    [("1.5", "0.0001", "3", "-1.5"), ("-1.5", "0.0001", "-3", "1.5"), ("-1.5", "-0.0001", "3", "1.5")],
)
def test_funding_that_is_told_as_a_fee_is_paid_where_it_is_above_zero(
    fee: str, rate: str, position: str, amount: str
) -> None:
    """Bybit: ccxt hands the fee on as if it were received."""
    info = {"execFee": fee, "feeRate": rate, "execQty": "300", "execPrice": "50000", "execType": "Funding"}
    raw = a_raw_payment(amount=float(fee), rate=float(rate), info=info)
    paid = funding_from_foreign(raw, a_swap_market())
    assert paid is not None
    assert (paid.amount, paid.rate, paid.position, paid.mark_price) == (D(amount), D(rate), D(position), D(50000))


def test_funding_of_another_market_is_left_out() -> None:
    assert funding_from_foreign(a_raw_payment(symbol="ETH/USDT:USDT"), a_swap_market()) is None


def test_funding_without_an_id_is_named_by_its_time() -> None:
    paid = funding_from_foreign(a_raw_payment(id=None), a_swap_market())
    assert paid is not None
    assert paid.funding_id == "7000"


@pytest.mark.parametrize(
    ("key", "what"), [("amount", "the amount of a funding"), ("timestamp", "the time of a funding")]
)
def test_funding_that_lacks_what_is_booked_cannot_be_read(key: str, what: str) -> None:
    with pytest.raises(Unreadable, match=f"expected {what}"):
        funding_from_foreign(a_raw_payment(**{key: None}), a_swap_market())


def test_a_liquidation_moves_the_position_against_its_sign() -> None:
    assert liquidation_from_foreign(a_raw_liquidation(), a_swap_market()) == Liquidation(
        symbol=SYMBOL, trade_id="5", amount=D(-3), price=D("45250.5"), fee=D(0), at_ms=7000
    )
    bought = liquidation_from_foreign(
        a_raw_liquidation(side=None, info={"side": "Buy", "execId": "e", "execFee": "8.5"}), a_swap_market()
    )
    assert bought is not None
    assert (bought.amount, bought.trade_id, bought.fee) == (D(3), "e", D("8.5"))


def test_a_liquidation_without_an_id_has_the_same_name_whenever_it_is_asked_for() -> None:
    told = [liquidation_from_foreign(a_raw_liquidation(info={}), a_swap_market()) for _ in range(2)]
    assert [each.trade_id for each in told if each is not None] == ["liquidation-7000", "liquidation-7000"]


def test_a_liquidation_of_another_market_or_of_nothing_is_left_out() -> None:
    assert liquidation_from_foreign(a_raw_liquidation(symbol="ETH/USDT:USDT"), a_swap_market()) is None
    assert liquidation_from_foreign(a_raw_liquidation(contracts=0), a_swap_market()) is None


@pytest.mark.parametrize("key", ["contracts", "price", "timestamp", "side"])
def test_a_liquidation_that_lacks_what_is_booked_cannot_be_read(key: str) -> None:
    with pytest.raises(Unreadable):
        liquidation_from_foreign(a_raw_liquidation(**{key: None}), a_swap_market())

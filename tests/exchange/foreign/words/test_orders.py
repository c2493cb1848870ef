"""Orders and executions of a foreign exchange in our words."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.words.fills import fill_from_foreign, fills_in_order, own_fill_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.foreign.words.orders import (
    client_id_of,
    is_bare,
    order_id_of,
    reason_of,
    report_from_foreign,
    status_from_foreign,
)
from engine.exchange.foreign.words.scale import base_from_foreign, foreign_from_base
from engine.model.order import Fill, OrderReport, OrderStatus, OwnFill, Side
from tests.builders import a_fill, a_market, an_id
from tests.exchange.foreign.raw_builders import a_raw_order, a_raw_trade, a_swap_market

D = Decimal


def a_report_of(raw: dict[str, Any], *fills: Fill, asked: str | None = None) -> OrderReport:
    return report_from_foreign(raw, a_market(), client_order_id=asked, fills=fills, now_ms=5000)


# --- the state ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "filled", "expected"),
    [
        ("open", 0, OrderStatus.OPEN),
        ("open", None, OrderStatus.OPEN),
        ("open", 0.5, OrderStatus.PARTIALLY_FILLED),
        ("canceling", 0, OrderStatus.OPEN),
        ("canceling", 1, OrderStatus.PARTIALLY_FILLED),
        ("pending", 0, OrderStatus.OPEN),
        ("PENDING_NEW", 0, OrderStatus.OPEN),
        ("mmp_canceled", 0.5, OrderStatus.CANCELED),
        ("closed", 2, OrderStatus.FILLED),
        ("closed", None, OrderStatus.FILLED),
        ("closed", 1.5, OrderStatus.CANCELED),
        ("closed", 0, OrderStatus.CANCELED),
        ("canceled", 0, OrderStatus.CANCELED),
        ("canceled", 1.5, OrderStatus.CANCELED),
        ("canceled", 2, OrderStatus.FILLED),
        ("expired", 0, OrderStatus.EXPIRED),
        ("expired", 1.5, OrderStatus.EXPIRED),
        ("expired", "2.0", OrderStatus.FILLED),
        ("rejected", 0, OrderStatus.REJECTED),
        ("rejected", None, OrderStatus.REJECTED),
        ("rejected", 0.5, OrderStatus.CANCELED),
        ("failed", 0, OrderStatus.REJECTED),
    ],
)
def test_the_state_is_judged_by_the_word_and_what_was_filled(word: str, filled: object, expected: OrderStatus) -> None:
    """Finding L-13: every way an order ends is an end. A part that was filled is never forgotten (L-11)."""
    assert status_from_foreign(a_raw_order(status=word, filled=filled)) is expected


@pytest.mark.parametrize("word", [None, "", "OPEN", "uninformed", "TRIGGERED", 3, {}, []])
def test_an_unknown_state_is_an_error_and_never_a_default(word: object) -> None:
    """Finding 022."""
    with pytest.raises(Unreadable, match="expected the state of an order, found"):
        status_from_foreign(a_raw_order(status=word))


@pytest.mark.parametrize("side", [None, "", "BUY", "short"])
def test_an_unknown_side_is_an_error_and_never_a_default(side: object) -> None:
    """Finding 022."""
    with pytest.raises(Unreadable, match="expected buy or sell as a side, found"):
        a_report_of(a_raw_order(side=side))


def test_an_answer_that_is_an_id_alone_is_bare() -> None:
    bare = a_raw_order(status=None, amount=None, price=None, side=None)
    assert is_bare(bare)
    assert not is_bare(a_raw_order())
    assert not is_bare({**bare, "id": None})


# --- whose order it is ------------------------------------------------------------------------------------------

OURS = an_id()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("orderLinkId", OURS),
        ("clOrdId", OURS),
        ("cl_ord_id", OURS),
        ("clientOid", OURS),
        ("client_order_id", OURS),
        ("clientOrderId", OURS),
        ("client-order-id", OURS),
        ("cloid", "0x" + OURS.encode().hex()),
        ("text", f"t-{OURS}"),
    ],
)
@pytest.mark.parametrize("is_parsed", [True, False])
def test_our_id_is_found_wherever_an_exchange_puts_it(name: str, told: str, is_parsed: bool) -> None:
    raw = a_raw_order(clientOrderId=told if is_parsed else None, info={name: told})
    assert client_id_of(raw) == OURS


def test_a_cancel_on_binance_is_told_by_the_order_it_cancelled() -> None:
    """ccxt takes ``clientOrderId`` of the answer, which is the cancel's own."""
    info = {"origClientOrderId": OURS, "clientOrderId": "R7jZ6w1DPgAo3OFPQDMC0W"}
    assert client_id_of(a_raw_order(clientOrderId="R7jZ6w1DPgAo3OFPQDMC0W", info=info)) == OURS
    streamed = {"c": "R7jZ6w1DPgAo3OFPQDMC0W", "C": OURS, "x": "CANCELED", "X": "CANCELED"}
    assert client_id_of(a_raw_order(clientOrderId="R7jZ6w1DPgAo3OFPQDMC0W", info=streamed)) == OURS


def test_an_order_on_binance_that_nobody_cancelled_has_its_own_id() -> None:
    assert client_id_of(a_raw_order(clientOrderId=None, info={"c": OURS, "C": "", "x": "NEW", "X": "NEW"})) == OURS
    assert client_id_of(a_raw_trade(info={"c": OURS, "x": "TRADE", "X": "FILLED"})) == OURS


def test_letters_that_mean_something_else_are_no_ids() -> None:
    candle = {"c": "61250.1", "C": "61300.0"}
    assert client_id_of(a_raw_order(clientOrderId=None, info=candle)) is None


@pytest.mark.parametrize("info", [{}, None, [], {"orderLinkId": ""}, {"text": None}, {"clOrdId": {}}])
def test_an_order_without_an_id_of_a_client_has_none(info: object) -> None:
    assert client_id_of(a_raw_order(clientOrderId=None, info=info)) is None


@pytest.mark.parametrize(
    "name", ["t-shirt", "0x" + "00" * 16, "0x" + "zz" * 16, "web", "0x" + b"notours-notours-"[:16].hex()]
)
def test_ids_of_others_stay_as_they_are(name: str) -> None:
    assert client_id_of(a_raw_order(clientOrderId=name)) == name


def test_the_id_of_the_order_is_the_exchanges_own() -> None:
    assert order_id_of(a_raw_order(id=77)) == "77"
    assert order_id_of(a_raw_trade()) == "77"
    assert order_id_of(a_raw_trade(order=None)) is None


# --- reports ----------------------------------------------------------------------------------------------------


def test_a_report_says_what_the_exchange_said() -> None:
    fill = a_fill("9001", price=100, amount="0.5", fee="0.0005", at_ms=2000)
    raw = a_raw_order(filled=0.5, clientOrderId=OURS, lastTradeTimestamp=2000, info={"rejectReason": "EC_NoError"})
    assert a_report_of(raw, fill) == OrderReport(
        client_order_id=OURS,
        symbol="BTC/USDT",
        side=Side.BUY,
        price=D(100),
        amount=D(2),
        status=OrderStatus.PARTIALLY_FILLED,
        filled=D("0.5"),
        fills=(fill,),
        at_ms=2000,
        reason="",
    )


def test_an_answer_without_a_client_id_is_of_the_order_that_was_asked_for() -> None:
    raw = a_raw_order(clientOrderId=None)
    assert a_report_of(raw, asked=OURS).client_order_id == OURS
    assert a_report_of(raw).client_order_id == "77"
    with pytest.raises(Unreadable, match="expected the id of an order"):
        a_report_of({**raw, "id": None})


def test_contracts_become_base() -> None:
    raw = a_raw_order(symbol="BTC/USDT:USDT", amount=3.25, filled=0.01)
    report = report_from_foreign(raw, a_swap_market(), client_order_id=None, fills=(), now_ms=1)
    assert (report.amount, report.filled) == (D("0.0325"), D("0.0001"))


def test_what_was_filled_is_at_least_what_the_executions_sum_up_to() -> None:
    fills = (a_fill("1", amount="0.4"), a_fill("2", amount="0.3"))
    assert a_report_of(a_raw_order(filled=0.4), *fills).filled == D("0.7")
    assert a_report_of(a_raw_order(filled=None), *fills).filled == D("0.7")
    assert a_report_of(a_raw_order(filled=1.5), *fills).filled == D("1.5")


def test_a_market_order_has_the_price_it_was_filled_at() -> None:
    assert a_report_of(a_raw_order(price=None, average="101.5")).price == D("101.5")
    assert a_report_of(a_raw_order(price=0, average=None)).price == 0


@pytest.mark.parametrize("amount", [None, 0, "", "nan"])
def test_an_order_without_an_amount_cannot_be_read(amount: object) -> None:
    with pytest.raises(Unreadable, match=f"expected the amount of order {OURS}, found"):
        a_report_of(a_raw_order(amount=amount, clientOrderId=OURS))


@pytest.mark.parametrize("word", ["closed", "canceled", "expired"])
def test_that_nothing_is_told_of_an_ended_order_does_not_mean_that_nothing_was_filled(word: str) -> None:
    """Finding L-11: such an order would be settled with its executions forgotten."""
    with pytest.raises(Unreadable, match=f"expected what was filled of order {OURS}, found nothing"):
        a_report_of(a_raw_order(status=word, filled=None, clientOrderId=OURS))
    assert a_report_of(a_raw_order(status="rejected", filled=None)).filled == 0


def test_a_report_is_of_the_newest_time_told() -> None:
    assert a_report_of(a_raw_order(lastUpdateTimestamp=3000, lastTradeTimestamp=2000)).at_ms == 3000
    assert a_report_of(a_raw_order(timestamp=None)).at_ms == 5000
    assert a_report_of(a_raw_order(timestamp=-1, lastUpdateTimestamp=4000)).at_ms == 4000


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"rejectReason": "EC_PostOnlyWillTakeLiquidity"}, "EC_PostOnlyWillTakeLiquidity"),
        ({"rejectReason": "EC_NoError", "cancelType": "CancelBySmp"}, "CancelBySmp"),
        ({"cancelType": "CancelByUser"}, ""),
        ({"r": "NONE"}, ""),
        ({"r": "INSUFFICIENT_BALANCES"}, "INSUFFICIENT_BALANCES"),
        ({"X": "EXPIRED_IN_MATCH", "r": "NONE"}, "self-trade prevention"),
        ({"status": "EXPIRED_IN_MATCH"}, "self-trade prevention"),
        ({"cancelSourceReason": "[red]\x1b]52;c;aGk=\x07"}, "[red]<U+001B>]52;c;aGk=<U+0007>"),
        (None, ""),
    ],
)
def test_the_reason_is_the_exchanges_own_and_safe_to_show(info: object, expected: str) -> None:
    assert reason_of(a_raw_order(info=info)) == expected


def test_no_text_of_the_exchange_carries_an_escape_sequence_into_a_report() -> None:
    raw = a_raw_order(clientOrderId="\x1b[2J\u202e", info={"rejectReason": "\x9b31m"})
    report = a_report_of(raw)
    assert (report.client_order_id, report.reason) == ("<U+001B>[2J<U+202E>", "<U+009B>31m")


# --- executions -------------------------------------------------------------------------------------------------


def test_an_execution_says_what_the_exchange_said() -> None:
    expected = a_fill("9001", price=100, amount="0.5", fee="0.0005", fee_currency="BTC", at_ms=2000)
    assert fill_from_foreign(a_raw_trade(), a_market()) == expected
    assert own_fill_from_foreign(a_raw_trade(), a_market(), OURS) == OwnFill(
        client_order_id=OURS, symbol="BTC/USDT", side=Side.BUY, fill=expected
    )


@pytest.mark.parametrize(("word", "expected"), [("maker", True), ("taker", False), (None, False)])
def test_only_who_is_said_to_be_a_maker_is_one(word: object, expected: bool) -> None:
    fill = fill_from_foreign(a_raw_trade(takerOrMaker=word), a_market())
    assert fill is not None
    assert fill.is_maker is expected


@pytest.mark.parametrize(
    ("fee", "fees", "expected"),
    [
        ({"cost": "0.00000453", "currency": "BNB"}, [], ("BNB", "0.00000453")),
        ({"cost": 4.53e-06, "currency": "BNB"}, None, ("BNB", "0.00000453")),
        ({"cost": -0.0125, "currency": "USDT"}, [], ("USDT", "-0.0125")),
        ({"cost": 0, "currency": None}, [], ("USDT", "0")),
        ({"cost": 0, "currency": "BTC"}, [], ("BTC", "0")),
        (None, [{"cost": 0, "currency": "BTC"}, {"cost": 0.25, "currency": "GT"}], ("GT", "0.25")),
        (None, [{"cost": 0.1, "currency": "BTC"}, {"cost": 0.2, "currency": "BTC"}], ("BTC", "0.3")),
    ],
)
def test_a_fee_is_exact_in_whatever_currency_it_was_taken(fee: object, fees: object, expected: tuple[str, str]) -> None:
    fill = fill_from_foreign(a_raw_trade(fee=fee, fees=fees), a_market())
    assert fill is not None
    assert (fill.fee_currency, fill.fee) == (expected[0], D(expected[1]))


@pytest.mark.parametrize(
    ("fee", "fees"),
    [
        (None, None),
        (None, []),
        ({}, []),
        ({"cost": None, "currency": None}, []),
        ({"cost": None, "currency": "BNB"}, []),
        ({"cost": 0.1, "currency": None}, []),
        (None, [{"cost": None, "currency": "BNB"}]),
    ],
)
def test_a_fee_that_is_not_told_yet_is_waited_for(fee: object, fees: object) -> None:
    raw = a_raw_trade(fee=fee, fees=fees)
    assert fill_from_foreign(raw, a_market()) is None
    assert own_fill_from_foreign(raw, a_market(), OURS) is None


def test_a_fee_in_two_currencies_at_once_cannot_be_booked() -> None:
    fees = [{"cost": 0.1, "currency": "BTC"}, {"cost": 2, "currency": "BNB"}]
    with pytest.raises(Unreadable, match=r"expected a fee in one currency, found '0\.1 BTC and 2 BNB'"):
        fill_from_foreign(a_raw_trade(fees=fees), a_market())


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("id", None, "the id of a trade"),
        ("id", "", "the id of a trade"),
        ("price", None, "the price of trade 9001"),
        ("price", 0, "the price of trade 9001"),
        ("amount", "nan", "the amount of trade 9001"),
        ("amount", -1, "the amount of trade 9001"),
        ("timestamp", None, "the time of trade 9001"),
    ],
)
def test_an_execution_that_lacks_what_is_booked_cannot_be_read(key: str, value: object, expected: str) -> None:
    with pytest.raises(Unreadable, match=f"expected {expected}, found"):
        fill_from_foreign(a_raw_trade(**{key: value}), a_market())


def test_an_execution_in_contracts_becomes_base() -> None:
    fill = fill_from_foreign(a_raw_trade(amount=12.5), a_swap_market())
    assert fill is not None
    assert fill.amount == D("0.125")


def test_the_answer_to_an_order_carries_its_executions() -> None:
    trades = [
        a_raw_trade(id="1", timestamp=None),
        a_raw_trade(id="2", timestamp=1500),
        {"id": "TX-3", "info": {}, "fee": {"cost": None}, "fees": []},
        a_raw_trade(id="4", fee=None, fees=[]),
        "TX-5",
    ]
    fills = fills_in_order(a_raw_order(trades=trades, lastUpdateTimestamp=1800), a_market(), now_ms=9)
    assert [(fill.trade_id, fill.at_ms) for fill in fills] == [("1", 1800), ("2", 1500)]
    assert fills_in_order(a_raw_order(trades=None), a_market(), now_ms=9) == ()


_ANY = st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans(), st.just({}), st.just([]))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(a_raw_order(), _ANY)))
def test_any_answer_is_a_report_or_unreadable(changes: dict[str, object]) -> None:
    try:
        report = a_report_of(a_raw_order(**changes))
    except Unreadable as error:
        shown = str(error)
    else:
        assert report.amount > 0
        assert report.filled >= 0
        shown = f"{report.client_order_id}{report.reason}"
    assert shown.isprintable()


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(a_raw_trade(), _ANY)))
def test_any_trade_is_an_execution_or_none_or_unreadable(changes: dict[str, object]) -> None:
    try:
        fill = fill_from_foreign(a_raw_trade(**changes), a_market())
    except Unreadable as error:
        shown = str(error)
    else:
        assert fill is None or (fill.price > 0 and fill.amount > 0 and fill.fee.is_finite())
        shown = "" if fill is None else f"{fill.trade_id}{fill.fee_currency}"
    assert shown.isprintable()


# --- contracts --------------------------------------------------------------------------------------------------


@given(st.integers(min_value=1, max_value=10**9))
def test_base_becomes_contracts_and_back_exactly(lots: int) -> None:
    market = a_swap_market()
    amount = market.lot_size * lots
    assert base_from_foreign(foreign_from_base(amount, market), market) == amount
    assert foreign_from_base(amount, a_market()) == amount


@pytest.mark.parametrize(
    "status, info",
    [
        ("rejected", {"rejectReason": "EC_PostOnlyWillTakeLiquidity"}),
        ("canceled", {"rejectReason": "EC_PostOnlyWillTakeLiquidity"}),
        ("canceled", {"cancelSource": "31"}),
        ("canceled", {"finish_as": "poc"}),
    ],
)
def test_rel_18_a_post_only_order_that_was_taken_back_is_no_refusal(status: str, info: dict[str, str]) -> None:
    """A refusal counts against the slot, which is frozen after three."""
    raw = a_raw_order(status=status, info=info)
    report = report_from_foreign(raw, a_market(), client_order_id=None, fills=(), now_ms=1)
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Decimal(0))
    other = report_from_foreign({**raw, "info": {}}, a_market(), client_order_id=None, fills=(), now_ms=1)
    assert other.status is not OrderStatus.EXPIRED

"""Recorded messages of Binance, read by ccxt's own parsers and then by ours.

What is expected is taken out of the exchange's own text, not out of what ccxt made of it.
"""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from engine.exchange.foreign.words.balances import balances_from_foreign
from engine.exchange.foreign.words.candles import candle_from_foreign
from engine.exchange.foreign.words.fills import fill_from_foreign, fills_in_order
from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.foreign.words.orders import client_id_of, order_id_of, report_from_foreign
from engine.exchange.port import Balance
from engine.model.order import Fill, OrderReport, OrderStatus, Side
from tests.exchange.foreign.recorded_markets import DATA, load, needs_data
from tests.exchange.foreign.recorded_messages import (
    NOW_MS,
    Message,
    a_linear_swap,
    answers,
    ccxts_market,
    execution_reports,
    market_called,
    unwrapped,
)

pytestmark = needs_data
D = Decimal
_STATUS = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
    "PENDING_CANCEL": OrderStatus.OPEN,
}


@cache
def binance() -> Any:
    import ccxt.pro

    return ccxt.pro.binance()


# --- Binance: the user stream -----------------------------------------------------------------------------------


def test_every_order_of_the_user_stream_says_what_binance_wrote() -> None:
    """Amounts, state, price, time and whose order it is, of every recorded message."""
    told = [message for message in execution_reports() if message["e"] == "executionReport"]
    assert len(told) == 48
    for message in told:
        raw = binance().parse_ws_order(message)
        market = market_called(message["s"])
        name = message["C"] or message["c"] or str(message["i"])
        report = report_from_foreign(raw, market, client_order_id=None, fills=(), now_ms=NOW_MS)
        price = D(message["p"]) or (D(message["Z"]) / D(message["z"]) if D(message["z"]) else D(0))
        assert report == OrderReport(
            client_order_id=name,
            symbol=market.symbol,
            side=Side(message["S"].lower()),
            price=price,
            amount=D(message["q"]),
            status=_expected_status(message),
            filled=D(message["z"]),
            at_ms=max(message["T"], message["O"]),
            reason=report.reason,
        ), message


def _expected_status(message: Message) -> OrderStatus:
    if message["X"] in ("EXPIRED_IN_MATCH", "TRADE_PREVENTION"):
        return OrderStatus.EXPIRED
    status = _STATUS[message["X"]]
    has_filled = D(message["z"]) > 0
    return OrderStatus.PARTIALLY_FILLED if status is OrderStatus.OPEN and has_filled else status


def test_every_execution_of_the_user_stream_says_what_binance_wrote() -> None:
    """Fees in base, quote and BNB, to the last digit."""
    told = [message for message in execution_reports() if message["e"] == "executionReport" and message["x"] == "TRADE"]
    fills = 0
    for message in told:
        raw = binance().parse_ws_trade(message)
        market = market_called(message["s"])
        if D(message["l"]) == 0 or D(message["L"]) == 0:
            with pytest.raises(Unreadable, match=r"the (amount|price) of trade"):
                fill_from_foreign(raw, market)
            continue
        fills += 1
        assert fill_from_foreign(raw, market) == Fill(
            trade_id=str(message["t"]),
            price=D(message["L"]),
            amount=D(message["l"]),
            fee=D(message["n"]),
            fee_currency=message["N"],
            is_maker=message["m"],
            at_ms=message["T"],
        ), message
        assert order_id_of(raw) == str(message["i"])
        assert client_id_of(raw) == (message["C"] or message["c"] or None)
    assert (len(told), fills) == (19, 14)


def test_a_cancel_report_is_of_the_order_and_not_of_the_cancel() -> None:
    """In ``c`` stands the cancel's own id, in ``C`` the order's."""
    told = [message for message in execution_reports() if message.get("C") and message["x"] == "CANCELED"]
    found = [client_id_of(binance().parse_ws_order(message)) for message in told]
    assert found == [
        "daa3Lntyw5phO7yGkmkUzn",
        "android_347fe920b39b4d6a98dbe2725b28",
        "web_81b25bddeaeb4563b2e69de939b152e2",
        "UDS-TEST-1772494856",
    ]


def test_a_futures_order_of_the_user_stream_is_read_as_a_spot_one() -> None:
    """It has no ``C``, and its amounts are base: a contract is one."""
    lines = (DATA / "fixtures" / "binance_user_stream_bbgo.jsonl").read_text().splitlines()
    told = [json.loads(line)["o"] for line in lines if '"ORDER_TRADE_UPDATE"' in line]
    market = a_linear_swap("BTCUSDT")
    reports = [
        report_from_foreign(binance().parse_ws_order(each), market, client_order_id=None, fills=(), now_ms=NOW_MS)
        for each in told
    ]
    assert [(each.client_order_id, each.status, each.filled, each.price) for each in reports] == [
        ("x-NSUYEBKMe60cf610-f5c7-49a4-9c1", OrderStatus.OPEN, D(0), D(0)),
        ("x-NSUYEBKMe60cf610-f5c7-49a4-9c1", OrderStatus.FILLED, D("0.001"), D("47202.40000")),
    ]
    assert fill_from_foreign(binance().parse_ws_trade(told[1]), market) == Fill(
        trade_id="1741505949",
        price=D("47202.40"),
        amount=D("0.001"),
        fee=D("0.01888095"),
        fee_currency="USDT",
        is_maker=False,
        at_ms=1639933384755,
    )


# --- Binance: answers -------------------------------------------------------------------------------------------


def order_answers() -> Iterator[Message]:
    """Every recorded answer of Binance that is an order."""
    told = [entry["response"] for entry in load("fixtures/binance_spot_rest_real.json")]
    told += answers("order", "binance_spot")
    for answer in told:
        for each in answer if isinstance(answer, list) else [answer]:
            order = unwrapped(each)
            if "origQty" in order:
                yield order


def test_every_answer_about_an_order_says_what_binance_wrote() -> None:
    told = list(order_answers())
    assert len(told) == 19
    for answer in told:
        raw = binance().parse_order(answer)
        market = market_called(answer["symbol"])
        fills = fills_in_order(raw, market, now_ms=NOW_MS)
        report = report_from_foreign(raw, market, client_order_id=None, fills=fills, now_ms=NOW_MS)
        assert report.client_order_id == answer.get("origClientOrderId", answer["clientOrderId"])
        assert (report.amount, report.filled) == (D(answer["origQty"]), D(answer["executedQty"]))
        assert report.status is _STATUS[answer["status"]]
        assert report.side is Side(answer["side"].lower())
        assert [(fill.trade_id, fill.price, fill.amount, fill.fee, fill.fee_currency) for fill in report.fills] == [
            (
                str(each["tradeId"]),
                D(each["price"]),
                D(each["qty"]),
                D(each["commission"]),
                each["commissionAsset"],
            )
            for each in answer.get("fills", [])
        ]
        assert not fills or sum(fill.amount for fill in fills) == report.filled


def test_every_execution_that_was_asked_for_says_what_binance_wrote() -> None:
    told = [
        each
        for answer in (entry["response"] for entry in load("fixtures/binance_spot_rest_real.json"))
        if isinstance(answer, list)
        for each in answer
        if "commission" in each
    ] + answers("account_trades", "binance_spot")[0]
    assert len(told) == 4
    for each in told:
        market = market_called(each["symbol"])
        raw = binance().parse_trade(each, ccxts_market(market, each["symbol"]))
        assert fill_from_foreign(raw, market) == Fill(
            trade_id=str(each["id"]),
            price=D(each["price"]),
            amount=D(each["qty"]),
            fee=D(each["commission"]),
            fee_currency=each["commissionAsset"],
            is_maker=each["isMaker"],
            at_ms=each["time"],
        )


def test_the_balances_of_binance_are_read() -> None:
    for answer in (*answers("account_response", "binance_spot"), *answers("wallet_account", "binance_spot")):
        assert balances_from_foreign(binance().parse_balance_custom(answer, "spot")) == {
            "BTC": Balance(free=D("4723846.89208129"), locked=D(0)),
            "LTC": Balance(free=D("4763368.68006011"), locked=D(0)),
        }


def test_the_candles_of_binance_are_read() -> None:
    rows = answers("klines", "binance_spot")[1]
    candles = [candle_from_foreign(binance().parse_ohlcv(row)) for row in rows]
    assert len(rows) > 5
    for row, candle in zip(rows, candles, strict=True):
        assert candle is not None
        told = (candle.open_ms, candle.open, candle.high, candle.low, candle.close, candle.volume)
        assert told == (row[0], *(float(each) for each in row[1:6]))


class Heard:
    """Stands where ccxt has its connection: it is told what was parsed."""

    url = "wss://stream.example/ws"

    def __init__(self) -> None:
        self.rows: list[list[object]] = []

    def resolve(self, result: Any, _name: str) -> None:
        """What a waiting task would be woken with."""
        self.rows.append(list(result[2][-1]))


def test_the_candles_of_the_stream_are_read() -> None:
    recorded = (DATA / "fixtures" / "binance_spot_user_stream_real.jsonl").read_text().splitlines()
    messages = [json.loads(line)["msg"] for line in recorded if '"kline"' in line]
    lines = gzip.decompress((DATA / "fixtures" / "cryptofeed_BINANCE_ws_2021-10-12.txt.gz").read_bytes()).decode()
    messages += [json.loads(line.partition(" ")[2])["data"] for line in lines.splitlines() if '"e":"kline"' in line]
    heard = Heard()
    for message in messages:
        binance().handle_ohlcv(heard, message)
    candles = [candle_from_foreign(row) for row in heard.rows]
    told = [message["k"] for message in messages]
    assert len(told) == 3
    assert [(each.open_ms, each.open, each.close, each.volume) for each in candles if each] == [
        (each["t"], float(each["o"]), float(each["c"]), float(each["v"])) for each in told
    ]

"""Recorded messages of Bybit, OKX, Kraken and Coinbase, read by ccxt's own parsers and then by ours.

What is expected is taken out of the exchange's own text, not out of what ccxt made of it.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from engine.exchange.foreign.words.balances import balances_from_foreign
from engine.exchange.foreign.words.candles import candle_from_foreign
from engine.exchange.foreign.words.fills import fill_from_foreign
from engine.exchange.foreign.words.numbers import Unreadable
from engine.exchange.foreign.words.orders import client_id_of, report_from_foreign
from engine.exchange.foreign.words.scale import contract_size_of
from engine.exchange.foreign.words.swaps import position_from_foreign
from engine.exchange.port import Balance
from engine.model.market import Market, MarketKind, SwapRules
from engine.model.order import Fill, OrderStatus, Side
from tests.builders import a_market
from tests.exchange.foreign.raw_builders import a_swap_market
from tests.exchange.foreign.recorded_markets import needs_data
from tests.exchange.foreign.recorded_messages import (
    NOW_MS,
    Message,
    a_linear_swap,
    answers,
    ccxts_market,
    market_called,
)

pytestmark = needs_data
D = Decimal


@cache
def bybit() -> Any:
    import ccxt.pro

    return ccxt.pro.bybit()


# --- Bybit ------------------------------------------------------------------------------------------------------


def bybit_rows(part: str, *, key: str) -> Iterator[Message]:
    """The linear rows of the recorded answers and messages whose name has this part."""
    for told in answers(part, "bybit"):
        rows = told.get("result", {}).get("list", told.get("data", []))
        for row in rows if isinstance(rows, list) else []:
            if key in row and str(row["symbol"]).endswith("USDT"):
                yield row


_BYBIT_STATUS = {
    "New": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "Rejected": OrderStatus.CANCELED,
}


def test_every_order_of_bybit_says_what_bybit_wrote() -> None:
    """The rejected ones were rejected after a part was filled, which stays filled."""
    told = list(bybit_rows("order", key="orderStatus"))
    assert len(told) == 19
    for row in told:
        market = a_linear_swap(row["symbol"])
        raw = bybit().parse_order(row, ccxts_market(market, row["symbol"]))
        report = report_from_foreign(raw, market, client_order_id=None, fills=(), now_ms=NOW_MS)
        assert report.client_order_id == (row["orderLinkId"] or row["orderId"])
        assert (report.amount, report.filled) == (D(row["qty"]), D(row["cumExecQty"]))
        assert report.status is _BYBIT_STATUS[row["orderStatus"]], row
        assert report.side is Side(row["side"].lower())
        assert report.at_ms == int(row["updatedTime"])
        assert report.reason == ("" if row["rejectReason"] in ("", "EC_NoError", "UNKNOWN") else row["rejectReason"])


def test_every_execution_of_bybit_says_what_bybit_wrote() -> None:
    told = [*bybit_rows("executions", key="execFee"), *bybit_rows("ws_account_execution", key="execFee")]
    assert len(told) == 4
    for row in told:
        market = a_linear_swap(row["symbol"])
        raw = bybit().parse_trade(row, ccxts_market(market, row["symbol"]))
        assert fill_from_foreign(raw, market) == Fill(
            trade_id=row["execId"],
            price=D(row["execPrice"]),
            amount=D(row["execQty"]),
            fee=D(row["execFee"]),
            fee_currency="USDT",
            is_maker=row["isMaker"],
            at_ms=int(row["execTime"]),
        )
        assert client_id_of(raw) == (row["orderLinkId"] or None)


def test_the_quick_executions_of_bybit_do_not_tell_the_fee_and_are_waited_for() -> None:
    told = list(bybit_rows("execution_fast", key="execId"))
    assert len(told) == 1
    for row in told:
        market = a_linear_swap(row["symbol"])
        raw = bybit().parse_trade(row, ccxts_market(market, row["symbol"]))
        assert fill_from_foreign(raw, market) is None


def test_every_position_of_bybit_says_what_bybit_wrote() -> None:
    told = list(bybit_rows("positions", key="avgPrice"))
    assert len(told) == 4
    for row in told:
        market = a_linear_swap(row["symbol"])
        raw = bybit().parse_position(row, ccxts_market(market, row["symbol"]))
        position = position_from_foreign(raw, market)
        if D(row["size"]) == 0:
            assert position is None
            continue
        assert position is not None
        assert position.amount == D(row["size"]) * (1 if row["side"] == "Buy" else -1)
        assert (position.entry_price, position.leverage) == (D(row["avgPrice"]), D(row["leverage"]))
        assert position.margin == D(row["positionBalance"])


def test_every_wallet_of_bybit_has_its_free_and_locked_amounts() -> None:
    for told in answers("http_get_wallet_balance", "bybit"):
        balances = balances_from_foreign(bybit().parse_balance(told), MarketKind.SWAP)
        coins = {coin["coin"]: coin for coin in told["result"]["list"][0]["coin"]}
        assert balances.keys() == coins.keys()
        for name, balance in balances.items():
            assert balance.free >= 0
            assert balance.free <= max(D(coins[name]["walletBalance"]), D(0)), name


# --- OKX, Kraken, Coinbase --------------------------------------------------------------------------------------

_OKX_CONTRACTS = {"BTC-USDT-SWAP": D("0.01"), "ETH-USDT-SWAP": D("0.1")}
_OKX_STATUS = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}


def okx_market(name: str) -> Market:
    """A spot market or linear swap of OKX; a contract is a part of a base."""
    base, quote = name.split("-")[:2]
    size = _OKX_CONTRACTS.get(name)
    if size is None:
        return a_market(symbol=f"{base}/{quote}", base=base, quote=quote)
    rules = SwapRules(contract_size=size, leverage_max=D(100), maintenance_rate=D("0.005"))
    return a_swap_market(symbol=f"{base}/{quote}:{quote}", base=base, lot_size=size / 100, swap=rules)


def test_every_order_of_okx_is_in_base_though_okx_wrote_contracts() -> None:
    import ccxt

    told = [
        row
        for answer in (*answers("ws_orders", "okx"), *answers("http_get_orders_history", "okx"))
        for row in answer["data"]
        if row["instType"] in ("SPOT", "SWAP") and "accFillSz" in row
    ]
    assert len(told) == 8
    for row in told:
        market = okx_market(row["instId"])
        size = contract_size_of(market)
        raw = ccxt.okx().parse_order(row, ccxts_market(market, row["instId"]))
        report = report_from_foreign(raw, market, client_order_id=None, fills=(), now_ms=NOW_MS)
        assert report.client_order_id == (row["clOrdId"] or row["ordId"])
        assert (report.amount, report.filled) == (D(row["sz"]) * size, D(row["accFillSz"]) * size)
        assert report.status is _OKX_STATUS[row["state"]]
        assert report.price == D(row["px"] or row["avgPx"])


def test_an_execution_of_okx_without_a_fee_is_waited_for() -> None:
    """OKX writes what was paid below 0; an empty fee is none yet."""
    import ccxt

    market = okx_market("BTC-USDT")
    found = [
        fill_from_foreign(ccxt.okx().parse_trade(each, ccxts_market(market, "BTC-USDT")), market)
        for each in answers("http_transaction_detail", "okx")
    ]
    assert found == [
        Fill(
            trade_id="123456789",
            price=D("42000.5"),
            amount=D("0.001"),
            fee=D("-0.042"),
            fee_currency="USDT",
            is_maker=False,
            at_ms=1625097600000,
        ),
        None,
    ]


def test_a_position_of_okx_in_hedge_mode_is_refused_with_what_to_do() -> None:
    import ccxt

    row = answers("http_get_positions.json", "okx")[0]["data"][0]
    market = okx_market(row["instId"])
    raw = ccxt.okx().parse_position(row, ccxts_market(market, row["instId"]))
    with pytest.raises(Unreadable, match="hedge mode: switch the account to one-way mode"):
        position_from_foreign(raw, market)
    one_way = {**row, "posSide": "net", "pos": "-50"}
    position = position_from_foreign(ccxt.okx().parse_position(one_way, ccxts_market(market, row["instId"])), market)
    assert position is not None
    assert (position.amount, position.leverage) == (D("-0.5"), D(10))


def test_the_balances_of_okx_are_read_and_an_empty_account_is_not_zero() -> None:
    import ccxt

    told = answers("http_get_account_balance", "okx")[0]
    assert balances_from_foreign(ccxt.okx().parse_trading_balance(told)) == {
        "USDT": Balance(free=D("94.42612990333333"), locked=D("5.46856666666668"))
    }
    empty = answers("ws_account_empty", "okx")[0]
    with pytest.raises(Unreadable, match="no currency at all"):
        balances_from_foreign(ccxt.okx().parse_trading_balance(empty))


def test_the_executions_of_kraken_and_coinbase_are_read() -> None:
    import ccxt

    told = answers("http_trades_history", "kraken")[0]["result"]["trades"]
    found = []
    for name, row in told.items():
        market = market_called(row["pair"])
        client = ccxt.kraken()
        client.set_markets([{**ccxts_market(market, row["pair"]), "altname": row["pair"]}])
        client.options["marketsByAltname"] = {row["pair"]: client.market(market.symbol)}
        found.append(fill_from_foreign(client.parse_trade({**row, "id": name}), market))
    rows = answers("http_fills", "coinbase")[0]["fills"]
    for row in rows:
        market = market_called(row["product_id"].replace("-", ""))
        raw = ccxt.coinbase().parse_trade(row, ccxts_market(market, row["product_id"]))
        found.append(fill_from_foreign(raw, market))
    assert [(each.price, each.amount, each.fee, each.fee_currency, each.is_maker) for each in found if each] == [
        (D("29500.50"), D("0.5"), D("23.60"), "USDT", True),
        (D("1799.75"), D(1), D("3.60"), "USDT", False),
        (D("45123.45"), D("0.005"), D("1.14"), "USD", True),
        (D("3076.92"), D("0.0325"), D("0.50"), "USD", False),
    ]


def test_the_candles_of_bybit_and_coinbase_are_read() -> None:
    import ccxt

    rows = answers("klines_linear", "bybit")[0]["result"]["list"]
    candles = [candle_from_foreign(bybit().parse_ohlcv(row)) for row in rows]
    assert [(each.open_ms, each.open, each.close) for each in candles if each] == [
        (int(row[0]), float(row[1]), float(row[4])) for row in rows
    ]
    told = answers("http_candles", "coinbase")[0]["candles"]
    read = [candle_from_foreign(ccxt.coinbase().parse_ohlcv(row)) for row in told]
    assert [(each.open_ms, each.low, each.volume) for each in read if each] == [
        (int(row["start"]) * 1000, float(row["low"]), float(row["volume"])) for row in told
    ]

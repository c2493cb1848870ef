"""Every execution is told once, however an exchange cuts its lists off, sorts them and forgets."""

from typing import Any

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.foreign.habits.dialects import Dialect, dialect_of
from engine.exchange.foreign.habits.paging import TradePages
from engine.model.errors import Transient
from engine.model.order import Side
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.foreign.desk_bench import BTC, DAY_MS, NOW_MS, D, Desks, RecordedClient, TradeList, own_id, trades
from tests.exchange.foreign.raw_builders import a_raw_order, a_raw_trade, a_swap_market

WEEK_AGO = NOW_MS - 7 * DAY_MS
FEELESS: dict[str, Any] = {"fee": None, "fees": []}


def ids(rows: list[Any]) -> list[str]:
    return [str(raw["id"]) for raw in rows]


async def listed(rows: list[dict[str, Any]], *, exchange: str = "binance", **habits: Any) -> tuple[list[str], int]:
    """What ``raw_since`` finds of a week, and in how many questions."""
    page = habits.pop("page", dialect_of(exchange).trades.limit)
    client = RecordedClient(exchange, fetch_my_trades=TradeList(rows, page=page, **habits))
    return ids(await Desks(client).trades.raw_since(BTC, WEEK_AGO)), client.count("fetch_my_trades")


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx", "kraken", "kucoin", "gate", "coinbase", "htx", "new"])
@pytest.mark.parametrize("keeps_newest", [False, True])
async def test_rel_52_rel_53_a_week_of_executions_is_listed_whole(exchange: str, keeps_newest: bool) -> None:
    rows = trades(900, at=lambda n: WEEK_AGO + n * 600_000)
    found, _ = await listed(rows, exchange=exchange, keeps_newest=keeps_newest)
    assert found == ids(rows)


async def test_rel_52_executions_at_the_borders_of_windows_are_neither_lost_nor_doubled() -> None:
    window_ms = dialect_of("binance").trades.window_ms
    rows = trades(15, at=lambda n: WEEK_AGO + (n // 3) * window_ms + n % 3 - 1)
    found, _ = await listed(rows)
    assert found == ids(rows[1:])


@pytest.mark.parametrize("exchange", ["gate", "kraken"])
async def test_rel_52_an_exchange_that_reckons_in_seconds_loses_nothing_between_halves(exchange: str) -> None:
    rows = trades(400, at=lambda n: WEEK_AGO + 5_000 + n * 377)
    found, _ = await listed(rows, exchange=exchange, keeps_newest=True, grain_ms=1_000)
    assert found == ids(rows)


@given(
    gaps=st.lists(st.sampled_from((0, 0, 1, 7, 999, 60_000, 40_000_000)), min_size=1, max_size=99),
    keeps_newest=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_rel_52_whatever_the_times_every_execution_is_listed_once(gaps: list[int], keeps_newest: bool) -> None:
    times = [WEEK_AGO + sum(gaps[: n + 1]) for n in range(len(gaps))]
    rows = [raw for raw in trades(len(gaps), at=times.__getitem__) if raw["timestamp"] <= NOW_MS]

    async def scene() -> None:
        found, _ = await listed(rows, exchange="okx", keeps_newest=keeps_newest)
        assert sorted(found) == sorted(ids(rows))

    run_on(VirtualClock(start_ms=0), scene)


async def test_on_kraken_other_markets_on_the_page_hide_no_execution() -> None:
    rows = [
        *trades(300, at=lambda n: WEEK_AGO + n * 60_000, symbol="ETH/USDT"),
        *trades(40, at=lambda n: WEEK_AGO + n * 400_000),
    ]
    client = RecordedClient("kraken", fetch_my_trades=TradeList(rows, page=50, keeps_newest=True))
    found = await Desks(client).trades.raw_since(BTC, WEEK_AGO)
    assert ids(found) == [f"{BTC} {n}" for n in range(40)]
    assert {parts[0] for _, parts in client.asked} == {None}


async def test_kraken_futures_which_knows_no_span_is_asked_for_what_was_before_its_end() -> None:
    client = RecordedClient("krakenfutures", fetch_my_trades=[])
    await Desks(client).trades.raw_since(BTC, NOW_MS - 1_000)
    [(_, (symbol, _, limit, params))] = client.asked
    assert (symbol, limit, list(params)) == (None, 100, ["lastFillTime"])
    assert params["lastFillTime"].endswith("Z")


async def test_more_in_one_millisecond_than_fit_on_a_page_are_read_on_where_the_exchange_can() -> None:
    rows = trades(130, at=lambda n: WEEK_AGO + 5_000)
    found, _ = await listed(rows, exchange="kraken", page=50)
    assert found == ids(rows)


async def test_more_in_one_millisecond_than_fit_on_a_page_are_no_answer_where_it_cannot() -> None:
    rows = trades(130, at=lambda n: WEEK_AGO + 5_000)
    with pytest.raises(Transient, match="at most 100 executions at once"):
        await listed(rows, exchange="okx", page=100)


async def test_an_exchange_that_does_not_heed_the_end_of_a_span_is_told_and_not_asked_for_ever() -> None:
    rows = trades(400, at=lambda n: WEEK_AGO + n * 60_000)
    client = RecordedClient("new", fetch_my_trades=lambda symbol, since, limit, params: rows[-limit:])
    with pytest.raises(Transient, match="after the end that was asked for"):
        await Desks(client).trades.raw_since(BTC, WEEK_AGO)
    assert client.count("fetch_my_trades") < 10


async def test_an_execution_without_a_time_is_no_answer() -> None:
    client = RecordedClient(fetch_my_trades=[a_raw_trade(timestamp=None)])
    with pytest.raises(Transient, match="without its time"):
        await Desks(client).trades.raw_since(BTC, NOW_MS - 1)


async def test_rel_08_two_sides_of_one_trade_with_oneself_are_two_executions() -> None:
    rows = [a_raw_trade(timestamp=NOW_MS), a_raw_trade(timestamp=NOW_MS, side="sell", order="78")]
    client = RecordedClient(fetch_my_trades=rows)
    assert len(await Desks(client).trades.raw_since(BTC, NOW_MS - 1)) == 2


async def test_an_order_s_executions_are_asked_for_by_its_id_on_binance_spot_and_swap_alike() -> None:
    # The library's own call for it refuses everything but spot.
    for market in (None, a_swap_market()):
        symbol = BTC if market is None else market.symbol
        client = RecordedClient(
            fetch_my_trades=TradeList([a_raw_trade(timestamp=NOW_MS, symbol=symbol)], page=500),
            has={"fetchOrderTrades": True},
        )
        desks = Desks(client, market=market)
        fills = await desks.trades.fills_of(a_raw_order(symbol=symbol), desks.market, filled=D("0.005"))
        assert ([fill.trade_id for fill in fills], client.count("fetch_my_trades")) == (["9001"], 1)


async def test_kraken_whose_call_for_one_order_is_only_emulated_is_asked_for_the_span() -> None:
    client = RecordedClient(
        "kraken",
        has={"fetchOrderTrades": "emulated"},
        fetch_my_trades=TradeList([a_raw_trade(timestamp=NOW_MS - 5_000)], page=50),
    )
    desks = Desks(client)
    fills = await desks.trades.fills_of(a_raw_order(timestamp=NOW_MS - 9_000), desks.market, filled=D("0.5"))
    assert [fill.trade_id for fill in fills] == ["9001"]


async def test_a_call_for_one_order_that_is_refused_falls_back_to_the_span() -> None:
    client = RecordedClient(
        "htx",
        has={"fetchOrderTrades": True},
        fetch_order_trades=ccxt.NotSupported("spot markets only"),
        fetch_my_trades=TradeList([a_raw_trade(timestamp=NOW_MS - 5_000)], page=100),
    )
    desks = Desks(client)
    fills = await desks.trades.fills_of(a_raw_order(timestamp=NOW_MS - 9_000), desks.market, filled=D("0.5"))
    assert [fill.trade_id for fill in fills] == ["9001"]


async def test_rel_53_an_order_whose_narrowed_list_is_cut_off_or_forgotten_is_completed_from_its_span() -> None:
    rows = trades(150, at=lambda n: NOW_MS - 9 * DAY_MS + n, order="77")
    whole = TradeList(rows, page=100, keeps_newest=True)
    client = RecordedClient(
        "bybit",
        fetch_my_trades=lambda symbol, since, limit, params: (
            rows[-100:] if "orderId" in params else whole(symbol, since, limit, params)
        ),
    )
    desks = Desks(client)
    raw = a_raw_order(timestamp=NOW_MS - 10 * DAY_MS)
    fills = await desks.trades.fills_of(raw, desks.market, filled=D(15))
    assert sum(fill.amount for fill in fills) == 15
    assert len({fill.trade_id for fill in fills}) == 150


async def test_rel_25_an_execution_whose_fee_is_not_told_waits_and_is_not_booked_without_it() -> None:
    client = RecordedClient("new", fetch_my_trades=TradeList([a_raw_trade(timestamp=NOW_MS - 9, **FEELESS)], page=50))
    desks = Desks(client)
    raw = a_raw_order(timestamp=NOW_MS - 10)
    assert await desks.trades.fills_of(raw, desks.market, filled=D("0.5")) == ()


async def test_ours_without_its_fee_makes_the_list_no_answer_and_somebody_else_s_is_left_out() -> None:
    mine = a_raw_trade(id="1", timestamp=NOW_MS, info={"orderLinkId": own_id()}, **FEELESS)
    theirs = a_raw_trade(id="2", order="5", timestamp=NOW_MS, info={"orderLinkId": ""}, **FEELESS)
    good = a_raw_trade(id="3", order="6", timestamp=NOW_MS, info={"orderLinkId": ""})
    with pytest.raises(Transient, match="cannot be read"):
        await Desks(RecordedClient("bybit", fetch_my_trades=[mine])).trades.fills_since(BTC, NOW_MS - 1)
    [own] = await Desks(RecordedClient("bybit", fetch_my_trades=[theirs, good])).trades.fills_since(BTC, NOW_MS - 1)
    assert (own.fill.trade_id, own.client_order_id, own.side) == ("3", "6", Side.BUY)


async def test_on_bybit_an_execution_by_hand_needs_no_question_for_its_name() -> None:
    client = RecordedClient("bybit", fetch_my_trades=[a_raw_trade(timestamp=NOW_MS, info={"orderLinkId": ""})])
    await Desks(client).trades.fills_since(BTC, NOW_MS - 1)
    assert [name for name, _ in client.asked] == ["fetch_my_trades"]


async def test_an_execution_s_order_is_asked_for_by_name_once_and_as_the_exchange_wants_it() -> None:
    dialect = Dialect(id="new", is_tried=False, fetch_extra={"acknowledged": True})
    client = RecordedClient(
        "new", fetch_my_trades=[a_raw_trade(timestamp=NOW_MS)], fetch_order=a_raw_order(clientOrderId=own_id(3))
    )
    desks = Desks(client, dialect)
    for _ in range(2):
        [own] = await desks.trades.fills_since(BTC, NOW_MS - 1)
        assert own.client_order_id == own_id(3)
    assert [parts for name, parts in client.asked if name == "fetch_order"] == [("77", BTC, {"acknowledged": True})]


async def test_rel_51_a_fresh_execution_whose_order_is_not_told_yet_is_nobody_s_yet() -> None:
    client = RecordedClient(
        fetch_my_trades=[a_raw_trade(timestamp=NOW_MS - 1_000)], fetch_order=ccxt.OrderNotFound("no such order")
    )
    with pytest.raises(Transient, match="not told yet"):
        await Desks(client).trades.fills_since(BTC, NOW_MS - 5_000)


async def test_rel_59_an_old_order_that_the_exchange_has_forgotten_is_somebody_s_and_asked_for_once() -> None:
    client = RecordedClient(
        fetch_my_trades=TradeList([a_raw_trade(timestamp=NOW_MS - DAY_MS)], page=1000),
        fetch_order=ccxt.OrderNotFound("no such order"),
    )
    desks = Desks(client)
    for _ in range(3):
        [own] = await desks.trades.fills_since(BTC, NOW_MS - 2 * DAY_MS)
        assert own.client_order_id == "77"
    assert client.count("fetch_order") == 1


async def test_an_answer_that_is_no_list_is_no_answer() -> None:
    with pytest.raises(Transient, match="expected a list"):
        await Desks(RecordedClient(fetch_my_trades=None)).trades.raw_since(BTC, NOW_MS - 1)


async def test_what_the_library_s_parser_breaks_on_is_no_answer() -> None:
    with pytest.raises(Transient):
        await Desks(RecordedClient(fetch_my_trades=KeyError("side"))).trades.raw_since(BTC, NOW_MS - 1)


def test_every_exchange_is_asked_for_no_longer_span_than_it_takes() -> None:
    assert dialect_of("binance").trades.window_ms + 2 <= DAY_MS
    assert dialect_of("bybit").trades.window_ms + 2 <= 7 * DAY_MS
    assert TradePages().window_ms + 2 <= DAY_MS

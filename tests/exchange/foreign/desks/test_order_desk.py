"""Orders over REST: nothing that an answer does not prove is taken for proven."""

from typing import Any

import ccxt
import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.model.errors import OrderNotFound, OutcomeUnknown, PostOnlyRejected, Rejected, Transient
from engine.model.order import OrderRequest, OrderStatus, Side
from tests.exchange.foreign.desk_bench import BTC, DAY_MS, NOW_MS, D, Desks, RecordedClient, TradeList, own_id
from tests.exchange.foreign.raw_builders import a_raw_order, a_raw_trade

OURS = own_id()


def a_request(**changes: Any) -> OrderRequest:
    plain = {"client_order_id": OURS, "symbol": BTC, "side": Side.BUY, "price": D("100.01"), "amount": D("0.1")}
    return OrderRequest(**{**plain, "post_only": True, **changes})


def an_order(**changes: Any) -> dict[str, Any]:
    return a_raw_order(**{"clientOrderId": OURS, "timestamp": NOW_MS, **changes})


async def placed(answer: object, exchange: str = "binance") -> Any:
    return await Desks(RecordedClient(exchange, create_order=answer)).orders.place(a_request())


async def test_rel_21_rel_23_amount_and_price_leave_as_the_exact_text() -> None:
    client = RecordedClient(create_order=an_order(price="100.01", amount="0.1"))
    report = await Desks(client).orders.place(a_request())
    [(_, parts)] = client.asked
    assert parts[:5] == (BTC, "limit", "buy", "0.1", "100.01")
    assert (report.status, report.price, report.amount) == (OrderStatus.OPEN, D("100.01"), D("0.1"))


@pytest.mark.parametrize("wrong", [{"price": D("100.015")}, {"amount": D("0.000001")}, {"amount": D("0.01")}])
async def test_rel_20_what_the_market_does_not_take_is_never_sent(wrong: dict[str, Any]) -> None:
    client = RecordedClient(create_order=an_order())
    with pytest.raises(Rejected):
        await Desks(client).orders.place(a_request(**wrong))
    assert client.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        *(None, [], "ok", {}, {"id": None, "status": None}),
        *(an_order(status="sleeping"), an_order(clientOrderId="another")),
        *(KeyError("orderId"), TypeError("None"), ccxt.RequestTimeout("timed out"), ccxt.ExchangeError("odd")),
    ],
)
async def test_rel_01_rel_04_an_answer_that_proves_nothing_is_an_unknown_outcome(answer: object) -> None:
    with pytest.raises(OutcomeUnknown):
        await placed(answer)


async def test_an_answer_with_an_id_and_nothing_else_is_an_open_order() -> None:
    report = await placed({"id": "77", "status": None, "info": {}})
    assert (report.status, report.filled, report.amount) == (OrderStatus.OPEN, 0, D("0.1"))


async def test_rel_17_a_post_only_refusal_is_a_refusal() -> None:
    with pytest.raises(PostOnlyRejected):
        await placed(ccxt.OrderImmediatelyFillable("binance would immediately match"))


async def test_rel_18_a_post_only_order_that_is_taken_and_expires_at_once_is_ended_unfilled() -> None:
    report = await placed(an_order(status="expired"))
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, 0)


async def cancelled(cancel: object, fetch: object, **more: Any) -> Any:
    client = RecordedClient(cancel_order=cancel, fetch_order=fetch, **more)
    return await Desks(client).orders.cancel(BTC, OURS)


async def test_a_cancelled_order_without_executions_needs_no_other_question() -> None:
    report = await cancelled(an_order(status="canceled"), RuntimeError("not asked"))
    assert (report.status, report.filled) == (OrderStatus.CANCELED, 0)


async def test_rel_14_a_partly_filled_order_that_is_cancelled_keeps_its_executions() -> None:
    raw = an_order(status="canceled", filled=0.5)
    trades = TradeList([a_raw_trade(timestamp=NOW_MS)], page=1000)
    report = await cancelled(raw, raw, fetch_my_trades=trades)
    assert (report.status, report.filled, [fill.trade_id for fill in report.fills]) == (
        OrderStatus.CANCELED,
        D("0.5"),
        ["9001"],
    )


async def test_rel_15_a_cancellation_that_finds_nothing_says_so_and_no_more() -> None:
    with pytest.raises(OrderNotFound):
        await cancelled(ccxt.OrderNotFound("-2011 Unknown order sent."), an_order())


@pytest.mark.parametrize(
    "fetch",
    [ccxt.OrderNotFound("gone"), ccxt.RequestTimeout("slow"), ccxt.NotSupported("no"), an_order(status="open"), None],
)
async def test_rel_16_a_cancellation_that_was_taken_and_is_not_proved_is_an_unknown_outcome(fetch: object) -> None:
    with pytest.raises(OutcomeUnknown):
        await cancelled({"id": "77", "status": None, "info": {}}, fetch)


async def test_rel_16_executions_that_cannot_be_fetched_make_a_cancellation_unknown_and_not_refused() -> None:
    raw = an_order(status="canceled", filled=0.5)
    with pytest.raises(OutcomeUnknown):
        await cancelled(raw, raw, fetch_my_trades=ccxt.NotSupported("spot alone"))


async def test_an_answer_about_another_order_is_no_answer() -> None:
    with pytest.raises(Transient, match="another one"):
        await Desks(RecordedClient(fetch_order=an_order(clientOrderId=own_id(5)))).orders.fetch(BTC, OURS)


@pytest.mark.parametrize("answer", [None, {}, [], {"id": None}])
async def test_an_answer_without_an_order_is_no_answer_and_never_not_found(answer: object) -> None:
    with pytest.raises(Transient, match="answered with nothing"):
        await Desks(RecordedClient(fetch_order=answer)).orders.fetch(BTC, OURS)


async def open_orders(exchange: str, *rows: dict[str, Any], **more: Any) -> Any:
    client = RecordedClient(exchange, fetch_open_orders=list(rows), **more)
    return await Desks(client).orders.fetch_open(BTC)


async def test_rel_35_foreign_orders_are_told_and_those_of_unknown_kinds_left_out() -> None:
    stop = an_order(id="5", clientOrderId="web_1", side=None, amount=None, price=None)
    manual = an_order(id="6", clientOrderId="web_2", filled=0.5)
    reports = await open_orders("binance", an_order(), stop, manual)
    assert [(report.client_order_id, report.filled) for report in reports] == [(OURS, 0), ("web_2", D("0.5"))]


async def test_an_own_order_that_cannot_be_read_makes_the_list_no_answer() -> None:
    with pytest.raises(Transient, match="cannot be read"):
        await open_orders("binance", an_order(amount=None))


async def test_an_order_without_any_id_makes_the_list_no_answer() -> None:
    with pytest.raises(Transient, match="without any id"):
        await open_orders("binance", an_order(id=None, clientOrderId=None))


async def test_orders_of_other_markets_in_the_list_are_not_of_this_one() -> None:
    assert await open_orders("binance", an_order(symbol="ETH/USDT")) == []


@pytest.mark.parametrize("answer", [None, {}, "[]"])
async def test_a_list_that_is_none_is_not_an_empty_one(answer: object) -> None:
    with pytest.raises(Transient):
        await Desks(RecordedClient(fetch_open_orders=answer)).orders.fetch_open(BTC)


async def test_where_the_client_id_is_not_repeated_an_order_of_this_run_is_known_by_the_exchange_s() -> None:
    client = RecordedClient(create_order=an_order(), fetch_open_orders=[an_order(clientOrderId=None)])
    desks = Desks(client)
    await desks.orders.place(a_request())
    assert [report.client_order_id for report in await desks.orders.fetch_open(BTC)] == [OURS]


@pytest.mark.parametrize(
    ("exchange", "name"), [("okx", "after"), ("bitget", "idLessThan"), ("htx", "from"), ("gate", "page")]
)
async def test_rel_59_two_hundred_and_fifty_orders_are_three_pages(exchange: str, name: str) -> None:
    rows = [an_order(id=str(1_000 + n), clientOrderId=own_id(n), price=100 + n) for n in range(250)][::-1]

    def page(symbol: str, since: None, limit: int, params: dict[str, Any]) -> list[dict[str, Any]]:
        asked = params.get(name)
        if asked is None:
            return rows[:limit]
        if name == "page":
            return rows[(asked - 1) * limit : asked * limit]
        return [raw for raw in rows if int(raw["id"]) < int(asked)][:limit]

    client = RecordedClient(exchange, fetch_open_orders=page)
    reports = await Desks(client).orders.fetch_open(BTC)
    assert sorted(report.client_order_id for report in reports) == sorted(own_id(n) for n in range(250))
    assert client.count("fetch_open_orders") == 3


async def looked_for(exchange: str, *, is_sent: bool, **lists: Any) -> Any:
    """An order that no open list has, on an exchange that is asked by lists."""
    client = RecordedClient(
        exchange,
        has={"fetchCanceledOrders": True},
        create_order={"id": None, "info": {}},
        fetch_open_orders=[],
        **lists,
    )
    desks = Desks(client)
    if is_sent:
        with pytest.raises(OutcomeUnknown):
            await desks.orders.place(a_request())
    return await desks.orders.fetch(BTC, OURS), client


def old_orders(count: int, at_ms: int) -> list[dict[str, Any]]:
    return [an_order(id=str(n), clientOrderId=f"web{n}", status="closed", timestamp=at_ms) for n in range(count)]


async def test_on_an_old_account_an_order_of_this_run_is_gone_when_the_lists_reach_back_to_before_it() -> None:
    old = old_orders(100, NOW_MS - DAY_MS)
    with pytest.raises(OrderNotFound):
        await looked_for("coinbase", is_sent=True, fetch_closed_orders=old, fetch_canceled_orders=[])


async def test_rel_53_an_order_that_may_be_older_than_the_lists_is_never_called_gone() -> None:
    def endless(symbol: str, since: None, limit: int, params: dict[str, Any]) -> list[dict[str, Any]]:
        at = int(params.get("page", 1)) * 100
        return [an_order(id=str(at + n), clientOrderId=f"web{at + n}", status="closed") for n in range(100)]

    client = RecordedClient(
        "gate",
        fetch_order=ccxt.OrderNotFound("ORDER_NOT_FOUND"),
        fetch_open_orders=[],
        fetch_closed_orders=endless,
    )
    with pytest.raises(OutcomeUnknown, match="it may be older"):
        await Desks(client).orders.fetch(BTC, OURS)


async def test_rel_53_gate_which_forgets_our_id_after_an_hour_is_looked_through() -> None:
    rows = [*old_orders(150, NOW_MS), an_order(id="999", status="canceled", filled=0)]

    def page(symbol: str, since: None, limit: int, params: dict[str, Any]) -> list[dict[str, Any]]:
        at = (int(params.get("page", 1)) - 1) * limit
        return rows[at : at + limit]

    client = RecordedClient(
        "gate", fetch_order=ccxt.OrderNotFound("ORDER_NOT_FOUND"), fetch_open_orders=[], fetch_closed_orders=page
    )
    report = await Desks(client).orders.fetch(BTC, OURS)
    assert (report.client_order_id, report.status) == (OURS, OrderStatus.CANCELED)


async def test_rel_53_bybit_is_asked_week_by_week_after_a_long_absence() -> None:
    ended_ms = NOW_MS - 20 * DAY_MS

    def ended(symbol: str, since: int, limit: int, params: dict[str, Any]) -> list[dict[str, Any]]:
        assert params["orderLinkId"] == OURS
        assert params["until"] - since == 7 * DAY_MS
        row = an_order(status="canceled", timestamp=ended_ms)
        return [row] if since <= ended_ms <= params["until"] else []

    client = RecordedClient(
        "bybit",
        has={"fetchCanceledAndClosedOrders": True},
        fetch_open_orders=[],
        fetch_canceled_and_closed_orders=ended,
    )
    report = await Desks(client).orders.fetch(BTC, OURS)
    assert (report.status, client.count("fetch_canceled_and_closed_orders")) == (OrderStatus.CANCELED, 3)


async def test_on_bybit_an_order_of_this_run_is_looked_for_in_this_week_alone() -> None:
    client = RecordedClient(
        "bybit",
        has={"fetchCanceledAndClosedOrders": True},
        create_order=ccxt.RequestTimeout("slow"),
        fetch_open_orders=[],
        fetch_canceled_and_closed_orders=[],
    )
    desks = Desks(client)
    with pytest.raises(OutcomeUnknown):
        await desks.orders.place(a_request())
    with pytest.raises(OrderNotFound):
        await desks.orders.fetch(BTC, OURS)
    assert client.count("fetch_canceled_and_closed_orders") == 1


async def test_an_order_that_a_history_tells_twice_is_the_one_that_filled_more() -> None:
    early = an_order(status="closed", filled=0.5)
    late = an_order(status="closed", filled=2.0)
    trades = TradeList([a_raw_trade(id=str(n), timestamp=NOW_MS) for n in range(4)], page=100)
    client = RecordedClient(
        "krakenfutures", fetch_open_orders=[], fetch_closed_orders=[early, late], fetch_my_trades=trades.rows
    )
    report = await Desks(client, dialect_of("krakenfutures")).orders.fetch(BTC, OURS)
    assert (report.status, report.filled) == (OrderStatus.FILLED, D(2))


def test_an_execution_before_its_order_gives_way_to_the_order_s_own_words() -> None:
    desks = Desks(RecordedClient())
    desks.orders.learn_from_trade(a_raw_trade(clientOrderId=OURS), BTC, "77")
    desks.orders.report_of(an_order(), BTC, ())
    known = desks.index.by_order_id(BTC, "77")
    assert known is not None
    assert (known.amount, known.is_guess) == (D(2), False)

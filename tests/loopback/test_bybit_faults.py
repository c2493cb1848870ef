"""Every fault on the wire of Bybit: what the real client raises, and what really became of the request."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.loopback.bybit_scene import (
    MARKET_IDS,
    SPOT,
    SWAP,
    Client,
    bought,
    bybit_scene,
    looked_up,
    until,
)
from tests.loopback.faults import HOSTILE_TEXTS, Fault, RequestName
from tests.loopback.server import LoopbackServer

both = pytest.mark.parametrize("symbol", [SPOT, SWAP])
AN_OUTAGE = {"ExchangeNotAvailable", "ExchangeError"}
"""A bad gateway is the first, a code in an answer of status 200 the second."""
PLACES = [
    (Fault.LOST_REQUEST, {"ExchangeNotAvailable"}, 0),
    (Fault.LOST_ANSWER, {"ExchangeNotAvailable"}, 1),
    (Fault.CUT_BODY, {"ExchangeError"}, 1),
    (Fault.ERROR_BEFORE, AN_OUTAGE, 0),
    (Fault.ERROR_AFTER, AN_OUTAGE, 1),
    (Fault.MAINTENANCE, {"ExchangeError"}, 0),
    (Fault.RATE_LIMIT, {"RateLimitExceeded"}, 0),
    (Fault.BAN, {"RateLimitExceeded"}, 0),
    (Fault.STALE_TIMESTAMP, {"InvalidNonce"}, 0),
]


@both
@pytest.mark.parametrize(("fault", "errors", "placed"), PLACES)
async def test_a_place_that_is_struck_raises_and_did_or_did_not_happen(
    symbol: str, fault: Fault, errors: set[str], placed: int
) -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.PLACE, fault)
        raised = await _raised(lambda: bought(client, symbol, "0.01", 59_000, "gone"))
        assert len(server.venue.open_orders()) == placed
    assert type(raised).__name__ in errors
    assert server.faults.counts[fault] == 1


@both
async def test_a_torn_answer_is_no_error_for_the_client_it_becomes_an_empty_order_and_empty_lists(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        await client.is_unified_enabled()
        for name in (RequestName.PLACE, RequestName.OPEN_ORDERS, RequestName.MY_TRADES, RequestName.BALANCES):
            server.faults.script(name, Fault.TORN_JSON)
        placed = await bought(client, symbol, "0.01", 59_000, "gone")
        listed = await client.fetch_open_orders(symbol)
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_999))
        trades = await client.fetch_my_trades(symbol)
        balance = await client.fetch_balance()
        assert [order.client_id for order in server.venue.orders()] == ["gone"]
    assert (placed["id"], placed["clientOrderId"], placed["info"]) == (None, None, {})
    assert (listed, trades) == ([], [])
    assert balance["total"] == {"USDC": None}


@both
async def test_a_request_whose_answer_is_late_times_out_and_was_executed(symbol: str) -> None:
    async with bybit_scene(timeout=100) as (server, client):
        await client.load_markets()
        await client.is_unified_enabled()
        server.faults.late_seconds = 5
        server.faults.script(RequestName.PLACE, Fault.LATE_ANSWER)
        raised = await _raised(lambda: bought(client, symbol, "0.01", 59_000, "gone"))
        assert [order.client_id for order in server.venue.open_orders()] == ["gone"]
    assert type(raised).__name__ == "RequestTimeout"


@both
async def test_a_late_request_is_not_found_at_first_and_is_placed_afterwards(symbol: str) -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.late_seconds = 0.05
        server.faults.script(RequestName.PLACE, Fault.LATE_REQUEST)
        await _raised(lambda: bought(client, symbol, "0.01", 59_000, "gone"))
        assert server.venue.open_orders() == []
        with pytest.raises(ccxt.OrderNotFound):
            await looked_up(client, symbol, "gone")
        await until(lambda: len(server.venue.open_orders()) == 1)
        found = await looked_up(client, symbol, "gone")
    assert found["status"] == "open"


async def test_a_late_request_that_arrives_outside_its_time_window_is_never_placed() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.late_seconds = 0.05
        server.faults.script(RequestName.PLACE, Fault.LATE_REQUEST)
        await _raised(lambda: bought(client, SPOT, "0.01", 59_000, "gone"))
        server.faults.skew_ms = 60_000
        [line] = [line for line in server.requests if line.name is RequestName.PLACE]
        server.faults.script(RequestName.TIME, Fault.LATE_ANSWER)
        await client.fetch_time()
        assert server.venue.orders() == []
    assert line.executed is False


@both
async def test_a_cancel_is_answered_not_found_although_it_succeeded(symbol: str) -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gone")
        server.faults.script(RequestName.CANCEL, Fault.CANCEL_NOT_FOUND)
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order("", symbol, {"orderLinkId": "gone"})
        found = await looked_up(client, symbol, "gone")
    assert found["status"] == "canceled"


@both
async def test_an_order_fills_before_its_acknowledgement(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.delay_seconds = 0
        server.faults.script(RequestName.PLACE, Fault.FILL_BEFORE_ACK)
        placed = await bought(client, symbol, "0.01", 59_000, "gone")
        found = await looked_up(client, symbol, "gone")
    assert (placed["clientOrderId"], found["status"], found["filled"]) == ("gone", "closed", 0.01)


@both
async def test_ids_are_missing_in_an_acknowledgement_and_in_lists(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.PLACE, Fault.MISSING_IDS)
        server.faults.script(RequestName.OPEN_ORDERS, Fault.MISSING_IDS)
        placed = await bought(client, symbol, "0.01", 59_000, "gone")
        [listed] = await client.fetch_open_orders(symbol)
        [truth] = server.venue.open_orders()
    assert (placed["id"], placed["clientOrderId"]) == (None, None)
    assert (listed["id"], listed["clientOrderId"], listed["price"]) == (None, None, 59_000.0)
    assert truth.client_id == "gone"


@both
async def test_lists_and_lookups_tell_orders_as_they_were(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gone")
        server.faults.skew_ms = 3_000
        await client.load_time_difference()
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_999))
        server.faults.script(RequestName.OPEN_ORDERS, Fault.STALE_LIST)
        server.faults.script(RequestName.ORDER, Fault.STALE_LIST)
        [stale] = await client.fetch_open_orders(symbol)
        looked = await looked_up(client, symbol, "gone")
        right = await client.fetch_open_orders(symbol)
    assert (stale["clientOrderId"], stale["status"], looked["status"]) == ("gone", "open", "open")
    assert right == []


@both
async def test_young_orders_and_their_executions_are_hidden_for_a_while(symbol: str) -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gone")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_999))
        await bought(client, symbol, "0.01", 58_000, "gtwo")
        for name in (RequestName.OPEN_ORDERS, RequestName.ORDER, RequestName.MY_TRADES):
            server.faults.script(name, Fault.HIDDEN_ORDERS)
        assert await client.fetch_open_orders(symbol) == []
        assert await client.fetch_my_trades(symbol) == []
        with pytest.raises(ccxt.OrderNotFound):
            await looked_up(client, symbol, "gtwo")
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(symbol)] == ["gtwo"]


async def test_an_account_is_told_to_hold_nothing() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.BALANCES, Fault.EMPTY_BALANCES)
        empty, right = await client.fetch_balance(), await client.fetch_balance()
    assert (empty["total"], right["total"]["BTC"]) == ({}, 2.0)


async def test_hostile_texts_are_in_unknown_fields_and_in_reasons() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SPOT, "0.01", 59_000, "gone")
        server.faults.script(RequestName.OPEN_ORDERS, Fault.HOSTILE_TEXT)
        server.faults.script(RequestName.PLACE, Fault.HOSTILE_TEXT)
        [order] = await client.fetch_open_orders(SPOT)
        raised = await _raised(lambda: bought(client, SPOT, "0.01", 59_000, "gone"))
    assert order["info"]["remark"] in HOSTILE_TEXTS
    assert "Duplicate clientOrderId." in str(raised)
    assert len(str(raised)) > 200


async def test_a_ban_lasts_and_then_ends() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.TIME, Fault.BAN)
        first = await _raised(client.fetch_time)
        second = await _raised(client.fetch_time)
        server.faults.banned_until_ms = 0
        await client.fetch_time()
    assert ["403" in str(each) for each in (first, second)] == [True, True]


async def test_a_limit_says_until_when_it_lasts() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.PLACE, Fault.RATE_LIMIT)
        await _raised(lambda: bought(client, SPOT, "0.01", 59_000, "gone"))
        reset_ms = int(client.last_response_headers["X-Bapi-Limit-Reset-Timestamp"])
    assert reset_ms > server.requests[-1].at_ms


async def test_half_of_the_outages_are_a_code_in_an_answer_that_looks_well() -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.script(RequestName.TIME, Fault.ERROR_AFTER, times=20)
        raised = [await _raised(client.fetch_time) for _ in range(20)]
        statuses = {line.status for line in server.requests if line.name is RequestName.TIME}
    assert statuses == {200, 502}
    assert {type(each).__name__ for each in raised} == AN_OUTAGE
    assert any('"retCode": 10000,' in str(each) for each in raised)


async def test_a_storm_leaves_the_truth_as_what_was_executed_says() -> None:
    async with bybit_scene(timeout=1000) as (server, client):
        await client.load_markets()
        await client.is_unified_enabled()
        server.faults.late_seconds = server.faults.delay_seconds = 0.01
        server.faults.storm(3)
        server.faults.set_chance(Fault.BAN, 0)
        for number in range(60):
            await _tried(client, number)
        server.faults.calm()
        orders = await client.fetch_open_orders(SPOT, None, 50)
    executed = await _placed(server)
    assert {order["clientOrderId"] for order in orders} == {order.client_id for order in server.venue.open_orders()}
    assert executed == {order.client_id for order in server.venue.orders()}
    assert sum(server.faults.counts.values()) > 10


async def _placed(server: LoopbackServer) -> set[str]:
    """Our ids of the placements that the log says were executed."""
    lines = [line for line in server.requests if line.name is RequestName.PLACE and line.executed]
    return {line.params["orderLinkId"] for line in lines}


async def _tried(client: Client, number: int) -> None:
    """Place an order, whatever comes back."""
    try:
        await bought(client, SPOT, "0.0002", 50_000 - number, f"g{number}")
    except Exception:  # noqa: BLE001 - the client raises what it likes; the truth is looked at afterwards
        return


async def _raised(ask: Callable[[], Awaitable[Any]]) -> Exception:
    """What comes out of the client: not only its own exceptions."""
    with pytest.raises(Exception) as raised:
        await ask()
    return raised.value

"""Each fault of a request, and what the unmodified ccxt client raises, misses or believes because of it.

These are facts for whoever writes an adapter: the venue's truth is asserted beside what the client was told.
"""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.loopback.clients import Client, StillClock, open_client
from tests.loopback.faults import HOSTILE_TEXTS, Fault
from tests.loopback.server import loopback
from tests.loopback.venue import OrderStatus

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"


async def place(client: Client, client_id: str = "g1") -> dict[str, Any]:
    """A limit buy of a thousandth."""
    params = {"clientOrderId": client_id}
    order: dict[str, Any] = await client.create_order(SYMBOL, "limit", "buy", "0.001", "59000", params)
    return order


async def cancel(client: Client) -> dict[str, Any]:
    """Cancel it by its client id."""
    order: dict[str, Any] = await client.cancel_order(None, SYMBOL, {"clientOrderId": "g1"})
    return order


RAISED = [
    (Fault.LOST_REQUEST, "ExchangeNotAvailable", "ServerDisconnectedError", False),
    (Fault.LOST_ANSWER, "ExchangeNotAvailable", "ServerDisconnectedError", True),
    (Fault.CUT_BODY, "ExchangeError", "ClientPayloadError", True),
    (Fault.MAINTENANCE, "OnMaintenance", "NoneType", False),
    (Fault.RATE_LIMIT, "DDoSProtection", "NoneType", False),
    (Fault.BAN, "DDoSProtection", "NoneType", False),
    (Fault.STALE_TIMESTAMP, "InvalidNonce", "NoneType", False),
]


@pytest.mark.parametrize(("fault", "error", "cause", "is_placed"), RAISED)
async def test_a_place_raises_whether_it_was_executed_or_not(
    fault: Fault, error: str, cause: str, is_placed: bool
) -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("place", fault)
        with pytest.raises(Exception, match="binance") as raised:
            await place(client)
        assert (type(raised.value).__name__, type(raised.value.__cause__).__name__) == (error, cause)
        assert [order.client_id for order in server.venue.open_orders()] == (["g1"] if is_placed else [])
        assert (server.requests[-1].fault, server.requests[-1].executed) == (fault, is_placed)


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_every_5xx_looks_alike_before_and_after_execution(fault: Fault) -> None:
    async with loopback("binance", seed=3) as server, open_client(server) as client:
        raised = {}
        for number in range(30):
            server.faults.script("place", fault)
            with pytest.raises(Exception, match="binance") as error:
                await place(client, f"g{number}")
            raised[server.requests[-1].status] = type(error.value).__name__
        assert raised == {
            500: "OperationFailed",
            502: "ExchangeNotAvailable",
            503: "OperationFailed",
            504: "RequestTimeout",
        }
        assert len(server.venue.open_orders()) == (30 if fault is Fault.ERROR_AFTER else 0)


async def test_a_torn_answer_raises_nothing_and_comes_as_an_order_without_anything() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("place", Fault.TORN_JSON)
        order = await place(client)
        assert [order[key] for key in ("id", "clientOrderId", "status", "price", "amount")] == [None] * 5
        assert [each.client_id for each in server.venue.open_orders()] == ["g1"]


async def test_a_torn_list_raises_an_error_that_is_none_of_ccxt() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        server.faults.script("open_orders", Fault.TORN_JSON)
        with pytest.raises(AttributeError, match="'str' object has no attribute 'keys'"):
            await client.fetch_open_orders(SYMBOL)


async def test_a_late_answer_is_a_timeout_of_an_order_that_is_on_the_book() -> None:
    async with loopback("binance") as server, open_client(server, timeout=100) as client:
        server.faults.late_seconds = 30
        server.faults.script("place", Fault.LATE_ANSWER)
        with pytest.raises(Exception, match="binance POST") as raised:
            await place(client)
        assert (type(raised.value).__name__, type(raised.value.__cause__).__name__) == (
            "RequestTimeout",
            "TimeoutError",
        )
        assert [order.client_id for order in server.venue.open_orders()] == ["g1"]


async def test_a_late_request_is_executed_after_a_lookup_has_found_nothing() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.late_seconds = 0.1
        server.faults.script("place", Fault.LATE_REQUEST)
        with pytest.raises(Exception, match="binance POST"):
            await place(client)
        with pytest.raises(Exception, match="Order does not exist"):
            await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"})
        await server.until(lambda: bool(server.venue.open_orders()))
        assert (await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"}))["status"] == "open"


async def test_a_late_request_is_refused_once_its_time_window_is_over() -> None:
    async with loopback("binance") as server, open_client(server, options={"recvWindow": 50}) as client:
        server.faults.late_seconds = 0.1
        server.faults.script("place", Fault.LATE_REQUEST)
        with pytest.raises(Exception, match="binance POST"):
            await place(client)
        await server.until(lambda: server.requests[-1].status is not None)
        assert (server.requests[-1].status, server.requests[-1].executed) == (400, False)
        assert server.venue.orders() == []


async def test_aiohttp_resends_a_lost_cancel_by_itself_and_the_second_finds_nothing() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        server.faults.script("cancel", Fault.LOST_ANSWER)
        with pytest.raises(Exception, match="-2011") as raised:
            await cancel(client)
        assert type(raised.value).__name__ == "OrderNotFound"
        sent = [(line.executed, line.status) for line in server.requests if line.name == "cancel"]
        assert sent == [(True, None), (False, 400)]
        assert server.venue.order(MARKET, client_id="g1").status is OrderStatus.CANCELED


async def test_aiohttp_resends_a_lost_lookup_by_itself_and_nobody_notices() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("open_orders", Fault.LOST_REQUEST)
        assert await client.fetch_open_orders(SYMBOL) == []
        assert [line.name for line in server.requests][-2:] == ["open_orders", "open_orders"]


async def test_a_cancel_answered_not_found_has_cancelled() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        server.faults.script("cancel", Fault.CANCEL_NOT_FOUND)
        with pytest.raises(Exception, match="-2011") as raised:
            await cancel(client)
        assert type(raised.value).__name__ == "OrderNotFound"
        assert server.venue.order(MARKET, client_id="g1").status is OrderStatus.CANCELED


async def test_an_acknowledgement_after_the_fill_says_open_and_unfilled() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.delay_seconds = 0.02
        server.faults.script("place", Fault.FILL_BEFORE_ACK)
        order = await place(client)
        assert (order["status"], order["filled"]) == ("open", 0)
        assert server.venue.order(MARKET, client_id="g1").status is OrderStatus.FILLED


async def test_an_answer_without_ids_comes_as_an_order_without_ids() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        for name in ("place", "order", "open_orders"):
            server.faults.script(name, Fault.MISSING_IDS)
        orders = [await place(client), await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"})]
        orders += await client.fetch_open_orders(SYMBOL)
        assert [(order["id"], order["clientOrderId"], order["status"]) for order in orders] == [
            (None, None, "open")
        ] * 3


@pytest.mark.parametrize("fault", [Fault.HIDDEN_ORDERS, Fault.STALE_LIST])
async def test_a_young_order_is_in_no_list_and_not_found(fault: Fault) -> None:
    async with loopback("binance") as server, open_client(server) as client:
        await place(client)
        server.faults.script("open_orders", fault)
        server.faults.script("order", fault)
        assert await client.fetch_open_orders(SYMBOL) == []
        with pytest.raises(Exception, match="-2013"):
            await client.fetch_order(None, SYMBOL, {"clientOrderId": "g1"})
        assert len(await client.fetch_open_orders(SYMBOL)) == 1


async def test_a_stale_list_tells_orders_as_they_were() -> None:
    clock = StillClock()
    async with loopback("binance", clock_ms=clock) as server, open_client(server) as client:
        await place(client)
        clock.ms += 1_500
        server.venue.print_trade(MARKET, D(59_000))
        clock.ms += 1_000
        server.faults.script("open_orders", Fault.STALE_LIST)
        (stale,) = await client.fetch_open_orders(SYMBOL)
        assert (stale["clientOrderId"], stale["filled"]) == ("g1", 0)
        assert await client.fetch_open_orders(SYMBOL) == []


async def test_empty_balances_come_without_any_currency() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("balances", Fault.EMPTY_BALANCES)
        assert (await client.fetch_balance())["total"] == {}
        assert (await client.fetch_balance())["USDT"]["free"] == 100_000


async def test_hostile_texts_come_through_in_unknown_fields_and_in_reasons() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("place", Fault.HOSTILE_TEXT, 2)
        order = await place(client)
        assert order["info"]["remark"] in HOSTILE_TEXTS
        with pytest.raises(Exception, match="Duplicate order sent") as raised:
            await place(client)
        told = json.loads(str(raised.value).removeprefix("binance "))
        assert told["msg"].removeprefix("Duplicate order sent. ") in HOSTILE_TEXTS


async def test_a_ban_lasts_for_every_request_until_its_end() -> None:
    clock = StillClock()
    async with loopback("binance", clock_ms=clock) as server, open_client(server) as client:
        server.faults.ban_seconds = 120
        server.faults.script("time", Fault.BAN)
        for ask in (client.fetch_time, lambda: client.fetch_ticker(SYMBOL)):
            with pytest.raises(Exception, match=f"banned until {clock.ms + 120_000}") as raised:
                await ask()
            assert type(raised.value).__name__ == "DDoSProtection"
            assert client.last_response_headers["Retry-After"] == "120"
        clock.ms += 120_000
        await client.fetch_time()


async def test_maintenance_lasts_until_its_end() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.maintenance_until_ms = server.now_ms() + 60_000
        for _ in range(2):
            with pytest.raises(Exception, match="maintenance") as raised:
                await client.fetch_time()
            assert type(raised.value).__name__ == "OnMaintenance"
        server.faults.calm()
        await client.fetch_time()


async def test_the_error_of_a_signed_request_holds_the_whole_signed_address() -> None:
    async with loopback("binance") as server, open_client(server) as client:
        server.faults.script("open_orders", Fault.CUT_BODY)
        with pytest.raises(Exception, match=r"&signature=[0-9a-f]{64}"):
            await client.fetch_open_orders(SYMBOL)

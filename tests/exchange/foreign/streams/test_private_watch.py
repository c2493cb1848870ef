"""Who watches the private streams: a stream that misses is dead, one that is late or new is not; and asking instead."""

from typing import Any

import pytest

from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.order import Leg, OrderStatus
from tests.builders import INSTANCE
from tests.exchange.foreign.stream_bench import (
    DOWN,
    MARKET,
    PROTOCOLS,
    UP,
    D,
    client_of,
    opened,
    place,
    quick,
    streaming,
    trade_ids,
)
from tests.loopback.faults import Fault, RequestName
from tests.loopback.server import LoopbackServer, loopback

pytestmark = pytest.mark.usefixtures(quick.__name__)
OWN, *OTHERS = (
    client_order_id_from_key(OrderKey(instance=INSTANCE, grid=0, slot=slot, leg=Leg.ENTRY, generation=0))
    for slot in range(3)
)
NOT_STREAMED = {"watchOrders": False, "watchMyTrades": False}


def times_asked(server: LoopbackServer) -> int:
    """How often executions were asked for."""
    return sum(line.name is RequestName.MY_TRADES for line in server.requests)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rel_11_a_private_stream_that_answers_pings_and_tells_nothing_is_opened_again(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        place(server, OWN)
        await ear.until(lambda: ear.reports)
        for socket in server.sockets.values():
            socket.accounts.clear()
        server.venue.print_trade(MARKET, D(59_000))
        await ear.until(lambda: ear.states.count(UP) == 2)
        assert len(trade_ids(ear)) == 1
        assert any("were not brought by the private stream: it is dead" in text for text, _ in ear.notices)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rel_13_a_report_that_comes_late_is_told_once_and_the_stream_is_not_blamed(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        place(server, OWN)
        await ear.until(lambda: ear.reports)
        server.faults.delay_seconds = 0.15
        server.faults.script("report", Fault.DELAY_REPORT, times=4)
        server.venue.print_trade(MARKET, D(59_000))
        await ear.until(lambda: trade_ids(ear))
        asked = times_asked(server)
        await server.until(lambda: times_asked(server) >= asked + 5)
        assert DOWN not in ear.states, ear.notices
        assert len(trade_ids(ear)) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_was_filled_before_the_first_session_is_not_the_streams_fault(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange:
        place(server, OWN)
        server.venue.print_trade(MARKET, D(59_000))
        async with streaming(exchange) as ear:
            await server.until(lambda: times_asked(server) >= 6)
            assert DOWN not in ear.states


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rel_10_without_private_streams_orders_and_executions_are_asked_for(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server, **NOT_STREAMED) as exchange, streaming(exchange) as ear:
        place(server, OWN)
        await ear.until(lambda: any(report.status is OrderStatus.OPEN for _, report in ear.reports))
        server.venue.print_trade(MARKET, D(59_000))
        await ear.until(lambda: any(report.status is OrderStatus.FILLED for _, report in ear.reports))
        await ear.until(lambda: trade_ids(ear))
        filled = next(report for _, report in ear.reports if report.status is OrderStatus.FILLED)
        assert (filled.client_order_id, filled.filled) == (OWN, D("0.001"))
        assert DOWN not in ear.states


async def test_without_private_streams_an_order_that_cannot_be_asked_for_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with loopback("binance") as server, opened(server, **NOT_STREAMED) as exchange, streaming(exchange) as ear:
        names = sorted([OWN, *OTHERS])
        ask = client_of(exchange).fetch_order

        async def fetch_order(*told: Any) -> Any:
            if names[0] in repr(told):
                raise ConnectionError("no answer")
            return await ask(*told)

        monkeypatch.setattr(client_of(exchange), "fetch_order", fetch_order)
        for name in names:
            place(server, name)
        await ear.until(lambda: {report.client_order_id for _, report in ear.reports} >= set(names))
        for name in names:
            server.venue.cancel(MARKET, client_id=name)
        await ear.until(
            lambda: (
                {each.client_order_id for _, each in ear.reports if each.status is OrderStatus.CANCELED}
                == set(names[1:])
            )
        )

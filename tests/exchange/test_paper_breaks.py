"""Paper trading when the public stream breaks: nothing fills meanwhile, and nothing is missed afterwards."""

from decimal import Decimal

import anyio
import pytest

from engine.exchange.matching import FillModel, MatchingOptions
from engine.exchange.paper import PaperExchange
from engine.model.errors import Transient
from engine.model.order import OrderStatus, Side
from engine.model.snapshot import Connection
from engine.runtime.clock import run_on
from tests.exchange.paper_bench import START_MS, PaperBench, pause
from tests.exchange.simulated_builders import BTC, brief, buy, sell
from tests.exchange.swap_builders import SWAP, swap_order

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
CONNECTED, DISCONNECTED = Connection.CONNECTED, Connection.DISCONNECTED
TOUCH = MatchingOptions(fill=FillModel.TOUCH)
HOUR_MS = 3_600_000


def test_while_the_stream_is_down_nothing_is_accepted_and_nothing_fills() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.feed.breaks()
        bench.trade("90")
        await pause(30)
        for request in (
            exchange.place(buy("b", "98")),
            exchange.cancel(BTC, "a"),
            exchange.fetch_order(BTC, "a"),
            exchange.fetch_balances(),
        ):
            with pytest.raises(Transient):
                await request
        assert exchange.matching.order(BTC, "a").status is OPEN

    bench.live(script)
    assert bench.diary.connections == [(0, CONNECTED), (50, DISCONNECTED)]


def test_what_the_market_did_in_a_break_has_happened_at_its_time_before_anything_else() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        await exchange.place(sell("b", "101"))
        bench.feed.breaks()
        await pause(10)
        bench.trade("98")
        await pause(10)
        bench.trade("100.50")
        await pause(10)
        bench.feed.heals()
        await pause()
        report = await exchange.fetch_order(BTC, "a")
        assert brief(report) == ("a", FILLED, "1")
        assert [fill.at_ms - START_MS for fill in report.fills] == [10_100]
        assert (await exchange.fetch_order(BTC, "b")).status is OPEN

    bench.live(script)
    assert bench.told() == ["100", "100.5"]
    assert [connection for _, connection in bench.diary.connections] == [CONNECTED, DISCONNECTED, CONNECTED]
    assert [brief(report) for _, report in bench.diary.reports] == [("a", OPEN, "0"), ("b", OPEN, "0")]
    assert bench.notices() == []


def test_a_request_on_its_way_when_the_stream_breaks_is_answered_and_never_executed_later() -> None:
    bench = PaperBench()
    answers: list[OrderStatus] = []

    async def place(exchange: PaperExchange) -> None:
        answers.append((await exchange.place(buy("a", "99"))).status)

    async def script(exchange: PaperExchange) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(place, exchange)
            await pause(0.01)
            bench.feed.breaks()
        assert answers == [OPEN]
        assert bench.clock.now_ms() == START_MS + 10
        bench.feed.heals()
        await pause()
        assert brief(await exchange.fetch_order(BTC, "a")) == ("a", OPEN, "0")

    bench.live(script)
    assert bench.diary.heard() == [(10, "a", OPEN, "0")]


def test_prices_that_come_while_the_gap_is_fetched_wait_for_it() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.feed.breaks()
        await pause(5)
        bench.trade("98")
        await pause(5)
        bench.feed.answers_after["trades"] = answer = anyio.Event()
        bench.feed.heals()
        await pause(1)
        bench.trade("102")
        bench.trade("103")
        with pytest.raises(Transient):
            await exchange.place(buy("b", "97"))
        assert bench.told() == ["100"]
        answer.set()
        await pause(1)
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED

    bench.live(script)
    # The trades were asked for before 102 and 103 came, and answered after; so they are told once.
    assert bench.told() == ["100", "103"]


def test_a_break_in_the_middle_of_catching_up_begins_it_anew() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.feed.breaks()
        await pause(5)
        bench.feed.answers_after["trades"] = never = anyio.Event()
        bench.feed.heals()
        await pause(1)
        bench.feed.breaks()
        bench.trade("98")
        await pause(5)
        del bench.feed.answers_after["trades"]
        assert not never.is_set()
        bench.feed.heals()
        await pause(1)
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED

    bench.live(script)
    assert [connection for _, connection in bench.diary.connections] == [CONNECTED, DISCONNECTED, CONNECTED]


def test_a_break_at_the_very_moment_of_the_answer_keeps_the_exchange_closed() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        bench.feed.breaks()
        bench.feed.answers_after["trades"] = answer = anyio.Event()
        bench.feed.heals()
        await pause(1)
        answer.set()
        bench.feed.breaks()
        await pause(1)
        with pytest.raises(Transient):
            await exchange.fetch_balances()

    bench.live(script)
    assert [connection for _, connection in bench.diary.connections] == [CONNECTED, DISCONNECTED]


def test_a_connection_that_breaks_at_once_is_none() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        bench.feed.breaks()
        bench.feed.heals()
        bench.feed.breaks()
        await pause(1)
        with pytest.raises(Transient):
            await exchange.fetch_balances()
        assert bench.feed.asked.count("trades") == 0

    bench.live(script)
    assert [connection for _, connection in bench.diary.connections] == [CONNECTED, DISCONNECTED]


@pytest.mark.parametrize("later", [None, "100.50"])
def test_what_was_traded_before_the_stream_had_begun_is_found_by_a_second_look(later: str | None) -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("before", "99"))
        await pause(0.1)
        bench.feed.trade_unheard(BTC, "98")
        await pause(0.1)
        await exchange.place(buy("after", "98.50"))
        if later is not None:
            bench.trade(later)
        await pause(3)
        report = await exchange.fetch_order(BTC, "before")
        assert (report.status, [fill.at_ms for fill in report.fills]) == (FILLED, [START_MS + 150])
        assert (await exchange.fetch_order(BTC, "after")).status is OPEN
        assert exchange.matching.last_price(BTC) == D(later or "98")

    bench.live(script)
    assert bench.told() == (["100", "98"] if later is None else ["100", "100.5", "98", "100.5"])


def test_a_second_look_that_finds_nothing_new_changes_nothing() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.trade("101", "102")
        await pause(0.1)
        bench.trade("103")
        await pause(5)
        bench.feed.failures["trades"] = [Transient("busy")]
        bench.feed.breaks()
        bench.feed.heals()
        await pause(5)
        assert (await exchange.fetch_order(BTC, "a")).status is OPEN

    bench.live(script)
    assert bench.told() == ["100", "101", "102", "103", "103"]


def test_news_of_a_trade_before_an_order_was_accepted_does_not_fill_it() -> None:
    """A stream that was silent before it broke: the order was placed at a price long gone."""
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("old", "99"))
        bench.feed._is_up = False
        await pause(5)
        bench.trade("97")
        await pause(5)
        bench.trade("100")
        await pause(5)
        await exchange.place(buy("new", "98"))
        bench.feed.breaks()
        await pause(1)
        bench.feed.heals()
        await pause(1)
        assert (await exchange.fetch_order(BTC, "old")).status is FILLED
        assert (await exchange.fetch_order(BTC, "new")).status is OPEN

    bench.live(script)


def test_executions_found_late_are_told_in_order_whatever_was_executed_meanwhile() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("old", "99"))
        bench.feed._is_up = False
        await pause(5)
        bench.trade("97")
        await pause(5)
        await exchange.place(buy("taker", "105"))
        since_ms = bench.clock.now_ms() - 1_000
        bench.feed.breaks()
        bench.feed.heals()
        await pause(1)
        fills = await exchange.fetch_fills(BTC, 0)
        assert [own.client_order_id for own in fills] == ["taker", "old"]
        assert [own.fill.at_ms for own in fills] == sorted(own.fill.at_ms for own in fills)
        assert [own.client_order_id for own in await exchange.fetch_fills(BTC, since_ms)] == ["taker", "old"]

    bench.live(script)


def test_a_trade_ahead_of_our_clock_has_happened_too() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.feed.breaks()
        bench.feed.trade(BTC, "98", at_ms=bench.clock.now_ms() + 20_000)
        await pause(1)
        bench.feed.heals()
        await pause(1)
        assert (await exchange.fetch_order(BTC, "a")).fills[0].at_ms == START_MS + 1_050

    bench.live(script)
    assert bench.told() == ["100", "98"]


def test_while_time_stands_still_nobody_waits_for_what_cannot_happen() -> None:
    bench = PaperBench(SWAP, balances={"USDT": D(1_000)})

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(swap_order("a", Side.BUY, "99"))
        bench.trade("98")
        await pause(8 * 3_600 - 0.2)
        machine = exchange._machine
        assert machine is not None
        assert machine._next_ms() == START_MS + 8 * HOUR_MS
        bench.feed.breaks()
        assert machine._next_ms() == machine.time_ms() + 60_000
        await pause(3_600)
        assert bench.diary.swap_news == []

    bench.live(script)


def test_a_feed_that_is_slow_to_connect_is_waited_for() -> None:
    bench = PaperBench()
    bench.feed.breaks()

    async def heal() -> None:
        await pause(40)
        bench.feed.heals()

    async def scene() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heal)
            await tasks.start(bench.exchange.run, bench.diary)
            assert bench.clock.now_ms() == START_MS + 40_000
            tasks.cancel_scope.cancel()

    run_on(bench.clock, scene)
    assert bench.diary.connections == [(0, CONNECTED)]

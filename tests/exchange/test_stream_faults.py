"""Stalls and disconnects: what is told, what is lost, and that skipping quiet rows makes no difference."""

from decimal import Decimal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.outages import Outage, draw_outages
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.model.actions import QuietBand
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection
from tests.exchange.bench import EVERYTHING, ROWS, Bench, RandomTrader, random_path
from tests.exchange.simulated_builders import BTC, ListSource, buy

D = Decimal
OPEN, FILLED = OrderStatus.OPEN, OrderStatus.FILLED
CONNECTED, DISCONNECTED, ENDED = Connection.CONNECTED, Connection.DISCONNECTED, Connection.ENDED
SECONDS = [(0, "100"), (1_000, "101"), (2_000, "102"), (3_000, "103"), (4_000, "104"), (5_000, "105")]
SPAN_MS = 20_000


def window(from_ms: int, until_ms: int) -> Outage:
    return Outage(from_ms=from_ms, until_ms=until_ms)


def a_bench(
    *path: tuple[int, str],
    stalls: tuple[Outage, ...] = (),
    disconnects: tuple[Outage, ...] = (),
    every_tick: bool = False,
) -> Bench:
    faults = FaultPlan(stalls=stalls, disconnects=disconnects)
    return Bench(path or SECONDS, SimulatedOptions(faults=faults, every_tick=every_tick))


# Stalls


def test_prices_of_a_stall_are_lost_from_its_first_millisecond_until_its_end_and_nothing_says_so() -> None:
    bench = a_bench(stalls=(window(1_000, 3_000),))
    bench.run()
    assert bench.diary.prices == [(0, "100"), (3_000, "103"), (4_000, "104"), (5_000, "105")]
    assert bench.diary.connections == [(0, CONNECTED), (5_000, ENDED)]


def test_prices_just_outside_a_stall_are_told() -> None:
    bench = a_bench(stalls=(window(1_001, 2_000),))
    bench.run()
    assert [at_ms for at_ms, _ in bench.diary.prices] == [0, 1_000, 2_000, 3_000, 4_000, 5_000]


@pytest.mark.parametrize(("placed_ms", "is_told"), [(949, True), (950, False), (1_949, False), (1_950, True)])
def test_a_report_is_lost_if_it_would_be_told_during_a_stall(placed_ms: int, is_told: bool) -> None:
    bench = a_bench(stalls=(window(1_000, 2_000),))

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(placed_ms / 1_000)
        assert (await exchange.place(buy("a", "90"))).status is OPEN

    bench.run(script)
    assert bench.diary.heard() == ([(placed_ms + 50, "a", OPEN, "0")] if is_told else [])


def test_stalls_that_overlap_are_one() -> None:
    bench = a_bench(stalls=(window(1_500, 3_500), window(500, 2_000)))
    bench.run()
    assert [at_ms for at_ms, _ in bench.diary.prices] == [0, 4_000, 5_000]


def test_a_stream_that_begins_in_a_stall_is_connected_and_hears_no_price_until_it_ends() -> None:
    bench = a_bench(stalls=(window(0, 1_500),))
    bench.run()
    assert bench.diary.connections[0] == (0, CONNECTED)
    assert bench.diary.prices[0] == (2_000, "102")


def test_the_end_of_the_market_is_told_when_the_stall_over_it_ends() -> None:
    bench = a_bench(stalls=(window(4_500, 6_000), window(10**9, 10**9 + 1)))
    bench.run()
    assert bench.diary.prices[-1] == (4_000, "104")
    assert bench.diary.connections == [(0, CONNECTED), (6_000, ENDED)]
    assert bench.clock.now_ms() == 6_000


def test_a_quiet_price_from_before_a_stall_is_told_as_it_begins_and_none_from_within() -> None:
    bench = a_bench(stalls=(window(1_500, 3_500),))

    async def look(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)
        await anyio.sleep_until(2.5)
        exchange.tell_prices()
        await anyio.sleep_until(3.7)
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)
        assert bench.diary.prices == [(0, "100"), (1_500, "101")]
        await anyio.sleep_until(4.5)
        exchange.tell_prices()

    bench.run(look)
    assert bench.diary.prices == [(0, "100"), (1_500, "101"), (4_500, "104"), (5_000, "105")]


# Disconnects


def test_a_disconnect_is_told_and_at_its_end_the_connection_and_the_newest_price() -> None:
    bench = a_bench(disconnects=(window(1_000, 3_500),))
    bench.run()
    assert bench.diary.connections == [(0, CONNECTED), (1_000, DISCONNECTED), (3_500, CONNECTED), (5_000, ENDED)]
    assert bench.diary.prices == [(0, "100"), (3_500, "103"), (4_000, "104"), (5_000, "105")]


def test_a_price_at_the_instant_of_the_reconnection_comes_after_the_newest_one_before_it() -> None:
    bench = a_bench(disconnects=(window(500, 3_000),))
    bench.run()
    assert bench.diary.prices == [(0, "100"), (3_000, "102"), (3_000, "103"), (4_000, "104"), (5_000, "105")]


def test_requests_go_on_working_during_a_disconnect_and_reports_are_lost() -> None:
    bench = a_bench((0, "100"), (2_000, "98"), (9_000, "98"), disconnects=(window(500, 3_000),))

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(1)
        await exchange.place(buy("a", "99"))
        await anyio.sleep_until(2.2)
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED

    bench.run(script)
    assert bench.diary.reports == []


def test_a_stream_that_is_opened_during_a_disconnect_begins_at_its_end() -> None:
    bench = a_bench(disconnects=(window(500, 2_500),))
    began: list[int] = []

    async def reconnect() -> None:
        await anyio.sleep_until(1)
        async with anyio.create_task_group() as tasks:
            await tasks.start(bench.exchange.run, bench.diary)
            began.append(bench.clock.now_ms())

    bench.run_alone(reconnect)
    assert began == [2_500]
    assert bench.diary.connections == [(1_000, DISCONNECTED), (2_500, CONNECTED), (5_000, ENDED)]
    assert bench.diary.prices == [(2_500, "102"), (3_000, "103"), (4_000, "104"), (5_000, "105")]


def test_a_stall_over_the_end_of_a_disconnect_swallows_its_newest_price_but_not_the_connection() -> None:
    bench = a_bench(disconnects=(window(1_000, 2_500),), stalls=(window(2_000, 3_500),))
    bench.run()
    assert bench.diary.connections == [(0, CONNECTED), (1_000, DISCONNECTED), (2_500, CONNECTED), (5_000, ENDED)]
    assert bench.diary.prices == [(0, "100"), (4_000, "104"), (5_000, "105")]


def test_disconnects_that_overlap_or_touch_are_one() -> None:
    windows = (window(1_000, 2_000), window(1_500, 2_500), window(2_500, 3_500))
    bench = a_bench(disconnects=windows)
    bench.run()
    assert bench.diary.connections == [(0, CONNECTED), (1_000, DISCONNECTED), (3_500, CONNECTED), (5_000, ENDED)]


def test_the_end_of_the_market_during_a_disconnect_is_told_after_the_reconnection() -> None:
    bench = a_bench(disconnects=(window(4_500, 7_000), window(8_000, 9_000)))
    bench.run()
    assert bench.diary.connections == [(0, CONNECTED), (4_500, DISCONNECTED), (7_000, CONNECTED), (7_000, ENDED)]
    assert bench.diary.prices[-1] == (7_000, "105")
    assert bench.clock.now_ms() == 7_000


@pytest.mark.parametrize("every_tick", [False, True])
def test_a_disconnect_ends_with_the_price_of_then_however_quiet_it_was(every_tick: bool) -> None:
    bench = a_bench(disconnects=(window(1_500, 3_500),), every_tick=every_tick)

    async def be_content(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)

    bench.run(be_content)
    assert (3_500, "103") in bench.diary.prices
    assert bench.source.position == len(SECONDS)


def test_a_new_stream_heeds_no_band_of_the_one_before() -> None:
    bench = a_bench(stalls=(window(1_000, 2_000),))

    async def twice() -> None:
        with anyio.move_on_after(1.2):
            async with anyio.create_task_group() as tasks:
                await tasks.start(bench.exchange.run, bench.diary)
                bench.exchange.set_quiet_band(BTC, "gone", QuietBand(D(0), D(200)))
        await bench.exchange.run(bench.diary)

    bench.run_alone(twice)
    assert [at_ms for at_ms, _ in bench.diary.prices] == [0, 2_000, 3_000, 4_000, 5_000]


# All of it at once


def all_faults(seed: int) -> FaultPlan:
    def windows(what: str) -> tuple[Outage, ...]:
        return draw_outages(seed, what, from_ms=0, until_ms=SPAN_MS, outages_max=6, length_ms_max=2_000)

    return FaultPlan(
        seed=seed,
        request_lost_chance=D("0.03"),
        answer_lost_chance=D("0.03"),
        request_late_chance=D("0.05"),
        answer_torn_chance=D("0.05"),
        stale_answer_chance=D("0.3"),
        report_dropped_chance=D("0.03"),
        report_delayed_chance=D("0.05"),
        report_doubled_chance=D("0.05"),
        timeout_ms=1_000,
        late_ms_max=8_000,
        stale_ms=1_500,
        clock_skew_ms=-700,
        bans=windows("bans"),
        stalls=windows("stalls"),
        disconnects=windows("disconnects"),
    )


def story(seed: int, *, every_tick: bool) -> tuple[object, ...]:
    """Everything a trader met, the account at the end, and how often the market was looked at."""
    source = ListSource(random_path(seed))
    matching = MatchingOptions(partial_fill_chance=D("0.3"), seed=seed)
    options = SimulatedOptions(every_tick=every_tick, faults=all_faults(seed), matching=matching)
    bench = Bench(options=options, source=source)
    trader = RandomTrader(bench, seed, with_questions=True)
    bench.listener = trader
    bench.run(trader.script)
    truth = bench.exchange.matching
    return trader.log, truth.balances(), truth.last_price(BTC), truth.recent_fills(BTC), source.stops


@settings(max_examples=max(settings().max_examples // 12, 10))
@given(seed=st.integers(0, 10**6))
def test_with_every_fault_skipping_cannot_be_told_from_stopping_at_every_row(seed: int) -> None:
    *skipping, stops = story(seed, every_tick=False)
    *stopping, stops_at_all = story(seed, every_tick=True)
    assert skipping == stopping
    assert isinstance(stops, int)
    assert stops < ROWS == stops_at_all


def test_the_same_plan_tells_the_same_story_twice_and_another_seed_another() -> None:
    assert story(5, every_tick=False) == story(5, every_tick=False)
    assert story(5, every_tick=False)[0] != story(6, every_tick=False)[0]

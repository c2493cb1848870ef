"""The simulated exchange as the engine meets it: latency, order of things, limits, faults, skipping."""

from dataclasses import replace
from decimal import Decimal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.model.actions import QuietBand
from engine.model.errors import (
    OrderNotFound,
    OutcomeUnknown,
    PostOnlyRejected,
    Rejected,
    SettingsInvalid,
    Transient,
)
from engine.model.order import OrderReport, OrderStatus
from engine.model.snapshot import Connection
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.bench import EVERYTHING, ROWS, Bench, RandomTrader, random_path
from tests.exchange.simulated_builders import (
    BALANCES,
    BTC,
    MARKET,
    Diary,
    ListSource,
    brief,
    buy,
    sell,
    without_fills,
)

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
ETH = "ETH/USDT"


# The stream


def test_every_price_is_told_when_nobody_has_said_what_is_quiet() -> None:
    bench = Bench([(1_000, "100"), (2_000, "101"), (2_000, "102"), (5_500, "99")])
    bench.run()
    assert bench.diary.prices == [(1_000, "100"), (2_000, "101"), (2_000, "102"), (5_500, "99")]
    assert bench.diary.connections == [(1_000, Connection.CONNECTED), (5_500, Connection.ENDED)]


def test_only_rows_that_leave_the_quiet_bands_of_all_listeners_are_told_and_the_last() -> None:
    path = [(0, "100"), (1, "101"), (2, "104"), (3, "100"), (4, "97"), (5, "95"), (6, "100"), (7, "101")]
    bench = Bench(path)

    async def set_bands(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "wide", QuietBand(D(96), D(110)))
        exchange.set_quiet_band(BTC, "narrow", QuietBand(D(90), D(104)))

    bench.run(set_bands)
    assert bench.diary.prices == [(0, "100"), (2, "104"), (5, "95"), (7, "101")]


def test_a_band_that_narrows_while_the_stream_sleeps_is_heeded_at_once() -> None:
    bench = Bench([(0, "100"), (1_000, "101"), (2_000, "102"), (3_000, "103"), (9_000, "100")])

    async def narrow(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)
        await anyio.sleep(1.5)
        exchange.set_quiet_band(BTC, "grid", QuietBand(D(99), D(103)))

    bench.run(narrow)
    assert bench.diary.prices == [(0, "100"), (1_500, "101"), (3_000, "103"), (9_000, "100")]


def test_the_stream_begins_with_the_last_price_when_there_is_one() -> None:
    bench = Bench([(0, "100"), (10, "101"), (5_000, "102")])

    async def late(exchange: SimulatedExchange) -> None:
        await exchange.fetch_balances()
        await exchange.run(bench.diary)

    run_on(bench.clock, late, bench.exchange)
    assert bench.diary.prices == [(50, "101"), (5_000, "102")]


def test_two_markets_are_told_in_the_order_of_time() -> None:
    clock = VirtualClock(start_ms=0)
    diary = Diary()
    diary.now_ms = clock.now_ms
    exchange = SimulatedExchange(
        markets={BTC: MARKET, ETH: replace(MARKET, symbol=ETH, base="ETH")},
        sources={
            BTC: ListSource([(10, "100"), (30, "101")]),
            ETH: ListSource([(20, "10"), (30, "11"), (40, "12")], ETH),
        },
        balances=BALANCES,
        now_ms=clock.now_ms,
        options=SimulatedOptions(),
    )
    clock.start_at(exchange.start_ms)
    run_on(clock, exchange.run, diary)
    assert diary.prices == [(10, "100"), (20, "10"), (30, "101"), (30, "11"), (40, "12")]
    assert diary.connections == [(10, Connection.CONNECTED), (40, Connection.ENDED)]


def test_a_cancelled_stream_hears_nothing_more_and_can_be_opened_again() -> None:
    bench = Bench([(0, "100"), (1_000, "101"), (2_000, "102"), (3_000, "103")])

    async def reconnect() -> None:
        with anyio.move_on_after(1.5):
            await bench.exchange.run(bench.diary)
        await bench.exchange.place(buy("unheard", "90"))
        await anyio.sleep_until(2.5)
        await bench.exchange.run(bench.diary)

    run_on(bench.clock, reconnect)
    assert bench.diary.prices == [(0, "100"), (1_000, "101"), (2_500, "102"), (3_000, "103")]
    assert bench.diary.reports == []


# Requests


def test_a_request_takes_the_latency_there_and_back_and_is_executed_on_arrival() -> None:
    bench = Bench([(0, "100"), (26, "99"), (100_000, "99")])

    async def script(exchange: SimulatedExchange) -> None:
        placed = await exchange.place(buy("a", "99.50"))
        assert (bench.clock.now_ms(), placed.at_ms, brief(placed)) == (50, 25, ("a", OPEN, "0"))
        await anyio.sleep(0.01)
        assert bench.diary.heard() == [(50, "a", OPEN, "0"), (51, "a", FILLED, "1")]

    bench.run(script)


def test_the_market_moves_before_a_request_that_arrives_at_the_same_instant() -> None:
    bench = Bench([(0, "100"), (25, "101"), (100_000, "101")])

    async def script(exchange: SimulatedExchange) -> None:
        placed = await exchange.place(buy("a", "100.5"))
        assert brief(placed) == ("a", OPEN, "0")

    bench.run(script)


def test_every_order_is_told_twice_by_the_answer_with_all_fills_and_by_the_stream_one_by_one() -> None:
    bench = Bench()
    answers: list[OrderReport] = []

    async def script(exchange: SimulatedExchange) -> None:
        answers.append(await exchange.place(buy("a", "101")))

    bench.run(script)
    (answer,) = answers
    (opened, filled) = (report for _, report in bench.diary.reports)
    assert answer == filled
    assert brief(opened) == ("a", OPEN, "0")
    assert (filled.status, filled.fills[0].price, filled.fills[0].is_maker) == (FILLED, D("100.01"), False)


def test_a_cancel_is_told_by_the_stream_without_old_fills() -> None:
    options = SimulatedOptions(matching=MatchingOptions(partial_fill_chance=D(1), seed=1))
    bench = Bench([(0, "100"), (1_000, "98"), (100_000, "99")], options)

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99", "0.100"))
        await anyio.sleep(2)
        canceled = await exchange.cancel(BTC, "a")
        part = bench.diary.reports[1][1]
        assert (canceled.status, canceled.filled, canceled.fills) == (CANCELED, part.filled, part.fills)
        assert bench.diary.reports[2][1] == without_fills(canceled)
        assert await exchange.fetch_order(BTC, "a") == canceled

    bench.run(script)


def test_a_fill_comes_before_a_cancel_that_arrives_too_late() -> None:
    bench = Bench([(0, "100"), (1_020, "98"), (100_000, "99")])

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99"))
        await anyio.sleep_until(1)
        with pytest.raises(OrderNotFound):
            await exchange.cancel(BTC, "a")
        assert bench.diary.heard()[-1] == (1_045, "a", FILLED, "1")

    bench.run(script)


def test_quiet_rows_that_were_skipped_still_make_the_price_an_order_meets() -> None:
    bench = Bench([(0, "100"), (1_000, "105"), (2_000, "106"), (100_000, "106")])

    async def script(exchange: SimulatedExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)
        await anyio.sleep(1.5)
        with pytest.raises(PostOnlyRejected, match="last price 105"):
            await exchange.place(sell("a", "104", post_only=True))
        assert brief(await exchange.place(buy("b", "104"))) == ("b", OPEN, "0")

    bench.run(script)
    assert bench.diary.prices == [(0, "100"), (100_000, "106")]


def test_requests_are_answered_without_a_stream() -> None:
    bench = Bench()

    async def script() -> None:
        exchange = bench.exchange
        assert await exchange.fetch_market(BTC) == MARKET
        placed = await exchange.place(buy("a", "99"))
        assert await exchange.fetch_order(BTC, "a") == placed
        assert await exchange.fetch_open_orders(BTC) == (placed,)
        balances = await exchange.fetch_balances()
        assert (balances["USDT"].free, balances["USDT"].locked) == (D(9_901), D(99))
        assert bench.clock.now_ms() == 250

    run_on(bench.clock, script)


def test_a_symbol_that_is_not_traded_is_refused() -> None:
    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(SettingsInvalid, match="expected one of BTC/USDT, found ETH/USDT"):
            await exchange.fetch_market(ETH)
        with pytest.raises(Rejected, match="expected one of BTC/USDT, found ETH/USDT"):
            await exchange.place(replace(buy("a", "99"), symbol=ETH))
        with pytest.raises(Rejected, match="expected one of BTC/USDT, found ETH/USDT"):
            await exchange.cancel(ETH, "a")

    Bench().run(script)


def test_a_market_needs_prices() -> None:
    with pytest.raises(SettingsInvalid, match="BTC/USDT needs both market rules and prices"):
        SimulatedExchange(
            markets={BTC: MARKET},
            sources={},
            balances=BALANCES,
            now_ms=lambda: 0,
            options=SimulatedOptions(),
        )


def test_answers_due_at_one_instant_come_in_the_order_of_the_requests() -> None:
    bench = Bench()
    answered: list[str] = []

    async def place(client_order_id: str) -> None:
        answered.append((await bench.exchange.place(buy(client_order_id, "99"))).client_order_id)

    async def script(_: SimulatedExchange) -> None:
        async with anyio.create_task_group() as tasks:
            for index in range(40):
                tasks.start_soon(place, f"o{index}")

    bench.run(script)
    expected = [f"o{index}" for index in range(40)]
    assert answered == expected
    assert [report.client_order_id for _, report in bench.diary.reports] == expected


def test_a_cancelled_request_may_have_been_executed() -> None:
    bench = Bench()

    async def script(exchange: SimulatedExchange) -> None:
        with anyio.move_on_after(0.01):
            await exchange.place(buy("a", "99"))
        await anyio.sleep_until(0.06)
        assert bench.diary.heard() == [(50, "a", OPEN, "0")]
        assert brief(await exchange.fetch_order(BTC, "a")) == ("a", OPEN, "0")

    bench.run(script)


def test_reports_on_their_way_are_delivered_before_the_stream_ends() -> None:
    bench = Bench([(0, "100"), (1_000, "98")])

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99"))

    bench.run(script)
    assert bench.diary.connections[-1] == (1_000, Connection.ENDED)
    assert bench.diary.heard()[-1] == (1_025, "a", FILLED, "1")
    assert bench.clock.now_ms() == 1_025


def test_orders_can_be_placed_and_heard_of_after_the_last_price() -> None:
    bench = Bench([(0, "100"), (1_000, "100")])

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep(3)
        await exchange.place(buy("a", "101"))

    bench.run(script)
    assert bench.diary.heard() == [(3_050, "a", OPEN, "0"), (3_050, "a", FILLED, "1")]


# Limits


def test_too_many_orders_are_turned_away_with_the_time_to_wait_and_can_then_be_sent() -> None:
    options = SimulatedOptions(order_limit=RateLimit(requests_max=2, window_ms=1_000), latency_ms=0)
    bench = Bench(options=options)

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99"))
        await anyio.sleep(0.3)
        await exchange.place(buy("b", "99"))
        with pytest.raises(Transient, match=r"too many orders: at most 2 in 1 s") as caught:
            await exchange.place(buy("c", "99"))
        assert caught.value.retry_after_seconds == 0.7
        await exchange.cancel(BTC, "a")
        await anyio.sleep(0.7)
        assert brief(await exchange.place(buy("c", "99"))) == ("c", OPEN, "0")

    bench.run(script)


def test_cancels_have_a_limit_of_their_own() -> None:
    options = SimulatedOptions(cancel_limit=RateLimit(requests_max=1, window_ms=1_000), latency_ms=0)

    async def script(exchange: SimulatedExchange) -> None:
        for client_order_id in ("a", "b"):
            await exchange.place(buy(client_order_id, "99"))
        await exchange.cancel(BTC, "a")
        with pytest.raises(Transient, match=r"too many cancels: at most 1 in 1 s"):
            await exchange.cancel(BTC, "b")
        assert len(await exchange.fetch_open_orders(BTC)) == 1

    Bench(options=options).run(script)


# Faults


def test_a_lost_request_is_not_executed_and_its_outcome_is_unknown() -> None:
    bench = Bench(options=SimulatedOptions(faults=FaultPlan(request_lost_chance=D(1))))

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown, match="no answer to place a within 5000 ms"):
            await exchange.place(buy("a", "99"))
        assert bench.clock.now_ms() == 5_000
        with pytest.raises(Transient, match="no answer to order a within 5000 ms"):
            await exchange.fetch_order(BTC, "a")

    bench.run(script)
    assert bench.exchange.matching.open_orders(BTC) == ()


def test_a_lost_answer_hides_what_was_executed() -> None:
    bench = Bench(options=SimulatedOptions(faults=FaultPlan(answer_lost_chance=D(1))))

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown):
            await exchange.place(buy("a", "99"))

    bench.run(script)
    assert bench.diary.heard() == [(50, "a", OPEN, "0")]
    assert len(bench.exchange.matching.open_orders(BTC)) == 1


@pytest.mark.parametrize(
    ("plan", "copies"),
    [
        (FaultPlan(report_dropped_chance=D(1)), 0),
        (FaultPlan(report_doubled_chance=D(1)), 2),
        (FaultPlan(report_delayed_chance=D(1)), 1),
    ],
)
def test_stream_reports_can_be_dropped_doubled_or_late(plan: FaultPlan, copies: int) -> None:
    bench = Bench(options=SimulatedOptions(faults=plan))

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99"))

    bench.run(script)
    times = [at_ms for at_ms, _ in bench.diary.reports]
    assert len(times) == copies
    assert all(at_ms <= 50 + plan.delay_ms_max for at_ms in times)
    assert copies != 1 or times[0] > 50


def test_a_plan_of_faults_is_the_same_for_the_same_seed_and_hits_as_often_as_it_says() -> None:
    plan = FaultPlan(seed=3, request_lost_chance=D("0.1"), answer_lost_chance=D("0.2"))
    fates = [plan.fate_of("place a", at_ms) for at_ms in range(2_000)]
    assert fates == [replace(plan).fate_of("place a", at_ms) for at_ms in range(2_000)]
    assert 150 < fates.count(type(fates[0]).REQUEST_LOST) < 250
    assert 340 < fates.count(type(fates[0]).ANSWER_LOST) < 460


def test_chances_that_exceed_one_together_are_refused() -> None:
    with pytest.raises(ValueError, match="a chance must be a fraction"):
        FaultPlan(report_dropped_chance=D("0.6"), report_doubled_chance=D("0.6"))


# Skipping


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(seed=st.integers(0, 10**6))
def test_skipping_quiet_rows_cannot_be_told_from_stopping_at_every_row(seed: int) -> None:
    faults = FaultPlan(
        seed=seed,
        answer_lost_chance=D("0.05"),
        request_lost_chance=D("0.05"),
        report_delayed_chance=D("0.05"),
        report_doubled_chance=D("0.05"),
    )
    matching = MatchingOptions(partial_fill_chance=D("0.3"), seed=seed)
    logs, books, stops = [], [], []
    for every_tick in (False, True):
        source = ListSource(random_path(seed))
        options = SimulatedOptions(every_tick=every_tick, faults=faults, matching=matching)
        bench = Bench(options=options, source=source)
        trader = RandomTrader(bench, seed)
        bench.listener = trader
        bench.run(trader.script)
        logs.append(trader.log)
        books.append((bench.exchange.matching.balances(), bench.exchange.matching.last_price(BTC)))
        stops.append(source.stops)
    assert logs[0] == logs[1]
    assert books[0] == books[1]
    assert stops[0] < stops[1] == ROWS

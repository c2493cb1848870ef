"""Watched candles come over the stream right after their close, asked ones as of when the request arrives."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.replay import replay_from_trades
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import open_books
from engine.exchange.synthetic import SyntheticSource
from engine.model.errors import SettingsInvalid
from engine.model.regime import Candle
from tests.exchange.bench import EVERYTHING, Bench, D, RandomTrader, random_path
from tests.exchange.simulated_builders import BTC, MARKET

MINUTE = 60_000
LATENCY = SimulatedOptions().latency_ms
PATH = [(0, "100"), (20_000, "104"), (59_999, "98"), (60_000, "99"), (150_000, "101"), (179_999, "102")]
"""Rows of the first and the third minute, and one at the very begin of the second."""


def a_candle(minute: int, prices: Sequence[float], *, minutes: int = 1) -> Candle:
    """A candle of these rows, each of which turned over one base."""
    return Candle(
        open_ms=minute * minutes * MINUTE,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=float(len(prices)),
    )


FIRST, SECOND, THIRD = a_candle(0, [100, 104, 98]), a_candle(1, [99]), a_candle(2, [101, 102])


def closed(bench: Bench) -> list[tuple[int, Candle]]:
    """When which closed candle was told."""
    return [(at_ms, candle) for at_ms, _, candle, is_closed in bench.diary.candles if is_closed]


def watching(*intervals_ms: int) -> Callable[[SimulatedExchange], Awaitable[None]]:
    async def script(exchange: SimulatedExchange) -> None:
        for interval_ms in intervals_ms:
            exchange.watch_candles(BTC, interval_ms)
        exchange.set_quiet_band(BTC, "grid", EVERYTHING)

    return script


def test_a_candle_is_told_right_after_its_close_plus_the_latency_without_the_row_of_that_instant() -> None:
    bench = Bench(PATH)
    bench.run(watching(MINUTE))
    assert closed(bench) == [(60_000 + LATENCY, FIRST), (120_000 + LATENCY, SECOND), (180_000 + LATENCY, THIRD)]


def test_a_forming_candle_is_told_after_each_quarter_that_has_rows() -> None:
    bench = Bench(PATH)
    bench.run(watching(MINUTE))
    forming = [(at_ms - LATENCY, candle) for at_ms, _, candle, is_closed in bench.diary.candles if not is_closed]
    opened, grown = a_candle(0, [100]), a_candle(0, [100, 104])
    told = [(15_000, opened), (30_000, grown), (45_000, grown)]
    told += [(at_ms, SECOND) for at_ms in (75_000, 90_000, 105_000)]
    assert forming == [*told, (165_000, a_candle(2, [101]))]


def test_candles_of_several_intervals_are_told_each_and_one_watched_twice_is_told_once() -> None:
    bench = Bench(PATH)
    bench.run(watching(MINUTE, 3 * MINUTE, MINUTE))
    told = [(at_ms - LATENCY, interval_ms) for at_ms, interval_ms, _, is_closed in bench.diary.candles if is_closed]
    assert told == [(60_000, MINUTE), (120_000, MINUTE), (180_000, 3 * MINUTE), (180_000, MINUTE)]
    assert closed(bench)[2][1] == a_candle(0, [100, 104, 98, 99, 101, 102], minutes=3)


def test_a_minute_without_a_row_has_no_candle() -> None:
    bench = Bench([(0, "100"), (125_000, "101"), (179_999, "101")])
    bench.run(watching(MINUTE))
    assert [(at_ms - LATENCY, candle.open_ms) for at_ms, candle in closed(bench)] == [(60_000, 0), (180_000, 120_000)]


def test_the_unfinished_candle_in_which_the_data_ends_never_closes() -> None:
    """Neither told nor found, and nobody waits for it."""
    bench = Bench(PATH[:-1])

    async def script(exchange: SimulatedExchange) -> None:
        exchange.watch_candles(BTC, MINUTE)
        await anyio.sleep_until(200)
        assert await exchange.fetch_candles(BTC, MINUTE, 10) == (FIRST, SECOND)

    bench.run(script)
    assert [candle for _, candle in closed(bench)] == [FIRST, SECOND]


def test_nobody_is_told_a_candle_who_did_not_ask() -> None:
    bench = Bench(PATH)
    bench.run()
    assert bench.diary.candles == []


GAP = (Outage(from_ms=120_000 + LATENCY, until_ms=135_000 + LATENCY),)


@pytest.mark.parametrize("faults", [FaultPlan(stalls=GAP), FaultPlan(disconnects=GAP)], ids=["stall", "disconnect"])
def test_what_would_be_told_in_a_gap_is_lost_and_a_fetch_after_it_has_all(faults: FaultPlan) -> None:
    """The second candle would be told in the first millisecond of the gap."""
    bench = Bench(PATH, SimulatedOptions(faults=faults))
    found: list[tuple[Candle, ...]] = []

    async def script(exchange: SimulatedExchange) -> None:
        exchange.watch_candles(BTC, MINUTE)
        await anyio.sleep_until(140)
        found.append(tuple(await exchange.fetch_candles(BTC, MINUTE, 10)))

    bench.run(script)
    assert [candle for _, candle in closed(bench)] == [FIRST, THIRD]
    assert found == [(FIRST, SECOND)]


@pytest.mark.parametrize(
    ("sent_ms", "limit", "expected"),
    [
        (60_000 - LATENCY - 1, 5, ()),
        (60_000 - LATENCY, 5, (FIRST,)),
        (150_000, 5, (FIRST, SECOND)),
        (150_000, 1, (SECOND,)),
        (150_000, 0, ()),
    ],
)
def test_a_fetch_has_the_newest_candles_that_are_closed_when_it_arrives(
    sent_ms: int, limit: int, expected: tuple[Candle, ...]
) -> None:
    bench = Bench(PATH)

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(sent_ms / 1000)
        assert await exchange.fetch_candles(BTC, MINUTE, limit) == expected
        assert bench.clock.now_ms() == sent_ms + 2 * LATENCY

    bench.run(script)


def test_between_the_answer_to_a_fetch_and_the_watch_after_it_no_candle_is_missed() -> None:
    """The first candle closes a millisecond after the request arrived, on the way of the answer."""
    bench = Bench(PATH)

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until((60_000 - LATENCY - 1) / 1000)
        assert await exchange.fetch_candles(BTC, MINUTE, 5) == ()
        exchange.watch_candles(BTC, MINUTE)

    bench.run(script)
    assert closed(bench)[0] == (60_000 + LATENCY, FIRST)


def test_an_unknown_market_or_an_interval_of_part_minutes_is_refused() -> None:
    exchange = Bench(PATH).exchange
    with pytest.raises(SettingsInvalid, match="expected one of BTC/USDT, found ETH/USDT"):
        exchange.watch_candles("ETH/USDT", MINUTE)
    with pytest.raises(SettingsInvalid, match="an interval of whole minutes, was 90000 ms"):
        exchange.watch_candles(BTC, 90_000)


def test_watches_end_with_the_client_and_the_next_one_hears_only_its_own() -> None:
    bench = Bench([*PATH, (600_000, "100")])

    async def scene() -> None:
        for interval_ms in (MINUTE, 3 * MINUTE):
            async with anyio.create_task_group() as tasks:
                await tasks.start(bench.exchange.run, bench.diary)
                bench.exchange.watch_candles(BTC, interval_ms)
                await anyio.sleep(100)
                tasks.cancel_scope.cancel()

    bench.run_alone(scene)
    told = [(at_ms - LATENCY, interval_ms) for at_ms, interval_ms, _, is_closed in bench.diary.candles if is_closed]
    assert told == [(60_000, MINUTE), (180_000, 3 * MINUTE)]


def test_a_killed_client_watches_nothing_any_more() -> None:
    bench = Bench(PATH)
    bench.exchange.watch_candles(BTC, MINUTE)
    bench.exchange.forget_client()
    bench.run()
    assert bench.diary.candles == []


def test_a_client_that_took_over_keeps_its_watches_when_the_one_before_is_closed() -> None:
    bench = Bench([*PATH, (600_000, "100")])

    async def scene() -> None:
        async with anyio.create_task_group() as successors, anyio.create_task_group() as tasks:
            await tasks.start(bench.exchange.run, bench.diary)
            await successors.start(bench.exchange.run, bench.diary)
            bench.exchange.watch_candles(BTC, MINUTE)
            tasks.cancel_scope.cancel()

    bench.run_alone(scene)
    assert [candle.open_ms for _, candle in closed(bench)][:3] == [0, MINUTE, 2 * MINUTE]


def log_of_trader(seed: int, *, every_tick: bool) -> list[tuple[object, ...]]:
    """Everything a trader hears, is answered and is told of candles."""
    path = [(at_ms * 60, D(price)) for at_ms, price in random_path(seed)[::5]]
    source = replay_from_trades(path, symbol=BTC, tick_size=MARKET.tick_size)
    stall = Outage(from_ms=200_000, until_ms=320_000)
    faults = FaultPlan(seed=seed, stalls=(stall,), report_delayed_chance=D("0.2"))
    bench = Bench(source=source, options=SimulatedOptions(every_tick=every_tick, faults=faults))
    trader = RandomTrader(bench, seed)
    bench.listener = trader

    async def script(exchange: SimulatedExchange) -> None:
        exchange.watch_candles(BTC, MINUTE)
        exchange.watch_candles(BTC, 2 * MINUTE)
        await trader.script(exchange)

    bench.run(script)
    return [entry for entry in trader.log if entry[0] != "price"]


@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_skipping_quiet_rows_tells_the_same_candles_at_the_same_time_as_every_tick(seed: int) -> None:
    log = log_of_trader(seed, every_tick=False)
    assert [entry for entry in log if entry[0] == "candle"]
    assert log == log_of_trader(seed, every_tick=True)


def a_synthetic_market() -> SyntheticSource:
    return SyntheticSource(symbol=BTC, seed=7, start_price=D(100), tick_size=MARKET.tick_size)


def candles_of_a_life(bench: Bench, minutes: float) -> tuple[list[object], Sequence[Candle]]:
    """What is told in the first minutes of a watch, and what is found at their end."""
    found: list[Sequence[Candle]] = []

    async def scene() -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(bench.exchange.run, bench.diary)
            bench.exchange.watch_candles(BTC, 5 * MINUTE)
            bench.exchange.set_quiet_band(BTC, "grid", EVERYTHING)
            await anyio.sleep(minutes * 60)
            found.append(await bench.exchange.fetch_candles(BTC, 5 * MINUTE, 10))
            tasks.cancel_scope.cancel()

    bench.run_alone(scene)
    bench.exchange.close()
    return list(bench.diary.candles), found[0]


def test_a_kept_exchange_goes_on_with_candles_right_after_a_restart(tmp_path: Path) -> None:
    """The candle that was forming has its rows from before the restart, and so has the history."""
    whole = candles_of_a_life(Bench(source=a_synthetic_market()), 30)
    first = candles_of_a_life(Bench(source=a_synthetic_market(), books=open_books(tmp_path)), 12.4)
    second = candles_of_a_life(Bench(source=a_synthetic_market(), books=open_books(tmp_path)), 17.6)
    assert first[0] + second[0] == whole[0]
    assert second[1] == whole[1]
    assert (len(first[0]), len(second[0]), len(whole[1])) == (10, 15, 10)

"""Candles of recorded and of synthetic prices: the rows of a span, whoever has passed them, and what was before."""

import json
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import isclose
from pathlib import Path
from statistics import median, pstdev
from typing import Any

import pytest

from engine.exchange.candles import CandleDesk
from engine.exchange.datafiles import Candles, market_data_from_columns, read_market_data
from engine.exchange.faults import NO_FAULTS
from engine.exchange.prices import PriceSource
from engine.exchange.replay import ReplaySource, replay_from_file, replay_from_trades
from engine.exchange.stream import Stream
from engine.exchange.synthetic import SyntheticSource
from engine.exchange.synthetic_path import BLOCK_ROWS, START_MS
from engine.exchange.timeline import Timeline
from engine.model.errors import DataInvalid
from engine.model.regime import Candle
from tests.exchange.simulated_builders import BTC
from tests.sim.recorded import CRASH, needs_data

D = Decimal
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def newest(source: PriceSource, interval_ms: int, limit: int, at_ms: int) -> tuple[Candle, ...]:
    """What a fetch that arrives at this time finds."""
    desk = CandleDesk(
        sources={BTC: source},
        timeline=Timeline(),
        stream=Stream(NO_FAULTS),
        expect=lambda _: None,
        latency_ms=0,
    )
    return desk.newest(BTC, interval_ms, limit, at_ms)


def aggregated(candles: tuple[Candle, ...], interval_ms: int) -> list[Candle]:
    """Candles of a longer interval, put together one by one."""
    spans: dict[int, list[Candle]] = {}
    for candle in candles:
        spans.setdefault(candle.open_ms - candle.open_ms % interval_ms, []).append(candle)
    return [
        Candle(
            open_ms=open_ms,
            open=span[0].open,
            high=max(candle.high for candle in span),
            low=min(candle.low for candle in span),
            close=span[-1].close,
            volume=sum(candle.volume for candle in span),
        )
        for open_ms, span in spans.items()
    ]


def assert_same(found: tuple[Candle, ...], expected: list[Candle]) -> None:
    """Equal, but for the last digits of a sum of volumes."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.open_ms, one.open, one.high, one.low, one.close) == (
            other.open_ms,
            other.open,
            other.high,
            other.low,
            other.close,
        )
        assert isclose(one.volume, other.volume, rel_tol=1e-12)


@cache
def minutes_of_the_crash() -> tuple[Candle, ...]:
    source = replay_from_file(CRASH, symbol=BTC)
    return newest(source, MINUTE, 1_000_000, source.end_ms + 1)


@needs_data
def test_candles_of_a_recorded_file_are_the_files_own() -> None:
    """All of them, to the last digit of the volume."""
    data = read_market_data(CRASH)
    assert isinstance(data, Candles)
    found = minutes_of_the_crash()
    assert [candle.open_ms for candle in found] == data.at_ms.tolist()
    tick = float(1 / data.tick_size)
    for name in ("open", "high", "low", "close"):
        assert [getattr(candle, name) for candle in found] == (getattr(data, name) / tick).tolist()
    assert [candle.volume for candle in found] == data.volume.tolist()


@needs_data
@pytest.mark.parametrize("interval_ms", [3 * MINUTE, HOUR, 4 * HOUR, DAY])
def test_longer_candles_of_a_recorded_file_are_its_minutes_put_together(interval_ms: int) -> None:
    source = replay_from_file(CRASH, symbol=BTC)
    minutes = minutes_of_the_crash()
    found = newest(source, interval_ms, 1_000_000, source.end_ms + 1)
    assert_same(found, aggregated(minutes, interval_ms))


def three_candles(**changes: Any) -> ReplaySource:
    """Minutes 0, 1 and 4."""
    import numpy as np

    columns = {
        "ts_ms": np.array([0, MINUTE, 4 * MINUTE]),
        "open": np.array([1.0, 2.0, 3.0]),
        "high": np.array([5.0, 6.0, 7.0]),
        "low": np.array([0.5, 1.0, 2.0]),
        "close": np.array([2.0, 1.5, 4.0]),
        "volume": np.array([4.0, 8.0, 0.4]),
    }
    return ReplaySource(symbol=BTC, data=market_data_from_columns("made", columns, None), **changes)


def made(open_ms: int, *prices: float, volume: float) -> Candle:
    return Candle(open_ms=open_ms, open=prices[0], high=prices[1], low=prices[2], close=prices[3], volume=volume)


def test_a_part_of_a_recorded_candle_is_its_first_rows_with_a_quarter_of_its_volume_each() -> None:
    """It opens, falls, rises and closes at 0, 20, 40 and 59.999 seconds."""
    source = three_candles()
    assert source.candle(0, 20_000) == made(0, 1, 1, 1, 1, volume=1)
    assert source.candle(0, 20_001) == made(0, 1, 1, 0.5, 0.5, volume=2)
    assert source.candle(0, 59_999) == made(0, 1, 5, 0.5, 5, volume=3)
    assert source.candle(0, 60_000) == made(0, 1, 5, 0.5, 2, volume=4)
    assert source.candle(0, 60_001) == made(0, 1, 5, 0.5, 2, volume=6)
    assert source.candle(0, 240_001) == made(0, 1, 6, 0.5, 3, volume=12.1)


def test_spans_that_cut_recorded_candles_have_the_volume_of_their_rows() -> None:
    """Hours have rows at 0, 20, 40 and at the last millisecond."""
    import numpy as np

    columns = {name: np.array([5.0, 6.0, 7.0]) for name in ("open", "high", "low", "close")}
    columns |= {"ts_ms": np.array([0, HOUR, 2 * HOUR]), "volume": np.array([4.0, 8.0, 12.0])}
    source = ReplaySource(symbol=BTC, data=market_data_from_columns("made", columns, None))
    assert source.candle(20 * MINUTE, 21 * MINUTE) == made(20 * MINUTE, 5, 5, 5, 5, volume=1)
    assert source.candle(21 * MINUTE, 40 * MINUTE) is None
    assert source.candle(21 * MINUTE, HOUR) == made(21 * MINUTE, 5, 5, 5, 5, volume=2)
    assert source.candle(20 * MINUTE, 81 * MINUTE) == made(20 * MINUTE, 5, 6, 5, 6, volume=3 + 4)
    assert source.candle(40 * MINUTE, 121 * MINUTE) == made(40 * MINUTE, 5, 7, 5, 7, volume=2 + 8 + 3)


def test_a_gap_in_recorded_candles_is_a_gap_and_found_candles_reach_across_it() -> None:
    source = three_candles()
    assert source.candle(2 * MINUTE, 4 * MINUTE) is None
    assert [candle.open_ms for candle in newest(source, MINUTE, 2, DAY)] == [MINUTE, 4 * MINUTE]
    assert [candle.open_ms for candle in newest(source, MINUTE, 9, DAY)] == [0, MINUTE, 4 * MINUTE]
    assert [candle.open_ms for candle in newest(source, 2 * MINUTE, 9, DAY)] == [0]


def test_passed_rows_count_like_those_to_come() -> None:
    source = three_candles()
    before = source.candle(0, 5 * MINUTE)
    source.pass_until(DAY)
    assert source.candle(0, 5 * MINUTE) == before


def test_candles_of_trades_have_their_prices_and_no_volume_where_there_is_none() -> None:
    trades = [(10, D(3)), (10, D(5)), (59_999, D(4)), (60_000, D(9))]
    source = replay_from_trades(trades, symbol=BTC, tick_size=D(1))
    assert source.candle(0, MINUTE) == made(0, 3, 5, 3, 4, volume=0)
    assert newest(source, MINUTE, 9, MINUTE) == (made(0, 3, 5, 3, 4, volume=0),)


def test_candles_of_a_file_of_trades_have_its_amounts_as_volume(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("ts_ms,price,amount\n0,100,0.5\n30000,99,0.25\n60000,98,1\n")
    source = replay_from_file(path, symbol=BTC)
    assert source.candle(0, MINUTE) == made(0, 100, 100, 99, 99, volume=0.75)


def test_a_replay_with_a_start_begins_there_and_has_what_it_skipped_as_history() -> None:
    source = three_candles(start_ms=MINUTE)
    tick = source.next()
    assert tick is not None
    assert (source.start_ms, source.position, tick.at_ms, tick.price) == (MINUTE, 4, MINUTE, D(2))
    assert newest(source, MINUTE, 9, MINUTE) == (made(0, 1, 5, 0.5, 2, volume=4),)


@pytest.mark.parametrize(
    ("start_ms", "expected"), [(-5, 0), (0, 0), (1, 20_000), (90_000, 100_000), (299_999, 299_999)]
)
def test_a_replay_begins_with_the_first_row_at_or_after_its_start(start_ms: int, expected: int) -> None:
    assert three_candles(start_ms=start_ms).start_ms == expected


def test_a_start_behind_the_end_of_the_data_is_refused() -> None:
    with pytest.raises(DataInvalid, match="expected a start up to 299999, where the data ends, found 300000"):
        three_candles(start_ms=300_000)


def test_a_state_kept_with_another_start_is_gone_on_with() -> None:
    """It is the same data."""
    source = three_candles()
    source.pass_row(2)
    later = three_candles(start_ms=MINUTE)
    later.restore(source.state())
    assert later.position == 3


def market(seed: int = 7, **changes: Any) -> SyntheticSource:
    wish: dict[str, Any] = {"symbol": BTC, "seed": seed, "start_price": D(60_000), "tick_size": D("0.01")}
    return SyntheticSource(**(wish | changes))


def test_synthetic_candles_are_the_rows_of_their_span() -> None:
    """For whole minutes and parts of one, over the edges of blocks, before and after they are passed."""
    source, other = market(), market()
    prices = []
    for _ in range(3 * BLOCK_ROWS):
        tick = other.next()
        prices.append(float(tick.price))
        other.pass_row(tick.index)
    asked = [(0, 60), (0, 1), (960, 1_075), (1_020, 1_080), (0, 3_000), (2_940, 2_955), (60, 61)]
    for begin, end in [*asked, (0, 40_000), *asked]:
        if end > len(prices):
            source.candle(START_MS, START_MS + end * 1_000)
            continue
        candle = source.candle(START_MS + begin * 1_000, START_MS + end * 1_000)
        assert candle is not None
        span = prices[begin:end]
        assert (candle.open, candle.high, candle.low, candle.close) == (span[0], max(span), min(span), span[-1])
        assert candle == other.candle(START_MS + begin * 1_000, START_MS + end * 1_000 - 999)


def test_synthetic_volume_grows_with_every_row_and_more_with_large_moves() -> None:
    source = market()
    grown = [source.candle(START_MS, START_MS + rows * 1_000) for rows in range(1, 61)]
    volumes = [candle.volume for candle in grown if candle is not None]
    assert len(volumes) == 60
    assert all(after - before >= 500 / 60_000 * 0.999 for before, after in pairwise(volumes))
    minutes = sorted(newest(source, MINUTE, 2_000, START_MS + 2 * DAY), key=lambda candle: candle.high / candle.low)
    calm, wild = minutes[:200], minutes[-200:]
    assert median(candle.volume for candle in wild) > 1.3 * median(candle.volume for candle in calm)


@pytest.mark.parametrize("at_ms", [START_MS, START_MS + 2 * HOUR, START_MS + DAY])
def test_longer_synthetic_candles_are_their_minutes_put_together(at_ms: int) -> None:
    """Of the past, of rows, and of both: four hours from 22:00 on are taken apart by the first row."""
    minutes = newest(market(), MINUTE, 1_440, at_ms)
    found = newest(market(), 4 * HOUR, 6, at_ms)
    newer = [candle for candle in aggregated(minutes, 4 * HOUR) if candle.open_ms + 4 * HOUR <= at_ms]
    assert_same(found[-len(newer) + 1 :], newer[1:])
    odd = newest(market(), 7 * MINUTE, 100, at_ms)
    expected = [candle for candle in aggregated(minutes, 7 * MINUTE) if candle.open_ms + 7 * MINUTE <= at_ms]
    assert_same(odd, expected[-100:])


def test_the_past_of_a_synthetic_market_ends_in_its_first_price_without_a_gap() -> None:
    source = market()
    past = newest(source, MINUTE, 3_000, START_MS)
    assert len(past) == 3_000
    assert past[-1].open_ms == START_MS - MINUTE
    assert past[-1].close == float(source.next().price) == 60_000
    assert all(after.open == before.close for before, after in pairwise(past))
    assert all(after.open_ms == before.open_ms + MINUTE for before, after in pairwise(past))


def test_the_past_is_the_same_whenever_and_in_whatever_order_it_is_asked_for() -> None:
    one, other = market(), market()
    other.pass_row(100_000)
    other.next()
    newest(other, DAY, 30, START_MS + DAY)
    assert newest(one, MINUTE, 500, START_MS) == newest(other, MINUTE, 500, START_MS)
    assert newest(one, 4 * HOUR, 90, START_MS) == newest(other, 4 * HOUR, 90, START_MS)
    assert newest(one, MINUTE, 5, START_MS) != newest(market(8), MINUTE, 5, START_MS)


def test_the_past_moves_as_much_as_the_market() -> None:
    """Ranges of an hour are of one size, and the price stays near its start."""
    source = market()
    past = newest(source, HOUR, 240, START_MS)
    rows = newest(source, HOUR, 240, START_MS + 240 * HOUR)
    spread = [median(candle.high / candle.low - 1 for candle in candles) for candles in (past, rows)]
    wander = [pstdev(b.close / a.close - 1 for a, b in pairwise(candles)) for candles in (past, rows)]
    volume = [median(candle.volume for candle in candles) for candles in (past, rows)]
    for before, after in (spread, wander, volume):
        assert 0.7 < before / after < 1.4
    assert 0.75 < min(candle.low for candle in past) / 60_000 < max(candle.high for candle in past) / 60_000 < 1.3


def test_candles_reach_back_as_far_as_their_source_says_and_no_further() -> None:
    source = market()
    assert source.history_ms == 366 * DAY
    source.history_ms = 3 * HOUR
    found = newest(source, HOUR, 1_000, START_MS + HOUR)
    assert [candle.open_ms for candle in found] == [START_MS + hours * HOUR for hours in (-2, -1, 0)]


@pytest.mark.parametrize("passed", [0, 1_030, 200_000])
def test_a_kept_synthetic_market_has_the_same_candles(passed: int) -> None:
    """Of the past, of what it passed and does not remember, and of now; in that order and in the other."""
    source = market()
    source.pass_row(passed - 1)
    source.next()
    kept = json.dumps(source.state())
    now = START_MS + passed * 1_000
    minute = now - now % MINUTE
    spans = [
        (minute, now + 1),
        (minute - MINUTE, minute),
        (minute - 60 * MINUTE, minute),
        (minute - 5 * HOUR, minute - HOUR),
        (START_MS - HOUR, START_MS + MINUTE),
    ]
    expected = [source.candle(*span) for span in spans]
    assert None not in expected
    for step in (1, -1):
        restored = market()
        restored.restore(json.loads(kept))
        assert [restored.candle(*span) for span in spans[::step]] == expected[::step]


def test_a_kept_state_stays_small_however_long_the_market_goes_on() -> None:
    source = market()
    anchors = []
    for day in (3, 5):
        source.pass_row(day * 86_400)
        source.next()
        anchors.append([number for number, _ in json.loads(json.dumps(source.state()))["anchors"]])
    assert anchors == [
        [64, 128, 192],
        [128, 192, 256, 320, 384],
    ]


def test_a_state_kept_before_there_were_candles_is_gone_on_with() -> None:
    source = market()
    source.pass_row(2 * 86_400)
    kept = source.state()
    del kept["anchors"]
    restored = market()
    restored.restore(kept)
    assert newest(restored, HOUR, 5, START_MS + 2 * DAY) == newest(source, HOUR, 5, START_MS + 2 * DAY)


@pytest.mark.parametrize("anchors", [None, [3], [[64]], [["64", {}]], [[0, {}]], [[64, {}]], [[64, {"phase": 1}]]])
def test_damaged_anchors_are_refused(anchors: object) -> None:
    source = market()
    with pytest.raises(DataInvalid, match="the kept market state is damaged"):
        source.restore({**source.state(), "anchors": anchors})

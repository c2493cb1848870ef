"""Replay: the rows of candles and trades, the search for the next one that matters, and kept states."""

import json
import random
import subprocess
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.prices import PriceSource, Tick, bounds_in_ticks
from engine.exchange.replay import ReplaySource, replay_from_file, replay_from_trades
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not beside the project")

TICK = Decimal("0.01")
INFINITY = Decimal("Infinity")


def candle_source(tmp_path: Path, *rows: str) -> ReplaySource:
    """A replay of candles written ``ts_ms,open,high,low,close``."""
    path = tmp_path / "candles.csv"
    path.write_text("".join(f"{row},1\n" for row in rows))
    return replay_from_file(path, symbol="BTC/USDT", tick_size=TICK)


def trade_source(prices: list[int], spacing_ms: int = 1000) -> ReplaySource:
    """A replay of trades at these prices in ticks."""
    trades = [(index * spacing_ms, price * TICK) for index, price in enumerate(prices)]
    return replay_from_trades(trades, symbol="BTC/USDT", tick_size=TICK)


def all_rows(source: PriceSource) -> list[Tick]:
    """What is left of a source, row by row."""
    rows = []
    while (tick := source.next()) is not None:
        rows.append(tick)
        source.pass_row(tick.index)
    return rows


def random_walk(seed: int, length: int) -> list[int]:
    dice = random.Random(seed)
    price, prices = 5000, []
    for _ in range(length):
        price += int(dice.random() * 7) - 3
        prices.append(price)
    return prices


def naive_outside(rows: list[Tick], position: int, band: QuietBand) -> Tick | None:
    """What ``next_outside`` must find, looked for row by row in Decimal."""
    return next((tick for tick in rows[position:] if tick.price <= band.low or tick.price >= band.high), None)


def test_candles_are_walked_by_the_direction_of_their_close(tmp_path: Path) -> None:
    source = candle_source(tmp_path, "0,10,12,9,11", "60000,11,13,8,10", "120000,10,11,9,10")
    assert all_rows(source) == [
        Tick(0, 0, Decimal(10)),
        Tick(1, 20_000, Decimal(9)),
        Tick(2, 40_000, Decimal(12)),
        Tick(3, 59_999, Decimal(11)),
        Tick(4, 60_000, Decimal(11)),
        Tick(5, 80_000, Decimal(13)),
        Tick(6, 100_000, Decimal(8)),
        Tick(7, 119_999, Decimal(10)),
        Tick(8, 120_000, Decimal(10)),
        Tick(9, 140_000, Decimal(9)),
        Tick(10, 160_000, Decimal(11)),
        Tick(11, 179_999, Decimal(10)),
    ]
    assert (source.rows, source.start_ms, source.end_ms, source.gaps) == (12, 0, 179_999, [])


def test_the_smallest_spacing_is_the_length_of_every_candle(tmp_path: Path) -> None:
    source = candle_source(tmp_path, "0,10,10,10,10", "7200000,10,10,10,10", "10800000,10,10,10,10")
    assert [tick.at_ms for tick in all_rows(source)][:4] == [0, 1_200_000, 2_400_000, 3_599_999]
    assert source.gaps == [(3_600_000, 1)]


def test_trades_of_one_millisecond_are_rows_in_their_order() -> None:
    prices = [Decimal(3), Decimal(1), Decimal(2)]
    source = replay_from_trades([(7, price) for price in prices], symbol="X", tick_size=TICK)
    assert all_rows(source) == [Tick(0, 7, prices[0]), Tick(1, 7, prices[1]), Tick(2, 7, prices[2])]


def test_looking_does_not_move_and_the_end_is_none() -> None:
    source = trade_source([100, 101])
    assert source.next() == source.next() == Tick(0, 0, Decimal("1.00"))
    assert source.next_outside(None) == Tick(0, 0, Decimal("1.00"))
    source.pass_row(1)
    assert (source.position, source.next(), source.next_outside(None)) == (2, None, None)
    assert source.next_outside(QuietBand(low=Decimal(0), high=Decimal(1))) is None
    assert source.last_before(source.position) == Tick(1, 1000, Decimal("1.01"))


def test_the_row_before_the_first_and_beyond_the_end_is_none() -> None:
    source = trade_source([100, 101])
    assert source.last_before(0) is None
    assert source.last_before(1) == Tick(0, 0, Decimal("1.00"))
    assert source.last_before(3) is None


def test_passing_what_is_passed_changes_nothing() -> None:
    source = trade_source([100] * 10)
    source.pass_row(6)
    source.pass_row(2)
    source.pass_until(0)
    assert source.position == 7
    source.pass_row(1000)
    assert source.position == 10


@pytest.mark.parametrize(
    "low, high, index",
    [
        ("0.99", "1.03", 3),
        ("0.995", "1.025", 3),
        ("0.995", "1.0300000000000000000000000000000000001", 4),
        ("0.9999999999999999999999999999999999999", "1.04", 4),
        ("1.00", "1.04", 0),
        ("-5", "1.0399", 4),
        ("-Infinity", "1.02", 2),
        ("0.97", "Infinity", 5),
        ("-Infinity", "Infinity", None),
        ("1E-30", "1E+30", None),
    ],
)
def test_the_edges_of_a_band_are_outside_it_exactly(low: str, high: str, index: int | None) -> None:
    source = trade_source([100, 101, 102, 103, 104, 97])
    found = source.next_outside(QuietBand(low=Decimal(low), high=Decimal(high)))
    assert (None if found is None else found.index) == index


@given(
    low=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9),
    high=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9),
    tick=st.sampled_from([Decimal(text) for text in ("0.01", "0.5", "0.00000001", "10", "0.025")]),
)
def test_bounds_in_ticks_are_the_floor_and_the_ceiling(low: Decimal, high: Decimal, tick: Decimal) -> None:
    """For all bands and ticks: the tick at each bound is outside and its inner neighbour is not."""
    below, above = bounds_in_ticks(QuietBand(low=low, high=high), tick)
    assert below * tick <= low < (below + 1) * tick
    assert (above - 1) * tick < high <= above * tick


@pytest.mark.parametrize("position", [0, 1, 100, 255, 256, 257, 600])
@pytest.mark.parametrize("height", [-7, 7])
def test_a_single_spike_is_found_wherever_it_lies(position: int, height: int) -> None:
    """Near, at the edges of blocks, and behind each growing stride of the search."""
    band = QuietBand(low=Decimal("0.93"), high=Decimal("1.07"))
    for place in [*range(position, position + 1_100, 37), 767, 768, 8_959, 8_960, 11_999]:
        source = trade_source([100] * place + [100 + height] + [100] * (11_999 - place))
        source.pass_row(position - 1)
        assert source.next_outside(band) == Tick(place, place * 1000, (100 + height) * TICK)
        source.pass_row(place)
        assert source.next_outside(band) is None


@cache
def walked(seed: int, length: int) -> tuple[ReplaySource, dict[str, object], list[Tick]]:
    """A replay of a random walk, its first state, and all of its rows."""
    source = trade_source(random_walk(seed, length))
    return source, source.state(), all_rows(source)


@given(
    data=st.data(),
    seed=st.integers(0, 3),
    length=st.sampled_from([1, 2, 255, 256, 257, 511, 513, 1_000, 5_000, 12_000]),
)
def test_the_search_finds_what_a_look_at_every_row_finds(data: st.DataObject, seed: int, length: int) -> None:
    """For all paths, bands and ways of passing: near, far and never."""
    source, first_state, rows = walked(seed, length)
    source.restore(first_state)
    for _ in range(4):
        if data.draw(st.booleans()):
            source.pass_row(data.draw(st.integers(0, length)))
        else:
            source.pass_until(data.draw(st.integers(-1, length * 1000)))
        middle = rows[min(source.position, length - 1)].price
        low = middle - data.draw(st.integers(0, 400)) * TICK / 2
        high = middle + data.draw(st.integers(0, 400)) * TICK / 2
        band = QuietBand(low=low, high=high)
        assert source.next_outside(band) == naive_outside(rows, source.position, band)


@given(at=st.lists(st.integers(-10, 400), min_size=1, max_size=6), interval=st.sampled_from([1, 2, 3, 7, 60]))
def test_passing_until_a_time_stops_at_the_first_later_row(at: list[int], interval: int) -> None:
    """For all times and spacings of candles, also when the four rows share a millisecond."""
    import numpy as np

    from engine.exchange.datafiles import market_data_from_columns

    ones = np.ones(5)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), ones)
    columns["ts_ms"] = np.array([0, 1, 2, 4, 5]) * interval
    source = ReplaySource(symbol="X", data=market_data_from_columns("made", columns, None))
    rows = all_rows(ReplaySource(symbol="X", data=market_data_from_columns("made", columns, None)))
    for at_ms in sorted(at):
        source.pass_until(at_ms)
        assert source.next() == next((tick for tick in rows if tick.at_ms > at_ms), None)


@given(seed=st.integers(0, 100), length=st.integers(1, 40), passed=st.integers(0, 40))
def test_a_kept_state_goes_on_where_it_was(seed: int, length: int, passed: int) -> None:
    """For all positions: the restored source gives the same rest, after a way through JSON."""
    source = trade_source(random_walk(seed, length))
    source.pass_row(passed - 1)
    other = trade_source(random_walk(seed, length))
    other.restore(json.loads(json.dumps(source.state())))
    assert other.position == source.position
    assert all_rows(other) == all_rows(source)


@pytest.mark.parametrize(
    "other",
    [
        trade_source([100, 101, 102, 104]),
        trade_source([100, 101, 103]),
        trade_source([100, 102, 102, 103]),
        trade_source([99, 101, 102, 103]),
        trade_source([100, 101, 102, 103], spacing_ms=999),
        replay_from_trades([(0, Decimal(1))], symbol="ETH/USDT", tick_size=TICK),
    ],
    ids=["last price", "rows", "a price between", "first price", "times", "symbol"],
)
def test_a_state_of_other_data_is_refused(other: ReplaySource) -> None:
    source = trade_source([100, 101, 102, 103])
    with pytest.raises(DataInvalid, match="the kept market state is of other data"):
        source.restore(other.state())
    assert source.position == 0


@pytest.mark.parametrize("position", [-1, 4, "1", None])
def test_a_damaged_state_is_refused(position: object) -> None:
    source = trade_source([100, 101, 102])
    with pytest.raises(DataInvalid, match="damaged: expected a position up to 3"):
        source.restore({**source.state(), "position": position})


def test_trades_given_in_memory_are_checked_like_a_file() -> None:
    with pytest.raises(DataInvalid, match="expected trades, found none"):
        replay_from_trades([], symbol="X", tick_size=TICK)
    with pytest.raises(DataInvalid, match="trades: row 2: expected ts_ms at or above 5 of the row before"):
        replay_from_trades([(5, Decimal(1)), (4, Decimal(1))], symbol="X", tick_size=TICK)


def test_numpy_and_pyarrow_are_imported_only_when_a_replay_is_made() -> None:
    code = (
        "import sys, engine.exchange.replay, engine.exchange.synthetic\n"
        "sys.exit(bool({'numpy', 'pyarrow'} & sys.modules.keys()))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@needs_data
def test_a_recorded_crash_is_searched_like_row_by_row() -> None:
    """March 2020 in bands of half a percent, against a plain scan."""
    path = DATA / "samples" / "BTCUSDT_1m_2020-03-01_2020-03-15_crash.csv.gz"
    source = replay_from_file(path, symbol="BTC/USDT")
    assert (source.rows, source.gaps) == (85_888, [(1583313720000, 128)])
    rows = all_rows(source)
    source = replay_from_file(path, symbol="BTC/USDT")
    found, expected, tick = [], [], source.next()
    while tick is not None:
        source.pass_row(tick.index)
        band = QuietBand(low=tick.price * Decimal("0.995"), high=tick.price * Decimal("1.005"))
        expected.append(naive_outside(rows, source.position, band))
        tick = source.next_outside(band)
        found.append(tick)
    assert found == expected
    assert len(found) == 3321

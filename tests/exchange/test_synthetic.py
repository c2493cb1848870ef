"""The synthetic market: the same for a seed everywhere, lively from the start, and never far away."""

import hashlib
import json
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.prices import PriceSource, Tick
from engine.exchange.synthetic import ROWS_AHEAD_MAX, SyntheticSource
from engine.exchange.synthetic_path import BLOCK_ROWS, START_MS, Phase
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid

TICK = Decimal("0.01")
START = Decimal(60_000)
DAY = 86_400


def market(seed: int = 7, **changes: Any) -> SyntheticSource:
    """A market of BTC/USDT that starts at 60,000."""
    wish: dict[str, Any] = {"symbol": "BTC/USDT", "seed": seed, "start_price": START, "tick_size": TICK}
    return SyntheticSource(**{**wish, **changes})


def take(source: PriceSource, count: int) -> list[Tick]:
    """The next rows, passed one by one."""
    rows = []
    for _ in range(count):
        tick = source.next()
        assert tick is not None
        rows.append(tick)
        source.pass_row(tick.index)
    return rows


@cache
def first_rows(seed: int) -> list[Tick]:
    """The rows that a market begins with, taken one by one."""
    return take(market(seed), 3 * ROWS_AHEAD_MAX)


def fingerprint(source: SyntheticSource, count: int = 100_000) -> str:
    return hashlib.sha256(",".join(str(tick.price) for tick in take(source, count)).encode()).hexdigest()


def phases(source: SyntheticSource, rows: int, step: int = 30) -> list[tuple[Phase, int]]:
    """Phases and the rows they are first seen at."""
    found: list[tuple[Phase, int]] = []
    for index in range(0, rows, step):
        source.pass_row(index - 1)
        phase = source.phase_at(index)
        if not found or found[-1][0] is not phase:
            found.append((phase, index))
    return found


def price_at(source: SyntheticSource, index: int) -> Decimal:
    source.pass_row(index - 1)
    return source.next().price


def test_a_seed_decides_every_row_on_every_machine() -> None:
    assert fingerprint(market()) == "21fbaea746cc16130f5dcf715739e23ebfbaf727df4a201babfac68c5b22db9b"


def test_another_seed_symbol_or_start_is_another_path() -> None:
    others = [market(8), market(symbol="ETH/USDT"), market(start_price=Decimal(59_000))]
    assert len({fingerprint(source, 2_000) for source in [market(), *others]}) == 4


def test_rows_are_market_seconds_from_the_start_of_2026_on_the_tick() -> None:
    source = market(start_price=Decimal("2000.013"), tick_size=Decimal("0.025"))
    rows = take(source, 3_000)
    assert rows[0] == Tick(0, START_MS, Decimal("2000.025"))
    assert [tick.index for tick in rows] == list(range(3_000))
    assert [tick.at_ms for tick in rows] == [START_MS + 1000 * index for index in range(3_000)]
    assert all(tick.price % Decimal("0.025") == 0 for tick in rows)
    assert (source.rows, source.start_ms, source.end_ms) == (None, START_MS, None)


def test_a_start_price_below_half_a_tick_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start price must be above 0 and worth a tick 0\.01, was 0\.004"):
        market(start_price=Decimal("0.004"))


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_first_hour_ranges_and_crosses_several_levels(seed: int) -> None:
    """Levels 0.67 % apart: six or more moves from one level to another, within 2 % of the start."""
    source = market(seed)
    prices = [float(tick.price / START) for tick in take(source, 3_600)]
    levels = [(1 + 1 / 149) ** step for step in range(-20, 21)]
    touched: list[float] = []
    for before, after in pairwise(prices):
        crossed = [level for level in levels if min(before, after) <= level <= max(before, after)]
        touched += [level for level in crossed if touched[-1:] != [level]]
    assert len(touched) >= 6
    assert 0.98 < min(prices) < max(prices) < 1.02
    assert source.phase_at(3_599) is Phase.RANGE


def test_within_days_every_phase_comes_and_a_crash_is_followed_by_a_recovery() -> None:
    seen = phases(market(), 4 * DAY)
    assert {phase for phase, _ in seen} == set(Phase)
    followers = {after for (before, _), (after, _) in pairwise(seen) if before is Phase.CRASH}
    assert followers == {Phase.RECOVERY}


def test_a_crash_falls_8_to_15_percent_within_15_to_30_minutes() -> None:
    seen = phases(market(), 4 * DAY, step=1)
    spans = [(first, end) for (phase, first), (_, end) in pairwise(seen) if phase is Phase.CRASH]
    source = market()
    edges = [(price_at(source, first), price_at(source, end)) for first, end in spans]
    assert len(spans) >= 3
    assert all(15 * 60 <= end - first <= 30 * 60 for first, end in spans)
    assert all(Decimal("0.08") <= 1 - after / before <= Decimal("0.15") for before, after in edges)


@pytest.mark.parametrize("seed", range(6))
def test_over_ten_days_the_price_stays_within_three_quarters_and_1_3_of_its_start(seed: int) -> None:
    source = market(seed)
    factors = [price_at(source, index) / START for index in range(0, 10 * DAY, 15)]
    assert Decimal("0.75") < min(factors) < max(factors) < Decimal("1.3")


def test_a_price_of_a_few_ticks_never_reaches_zero() -> None:
    prices = {tick.price for tick in take(market(start_price=TICK), 20_000)}
    assert prices == {TICK}


@given(seed=st.integers(0, 4), data=st.data())
def test_the_search_finds_what_a_look_at_every_row_finds(seed: int, data: st.DataObject) -> None:
    """For all bands and ways of passing; where nothing is outside, it gives the last row it looked at."""
    source = market(seed)
    rows = first_rows(seed)
    for _ in range(3):
        if data.draw(st.booleans()):
            source.pass_row(data.draw(st.integers(0, 2 * ROWS_AHEAD_MAX - 1)))
        else:
            source.pass_until(START_MS + data.draw(st.integers(-1, 2 * ROWS_AHEAD_MAX * 1000 - 1)))
        position, price = source.position, rows[source.position].price
        low = price - data.draw(st.integers(0, 1_500))
        high = price + data.draw(st.integers(0, 1_500))
        ahead = rows[position : position + ROWS_AHEAD_MAX]
        expected = next((tick for tick in ahead if tick.price <= low or tick.price >= high), ahead[-1])
        assert source.next_outside(QuietBand(low=low, high=high)) == expected
        assert source.position == position


def test_an_edge_at_the_extreme_of_many_rows_is_found() -> None:
    """The highest and the lowest price of a block of rows, exactly at the edge."""
    rows = first_rows(7)[:BLOCK_ROWS]
    highest, lowest = max(rows, key=lambda tick: tick.price), min(rows, key=lambda tick: tick.price)
    assert market().next_outside(QuietBand(low=Decimal(0), high=highest.price)) == highest
    assert market().next_outside(QuietBand(low=lowest.price, high=Decimal("Infinity"))) == lowest


def test_no_band_asks_for_the_next_row() -> None:
    source = market()
    source.pass_row(99)
    assert source.next_outside(None) == source.next() == take(market(), 101)[100]


def test_passing_a_time_stops_at_the_first_later_row() -> None:
    source = market()
    source.pass_until(START_MS - 1)
    assert source.position == 0
    source.pass_until(START_MS + 1999)
    assert source.position == 2
    source.pass_until(START_MS + 2000)
    assert source.position == 3
    source.pass_until(START_MS)
    assert source.position == 3


def test_the_row_before_is_kept_and_rows_long_passed_are_not() -> None:
    source, rows = market(), take(market(), 3 * BLOCK_ROWS + 1)
    assert source.last_before(0) is None
    source.pass_row(3 * BLOCK_ROWS - 1)
    assert source.last_before(source.position) == rows[3 * BLOCK_ROWS - 1]
    assert source.next() == rows[3 * BLOCK_ROWS]
    with pytest.raises(ValueError, match=f"expected a row at or after {2 * BLOCK_ROWS}, found 5"):
        source.last_before(6)


def test_a_jump_gives_the_same_row_as_every_step() -> None:
    source = market()
    source.pass_row(49_998)
    assert source.next() == take(market(), 50_000)[-1]


def test_memory_holds_what_a_search_needs_and_no_more() -> None:
    source = market()
    nothing = QuietBand(low=Decimal(0), high=Decimal("Infinity"))
    blocks = []
    for _ in range(200):
        source.pass_row(source.next_outside(nothing).index)
        blocks.append(len(source._blocks))
    assert max(blocks) <= ROWS_AHEAD_MAX // BLOCK_ROWS + 1
    source.pass_row(20 * DAY)
    source.next()
    assert (len(source._blocks), len(source._path.marks)) == (1, 1)


@given(
    seed=st.integers(0, 5),
    passed=st.one_of(
        st.integers(0, 2 * ROWS_AHEAD_MAX), st.sampled_from([0, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1])
    ),
    has_looked_ahead=st.booleans(),
)
def test_a_kept_state_goes_on_identically(seed: int, passed: int, has_looked_ahead: bool) -> None:
    """For all positions: the restored market gives the same rows and phases, after a way through JSON."""
    source = market(seed)
    source.pass_row(passed - 1)
    if has_looked_ahead:
        source.next_outside(QuietBand(low=Decimal(0), high=Decimal("Infinity")))
    kept = json.loads(json.dumps(source.state()))
    other = market(seed)
    other.restore(kept)
    assert json.loads(json.dumps(other.state())) == kept
    assert other.position == source.position == passed
    assert other.last_before(passed) == source.last_before(passed)
    assert other.phase_at(passed) is source.phase_at(passed)
    assert take(other, 1_200) == first_rows(seed)[passed : passed + 1_200]


def test_a_restored_market_forgets_where_it_was() -> None:
    source, other = market(), market()
    kept = source.state()
    take(other, 10_000)
    other.restore(kept)
    assert take(other, 3_000) == take(source, 3_000)


@pytest.mark.parametrize(
    "other",
    [
        market(8),
        market(symbol="ETH/USDT"),
        market(start_price=Decimal(59_999)),
        market(start_price=Decimal(6000), tick_size=Decimal("0.001")),
    ],
    ids=["seed", "symbol", "start", "tick"],
)
def test_a_state_of_another_market_is_refused(other: SyntheticSource) -> None:
    with pytest.raises(DataInvalid, match="the kept market state is of another market"):
        market().restore(other.state())


@pytest.mark.parametrize(
    "change",
    [
        {"position": None},
        {"position": -1},
        {"position": 5 * BLOCK_ROWS},
        {"block": "0"},
        {"walk": None},
        {"walk": {}},
    ],
)
def test_a_damaged_state_is_refused(change: dict[str, object]) -> None:
    source = market()
    with pytest.raises(DataInvalid, match="the kept market state is damaged"):
        source.restore({**source.state(), **change})


@pytest.mark.parametrize("change", [{"phase": "party"}, {"factor": "1"}, {"leg_end": 1.5}])
def test_a_damaged_walk_is_refused(change: dict[str, object]) -> None:
    source = market()
    kept = json.loads(json.dumps(source.state()))
    kept["walk"].update(change)
    with pytest.raises(DataInvalid, match="the kept market state is damaged"):
        source.restore(kept)

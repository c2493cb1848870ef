"""Skipping quiet prices cannot be told from stopping at every one: the journals are the same, record by record."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.datafiles import Candles, read_market_data
from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.replay import ReplaySource, replay_from_trades
from engine.exchange.simulated import SimulatedOptions
from engine.model.events import Record
from engine.model.grid import GridSpec, InitialPurchase
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_market, a_spec
from tests.sim.engine_builders import Bench, assert_balanced, assert_settled
from tests.sim.recorded import CRASH, CRASH_GRID, a_recorded_bench, needs_data

D = Decimal
ROWS = 200
ONE_GRID = (a_spec(window=3, initial_purchase=InitialPurchase.LIMIT),)
THREE_GRIDS = (
    a_spec(name="main", window=3),
    a_spec(name="fine", lower=D(120), upper=D(160), slots=20, size=D("0.5"), window=5),
    a_spec(name="high", lower=D(150), upper=D(220), initial_purchase=InitialPurchase.MARKET),
)


def a_walk(seed: int) -> list[tuple[int, Decimal]]:
    """Prices around 155 in steps from quiet to wild, at times that often meet those of requests."""
    dice = Random(seed)
    at_ms, cents, calm = 0, 15_500, 40
    rows = []
    for _ in range(ROWS):
        rows.append((at_ms, D(cents) / 100))
        at_ms += dice.choice((0, 1, 5, 25, 50, 1_000, 20_000))
        calm = dice.choice((calm, calm, calm, 20, 200, 1_500))
        cents = min(max(cents + dice.randrange(-calm, calm + 1), 9_000), 22_500)
    return rows


def journal_of_walk(
    seed: int, grids: Sequence[GridSpec], options: SimulatedOptions, *, every_tick: bool
) -> list[Record]:
    bench = Bench(
        replay_from_trades(a_walk(seed), symbol=SYMBOL, tick_size=D("0.01")),
        grids=grids,
        markets=[a_market()],
        options=replace(options, every_tick=every_tick),
    )
    engine = bench.run(until_the_last_late_report)
    assert_balanced(bench, engine)
    assert_settled(engine)
    return bench.records()


async def until_the_last_late_report(engine: Engine) -> None:
    await engine.wait_over()
    await anyio.sleep(60)
    await engine.wait_quiet()


def first_difference(one: list[Record], other: list[Record]) -> tuple[int, object, object] | None:
    """Where two journals part, in the two tellings; None: they are the same."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index, left, right
    if len(one) != len(other):
        return min(len(one), len(other)), len(one), len(other)
    return None


@pytest.mark.parametrize("grids", [ONE_GRID, THREE_GRIDS], ids=["one grid", "three grids"])
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_skipping_gives_the_journal_of_every_tick_on_a_random_walk(grids: tuple[GridSpec, ...], seed: int) -> None:
    """With orders filled in parts."""
    options = SimulatedOptions(matching=MatchingOptions(partial_fill_chance=D("0.3"), seed=seed))
    skipping = journal_of_walk(seed, grids, options, every_tick=False)
    assert first_difference(skipping, journal_of_walk(seed, grids, options, every_tick=True)) is None


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_skipping_gives_the_journal_of_every_tick_although_answers_and_reports_are_lost(seed: int) -> None:
    """What goes wrong depends on what is asked and when, so both meet the same faults."""
    faults = FaultPlan(
        seed=seed,
        answer_lost_chance=D("0.05"),
        request_lost_chance=D("0.05"),
        report_doubled_chance=D("0.1"),
        report_delayed_chance=D("0.1"),
    )
    options = SimulatedOptions(faults=faults)
    skipping = journal_of_walk(seed, ONE_GRID, options, every_tick=False)
    assert first_difference(skipping, journal_of_walk(seed, ONE_GRID, options, every_tick=True)) is None


def three_days() -> ReplaySource:
    """12 to 14 March 2020: the crash itself."""
    data = read_market_data(CRASH)
    assert isinstance(data, Candles)
    rows = slice(11 * 1_440, 14 * 1_440)
    part = Candles(
        tick_size=data.tick_size,
        at_ms=data.at_ms[rows],
        open=data.open[rows],
        high=data.high[rows],
        low=data.low[rows],
        close=data.close[rows],
        volume=data.volume[rows],
    )
    return ReplaySource(symbol=SYMBOL, data=part)


@needs_data
@pytest.mark.parametrize(
    "grids",
    [(CRASH_GRID,), (CRASH_GRID, replace(CRASH_GRID, name="b", lower=D(5_000), upper=D(8_000), slots=30))],
    ids=["one grid", "two grids"],
)
def test_skipping_gives_the_journal_of_every_tick_on_three_recorded_days(grids: tuple[GridSpec, ...]) -> None:
    journals = []
    for every_tick in (False, True):
        bench = a_recorded_bench(three_days(), *grids, partial_fills=D("0.2"), every_tick=every_tick)
        engine = bench.run()
        assert_balanced(bench, engine)
        assert_settled(engine)
        journals.append(bench.records())
    assert len(journals[0]) > 500
    assert first_difference(*journals) is None

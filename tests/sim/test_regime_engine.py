"""The regime in a whole engine: it waits for it, opens by it, says why, and knows it again after gaps and restarts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from math import sin

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedOptions
from engine.model.events import CancelRequested, RegimeChanged
from engine.model.grid import Direction
from engine.model.ids import key_from_client_order_id
from engine.model.order import Leg
from engine.model.regime import Candle, EntryRule, PerRegime, RegimeEffect, RegimeName
from engine.model.snapshot import BlockView, EngineState
from engine.runtime.candle_feed import START_SECONDS
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from tests.builders import a_spec
from tests.runtime.candle_builders import MINUTE_MS, NOON_MS
from tests.sim.engine_builders import AuditedExchange, Bench, assert_balanced, until_quiet
from tests.sim.regime_builders import (
    FIRST,
    REGIME,
    a_regime_bench,
    a_still_close,
    changes,
    folded,
    resting,
    sensing,
    told,
    until,
)

D = Decimal
RANGING, UP, DOWN = RegimeName.RANGING, RegimeName.TRENDING_UP, RegimeName.TRENDING_DOWN
VOLATILE, UNKNOWN = RegimeName.VOLATILE, RegimeName.UNKNOWN
ALL, ALTERNATE, NONE = EntryRule.ALL, EntryRule.ALTERNATE, EntryRule.NONE
QUIET = [a_still_close(minute) for minute in range(FIRST, FIRST + 30)]
FALL = [*QUIET[:6], *(155 - 4 * step for step in range(10)), *(117 + 2 * (step % 2) for step in range(14))]
"""Ranging, then down by forty through the levels from 150 to 120, then still at 118."""
NEVER_LATE = replace(REGIME, stale_after_ms=60 * MINUTE_MS)


class SlowHistory(AuditedExchange):
    """It answers for candles after so many seconds."""

    seconds = 5.0

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        await anyio.sleep(self.seconds)
        return await super().fetch_candles(symbol, interval_ms, limit)


class VerySlowHistory(SlowHistory):
    """It answers when the engine has stopped waiting for it."""

    seconds = START_SECONDS + 5


class MuteCandles(AuditedExchange):
    """It takes the subscription and never tells a candle."""

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        pass


def live(bench: Bench, script: Callable[[Engine], Awaitable[None]]) -> None:
    """Run a script beside an engine from its first moment, before it has started."""

    async def life() -> None:
        engine = Engine(bench.settings, clock=bench.clock, exchange=bench.port, journal=bench.journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await script(engine)
            engine.close()

    run_on(bench.clock, life)


def blocks(engine: Engine) -> tuple[BlockView, ...]:
    """What the grid's snapshot says is blocked."""
    return engine.snapshot().grids[0].blocks


# Started and confirmed


def test_seed_002_5_the_engine_does_not_run_before_the_regime_has_reported_in() -> None:
    bench = a_regime_bench(QUIET, exchange_type=SlowHistory)

    async def script(engine: Engine) -> None:
        await anyio.sleep(4.9)
        assert str(engine.state) == "starting"
        assert "regime BTC/USDT (loading candles)" in engine.roster.missing()
        assert bench.exchange.placed.total() == 0
        await engine.wait_started()
        assert engine.state is EngineState.RUNNING
        [part] = [part for part in engine.roster.parts() if part.name == "regime BTC/USDT"]
        assert (part.has_reported, part.detail) == (True, "ranging")

    live(bench, script)


def test_an_engine_whose_candles_take_too_long_starts_without_and_opens_once_they_are_there() -> None:
    bench = a_regime_bench(QUIET, exchange_type=VerySlowHistory)

    async def script(engine: Engine) -> None:
        await engine.wait_started()
        [part] = [part for part in engine.roster.parts() if part.name == "regime BTC/USDT"]
        assert (engine.state, part.detail) == (EngineState.RUNNING, "no candle yet")
        await anyio.sleep(1)
        reason = "the market is unknown: nothing new opens on this side: no candle yet; 0 of 55 candles"
        assert blocks(engine) == (BlockView(what="long entries", reason=reason),)
        assert bench.exchange.placed.total() == 0
        await anyio.sleep(10)
        assert (resting(bench, Leg.ENTRY), blocks(engine)) == ([0, 1, 2, 3, 4, 5], ())

    live(bench, script)
    assert [(name, rule) for _, name, rule in changes(bench)] == [(UNKNOWN, NONE), (RANGING, ALL)]


def test_mm_024_the_log_line_of_the_subscription() -> None:
    engine = a_regime_bench(QUIET).run()
    assert told(engine, "kline") == [
        "kline subscription confirmed: BTC/USDT 1m, 100 candles loaded, first live candle 12:03"
    ]


def test_033b_a_change_is_journalled_once_with_the_figures_that_caused_it_and_ends_the_entries() -> None:
    """The exits of what was bought go on; the same figures are in the story."""
    bench = a_regime_bench(FALL)

    async def script(engine: Engine) -> None:
        await until(bench, 17.5)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([], [3, 4, 5])
        [block] = blocks(engine)
        assert block.what == "long entries"
        assert block.reason.startswith("the market is trending down: nothing new opens on this side: efficiency 0.7337")
        await until_quiet(engine)

    engine = bench.run(script)
    facts = bench.facts(RegimeChanged)
    assert [(name, rule) for _, name, rule in changes(bench)] == [(RANGING, ALL), (DOWN, NONE), (RANGING, ALL)]
    assert [fact.since_ms for fact in facts[1:]] == [NOON_MS + 17 * MINUTE_MS, NOON_MS + 28 * MINUTE_MS]
    assert facts[1].reasons == (
        "efficiency 0.7337, met from 0.6 until 0.3",
        "close moved -28.1 in 10 candles",
        "adx 66.02, met from 25 until 20",
        "choppiness 0.2478, met from 45 until 55",
        "slope -0.8197, met from 0.05 until 0.03",
    )
    figures = "; ".join(facts[1].reasons)
    assert f"regime of BTC/USDT 1m changed from ranging to trending_down: {figures}" in told(engine, "regime")
    assert_balanced(bench, engine)


# What is blocked, and what is not


def test_seed_002_5_candles_that_stop_coming_block_openings_with_a_reason_and_no_exit() -> None:
    """Slot 5 is entered before the first lateness, and leaves at 160 when nothing may open any more."""
    closes = [155, 149.5, 155, 155, 155, 155, 161, 161, 155, 145, 135, 155]
    regime = replace(REGIME, stale_after_ms=130_000)
    bench = a_regime_bench(closes, regime=regime, exchange_type=MuteCandles)

    async def script(engine: Engine) -> None:
        await until(bench, 6 + 10 / 60)
        assert (resting(bench, Leg.ENTRY), blocks(engine)) == ([0, 1, 2, 3, 4], ())
        await until(bench, 6 + 11 / 60)
        late = "the next candle is late by 130 seconds"
        [block] = blocks(engine)
        assert block.what == "long entries"
        assert block.reason.startswith(f"the market is ranging: nothing new opens on this side: {late}; ")
        view = engine.snapshot().grids[0].regime
        assert view is not None
        assert (view.is_fresh, view.long_entries) == (False, NONE)
        await until_quiet(engine)

    engine = bench.run(script)
    assert [(name, rule) for _, name, rule in changes(bench)] == [(RANGING, ALL), (RANGING, NONE)]
    assert [text for text in told(engine, "candles") if "late" in text] == [
        "candles of BTC/USDT 1m are late, nothing opens: the next candle is late by 130 seconds"
    ]
    assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([], [])
    assert engine.coordinators["main"].books.ledger.cycles == 1
    assert_balanced(bench, engine)


def test_alternate_leaves_out_every_second_slot_and_cancels_no_exit() -> None:
    """It begins with the trend, when slots 5, 4 and 3 have been entered already."""
    effect = RegimeEffect(long_entries=ALTERNATE, short_entries=NONE)
    bench = a_regime_bench(FALL, regime=replace(REGIME, effects=replace(REGIME.effects, trending_down=effect)))

    async def script(engine: Engine) -> None:
        await until(bench, 16.9)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([0, 1, 2], [3, 4, 5])
        await until(bench, 18)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([0, 2], [3, 4, 5])
        [block] = blocks(engine)
        assert block.reason.startswith("the market is trending down: every second slot is left out: efficiency")
        await until(bench, 27.9)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([0], [2, 3, 4, 5])
        await until_quiet(engine)

    engine = bench.run(script)
    keys = [key_from_client_order_id(fact.client_order_id) for fact in bench.facts(CancelRequested)]
    assert [(key.slot, key.leg) for key in keys if key is not None] == [(1, Leg.ENTRY)]
    assert resting(bench, Leg.ENTRY) == [0, 1]
    assert_balanced(bench, engine)


def test_a_neutral_grid_says_which_side_is_blocked() -> None:
    """A rise takes the shorts away and leaves the longs; a grid that only buys is not blocked by it."""
    rise = [*QUIET[:6], *(155 + 4 * step for step in range(10)), *(191 + 2 * (step % 2) for step in range(6))]
    spec = a_spec(direction=Direction.NEUTRAL)
    for grid, expected in ((spec, ["short entries"]), (a_spec(), [])):
        bench = a_regime_bench(rise, spec=grid, balances={"BTC": D(10), "USDT": D(100_000)})

        async def script(engine: Engine, bench: Bench = bench, expected: Sequence[str] = expected) -> None:
            await until(bench, 20)
            assert [block.what for block in blocks(engine)] == expected

        bench.run(script)
        assert changes(bench)[-1][1:] == (UP, ALL)


# Gaps


def test_minutes_missing_in_the_middle_make_the_regime_unknown_with_the_gap_named_until_it_has_recovered() -> None:
    """Two are missing, four must follow; meanwhile nothing opens, and the exit of slot 5 goes on."""
    bench = a_regime_bench([155, 149.5, *QUIET], missing=(10, 11), regime=NEVER_LATE)

    async def script(engine: Engine) -> None:
        await until(bench, 13.5)
        gap = "2 candles missing from 2026-08-01 12:10 UTC"
        reason = f"nothing new opens on this side: {gap}; 4 more candles without a gap are needed"
        assert blocks(engine) == (BlockView(what="long entries", reason=f"the market is unknown: {reason}"),)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([], [5])
        await until(bench, 17.5)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([0, 1, 2, 3, 4], [5])
        await until_quiet(engine)

    engine = bench.run(script)
    assert [(minute, name) for minute, name, _ in changes(bench)][1:] == [(13.0, UNKNOWN), (17.0, RANGING)]
    assert_balanced(bench, engine)


def test_a_gap_longer_than_the_indicators_carry_on_over_starts_them_anew() -> None:
    """Four are missing where three may be: 55 candles have to come."""
    closes = [a_still_close(minute) for minute in range(FIRST, FIRST + 80)]
    bench = a_regime_bench(closes, missing=(10, 11, 12, 13), regime=NEVER_LATE)
    bench.run()
    assert [(minute, name) for minute, name, _ in changes(bench)][1:] == [(15.0, UNKNOWN), (14 + 55.0, RANGING)]
    reasons = bench.facts(RegimeChanged)[1].reasons
    assert reasons == ("4 candles missing from 2026-08-01 12:10 UTC", "1 of 55 candles")


def test_a_gap_of_the_streams_is_bridged_without_a_gap_in_the_candles_and_nothing_opens_meanwhile() -> None:
    """Down from 12:10:05 to 12:14:05, late from 12:11:10 on; three entries fill unseen and get their exits after it."""
    closes = [*QUIET[:7], *(150 - 8 * step for step in range(5)), *(118 + 2 * (step % 2) for step in range(14))]
    outage = Outage(from_ms=NOON_MS + 10 * MINUTE_MS + 5_000, until_ms=NOON_MS + 14 * MINUTE_MS + 5_000)
    bench = a_regime_bench(closes, options=SimulatedOptions(faults=FaultPlan(disconnects=(outage,))))

    async def script(engine: Engine) -> None:
        await until(bench, 11.5)
        placed = bench.exchange.placed.total()
        assert [block.what for block in blocks(engine)] == ["decisions"]
        view = engine.snapshot().grids[0].regime
        assert view is not None
        assert (view.is_fresh, view.detail) == (False, "the next candle is late by 30 seconds")
        await until(bench, 14)
        assert bench.exchange.placed.total() == placed
        await until(bench, 14.5)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([0, 1, 2], [3, 4, 5])
        await until_quiet(engine)

    engine = bench.run(script)
    assert told(engine, "kline", "candles") == [
        "kline subscription confirmed: BTC/USDT 1m, 100 candles loaded, first live candle 12:03",
        "candles of BTC/USDT 1m are late, nothing opens: the next candle is late by 10 seconds",
        "candles of BTC/USDT 1m are on time again",
        "kline stream of BTC/USDT 1m goes on, 4 candles fetched that were missed",
    ]
    assert changes(bench)[1:] == [(15.0, VOLATILE, NONE), (18.0, DOWN, NONE), (25.0, RANGING, ALL)]
    assert_balanced(bench, engine)


# Restarts


def test_a_restart_finds_another_market_and_the_regime_of_its_candles_not_of_the_journal() -> None:
    """The engine is away from minute 9 to 20, in which the market falls through the levels of 150 to 120."""
    bench = a_regime_bench(FALL)

    async def away(engine: Engine) -> None:
        await until(bench, 9)

    bench.run(away)
    run_on(bench.clock, lambda: until(bench, 20))

    async def again(engine: Engine) -> None:
        assert folded(bench.records()).regime == engine.coordinators["main"].books.regime
        await until(bench, 21)
        assert (resting(bench, Leg.ENTRY), resting(bench, Leg.EXIT)) == ([], [2, 3, 4, 5])
        await until_quiet(engine)

    engine = bench.run(again)
    assert changes(bench)[0][1:] == (RANGING, ALL)
    assert [(name, rule) for _, name, rule in changes(bench)] == [(RANGING, ALL), (DOWN, NONE), (RANGING, ALL)]
    assert folded(bench.records()).regime == engine.coordinators["main"].books.regime
    assert_balanced(bench, engine)


def test_a_restart_without_a_regime_lets_everything_through_again() -> None:
    bench = a_regime_bench(FALL)

    async def away(engine: Engine) -> None:
        await until(bench, 20)

    bench.run(away)
    assert (changes(bench)[-1][1:], resting(bench, Leg.ENTRY)) == ((DOWN, NONE), [])
    engine = sensing(bench, regime=None).run()
    assert (changes(bench)[-1][1:], resting(bench, Leg.ENTRY)) == ((UNKNOWN, ALL), [0, 1])
    assert bench.facts(RegimeChanged)[-1].reasons == ("no regime monitor is configured",)
    assert (blocks(engine), engine.snapshot().grids[0].regime) == ((), None)


def test_a_restart_with_other_settings_judges_anew() -> None:
    """What was ranging is blocked now, since ranging lets nothing through any more."""
    bench = a_regime_bench(QUIET)

    async def away(engine: Engine) -> None:
        await until(bench, 9)

    bench.run(away)
    assert resting(bench, Leg.ENTRY) == [0, 1, 2, 3, 4, 5]
    nothing = RegimeEffect(long_entries=NONE, short_entries=NONE)
    sensing(bench, regime=replace(REGIME, effects=replace(REGIME.effects, ranging=nothing))).run()
    assert [(name, rule) for _, name, rule in changes(bench)] == [(RANGING, ALL), (RANGING, NONE)]
    assert resting(bench, Leg.ENTRY) == []


# How often


@pytest.mark.parametrize(("dwell", "count"), [(1, 102), (7, 78), (20, 27)])
def test_no_regime_of_a_restless_market_is_shorter_than_its_dwell(dwell: int, count: int) -> None:
    """Ten hours that turn every few minutes: at most one change per dwell, and many without one."""
    closes = [155 + 14 * sin(minute / 4) + 9 * sin(minute / 2.3) for minute in range(FIRST, FIRST + 600)]
    each = PerRegime(ranging=dwell, trending_up=dwell, trending_down=dwell, volatile=dwell, unknown=1)
    bench = a_regime_bench(closes, regime=replace(REGIME, dwell=each))
    engine = bench.run()
    facts = bench.facts(RegimeChanged)
    named = [fact for before, fact in pairwise(facts) if before.name is not fact.name]
    lasted = [(after.since_ms - before.since_ms) // MINUTE_MS for before, after in pairwise(named)]
    assert min(lasted) >= dwell
    assert len(named) <= 600 // dwell
    assert len(named) == count
    assert_balanced(bench, engine)

"""The regime monitor: started, confirmed, never late unnoticed, and nothing opens on what is not fresh."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from engine.core.regime import classify, first_state
from engine.model.errors import Transient
from engine.model.regime import (
    EXITS_ONLY,
    Candle,
    EntryRule,
    Hysteresis,
    PerRegime,
    RegimeEffect,
    RegimeName,
    RegimeSettings,
)
from engine.model.snapshot import Connection
from engine.runtime.candle_feed import START_SECONDS
from engine.runtime.regime_monitor import RegimeMonitor
from tests.runtime.candle_builders import (
    BTC,
    ETH,
    INFO,
    MINUTE_MS,
    START_MS,
    WARNING,
    Scene,
    a_candle,
    minutes,
    settled,
)

SETTINGS = RegimeSettings(
    interval_ms=MINUTE_MS,
    history=40,
    adx_candles=5,
    efficiency_candles=10,
    choppiness_candles=5,
    atr_candles=5,
    volatility_candles=5,
    ema_candles=8,
    slope_candles=2,
    efficiency=Hysteresis(0.6, 0.3),
    dwell=PerRegime(ranging=1, trending_up=3, trending_down=3, volatile=3, unknown=1),
    gap_max=3,
    gap_recovery=4,
    stale_after_ms=10_000,
)
HISTORY = minutes(-37, 2)
NORMAL = RegimeEffect(long_entries=EntryRule.ALL, short_entries=EntryRule.ALL)
LATE_MS = 30_000 + SETTINGS.stale_after_ms
"""Minute 3 closes at 12:04 and may be told until its patience is over, so many milliseconds after the start."""


class MonitorScene(Scene):
    """One monitor of BTC/USDT on candles of a minute."""

    def __init__(self, candles: Iterable[Candle] = HISTORY, settings: RegimeSettings = SETTINGS) -> None:
        super().__init__(candles)
        self.monitor = RegimeMonitor(
            BTC,
            settings,
            exchange=self.exchange.port,
            clock=self.clock,
            tell=self.tell,
            changed=self.changed,
        )

    @asynccontextmanager
    async def started(self) -> AsyncIterator[RegimeMonitor]:
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.monitor.run)
            yield self.monitor
            tasks.cancel_scope.cancel()

    def play(self, script: Callable[[RegimeMonitor], Awaitable[None]]) -> None:
        """Start the monitor and run ``script`` beside it."""

        async def life() -> None:
            async with self.started() as monitor:
                await script(monitor)

        self.run(life)

    def close(self, *candles: Candle) -> None:
        """Candles of the stream close."""
        for candle in candles:
            self.monitor.on_candle(BTC, MINUTE_MS, candle, True)


def test_seed_002_5_a_started_monitor_knows_the_regime_and_confirms_its_subscription() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        assert scene.elapsed_ms == 0
        assert (monitor.state.name, monitor.is_fresh, monitor.effect()) == (RegimeName.RANGING, True, NORMAL)
        monitor.on_candle(BTC, MINUTE_MS, a_candle(3), False)

    scene.play(script)
    reasons = "; ".join(scene.monitor.state.reasons)
    assert scene.exchange.watched == [(BTC, MINUTE_MS)]
    assert scene.told == [
        (f"regime of BTC/USDT 1m changed from unknown to ranging: {reasons}", INFO),
        ("kline subscription confirmed: BTC/USDT 1m, 40 candles loaded, first live candle 12:03", INFO),
    ]
    assert scene.changes == [0]


def test_seed_002_5_a_monitor_that_was_never_started_opens_nothing_and_says_so() -> None:
    monitor = MonitorScene().monitor
    view = monitor.view(None)
    assert (monitor.state.name, monitor.is_fresh, monitor.effect()) == (RegimeName.UNKNOWN, False, EXITS_ONLY)
    assert (view.is_fresh, view.detail, view.long_entries) == (False, "no candle yet", EntryRule.NONE)


def test_mm_024_the_view_is_the_state_at_the_clock() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        view = monitor.view(None)
        assert (view.name, view.candles, view.candle_ms) == (RegimeName.RANGING, 40, a_candle(2).open_ms)
        assert (view.detail, view.is_fresh, view.reasons) == ("", True, monitor.state.reasons)
        await anyio.sleep((LATE_MS + 1) / 1000)
        assert (monitor.view(None).is_fresh, monitor.view(None).long_entries) == (False, EntryRule.NONE)
        assert monitor.view(None).detail == "the next candle is late by 10 seconds"

    scene.play(script)


def test_033b_every_change_is_told_once_with_the_figures_that_caused_it() -> None:
    """A rally and a storm after forty quiet minutes; the monitor says what a fold of the same candles says."""
    closes = [*(100 + 2 * index for index in range(12)), *(122 + 30 * (index % 2) for index in range(6))]
    candles = [a_candle(3 + index, close) for index, close in enumerate(closes)]
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        for index, candle in enumerate(candles):
            await scene.until(4 + index)
            scene.close(candle)

    scene.play(script)
    state, expected = first_state(SETTINGS, START_MS), []
    for candle in [*HISTORY, *candles]:
        before, state = state, classify(SETTINGS, state, candle)
        if state.name is not before.name and candle.open_ms >= a_candle(2).open_ms:
            reasons = "; ".join(state.reasons)
            expected.append(f"regime of BTC/USDT 1m changed from {before.name} to {state.name}: {reasons}")
    assert scene.monitor.state == state
    assert [text.split(":")[0] for text in expected] == [
        "regime of BTC/USDT 1m changed from ranging to trending_up",
        "regime of BTC/USDT 1m changed from trending_up to volatile",
    ]
    assert [text for text in scene.texts if text.startswith("regime")][1:] == expected
    # The last is no change of the regime: the trend under the storm is no longer seen, so shorts may open again.
    assert scene.changes == [0, 390_000, 810_000, 870_000]


def test_l_31_a_regime_that_stays_tells_and_changes_nothing() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        for minute in range(3, 60):
            await scene.until(minute + 1)
            scene.close(a_candle(minute))

    scene.play(script)
    assert len(scene.told) == 2
    assert scene.changes == [0]


def test_too_little_history_is_told_and_the_regime_stays_unknown() -> None:
    scene = MonitorScene(minutes(0, 2))

    async def script(monitor: RegimeMonitor) -> None:
        assert (monitor.is_fresh, monitor.effect()) == (True, EXITS_ONLY)

    scene.play(script)
    needed = SETTINGS.candles_needed
    assert scene.told == [(f"regime of BTC/USDT 1m is unknown: 3 of {needed} candles", WARNING)]


def test_a_candle_is_late_one_millisecond_after_its_patience_and_on_time_again_when_it_comes() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        await anyio.sleep(LATE_MS / 1000)
        await settled()
        assert (monitor.is_fresh, monitor.effect(), scene.changes) == (True, NORMAL, [0])
        await anyio.sleep(0.001)
        await settled()
        assert (monitor.is_fresh, monitor.effect(), scene.changes) == (False, EXITS_ONLY, [0, LATE_MS + 1])
        await anyio.sleep(5)
        scene.close(a_candle(3))
        assert (monitor.is_fresh, monitor.effect()) == (True, NORMAL)

    scene.play(script)
    assert scene.changes == [0, LATE_MS + 1, LATE_MS + 5_001]
    assert scene.told[1:] == [
        ("candles of BTC/USDT 1m are late, nothing opens: the next candle is late by 10 seconds", WARNING),
        ("candles of BTC/USDT 1m are on time again", INFO),
        ("kline subscription confirmed: BTC/USDT 1m, 40 candles loaded, first live candle 12:03", INFO),
    ]


def test_lateness_is_told_once_however_long_it_lasts_and_no_clock_is_polled() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        await anyio.sleep(LATE_MS / 1000 + 1)
        # The one that there is ends a test that hangs.
        assert _timers() == 1
        await anyio.sleep(30 * 86_400)

    scene.play(script)
    assert [level for _, level in scene.told] == [INFO, WARNING]
    assert scene.changes == [0, LATE_MS + 1]


def _timers() -> int:
    """Timers of the running loop that have not rung."""
    return len([timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()])  # type: ignore[attr-defined]


def test_a_candle_in_time_moves_the_moment_at_which_the_next_is_late() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        await scene.until(4)
        scene.close(a_candle(3))
        await anyio.sleep(300)

    scene.play(script)
    assert scene.changes == [0, LATE_MS + MINUTE_MS + 1]


def test_a_history_that_ends_too_early_is_late_at_once() -> None:
    scene = MonitorScene(minutes(-60, -10))

    async def script(monitor: RegimeMonitor) -> None:
        assert (monitor.state.name, monitor.effect()) == (RegimeName.RANGING, EXITS_ONLY)

    scene.play(script)
    assert scene.told[-1] == (
        "candles of BTC/USDT 1m are late, nothing opens: the next candle is late by 690 seconds",
        WARNING,
    )


def test_l_02_a_monitor_without_history_is_started_after_its_time_opens_nothing_and_goes_on_trying() -> None:
    scene = MonitorScene()
    scene.exchange.errors = [Transient("busy", retry_after_seconds=15.0), Transient("busy", retry_after_seconds=15.0)]

    async def script(monitor: RegimeMonitor) -> None:
        assert scene.elapsed_ms == START_SECONDS * 1000
        assert (monitor.is_fresh, monitor.effect()) == (False, EXITS_ONLY)
        await anyio.sleep(10)
        await settled()
        assert (monitor.state.name, monitor.is_fresh, monitor.effect()) == (RegimeName.RANGING, True, NORMAL)

    scene.play(script)
    assert [(text.split(":")[0], level) for text, level in scene.told] == [
        ("candles of BTC/USDT 1m cannot be loaded yet", WARNING),
        ("candles of BTC/USDT 1m are late, nothing opens", WARNING),
        ("regime of BTC/USDT 1m changed from unknown to ranging", INFO),
        ("candles of BTC/USDT 1m are on time again", INFO),
    ]
    assert scene.changes == [30_000]


def test_a_request_that_is_never_answered_does_not_keep_the_engine_from_starting() -> None:
    scene = MonitorScene()
    scene.exchange.is_hanging = True

    async def script(monitor: RegimeMonitor) -> None:
        assert scene.elapsed_ms == START_SECONDS * 1000
        assert monitor.effect() == EXITS_ONLY

    scene.play(script)


def test_l_01_a_live_candle_during_a_long_history_holds_nothing_up() -> None:
    """The stream speaks while history is loaded and folded; nothing waits for anything."""
    scene = MonitorScene()
    scene.exchange.latency_seconds = 15

    async def life() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scene.monitor.run)
            await anyio.sleep(10)
            scene.monitor.on_candle(BTC, MINUTE_MS, a_candle(3), False)
            assert scene.monitor.effect() == EXITS_ONLY
            await anyio.sleep(5)
            await settled()
            assert scene.monitor.effect() == NORMAL
            tasks.cancel_scope.cancel()

    scene.run(life)
    assert scene.texts[0] == "kline subscription confirmed: BTC/USDT 1m, 40 candles loaded, first live candle 12:03"


def test_a_gap_of_the_streams_is_bridged_before_the_regime_goes_on() -> None:
    """Minutes 3 to 7 are missed; fetched, they leave the state that a whole stream leaves."""
    scene = MonitorScene()
    scene.exchange.candles[BTC].extend(minutes(3, 9))

    async def script(monitor: RegimeMonitor) -> None:
        monitor.on_candle(BTC, MINUTE_MS, a_candle(3), False)
        monitor.on_connection(Connection.DISCONNECTED)
        await scene.until(8, 30_000)
        assert monitor.effect() == EXITS_ONLY
        monitor.on_connection(Connection.CONNECTED)
        await settled()
        assert monitor.effect() == NORMAL
        await scene.until(9)
        scene.close(a_candle(8))

    scene.play(script)
    whole = first_state(SETTINGS, START_MS)
    for candle in minutes(-37, 8):
        whole = classify(SETTINGS, whole, candle)
    assert scene.monitor.state == whole
    assert scene.texts[-1] == "kline stream of BTC/USDT 1m goes on, 5 candles fetched that were missed"


def test_candles_that_nobody_has_leave_the_regime_unknown_with_the_gap_named() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        await scene.until(6)
        scene.close(a_candle(5))
        await anyio.sleep(5)
        assert (monitor.state.name, monitor.effect()) == (RegimeName.UNKNOWN, EXITS_ONLY)
        assert monitor.view(None).detail.startswith("2 candles missing from 2026-08-01 12:03 UTC")

    scene.play(script)
    gap = "2 candles missing from 2026-08-01 12:03 UTC; 4 more candles without a gap are needed"
    assert (f"regime of BTC/USDT 1m changed from ranging to unknown: {gap}", WARNING) in scene.told


def test_candles_of_other_markets_and_intervals_are_ignored() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        before = monitor.state
        await scene.until(4)
        monitor.on_candle(ETH, MINUTE_MS, a_candle(3), True)
        monitor.on_candle(BTC, 15 * MINUTE_MS, a_candle(3), True)
        assert monitor.state is before

    scene.play(script)
    assert len(scene.told) == 1


def test_after_the_end_of_the_market_nobody_complains_of_lateness_and_nothing_opens() -> None:
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        monitor.on_connection(Connection.ENDED)
        await anyio.sleep(86_400)
        assert monitor.effect() == EXITS_ONLY

    scene.play(script)
    assert [level for _, level in scene.told] == [INFO]


def test_a_market_that_ends_while_history_is_loaded_is_not_late_either() -> None:
    scene = MonitorScene(minutes(-60, -10))
    scene.monitor.on_connection(Connection.ENDED)

    async def script(monitor: RegimeMonitor) -> None:
        await anyio.sleep(86_400)

    scene.play(script)
    assert [level for _, level in scene.told] == [INFO]


def test_a_rule_that_a_setting_changes_is_what_the_monitor_lets_through() -> None:
    """Where a ranging market may only exit, freshness changes what is fresh and not what opens."""
    effects = replace(SETTINGS.effects, ranging=EXITS_ONLY)
    scene = MonitorScene(settings=replace(SETTINGS, effects=effects))

    async def script(monitor: RegimeMonitor) -> None:
        assert monitor.effect() == EXITS_ONLY
        await anyio.sleep((LATE_MS + 1) / 1000)
        await settled()

    scene.play(script)
    assert scene.changes == [0, LATE_MS + 1]


@pytest.mark.parametrize("seconds", [0, 1, 4, 7, 20, 30, 200])
def test_a_monitor_that_is_cancelled_at_any_wait_leaves_nothing_behind(seconds: float) -> None:
    scene = MonitorScene()
    scene.exchange.errors = [Transient("busy", retry_after_seconds=2.0)]
    scene.exchange.latency_seconds = 3

    async def script() -> None:
        with anyio.move_on_after(seconds):
            await scene.monitor.run()
        told, changes = list(scene.told), list(scene.changes)
        assert scene.exchange.under_way == 0
        await anyio.sleep(1_000)
        assert (scene.told, scene.changes, scene.exchange.under_way) == (told, changes, 0)
        assert len(asyncio.all_tasks()) == 1
        assert _timers() <= 1

    scene.run(script)


def test_however_many_candles_come_memory_stays_bounded() -> None:
    """The feed keeps the last candle, and the regime its windows; nothing grows with the candles seen."""
    scene = MonitorScene()

    async def script(monitor: RegimeMonitor) -> None:
        for minute in range(3, 300):
            await scene.until(minute + 1)
            scene.close(a_candle(minute))
            assert monitor._feed._waiting == {}
            assert len(monitor._feed._told) == 0

    scene.play(script)

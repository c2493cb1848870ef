"""The panic filter at work: quick on unfinished candles, honest when leaders cannot be seen, never silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product

import anyio
import pytest

from engine.core.panic import NO_CANDLES, Mood, PanicName
from engine.model.errors import Transient
from engine.model.regime import Candle
from engine.model.risk import BreakerKind, PanicSettings
from engine.model.snapshot import Connection
from engine.runtime.candle_feed import START_SECONDS
from engine.runtime.panic_monitor import PanicMonitor
from tests.runtime.candle_builders import BTC, ETH, INFO, MINUTE_MS, SOL, WARNING, Scene, a_candle, settled

SYMBOLS = (BTC, ETH, SOL)
SETTINGS = PanicSettings(symbols=SYMBOLS, trigger=2, recovery=3, average_window=4, stale_after_ms=10_000)
LATE_MS = 30_000 + SETTINGS.stale_after_ms
"""Minute 3 closes at 12:04 and may be told until its patience is over, so many milliseconds after the start."""


def steady(minute: int) -> Candle:
    """A minute in which nothing happens."""
    return a_candle(minute, close=100)


def falling(minute: int) -> Candle:
    """A minute below the mean, on ten times its volume."""
    return a_candle(minute, close=95, volume=100)


class PanicScene(Scene):
    """One filter over three leaders that have been steady for ten minutes."""

    def __init__(self, settings: PanicSettings = SETTINGS) -> None:
        super().__init__([steady(minute) for minute in range(-7, 3)], symbols=SYMBOLS)
        self.monitor = PanicMonitor(
            settings,
            exchange=self.exchange.port,
            clock=self.clock,
            tell=self.tell,
            changed=self.changed,
        )

    @asynccontextmanager
    async def started(self) -> AsyncIterator[PanicMonitor]:
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.monitor.run)
            yield self.monitor
            tasks.cancel_scope.cancel()

    def play(self, script: Callable[[PanicMonitor], Awaitable[None]]) -> None:
        """Start the filter and run ``script`` beside it."""

        async def life() -> None:
            async with self.started() as monitor:
                await script(monitor)

        self.run(life)

    def close(self, candle: Candle, *symbols: str) -> None:
        """A candle of these leaders closes; of all where none is named."""
        for symbol in symbols or SYMBOLS:
            self.monitor.on_candle(symbol, MINUTE_MS, candle, True)

    def form(self, candle: Candle, *symbols: str) -> None:
        """A candle of these leaders is as it is so far."""
        for symbol in symbols or SYMBOLS:
            self.monitor.on_candle(symbol, MINUTE_MS, candle, False)

    @property
    def words(self) -> list[str]:
        """What was told of the filter itself, without the figures."""
        return [text.split(":")[0] for text in self.texts if text.startswith("panic filter")]

    def says(self, name: PanicName) -> bool:
        """Whether this is what the filter says now."""
        return self.monitor.state.name is name

    @property
    def kinds(self) -> list[BreakerKind]:
        return [trip.kind for trip in self.monitor.trips()]


def test_seed_002_5_a_started_filter_sees_every_leader_and_confirms_every_subscription() -> None:
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        assert scene.elapsed_ms == 0
        assert (monitor.state.name, monitor.trips()) == (PanicName.CALM, ())
        scene.form(steady(3))

    scene.play(script)
    assert scene.exchange.watched == [(symbol, MINUTE_MS) for symbol in SYMBOLS]
    assert scene.exchange.asked == [(symbol, SETTINGS.average_window + 2) for symbol in SYMBOLS]
    assert scene.words == ["panic filter is calm"]
    assert scene.told[1:] == [
        (f"kline subscription confirmed: {symbol} 1m, 6 candles loaded, first live candle 12:03", INFO)
        for symbol in SYMBOLS
    ]


def test_seed_002_5_a_filter_that_was_never_started_blocks() -> None:
    scene = PanicScene()
    assert (scene.monitor.state.name, scene.kinds) == (PanicName.BLIND, [BreakerKind.LEADERS_UNSEEN])


def test_a_panic_trips_on_unfinished_candles_and_is_told_with_its_figures() -> None:
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        await anyio.sleep(1)
        scene.form(falling(3), BTC)
        assert monitor.trips() == ()
        scene.form(falling(3), ETH)
        assert scene.kinds == [BreakerKind.MARKET_PANIC]

    scene.play(script)
    figures = "unfinished candle at 95, below its mean of 100, on a volume of 100, above 3 times its mean of 10"
    text = f"panic filter changed from calm to panic: BTC/USDT: {figures}; ETH/USDT: {figures}"
    assert (text, WARNING) in scene.told
    assert scene.changes == [0, 1_000]


def test_a_panic_ends_on_closed_candles_of_enough_leaders() -> None:
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        scene.form(falling(3))
        scene.form(steady(3))
        assert scene.says(PanicName.CALM)
        scene.form(falling(3))
        await scene.until(4)
        scene.close(falling(3))
        assert scene.says(PanicName.PANIC)
        await scene.until(5)
        scene.close(steady(4), BTC, ETH)
        assert scene.says(PanicName.PANIC)
        scene.close(steady(4), SOL)
        assert scene.says(PanicName.CALM)

    scene.play(script)
    assert scene.words == [
        "panic filter is calm",
        "panic filter changed from calm to panic",
        "panic filter changed from panic to calm",
        "panic filter changed from calm to panic",
        "panic filter changed from panic to calm",
    ]


def test_a_leader_is_late_one_millisecond_after_its_patience_and_seen_again_when_its_candle_comes() -> None:
    """One of three is told and blocks nothing; with the second the filter is blind."""
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        await scene.until(4)
        scene.close(steady(3), BTC, ETH)
        await anyio.sleep((LATE_MS - scene.elapsed_ms) / 1000)
        await settled()
        assert _moods(monitor) == [Mood.NORMAL] * 3
        await anyio.sleep(0.001)
        await settled()
        assert _moods(monitor) == [Mood.NORMAL, Mood.NORMAL, Mood.UNSEEN]
        assert monitor.trips() == ()
        await anyio.sleep(60)
        await settled()
        assert scene.kinds == [BreakerKind.LEADERS_UNSEEN]
        await anyio.sleep(1)
        scene.exchange.candles = {symbol: [steady(minute) for minute in range(-7, 5)] for symbol in SYMBOLS}
        scene.close(steady(4))
        await settled()
        assert (_moods(monitor), monitor.trips()) == ([Mood.NORMAL] * 3, ())

    scene.play(script)
    assert scene.changes == [0, LATE_MS + 60_001, LATE_MS + 61_001]
    late = "the next closed candle is 10 s late, at most 10 s"
    assert [(text, level) for text, level in scene.told if text.startswith("leader")] == [
        (f"leader SOL/USDT 1m is unseen: {late}", WARNING),
        (f"leader BTC/USDT 1m is unseen: {late}", WARNING),
        (f"leader ETH/USDT 1m is unseen: {late}", WARNING),
        ("leader BTC/USDT 1m is seen again", INFO),
        ("leader ETH/USDT 1m is seen again", INFO),
        ("leader SOL/USDT 1m is seen again", INFO),
    ]
    assert scene.words == [
        "panic filter is calm",
        "panic filter changed from calm to blind",
        "panic filter changed from blind to calm",
    ]


def _moods(monitor: PanicMonitor) -> list[Mood]:
    return [leader.mood for leader in monitor.state.leaders]


def test_what_is_late_by_the_clock_is_late_before_the_loop_has_come_to_its_alarm() -> None:
    """The clock has passed the moment, and no task has run since."""
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        scene.clock.start_at(scene.clock.now_ms() + LATE_MS + 1)
        assert scene.says(PanicName.BLIND)
        assert scene.kinds == [BreakerKind.LEADERS_UNSEEN]

    scene.play(script)


def test_a_leader_that_the_exchange_does_not_know_is_told_once_and_is_not_fatal() -> None:
    scene = PanicScene()
    scene.exchange.unknown = frozenset((SOL,))

    async def script(monitor: PanicMonitor) -> None:
        assert (scene.elapsed_ms, monitor.state.name, monitor.trips()) == (0, PanicName.CALM, ())
        assert _moods(monitor) == [Mood.NORMAL, Mood.NORMAL, Mood.UNSEEN]
        for minute in range(3, 20):
            await scene.until(minute + 1)
            scene.close(steady(minute), BTC, ETH)
        scene.form(falling(20), BTC, ETH)
        assert scene.kinds == [BreakerKind.MARKET_PANIC]

    scene.play(script)
    of_sol = [told for told in scene.told if "SOL" in told[0]]
    assert of_sol == [("the exchange has no candles of SOL/USDT 1m: no market SOL/USDT", WARNING)]


def test_so_many_unknown_leaders_that_a_panic_would_pass_unnoticed_block_and_are_told() -> None:
    scene = PanicScene()
    scene.exchange.unknown = frozenset((ETH, SOL))

    async def script(monitor: PanicMonitor) -> None:
        assert scene.kinds == [BreakerKind.LEADERS_UNSEEN]
        await anyio.sleep(30)

    scene.play(script)
    none = "0 closed candles, 5 are needed"
    assert scene.told[-1] == (f"panic filter is blind: ETH/USDT: {none}; SOL/USDT: {none}", WARNING)
    assert scene.changes == []


def test_l_02_a_filter_without_candles_is_started_blind_after_its_time_and_goes_on_trying() -> None:
    scene = PanicScene()
    scene.exchange.errors = [Transient("busy", retry_after_seconds=30.0) for _ in SYMBOLS]

    async def script(monitor: PanicMonitor) -> None:
        assert scene.elapsed_ms == START_SECONDS * 1000
        assert scene.kinds == [BreakerKind.LEADERS_UNSEEN]
        await anyio.sleep(10)
        await settled()
        assert scene.kinds == []

    scene.play(script)
    assert scene.words == ["panic filter is blind", "panic filter changed from blind to calm"]
    assert scene.changes == [30_000]


def test_a_gap_of_the_streams_is_bridged_for_every_leader() -> None:
    scene = PanicScene()
    for candles in scene.exchange.candles.values():
        candles.extend(steady(minute) for minute in range(3, 9))

    async def script(monitor: PanicMonitor) -> None:
        scene.form(steady(3))
        monitor.on_connection(Connection.DISCONNECTED)
        await scene.until(8)
        assert scene.says(PanicName.BLIND)
        monitor.on_connection(Connection.CONNECTED)
        await settled()
        assert scene.says(PanicName.CALM)
        scene.form(steady(8))

    scene.play(script)
    assert scene.texts[-3:] == [
        f"kline stream of {symbol} 1m goes on, 5 candles fetched that were missed" for symbol in SYMBOLS
    ]


def test_only_the_candles_that_are_compared_are_kept() -> None:
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        for minute, _ in product(range(3, 200), range(2)):
            await scene.until(minute + 1)
            scene.close(steady(minute))
        kept = monitor._candles[BTC]
        assert kept.closed == tuple(steady(minute) for minute in range(194, 200))
        assert kept.forming is None

    scene.play(script)


def test_candles_of_other_symbols_and_intervals_are_ignored() -> None:
    scene = PanicScene(replace(SETTINGS, symbols=(BTC, ETH), recovery=2))

    async def script(monitor: PanicMonitor) -> None:
        scene.form(falling(3), SOL)
        for symbol in SYMBOLS:
            monitor.on_candle(symbol, 5 * MINUTE_MS, falling(3), False)
        assert monitor._candles.get(SOL, NO_CANDLES) is NO_CANDLES
        assert monitor.trips() == ()

    scene.play(script)


def test_after_the_end_of_the_market_nobody_complains_of_lateness_and_the_filter_blocks() -> None:
    scene = PanicScene()

    async def script(monitor: PanicMonitor) -> None:
        monitor.on_connection(Connection.ENDED)
        await anyio.sleep(86_400)
        assert scene.kinds == [BreakerKind.LEADERS_UNSEEN]

    scene.play(script)
    assert [level for _, level in scene.told] == [INFO]


@pytest.mark.parametrize("seconds", [0, 1, 4, 7, 20, 30, 200])
def test_a_filter_that_is_cancelled_at_any_wait_leaves_nothing_behind(seconds: float) -> None:
    scene = PanicScene()
    scene.exchange.errors = [Transient("busy", retry_after_seconds=2.0)]
    scene.exchange.latency_seconds = 3

    async def script() -> None:
        with anyio.move_on_after(seconds):
            await scene.monitor.run()
        told, changes = list(scene.told), list(scene.changes)
        await anyio.sleep(1_000)
        assert (scene.told, scene.changes, scene.exchange.under_way) == (told, changes, 0)
        assert len(asyncio.all_tasks()) == 1

    scene.run(script)

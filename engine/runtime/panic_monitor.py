"""The panic filter at work: the candles of all leading symbols, watched for a panic of the market.

Promises: ``changed`` is called at the moment at which what it blocks changes, by a candle or by the mere passing
of time; too few leaders to notice a panic block like one. A leader that the exchange does not know is told once
and stays unseen. The rules are in ``core/panic.py``, the way of the candles in ``candle_feed.py``.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import anyio
from anyio.abc import TaskStatus

from engine.core.panic import (
    NO_CANDLES,
    LeaderCandles,
    Mood,
    PanicName,
    PanicState,
    first_panic_state,
    next_panic,
    panic_trips,
)
from engine.exchange.port import Exchange
from engine.model.regime import Candle
from engine.model.risk import BreakerKind, PanicSettings, Trip
from engine.model.snapshot import Connection, EventLevel
from engine.runtime.alarm import Alarm
from engine.runtime.candle_feed import START_SECONDS, CandleFeed, Tell
from engine.runtime.clock import Clock

_SPARE = 2
"""Closed candles beside the window: the one that is judged, and one more."""


class PanicMonitor:
    """Watches all leaders for as long as ``run`` lives."""

    def __init__(
        self,
        settings: PanicSettings,
        *,
        exchange: Exchange,
        clock: Clock,
        tell: Tell,
        changed: Callable[[], None],
    ) -> None:
        kept = settings.average_window + _SPARE
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._changed = changed
        self._state = first_panic_state(clock.now_ms())
        self._closed: dict[str, deque[Candle]] = {symbol: deque(maxlen=kept) for symbol in settings.symbols}
        self._candles = dict.fromkeys(settings.symbols, NO_CANDLES)
        self._feeds = {
            symbol: CandleFeed(
                symbol,
                settings.interval_ms,
                history=kept,
                exchange=exchange,
                clock=clock,
                take=partial(self._take_candles, symbol),
                tell=tell,
            )
            for symbol in settings.symbols
        }
        self._alarm = Alarm(clock, self._look)
        self._is_expecting = False
        """Candles should be coming: history was loaded or waited for, and the market has not ended."""
        self._has_ended = False
        self._late_ms: int | None = None
        """When the next closed candle of a leader is late, for which the alarm is set."""
        self._told: PanicName | None = None
        self._told_unseen: set[str] = set()
        self._blocking = self._kinds()

    @property
    def state(self) -> PanicState:
        """What the filter says now."""
        # The loop may be behind its alarm: what is late by now is late, whether it has rung or not.
        now_ms = self._clock.now_ms()
        if self._late_ms is None or now_ms < self._late_ms:
            return self._state
        return next_panic(self._settings, self._state, self._candles, now_ms)

    def trips(self) -> tuple[Trip, ...]:
        """What blocks openings now: a panic, or that none could be noticed."""
        return panic_trips(self.state)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001 - as the port
        """A candle of the stream; those of other symbols and intervals are not for this monitor."""
        feed = self._feeds.get(symbol)
        if feed is None or interval_ms != self._settings.interval_ms:
            return
        if is_closed:
            feed.on_closed(candle)
        else:
            feed.on_forming(candle)
            self._keep(symbol)

    def on_connection(self, connection: Connection) -> None:
        """The streams came up, broke, or ended for good."""
        for feed in self._feeds.values():
            feed.on_connection(connection)
        if connection is Connection.ENDED:
            self._has_ended, self._is_expecting = True, False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled; started once all leaders are loaded, or after ``START_SECONDS`` without."""
        async with anyio.create_task_group() as tasks:
            for feed in self._feeds.values():
                tasks.start_soon(feed.run)
            tasks.start_soon(self._alarm.run)
            with anyio.move_on_after(START_SECONDS):
                for feed in self._feeds.values():
                    await feed.wait_loaded()
            self._is_expecting = not self._has_ended
            self._look()
            task_status.started()

    def _take_candles(self, symbol: str, candles: Sequence[Candle]) -> None:
        self._closed[symbol].extend(candles)
        self._keep(symbol)

    def _keep(self, symbol: str) -> None:
        """A leader's candles as they are now, and what they mean."""
        self._candles[symbol] = LeaderCandles(closed=tuple(self._closed[symbol]), forming=self._feeds[symbol].forming)
        self._look()

    def _look(self) -> None:
        """Something may have changed, or the moment has come at which a leader's next candle is late."""
        before, now_ms = self._state, self._clock.now_ms()
        self._state = next_panic(self._settings, before, self._candles, now_ms)
        self._late_ms = self._next_late_ms(now_ms)
        self._alarm.set(self._late_ms)
        self._tell_leaders(before)
        self._tell_state()
        blocking = self._kinds()
        if blocking != self._blocking:
            self._blocking = blocking
            self._changed()

    def _next_late_ms(self, now_ms: int) -> int | None:
        """The next moment at which a candle is late that is not late yet."""
        patience_ms = 2 * self._settings.interval_ms + self._settings.stale_after_ms + 1
        moments = (feed.last.open_ms + patience_ms for feed in self._feeds.values() if feed.last is not None)
        return min((moment for moment in moments if moment > now_ms), default=None)

    def _kinds(self) -> tuple[BreakerKind, ...]:
        return tuple(trip.kind for trip in panic_trips(self._state))

    def _tell_leaders(self, before: PanicState) -> None:
        """Who can no longer be seen, and who can again; who never could has been told by the feed."""
        were_seen = {leader.symbol for leader in before.leaders if leader.mood is not Mood.UNSEEN}
        for leader in self._state.leaders:
            name = self._feeds[leader.symbol].name
            if leader.mood is not Mood.UNSEEN and leader.symbol in self._told_unseen:
                self._told_unseen.remove(leader.symbol)
                self._tell(f"leader {name} is seen again", EventLevel.INFO)
            elif leader.mood is Mood.UNSEEN and leader.symbol in were_seen and self._is_expecting:
                self._told_unseen.add(leader.symbol)
                self._tell(f"leader {name} is unseen: {leader.reason}", EventLevel.WARNING)

    def _tell_state(self) -> None:
        name, before = self._state.name, self._told
        # Before the leaders are loaded, and after the market has ended, nobody expects to see anything.
        if name is before or (name is PanicName.BLIND and not self._is_expecting):
            return
        self._told = name
        said = f"panic filter is {name}" if before is None else f"panic filter changed from {before} to {name}"
        level = EventLevel.INFO if name is PanicName.CALM else EventLevel.WARNING
        self._tell(f"{said}: {self._state.reason}" if self._state.reason else said, level)

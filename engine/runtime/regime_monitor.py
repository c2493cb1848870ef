"""The regime of one market, kept from its candles: what it is, what it lets through, and whether that is still true.

Promises: ``changed`` is called at the moment at which the regime, what may open, or its freshness changes, by a
candle or by the mere passing of time; nothing opens while it is not fresh. Every change and every lateness is told.
The rules are in ``core/regime.py``, the way of the candles in ``candle_feed.py``.
"""

from collections.abc import Callable, Sequence

import anyio
from anyio.abc import TaskStatus

from engine.core import regime
from engine.core.regime import RegimeState
from engine.exchange.port import Exchange
from engine.model.regime import Candle, RegimeEffect, RegimeName, RegimeSettings, RegimeView, ShadowView
from engine.model.snapshot import Connection, EventLevel
from engine.runtime.alarm import Alarm
from engine.runtime.candle_feed import START_SECONDS, CandleFeed, Tell
from engine.runtime.clock import Clock


class RegimeMonitor:
    """Keeps the regime of one market for as long as ``run`` lives."""

    def __init__(
        self,
        symbol: str,
        settings: RegimeSettings,
        *,
        exchange: Exchange,
        clock: Clock,
        tell: Tell,
        changed: Callable[[], None],
    ) -> None:
        self._symbol = symbol
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._changed = changed
        self._state = regime.first_state(settings, clock.now_ms())
        self._feed = CandleFeed(
            symbol,
            settings.interval_ms,
            history=settings.history,
            exchange=exchange,
            clock=clock,
            take=self._take_candles,
            tell=tell,
        )
        self._alarm = Alarm(clock, self._look)
        self._is_expecting = False
        """Candles should be coming: history was loaded or waited for, and the market has not ended."""
        self._has_ended = False
        self._is_told_late = False
        self._seen = self._outcome()

    @property
    def state(self) -> RegimeState:
        """The regime after the newest closed candle."""
        return self._state

    @property
    def is_fresh(self) -> bool:
        """Whether the newest closed candle is the newest that there can be."""
        return regime.is_fresh(self._settings, self._state, self._clock.now_ms())

    def effect(self) -> RegimeEffect:
        """What may open now; nothing while the regime is not fresh."""
        return regime.effect_now(self._settings, self._state, self._clock.now_ms())

    def view(self, shadow: ShadowView | None) -> RegimeView:
        """What a terminal sees."""
        return regime.view(self._settings, self._state, self._clock.now_ms(), shadow)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001 - as the port
        """A candle of the stream; those of other markets and intervals are not for this monitor."""
        if symbol != self._symbol or interval_ms != self._settings.interval_ms:
            return
        if is_closed:
            self._feed.on_closed(candle)
        else:
            self._feed.on_forming(candle)

    def on_connection(self, connection: Connection) -> None:
        """The streams came up, broke, or ended for good."""
        self._feed.on_connection(connection)
        if connection is Connection.ENDED:
            self._has_ended, self._is_expecting = True, False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the regime until cancelled; started once history is loaded, or after ``START_SECONDS`` without."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed.run)
            tasks.start_soon(self._alarm.run)
            with anyio.move_on_after(START_SECONDS):
                await self._feed.wait_loaded()
            self._is_expecting = not self._has_ended
            self._look()
            task_status.started()

    def _take_candles(self, candles: Sequence[Candle]) -> None:
        begin = self._state
        for candle in candles:
            before = self._state
            self._state = regime.classify(self._settings, before, candle)
            if begin.last is not None:
                self._tell_change(before.name)
        if begin.last is None:
            self._tell_first(begin.name)
        self._alarm.set(candles[-1].open_ms + 2 * self._settings.interval_ms + self._settings.stale_after_ms + 1)
        self._look()

    def _tell_first(self, before: RegimeName) -> None:
        """What history went through before anybody watched is no change; where it has ended is told."""
        if self._state.name is before:
            self._tell(f"regime of {self._feed.name} is {before}: {'; '.join(self._state.reasons)}", EventLevel.WARNING)
        else:
            self._tell_change(before)

    def _tell_change(self, before: RegimeName) -> None:
        now = self._state
        if now.name is before:
            return
        level = EventLevel.WARNING if now.name is RegimeName.UNKNOWN else EventLevel.INFO
        reasons = "; ".join(now.reasons)
        self._tell(f"regime of {self._feed.name} changed from {before} to {now.name}: {reasons}", level)

    def _look(self) -> None:
        """Something may have changed, or the moment has come at which the next candle is late."""
        outcome = self._outcome()
        self._tell_lateness()
        if outcome != self._seen:
            self._seen = outcome
            self._changed()

    def _outcome(self) -> tuple[RegimeName, RegimeEffect, bool]:
        return self._state.name, self.effect(), self.is_fresh

    def _tell_lateness(self) -> None:
        if self.is_fresh:
            if self._is_told_late:
                self._is_told_late = False
                self._tell(f"candles of {self._feed.name} are on time again", EventLevel.INFO)
        elif self._is_expecting and not self._is_told_late:
            self._is_told_late = True
            detail = self.view(None).detail
            self._tell(f"candles of {self._feed.name} are late, nothing opens: {detail}", EventLevel.WARNING)

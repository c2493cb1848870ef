"""MarketWatch: every monitor of the markets that the grids need, started with the engine and part of its health."""

from collections.abc import Callable, Sequence

from anyio.abc import TaskGroup

from engine.exchange.port import Exchange
from engine.model.events import RegimeChanged
from engine.model.grid import GridSpec
from engine.model.regime import Candle, RegimeSettings, RegimeView, ShadowView
from engine.model.risk import PanicSettings, Trip
from engine.model.snapshot import Connection
from engine.runtime.candle_feed import Tell
from engine.runtime.clock import Clock
from engine.runtime.health import Roster
from engine.runtime.panic_monitor import PanicMonitor
from engine.runtime.regime_monitor import RegimeMonitor
from engine.settings import Settings


class WatchedRegime:
    """The regime of one market, as the grids on it see it."""

    def __init__(self, monitor: RegimeMonitor, settings: RegimeSettings) -> None:
        self.monitor = monitor
        self._settings = settings

    def now(self) -> RegimeChanged:
        """The regime as it stands, with what it lets through; nothing while it is not fresh."""
        state, effect = self.monitor.state, self.monitor.effect()
        reasons = state.reasons if self.monitor.is_fresh else (self.monitor.view(None).detail, *state.reasons)
        return RegimeChanged(
            name=state.name,
            since_ms=state.since_ms,
            reasons=reasons,
            long_entries=effect.long_entries,
            short_entries=effect.short_entries,
        )

    def view(self, shadow: ShadowView | None) -> RegimeView:
        """What a terminal sees."""
        return self.monitor.view(shadow)

    def candles_age_ms(self, now_ms: int) -> int | None:
        """For how long a candle has been overdue; None before the first."""
        last = self.monitor.state.last
        return None if last is None else max(0, now_ms - last.open_ms - 2 * self._settings.interval_ms)


class MarketWatch:
    """One regime monitor per market and way of judging it, one panic monitor per set of leaders.

    ``changed`` is called when a grid may have to decide again.
    """

    def __init__(
        self, settings: Settings, *, exchange: Exchange, clock: Clock, tell: Tell, changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._regimes: dict[tuple[str, RegimeSettings], WatchedRegime] = {}
        self._panics: dict[PanicSettings, PanicMonitor] = {}
        for spec in settings.grids:
            judged, panic = settings.regime_of(spec.name), settings.risk_of(spec.name).panic
            if judged is not None and (spec.symbol, judged) not in self._regimes:
                monitor = RegimeMonitor(spec.symbol, judged, exchange=exchange, clock=clock, tell=tell, changed=changed)
                self._regimes[spec.symbol, judged] = WatchedRegime(monitor, judged)
            if panic is not None and panic not in self._panics:
                self._panics[panic] = PanicMonitor(panic, exchange=exchange, clock=clock, tell=tell, changed=changed)

    def regime_of(self, spec: GridSpec) -> WatchedRegime | None:
        """The regime that a grid listens to; None: to none."""
        judged = self._settings.regime_of(spec.name)
        return None if judged is None else self._regimes[spec.symbol, judged]

    def panic_trips_of(self, spec: GridSpec) -> Callable[[], tuple[Trip, ...]]:
        """What the leaders say that a grid listens to."""
        panic = self._settings.risk_of(spec.name).panic
        return tuple if panic is None else self._panics[panic].trips

    def enlist(self, roster: Roster) -> None:
        """The engine does not run before every monitor has reported in."""
        for symbol, _ in self._regimes:
            roster.enlist(f"regime {symbol}", "loading candles")
        for panic in self._panics:
            roster.enlist(_panic_name(panic), "loading candles")

    async def start(self, parts: TaskGroup, roster: Roster) -> None:
        """Start every monitor; returns once each has loaded its history, or goes on without."""
        for (symbol, _), watched in self._regimes.items():
            await parts.start(watched.monitor.run)
            view = watched.view(None)
            roster.report_in(f"regime {symbol}", view.name if view.is_fresh else view.detail)
        for panic, monitor in self._panics.items():
            await parts.start(monitor.run)
            roster.report_in(_panic_name(panic), monitor.state.name)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001 - as the port
        """A candle came."""
        for monitor in self._monitors():
            monitor.on_candle(symbol, interval_ms, candle, is_closed)

    def on_connection(self, connection: Connection) -> None:
        """The streams came up, broke, or ended."""
        for monitor in self._monitors():
            monitor.on_connection(connection)

    def _monitors(self) -> Sequence[RegimeMonitor | PanicMonitor]:
        return [*(watched.monitor for watched in self._regimes.values()), *self._panics.values()]


def _panic_name(panic: PanicSettings) -> str:
    return f"panic filter {', '.join(panic.symbols)}"

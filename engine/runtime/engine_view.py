"""The snapshot of the whole engine: numbered, built when somebody looks."""

from typing import Protocol

from engine.exchange.port import Balance, Exchange
from engine.model.grid import GridSpec, GridState
from engine.model.money import ONE, ZERO
from engine.model.snapshot import (
    BalanceView,
    BlockView,
    Connection,
    EngineSnapshot,
    EngineState,
    GridSnapshot,
    Mode,
)
from engine.runtime.clock import Clock
from engine.runtime.health import Roster
from engine.runtime.views import NO_PROFIT, GridViewer
from engine.settings import Settings


class Viewed(Protocol):
    """What of an engine is shown."""

    settings: Settings
    exchange: Exchange
    roster: Roster
    state: EngineState
    state_reason: str
    connection: Connection

    @property
    def balances(self) -> dict[str, Balance]:
        """The account's balances."""

    @property
    def clock(self) -> Clock:
        """The engine's time."""


class EngineViewer:
    """Builds the snapshots of one engine; their sequence rises by one each time."""

    def __init__(self, engine: Viewed) -> None:
        self._engine = engine
        self._grids: dict[str, GridViewer] = {}
        self._sequence = 0
        self._started_ms = engine.clock.now_ms()
        self._lag_ms = 0.0

    def note_lag(self, milliseconds: float) -> None:
        """How long a call waited for the engine's loop; shown as the worst of late, fading."""
        self._lag_ms = max(milliseconds, self._lag_ms * 0.9)

    def add(self, name: str, viewer: GridViewer) -> None:
        """Show a grid that has been opened."""
        self._grids[name] = viewer

    def snapshot(self) -> EngineSnapshot:
        """The engine as it is now."""
        engine = self._engine
        settings = engine.settings
        is_real = settings.engine.mode is not Mode.SIMULATION
        self._sequence += 1
        return EngineSnapshot(
            sequence=self._sequence,
            at_ms=engine.clock.now_ms(),
            started_ms=self._started_ms,
            mode=settings.engine.mode,
            exchange=engine.exchange.name,
            connection=engine.connection,
            state=engine.state,
            state_reason=engine.state_reason,
            speed=engine.clock.speed,
            loop_lag_ms=self._lag_ms,
            parts=engine.roster.parts(),
            balances=tuple(
                BalanceView(currency=currency, free=balance.free, locked=balance.locked)
                for currency, balance in sorted(engine.balances.items())
            ),
            grids=tuple(self._grid(spec) for spec in settings.grids),
            exchange_id=settings.exchange.id if is_real else "",
            is_sandbox=is_real and settings.exchange.sandbox,
            on_exit=settings.engine.on_exit,
        )

    def _grid(self, spec: GridSpec) -> GridSnapshot:
        viewer = self._grids.get(spec.name)
        return viewer.snapshot() if viewer is not None else _not_yet_open(spec)


def _not_yet_open(spec: GridSpec) -> GridSnapshot:
    base, _, quote = spec.symbol.partition("/")
    reason = f"waiting for the first price of {spec.symbol}"
    return GridSnapshot(
        name=spec.name,
        symbol=spec.symbol,
        base=base,
        quote=quote,
        tick_size=ONE,
        lot_size=ONE,
        state=GridState.STARTING,
        state_reason=reason,
        price=None,
        price_at_ms=0,
        anchor=None,
        window=spec.window,
        slots=(),
        blocks=(BlockView(what="everything", reason=reason),),
        profit=NO_PROFIT,
        cash=ZERO,
        inventory=ZERO,
        dust=ZERO,
        invested=ZERO,
        cycles=0,
    )

"""What the user decided, as frozen values: complete, consistent in themselves, amounts exact, paths absolute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.model.grid import Disposal, GridSpec
from engine.model.market import FeeCurrency
from engine.model.reconcile import DEFAULT_POLICY, Policy
from engine.model.regime import RegimeSettings
from engine.model.risk import RiskSettings
from engine.model.snapshot import Mode

ASK = "ask"
"""How ``[reconcile]`` writes that a person is asked; a ``Policy`` has None there."""
FUNDING_RATE = Decimal("0.0001")
"""What most perpetual swaps take as the rate of an interval in which nothing happens."""


class MarketType(StrEnum):
    SPOT = "spot"
    SWAP = "swap"


class Source(StrEnum):
    """Where simulated prices come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"


class FillRule(StrEnum):
    """When a resting order of the simulated exchange fills."""

    THROUGH = "through"
    """The price goes through the order's price."""
    TOUCH = "touch"
    """The price reaches the order's price."""


class JournalKind(StrEnum):
    FILE = "file"
    MEMORY = "memory"
    """Nothing is kept; for headless replays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """``state_dir`` is absolute; everything the program writes lies under it.

    ``reconcile_seconds`` is wall time, 0 for no period; a simulation multiplies it by its speed.
    """

    mode: Mode
    state_dir: Path
    reconcile_seconds: float
    on_exit: Disposal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """The real exchange of paper and live; ``keys`` says where the keys are and never holds one.

    A path in ``keys`` is absolute. ``dead_man_seconds`` after which the exchange cancels everything if it hears
    nothing; 0: never.
    """

    id: str
    market_type: MarketType
    sandbox: bool
    keys: str
    ccxt: Mapping[str, Any]
    dead_man_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOverrides:
    """Rules of the simulated market; None takes the pair's built-in rule. Fees are fractions.

    The last three are of swaps: base per contract, a fraction of the notional, and how many times the margin.
    """

    tick: Decimal | None = None
    lot: Decimal | None = None
    min_notional: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    fee_currency: FeeCurrency | None = None
    contract_size: Decimal | None = None
    maintenance_rate: Decimal | None = None
    leverage_max: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """``speed`` in market seconds per wall second (0: as fast as possible), ``partial_fills`` a fraction.

    ``path`` is absolute and None only where none was given; ``start_price`` None leaves it to the source.
    ``start_ms`` None: from the first row of a replay. ``funding_rate`` is a fraction of the notional of a swap
    per interval, paid by who is long where it is above 0.
    Invariant: ``path`` is set where ``source`` is replay, ``start_ms`` None where it is not.
    """

    source: Source
    seed: int
    speed: float
    path: Path | None
    base: Decimal
    quote: Decimal
    market: MarketOverrides
    fill: FillRule
    latency_ms: int
    partial_fills: float
    every_tick: bool
    journal: JournalKind
    start_price: Decimal | None
    start_ms: int | None = None
    funding_rate: Decimal = FUNDING_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the user decided. ``file`` is where it was read, None for the built-in defaults.

    ``regime`` None: no market is judged. ``without_regime`` are the names of the grids that do not listen to it.
    ``risk`` has the names of the grids that risk anything else than the defaults.
    Invariant: ``reconcile`` has every kind of discrepancy.
    """

    engine: EngineSettings
    exchange: ExchangeSettings
    simulation: SimulationSettings
    grids: tuple[GridSpec, ...]
    file: Path | None
    reconcile: Policy = field(default_factory=lambda: DEFAULT_POLICY)
    regime: RegimeSettings | None = None
    without_regime: frozenset[str] = frozenset()
    risk: Mapping[str, RiskSettings] = field(default_factory=dict)

    def risk_of(self, grid_name: str) -> RiskSettings:
        """By what this grid's risk is judged: the common settings with the grid's own over them."""
        return self.risk.get(grid_name, RiskSettings())

    def regime_of(self, grid_name: str) -> RegimeSettings | None:
        """How the market of this grid is judged; None: its grid does not listen to a regime."""
        return None if grid_name in self.without_regime else self.regime

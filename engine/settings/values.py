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
from engine.model.snapshot import Mode

ASK = "ask"
"""How ``[reconcile]`` writes that a person is asked; a ``Policy`` has None there."""


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
    """The real exchange of paper and live; ``keys`` says where the keys are and never holds one."""

    id: str
    market_type: MarketType
    sandbox: bool
    keys: str
    ccxt: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOverrides:
    """Rules of the simulated market; None takes the pair's built-in rule. Fees are fractions."""

    tick: Decimal | None = None
    lot: Decimal | None = None
    min_notional: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    fee_currency: FeeCurrency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """``speed`` in market seconds per wall second (0: as fast as possible), ``partial_fills`` a fraction.

    ``path`` is absolute and None only where none was given; ``start_price`` None leaves it to the source.
    Invariant: ``path`` is set where ``source`` is replay.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the user decided. ``file`` is where it was read, None for the built-in defaults.

    Invariant: ``reconcile`` has every kind of discrepancy.
    """

    engine: EngineSettings
    exchange: ExchangeSettings
    simulation: SimulationSettings
    grids: tuple[GridSpec, ...]
    file: Path | None
    reconcile: Policy = field(default_factory=lambda: DEFAULT_POLICY)

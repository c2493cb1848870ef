"""``[simulation]`` and ``[simulation.market]``: their keys, ranges and defaults."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.settings.schema_types import (
    TIME_WORDS,
    Amount,
    Fee,
    Flag,
    NotNegative,
    Number,
    PathText,
    Positive,
    Price,
    Section,
    Time,
    one_of,
)
from engine.settings.values import (
    FUNDING_RATE,
    FillRule,
    JournalKind,
    MarketOverrides,
    SimulationSettings,
    Source,
)

_PARTIAL_FILLS_SYNTHETIC = 0.1


class MarketSection(Section):
    """``[simulation.market]``."""

    tick: Positive | None = Field(default=None, description="an amount above 0")
    lot: Positive | None = Field(default=None, description="an amount above 0")
    min_notional: NotNegative | None = Field(default=None, description="an amount of at least 0")
    maker_fee: Fee | None = Field(default=None, description="a fraction from -0.01 to 0.1")
    taker_fee: Fee | None = Field(default=None, description="a fraction from -0.01 to 0.1")
    fee_currency: FeeCurrency | None = Field(default=None, description=one_of(FeeCurrency))
    contract_size: Positive | None = Field(default=None, description="an amount above 0")
    maintenance_rate: Amount | None = Field(default=None, gt=0, lt=1, description="a fraction above 0 and below 1")
    leverage_max: Amount | None = Field(default=None, ge=1, le=1000, description="a number from 1 to 1000")


class SimulationSection(Section):
    """``[simulation]``."""

    source: Source = Field(default=Source.SYNTHETIC, description=one_of(Source))
    seed: int = Field(default=7, strict=True, ge=0, lt=2**63, description="a whole number of at least 0")
    speed: Annotated[float, Number] = Field(
        default=60.0, ge=0, le=1e9, description="market seconds per second, 0 for as fast as possible"
    )
    path: PathText | None = Field(default=None, description="a file of candles or trades")
    start: Time | None = Field(default=None, description=TIME_WORDS)
    base: NotNegative = ZERO
    quote: NotNegative = Decimal(10000)
    market: MarketSection = Field(default=MarketSection(), description="a table")
    fill: FillRule = Field(default=FillRule.THROUGH, description=one_of(FillRule))
    latency_ms: int = Field(default=25, strict=True, ge=0, le=60000, description="whole milliseconds from 0 to 60000")
    partial_fills: Annotated[float, Number] | None = Field(
        default=None, ge=0, le=1, description="a fraction from 0 to 1"
    )
    every_tick: Flag = False
    journal: JournalKind = Field(default=JournalKind.FILE, description=one_of(JournalKind))
    start_price: Price | None = Field(default=None, description="a price above 0")
    funding_rate: Amount = Field(default=FUNDING_RATE, gt=-1, lt=1, description="a fraction above -1 and below 1")

    def settings(self, folder: Path) -> SimulationSettings:
        """As the engine takes it; a relative path starts at ``folder``."""
        default = _PARTIAL_FILLS_SYNTHETIC if self.source is Source.SYNTHETIC else 0.0
        return SimulationSettings(
            source=self.source,
            seed=self.seed,
            speed=self.speed,
            path=None if self.path is None else folder / Path(self.path).expanduser(),
            start_ms=self.start,
            base=self.base,
            quote=self.quote,
            market=MarketOverrides(**dict(self.market)),
            fill=self.fill,
            latency_ms=self.latency_ms,
            partial_fills=default if self.partial_fills is None else self.partial_fills,
            every_tick=self.every_tick,
            journal=self.journal,
            start_price=self.start_price,
            funding_rate=self.funding_rate,
        )

"""How the simulated exchange matches, and what of its matching engine is kept beside its orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from engine.exchange.funding import FundingRates
from engine.exchange.swaps import SwapState
from engine.model.money import ZERO

_RATES = FundingRates()


class FillModel(StrEnum):
    """When a resting order fills."""

    THROUGH = "through"
    """The market trades beyond its price."""
    TOUCH = "touch"
    """The market trades at its price or beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingOptions:
    """``partial_fill_chance`` (a fraction) is that of a fill to stop part-way and go on at the next trade.

    ``closed_orders_kept`` bounds how many closed orders can be asked for; older ones are forgotten,
    their ids are not. ``fills_kept`` bounds how many executions of each market are remembered.
    """

    fill: FillModel = FillModel.THROUGH
    seed: int = 0
    partial_fill_chance: Decimal = ZERO
    open_orders_max: int = 200
    closed_orders_kept: int = 10_000
    fills_kept: int = 10_000
    funding: FundingRates = _RATES


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingState:
    """All of the engine's books except its orders; amounts by currency, the rest by symbol.

    ``swaps`` is None where none are traded, and where the books are older than swaps.
    """

    sequence: int
    free: Mapping[str, Decimal]
    locked: Mapping[str, Decimal]
    counterparty: Mapping[str, Decimal]
    fee_pot: Mapping[str, Decimal]
    trades: Mapping[str, int]
    last_prices: Mapping[str, Decimal | None]
    transferred: Mapping[str, Decimal] = field(default_factory=dict)
    swaps: SwapState | None = None

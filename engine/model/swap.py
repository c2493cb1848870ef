"""Positions, funding and liquidation of linear perpetual swaps, in one-way position mode.

Amounts are base, positive long and negative short; money is quote.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What the account has of one swap. ``margin`` backs it; ``liquidation_price`` None: no price ends it."""

    symbol: str
    amount: Decimal
    entry_price: Decimal
    margin: Decimal
    liquidation_price: Decimal | None
    leverage: Decimal
    mode: MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """One payment of funding: ``amount`` in quote, positive when received. ``funding_id`` is unique per symbol.

    ``amount = -position * mark_price * rate``: who is long pays where the rate is above 0.
    """

    symbol: str
    funding_id: str
    amount: Decimal
    rate: Decimal
    position: Decimal
    mark_price: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """The exchange closed a whole position. ``amount`` is how much the position changed by, against its sign.

    ``price`` is what it was closed at and ``fee`` what that cost, both in quote; ``insured`` is what of the loss the
    exchange bore, because nothing stood behind it any more. ``trade_id`` is unique per symbol.
    """

    symbol: str
    trade_id: str
    amount: Decimal
    price: Decimal
    fee: Decimal
    at_ms: int
    insured: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A grid's swap position as a terminal sees it; ``funding`` is what was received less what was paid."""

    amount: Decimal
    leverage: Decimal
    mode: MarginMode
    margin: Decimal
    liquidation_price: Decimal | None
    funding: Decimal

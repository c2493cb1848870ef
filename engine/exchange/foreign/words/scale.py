"""Amounts between our base and what a foreign exchange counts: contracts on a swap, base on a spot market."""

from decimal import Context, Decimal, Inexact

from engine.model.market import Market
from engine.model.money import ONE

_EXACT = Context(prec=60, traps=[Inexact])


def contract_size_of(market: Market) -> Decimal:
    """How much base one unit of the exchange is."""
    return ONE if market.swap is None else market.swap.contract_size


def base_from_foreign(amount: Decimal, market: Market) -> Decimal:
    """Base out of what the exchange counts."""
    return amount * contract_size_of(market)


def foreign_from_base(amount: Decimal, market: Market) -> Decimal:
    """What the exchange counts out of base, exactly.

    Raises:
        Inexact: the amount is not on the market's lot.
    """
    return _EXACT.divide(amount, contract_size_of(market))

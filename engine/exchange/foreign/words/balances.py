"""Balances of a foreign account in our words.

An answer that is empty or contradicts itself is no answer: what is not known is never taken for zero.
"""

from collections.abc import Mapping
from decimal import Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.numbers import Unreadable, decimal_from
from engine.exchange.port import Balance
from engine.model.market import MarketKind
from engine.model.money import ZERO, text_from_decimal

_NO_CURRENCIES = frozenset(("info", "timestamp", "datetime", "free", "used", "total", "debt"))
_ROUNDING = Decimal("0.00000001")
"""Exchanges round free, used and total each on its own."""


def balances_from_foreign(raw: Raw, kind: MarketKind = MarketKind.SPOT) -> dict[str, Balance]:
    """What the account holds, by currency.

    Two of free, used and total tell the third. Nothing is free of what is owed. What a spot account has in total
    beyond free and used is lent or staked: it is in neither. Profit and collateral move the three of a swap
    account apart, so they are not compared there.

    Raises:
        Unreadable: there is no currency in the answer, of one it is not told what is free, or free, used and
            total contradict each other.
    """
    balances = {
        currency: _balance_from(currency, told, kind)
        for currency, told in raw.items()
        if currency not in _NO_CURRENCIES and isinstance(told, Mapping)
    }
    if not balances:
        raise Unreadable("the balances of the account", "no currency at all: the account is empty or the answer torn")
    return balances


def _balance_from(currency: str, told: Raw, kind: MarketKind) -> Balance:
    free, used, total = (decimal_from(told.get(key)) for key in ("free", "used", "total"))
    if free is None and total is not None and used is not None:
        free = total - used
    if free is None and total == 0:
        free = ZERO
    if used is None and total is not None and free is not None:
        used = max(total - free, ZERO)
    if free is None or (used is not None and used < 0):
        raise Unreadable(f"what is free of {currency}", dict(told))
    used = used or ZERO
    owed = decimal_from(told.get("debt")) or ZERO
    if kind is MarketKind.SPOT and total is not None and owed == 0:
        _check_sum(currency, free, used, total)
    return Balance(free=max(free, ZERO), locked=used)


def _check_sum(currency: str, free: Decimal, used: Decimal, total: Decimal) -> None:
    if free + used - total > _ROUNDING and free > 0:
        shown = " and ".join(text_from_decimal(each) for each in (free, used, total))
        raise Unreadable(f"free and used of {currency} to be at most its total", f"{shown}")

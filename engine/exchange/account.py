"""The account on the simulated exchange: what it holds, and where every unit came from and went to.

Beside the account stand the counterparty it traded with, the exchange's fee pot, those who pay and
receive funding, the exchange's insurance, which bears losses that nothing backs, and what was brought
in from elsewhere, so that conservation can be asserted: for every currency all but the last, less the
last, never change.
"""

from collections.abc import Mapping
from decimal import Decimal

from engine.model.money import ZERO


class Account:
    """Balances by currency.

    What swaps bind stays in ``free``, the wallet of swaps; ``swaps.SwapDesk`` knows how much it is.
    Invariant: ``free`` and ``locked`` are never negative, unless several cross positions back one another.
    Invariant: what is free, locked, in the four pots, less transferred, of a currency is what it began with.
    """

    __slots__ = ("counterparty", "fee_pot", "free", "funding_pot", "insurance", "locked", "transferred")

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.free = dict(balances)
        self.locked = dict.fromkeys(balances, ZERO)
        self.counterparty = dict.fromkeys(balances, ZERO)
        self.fee_pot = dict.fromkeys(balances, ZERO)
        self.transferred = dict.fromkeys(balances, ZERO)
        self.funding_pot = dict.fromkeys(balances, ZERO)
        self.insurance = dict.fromkeys(balances, ZERO)

    def lock(self, currency: str, amount: Decimal) -> None:
        """Bind ``amount`` of what is free to an order."""
        self.free[currency] -= amount
        self.locked[currency] += amount

    def unlock(self, currency: str, amount: Decimal) -> None:
        """Give back what an order had bound."""
        self.locked[currency] -= amount
        self.free[currency] += amount

    def pay(self, currency: str, amount: Decimal) -> None:
        """Give ``amount`` of what is locked to the counterparty."""
        self.locked[currency] -= amount
        self.counterparty[currency] += amount

    def receive(self, currency: str, amount: Decimal) -> None:
        """Take ``amount`` from the counterparty, or give it when negative."""
        self.counterparty[currency] -= amount
        self.free[currency] += amount

    def pay_fee_from_free(self, currency: str, fee: Decimal) -> None:
        """Put a fee (a rebate when negative) into the pot out of what is free."""
        self.free[currency] -= fee
        self.fee_pot[currency] += fee

    def pay_fee_from_locked(self, currency: str, fee: Decimal) -> None:
        """Put a fee (a rebate when negative) into the pot out of what is locked."""
        self.locked[currency] -= fee
        self.fee_pot[currency] += fee

    def receive_funding(self, currency: str, amount: Decimal) -> None:
        """Take ``amount`` from those who pay funding, or give it when negative."""
        self.funding_pot[currency] -= amount
        self.free[currency] += amount

    def be_insured(self, currency: str, amount: Decimal) -> None:
        """Let the exchange bear ``amount`` of a loss."""
        self.insurance[currency] -= amount
        self.free[currency] += amount

    def transfer(self, currency: str, amount: Decimal) -> None:
        """Bring ``amount`` in from elsewhere, or take it away when negative."""
        self.free[currency] += amount
        self.transferred[currency] += amount

    def totals(self) -> dict[str, Decimal]:
        """Account and all pots together, less what was transferred, by currency; constant for ever."""
        return {
            currency: free
            + self.locked[currency]
            + self.counterparty[currency]
            + self.fee_pot[currency]
            + self.funding_pot[currency]
            + self.insurance[currency]
            - self.transferred[currency]
            for currency, free in self.free.items()
        }

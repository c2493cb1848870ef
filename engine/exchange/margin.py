"""When the simulated exchange takes a swap position away: the test, and the price at which it comes true.

A position is lost once what backs it is no more than its maintenance margin, a fraction of its notional
at the mark. The mark is the last price of the market. An isolated position is backed by its own margin
and its floating profit; all cross positions of one quote currency together by the rest of the wallet
and the sum of theirs. What is left above maintenance is the ``slack`` of a position or of the cross
positions together: it falls in a straight line as a price moves against a position, so the price at
which it is gone is exact. For one position that backs itself with W it is

    long (cost − W) / (amount × (1 − rate)), short (cost + W) / (amount × (1 + rate)).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from engine.exchange.order_book import NO_BUY, NO_SELL
from engine.exchange.positions import SwapPosition
from engine.model.actions import QuietBand
from engine.model.money import ZERO, floor_quotient


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """A position, the mark it is judged at, and its market's maintenance rate."""

    position: SwapPosition
    mark: Decimal
    maintenance_rate: Decimal

    @property
    def profit(self) -> Decimal:
        """Floating, before fees."""
        return self.position.profit_at(self.mark)

    @property
    def maintenance(self) -> Decimal:
        """The maintenance margin."""
        return self.maintenance_rate * self.position.notional_at(self.mark)

    @property
    def surplus(self) -> Decimal:
        """Floating profit less maintenance margin: what it adds to the slack of whatever backs it."""
        return self.profit - self.maintenance

    @property
    def slack_per_price(self) -> Decimal:
        """How much slack is lost when the price moves against it by one."""
        amount = self.position.amount
        return amount * (1 - self.maintenance_rate) if amount > 0 else -amount * (1 + self.maintenance_rate)

    def price_without(self, slack: Decimal) -> Decimal:
        """Where ``slack`` is used up, to ``MONEY_QUANTUM``, rounded towards the mark; it can be below 0."""
        way = floor_quotient(slack, self.slack_per_price)
        return self.mark - way if self.position.amount > 0 else self.mark + way

    def band_within(self, slack: Decimal) -> QuietBand:
        """The prices at which less than ``slack`` is used up."""
        edge = self.price_without(slack)
        return QuietBand(edge, NO_SELL) if self.position.amount > 0 else QuietBand(NO_BUY, edge)


def slack_of(backing: Decimal, stakes: Iterable[Stake]) -> Decimal:
    """What is left of a backing and the profit of positions above their maintenance; lost at 0 or below."""
    return sum((stake.surplus for stake in stakes), backing)


def floating_loss(stakes: Iterable[Stake]) -> Decimal:
    """The floating loss of positions taken together, never negative."""
    return max(-sum((stake.profit for stake in stakes), ZERO), ZERO)

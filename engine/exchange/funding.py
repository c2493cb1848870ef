"""Funding of the simulated exchange: when it is due, at which rate, and how much.

It is due at whole multiples of a market's interval since the epoch, by the exchange's clock. Who holds
a position at that moment pays or receives ``-position × mark × rate``, to 8 decimals, halves to even;
the mark is the last price before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal

from engine.exchange.dice import FACES, throw
from engine.model.money import ZERO

_QUANTUM = Decimal("0.00000001")
_EIGHT_DECIMALS = Context(prec=100, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRates:
    """``rate`` (a fraction of the notional) per interval; ``by_symbol`` where a market has another.

    ``spread`` is how far each payment's rate strays from that, either way, by seeded dice.
    """

    rate: Decimal = Decimal("0.0001")
    by_symbol: Mapping[str, Decimal] = field(default_factory=dict)
    spread: Decimal = ZERO
    seed: int = 0

    def rate_at(self, symbol: str, due_ms: int) -> Decimal:
        """The rate of the funding that is due at this time; depends on nothing else."""
        rate = self.by_symbol.get(symbol, self.rate)
        if not self.spread:
            return rate
        face = throw(self.seed, "funding", symbol, due_ms)
        way = _EIGHT_DECIMALS.divide(Decimal(2 * face - FACES), Decimal(FACES))
        return rate + _EIGHT_DECIMALS.quantize(_EIGHT_DECIMALS.multiply(self.spread, way), _QUANTUM)


def next_funding_ms(after_ms: int, interval_ms: int) -> int:
    """The first time later than ``after_ms`` at which funding is due."""
    return (after_ms // interval_ms + 1) * interval_ms


def funding_amount(position_amount: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """What the holder receives, negative when it pays, in quote."""
    return _EIGHT_DECIMALS.quantize(-(position_amount * mark * rate), _QUANTUM)

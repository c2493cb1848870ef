"""One swap position and what fills make of it: pure arithmetic, one-way position mode.

What a position was entered at is kept as its whole ``cost``, never as an average, so that nothing is
lost to rounding: of a part that is closed the cost is a floored share, and what the floor left over is
realised with the rest. Amounts are base, positive long and negative short; money is quote.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal

from engine.model.grid import MarginMode
from engine.model.money import MONEY_QUANTUM, ONE, ZERO, floor_quotient, share_of

_NEAREST = Context(prec=100, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTerms:
    """With which leverage and margin a swap is traded."""

    leverage: Decimal = ONE
    mode: MarginMode = MarginMode.CROSS

    def margin_for(self, notional: Decimal) -> Decimal:
        """The initial margin of a notional, rounded up to ``MONEY_QUANTUM``."""
        return -floor_quotient(-notional, self.leverage)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPosition:
    """``cost`` is the sum of amount × price it was entered at, never negative; ``margin`` is its own, 0 with cross.

    Funding can take the margin below 0 while profit stands for it.
    """

    amount: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        """The average, to ``MONEY_QUANTUM``; 0 where it is flat."""
        if not self.amount:
            return ZERO
        return _NEAREST.quantize(_NEAREST.divide(self.cost, abs(self.amount)), MONEY_QUANTUM)

    def notional_at(self, price: Decimal) -> Decimal:
        """What it is worth, never negative."""
        return abs(self.amount) * price

    def profit_at(self, price: Decimal) -> Decimal:
        """What closing it at a price would realise, before fees."""
        return self.amount * price - (self.cost if self.amount > 0 else -self.cost)

    def reducible_by(self, signed_amount: Decimal) -> Decimal:
        """How much of a fill would make it smaller; never negative."""
        if self.amount * signed_amount >= 0:
            return ZERO
        return min(abs(self.amount), abs(signed_amount))


FLAT = SwapPosition()


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChange:
    """A position after a fill. ``shortfall`` is what an isolated margin could not pay of ``realised``, never negative.

    ``opened_margin`` is how much of the wallet became margin of what was opened.
    """

    position: SwapPosition
    realised: Decimal
    shortfall: Decimal
    opened_margin: Decimal


def change_by_fill(
    position: SwapPosition, signed_amount: Decimal, price: Decimal, terms: MarginTerms
) -> PositionChange:
    """What a fill makes of a position: it grows, shrinks, or turns around by way of flat."""
    closing = position.reducible_by(signed_amount)
    realised = shortfall = ZERO
    if closing:
        position, realised, shortfall = _reduced(position, closing, price, terms.mode)
    opening = abs(signed_amount) - closing
    margin = terms.margin_for(opening * price)
    if opening:
        own = margin if terms.mode is MarginMode.ISOLATED else ZERO
        position = SwapPosition(
            amount=position.amount + opening.copy_sign(signed_amount),
            cost=position.cost + opening * price,
            margin=position.margin + own,
        )
    return PositionChange(position=position, realised=realised, shortfall=shortfall, opened_margin=margin)


def _reduced(
    position: SwapPosition, closing: Decimal, price: Decimal, mode: MarginMode
) -> tuple[SwapPosition, Decimal, Decimal]:
    """The position less ``closing``, the profit of that, and what a margin of its own could not pay."""
    size = abs(position.amount)
    cost = share_of(position.cost, closing, size)
    proceeds = closing * price
    realised = proceeds - cost if position.amount > 0 else cost - proceeds
    is_isolated = mode is MarginMode.ISOLATED
    if closing == size:
        return FLAT, realised, max(-(position.margin + realised), ZERO) if is_isolated else ZERO
    freed = share_of(position.margin, closing, size) if position.margin > 0 else ZERO
    rest = replace(
        position,
        amount=position.amount - closing.copy_sign(position.amount),
        cost=position.cost - cost,
        margin=position.margin - freed + min(freed + realised, ZERO) if is_isolated else ZERO,
    )
    return rest, realised, ZERO

"""What a cycle earns after fees, the step that earns nothing, and how many slots a range has room for.

Source of the formulas: with f the maker fee rate and r the step as a ratio, a cycle earns
r(1-f) - 1 - f on the quote spent with the fee in quote, and r(1-f)(1-f) - 1 with the fee in what
is received. A cycle that sells first buys back q/(1-f) where its fee is taken in base.
"""

from decimal import Decimal

from engine.model.grid import Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO
from engine.model.order import Side


def cycle_profit(market: Market, lower: Decimal, upper: Decimal, side: Side = Side.BUY) -> Decimal:
    """What one cycle of a slot earns, in quote per base of its entry, net of maker fees on both legs.

    ``side`` is the side of the entry.
    """
    match side:
        case Side.BUY:
            return lower * cycle_profit_rate(market, lower, upper)
        case Side.SELL:
            fee = market.maker_fee_rate
            match market.fee_currency:
                case FeeCurrency.RECEIVED:
                    return upper * (ONE - fee) - lower / (ONE - fee)
                case FeeCurrency.QUOTE:
                    return upper * (ONE - fee) - lower * (ONE + fee)


def cycle_profit_rate(market: Market, entry: Decimal, exit_price: Decimal) -> Decimal:
    """What one cycle that buys first earns on the quote spent, net of maker fees on both legs, as a fraction."""
    ratio, fee = exit_price / entry, market.maker_fee_rate
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            return ratio * (ONE - fee) * (ONE - fee) - ONE
        case FeeCurrency.QUOTE:
            return ratio * (ONE - fee) - ONE - fee


def cycle_fees(market: Market, lower: Decimal, upper: Decimal, side: Side = Side.BUY) -> Decimal:
    """What the fees take from one cycle, in quote per base of its entry."""
    return upper - lower - cycle_profit(market, lower, upper, side)


def break_even_step(market: Market) -> Decimal:
    """The step between levels at which a cycle earns nothing, as a fraction; 0 where a rebate pays every step."""
    fee = market.maker_fee_rate
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            step = fee * (2 - fee) / ((ONE - fee) * (ONE - fee))
        case FeeCurrency.QUOTE:
            step = 2 * fee / (ONE - fee)
    return max(step, ZERO)


def slots_max(market: Market, lower: Decimal, upper: Decimal, spacing: Spacing, *, step_min: Decimal) -> int:
    """The most slots between two prices whose steps are all wider than ``step_min``, a fraction, and a tick.

    0: not even one step is. Rounding levels to ticks may make single steps narrower still.
    """
    ticks = int((upper - lower) // market.tick_size)
    widest = upper / lower - ONE
    if widest <= step_min:
        return 0
    if step_min <= 0:
        return ticks
    match spacing:
        case Spacing.GEOMETRIC:
            found = int((upper / lower).ln() / (ONE + step_min).ln())
        case Spacing.ARITHMETIC:
            found = int((upper - lower) * (ONE + step_min) / (upper * step_min))
    # Whole quotients are the edge itself, where a cycle earns nothing; logarithms meet it only nearly.
    while found and not _is_wider(lower, upper, found, spacing, step_min):
        found -= 1
    return min(found, ticks)


def _is_wider(lower: Decimal, upper: Decimal, slots: int, spacing: Spacing, step_min: Decimal) -> bool:
    match spacing:
        case Spacing.GEOMETRIC:
            return upper > lower * (ONE + step_min) ** slots
        case Spacing.ARITHMETIC:
            return (upper - lower) * (ONE + step_min) > slots * upper * step_min

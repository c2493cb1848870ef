"""From a grid's wish to its lattice: levels, amounts, what it can need, and why it cannot be.

Source of the formulas: net profit and break-even of a cycle with fees on both legs,
rho = r(1-f_s) - 1 - f_b with the fee in quote, r(1-f_b)(1-f_s) - 1 with the fee in what is received.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from engine.model.errors import SettingsInvalid
from engine.model.grid import GridSpec, InitialPurchase, Lattice, SizedBy, Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO, nearest_step, text_from_decimal

SLIPPAGE_MAX = Decimal("0.005")
"""How far beyond the last price an order that has to take may reach, as a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What a grid can need at the most: ``quote`` to buy with and ``base`` to start with."""

    quote: Decimal
    base: Decimal


def make_lattice(spec: GridSpec, market: Market, anchor: Decimal) -> Lattice:
    """The levels and amounts of a grid that starts at the price ``anchor``.

    A level is one price line, rounded to the nearest tick: it is the entry of the slot
    above it and the exit of the slot below it.

    Raises:
        SettingsInvalid: the grid cannot trade on this market.
    """
    levels = levels_of(spec, market)
    problem = _problem_with_levels(spec, market, levels)
    if problem:
        raise SettingsInvalid(f"grid {spec.name!r}: {problem}")
    amounts = _amounts(spec, market, levels, anchor)
    problem = _problem_with_amounts(market, levels, amounts)
    problem = problem or _problem_with_purchase(spec, market, anchor, levels, amounts)
    if problem:
        raise SettingsInvalid(f"grid {spec.name!r}: {spec.sized_by}: {problem}")
    return Lattice(version=1, anchor=anchor, levels=levels, amounts=amounts)


def levels_of(spec: GridSpec, market: Market) -> tuple[Decimal, ...]:
    """The N+1 price lines of N slots, lowest first, each on a tick."""
    count = spec.slots
    match spec.spacing:
        case Spacing.ARITHMETIC:
            step = (spec.upper - spec.lower) / count
            exact = [spec.lower + step * index for index in range(count + 1)]
        case Spacing.GEOMETRIC:
            ratio = spec.upper / spec.lower
            exact = [spec.lower * ratio ** (Decimal(index) / count) for index in range(count + 1)]
    return tuple(nearest_step(price, market.tick_size) for price in exact)


def cycle_profit_rate(market: Market, entry: Decimal, exit_price: Decimal) -> Decimal:
    """What one cycle earns on the quote spent, net of maker fees on both legs, as a fraction."""
    ratio, fee = exit_price / entry, market.maker_fee_rate
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            return ratio * (ONE - fee) * (ONE - fee) - ONE
        case FeeCurrency.QUOTE:
            return ratio * (ONE - fee) - ONE - fee


def funds_needed(spec: GridSpec, market: Market, lattice: Lattice) -> Funds:
    """The most that the grid can have bound at any time.

    A slot above the anchor is bought at the anchor, or at its own level if the price gets there first.
    """
    quote, base = ZERO, ZERO
    for level, amount in zip(lattice.levels, lattice.amounts, strict=False):
        if level > lattice.anchor and spec.initial_purchase is InitialPurchase.HOLDINGS:
            base += amount
        else:
            quote += _first_price(spec, market, lattice.anchor, level) * amount
    return Funds(quote=quote * (ONE + _worst_fee_rate(market, FeeCurrency.QUOTE)), base=base)


def initial_price(purchase: InitialPurchase, market: Market, anchor: Decimal) -> Decimal:
    """The limit of an entry that buys the first lot of a slot above the start price."""
    if purchase is InitialPurchase.MARKET:
        return market.ceil_price(anchor * (ONE + SLIPPAGE_MAX))
    return market.floor_price(anchor)


def _first_price(spec: GridSpec, market: Market, anchor: Decimal, level: Decimal) -> Decimal:
    """What the base for the slot above a level costs at the most when it is first bought."""
    if level <= anchor:
        return level
    match spec.initial_purchase:
        case InitialPurchase.HOLDINGS:
            return anchor
        case InitialPurchase.MARKET:
            return initial_price(spec.initial_purchase, market, anchor)
        case InitialPurchase.LIMIT | InitialPurchase.NONE:
            # An initial entry that the price runs away from is placed again at its own level.
            return level


def _worst_fee_rate(market: Market, of_buys_in: FeeCurrency) -> Decimal:
    """The fee rate of a buy at the worst, if fees are taken in that way; else 0."""
    if market.fee_currency is not of_buys_in:
        return ZERO
    return max(market.maker_fee_rate, market.taker_fee_rate, ZERO)


def _problem_with_levels(spec: GridSpec, market: Market, levels: tuple[Decimal, ...]) -> str | None:
    tick = text_from_decimal(market.tick_size)
    if levels[0] <= 0:
        return f"lower: expected at least a tick of {tick}, found {text_from_decimal(spec.lower)}"
    ticks = (levels[-1] - levels[0]) // market.tick_size
    if spec.slots > ticks:
        return (
            f"slots: expected at most as many as ticks of {tick} fit between lower and upper ({ticks}), "
            f"found {spec.slots}"
        )
    for index, (lower, upper) in enumerate(pairwise(levels)):
        if lower == upper:
            return (
                f"slots: expected steps of at least a tick of {tick}, found levels {index} and {index + 1} "
                f"both at {text_from_decimal(lower)}"
            )
    worst = min(range(spec.slots), key=lambda index: levels[index + 1] / levels[index])
    rate = cycle_profit_rate(market, levels[worst], levels[worst + 1])
    if rate <= 0:
        step = (levels[worst + 1] / levels[worst] - ONE) * 100
        return (
            f"slots: expected steps wider than the fees of a cycle, found a step of {step:.4f} % at level "
            f"{worst}, which loses {-rate * 100:.4f} % a cycle"
        )
    return None


def _amounts(spec: GridSpec, market: Market, levels: tuple[Decimal, ...], anchor: Decimal) -> tuple[Decimal, ...]:
    entries = levels[:-1]
    match spec.sized_by:
        case SizedBy.BASE_PER_SLOT:
            return tuple(market.floor_amount(spec.size) for _ in entries)
        case SizedBy.QUOTE_PER_SLOT:
            quote = spec.size
        case SizedBy.INVESTMENT:
            weights = sum((_first_price(spec, market, anchor, price) / price for price in entries), ZERO)
            quote = spec.size / (weights * (ONE + _worst_fee_rate(market, FeeCurrency.QUOTE)))
    return tuple(market.floor_amount(quote / price) for price in entries)


def _problem_with_amounts(market: Market, levels: tuple[Decimal, ...], amounts: tuple[Decimal, ...]) -> str | None:
    fee_rate = _worst_fee_rate(market, FeeCurrency.RECEIVED)
    for index, amount in enumerate(amounts):
        sellable = market.floor_amount(amount * (ONE - fee_rate))
        for price, found, purpose in ((levels[index], amount, ""), (levels[index + 1], sellable, " to sell")):
            problem = market.problem_with(price, found)
            if problem:
                return (
                    f"expected orders that {market.symbol} takes, found {text_from_decimal(found)} "
                    f"{market.base}{purpose} in slot {index}: {problem}"
                )
    return None


def _problem_with_purchase(
    spec: GridSpec, market: Market, anchor: Decimal, levels: tuple[Decimal, ...], amounts: tuple[Decimal, ...]
) -> str | None:
    """A start far below the range makes the first orders smaller than any later one."""
    if spec.initial_purchase not in (InitialPurchase.LIMIT, InitialPurchase.MARKET):
        return None
    price = initial_price(spec.initial_purchase, market, anchor)
    for index, amount in enumerate(amounts):
        problem = market.problem_with(price, amount) if levels[index] > anchor else None
        if problem:
            return (
                f"expected an initial purchase that {market.symbol} takes, found {text_from_decimal(amount)} "
                f"{market.base} in slot {index} at the start price {text_from_decimal(anchor)}: {problem}"
            )
    return None

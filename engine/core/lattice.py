"""From a grid's wish to its lattice: levels, sides and amounts, and why it cannot be.

The door to the arithmetic of grid shapes: where levels lie (``levels``), what a cycle earns (``cycles``),
how much each slot trades (``sizing``) and what it takes from the account (``costs``, ``funds``).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from engine.core.costs import SLIPPAGE_MAX, Funds, initial_price, is_left_behind
from engine.core.cycles import cycle_profit, cycle_profit_rate
from engine.core.funds import funds_needed
from engine.core.levels import BEYOND_MAX, levels_above, levels_below, levels_of, sides_of
from engine.core.sizing import amounts_of, problem_with_investment, problems_with_sizes, sellable, slots_between
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, GridSpec, InitialPurchase, Lattice
from engine.model.market import Market
from engine.model.money import ONE, text_from_decimal
from engine.model.order import Side
from engine.model.slot import Slot

__all__ = [
    "SLIPPAGE_MAX",
    "Funds",
    "cycle_profit",
    "cycle_profit_rate",
    "funds_needed",
    "initial_price",
    "levels_of",
    "make_lattice",
    "shape_problems",
]


def make_lattice(spec: GridSpec, market: Market, anchor: Decimal) -> Lattice:
    """The levels, sides and amounts of a grid that starts at the price ``anchor``, that of its trigger if it has one.

    A level is one price line, rounded to the nearest tick: it bounds the slot above it and the one below it.

    Raises:
        SettingsInvalid: the grid cannot trade on this market.
    """
    shape = list(shape_problems(spec, market))
    if shape:
        raise SettingsInvalid(*(f"grid {spec.name!r}: {problem}" for problem in shape))
    levels = levels_of(spec, market)
    problem = _problem_with_levels(spec, market, levels)
    if problem:
        raise SettingsInvalid(f"grid {spec.name!r}: {problem}")
    problem = problem_with_investment(spec, market, levels, anchor)
    if problem:
        raise SettingsInvalid(f"grid {spec.name!r}: {spec.sized_by}: {problem}")
    sides = sides_of(spec, levels, anchor)
    amounts = amounts_of(spec, market, levels, anchor)
    slots = slots_between(levels, sides, amounts)
    problem = _problem_with_amounts(market, slots) or _problem_with_purchase(spec, market, anchor, slots)
    if problem:
        raise SettingsInvalid(f"grid {spec.name!r}: {spec.sized_by}: {problem}")
    return Lattice(version=1, anchor=anchor, levels=levels, amounts=amounts, sides=sides)


def shape_problems(spec: GridSpec, market: Market) -> Iterator[str]:
    """What of a grid's shape this market cannot do, whatever the price is."""
    yield from _problems_with_leverage(spec, market)
    if spec.initial_purchase is InitialPurchase.HOLDINGS:
        if market.swap is not None:
            yield "initial_purchase: expected limit, market or none on a swap, found holdings"
        elif spec.direction is Direction.SHORT:
            yield "initial_purchase: expected limit, market or none for a short grid, found holdings"
    yield from problems_with_sizes(spec)
    yield from _problems_with_trailing(spec, market)


def _problems_with_leverage(spec: GridSpec, market: Market) -> Iterator[str]:
    if market.swap is None:
        if spec.leverage != 1:
            yield f"leverage: expected 1 on the spot market {market.symbol}, found {text_from_decimal(spec.leverage)}"
    elif spec.leverage > market.swap.leverage_max:
        most = text_from_decimal(market.swap.leverage_max)
        yield f"leverage: expected at most {most} on {market.symbol}, found {text_from_decimal(spec.leverage)}"


def _problems_with_trailing(spec: GridSpec, market: Market) -> Iterator[str]:
    up_to, down_to = spec.trailing.up_to, spec.trailing.down_to
    if up_to is not None and up_to <= spec.upper:
        bounds = f"above upper {text_from_decimal(spec.upper)}, found {text_from_decimal(up_to)}"
        yield f"trail_up_to: expected a price {bounds}"
    if down_to is not None and not 0 < down_to < spec.lower:
        bounds = f"above 0 and below lower {text_from_decimal(spec.lower)}, found {text_from_decimal(down_to)}"
        yield f"trail_down_to: expected a price {bounds}"
    beyond = (
        ("trail_up_to", levels_above(spec, market, spec.upper)),
        ("trail_down_to", levels_below(spec, market, spec.lower)),
    )
    for key, levels in beyond:
        if len(levels) > BEYOND_MAX:
            yield f"{key}: expected a price that is at most {BEYOND_MAX} levels beyond the range, found more"


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


def _problem_with_amounts(market: Market, slots: Sequence[Slot]) -> str | None:
    for slot in slots:
        exit_purpose = " to sell" if slot.entry_side is Side.BUY else " to buy back"
        orders = ((slot.entry_price, slot.amount, ""), (slot.exit_price, sellable(market, slot), exit_purpose))
        for price, found, purpose in orders:
            problem = market.problem_with(price, found)
            if problem:
                return (
                    f"expected orders that {market.symbol} takes, found {text_from_decimal(found)} "
                    f"{market.base}{purpose} in slot {slot.index}: {problem}"
                )
    return None


def _problem_with_purchase(spec: GridSpec, market: Market, anchor: Decimal, slots: Sequence[Slot]) -> str | None:
    """A start far below the range makes the first orders smaller than any later one."""
    if spec.initial_purchase not in (InitialPurchase.LIMIT, InitialPurchase.MARKET):
        return None
    for slot in slots:
        if not is_left_behind(slot, anchor):
            continue
        price = initial_price(spec.initial_purchase, market, anchor, slot.entry_side)
        problem = market.problem_with(price, slot.amount)
        if problem:
            noun = "purchase" if slot.entry_side is Side.BUY else "sale"
            return (
                f"expected an initial {noun} that {market.symbol} takes, found {text_from_decimal(slot.amount)} "
                f"{market.base} in slot {slot.index} at the start price {text_from_decimal(anchor)}: {problem}"
            )
    return None

"""What a grid will do and cost before it starts or changes, and what forbids it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.costs import Funds, is_left_behind
from engine.core.cycles import break_even_step, cycle_fees, cycle_profit
from engine.core.funds import funds_needed
from engine.core.lattice import shape_problems
from engine.core.risk import grid_problems
from engine.core.sizing import least_investment, slots_of
from engine.core.worst_case import Adversity, adversities, first_trade, liquidation_price, stop_prices
from engine.model.grid import NO_TRAILING, Direction, GridSpec, InitialPurchase, Lattice
from engine.model.market import Market
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import Side
from engine.model.preflight import Preflight, PreflightRow
from engine.model.risk import Limits, StopBasis, StopLoss, StopRule, TakeProfit, TrailingTakeProfit
from engine.model.slot import Slot
from engine.model.words import price_text, shown_text

LIQUIDATION_NEAR = Decimal("0.1")
"""A liquidation price nearer than this fraction to the far bound is warned of."""
_FEES_OF_PROFIT = 2
"""A cycle that earns less than so many times its fees is warned of."""
_SHOWN = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """One direction in which the grid loses, and where it ends there; None: nowhere."""

    adversity: Adversity
    stop: Decimal | None
    liquidation: Decimal | None

    @property
    def loss_at_bound(self) -> Decimal:
        """The loss at the bound, or at the start price where that is beyond: it is there already."""
        way = self.adversity
        start = way.stages[0].start
        end = start if way.is_reached(way.bound, start) else way.bound
        return way.held_at(end).loss_at(end)


def preflight(
    spec: GridSpec,
    market: Market,
    lattice: Lattice,
    price: Decimal,
    *,
    limits: Limits,
    stops: Sequence[StopRule] = (),
    orders_max: int | None = None,
    requests_per_minute: int | None = None,
    available_quote: Decimal | None = None,
    available_base: Decimal | None = None,
) -> Preflight:
    """A grid that starts at the anchor of its lattice, when the price is ``price``.

    ``orders_max`` is how many orders the exchange lets rest, ``available_*`` what the account has for this grid;
    None is not known and not judged. Losses value what is held at the price, without the fee of leaving.
    A lattice that cannot be is refused by ``make_lattice`` before this.
    """
    funds = funds_needed(spec, market, lattice)
    endings = _endings(spec, market, lattice, stops, funds)
    figures = _figures(spec, market, lattice, price, funds, endings)
    plan = replace(figures, orders_max=orders_max, requests_per_minute=requests_per_minute)
    slots = slots_of(lattice)
    problems = [
        *shape_problems(spec, market),
        *_short_of(market, funds, available_quote, available_base),
        *grid_problems(limits, market, [slot.entry_price for slot in slots], lattice.amounts),
        *_stops_met(market, lattice.anchor, stops),
        *(problem for ending in endings for problem in _liquidated_early(market, ending)),
        *_too_many_orders(plan),
    ]
    warnings = [
        *_about_price(plan, lattice, stops),
        *_about_profit(plan, market),
        *_about_trailing(spec, market),
        *(warning for ending in endings for warning in _near_liquidation(market, ending, limits)),
        *_about_budgets(plan, limits, slots),
    ]
    return replace(plan, problems=tuple(problems), warnings=tuple(warnings))


def _figures(
    spec: GridSpec, market: Market, lattice: Lattice, price: Decimal, funds: Funds, endings: Sequence[_Ending]
) -> Preflight:
    anchor, slots = lattice.anchor, slots_of(lattice)
    worst = max(endings, key=lambda ending: ending.loss_at_bound)
    stopped = [(ending.adversity, ending.stop) for ending in endings if ending.stop is not None]
    stop = min(stopped, key=lambda each: abs(each[1] - anchor), default=None)
    liquidations = [ending.liquidation for ending in endings if ending.liquidation is not None]
    now_base, now_quote = _traded_at_start(spec, market, anchor, slots)
    here = funds_needed(replace(spec, trailing=NO_TRAILING), market, lattice)
    return Preflight(
        symbol=market.symbol,
        base=market.base,
        quote=market.quote,
        price=price,
        rows=tuple(_row(spec, market, anchor, slot) for slot in slots),
        needs_quote=funds.quote,
        needs_base=funds.base,
        least_investment=least_investment(spec, market, lattice.levels, anchor),
        break_even_step=break_even_step(market),
        now_base=now_base,
        now_quote=now_quote,
        average_entry=worst.adversity.held_at(worst.adversity.bound).average,
        loss_at_bound=max(ZERO, worst.loss_at_bound),
        stop_price=stop[1] if stop else None,
        loss_at_stop=max(ZERO, stop[0].held_at(stop[1]).loss_at(stop[1])) if stop else None,
        orders_live=_orders_live(spec, anchor, slots),
        orders_max=None,
        requests_to_start=_requests_to_start(spec, anchor, slots),
        requests_per_minute=None,
        liquidation_price=min(liquidations, key=lambda found: abs(found - anchor), default=None),
        trailing_quote=max(ZERO, funds.quote - here.quote),
        trailing_base=max(ZERO, funds.base - here.base),
    )


def _endings(
    spec: GridSpec, market: Market, lattice: Lattice, stops: Sequence[StopRule], funds: Funds
) -> list[_Ending]:
    endings = []
    for adversity in adversities(spec, market, lattice):
        nearest = sorted(stop_prices(adversity, stops), key=lambda at: abs(at - lattice.anchor))
        found = liquidation_price(spec, market, adversity, funds.quote)
        endings.append(_Ending(adversity=adversity, stop=nearest[0] if nearest else None, liquidation=found))
    return endings


def _row(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> PreflightRow:
    profit = cycle_profit(market, slot.lower, slot.upper, slot.entry_side)
    return PreflightRow(
        slot=slot.index,
        lower=slot.lower,
        upper=slot.upper,
        side=slot.entry_side,
        amount=slot.amount,
        profit=profit * slot.amount,
        rate=profit / slot.entry_price,
        opens_now=_is_traded_at_start(spec, anchor, slot),
    )


def _is_traded_at_start(spec: GridSpec, anchor: Decimal, slot: Slot) -> bool:
    match spec.initial_purchase:
        case InitialPurchase.LIMIT | InitialPurchase.MARKET:
            return is_left_behind(slot, anchor)
        case InitialPurchase.NONE | InitialPurchase.HOLDINGS:
            return False


def _traded_at_start(spec: GridSpec, market: Market, anchor: Decimal, slots: Sequence[Slot]) -> tuple[Decimal, Decimal]:
    """The base bought and the quote paid for it, without fees; below 0 where base is sold."""
    base, quote = ZERO, ZERO
    for slot in slots:
        first = first_trade(spec, market, anchor, slot)
        if first is not None and _is_traded_at_start(spec, anchor, slot):
            signed = slot.amount if slot.entry_side is Side.BUY else -slot.amount
            base, quote = base + signed, quote + signed * first[0]
    return base, quote


def _orders_live(spec: GridSpec, anchor: Decimal, slots: Sequence[Slot]) -> int:
    """A window on each side of the price, and one of first trades on top; one order per slot."""
    initial = sum(_is_traded_at_start(spec, anchor, slot) for slot in slots)
    return min(spec.slots, 2 * spec.window + min(spec.window, initial))


def _requests_to_start(spec: GridSpec, anchor: Decimal, slots: Sequence[Slot]) -> int:
    """The entries on each side, every first trade, and the exits of what is held then."""
    left_behind = sum(is_left_behind(slot, anchor) for slot in slots)
    buying = sum(slot.entry_side is Side.BUY and not is_left_behind(slot, anchor) for slot in slots)
    selling = spec.slots - left_behind - buying
    entries = min(spec.window, buying) + min(spec.window, selling)
    match spec.initial_purchase:
        case InitialPurchase.LIMIT | InitialPurchase.MARKET:
            return entries + left_behind + min(spec.window, left_behind)
        case InitialPurchase.HOLDINGS:
            return entries + min(spec.window, left_behind)
        case InitialPurchase.NONE:
            return entries


def _short_of(
    market: Market, funds: Funds, available_quote: Decimal | None, available_base: Decimal | None
) -> Iterator[str]:
    for currency, need, available in (
        (market.quote, funds.quote, available_quote),
        (market.base, funds.base, available_base),
    ):
        if available is not None and need > available:
            found = shown_text(max(available, ZERO))
            yield f"the grid can need {shown_text(need)} {currency}, available are {found} {currency}"


def _stops_met(market: Market, anchor: Decimal, stops: Sequence[StopRule]) -> Iterator[str]:
    """A stop that ends the grid at the very price of its start."""
    for rule in stops:
        match rule.basis:
            case StopBasis.PRICE_FALLS:
                is_met, side = anchor <= rule.at, "at or below"
            case StopBasis.PRICE_RISES:
                is_met, side = anchor >= rule.at, "at or above"
            case StopBasis.TOTAL:
                is_met, side = False, ""
        if is_met and not isinstance(rule, TrailingTakeProfit):
            noun = "stop loss" if isinstance(rule, StopLoss) else "take profit"
            yield f"the {noun} is met at the start: {_price(anchor, market)} is {side} {_price(rule.at, market)}"


def _liquidated_early(market: Market, ending: _Ending) -> Iterator[str]:
    at, way = ending.liquidation, ending.adversity
    if at is None:
        return
    words = f"the position is liquidated at {_price(at, market)}"
    if way.is_reached(at, way.bound):
        bound = "lower" if way.side is Side.BUY else "upper"
        yield f"{words}, before the {bound} bound at {_price(way.bound, market)}"
    if ending.stop is not None and way.is_reached(at, ending.stop):
        yield f"{words}, before the stop at {_price(ending.stop, market)}"


def _too_many_orders(plan: Preflight) -> Iterator[str]:
    if plan.orders_max is not None and plan.orders_live > plan.orders_max:
        yield f"{plan.orders_live} orders can rest at once, the exchange allows {plan.orders_max}: narrow the window"


def _about_price(plan: Preflight, lattice: Lattice, stops: Sequence[StopRule]) -> Iterator[str]:
    lower, upper = lattice.levels[0], lattice.levels[-1]
    text, quote = text_from_decimal, plan.quote
    within = f"the range from {text(lower)} to {text(upper)} {quote}"
    if not lower <= plan.price <= upper:
        yield f"the price of {text(plan.price)} {quote} is outside {within}"
    for rule in stops:
        if isinstance(rule, StopLoss | TakeProfit) and rule.basis is not StopBasis.TOTAL and lower < rule.at < upper:
            noun = "stop loss" if isinstance(rule, StopLoss) else "take profit"
            yield f"the {noun} at {text(rule.at)} {quote} is inside {within}"


def _about_profit(plan: Preflight, market: Market) -> Iterator[str]:
    worst = min(plan.rows, key=lambda row: row.rate)
    fees = cycle_fees(market, worst.lower, worst.upper, worst.side) * worst.amount
    if worst.profit < _FEES_OF_PROFIT * fees:
        yield (
            f"a cycle of slot {worst.slot} earns {worst.profit:.4f} {plan.quote} after {fees:.4f} {plan.quote} of "
            "fees, less than twice what it pays: wider steps keep more"
        )


def _about_trailing(spec: GridSpec, market: Market) -> Iterator[str]:
    for price, against, words in (
        (spec.trailing.down_to, Direction.LONG, "down"),
        (spec.trailing.up_to, Direction.SHORT, "up"),
    ):
        if price is not None and spec.direction in (against, Direction.NEUTRAL):
            yield f"trailing {words} to {_price(price, market)} can lose more than the loss at the bound of the range"


def _near_liquidation(market: Market, ending: _Ending, limits: Limits) -> Iterator[str]:
    at, way = ending.liquidation, ending.adversity
    if at is None or way.is_reached(at, way.bound):
        return
    distance = abs(way.bound - at) / way.bound
    if distance < max(LIQUIDATION_NEAR, limits.liquidation_distance_min or ZERO):
        bound = "lower" if way.side is Side.BUY else "upper"
        yield (
            f"liquidation at {_price(at, market)} is {(distance * 100).quantize(_SHOWN)} % beyond the {bound} bound at "
            f"{_price(way.bound, market)}"
        )


def _about_budgets(plan: Preflight, limits: Limits, slots: Sequence[Slot]) -> Iterator[str]:
    rate = plan.requests_per_minute
    if rate and plan.requests_to_start > rate:
        minutes = -(-plan.requests_to_start // rate)
        yield f"the start sends {plan.requests_to_start} requests at {rate} a minute: it takes {minutes} minutes"
    if limits.open_orders_max is not None and plan.orders_live > limits.open_orders_max:
        yield f"{plan.orders_live} orders can rest at once, open_orders_max allows {limits.open_orders_max}"
    exposure = sum((slot.entry_price * slot.amount for slot in slots), ZERO)
    most = limits.exposure_quote_max
    if most is not None and exposure > most:
        yield (
            f"all slots together are worth {shown_text(exposure)} {plan.quote}, exposure_quote_max allows "
            f"{text_from_decimal(most)} {plan.quote}: some entries will be refused"
        )


def _price(price: Decimal, market: Market) -> str:
    return f"{price_text(price, market.tick_size)} {market.quote}"

"""The risk gate: every action is approved, or refused with a sentence that says what was found and what is allowed.

It fails closed: what an opening would have to be judged by and is not known refuses it. It never
holds back what makes a grid smaller: a cancellation is always approved, and an exit is refused only
for what makes the order wrong in itself, never for exposure, losses, blocks, rates or missing news.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.lattice import SLIPPAGE_MAX
from engine.core.stops import Losses
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.market import Market
from engine.model.money import ONE, ZERO, floor_quotient, floor_to_step, text_from_decimal
from engine.model.order import Leg, Side
from engine.model.risk import (
    Block,
    LimitName,
    Limits,
)
from engine.model.risk_view import LimitView
from engine.model.slot import Entering, Lot, Slot, lot_of
from engine.model.words import cause_text, price_text, shown_text

_MS = Decimal("0.001")
_PERCENT_SHOWN = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an action is judged by; None is not known, and then nothing opens that needs it.

    Ages and lags are in milliseconds. ``inventory_cost`` is what the inventory has cost and
    ``resting_quote`` what the open remainders of resting entries bind. ``open_orders`` and
    ``orders_last_minute`` count orders of every leg. ``liquidation_price`` counts only where the position
    ``can_be_liquidated``. ``slots`` are as they are before the action.
    """

    market: Market
    slots: Sequence[Slot]
    mark: Decimal | None
    inventory_cost: Decimal | None
    resting_quote: Decimal | None
    open_orders: int | None
    orders_last_minute: int | None
    losses: Losses | None
    price_age_ms: int | None
    reports_age_ms: int | None
    candles_age_ms: int | None
    journal_lag_ms: int | None
    blocks: tuple[Block, ...] = ()
    can_be_liquidated: bool = False
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It must not be sent; ``reason`` names everything that speaks against it."""

    reason: str


Verdict = Approved | Refused
APPROVED = Approved()


def assess(action: Action, limits: Limits, evidence: Evidence) -> Verdict:
    """Whether one action may be done."""
    match action:
        case CancelOrder() | SetAside():
            return APPROVED
        case PlaceOrder():
            problems = list(_problems_of_order(action, limits, evidence))
            return Refused(reason="; ".join(problems)) if problems else APPROVED


def assess_all(actions: Iterable[Action], limits: Limits, evidence: Evidence) -> Iterator[tuple[Action, Verdict]]:
    """One verdict after the other, each on what the approved ones before it would have made.

    A cancellation makes no room: until the exchange has confirmed it, its order may still fill.
    """
    for action in actions:
        verdict = assess(action, limits, evidence)
        if isinstance(action, PlaceOrder) and isinstance(verdict, Approved):
            evidence = _evidence_after(evidence, action)
        yield action, verdict


def exposure_of(slots: Iterable[Slot], dust: Lot) -> tuple[Decimal, Decimal]:
    """What the inventory of a grid has cost, and what the open remainders of its entries bind, in quote."""
    cost, resting = abs(dust.cost_quote), ZERO
    for slot in slots:
        cost += abs(lot_of(slot).cost_quote)
        if isinstance(slot.state, Entering):
            order = slot.state.order
            resting += (order.amount - order.filled) * order.price
    return cost, resting


def limit_views(limits: Limits, evidence: Evidence) -> tuple[LimitView, ...]:
    """Every limit that is on, with what is used of it, in the order of ``LimitName``."""
    views = (_view(name, limits, evidence) for name in LimitName)
    return tuple(view for view in views if view is not None)


def grid_problems(limits: Limits, market: Market, levels: Sequence[Decimal], amounts: Sequence[Decimal]) -> list[str]:
    """Why a grid of these levels and amounts could not open some of its slots under these limits."""
    notionals = [price * amount for price, amount in zip(levels, amounts, strict=False)]
    largest, smallest = max(notionals), min(notionals)
    problems = []
    if limits.order_notional_max is not None and largest > limits.order_notional_max:
        found = f"{_quote(largest, market)} and {_quote(limits.order_notional_max, market)}"
        problems.append(f"the largest entry must be at most order_notional_max, was {found}")
    if limits.exposure_quote_max is not None and smallest > limits.exposure_quote_max:
        found = f"{_quote(smallest, market)} and {_quote(limits.exposure_quote_max, market)}"
        problems.append(f"the smallest entry must fit into exposure_quote_max, was {found}")
    return problems


def _problems_of_order(action: PlaceOrder, limits: Limits, evidence: Evidence) -> Iterator[str]:
    """What each leg is judged by; what can stop an exit is named one by one, so that none is blocked by mistake."""
    problem = evidence.market.problem_with(action.price, action.amount)
    if problem is not None:
        yield problem
    match action.leg:
        case Leg.ENTRY:
            yield from _problems_of_mark(evidence)
            yield from (cause_text(block.kind, block.reason) for block in evidence.blocks)
            yield from _beyond_band(action, limits.price_band, evidence)
            yield from _counted_problems(action, limits, evidence)
            yield from (
                view.reason for view in limit_views(limits, evidence) if view.is_blocking and view.name not in _COUNTED
            )
        case Leg.EXIT:
            yield from _beyond_lot(action, evidence)
            # However far the market has gone past it, a slot's own level is the right price to leave it.
            if _is_worse_than_level(action, evidence):
                yield from _beyond_band(action, limits.price_band, evidence)
        case Leg.FLATTEN:
            yield from _beyond_lot(action, evidence)
            # A band narrower than the slippage that flattening is allowed would keep it from ever ending.
            band = None if limits.price_band is None else max(limits.price_band, SLIPPAGE_MAX)
            yield from _beyond_band(action, band, evidence)


_COUNTED = frozenset((LimitName.EXPOSURE, LimitName.OPEN_ORDERS, LimitName.ORDER_RATE))
"""Limits that an opening counts towards itself."""


def _counted_problems(action: PlaceOrder, limits: Limits, evidence: Evidence) -> Iterator[str]:
    market, notional = evidence.market, action.price * action.amount
    if limits.order_notional_max is not None and notional > limits.order_notional_max:
        allowed = _quote(limits.order_notional_max, market)
        yield f"the order is worth {_quote(notional, market)}, the limit is {allowed}"
    after = _evidence_after(evidence, action)
    for name in LimitName:
        if name not in _COUNTED:
            continue
        view = _view(name, limits, after)
        if view is not None and view.value is None:
            yield view.reason
        elif view is not None and view.value is not None and view.value > view.limit:
            yield f"with this order {view.reason}"


def _problems_of_mark(evidence: Evidence) -> Iterator[str]:
    if evidence.mark is None:
        yield "no price is known"
    elif not evidence.mark.is_finite() or evidence.mark <= 0:
        yield f"the price must be a number above 0, was {evidence.mark}"


def _beyond_band(action: PlaceOrder, band: Decimal | None, evidence: Evidence) -> Iterator[str]:
    """A price that gives more away than the band allows; a grid rests its orders on the other side, however far."""
    mark = evidence.mark
    if band is None or mark is None or not mark.is_finite() or mark <= 0:
        return
    market = evidence.market
    match action.side:
        case Side.BUY:
            is_beyond, words = action.price > market.ceil_price(mark * (ONE + band)), "above"
        case Side.SELL:
            is_beyond, words = action.price < market.floor_price(mark * (ONE - band)), "below"
    if is_beyond:
        found = f"{price_text(action.price, market.tick_size)} {market.quote}"
        at = f"{price_text(mark, market.tick_size)} {market.quote}"
        yield (
            f"the {action.side} price of {found} is more than {text_from_decimal(band * 100)} % {words} "
            f"the market at {at}"
        )


def _beyond_lot(action: PlaceOrder, evidence: Evidence) -> Iterator[str]:
    lot = lot_of(evidence.slots[action.slot]).plus(action.dust)
    if action.amount > abs(lot.quantity):
        base = evidence.market.base
        held = f"{text_from_decimal(abs(lot.quantity))} {base}"
        yield f"the {action.leg} of {text_from_decimal(action.amount)} {base} exceeds the {held} that its slot holds"


def _is_worse_than_level(action: PlaceOrder, evidence: Evidence) -> bool:
    slot = evidence.slots[action.slot]
    match action.side:
        case Side.SELL:
            return action.price < slot.upper
        case Side.BUY:
            return action.price > slot.lower


def _evidence_after(evidence: Evidence, action: PlaceOrder) -> Evidence:
    orders, recent, resting = evidence.open_orders, evidence.orders_last_minute, evidence.resting_quote
    if resting is not None and action.leg is Leg.ENTRY:
        resting += action.price * action.amount
    return replace(
        evidence,
        open_orders=None if orders is None else orders + 1,
        orders_last_minute=None if recent is None else recent + 1,
        resting_quote=resting,
    )


def _view(name: LimitName, limits: Limits, evidence: Evidence) -> LimitView | None:
    quote, losses = evidence.market.quote, evidence.losses
    match name:
        case LimitName.EXPOSURE:
            return _bar(name, "the exposure", _exposure(evidence), limits.exposure_quote_max, quote)
        case LimitName.OPEN_ORDERS:
            return _bar(name, "the number of open orders", evidence.open_orders, limits.open_orders_max, "")
        case LimitName.ORDER_NOTIONAL:
            return _order_limit(name, limits.order_notional_max, quote, "an entry may be worth at most {}")
        case LimitName.PRICE_BAND:
            words = "an order may be priced at most {} beyond the market"
            return _order_limit(name, _percent(limits.price_band), "%", words)
        case LimitName.ORDER_RATE:
            recent = evidence.orders_last_minute
            return _bar(name, "the number of orders in a minute", recent, limits.orders_per_minute_max, "")
        case LimitName.DAILY_LOSS:
            daily = None if losses is None else losses.daily
            return _bar(name, "the loss since midnight UTC", daily, limits.daily_loss_max, quote)
        case LimitName.DRAWDOWN:
            drawdown = None if losses is None else losses.drawdown
            return _bar(name, "the loss from the peak", drawdown, limits.drawdown_max, quote)
        case LimitName.FLOATING_LOSS:
            floating = None if losses is None else losses.floating
            return _bar(name, "the loss of the inventory", floating, limits.floating_loss_max, quote)
        case LimitName.PRICE_AGE:
            return _age_bar(name, "the age of the price", evidence.price_age_ms, limits.price_stale_seconds)
        case LimitName.REPORTS_AGE:
            ages = evidence.reports_age_ms, limits.reports_stale_seconds
            return _age_bar(name, "the silence of the order stream", *ages)
        case LimitName.CANDLES_AGE:
            return _age_bar(name, "the age of the candles", evidence.candles_age_ms, limits.candles_stale_seconds)
        case LimitName.JOURNAL_LAG:
            return _age_bar(name, "the lag of the journal", evidence.journal_lag_ms, limits.journal_lag_seconds_max)
        case LimitName.LIQUIDATION_DISTANCE:
            return _liquidation_view(limits, evidence)


def _bar(
    name: LimitName, noun: str, value: Decimal | int | None, limit: Decimal | int | None, unit: str
) -> LimitView | None:
    """A limit that blocks openings once it is reached, or while nobody knows."""
    if limit is None:
        return None
    found = None if value is None else Decimal(value)
    shown = "not known" if found is None else _with_unit(found, unit)
    return LimitView(
        name=name,
        value=found,
        limit=Decimal(limit),
        unit=unit,
        used=None if found is None else floor_quotient(found, Decimal(limit)),
        is_blocking=found is None or found >= limit,
        reason=f"{noun} is {shown}, the limit is {_with_unit(Decimal(limit), unit)}",
    )


def _age_bar(name: LimitName, noun: str, age_ms: int | None, limit: Decimal | None) -> LimitView | None:
    # A time ahead of the clock is as wrong as one far behind it.
    return _bar(name, noun, None if age_ms is None else abs(age_ms) * _MS, limit, "s")


def _order_limit(name: LimitName, limit: Decimal | None, unit: str, words: str) -> LimitView | None:
    if limit is None:
        return None
    reason = words.format(_with_unit(limit, unit))
    return LimitView(name=name, value=None, limit=limit, unit=unit, used=None, is_blocking=False, reason=reason)


def _liquidation_view(limits: Limits, evidence: Evidence) -> LimitView | None:
    limit = _percent(limits.liquidation_distance_min)
    if limit is None:
        return None
    value, mark, at = None, evidence.mark, evidence.liquidation_price
    if evidence.can_be_liquidated and mark is not None and mark.is_finite() and mark > 0 and at is not None:
        value = floor_quotient(abs(mark - at) * 100, mark)
    shown = "not known" if value is None else _with_unit(floor_to_step(value, _PERCENT_SHOWN), "%")
    reason = f"the distance to liquidation is {shown}, the least is {_with_unit(limit, '%')}"
    return LimitView(
        name=LimitName.LIQUIDATION_DISTANCE,
        value=value,
        limit=limit,
        unit="%",
        used=floor_quotient(limit, value) if value else None,
        is_blocking=evidence.can_be_liquidated and (value is None or value < limit),
        reason=reason if evidence.can_be_liquidated else "nothing here can be liquidated",
    )


def _exposure(evidence: Evidence) -> Decimal | None:
    cost, resting = evidence.inventory_cost, evidence.resting_quote
    return None if cost is None or resting is None else cost + resting


def _percent(fraction: Decimal | None) -> Decimal | None:
    return None if fraction is None else fraction * 100


def _quote(amount: Decimal, market: Market) -> str:
    return _with_unit(amount, market.quote)


def _with_unit(amount: Decimal, unit: str) -> str:
    return f"{shown_text(amount)} {unit}".rstrip()

"""What a grid trips at a price, and the band of prices in which it trips nothing.

Between two fills the total PnL is ``cash + base * price`` and the floating PnL ``base * price - cost``:
both are linear in the price, so every loss limit and every stop is one exact price. ``trigger_band``
is the open interval between the nearest of these. A price strictly inside changes nothing and
trips nothing new, so it may be passed unseen: who sees every price and who skips the quiet ones
trip at the very same one.

Peaks and bests would move with every price of a rally; they advance in steps of ``STEP`` times the
distance that is measured from them instead, and the end of a step is an edge of the band. So a peak
is at most one step behind the truth.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto

from engine.core.ledger import Ledger
from engine.model.actions import QuietBand
from engine.model.grid import Disposal
from engine.model.money import ZERO, floor_quotient, text_from_decimal
from engine.model.risk import (
    BreakerKind,
    RiskSettings,
    RiskState,
    StopBasis,
    StopLoss,
    StopRule,
    TakeProfit,
    Trail,
    TrailingTakeProfit,
    Trip,
)
from engine.model.risk_view import StopView
from engine.model.slot import Lot
from engine.model.words import shown_text

STEP = Decimal("0.02")
"""By how much of its limit a peak must be exceeded to advance, and a best by how much of its trail."""
DAY_MS = 86_400_000
_INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What a price makes the profit of: changes of ``cash`` and ``base``, what the base has ``cost``, in ``quote``."""

    cash: Decimal
    base: Decimal
    cost: Decimal
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """In quote, never below 0: since midnight UTC, from the peak, and of the inventory against its cost."""

    daily: Decimal
    drawdown: Decimal
    floating: Decimal


def position_of(ledger: Ledger, lots: Iterable[Lot], quote: str) -> Position:
    """The position of a grid; ``lots`` are those of its slots."""
    cost = sum((lot.cost_quote for lot in lots), ledger.dust.cost_quote)
    return Position(cash=ledger.cash, base=ledger.base, cost=cost, quote=quote)


def first_state(at_ms: int) -> RiskState:
    """The state of a grid that has just begun: its total PnL is 0."""
    return RiskState(day=at_ms // DAY_MS)


def advance(settings: RiskSettings, state: RiskState, position: Position, price: Decimal, at_ms: int) -> RiskState:
    """The state after this price; the same strictly inside the band of the one before.

    ``price`` is the newest known, never the one of an earlier decision: a fill changes what the
    inventory makes of a price, and an old one would invent a peak. The caller delivers midnight UTC
    with the price of that moment; after a gap the day begins with the first price seen.
    """
    total = _value(_Measure.TOTAL, position, price)
    day, drawdown_max = at_ms // DAY_MS, settings.limits.drawdown_max
    if day > state.day:
        state = replace(state, day=day, day_start_total=total)
    if drawdown_max is not None and total >= state.peak_total + STEP * drawdown_max:
        state = replace(state, peak_total=total)
    trails = tuple(
        trail
        for rule in settings.stops
        if isinstance(rule, TrailingTakeProfit)
        if (trail := _trail_after(rule, _trail_of(rule, state), price, total)) is not None
    )
    return state if trails == state.trails else replace(state, trails=trails)


def trips_at(settings: RiskSettings, state: RiskState, position: Position, price: Decimal) -> tuple[Trip, ...]:
    """Every cause that is there at this price, those that stop the grid first; ``state`` has seen the price."""
    trips = (
        Trip(kind=trigger.kind, reason=trigger.reason(found), disposal=trigger.disposal)
        for trigger in _triggers(settings, state, position.quote)
        if trigger.is_met(found := _value(trigger.measure, position, price))
    )
    return tuple(sorted(trips, key=lambda trip: trip.disposal is None))


def trigger_band(settings: RiskSettings, state: RiskState, position: Position, price: Decimal) -> QuietBand:
    """The open interval around a price in which ``advance`` and ``trips_at`` change nothing.

    ``state`` has seen the price. At an edge itself nothing is quiet. Prices are multiples of
    ``MONEY_QUANTUM``, to which the edges are floored.
    """
    low, high = ZERO, _INFINITY
    for edge in _edges(settings, state, position):
        if edge == price:
            return QuietBand(price, price)
        if edge < price:
            low = max(low, edge)
        else:
            high = min(high, edge)
    return QuietBand(low, high)


def losses_at(state: RiskState, position: Position, price: Decimal) -> Losses:
    """The losses as they are measured at this price."""
    total = _value(_Measure.TOTAL, position, price)
    return Losses(
        daily=max(ZERO, state.day_start_total - total),
        drawdown=max(ZERO, state.peak_total - total),
        floating=max(ZERO, -_value(_Measure.FLOATING, position, price)),
    )


def stops_now(settings: RiskSettings, state: RiskState, position: Position) -> tuple[StopView, ...]:
    """Every stop in words, with the price at which it would end the grid as things are now."""
    views = []
    for rule in settings.stops:
        trigger = _trigger_of_stop(rule, state, position.quote)
        price = None if trigger is None else _price_where(trigger.measure, position, trigger.at)
        kind, words = _rule_in_words(rule, position.quote)
        is_price = price is not None and price > 0
        views.append(StopView(kind=kind, words=words, price=price if is_price else None, disposal=rule.disposal))
    return tuple(views)


def start_anew(state: RiskState, kind: BreakerKind, position: Position, price: Decimal) -> RiskState:
    """The state after a person lifted a block of this kind: a loss that was accepted is not counted again."""
    total = _value(_Measure.TOTAL, position, price)
    match kind:
        case BreakerKind.DAILY_LOSS:
            return replace(state, day_start_total=min(total, state.day_start_total))
        case BreakerKind.DRAWDOWN:
            return replace(state, peak_total=min(total, state.peak_total))
        case BreakerKind.TRAILING_TAKE_PROFIT:
            return replace(state, trails=())
        case BreakerKind.FLOATING_LOSS | BreakerKind.STOP_LOSS | BreakerKind.TAKE_PROFIT:
            return state
        case BreakerKind.PANIC_KEY | BreakerKind.MARKET_PANIC | BreakerKind.LEADERS_UNSEEN:
            return state


class _Measure(Enum):
    PRICE = auto()
    TOTAL = auto()
    FLOATING = auto()


class _Sense(Enum):
    FALLS = auto()
    RISES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trigger:
    """A measure that trips where it falls or rises to ``at``; ``reason`` makes a sentence of what was found."""

    kind: BreakerKind
    measure: _Measure
    sense: _Sense
    at: Decimal
    reason: Callable[[Decimal], str]
    disposal: Disposal | None

    def is_met(self, found: Decimal) -> bool:
        match self.sense:
            case _Sense.FALLS:
                return found <= self.at
            case _Sense.RISES:
                return found >= self.at


def _value(measure: _Measure, position: Position, price: Decimal) -> Decimal:
    match measure:
        case _Measure.PRICE:
            return price
        case _Measure.TOTAL:
            return position.cash + position.base * price
        case _Measure.FLOATING:
            return position.base * price - position.cost


def _price_where(measure: _Measure, position: Position, value: Decimal) -> Decimal | None:
    """The price at which a measure has this value, floored; None if no price makes it so."""
    match measure:
        case _Measure.PRICE:
            return value
        case _Measure.TOTAL:
            gained = value - position.cash
        case _Measure.FLOATING:
            gained = value + position.cost
    return floor_quotient(gained, position.base) if position.base else None


def _edges(settings: RiskSettings, state: RiskState, position: Position) -> Iterator[Decimal]:
    bounds = [(trigger.measure, trigger.at) for trigger in _triggers(settings, state, position.quote)]
    for measure, at in (*bounds, *_next_steps(settings, state)):
        edge = _price_where(measure, position, at)
        if edge is not None:
            yield edge


def _next_steps(settings: RiskSettings, state: RiskState) -> Iterator[tuple[_Measure, Decimal]]:
    """Where the state advances next."""
    if settings.limits.drawdown_max is not None:
        yield _Measure.TOTAL, state.peak_total + STEP * settings.limits.drawdown_max
    for rule in settings.stops:
        if isinstance(rule, TrailingTakeProfit):
            trail = _trail_of(rule, state)
            ahead = rule.trail * STEP * _direction(rule.basis)
            yield _measure_of(rule.basis), rule.at if trail is None else trail.best + ahead


def _triggers(settings: RiskSettings, state: RiskState, quote: str) -> Iterator[_Trigger]:
    for rule in settings.stops:
        trigger = _trigger_of_stop(rule, state, quote)
        if trigger is not None:
            yield trigger
    yield from _loss_triggers(settings, state, quote)


def _trigger_of_stop(rule: StopRule, state: RiskState, quote: str) -> _Trigger | None:
    match rule:
        case StopLoss():
            sense = _Sense.RISES if rule.basis is StopBasis.PRICE_RISES else _Sense.FALLS
            return _stop(BreakerKind.STOP_LOSS, rule, sense, rule.at, _bound_words("stop loss", rule, sense, quote))
        case TakeProfit():
            sense = _Sense.FALLS if rule.basis is StopBasis.PRICE_FALLS else _Sense.RISES
            return _stop(BreakerKind.TAKE_PROFIT, rule, sense, rule.at, _bound_words("take profit", rule, sense, quote))
        case TrailingTakeProfit():
            trail = _trail_of(rule, state)
            if trail is None:
                return None
            sense = _Sense.RISES if rule.basis is StopBasis.PRICE_FALLS else _Sense.FALLS
            at = trail.best - rule.trail * _direction(rule.basis)
            return _stop(BreakerKind.TRAILING_TAKE_PROFIT, rule, sense, at, _trail_words(rule, trail, quote))


def _stop(kind: BreakerKind, rule: StopRule, sense: _Sense, at: Decimal, reason: Callable[[Decimal], str]) -> _Trigger:
    measure = _measure_of(rule.basis)
    return _Trigger(kind=kind, measure=measure, sense=sense, at=at, reason=reason, disposal=rule.disposal)


def _loss_triggers(settings: RiskSettings, state: RiskState, quote: str) -> Iterator[_Trigger]:
    limits = settings.limits
    day, peak = state.day_start_total, state.peak_total
    if (limit := limits.daily_loss_max) is not None:
        words = _loss_words("the loss since midnight UTC is", "", day, limit, quote)
        yield _loss(settings, BreakerKind.DAILY_LOSS, _Measure.TOTAL, day - limit, words)
    if (limit := limits.drawdown_max) is not None:
        reference = f" below its peak of {shown_text(peak)} {quote}"
        words = _loss_words("the total PnL is", reference, peak, limit, quote)
        yield _loss(settings, BreakerKind.DRAWDOWN, _Measure.TOTAL, peak - limit, words)
    if (limit := limits.floating_loss_max) is not None:
        words = _loss_words("the inventory is worth", " less than it cost", ZERO, limit, quote)
        yield _loss(settings, BreakerKind.FLOATING_LOSS, _Measure.FLOATING, -limit, words)


def _loss(
    settings: RiskSettings, kind: BreakerKind, measure: _Measure, at: Decimal, reason: Callable[[Decimal], str]
) -> _Trigger:
    disposal = settings.rule_of(kind).disposal
    return _Trigger(kind=kind, measure=measure, sense=_Sense.FALLS, at=at, reason=reason, disposal=disposal)


def _bound_words(name: str, rule: StopRule, sense: _Sense, quote: str) -> Callable[[Decimal], str]:
    side = "at or below" if sense is _Sense.FALLS else "at or above"
    bound = text_from_decimal(rule.at)
    return lambda found: f"{name}: {_noun(rule.basis)} is {_found(rule, found)} {quote}, {side} {bound} {quote}"


def _trail_words(rule: TrailingTakeProfit, trail: Trail, quote: str) -> Callable[[Decimal], str]:
    best, distance = _found(rule, trail.best), text_from_decimal(rule.trail)
    return lambda found: (
        f"trailing take profit: {_noun(rule.basis)} is {_found(rule, found)} {quote}, "
        f"back by at least {distance} {quote} from its best of {best} {quote}"
    )


def _loss_words(before: str, after: str, reference: Decimal, limit: Decimal, quote: str) -> Callable[[Decimal], str]:
    allowed = f"the limit is {text_from_decimal(limit)} {quote}"
    return lambda found: f"{before} {shown_text(reference - found)} {quote}{after}, {allowed}"


def _rule_in_words(rule: StopRule, quote: str) -> tuple[BreakerKind, str]:
    at = f"{_noun(rule.basis)} at {text_from_decimal(rule.at)} {quote}"
    match rule:
        case StopLoss():
            return BreakerKind.STOP_LOSS, f"stop loss: {at}"
        case TakeProfit():
            return BreakerKind.TAKE_PROFIT, f"take profit: {at}"
        case TrailingTakeProfit():
            back = f"then {text_from_decimal(rule.trail)} {quote} back from its best"
            return BreakerKind.TRAILING_TAKE_PROFIT, f"trailing take profit: {at}, {back}"


def _found(rule: StopRule, value: Decimal) -> str:
    """What was measured: a price as it was traded, a total as people read it."""
    return shown_text(value) if rule.basis is StopBasis.TOTAL else text_from_decimal(value)


def _noun(basis: StopBasis) -> str:
    return "the total PnL" if basis is StopBasis.TOTAL else "the price"


def _measure_of(basis: StopBasis) -> _Measure:
    match basis:
        case StopBasis.PRICE_FALLS | StopBasis.PRICE_RISES:
            return _Measure.PRICE
        case StopBasis.TOTAL:
            return _Measure.TOTAL


def _direction(basis: StopBasis) -> int:
    """The sign of what is better for a take profit."""
    return -1 if basis is StopBasis.PRICE_FALLS else 1


def _trail_of(rule: TrailingTakeProfit, state: RiskState) -> Trail | None:
    """What a rule has followed so far; nothing that a start moved by a person has not reached."""
    trail = next((trail for trail in state.trails if trail.basis is rule.basis), None)
    if trail is None or (trail.best - rule.at) * _direction(rule.basis) < 0:
        return None
    return trail


def _trail_after(rule: TrailingTakeProfit, trail: Trail | None, price: Decimal, total: Decimal) -> Trail | None:
    value = total if rule.basis is StopBasis.TOTAL else price
    needed = rule.at if trail is None else trail.best + STEP * rule.trail * _direction(rule.basis)
    if (value - needed) * _direction(rule.basis) >= 0:
        return Trail(basis=rule.basis, best=value)
    return trail

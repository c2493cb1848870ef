"""What a grid may risk: limits, stops, breakers and the panic filter, and what a terminal sees of them.

Every check that fails is named at once, so that a configuration is mended in one go. Prices, fractions
and quote amounts are Decimal, and so are seconds: all of them are compared exactly.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from engine.model.grid import Disposal
from engine.model.money import ZERO, text_from_decimal

_MINUTE_MS = 60_000


class LimitName(StrEnum):
    EXPOSURE = "exposure"
    OPEN_ORDERS = "open_orders"
    ORDER_NOTIONAL = "order_notional"
    PRICE_BAND = "price_band"
    ORDER_RATE = "order_rate"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    FLOATING_LOSS = "floating_loss"
    PRICE_AGE = "price_age"
    REPORTS_AGE = "reports_age"
    CANDLES_AGE = "candles_age"
    JOURNAL_LAG = "journal_lag"
    LIQUIDATION_DISTANCE = "liquidation_distance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What no opening may go beyond; None is off.

    ``exposure_quote_max`` bounds what the inventory has cost and resting entries bind, in quote.
    ``price_band`` and ``liquidation_distance_min`` are fractions of the mark price: how far beyond it an
    order may be priced, and how near to it the liquidation price may come. The three losses are in
    quote: since midnight UTC, from the peak of the total PnL, and of the inventory against its cost.

    Raises:
        ValueError: a limit that makes no sense, or two that contradict each other.
    """

    exposure_quote_max: Decimal | None = None
    open_orders_max: int | None = None
    order_notional_max: Decimal | None = None
    price_band: Decimal | None = None
    orders_per_minute_max: int | None = None
    daily_loss_max: Decimal | None = None
    drawdown_max: Decimal | None = None
    floating_loss_max: Decimal | None = None
    price_stale_seconds: Decimal | None = None
    reports_stale_seconds: Decimal | None = None
    candles_stale_seconds: Decimal | None = None
    journal_lag_seconds_max: Decimal | None = None
    liquidation_distance_min: Decimal | None = None

    def __post_init__(self) -> None:
        _raise_all(self._problems())

    def _problems(self) -> Iterator[str]:
        for name in self.__slots__:
            limit = getattr(self, name)
            if limit is None:
                continue
            is_fraction = name in ("price_band", "liquidation_distance_min")
            problem = _problem_with_amount(name, Decimal(limit))
            if problem is not None:
                yield problem
            elif is_fraction and limit >= 1:
                yield f"{name} must be a fraction below 1, was {text_from_decimal(limit)}"
        largest, exposure = _finite(self.order_notional_max), _finite(self.exposure_quote_max)
        if largest is not None and exposure is not None and exposure < largest:
            yield (
                "exposure_quote_max must be at least order_notional_max, "
                f"was {text_from_decimal(exposure)} and {text_from_decimal(largest)}"
            )


class StopBasis(StrEnum):
    """What a stop watches, and in which direction it gets there."""

    PRICE_FALLS = "price_falls"
    PRICE_RISES = "price_rises"
    TOTAL = "total"
    """The total PnL of the grid: it falls to a stop loss and rises to a take profit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoss:
    """Stop the grid where it goes wrong; ``at`` is a price, or a total PnL below 0 in quote."""

    basis: StopBasis
    at: Decimal
    disposal: Disposal


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeProfit:
    """Stop the grid where it has earned enough; ``at`` is a price, or a total PnL above 0 in quote."""

    basis: StopBasis
    at: Decimal
    disposal: Disposal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingTakeProfit:
    """From ``at`` on follow the best price or total seen, and stop the grid when it has come back by ``trail``."""

    basis: StopBasis
    at: Decimal
    trail: Decimal
    disposal: Disposal


StopRule = StopLoss | TakeProfit | TrailingTakeProfit


class BreakerKind(StrEnum):
    """Why nothing new opens."""

    PANIC_KEY = "panic_key"
    MARKET_PANIC = "market_panic"
    LEADERS_UNSEEN = "leaders_unseen"
    """The panic filter cannot see enough of its leaders to notice a panic."""
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    FLOATING_LOSS = "floating_loss"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_TAKE_PROFIT = "trailing_take_profit"


_STOPS = frozenset((BreakerKind.STOP_LOSS, BreakerKind.TAKE_PROFIT, BreakerKind.TRAILING_TAKE_PROFIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """What a trip of this kind brings: how long it blocks at least, and whether a person must lift it.

    ``disposal`` stops the grid too, None blocks openings only; a stop rule names its own.
    """

    kind: BreakerKind
    cooldown_seconds: int = 0
    needs_person: bool = False
    disposal: Disposal | None = None


_DEFAULT_RULES = {
    kind: BreakerRule(
        kind=kind,
        cooldown_seconds=900 if kind is BreakerKind.FLOATING_LOSS else 0,
        needs_person=kind in _STOPS or kind in (BreakerKind.PANIC_KEY, BreakerKind.DRAWDOWN),
    )
    for kind in BreakerKind
}
"""A daily loss ends by itself at midnight, and a market's panic has a hysteresis of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicSettings:
    """How a panic of the market is told from its leading symbols.

    A leader panics when its latest candle, even unfinished, closes below the mean close of the
    ``average_window`` closed candles before it, on a volume above ``volume_multiplier`` times
    their mean. ``trigger`` leaders make a panic, and it ends when ``recovery`` are normal again. A
    closed candle may be ``stale_after_ms`` late.

    Raises:
        ValueError: thresholds that can never be met, or windows of nothing.
    """

    symbols: tuple[str, ...]
    trigger: int
    recovery: int
    interval_ms: int = 60_000
    average_window: int = 20
    volume_multiplier: Decimal = Decimal(3)
    stale_after_ms: int = 120_000

    def __post_init__(self) -> None:
        _raise_all(self._problems())

    def _problems(self) -> Iterator[str]:
        if not self.symbols:
            yield "symbols must name at least one leader, was empty"
        doubled = sorted(symbol for symbol, count in Counter(self.symbols).items() if count > 1)
        if doubled:
            yield f"symbols must each be named once, {', '.join(doubled)} is named more often"
        count = len(set(self.symbols))
        for name in ("trigger", "recovery"):
            if not 1 <= getattr(self, name) <= max(count, 1):
                yield f"{name} must be between 1 and the number of symbols, {count}, was {getattr(self, name)}"
        if self.interval_ms < 1 or self.interval_ms % _MINUTE_MS:
            yield f"interval_ms must be whole minutes, was {self.interval_ms}"
        for name in ("average_window", "stale_after_ms"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, was {getattr(self, name)}"
        problem = _problem_with_amount("volume_multiplier", self.volume_multiplier)
        if problem is not None:
            yield problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Everything that a grid's risk is judged by.

    Raises:
        ValueError: rules that contradict each other, are doubled or can never work.
    """

    limits: Limits = field(default_factory=Limits)
    stops: tuple[StopRule, ...] = ()
    breakers: tuple[BreakerRule, ...] = ()
    panic: PanicSettings | None = None

    def __post_init__(self) -> None:
        _raise_all([*_stop_problems(self.stops), *_breaker_problems(self.breakers)])

    def rule_of(self, kind: BreakerKind) -> BreakerRule:
        """The rule of a breaker, its default where none is configured."""
        return next((rule for rule in self.breakers if rule.kind is kind), _DEFAULT_RULES[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A cause that is there now, with the figures; ``disposal`` None: openings are blocked and exits go on."""

    kind: BreakerKind
    reason: str
    disposal: Disposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Nothing new opens for this reason.

    ``until_ms`` is the earliest end by itself, if its cause is gone by then; None where a person must lift it.
    """

    kind: BreakerKind
    reason: str
    since_ms: int
    until_ms: int | None
    needs_person: bool

    def __post_init__(self) -> None:
        if self.needs_person != (self.until_ms is None):
            raise ValueError(f"a block ends at a time or by a person, was {self.until_ms} and {self.needs_person}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A trailing take profit that follows; ``best`` is a price or a total PnL."""

    basis: StopBasis
    best: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """What has to be remembered of the prices gone by: a fold of ``core.stops.advance``.

    ``day`` counts days of UTC; the peak is followed only while a drawdown is limited.
    """

    day: int
    day_start_total: Decimal = ZERO
    peak_total: Decimal = ZERO
    trails: tuple[Trail, ...] = ()


def _stop_problems(stops: tuple[StopRule, ...]) -> Iterator[str]:
    for (kind, basis), count in Counter((type(rule), rule.basis) for rule in stops).items():
        if count > 1:
            yield f"there must be one {_KIND_WORDS[kind]} at {_BASIS_WORDS[basis]}, found {count}"
    sound = [rule for rule in stops if rule.at.is_finite()]
    for rule in stops:
        yield from _problems_of_stop(rule)
    falling = [rule for rule in sound if rule.basis is StopBasis.PRICE_FALLS]
    rising = [rule for rule in sound if rule.basis is StopBasis.PRICE_RISES]
    for low in falling:
        for high in rising:
            if low.at >= high.at:
                yield f"{_words(low)} must be below {_words(high)}"
    yield from _unreachable_trails(sound)


def _problems_of_stop(rule: StopRule) -> Iterator[str]:
    if not rule.at.is_finite():
        yield f"a {_KIND_WORDS[type(rule)]} must be at a finite number, was {rule.at}"
        return
    match rule:
        case StopLoss() if rule.basis is StopBasis.TOTAL:
            if rule.at >= 0:
                yield f"a stop loss at a total PnL must be below 0, was {text_from_decimal(rule.at)}"
        case StopLoss() | TakeProfit() | TrailingTakeProfit():
            if rule.at <= 0:
                yield f"a {_KIND_WORDS[type(rule)]} must be above 0, was {text_from_decimal(rule.at)}"
            if isinstance(rule, TrailingTakeProfit) and not (rule.trail.is_finite() and 0 < rule.trail < rule.at):
                yield f"trail must be above 0 and below its start {text_from_decimal(rule.at)}, was {rule.trail:f}"


def _unreachable_trails(stops: list[StopRule]) -> Iterator[str]:
    """A take profit that ends the grid before the trailing one has begun to follow."""
    for take in stops:
        for trail in stops:
            if not (isinstance(take, TakeProfit) and isinstance(trail, TrailingTakeProfit)):
                continue
            if take.basis is not trail.basis:
                continue
            ahead = take.at - trail.at if take.basis is not StopBasis.PRICE_FALLS else trail.at - take.at
            if ahead <= 0:
                yield f"{_words(trail)} must be reached before {_words(take)}"


def _breaker_problems(breakers: tuple[BreakerRule, ...]) -> Iterator[str]:
    for kind, count in Counter(rule.kind for rule in breakers).items():
        if count > 1:
            yield f"there must be one rule for {kind}, found {count}"
    for rule in breakers:
        if rule.cooldown_seconds < 0:
            yield f"{rule.kind}: cooldown_seconds must be at least 0, was {rule.cooldown_seconds}"
        if rule.kind is BreakerKind.PANIC_KEY and not rule.needs_person:
            yield f"{rule.kind}: needs_person must be true: what a person did a person lifts"
        if rule.kind in _STOPS and rule.disposal is not None:
            yield f"{rule.kind}: disposal belongs to the stop itself, was {rule.disposal} here"


_KIND_WORDS: dict[type, str] = {
    StopLoss: "stop loss",
    TakeProfit: "take profit",
    TrailingTakeProfit: "trailing take profit",
}
_BASIS_WORDS = {
    StopBasis.PRICE_FALLS: "a falling price",
    StopBasis.PRICE_RISES: "a rising price",
    StopBasis.TOTAL: "a total PnL",
}


def _words(rule: StopRule) -> str:
    return f"the {_KIND_WORDS[type(rule)]} at {_BASIS_WORDS[rule.basis]} of {text_from_decimal(rule.at)}"


def _problem_with_amount(name: str, amount: Decimal) -> str | None:
    if not amount.is_finite():
        return f"{name} must be a finite number, was {amount}"
    if amount <= 0:
        return f"{name} must be above 0, was {text_from_decimal(amount)}"
    return None


def _finite(amount: Decimal | None) -> Decimal | None:
    return amount if amount is not None and amount.is_finite() else None


def _raise_all(problems: Iterator[str] | list[str]) -> None:
    found = list(problems)
    if found:
        raise ValueError("; ".join(found))

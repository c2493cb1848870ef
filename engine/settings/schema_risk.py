"""``[risk]``, ``[grid.risk]`` and ``[[grid.stop]]``: their keys, ranges and defaults.

A grid's own section lies over the common one: a limit over the limit, a breaker over the breaker of
its kind, a panic filter over the whole panic filter. What contradicts is what ``RiskSettings`` refuses.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from engine.model.grid import Disposal
from engine.model.risk import (
    BreakerKind,
    BreakerRule,
    Limits,
    PanicSettings,
    RiskSettings,
    StopBasis,
    StopLoss,
    StopRule,
    TakeProfit,
    TrailingTakeProfit,
)
from engine.settings.schema_types import (
    INTERVAL_WORDS,
    SECONDS_WORDS,
    Amount,
    Flag,
    Interval,
    Milliseconds,
    Positive,
    Section,
    Symbol,
    one_of,
)

_NO_RISK = RiskSettings()
_LEADERS_MAX = 50
_COOLDOWN_MAX = 30 * 86400
_POSITIVE = "an amount above 0"
_FRACTION = "a fraction above 0 and below 1"
_SECONDS = "seconds above 0"
_Fraction = Annotated[Amount, Field(gt=0, lt=1)]
_Whole = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
_WHOLE = "a whole number from 1 to 1000000"
_Leaders = Annotated[int, Field(strict=True, ge=1, le=_LEADERS_MAX)]
_LEADERS = f"a whole number from 1 to {_LEADERS_MAX}"


class StopKind(StrEnum):
    """The word for each kind of stop."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_TAKE_PROFIT = "trailing_take_profit"


class StopSection(Section):
    """``[[grid.stop]]``."""

    kind: StopKind = Field(description=one_of(StopKind))
    basis: StopBasis = Field(description=one_of(StopBasis))
    at: Amount = Field(description="a price, or a total PnL in quote")
    trail: Positive | None = Field(default=None, description=_POSITIVE)
    disposal: Disposal = Field(default=Disposal.FLATTEN, description=one_of(Disposal))

    def rule(self) -> StopRule:
        """As the engine takes it. ``trail`` stands where the kind is trailing, and nowhere else."""
        match self.kind:
            case StopKind.STOP_LOSS:
                return StopLoss(basis=self.basis, at=self.at, disposal=self.disposal)
            case StopKind.TAKE_PROFIT:
                return TakeProfit(basis=self.basis, at=self.at, disposal=self.disposal)
            case StopKind.TRAILING_TAKE_PROFIT:
                trail = Decimal(0) if self.trail is None else self.trail
                return TrailingTakeProfit(basis=self.basis, at=self.at, trail=trail, disposal=self.disposal)


class BreakerSection(Section):
    """``[[risk.breaker]]``; what is left out keeps the default of the kind."""

    kind: BreakerKind = Field(description=one_of(BreakerKind))
    cooldown_seconds: int | None = Field(
        default=None, strict=True, ge=0, le=_COOLDOWN_MAX, description=f"whole seconds from 0 to {_COOLDOWN_MAX}"
    )
    needs_person: Flag | None = Field(default=None, description="true or false")
    disposal: Disposal | None = Field(default=None, description=one_of(Disposal))

    def rule(self) -> BreakerRule:
        """As the engine takes it."""
        given = {name: value for name, value in dict(self).items() if value is not None}
        return replace(_NO_RISK.rule_of(self.kind), **given)


class PanicSection(Section):
    """``[risk.panic]``."""

    symbols: tuple[Symbol, ...] = Field(description="a list of symbols", title="BASE/QUOTE, such as BTC/USDT")
    trigger: _Leaders = Field(description=_LEADERS)
    recovery: _Leaders = Field(description=_LEADERS)
    interval: Interval = Field(default=60_000, description=INTERVAL_WORDS)
    average_window: int = Field(default=20, strict=True, ge=1, le=1000, description="a whole number from 1 to 1000")
    volume_multiplier: Positive = Decimal(3)
    stale_after: Milliseconds = Field(default=120_000, description=SECONDS_WORDS)

    def settings(self) -> PanicSettings:
        """As the engine takes it.

        Raises:
            ValueError: with every contradiction.
        """
        return PanicSettings(
            symbols=self.symbols,
            trigger=self.trigger,
            recovery=self.recovery,
            interval_ms=self.interval,
            average_window=self.average_window,
            volume_multiplier=self.volume_multiplier,
            stale_after_ms=self.stale_after,
        )


class RiskSection(Section):
    """``[risk]`` and ``[grid.risk]``: every limit by its own name, breakers and the panic filter."""

    exposure_quote_max: Positive | None = Field(default=None, description=_POSITIVE)
    open_orders_max: _Whole | None = Field(default=None, description=_WHOLE)
    order_notional_max: Positive | None = Field(default=None, description=_POSITIVE)
    price_band: _Fraction | None = Field(default=None, description=_FRACTION)
    orders_per_minute_max: _Whole | None = Field(default=None, description=_WHOLE)
    daily_loss_max: Positive | None = Field(default=None, description=_POSITIVE)
    drawdown_max: Positive | None = Field(default=None, description=_POSITIVE)
    floating_loss_max: Positive | None = Field(default=None, description=_POSITIVE)
    price_stale_seconds: Positive | None = Field(default=None, description=_SECONDS)
    reports_stale_seconds: Positive | None = Field(default=None, description=_SECONDS)
    candles_stale_seconds: Positive | None = Field(default=None, description=_SECONDS)
    journal_lag_seconds_max: Positive | None = Field(default=None, description=_SECONDS)
    liquidation_distance_min: _Fraction | None = Field(default=None, description=_FRACTION)
    breaker: tuple[BreakerSection, ...] = Field(default=(), description="sections [[risk.breaker]]")
    panic: PanicSection | None = Field(default=None, description="a table")

    def over(self, common: "RiskSection") -> "RiskSection":
        """This section with what it leaves to the common one."""
        own = {rule.kind for rule in self.breaker}
        given = {name: value for name, value in dict(self).items() if value is not None}
        kept = tuple(rule for rule in common.breaker if rule.kind not in own)
        return common.model_copy(update={**given, "breaker": (*kept, *self.breaker)})

    def limits(self) -> Limits:
        """The limits as the engine takes them.

        Raises:
            ValueError: with every contradiction.
        """
        given = dict(self)
        return Limits(**{name: given[name] for name in Limits.__slots__})

    def breakers(self) -> tuple[BreakerRule, ...]:
        """The breakers as the engine takes them, in the order of their kinds."""
        order = list(BreakerKind)
        return tuple(sorted((section.rule() for section in self.breaker), key=lambda rule: order.index(rule.kind)))

    def settings(self, stops: tuple[StopRule, ...]) -> RiskSettings:
        """As the engine takes it.

        Raises:
            ValueError: keys contradict each other; ``problems`` names them all.
        """
        panic = None if self.panic is None else self.panic.settings()
        return RiskSettings(limits=self.limits(), stops=stops, breakers=self.breakers(), panic=panic)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What contradicts, each with its key; the key is empty where it is several."""
        for text in refusals(self.limits):
            yield "", text
        for text in refusals(lambda: RiskSettings(breakers=self.breakers())):
            yield "breaker", text
        if self.panic is not None:
            for text in refusals(self.panic.settings):
                yield "panic", text


def refusals(make: Callable[[], object]) -> list[str]:
    """Everything that a value of the model refuses about itself; nothing where it can be made."""
    try:
        make()
    except ValueError as error:
        return str(error).split("; ")
    return []

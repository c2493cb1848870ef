"""``[[grid]]``: its keys, ranges and defaults, and the two ways in which a range can be written."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from engine.model.grid import (
    Direction,
    GridSpec,
    InitialPurchase,
    MarginMode,
    ProfitUse,
    SizedBy,
    SizeProfile,
    SlotSize,
    Spacing,
    StartTrigger,
    Trailing,
    TriggerSide,
)
from engine.model.money import text_from_decimal
from engine.settings.schema_risk import RiskSection, StopSection
from engine.settings.schema_types import Amount, Count, Flag, Positive, Price, Section, Symbol, number, one_of

_DIGITS_MAX = 12
_DECIMALS_MAX = 18
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_RANGE = Context(prec=_DIGITS_MAX, rounding=ROUND_HALF_EVEN)
_FINEST = Decimal(1).scaleb(-_DECIMALS_MAX)
_POSITIVE = "an amount above 0"
_PRICE = "a price above 0"


class GridSection(Section):
    """``[[grid]]``. ``upper`` stands before ``lower``, which is compared with it."""

    name: str = Field(pattern="^[a-z0-9_-]{1,32}$", description="1 to 32 of a-z 0-9 _ -")
    symbol: Symbol
    direction: Direction = Field(default=Direction.LONG, description=one_of(Direction))
    spacing: Spacing = Field(default=Spacing.GEOMETRIC, description=one_of(Spacing))
    upper: Price | None = Field(default=None, description=_PRICE)
    lower: Price | None = Field(default=None, description=_PRICE)
    center: Price | None = Field(default=None, description=_PRICE)
    step: Positive | None = Field(default=None, description=_POSITIVE)
    slots: Count
    quote_per_slot: Positive | None = Field(default=None, description=_POSITIVE)
    investment: Positive | None = Field(default=None, description=_POSITIVE)
    base_per_slot: Positive | None = Field(default=None, description=_POSITIVE)
    profile: SizeProfile = Field(default=SizeProfile.FLAT, description=one_of(SizeProfile))
    sizes: dict[str, Any] = Field(default_factory=dict, description='a table of slots, such as { "3" = 250 }')
    window: Count = 20
    initial_purchase: InitialPurchase = Field(default=InitialPurchase.LIMIT, description=one_of(InitialPurchase))
    profit: ProfitUse = Field(default=ProfitUse.BANK, description=one_of(ProfitUse))
    start_below: Price | None = Field(default=None, description=_PRICE)
    start_above: Price | None = Field(default=None, description=_PRICE)
    trail_up_to: Price | None = Field(default=None, description=_PRICE)
    trail_down_to: Price | None = Field(default=None, description=_PRICE)
    infinite: Flag = False
    leverage: Annotated[Amount, Field(ge=1, le=1000)] | None = Field(
        default=None, description="a number from 1 to 1000"
    )
    margin: MarginMode = Field(default=MarginMode.CROSS, description=one_of(MarginMode))
    regime: Flag | None = Field(default=None, description="true or false")
    stop: tuple[StopSection, ...] = Field(default=(), description="sections [[grid.stop]]")
    risk: RiskSection = Field(default=RiskSection(), description="a table")

    @field_validator("lower")
    @classmethod
    def _below_upper(cls, lower: Decimal | None, info: ValidationInfo) -> Decimal | None:
        # ``upper`` is declared first: it is here only if it is sound itself.
        upper = info.data.get("upper")
        if lower is not None and upper is not None and lower >= upper:
            raise ValueError("a price below upper", f"upper is {text_from_decimal(upper)}")
        return lower

    def spec(self) -> GridSpec:
        """As the engine takes it; for a section without contradictions."""
        sized_by, size = self._size()
        lower, upper = self._range()
        return GridSpec(
            name=self.name,
            symbol=self.symbol,
            direction=self.direction,
            spacing=self.spacing,
            lower=lower,
            upper=upper,
            slots=self.slots,
            sized_by=sized_by,
            size=size,
            window=self.window,
            initial_purchase=self.initial_purchase,
            profile=self.profile,
            sizes=tuple(
                SlotSize(slot=slot, size=size)
                for slot, size in sorted((int(slot), number(size)) for slot, size in self.sizes.items())
            ),
            profit_use=self.profit,
            start=self._start(),
            trailing=Trailing(up_to=self.trail_up_to, down_to=self.trail_down_to),
            is_infinite=self.infinite,
            leverage=Decimal(1) if self.leverage is None else self.leverage,
            margin=self.margin,
        )

    def _range(self) -> tuple[Decimal, Decimal]:
        if self.center is not None and self.step is not None:
            return range_around(self.center, self.step, self.slots, self.spacing)
        assert self.lower is not None, "one way of range is written"
        assert self.upper is not None, "one way of range is written"
        return self.lower, self.upper

    def _size(self) -> tuple[SizedBy, Decimal]:
        given: dict[str, Decimal | None] = dict(self)
        return next((way, size) for way in SizedBy if (size := given[way]) is not None)

    def _start(self) -> StartTrigger | None:
        if self.start_below is not None:
            return StartTrigger(side=TriggerSide.BELOW, price=self.start_below)
        if self.start_above is not None:
            return StartTrigger(side=TriggerSide.ABOVE, price=self.start_above)
        return None


def range_around(center: Decimal, step: Decimal, slots: int, spacing: Spacing) -> tuple[Decimal, Decimal]:
    """Lower and upper of so many slots around a price, an odd one above it.

    A geometric step is a fraction, an arithmetic one is in quote. Both prices are rounded half even to 12
    digits, at most 18 of them after the point. They may be no prices at all: the caller looks at them.
    """
    below = slots // 2
    above = slots - below
    match spacing:
        case Spacing.GEOMETRIC:
            factor = _EXACT.add(1, step)
            lower = _EXACT.divide(center, _EXACT.power(factor, below))
            upper = _EXACT.multiply(center, _EXACT.power(factor, above))
        case Spacing.ARITHMETIC:
            lower = _EXACT.subtract(center, _EXACT.multiply(step, below))
            upper = _EXACT.add(center, _EXACT.multiply(step, above))
    return _rounded(lower), _rounded(upper)


def _rounded(price: Decimal) -> Decimal:
    rounded = _RANGE.plus(price)
    # A tiny price has fewer digits than 12, since no price is finer than this.
    return _EXACT.quantize(rounded, _FINEST) if rounded.adjusted() < _DIGITS_MAX - 1 - _DECIMALS_MAX else rounded

"""Fixed scenes of a regime and of a risk: what a terminal may be shown of them, without an engine."""

from dataclasses import replace
from decimal import Decimal

from engine.model.grid import Disposal
from engine.model.regime import EntryRule, IndicatorName, IndicatorView, RegimeName, RegimeView, ShadowView
from engine.model.risk import (
    Block,
    BreakerKind,
    LimitName,
)
from engine.model.risk_view import LimitView, RiskView, StopView
from engine.model.snapshot import EngineSnapshot, GridSnapshot
from tests import scenes

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NOW_MS = scenes.AT_MS
CANDLE_MS = NOW_MS - NOW_MS % (4 * HOUR_MS) - 4 * HOUR_MS
"""When the last closed candle of four hours began."""
FALL_REASONS = (
    "efficiency 0.2113, met from 0.13 until 0.075",
    "close moved -1842.5 in 84 candles",
    "adx 31.24, met from 25 until 20",
    "slope -0.1221, met from 0.05 until 0.03",
)
PANIC_REASON = "the panic key was pressed by terminal"


def indicator(
    name: IndicatorName, value: float | None, enter: float, leave: float, *, is_met: bool = False
) -> IndicatorView:
    """One indicator against its thresholds."""
    return IndicatorView(name=name, value=value, enter=enter, leave=leave, is_met=is_met)


FALLING_INDICATORS = (
    indicator(IndicatorName.EFFICIENCY, 0.2113, 0.13, 0.075, is_met=True),
    indicator(IndicatorName.ADX, 31.24, 25.0, 20.0, is_met=True),
    indicator(IndicatorName.CHOPPINESS, 48.7, 45.0, 55.0),
    indicator(IndicatorName.SLOPE, -0.1221, 0.05, 0.03, is_met=True),
    indicator(IndicatorName.VOLATILITY, 1.21, 2.5, 1.75),
    indicator(IndicatorName.TRUE_RANGE, 1.88, 2.5, 1.75),
)
SHADOW = ShadowView(
    waiting=4,
    lots=7,
    losses_avoided=Decimal("123.4"),
    cycles_missed=12,
    profit_missed=Decimal("40.2"),
    net_worth=Decimal("83.2"),
    left_out=0,
)


def regime(name: RegimeName = RegimeName.TRENDING_DOWN, **changes: object) -> RegimeView:
    """A market that falls, with nothing new bought in it."""
    base = RegimeView(
        name=name,
        since_ms=CANDLE_MS - 72 * HOUR_MS,
        reasons=FALL_REASONS,
        indicators=FALLING_INDICATORS,
        candle_ms=CANDLE_MS,
        candles=412,
        is_fresh=True,
        detail="",
        long_entries=EntryRule.NONE,
        short_entries=EntryRule.ALL,
        shadow=SHADOW,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def ranging() -> RegimeView:
    """A market that goes to and fro: nothing is held back, and the ledger is empty."""
    nothing = Decimal(0)
    calm = (
        indicator(IndicatorName.EFFICIENCY, 0.0412, 0.13, 0.075),
        indicator(IndicatorName.ADX, 17.0, 25.0, 20.0),
        indicator(IndicatorName.CHOPPINESS, 61.3, 45.0, 55.0),
        indicator(IndicatorName.SLOPE, 0.0094, 0.05, 0.03),
        indicator(IndicatorName.VOLATILITY, 0.84, 2.5, 1.75),
        indicator(IndicatorName.TRUE_RANGE, 0.97, 2.5, 1.75),
    )
    empty = ShadowView(
        waiting=0,
        lots=0,
        losses_avoided=nothing,
        cycles_missed=0,
        profit_missed=nothing,
        net_worth=nothing,
        left_out=0,
    )
    return regime(
        RegimeName.RANGING,
        reasons=("efficiency 0.0412, not met until 0.13",),
        indicators=calm,
        long_entries=EntryRule.ALL,
        shadow=empty,
    )


def unknown() -> RegimeView:
    """The candles have stopped coming before there were enough of them."""
    nothing = tuple(replace(item, value=None, is_met=False) for item in FALLING_INDICATORS)
    return regime(
        RegimeName.UNKNOWN,
        since_ms=NOW_MS - 11 * MINUTE_MS,
        reasons=("31 of 114 candles",),
        indicators=nothing,
        candles=31,
        is_fresh=False,
        detail="the next candle is late by 734 seconds",
        short_entries=EntryRule.NONE,
        shadow=None,
    )


def limit(name: LimitName, value: str | None, most: str, unit: str, **changes: object) -> LimitView:
    """One limit, with what is used of it; it blocks once it is reached."""
    found, bound = None if value is None else Decimal(value), Decimal(most)
    used = None if found is None else found / bound
    words = name.replace("_", " ")
    shown = "not known" if found is None else f"{found} {unit}".rstrip()
    base = LimitView(
        name=name,
        value=found,
        limit=bound,
        unit=unit,
        used=used,
        is_blocking=used is not None and used >= 1,
        reason=f"the {words} is {shown}, the limit is {bound} {unit}".rstrip(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


CALM_LIMITS = (
    limit(LimitName.EXPOSURE, "3280", "4000", "USDT"),
    limit(LimitName.OPEN_ORDERS, "24", "60", ""),
    limit(
        LimitName.ORDER_NOTIONAL,
        None,
        "500",
        "USDT",
        is_blocking=False,
        reason="an entry may be worth at most 500 USDT",
    ),
    limit(LimitName.DAILY_LOSS, "18.4", "150", "USDT"),
    limit(LimitName.DRAWDOWN, "62.1", "400", "USDT"),
    limit(LimitName.PRICE_AGE, "0.12", "10", "s"),
)
FULL_LIMITS = (
    limit(LimitName.EXPOSURE, "3280", "4000", "USDT"),
    limit(LimitName.OPEN_ORDERS, "24", "60", ""),
    CALM_LIMITS[2],
    limit(
        LimitName.PRICE_BAND,
        None,
        "5",
        "%",
        is_blocking=False,
        reason="an order may be priced at most 5 % beyond the market",
    ),
    limit(LimitName.ORDER_RATE, "7", "30", ""),
    limit(LimitName.DAILY_LOSS, "18.4", "150", "USDT"),
    limit(LimitName.DRAWDOWN, "402.13", "400", "USDT"),
    limit(LimitName.FLOATING_LOSS, "247.9", "300", "USDT"),
    limit(LimitName.PRICE_AGE, "0.12", "10", "s"),
    limit(LimitName.REPORTS_AGE, None, "30", "s", is_blocking=True),
    limit(LimitName.CANDLES_AGE, "212", "900", "s"),
    limit(LimitName.JOURNAL_LAG, "0.002", "1", "s"),
    limit(
        LimitName.LIQUIDATION_DISTANCE,
        "12.3",
        "5",
        "%",
        used=Decimal("0.4065"),
        is_blocking=False,
        reason="the distance to liquidation is 12.3 %, the least is 5 %",
    ),
)
STOPS = (
    StopView(
        kind=BreakerKind.TAKE_PROFIT,
        words="take profit at a total PnL of 400 USDT",
        price=Decimal("72020.4"),
        disposal=Disposal.FLATTEN,
    ),
    StopView(
        kind=BreakerKind.STOP_LOSS,
        words="stop loss at a falling price of 52000 USDT",
        price=Decimal(52000),
        disposal=Disposal.FLATTEN,
    ),
    StopView(
        kind=BreakerKind.TRAILING_TAKE_PROFIT,
        words="trailing take profit from a total PnL of 200 USDT, back by 50 USDT",
        price=None,
        disposal=Disposal.CANCEL,
    ),
)
PANIC_KEY = Block(
    kind=BreakerKind.PANIC_KEY,
    reason=PANIC_REASON,
    since_ms=NOW_MS - 11 * MINUTE_MS,
    until_ms=None,
    needs_person=True,
)
FLOATING = Block(
    kind=BreakerKind.FLOATING_LOSS,
    reason="the inventory is worth 312.4 USDT less than it cost, the limit is 300 USDT",
    since_ms=NOW_MS - 2 * MINUTE_MS,
    until_ms=NOW_MS + 13 * MINUTE_MS,
    needs_person=False,
)
DRAWDOWN = Block(
    kind=BreakerKind.DRAWDOWN,
    reason="the total PnL is 402.13 USDT below its peak of 512.9 USDT, the limit is 400 USDT",
    since_ms=NOW_MS - 50 * HOUR_MS,
    until_ms=None,
    needs_person=True,
)
LEADERS = Block(
    kind=BreakerKind.LEADERS_UNSEEN,
    reason="2 of 3 leaders are unseen: ETH/USDT late, SOL/USDT late",
    since_ms=NOW_MS - 5 * MINUTE_MS,
    until_ms=NOW_MS - 5 * MINUTE_MS,
    needs_person=False,
)
REFUSALS = (
    "entry of slot 12: the drawdown is 402.13 USDT, the limit is 400 USDT",
    "entry of slot 13: the drawdown is 402.13 USDT, the limit is 400 USDT",
)
CALM = RiskView(limits=CALM_LIMITS, stops=STOPS)
BLOCKED = RiskView(limits=FULL_LIMITS, stops=STOPS, blocks=(DRAWDOWN, PANIC_KEY, FLOATING), refusals=REFUSALS)


def bounded(**changes: object) -> GridSnapshot:
    """A grid in a falling market, within its limits."""
    return replace(scenes.grid(regime=regime(), risk=CALM), **changes)  # type: ignore[arg-type]


def watched() -> EngineSnapshot:
    """A falling market, nothing blocked."""
    return scenes.engine(bounded())


def blocked() -> EngineSnapshot:
    """Three breakers have tripped and two limits block."""
    return scenes.engine(bounded(risk=BLOCKED))


def panicked() -> EngineSnapshot:
    """The panic key alone blocks, in a ranging market."""
    return scenes.engine(bounded(regime=ranging(), risk=replace(CALM, blocks=(PANIC_KEY,))))


def several() -> EngineSnapshot:
    """Three grids; the second one is blocked, and the first is shown."""
    eth = bounded(name="eth", symbol="ETH/USDT", base="ETH", risk=replace(CALM, blocks=(DRAWDOWN, FLOATING)))
    sol = scenes.grid(name="sol", symbol="SOL/USDT", base="SOL")
    return scenes.engine(bounded(), eth, sol)

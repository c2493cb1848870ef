"""What grids, stops, risk, regime and swaps of ``config.toml`` become."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.grid import (
    Direction,
    Disposal,
    MarginMode,
    ProfitUse,
    SizeProfile,
    SlotSize,
    Spacing,
    StartTrigger,
    Trailing,
    TriggerSide,
)
from engine.model.regime import EntryRule, Hysteresis, PerRegime, RegimeEffect, RegimeSettings
from engine.model.risk import (
    BreakerKind,
    BreakerRule,
    Limits,
    PanicSettings,
    RiskSettings,
    StopBasis,
    StopLoss,
    TakeProfit,
    TrailingTakeProfit,
)
from engine.settings import MarketOverrides
from engine.settings.schema_grid import range_around
from tests.settings_builders import GRID, SWAP_GRID, load, with_range, with_stop

D = Decimal
SECOND_GRID = GRID.replace('"btc"', '"b2"')
REPLAY = '[simulation]\nsource = "replay"\npath = "x.csv"\n'


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])
@pytest.mark.parametrize("direction", list(Direction))
def test_every_direction_is_traded_on_spot_and_on_swaps(symbol: str, direction: Direction, tmp_path: Path) -> None:
    text = f'{GRID.replace("BTC/USDT", symbol)}direction = "{direction}"\n'
    (grid,) = load(text, tmp_path).grids
    assert (grid.symbol, grid.direction) == (symbol, direction)


@pytest.mark.parametrize(
    "spacing, center, step, slots, lower, upper",
    [
        (Spacing.ARITHMETIC, "60000", "500", 40, "50000", "70000"),
        (Spacing.ARITHMETIC, "60000", "500", 3, "59500", "61000"),
        (Spacing.ARITHMETIC, "0.1", "0.0001", 1, "0.1", "0.1001"),
        (Spacing.GEOMETRIC, "60000", "0.5", 2, "40000", "90000"),
        (Spacing.GEOMETRIC, "60000", "0.5", 3, "40000", "135000"),
        (Spacing.GEOMETRIC, "60000", "0.005", 40, "54303.774256", "66293.7346312"),
        (Spacing.GEOMETRIC, "0.000000000001", "0.005", 2, "0.000000000000995025", "0.000000000001005"),
    ],
)
def test_half_of_the_slots_lie_below_the_center_and_half_above(
    spacing: Spacing, center: str, step: str, slots: int, lower: str, upper: str, tmp_path: Path
) -> None:
    text = with_range(f'center = {center}\nstep = {step}\nspacing = "{spacing}"\n')
    (grid,) = load(text.replace("slots = 40", f"slots = {slots}"), tmp_path).grids
    assert (grid.lower, grid.upper, grid.slots) == (D(lower), D(upper), slots)


def test_the_levels_around_a_center_are_a_step_apart() -> None:
    lower, upper = range_around(D(60000), D("0.01"), 41, Spacing.GEOMETRIC)
    assert abs((upper / lower) ** (D(1) / 41) - D("1.01")) < D("1e-12")
    assert abs(lower * D("1.01") ** 20 - 60000) < D("1e-6")


def test_a_grid_is_flat_banks_its_profit_and_starts_at_once_unless_told_otherwise(tmp_path: Path) -> None:
    (grid,) = load(GRID, tmp_path).grids
    assert (grid.profile, grid.sizes, grid.profit_use) == (SizeProfile.FLAT, (), ProfitUse.BANK)
    assert (grid.start, grid.trailing, grid.is_infinite) == (None, Trailing(), False)
    assert (grid.leverage, grid.margin) == (D(1), MarginMode.CROSS)


def test_every_word_of_a_shape_is_read(tmp_path: Path) -> None:
    text = f"""{SWAP_GRID}profile = "pyramid"
sizes = {{ "10" = 250, 3 = "120.5" }}
profit = "reinvest"
start_below = 55000
trail_up_to = 80000
trail_down_to = 45000
leverage = 3.5
margin = "isolated"
"""
    (grid,) = load(text, tmp_path).grids
    assert (grid.profile, grid.profit_use) == (SizeProfile.PYRAMID, ProfitUse.REINVEST)
    assert grid.sizes == (SlotSize(slot=3, size=D("120.5")), SlotSize(slot=10, size=D(250)))
    assert grid.start == StartTrigger(side=TriggerSide.BELOW, price=D(55000))
    assert grid.trailing == Trailing(up_to=D(80000), down_to=D(45000))
    assert (grid.leverage, grid.margin) == (D("3.5"), MarginMode.ISOLATED)


def test_an_infinite_grid_may_wait_for_a_price_above(tmp_path: Path) -> None:
    (grid,) = load(f"{GRID}infinite = true\nstart_above = 60000\n", tmp_path).grids
    assert grid.is_infinite
    assert grid.start == StartTrigger(side=TriggerSide.ABOVE, price=D(60000))


def test_a_stop_flattens_unless_told_otherwise(tmp_path: Path) -> None:
    text = with_stop(GRID, "stop_loss", "price_falls", "50000")
    text = with_stop(text, "take_profit", "total", '500\ndisposal = "cancel"')
    text = with_stop(text, "trailing_take_profit", "price_rises", "66000\ntrail = 1000")
    assert load(text, tmp_path).risk_of("btc").stops == (
        StopLoss(basis=StopBasis.PRICE_FALLS, at=D(50000), disposal=Disposal.FLATTEN),
        TakeProfit(basis=StopBasis.TOTAL, at=D(500), disposal=Disposal.CANCEL),
        TrailingTakeProfit(basis=StopBasis.PRICE_RISES, at=D(66000), trail=D(1000), disposal=Disposal.FLATTEN),
    )


def test_a_stop_may_lie_within_the_range(tmp_path: Path) -> None:
    text = with_stop(GRID, "stop_loss", "price_falls", "67999.99")
    assert load(text, tmp_path).risk_of("btc").stops[0].at == D("67999.99")


def test_without_a_section_nothing_is_limited_and_no_market_judged(tmp_path: Path) -> None:
    settings = load(GRID, tmp_path)
    assert (settings.regime, settings.risk) == (None, {})
    assert settings.risk_of("btc") == settings.risk_of("nobody") == RiskSettings()
    assert settings.regime_of("btc") is None


def test_the_risk_of_a_grid_lies_over_the_common_one(tmp_path: Path) -> None:
    common = """[risk]
drawdown_max = 500
price_band = 0.1
[[risk.breaker]]
kind = "drawdown"
cooldown_seconds = 60
[[risk.breaker]]
kind = "market_panic"
needs_person = true
[risk.panic]
symbols = ["BTC/USDT"]
trigger = 1
recovery = 1
"""
    own = """[grid.risk]
drawdown_max = 100
open_orders_max = 7
[[grid.risk.breaker]]
kind = "drawdown"
disposal = "flatten"
"""
    settings = load(f"{common}{GRID}{SECOND_GRID}{own}", tmp_path)
    panic = PanicSettings(symbols=("BTC/USDT",), trigger=1, recovery=1)
    person = BreakerRule(kind=BreakerKind.MARKET_PANIC, needs_person=True)
    assert settings.risk_of("btc") == RiskSettings(
        limits=Limits(drawdown_max=D(500), price_band=D("0.1")),
        breakers=(person, BreakerRule(kind=BreakerKind.DRAWDOWN, cooldown_seconds=60, needs_person=True)),
        panic=panic,
    )
    assert settings.risk_of("b2") == RiskSettings(
        limits=Limits(drawdown_max=D(100), price_band=D("0.1"), open_orders_max=7),
        breakers=(person, BreakerRule(kind=BreakerKind.DRAWDOWN, needs_person=True, disposal=Disposal.FLATTEN)),
        panic=panic,
    )


def test_a_common_distance_to_liquidation_holds_for_swaps_alone(tmp_path: Path) -> None:
    text = f"[risk]\nliquidation_distance_min = 0.2\n{GRID}{SWAP_GRID.replace('btc', 'perp')}"
    settings = load(text, tmp_path)
    assert settings.risk_of("btc") == RiskSettings()
    assert settings.risk_of("perp").limits == Limits(liquidation_distance_min=D("0.2"))


def test_the_section_alone_switches_the_regime_on_for_every_grid_that_listens(tmp_path: Path) -> None:
    settings = load(f"[regime]\n{GRID}{SECOND_GRID}regime = false\n", tmp_path)
    assert settings.regime == settings.regime_of("btc") == RegimeSettings()
    assert settings.regime_of("b2") is None


def test_a_regime_that_is_not_enabled_is_none(tmp_path: Path) -> None:
    settings = load(f"[regime]\nenabled = false\n{GRID}regime = false\n", tmp_path)
    assert (settings.regime, settings.regime_of("btc")) == (None, None)


def test_what_a_regime_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    text = """[regime]
interval = "15m"
history = 500
adx = { enter = 30, leave = "22.5" }
dwell = { volatile = 9 }
stale_after = 2.5
[regime.effects]
trending_down = { short = "none" }
ranging = { long = "alternate", short = "alternate" }
"""
    default = RegimeSettings()
    assert load(text + GRID, tmp_path).regime == RegimeSettings(
        interval_ms=900_000,
        history=500,
        adx=Hysteresis(30.0, 22.5),
        dwell=PerRegime(ranging=1, trending_up=3, trending_down=3, volatile=9, unknown=1),
        effects=PerRegime(
            ranging=RegimeEffect(long_entries=EntryRule.ALTERNATE, short_entries=EntryRule.ALTERNATE),
            trending_up=default.effects.trending_up,
            trending_down=RegimeEffect(long_entries=EntryRule.NONE, short_entries=EntryRule.NONE),
            volatile=default.effects.volatile,
            unknown=default.effects.unknown,
        ),
        stale_after_ms=2500,
    )


@pytest.mark.parametrize(
    "text, interval_ms", [("1m", 60_000), ("90m", 5_400_000), ("4h", 14_400_000), ("7d", 604_800_000)]
)
def test_a_candle_has_the_length_that_is_written(text: str, interval_ms: int, tmp_path: Path) -> None:
    panic = f'[risk.panic]\nsymbols = ["BTC/USDT"]\ntrigger = 1\nrecovery = 1\ninterval = "{text}"\n'
    found = load(panic + GRID, tmp_path).risk_of("btc").panic
    assert found is not None
    assert found.interval_ms == interval_ms


@pytest.mark.parametrize(
    "written, moment",
    [
        ("2020-03-12", datetime(2020, 3, 12, tzinfo=UTC)),
        ('"2020-03-12"', datetime(2020, 3, 12, tzinfo=UTC)),
        ("2020-03-12T10:30:00", datetime(2020, 3, 12, 10, 30, tzinfo=UTC)),
        ("2020-03-12T10:30:00Z", datetime(2020, 3, 12, 10, 30, tzinfo=UTC)),
        ('"2020-03-12 10:30"', datetime(2020, 3, 12, 10, 30, tzinfo=UTC)),
        ('"2020-03-12T10:30:00.250+02:00"', datetime(2020, 3, 12, 8, 30, 0, 250_000, tzinfo=UTC)),
        ("1970-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_replay_starts_at_a_date_or_a_time_in_utc(written: str, moment: datetime, tmp_path: Path) -> None:
    settings = load(f"{REPLAY}start = {written}\n{GRID}", tmp_path)
    assert settings.simulation.start_ms == round(moment.timestamp() * 1000)


def test_a_simulated_swap_has_its_own_rules(tmp_path: Path) -> None:
    market = "[simulation]\nfunding_rate = -0.0002\n[simulation.market]\n"
    rules = "contract_size = 0.001\nmaintenance_rate = 0.005\nleverage_max = 50\n"
    simulation = load(f"{market}{rules}{SWAP_GRID}", tmp_path).simulation
    assert simulation.market == MarketOverrides(
        contract_size=D("0.001"), maintenance_rate=D("0.005"), leverage_max=D(50)
    )
    assert (simulation.funding_rate, simulation.start_ms) == (D("-0.0002"), None)
    assert load(GRID, tmp_path).simulation.funding_rate == D("0.0001")

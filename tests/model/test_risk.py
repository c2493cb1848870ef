"""Risk settings: what contradicts itself is refused, with every problem at once."""

from decimal import Decimal
from typing import Any

import pytest

from engine.model.grid import Disposal
from engine.model.risk import (
    Block,
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

FALLS, RISES, TOTAL = StopBasis.PRICE_FALLS, StopBasis.PRICE_RISES, StopBasis.TOTAL


def a_loss(basis: StopBasis, at: str) -> StopLoss:
    return StopLoss(basis=basis, at=Decimal(at), disposal=Disposal.FLATTEN)


def a_take(basis: StopBasis, at: str) -> TakeProfit:
    return TakeProfit(basis=basis, at=Decimal(at), disposal=Disposal.CANCEL)


def a_trail(basis: StopBasis, at: str, trail: str) -> TrailingTakeProfit:
    return TrailingTakeProfit(basis=basis, at=Decimal(at), trail=Decimal(trail), disposal=Disposal.FLATTEN)


def test_limits_that_are_all_off_are_fine() -> None:
    assert Limits() == RiskSettings().limits


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"exposure_quote_max": Decimal(0)}, "exposure_quote_max must be above 0, was 0"),
        ({"open_orders_max": -1}, "open_orders_max must be above 0, was -1"),
        ({"drawdown_max": Decimal("NaN")}, "drawdown_max must be a finite number, was NaN"),
        ({"price_band": Decimal(1)}, "price_band must be a fraction below 1, was 1"),
        ({"liquidation_distance_min": Decimal("1.5")}, "liquidation_distance_min must be a fraction below 1, was 1.5"),
        (
            {"order_notional_max": Decimal(500), "exposure_quote_max": Decimal(400)},
            "exposure_quote_max must be at least order_notional_max, was 400 and 500",
        ),
        (
            {"daily_loss_max": Decimal(-5), "price_band": Decimal(2)},
            "price_band must be a fraction below 1, was 2; daily_loss_max must be above 0, was -5",
        ),
    ],
)
def test_limits_that_make_no_sense_are_refused_all_at_once(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        Limits(**changes)
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    "stops",
    [
        (a_loss(FALLS, "90"), a_take(RISES, "210"), a_trail(RISES, "200", "5")),
        (a_loss(RISES, "210"), a_take(FALLS, "90"), a_trail(FALLS, "100", "5")),
        (a_loss(FALLS, "90"), a_loss(RISES, "210"), a_loss(TOTAL, "-50"), a_take(TOTAL, "50")),
    ],
    ids=["long", "short", "neutral"],
)
def test_stops_around_the_range_are_fine(stops: tuple[StopRule, ...]) -> None:
    assert RiskSettings(stops=stops).stops == stops


@pytest.mark.parametrize(
    "stops, problem",
    [
        (
            (a_loss(FALLS, "210"), a_take(RISES, "200")),
            "the stop loss at a falling price of 210 must be below the take profit at a rising price of 200",
        ),
        (
            (a_loss(RISES, "90"), a_take(FALLS, "90")),
            "the take profit at a falling price of 90 must be below the stop loss at a rising price of 90",
        ),
        (
            (a_loss(FALLS, "90"), a_loss(FALLS, "80")),
            "there must be one stop loss at a falling price, found 2",
        ),
        ((a_loss(TOTAL, "5"),), "a stop loss at a total PnL must be below 0, was 5"),
        ((a_take(TOTAL, "-5"),), "a take profit must be above 0, was -5"),
        ((a_take(RISES, "Infinity"),), "a take profit must be at a finite number, was Infinity"),
        ((a_trail(TOTAL, "50", "50"),), "trail must be above 0 and below its start 50, was 50"),
        ((a_trail(RISES, "50", "NaN"),), "trail must be above 0 and below its start 50, was NaN"),
        (
            (a_take(RISES, "200"), a_trail(RISES, "200", "5")),
            (
                "the trailing take profit at a rising price of 200 must be reached before "
                "the take profit at a rising price of 200"
            ),
        ),
        (
            (a_take(FALLS, "100"), a_trail(FALLS, "90", "5")),
            (
                "the trailing take profit at a falling price of 90 must be reached before "
                "the take profit at a falling price of 100"
            ),
        ),
        (
            (a_loss(TOTAL, "5"), a_take(TOTAL, "0")),
            "a stop loss at a total PnL must be below 0, was 5; a take profit must be above 0, was 0",
        ),
    ],
)
def test_stops_that_contradict_each_other_are_refused(stops: tuple[StopRule, ...], problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        RiskSettings(stops=stops)
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    "breakers, problem",
    [
        (
            (BreakerRule(kind=BreakerKind.DRAWDOWN), BreakerRule(kind=BreakerKind.DRAWDOWN, needs_person=True)),
            "there must be one rule for drawdown, found 2",
        ),
        (
            (BreakerRule(kind=BreakerKind.DRAWDOWN, cooldown_seconds=-1),),
            "drawdown: cooldown_seconds must be at least 0, was -1",
        ),
        (
            (BreakerRule(kind=BreakerKind.PANIC_KEY),),
            "panic_key: needs_person must be true: what a person did a person lifts",
        ),
        (
            (BreakerRule(kind=BreakerKind.STOP_LOSS, disposal=Disposal.CANCEL),),
            "stop_loss: disposal belongs to the stop itself, was cancel here",
        ),
    ],
)
def test_breaker_rules_that_cannot_hold_are_refused(breakers: tuple[BreakerRule, ...], problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        RiskSettings(breakers=breakers)
    assert str(refused.value) == problem


def test_a_breaker_without_a_rule_has_its_default() -> None:
    mine = BreakerRule(kind=BreakerKind.DRAWDOWN, cooldown_seconds=60)
    settings = RiskSettings(breakers=(mine,))
    assert settings.rule_of(BreakerKind.DRAWDOWN) == mine
    assert {kind for kind in BreakerKind if settings.rule_of(kind).needs_person} == {
        BreakerKind.PANIC_KEY,
        BreakerKind.STOP_LOSS,
        BreakerKind.TAKE_PROFIT,
        BreakerKind.TRAILING_TAKE_PROFIT,
    }


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"recovery": 4}, "recovery must be between 1 and the number of symbols, 3, was 4"),
        ({"trigger": 0}, "trigger must be between 1 and the number of symbols, 3, was 0"),
        ({"symbols": ("A", "B", "A")}, "symbols must each be named once, A is named more often"),
        ({"average_window": 0, "interval_ms": -1}, "interval_ms must be whole minutes, was -1; average_window"),
        ({"interval_ms": 90_000}, "interval_ms must be whole minutes, was 90000"),
        ({"volume_multiplier": Decimal(0)}, "volume_multiplier must be above 0, was 0"),
        ({"symbols": (), "trigger": 1, "recovery": 1}, "symbols must name at least one leader, was empty"),
    ],
)
def test_a_panic_filter_that_could_never_trip_or_recover_is_refused(changes: dict[str, Any], problem: str) -> None:
    """Finding L-44: a recovery of more symbols than there are never came."""
    wishes: dict[str, Any] = {"symbols": ("A", "B", "C"), "trigger": 3, "recovery": 2, **changes}
    with pytest.raises(ValueError) as refused:
        PanicSettings(**wishes)
    assert str(refused.value).startswith(problem)


def test_a_block_ends_at_a_time_or_by_a_person_never_by_both_or_neither() -> None:
    with pytest.raises(ValueError):
        Block(kind=BreakerKind.DRAWDOWN, reason="x", since_ms=0, until_ms=None, needs_person=False)
    with pytest.raises(ValueError):
        Block(kind=BreakerKind.DRAWDOWN, reason="x", since_ms=0, until_ms=5, needs_person=True)

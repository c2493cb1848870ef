"""Grids, regime and risk of ``Settings`` as the tables of ``config.toml``; what is None is not written.

A limit, a breaker or a panic filter that all grids have alike is written once, in ``[risk]``; the
others are written with each grid.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.model.grid import GridSpec, StartTrigger, TriggerSide
from engine.model.regime import IndicatorName, RegimeName, RegimeSettings
from engine.model.risk import (
    BreakerRule,
    Limits,
    PanicSettings,
    RiskSettings,
    StopLoss,
    StopRule,
    TakeProfit,
    TrailingTakeProfit,
)
from engine.settings.values import Settings
from engine.settings.words import interval_text, is_swap


def grid_tables(settings: Settings) -> list[dict[str, Any]]:
    """Every ``[[grid]]``, its range by its bounds."""
    common = _common(settings)
    return [_grid(settings, spec, common) for spec in settings.grids]


def regime_table(regime: RegimeSettings) -> dict[str, Any]:
    """``[regime]``, every key."""
    windows = ("adx", "efficiency", "choppiness", "atr", "volatility", "ema", "slope")
    return {
        "enabled": True,
        "interval": interval_text(regime.interval_ms),
        "history": regime.history,
        **{f"{name}_candles": getattr(regime, f"{name}_candles") for name in windows},
        **{
            name.value: {"enter": regime.thresholds(name).enter, "leave": regime.thresholds(name).leave}
            for name in IndicatorName
        },
        "confirmations": regime.confirmations,
        "dwell": {name.value: regime.dwell.of(name) for name in RegimeName},
        "effects": {
            name.value: {
                "long": regime.effects.of(name).long_entries,
                "short": regime.effects.of(name).short_entries,
            }
            for name in RegimeName
        },
        "gap_max": regime.gap_max,
        "gap_recovery": regime.gap_recovery,
        "stale_after": _seconds(regime.stale_after_ms),
    }


def common_risk_table(settings: Settings) -> dict[str, Any] | None:
    """``[risk]``: what all grids have alike; None where that is nothing."""
    return _risk(_common(settings))


def _grid(settings: Settings, spec: GridSpec, common: RiskSettings) -> dict[str, Any]:
    swap = is_swap(spec.symbol)
    risk = settings.risk_of(spec.name)
    return {
        "name": spec.name,
        "symbol": spec.symbol,
        "direction": spec.direction,
        "spacing": spec.spacing,
        "lower": spec.lower,
        "upper": spec.upper,
        "slots": spec.slots,
        spec.sized_by.value: spec.size,
        "profile": spec.profile,
        "sizes": {str(own.slot): own.size for own in spec.sizes} or None,
        "window": spec.window,
        "initial_purchase": spec.initial_purchase,
        "profit": spec.profit_use,
        "start_below": _start(spec.start, TriggerSide.BELOW),
        "start_above": _start(spec.start, TriggerSide.ABOVE),
        "trail_up_to": spec.trailing.up_to,
        "trail_down_to": spec.trailing.down_to,
        "infinite": spec.is_infinite,
        "leverage": spec.leverage if swap else None,
        "margin": spec.margin if swap else None,
        "regime": False if spec.name in settings.without_regime else None,
        "stop": [_stop(rule) for rule in risk.stops] or None,
        "risk": _own_risk(risk, common),
    }


def _common(settings: Settings) -> RiskSettings:
    """What all grids have alike, without their stops."""
    risks = [settings.risk_of(spec.name) for spec in settings.grids]
    limits = {name: _alike(getattr(risk.limits, name) for risk in risks) for name in Limits.__slots__}
    first = risks[0].breakers if risks else ()
    breakers = tuple(rule for rule in first if all(rule in risk.breakers for risk in risks))
    return RiskSettings(limits=Limits(**limits), breakers=breakers, panic=_alike(risk.panic for risk in risks))


def _alike(values: Iterable[Any]) -> Any:
    """The one value of all; None where they differ."""
    first, *others = [*values] or [None]
    return first if all(other == first for other in others) else None


def _own_risk(risk: RiskSettings, common: RiskSettings) -> dict[str, Any] | None:
    limits = {
        name: None if getattr(common.limits, name) is not None else getattr(risk.limits, name)
        for name in Limits.__slots__
    }
    breakers = tuple(rule for rule in risk.breakers if rule not in common.breakers)
    panic = None if common.panic is not None else risk.panic
    return _risk(RiskSettings(limits=Limits(**limits), breakers=breakers, panic=panic))


def _risk(risk: RiskSettings) -> dict[str, Any] | None:
    table = {
        **{name: getattr(risk.limits, name) for name in Limits.__slots__},
        "breaker": [_breaker(rule) for rule in risk.breakers] or None,
        "panic": None if risk.panic is None else _panic(risk.panic),
    }
    return table if any(value is not None for value in table.values()) else None


def _breaker(rule: BreakerRule) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "cooldown_seconds": rule.cooldown_seconds,
        "needs_person": rule.needs_person,
        "disposal": rule.disposal,
    }


def _panic(panic: PanicSettings) -> dict[str, Any]:
    return {
        "symbols": list(panic.symbols),
        "trigger": panic.trigger,
        "recovery": panic.recovery,
        "interval": interval_text(panic.interval_ms),
        "average_window": panic.average_window,
        "volume_multiplier": panic.volume_multiplier,
        "stale_after": _seconds(panic.stale_after_ms),
    }


def _stop(rule: StopRule) -> dict[str, Any]:
    table = {"basis": rule.basis, "at": rule.at, "disposal": rule.disposal}
    match rule:
        case StopLoss():
            return {"kind": "stop_loss", **table}
        case TakeProfit():
            return {"kind": "take_profit", **table}
        case TrailingTakeProfit():
            return {"kind": "trailing_take_profit", **table, "trail": rule.trail}


def _start(start: StartTrigger | None, side: TriggerSide) -> Decimal | None:
    return start.price if start is not None and start.side is side else None


def _seconds(milliseconds: int) -> Decimal:
    return Decimal(milliseconds) / 1000

"""What market and risk say of a grid, as parts of the status object."""

from decimal import Decimal
from typing import Any

from engine.model.money import text_from_decimal
from engine.model.regime import RegimeView, ShadowView
from engine.model.risk_view import RiskView
from engine.model.swap import PositionView
from engine.model.times import time_text


def regime_object(regime: RegimeView | None) -> dict[str, Any]:
    """The regime; unknown where nobody watches it."""
    if regime is None:
        return {"name": "unknown", "since": None, "reasons": ["no regime monitor is configured"]}
    shadow = regime.shadow
    return {
        "name": regime.name.value,
        "since": time_text(regime.since_ms),
        "reasons": list(regime.reasons),
        "is_fresh": regime.is_fresh,
        "detail": regime.detail,
        "candle_time": None if regime.candle_ms is None else time_text(regime.candle_ms),
        "long_entries": regime.long_entries.value,
        "short_entries": regime.short_entries.value,
        "indicators": [
            {
                "name": each.name.value,
                "value": each.value,
                "enter": each.enter,
                "leave": each.leave,
                "is_met": each.is_met,
            }
            for each in regime.indicators
        ],
        "shadow": None if shadow is None else _shadow(shadow),
    }


def _shadow(shadow: ShadowView) -> dict[str, Any]:
    return {
        "waiting": shadow.waiting,
        "lots": shadow.lots,
        "losses_avoided": text_from_decimal(shadow.losses_avoided),
        "cycles_missed": shadow.cycles_missed,
        "profit_missed": text_from_decimal(shadow.profit_missed),
        "net_worth": text_from_decimal(shadow.net_worth),
    }


def risk_object(risk: RiskView) -> dict[str, Any]:
    """Limits, stops, blocks and what was refused."""
    return {
        "limits": [
            {
                "name": limit.name.value,
                "value": _text_or_none(limit.value),
                "limit": text_from_decimal(limit.limit),
                "unit": limit.unit,
                "is_blocking": limit.is_blocking,
                "reason": limit.reason,
            }
            for limit in risk.limits
        ],
        "stops": [
            {
                "kind": stop.kind.value,
                "words": stop.words,
                "price": _text_or_none(stop.price),
                "disposal": stop.disposal.value,
            }
            for stop in risk.stops
        ],
        "blocks": [
            {
                "kind": block.kind.value,
                "reason": block.reason,
                "since": time_text(block.since_ms),
                "until": None if block.until_ms is None else time_text(block.until_ms),
                "needs_person": block.needs_person,
            }
            for block in risk.blocks
        ],
        "refusals": list(risk.refusals),
    }


def position_object(position: PositionView) -> dict[str, Any]:
    """A swap position."""
    return {
        "amount": text_from_decimal(position.amount),
        "leverage": text_from_decimal(position.leverage),
        "mode": position.mode.value,
        "margin": text_from_decimal(position.margin),
        "liquidation_price": _text_or_none(position.liquidation_price),
        "funding": text_from_decimal(position.funding),
    }


def _text_or_none(value: Decimal | None) -> str | None:
    return None if value is None else text_from_decimal(value)

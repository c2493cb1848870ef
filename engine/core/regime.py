"""Which kind of market this is: a fold over closed candles, each change with the figures that caused it.

The rules, in this order: a gap in the candles makes it unknown; realised volatility or true range
far above its own past makes it volatile; an efficient way that ADX, choppiness or slope confirm
makes it trending; anything else, a market in which nothing moves above all, is ranging. Every
indicator has two thresholds, and a regime lasts its dwell before another follows; only a gap
ends one early, because then nobody knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from engine.core.indicators import Adx, Atr, make_adx, make_atr
from engine.core.indicators_trend import Choppiness, Efficiency, EmaSlope, OwnPast, Volatility
from engine.model.regime import (
    EXITS_ONLY,
    Candle,
    EntryRule,
    IndicatorName,
    IndicatorView,
    RegimeEffect,
    RegimeName,
    RegimeSettings,
    RegimeView,
    ShadowView,
)

_STILL = 0.1
"""No return above this multiple of usual volatility: the market has gone to sleep, whatever it did before."""
_STRICTNESS = (EntryRule.ALL, EntryRule.ALTERNATE, EntryRule.NONE)
_WITNESSES = (IndicatorName.ADX, IndicatorName.CHOPPINESS, IndicatorName.SLOPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """Every indicator after the same candles; bounded by the longest window."""

    efficiency: Efficiency
    adx: Adx
    choppiness: Choppiness
    atr: Atr
    ema: EmaSlope
    volatility: Volatility
    volatility_past: OwnPast
    range_past: OwnPast

    def after(self, candle: Candle) -> "Indicators":
        """With one candle more."""
        atr, volatility = self.atr.after(candle), self.volatility.after(candle)
        return Indicators(
            efficiency=self.efficiency.after(candle),
            adx=self.adx.after(candle),
            choppiness=self.choppiness.after(candle),
            atr=atr,
            ema=self.ema.after(candle),
            volatility=volatility,
            volatility_past=self.volatility_past.after(volatility.value),
            range_past=self.range_past.after(None if atr.value is None else atr.value / candle.close),
        )

    def value(self, name: IndicatorName) -> float | None:
        """The figure that is compared with the thresholds; a slope keeps its sign."""
        match name:
            case IndicatorName.EFFICIENCY:
                return self.efficiency.value
            case IndicatorName.ADX:
                return self.adx.value
            case IndicatorName.CHOPPINESS:
                return self.choppiness.value
            case IndicatorName.SLOPE:
                return self.ema.slope(self.atr.value)
            case IndicatorName.VOLATILITY:
                return self.volatility_past.multiple
            case IndicatorName.TRUE_RANGE:
                return self.range_past.multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeState:
    """The regime and all that the next candle needs.

    ``reasons`` are the newest figures in words, those that uphold it. ``lasted`` counts the candles of this
    regime, the one that brought it not included; ``candles`` those since the indicators began;
    ``recovering`` those still to come after a short gap, which ``gap`` tells.
    """

    name: RegimeName
    since_ms: int
    reasons: tuple[str, ...]
    indicators: Indicators
    figures: Mapping[IndicatorName, float | None] = field(default_factory=lambda: MappingProxyType({}))
    met: frozenset[IndicatorName] = frozenset()
    last: Candle | None = None
    candles: int = 0
    lasted: int = 0
    recovering: int = 0
    gap: str = ""


@dataclass(frozen=True, slots=True)
class _Verdict:
    name: RegimeName
    reasons: tuple[str, ...]


def first_state(settings: RegimeSettings, at_ms: int) -> RegimeState:
    """Unknown: no candle has been seen."""
    needed = settings.candles_needed
    reasons = (f"0 of {needed} candles",)
    return RegimeState(name=RegimeName.UNKNOWN, since_ms=at_ms, reasons=reasons, indicators=_no_indicators(settings))


def classify(settings: RegimeSettings, state: RegimeState, candle: Candle) -> RegimeState:
    """The state after one more closed candle; one that is not newer than the last changes nothing.

    Raises:
        ValueError: the candle does not begin on a multiple of the interval.
    """
    if candle.open_ms % settings.interval_ms:
        raise ValueError(f"open_ms must be a multiple of {settings.interval_ms}, was {candle.open_ms}")
    if state.last is not None and candle.open_ms <= state.last.open_ms:
        return state
    state = _across_gap(settings, state, candle)
    indicators = state.indicators.after(candle)
    figures = {name: indicators.value(name) for name in IndicatorName}
    after = replace(
        state,
        indicators=indicators,
        figures=MappingProxyType(figures),
        met=_met(settings, figures, state.met),
        last=candle,
        candles=state.candles + 1,
        lasted=state.lasted + 1,
    )
    return _settled(settings, after, _verdict(settings, after))


def is_fresh(settings: RegimeSettings, state: RegimeState, now_ms: int) -> bool:
    """Whether the newest closed candle is the newest that there can be, give or take ``stale_after_ms``."""
    if state.last is None:
        return False
    return now_ms <= state.last.open_ms + 2 * settings.interval_ms + settings.stale_after_ms


def entry_may_open(rule: EntryRule, slot: int) -> bool:
    """Whether this slot may get an entry; the slots that stay are the same whatever the price does."""
    match rule:
        case EntryRule.ALL:
            return True
        case EntryRule.ALTERNATE:
            return slot % 2 == 0
        case EntryRule.NONE:
            return False


def effect_now(settings: RegimeSettings, state: RegimeState, now_ms: int) -> RegimeEffect:
    """What may open; nothing while the regime is not fresh, whatever is configured.

    A storm does not lift what the trend under it forbids, so the stricter rule of both holds.
    """
    if not is_fresh(settings, state, now_ms):
        return EXITS_ONLY
    effect = settings.effects.of(state.name)
    if state.name is not RegimeName.VOLATILE or IndicatorName.EFFICIENCY not in state.met:
        return effect
    under = settings.effects.of(_trend_of(state))
    return RegimeEffect(
        long_entries=max(effect.long_entries, under.long_entries, key=_STRICTNESS.index),
        short_entries=max(effect.short_entries, under.short_entries, key=_STRICTNESS.index),
    )


def view(settings: RegimeSettings, state: RegimeState, now_ms: int, shadow: ShadowView | None = None) -> RegimeView:
    """What a terminal sees."""
    effect = effect_now(settings, state, now_ms)
    return RegimeView(
        name=state.name,
        since_ms=state.since_ms,
        reasons=state.reasons,
        indicators=tuple(_indicator_view(settings, state, name) for name in IndicatorName),
        candle_ms=None if state.last is None else state.last.open_ms,
        candles=state.candles,
        is_fresh=is_fresh(settings, state, now_ms),
        detail=_detail(settings, state, now_ms),
        long_entries=effect.long_entries,
        short_entries=effect.short_entries,
        shadow=shadow,
    )


def _no_indicators(settings: RegimeSettings) -> Indicators:
    past = OwnPast(length=settings.history, least=settings.past_min)
    return Indicators(
        efficiency=Efficiency(candles=settings.efficiency_candles),
        adx=make_adx(settings.adx_candles),
        choppiness=Choppiness(candles=settings.choppiness_candles),
        atr=make_atr(settings.atr_candles),
        ema=EmaSlope(candles=settings.ema_candles, lag=settings.slope_candles),
        volatility=Volatility(candles=settings.volatility_candles),
        volatility_past=past,
        range_past=past,
    )


def _across_gap(settings: RegimeSettings, state: RegimeState, candle: Candle) -> RegimeState:
    """The state that this candle follows, where candles may be missing before it."""
    if state.last is None:
        return state
    missing = (candle.open_ms - state.last.open_ms) // settings.interval_ms - 1
    if not missing:
        return replace(state, recovering=max(state.recovering - 1, 0))
    # Whole seconds: a candle begins on a whole minute.
    since = datetime.fromtimestamp((state.last.open_ms + settings.interval_ms) // 1000, UTC)
    gap = f"{missing} {'candle' if missing == 1 else 'candles'} missing from {since:%Y-%m-%d %H:%M} UTC"
    if missing <= settings.gap_max:
        return replace(state, recovering=settings.gap_recovery, gap=gap)
    return replace(state, indicators=_no_indicators(settings), met=frozenset(), candles=0, recovering=0, gap=gap)


def _met(
    settings: RegimeSettings, figures: Mapping[IndicatorName, float | None], before: frozenset[IndicatorName]
) -> frozenset[IndicatorName]:
    return frozenset(
        name
        for name, figure in figures.items()
        if figure is not None and settings.thresholds(name).is_met(abs(figure), was_met=name in before)
    )


def _verdict(settings: RegimeSettings, state: RegimeState) -> _Verdict:
    """What the newest figures alone say."""
    unknown = _why_unknown(settings, state)
    if unknown:
        return _Verdict(RegimeName.UNKNOWN, unknown)
    wild = [name for name in (IndicatorName.VOLATILITY, IndicatorName.TRUE_RANGE) if name in state.met]
    if wild:
        return _Verdict(RegimeName.VOLATILE, tuple(_told(settings, state, name) for name in wild))
    largest, usual = state.indicators.volatility.largest, state.indicators.volatility_past.median or 0.0
    if largest < _STILL * usual:
        least = f"{largest:.2g} at most in {settings.volatility_candles} candles"
        return _Verdict(RegimeName.RANGING, (f"hardly anything moves: {least}, usual is {usual:.2g}",))
    efficiency = _told(settings, state, IndicatorName.EFFICIENCY)
    if IndicatorName.EFFICIENCY not in state.met:
        return _Verdict(RegimeName.RANGING, (efficiency,))
    move, trend = state.indicators.efficiency.move, _trend_of(state)
    witnesses = [name for name in _WITNESSES if name in state.met and _agrees(state, name, move)]
    told = tuple(_told(settings, state, name) for name in witnesses)
    # A trend that stands needs its efficiency alone: witnesses tire in every pause of a trend.
    if len(witnesses) >= settings.confirmations or state.name is trend:
        return _Verdict(trend, (efficiency, f"close moved {move:+.6g} in {settings.efficiency_candles} candles", *told))
    reason = f"{len(witnesses)} of {settings.confirmations} confirmations by ADX, choppiness and slope"
    return _Verdict(RegimeName.RANGING, (efficiency, reason, *told))


def _trend_of(state: RegimeState) -> RegimeName:
    return RegimeName.TRENDING_UP if state.indicators.efficiency.move > 0 else RegimeName.TRENDING_DOWN


def _why_unknown(settings: RegimeSettings, state: RegimeState) -> tuple[str, ...]:
    if state.recovering:
        return (state.gap, f"{state.recovering} more candles without a gap are needed")
    if state.candles < settings.candles_needed:
        counted = f"{state.candles} of {settings.candles_needed} candles"
        return (state.gap, counted) if state.gap else (counted,)
    return ()


def _agrees(state: RegimeState, name: IndicatorName, move: float) -> bool:
    """Whether a witness that has a direction saw the same one."""
    if name is IndicatorName.SLOPE:
        return (state.figures.get(name) or 0.0) * move > 0
    if name is IndicatorName.ADX:
        adx = state.indicators.adx
        return ((adx.plus_di or 0.0) - (adx.minus_di or 0.0)) * move > 0
    return True


def _settled(settings: RegimeSettings, state: RegimeState, verdict: _Verdict) -> RegimeState:
    """The verdict, unless the regime that stands has not lasted its dwell."""
    gap = state.gap if verdict.name is RegimeName.UNKNOWN else ""
    if verdict.name is state.name:
        return replace(state, reasons=verdict.reasons, gap=gap)
    dwell = settings.dwell.of(state.name)
    if verdict.name is not RegimeName.UNKNOWN and state.lasted < dwell:
        held = f"lasts {dwell} candles at least; by its figures {verdict.name}"
        return replace(state, reasons=(held, *verdict.reasons))
    since_ms = 0 if state.last is None else state.last.open_ms + settings.interval_ms
    return replace(state, name=verdict.name, since_ms=since_ms, reasons=verdict.reasons, lasted=0, gap=gap)


def _told(settings: RegimeSettings, state: RegimeState, name: IndicatorName) -> str:
    """An indicator in words: its value and the threshold that it is held against."""
    value = state.figures.get(name)
    both = settings.thresholds(name)
    figure = "none" if value is None else f"{value:.4g}"
    if name in state.met:
        return f"{name} {figure}, met from {both.enter:g} until {both.leave:g}"
    return f"{name} {figure}, not met until {both.enter:g}"


def _indicator_view(settings: RegimeSettings, state: RegimeState, name: IndicatorName) -> IndicatorView:
    both = settings.thresholds(name)
    return IndicatorView(
        name=name,
        value=state.figures.get(name),
        enter=both.enter,
        leave=both.leave,
        is_met=name in state.met,
    )


def _detail(settings: RegimeSettings, state: RegimeState, now_ms: int) -> str:
    if state.last is None:
        return "no candle yet"
    if not is_fresh(settings, state, now_ms):
        due_ms = state.last.open_ms + 2 * settings.interval_ms
        return f"the next candle is late by {(now_ms - due_ms) // 1000} seconds"
    return "; ".join(_why_unknown(settings, state))

"""``[regime]``: its keys, ranges and defaults, and every way in which they contradict each other.

Every default is the one of ``RegimeSettings``, and what contradicts is what it refuses.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from engine.model.regime import (
    EntryRule,
    Hysteresis,
    IndicatorName,
    PerRegime,
    RegimeEffect,
    RegimeName,
    RegimeSettings,
)
from engine.settings.schema_types import (
    INTERVAL_WORDS,
    SECONDS_WORDS,
    Flag,
    Interval,
    Milliseconds,
    Section,
    Threshold,
    one_of,
)

_DEFAULT = RegimeSettings()
_HISTORY_MAX = 5000
_Window = Annotated[
    int, Field(strict=True, ge=2, le=_HISTORY_MAX, description=f"a whole number from 2 to {_HISTORY_MAX}")
]
_Candles = Annotated[
    int, Field(strict=True, ge=1, le=_HISTORY_MAX, description=f"a whole number from 1 to {_HISTORY_MAX}")
]
_Rule = Annotated[EntryRule | None, Field(description=one_of(EntryRule))]


class ThresholdSection(Section):
    """Two thresholds, ``{ enter = , leave = }``."""

    enter: Threshold
    leave: Threshold


class DwellSection(Section):
    """``dwell``: a regime that is left out keeps its default."""

    ranging: _Candles = _DEFAULT.dwell.ranging
    trending_up: _Candles = _DEFAULT.dwell.trending_up
    trending_down: _Candles = _DEFAULT.dwell.trending_down
    volatile: _Candles = _DEFAULT.dwell.volatile
    unknown: _Candles = _DEFAULT.dwell.unknown


class EffectSection(Section):
    """What one regime lets through; a side that is left out keeps the default of that regime."""

    long: _Rule = None
    short: _Rule = None

    def over(self, default: RegimeEffect) -> RegimeEffect:
        """The effect, completed by this one."""
        return RegimeEffect(
            long_entries=default.long_entries if self.long is None else self.long,
            short_entries=default.short_entries if self.short is None else self.short,
        )


class EffectsSection(Section):
    """``effects``: a regime that is left out keeps its default."""

    ranging: EffectSection = Field(default=EffectSection(), description="a table")
    trending_up: EffectSection = Field(default=EffectSection(), description="a table")
    trending_down: EffectSection = Field(default=EffectSection(), description="a table")
    volatile: EffectSection = Field(default=EffectSection(), description="a table")
    unknown: EffectSection = Field(default=EffectSection(), description="a table")


class RegimeSection(Section):
    """``[regime]``; the section alone switches it on."""

    enabled: Flag = True
    interval: Interval = Field(default=_DEFAULT.interval_ms, description=INTERVAL_WORDS)
    history: _Window = _DEFAULT.history
    adx_candles: _Window = _DEFAULT.adx_candles
    efficiency_candles: _Window = _DEFAULT.efficiency_candles
    choppiness_candles: _Window = _DEFAULT.choppiness_candles
    atr_candles: _Window = _DEFAULT.atr_candles
    volatility_candles: _Window = _DEFAULT.volatility_candles
    ema_candles: _Window = _DEFAULT.ema_candles
    slope_candles: _Candles = _DEFAULT.slope_candles
    efficiency: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    adx: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    choppiness: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    slope: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    volatility: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    true_range: ThresholdSection | None = Field(default=None, description="a table of enter and leave")
    confirmations: int = Field(
        default=_DEFAULT.confirmations, strict=True, ge=0, le=3, description="a whole number from 0 to 3"
    )
    dwell: DwellSection = Field(default=DwellSection(), description="a table")
    effects: EffectsSection = Field(default=EffectsSection(), description="a table")
    gap_max: int = Field(
        default=_DEFAULT.gap_max,
        strict=True,
        ge=0,
        le=_HISTORY_MAX,
        description=f"a whole number from 0 to {_HISTORY_MAX}",
    )
    gap_recovery: _Candles = _DEFAULT.gap_recovery
    stale_after: Milliseconds = Field(default=_DEFAULT.stale_after_ms, description=SECONDS_WORDS)

    def settings(self) -> RegimeSettings:
        """As the engine takes it.

        Raises:
            ValueError: keys contradict each other; ``problems`` names them all.
        """
        dwell, effects = dict(self.dwell), dict(self.effects)
        thresholds: dict[str, Any] = {
            name.value: Hysteresis(both.enter, both.leave) for name, both in self._thresholds()
        }
        return replace(
            _DEFAULT,
            **self._counts(),
            **thresholds,
            dwell=PerRegime(**dwell),
            effects=PerRegime(**{name: effects[name].over(_DEFAULT.effects.of(name)) for name in RegimeName}),
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What contradicts, each with its key; the key is empty where it is several."""
        for name, both in self._thresholds():
            try:
                changed: dict[str, Any] = {name.value: Hysteresis(both.enter, both.leave)}
                replace(_DEFAULT, **changed)
            except ValueError as error:
                yield name.value, str(error).removeprefix(f"{name}: ")
        try:
            replace(_DEFAULT, **self._counts())
        except ValueError as error:
            yield "", str(error)

    def _thresholds(self) -> Iterator[tuple[IndicatorName, ThresholdSection]]:
        given = dict(self)
        for name in IndicatorName:
            if given[name] is not None:
                yield name, given[name]

    def _counts(self) -> dict[str, Any]:
        given = dict(self)
        same = [
            *(
                "history",
                "adx_candles",
                "efficiency_candles",
                "choppiness_candles",
                "atr_candles",
                "volatility_candles",
            ),
            *("ema_candles", "slope_candles", "confirmations", "gap_max", "gap_recovery"),
        ]
        return {
            **{name: given[name] for name in same},
            "interval_ms": self.interval,
            "stale_after_ms": self.stale_after,
        }

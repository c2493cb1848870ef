"""The regime as a fold over candles: what brings each, what holds it, and what nobody knows."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import inf, nan, sin
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.regime import RegimeState, classify, effect_now, entry_may_open, first_state, is_fresh, view
from engine.model.regime import (
    EXITS_ONLY,
    Candle,
    EntryRule,
    Hysteresis,
    IndicatorName,
    PerRegime,
    RegimeEffect,
    RegimeName,
    RegimeSettings,
)

MINUTE_MS = 60_000
RANGING, UP, DOWN = RegimeName.RANGING, RegimeName.TRENDING_UP, RegimeName.TRENDING_DOWN
VOLATILE, UNKNOWN = RegimeName.VOLATILE, RegimeName.UNKNOWN
ALL, ALTERNATE, NONE = EntryRule.ALL, EntryRule.ALTERNATE, EntryRule.NONE
SMALL = RegimeSettings(
    interval_ms=MINUTE_MS,
    history=40,
    adx_candles=5,
    efficiency_candles=10,
    choppiness_candles=5,
    atr_candles=5,
    volatility_candles=5,
    ema_candles=8,
    slope_candles=2,
    efficiency=Hysteresis(0.6, 0.3),
    dwell=PerRegime(ranging=2, trending_up=3, trending_down=3, volatile=4, unknown=1),
    gap_max=3,
    gap_recovery=4,
)


def a_candle(index: int, close: float, reach: float = 0.1) -> Candle:
    """Candle number ``index``, open at its close, with a range of twice ``reach``."""
    return Candle(open_ms=index * MINUTE_MS, open=close, high=close + reach, low=close - reach, close=close, volume=0)


def swinging(count: int, start: int = 0) -> list[Candle]:
    """Candles that go up and down around 100."""
    return [a_candle(i, 100 + sin(i * 2.1)) for i in range(start, start + count)]


def moving(count: int, start: int, begin: float, step: float) -> list[Candle]:
    """Candles that go one way, with one candle back in five."""
    closes, close = [], begin
    for i in range(count):
        close += -step if i % 5 == 4 else step
        closes.append(close)
    return [a_candle(start + i, close) for i, close in enumerate(closes)]


def storm(count: int, start: int, begin: float = 100.0) -> list[Candle]:
    """Candles that swing ten times as far as usual."""
    return [a_candle(start + i, begin + (12 if i % 2 else -12), reach=5) for i in range(count)]


def states(candles: Iterable[Candle], settings: RegimeSettings = SMALL) -> list[RegimeState]:
    """The state after each candle, from the first on."""
    state, found = first_state(settings, 0), []
    for candle in candles:
        state = classify(settings, state, candle)
        found.append(state)
    return found


def names(found: Iterable[RegimeState]) -> list[RegimeName]:
    """Regimes in order, each change once."""
    told: list[RegimeName] = []
    for state in found:
        if not told or told[-1] is not state.name:
            told.append(state.name)
    return told


# --- what brings a regime ---


def test_too_few_candles_are_unknown_and_say_how_many_are_needed() -> None:
    """The small settings need 25: five returns and twenty values of volatility's own past."""
    assert SMALL.candles_needed == 25
    found = states(swinging(25))
    assert [state.name for state in found] == [UNKNOWN] * 24 + [RANGING]
    assert found[0].reasons == ("1 of 25 candles",)
    assert view(SMALL, found[23], 24 * MINUTE_MS).detail == "24 of 25 candles"


@pytest.mark.parametrize("volume", [0.0, 5.0])
def test_a_flat_market_is_ranging(volume: float) -> None:
    """With volume or without."""
    flat = [Candle(open_ms=i * MINUTE_MS, open=7, high=7, low=7, close=7, volume=volume) for i in range(40)]
    last = states(flat)[-1]
    assert (last.name, last.reasons) == (RANGING, ("efficiency 0, not met until 0.6",))


def test_a_market_that_swings_is_ranging() -> None:
    assert names(states(swinging(80))) == [UNKNOWN, RANGING]


@pytest.mark.parametrize(("step", "trend"), [(0.5, UP), (-0.5, DOWN)])
def test_a_market_that_goes_one_way_is_trending_with_the_figures_as_reasons(step: float, trend: RegimeName) -> None:
    """Efficiency, the way made good, and those that confirm it."""
    found = states([*swinging(40), *moving(30, 40, 100, step)])
    assert names(found) == [UNKNOWN, RANGING, trend]
    change = next(state for state in found if state.name is trend)
    assert change.last is not None
    assert change.since_ms == change.last.open_ms + MINUTE_MS
    assert change.reasons[0] == f"efficiency {change.figures[IndicatorName.EFFICIENCY]:.4g}, met from 0.6 until 0.3"
    assert change.reasons[1].startswith(f"close moved {'+' if step > 0 else '-'}")
    assert change.reasons[1].endswith(" in 10 candles")
    assert len(change.reasons) > 2


def test_efficiency_alone_is_no_trend() -> None:
    """With confirmations that cannot come it stays ranging and says so."""
    deaf = replace(SMALL, adx=Hysteresis(99.0, 98.0), choppiness=Hysteresis(1.0, 2.0), slope=Hysteresis(9.0, 8.0))
    found = states([*swinging(40), *moving(30, 40, 100, 0.5)], deaf)
    assert names(found) == [UNKNOWN, RANGING]
    assert found[-1].reasons[1] == "0 of 1 confirmations by ADX, choppiness and slope"
    assert names(states([*swinging(40), *moving(30, 40, 100, 0.5)], replace(deaf, confirmations=0)))[-1] is UP


def test_a_trend_that_stands_needs_its_efficiency_alone() -> None:
    """The same candle begins no trend where none stands."""
    candles = [*swinging(40), *moving(30, 40, 100, 0.5)]
    deaf = replace(SMALL, adx=Hysteresis(99.0, 98.0), choppiness=Hysteresis(1.0, 2.0), slope=Hysteresis(9.0, 8.0))
    standing = states(candles[:-1])[-1]
    assert classify(deaf, standing, candles[-1]).name is UP
    assert classify(deaf, replace(standing, name=RANGING, lasted=9), candles[-1]).name is RANGING


def test_a_witness_for_the_other_direction_does_not_confirm() -> None:
    """After one leap the price gives way: over the window it is up, but directional movement points down."""
    calm, high = Hysteresis(99.0, 98.0), Hysteresis(99.0, 99.5)
    wary = replace(
        SMALL,
        adx=Hysteresis(9.0, 5.0),
        efficiency=Hysteresis(0.2, 0.1),
        volatility=calm,
        true_range=calm,
        slope=calm,
        choppiness=high,
    )
    giving_way = [a_candle(40 + i, 106 - 0.3 * i) for i in range(10)]
    before = states([*swinging(40), *giving_way[:-1]], wary)[-1]
    last = classify(replace(wary, confirmations=2), replace(before, name=RANGING, lasted=9), giving_way[-1])
    adx = last.indicators.adx
    assert {IndicatorName.EFFICIENCY, IndicatorName.ADX} <= last.met
    assert last.indicators.efficiency.move > 0
    assert (adx.plus_di or 0) < (adx.minus_di or 0)
    assert (last.name, last.reasons[1]) == (RANGING, "1 of 2 confirmations by ADX, choppiness and slope")


def test_volatile_beats_trending() -> None:
    """A trend whose steps grow tenfold is a storm."""
    found = states([*swinging(40), *moving(20, 40, 100, 0.5), *moving(8, 60, 106, 8)])
    assert names(found) == [UNKNOWN, RANGING, UP, VOLATILE]
    assert IndicatorName.EFFICIENCY in found[-1].met
    assert found[-1].reasons[0].startswith("volatility ")
    assert found[-1].reasons[0].endswith(", met from 2.5 until 1.75")


def test_a_market_that_goes_to_sleep_is_ranging_though_its_window_still_holds_the_trend() -> None:
    """Otherwise it would trend on for the length of the window."""
    found = states([*swinging(40), *moving(20, 40, 100, 0.5), *[a_candle(60 + i, 106, 0) for i in range(6)]])
    assert names(found) == [UNKNOWN, RANGING, UP, RANGING]
    assert IndicatorName.EFFICIENCY in found[-1].met
    assert found[-1].reasons == ("hardly anything moves: 0 at most in 5 candles, usual is 0.0044",)


def test_a_steady_march_trends_though_its_returns_do_not_deviate() -> None:
    """Standing still and never pausing both have no deviation."""
    march = [a_candle(40 + i, 100 + i) for i in range(20)]
    last = states([*swinging(40), *march])[-1]
    assert (last.name, last.figures[IndicatorName.EFFICIENCY]) == (UP, 1.0)
    assert (last.figures[IndicatorName.VOLATILITY] or 0) < 0.1


# --- what holds it ---


def test_a_trend_lasts_until_its_efficiency_has_fallen_to_the_leaving_threshold() -> None:
    """Between the two thresholds nothing changes, in either direction."""
    found = states([*swinging(40), *moving(30, 40, 100, 0.5), *swinging(40, 70)])
    efficiency = IndicatorName.EFFICIENCY
    for before, after in pairwise(found[40:]):
        value = after.figures[efficiency]
        assert value is not None
        if 0.3 <= value < 0.6:
            assert (efficiency in after.met) is (efficiency in before.met)
    between = [s for s in found[40:] if 0.3 <= (s.figures[efficiency] or 0) < 0.6]
    assert {efficiency in state.met for state in between} == {True, False}


def test_a_regime_lasts_its_dwell_and_says_what_the_figures_are() -> None:
    """Volatile lasts four candles at least, even if the storm was a single one."""
    wary = replace(SMALL, volatility=Hysteresis(2.5, 2.4), true_range=Hysteresis(2.5, 2.4), volatility_candles=2)
    found = states([*swinging(40), *storm(1, 40), *swinging(20, 41)], wary)
    wild = [i for i, state in enumerate(found) if state.name is VOLATILE]
    assert wild == list(range(40, 40 + len(wild)))
    assert len(wild) >= 4
    long = replace(wary, dwell=replace(wary.dwell, volatile=19))
    held = states([*swinging(40), *storm(1, 40), *swinging(20, 41)], long)
    assert [i for i, state in enumerate(held) if state.name is VOLATILE] == list(range(40, 59))
    assert held[58].reasons[0] == "lasts 19 candles at least; by its figures ranging"


@settings(max_examples=40)  # each is a whole market
@given(seed=st.integers(0, 2**32))
def test_no_regime_is_shorter_than_its_dwell_whatever_the_market_does(seed: int) -> None:
    """Only a gap ends one early, and only for unknown."""
    dice, close, candles = Random(seed), 500.0, []
    for i in range(120):
        close = max(close + dice.choice((-9.0, -1.0, -0.4, 0.0, 0.4, 1.0, 9.0)), 1.0)
        if i < 30 or dice.random() > 0.02:
            candles.append(a_candle(i, close))
    lasted, found = 0, states(candles)
    for before, after in pairwise(found):
        lasted += 1
        if after.name is not before.name:
            assert after.name is UNKNOWN or lasted >= SMALL.dwell.of(before.name)
            lasted = 0
        assert after.reasons


def test_the_same_candles_give_the_same_state_and_leave_the_old_one_alone() -> None:
    """A fold: nothing is remembered elsewhere."""
    candles = [*swinging(40), *moving(20, 40, 100, 0.5)]
    first = states(candles)
    before = repr(first[49])
    assert states(candles) == first
    assert classify(SMALL, first[49], candles[50]) == first[50]
    assert repr(first[49]) == before


# --- what nobody knows ---


def test_a_candle_that_was_there_already_changes_nothing() -> None:
    """History and stream overlap."""
    found = states(swinging(30))
    assert classify(SMALL, found[-1], swinging(30)[-1]) is found[-1]
    assert classify(SMALL, found[-1], swinging(30)[3]) is found[-1]


def test_a_candle_off_the_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="open_ms must be a multiple of 60000, was 60001"):
        classify(SMALL, first_state(SMALL, 0), replace(a_candle(1, 100), open_ms=60_001))


def test_a_short_gap_is_unknown_until_enough_candles_have_followed() -> None:
    """It says which are missing, at once and whatever the dwell; the indicators carry on."""
    found = states([*swinging(60), *swinging(6, 62)])
    assert [state.name for state in found[59:]] == [RANGING, *[UNKNOWN] * 4, RANGING, RANGING]
    assert found[60].reasons == (
        "2 candles missing from 1970-01-01 01:00 UTC",
        "4 more candles without a gap are needed",
    )
    assert view(SMALL, found[60], 63 * MINUTE_MS).detail == "; ".join(found[60].reasons)
    assert (found[60].candles, found[64].gap) == (61, "")


def test_a_second_gap_begins_the_wait_anew() -> None:
    found = states([*swinging(60), *swinging(3, 61), *swinging(6, 65)])
    assert [state.name for state in found[60:]] == [UNKNOWN] * 7 + [RANGING] * 2


def test_a_long_gap_starts_everything_anew() -> None:
    """Figures from before it would not be figures of this market."""
    found = states([*swinging(60), *swinging(30, 64)])
    assert [state.name for state in found[60:]] == [UNKNOWN] * 24 + [RANGING] * 6
    assert found[60].reasons == ("4 candles missing from 1970-01-01 01:00 UTC", "1 of 25 candles")
    assert found[-1].candles == 30


def test_a_candle_that_is_late_makes_the_view_stale_and_lets_nothing_open() -> None:
    """Two minutes of grace by default, whatever is configured for unknown."""
    loud = replace(SMALL, effects=replace(SMALL.effects, unknown=RegimeEffect(long_entries=ALL, short_entries=ALL)))
    last = states(swinging(40), loud)[-1]
    due_ms = 41 * MINUTE_MS
    assert [is_fresh(loud, last, due_ms + extra) for extra in (0, 120_000, 120_001)] == [True, True, False]
    fresh, stale = (view(loud, last, due_ms + extra) for extra in (0, 180_000))
    assert (fresh.is_fresh, fresh.long_entries, fresh.short_entries, fresh.detail) == (True, ALL, ALL, "")
    assert (stale.is_fresh, stale.long_entries, stale.short_entries) == (False, NONE, NONE)
    assert (stale.name, stale.detail) == (RANGING, "the next candle is late by 180 seconds")


def test_before_the_first_candle_nothing_opens() -> None:
    told = view(SMALL, first_state(SMALL, 5), 5)
    assert (told.name, told.since_ms, told.candle_ms, told.is_fresh, told.detail) == (
        UNKNOWN,
        5,
        None,
        False,
        "no candle yet",
    )
    assert {indicator.value for indicator in told.indicators} == {None}


# --- what it lets through ---


@pytest.mark.parametrize(
    ("name", "long_entries", "short_entries"),
    [(RANGING, ALL, ALL), (UP, ALL, NONE), (DOWN, NONE, ALL), (VOLATILE, ALTERNATE, ALTERNATE), (UNKNOWN, NONE, NONE)],
)
def test_each_regime_has_its_effect(name: RegimeName, long_entries: EntryRule, short_entries: EntryRule) -> None:
    """The defaults."""
    state = replace(states(swinging(40))[-1], name=name)
    expected = RegimeEffect(long_entries=long_entries, short_entries=short_entries)
    assert effect_now(SMALL, state, 40 * MINUTE_MS) == expected


@pytest.mark.parametrize(("step", "long_entries", "short_entries"), [(8, ALTERNATE, NONE), (-8, NONE, ALTERNATE)])
def test_a_storm_does_not_lift_what_the_trend_under_it_forbids(
    step: float, long_entries: EntryRule, short_entries: EntryRule
) -> None:
    """The stricter rule of both."""
    last = states([*swinging(40), *moving(20, 40, 100, step / 16), *moving(8, 60, 100 + step * 3 / 4, step)])[-1]
    assert last.name is VOLATILE
    expected = RegimeEffect(long_entries=long_entries, short_entries=short_entries)
    assert effect_now(SMALL, last, 68 * MINUTE_MS) == expected


def test_alternate_leaves_out_every_second_slot() -> None:
    """By its number, so that the price does not choose."""
    assert [entry_may_open(ALTERNATE, slot) for slot in range(5)] == [True, False, True, False, True]
    assert {entry_may_open(ALL, slot) for slot in range(5)} == {True}
    assert {entry_may_open(NONE, slot) for slot in range(5)} == {False}


def test_the_view_shows_each_indicator_against_its_two_thresholds() -> None:
    last = states([*swinging(40), *moving(30, 40, 100, 0.5)])[-1]
    told = {indicator.name: indicator for indicator in view(SMALL, last, 70 * MINUTE_MS).indicators}
    assert list(told) == list(IndicatorName)
    efficiency = told[IndicatorName.EFFICIENCY]
    assert (efficiency.enter, efficiency.leave, efficiency.is_met) == (0.6, 0.3, True)
    assert efficiency.value == pytest.approx(0.6)
    assert (told[IndicatorName.CHOPPINESS].enter, told[IndicatorName.CHOPPINESS].leave) == (45.0, 55.0)


# --- what is refused at the door ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": Hysteresis(0.1, 0.2)}, "efficiency: enter must be above leave, was 0.1 and 0.2"),
        ({"choppiness": Hysteresis(60.0, 40.0)}, "choppiness: enter must be below leave, was 60.0 and 40.0"),
        ({"slope": Hysteresis(0.1, -0.1)}, "slope: enter and leave must be above 0, were 0.1 and -0.1"),
        ({"interval_ms": 90_000}, "interval_ms must be whole minutes, was 90000"),
        ({"adx_candles": 1}, "adx_candles must be at least 2, was 1"),
        ({"slope_candles": 0}, "slope_candles must be at least 1, was 0"),
        ({"gap_max": -1}, "gap_max must be at least 0, was -1"),
        ({"confirmations": 4}, "confirmations must be between 0 and 3, was 4"),
        ({"history": 84}, "history must cover the 85 candles that the indicators need, was 84"),
        (
            {"dwell": PerRegime(ranging=1, trending_up=0, trending_down=1, volatile=1, unknown=1)},
            "dwell of trending_up must be at least 1 candle, was 0",
        ),
    ],
)
def test_settings_that_contradict_themselves_are_refused(changes: dict[str, Any], message: str) -> None:
    """Both figures are named."""
    with pytest.raises(ValueError) as refusal:
        RegimeSettings(**changes)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("enter", "leave"), [(1.0, 1.0), (nan, 1.0), (1.0, inf)])
def test_thresholds_that_are_no_hysteresis_are_refused(enter: float, leave: float) -> None:
    with pytest.raises(ValueError, match=f"two different numbers, were {enter} and {leave}"):
        Hysteresis(enter, leave)


def test_an_indicator_is_met_at_its_thresholds_themselves() -> None:
    """High values and low ones alike."""
    high, low = Hysteresis(25.0, 20.0), Hysteresis(45.0, 55.0)
    assert [high.is_met(v, was_met=False) for v in (24.9, 25.0)] == [False, True]
    assert [high.is_met(v, was_met=True) for v in (20.0, 19.9)] == [True, False]
    assert [low.is_met(v, was_met=False) for v in (45.1, 45.0)] == [False, True]
    assert [low.is_met(v, was_met=True) for v in (55.0, 55.1)] == [True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"close": nan}, "close must be a finite number, was nan"),
        ({"high": inf}, "high must be a finite number, was inf"),
        ({"high": 8.0}, "high must be at or above low, was 8.0 and 9.0"),
        ({"close": 12.0}, "close must be between low 9.0 and high 11.0, was 12.0"),
        ({"open": 8.5}, "open must be between low 9.0 and high 11.0, was 8.5"),
        ({"low": 0.0}, "low must be above 0, volume and open_ms at least 0, were 0.0, 1.0 and 0"),
        ({"volume": -1.0}, "low must be above 0, volume and open_ms at least 0, were 9.0, -1.0 and 0"),
    ],
)
def test_a_candle_refuses_nonsense(changes: dict[str, float], message: str) -> None:
    good: dict[str, Any] = {"open_ms": 0, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": 1.0}
    with pytest.raises(ValueError) as refusal:
        Candle(**(good | changes))
    assert str(refusal.value) == message


def test_exits_only_is_a_rule_for_entries() -> None:
    """There is no rule that could hold back an exit."""
    assert RegimeEffect(long_entries=NONE, short_entries=NONE) == EXITS_ONLY
    assert set(RegimeEffect.__dataclass_fields__) == {"long_entries", "short_entries"}

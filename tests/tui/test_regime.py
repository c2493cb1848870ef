"""The lines of the regime: on the dashboard, the state, the gauges, the shadow ledger."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.grid import Direction
from engine.model.regime import EntryRule, IndicatorName, IndicatorView, RegimeName, RegimeView, ShadowView
from engine.model.snapshot import GridSnapshot
from tests import risk_scenes, scenes
from tests.risk_scenes import indicator
from tests.tui.test_pane_lines import texts, view_of
from tui.present.pieces import Tone, line_text, line_width
from tui.present.regime import REGIME_SIGNS, figure, gauge, gauge_lines, regime_line, shadow_lines, state_lines
from tui.view import View


def view(grid: GridSnapshot) -> View:
    return view_of(scenes.engine(grid))


def watched(regime: RegimeView | None, **changes: object) -> View:
    return view(risk_scenes.bounded(regime=regime, **changes))


FALLING = watched(risk_scenes.regime())


def test_the_dashboard_says_regime_what_it_holds_back_since_when_and_the_figures_that_fit() -> None:
    assert line_text(regime_line(FALLING, 120)) == (
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●  for 3d 04h  ADX 31.24 ●  volatility 1.21 ○"
    )
    assert line_text(regime_line(FALLING, 64)) == " regime ↓ trending down  no new longs  efficiency 0.2113 ●"
    assert line_text(regime_line(FALLING, 42)) == " regime ↓ trending down  no new longs"
    assert regime_line(watched(None), 120) == ()
    assert regime_line(View(), 120) == ()


def test_a_regime_that_is_not_fresh_says_so_before_anything_else() -> None:
    line = line_text(regime_line(watched(risk_scenes.unknown()), 120))
    assert line.startswith(" regime ◌ unknown  × not fresh  no new longs  31 of 114 candles  for 11m 00s")


def test_the_figure_that_decided_is_that_of_the_first_reason_or_the_first_that_is_met() -> None:
    wild = tuple(
        replace(one, is_met=one.name is IndicatorName.TRUE_RANGE, value=2.9) for one in risk_scenes.FALLING_INDICATORS
    )
    told = ("true_range 2.9, met from 2.5 until 1.75",)
    stormy = risk_scenes.regime(RegimeName.VOLATILE, indicators=wild, reasons=told, long_entries=EntryRule.ALTERNATE)
    assert line_text(regime_line(watched(stormy), 60)) == " regime ⇅ volatile  every 2nd long  true range 2.9 ●"
    kept = replace(stormy, reasons=("lasts 3 candles at least; by its figures ranging",))
    assert line_text(regime_line(watched(kept), 60)) == " regime ⇅ volatile  every 2nd long  true range 2.9 ●"
    still = risk_scenes.regime(
        RegimeName.RANGING,
        indicators=tuple(replace(one, is_met=False) for one in wild),
        reasons=("hardly anything moves: 0.01 at most in 30 candles, usual is 2",),
        long_entries=EntryRule.ALL,
    )
    assert line_text(regime_line(watched(still), 60)) == " regime ≈ ranging  hardly anything moves: 0.01 at …"


@pytest.mark.parametrize(
    "direction, long_entries, short_entries, said",
    [
        (Direction.LONG, EntryRule.ALL, EntryRule.NONE, ""),
        (Direction.LONG, EntryRule.ALTERNATE, EntryRule.NONE, "  every 2nd long"),
        (Direction.SHORT, EntryRule.NONE, EntryRule.ALL, ""),
        (Direction.SHORT, EntryRule.NONE, EntryRule.NONE, "  no new shorts"),
        (Direction.NEUTRAL, EntryRule.ALTERNATE, EntryRule.NONE, "  every 2nd long, no new shorts"),
    ],
)
def test_only_entries_that_the_grid_makes_are_said_to_be_held_back(
    direction: Direction, long_entries: EntryRule, short_entries: EntryRule, said: str
) -> None:
    regime = risk_scenes.regime(long_entries=long_entries, short_entries=short_entries)
    line = line_text(regime_line(watched(regime, direction=direction), 120))
    assert line.split("  efficiency")[0] == " regime ↓ trending down" + said


def test_each_regime_has_its_own_glyph_and_word() -> None:
    assert {name: f"{sign.glyph} {sign.word}" for name, sign in REGIME_SIGNS.items()} == {
        RegimeName.RANGING: "≈ ranging",
        RegimeName.TRENDING_UP: "↑ trending up",
        RegimeName.TRENDING_DOWN: "↓ trending down",
        RegimeName.VOLATILE: "⇅ volatile",
        RegimeName.UNKNOWN: "◌ unknown",
    }


def test_the_state_says_since_when_why_what_is_held_back_and_how_old_the_candles_are() -> None:
    assert texts(state_lines(FALLING, 76, is_airy=False)) == [
        "↓ TRENDING DOWN  for 3d 04h  since 2020-03-09 04:00:00Z",
        "because  efficiency 0.2113, met from 0.13 until 0.075",
        "         close moved -1842.5 in 84 candles",
        "         adx 31.24, met from 25 until 20",
        "         slope -0.1221, met from 0.05 until 0.03",
        "longs    × none       no new long entries: trending down",
        "shorts   – this grid opens none",
        "exits    ● all        a regime never holds back an exit",
        "candles  ● fresh      412 closed; the last began 4h 14m ago, 04:00:00Z",
    ]


def test_a_degraded_regime_names_its_trouble_and_holds_back_everything_because_of_it() -> None:
    lines = texts(state_lines(watched(risk_scenes.unknown(), direction=Direction.NEUTRAL), 76, is_airy=False))
    assert lines == [
        "◌ UNKNOWN  for 11m 00s  since 08:03:07Z",
        "degraded the next candle is late by 734 seconds",
        "because  31 of 114 candles",
        "longs    × none       no new long entries: the candles are not fresh",
        "shorts   × none       no new short entries: the candles are not fresh",
        "exits    ● all        a regime never holds back an exit",
        "candles  × not fresh  31 closed; the last began 4h 14m ago, 04:00:00Z",
    ]


def test_a_volatile_market_leaves_every_second_entry_out() -> None:
    regime = risk_scenes.regime(RegimeName.VOLATILE, long_entries=EntryRule.ALTERNATE, reasons=())
    assert "longs    ◐ every 2nd  every second long entry is left out: volatile" in texts(
        state_lines(watched(regime), 76, is_airy=False)
    )


def test_before_the_first_candle_nothing_is_said_of_its_age() -> None:
    regime = risk_scenes.regime(RegimeName.UNKNOWN, candle_ms=None, candles=0, is_fresh=False, detail="no candle yet")
    assert texts(state_lines(watched(regime), 76, is_airy=False))[-1] == "candles  × not fresh  none has closed yet"


def test_without_a_monitor_one_sentence_says_how_to_switch_it_on() -> None:
    off = watched(None)
    assert " ".join(texts(state_lines(off, 76, is_airy=False))) == (
        "No regime monitor watches btc: give its grid a [grid.regime] table in the configuration to switch it on."
    )
    assert (gauge_lines(off, 76, is_airy=True), shadow_lines(off, 76)) == ((), ())


def test_reasons_from_the_engine_are_cleaned_and_wrapped() -> None:
    regime = risk_scenes.regime(reasons=("a\x1b[31m " + "word " * 30,), detail="late\u202e")
    lines = state_lines(watched(regime), 50, is_airy=False)
    assert texts(lines)[1] == "degraded late<U+202E>"
    assert texts(lines)[2].startswith("because  a<U+001B>[31m word")
    assert all(line_width(line) <= 50 for line in lines)


@pytest.mark.parametrize(
    "item, drawn",
    [
        (indicator(IndicatorName.ADX, 31.0, 25.0, 20.0, is_met=True), "────────│┄┃━●━━━━━━━"),
        (indicator(IndicatorName.ADX, 22.6, 25.0, 20.0), "────────│○┃━━━━━━━━━"),
        (indicator(IndicatorName.ADX, 0.0, 25.0, 20.0), "○───────│┄┃━━━━━━━━━"),
        (indicator(IndicatorName.ADX, 75.0, 25.0, 20.0, is_met=True), "────│┃━━━━━━━━━●━━━━"),
        (indicator(IndicatorName.ADX, 300.0, 25.0, 20.0, is_met=True), "────│┃━━━━━━━━━━━━━▸"),
        (indicator(IndicatorName.ADX, None, 25.0, 20.0), "────────│┄┃━━━━━━━━━"),
        (indicator(IndicatorName.ADX, float("nan"), 25.0, 20.0), "────────│┄┃━━━━━━━━━"),
        (indicator(IndicatorName.ADX, float("inf"), 25.0, 20.0), "────────│┄┃━━━━━━━━━"),
        (indicator(IndicatorName.CHOPPINESS, 30.0, 40.0, 60.0, is_met=True), "━━━━━●┃┄┄┄│─────────"),
        (indicator(IndicatorName.CHOPPINESS, 90.0, 40.0, 60.0), "━━━━━━┃┄┄┄│────○────"),
        (indicator(IndicatorName.SLOPE, -0.081, 0.05, 0.03, is_met=True), "──────│┄┄┄┃━━━━━●━━━"),
        (indicator(IndicatorName.SLOPE, 0.0, 0.05, 0.0499), "○────────│┃━━━━━━━━━"),
    ],
)
def test_a_gauge_shows_the_value_between_its_two_thresholds(item: IndicatorView, drawn: str) -> None:
    assert line_text(gauge(item, 20)) == drawn


def test_every_gauge_has_value_word_and_both_thresholds() -> None:
    assert texts(gauge_lines(FALLING, 76, is_airy=False)) == [
        "efficiency    0.2113  ● met      ─────│┄┄┄┃━━━━●━━━  enter 0.13  leave 0.075",
        "ADX            31.24  ● met      ───────│┄┃━●━━━━━━  enter 25    leave 20",
        "choppiness      48.7  ○ not met  ━━━━━━━○┄│────────  enter 45    leave 55",
        "slope        −0.1221  ● met      ──│┄┃━━━━━●━━━━━━━  enter 0.05  leave 0.03",
        "volatility      1.21  ○ not met  ────○─│┄┄┃━━━━━━━━  enter 2.5   leave 1.75",
        "true range      1.88  ○ not met  ──────○┄┄┃━━━━━━━━  enter 2.5   leave 1.75",
    ]


def test_with_room_each_indicator_is_explained() -> None:
    lines = texts(gauge_lines(FALLING, 120, is_airy=True))
    assert (len(lines), lines[1], lines[2]) == (
        17,
        "            the way made good over the way gone; 1 is one straight move",
        "",
    )


def test_an_indicator_without_a_value_says_so() -> None:
    assert texts(gauge_lines(watched(risk_scenes.unknown()), 76, is_airy=False))[0].startswith(
        "efficiency         –  – unknown"
    )


@pytest.mark.parametrize("width", range(8, 140, 7))
def test_no_line_is_wider_than_its_room(width: int) -> None:
    for shown in (FALLING, watched(risk_scenes.unknown()), watched(None)):
        lines = (
            *state_lines(shown, width, is_airy=True),
            *gauge_lines(shown, width, is_airy=True),
            *shadow_lines(shown, width),
            regime_line(shown, width),
        )
        assert max(line_width(line) for line in lines) <= width


def test_the_shadow_ledger_says_what_the_filter_was_worth() -> None:
    assert texts(shadow_lines(FALLING, 76)) == [
        "losses avoided      +123.40 USDT  what the entries held back would have lost",
        "profit missed        −40.20 USDT  12 whole cycles not made",
        "net worth            +83.20 USDT  the filter has paid for itself",
        "now            4 entries waiting, 7 lots held, all virtual",
    ]


@pytest.mark.parametrize(
    "worth, words, tone",
    [
        ("-4", "the filter has cost more than it saved", Tone.LOSS),
        ("0", "neither gained nor lost anything so far", Tone.DIM),
        ("4", "the filter has paid for itself", Tone.GAIN),
    ],
)
def test_the_worth_of_the_filter_is_said_in_words_too(worth: str, words: str, tone: Tone) -> None:
    shadow = replace(risk_scenes.SHADOW, net_worth=Decimal(worth))
    line = shadow_lines(watched(risk_scenes.regime(shadow=shadow)), 76)[2]
    assert (line[-1].text, line[1].tone) == (words, tone)


def test_entries_that_found_no_room_in_the_ledger_are_said() -> None:
    shadow: ShadowView = replace(risk_scenes.SHADOW, waiting=1, lots=1, left_out=3)
    assert texts(shadow_lines(watched(risk_scenes.regime(shadow=shadow)), 76))[3] == (
        "now            1 entry waiting, 1 lot held, all virtual; 3 had no room"
    )
    assert texts(shadow_lines(watched(risk_scenes.regime(shadow=None)), 76)) == [
        "Nobody keeps a shadow ledger of this grid."
    ]


@pytest.mark.parametrize(
    "value, text",
    [
        (0.21128, "0.2113"),
        (-1.25, "−1.25"),
        (12345.6, "12,346"),
        (0.0, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (float("-inf"), "–"),
    ],
)
def test_a_figure_has_four_digits_or_is_nothing(value: float | None, text: str) -> None:
    assert figure(value) == text

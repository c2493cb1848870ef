"""The regime of the market: what it is and why, each indicator against its thresholds, what it holds back.

``regime_line`` is for the dashboard, the rest for the regime screen. Figures of indicators are floats
and may be anything; what is not finite is shown as nothing.
"""

from collections.abc import Iterator
from itertools import groupby
from math import isfinite

from engine.model.grid import Direction
from engine.model.money import ZERO
from engine.model.regime import EntryRule, IndicatorName, IndicatorView, RegimeName, RegimeView, ShadowView
from engine.model.snapshot import GridSnapshot
from engine.model.text import clean_text
from tui.present.numbers import MINUS, NOTHING, duration, moment, plural, quote_places, signed
from tui.present.pieces import (
    BLANK,
    Line,
    Piece,
    Tone,
    cut_line,
    cut_text,
    fit_left,
    fit_right,
    join,
    join_that_fit,
    line_width,
    wrap_words,
)
from tui.present.words import Sign, result_tone
from tui.view import View

REGIME_SIGNS = {
    RegimeName.RANGING: Sign("≈", "ranging", Tone.GAIN),
    RegimeName.TRENDING_UP: Sign("↑", "trending up", Tone.HOLD),
    RegimeName.TRENDING_DOWN: Sign("↓", "trending down", Tone.LOSS),
    RegimeName.VOLATILE: Sign("⇅", "volatile", Tone.WARN),
    RegimeName.UNKNOWN: Sign("◌", "unknown", Tone.WARN),
}
RULE_SIGNS = {
    EntryRule.ALL: Sign("●", "all", Tone.GAIN),
    EntryRule.ALTERNATE: Sign("◐", "every 2nd", Tone.WARN),
    EntryRule.NONE: Sign("×", "none", Tone.WARN),
}
FRESH = Sign("●", "fresh", Tone.GAIN)
LATE = Sign("×", "not fresh", Tone.LOSS)
MET = Sign("●", "met", Tone.WARN)
NOT_MET = Sign("○", "not met", Tone.DIM)
GAUGE_LEGEND = "─ not met  │ leave  ┄ as it was  ┃ enter  ━ met"

INDICATOR_WORDS = {
    IndicatorName.EFFICIENCY: "efficiency",
    IndicatorName.ADX: "ADX",
    IndicatorName.CHOPPINESS: "choppiness",
    IndicatorName.SLOPE: "slope",
    IndicatorName.VOLATILITY: "volatility",
    IndicatorName.TRUE_RANGE: "true range",
}
_MEANINGS = {
    IndicatorName.EFFICIENCY: "the way made good over the way gone; 1 is one straight move",
    IndicatorName.ADX: "how strongly the price keeps to one direction, whichever it is",
    IndicatorName.CHOPPINESS: "high while the price goes to and fro, low while it travels: met by low values",
    IndicatorName.SLOPE: "of the exponential mean, in average true ranges per candle, up or down",
    IndicatorName.VOLATILITY: "how much returns vary, as a multiple of what has been usual here",
    IndicatorName.TRUE_RANGE: "how far a candle reaches, as a multiple of what has been usual here",
}
_LABEL_WIDTH = 9
_NAME_WIDTH = 12
_VALUE_WIDTH = 8
_MET_WIDTH = 9
_BOUND_WIDTH = 13
_GAUGE_MIN, _GAUGE_MAX = 8, 64
_AMOUNT_WIDTH = 12
_REASON_WIDTH = 32
_GROSS = 10_000
"""From here on a figure has no decimals."""
_SHOWN_INDICATORS = (IndicatorName.EFFICIENCY, IndicatorName.ADX, IndicatorName.VOLATILITY)


def regime_line(view: View, width: int) -> Line:
    """The regime for the dashboard, as much of it as fits; empty without a monitor."""
    grid = view.grid
    if grid is None or grid.regime is None:
        return ()
    regime = grid.regime
    groups = [*_needed_groups(grid, regime), (Piece(f"for {duration(_now(view) - regime.since_ms)}", Tone.DIM),)]
    decided = _deciding_indicator(regime)
    groups.extend(
        _figure_group(indicator)
        for indicator in regime.indicators
        if indicator.name in _SHOWN_INDICATORS and indicator is not decided
    )
    return join_that_fit(groups, width)


def _figure_group(indicator: IndicatorView) -> Line:
    sign = MET if indicator.is_met else NOT_MET
    words = f"{INDICATOR_WORDS[indicator.name]} {figure(indicator.value)} "
    return Piece(words, Tone.DIM), Piece(sign.glyph, sign.tone)


def _deciding_indicator(regime: RegimeView) -> IndicatorView | None:
    """The indicator that the first reason names, else the first that is met; None where no figure decided."""
    named = regime.reasons[0].partition(" ")[0] if regime.reasons else ""
    by_name = next((one for one in regime.indicators if one.name == named and one.value is not None), None)
    if by_name is not None or regime.name is RegimeName.UNKNOWN:
        return by_name
    return next((one for one in regime.indicators if one.is_met), None)


def _deciding_group(regime: RegimeView) -> Line:
    """The figure that decided, or the first reason where no figure did."""
    indicator = _deciding_indicator(regime)
    if indicator is not None:
        return _figure_group(indicator)
    return (Piece(cut_text(clean_text(regime.reasons[0]), _REASON_WIDTH), Tone.DIM),) if regime.reasons else ()


def regime_needs(view: View) -> int:
    """How many cells it takes to say which regime it is, what that holds back and which figure decided."""
    grid = view.grid
    if grid is None or grid.regime is None:
        return 0
    return line_width(join(_needed_groups(grid, grid.regime)))


def _needed_groups(grid: GridSnapshot, regime: RegimeView) -> list[Line]:
    groups: list[Line] = [(Piece(" regime ", Tone.DIM), REGIME_SIGNS[regime.name].piece())]
    if not regime.is_fresh:
        groups.append((LATE.piece(),))
    held = [_held_back(side, rule) for side, rule in _rules(grid, regime) if rule is not EntryRule.ALL]
    if held:
        groups.append((Piece(", ".join(held), Tone.WARN),))
    decided = _deciding_group(regime)
    return [*groups, decided] if decided else groups


def _held_back(side: str, rule: EntryRule) -> str:
    match rule:
        case EntryRule.ALL:
            return f"all {side}s"
        case EntryRule.ALTERNATE:
            return f"every 2nd {side}"
        case EntryRule.NONE:
            return f"no new {side}s"


def _rules(grid: GridSnapshot, regime: RegimeView) -> Iterator[tuple[str, EntryRule]]:
    """The sides that this grid opens, and what the regime lets through."""
    if grid.direction is not Direction.SHORT:
        yield "long", regime.long_entries
    if grid.direction is not Direction.LONG:
        yield "short", regime.short_entries


def state_lines(view: View, width: int, *, is_airy: bool) -> tuple[Line, ...]:
    """Which regime it is, since when and why, what that holds back now, and how old the candles are."""
    air: tuple[Line, ...] = (BLANK,) if is_airy else ()
    grid = view.grid
    if grid is None:
        return ((Piece("the regime appears with the first snapshot", Tone.DIM),),)
    regime = grid.regime
    if regime is None:
        return _off_lines(grid, width)
    now_ms = _now(view)
    sign = REGIME_SIGNS[regime.name]
    lines: list[Line] = [
        (
            Piece(f"{sign.glyph} {sign.word.upper()}", sign.tone),
            Piece(f"  for {duration(now_ms - regime.since_ms)}", Tone.STRONG),
            Piece(f"  since {moment(regime.since_ms, now_ms)}", Tone.DIM),
        ),
        *air,
    ]
    if regime.detail:
        lines.extend(_labelled("degraded", Piece(clean_text(regime.detail), Tone.WARN), width))
    for number, reason in enumerate(regime.reasons):
        lines.extend(_labelled("" if number else "because", Piece(clean_text(reason)), width))
    lines.extend((*air, *_entry_lines(grid, regime), *air))
    lines.append(_candle_line(regime, now_ms))
    return tuple(cut_line(line, width) for line in lines)


def _off_lines(grid: GridSnapshot, width: int) -> tuple[Line, ...]:
    name = clean_text(grid.name, 24)
    text = (
        f"No regime monitor watches {name}: give its grid a [grid.regime] table in the configuration to switch it on."
    )
    return tuple((Piece(row, Tone.DIM),) for row in wrap_words(text, width))


def _labelled(label: str, value: Piece, width: int) -> Iterator[Line]:
    for row, text in enumerate(wrap_words(value.text, max(width - _LABEL_WIDTH, 8))):
        yield Piece(fit_left("" if row else label, _LABEL_WIDTH), Tone.DIM), Piece(text, value.tone)


def _entry_lines(grid: GridSnapshot, regime: RegimeView) -> Iterator[Line]:
    """What may open on each side and why not, and that exits always may."""
    rules = dict(_rules(grid, regime))
    why = REGIME_SIGNS[regime.name].word if regime.is_fresh else "the candles are not fresh"
    for side in ("long", "short"):
        label = Piece(fit_left(f"{side}s", _LABEL_WIDTH), Tone.DIM)
        rule = rules.get(side)
        if rule is None:
            yield label, Piece(f"{NOTHING} this grid opens none", Tone.DIM)
            continue
        sign = RULE_SIGNS[rule]
        yield label, Piece(fit_left(f"{sign.glyph} {sign.word}", 13), sign.tone), _consequence(side, rule, why)
    exits = RULE_SIGNS[EntryRule.ALL]
    words = Piece("a regime never holds back an exit", Tone.DIM)
    yield Piece(fit_left("exits", _LABEL_WIDTH), Tone.DIM), Piece(fit_left(exits.piece().text, 13), exits.tone), words


def _consequence(side: str, rule: EntryRule, why: str) -> Piece:
    match rule:
        case EntryRule.ALL:
            return Piece(f"every {side} entry may be placed", Tone.DIM)
        case EntryRule.ALTERNATE:
            return Piece(f"every second {side} entry is left out: {why}")
        case EntryRule.NONE:
            return Piece(f"no new {side} entries: {why}")


def _candle_line(regime: RegimeView, now_ms: int) -> Line:
    sign = FRESH if regime.is_fresh else LATE
    label = Piece(fit_left("candles", _LABEL_WIDTH), Tone.DIM)
    if regime.candle_ms is None:
        return label, sign.piece(), Piece("  none has closed yet", Tone.DIM)
    age, at = duration(now_ms - regime.candle_ms), moment(regime.candle_ms, now_ms)
    return (
        label,
        Piece(fit_left(sign.piece().text, 13), sign.tone),
        Piece(f"{regime.candles:,} closed; the last began {age} ago, {at}", Tone.DIM),
    )


def gauge_lines(view: View, width: int, *, is_airy: bool) -> tuple[Line, ...]:
    """Each indicator with its value, whether it is met, where it stands, and its thresholds; airy: and its meaning."""
    regime = None if view.grid is None else view.grid.regime
    if regime is None:
        return ()
    lines: list[Line] = []
    for indicator in regime.indicators:
        if is_airy and lines:
            lines.append(BLANK)
        lines.append(_gauge_line(indicator, width))
        if is_airy:
            lines.append(cut_line((Piece(f"{'':{_NAME_WIDTH}}{_MEANINGS[indicator.name]}", Tone.DIM),), width))
    return tuple(lines)


def _gauge_line(indicator: IndicatorView, width: int) -> Line:
    sign = MET if indicator.is_met else NOT_MET
    if indicator.value is None:
        sign = Sign(NOTHING, "unknown", Tone.DIM)
    left: Line = (
        Piece(fit_left(INDICATOR_WORDS[indicator.name], _NAME_WIDTH)),
        Piece(fit_right(figure(indicator.value), _VALUE_WIDTH), Tone.STRONG),
        Piece("  "),
        Piece(fit_left(sign.piece().text, _MET_WIDTH), sign.tone),
        Piece("  "),
    )
    bounds = (
        Piece(fit_left(f"  enter {figure(indicator.enter)}", _BOUND_WIDTH), Tone.DIM),
        Piece(fit_left(f" leave {figure(indicator.leave)}", _BOUND_WIDTH - 1), Tone.DIM),
    )
    taken = _NAME_WIDTH + _VALUE_WIDTH + _MET_WIDTH + 4 + 2 * _BOUND_WIDTH - 1
    cells = min(max(width - taken, _GAUGE_MIN), _GAUGE_MAX)
    return cut_line((*left, *gauge(indicator, cells), *bounds), width)


def gauge(indicator: IndicatorView, width: int) -> Line:
    """Where the value stands in ``width`` cells that begin at 0: thick where it is met, thin where it is not.

    Between the thresholds it stays as it was. A slope counts whichever way it goes; what lies beyond the
    scale is an arrow at its end.
    """
    span = _span(indicator)
    enter, leave = _cell(indicator.enter, span, width), _cell(indicator.leave, span, width)
    is_met_high = indicator.enter > indicator.leave
    if enter == leave:
        enter = min(enter + 1, width - 1) if is_met_high else max(enter - 1, 0)
    low, high = min(enter, leave), max(enter, leave)
    # Where nothing is met nothing shall draw the eye.
    thick = Piece("━", Tone.WARN if indicator.is_met else Tone.DIM)
    below, above = (_THIN, thick) if is_met_high else (thick, _THIN)
    cells = [below if at < low else above if at > high else _BETWEEN for at in range(width)]
    cells[leave], cells[enter] = Piece("│", Tone.DIM), Piece("┃", Tone.TEXT)
    value = indicator.value
    if value is not None and isfinite(value):
        mark, tone = (MET.glyph, MET.tone) if indicator.is_met else (NOT_MET.glyph, Tone.STRONG)
        cells[_cell(abs(value), span, width)] = Piece("▸" if abs(value) > span else mark, tone)
    return tuple(
        Piece("".join(piece.text for piece in run), tone) for tone, run in groupby(cells, key=lambda piece: piece.tone)
    )


_THIN, _BETWEEN = Piece("─", Tone.FAINT), Piece("┄", Tone.DIM)


def _span(indicator: IndicatorView) -> float:
    """The end of the scale: twice the higher threshold, or four times where the value lies beyond that."""
    bounds = [abs(bound) for bound in (indicator.enter, indicator.leave) if isfinite(bound)]
    span = 2 * max(bounds, default=0.0) or 1.0
    value = indicator.value
    return 2 * span if value is not None and isfinite(value) and abs(value) > span else span


def _cell(value: float, span: float, width: int) -> int:
    if not isfinite(value):
        return width - 1
    return min(max(int(value / span * width), 0), width - 1)


def shadow_lines(view: View, width: int) -> tuple[Line, ...]:
    """What the filter prevented, in quote: losses avoided, profit missed, and what that comes to."""
    grid = view.grid
    if grid is None or grid.regime is None:
        return ()
    shadow = grid.regime.shadow
    if shadow is None:
        return (cut_line((Piece("Nobody keeps a shadow ledger of this grid.", Tone.DIM),), width),)
    places, quote = quote_places(grid.tick_size), clean_text(grid.quote, 10)
    missed = f"{plural(shadow.cycles_missed, 'whole cycle')} not made"
    rows = (
        ("losses avoided", shadow.losses_avoided, "what the entries held back would have lost"),
        ("profit missed", -shadow.profit_missed, missed),
        ("net worth", shadow.net_worth, _verdict(shadow)),
    )
    lines: list[Line] = [
        (
            Piece(fit_left(label, 15), Tone.DIM),
            Piece(fit_right(signed(amount, places), _AMOUNT_WIDTH), result_tone(amount)),
            Piece(f" {quote}  ", Tone.DIM),
            Piece(words, Tone.DIM),
        )
        for label, amount, words in rows
    ]
    lines.append((Piece(fit_left("now", 15), Tone.DIM), *_waiting(shadow)))
    return tuple(cut_line(line, width) for line in lines)


def _verdict(shadow: ShadowView) -> str:
    if shadow.net_worth == ZERO:
        return "neither gained nor lost anything so far"
    return "the filter has paid for itself" if shadow.net_worth > ZERO else "the filter has cost more than it saved"


def _waiting(shadow: ShadowView) -> Line:
    line: Line = (
        Piece(f"{plural(shadow.waiting, 'entry', 'entries')} waiting, {plural(shadow.lots, 'lot')} held, all virtual"),
    )
    if not shadow.left_out:
        return line
    return *line, Piece(f"; {shadow.left_out:,} had no room", Tone.WARN)


def figure(value: float | None) -> str:
    """A measured figure with four digits: ``0.2113``, ``−1.25``, ``12,350``; what is not finite is nothing."""
    if value is None or not isfinite(value):
        return NOTHING
    text = f"{value:,.0f}" if abs(value) >= _GROSS else f"{value:.4g}"
    return MINUS + text[1:] if text.startswith("-") else text


def _now(view: View) -> int:
    return 0 if view.engine is None else view.engine.at_ms

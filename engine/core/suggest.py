"""A range, a step and a number of slots that fit the market of the last days, each with its reason.

Sources: a range of 3, 5 or 8 average true ranges of a day on either side for a week, a month or three months,
and steps of 0.6 times that range between 1 and 4 %, are what grid traders publish; the efficiency
ratio of a random walk over n days is about 1/sqrt(n). Prices come as floats and leave as Decimal on ticks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, pairwise

from engine.core.cycles import break_even_step, slots_max
from engine.core.indicators import make_atr
from engine.core.levels import levels_between
from engine.model.errors import SettingsInvalid
from engine.model.grid import Spacing
from engine.model.market import Market
from engine.model.money import ONE, ZERO, text_from_decimal
from engine.model.regime import Candle

_DAY_MS = 86_400_000
_ATR_DAYS = 14
_DAYS_MIN = 3
_WIDTHS = ((7, Decimal(3)), (30, Decimal(5)), (90, Decimal(8)))
"""(days, average true ranges on either side of the price)"""
_STEP_OF_ATR = Decimal("0.6")
_STEP_MIN, _STEP_MAX = Decimal("0.01"), Decimal("0.04")
_BREAK_EVEN_TIMES = 2
_TREND_MAX = Decimal("1.5")
_LOWER_MIN = Decimal("0.25")
"""The lower bound is at least this fraction of the price, however wide the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A geometric grid around the last close; ``step`` is that between its levels, as a fraction."""

    lower: Decimal
    upper: Decimal
    slots: int
    step: Decimal
    reasons: tuple[str, ...]


def suggest(candles: Sequence[Candle], market: Market, *, slots_wanted: int | None, horizon_days: int) -> Suggestion:
    """A grid for the next ``horizon_days`` from closed candles, oldest first, of at most a day each.

    No step is below twice the break-even step, whatever is wanted.

    Raises:
        SettingsInvalid: too few candles, or prices that leave no room for such a step.
    """
    if horizon_days < 1 or (slots_wanted is not None and slots_wanted < 1):
        raise SettingsInvalid(f"expected at least 1 day and 1 slot, found {horizon_days} and {slots_wanted}")
    days = _days_of(candles)
    if len(days) < _DAYS_MIN:
        raise SettingsInvalid(f"expected candles of at least {_DAYS_MIN} whole days, found {len(days)}")
    close, atr = Decimal(repr(candles[-1].close)), _atr_of(days)
    lower, upper, about_range = _range(days, market, close, atr, horizon_days)
    least = break_even_step(market) * _BREAK_EVEN_TIMES
    step, about_step = _step(market, atr / close, least)
    most = slots_max(market, lower, upper, Spacing.GEOMETRIC, step_min=least)
    slots, about_slots = _slots(lower, upper, step, slots_wanted, most)
    slots, about_ticks = _fitted(market, lower, upper, slots, least)
    if not slots:
        raise SettingsInvalid(
            f"expected room for a step of {_percent(least)}, twice the break-even step, found a range from "
            f"{text_from_decimal(lower)} to {text_from_decimal(upper)} {market.quote}"
        )
    found = (upper / lower) ** (ONE / slots) - ONE
    outcome = f"slots: {slots}, which makes steps of {_percent(found)}"
    reasons = (*about_range, about_step, about_slots, *about_ticks, outcome)
    return Suggestion(lower=lower, upper=upper, slots=slots, step=found, reasons=reasons)


def _days_of(candles: Sequence[Candle]) -> list[Candle]:
    """One candle for each whole day of UTC; a day at either end that is not whole is left out."""
    if len(candles) < 2:
        return []
    interval = min(after.open_ms - before.open_ms for before, after in pairwise(candles))
    if not 0 < interval <= _DAY_MS:
        raise SettingsInvalid(f"expected candles of at most a day each, oldest first, found {interval} ms between two")
    days = [list(each) for _, each in groupby(candles, key=lambda candle: candle.open_ms // _DAY_MS)]
    per_day = _DAY_MS // interval
    first = 0 if len(days[0]) >= per_day else 1
    last = len(days) - (0 if len(days[-1]) >= per_day else 1)
    return [_merged(each) for each in days[first:last]]


def _merged(candles: Sequence[Candle]) -> Candle:
    return replace(
        candles[0],
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        close=candles[-1].close,
        volume=sum(candle.volume for candle in candles),
    )


def _atr_of(days: Sequence[Candle]) -> Decimal:
    atr = make_atr(min(_ATR_DAYS, len(days)))
    for day in days:
        atr = atr.after(day)
    return Decimal(repr(atr.value or 0))


def _range(
    days: Sequence[Candle], market: Market, close: Decimal, atr: Decimal, horizon_days: int
) -> tuple[Decimal, Decimal, list[str]]:
    width, (ratio, walk, window) = _width(horizon_days), _efficiency(days)
    trend = min(ratio / walk, _TREND_MAX) if ratio > walk else ONE
    reach = width * trend * atr
    lower = max(market.floor_price(max(close - reach, close * _LOWER_MIN)), market.tick_size)
    upper = max(market.ceil_price(close + reach), lower + market.tick_size)
    widened = f"widened by {100 * (trend - 1):.0f} %" if trend > 1 else "not widened"
    about_width = (
        f"range: the average true range of a day is {_short(atr)} {market.quote} ({100 * atr / close:.2f} %); "
        f"{width:.1f} of them on either side of {_short(close)} {market.quote} suit {horizon_days} days"
    )
    about_trend = (
        f"range: {widened}, the efficiency ratio of {window} days is {ratio:.2f}, that of a random walk {walk:.2f}"
    )
    reasons = [about_width, about_trend]
    if close - reach < close * _LOWER_MIN:
        reasons.append(f"range: lower is kept at {100 * _LOWER_MIN:.0f} % of the price")
    return lower, upper, reasons


def _width(horizon_days: int) -> Decimal:
    """Average true ranges for a horizon: linear in its logarithm, and by its square root outside the published ones."""
    (first_days, first), (last_days, last) = _WIDTHS[0], _WIDTHS[-1]
    horizon = Decimal(horizon_days)
    if horizon <= first_days:
        return first * (horizon / first_days).sqrt()
    for (days, width), (more_days, wider) in pairwise(_WIDTHS):
        if horizon <= more_days:
            return width + (wider - width) * (horizon / days).ln() / (Decimal(more_days) / days).ln()
    return last * (horizon / last_days).sqrt()


def _efficiency(days: Sequence[Candle]) -> tuple[Decimal, Decimal, int]:
    """The efficiency ratio of the last days, that of a random walk, and how many steps they are."""
    closes = [Decimal(repr(day.close)) for day in days[-_ATR_DAYS - 1 :]]
    way = sum((abs(after - before) for before, after in pairwise(closes)), ZERO)
    steps = len(closes) - 1
    return (abs(closes[-1] - closes[0]) / way if way else ZERO), ONE / Decimal(steps).sqrt(), steps


def _step(market: Market, atr_fraction: Decimal, least: Decimal) -> tuple[Decimal, str]:
    wanted = _STEP_OF_ATR * atr_fraction
    clamped = min(max(wanted, _STEP_MIN), _STEP_MAX)
    words = f"step: {_STEP_OF_ATR} of the average true range is {100 * wanted:.2f} %"
    if clamped != wanted:
        words += f", kept between {100 * _STEP_MIN:.0f} and {100 * _STEP_MAX:.0f} %"
    break_even = _percent(break_even_step(market))
    if clamped < least:
        return least, f"{words}; raised to {_percent(least)}, twice the break-even step of {break_even}"
    return clamped, f"{words}; the break-even step is {break_even}"


def _slots(lower: Decimal, upper: Decimal, step: Decimal, wanted: int | None, most: int) -> tuple[int, str]:
    fitting = max(1, int((upper / lower).ln() / (ONE + step).ln()))
    if wanted is None:
        return min(fitting, most), f"slots: {fitting} steps of {_percent(step)} fit into the range"
    if wanted > most:
        return most, f"slots: {wanted} are wanted, at most {most} keep steps of twice the break-even step"
    return wanted, f"slots: {wanted} are wanted, {fitting} steps of {_percent(step)} would fit into the range"


def _fitted(market: Market, lower: Decimal, upper: Decimal, slots: int, least: Decimal) -> tuple[int, list[str]]:
    """The most of these slots, or nearly, whose steps all stay wide enough on ticks."""
    fitting = slots
    while fitting and not _is_wide_enough(market, lower, upper, fitting, least):
        # In steps of a twentieth: on coarse ticks hundreds of slots too many would each be tried.
        fitting -= 1 + fitting // 20
    if fitting == slots:
        return slots, []
    return fitting, [f"slots: levels on ticks of {text_from_decimal(market.tick_size)} {market.quote} leave {fitting}"]


def _is_wide_enough(market: Market, lower: Decimal, upper: Decimal, slots: int, least: Decimal) -> bool:
    """Whether every step is at least this fraction, and a tick, once levels are rounded to ticks."""
    steps = list(pairwise(levels_between(market, lower, upper, slots, Spacing.GEOMETRIC)))
    return all(before < after and after >= before * (ONE + least) for before, after in steps)


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.4f} %"


def _short(value: Decimal) -> str:
    return text_from_decimal(Decimal(f"{value:.6g}"))

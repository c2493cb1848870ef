"""Indicators against published tables, against whole-array arithmetic, and in markets that do nothing.

The tables are those that StockCharts ChartSchool publishes with its articles on the average
directional index, average true range and Kaufman's moving average, as kept in the test data of the
library ``ta`` (MIT, github.com/bukosabino/ta, ``test/data/cs-*.csv``). They print 7, 10 and 6
decimals, so they are met to half a unit of the last one. To 1e-8 the same numbers are met by a second,
plain computation over whole arrays that is held against the tables as well.
"""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.core.indicators import Adx, make_adx, make_atr
from engine.core.indicators_trend import Choppiness, Efficiency, EmaSlope, OwnPast, Volatility
from engine.model.regime import Candle

Floats = NDArray[np.float64]
EXACT = 1e-8

# High, low, close from 11 February to 26 March 2009.
ADX_BARS = (
    (30.1983, 29.4072, 29.8720),
    (30.2776, 29.3182, 30.2381),
    (30.4458, 29.9611, 30.0996),
    (29.3478, 28.7443, 28.9028),
    (29.3477, 28.5566, 28.9225),
    (29.2886, 28.4081, 28.4775),
    (28.8334, 28.0818, 28.5566),
    (28.7346, 27.4289, 27.5576),
    (28.6654, 27.6565, 28.4675),
    (28.8532, 27.8345, 28.2796),
    (28.6356, 27.3992, 27.4882),
    (27.6761, 27.0927, 27.2310),
    (27.2112, 26.1826, 26.3507),
    (26.8651, 26.1332, 26.3309),
    (27.4090, 26.6277, 27.0333),
    (26.9441, 26.1332, 26.2221),
    (26.5189, 25.4307, 26.0144),
    (26.5189, 25.3518, 25.4605),
    (27.0927, 25.8760, 27.0333),
    (27.6860, 26.9640, 27.4487),
    (28.4477, 27.1421, 28.3586),
    (28.5267, 28.0123, 28.4278),
    (28.6654, 27.8840, 27.9530),
    (29.0116, 27.9928, 29.0116),
    (29.8720, 28.7643, 29.3776),
    (29.8028, 29.1402, 29.3576),
    (29.7529, 28.7127, 28.9107),
    (30.6546, 28.9290, 30.6149),
    (30.5951, 30.0304, 30.0502),
    (30.7635, 29.3863, 30.1890),
    (31.1698, 30.1365, 31.1202),
)
ADX_TABLE = {  # bar: +DI, -DI, ADX
    14: (6.7494187, 32.4195605, None),
    15: (6.2919781, 33.9457668, None),
    18: (8.6988073, 30.0160112, None),
    22: (16.6937202, 23.4696294, None),
    26: (19.9520101, 20.6365552, None),
    27: (23.8153238, 18.1258276, 33.5833461),
    28: (22.8134766, 17.3633223, 32.1534947),
    29: (20.6131527, 20.1994349, 29.9292238),
    30: (21.9656407, 18.7390828, 28.3576178),
}
# High, low, close from 1 April to 6 May 2010.
ATR_BARS = (
    (48.70, 47.79, 48.16),
    (48.72, 48.14, 48.61),
    (48.90, 48.39, 48.75),
    (48.87, 48.37, 48.63),
    (48.82, 48.24, 48.74),
    (49.05, 48.635, 49.03),
    (49.20, 48.94, 49.07),
    (49.35, 48.86, 49.32),
    (49.92, 49.50, 49.91),
    (50.19, 49.87, 50.13),
    (50.12, 49.20, 49.53),
    (49.66, 48.90, 49.50),
    (49.88, 49.43, 49.75),
    (50.19, 49.725, 50.03),
    (50.36, 49.26, 50.31),
    (50.57, 50.09, 50.52),
    (50.65, 50.30, 50.41),
    (50.43, 49.21, 49.34),
    (49.63, 48.98, 49.37),
    (50.33, 49.61, 50.23),
    (50.29, 49.20, 49.2375),
    (50.17, 49.43, 49.93),
    (49.32, 48.08, 48.43),
    (48.50, 47.64, 48.18),
    (48.3201, 41.55, 46.57),
)
ATR_TABLE = {13: 0.555, 14: 0.5939285714, 15: 0.5857908163, 16: 0.5689486152, 17: 0.6154522855, 18: 0.6179199794}
ATR_TABLE |= {19: 0.6423542666, 20: 0.6743289618, 21: 0.6927697503, 22: 0.7754290538, 23: 0.7814698357}
ATR_TABLE |= {24: 1.209229133}
# Closes from 28 May to 25 June 2015.
KAMA_CLOSES: tuple[float, ...] = (
    110.46,
    109.80,
    110.17,
    109.82,
    110.15,
    109.31,
    109.05,
    107.94,
    107.76,
    109.24,
    109.40,
    108.50,
    107.96,
)
KAMA_CLOSES += (108.55, 108.85, 110.44, 109.89, 110.70, 110.79, 110.22, 110.00)
EFFICIENCY_TABLE = {10: 0.184669, 11: 0.217391, 12: 0.359350, 13: 0.198748, 14: 0.204403, 15: 0.158931, 16: 0.113514}
EFFICIENCY_TABLE |= {17: 0.388732, 18: 0.432240, 19: 0.160656, 20: 0.097403}


def candles_of(bars: Iterable[tuple[float, float, float]]) -> list[Candle]:
    """Candles of high, low and close that open at their close."""
    return [
        Candle(open_ms=i * 60_000, open=close, high=high, low=low, close=close, volume=1)
        for i, (high, low, close) in enumerate(bars)
    ]


def closing_at(closes: Iterable[float]) -> list[Candle]:
    """Candles without a range."""
    return candles_of((close, close, close) for close in closes)


def drawn(count: int, *, seed: int = 4) -> list[Candle]:
    """A random walk with jumps between candles and a stretch in which nothing moves."""
    dice = np.random.default_rng(seed)
    close, bars = 100.0, list[tuple[float, float, float]]()
    for i in range(count):
        first = close * float(np.exp(dice.normal(0, 0.004)))
        close = first * float(np.exp(dice.normal(0, 0.02)))
        if count // 2 <= i < count // 2 + 30:
            first = close = bars[-1][2]
        reach = 0.0 if first == close else abs(float(dice.normal(0, 0.5)))
        bars.append((max(first, close) + reach, min(first, close) - reach, close))
    return candles_of(bars)


def adx_values(candles: list[Candle], length: int = 14) -> list[Adx]:
    """The indicator after each candle."""
    adx, after = make_adx(length), []
    for candle in candles:
        adx = adx.after(candle)
        after.append(adx)
    return after


# --- the same over whole arrays, by sums instead of means and without the indicators' code ---


def ranges_of(candles: list[Candle]) -> Floats:
    high, low, close = (np.array([getattr(c, key) for c in candles]) for key in ("high", "low", "close"))
    jumps = np.maximum(abs(high[1:] - close[:-1]), abs(low[1:] - close[:-1]))
    return np.concatenate((high[:1] - low[:1], np.maximum(high[1:] - low[1:], jumps)))


def smoothed_sums(values: Floats, length: int) -> Floats:
    sums = np.full(len(values), np.nan)
    sums[length - 1] = values[:length].sum()
    for i in range(length, len(values)):
        sums[i] = sums[i - 1] - sums[i - 1] / length + values[i]
    return sums


def whole_adx(candles: list[Candle], length: int = 14) -> tuple[Floats, Floats, Floats]:
    high, low = (np.array([getattr(c, key) for c in candles]) for key in ("high", "low"))
    up, down = high[1:] - high[:-1], low[:-1] - low[1:]
    plus = smoothed_sums(np.where((up > down) & (up > 0), up, 0), length)
    minus = smoothed_sums(np.where((down > up) & (down > 0), down, 0), length)
    ranges = smoothed_sums(ranges_of(candles)[1:], length)
    plus_di, minus_di = 100 * plus / ranges, 100 * minus / ranges
    dx = (100 * abs(plus_di - minus_di) / (plus_di + minus_di))[length - 1 :]
    adx = smoothed_sums(dx, length) / length
    for i in range(length, len(dx)):
        adx[i] = (adx[i - 1] * (length - 1) + dx[i]) / length
    pad = np.full(len(candles) - len(adx), np.nan)
    return np.append(np.nan, plus_di), np.append(np.nan, minus_di), np.append(pad, adx)


def whole_choppiness(candles: list[Candle], length: int = 14) -> Floats:
    high, low = (np.array([getattr(c, key) for c in candles]) for key in ("high", "low"))
    ranges, found = ranges_of(candles), np.full(len(candles), np.nan)
    for i in range(length, len(candles)):
        window = slice(i - length + 1, i + 1)
        span = high[window].max() - low[window].min()
        found[i] = 100 * (np.log(ranges[window].sum() / span) / np.log(length)) if span else 100
    return found


def nan_from_none(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])


# --- published tables ---


def test_the_directional_indicators_and_the_adx_are_those_of_the_published_table() -> None:
    """Seven decimals, half a unit of the last; the first index comes with candle 28."""
    after = adx_values(candles_of(ADX_BARS))
    assert [adx.value for adx in after[:27]] == [None] * 27
    assert [adx.plus_di for adx in after[:14]] == [None] * 14
    for bar, (plus, minus, index) in ADX_TABLE.items():
        assert after[bar].plus_di == pytest.approx(plus, abs=5.1e-8, rel=0)
        assert after[bar].minus_di == pytest.approx(minus, abs=5.1e-8, rel=0)
        assert after[bar].value == (index if index is None else pytest.approx(index, abs=5.1e-8, rel=0))


def test_the_average_true_range_is_that_of_the_published_table() -> None:
    """Ten significant digits; the first value comes with candle 14."""
    atr, after = make_atr(14), []
    for candle in candles_of(ATR_BARS):
        atr = atr.after(candle)
        after.append(atr.value)
    assert after[:13] == [None] * 13
    assert {bar: after[bar] for bar in ATR_TABLE} == pytest.approx(ATR_TABLE, abs=5.1e-10, rel=0)


def test_the_efficiency_ratio_is_that_of_the_published_table() -> None:
    """Six decimals; the first value needs ten steps."""
    efficiency, after = Efficiency(candles=10), []
    for candle in closing_at(KAMA_CLOSES):
        efficiency = efficiency.after(candle)
        after.append(efficiency.value)
    assert after[:10] == [None] * 10
    assert {bar: after[bar] for bar in EFFICIENCY_TABLE} == pytest.approx(EFFICIENCY_TABLE, abs=5.1e-7, rel=0)
    assert after[10] == pytest.approx(1.06 / 5.74, abs=EXACT)


# --- whole arrays ---


def test_the_whole_arrays_agree_with_the_published_table_as_well() -> None:
    """So that what the indicators are held against to 1e-8 is the published method."""
    plus, minus, index = whole_adx(candles_of(ADX_BARS))
    for bar, (published_plus, published_minus, published_index) in ADX_TABLE.items():
        assert plus[bar] == pytest.approx(published_plus, abs=5.1e-8, rel=0)
        assert minus[bar] == pytest.approx(published_minus, abs=5.1e-8, rel=0)
        if published_index is not None:
            assert index[bar] == pytest.approx(published_index, abs=5.1e-8, rel=0)


@pytest.mark.parametrize("candles", [candles_of(ADX_BARS), drawn(600)], ids=["published", "drawn"])
def test_the_adx_equals_the_whole_arrays_to_8_decimals(candles: list[Candle]) -> None:
    """With jumps and a standstill in it."""
    after = adx_values(candles)
    found = [nan_from_none(values) for values in zip(*((a.plus_di, a.minus_di, a.value) for a in after), strict=True)]
    for ours, theirs in zip(found, whole_adx(candles), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT)


@pytest.mark.parametrize("candles", [candles_of(ADX_BARS), drawn(600)], ids=["published", "drawn"])
def test_choppiness_equals_the_whole_arrays_to_8_decimals(candles: list[Candle]) -> None:
    """Both logarithms, one natural and one decimal, give the same quotient."""
    choppiness, after = Choppiness(candles=14), []
    for candle in candles:
        choppiness = choppiness.after(candle)
        after.append(choppiness.value)
    np.testing.assert_allclose(nan_from_none(after), whole_choppiness(candles), rtol=0, atol=EXACT)


def test_volatility_equals_the_whole_array_to_8_decimals() -> None:
    """numpy's standard deviation of a sample."""
    candles = drawn(300)
    volatility, after = Volatility(candles=12), []
    for candle in candles:
        volatility = volatility.after(candle)
        after.append(volatility.value)
    returns = np.diff(np.log([candle.close for candle in candles]))
    expected = [float(np.std(returns[i - 12 : i], ddof=1)) for i in range(12, len(candles))]
    np.testing.assert_allclose(nan_from_none(after), np.array([np.nan] * 12 + expected), rtol=0, atol=EXACT)


# --- tables by hand ---


def test_an_efficiency_by_hand() -> None:
    """10, 12, 11, 15: the way made good is 5 of 7 gone."""
    efficiency = Efficiency(candles=3)
    for candle in closing_at([99, 10, 12, 11, 15]):
        efficiency = efficiency.after(candle)
    assert efficiency.value == pytest.approx(5 / 7, abs=EXACT)
    assert efficiency.move == 5


def test_a_choppiness_by_hand() -> None:
    """True ranges of 2, 2, 3 and 3, the last reaching from the close before it, over a span of 4."""
    choppiness = Choppiness(candles=4)
    for candle in candles_of([(9, 9, 9), (10, 8, 9), (11, 9, 11), (11, 8, 9), (12, 11, 12)]):
        choppiness = choppiness.after(candle)
    assert choppiness.value == pytest.approx(100 * np.log(10 / 4) / np.log(4), abs=EXACT)


def test_an_exponential_mean_and_its_slope_by_hand() -> None:
    """The mean of 1, 2, 3 is 2; each new close counts half: 3, then 4.5."""
    ema = EmaSlope(candles=3, lag=2)
    for candle in closing_at([1, 2, 3]):
        ema = ema.after(candle)
    assert (ema.mean, ema.slope(1.0)) == (2.0, None)
    for candle in closing_at([4, 6]):
        ema = ema.after(candle)
    assert (ema.mean, ema.slope(0.5), ema.slope(None)) == (4.5, 2.5, None)


def test_a_volatility_by_hand() -> None:
    """Log returns of 0.1 and -0.1 deviate by the root of 0.02."""
    volatility = Volatility(candles=2)
    for candle in closing_at([100, 100 * np.exp(0.1), 100]):
        volatility = volatility.after(candle)
    assert volatility.value == pytest.approx(0.02**0.5, abs=EXACT)


def test_a_multiple_of_its_own_past_by_hand() -> None:
    """The newest counts too; the median of an even number lies between two."""
    past = OwnPast(length=4, least=3)
    multiples = []
    for value in (None, 1.0, 2.0, 4.0, 8.0, 8.0):
        past = past.after(value)
        multiples.append(past.multiple)
    assert multiples == [None, None, None, 2.0, 8 / 3, 8 / 6]


# --- markets that do nothing ---


def test_a_market_in_which_nothing_moves_has_defined_values() -> None:
    """No division by zero, with no volume either."""
    adx, atr, choppiness = make_adx(14), make_atr(14), Choppiness(candles=14)
    efficiency, ema, volatility = Efficiency(candles=10), EmaSlope(candles=10, lag=3), Volatility(candles=12)
    past = OwnPast(length=20, least=10)
    for i in range(60):
        candle = Candle(open_ms=i * 60_000, open=5, high=5, low=5, close=5, volume=0)
        adx, atr, choppiness = adx.after(candle), atr.after(candle), choppiness.after(candle)
        efficiency, ema, volatility = efficiency.after(candle), ema.after(candle), volatility.after(candle)
        past = past.after(volatility.value)
    assert (adx.value, adx.plus_di, adx.minus_di, atr.value) == (0, 0, 0, 0)
    assert (choppiness.value, efficiency.value, ema.mean, ema.slope(atr.value)) == (100, 0, 5, 0)
    assert (volatility.value, past.multiple) == (0, 1)


def test_a_first_movement_after_a_dead_past_is_the_largest_multiple() -> None:
    """Not infinite."""
    past = OwnPast(length=20, least=2)
    for value in (0.0, 0.0, 0.0, 0.001):
        past = past.after(value)
    assert past.multiple == 100.0


def test_windows_do_not_grow() -> None:
    """After ten thousand candles each holds its window."""
    efficiency, choppiness, volatility = Efficiency(candles=84), Choppiness(candles=14), Volatility(candles=12)
    ema, past = EmaSlope(candles=42, lag=6), OwnPast(length=200, least=100)
    for candle in closing_at(100 + i % 7 for i in range(10_000)):
        efficiency, choppiness = efficiency.after(candle), choppiness.after(candle)
        volatility, ema, past = volatility.after(candle), ema.after(candle), past.after(candle.close)
    lengths = [len(x) for x in (efficiency.closes, choppiness.bars, volatility.returns, ema.means, past.values)]
    assert lengths == [85, 14, 12, 7, 200]

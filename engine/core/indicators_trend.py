"""How straight, how steep and how wild a market is, one closed candle at a time.

As in ``indicators``: frozen values, ``after`` for one more, ``value`` None until there were enough.
A window is summed anew for each candle, so no rounding builds up over months. In a market in which
nothing moves the efficiency and the slope are 0, choppiness is 100, and volatility is what it ever was.
"""

from dataclasses import dataclass, replace
from math import fsum, log, log10, sqrt

from engine.core.indicators import true_range
from engine.model.regime import Candle

MULTIPLE_MAX = 100.0
"""A multiple of a past without movement would have no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Kaufman's efficiency ratio: the net way of ``candles`` steps over the sum of the steps.

    Source: Perry J. Kaufman, "Smarter Trading", 1995; StockCharts ChartSchool (KAMA).
    """

    candles: int
    closes: tuple[float, ...] = ()

    def after(self, candle: Candle) -> "Efficiency":
        """With one candle more."""
        return replace(self, closes=(*self.closes, candle.close)[-self.candles - 1 :])

    @property
    def move(self) -> float:
        """How far the close has moved over the window, in quote; negative when it fell."""
        return self.closes[-1] - self.closes[0] if self.closes else 0.0

    @property
    def value(self) -> float | None:
        """Between 0, back where it began, and 1, straight."""
        if len(self.closes) <= self.candles:
            return None
        way = fsum(abs(new - old) for old, new in zip(self.closes, self.closes[1:], strict=False))
        return min(abs(self.move) / way, 1.0) if way > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choppiness:
    """Choppiness index: how much range was gone through for how little of it.

    Every true range needs the close before it, so the first value comes with candle ``candles + 1``.
    Source: E. W. Dreiss, 1993; 100 log10(sum of true ranges / (highest - lowest)) / log10(candles).
    """

    candles: int
    close: float | None = None
    bars: tuple[tuple[float, float, float], ...] = ()
    """High, low and true range of each candle of the window."""

    def after(self, candle: Candle) -> "Choppiness":
        """With one candle more."""
        if self.close is None:
            return replace(self, close=candle.close)
        bar = (candle.high, candle.low, true_range(candle, self.close))
        return replace(self, close=candle.close, bars=(*self.bars, bar)[-self.candles :])

    @property
    def value(self) -> float | None:
        """Near 0 for a straight move, 100 for going over the same range again and again.

        A jump just before the window counts into its first true range and can lead above 100.
        """
        if len(self.bars) < self.candles:
            return None
        span = max(bar[0] for bar in self.bars) - min(bar[1] for bar in self.bars)
        ranges = fsum(bar[2] for bar in self.bars)
        return 100 * log10(ranges / span) / log10(self.candles) if span > 0 else 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmaSlope:
    """Exponential moving mean of closes and its slope over ``lag`` candles.

    The mean begins with the plain mean of the first ``candles`` closes; the part of a new close is
    2 / (candles + 1). Source: StockCharts ChartSchool.
    """

    candles: int
    lag: int
    count: int = 0
    total: float = 0.0
    means: tuple[float, ...] = ()
    """The last ``lag + 1`` means, oldest first."""

    def after(self, candle: Candle) -> "EmaSlope":
        """With one candle more."""
        if not self.means:
            count, total = self.count + 1, self.total + candle.close
            return replace(self, count=count, total=total, means=(total / count,) if count == self.candles else ())
        mean = self.means[-1] + (candle.close - self.means[-1]) * 2 / (self.candles + 1)
        return replace(self, means=(*self.means, mean)[-self.lag - 1 :])

    @property
    def mean(self) -> float | None:
        """The exponential mean itself, in quote."""
        return self.means[-1] if self.means else None

    def slope(self, atr: float | None) -> float | None:
        """Change of the mean per candle, in average true ranges; negative when it falls."""
        if len(self.means) <= self.lag or atr is None:
            return None
        return (self.means[-1] - self.means[0]) / (self.lag * atr) if atr > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatility:
    """Realised volatility: sample standard deviation of ``candles`` log returns, not annualised."""

    candles: int
    close: float | None = None
    returns: tuple[float, ...] = ()

    def after(self, candle: Candle) -> "Volatility":
        """With one candle more."""
        if self.close is None:
            return replace(self, close=candle.close)
        gain = log(candle.close / self.close)
        return replace(self, close=candle.close, returns=(*self.returns, gain)[-self.candles :])

    @property
    def value(self) -> float | None:
        """Per candle, as a fraction."""
        if len(self.returns) < self.candles:
            return None
        mean = fsum(self.returns) / self.candles
        return sqrt(fsum((gain - mean) ** 2 for gain in self.returns) / (self.candles - 1))

    @property
    def largest(self) -> float:
        """The largest return of the window, whichever way; a steady march has no deviation, but this."""
        return max(map(abs, self.returns), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPast:
    """A figure against the median of its own last ``length`` values, the newest included.

    The median, since the storm itself would raise a mean and so hide behind it.
    """

    length: int
    least: int
    values: tuple[float, ...] = ()

    def after(self, new: float | None) -> "OwnPast":
        """With one value more; None adds nothing."""
        return self if new is None else replace(self, values=(*self.values, new)[-self.length :])

    @property
    def median(self) -> float | None:
        """None below ``least`` values."""
        if len(self.values) < self.least:
            return None
        ordered = sorted(self.values)
        half = len(ordered) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

    @property
    def multiple(self) -> float | None:
        """The newest value over the median, at most ``MULTIPLE_MAX``; None below ``least`` values."""
        median = self.median
        if median is None:
            return None
        if median > 0:
            return min(self.values[-1] / median, MULTIPLE_MAX)
        return MULTIPLE_MAX if self.values[-1] > 0 else 1.0

"""Wilder's indicators, one closed candle at a time: true range, ATR, directional movement and ADX.

Each is a frozen value: ``after(candle)`` is the indicator with one candle more, ``value`` is None
until there were enough. They are floats, measured and never paid. A market in which nothing
moves has an ATR, both directional indicators and an ADX of 0.
"""

from dataclasses import dataclass, replace

from engine.model.regime import Candle


def true_range(candle: Candle, close_before: float | None) -> float:
    """The range of a candle and the jump to it; only its own range where nothing was before."""
    if close_before is None:
        return candle.high - candle.low
    return max(candle.high, close_before) - min(candle.low, close_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class WilderMean:
    """Wilder's moving mean: the plain mean of the first ``candles`` values, then one part in ``candles`` is new."""

    candles: int
    count: int = 0
    total: float = 0.0
    value: float | None = None

    def after(self, new: float) -> "WilderMean":
        """With one value more."""
        if self.value is not None:
            return replace(self, value=self.value + (new - self.value) / self.candles)
        count, total = self.count + 1, self.total + new
        return replace(self, count=count, total=total, value=total / count if count == self.candles else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Atr:
    """Average true range.

    The first candle counts with its own range, so the first value comes with candle ``mean.candles``.
    Source: J. Welles Wilder, "New Concepts in Technical Trading Systems", 1978; StockCharts ChartSchool.
    """

    mean: WilderMean
    close: float | None = None

    def after(self, candle: Candle) -> "Atr":
        """With one candle more."""
        return Atr(mean=self.mean.after(true_range(candle, self.close)), close=candle.close)

    @property
    def value(self) -> float | None:
        """In quote."""
        return self.mean.value


def make_atr(candles: int) -> Atr:
    """An ATR that has seen nothing."""
    return Atr(mean=WilderMean(candles=candles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adx:
    """Average directional index with its two directional indicators.

    Both come with candle ``candles + 1``, the index with candle ``2 * candles``. A sum and a mean
    smoothed in Wilder's way differ by a factor that cancels in the quotient; the means are kept.
    Source: Wilder, as above; StockCharts ChartSchool. TA-Lib starts its sums one value earlier and
    so differs in the first hundred or so values.
    """

    up: WilderMean
    down: WilderMean
    ranges: WilderMean
    index: WilderMean
    last: Candle | None = None

    def after(self, candle: Candle) -> "Adx":
        """With one candle more."""
        if self.last is None:
            return replace(self, last=candle)
        rise, fall = candle.high - self.last.high, self.last.low - candle.low
        moved = replace(
            self,
            up=self.up.after(rise if rise > fall and rise > 0 else 0.0),
            down=self.down.after(fall if fall > rise and fall > 0 else 0.0),
            ranges=self.ranges.after(true_range(candle, self.last.close)),
            last=candle,
        )
        plus, minus = moved.plus_di, moved.minus_di
        if plus is None or minus is None:
            return moved
        both = plus + minus
        return replace(moved, index=moved.index.after(100 * abs(plus - minus) / both if both > 0 else 0.0))

    @property
    def value(self) -> float | None:
        """Between 0 and 100."""
        return self.index.value

    @property
    def plus_di(self) -> float | None:
        """Share of the range that led upwards, in per cent."""
        return _percent(self.up.value, self.ranges.value)

    @property
    def minus_di(self) -> float | None:
        """Share of the range that led downwards, in per cent."""
        return _percent(self.down.value, self.ranges.value)


def make_adx(candles: int) -> Adx:
    """An ADX that has seen nothing."""
    empty = WilderMean(candles=candles)
    return Adx(up=empty, down=empty, ranges=empty, index=empty)


def _percent(part: float | None, whole: float | None) -> float | None:
    if part is None or whole is None:
        return None
    return 100 * part / whole if whole > 0 else 0.0

"""The kinds of market, the settings by which they are told apart, and what a terminal sees of it.

Prices and thresholds are floats here and in the indicators of core: they are measured and compared,
never paid or booked. The shadow ledger counts money, and its amounts are Decimal.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Generic, TypeVar

from engine.model.order import Side

T = TypeVar("T")


class RegimeName(StrEnum):
    RANGING = "ranging"
    TRENDING_UP = "trending_up"
    TRENDING_DOWN = "trending_down"
    VOLATILE = "volatile"
    UNKNOWN = "unknown"


class IndicatorName(StrEnum):
    EFFICIENCY = "efficiency"
    """Kaufman's efficiency ratio: the way made good over the way gone."""
    ADX = "adx"
    CHOPPINESS = "choppiness"
    SLOPE = "slope"
    """Slope of the exponential mean, in average true ranges per candle."""
    VOLATILITY = "volatility"
    """Standard deviation of log returns, as a multiple of its own median."""
    TRUE_RANGE = "true_range"
    """Average true range over close, as a multiple of its own median."""


class EntryRule(StrEnum):
    """Which entries of one side may be placed; exits always may."""

    ALL = "all"
    ALTERNATE = "alternate"
    """Every second slot is left out; the lattice stays as it is."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeEffect:
    """What a regime lets through: entries that open long and entries that open short."""

    long_entries: EntryRule
    short_entries: EntryRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One closed candle; ``open_ms`` is when it began.

    Raises:
        ValueError: a number is not finite, or the prices contradict each other.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        for name in ("open", "high", "low", "close", "volume"):
            if not isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be a finite number, was {getattr(self, name)}")
        if self.low <= 0 or self.volume < 0 or self.open_ms < 0:
            found = f"{self.low}, {self.volume} and {self.open_ms}"
            raise ValueError(f"low must be above 0, volume and open_ms at least 0, were {found}")
        if self.high < self.low:
            raise ValueError(f"high must be at or above low, was {self.high} and {self.low}")
        for name in ("open", "close"):
            if not self.low <= getattr(self, name) <= self.high:
                bounds = f"between low {self.low} and high {self.high}"
                raise ValueError(f"{name} must be {bounds}, was {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Two thresholds: an indicator is met from ``enter`` on and stays met until it has passed ``leave``.

    ``enter`` above ``leave`` is met by high values, ``enter`` below ``leave`` by low ones.

    Raises:
        ValueError: the thresholds are equal or not finite.
    """

    enter: float
    leave: float

    def __post_init__(self) -> None:
        if not (isfinite(self.enter) and isfinite(self.leave)) or self.enter == self.leave:
            raise ValueError(f"enter and leave must be two different numbers, were {self.enter} and {self.leave}")

    def threshold(self, *, was_met: bool) -> float:
        """The threshold that counts now."""
        return self.leave if was_met else self.enter

    def is_met(self, value: float, *, was_met: bool) -> bool:
        """Whether the indicator is met at this value."""
        bound = self.threshold(was_met=was_met)
        return value >= bound if self.enter > self.leave else value <= bound


@dataclass(frozen=True, slots=True, kw_only=True)
class PerRegime(Generic[T]):
    """One value for each regime."""

    ranging: T
    trending_up: T
    trending_down: T
    volatile: T
    unknown: T

    def of(self, name: RegimeName) -> T:
        """The value for this regime."""
        match name:
            case RegimeName.RANGING:
                return self.ranging
            case RegimeName.TRENDING_UP:
                return self.trending_up
            case RegimeName.TRENDING_DOWN:
                return self.trending_down
            case RegimeName.VOLATILE:
                return self.volatile
            case RegimeName.UNKNOWN:
                return self.unknown


_NORMAL = RegimeEffect(long_entries=EntryRule.ALL, short_entries=EntryRule.ALL)
_NO_SHORTS = RegimeEffect(long_entries=EntryRule.ALL, short_entries=EntryRule.NONE)
_NO_LONGS = RegimeEffect(long_entries=EntryRule.NONE, short_entries=EntryRule.ALL)
_WIDER = RegimeEffect(long_entries=EntryRule.ALTERNATE, short_entries=EntryRule.ALTERNATE)
EXITS_ONLY = RegimeEffect(long_entries=EntryRule.NONE, short_entries=EntryRule.NONE)
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeSettings:
    """How a market is told; every ``*_candles`` is a window in candles of ``interval_ms``.

    The defaults are candles of four hours with an efficiency ratio over two weeks. On recorded
    months these agreed best with what the month turned out to be; with an hour or a quarter of an
    hour ADX and choppiness read the same in every month, so the regime said little and changed often.

    ``history`` candles are loaded at the start and are the past that volatility is compared with.
    A trend needs the efficiency ratio and ``confirmations`` of ADX, choppiness and slope.
    ``dwell`` is how many candles a regime lasts at least. Over a gap of at most ``gap_max`` missing
    candles the indicators carry on, and the regime is unknown until ``gap_recovery`` candles have
    followed; a longer one starts everything anew. ``stale_after_ms`` is how late a candle may be.

    Raises:
        ValueError: thresholds the wrong way round, or windows that ``history`` cannot fill.
    """

    interval_ms: int = _DAY_MS // 6
    history: int = 200
    adx_candles: int = 14
    efficiency_candles: int = 84
    choppiness_candles: int = 14
    atr_candles: int = 14
    volatility_candles: int = 12
    ema_candles: int = 42
    slope_candles: int = 6
    efficiency: Hysteresis = Hysteresis(0.13, 0.075)
    adx: Hysteresis = Hysteresis(25.0, 20.0)
    choppiness: Hysteresis = Hysteresis(45.0, 55.0)
    slope: Hysteresis = Hysteresis(0.05, 0.03)
    volatility: Hysteresis = Hysteresis(2.5, 1.75)
    true_range: Hysteresis = Hysteresis(2.5, 1.75)
    confirmations: int = 1
    dwell: PerRegime[int] = PerRegime(ranging=1, trending_up=3, trending_down=3, volatile=3, unknown=1)
    effects: PerRegime[RegimeEffect] = PerRegime(
        ranging=_NORMAL, trending_up=_NO_SHORTS, trending_down=_NO_LONGS, volatile=_WIDER, unknown=EXITS_ONLY
    )
    gap_max: int = 6
    gap_recovery: int = 6
    stale_after_ms: int = 2 * _MINUTE_MS

    def __post_init__(self) -> None:
        self._check_thresholds()
        self._check_counts()

    def thresholds(self, name: IndicatorName) -> Hysteresis:
        """The two thresholds of an indicator."""
        match name:
            case IndicatorName.EFFICIENCY:
                return self.efficiency
            case IndicatorName.ADX:
                return self.adx
            case IndicatorName.CHOPPINESS:
                return self.choppiness
            case IndicatorName.SLOPE:
                return self.slope
            case IndicatorName.VOLATILITY:
                return self.volatility
            case IndicatorName.TRUE_RANGE:
                return self.true_range

    @property
    def past_min(self) -> int:
        """How much of its own past volatility needs before it can be compared with it."""
        return self.history // 2

    @property
    def candles_needed(self) -> int:
        """How many candles without a gap it takes until every indicator has a value."""
        return max(
            2 * self.adx_candles,
            self.efficiency_candles + 1,
            self.choppiness_candles + 1,
            self.ema_candles + self.slope_candles,
            self.volatility_candles + self.past_min,
            self.atr_candles + self.past_min - 1,
        )

    def _check_thresholds(self) -> None:
        for name in IndicatorName:
            both = self.thresholds(name)
            sides = (
                ("below", both.enter < both.leave)
                if name is IndicatorName.CHOPPINESS
                else ("above", both.enter > both.leave)
            )
            if not sides[1]:
                raise ValueError(f"{name}: enter must be {sides[0]} leave, was {both.enter} and {both.leave}")
            if min(both.enter, both.leave) <= 0:
                raise ValueError(f"{name}: enter and leave must be above 0, were {both.enter} and {both.leave}")

    def _check_counts(self) -> None:
        if self.interval_ms < _MINUTE_MS or self.interval_ms % _MINUTE_MS:
            raise ValueError(f"interval_ms must be whole minutes, was {self.interval_ms}")
        for name in ("adx", "efficiency", "choppiness", "atr", "volatility", "ema"):
            window = getattr(self, f"{name}_candles")
            if window < 2:
                raise ValueError(f"{name}_candles must be at least 2, was {window}")
        for name in ("slope_candles", "gap_recovery", "stale_after_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, was {getattr(self, name)}")
        if self.gap_max < 0:
            raise ValueError(f"gap_max must be at least 0, was {self.gap_max}")
        if not 0 <= self.confirmations <= 3:
            raise ValueError(f"confirmations must be between 0 and 3, was {self.confirmations}")
        for regime in RegimeName:
            if self.dwell.of(regime) < 1:
                raise ValueError(f"dwell of {regime} must be at least 1 candle, was {self.dwell.of(regime)}")
        if self.history < self.candles_needed:
            raise ValueError(
                f"history must cover the {self.candles_needed} candles that the indicators need, was {self.history}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorView:
    """An indicator against its two thresholds; ``value`` None: too few candles for one."""

    name: IndicatorName
    value: float | None
    enter: float
    leave: float
    is_met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedEntry:
    """An entry that the ladder wanted; ``side`` BUY opens long and SELL opens short."""

    slot: int
    side: Side
    price: Decimal
    exit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowView:
    """What the filter prevented, in quote and net of maker fees; negative means the opposite.

    ``losses_avoided`` is what the suppressed entries would have lost by now on what they would
    have bought, ``profit_missed`` what their whole cycles would have earned.
    ``net_worth = losses_avoided - profit_missed``. ``left_out``: that many entries had no room in the ledger.
    """

    waiting: int
    lots: int
    losses_avoided: Decimal
    cycles_missed: int
    profit_missed: Decimal
    net_worth: Decimal
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeView:
    """The regime of one market; ``candle_ms`` is when the last closed candle began, None before the first.

    ``detail`` says what is degraded, and is empty when nothing is. ``shadow`` None: nobody keeps one.
    """

    name: RegimeName
    since_ms: int
    reasons: tuple[str, ...]
    indicators: tuple[IndicatorView, ...]
    candle_ms: int | None
    candles: int
    is_fresh: bool
    detail: str
    long_entries: EntryRule
    short_entries: EntryRule
    shadow: ShadowView | None = None

"""The default regime settings on years of recorded minutes, against what each month turned out to be.

The table of months was made from the same files by hindsight: return, drawdown and efficiency of the
whole month. A regime looks back two weeks, so it cannot agree with every month; what is asserted is
how many it agrees with, which months it does not, and that no regime is shorter than its dwell.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.core.regime import classify, first_state
from engine.exchange.datafiles import Candles, read_market_data
from engine.model.regime import Candle, RegimeName, RegimeSettings
from tests.sim.recorded import DATA

FOLDER = DATA / "candles"
SETTINGS = RegimeSettings()
RANGING, UP, DOWN = RegimeName.RANGING, RegimeName.TRENDING_UP, RegimeName.TRENDING_DOWN
VOLATILE, UNKNOWN = RegimeName.VOLATILE, RegimeName.UNKNOWN
HOUR_MS = 3_600_000
KNOWN_MIN = 20
"""Candles with a regime that a month needs to be counted; the first weeks of a file have none."""

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded market data is not beside the project"),
    pytest.mark.xdist_group("regimes"),  # one worker reads the files once
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of a file: what the table calls it, and the share of time in each regime."""

    file: str
    month: str
    label: str
    share: dict[RegimeName, float]

    @property
    def name(self) -> str:
        pair = self.file.removeprefix("binance_spot_").split("_")[0]
        return f"{pair} {self.month}"

    @property
    def is_range(self) -> bool:
        return self.label == "range"

    @property
    def direction_agrees(self) -> bool:
        if self.label == "trend up":
            return self.share[UP] > self.share[DOWN]
        return self.share[DOWN] + self.share[VOLATILE] > self.share[UP]


def resampled(candles: Candles, interval_ms: int) -> Iterator[Candle]:
    """Candles of a longer interval; one of which every minute is missing is missing itself."""
    tick = float(candles.tick_size)
    bucket = candles.at_ms // interval_ms
    first = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
    last = np.append(first[1:], len(bucket)) - 1
    highs, lows = np.maximum.reduceat(candles.high, first), np.minimum.reduceat(candles.low, first)
    for i, j, high, low in zip(first, last, highs, lows, strict=True):
        yield Candle(
            open_ms=int(bucket[i]) * interval_ms,
            open=int(candles.open[i]) * tick,
            high=int(high) * tick,
            low=int(low) * tick,
            close=int(candles.close[j]) * tick,
            volume=0.0,
        )


def table() -> dict[str, dict[str, str]]:
    """What each month of each file is called."""
    labels: dict[str, dict[str, str]] = {}
    with (FOLDER / "regimes_by_month.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            labels.setdefault(row["file"], {})[row["month"]] = row["regime"]
    return labels


@cache
def regimes(path: Path) -> tuple[tuple[int, RegimeName], ...]:
    """Every closed candle of a file: when it closed and the regime from then on."""
    candles = read_market_data(path)
    assert isinstance(candles, Candles)
    state, found = first_state(SETTINGS, int(candles.at_ms[0])), []
    for candle in resampled(candles, SETTINGS.interval_ms):
        state = classify(SETTINGS, state, candle)
        found.append((candle.open_ms + SETTINGS.interval_ms, state.name))
    return tuple(found)


def month_of(closed_ms: int) -> str:
    """The month that a candle belongs to that closed then."""
    return str(np.datetime64(closed_ms - 1, "ms").astype("datetime64[M]"))


def counts_by_month(path: Path) -> dict[str, Counter[RegimeName]]:
    """How many candles of each month had which regime."""
    counts: dict[str, Counter[RegimeName]] = {}
    for closed_ms, name in regimes(path):
        counts.setdefault(month_of(closed_ms), Counter())[name] += 1
    return counts


@cache
def months() -> tuple[Month, ...]:
    """Every month of the table of which enough is known."""
    found = []
    for file, labels in table().items():
        counts = counts_by_month(FOLDER / file)
        for month, label in labels.items():
            known = sum(counts[month][name] for name in RegimeName if name is not UNKNOWN)
            if known >= KNOWN_MIN:
                share = {name: counts[month][name] / known for name in RegimeName if name is not UNKNOWN}
                found.append(Month(file=file, month=month, label=label, share=share))
    return tuple(found)


def report() -> str:
    """Each month in a line: what it was, and the share of time in each regime."""
    lines = [
        f"{month.name}  {month.label:10} " + "  ".join(f"{name} {month.share[name]:.2f}" for name in month.share)
        for month in months()
    ]
    return "\n".join(lines)


def names_of(found: list[Month]) -> list[str]:
    """The months in words."""
    return [month.name for month in found]


def mean_share(label: str, name: RegimeName) -> float:
    """Mean share of time in a regime over the months of one kind."""
    return float(np.mean([month.share[name] for month in months() if month.label == label]))


def test_months_that_trended_or_crashed_are_not_mostly_called_ranging() -> None:
    """30 of 39; the nine that are range for more than half of the time are known by name."""
    moved = [month for month in months() if not month.is_range]
    assert len(moved) == 39
    assert names_of([month for month in moved if month.share[RANGING] >= 0.5]) == [
        "BTCUSDT 2020-07",
        "BTCUSDT 2022-07",
        "BTCUSDT 2022-08",
        "BTCUSDT 2024-04",
        "BTCUSDT 2024-05",
        "ETHUSDT 2022-03",
        "ETHUSDT 2022-10",
        "SUIUSDT 2024-10",
        "SUIUSDT 2024-12",
    ], report()


def test_months_that_ranged_are_mostly_called_ranging() -> None:
    """12 of 16; in two of the other four ranging is still the most frequent regime."""
    ranged = [month for month in months() if month.is_range]
    assert len(ranged) == 16
    others = [month for month in ranged if month.share[RANGING] < 0.5]
    assert names_of(others) == ["BTCUSDT 2020-02", "BTCUSDT 2024-07", "BTCUSDT 2024-09", "ETHUSDT 2022-02"], report()
    beaten = [month for month in others if month.share[RANGING] < max(month.share.values())]
    assert names_of(beaten) == ["BTCUSDT 2020-02", "ETHUSDT 2022-02"]


def test_the_direction_of_a_month_that_moved_is_not_turned_round() -> None:
    """36 of 39; the three are called crash for a drawdown, and rose before it or in all."""
    turned = [month for month in months() if not month.is_range and not month.direction_agrees]
    assert names_of(turned) == ["ETHUSDT 2022-08", "SUIUSDT 2024-07", "SUIUSDT 2024-10"], report()


def test_over_all_months_of_a_kind_the_shares_have_the_right_sign() -> None:
    """Ranging most in ranges, up in rises, down and volatile in crashes."""
    assert mean_share("range", RANGING) > 0.55 > 0.45 > mean_share("trend up", RANGING) > mean_share("crash", RANGING)
    assert mean_share("trend up", UP) > 0.5 > 0.25 > mean_share("range", UP) > mean_share("trend down", UP)
    assert mean_share("crash", DOWN) > 0.3 > 0.2 > mean_share("range", DOWN) > mean_share("trend up", DOWN)
    assert mean_share("crash", VOLATILE) > 0.15 > 0.04 > mean_share("trend up", VOLATILE)


@pytest.mark.parametrize("file", sorted(table()) if FOLDER.is_dir() else [])
def test_no_regime_is_shorter_than_its_dwell_unless_a_gap_ends_it(file: str) -> None:
    """So a day has a bounded number of changes; in fact there was one in five days and a half at most."""
    found = regimes(FOLDER / file)
    starts = [0, *(i for i in range(1, len(found)) if found[i][1] is not found[i - 1][1])]
    for start, end in pairwise(starts):
        if found[end][1] is not UNKNOWN:
            assert end - start >= SETTINGS.dwell.of(found[start][1]), found[start]
    days = len(found) * SETTINGS.interval_ms / (24 * HOUR_MS)
    assert (len(starts) - 1) / days < 0.2


@pytest.mark.parametrize(
    ("year", "told"),
    [
        ("2020", {"2020-03-07T00:00": RANGING, "2020-03-09T12:00": DOWN, "2020-03-12T12:00": VOLATILE}),
        ("2024", {"2024-08-03T00:00": DOWN, "2024-08-05T08:00": DOWN, "2024-08-05T16:00": VOLATILE}),
    ],
)
def test_a_crash_is_told_before_its_worst_hours(year: str, told: dict[str, RegimeName]) -> None:
    """12 March 2020 fell through the floor from 10:45 on, 5 August 2024 until 06:15."""
    found = dict(regimes(FOLDER / f"binance_spot_BTCUSDT_1m_{year}.parquet"))
    assert {text: found[int(np.datetime64(text, "ms").astype(np.int64))] for text in told} == told


def test_an_outage_of_the_exchange_makes_the_regime_unknown_for_a_day() -> None:
    """On 19 February 2020 nothing was traded from 11:36 to 17:30, so the candle of 12:00 is missing."""
    found = dict(regimes(FOLDER / "binance_spot_BTCUSDT_1m_2020.parquet"))
    noon_ms = int(np.datetime64("2020-02-19T12:00", "ms").astype(np.int64))
    assert found[noon_ms] is not UNKNOWN
    assert noon_ms + 4 * HOUR_MS not in found
    after = [found[noon_ms + 4 * HOUR_MS * i] for i in range(2, 10)]
    assert [name is UNKNOWN for name in after] == [True] * 6 + [False] * 2


def test_years_that_no_setting_was_chosen_on_agree_as_well() -> None:
    """Hourly candles of 2017 to 2019, 2021, 2023 and 2025, and for ETH 2020 and 2024.

    A month that gained or lost a tenth was a trend, another one with less than a fifth of drawdown a range.
    """
    count: Counter[str] = Counter()
    for pair, seen in (("BTC", ("2020", "2022", "2024")), ("ETH", ("2022",))):
        path = FOLDER / f"binance_spot_{pair}USDT_1h_2017-2025.parquet"
        counts = counts_by_month(path)
        for month, (gain, drawdown) in _outcomes(path).items():
            names = counts[month]
            known = names.total() - names[UNKNOWN]
            if known < KNOWN_MIN or month[:4] in seen:
                continue
            if abs(gain) >= 0.1:
                count["moved"] += 1
                count["moved, not mostly ranging"] += names[RANGING] < known / 2
                right, wrong = (UP, DOWN) if gain > 0 else (DOWN, UP)
                count["moved, right direction"] += names[right] > names[wrong]
            elif drawdown < 0.2:
                count["ranged"] += 1
                count["ranged, mostly ranging"] += names[RANGING] >= known / 2
    assert (count["moved"], count["ranged"]) == (80, 34)
    assert (count["moved, not mostly ranging"], count["moved, right direction"]) == (58, 77)
    assert count["ranged, mostly ranging"] == 24


def _outcomes(path: Path) -> dict[str, tuple[float, float]]:
    """Gain and largest drawdown of each whole month, as fractions."""
    candles = read_market_data(path)
    assert isinstance(candles, Candles)
    month = candles.at_ms.astype("datetime64[ms]").astype("datetime64[M]")
    found = {}
    for name in np.unique(month):
        of_month = month == name
        if of_month.sum() >= 600:
            close = candles.close[of_month]
            drawdown = float((1 - close / np.maximum.accumulate(close)).max())
            found[str(name)] = (float(close[-1] / candles.open[of_month][0] - 1), drawdown)
    return found

"""Candles of a foreign exchange, and what it calls their intervals."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.words.candles import candle_from_foreign, timeframe_of
from engine.model.regime import Candle

_MINUTE_MS = 60_000


def test_a_row_becomes_a_candle() -> None:
    row = [1734452280000, 106927.27, "106932.0", 106857.97, 106861.14, 12.90944]
    assert candle_from_foreign(row) == Candle(
        open_ms=1734452280000, open=106927.27, high=106932.0, low=106857.97, close=106861.14, volume=12.90944
    )


@pytest.mark.parametrize("row", [[60000, 2, 3, 1, 2], [60000, 2, 3, 1, 2, None]])
def test_a_candle_without_a_volume_counts_none(row: Sequence[object]) -> None:
    assert candle_from_foreign(row) == Candle(open_ms=60000, open=2, high=3, low=1, close=2, volume=0)


@pytest.mark.parametrize(
    "row",
    [
        [],
        "60000",
        [60000, 2, 3, 1],
        [None, 2, 3, 1, 2, 1],
        [60000, None, 3, 1, 2, 1],
        [60000, 2, 3, 1, float("nan"), 1],
        [60000, 2, 1, 3, 2, 1],
        [60000, 9, 3, 1, 2, 1],
        [60000, 0, 0, 0, 0, 0],
        [60000, 2, 3, 1, 2, -1],
        [-1, 2, 3, 1, 2, 1],
    ],
)
def test_what_is_no_candle_is_left_out(row: Sequence[object]) -> None:
    assert candle_from_foreign(row) is None


@given(st.lists(st.one_of(st.none(), st.floats(), st.text(), st.integers(), st.booleans()), max_size=8))
def test_no_row_raises(row: list[object]) -> None:
    candle = candle_from_foreign(row)
    assert candle is None or candle.low <= candle.close <= candle.high


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(1, "1m"), (5, "5m"), (90, "90m"), (60, "1h"), (240, "4h"), (1440, "1d"), (4320, "3d"), (10080, "1w")],
)
def test_an_interval_has_the_name_of_the_field(minutes: int, expected: str) -> None:
    assert timeframe_of(minutes * _MINUTE_MS) == expected


@pytest.mark.parametrize("interval_ms", [0, -60_000, 1_000, 90_001])
def test_an_interval_is_whole_minutes(interval_ms: int) -> None:
    with pytest.raises(ValueError, match=f"whole minutes, found {interval_ms} ms"):
        timeframe_of(interval_ms)

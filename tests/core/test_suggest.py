"""Suggested grids: worked figures, reasons in words, and steps that never undercut break-even."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.core.cycles import break_even_step
from engine.core.lattice import make_lattice
from engine.core.suggest import suggest
from engine.model.errors import SettingsInvalid
from engine.model.grid import SizedBy, Spacing
from engine.model.market import FeeCurrency
from engine.model.regime import Candle
from tests.builders import a_market, a_spec

D = Decimal
DAY_MS = 86_400_000


def a_day(number: int, close: float, *, spread: float, open_ms: int | None = None) -> Candle:
    """A day that swings by ``spread`` around its close."""
    return Candle(
        open_ms=number * DAY_MS if open_ms is None else open_ms,
        open=close,
        high=close + spread / 2,
        low=close - spread / 2,
        close=close,
        volume=1.0,
    )


def days(*closes: float, spread: float = 4.0) -> list[Candle]:
    return [a_day(number, close, spread=spread) for number, close in enumerate(closes)]


CALM = days(*([100.0] * 20), spread=3.0)


def test_a_week_in_a_calm_market_is_three_average_true_ranges_and_six_tenths_of_one_a_step() -> None:
    found = suggest(CALM, a_market(), slots_wanted=None, horizon_days=7)
    assert (found.lower, found.upper, found.slots) == (D(91), D(109), 10)
    assert f"{found.step:.6f}" == f"{(109 / 91) ** (1 / 10) - 1:.6f}"
    assert found.reasons == (
        "range: the average true range of a day is 3 USDT (3.00 %); 3.0 of them on either side of 100 USDT suit 7 days",
        "range: not widened, the efficiency ratio of 14 days is 0.00, that of a random walk 0.27",
        "step: 0.6 of the average true range is 1.80 %; the break-even step is 0.2003 %",
        "slots: 10 steps of 1.8000 % fit into the range",
        "slots: 10, which makes steps of 1.8213 %",
    )


@pytest.mark.parametrize(
    "horizon_days, reach", [(1, "3.41"), (7, "9"), (14, "11.86"), (30, "15"), (90, "24"), (360, "48")]
)
def test_a_longer_horizon_widens_the_range(horizon_days: int, reach: str) -> None:
    """Published for 7, 30 and 90 days: 3, 5 and 8 average true ranges."""
    found = suggest(CALM, a_market(), slots_wanted=None, horizon_days=horizon_days)
    assert (found.lower, found.upper) == (100 - D(reach), 100 + D(reach))


def test_a_market_that_trends_gets_a_wider_range_and_the_reason_says_so() -> None:
    """A straight way has an efficiency ratio of 1, nearly four times that of a random walk: half as wide again."""
    rising = days(*(float(100 + number) for number in range(20)), spread=4.0)
    found = suggest(rising, a_market(), slots_wanted=None, horizon_days=7)
    assert (found.lower, found.upper) == (D(119 - 18), D(119 + 18))
    assert found.reasons[1] == (
        "range: widened by 50 %, the efficiency ratio of 14 days is 1.00, that of a random walk 0.27"
    )


@pytest.mark.parametrize(
    "spread, words",
    [
        (0.8, "step: 0.6 of the average true range is 0.48 %, kept between 1 and 4 %; the break-even step is 0.2003 %"),
        (9.0, "step: 0.6 of the average true range is 5.40 %, kept between 1 and 4 %; the break-even step is 0.2003 %"),
    ],
)
def test_a_step_is_kept_between_one_and_four_per_cent(spread: float, words: str) -> None:
    found = suggest(days(*([100.0] * 20), spread=spread), a_market(), slots_wanted=None, horizon_days=7)
    assert found.reasons[2] == words


def test_high_fees_raise_the_step_to_twice_break_even() -> None:
    market = a_market(maker_fee_rate=D("0.01"), fee_currency=FeeCurrency.QUOTE)
    found = suggest(CALM, market, slots_wanted=None, horizon_days=7)
    assert found.reasons[2].endswith("; raised to 4.0404 %, twice the break-even step of 2.0202 %")
    assert (found.slots, found.step >= D("0.040404")) == (4, True)


def test_wanted_slots_are_taken_as_long_as_their_steps_stay_above_twice_break_even() -> None:
    assert suggest(CALM, a_market(), slots_wanted=30, horizon_days=7).slots == 30
    found = suggest(CALM, a_market(tick_size=D("0.0001")), slots_wanted=300, horizon_days=7)
    assert found.slots == 45
    assert found.reasons[3] == "slots: 300 are wanted, at most 45 keep steps of twice the break-even step"


def test_levels_that_ticks_bring_too_close_leave_fewer_slots() -> None:
    """Of 45 slots on average 0.4018 % wide some are less than 0.4006 % on ticks of 0.01."""
    found = suggest(CALM, a_market(), slots_wanted=300, horizon_days=7)
    assert found.reasons[4:] == (
        "slots: levels on ticks of 0.01 USDT leave 42",
        "slots: 42, which makes steps of 0.4307 %",
    )


def test_hourly_candles_make_the_same_days_and_parts_of_a_day_are_left_out() -> None:
    hours = [
        a_day(0, 100.0, spread=3.0 if hour % 24 == 5 else 1.0, open_ms=hour * 3_600_000) for hour in range(7, 20 * 24)
    ]
    last = a_day(0, 100.0, spread=1.0, open_ms=20 * DAY_MS)
    assert suggest([*hours, last], a_market(), slots_wanted=None, horizon_days=7) == suggest(
        CALM, a_market(), slots_wanted=None, horizon_days=7
    )


def test_a_range_wider_than_the_price_keeps_a_quarter_of_it() -> None:
    found = suggest(days(*([100.0] * 20), spread=40.0), a_market(), slots_wanted=None, horizon_days=30)
    assert (found.lower, found.upper) == (D(25), D(300))
    assert "range: lower is kept at 25 % of the price" in found.reasons


@pytest.mark.parametrize(
    "candles, slots_wanted, horizon_days, problem",
    [
        ([], None, 7, "expected candles of at least 3 whole days, found 0"),
        (CALM[:2], None, 7, "expected candles of at least 3 whole days, found 2"),
        (CALM, 0, 7, "expected at least 1 day and 1 slot, found 7 and 0"),
        (CALM[::7], None, 7, "expected candles of at most a day each, oldest first, found 604800000 ms between two"),
        (CALM[::-1], None, 7, "expected candles of at most a day each, oldest first, found -86400000 ms between two"),
        (days(*([100.0] * 20), spread=0.0), None, 7,
         "expected room for a step of 0.4006 %, twice the break-even step, found a range from 100 to 100.01 USDT"),
    ],
)  # fmt: skip
def test_what_cannot_be_suggested_is_an_error_with_its_reason(
    candles: Sequence[Candle], slots_wanted: int | None, horizon_days: int, problem: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        suggest(candles, a_market(), slots_wanted=slots_wanted, horizon_days=horizon_days)
    assert str(refused.value) == problem


@given(
    st.lists(st.floats(min_value=0.9, max_value=1.1), min_size=5, max_size=40),
    st.floats(min_value=0.01, max_value=1e5),
    st.floats(min_value=0.001, max_value=0.3),
    st.decimals(min_value=D("-0.0005"), max_value=D("0.01"), places=4),
    st.sampled_from(["0.01", "0.5", "0.0001"]),
    st.none() | st.integers(1, 60),
    st.integers(1, 60),
)
def test_every_suggestion_is_a_grid_that_the_market_takes_and_pays_twice_break_even(
    moves: list[float],
    scale: float,
    spread: float,
    fee: Decimal,
    tick: str,
    slots_wanted: int | None,
    horizon_days: int,
) -> None:
    market = a_market(maker_fee_rate=fee, tick_size=D(tick), lot_size=D("0.00000001"), notional_min=D(0),
                      amount_max=D(10) ** 12)  # fmt: skip
    candles = days(*(scale * move for move in moves), spread=0.0)
    candles = [a_day(number, day.close, spread=spread * day.close) for number, day in enumerate(candles)]
    try:
        found = suggest(candles, market, slots_wanted=slots_wanted, horizon_days=horizon_days)
    except SettingsInvalid as refused:
        assume("expected room for a step" in str(refused))
        return
    spec = a_spec(lower=found.lower, upper=found.upper, slots=found.slots, spacing=Spacing.GEOMETRIC,
                  sized_by=SizedBy.QUOTE_PER_SLOT, size=D(100))  # fmt: skip
    levels = make_lattice(spec, market, found.lower).levels
    assert (levels[0], levels[-1]) == (found.lower, found.upper)
    least = 1 + 2 * break_even_step(market)
    assert all(after >= before * least for before, after in pairwise(levels))
    assert slots_wanted is None or found.slots <= slots_wanted

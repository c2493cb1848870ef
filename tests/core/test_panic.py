"""The panic filter: quick to trip on unfinished candles, slow to recover on closed ones, honest when it is blind."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.panic import (
    LeaderCandles,
    Mood,
    PanicName,
    PanicState,
    first_panic_state,
    mood_of,
    next_panic,
    panic_trips,
)
from engine.model.regime import Candle
from engine.model.risk import BreakerKind, PanicSettings, Trip

MINUTE_MS = 60_000
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
SETTINGS = PanicSettings(symbols=SYMBOLS, trigger=2, recovery=3, average_window=4)
NOW_MS = 5 * MINUTE_MS + 30_000
CALM = PanicState(name=PanicName.CALM, since_ms=0, reason="calm")
PANIC = PanicState(name=PanicName.PANIC, since_ms=7, reason="it fell")


def a_candle(index: int, close: float = 100.0, volume: float = 10.0) -> Candle:
    return Candle(open_ms=index * MINUTE_MS, open=close, high=close, low=close, close=close, volume=volume)


def steady(count: int = 5, *last: Candle) -> tuple[Candle, ...]:
    """Closed candles at 100 on a volume of 10, and the last ones as given."""
    return (*(a_candle(index) for index in range(count - len(last))), *last)


QUIET = LeaderCandles(closed=steady())
FALLING = LeaderCandles(closed=steady(), forming=a_candle(5, close=99.0, volume=30.5))
FELL = LeaderCandles(closed=steady(5, a_candle(4, close=99.0, volume=30.5)))


def all_of(leader: LeaderCandles) -> dict[str, LeaderCandles]:
    return dict.fromkeys(SYMBOLS, leader)


def name_after(state: PanicState, candles: Mapping[str, LeaderCandles], now_ms: int = NOW_MS) -> PanicName:
    return next_panic(SETTINGS, state, candles, now_ms).name


@pytest.mark.parametrize(
    "forming, mood",
    [
        (a_candle(5, close=99.0, volume=30.5), Mood.PANICKING),
        (a_candle(5, close=99.0, volume=30.0), Mood.NORMAL),
        (a_candle(5, close=100.0, volume=99.0), Mood.NORMAL),
        (a_candle(4, close=99.0, volume=30.5), Mood.NORMAL),
        (a_candle(6, close=99.0, volume=30.5), Mood.PANICKING),
        (None, Mood.NORMAL),
    ],
    ids=["below and loud", "volume at its bound", "at its mean", "left over", "ahead", "not known"],
)
def test_an_unfinished_candle_panics_below_its_mean_on_more_than_the_multiple_of_volume(
    forming: Candle | None, mood: Mood
) -> None:
    assert mood_of(SETTINGS, "BTC/USDT", LeaderCandles(closed=steady(), forming=forming), NOW_MS).mood is mood


@pytest.mark.parametrize(
    "last, mood",
    [
        (a_candle(4, close=99.0, volume=30.5), Mood.PANICKING),
        (a_candle(4, close=99.0, volume=30.0), Mood.BETWEEN),
        (a_candle(4, close=100.0, volume=30.5), Mood.BETWEEN),
        (a_candle(4, close=100.0, volume=30.0), Mood.NORMAL),
        (a_candle(4, close=101.0, volume=0.0), Mood.NORMAL),
    ],
)
def test_the_last_closed_candle_panics_by_the_same_rule_and_is_normal_only_above_and_quiet(
    last: Candle, mood: Mood
) -> None:
    assert mood_of(SETTINGS, "BTC/USDT", LeaderCandles(closed=steady(5, last)), NOW_MS).mood is mood


def test_each_candle_is_compared_with_the_window_of_closed_candles_just_before_it() -> None:
    rising = tuple(a_candle(index, close=100.0 + index, volume=10.0 + index) for index in range(9))
    leader = mood_of(SETTINGS, "X", LeaderCandles(closed=rising), 9 * MINUTE_MS)
    assert leader.reason.startswith(
        "last closed candle at 108, at or above its mean of 105.5, on a volume of 18, within"
    )
    assert leader.reason.endswith("its mean of 15.5")
    falling = LeaderCandles(closed=rising, forming=a_candle(9, close=106.4, volume=50.0))
    assert mood_of(SETTINGS, "X", falling, 9 * MINUTE_MS).reason == (
        "unfinished candle at 106.4, below its mean of 106.5, on a volume of 50, above 3 times its mean of 16.5"
    )


def test_the_figures_stand_in_the_reason() -> None:
    assert mood_of(SETTINGS, "BTC/USDT", FALLING, NOW_MS).reason == (
        "unfinished candle at 99, below its mean of 100, on a volume of 30.5, above 3 times its mean of 10"
    )


def test_a_market_that_stands_still_without_volume_is_normal_and_its_first_trade_below_is_loud() -> None:
    asleep = tuple(a_candle(index, volume=0.0) for index in range(5))
    assert mood_of(SETTINGS, "X", LeaderCandles(closed=asleep), NOW_MS).mood is Mood.NORMAL
    woken = LeaderCandles(closed=asleep, forming=a_candle(5, close=99.0, volume=0.1))
    assert mood_of(SETTINGS, "X", woken, NOW_MS).mood is Mood.PANICKING


@pytest.mark.parametrize(
    "candles, now_ms, reason",
    [
        (LeaderCandles(closed=()), NOW_MS, "0 closed candles, 5 are needed"),
        (LeaderCandles(closed=steady(4)), NOW_MS, "4 closed candles, 5 are needed"),
        (
            LeaderCandles(closed=(*steady(4), a_candle(5))),
            NOW_MS,
            "the last 5 closed candles are not one every 60 s: some are missing",
        ),
        (
            replace(QUIET, forming=a_candle(5)),
            8 * MINUTE_MS + 1_000,
            "the next closed candle is 121 s late, at most 120 s",
        ),
    ],
    ids=["none", "too few", "a gap", "late"],
)
def test_a_leader_with_missing_or_late_candles_is_unseen(candles: LeaderCandles, now_ms: int, reason: str) -> None:
    leader = mood_of(SETTINGS, "BTC/USDT", candles, now_ms)
    assert (leader.mood, leader.reason) == (Mood.UNSEEN, reason)
    assert mood_of(SETTINGS, "BTC/USDT", QUIET, 8 * MINUTE_MS).mood is Mood.NORMAL


def test_the_trigger_counts_leaders() -> None:
    one = {**all_of(QUIET), "BTC/USDT": FALLING}
    assert name_after(CALM, one) is PanicName.CALM
    state = next_panic(SETTINGS, CALM, {**one, "SOL/USDT": FELL}, NOW_MS)
    assert (state.name, state.since_ms) == (PanicName.PANIC, NOW_MS)
    assert state.reason == (
        "BTC/USDT: unfinished candle at 99, below its mean of 100, on a volume of 30.5, above 3 times its mean of 10; "
        "SOL/USDT: last closed candle at 99, below its mean of 100, on a volume of 30.5, above 3 times its mean of 10"
    )
    assert panic_trips(state) == (Trip(kind=BreakerKind.MARKET_PANIC, reason=state.reason),)


def test_a_panic_ends_only_when_enough_leaders_are_normal_on_closed_candles() -> None:
    not_yet = LeaderCandles(closed=steady(5, a_candle(4, close=99.0)), forming=a_candle(5, close=150.0, volume=1.0))
    assert name_after(PANIC, all_of(not_yet)) is PanicName.PANIC
    assert name_after(PANIC, {**all_of(QUIET), "ETH/USDT": not_yet}) is PanicName.PANIC
    after = next_panic(SETTINGS, PANIC, all_of(QUIET), NOW_MS)
    assert (after.name, after.since_ms, panic_trips(after)) == (PanicName.CALM, NOW_MS, ())


def test_a_panic_keeps_its_reason_and_its_beginning_while_it_lasts() -> None:
    state = next_panic(SETTINGS, PANIC, all_of(FALLING), NOW_MS)
    assert (state.reason, state.since_ms) == ("it fell", 7)
    assert [leader.mood for leader in state.leaders] == [Mood.PANICKING] * 3


def test_a_panic_does_not_end_while_it_would_begin_again_at_once() -> None:
    settings = PanicSettings(symbols=SYMBOLS, trigger=1, recovery=2, average_window=4)
    candles = {**all_of(QUIET), "BTC/USDT": FALLING}
    assert next_panic(settings, PANIC, candles, NOW_MS).name is PanicName.PANIC


def test_leaders_that_cannot_be_seen_are_not_normal() -> None:
    assert name_after(PANIC, {"BTC/USDT": QUIET, "ETH/USDT": QUIET}) is PanicName.PANIC
    assert name_after(PANIC, {}) is PanicName.PANIC
    assert name_after(PANIC, all_of(QUIET), now_ms=60 * MINUTE_MS) is PanicName.PANIC


def test_a_filter_that_could_not_notice_a_panic_says_that_it_is_blind_and_why() -> None:
    state = next_panic(SETTINGS, CALM, {"BTC/USDT": QUIET}, NOW_MS)
    assert (state.name, state.since_ms) == (PanicName.BLIND, NOW_MS)
    assert state.reason == "ETH/USDT: 0 closed candles, 5 are needed; SOL/USDT: 0 closed candles, 5 are needed"
    assert panic_trips(state) == (Trip(kind=BreakerKind.LEADERS_UNSEEN, reason=state.reason),)
    assert name_after(state, {"BTC/USDT": QUIET, "ETH/USDT": QUIET}) is PanicName.CALM
    assert name_after(state, all_of(FALLING)) is PanicName.PANIC


def test_a_filter_is_blind_until_it_has_seen_its_leaders() -> None:
    first = first_panic_state(3)
    assert panic_trips(first) == (Trip(kind=BreakerKind.LEADERS_UNSEEN, reason="no leader has been seen yet"),)
    assert next_panic(SETTINGS, first, all_of(QUIET), NOW_MS).name is PanicName.CALM


LEADERS = st.sampled_from([QUIET, FALLING, FELL, LeaderCandles(closed=())])


@given(st.lists(st.tuples(LEADERS, LEADERS, LEADERS), min_size=1, max_size=8))
def test_whatever_is_seen_a_panic_of_enough_leaders_trips_and_openings_need_sight(
    looks: list[tuple[LeaderCandles, LeaderCandles, LeaderCandles]],
) -> None:
    state = first_panic_state(0)
    for look in looks:
        was_panic = state.name is PanicName.PANIC
        state = next_panic(SETTINGS, state, dict(zip(SYMBOLS, look, strict=True)), NOW_MS)
        panicking = sum(leader in (FALLING, FELL) for leader in look)
        unseen = sum(not leader.closed for leader in look)
        if panicking >= SETTINGS.trigger or (was_panic and look != (QUIET, QUIET, QUIET)):
            assert state.name is PanicName.PANIC
        else:
            assert (state.name is PanicName.BLIND) == (3 - unseen < SETTINGS.trigger)
        assert [leader.symbol for leader in state.leaders] == list(SYMBOLS)

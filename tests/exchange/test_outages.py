"""Windows of time: their edges, their union, and drawing them from a seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.outages import Outage, draw_outages, merged, outage_at


def at(from_ms: int, until_ms: int) -> Outage:
    return Outage(from_ms=from_ms, until_ms=until_ms)


@pytest.mark.parametrize(("from_ms", "until_ms"), [(5, 5), (6, 5)])
def test_an_outage_without_duration_is_refused(from_ms: int, until_ms: int) -> None:
    with pytest.raises(ValueError, match=f"must begin before it ends, was {from_ms} to {until_ms}"):
        at(from_ms, until_ms)


def test_windows_that_overlap_or_touch_become_one_in_the_order_of_time() -> None:
    assert merged([at(40, 50), at(10, 20), at(20, 30), at(42, 45), at(48, 60), at(31, 32)]) == (
        at(10, 30),
        at(31, 32),
        at(40, 60),
    )
    assert merged([]) == ()


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [(9, None), (10, at(10, 20)), (19, at(10, 20)), (20, None), (30, at(30, 31)), (31, None)],
)
def test_a_window_begins_with_its_first_millisecond_and_is_over_with_its_last(
    at_ms: int, expected: Outage | None
) -> None:
    assert outage_at((at(10, 20), at(30, 31)), at_ms) == expected


@given(
    windows=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8),
    at_ms=st.integers(-1, 80),
)
def test_the_union_holds_exactly_the_instants_that_some_window_holds(
    windows: list[tuple[int, int]], at_ms: int
) -> None:
    outages = [at(begin, begin + length) for begin, length in windows]
    is_in_one = any(outage.from_ms <= at_ms < outage.until_ms for outage in outages)
    assert (outage_at(merged(outages), at_ms) is not None) == is_in_one


@given(seed=st.integers(0, 10**9))
def test_drawn_outages_lie_in_their_span_and_are_the_same_for_the_same_seed_and_words(seed: int) -> None:
    drawn = draw_outages(seed, "stalls", from_ms=1_000, until_ms=9_000, outages_max=4, length_ms_max=500)
    assert drawn == draw_outages(seed, "stalls", from_ms=1_000, until_ms=9_000, outages_max=4, length_ms_max=500)
    assert len(drawn) <= 4
    assert drawn == merged(drawn)
    assert all(outage.from_ms >= 1_000 and outage.until_ms <= 9_000 for outage in drawn)


def test_seeds_and_words_draw_different_outages_from_none_to_the_most() -> None:
    drawn = [
        draw_outages(seed, what, from_ms=0, until_ms=10**9, outages_max=3, length_ms_max=10)
        for seed in range(20)
        for what in ("bans", "stalls")
    ]
    assert {len(outages) for outages in drawn} == {0, 1, 2, 3}
    assert len(set(drawn)) > 25


def test_a_span_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="was 5 to 5, 1 and 1"):
        draw_outages(0, "bans", from_ms=5, until_ms=5, outages_max=1, length_ms_max=1)

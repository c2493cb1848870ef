"""The plan of faults: a pure function of its seed and of what is asked."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.exchange.faults import LATE_MS_BOUND, NO_FAULTS, FaultPlan, RequestFate
from engine.exchange.outages import Outage

D = Decimal
MIXED = FaultPlan(
    seed=3,
    request_lost_chance=D("0.1"),
    answer_lost_chance=D("0.2"),
    request_late_chance=D("0.15"),
    answer_torn_chance=D("0.05"),
    stale_answer_chance=D("0.3"),
)


def test_every_fate_is_met_as_often_as_its_chance_says_and_the_same_every_time() -> None:
    fates = [MIXED.fate_of("place a", at_ms) for at_ms in range(4_000)]
    assert fates == [replace(MIXED).fate_of("place a", at_ms) for at_ms in range(4_000)]
    counts = Counter(fates)
    expected = {"request_lost": 400, "answer_lost": 800, "request_late": 600, "answer_torn": 200, "answered": 2_000}
    assert {fate: abs(counts[RequestFate(fate)] - count) < 100 for fate, count in expected.items()} == dict.fromkeys(
        expected, True
    )


def test_a_further_chance_leaves_the_fates_of_the_chances_before_it_alone() -> None:
    fewer = replace(MIXED, request_late_chance=D(0), answer_torn_chance=D(0))
    for at_ms in range(500):
        fate = fewer.fate_of("place a", at_ms)
        assert fate is RequestFate.ANSWERED or MIXED.fate_of("place a", at_ms) is fate


def test_a_late_request_arrives_after_its_sender_has_given_up_and_within_the_bound() -> None:
    plan = FaultPlan(seed=1, timeout_ms=5_000, late_ms_max=5_010)
    lateness = {plan.lateness_ms_of("place a", sent_ms) for sent_ms in range(500)}
    assert lateness == set(range(5_001, 5_011))


def test_answers_are_stale_as_often_as_the_chance_says() -> None:
    ages = Counter(MIXED.staleness_ms_of("order a", at_ms) for at_ms in range(2_000))
    assert ages.keys() == {0, MIXED.stale_ms}
    assert abs(ages[MIXED.stale_ms] - 600) < 60


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"request_late_chance": D("0.6"), "answer_torn_chance": D("0.6")}, "a chance must be a fraction"),
        ({"stale_answer_chance": D("1.1")}, "a chance must be a fraction"),
        ({"stale_ms": 0}, "stale_ms must be at least 1"),
        ({"late_ms_max": LATE_MS_BOUND}, "below 30000, was 30000"),
        ({"timeout_ms": 20_000}, "above timeout_ms 20000"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FaultPlan(**wrong)


def test_the_windows_of_a_plan_are_kept_in_order_and_apart() -> None:
    late, early, touching = (Outage(from_ms=begin, until_ms=begin + 10) for begin in (50, 10, 20))
    plan = FaultPlan(bans=(late, early, touching))
    assert plan.bans == (Outage(from_ms=10, until_ms=30), late)
    assert replace(plan, seed=1).bans == plan.bans


def test_without_faults_nothing_is_thrown() -> None:
    assert NO_FAULTS.fate_of("place a", 1) is RequestFate.ANSWERED
    assert NO_FAULTS.staleness_ms_of("order a", 1) == 0
    assert NO_FAULTS.ban_at(1) is None

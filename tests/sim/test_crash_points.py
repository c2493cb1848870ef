"""An engine killed at any step and in any commit of its stories leaves books that its next life makes true."""

from collections.abc import Callable

import pytest

from tests.sim.crash_points import SCHEDULES, CrashPoint, enumerate_crashes, run_point
from tests.sim.crash_scenarios import SCENARIOS
from tests.sim.schedules import mix
from tests.sim.sim_world import SwornExchange

Record = Callable[[str, object], None]
STRIDE = 24
POINTS_MIN = 20_000


def failures(points: list[CrashPoint]) -> list[str]:
    """What went wrong, one line for each point that failed."""
    found = []
    for point in points:
        outcome = run_point(point)
        if outcome.problems:
            found.append(f"{point}: {'; '.join(outcome.problems)}")
    return found


def a_sample(scenario: str) -> list[CrashPoint]:
    """About one point in ``STRIDE``, from everywhere in a scenario."""
    points = list(enumerate_crashes(scenario))
    return [point for number, point in enumerate(points) if mix(number, len(points)) % STRIDE == 0]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_anywhere_leaves_books_that_the_next_life_makes_true(scenario: str, record_property: Record) -> None:
    points = a_sample(scenario)
    record_property("crash points", len(points))
    assert failures(points) == []


@pytest.mark.hunt
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_everywhere_leaves_books_that_the_next_life_makes_true(scenario: str, record_property: Record) -> None:
    points = list(enumerate_crashes(scenario))
    record_property("crash points", len(points))
    print(f"\n{scenario}: {len(points):,} crash points", end="")
    assert failures(points) == []


@pytest.mark.hunt
def test_there_are_twenty_four_stories_and_twenty_thousand_points() -> None:
    points = sum(len(list(enumerate_crashes(scenario))) for scenario in SCENARIOS)
    print(f"\n{points:,} crash points in {len(SCENARIOS)} scenarios on {len(SCHEDULES)} schedules", end="")
    assert len(SCENARIOS) == 24
    assert points >= POINTS_MIN


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_story_trades_as_it_is_told(scenario: str) -> None:
    """What it is about happens, also without a kill."""
    outcome = run_point(CrashPoint(scenario=scenario, schedule=0, deaths=()))
    assert outcome.problems == ()
    assert outcome.fills >= (0 if scenario == "the first order" else 1)
    assert outcome.records >= 3


def test_an_order_sent_before_its_intent_is_durable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the exchange looks for the intent on a disk that never holds one."""
    real = SwornExchange._place

    def before_the_journal(exchange: SwornExchange, request: object, at_ms: int) -> object:
        exchange.disk.intents.clear()
        return real(exchange, request, at_ms)  # type: ignore[arg-type]

    monkeypatch.setattr(SwornExchange, "_place", before_the_journal)
    outcome = run_point(CrashPoint(scenario="the first order", schedule=0, deaths=()))
    assert "arrived without a durable intent" in outcome.problems[0]

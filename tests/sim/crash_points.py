"""Kills an engine at every step and in every commit of short scripted runs, and lets the next one put things right.

A point is one run from the beginning: the same script on the same schedule, the kill, a new engine on the
disk and the exchange as they are, and then everything that must be true. Some points kill the second
engine too, in the middle of its recovery.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.sim.crash_scenarios import SCENARIOS
from tests.sim.schedules import Schedule, Strategy, mix
from tests.sim.sim_journal import CommitKill, Cut
from tests.sim.sim_world import Death
from tests.sim.swarm import Outcome, run_drawn
from tests.sim.swarm_draw import Draw

SCHEDULES = (
    Schedule(strategy=Strategy.FIFO),
    Schedule(strategy=Strategy.RANDOM, seed=1),
    Schedule(strategy=Strategy.PRIORITY, seed=2, step_cost_seconds=1e-6, steps_expected=300),
)
DOUBLED_ONE_IN = 5
"""Of so many points one is run again with a second kill."""
_RECOVERY_STEPS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """One place to die in one scenario on one schedule, by its number in ``SCHEDULES``."""

    scenario: str
    schedule: int
    deaths: tuple[Death, ...]

    def __str__(self) -> str:
        return f"{self.scenario} on schedule {self.schedule}, {', '.join(map(_in_words, self.deaths))}"


def enumerate_crashes(scenario: str) -> Iterator[CrashPoint]:
    """Every step and every commit of a scenario, on every schedule; the commits before, torn and after."""
    for number in range(len(SCHEDULES)):
        whole = run_point(CrashPoint(scenario=scenario, schedule=number, deaths=()))
        if whole.problems:
            raise AssertionError(f"{scenario} fails without a crash: {whole}")
        deaths = [Death(steps=step) for step in range(whole.steps)]
        for commit in range(1, whole.commits + 1):
            deaths += [Death(commit=CommitKill(number=commit, cut=cut)) for cut in Cut]
        for index, death in enumerate(deaths):
            yield CrashPoint(scenario=scenario, schedule=number, deaths=(death,))
            if index % DOUBLED_ONE_IN == 0:
                again = Death(steps=mix(number, index) % _RECOVERY_STEPS)
                yield CrashPoint(scenario=scenario, schedule=number, deaths=(death, again))


def run_point(point: CrashPoint) -> Outcome:
    """Live through a point."""
    return run_drawn(_drawn(point))


def _drawn(point: CrashPoint) -> Draw:
    return replace(SCENARIOS[point.scenario], schedule=SCHEDULES[point.schedule], deaths=point.deaths)


def _in_words(death: Death) -> str:
    if death.commit is not None:
        return f"killed {death.commit.cut} commit {death.commit.number}"
    return f"killed at step {death.steps}"

"""An engine killed anywhere in a change of its lattice goes on with the old one or the new one, never between.

The stories with a migration are lived through by ``test_crash_points`` as well, with a kill at every step and in every
commit; here their lattices are looked at, and the moments around the one fact that changes everything.
"""

from dataclasses import replace

import pytest

from engine.model.events import GridOpened, LatticeMigrated
from engine.model.grid import Lattice
from tests.sim.crash_points import SCHEDULES, CrashPoint, enumerate_crashes
from tests.sim.crash_scenarios import MIGRATIONS
from tests.sim.schedules import mix
from tests.sim.sim_journal import CommitKill, Cut
from tests.sim.sim_world import Death, SimWorld
from tests.sim.swarm import _live_through, _world_of

STRIDE = 160


def lived(point: CrashPoint) -> SimWorld:
    """The world after a point, in which everything is as it must be."""
    drawn = replace(MIGRATIONS[point.scenario], schedule=SCHEDULES[point.schedule], deaths=point.deaths)
    world = _world_of(drawn)
    assert (str(point), _live_through(world, drawn)) == (str(point), [])
    return world


def lattices_of(world: SimWorld) -> list[Lattice]:
    """Those of the journal, the first one and each after a migration."""
    facts = (record.fact for record in world.disk.records)
    return [fact.lattice for fact in facts if isinstance(fact, GridOpened | LatticeMigrated)]


def commit_of_migration(scenario: str, schedule: int) -> int:
    """The number of the commit in which the lattice first changes, found by killing in each."""
    whole = lived(CrashPoint(scenario=scenario, schedule=schedule, deaths=()))
    first = next(at for at, record in enumerate(whole.disk.records) if isinstance(record.fact, LatticeMigrated))
    kept, commits = 0, 0
    probe = _world_of(replace(MIGRATIONS[scenario], schedule=SCHEDULES[schedule]))
    keep = probe.disk.keep

    def count(batch: object) -> None:
        nonlocal kept, commits
        if kept <= first:
            commits = probe.disk.commits
        keep(batch)  # type: ignore[arg-type]
        kept = len(probe.disk.records)

    probe.disk.keep = count  # type: ignore[method-assign]
    assert _live_through(probe, MIGRATIONS[scenario]) == []
    return commits


@pytest.mark.parametrize("scenario", MIGRATIONS)
def test_a_story_of_a_migration_has_one(scenario: str) -> None:
    world = lived(CrashPoint(scenario=scenario, schedule=0, deaths=()))
    assert len(lattices_of(world)) >= 2
    assert world.books.lattice == lattices_of(world)[-1]


@pytest.mark.parametrize("schedule", range(len(SCHEDULES)))
@pytest.mark.parametrize("scenario", MIGRATIONS)
def test_a_kill_in_the_commit_of_a_migration_leaves_the_old_lattice_or_the_new(scenario: str, schedule: int) -> None:
    number = commit_of_migration(scenario, schedule)
    whole = lattices_of(lived(CrashPoint(scenario=scenario, schedule=schedule, deaths=())))
    found = {}
    for cut in Cut:
        deaths = (Death(commit=CommitKill(number=number, cut=cut)),)
        world = lived(CrashPoint(scenario=scenario, schedule=schedule, deaths=deaths))
        found[cut] = lattices_of(world)
        assert world.deaths == 1
        assert world.books.lattice == found[cut][-1]
    assert found[Cut.AFTER][1] == whole[1]
    assert found[Cut.BEFORE][0] == whole[0]
    if "edited" in scenario or "twice" in scenario:
        # Whoever asked for it is gone: nobody asks again, and the old lattice trades on.
        assert found[Cut.BEFORE] == whole[:1]


@pytest.mark.parametrize("scenario", MIGRATIONS)
def test_a_kill_anywhere_ends_in_a_whole_lattice_that_a_run_without_one_has_too(scenario: str) -> None:
    known = set(lattices_of(lived(CrashPoint(scenario=scenario, schedule=0, deaths=()))))
    levels = {lattice.levels for lattice in known}
    points = [point for at, point in enumerate(enumerate_crashes(scenario)) if mix(at, 7) % STRIDE == 0]
    seen = {lived(point).books.lattice.levels for point in points}
    assert seen <= levels
    assert len(seen) > 1 or "follows" in scenario

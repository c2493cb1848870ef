"""Every defect of the engines before this one, put back into the real engine, is found: by what, and how soon."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from inspect import getsource

import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.model.commands import Pause, Resume
from engine.model.events import OrderIntended
from engine.runtime import locks
from engine.runtime.engine import Engine
from engine.runtime.locks import lock_edges
from tests.house import lock_graph
from tests.house.lock_lint import lint
from tests.house.sources import Source, python_sources
from tests.sim import lock_audit
from tests.sim.crash_points import SCHEDULES, CrashPoint, run_point
from tests.sim.crash_scenarios import SCENARIOS, a_story
from tests.sim.planted import BUGS, LINTED, Bug, Finder
from tests.sim.schedules import mix
from tests.sim.sim_truths import problems_of
from tests.sim.sim_world import GRID, Death, settle, until_over
from tests.sim.swarm import _world_of, run_drawn, run_swarm
from tests.sim.swarm_draw import Draw, draw

TRIES_MAX = 500
BUGS_MIN = 30
_STEPS = 250
"""About as many as the longest story takes."""
_PROGRAMMING = re.compile(r"\b(TypeError|AttributeError|NameError|UnboundLocalError|ImportError)\b")

Record = Callable[[str, object], None]
Try = tuple[str, Callable[[], list[str]]]
"""Where something is looked for, and how; nothing is found where all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the first try that found something says, and how many it took."""

    tries: int
    where: str
    again: Callable[[], list[str]]
    problem: str


# Finders


def tries_of(finder: Finder, bug: Bug) -> Iterator[Try]:
    """What a finder tries, one after the other; only the lint, which reads the source, looks at which bug it is."""
    match finder:
        case Finder.SWARM:
            for seed in range(TRIES_MAX):
                yield f"seed {seed}", partial(problems_of_draw, draw(seed))
        case Finder.CRASHES:
            for point in crash_points():
                yield str(point), partial(problems_of_point, point)
        case Finder.STORIES:
            yield from stories()
        case Finder.GRAPH:
            yield "seed 0", graph_of_a_run
        case Finder.LINT:
            yield "the source", lambda: lint_with(bug)


def crash_points() -> Iterator[CrashPoint]:
    """Every story as it is told, then killed somewhere, on one schedule after the other."""
    names = list(SCENARIOS)
    for number in range(TRIES_MAX):
        steps = mix(number) % _STEPS
        yield CrashPoint(
            scenario=names[number % len(names)],
            schedule=number // len(names) % len(SCHEDULES),
            deaths=() if number < len(names) else (Death(steps=steps),),
        )


def stories() -> Iterator[Try]:
    """What each needs two things for that a draw seldom brings together."""
    ban = FaultPlan(bans=(Outage(from_ms=3_900, until_ms=8_000),))
    commands = ((1.0, Pause(grid=GRID)), (4.0, Resume(grid=GRID)), (5.0, Pause(grid=GRID)))
    paused = a_story(*(115,) * 6, faults=ban, commands=commands)
    yield "a resume and a pause under a ban", partial(problems_of_draw, paused)
    for until_ms in range(4_500, 7_500, 300):
        gap = FaultPlan(disconnects=(Outage(from_ms=1_500, until_ms=until_ms),))
        cut = a_story(115, 109, 115, 109, 121, 109, latency_ms=700, reconcile_seconds=5.0, faults=gap)
        yield f"a gap until {until_ms} ms", partial(problems_of_draw, cut)
    for steps in range(20):
        killed = a_story(*(115,) * 4, commands=commands[:1], deaths=(Death(after_seconds=1.0, steps=steps),))
        yield f"killed {steps} steps after a pause", partial(problems_of_draw, killed)
    for seconds in range(1, 6):
        lag = FaultPlan(stale_answer_chance=Decimal(1), stale_ms=60_000)
        told = a_story(*(115,) * 100, faults=lag, deaths=(Death(after_seconds=float(seconds), steps=0),))
        yield f"a minute's lag, killed after {seconds} s", partial(problems_but_alarms, told)
    for records in range(1, 5):
        yield f"a disk without its last {records} records", partial(after_loss, records)


def problems_of_draw(drawn: Draw) -> list[str]:
    """What a run leaves to be desired."""
    return list(run_drawn(drawn).problems)


def problems_but_alarms(drawn: Draw) -> list[str]:
    """The same, where the exchange lags so far that something does seem to be missing."""
    return without_alarms(problems_of_draw(drawn))


def problems_of_point(point: CrashPoint) -> list[str]:
    """The same of a crash point."""
    return list(run_point(point).problems)


def after_loss(records: int) -> list[str]:
    """What a second life leaves to be desired on a disk that has lost its last records."""
    world = _world_of(SCENARIOS["the first order"])
    found: list[str] = []

    async def come_to_rest(engine: Engine) -> None:
        await settle(engine)
        found.extend(without_alarms(problems_of(world)))

    world.live(until_over)
    disk = world.disk
    del disk.records[-records:]
    facts = (record.fact for record in disk.records)
    disk.intents = {fact.client_order_id: fact for fact in facts if isinstance(fact, OrderIntended)}
    try:
        world.live(come_to_rest)
    except AssertionError as broken:
        found.append(str(broken))
    return found


def without_alarms(problems: Iterable[str]) -> list[str]:
    """Where something was lost, it is no false alarm that something is missing."""
    return [problem for problem in problems if not problem.startswith("false alarm")]


def graph_of_a_run() -> list[str]:
    """What is wrong with the locks that one seed has taken."""
    run_swarm(0)
    return lock_graph.problems(lock_edges(), lock_audit.spans, roads=frozenset())


def lint_with(bug: Bug) -> list[str]:
    """What the lint says of the engine with the planted function in it."""
    here = getsource(LINTED[bug.name]) if bug.name in LINTED and bug.name in _planted else ""
    sources = [*python_sources("engine"), Source("engine/runtime/planted.py", here)]
    return [f"{finding.rule}: {finding}" for finding in lint(sources)]


_planted: set[str] = set()


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """The engine with a bug, in its source too."""
    _planted.add(bug.name)
    try:
        with bug.planted():
            yield
    finally:
        _planted.discard(bug.name)


@contextmanager
def sound() -> Iterator[None]:
    """The engine as it is, with a lock graph of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "_edges", set())
        patch.setattr(lock_audit, "spans", [])
        yield


def first_find(finder: Finder, bug: Bug) -> Found | None:
    """The first try in which something is wrong; None if there is none."""
    with planted(bug):
        for number, (where, look) in enumerate(tries_of(finder, bug), 1):
            problems = look()
            if problems:
                return Found(tries=number, where=where, again=look, problem=problems[0])
    return None


# Tests


@pytest.mark.parametrize(("name", "finder"), [(bug.name, finder) for bug in BUGS.values() for finder in bug.found_by])
def test_a_planted_bug_is_found_and_nothing_without_it(name: str, finder: Finder, record_property: Record) -> None:
    """The same seed or point that finds the bug finds nothing in the engine as it is."""
    bug = BUGS[name]
    found = first_find(finder, bug)
    assert found is not None, f"{bug.what}: not found by {TRIES_MAX} tries of the {finder}"
    record_property("tries", found.tries)
    print(f"\n{name}: {finder}, try {found.tries} ({found.where}): {found.problem[:160]}", end="")
    assert re.search(bug.says, found.problem), found.problem
    assert not _PROGRAMMING.search(found.problem), f"the plant itself is broken: {found.problem}"
    with sound():
        assert found.again() == []


def test_there_are_thirty_bugs_and_every_finder_finds_one() -> None:
    """Thirty defects at least, each found by something that runs."""
    assert len(BUGS) >= BUGS_MIN
    assert all(bug.found_by for bug in BUGS.values())
    assert {finder for bug in BUGS.values() for finder in bug.found_by} == set(Finder)


def test_a_planted_bug_is_gone_after_its_with() -> None:
    for bug in BUGS.values():
        real = [getattr(owner, name) for owner, name, _ in bug.plant()]
        with bug.planted():
            pass
        assert [getattr(owner, name) for owner, name, _ in bug.plant()] == real, bug.name


def test_the_directed_stories_find_nothing_in_the_engine_as_it_is() -> None:
    """The swarm and the crash points say so themselves, in their own tests."""
    with sound():
        found = [(where, look()) for where, look in stories()]
    assert [(where, problems) for where, problems in found if problems] == []
    assert len(found) == 40

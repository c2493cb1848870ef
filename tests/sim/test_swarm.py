"""Hundreds of whole-engine runs, each drawn from its seed, and not one violation; the same seed, the same run."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from engine.core import orders
from engine.model.order import Fill, Order, OrderReport
from tests.sim.schedules import Strategy
from tests.sim.swarm import run_swarm, shrink
from tests.sim.swarm_draw import ORDERS_MAX, draw

Record = Callable[[str, object], None]
TOP = Path(__file__).resolve().parents[2]
CHUNKS, CHUNK = 10, 50
HUNT_CHUNKS, HUNT_CHUNK = 100, 200
SAME_SEEDS = 20
NEEDED = "import anyio, apsw, msgspec, numpy, pyarrow, pydantic"
OTHER_PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")

SWITCHES = (
    "request_lost_chance",
    "answer_lost_chance",
    "request_late_chance",
    "answer_torn_chance",
    "stale_answer_chance",
    "report_dropped_chance",
    "report_doubled_chance",
    "report_delayed_chance",
    "hidden_fill_chance",
    "clock_skew_ms",
    "bans",
    "stalls",
    "disconnects",
)


def failures(seeds: range) -> list[str]:
    """What went wrong, one line for each seed that failed."""
    return [str(outcome) for outcome in map(run_swarm, seeds) if outcome.problems]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_drawn_runs_end_with_true_books_whatever_went_wrong(chunk: int, record_property: Record) -> None:
    record_property("swarm seeds", CHUNK)
    assert failures(range(chunk * CHUNK, (chunk + 1) * CHUNK)) == []


@pytest.mark.hunt
@pytest.mark.parametrize("chunk", range(HUNT_CHUNKS))
def test_drawn_runs_end_with_true_books_thousands_of_times(chunk: int, record_property: Record) -> None:
    record_property("swarm seeds", HUNT_CHUNK)
    assert failures(range(chunk * HUNT_CHUNK, (chunk + 1) * HUNT_CHUNK)) == []


def test_the_draws_reach_everything_that_can_be_drawn() -> None:
    """Every fault on and off, every schedule, deaths and none, a full disk, hands on the account."""
    drawn = [draw(seed) for seed in range(CHUNKS * CHUNK)]
    assert {one.schedule.strategy for one in drawn} == set(Strategy)
    assert {one.schedule.step_cost_seconds for one in drawn} == {0.0, 1e-6}
    assert {len(one.deaths) for one in drawn} == {0, 1, 2, 3}
    for switch in SWITCHES:
        assert {bool(getattr(one.faults, switch)) for one in drawn} == {True, False}, switch
    for name in ("commands", "deeds", "full_from_commit", "stall_seconds", "partial_fill_chance", "ends_with_restart"):
        assert {bool(getattr(one, name)) for one in drawn} == {True, False}, name
    assert {one.orders_max for one in drawn} == {3, 8, ORDERS_MAX}
    assert {one.spec.slots for one in drawn} == set(range(2, 13))


# The same seed


def digests(python: str, hash_seed: str, seeds: int) -> list[str]:
    """What another process says of the first seeds: schedule and journal of each."""
    command = [python, "-m", "tests.sim.swarm", "--digests", str(seeds)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(TOP)}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout.splitlines()


@pytest.mark.parametrize("hash_seed", ["0", "1", "12345"])
def test_a_seed_gives_the_same_schedule_and_the_same_journal_under_every_hash_seed(hash_seed: str) -> None:
    assert digests(sys.executable, hash_seed, SAME_SEEDS) == [run_swarm(seed).digest for seed in range(SAME_SEEDS)]


@pytest.mark.parametrize("name", OTHER_PYTHONS)
def test_a_seed_gives_the_same_schedule_and_the_same_journal_on_every_installed_python(name: str) -> None:
    python = which(name)
    if python is None:
        pytest.skip(f"no {name} here")
    if subprocess.run([python, "-c", NEEDED], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip(f"{name} lacks a package")
    assert digests(python, "0", SAME_SEEDS) == [run_swarm(seed).digest for seed in range(SAME_SEEDS)]


# Shrinking


def _every_fill_is_news(_: Order, report: OrderReport) -> tuple[Fill, ...]:
    return report.fills


def test_a_failing_seed_is_shrunk_to_what_the_failure_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill that is told twice is booked twice: neither deaths nor commands nor deeds have anything to do with it."""
    monkeypatch.setattr(orders, "_news", _every_fill_is_news)
    seed = next(seed for seed in range(50) if run_swarm(seed).problems)
    smallest = shrink(seed)
    assert smallest.problems
    assert (smallest.drawn.deaths, smallest.drawn.commands, smallest.drawn.deeds) == ((), (), ())
    assert smallest.drawn.faults.bans == smallest.drawn.faults.stalls == smallest.drawn.faults.disconnects == ()
    assert f"seed {seed}: " in str(smallest)


def test_a_seed_that_does_not_fail_is_left_as_it_is() -> None:
    outcome = shrink(0)
    assert outcome.problems == ()
    assert outcome.drawn == draw(0)
    assert replace(outcome.drawn, seed=1) != draw(1)

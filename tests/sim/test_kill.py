"""kill -9 of the real headless program at random moments: in its start, in its first commits, under load.

A run that finds something says its seed and where everything is kept. ``pytest -s`` shows the figures.
"""

import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from time import perf_counter

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.exchange.simulated_books import BOOKS_NAME
from engine.model.events import DiscrepancyFound
from engine.model.reconcile import DiscrepancyKind
from engine.runtime.engine import Engine
from tests.builders import a_spec
from tests.sim.engine_builders import Bench, a_timed_path, assert_balanced, assert_settled, until_quiet
from tests.sim.kill_truths import folded_from, kept_in, problems_of
from tests.sim.killing import BASE, QUOTE, Arena, Moment, integrity_of

D = Decimal
KILLS_OF_THE_HUNT = 200
PROBLEMS_SHOWN = 20


def kill_and_compare(arena: Arena, kills: int) -> str:
    """Kill so often, let the market end, compare everything: the figures of a run that found nothing."""
    begun = perf_counter()
    drawn = migration_moments if arena.migrates else moments
    for moment in islice(drawn(Random(arena.seed)), kills):
        arena.live_and_die(moment)
    status = arena.live_to_the_end()
    witness, state = arena.witness, arena.place.state
    assert integrity_of(state / BOOKS_NAME) == "ok"
    folded, kept = folded_from(state), kept_in(state)
    problems = problems_of(folded, kept, quote=QUOTE, base=BASE)
    assert not problems, "\n".join(problems[:PROBLEMS_SHOWN])
    assert witness.heads.items() <= folded.hashes.items()
    assert status["engine"]["connection"] == "ended"
    for grid in status["grids"]:
        assert (grid["state"], grid["profit"]["residual"], grid["discrepancies"]) == ("running", "0", [])
    assert sum(witness.kills.values()) == kills
    told = ", ".join(f"{count} {moment.value}" for moment, count in witness.kills.items())
    return (
        f"{kills} kills ({told}), {len(folded.hashes)} records, {len(witness.heads)} noted commits, "
        f"{folded.migrations} migrations, {len(folded.intended)} orders, {len(folded.booked)} fills, "
        f"{folded.corrected} discrepancies corrected, "
        f"{perf_counter() - begun:.0f} seconds"
    )


def moments(dice: Random) -> Iterator[Moment]:
    """Each once, beginning with the very first start, then half under load."""
    yield from (Moment.START, Moment.RECOVERY, Moment.LOAD)
    while True:
        yield dice.choice((Moment.START, Moment.RECOVERY, Moment.LOAD, Moment.LOAD))


def migration_moments(dice: Random) -> Iterator[Moment]:
    """Mostly while a lattice changes, else while the next life takes it up."""
    while True:
        yield dice.choice((Moment.MIGRATION, Moment.MIGRATION, Moment.MIGRATION, Moment.RECOVERY))


def kill_and_keep_what_failed(seed: int, *, kills: int, rows: int, migrates: bool = False) -> None:
    """The folder of a run is gone afterwards, unless the run found something."""
    folder = Path(mkdtemp(prefix="gridwright-kill-"))
    arena = Arena(folder, seed, rows=rows, migrates=migrates)
    try:
        told = kill_and_compare(arena, kills)
    except BaseException as error:
        error.add_note(f"seed {seed}, {arena.witness.kills} of {kills} kills; everything is kept in {folder}")
        error.add_note(f"the last words of the program:\n{arena.last_words()}")
        raise
    print(f"\nseed {seed}: {told}")
    shutil.rmtree(folder)


def test_a_program_killed_8_times_loses_nothing_acknowledged_and_ends_with_the_exchange_s_books(
    record_property: Callable[[str, object], None],
) -> None:
    """I7."""
    kill_and_keep_what_failed(6, kills=8, rows=80)
    record_property("kills", 8)


@pytest.mark.hunt
def test_a_program_killed_200_times_loses_nothing_acknowledged_and_ends_with_the_exchange_s_books(
    record_property: Callable[[str, object], None],
) -> None:
    """I7."""
    kill_and_keep_what_failed(200, kills=KILLS_OF_THE_HUNT, rows=2_400)
    record_property("kills", KILLS_OF_THE_HUNT)


def test_a_program_killed_twice_while_its_lattices_change_goes_on_with_old_or_new_ones(
    record_property: Callable[[str, object], None],
) -> None:
    """I7, I14."""
    kill_and_keep_what_failed(3, kills=2, rows=40, migrates=True)
    record_property("kills", 2)


@pytest.mark.hunt
@pytest.mark.parametrize("seed", [20, 21])
def test_a_program_killed_20_times_while_its_lattices_change_goes_on_with_old_or_new_ones(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    """I7, I14."""
    kill_and_keep_what_failed(seed, kills=20, rows=600, migrates=True)
    record_property("kills", 20)


# What it found


def test_a_start_during_which_an_order_goes_on_being_filled_compares_again_until_it_may_trade() -> None:
    """Nothing is found twice alike until the looks of the start are used up: the grid must not wait for ever."""
    nibbling = [(4_000 * step, D("154.37")) for step in range(9, 30)]
    bench = Bench(
        a_timed_path((0, 155), *nibbling, (600_000, D("154.4"))),
        grids=(a_spec(slots=160, window=100),),
        options=SimulatedOptions(
            matching=MatchingOptions(partial_fill_chance=D(1)), faults=FaultPlan(report_dropped_chance=D(1))
        ),
    )

    async def two_lives() -> Engine:
        async with bench.engine():
            await anyio.sleep(1)  # fewer than all of its orders have been sent
        async with bench.engine() as second:
            assert bench.clock.seconds > 60
            await until_quiet(second)
            assert second.coordinators["main"].wait_reason is None
            assert_settled(second)
            assert_balanced(bench, second)
        return second

    bench.run_scene(two_lives)
    assert {fact.discrepancy.kind for fact in bench.facts(DiscrepancyFound)} == {DiscrepancyKind.OFFLINE_FILL}

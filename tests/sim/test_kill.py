"""kill -9 of the real headless program at random moments: in its start, in its first commits, under load.

A run that finds something says its seed and where everything is kept. ``pytest -s`` shows the figures.
"""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from time import perf_counter

import pytest

from engine.exchange.simulated_books import BOOKS_NAME
from tests.sim.kill_truths import folded_from, kept_in, problems_of
from tests.sim.killing import BASE, QUOTE, Arena, Moment, integrity_of

KILLS_OF_THE_HUNT = 200


def kill_and_compare(arena: Arena, kills: int) -> str:
    """Kill so often, let the market end, compare everything: the figures of a run that found nothing."""
    begun = perf_counter()
    for moment in islice(moments(Random(arena.seed)), kills):
        arena.live_and_die(moment)
    status = arena.live_to_the_end()
    witness, state = arena.witness, arena.place.state
    assert integrity_of(state / BOOKS_NAME) == "ok"
    folded, kept = folded_from(state), kept_in(state)
    assert problems_of(folded, kept, quote=QUOTE, base=BASE) == []
    assert witness.heads.items() <= folded.hashes.items()
    assert status["engine"]["connection"] == "ended"
    for grid in status["grids"]:
        assert (grid["state"], grid["profit"]["residual"], grid["discrepancies"]) == ("running", "0", [])
    assert sum(witness.kills.values()) == kills
    told = ", ".join(f"{count} {moment.value}" for moment, count in witness.kills.items())
    return (
        f"{kills} kills ({told}), {len(folded.hashes)} records, {len(witness.heads)} noted commits, "
        f"{len(folded.intended)} orders, {len(folded.booked)} fills, {folded.corrected} discrepancies corrected, "
        f"{perf_counter() - begun:.0f} seconds"
    )


def moments(dice: Random) -> Iterator[Moment]:
    """Each once, beginning with the very first start, then half under load."""
    yield from Moment
    while True:
        yield dice.choice((Moment.START, Moment.RECOVERY, Moment.LOAD, Moment.LOAD))


def kill_and_keep_what_failed(seed: int, *, kills: int, rows: int) -> None:
    """The folder of a run is gone afterwards, unless the run found something."""
    folder = Path(mkdtemp(prefix="gridwright-kill-"))
    try:
        told = kill_and_compare(Arena(folder, seed, rows=rows), kills)
    except BaseException as error:
        error.add_note(f"seed {seed}, {kills} kills on {rows} rows; everything is kept in {folder}")
        raise
    print(f"\nseed {seed}: {told}")
    shutil.rmtree(folder)


def test_a_program_killed_8_times_loses_nothing_acknowledged_and_ends_with_the_exchange_s_books() -> None:
    """I7."""
    kill_and_keep_what_failed(6, kills=8, rows=50)


@pytest.mark.hunt
def test_a_program_killed_200_times_loses_nothing_acknowledged_and_ends_with_the_exchange_s_books() -> None:
    """I7."""
    kill_and_keep_what_failed(200, kills=KILLS_OF_THE_HUNT, rows=2_400)

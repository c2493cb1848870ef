"""The simulated journal keeps of a commit that is cut off what the cut says, and hashes as the real ones do."""

from functools import partial

import anyio
import pytest

from engine.model.errors import JournalFailed
from engine.model.grid import GridState
from engine.runtime.clock import VirtualClock
from engine.runtime.journal import MemoryJournal
from tests.builders import a_state, an_opening
from tests.sim.engine_builders import IDENTITY
from tests.sim.schedules import SimCrash, SimLoop, run_simulated
from tests.sim.sim_journal import NO_SPACE, CommitKill, Cut, SimDisk, SimJournal

FACTS = (an_opening(), a_state(GridState.RUNNING), a_state(GridState.PAUSED), a_state(GridState.RUNNING))


async def write_all(journal: SimJournal) -> None:
    """Four appends in one commit."""
    for fact in FACTS:
        journal.stage("main", (fact,), 0)
    await journal.commit()


def live(disk: SimDisk, *, seconds: float = 0.0, at_step: int | None = None, appends_kept: int = 0) -> SimLoop:
    """One life that writes on a disk; killed at a step if one is named."""
    loop = SimLoop(VirtualClock(start_ms=0))
    if at_step is not None:
        loop.kill(at_step)
    journal = SimJournal(disk, commit_seconds=lambda _: seconds, kill=loop.kill)
    try:
        run_simulated(loop, partial(write_all, journal))
    finally:
        journal.die(appends_kept=appends_kept)
    return loop


async def test_it_hashes_as_the_other_journals_do_and_goes_on_where_its_disk_ended() -> None:
    disk, memory = SimDisk(IDENTITY), MemoryJournal(IDENTITY)
    for fact in FACTS:
        await SimJournal(disk, kill=lambda: None).append("main", (fact,), 5)
        await memory.append("main", (fact,), 5)
    assert disk.records == list(memory.records())
    assert SimJournal(disk, kill=lambda: None).head == memory.head


@pytest.mark.parametrize(("cut", "kept"), [(Cut.BEFORE, 0), (Cut.TORN, 2), (Cut.AFTER, 4)])
def test_a_kill_in_a_commit_keeps_what_its_cut_says(cut: Cut, kept: int) -> None:
    disk = SimDisk(IDENTITY)
    disk.kill = CommitKill(number=1, cut=cut)
    with pytest.raises(SimCrash):
        live(disk)
    assert [record.fact for record in disk.records] == list(FACTS[:kept])


@pytest.mark.parametrize("kept", [0, 1, 4])
def test_a_kill_while_the_disk_is_busy_keeps_the_first_appends(kept: int) -> None:
    disk = SimDisk(IDENTITY)
    with pytest.raises(SimCrash):
        live(disk, seconds=1.0, at_step=1, appends_kept=kept)
    assert [record.fact for record in disk.records] == list(FACTS[:kept])


def test_a_commit_takes_its_virtual_time_and_then_everything_is_safe() -> None:
    disk = SimDisk(IDENTITY)
    assert live(disk, seconds=1.5).time() == 1.5
    assert len(disk.records) == 4


async def test_a_full_disk_keeps_nothing_more_and_refuses_what_follows() -> None:
    disk = SimDisk(IDENTITY)
    disk.full_from_commit = 2
    journal = SimJournal(disk, kill=lambda: None)
    await journal.append("main", FACTS[:1], 0)
    for _ in range(2):
        with pytest.raises(JournalFailed, match=NO_SPACE), anyio.fail_after(10):
            await journal.append("main", FACTS[1:], 0)
    await journal.close()
    assert [record.fact for record in disk.records] == list(FACTS[:1])

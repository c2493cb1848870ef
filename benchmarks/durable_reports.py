"""Order reports through locks and durable journal, in real time: in batches of one, and through the inbox."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import anyio
import apsw

from benchmarks.ladders import Ladder, make_ladder
from benchmarks.table import Row
from benchmarks.timing import seconds_of
from engine.model.order import OrderReport
from engine.runtime.clock import RealClock, run_on
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal_file import open_journal

IDENTITY = JournalIdentity(instance="abc", created_ms=0)
TARGET = 5_000
SLOTS = 1_000
TASKS = (1, 10, 100)
_COMMITS = 2_000
_AGAINST = "raw commits of one row"


def measure() -> Iterator[Row]:
    """Reports a second that are applied and durable, against commits of one row on the same disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = raw_commits_per_second(folder / "before.db")
        found = [run_on(RealClock(), _by_tasks, _subfolder(folder, f"by{tasks}"), tasks) for tasks in TASKS]
        inbox = run_on(RealClock(), _through_the_inbox, _subfolder(folder, "inbox"))
        raw = (before + raw_commits_per_second(folder / "after.db")) / 2
    for tasks, rate in zip(TASKS, found, strict=True):
        # One task waits for the disk after every report: no target, the disk alone decides.
        target = None if tasks == 1 else TARGET
        yield Row(what=_tasks(tasks), value=rate, yardstick=raw, against=_AGAINST, target=target)
    what = "through the inbox, the grid's own task"
    yield Row(what=what, value=inbox, yardstick=raw, against=_AGAINST, target=TARGET)
    yield Row(what="yardstick: raw commits of one row, synchronous=FULL", value=raw)


def _subfolder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(mode=0o700)
    return made


def _tasks(count: int) -> str:
    return f"{count} task{'s' if count > 1 else ''}, one report at a time"


async def _by_tasks(folder: Path, tasks: int) -> float:
    """Each task applies the reports of its own orders one after the other."""
    async with _open_ladder(folder) as ladder:
        reports = await ladder.reports_of_a_life()
        shares = [[report for slot in reports[task::tasks] for report in slot] for task in range(tasks)]

        async def apply(share: Sequence[OrderReport]) -> None:
            for report in share:
                await ladder.coordinator.apply_reports([report])

        start = perf_counter()
        async with anyio.create_task_group() as group:
            for share in shares:
                group.start_soon(apply, share)
        seconds = perf_counter() - start
        ladder.check_everything_is_filled()
        return sum(map(len, shares)) / seconds


async def _through_the_inbox(folder: Path) -> float:
    """Everything arrives in order of time, as on a stream; the grid's task takes what is there, and decides."""
    async with _open_ladder(folder) as ladder:
        lives = await ladder.reports_of_a_life()
        stream = [report for moment in zip(*lives, strict=True) for report in moment]
        coordinator = ladder.coordinator
        async with anyio.create_task_group() as group:
            group.start_soon(coordinator.run)
            await anyio.lowlevel.checkpoint()
            start = perf_counter()
            for report in stream:
                coordinator.on_report(report)
            while coordinator.is_busy:  # noqa: ASYNC110 - a grid tells nobody that it is idle
                await anyio.sleep(0.002)
            seconds = perf_counter() - start
            group.cancel_scope.cancel()
        ladder.check_everything_is_filled()
        return len(stream) / seconds


@asynccontextmanager
async def _open_ladder(folder: Path) -> AsyncIterator[Ladder]:
    async with open_journal(folder, IDENTITY) as journal:
        yield make_ladder(journal, slots=SLOTS)


def raw_commits_per_second(path: Path) -> float:
    """The disk alone: one row of a report's size in a transaction of its own, one after the other."""
    connection = apsw.Connection(str(path))
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE rows (sequence INTEGER PRIMARY KEY, content TEXT)")
    content = "x" * 700
    seconds = seconds_of(_commits(connection, content))
    connection.close()
    return _COMMITS / seconds


def _commits(connection: apsw.Connection, content: str) -> Callable[[], None]:
    def commit() -> None:
        for number in range(_COMMITS):
            connection.execute("INSERT INTO rows VALUES (?, ?)", (number, content))

    return commit

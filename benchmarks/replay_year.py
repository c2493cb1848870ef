"""Replay of a year of one-minute candles through the whole engine, and what the same path costs without it."""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.paths import Path4, read_path, year_file
from benchmarks.scans import crossings_by_numpy, fills_by_loop
from benchmarks.table import Row, Unit
from benchmarks.timing import RUNS, rate_of
from benchmarks.worlds import settings_from
from engine.model.snapshot import EngineState
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.worlds import SimulatedWorld, open_simulated_world

TARGET = 300_000
_SCAN = "NumPy scan of crossings"
_EVERY_TICK_CANDLES = 5_000
_REPLAY = """
[simulation]
source = "replay"
path = "{path}"
journal = "{journal}"
every_tick = {every_tick}
speed = 0
quote = 12000

[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = "{lower}"
upper = "{upper}"
slots = {slots}
quote_per_slot = 100
window = {slots}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The range of a grid and its slots."""

    name: str
    lower: str
    upper: str
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One run: seconds to load the data, seconds to replay it, records in the journal."""

    loading: float
    seconds: float
    records: int


def measure() -> Iterator[Row]:
    """Candles a second of two grids, with the journal in memory and on disk, and with no tick skipped."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = year_file(folder)
        path = read_path(file)
        short = path.head(_EVERY_TICK_CANDLES, folder)
        for shape in _shapes(path):
            yield from _rows(shape, path, file, short, folder)


def _rows(shape: Shape, path: Path4, file: Path, short: Path, folder: Path) -> Iterator[Row]:
    every = replay(shape, short, folder, journal="memory", every_tick=True)
    levels = path.levels(float(shape.lower), float(shape.upper), shape.slots)
    scan = rate_of(lambda: crossings_by_numpy(path, levels), path.candles, runs=9)
    loop = rate_of(lambda: fills_by_loop(path.points, levels), path.candles)
    runs = [replay(shape, file, folder, journal="memory") for _ in range(RUNS)]
    in_memory = sorted(runs, key=lambda run: run.seconds)[RUNS // 2]
    durable = replay(shape, file, folder, journal="file")
    name = f"{shape.name}:"
    yield _row(f"{name} journal in memory", path.candles / in_memory.seconds, scan, target=TARGET)
    yield _row(f"{name} durable, {durable.records:,} records", path.candles / durable.seconds, scan)
    yield _row(f"{name} every tick", _EVERY_TICK_CANDLES / every.seconds, scan)
    yield _row(f"{name} yardstick: loop over objects", loop, scan)
    yield Row(what=f"{name} yardstick: {_SCAN}", value=scan)
    yield Row(what=f"{name} loading the file", value=in_memory.loading * 1000, unit=Unit.MILLISECONDS)


def _row(what: str, value: float, scan: float, *, target: float | None = None) -> Row:
    return Row(what=what, value=value, yardstick=scan, against=_SCAN, target=target)


def _shapes(path: Path4) -> tuple[Shape, Shape]:
    """A grid as wide as the year, and the one that other systems were measured with: 100 levels, +-20 %."""
    first = path.first
    return (
        Shape(name="wide, 40 slots", lower="3700", upper="29000", slots=40),
        Shape(name="+-20 %, 99 slots", lower=f"{first * 0.8:.2f}", upper=f"{first * 1.2:.2f}", slots=99),
    )


def replay(shape: Shape, file: Path, folder: Path, *, journal: str, every_tick: bool = False) -> Replay:
    """Run a fresh engine over a file until its end. Raises ``AssertionError`` if the books do not balance."""
    text = _REPLAY.format(
        path=file,
        journal=journal,
        every_tick=str(every_tick).lower(),
        lower=shape.lower,
        upper=shape.upper,
        slots=shape.slots,
    )
    settings = settings_from(text, folder)
    start = perf_counter()
    with open_simulated_world(settings, fresh=True) as world:
        loaded = perf_counter()
        records = run_on(world.clock, _live, world)
        return Replay(loading=loaded - start, seconds=perf_counter() - loaded, records=records)


async def _live(world: SimulatedWorld) -> int:
    records = 0

    async def started(engine: Engine) -> None:
        nonlocal records
        await engine.wait_started()
        await engine.wait_over()
        await engine.wait_quiet()
        _check(engine)
        records = engine._journal.head[0]
        engine.close()

    await run_world(world, started)
    return records


def _check(engine: Engine) -> None:
    grid = engine.snapshot().grids[0]
    if engine.state is not EngineState.RUNNING or grid.profit.residual:
        raise AssertionError(f"{engine.state_reason}: residual {grid.profit.residual}")

"""Price ticks inside the quiet band: through the engine, as an exchange tells them, and at the coordinator."""

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path

from benchmarks.table import Row
from benchmarks.timing import rate_of
from benchmarks.worlds import GRID, SYNTHETIC, settings_from
from engine.model.actions import QuietBand
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.worlds import SimulatedWorld, open_simulated_world

TICKS = 500_000
TARGET = 1_000_000
_DIFFERENT = 997


def measure() -> Iterator[Row]:
    """Ticks a second inside the band of a running 40-slot grid, against the comparison alone."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_from(SYNTHETIC + GRID, Path(folder))
        with open_simulated_world(settings, fresh=True) as world:
            run_on(world.clock, _live, world, found)
    yield from found


async def _live(world: SimulatedWorld, found: list[Row]) -> None:
    async def started(engine: Engine) -> None:
        await engine.wait_started()
        await engine.wait_quiet()
        found.extend(_rows(engine))
        engine.close()

    await run_world(world, started)


def _rows(engine: Engine) -> Iterator[Row]:
    coordinator = engine.coordinators["btc"]
    band = coordinator._band
    prices = _prices_inside(band)
    symbol = coordinator.books.spec.symbol

    def compare() -> None:
        low, high = band.low, band.high
        for price in prices:
            if low < price < high:
                continue
            raise AssertionError(price)

    def at_the_coordinator() -> None:
        for price in prices:
            coordinator.on_price(price, 0)

    def through_the_engine() -> None:
        for price in prices:
            engine.on_price(symbol, price, 0)

    yardstick = rate_of(compare, TICKS)
    for what, told in (("at the coordinator", at_the_coordinator), ("through the engine", through_the_engine)):
        rate = rate_of(told, TICKS)
        if coordinator.is_busy:
            raise AssertionError("a tick inside the band woke the coordinator")
        yield Row(what=what, value=rate, yardstick=yardstick, against="two Decimal comparisons", target=TARGET)
    yield Row(what="yardstick: two Decimal comparisons in a bare loop", value=yardstick)


def _prices_inside(band: QuietBand) -> list[Decimal]:
    step = (band.high - band.low) / (_DIFFERENT + 1)
    inside = [band.low + step * number for number in range(1, _DIFFERENT + 1)]
    return list(islice(cycle(inside), TICKS))

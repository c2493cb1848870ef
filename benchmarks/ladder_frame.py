"""What one frame of the ladder costs the terminal: everything anew, and one slot that has changed."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from time import perf_counter

from rich.segment import Segment
from textual.strip import Strip

from benchmarks.table import Row, Unit
from engine.model.snapshot import EngineSnapshot
from tests import scenes
from tests.tui.clients import SceneClient
from tui.app import GridwrightApp
from tui.panes.ladder import Ladder
from tui.view import View

SLOTS = (40, 200, 2_000)
SCREENS = ((120, 40), (200, 60))
TARGET_MS = 10.0
_FRAMES = 50
_AGAINST = "strips of plain text"


def measure() -> Iterator[Row]:
    """Milliseconds a frame, medians; the yardstick makes the same number of plain strips."""
    for size in SCREENS:
        for count in SLOTS:
            yield from asyncio.run(_rows(count, size))


async def _rows(count: int, size: tuple[int, int]) -> list[Row]:
    scene = scenes.large(count, scenes.LOWER + scenes.STEP * (count // 2) + 12)
    app = GridwrightApp(SceneClient(scene))
    async with app.run_test(size=size) as pilot:
        await app.poll()
        await pilot.pause()
        app.workers.cancel_all()
        ladder = app.screen.query_one(Ladder)
        name = f"{count:,} slots on {size[0]}x{size[1]}"
        plain = _milliseconds(lambda _: _plain_strips(ladder))
        return [
            _row(f"{name}: every row anew", _milliseconds(_all_rows(ladder)), plain),
            _row(f"{name}: one slot changed", _milliseconds(_one_row(ladder, scene)), plain),
            _row(f"{name}: the price moved", _milliseconds(_price_moved(ladder, scene)), plain),
        ]


def _row(what: str, value: float, plain: float) -> Row:
    return Row(
        what=what,
        value=value,
        unit=Unit.MILLISECONDS,
        yardstick=plain,
        against=_AGAINST,
        target=TARGET_MS,
    )


def _milliseconds(frame: Callable[[int], object]) -> float:
    times = []
    for number in range(_FRAMES):
        start = perf_counter()
        frame(number)
        times.append(perf_counter() - start)
    return 1000 * median(times)


def _plain_strips(ladder: Ladder) -> None:
    for row in range(ladder.size.height):
        Strip([Segment(f"{row}".ljust(ladder.size.width))])


def _all_rows(ladder: Ladder) -> Callable[[int], None]:
    def frame(_: int) -> None:
        ladder._repaint()
        for row in range(ladder.size.height):
            ladder.render_line(row)

    return frame


def _one_row(ladder: Ladder, scene: EngineSnapshot) -> Callable[[int], None]:
    """A visible slot has one cycle more in each frame."""
    grid = scene.grids[0]
    index = len(grid.slots) // 2 - 3

    def frame(number: int) -> None:
        slots = list(grid.slots)
        slots[index] = replace(slots[index], cycles=100 + number)
        _draw(ladder, replace(scene, grids=(replace(grid, slots=tuple(slots)),)))

    return frame


def _price_moved(ladder: Ladder, scene: EngineSnapshot) -> Callable[[int], None]:
    """The price goes to and fro inside its slot; every distance changes."""
    grid = scene.grids[0]
    price = grid.price or scenes.LOWER

    def frame(number: int) -> None:
        _draw(ladder, replace(scene, grids=(replace(grid, price=price + 25 * (1 + number % 2)),)))

    return frame


def _draw(ladder: Ladder, scene: EngineSnapshot) -> None:
    """What the pane does with a snapshot, and what the compositor then asks it for."""
    ladder._dirty_regions.clear()
    ladder.draw(View(engine=scene, grid=scene.grids[0]))
    if not ladder._dirty_regions:
        raise AssertionError("expected a row to repaint, found none")
    for region in tuple(ladder._dirty_regions):
        for row in range(region.y, region.bottom):
            ladder.render_line(row)

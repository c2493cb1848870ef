"""The end of an engine that shall not leave its orders behind."""

from collections.abc import Mapping
from contextlib import suppress

import anyio

from engine.model.errors import CommandRefused
from engine.model.grid import Disposal, GridState
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.grid_control import GridControl

CLOSE_SECONDS_MAX = 60.0
_STOPPABLE = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY, GridState.STOPPING)


async def leave(
    coordinators: Mapping[str, GridCoordinator], controls: Mapping[str, GridControl], disposal: Disposal
) -> int:
    """Stop every grid that runs and wait for the end of it; how many orders are still on the exchange then."""
    leaving = {name: grid for name, grid in coordinators.items() if grid.books.state in _STOPPABLE}
    for name in leaving:
        # A grid that has just ended by itself needs no more.
        with suppress(CommandRefused):
            await controls[name].stop(disposal, by="exit")
    with anyio.move_on_after(CLOSE_SECONDS_MAX):
        while any(grid.books.state is not GridState.STOPPED for grid in leaving.values()):  # noqa: ASYNC110 - once
            await anyio.sleep(0.05)
    unfinished = (grid.books for grid in leaving.values() if grid.books.state is not GridState.STOPPED)
    return sum(len(books.slot_of_order) for books in unfinished)

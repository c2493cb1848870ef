"""Edits of the default grid, and how tests ask for them."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from engine.model.commands import EditGrid, GridChange
from engine.model.errors import CommandRefused
from engine.model.slot import order_of
from engine.runtime.engine import Engine

D = Decimal
STILL = (155, 145, 145, 145, 145, 145, 145, 145)
HIGHER = GridChange(lower=D(120), upper=D(220))
NARROWER = GridChange(lower=D(120), upper=D(180), slots=6)
FINER = GridChange(slots=20)
BIGGER = GridChange(size=D(2))


async def edit(engine: Engine, change: GridChange) -> str:
    return (await engine.command(EditGrid(grid="main", change=change), by="test")).message


async def refusal_of(act: Callable[[], Awaitable[object]]) -> str:
    """Why the engine does not do it."""
    with pytest.raises(CommandRefused) as refused:
        await act()
    return str(refused.value)


def live_ids(engine: Engine) -> dict[int, str]:
    """Client order id of every live order, by slot."""
    orders = ((slot.index, order_of(slot)) for slot in engine.coordinators["main"].books.live_slots())
    return {index: order.client_order_id for index, order in orders if order is not None}

"""After a restart: orders that were live when the journal ended may have become anything since."""

from collections.abc import Iterable
from functools import partial

import anyio

from engine.model.order import OrderReport, OrderRequest
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.executor import NEVER_ARRIVED, OrderExecutor


async def ask_about_live_orders(
    coordinators: Iterable[GridCoordinator], executor: OrderExecutor, *, now_ms: int
) -> None:
    """Ask for every order that is not closed until it is known, and book what became of it; all grids at once.

    An order that the exchange once showed and now does not know is left as it is: it has vanished, which
    is for the reconciler to put to a person.
    """
    async with anyio.create_task_group() as asking:
        for coordinator in coordinators:
            asking.start_soon(partial(_ask, coordinator, executor, now_ms=now_ms))


async def _ask(coordinator: GridCoordinator, executor: OrderExecutor, *, now_ms: int) -> None:
    reports: list[OrderReport] = []

    async def ask(request: OrderRequest, *, was_seen: bool) -> None:
        # It may have been sent up to the moment in which the engine before this one ended.
        report = await executor.resolve(request, sent_until_ms=now_ms)
        if not (was_seen and report.reason == NEVER_ARRIVED):
            reports.append(report)

    async with anyio.create_task_group() as asking:
        for request, was_seen in coordinator.manager.live_requests():
            asking.start_soon(partial(ask, request, was_seen=was_seen))
    if reports:
        await coordinator.apply_reports(reports)

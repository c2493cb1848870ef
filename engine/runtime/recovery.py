"""After a restart: what became of the orders of which the exchange has never said anything."""

from collections.abc import Iterable

import anyio

from engine.model.order import OrderReport, OrderRequest
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.executor import OrderExecutor


async def ask_about_unseen_orders(
    coordinators: Iterable[GridCoordinator], executor: OrderExecutor, *, now_ms: int
) -> None:
    """Ask for every order that was intended and never acknowledged, until it is known; all grids at once.

    An order that the exchange has shown before is for the reconciler to compare: what happened to it
    meanwhile is a correction, by the policy and with a trace of its own.
    """
    async with anyio.create_task_group() as asking:
        for coordinator in coordinators:
            asking.start_soon(_ask, coordinator, executor, now_ms)


async def _ask(coordinator: GridCoordinator, executor: OrderExecutor, now_ms: int) -> None:
    reports: list[OrderReport] = []

    async def ask(request: OrderRequest) -> None:
        # It may have been sent up to the moment in which the engine before this one ended.
        reports.append(await executor.resolve(request, sent_until_ms=now_ms))

    async with anyio.create_task_group() as asking:
        for request, was_seen in coordinator.manager.live_requests():
            if not was_seen:
                asking.start_soon(ask, request)
    if reports:
        await coordinator.apply_reports(reports)

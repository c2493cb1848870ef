"""The rate budget: no window of ten seconds ever holds more than was agreed, and cancellations have room."""

from collections.abc import Awaitable, Callable
from random import Random

import anyio
import pytest

from engine.model.errors import RetryScope, Transient
from engine.runtime.clock import VirtualClock, run_on
from engine.runtime.rate_budget import USUAL_RATE, AccountRate, RateBudget


def times_of(count: int, spend: Callable[[RateBudget], Callable[[], Awaitable[None]]]) -> list[int]:
    """When each of many tasks that want to spend at once may."""
    clock = VirtualClock(start_ms=0)
    times: list[int] = []

    async def one(budget: RateBudget) -> None:
        await spend(budget)()
        times.append(clock.now_ms())

    async def all_at_once() -> None:
        budget = RateBudget(clock, AccountRate(orders_max=3, requests_max=5))
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one, budget)

    run_on(clock, all_at_once)
    return times


def test_orders_beyond_the_window_wait_until_it_has_moved_on() -> None:
    assert times_of(8, lambda budget: budget.spend_order) == [0, 0, 0, *[10_000] * 3, *[20_000] * 2]


def test_cancellations_use_the_whole_of_the_requests() -> None:
    assert times_of(7, lambda budget: budget.spend_cancel) == [0] * 5 + [10_000] * 2


def test_a_cancellation_goes_out_at_once_though_orders_wait() -> None:
    clock = VirtualClock(start_ms=0)

    async def order_a_lot_and_cancel() -> int:
        budget = RateBudget(clock, AccountRate(orders_max=3, requests_max=5))
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(budget.spend_order)
            await anyio.sleep(1)
            await budget.spend_cancel()
            cancelled_ms = clock.now_ms()
            tasks.cancel_scope.cancel()
        return cancelled_ms

    assert run_on(clock, order_a_lot_and_cancel) == 1_000


def test_no_window_ever_holds_more_than_was_agreed() -> None:
    """A thousand random requests of both kinds, checked afterwards over every window."""
    clock, dice = VirtualClock(start_ms=0), Random(5)
    orders: list[int] = []
    cancels: list[int] = []

    async def spend_now_and_then(budget: RateBudget) -> None:
        for _ in range(50):
            await anyio.sleep(dice.random() * 3)
            if dice.random() < 0.6:
                await budget.spend_order()
                orders.append(clock.now_ms())
            else:
                await budget.spend_cancel()
                cancels.append(clock.now_ms())

    async def twenty_tasks() -> None:
        budget = RateBudget(clock, AccountRate(orders_max=45, requests_max=60))
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(spend_now_and_then, budget)

    run_on(clock, twenty_tasks)
    for times, limit in ((orders, 45), (sorted(orders + cancels), 60)):
        assert all(later - earlier >= 10_000 for earlier, later in zip(times, times[limit:], strict=False))
    assert len(orders) + len(cancels) == 1_000


def test_a_budget_without_headroom_is_refused() -> None:
    with pytest.raises(ValueError, match="orders_max must be below requests_max, was 5 and 5"):
        AccountRate(orders_max=5, requests_max=5)


def test_a_window_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="window_seconds must be above 0, was 0"):
        AccountRate(window_seconds=0)


def test_the_rate_of_an_account_tells_its_orders_per_minute() -> None:
    assert (USUAL_RATE.orders_per_minute, AccountRate(orders_max=10, window_seconds=1).orders_per_minute) == (270, 600)


def first_times(error: Transient) -> tuple[int, int]:
    """When the first placement and the first cancellation go out after the exchange has said this."""
    clock = VirtualClock(start_ms=0)
    times: dict[str, int] = {}

    async def spend(name: str, wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        times[name] = clock.now_ms()

    async def both() -> None:
        budget = RateBudget(clock)
        budget.heed(error)
        budget.heed(Transient("a shorter wait", retry_after_seconds=1, scope=error.scope))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spend, "order", budget.spend_order)
            tasks.start_soon(spend, "cancel", budget.spend_cancel)

    run_on(clock, both)
    return times["order"], times["cancel"]


def test_REL_26_REL_27_a_rate_limit_holds_back_placements_alone_and_a_ban_everything() -> None:  # noqa: N802 - named so
    assert first_times(Transient("busy", retry_after_seconds=7)) == (0, 0)
    assert first_times(Transient("too many orders", retry_after_seconds=7, scope=RetryScope.ORDERS)) == (7_000, 0)
    assert first_times(Transient("banned", retry_after_seconds=7.5, scope=RetryScope.ACCOUNT)) == (7_500, 7_500)

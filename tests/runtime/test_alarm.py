"""The alarm: at its moment, once, and never before."""

from collections.abc import Awaitable, Callable

import anyio

from engine.runtime.alarm import Alarm
from engine.runtime.clock import VirtualClock, run_on


def _rung(script: Callable[[Alarm], Awaitable[None]]) -> list[int]:
    """When the alarm rang while ``script`` ran beside it, from 0 on."""
    clock = VirtualClock(start_ms=0)
    rung: list[int] = []

    async def life() -> None:
        alarm = Alarm(clock, lambda: rung.append(clock.now_ms()))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alarm.run)
            await script(alarm)
            tasks.cancel_scope.cancel()

    run_on(clock, life)
    return rung


def test_it_rings_at_its_moment_once_and_to_the_millisecond() -> None:
    async def script(alarm: Alarm) -> None:
        alarm.set(3)
        await anyio.sleep(1_000)

    assert _rung(script) == [3]


def test_it_rings_at_the_moment_that_was_set_last_earlier_or_later() -> None:
    async def script(alarm: Alarm) -> None:
        alarm.set(50)
        await anyio.sleep(0.01)
        alarm.set(90)
        await anyio.sleep(0.2)
        alarm.set(900)
        await anyio.sleep(0.01)
        alarm.set(400)
        await anyio.sleep(1)

    assert _rung(script) == [90, 400]


def test_a_moment_that_is_taken_back_never_comes_and_one_that_has_passed_comes_at_once() -> None:
    async def script(alarm: Alarm) -> None:
        alarm.set(50)
        await anyio.sleep(0.01)
        alarm.set(None)
        await anyio.sleep(1)
        alarm.set(7)
        await anyio.sleep(1)

    assert _rung(script) == [1_010]

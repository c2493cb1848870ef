"""Virtual time: it jumps to what comes next, stands still for real work, and one instant is in one order."""

from functools import partial

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.clock import RealClock, VirtualClock, run_on

YEAR_SECONDS = 366 * 86_400


def test_a_year_of_sleep_takes_no_time_and_ends_exactly_when_it_should() -> None:
    clock = VirtualClock(start_ms=1_000)

    async def sleep() -> None:
        await anyio.sleep(YEAR_SECONDS)
        await anyio.sleep(0.001)

    run_on(clock, sleep)
    assert clock.now_ms() == 1_000 + YEAR_SECONDS * 1_000 + 1


def test_a_timeout_is_virtual_too() -> None:
    clock = VirtualClock(start_ms=0)

    async def wait_for_ever() -> bool:
        with anyio.move_on_after(3_600) as scope:
            await anyio.Event().wait()
        return scope.cancelled_caught

    assert run_on(clock, wait_for_ever)
    assert clock.now_ms() == 3_600_000


@given(delays=st.lists(st.integers(1, 5_000), min_size=1, max_size=30), late=st.integers(0, YEAR_SECONDS))
def test_timers_of_one_instant_ring_in_the_order_they_were_set_however_their_floats_were_summed(
    delays: list[int], late: int
) -> None:
    """Every task gets to the same instant by another sum, and sets its last timer when it is its turn."""
    clock = VirtualClock(start_ms=0)
    rung: list[int] = []
    end = sum(delays) + 5_000

    async def get_there(number: int, delay: int) -> None:
        await anyio.sleep(delay / 1_000)
        set_up.append(number)
        await anyio.sleep((end - delay) / 1_000)
        rung.append(number)

    async def all_of_them() -> None:
        await anyio.sleep(late)
        async with anyio.create_task_group() as tasks:
            for number, delay in enumerate(delays):
                tasks.start_soon(get_there, number, delay)

    set_up: list[int] = []
    run_on(clock, all_of_them)
    assert rung == set_up
    assert clock.now_ms() == late * 1_000 + end


def test_virtual_time_stands_still_while_real_work_is_held() -> None:
    """A thread works; a timer that would ring next does not ring before it is done."""
    clock = VirtualClock(start_ms=0)
    order: list[str] = []

    async def work() -> None:
        with clock.hold():
            assert clock.is_held
            await anyio.to_thread.run_sync(partial(sum, range(200_000)))
            order.append(f"work at {clock.now_ms()}")

    async def ring() -> None:
        await anyio.sleep(1)
        order.append(f"ring at {clock.now_ms()}")

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ring)
            tasks.start_soon(work)

    run_on(clock, both)
    assert order == ["work at 0", "ring at 1000"]
    assert not clock.is_held


def test_speed_paces_market_time_against_the_wall_and_zero_does_not_wait() -> None:
    clock = VirtualClock(start_ms=0)
    assert clock.wall_seconds_until(1_000) == 0.0
    clock.speed = 100
    assert 9 < clock.wall_seconds_until(1_000) <= 10
    clock.speed = 1_000
    assert 0.9 < clock.wall_seconds_until(1_000) <= 1
    with pytest.raises(ValueError, match="speed must be at least 0, was -1"):
        clock.speed = -1


def test_real_time_has_no_speed_and_its_own_loop() -> None:
    clock = RealClock()
    assert clock.speed is None
    before = clock.now_ms()
    run_on(clock, anyio.sleep, 0)
    assert clock.now_ms() >= before

"""Requests leave at once while there is room, and never faster than the exchange allows."""

import anyio
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.requests.pace import BURST_MS, Pace
from engine.runtime.clock import VirtualClock, run_on


def leave_times(unit_ms: float, requests: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """When each request left, with its cost in milliseconds; each came ``pause`` after the one before it was asked."""
    clock = VirtualClock(start_ms=1_000_000)
    left: list[tuple[float, float]] = []

    async def ask(pace: Pace, cost: float) -> None:
        await pace(cost)
        left.append((clock.seconds * 1000, cost * unit_ms))

    async def ask_all() -> None:
        pace = Pace(unit_ms, now_ms=lambda: clock.seconds * 1000)
        async with anyio.create_task_group() as tasks:
            for cost, pause_ms in requests:
                await anyio.sleep(pause_ms / 1000)
                tasks.start_soon(ask, pace, cost)

    run_on(clock, ask_all)
    return left


def test_a_second_s_worth_leaves_at_once_and_the_rest_at_the_exchange_s_rate() -> None:
    left = leave_times(50, [(1.0, 0)] * 23)
    assert [at for at, _ in left[:21]] == [0.0] * 21
    assert [round(at) for at, _ in left[21:]] == [50, 100]


def test_an_allowance_that_was_not_used_comes_back_with_time() -> None:
    left = leave_times(50, [(20.0, 0), (1.0, 500), (1.0, 0)])
    assert [round(at) for at, _ in left] == [0, 500, 500]


@given(
    unit_ms=st.sampled_from((5.0, 50.0, 333.0)),
    requests=st.lists(st.tuples(st.sampled_from((0.2, 1.0, 4.0, 20.0)), st.integers(0, 400)), max_size=60),
)
def test_no_span_of_time_costs_more_than_itself_and_one_burst(
    unit_ms: float, requests: list[tuple[float, int]]
) -> None:
    left = leave_times(unit_ms, requests)
    for first in range(len(left)):
        spent = 0.0
        for at, cost in left[first:]:
            # The last request of a span may run into debt: the next one pays for it.
            assert spent <= at - left[first][0] + BURST_MS + 1
            spent += cost

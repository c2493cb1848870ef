"""One session: what ends it, what does not, and what it tells."""

import asyncio
from collections.abc import Callable

import anyio
import pytest

from engine.exchange.foreign.streams.stream_session import StreamBroken, StreamSession
from engine.runtime.clock import VirtualClock, run_on

Script = Callable[[StreamSession], None]


def broken_by(
    script: Script, *, clock: VirtualClock | None = None, look: Callable[[], str | None] = lambda: None
) -> str:
    """Why a session ends in which this is done."""
    clock = clock or VirtualClock(start_ms=1_000_000)

    async def live() -> None:
        async with anyio.create_task_group() as tasks:
            script(StreamSession(tasks, look=look, now_ms=clock.now_ms))

    with pytest.raises(ExceptionGroup) as caught:
        run_on(clock, live)
    assert [type(error) for error in caught.value.exceptions] == [StreamBroken]
    return str(caught.value.exceptions[0])


def test_a_watch_whose_connection_the_library_closes_ends_the_session_and_is_no_cancellation() -> None:
    async def watch() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    assert (
        broken_by(lambda session: session.pump("own orders", watch, print)) == "own orders: the connection was closed"
    )


def test_whatever_the_library_raises_ends_the_session_without_addresses() -> None:
    async def watch() -> None:
        raise KeyError("https://api.example/order?signature=abcdef0123456789abcdef")

    told = broken_by(lambda session: session.pump("trades BTC/USDT", watch, print))
    assert told.startswith("trades BTC/USDT: KeyError")
    assert "signature" not in told


def test_a_mistake_of_ours_is_no_break_of_the_stream() -> None:
    async def watch() -> int:
        return 1

    def took(_: object) -> None:
        raise AssertionError("ours")

    async def live() -> None:
        async with anyio.create_task_group() as tasks:
            StreamSession(tasks, look=lambda: None, now_ms=int).pump("trades", watch, took)

    with pytest.raises(ExceptionGroup) as caught:
        run_on(VirtualClock(start_ms=0), live)
    assert caught.group_contains(AssertionError, match="ours")


def test_a_stream_that_always_has_something_lets_everybody_else_run() -> None:
    async def watch() -> int:
        return 1

    async def somebody_else() -> None:
        await anyio.lowlevel.checkpoint()
        raise StreamBroken("had a turn")

    def script(session: StreamSession) -> None:
        session.pump("flood", watch, lambda _: None)
        session.start(somebody_else)

    assert broken_by(script) == "had a turn"


def test_what_the_look_says_is_wrong_ends_the_session() -> None:
    looks: list[None] = []

    def look() -> str | None:
        looks.append(None)
        return "nobody reads it" if len(looks) == 3 else None

    assert broken_by(lambda session: session.start_looking(), look=look) == "nobody reads it"


def test_rel_43_after_a_sleep_of_the_machine_the_session_is_over() -> None:
    clock = VirtualClock(start_ms=1_000_000)
    asleep_ms = [0]

    async def live() -> None:
        async with anyio.create_task_group() as tasks:
            StreamSession(tasks, look=lambda: None, now_ms=lambda: clock.now_ms() + asleep_ms[0]).start_looking()
            await anyio.sleep(10)
            asleep_ms[0] = 120_000

    with pytest.raises(ExceptionGroup) as caught:
        run_on(clock, live)
    assert str(caught.value.exceptions[0]) == "this machine slept, or its clock was set forward, by 120 s"
    assert clock.now_ms() < 1_011_000

"""The desk: commands from other threads, whose senders may leave at any time."""

from concurrent.futures import Future

import anyio
from anyio.lowlevel import checkpoint

from engine.model.commands import Command, CommandDone, SetSpeed
from engine.runtime.clock import VirtualClock
from engine.runtime.desk import CommandDesk


async def never() -> str:
    raise AssertionError("nobody asked for a comparison")


async def test_a_command_whose_sender_has_left_is_done_and_the_next_one_too() -> None:
    clock = VirtualClock(start_ms=0)
    desk = CommandDesk({}, clock, reconcile=never, shut_down=str)
    done: list[float] = []

    async def do(command: Command, by: str) -> CommandDone:
        result = await desk.do(command, by)
        done.append(clock.speed)
        return result

    left, waits = Future[CommandDone](), Future[CommandDone]()
    left.cancel()
    desk.post(SetSpeed(speed=7), left, by="test")
    desk.post(SetSpeed(speed=8), waits, by="test")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.serve, do)
        while not waits.done():
            await checkpoint()
        tasks.cancel_scope.cancel()
    desk.close()
    assert done == [7, 8]
    assert waits.result().message == "speed x8"

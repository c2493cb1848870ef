"""The desk where an operator's commands are taken and done, one after the other for callers on other threads."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future

import anyio

from engine.model.commands import (
    Command,
    CommandDone,
    EditGrid,
    Freeze,
    LiftBlock,
    Panic,
    Pause,
    Reconcile,
    Resolve,
    Resume,
    SetSpeed,
    Shutdown,
    Stop,
    Thaw,
)
from engine.model.errors import CommandRefused, EngineStopped, GridwrightError
from engine.model.grid import Disposal
from engine.runtime.clock import RealClock, VirtualClock
from engine.runtime.grid_control import GridControl

COMMANDS_MAX = 100
_IN_WORDS = {
    Disposal.LEAVE: "its orders stay on the exchange",
    Disposal.CANCEL: "its orders are being cancelled, its inventory is kept",
    Disposal.FLATTEN: "its orders are being cancelled and its inventory sold",
}


class CommandDesk:
    """Knows which grid a command is for; ``grids`` may grow."""

    def __init__(
        self,
        grids: Mapping[str, GridControl],
        clock: RealClock | VirtualClock,
        *,
        reconcile: Callable[[], Awaitable[str]],
        shut_down: Callable[[], str],
    ) -> None:
        self._grids = grids
        self._clock = clock
        self._reconcile = reconcile
        self._shut_down = shut_down
        self._send, self._posted = anyio.create_memory_object_stream[tuple[Command, "Future[CommandDone]", str]](
            COMMANDS_MAX
        )

    async def do(self, command: Command, by: str) -> CommandDone:
        """Do a command. Raises ``CommandRefused``."""
        match command:
            case Pause():
                await self.grid(command.grid).pause(by)
                return CommandDone(message=f"{command.grid}: paused, resting entries are being cancelled")
            case Resume():
                await self.grid(command.grid).resume(by)
                return CommandDone(message=f"{command.grid}: running")
            case Freeze():
                await self.grid(command.grid).freeze(command.slot, by)
                return CommandDone(message=f"{command.grid}: slot {command.slot} is frozen")
            case Thaw():
                await self.grid(command.grid).thaw(command.slot, by)
                return CommandDone(message=f"{command.grid}: slot {command.slot} trades again")
            case Stop():
                grid = self.grid(command.grid)
                await grid.stop(command.disposal, by)
                rest = f"; frozen slots are left as they are: {grid.frozen_slots}" if grid.frozen_slots else ""
                return CommandDone(message=f"{command.grid}: stopping, {_IN_WORDS[command.disposal]}{rest}")
            case Reconcile():
                self.grid(command.grid)
                return CommandDone(message=f"{command.grid}: {await self._reconcile()}")
            case Resolve():
                outcome = await self.grid(command.grid).resolve(command.name, command.resolution, by)
                return CommandDone(message=f"{command.grid}: {command.name} {command.resolution}: {outcome}")
            case Panic():
                await self.grid(command.grid).panic(by)
                return CommandDone(message=f"{command.grid}: panic, entries are being cancelled and nothing opens")
            case LiftBlock():
                return CommandDone(message=f"{command.grid}: {await self.grid(command.grid).lift(command.kind, by)}")
            case EditGrid():
                return CommandDone(message=f"{command.grid}: {await self.grid(command.grid).edit(command.change, by)}")
            case SetSpeed():
                return self._set_speed(command.speed)
            case Shutdown():
                return CommandDone(message=self._shut_down())

    def post(self, command: Command, done: "Future[CommandDone]", *, by: str) -> None:
        """Take a command; ``serve`` does it and tells ``done``."""
        try:
            self._send.send_nowait((command, done, by))
        except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
            done.set_exception(EngineStopped("the engine takes no commands now"))

    async def serve(self, do: Callable[[Command, str], Awaitable[CommandDone]]) -> None:
        """Do what is posted until cancelled, each through ``do``."""
        async with anyio.create_task_group() as comparisons:
            async for command, done, by in self._posted:
                if isinstance(command, Reconcile | EditGrid):
                    # They may wait for the exchange as long as that is away: nobody stands behind them.
                    comparisons.start_soon(_serve_one, do, command, done, by)
                else:
                    await _serve_one(do, command, done, by)

    def close(self) -> None:
        """Take no more commands."""
        self._send.close()
        self._posted.close()

    def _set_speed(self, speed: float) -> CommandDone:
        clock = self._clock
        if isinstance(clock, RealClock):
            raise CommandRefused("expected a simulated market, found one in real time: its speed is what it is")
        if speed < 0:
            raise CommandRefused(f"expected a speed of at least 0, found {speed}")
        clock.speed = speed
        return CommandDone(message="as fast as possible" if speed == 0 else f"speed x{speed:g}")

    def grid(self, name: str) -> GridControl:
        """What can be asked of the grid of this name. Raises ``CommandRefused``."""
        grid = self._grids.get(name)
        if grid is None:
            names = ", ".join(self._grids) or "none yet"
            raise CommandRefused(f"expected the name of a grid ({names}), found {name!r}")
        return grid


async def _serve_one(
    do: Callable[[Command, str], Awaitable[CommandDone]], command: Command, done: "Future[CommandDone]", by: str
) -> None:
    is_awaited = done.set_running_or_notify_cancel()
    try:
        result = await do(command, by)
        if is_awaited:
            done.set_result(result)
    except GridwrightError as error:
        if is_awaited:
            done.set_exception(error)

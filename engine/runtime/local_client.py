"""A client on the engine's own loop: what the control socket serves."""

from collections.abc import Sequence

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import EngineStopped
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot, EngineState
from engine.runtime.engine import Engine


class LocalClient:
    """An ``engine.api.Client`` without a distance; ``by`` names the operator in the journal."""

    def __init__(self, engine: Engine, *, by: str) -> None:
        self._engine = engine
        self._by = by

    async def snapshot(self) -> EngineSnapshot:
        return self._running().snapshot()

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        return self._running().story.after(after, limit)

    async def send(self, command: Command) -> CommandDone:
        return await self._running().command(command, by=self._by)

    async def preflight(self, grid: str) -> Preflight:
        return self._running().preflight(grid)

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        return self._running().preview(grid, change)

    async def close(self) -> None:
        """Leave; the engine goes on."""

    def _running(self) -> Engine:
        if self._engine.state is EngineState.STOPPED:
            raise EngineStopped(f"the engine has stopped: {self._engine.state_reason}")
        return self._engine

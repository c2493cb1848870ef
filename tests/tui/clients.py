"""A client without an engine: it shows scenes and remembers what it was told."""

from collections.abc import Sequence

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import CommandRefused, EngineStopped
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot
from tests import preflight_scenes


class SceneClient:
    """Shows ``scenes`` one after the other, the last one for ever.

    ``stopped`` ends it with that reason; ``refusal`` answers every command and question. ``previews`` are
    told one after the other, the last one for ever.
    """

    def __init__(self, *scenes: EngineSnapshot, events: Sequence[EngineEvent] = ()) -> None:
        self.scenes = list(scenes)
        self.story = list(events)
        self.sent: list[Command] = []
        self.asked: list[tuple[str, GridChange | None]] = []
        self.flight = preflight_scenes.preflight()
        self.previews = [preflight_scenes.preview()]
        self.stopped: str | None = None
        self.refusal: str | None = None
        self.is_closed = False

    async def snapshot(self) -> EngineSnapshot:
        """The next scene."""
        if self.stopped is not None:
            raise EngineStopped(self.stopped)
        return self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The story so far."""
        return [event for event in self.story if event.number > after][-limit:]

    async def send(self, command: Command) -> CommandDone:
        """Remember the command."""
        self.sent.append(command)
        self._refuse()
        return CommandDone(message=f"done: {type(command).__name__}")

    async def preflight(self, grid: str) -> Preflight:
        """The figures it was given."""
        self.asked.append((grid, None))
        self._refuse()
        return self.flight

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        """The next preview."""
        self.asked.append((grid, change))
        self._refuse()
        return self.previews.pop(0) if len(self.previews) > 1 else self.previews[0]

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise CommandRefused(self.refusal)

    async def close(self) -> None:
        """Leave."""
        self.is_closed = True

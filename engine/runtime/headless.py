"""The engine without a screen: logs to stderr, ends in order on SIGTERM and SIGINT, data on stdout."""

import json
import logging
import signal
import sys
from datetime import UTC, datetime

import anyio

from engine.model.snapshot import EngineEvent, EngineSnapshot, EngineState, EventLevel
from engine.model.text import clean_text
from engine.runtime.assembly import World, open_world, run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.settings import JournalKind, Settings
from engine.status import status_from_snapshot

_LOG = logging.getLogger("gridwright")
_LEVELS = {
    EventLevel.INFO: logging.INFO,
    EventLevel.WARNING: logging.WARNING,
    EventLevel.ERROR: logging.ERROR,
}


def run_headless(settings: Settings, *, until_end: bool, fresh: bool) -> int:
    """Run until SIGTERM or SIGINT, or until the replayed data ends; returns the exit code.

    ``until_end`` prints the status of that moment as JSON on stdout.

    Raises:
        SettingsInvalid: what is configured cannot be run.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    run = _HeadlessRun(until_end=until_end)
    with open_world(settings, fresh=fresh) as world:
        run_on(world.clock, run.live, world)
    is_kept = settings.simulation.journal is JournalKind.FILE
    _LOG.info("closed; %s", f"the state is kept in {world.folder}" if is_kept else "nothing is kept")
    if until_end and run.last is not None:
        print(json.dumps(status_from_snapshot(run.last), indent=2))
    return 1 if run.is_halted else 0


class _HeadlessRun:
    def __init__(self, *, until_end: bool) -> None:
        self._until_end = until_end
        self.last: EngineSnapshot | None = None
        self._engine: Engine | None = None

    @property
    def is_halted(self) -> bool:
        """Whether the engine ended otherwise than it was asked to."""
        return self._engine is not None and self._engine.state is EngineState.HALTED

    async def live(self, world: World) -> None:
        await run_world(world, self._watch)

    async def _watch(self, engine: Engine) -> None:
        engine.story.listener = _log_event
        try:
            await self._until_told(engine)
        finally:
            self._engine = engine
            engine.close()

    async def _until_told(self, engine: Engine) -> None:
        """Wait for a signal, and with ``until_end`` for the end of the data or of the engine."""
        async with anyio.create_task_group() as waiting:

            async def until_signal() -> None:
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for number in signals:
                        _LOG.info("%s: closing", signal.Signals(number).name)
                        waiting.cancel_scope.cancel()
                        return

            async def until_over() -> None:
                await engine.wait_started()
                await engine.wait_over()
                waiting.cancel_scope.cancel()

            waiting.start_soon(until_signal)
            if self._until_end:
                waiting.start_soon(until_over)
        if self._until_end:
            if engine.state is EngineState.RUNNING:
                await engine.wait_quiet()
            self.last = engine.snapshot()


def _log_event(event: EngineEvent) -> None:
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    where = f" {event.grid}" if event.grid else ""
    slot = f"[{event.slot}]" if event.slot is not None else ""
    _LOG.log(_LEVELS[event.level], "%s%s%s %s", at, where, slot, clean_text(event.text, 500))

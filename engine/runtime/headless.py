"""The engine without a screen: logs to stderr or a file, ends in order on SIGTERM and SIGINT."""

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio

from engine.model.snapshot import EngineEvent, EngineSnapshot, EngineState, EventLevel, Mode
from engine.model.text import clean_text
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.engine_log import open_log
from engine.runtime.hardening import harden_process
from engine.runtime.redaction import Redactor, install_redaction
from engine.runtime.worlds import SimulatedWorld, World, open_world
from engine.settings import JournalKind, Settings, Start

_LOG = logging.getLogger("gridwright")
_LEVELS = {
    EventLevel.INFO: logging.INFO,
    EventLevel.WARNING: logging.WARNING,
    EventLevel.ERROR: logging.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlessEnd:
    """How a run ended; ``last`` is the engine as it was when the data ended, None where nobody waited for that."""

    is_halted: bool
    last: EngineSnapshot | None


def run_headless(
    settings: Settings, *, until_end: bool, start: Start | None = None, log_file: Path | None = None
) -> HeadlessEnd:
    """Run until SIGTERM, SIGINT or the command to end, or with ``until_end`` until the replayed data ends.

    ``log_file`` takes the log in place of stderr, and keeps a few old ones beside it.

    Raises:
        SettingsInvalid: what is configured cannot be run.
    """
    open_log(log_file)
    if settings.engine.mode is not Mode.SIMULATION:
        for trouble in harden_process():
            _LOG.warning("%s", trouble)
    is_now = log_file is not None and settings.engine.mode is not Mode.SIMULATION
    run = _HeadlessRun(until_end=until_end, log_event=_log_event_of_now if is_now else _log_event)
    with open_world(settings, start or Start()) as world:
        if not isinstance(world, SimulatedWorld):
            # For as long as the process lives: what it says at its very end is redacted as well.
            install_redaction(Redactor(() if world.keys is None else world.keys.every()))
        run_on(world.clock, run.live, world)
    _LOG.info("closed; %s", f"the state is kept in {world.folder}" if _is_kept(world) else "nothing is kept")
    return HeadlessEnd(is_halted=run.is_halted, last=run.last)


def _is_kept(world: World) -> bool:
    return not isinstance(world, SimulatedWorld) or world.settings.simulation.journal is JournalKind.FILE


class _HeadlessRun:
    def __init__(self, *, until_end: bool, log_event: Callable[[EngineEvent], None]) -> None:
        self._until_end = until_end
        self._log_event = log_event
        self.last: EngineSnapshot | None = None
        self._engine: Engine | None = None

    @property
    def is_halted(self) -> bool:
        """Whether the engine ended otherwise than it was asked to."""
        return self._engine is not None and self._engine.state is EngineState.HALTED

    async def live(self, world: World) -> None:
        await run_world(world, self._watch)

    async def _watch(self, engine: Engine) -> None:
        engine.story.listener = self._log_event
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
    _LOG.log(_LEVELS[event.level], "%s%s", at, _in_words(event))


def _log_event_of_now(event: EngineEvent) -> None:
    """Where the log tells the time itself, and the market's is the same."""
    _LOG.log(_LEVELS[event.level], "%s", _in_words(event).lstrip())


def _in_words(event: EngineEvent) -> str:
    where = f" {event.grid}" if event.grid else ""
    slot = f"[{event.slot}]" if event.slot is not None else ""
    return f"{where}{slot} {clean_text(event.text, 500)}"

"""The engine inside the terminal's process: on its own thread, with its own event loop.

Whatever the screen's loop does, the engine does not notice. A client calls across by
handing plain functions to the engine's loop; the thread that started the engine ends it,
in order, and waits.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import perf_counter
from typing import Any, TypeVar

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import EngineStopped, GridwrightError
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.worlds import World, open_world
from engine.settings import Settings, Start

START_SECONDS_MAX = 0.8
"""A start that takes longer is waited for by the screen, which says so."""
_END_SECONDS_MAX = 90.0
T = TypeVar("T")


class EmbeddedEngine:
    """An ``engine.api.Client`` that owns its engine's thread."""

    def __init__(self, settings: Settings, *, fresh: bool) -> None:
        self._settings = settings
        self._fresh = fresh
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outstanding: set[Future[Any]] = set()
        self._failure: GridwrightError | None = None
        self._has_begun = threading.Event()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> GridwrightError | None:
        """Why the engine could not be started, or what ended it."""
        return self._failure

    def wait_ready(self, seconds: float = START_SECONDS_MAX) -> None:
        """Wait until the engine trades, halts or has failed; or until it is clear that it takes longer.

        Raises:
            SettingsInvalid: what is configured cannot be run.
        """
        self._is_ready.wait(seconds)
        if self._failure is not None:
            raise self._failure

    async def snapshot(self) -> EngineSnapshot:
        asked = perf_counter()

        def look(engine: Engine) -> EngineSnapshot:
            engine.note_lag((perf_counter() - asked) * 1000)
            return engine.snapshot()

        return await self._call(look)

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        return await self._call(lambda engine: engine.story.after(after, limit))

    async def send(self, command: Command) -> CommandDone:
        done: Future[CommandDone] = Future()
        await self._call(lambda engine: engine.post(command, done, by="terminal"))
        return await self._outcome(done)

    async def preflight(self, grid: str) -> Preflight:
        return await self._call(lambda engine: engine.preflight(grid))

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        return await self._call(lambda engine: engine.preview(grid, change))

    async def close(self) -> None:
        """End the engine in order (``on_exit``) and wait for it."""
        if self._thread.is_alive():
            await self._call_if_alive(lambda engine: engine.close())
            await asyncio.to_thread(self._thread.join, _END_SECONDS_MAX)

    async def _call_if_alive(self, function: Callable[[Engine], None]) -> None:
        try:
            await self._call(function)
        except EngineStopped:
            return

    async def _call(self, function: Callable[[Engine], T]) -> T:
        if self._engine is None and self._thread.is_alive():
            await asyncio.to_thread(self._has_begun.wait)
        engine, loop = self._engine, self._loop
        if engine is None or loop is None or not self._thread.is_alive():
            raise EngineStopped(str(self._failure) if self._failure else "the engine is not running")
        result: Future[T] = Future()

        def run() -> None:
            if not result.set_running_or_notify_cancel():
                return  # whoever asked has left
            try:
                result.set_result(function(engine))
            except GridwrightError as error:
                result.set_exception(error)

        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:
            raise EngineStopped("the engine has ended") from None
        return await self._outcome(result)

    async def _outcome(self, result: Future[T]) -> T:
        """Wait for what the engine's thread answers; an engine that ends answers with ``EngineStopped``."""
        self._outstanding.add(result)
        try:
            if not self._thread.is_alive() and not result.done():
                raise EngineStopped("the engine has ended")
            return await asyncio.wrap_future(result)
        finally:
            self._outstanding.discard(result)

    def _live(self) -> None:
        """The engine's thread."""
        try:
            with open_world(self._settings, Start(is_fresh=self._fresh)) as world:
                run_on(world.clock, self._run, world)
        except GridwrightError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - whatever ends this thread, the terminal must hear of it
            self._failure = EngineStopped(f"{type(error).__name__}: {error}")
        finally:
            self._has_begun.set()
            self._is_ready.set()
            for result in tuple(self._outstanding):
                if not result.done():
                    result.set_exception(EngineStopped(str(self._failure or "the engine has ended")))

    async def _run(self, world: World) -> None:
        async def started(engine: Engine) -> None:
            self._loop = asyncio.get_running_loop()
            self._engine = engine
            self._has_begun.set()
            await engine.wait_started()
            self._is_ready.set()

        await run_world(world, started)

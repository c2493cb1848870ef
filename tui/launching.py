"""From the first frame to an engine that answers, where the engine lives in a process of its own.

An engine that runs is attached to. Else real money, and the testnet too, needs a person's yes; then the engine's
process is started, and while it opens the exchange the terminal says what it is doing.
"""

import shlex
import sys
from functools import partial

import anyio
from textual.app import App

from engine import api
from engine.model.errors import SettingsInvalid
from engine.model.snapshot import EngineState, Mode
from engine.settings import Settings, Start
from tui.present.dialogs import farewell_text
from tui.screens.live import LiveScreen


class Launching:
    """How one terminal comes to its engine."""

    def __init__(self, engine: api.Launch, settings: Settings, start: Start) -> None:
        self._engine = engine
        self._settings = settings
        self._start = start
        self.has_engine = False
        """Whether there is an engine that goes on when the terminal is left."""

    @property
    def failure(self) -> SettingsInvalid | None:
        """Why no engine could be started."""
        return self._engine.failure

    def progress(self) -> str:
        """What the engine that does not answer yet is doing."""
        exchange = self._settings.exchange.id
        return self._engine.progress() or f"the engine for {exchange}"

    async def run(self, app: App[None]) -> None:
        """Find or start the engine; to be run in a worker of ``app``, which is left if a person says no."""
        try:
            await self._run(app)
        except SettingsInvalid as invalid:
            self._engine.fail(invalid)

    async def _run(self, app: App[None]) -> None:
        if await self._engine.find():
            self.has_engine = True
            if self._start.is_fresh:
                folder = self._settings.engine.state_dir
                raise SettingsInvalid(
                    f"--fresh: expected no engine on {folder}, found one running: gridwright quit ends it"
                )
            return
        if self._settings.engine.mode is Mode.LIVE and not self._start.is_live_confirmed:
            is_agreed = await app.push_screen_wait(LiveScreen(self._engine, self._settings))
            if not is_agreed:
                app.exit(return_code=0)
                return
            if not self._settings.exchange.sandbox:
                self._engine.confirm()
        self._engine.launch()
        self.has_engine = True
        await self._engine.wait()


def run_launched(settings: Settings, start: Start) -> int:
    """Show the engine of these settings until the user leaves it; the program's exit code."""
    # Imported here: the app itself knows this module.
    from tui.app import EXIT_FAILED, EXIT_WRONG_USE, GridwrightApp

    engine = api.launch(settings, start)
    launching = Launching(engine, settings, start)
    app = GridwrightApp(engine, on_exit=None, open_history=partial(api.open_history, settings), launching=launching)

    async def show() -> None:
        try:
            await app.run_async()
        finally:
            with anyio.CancelScope(shield=True):
                await engine.close()

    anyio.run(show)
    if engine.failure is not None:
        sys.stderr.write("".join(f"{problem}\n" for problem in engine.failure.problems))
        is_begun = app.newest is not None and app.newest.state is not EngineState.STARTING
        return EXIT_FAILED if is_begun else EXIT_WRONG_USE
    if launching.has_engine and not app.return_code:
        sys.stderr.write(farewell_text(app.newest, shlex.quote(str(settings.engine.state_dir))) + "\n")
    return app.return_code or 0

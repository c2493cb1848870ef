"""The terminal application: it asks a client for snapshots, draws them, and sends commands.

It promises to show the last known numbers, dimmed, when the engine has ended; to leave the
terminal as it was whatever ends it; and never to print local variables. What an engine is
and where it lives it leaves to the client.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.to_thread
from textual.app import App
from textual.binding import BindingType
from textual.screen import ModalScreen

from engine import api
from engine.model.commands import Command
from engine.model.errors import CommandRefused, EngineStopped, JournalFailed, SettingsInvalid
from engine.model.grid import Disposal
from engine.model.snapshot import EngineSnapshot, EngineState, GridSnapshot, Mode
from engine.model.text import clean_text
from engine.settings import Settings, Start
from tui.bindings import bindings_for
from tui.history import History
from tui.keys import Scope
from tui.messages import DrawsView, SendAll, SendCommand
from tui.present.dialogs import needs_asking
from tui.screens.dashboard import Dashboard
from tui.screens.quit import QuitScreen
from tui.theme import FALLBACK, fallback_variables, load_themes
from tui.view import View

if TYPE_CHECKING:
    from tui.launching import Launching

POLL_SECONDS = 0.1
POLL_SECONDS_IDLE = 0.25
PATIENCE_SECONDS = 0.5
"""How long a journal is read before that is said."""
EXIT_FAILED = 1
EXIT_WRONG_USE = 2
_SIGNAL_EXIT_BASE = 128
_UNTOLD_MAX = 8
"""How many answers wait for a dialog to close; the oldest give way."""


class GridwrightApp(App[None]):
    """One terminal on one engine."""

    TITLE = "Gridwright"
    CSS_PATH = [
        "screens/dashboard.tcss",
        "screens/dialogs.tcss",
        "screens/reconcile.tcss",
        "screens/rewind.tcss",
        "screens/bounds.tcss",
        "screens/preflight.tcss",
        "screens/live.tcss",
    ]
    BINDINGS: ClassVar[list[BindingType]] = bindings_for(Scope.APP)
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        client: api.Client,
        *,
        on_exit: Disposal | None = Disposal.LEAVE,
        open_history: Callable[[], api.History] | None = None,
        launching: "Launching | None" = None,
    ) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._client = client
        self._on_exit = on_exit
        self._open_history = open_history
        self._launching = launching
        self._starting = ""
        self._is_rewinding = False
        self._engine: EngineSnapshot | None = None
        self._ended: str | None = None
        self._grid = 0
        self._last_event = 0
        self._history = History()
        self._untold: deque[Callable[[], None]] = deque(maxlen=_UNTOLD_MAX)
        self._dashboard = Dashboard()
        loaded = load_themes()
        self._theme_problems = loaded.problems
        for theme in loaded.themes:
            self.register_theme(theme)
        self._themes = tuple(theme.name for theme in loaded.themes) or (FALLBACK,)
        self.theme = self._themes[0]

    @property
    def newest(self) -> EngineSnapshot | None:
        """The last snapshot of the engine; None until it has answered."""
        return self._engine

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours for themes that are not ours."""
        return fallback_variables()

    async def on_mount(self) -> None:
        """Show the dashboard at once; the engine may take its time."""
        await self.push_screen(self._dashboard)
        for problem in self._theme_problems:
            self.notify(problem, severity="warning", markup=False)
        if not self.is_headless:
            self._handle_signals()
        self.run_worker(self._keep_polling(), group="poll")
        if self._launching is not None:
            self.run_worker(self._launching.run(self), group="launch")
            self.set_interval(POLL_SECONDS_IDLE, self._tell_starting)

    def _handle_signals(self) -> None:
        """End in order on a closed line or a wish to terminate, so that the terminal is restored."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end_for_signal, number)

    def _end_for_signal(self, number: signal.Signals) -> None:
        self.exit(return_code=_SIGNAL_EXIT_BASE + number.value)

    def _fatal_error(self) -> None:
        """Show an unexpected error without local variables, which may hold secrets."""
        # Imported here: it costs every start a tenth of its time and is needed by none that goes well.
        from rich.segment import Segments
        from rich.traceback import Traceback

        self.bell()
        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    async def _keep_polling(self) -> None:
        """Ask for snapshots as long as the engine answers; less often while nothing happens."""
        while self._ended is None:
            has_changed = await self.poll()
            await anyio.sleep(POLL_SECONDS if has_changed else POLL_SECONDS_IDLE)

    def _tell_starting(self) -> None:
        if self._launching is None or self._engine is not None or self._ended is not None:
            return
        self._starting = self._launching.progress()
        self.draw()

    async def poll(self) -> bool:
        """Ask once and draw; whether there was anything new."""
        self._tell_all()
        try:
            engine = await self._client.snapshot()
            events = await self._client.events(self._last_event)
        except EngineStopped as stopped:
            self._ended = str(stopped)
            self.draw()
            self._tell_failure()
            return True
        if events:
            self._last_event = events[-1].number
            self._dashboard.events.add(events)
        has_changed = self._engine is None or engine.sequence != self._engine.sequence
        if has_changed:
            self._engine = engine
            self._history.add(engine)
            self.draw()
        return has_changed

    def _tell_failure(self) -> None:
        """An engine that never answered is no engine to look at: say why, and leave."""
        failure = None if self._launching is None else self._launching.failure
        is_begun = self._engine is not None and self._engine.state is not EngineState.STARTING
        if failure is not None and not is_begun:
            # Imported here: a start that goes well needs none of it.
            from tui.screens.failed import FailedScreen

            self.push_screen(FailedScreen(failure), lambda _: self._leave(is_sure=True))

    def _view(self) -> View:
        view = self._history.view(self._engine, self._grid, self._ended)
        return replace(view, starting=self._starting) if self._starting else view

    def draw(self) -> None:
        """Let every open screen show the newest numbers."""
        view = self._view()
        for screen in self.screen_stack:
            if isinstance(screen, DrawsView):
                screen.draw(view)

    def on_send_command(self, message: SendCommand) -> None:
        """Send without holding up the screen."""
        self.run_worker(self._send(message.command), group="send")

    async def _send(self, command: Command) -> None:
        try:
            done = await self._client.send(command)
        except (CommandRefused, EngineStopped) as no:
            self._tell_refusal(str(no))
        else:
            self._tell(clean_text(done.message))

    def on_send_all(self, message: SendAll) -> None:
        """Send without holding up the screen, none after the other."""
        self.run_worker(self._send_all(message.commands, message.done), group="send")

    async def _send_all(self, commands: Sequence[Command], done: str) -> None:
        refusals: list[str] = []

        async def send(command: Command) -> None:
            try:
                await self._client.send(command)
            except (CommandRefused, EngineStopped) as no:
                refusals.append(str(no))

        async with anyio.create_task_group() as group:
            for command in commands:
                group.start_soon(send, command)
        if refusals:
            self._tell_refusal("; ".join(refusals))
        else:
            self._tell(done)

    def _tell_refusal(self, text: str) -> None:
        self._tell_later(partial(self.notify, clean_text(text), title="Refused", severity="error", markup=False))

    def _tell(self, text: str) -> None:
        self._tell_later(partial(self.notify, text, markup=False))

    def _tell_later(self, tell: Callable[[], None]) -> None:
        """Say it now, or once the dialog is closed that it would cover."""
        self._untold.append(tell)
        self._tell_all()

    def _tell_all(self) -> None:
        while self._untold and not isinstance(self.screen, ModalScreen):
            self._untold.popleft()()

    def action_next_grid(self) -> None:
        """Show the next grid."""
        self._show_grid(1)

    def action_previous_grid(self) -> None:
        """Show the previous grid."""
        self._show_grid(-1)

    def _show_grid(self, step: int) -> None:
        if self._engine is not None and self._engine.grids:
            self._grid = (self._grid + step) % len(self._engine.grids)
            self.draw()

    def action_rewind(self) -> None:
        """Step back into the journal; the engine goes on."""
        if self._open_history is None:
            self.notify("There is no journal here to step back in.", severity="warning", markup=False)
        elif not self._is_rewinding:
            self._is_rewinding = True
            self.run_worker(self._rewind(self._open_history), group="rewind")

    async def _rewind(self, open_history: Callable[[], api.History]) -> None:
        patience = self.set_timer(PATIENCE_SECONDS, self._say_reading)
        try:
            history = await anyio.to_thread.run_sync(open_history)
        except JournalFailed as failed:
            self._is_rewinding = False
            self.notify(clean_text(str(failed)), title="No past", severity="warning", markup=False)
            return
        finally:
            patience.stop()
        if history.last_sequence == 0:
            self._is_rewinding = False
            self.notify("The journal has no records yet.", severity="warning", markup=False)
            return
        # Imported here: a start needs none of it.
        from tui.screens.rewind import RewindScreen

        view = self._view()
        self.push_screen(RewindScreen(history, view), self._end_rewinding)

    def _say_reading(self) -> None:
        self.notify("Reading the journal; trading goes on.", markup=False)

    def _end_rewinding(self, _: None) -> None:
        self._is_rewinding = False

    def action_panic(self) -> None:
        """Ask which grids shall open nothing any more; what is held can still leave."""
        # Imported here: a start needs none of it.
        from tui.screens.panic import ask_panic

        ask_panic(self, self._view())

    def action_preflight(self) -> None:
        """Show what the chosen grid would do and cost if it were started now."""
        grid = self._grid_to_ask_about()
        if grid is not None:
            # Imported here: a start needs none of it.
            from tui.screens.preflight import PreflightScreen

            self.push_screen(PreflightScreen(self._client, self._view(), grid))

    def action_edit(self) -> None:
        """Change the chosen grid, after a preview."""
        grid = self._grid_to_ask_about()
        if grid is not None:
            # Imported here: a start needs none of it.
            from tui.screens.edit import EditScreen

            self.push_screen(EditScreen(self._client, self._view(), grid))

    def _grid_to_ask_about(self) -> GridSnapshot | None:
        """The chosen grid, if the engine can still be asked about it; else says why not."""
        grid = self._view().grid
        if self._ended is not None:
            self.notify("The engine has stopped; nothing can be asked.", severity="warning", markup=False)
            return None
        if grid is None:
            self.notify("The engine is still starting.", severity="warning", markup=False)
        return grid

    def action_theme(self) -> None:
        """Change to the next theme."""
        at = self._themes.index(self.theme) if self.theme in self._themes else -1
        self.theme = self._themes[(at + 1) % len(self._themes)]

    async def action_quit(self) -> None:
        """Leave; ask first while a grid is at work."""
        if isinstance(self.screen, QuitScreen):
            return
        engine = self._engine
        if engine is None or not needs_asking(engine, self._ended):
            self._leave(is_sure=True)
            return
        self.push_screen(QuitScreen(engine, self._on_exit), lambda is_sure: self._leave(is_sure=bool(is_sure)))

    def _leave(self, *, is_sure: bool) -> None:
        if is_sure:
            self.exit(return_code=EXIT_FAILED if self._ended is not None else 0)

    def action_help_quit(self) -> None:
        """Ctrl+C never leaves: too many fingers know it as copy or as stop."""
        self.notify("Press q to leave; it asks first while a grid is at work.", markup=False)


def run_terminal(settings: Settings, *, start: Start) -> int:
    """Start the engine, show it until the user leaves; the program's exit code.

    A simulation lives in this process and is closed in order; any other engine has one of its own and goes on.
    """
    trouble = _terminal_trouble()
    if trouble:
        sys.stderr.write(trouble + "\n")
        return EXIT_WRONG_USE
    if settings.engine.mode is not Mode.SIMULATION:
        from tui.launching import run_launched

        return run_launched(settings, start)
    try:
        client = api.embed(settings, fresh=start.is_fresh)
    except SettingsInvalid as invalid:
        sys.stderr.write("".join(f"{problem}\n" for problem in invalid.problems))
        return EXIT_WRONG_USE
    code = anyio.run(show, client, settings.engine.on_exit, partial(api.open_history, settings))
    if isinstance(client.failure, SettingsInvalid):
        # It took longer to find than the first frame waited.
        sys.stderr.write("".join(f"{problem}\n" for problem in client.failure.problems))
        return EXIT_WRONG_USE
    return code


async def show(client: api.Client, on_exit: Disposal, open_history: Callable[[], api.History] | None = None) -> int:
    """Show a client until the user leaves, then close it; the program's exit code."""
    app = GridwrightApp(client, on_exit=on_exit, open_history=open_history)
    try:
        await app.run_async()
    finally:
        # The terminal is the user's again; what the engine still has to do must not be cut short.
        with anyio.CancelScope(shield=True):
            await client.close()
    return app.return_code or 0


def is_terminal() -> bool:
    """Whether there is a terminal; Textual draws on stderr and reads keys from stdin."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _terminal_trouble() -> str:
    """Why no screen can be drawn here, or nothing."""
    if not is_terminal():
        return "expected a terminal, found none; without one: gridwright run --headless"
    if os.environ.get("TERM") == "dumb":
        return "TERM=dumb cannot show a screen; without one: gridwright run --headless"
    return ""

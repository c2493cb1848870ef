"""The panic key: one question, answered by a second key, and nothing opens any more.

It promises that a key held down, or enter, is no answer; that each grid is told for itself; and that
what is held can still leave.
"""

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from engine.model.commands import Panic
from engine.model.risk import BreakerKind
from engine.model.snapshot import EngineSnapshot, GridSnapshot
from engine.model.text import clean_text
from tui.messages import SendAll, SendCommand
from tui.present.risk_dialogs import panic_lines
from tui.screens.confirm import TextPane
from tui.view import View

Names = tuple[str, ...]
"""The grids that shall open nothing any more."""


class PanicScreen(ModalScreen[Names]):
    """Closes with the names of the grids to block; with none where the answer is no."""

    BINDINGS = [("y", "answer_one", "yes"), ("a", "answer_all", "all grids"), ("n,escape", "answer_none", "no")]

    def __init__(self, engine: EngineSnapshot, grid: GridSnapshot) -> None:
        super().__init__()
        self._engine = engine
        self._grid = grid

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog"):
            yield TextPane(lambda width: panic_lines(self._engine, self._grid, width))

    def action_answer_one(self) -> None:
        """Block the shown grid."""
        self.dismiss((self._grid.name,))

    def action_answer_all(self) -> None:
        """Block every grid; with a single one the key is not offered and does nothing."""
        if len(self._engine.grids) > 1:
            self.dismiss(tuple(grid.name for grid in self._engine.grids))

    def action_answer_none(self) -> None:
        """Close and block nothing."""
        self.dismiss(())


def ask_panic(app: App[None], view: View) -> None:
    """Ask which grids to block and send it; says why where nothing can be sent."""
    engine, grid = view.engine, view.grid
    if isinstance(app.screen, PanicScreen):
        return
    if view.ended is not None:
        app.notify("The engine has stopped; nothing can be sent.", severity="warning", markup=False)
        return
    if engine is None or grid is None:
        app.notify("The engine is still starting.", severity="warning", markup=False)
        return
    if all(_is_pressed(each) for each in engine.grids):
        text = f"The panic key blocks {clean_text(grid.name, 24)} already; l shows the block, and L lifts it there."
        app.notify(text, severity="warning", markup=False)
        return

    def send(names: Names | None) -> None:
        commands = [Panic(grid=name) for name in names or ()]
        if len(commands) == 1:
            app.post_message(SendCommand(commands[0]))
        elif commands:
            said = f"all {len(commands)} grids: nothing opens until you lift the block of each"
            app.post_message(SendAll(commands, said))

    # What was said before must not cover the question.
    app.clear_notifications()
    app.push_screen(PanicScreen(engine, grid), send)


def _is_pressed(grid: GridSnapshot) -> bool:
    return any(block.kind is BreakerKind.PANIC_KEY for block in grid.risk.blocks)

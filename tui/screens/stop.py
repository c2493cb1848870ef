"""Stopping a grid: three words, what each would do, and one of them typed in full."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from engine.model.grid import Disposal
from engine.model.snapshot import GridSnapshot
from tui.panes.fields import Field
from tui.panes.lines import LinesPane
from tui.present.dialogs import disposal_typed, stop_lines
from tui.present.pieces import Line
from tui.present.words import Stage
from tui.view import View

_WORD_LENGTH_MAX = 16


class StopText(LinesPane):
    """The words and their effects, kept up to date while the market moves on."""

    def __init__(self, stage: Stage, grid: GridSnapshot) -> None:
        super().__init__()
        self._stage = stage
        self._grid = grid
        self._typed = ""

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The dialog's text."""
        return stop_lines(self._stage, self._grid, self._typed, width)

    def draw(self, view: View) -> None:
        """Take the grid's newest numbers."""
        if view.engine is not None:
            self._grid = next((grid for grid in view.engine.grids if grid.name == self._grid.name), self._grid)
        super().draw(view)

    def mark_typed(self, text: str) -> None:
        """Show which word is meant so far."""
        self._typed = text.strip().lower()
        self.renew()


class StopScreen(ModalScreen[Disposal | None]):
    """Closes with the disposal that was typed, or with None."""

    BINDINGS = [("escape", "leave_alone", "cancel")]

    def __init__(self, stage: Stage, grid: GridSnapshot) -> None:
        super().__init__()
        self._text = StopText(stage, grid)

    def compose(self) -> ComposeResult:
        """The words, and a place to type one."""
        with Vertical(classes="dialog"):
            yield self._text
            typed = Field(placeholder="leave, cancel or flatten", max_length=_WORD_LENGTH_MAX, compact=True)
            typed.cursor_blink = False
            yield typed

    def draw(self, view: View) -> None:
        """Show the grid's newest numbers."""
        self._text.draw(view)

    @on(Input.Changed)
    def mark_typed(self, event: Input.Changed) -> None:
        """Show which word is meant so far."""
        self._text.mark_typed(event.value)

    @on(Input.Submitted)
    def take_word(self, event: Input.Submitted) -> None:
        """Only a whole word does anything."""
        disposal = disposal_typed(event.value)
        if disposal is not None:
            self.dismiss(disposal)

    def action_leave_alone(self) -> None:
        """Close and do nothing."""
        self.dismiss(None)

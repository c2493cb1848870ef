"""A question that only y answers with yes; enter does nothing."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.panes.lines import LinesPane
from tui.present.pieces import Line

Text = Callable[[int], tuple[Line, ...]]
"""Makes the lines of a dialog for a width."""


class TextPane(LinesPane):
    """Lines that depend on the width alone."""

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The lines."""
        return self._text(width)


class ConfirmScreen(ModalScreen[bool]):
    """Yes or no."""

    BINDINGS = [("y", "answer(True)", "yes"), ("n,escape", "answer(False)", "no")]

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog"):
            yield TextPane(self._text)

    def action_answer(self, is_sure: bool) -> None:
        """Close with the answer."""
        self.dismiss(is_sure)

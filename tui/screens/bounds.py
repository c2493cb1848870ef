"""What the regime screen and the risk screen share: a head, two columns that scroll, and a footer."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen

from tui.keys import Scope
from tui.panes.bounds import AIRY, BoundsFooter, BoundsHead
from tui.panes.lines import LinesPane
from tui.screens.reconcile import PlainScroll
from tui.view import View


class BoundsScreen(Screen[None]):
    """Draws what bounds the chosen grid for as long as it is open; one column where two do not fit."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (AIRY, "-tall")]

    def __init__(self, view: View, scope: Scope, left: Sequence[LinesPane], right: Sequence[LinesPane]) -> None:
        super().__init__()
        self.view = view
        self._panes = (BoundsHead(), *left, *right, BoundsFooter(scope))
        self.body = PlainScroll(
            Vertical(*left, classes="bounds-column"), Vertical(*right, classes="bounds-column"), classes="bounds-body"
        )

    def compose(self) -> ComposeResult:
        """The left panes above or at the left, the right ones below or at the right."""
        yield self._panes[0]
        yield self.body
        yield self._panes[-1]

    def on_mount(self) -> None:
        """Show what the dashboard knew."""
        self.draw(self.view)

    def draw(self, view: View) -> None:
        """Show another view."""
        self.view = view
        for pane in self._panes:
            pane.draw(view)

    def action_scroll(self, rows: int) -> None:
        """Scroll by rows."""
        self.body.scroll_relative(y=rows, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by half a page."""
        self.body.scroll_relative(y=direction * max(self.body.size.height // 2, 1), animate=False)

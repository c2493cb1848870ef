"""The pre-flight screen: what a grid would do and cost if it were started now.

It asks the engine when it opens and whenever that is wished, shows what it says, and changes nothing.
"""

from textual.app import ComposeResult
from textual.screen import Screen

from engine import api
from engine.model.errors import CommandRefused, EngineStopped
from engine.model.preflight import Preflight
from engine.model.snapshot import GridSnapshot
from engine.model.text import clean_text
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.panes.preflight import ScopeFooter, ShownText, TablePane
from tui.panes.questions import QuestionsHead
from tui.panes.titles import set_titles
from tui.present.numbers import clock
from tui.present.pieces import Line, Piece, Tone, wrap_words
from tui.present.preflight import Places, places_for, summary_lines, table_for, title_text
from tui.screens.reconcile import PlainScroll
from tui.view import View

_REFUSAL_LIMIT = 800


class PreflightScreen(Screen[None]):
    """Problems and figures above or at the left, the ladder below or at the right."""

    BINDINGS = bindings_for(Scope.PREFLIGHT)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (180, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    def __init__(self, client: api.Client, view: View, grid: GridSnapshot) -> None:
        super().__init__()
        self._client = client
        self._view = view
        self._grid = grid
        self._places: Places = places_for(grid)
        self._head = QuestionsHead("preflight-head")
        self._summary = ShownText()
        self._table = TablePane()
        self._footer = ScopeFooter(Scope.PREFLIGHT, "preflight-footer")
        self._upper = PlainScroll(self._summary, id="preflight-summary")
        self._lower = PlainScroll(self._table, id="preflight-table")
        self._body = PlainScroll(self._upper, self._lower, id="preflight-body")

    def compose(self) -> ComposeResult:
        """One page that scrolls, or two side by side."""
        yield self._head
        yield self._body
        yield self._footer

    def on_mount(self) -> None:
        """Ask at once."""
        self.draw(self._view)
        set_titles(self._body, f"Pre-flight {clean_text(self._grid.name, 32)}")
        self.action_ask()

    def draw(self, view: View) -> None:
        """Show the newest state of the engine; the figures stay as they were asked for."""
        self._view = view
        for pane in (self._head, self._summary, self._table, self._footer):
            pane.draw(view)

    def action_ask(self) -> None:
        """Ask the engine for the figures of now."""
        if self._view.ended is not None:
            self.notify("The engine has stopped; nothing can be asked.", severity="warning", markup=False)
            return
        self.run_worker(self._ask(), group="ask", exclusive=True)

    async def _ask(self) -> None:
        try:
            flight = await self._client.preflight(self._grid.name)
        except (CommandRefused, EngineStopped) as no:
            self._say(clean_text(str(no), _REFUSAL_LIMIT))
        else:
            self._show(flight)

    def _say(self, text: str) -> None:
        self._table.show(None)
        self._summary.show(lambda width: _refusal(text, width))

    def _show(self, flight: Preflight) -> None:
        engine = self._view.engine
        balances = () if engine is None else engine.balances
        asked = "" if engine is None else f"asked {clock(engine.at_ms)}Z"
        self._summary.show(lambda width: summary_lines(flight, balances, self._places, width))
        self._table.show(table_for(flight, self._places))
        set_titles(self._body, title_text(self._grid, flight), asked)

    def _scrolled(self) -> PlainScroll:
        return self._lower if self.has_class("-wide") else self._body

    def action_scroll(self, rows: int) -> None:
        """Scroll by a row."""
        self._scrolled().scroll_relative(y=rows, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by half a page."""
        page = self._scrolled()
        page.scroll_relative(y=direction * max(page.size.height // 2, 1), animate=False)

    def action_edge(self, direction: int) -> None:
        """Go to the top or the end."""
        page = self._scrolled()
        page.scroll_to(y=page.max_scroll_y if direction > 0 else 0, animate=False)


def _refusal(text: str, width: int) -> tuple[Line, ...]:
    return tuple((Piece(row, Tone.WARN),) for row in wrap_words(text, width))

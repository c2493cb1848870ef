"""The frame of the ladder: a title, the headings, and the ladder itself.

The border lies here and not on the ladder, so that a changed row is painted without it.
"""

from textual.app import ComposeResult
from textual.containers import Vertical

from engine.model.text import clean_text
from tui.panes.ladder import Ladder
from tui.panes.lines import LinesPane
from tui.panes.titles import set_titles
from tui.present.ladder import Layout, head_line
from tui.present.numbers import plural
from tui.present.pieces import Line
from tui.view import View


class LadderHead(LinesPane):
    """The headings of the columns the ladder has chosen."""

    _columns: Layout | None = None

    def use(self, columns: Layout | None) -> None:
        """Head these columns."""
        if columns != self._columns:
            self._columns = columns
            self.renew()

    def lines_for(self, _width: int) -> tuple[Line, ...]:
        """The one line."""
        return () if self._columns is None else (head_line(self._columns),)


class LadderPane(Vertical):
    """The ladder with its frame."""

    def __init__(self, pane_id: str | None = None) -> None:
        super().__init__(id=pane_id)
        self.ladder = Ladder("slots")
        self._head = LadderHead()

    def compose(self) -> ComposeResult:
        """Headings above, slots below."""
        yield self._head
        yield self.ladder

    def draw(self, view: View) -> None:
        """Show another view."""
        self.ladder.draw(view)
        self._name_it()

    def on_ladder_moved(self) -> None:
        """Headings and titles follow the ladder; the dashboard hears of it too."""
        self._name_it()

    def _name_it(self) -> None:
        ladder = self.ladder
        self._head.use(ladder.columns)
        title, subtitle = "Ladder", ""
        if ladder.grid is not None:
            count = len(ladder.grid.slots)
            symbol = clean_text(ladder.grid.symbol, 24)
            title = f"Ladder {symbol}  {plural(count, 'slot')}, {plural(count + 1, 'level')}"
            subtitle = "following the price" if ladder.is_following else "f follows the price"
        set_titles(self, title, subtitle)

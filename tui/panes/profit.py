"""The profit of the chosen grid."""

from engine.model.text import clean_text
from tui.panes.lines import LinesPane
from tui.panes.titles import set_titles
from tui.present.pieces import Line
from tui.present.profit import profit_lines
from tui.view import View


class ProfitPane(LinesPane):
    """Profit, the proof that it is explained, and its course."""

    def draw(self, view: View) -> None:
        """Show another view; the title names the currency of all amounts."""
        quote = "" if view.grid is None else f" {clean_text(view.grid.quote, 10)}"
        set_titles(self, f"Profit{quote}")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The whole pane."""
        return profit_lines(self.view, width)

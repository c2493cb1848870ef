"""The panes of the pre-flight and the edit: lines made for them, the ladder as a table, and a footer of one scope."""

from collections.abc import Callable

from textual.geometry import Size
from textual.strip import Strip

from tui.keys import Scope, footer_keys
from tui.panes.lines import LinesPane
from tui.present.manual import footer_line
from tui.present.pieces import Line
from tui.present.preflight import Table

Text = Callable[[int], tuple[Line, ...]]
"""Makes lines for a width."""


class ShownText(LinesPane):
    """Lines that are handed to it; nothing at first."""

    _text: Text | None = None
    _made: tuple[int, tuple[Line, ...]] | None = None
    """The lines for the width they were last made for: they depend on nothing else."""

    def show(self, text: Text) -> None:
        """Show these lines from now on."""
        self._text = text
        self._made = None
        self.refresh(layout=True)
        self.renew()

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The lines."""
        if self._made is None or self._made[0] != width:
            self._made = width, () if self._text is None else self._text(width)
        return self._made[1]


class TablePane(LinesPane):
    """The ladder of a pre-flight. It changes only when another is shown, and draws only the rows in sight."""

    _table: Table | None = None

    def show(self, table: Table | None) -> None:
        """Show this ladder, or none."""
        self._table = table
        self.refresh(layout=True)

    def renew(self) -> None:
        """Nothing: a view brings no other ladder."""

    def lines_for(self, _width: int) -> tuple[Line, ...]:
        """None but those that are drawn."""
        return ()

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """As many rows as the ladder has, and the heading."""
        return 0 if self._table is None else self._table.height

    def render_line(self, y: int) -> Strip:
        """One row."""
        table = self._table
        line = table.line(y) if table is not None and y < table.height else ()
        return self._painter.strip(line, self.content_size.width)


class ScopeFooter(LinesPane):
    """The keys of one screen."""

    dims_when_ended = False

    def __init__(self, scope: Scope, pane_id: str) -> None:
        super().__init__(pane_id)
        self._scope = scope

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line."""
        return (footer_line(footer_keys(scope=self._scope), width),)

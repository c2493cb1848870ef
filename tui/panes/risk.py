"""The panes of the risk screen: blocks, limits, stops, and what was refused."""

from engine.model.risk import BreakerKind
from engine.model.text import clean_text
from tui.panes.bounds import AIRY
from tui.panes.lines import LinesPane
from tui.panes.titles import set_titles
from tui.present.numbers import plural
from tui.present.pieces import Line
from tui.present.risk import MARK, block_lines, limit_lines, refusal_lines, stop_lines
from tui.view import View


class BlocksListPane(LinesPane):
    """Every block, one of them marked."""

    _selected: BreakerKind | None = None

    def choose(self, selected: BreakerKind | None) -> None:
        """Mark this block."""
        self._selected = selected
        self.renew()

    @property
    def marked_row(self) -> int:
        """The row at which the marked block begins; 0 without one."""
        lines = self.lines_for(self.content_size.width)
        return next((row for row, line in enumerate(lines) if line and line[0].text == MARK), 0)

    def draw(self, view: View) -> None:
        """Show another view; the title counts."""
        count = 0 if view.grid is None else len(view.grid.risk.blocks)
        grid = view.grid
        name = "" if grid is None else f" {clean_text(grid.name, 24)} {clean_text(grid.symbol, 24)}"
        set_titles(self, f"Blocks{name}", plural(count, "block") if count else "")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The blocks."""
        return block_lines(self.view, self._selected, width, is_airy=self.app.size.height >= AIRY)


class LimitsPane(LinesPane):
    """Every limit as a bar."""

    def draw(self, view: View) -> None:
        """Show another view; the title counts those that block."""
        blocking = 0 if view.grid is None else sum(limit.is_blocking for limit in view.grid.risk.limits)
        verb = "blocks" if blocking == 1 else "block"
        set_titles(self, "Limits", f"■ {plural(blocking, 'limit')} {verb} every opening" if blocking else "")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The limits."""
        return limit_lines(self.view, width)


class StopsPane(LinesPane):
    """Every stop with its price."""

    def draw(self, view: View) -> None:
        """Show another view."""
        set_titles(self, "Stops", "the price at which each ends the grid now")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The stops."""
        return stop_lines(self.view, width)


class RefusalsPane(LinesPane):
    """What the newest decision had refused."""

    def draw(self, view: View) -> None:
        """Show another view."""
        set_titles(self, "Refused")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The refusals."""
        return refusal_lines(self.view, width)

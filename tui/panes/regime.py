"""The panes of the regime screen: the regime, its indicators, and the shadow ledger."""

from engine.model.text import clean_text
from tui.panes.bounds import AIRY
from tui.panes.lines import LinesPane
from tui.panes.titles import set_titles
from tui.present.pieces import Line
from tui.present.regime import GAUGE_LEGEND, gauge_lines, shadow_lines, state_lines
from tui.view import View


class RegimePane(LinesPane):
    """Which regime, why, and what it holds back."""

    def draw(self, view: View) -> None:
        """Show another view; the title names grid and market."""
        grid = view.grid
        name = "" if grid is None else f" {clean_text(grid.name, 24)} {clean_text(grid.symbol, 24)}"
        set_titles(self, f"Regime{name}")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The regime."""
        return state_lines(self.view, width, is_airy=self.app.size.height >= AIRY)


class IndicatorsPane(LinesPane):
    """Every indicator as a gauge; not there without a monitor."""

    def draw(self, view: View) -> None:
        """Show another view."""
        self.display = view.grid is not None and view.grid.regime is not None
        # Without a lower frame there is no place for a subtitle.
        is_airy = self.app.size.height >= AIRY
        set_titles(self, "Indicators" if is_airy else f"Indicators  {GAUGE_LEGEND}", GAUGE_LEGEND if is_airy else "")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The gauges."""
        return gauge_lines(self.view, width, is_airy=self.app.size.height >= AIRY)


class ShadowPane(LinesPane):
    """What the filter prevented; not there without a monitor."""

    def draw(self, view: View) -> None:
        """Show another view."""
        self.display = view.grid is not None and view.grid.regime is not None
        set_titles(self, "Shadow ledger", "what the filter prevented")
        super().draw(view)

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The ledger."""
        return shadow_lines(self.view, width)

"""What the regime screen and the risk screen share: their head and their footer."""

from tui.keys import Scope, footer_keys
from tui.panes.lines import LinesPane
from tui.present.manual import footer_line
from tui.present.pieces import Line
from tui.present.status import alert_lines, status_line, summary_line

AIRY = 32
"""Rows of a screen that have room for more than is needed."""


class BoundsHead(LinesPane):
    """The engine in one line, the chosen grid in another where there is room, and what a person must know at once."""

    dims_when_ended = False

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Status, summary and alerts."""
        summary = (summary_line(self.view, width),) if self.app.size.height >= AIRY else ()
        return status_line(self.view, width), *summary, *alert_lines(self.view, width)


class BoundsFooter(LinesPane):
    """The keys of one scope that can do something now, and the panic key."""

    dims_when_ended = False

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line."""
        engine, grid = self.view.engine, self.view.grid
        hidden: set[str] = set()
        if engine is None or len(engine.grids) < 2:
            hidden.update(("regime_next grid", "risk_next grid"))
        if grid is None or not grid.risk.blocks:
            hidden.update(("risk_lift", "risk_previous", "risk_next"))
        keys = [key for key in footer_keys(scope=self._scope) if key.id not in hidden]
        return (footer_line((*keys, *footer_keys(scope=Scope.APP)), width),)

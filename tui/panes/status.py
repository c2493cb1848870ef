"""The panes around the ladder that are one or a few lines: status, tabs, alerts, blocks, footer."""

from tui.panes.lines import LinesPane
from tui.present.manual import footer_for
from tui.present.pieces import Line
from tui.present.position import position_line
from tui.present.questions import question_lines
from tui.present.risk import is_bounded
from tui.present.status import alert_lines, block_lines, market_lines, status_line, summary_line, tabs_line, tiny_line

_BLOCK_LINES_SHORT = 2
_BLOCK_LINES_TALL = 4
_TALL = 36


class StatusPane(LinesPane):
    """What never leaves the screen: the engine, the chosen grid, its position, and its market where watched."""

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Status, summary, the position of a swap, and what bounds openings."""
        head = status_line(self.view, width), summary_line(self.view, width)
        position = position_line(self.view, width)
        return *head, *((position,) if position else ()), *market_lines(self.view, width)


class TabsPane(LinesPane):
    """All grids, when there are several."""

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line, or none for a single grid."""
        line = tabs_line(self.view, width)
        return (line,) if line else ()


class AlertPane(LinesPane):
    """What a person must know at once; not there when all is well."""

    dims_when_ended = False

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One bar for each alert, and what is asked."""
        return *alert_lines(self.view, width), *question_lines(self.view, width)


class BlocksPane(LinesPane):
    """What keeps the grid from acting, with reasons; not there when nothing does."""

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """As many reasons as the height of the screen allows."""
        limit = _BLOCK_LINES_TALL if self.app.size.height >= _TALL else _BLOCK_LINES_SHORT
        return block_lines(self.view, width, limit)


class FooterPane(LinesPane):
    """The keys that can do something now."""

    dims_when_ended = False

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line."""
        engine = self.view.engine
        has_many = engine is not None and len(engine.grids) > 1
        can_set_speed = engine is not None and engine.speed is not None
        has_questions = engine is not None and any(grid.questions for grid in engine.grids)
        line = footer_for(
            width,
            has_many_grids=has_many,
            can_set_speed=can_set_speed,
            has_questions=has_questions,
            is_bounded=is_bounded(self.view),
            is_blocked=self.view.grid is not None and bool(self.view.grid.risk.blocks),
        )
        return (line,)


class TinyPane(LinesPane):
    """The one line of a terminal that is too small for anything else."""

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line."""
        return (tiny_line(self.view, width),)

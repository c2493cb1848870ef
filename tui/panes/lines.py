"""A pane of a few lines that repaints only the ones that changed."""

from abc import abstractmethod

from textual.geometry import Region, Size
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from tui.panes.painter import Painter
from tui.present.pieces import Line
from tui.view import View


class LinesPane(Widget):
    """Draws ``lines_for`` the newest view; as high as its lines where the style says ``height: auto``."""

    ALLOW_SELECT = False
    dims_when_ended = True
    """Whether its numbers are old once the engine has ended."""

    def __init__(self, pane_id: str | None = None) -> None:
        super().__init__(id=pane_id)
        self.view = View()
        self._painter = Painter(self)
        self._lines: tuple[Line, ...] = ()

    @abstractmethod
    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The lines for the current view in this width."""

    def on_mount(self) -> None:
        """Repaint when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, self._repaint)

    def _repaint(self, _theme: Theme) -> None:
        self._painter.forget()
        self.refresh()

    def draw(self, view: View) -> None:
        """Show another view."""
        self.view = view
        if self._painter.mark_stale(is_stale=self.dims_when_ended and view.ended is not None):
            self.refresh()
        self.renew()

    def renew(self) -> None:
        """Make the lines again and repaint those that differ."""
        width = self.content_size.width
        old, new = self._lines, self.lines_for(width)
        self._lines = new
        if len(old) != len(new) and self.styles.is_auto_height:
            self.refresh(layout=True)
            return
        for row in range(max(len(old), len(new))):
            if row >= len(old) or row >= len(new) or old[row] != new[row]:
                self.refresh(Region(0, row, width, 1))

    def on_resize(self) -> None:
        """The width decides what fits."""
        self._lines = self.lines_for(self.content_size.width)
        self.refresh()

    def get_content_height(self, _container: Size, _viewport: Size, width: int) -> int:
        """As many rows as lines."""
        return len(self.lines_for(width))

    def render_line(self, y: int) -> Strip:
        """One row."""
        line = self._lines[y] if y < len(self._lines) else ()
        return self._painter.strip(line, self.content_size.width)

"""Turns lines into strips for one widget, and knows when the theme or the staleness has changed."""

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import Ground, Palette
from tui.present.pieces import Line


class Painter:
    """The palette of one widget; made when first needed, forgotten when the theme changes."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._is_stale = False
        self._palette: Palette | None = None
        self._base = Style.null()

    def strip(self, line: Line, width: int, ground: Ground = Ground.PLAIN) -> Strip:
        """``line`` in exactly ``width`` cells over the widget's background."""
        palette = self._palette
        if palette is None:
            app = self._widget.app
            palette = Palette(app.theme_variables, is_plain=app.native_ansi_color, is_stale=self._is_stale)
            self._palette = palette
            self._base = self._widget.rich_style
        return palette.strip(line, width, ground, self._base)

    def mark_stale(self, *, is_stale: bool) -> bool:
        """Dim from now on, or no longer; whether that is a change."""
        if is_stale == self._is_stale:
            return False
        self._is_stale = is_stale
        self._palette = None
        return True

    def forget(self) -> None:
        """The theme has changed."""
        self._palette = None

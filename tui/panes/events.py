"""The engine's story, newest at the bottom; a bounded list drawn line by line."""

from collections import deque
from collections.abc import Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.theme import Theme

from engine.model.snapshot import EngineEvent
from tui.panes.painter import Painter
from tui.present.events import event_lines
from tui.present.pieces import Line, Piece, Tone

EVENTS_MAX = 400
_EMPTY: Line = (Piece("nothing has happened yet", Tone.DIM),)


class EventsPane(ScrollView, can_focus=True):
    """The newest ``EVENTS_MAX`` events. Stays at the bottom unless a person has scrolled up.

    Invariant: ``_wrapped`` are the lines of each of ``_events``, in order, for ``_width``.
    """

    BORDER_TITLE = "Events"
    ALLOW_SELECT = False

    def __init__(self, pane_id: str | None = None) -> None:
        super().__init__(id=pane_id)
        self._events: deque[EngineEvent] = deque(maxlen=EVENTS_MAX)
        self._wrapped: deque[tuple[Line, ...]] = deque(maxlen=EVENTS_MAX)
        self._lines: list[Line] = []
        self._width = 0
        self._painter = Painter(self)

    def on_mount(self) -> None:
        """Stay at the newest event; repaint when the theme changes."""
        self.anchor()
        self.app.theme_changed_signal.subscribe(self, self._on_theme)

    def _on_theme(self, _theme: Theme) -> None:
        self._painter.forget()
        self.refresh()

    def add(self, events: Sequence[EngineEvent]) -> None:
        """Append events, oldest first."""
        if not events:
            return
        self._events.extend(events)
        self._wrapped.extend(event_lines(event, self._width) for event in events)
        self._show_lines()

    def show(self, events: Sequence[EngineEvent]) -> None:
        """Show these events and no others, oldest first, from the newest on."""
        self._events.clear()
        self._wrapped.clear()
        self.anchor()
        self.add(events)

    def mark_stale(self, *, is_stale: bool) -> None:
        """Dim, or no longer."""
        if self._painter.mark_stale(is_stale=is_stale):
            self.refresh()

    def watch_show_vertical_scrollbar(self) -> None:
        """It takes a column away from the text, without a change of the pane's own size."""
        self.call_after_refresh(self.on_resize)

    def on_resize(self) -> None:
        """The width decides where lines break."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self._wrapped = deque((event_lines(event, width) for event in self._events), EVENTS_MAX)
        self._show_lines()

    def _show_lines(self) -> None:
        self._lines = [line for lines in self._wrapped for line in lines]
        self.virtual_size = Size(self._width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        row = self.scroll_offset.y + y
        line = self._lines[row] if row < len(self._lines) else ()
        if not self._lines and y == 0:
            line = _EMPTY
        return self._painter.strip(line, self.scrollable_content_region.width)

"""The past on the dashboard: the ladder as it was right after any record of the journal.

It promises to be taken for nothing else than the past, to send nothing, and to leave the engine
alone, which goes on; what a person must know of it now is said here too.
"""

from collections.abc import Callable

import anyio.to_thread
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from engine.api import History
from engine.model.errors import JournalFailed
from engine.model.snapshot import EngineEvent, GridSnapshot, HistoryFrame
from engine.model.text import clean_text
from tui.bindings import bindings_for
from tui.keys import Scope, footer_keys
from tui.panes.fields import Field
from tui.panes.lines import LinesPane
from tui.panes.status import TabsPane
from tui.present.manual import footer_line
from tui.present.pieces import Line
from tui.present.rewind import (
    ToRecord,
    ToTime,
    banner_line,
    live_lines,
    place_lines,
    place_typed,
    record_line,
    tiny_past_line,
)
from tui.present.status import market_lines, summary_line
from tui.screens.dashboard import Dashboard
from tui.screens.details import DetailsScreen
from tui.view import View

EVENTS_SHOWN = 100
_PLACE_LENGTH_MAX = 24


class PastPane(LinesPane):
    """Lines about the frame that is shown, for the width they get."""

    def __init__(self, pane_id: str, lines: Callable[[View, int], tuple[Line, ...]]) -> None:
        super().__init__(pane_id)
        self._make_lines = lines

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The lines."""
        return self._make_lines(self.view, width)


class RewindScreen(Dashboard):
    """A dashboard that draws frames of a history. ``_wanted`` is where a person wants to be;
    while that is read the frame before it stays, and places that were passed meanwhile are skipped.
    """

    BINDINGS = bindings_for(Scope.REWIND)

    def __init__(self, history: History, live: View) -> None:
        super().__init__()
        self._history = history
        self._live = live
        self._frame: HistoryFrame | None = None
        self._wanted: ToRecord | ToTime = ToRecord(history.last_sequence)
        self._is_reading = False
        self._above = (PastPane("status", self._head_lines), TabsPane("tabs"))
        footer = PastPane("footer", lambda _, width: (footer_line(footer_keys(scope=Scope.REWIND), width),))
        tiny = PastPane("tiny", lambda _, width: (tiny_past_line(self._frame, width),))
        self._below = (self._below[0], footer, tiny)

    def _head_lines(self, view: View, width: int) -> tuple[Line, ...]:
        lines = (*live_lines(self._live, width), banner_line(self._frame, width))
        if self._frame is None:
            return lines
        return *lines, record_line(self._frame, width), summary_line(view, width), *market_lines(view, width)

    def on_mount(self) -> None:
        """Begin at the newest record."""
        super().on_mount()
        self.events.border_title = "Records"
        self._go(self._wanted)

    def draw(self, view: View) -> None:
        """Take note of what is live, and of the grid that is chosen; show the past."""
        self._live = view
        self._draw_past()

    def _draw_past(self) -> None:
        frame = self._frame
        if frame is None:
            super().draw(View())
            return
        grids = frame.snapshot.grids
        chosen = "" if self._live.grid is None else self._live.grid.name
        grid = next((grid for grid in grids if grid.name == chosen), grids[0] if grids else None)
        super().draw(View(engine=frame.snapshot, grid=grid))

    def _go(self, place: ToRecord | ToTime) -> None:
        self._wanted = place
        if not self._is_reading:
            self._is_reading = True
            self.run_worker(self._read_wanted(), group="rewind")

    async def _read_wanted(self) -> None:
        """Read until what is shown is what is wanted."""
        try:
            shown: ToRecord | ToTime | None = None
            while shown != self._wanted:
                shown = self._wanted
                frame, events = await anyio.to_thread.run_sync(self._read, shown)
                self._frame = frame
                self.events.show(events)
                self._draw_past()
        except JournalFailed as failed:
            self.notify(clean_text(str(failed)), title="The journal cannot be read", severity="error", markup=False)
        finally:
            self._is_reading = False

    def _read(self, place: ToRecord | ToTime) -> tuple[HistoryFrame, tuple[EngineEvent, ...]]:
        match place:
            case ToRecord():
                sequence = place.sequence
            case ToTime():
                sequence = self._history.sequence_at(place.at_ms)
        return self._history.frame(sequence), tuple(self._history.events(sequence, EVENTS_SHOWN))

    # Keys

    def action_step(self, records: int) -> None:
        """Go back or forth by records, at most to the first and the last."""
        at = self._wanted.sequence if isinstance(self._wanted, ToRecord) else self._shown_sequence
        wanted = min(max(at + records, 1), self._history.last_sequence)
        if wanted == at:
            # One word at a time: a key held down at an end would cover the records with what it is told.
            self.app.clear_notifications()
            self._say_no("This is the first record." if records < 0 else "This is the last record; escape for live.")
            return
        self._go(ToRecord(wanted))

    @property
    def _shown_sequence(self) -> int:
        return self._history.last_sequence if self._frame is None else self._frame.sequence

    def action_edge(self, direction: int) -> None:
        """Go to the first or the last record."""
        self._go(ToRecord(1 if direction < 0 else self._history.last_sequence))

    def action_go(self) -> None:
        """Ask where to go."""

        def go_to(place: ToRecord | ToTime | None) -> None:
            if place is not None:
                self._go(place)

        if self._frame is not None:
            self.app.push_screen(PlaceScreen(self._frame), go_to)

    def action_live(self) -> None:
        """Back to what is now."""
        self.dismiss(None)

    def action_details(self) -> None:
        """Show the slot and the profit of then in full."""
        if self.view.grid is not None:
            is_selected = self.ladder.selected is not None
            self.app.push_screen(PastDetailsScreen(self.view, self.ladder.shown_slot, is_selected=is_selected))

    def action_questions(self) -> None:
        """What was asked then is not to be answered now."""
        self._grid_to_command()

    def action_market(self) -> None:
        """The regime screen shows what is now."""
        self._grid_to_command()

    def action_limits(self) -> None:
        """What was blocked then is not to be lifted now."""
        self._grid_to_command()

    def _grid_to_command(self) -> GridSnapshot | None:
        self._say_no("This is the past, nothing is sent from here; escape for live.")
        return None


class PastDetailsScreen(DetailsScreen):
    """Details of the past: what is live does not reach them."""

    def draw(self, view: View) -> None:
        """Keep to what it was opened with."""
        if view is self._view:
            super().draw(view)


class PlaceScreen(ModalScreen[ToRecord | ToTime | None]):
    """Asks for a record or a time."""

    BINDINGS = [("escape", "leave_alone", "cancel")]

    def __init__(self, shown: HistoryFrame) -> None:
        super().__init__()
        self._shown = shown
        self._typed = ""
        self._text = PastPane("place", lambda _, width: place_lines(self._shown, self._typed, width))

    def compose(self) -> ComposeResult:
        """What can be typed, and a place to type it."""
        with Vertical(classes="dialog"):
            yield self._text
            typed = Field(max_length=_PLACE_LENGTH_MAX, compact=True)
            typed.cursor_blink = False
            yield typed

    @on(Input.Changed)
    def mark_typed(self, event: Input.Changed) -> None:
        """Say what is meant so far."""
        self._typed = event.value
        self._text.renew()

    @on(Input.Submitted)
    def take_place(self, event: Input.Submitted) -> None:
        """Go there, if there is such a place."""
        place = place_typed(event.value, self._shown)
        if place is not None:
            self.dismiss(place)

    def action_leave_alone(self) -> None:
        """Stay."""
        self.dismiss(None)

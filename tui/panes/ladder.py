"""The ladder: line-rendered and virtualised, so that 2,000 slots cost what the visible ones do.

A row is remembered by the facts its line depends on; a new snapshot repaints only rows whose
facts changed. Rows are counted from the highest slot; the market price has a row of its own.
"""

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.theme import Theme

from engine.model.snapshot import GridSnapshot, SlotView
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.palette import Ground
from tui.panes.painter import Painter
from tui.present.ladder import (
    Layout,
    RowFacts,
    away_text,
    layout_for,
    next_levels,
    price_line,
    price_row,
    slot_at_price,
    slot_line,
    slot_of,
)
from tui.present.pieces import Line
from tui.present.questions import asked_slots
from tui.present.status import starting_line
from tui.view import View

RowKey = RowFacts | Line
"""What a row shows: a slot's facts, or a finished line."""

_PRICE_STRIP = -1
_STRIPS_MAX = 512


class Ladder(ScrollView, can_focus=True):
    """All slots of the chosen grid. Follows the price until a person moves; ``follow`` returns to that.

    ``selected`` is the index of a slot, which is not its place: the places are in the order of price.

    Invariant: ``_strips`` holds at most ``_STRIPS_MAX`` rows, ``_painted`` one for each row on the screen.
    """

    BINDINGS = bindings_for(Scope.LADDER)
    ALLOW_SELECT = False

    class Moved(Message):
        """The selected slot, the following, or the columns have changed."""

    def __init__(self, pane_id: str | None = None) -> None:
        super().__init__(id=pane_id)
        self.grid: GridSnapshot | None = None
        self.selected: int | None = None
        self.is_following = True
        self.columns: Layout | None = None
        self._view = View()
        self._price_row: int | None = None
        self._price_line: Line = ()
        self._places: dict[int, int] = {}
        self._near: tuple[SlotView | None, SlotView | None] = (None, None)
        self._asked: frozenset[int] = frozenset()
        self._painter = Painter(self)
        self._painted: dict[int, RowKey] = {}
        self._strips: dict[int, tuple[RowKey, Strip]] = {}

    @property
    def shown_slot(self) -> int | None:
        """The index of the selected slot, or else of the one at the price."""
        if self.grid is None or self.selected is not None:
            return self.selected
        slot = slot_at_price(self.grid)
        return None if slot is None else slot.index

    @property
    def selected_slot(self) -> SlotView | None:
        """The selected slot as it is now; None without one."""
        return slot_of(self.grid, self.selected)

    def draw(self, view: View) -> None:
        """Show another view; only rows that changed are painted."""
        old, grid = self.grid, view.grid
        self._view, self.grid = view, grid
        if self._painter.mark_stale(is_stale=view.ended is not None):
            self._repaint()
        if grid is None:
            self._paint_changes()
            return
        if old is None or old.name != grid.name:
            self.selected, self.is_following = None, True
            self._repaint()
        if old is None or old.slots != grid.slots:
            self._keep_selection(old, grid)
            self._places = {slot.index: place for place, slot in enumerate(grid.slots)}
            self._near = next_levels(grid)
            self._arrange(grid)
        self._asked = asked_slots(grid)
        self._place_price(grid)
        self._paint_changes()

    def _keep_selection(self, old: GridSnapshot | None, grid: GridSnapshot) -> None:
        """A slot stays selected as long as it has its levels; an index alone can be another slot's by now."""
        before, after = slot_of(old, self.selected), slot_of(grid, self.selected)
        levels = None if before is None else (before.lower, before.upper)
        if self.selected is not None and (after is None or (after.lower, after.upper) != levels):
            self.selected, self.is_following = None, True
            self.post_message(self.Moved())

    def follow(self) -> None:
        """Keep the price in the middle again; nothing is selected."""
        self.selected, self.is_following = None, True
        if self.grid is not None:
            self._place_price(self.grid)
        self._paint_changes()
        self.post_message(self.Moved())

    def on_mount(self) -> None:
        """Repaint when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, self._on_theme)

    def _on_theme(self, _theme: Theme) -> None:
        self._painter.forget()
        self._repaint()

    def on_resize(self) -> None:
        """The width decides the columns, the height where the middle is."""
        if self.grid is not None:
            self._arrange(self.grid)
            self._place_price(self.grid)
        self._repaint()

    def _repaint(self) -> None:
        self._strips.clear()
        self._painted.clear()
        self.refresh()

    def _arrange(self, grid: GridSnapshot) -> None:
        """Choose the columns anew; they depend on the width and on the widest numbers."""
        width = self.scrollable_content_region.width
        columns = layout_for(grid, width)
        if columns != self.columns:
            self.columns = columns
            self._repaint()
            self.post_message(self.Moved())

    def _place_price(self, grid: GridSnapshot) -> None:
        """Put the price line at its place, and in the middle while following."""
        self._price_row = price_row(grid)
        if self.columns is not None:
            self._price_line = price_line(grid, self._view.move, self._near, self.columns)
        rows = len(grid.slots) + (self._price_row is not None)
        size = Size(self.scrollable_content_region.width, rows)
        if size != self.virtual_size:
            self.virtual_size = size
        if self.is_following and self._price_row is not None:
            self._scroll_to_row(self._price_row - self.size.height // 2)

    def _scroll_to_row(self, row: int) -> None:
        self.scroll_to(0, row, animate=False, force=True)

    def _paint_changes(self) -> None:
        """Repaint the rows on the screen whose facts are no longer those painted."""
        top = self.scroll_offset.y
        width = self.size.width
        for y in range(self.size.height):
            if self._painted.get(y) != self._key(top + y):
                self.refresh(Region(0, y, width, 1))

    def _key(self, row: int) -> RowKey:
        grid = self.grid
        if grid is None:
            return starting_line(self._view) if row == 0 else ()
        at = self._price_row
        if row == at:
            return self._price_line
        place = len(grid.slots) - 1 - (row if at is None or row < at else row - 1)
        if place < 0:
            return ()
        slot = grid.slots[place]
        index = slot.index
        is_near = any(near is not None and near.index == index for near in self._near)
        return RowFacts(slot, away_text(slot, grid.price), is_near, index == self.selected, index in self._asked)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        key = self._key(self.scroll_offset.y + y)
        self._painted[y] = key
        place = key.slot.index if isinstance(key, RowFacts) else _PRICE_STRIP
        kept = self._strips.get(place)
        if kept is not None and kept[0] == key:
            return kept[1]
        if len(self._strips) >= _STRIPS_MAX:
            self._strips.clear()
        strip = self._strip(key)
        self._strips[place] = (key, strip)
        return strip

    def _strip(self, key: RowKey) -> Strip:
        width = self.scrollable_content_region.width
        if not isinstance(key, RowFacts):
            is_price = self.grid is not None and bool(key)
            return self._painter.strip(key, width, Ground.PRICE if is_price else Ground.PLAIN)
        ground = Ground.NEAR if key.is_near else Ground.PLAIN
        if key.is_selected:
            ground = Ground.CURSOR
        line = () if self.columns is None else slot_line(key, self.columns)
        return self._painter.strip(line, width, ground)

    def _select(self, place: int) -> None:
        """Select the slot at a place, or at the nearest end; bring it into sight, and stop following the price."""
        if self.grid is None or not self.grid.slots:
            return
        place = min(max(place, 0), len(self.grid.slots) - 1)
        self.selected = self.grid.slots[place].index
        self.is_following = False
        row = self._row_of(place, self.grid)
        top, height = self.scroll_offset.y, self.size.height
        if row <= top:
            self._scroll_to_row(row - 1)
        elif row >= top + height - 1:
            self._scroll_to_row(row - height + 2)
        self._paint_changes()
        self.post_message(self.Moved())

    def _row_of(self, place: int, grid: GridSnapshot) -> int:
        row = len(grid.slots) - 1 - place
        return row if self._price_row is None or row < self._price_row else row + 1

    @property
    def _shown_place(self) -> int | None:
        shown = self.shown_slot
        return None if shown is None else self._places.get(shown)

    def action_move(self, rows: int) -> None:
        """Up or down by rows; the first time, onto the slot at the price."""
        start = self._shown_place
        if start is not None:
            self._select(start - rows if self.selected is not None else start)

    def action_page(self, direction: int) -> None:
        """Up or down by half a page."""
        start = self._shown_place
        if start is not None:
            self._select(start - direction * max(self.size.height // 2, 1))

    def action_edge(self, direction: int) -> None:
        """To the highest or the lowest slot."""
        if self.grid is not None:
            self._select(0 if direction > 0 else len(self.grid.slots) - 1)

    def on_click(self, event: events.Click) -> None:
        """Select the slot under the pointer."""
        key = self._key(self.scroll_offset.y + event.y)
        if isinstance(key, RowFacts):
            self._select(self._places[key.slot.index])

    def on_mouse_scroll_up(self) -> None:
        """The wheel ends following."""
        self._look_around()

    def on_mouse_scroll_down(self) -> None:
        """The wheel ends following."""
        self._look_around()

    def _look_around(self) -> None:
        if self.is_following:
            self.is_following = False
            self.post_message(self.Moved())

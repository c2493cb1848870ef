"""The selected slot and the profit in full, for terminals without room for their panes."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.panes.profit import ProfitPane
from tui.panes.slots import SlotPane
from tui.view import View


class DetailsScreen(ModalScreen[None]):
    """Keeps showing the newest view; any of its keys closes it."""

    BINDINGS = [("escape,enter,q", "app.pop_screen", "close")]

    def __init__(self, view: View, slot: int | None, *, is_selected: bool) -> None:
        super().__init__()
        self._view = view
        self._slot = slot
        self._is_selected = is_selected
        self._slot_pane = SlotPane()
        self._profit_pane = ProfitPane()

    def compose(self) -> ComposeResult:
        """Slot above, profit below."""
        with VerticalScroll(classes="dialog tall") as page:
            page.border_title = "Slot and profit"
            page.border_subtitle = "↑ ↓ scroll   esc closes"
            yield self._slot_pane
            yield self._profit_pane

    def on_mount(self) -> None:
        """Show what the dashboard showed."""
        self._slot_pane.choose(self._slot, is_selected=self._is_selected)
        self.draw(self._view)
        self.query_one(VerticalScroll).focus()

    def draw(self, view: View) -> None:
        """Show another view."""
        self._slot_pane.draw(view)
        self._profit_pane.draw(view)

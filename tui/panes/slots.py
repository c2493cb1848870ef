"""The selected slot in full, and all slots at a glance."""

from tui.panes.lines import LinesPane
from tui.panes.titles import set_titles
from tui.present.pieces import Line
from tui.present.slot import slot_lines


class SlotPane(LinesPane):
    """Follows the ladder: the selected slot, or the one at the price while none is selected."""

    _index: int | None = None
    _is_selected = False

    def choose(self, index: int | None, *, is_selected: bool) -> None:
        """Show this slot; ``is_selected`` says whether a person chose it."""
        if (index, is_selected) == (self._index, self._is_selected):
            return
        self._index, self._is_selected = index, is_selected
        self.renew_title()
        self.renew()

    def renew_title(self) -> None:
        """Say which slot it is."""
        name = "Slots" if self._index is None else f"Slot {self._index}"
        set_titles(self, name if self._is_selected or self._index is None else f"{name} at the price")

    def on_mount(self) -> None:
        """Start with a title."""
        super().on_mount()
        self.renew_title()

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The slot, then the overview."""
        return slot_lines(self.view.grid, self._index, width)

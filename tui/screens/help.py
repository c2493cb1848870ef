"""The help screen: keys, states, columns and words."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.present.manual import manual_lines
from tui.screens.confirm import TextPane


class HelpScreen(ModalScreen[None]):
    """A page to scroll through; esc closes it."""

    BINDINGS = [
        ("escape,question_mark,q", "app.pop_screen", "close"),
        ("j", "scroll(1)", "down"),
        ("k", "scroll(-1)", "up"),
        ("g", "edge(-1)", "top"),
        ("G", "edge(1)", "end"),
    ]

    def compose(self) -> ComposeResult:
        """The manual."""
        with VerticalScroll(classes="dialog tall") as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll   esc closes"
            yield TextPane(manual_lines)

    def on_mount(self) -> None:
        """The page hears the arrows."""
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, lines: int) -> None:
        """Scroll by one line."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_edge(self, direction: int) -> None:
        """Scroll to the start or the end."""
        page = self.query_one(VerticalScroll)
        page.scroll_to(y=page.max_scroll_y if direction > 0 else 0, animate=False)

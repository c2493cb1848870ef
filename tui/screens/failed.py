"""What is shown where no engine could be started: every problem, and the way out."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from engine.model.errors import SettingsInvalid
from tui.present.failed import failed_lines
from tui.screens.confirm import TextPane


class FailedScreen(ModalScreen[None]):
    """Closes with any of its keys; the app then leaves."""

    BINDINGS = [("q,escape,enter", "leave", "leave")]

    def __init__(self, failure: SettingsInvalid) -> None:
        super().__init__()
        self._failure = failure

    def compose(self) -> ComposeResult:
        """The problems."""
        with VerticalScroll(classes="dialog tall"):
            yield TextPane(lambda width: failed_lines(self._failure, width))

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)

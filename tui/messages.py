"""What screens ask of the app."""

from typing import Protocol, runtime_checkable

from textual.message import Message

from engine.model.commands import Command
from tui.view import View


class SendCommand(Message):
    """Send a command to the engine and show its answer."""

    def __init__(self, command: Command) -> None:
        super().__init__()
        self.command = command


@runtime_checkable
class DrawsView(Protocol):
    """A screen that shows the newest view."""

    def draw(self, view: View) -> None:
        """Show another view."""

"""What screens ask of the app."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from textual.message import Message

from engine.model.commands import Command
from tui.view import View


class SendCommand(Message):
    """Send a command to the engine and show its answer."""

    def __init__(self, command: Command) -> None:
        super().__init__()
        self.command = command


class SendAll(Message):
    """Send commands at once and tell of all of them in one message: ``done``, and what was refused."""

    def __init__(self, commands: Sequence[Command], done: str) -> None:
        super().__init__()
        self.commands = commands
        self.done = done


@runtime_checkable
class DrawsView(Protocol):
    """A screen that shows the newest view."""

    def draw(self, view: View) -> None:
        """Show another view."""

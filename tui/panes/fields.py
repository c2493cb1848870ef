"""A line to type in that leaves the panic key alone."""

from textual.widgets import Input

from tui.keys import PANIC_CHARACTER


class Field(Input):
    """An input that never takes the panic key for text: it reaches the app from here too."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether the key is text to be typed."""
        return character != PANIC_CHARACTER and super().check_consume_key(key, character)

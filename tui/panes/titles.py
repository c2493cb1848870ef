"""Titles of panes: plain text, set only when they change, because setting one repaints the pane."""

from textual.content import Content
from textual.widget import Widget


def set_titles(pane: Widget, title: str, subtitle: str = "") -> None:
    """Give a pane its title and subtitle; what looks like markup is shown as it is."""
    above, below = Content(title), Content(subtitle)
    if pane.border_title != above.markup:
        pane.border_title = above
    if (pane.border_subtitle or "") != below.markup:
        pane.border_subtitle = below

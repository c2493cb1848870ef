"""The one table of keys: it feeds the bindings, the footer, the help screen and the tests.

No single letter raises a risk where money is real: letters look, move, or reduce risk;
stopping needs a typed word and resuming outside a simulation a yes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where a key works."""

    APP = "everywhere"
    DASHBOARD = "on the dashboard"
    LADDER = "in the ladder"
    QUESTIONS = "in the questions"
    REWIND = "in the past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key or a few that do the same.

    ``keys`` are Textual's names, ``shown`` is what the keyboard says. ``footer`` is the place
    in the footer, the lowest first, or None for keys that only the help screen lists. ``{key}``
    in the action stands for the key that was pressed.
    """

    id: str
    keys: tuple[str, ...]
    shown: str
    label: str
    help: str
    action: str
    scope: Scope
    footer: int | None = None
    is_priority: bool = False


_APP_ACTIONS = frozenset(("theme", "previous_grid", "next_grid", "rewind", "quit"))
"""What the app does itself; the rest is done by the dashboard."""


def _ladder(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str) -> Key:
    return Key(id=name, keys=keys, shown=shown, label="", help=explained, action=action, scope=Scope.LADDER)


def _questions(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=f"questions_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.QUESTIONS,
        footer=footer,
    )


def _rewind(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=f"rewind_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.REWIND,
        footer=footer,
        # Before the ladder, which knows some of these keys too.
        is_priority=True,
    )


def _dashboard(name: str, keys: tuple[str, ...], shown: str, label: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=name,
        keys=keys,
        shown=shown,
        label=label,
        help=explained,
        action=f"app.{name}" if name in _APP_ACTIONS else name,
        scope=Scope.DASHBOARD,
        footer=footer,
    )


TABLE: tuple[Key, ...] = (
    _dashboard("help", ("question_mark",), "?", "help", "Show this page.", 0),
    _dashboard(
        "pause",
        ("p",),
        "p",
        "pause",
        "Pause the grid: its resting entries are cancelled, its exits stay. Again: resume.",
        1,
    ),
    _dashboard(
        "freeze",
        ("space",),
        "space",
        "freeze",
        "Freeze the selected slot: nothing is placed or cancelled there, fills are booked. Again: thaw.",
        2,
    ),
    _dashboard("stop", ("s",), "s", "stop", "Stop the grid: leave, cancel or flatten, chosen by a typed word.", 3),
    _dashboard("follow", ("f",), "f", "follow", "Follow the price again: it stays in the middle of the ladder.", 6),
    _dashboard("faster", ("plus", "equals_sign"), "+", "faster", "Drive the simulated market faster.", 7),
    _dashboard("slower", ("minus",), "-", "slower", "Drive the simulated market slower.", 8),
    _dashboard("details", ("enter",), "enter", "details", "Show the selected slot and the profit in full.", 9),
    _dashboard("theme", ("t",), "t", "theme", "Change to the next theme.", 10),
    _dashboard("rewind", ("left_square_bracket",), "[", "rewind", "Step back into the past; trading goes on.", 11),
    _dashboard("previous_grid", ("less_than_sign", "comma"), "<", "", "Show the previous grid.", None),
    _dashboard("next_grid", ("greater_than_sign", "full_stop"), ">", "next grid", "Show the next grid.", 5),
    _dashboard("next_pane", ("tab",), "tab", "", "Move the focus between the ladder and the events.", None),
    _dashboard("quit", ("q",), "q", "quit", "Leave; asks first while a grid is at work.", 4),
    _dashboard(
        "questions",
        ("R",),
        "R",
        "questions",
        "Show what the books and the exchange disagree on; answer it, or compare them now.",
        5,
    ),
    Key(
        id="quit_anywhere",
        keys=("ctrl+q",),
        shown="ctrl+q",
        label="",
        help="Leave, from every screen; asks the same.",
        action="quit",
        scope=Scope.APP,
        is_priority=True,
    ),
    Key(
        id="interrupt",
        keys=("ctrl+c",),
        shown="ctrl+c",
        label="",
        help="Never leaves; says which key does.",
        action="help_quit",
        scope=Scope.APP,
    ),
    _ladder("up", ("up", "k"), "↑ k", "move(-1)", "Select the slot above."),
    _ladder("down", ("down", "j"), "↓ j", "move(1)", "Select the slot below."),
    _ladder("page_up", ("pageup", "ctrl+u"), "pgup ctrl+u", "page(-1)", "Move up half a page."),
    _ladder("page_down", ("pagedown", "ctrl+d"), "pgdn ctrl+d", "page(1)", "Move down half a page."),
    _ladder("top", ("home", "g"), "home g", "edge(-1)", "Go to the highest slot."),
    _ladder("bottom", ("end", "G"), "end G", "edge(1)", "Go to the lowest slot."),
    _questions(
        "answer", tuple("123456789"), "1-9", "answer({key})", "Give this answer; money is moved only after a yes.", 0
    ),
    _questions("previous", ("up", "k"), "↑ k", "select(-1)", "Look at the question before.", 1),
    _questions("next", ("down", "j"), "↓ j", "select(1)", "Look at the next question.", 2),
    _questions(
        "back", ("escape", "q", "R"), "esc q", "app.pop_screen", "Back to the dashboard; nothing is answered.", 4
    ),
    _questions("compare", ("r",), "r", "reconcile", "Compare the books of this grid with the exchange now.", 3),
    _questions("page_up", ("pageup", "ctrl+u"), "pgup ctrl+u", "scroll(-1)", "Scroll the question up.", None),
    _questions("page_down", ("pagedown", "ctrl+d"), "pgdn ctrl+d", "scroll(1)", "Scroll the question down.", None),
    _rewind("live", ("escape",), "esc", "live", "Back to what is now.", 0),
    _rewind("back", ("left_square_bracket",), "[", "step(-1)", "One record back.", 1),
    _rewind("forward", ("right_square_bracket",), "]", "step(1)", "One record forward.", 2),
    _rewind("-100", ("left_curly_bracket",), "{", "step(-100)", "A hundred records back.", 3),
    _rewind("+100", ("right_curly_bracket",), "}", "step(100)", "A hundred records forward.", 4),
    _rewind("first", ("home",), "home", "edge(-1)", "The first record.", 6),
    _rewind("last", ("end",), "end", "edge(1)", "The last record that was there when you stepped back.", 7),
    _rewind("go to", ("g",), "g", "go", "Go to a record by its number, or to a time.", 5),
)


def footer_keys(table: Iterable[Key] = TABLE, *, scope: Scope = Scope.DASHBOARD) -> tuple[Key, ...]:
    """The keys of a screen's footer in their order."""
    shown = [key for key in table if key.footer is not None and key.scope is scope]
    return tuple(sorted(shown, key=lambda key: key.footer or 0))

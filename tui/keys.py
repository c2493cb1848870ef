"""The one table of keys: it feeds the bindings, the footer, the help screen and the tests.

No single letter raises a risk where money is real: letters look, move, or reduce risk;
stopping needs a typed word, resuming outside a simulation a yes, and so does the panic key.
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
    REGIME = "in the regime"
    RISK = "in the limits and blocks"
    PREFLIGHT = "in the pre-flight"
    EDIT = "while editing a grid"


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


PANIC_CHARACTER = "!"
"""What the panic key types; no field takes it."""
_APP_ACTIONS = frozenset(("theme", "previous_grid", "next_grid", "rewind", "preflight", "edit", "quit"))
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


def _regime(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=f"regime_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.REGIME,
        footer=footer,
    )


def _risk(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=f"risk_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.RISK,
        footer=footer,
    )


def _preflight(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int | None) -> Key:
    return Key(
        id=f"preflight_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.PREFLIGHT,
        footer=footer,
    )


def _edit(name: str, keys: tuple[str, ...], shown: str, action: str, explained: str, footer: int) -> Key:
    return Key(
        id=f"edit_{name}",
        keys=keys,
        shown=shown,
        label=name,
        help=explained,
        action=action,
        scope=Scope.EDIT,
        footer=footer,
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
        "Pause the grid: entries are cancelled, exits stay. Again: resume; a stopped grid too, after a yes.",
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
    _dashboard(
        "preflight", ("P",), "P", "pre-flight", "Show what the grid would do and cost if it were started now.", None
    ),
    _dashboard("edit", ("E",), "E", "edit", "Change range, slots or size of the running grid, after a preview.", None),
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
    _dashboard("market", ("m",), "m", "market", "Show the regime of the market: why, and what it holds back.", 5),
    _dashboard("limits", ("l", "L"), "l", "limits", "Show limits, stops and blocks; lift a block there with L.", 5),
    Key(
        id="panic",
        keys=("exclamation_mark",),
        shown=PANIC_CHARACTER,
        label="panic",
        help="Panic: cancel all entries and open nothing until you lift it; asks first. From every screen.",
        action="panic",
        scope=Scope.APP,
        footer=0,
        # Before a field that has the focus: nothing is typed in a panic.
        is_priority=True,
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
    _regime("back", ("escape", "q", "m"), "esc q", "app.pop_screen", "Back to the dashboard.", 0),
    _regime("up", ("up", "k"), "↑ k", "scroll(-1)", "Scroll up.", None),
    _regime("down", ("down", "j"), "↓ j", "scroll(1)", "Scroll down.", None),
    _regime("page_up", ("pageup", "ctrl+u"), "pgup ctrl+u", "page(-1)", "Scroll up by half a page.", None),
    _regime("page_down", ("pagedown", "ctrl+d"), "pgdn ctrl+d", "page(1)", "Scroll down by half a page.", None),
    _regime("previous grid", ("less_than_sign", "comma"), "<", "app.previous_grid", "Show the previous grid.", None),
    _regime("next grid", ("greater_than_sign", "full_stop"), ">", "app.next_grid", "Show the next grid.", 1),
    _risk("lift", ("L",), "L", "lift", "Lift the marked block, after a yes that says what will happen.", 0),
    _risk("previous", ("up", "k"), "↑ k", "select(-1)", "Mark the block before.", 1),
    _risk("next", ("down", "j"), "↓ j", "select(1)", "Mark the next block.", 2),
    _risk("back", ("escape", "q", "l"), "esc q", "app.pop_screen", "Back to the dashboard; nothing is lifted.", 3),
    _risk("page_up", ("pageup", "ctrl+u"), "pgup ctrl+u", "page(-1)", "Scroll up by half a page.", None),
    _risk("page_down", ("pagedown", "ctrl+d"), "pgdn ctrl+d", "page(1)", "Scroll down by half a page.", None),
    _risk("previous grid", ("less_than_sign", "comma"), "<", "app.previous_grid", "Show the previous grid.", None),
    _risk("next grid", ("greater_than_sign", "full_stop"), ">", "app.next_grid", "Show the next grid.", 4),
    _preflight("again", ("r",), "r", "ask", "Ask the engine again, at the newest price.", 0),
    _preflight("up", ("up", "k"), "↑ k", "scroll(-1)", "Scroll up.", 1),
    _preflight("down", ("down", "j"), "↓ j", "scroll(1)", "Scroll down.", 2),
    _preflight("page_up", ("pageup", "ctrl+u"), "pgup ctrl+u", "page(-1)", "Scroll up by half a page.", None),
    _preflight("page_down", ("pagedown", "ctrl+d"), "pgdn ctrl+d", "page(1)", "Scroll down by half a page.", None),
    _preflight("top", ("home", "g"), "home g", "edge(-1)", "Go to the top.", None),
    _preflight("end", ("end", "G"), "end G", "edge(1)", "Go to the lowest slot.", None),
    _preflight("back", ("escape", "q", "P"), "esc q", "app.pop_screen", "Back to the dashboard.", 3),
    _edit("preview", ("enter",), "enter", "look", "Ask the engine what the change would do; nothing happens.", 0),
    _edit("next field", ("tab",), "tab", "app.focus_next", "Go to the next field.", 1),
    _edit("page up", ("pageup",), "pgup", "page(-1)", "Scroll the preview up.", 2),
    _edit("page down", ("pagedown",), "pgdn", "page(1)", "Scroll the preview down.", 3),
    _edit("leave", ("escape",), "esc", "app.pop_screen", "Back to the dashboard; nothing is changed.", 4),
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

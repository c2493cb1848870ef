"""The confirmation of live trading: it shows what an engine would do with the account, and takes a typed yes.

Nothing is started before that; the exchange is asked by a process of its own that ends again.
"""

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input

from engine import api
from engine.model.errors import SettingsInvalid
from engine.settings import Settings
from tui.panes.fields import Field
from tui.panes.preflight import ShownText
from tui.present.live import Asked, is_typed, live_head, live_hint, live_lines
from tui.screens.reconcile import PlainScroll

_PHRASE_LENGTH_MAX = 64


class LiveScreen(Screen[bool]):
    """Closes with whether the engine shall be started."""

    BINDINGS = [
        ("escape", "answer(False)", "leave"),
        ("f5", "ask", "ask again"),
        ("y", "agree", "yes"),
        ("up", "scroll(-1)", "up"),
        ("down", "scroll(1)", "down"),
        ("pageup", "scroll(-10)", "page up"),
        ("pagedown", "scroll(10)", "page down"),
    ]

    def __init__(self, engine: api.Launch, settings: Settings) -> None:
        super().__init__()
        self._engine = engine
        self._settings = settings
        self._asked = Asked()
        self._is_refused = False
        self._head, self._text, self._hint = ShownText("live-head"), ShownText(), ShownText("live-hint")
        self._body = PlainScroll(self._text, id="live-body")

    def compose(self) -> ComposeResult:
        """The bar, what would happen, and where real money is at stake a place to type."""
        yield self._head
        yield self._body
        if not self._settings.exchange.sandbox:
            typed = Field(id="live-phrase", max_length=_PHRASE_LENGTH_MAX, compact=True)
            yield typed
        yield self._hint

    def on_mount(self) -> None:
        """Ask at once."""
        self._head.show(lambda width: (live_head(self._settings, width),))
        for field in self.query(Input):
            field.focus()
        self.action_ask()

    def action_ask(self) -> None:
        """Ask the exchange, again if it was asked before."""
        self._show(Asked())
        self.run_worker(self._ask(), group="ask", exclusive=True)

    async def _ask(self) -> None:
        try:
            self._show(Asked(plan=await self._engine.plan()))
        except SettingsInvalid as invalid:
            self._show(Asked(problems=invalid.problems))

    def _show(self, asked: Asked) -> None:
        self._asked = asked
        self._text.show(lambda width: live_lines(self._settings, asked, width))
        self._show_hint(is_refused=False)

    def _show_hint(self, *, is_refused: bool) -> None:
        asked = self._asked
        self._hint.show(lambda _: (live_hint(self._settings, asked, is_refused=is_refused),))

    @on(Input.Submitted)
    def take_phrase(self, event: Input.Submitted) -> None:
        """Only the whole phrase does anything, and only once the exchange has answered."""
        if is_typed(event.value, self._settings) and not self._asked.forbids:
            self.dismiss(True)
        else:
            self._show_hint(is_refused=True)

    def action_agree(self) -> None:
        """The testnet needs no more than this."""
        if self._settings.exchange.sandbox and not self._asked.forbids:
            self.dismiss(True)

    def action_answer(self, is_sure: bool) -> None:
        """Close with the answer."""
        self.dismiss(is_sure)

    def action_scroll(self, rows: int) -> None:
        """Scroll what would happen."""
        self._body.scroll_relative(y=rows, animate=False)

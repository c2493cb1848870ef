"""The edit screen: four fields, what their change would do, and two steps before it is done.

It promises that nothing is changed that was not seen: the word that goes on is asked for only while the preview is
of what the fields say, and an edit that would trade more than was agreed to is shown again instead of done.
"""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input

from engine import api
from engine.model.commands import EditGrid, GridChange
from engine.model.errors import CommandRefused, EngineStopped
from engine.model.preflight import EditPreview
from engine.model.snapshot import GridSnapshot
from engine.model.text import clean_text
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.panes.fields import Field
from tui.panes.preflight import ScopeFooter, ShownText
from tui.panes.questions import QuestionsHead
from tui.panes.titles import set_titles
from tui.present.edit import (
    WORD,
    Fields,
    Typed,
    change_from_fields,
    confirm_lines,
    fields_of,
    hint_lines,
    preview_lines,
    size_label,
)
from tui.present.pieces import BLANK, Line, Piece, Tone
from tui.present.preflight import places_for, trouble_lines
from tui.present.words import stage_of
from tui.screens.confirm import ConfirmScreen
from tui.screens.reconcile import PlainScroll
from tui.view import View

_TEXT_MAX = 41
_REFUSAL_LIMIT = 800
_GROWN = "the market has moved: the edit would trade more now than you agreed to, as shown below; nothing was done"


class EditScreen(Screen[None]):
    """Closes once the edit is done, or with nothing done.

    Invariant: ``_shown`` is the preview of what the fields say, or None.
    """

    BINDINGS = bindings_for(Scope.EDIT)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (180, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    def __init__(self, client: api.Client, view: View, grid: GridSnapshot) -> None:
        super().__init__()
        self._client = client
        self._view = view
        self._grid = grid
        self._places = places_for(grid)
        self._now = fields_of(grid)
        self._asked = GridChange()
        self._shown: EditPreview | None = None
        self._head = QuestionsHead("edit-head")
        self._text = ShownText()
        self._page = PlainScroll(self._text, id="edit-preview")
        self._footer = ScopeFooter(Scope.EDIT, "edit-footer")
        self._lower_field = _field(self._now.lower)
        self._upper_field = _field(self._now.upper)
        self._slots_field = _field(self._now.slots)
        self._size_field = _field(self._now.size)
        self._word = Field(
            placeholder=f"type {WORD} and press enter", max_length=len(WORD), compact=True, id="edit-word"
        )
        self._word.cursor_blink = False

    def compose(self) -> ComposeResult:
        """The fields in a row, the preview under them, and the word that goes on."""
        yield self._head
        with Horizontal(id="edit-fields"):
            for label, field in (
                ("lower", self._lower_field),
                ("upper", self._upper_field),
                ("slots", self._slots_field),
                (size_label(self._grid), self._size_field),
            ):
                yield Vertical(_label(label), field)
        yield self._page
        yield self._word
        yield self._footer

    def on_mount(self) -> None:
        """Begin in the first field."""
        self._word.display = False
        self._text.show(hint_lines)
        set_titles(self._page, f"Edit {clean_text(self._grid.name, 32)} {clean_text(self._grid.symbol, 32)}")
        self.draw(self._view)
        self._lower_field.focus()

    def draw(self, view: View) -> None:
        """Show the newest state of the engine; the preview stays as it was asked for."""
        self._view = view
        for pane in (self._head, self._text, self._footer):
            pane.draw(view)

    def _typed(self) -> Typed:
        fields = Fields(
            lower=self._lower_field.value,
            upper=self._upper_field.value,
            slots=self._slots_field.value,
            size=self._size_field.value,
        )
        return change_from_fields(self._now, fields)

    @on(Input.Changed)
    def forget_preview(self, event: Input.Changed) -> None:
        """A preview of other figures is no longer one to agree to; what is no number is said at once."""
        if event.input is self._word:
            return
        typed = self._typed()
        if typed.is_readable and self._shown is not None and typed.change == self._asked:
            return
        self._shown = None
        self._word.display = False
        if typed.is_readable:
            self._text.show(hint_lines)
        else:
            self._text.show(lambda width: trouble_lines(typed.problems, (), width))

    @on(Input.Submitted)
    def take_line(self, event: Input.Submitted) -> None:
        """Enter in a field asks; after the whole word it goes on."""
        if event.input is not self._word:
            self.action_look()
        elif event.value.strip().lower() == WORD:
            self._confirm()

    def action_look(self) -> None:
        """Ask the engine what the change would do."""
        typed = self._typed()
        if typed.problems:
            self._show_no(typed.problems)
        elif self._view.ended is not None:
            self._show_no(("the engine has stopped; nothing can be asked",))
        else:
            self.run_worker(self._look(typed.change), group="look", exclusive=True)

    async def _look(self, change: GridChange) -> None:
        try:
            preview = await self._client.preview(self._grid.name, change)
        except (CommandRefused, EngineStopped) as no:
            self._show_no((clean_text(str(no), _REFUSAL_LIMIT),))
            return
        if self._typed().change == change:
            self._show(change, preview, ())

    def _show(self, change: GridChange, preview: EditPreview, said: tuple[str, ...]) -> None:
        self._asked, self._shown = change, preview
        self._text.show(lambda width: _with_words(said, preview_lines(preview, self._places, width), width))
        self._page.scroll_to(y=0, animate=False)
        self._word.value = ""
        self._word.display = not preview.problems
        if not preview.problems:
            self._word.focus()

    def _show_no(self, problems: tuple[str, ...]) -> None:
        self._shown = None
        self._word.display = False
        if self.focused is None or self.focused is self._word:
            self._lower_field.focus()
        self._text.show(lambda width: trouble_lines(problems, (), width))

    def _confirm(self) -> None:
        change, preview = self._asked, self._shown
        if preview is None:
            return
        stage = stage_of(self._view.engine)

        def edit_if(is_sure: bool | None) -> None:
            self._word.value = ""
            if is_sure:
                # The app's, not this screen's: what is on its way is heard of even after leaving.
                self.app.run_worker(self._edit(change, preview), group="send")

        grid, places = self._grid, self._places
        self.app.push_screen(ConfirmScreen(lambda width: confirm_lines(stage, grid, preview, places, width)), edit_if)

    async def _edit(self, change: GridChange, agreed: EditPreview) -> None:
        try:
            preview = await self._client.preview(self._grid.name, change)
            if preview.problems or preview.trades_more_than(agreed):
                self._tell_no(change, preview)
                return
            done = await self._client.send(EditGrid(grid=self._grid.name, change=change))
        except (CommandRefused, EngineStopped) as no:
            text = clean_text(str(no), _REFUSAL_LIMIT)
            self.app.notify(text, title="Refused", severity="error", markup=False)
            if self.is_current:
                self._show_no((text,))
            return
        self.app.notify(clean_text(done.message), markup=False)
        if self.is_current:
            self.app.pop_screen()

    def _tell_no(self, change: GridChange, preview: EditPreview) -> None:
        if self.is_current:
            self._show(change, preview, () if preview.problems else (_GROWN,))
        else:
            self.app.notify("The edit was not done: the market has moved.", severity="warning", markup=False)

    def action_page(self, direction: int) -> None:
        """Scroll the preview by half a page."""
        self._page.scroll_relative(y=direction * max(self._page.size.height // 2, 1), animate=False)


def _field(value: str) -> Field:
    # What is no number is refused in words: a field that drops a character makes 85 of 8,5.
    field = Field(value, placeholder="as it is", max_length=_TEXT_MAX, compact=True)
    field.cursor_blink = False
    return field


def _label(text: str) -> ShownText:
    label = ShownText()
    label.show(lambda _width: ((Piece(text, Tone.DIM),),))
    return label


def _with_words(said: tuple[str, ...], lines: tuple[Line, ...], width: int) -> tuple[Line, ...]:
    return (*trouble_lines((), said, width), BLANK, *lines) if said else lines

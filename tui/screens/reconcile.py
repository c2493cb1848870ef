"""The reconciliation screen: what the books and the exchange disagree on, and the keys that settle it.

It promises that a key answers only the question a person had time to see: a digit that comes as
a question appears by itself is not taken. Answers that move money are confirmed.
"""

import anyio
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import Screen

from engine.model.commands import Command, Reconcile, Resolve
from engine.model.reconcile import Choice
from tui.bindings import bindings_for
from tui.keys import Scope
from tui.messages import SendCommand
from tui.panes.questions import QuestionDetail, QuestionList, QuestionsFooter, QuestionsHead
from tui.panes.titles import set_titles
from tui.present.questions import (
    OpenQuestion,
    QuestionKey,
    answer_lines,
    first_wanted,
    open_questions,
    question_title,
    still_selected,
)
from tui.present.words import stage_of
from tui.screens.confirm import ConfirmScreen
from tui.view import View

TYPE_AHEAD_SECONDS = 0.4
"""A digit that comes sooner was meant for what was there before."""


class PlainScroll(VerticalScroll, can_focus=False):
    """Scrolled by the screen's keys and the wheel."""


class ReconcileScreen(Screen[None]):
    """Open questions of all grids; the selected one with its three views and its choices.

    Invariant: ``_selected`` is the key of one of ``_questions``, or None when there are none.
    """

    BINDINGS = bindings_for(Scope.QUESTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (180, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    def __init__(self, view: View, slot: int | None) -> None:
        super().__init__()
        self._view = view
        self._questions: tuple[OpenQuestion, ...] = open_questions(view.engine)
        grid = "" if view.grid is None else view.grid.name
        self._selected = first_wanted(self._questions, grid, slot)
        self._appeared_at = anyio.current_time()
        self._head = QuestionsHead("questions-head")
        self._list = QuestionList()
        self._detail = QuestionDetail()
        self._footer = QuestionsFooter("questions-footer")
        self._upper = PlainScroll(self._list, id="questions-list")
        self._lower = PlainScroll(self._detail, id="questions-detail")

    def compose(self) -> ComposeResult:
        """Questions above or at the left, the selected one below or at the right."""
        yield self._head
        yield Container(self._upper, self._lower, id="questions-body")
        yield self._footer

    def on_mount(self) -> None:
        """Show what the dashboard knew."""
        self.draw(self._view)

    def draw(self, view: View) -> None:
        """Show another view; questions that are answered go, and the selection stays or moves on."""
        self._view = view
        shown, before = self._item, [item.key for item in self._questions]
        self._questions = open_questions(view.engine)
        selected = still_selected(before, self._selected, [item.key for item in self._questions])
        self._select(selected)
        if self._choices_of(shown) != self._choices_of(self._item):
            self._appeared_at = anyio.current_time()
        self._head.draw(view)
        self._list.draw(view)
        self._detail.draw(view)
        self._footer.draw(view)

    @staticmethod
    def _choices_of(item: OpenQuestion | None) -> tuple[QuestionKey, tuple[Choice, ...]] | None:
        """What a digit means while this question is shown."""
        return None if item is None else (item.key, item.question.choices)

    def _select(self, selected: QuestionKey | None) -> None:
        if selected != self._selected:
            self._lower.scroll_to(y=0, animate=False)
        self._selected = selected
        item = self._item
        self._list.choose(self._questions, selected)
        self._detail.choose(item)
        self._upper.display = bool(self._questions)
        at = self._at
        count = len(self._questions)
        set_titles(self._upper, f"Questions {at + 1} of {count}" if count else "Questions")
        set_titles(self._lower, "Reconciliation" if item is None else question_title(item))
        self.call_after_refresh(self._keep_in_sight, at)

    def _keep_in_sight(self, row: int) -> None:
        top, height = self._upper.scroll_offset.y, self._upper.scrollable_content_region.height
        if row < top:
            self._upper.scroll_to(y=row, animate=False)
        elif row >= top + height:
            self._upper.scroll_to(y=row - height + 1, animate=False)

    @property
    def _at(self) -> int:
        """Where the selected question stands in the list; 0 without any."""
        return next((at for at, item in enumerate(self._questions) if item.key == self._selected), 0)

    @property
    def _item(self) -> OpenQuestion | None:
        return self._questions[self._at] if self._questions else None

    def action_select(self, rows: int) -> None:
        """Look at another question."""
        if self._questions:
            at = min(max(self._at + rows, 0), len(self._questions) - 1)
            self._select(self._questions[at].key)

    def action_scroll(self, direction: int) -> None:
        """Scroll the selected question by half a page."""
        half = max(self._lower.size.height // 2, 1)
        self._lower.scroll_relative(y=direction * half, animate=False)

    def action_answer(self, number: int) -> None:
        """Give the answer with this number; one that moves money is confirmed first."""
        item = self._item
        if item is None or not self._can_send() or number > len(item.question.choices):
            return
        if anyio.current_time() - self._appeared_at < TYPE_AHEAD_SECONDS:
            self._say_no("The question had only just appeared; press the key again to answer it.")
            return
        choice = item.question.choices[number - 1]
        if choice.moves_money:
            self._confirm(item, choice)
        else:
            self._send(_answer(item, choice))

    def _confirm(self, item: OpenQuestion, choice: Choice) -> None:
        stage = stage_of(self._view.engine)

        def answer_if(is_sure: bool | None) -> None:
            if is_sure:
                self._send(_answer(item, choice))

        self.app.push_screen(ConfirmScreen(lambda width: answer_lines(stage, item, choice, width)), answer_if)

    def action_reconcile(self) -> None:
        """Compare the books of the selected question's grid with the exchange now, else of the chosen grid."""
        if not self._can_send():
            return
        grid = self._view.grid if self._item is None else self._item.grid
        if grid is None:
            self._say_no("The engine is still starting.")
            return
        self._send(Reconcile(grid=grid.name))

    def _can_send(self) -> bool:
        if self._view.ended is not None:
            self._say_no("The engine has stopped; nothing can be sent.")
        return self._view.ended is None

    def _say_no(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def _send(self, command: Command) -> None:
        self.post_message(SendCommand(command))


def _answer(item: OpenQuestion, choice: Choice) -> Resolve:
    return Resolve(grid=item.grid.name, name=item.question.name, resolution=choice.resolution)

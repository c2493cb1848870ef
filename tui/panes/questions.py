"""The panes of the reconciliation screen: what is open, the one that is looked at, and the keys for it."""

from collections.abc import Sequence

from tui.keys import Scope, footer_keys
from tui.panes.lines import LinesPane
from tui.present.manual import footer_line
from tui.present.pieces import Line
from tui.present.questions import OpenQuestion, QuestionKey, detail_lines, list_lines, nothing_lines, open_questions
from tui.present.status import alert_lines, status_line

_KEYS_ALWAYS = frozenset(("questions_compare", "questions_back"))
"""What can be done without a question."""
_AIRY = 32
"""Rows of a screen that leave room for blank lines."""


class QuestionsHead(LinesPane):
    """The engine in one line, and what a person must know at once."""

    dims_when_ended = False

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Status and alerts."""
        return status_line(self.view, width), *alert_lines(self.view, width)


class QuestionList(LinesPane):
    """All open questions, one line each."""

    _questions: Sequence[OpenQuestion] = ()
    _selected: QuestionKey | None = None

    def choose(self, questions: Sequence[OpenQuestion], selected: QuestionKey | None) -> None:
        """Show these questions with this one marked."""
        self._questions, self._selected = questions, selected
        self.renew()

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The questions."""
        at_ms = 0 if self.view.engine is None else self.view.engine.at_ms
        return list_lines(self._questions, self._selected, at_ms, width)


class QuestionDetail(LinesPane):
    """The selected question in full, or what there is to say without any."""

    _item: OpenQuestion | None = None

    def choose(self, item: OpenQuestion | None) -> None:
        """Show this question."""
        self._item = item
        self.renew()

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """The question, its three views, its choices."""
        if self._item is None:
            return nothing_lines(self.view, width)
        return detail_lines(self._item, width, is_airy=self.app.size.height >= _AIRY)


class QuestionsFooter(LinesPane):
    """The keys that can do something now."""

    dims_when_ended = False

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """One line."""
        has_questions = bool(open_questions(self.view.engine))
        keys = [key for key in footer_keys(scope=Scope.QUESTIONS) if has_questions or key.id in _KEYS_ALWAYS]
        return (footer_line(keys, width),)

"""Reconciliation as it is asked: the open questions, the three views side by side, and the ways out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len

from engine.model.reconcile import Choice, DiscrepancyKind, Resolution, ViewRow
from engine.model.snapshot import EngineSnapshot, GridSnapshot, QuestionView
from engine.model.text import clean_text
from tui.present.dialogs import YES_OR_NO
from tui.present.numbers import clock, duration, plural
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, join, line_width, spread, wrap_words
from tui.present.words import ASKED, STAGE_BANNERS, Stage
from tui.view import View

RECONCILIATION = "reconciliation"
"""The engine's part that compares the books with the exchange."""
DIFFERS = "≠"
CHOICES_MAX = 9
"""As many as there are digits to answer with."""
_NAME_LIMIT = 16
_DETAIL_LIMIT = 800
_LABEL_MAX = 14
_CELL_MIN, _CELL_MAX = 6, 36
_CELL_FRAME = 4
"""What a cell has around its text: a line, the mark and two blanks."""


class KindWords(NamedTuple):
    """A kind of discrepancy: its name, and what it means."""

    word: str
    meaning: str


KIND_WORDS = {
    DiscrepancyKind.OFFLINE_FILL: KindWords("offline fill", "an order of ours was executed further than we were told"),
    DiscrepancyKind.PARTIAL_CANCEL: KindWords("partial cancel", "executed in part, then closed, and we were not told"),
    DiscrepancyKind.ORDER_CLOSED: KindWords("order closed", "closed without a further execution, and we were not told"),
    DiscrepancyKind.VANISHED_ORDER: KindWords("vanished order", "the exchange showed it once and now does not know it"),
    DiscrepancyKind.ORPHAN_ORDER: KindWords("orphan order", "an order of this grid that is not in the journal"),
    DiscrepancyKind.DUPLICATE_ORDER: KindWords("duplicate order", "a second order for a slot that has one already"),
    DiscrepancyKind.ORDER_MISMATCH: KindWords("order mismatch", "price, amount or side are not what was intended"),
    DiscrepancyKind.FOREIGN_ORDER: KindWords("foreign order", "an order that is not ours; it is never touched"),
    DiscrepancyKind.UNKNOWN_OUTCOME: KindWords("unknown outcome", "the exchange does not say what became of a request"),
    DiscrepancyKind.HOLDING_SHORT: KindWords("holding short", "the account holds less than the lots of its grids"),
    DiscrepancyKind.HOLDING_OVER: KindWords("holding over", "the account holds more beside the lots than before"),
    DiscrepancyKind.LATTICE_MISMATCH: KindWords("lattice mismatch", "the market's rules are no longer the lattice's"),
    DiscrepancyKind.SECOND_INSTANCE: KindWords("second instance", "another engine trades this market on this account"),
}
RESOLUTION_WORDS = {
    Resolution.ADOPT: "adopt",
    Resolution.CANCEL: "cancel",
    Resolution.RELEASE: "release",
    Resolution.WRITE_OFF: "write off",
    Resolution.NOTE: "note",
    Resolution.KEEP: "keep",
    Resolution.QUERY: "query",
    Resolution.HALT: "halt",
}


class QuestionKey(NamedTuple):
    """What an answer is addressed to."""

    grid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """A question and the grid it is about."""

    grid: GridSnapshot
    question: QuestionView

    @property
    def key(self) -> QuestionKey:
        """What the answer is addressed to."""
        return QuestionKey(self.grid.name, self.question.name)


def open_questions(engine: EngineSnapshot | None) -> tuple[OpenQuestion, ...]:
    """The open questions of all grids, the oldest first."""
    if engine is None:
        return ()
    found = [OpenQuestion(grid=grid, question=question) for grid in engine.grids for question in grid.questions]
    return tuple(sorted(found, key=lambda open_one: open_one.question.asked_ms))


def asked_slots(grid: GridSnapshot) -> frozenset[int]:
    """The slots that a question is about."""
    return frozenset(question.slot for question in grid.questions if question.slot is not None)


def first_wanted(questions: Sequence[OpenQuestion], grid: str, slot: int | None) -> QuestionKey | None:
    """The question to begin with: about this slot, else of this grid, else the oldest; None without any."""
    of_grid = [item for item in questions if item.grid.name == grid]
    of_slot = [item for item in of_grid if slot is not None and item.question.slot == slot]
    return next((item.key for item in (*of_slot, *of_grid, *questions)), None)


def still_selected(
    before: Sequence[QuestionKey], selected: QuestionKey | None, after: Sequence[QuestionKey]
) -> QuestionKey | None:
    """What is selected once the questions have changed: the same one, else the next that is left, else the last."""
    if not after:
        return None
    if selected is None or selected not in before:
        return selected if selected in after else after[0]
    return next((key for key in before[before.index(selected) :] if key in after), after[-1])


def count_text(count: int) -> str:
    """How many questions, and the key that opens them."""
    return f"{plural(count, 'question')}: press R"


def question_lines(view: View, width: int) -> tuple[Line, ...]:
    """One line of the dashboard that says what is asked; empty when nothing is, or nobody can answer any more."""
    questions = open_questions(view.engine)
    if not questions or view.ended is not None:
        return ()
    badge = Piece(f" {ASKED.glyph} {count_text(len(questions))}", Tone.WARN)
    what = ", ".join(_place_and_kind(item) for item in questions)
    return (cut_line((badge, Piece(f"  {what}")), width),)


def _place_and_kind(item: OpenQuestion) -> str:
    place = "" if item.question.slot is None else f"slot {item.question.slot} "
    return f"{clean_text(item.grid.name, _NAME_LIMIT)} {place}{KIND_WORDS[item.question.kind].word}"


def list_lines(
    questions: Sequence[OpenQuestion], selected: QuestionKey | None, at_ms: int, width: int
) -> tuple[Line, ...]:
    """One line for each question: its name, grid, slot, kind, and since when it is open."""
    if not questions:
        return ()
    names = [clean_text(item.question.name, _NAME_LIMIT) for item in questions]
    grids = [clean_text(item.grid.name, _NAME_LIMIT) for item in questions]
    widths = max(map(cell_len, names)), max(map(cell_len, grids))
    return tuple(
        _list_line(item, fit_left(name, widths[0]), fit_left(grid, widths[1]), at_ms, width, item.key == selected)
        for item, name, grid in zip(questions, names, grids, strict=True)
    )


def _list_line(item: OpenQuestion, name: str, grid: str, at_ms: int, width: int, is_selected: bool) -> Line:
    question = item.question
    slot = "whole grid" if question.slot is None else f"slot {question.slot}"
    tone = Tone.STRONG if is_selected else Tone.TEXT
    left: Line = (
        Piece("▸ " if is_selected else "  ", Tone.PRICE),
        Piece(f"{name}  {grid}  {fit_left(slot, 10)}  ", tone),
        Piece(KIND_WORDS[question.kind].word, Tone.WARN),
    )
    since = f"since {clock(question.asked_ms)}, {duration(at_ms - question.asked_ms)} "
    return spread(left, (Piece(since, Tone.DIM),), width)


def question_title(item: OpenQuestion) -> str:
    """Which question it is, in one line."""
    question = item.question
    slot = "" if question.slot is None else f"slot {question.slot} "
    name = clean_text(question.name, _NAME_LIMIT)
    return f"{name}  {clean_text(item.grid.name, _NAME_LIMIT)} {slot}{KIND_WORDS[question.kind].word}"


def detail_lines(item: OpenQuestion, width: int, *, is_airy: bool) -> tuple[Line, ...]:
    """The selected question in full; ``is_airy`` leaves blank lines between its parts."""
    question = item.question
    order = clean_text(question.client_order_id, 40)
    text = clean_text(question.detail, _DETAIL_LIMIT)
    if order not in text:
        text += f" (order {order})"
    parts: list[Sequence[Line]] = [
        [(Piece(row),) for row in wrap_words(text, width)],
        view_lines(question.rows, width),
        _choices_lines(question, width),
        _labelled_lines(Piece("no answer", Tone.WARN), clean_text(question.unanswered, _DETAIL_LIMIT), width),
    ]
    lines: list[Line] = []
    for part in parts:
        if lines and part and is_airy:
            lines.append(BLANK)
        lines.extend(part)
    return tuple(lines)


def _labelled_lines(label: Piece, text: str, width: int) -> list[Line]:
    indent = len(label.text) + 2
    rows = wrap_words(text, max(width - indent, 1))
    first: Line = (Piece(f"{label.text}  ", label.tone), Piece(rows[0]))
    return [first, *((Piece(" " * indent), Piece(row)) for row in rows[1:])]


def view_lines(rows: Sequence[ViewRow], width: int) -> tuple[Line, ...]:
    """Journal, memory and exchange side by side; the cells that stand against the others carry a mark."""
    if not rows:
        return ()
    label = min(max(cell_len(clean_text(row.name, _LABEL_MAX)) for row in rows), _LABEL_MAX) + 1
    cell = min(max((width - label) // 3 - _CELL_FRAME, _CELL_MIN), _CELL_MAX)
    heads = "".join(f"│  {fit_left(title, cell)} " for title in ("journal", "memory", "exchange"))
    lines: list[Line] = [(Piece(fit_left("", label) + heads, Tone.HEAD),)]
    for row in rows:
        lines.extend(_row_lines(row, label, cell))
    return tuple(cut_line(line, width) for line in lines)


def _row_lines(row: ViewRow, label: int, cell: int) -> list[Line]:
    values = tuple(clean_text(value) for value in (row.journal, row.memory, row.exchange))
    texts = [wrap_words(value, cell) for value in values]
    lines: list[Line] = []
    for at in range(max(map(len, texts))):
        name = fit_left(clean_text(row.name, _LABEL_MAX), label) if at == 0 else " " * label
        pieces = [Piece(name, Tone.DIM)]
        for wrapped, is_odd in zip(texts, odd_ones(values), strict=True):
            mark = DIFFERS if is_odd and at == 0 else " "
            text = fit_left(wrapped[at] if at < len(wrapped) else "", cell)
            pieces += [Piece("│", Tone.FAINT), Piece(f"{mark} {text} ", Tone.WARN if is_odd else Tone.TEXT)]
        lines.append(tuple(pieces))
    return lines


def odd_ones(values: tuple[str, ...]) -> tuple[bool, ...]:
    """Which of three values stand alone against the others; all of them when no two agree."""
    return tuple(values.count(value) == 1 for value in values)


def _choices_lines(question: QuestionView, width: int) -> list[Line]:
    """Each choice: its key, its word, what it will do, whether it is proposed and whether it asks first."""
    words = max((cell_len(RESOLUTION_WORDS[choice.resolution]) for choice in question.choices), default=0)
    lines: list[Line] = []
    for at, choice in enumerate(question.choices[:CHOICES_MAX], 1):
        word = fit_left(RESOLUTION_WORDS[choice.resolution], words + 2)
        heads: list[Line] = [(Piece(f"{at}", Tone.KEY), Piece(f" {word}", Tone.STRONG))]
        rows = _effect_lines(choice, question.proposed, max(width - words - 4, 1))
        heads += [(Piece(" " * (words + 4)),)] * (len(rows) - 1)
        lines.extend((*head, *row) for head, row in zip(heads, rows, strict=True))
    return lines


def _effect_lines(choice: Choice, proposed: Resolution, width: int) -> list[Line]:
    notes: Line = join(
        (
            (Piece("proposed", Tone.HOLD),) if choice.resolution is proposed else (),
            (Piece("moves money: asks first", Tone.WARN),) if choice.moves_money else (),
        )
    )
    rows: list[Line] = [(Piece(row),) for row in wrap_words(clean_text(choice.effect, _DETAIL_LIMIT), width)]
    if not notes:
        return rows
    if line_width(rows[-1]) + 2 + line_width(notes) <= width:
        return [*rows[:-1], join((rows[-1], notes))]
    return [*rows, cut_line(notes, width)]


def nothing_lines(view: View, width: int) -> tuple[Line, ...]:
    """What there is to say when nothing is asked: the last comparison, and orders that are not ours."""
    if view.engine is None:
        return ((Piece("starting: waiting for the engine", Tone.WARN),),)
    lines: list[Line] = [(Piece("No open questions.", Tone.STRONG),), BLANK]
    told = next((part for part in view.engine.parts if part.name == RECONCILIATION), None)
    text = "no comparison of the books with the exchange has been reported yet"
    if told is not None and told.detail:
        text = clean_text(told.detail, _DETAIL_LIMIT)
    lines.extend(_labelled_lines(Piece("last comparison", Tone.DIM), text, width))
    for grid in view.engine.grids:
        if grid.foreign_orders:
            name = clean_text(grid.name, _NAME_LIMIT)
            text = f"{grid.foreign_orders:,} on the market of {name}; never touched"
            lines.extend(_labelled_lines(Piece("foreign orders ", Tone.DIM), text, width))
    hint = "What the books and the exchange disagree on is asked here, with what each answer would do."
    return (*lines, BLANK, *((Piece(row, Tone.DIM),) for row in wrap_words(hint, width)))


def answer_lines(stage: Stage, item: OpenQuestion, choice: Choice, width: int) -> tuple[Line, ...]:
    """The question before an answer that moves money: what it is about, and what will be done."""
    answer = f"Answer {RESOLUTION_WORDS[choice.resolution]}?  "
    about = wrap_words(question_title(item), width)
    effect = wrap_words(clean_text(choice.effect, _DETAIL_LIMIT), width)
    return (
        (Piece(answer, Tone.STRONG), STAGE_BANNERS[stage]),
        BLANK,
        *((Piece(row, Tone.DIM),) for row in about),
        *((Piece(row),) for row in effect),
        BLANK,
        YES_OR_NO,
    )

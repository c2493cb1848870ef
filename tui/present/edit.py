"""A live edit as it is typed and shown: what a change means, what it would do, and the question before it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from engine.model.amounts import amount_from_text, slots_from_text, spans_text
from engine.model.commands import GridChange
from engine.model.grid import SizedBy
from engine.model.money import ZERO, text_from_decimal
from engine.model.preflight import EditPreview, PreflightRow
from engine.model.snapshot import GridSnapshot
from engine.model.text import clean_text
from tui.present.dialogs import YES_OR_NO
from tui.present.numbers import number, plural
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, wrap_words
from tui.present.preflight import Figure, Places, beside, figures, trouble_lines
from tui.present.words import STAGE_BANNERS, Stage

WORD = "apply"
"""What is typed to go on from the preview."""
_LABEL = 16
_VALUE = 27
_BESIDE = 150
"""The width from which what happens stands beside the figures."""
_NAMED_MAX = 4
_SPANS_MAX = 3
_UNCOMPARED = frozenset(
    ("bought at once", "sold at once", "traded at once", "paid for it", "taken for it", "loss at bound")
)
"""Of a start, where an edit has figures of its own: it keeps what is held."""
_SIZE_LABELS = {
    SizedBy.QUOTE_PER_SLOT: "quote per slot",
    SizedBy.BASE_PER_SLOT: "base per slot",
    SizedBy.INVESTMENT: "investment",
}

Value = TypeVar("Value", int, Decimal)
Levels = tuple[Decimal, Decimal]
"""The lower and the upper level of a slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The four fields as texts; an empty one stays as it is."""

    lower: str = ""
    upper: str = ""
    slots: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What the fields come to: a change, or what is wrong with them.

    ``is_readable``: each field is a number or empty, whatever they come to together.
    """

    change: GridChange
    problems: tuple[str, ...] = ()
    is_readable: bool = True


def fields_of(grid: GridSnapshot) -> Fields:
    """The fields as the grid is now; empty what is not known."""
    if not grid.slots:
        return Fields()
    return Fields(
        lower=text_from_decimal(grid.slots[0].lower),
        upper=text_from_decimal(grid.slots[-1].upper),
        slots=str(len(grid.slots)),
        size="" if grid.size is None else text_from_decimal(grid.size),
    )


def size_label(grid: GridSnapshot) -> str:
    """What the field of the size means."""
    return "size" if grid.sized_by is None else _SIZE_LABELS[grid.sized_by]


def change_from_fields(now: Fields, typed: Fields) -> Typed:
    """What is to change: the fields that say something else than what is."""
    problems: list[str] = []

    def read(name: str, old: str, new: str, parse: Callable[[str], Value]) -> Value | None:
        text = new.strip()
        if not text:
            return None
        try:
            value = parse(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None
        return None if old and parse(old) == value else value

    change = GridChange(
        lower=read("lower", now.lower, typed.lower, amount_from_text),
        upper=read("upper", now.upper, typed.upper, amount_from_text),
        slots=read("slots", now.slots, typed.slots, slots_from_text),
        size=read("size", now.size, typed.size, amount_from_text),
    )
    if problems:
        return Typed(change=change, problems=tuple(problems), is_readable=False)
    return Typed(change=change, problems=tuple(_contradictions(now, change)))


def _contradictions(now: Fields, change: GridChange) -> list[str]:
    if change == GridChange():
        return ["nothing is changed yet: type another lower or upper level, number of slots or size"]
    lower = change.lower if change.lower is not None else _known(now.lower)
    upper = change.upper if change.upper is not None else _known(now.upper)
    if lower is not None and upper is not None and lower >= upper:
        return [f"lower must be below upper, was {text_from_decimal(lower)} and {text_from_decimal(upper)}"]
    return []


def _known(text: str) -> Decimal | None:
    return amount_from_text(text) if text else None


def hint_lines(width: int) -> tuple[Line, ...]:
    """What there is to say before anything was asked."""
    texts = (
        "Type what is to be another, and press enter: the engine says what that would do.",
        "Nothing happens before the preview has been seen, the word apply typed and the question answered with y.",
    )
    return tuple((Piece(row, Tone.DIM),) for text in texts for row in wrap_words(text, width))


def preview_lines(preview: EditPreview, places: Places, width: int) -> tuple[Line, ...]:
    """What forbids the edit or warns of it, what it would do, and the figures before and after."""
    lines = list(trouble_lines(preview.problems, preview.after.warnings, width))
    if lines:
        lines.append(BLANK)
    if width < _BESIDE:
        return (*lines, *effect_lines(preview, places, width), BLANK, *compared_lines(preview, places, width))
    half = width // 2
    return (*lines, *beside(effect_lines(preview, places, half - 2), compared_lines(preview, places, half), width))


def effect_lines(preview: EditPreview, places: Places, width: int) -> tuple[Line, ...]:
    """What stays, goes, comes, moves, is cancelled, is traded, and the loss before and after."""
    after = preview.after
    quote = clean_text(after.quote, 12)
    loss = (
        f"{number(preview.loss_before, places.quote)} to {number(preview.loss_after, places.quote)} {quote}, "
        "counting what is held now"
    )
    old, new = _levels_of(preview.before.rows), _levels_of(preview.after.rows)
    moves = [f"{source} to {target}" for source, target in preview.lots_moved]
    rows = (
        ("stay", _slots(preview.stays, old & new, "now", places), Tone.TEXT),
        ("disappear", _slots(preview.gone, old - new, "now", places), Tone.WARN if preview.gone else Tone.TEXT),
        ("appear", _slots(preview.new, new - old, "then", places), Tone.TEXT),
        ("lots move", _named("lot", moves, ", old to new slot"), Tone.TEXT),
        ("cancelled", _named("order", [clean_text(order, 24) for order in preview.cancels]), Tone.TEXT),
        ("at once", traded_text(preview, places), Tone.STRONG if preview.buys_base != ZERO else Tone.TEXT),
        ("loss at bound", loss, Tone.LOSS if preview.loss_after > preview.loss_before else Tone.TEXT),
    )
    return tuple(line for label, text, tone in rows for line in _labelled(label, text, tone, width))


def _labelled(label: str, text: str, tone: Tone, width: int) -> list[Line]:
    rows = wrap_words(text, max(width - _LABEL, 8))
    heads = [label, *[""] * (len(rows) - 1)]
    return [(Piece(fit_left(head, _LABEL), Tone.DIM), Piece(row, tone)) for head, row in zip(heads, rows, strict=True)]


def _levels_of(rows: Sequence[PreflightRow]) -> frozenset[Levels]:
    return frozenset((row.lower, row.upper) for row in rows)


def _slots(slots: Sequence[int], levels: frozenset[Levels], when: str, places: Places) -> str:
    """How many and between which prices: a number that a slot had can be that of another one afterwards.

    Where the levels do not tell them apart, by their numbers, and when they have them.
    """
    if not slots:
        return "none"
    count = plural(len(slots), "slot")
    if len(levels) != len(slots):
        return f"{count}, numbered {when} {spans_text(slots)}"
    spans: list[list[Decimal]] = []
    for lower, upper in sorted(levels):
        if spans and spans[-1][1] == lower:
            spans[-1][1] = upper
        else:
            spans.append([lower, upper])
    named = ", ".join(f"{number(low, places.price)} – {number(high, places.price)}" for low, high in spans[:_SPANS_MAX])
    return f"{count}: {named}" + (f" and {plural(len(spans) - _SPANS_MAX, 'more run')}" if spans[_SPANS_MAX:] else "")


def _named(noun: str, names: Sequence[str], how: str = "") -> str:
    """How many, and the first of them: a question must fit on the smallest screen."""
    if not names:
        return "none"
    more = f" and {len(names) - _NAMED_MAX:,} more" if len(names) > _NAMED_MAX else ""
    return f"{plural(len(names), noun)}{how}: {', '.join(names[:_NAMED_MAX])}{more}"


def traded_text(preview: EditPreview, places: Places) -> str:
    """What is bought or sold at once."""
    if preview.buys_base == ZERO:
        return "nothing is bought or sold"
    after = preview.after
    verb = "buys" if preview.buys_base > ZERO else "sells"
    amount = f"{number(abs(preview.buys_base), places.amount)} {clean_text(after.base, 12)}"
    return f"{verb} {amount} for about {number(abs(preview.buys_quote), places.quote)} {clean_text(after.quote, 12)}"


def compared_lines(preview: EditPreview, places: Places, width: int) -> tuple[Line, ...]:
    """The figures of a start with the grid before and after; those that change stand out."""
    before = {one.label: one for one in figures(preview.before, places)}
    after = {one.label: one for one in figures(preview.after, places)}
    labels = [label for label in {**before, **after} if label not in _UNCOMPARED]
    head: Line = (
        Piece(fit_left("if started now", _LABEL) + fit_left("before", _VALUE) + fit_left("after", _VALUE), Tone.HEAD),
    )
    lines = [head, *(_compared(label, before.get(label), after.get(label)) for label in labels)]
    return tuple(cut_line(line, width) for line in lines)


def _compared(label: str, before: Figure | None, after: Figure | None) -> Line:
    old, new = "–" if before is None else before.text, "–" if after is None else after.text
    tone = Tone.DIM if old == new else Tone.STRONG
    mark = " " if old == new else "→"
    return (
        Piece(fit_left(label, _LABEL), Tone.DIM),
        Piece(fit_left(old, _VALUE - 2) + mark + " ", Tone.DIM if old == new else Tone.TEXT),
        Piece(fit_left(new, _VALUE), tone),
    )


def confirm_lines(
    stage: Stage, grid: GridSnapshot, preview: EditPreview, places: Places, width: int
) -> tuple[Line, ...]:
    """The question before an edit is done: all that will happen at once."""
    name = f"Edit {clean_text(grid.name, 24)} {clean_text(grid.symbol, 24)}?  "
    return (
        (Piece(name, Tone.STRONG), STAGE_BANNERS[stage]),
        BLANK,
        *effect_lines(preview, places, width),
        BLANK,
        YES_OR_NO,
    )

"""What reconciliation asks, line by line: the list, the three views, the choices, and what stays selected."""

from dataclasses import replace

import pytest

from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.snapshot import EngineSnapshot
from tests import question_scenes, scenes
from tui.present.ladder import RowFacts, layout_for, slot_line
from tui.present.pieces import Line, Tone, line_text, line_width
from tui.present.questions import (
    KIND_WORDS,
    RESOLUTION_WORDS,
    OpenQuestion,
    QuestionKey,
    answer_lines,
    asked_slots,
    detail_lines,
    first_wanted,
    list_lines,
    nothing_lines,
    odd_ones,
    open_questions,
    question_lines,
    question_title,
    still_selected,
    view_lines,
)
from tui.present.slot import slot_lines
from tui.present.status import tiny_line
from tui.present.words import Stage
from tui.view import View

A, B, C, D = (QuestionKey("btc", name) for name in "abcd")


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line).rstrip() for line in lines]


def view(engine: EngineSnapshot, *, ended: str | None = None) -> View:
    return View(engine=engine, grid=engine.grids[0], ended=ended)


def vanished() -> OpenQuestion:
    return open_questions(question_scenes.with_questions())[0]


def test_every_kind_and_every_resolution_has_its_own_words() -> None:
    assert set(KIND_WORDS) == set(DiscrepancyKind)
    assert set(RESOLUTION_WORDS) == set(Resolution)
    assert len({kind.word for kind in KIND_WORDS.values()}) == len(DiscrepancyKind)
    assert len(set(RESOLUTION_WORDS.values())) == len(Resolution)


def test_the_dashboard_says_how_many_questions_there_are_about_what_and_which_key_shows_them() -> None:
    asking = question_scenes.with_questions()
    assert texts(question_lines(view(asking), 200)) == [
        " ? 3 questions: press R  btc slot 7 vanished order, eth holding short, btc second instance"
    ]
    assert question_lines(view(asking), 200)[0][0].tone is Tone.WARN
    assert line_width(question_lines(view(asking), 40)[0]) == 40
    one = question_scenes.reconciled(scenes.grid(questions=(question_scenes.vanished(),)))
    assert texts(question_lines(view(one), 80)) == [" ? 1 question: press R  btc slot 7 vanished order"]


def test_nothing_is_said_when_nothing_is_asked_or_nobody_can_answer_any_more() -> None:
    assert question_lines(view(scenes.running()), 80) == ()
    assert question_lines(view(question_scenes.with_questions(), ended="disk full"), 80) == ()
    assert question_lines(View(), 80) == ()


def test_a_tiny_terminal_still_counts_the_questions() -> None:
    line = line_text(tiny_line(view(question_scenes.with_questions()), 100))
    assert line == " SIMULATION   ● running  ? 3 questions  total +33.79  60x16 needed  q quit"


def test_the_slot_that_is_asked_about_carries_a_mark_in_the_ladder_and_a_row_in_its_pane() -> None:
    grid = question_scenes.with_questions().grids[0]
    assert asked_slots(grid) == {7}
    line = slot_line(RowFacts(grid.slots[7], "", False, False, is_asked=True), layout_for(grid, 78))
    assert "○ ?asked" in line_text(line)
    assert texts(slot_lines(grid, 7, 46))[:5] == [
        "state      ○ entering  ‖ frozen",
        "levels     54,800.00 – 55,200.00  +0.73%",
        "lot        none",
        "question   ? vanished order: press R",
        "frozen     question q1: vanished order",
    ]


def test_questions_of_all_grids_are_listed_the_oldest_first() -> None:
    questions = open_questions(question_scenes.with_questions())
    assert [item.key for item in questions] == [("btc", "q1"), ("eth", "q1"), ("btc", "q2")]
    assert texts(list_lines(questions, QuestionKey("eth", "q1"), scenes.AT_MS, 78)) == [
        "  q1  btc  slot 7      vanished order                  since 08:12:02, 2m 05s",
        "▸ q1  eth  whole grid  holding short                   since 08:13:06, 1m 01s",
        "  q2  btc  whole grid  second instance                     since 08:13:58, 9s",
    ]
    assert list_lines((), None, scenes.AT_MS, 78) == ()
    assert open_questions(None) == ()


def test_a_question_is_told_in_full_with_its_views_its_choices_and_what_happens_without_an_answer() -> None:
    assert question_title(vanished()) == "q1  btc slot 7 vanished order"
    assert texts(detail_lines(vanished(), 78, is_airy=True)) == [
        "order gabc01e00700003k was on the exchange, which now does not know it, 0.0004",
        "of 0.00166 booked: is this the account this journal belongs to? Then release",
        "it; else restore that account",
        "",
        "       │  journal             │  memory              │  exchange",
        "status │  partially_filled    │  partially_filled    │≠ -",
        "side   │  buy                 │  buy                 │≠ -",
        "price  │  54800               │  54800               │≠ -",
        "amount │  0.00166             │  0.00166             │≠ -",
        "filled │  0.0004              │  0.0004              │≠ -",
        "",
        "1 query    asks the exchange again; changes nothing  proposed",
        "2 release  closes the order in the books with 0.0004 filled; the slot trades",
        "           again, with a new order  moves money: asks first",
        "3 halt     halts the grid: nothing is placed or cancelled, its orders stay",
        "",
        "no answer  the slot stays frozen: nothing is placed or cancelled there, fills",
        "           are still booked",
    ]


def test_without_room_the_parts_of_a_question_stand_close_and_lose_nothing() -> None:
    for item in open_questions(question_scenes.with_questions()):
        airy = texts(detail_lines(item, 78, is_airy=True))
        assert texts(detail_lines(item, 78, is_airy=False)) == [text for text in airy if text]
        for width in (40, 78, 190):
            lines = detail_lines(item, width, is_airy=False)
            assert max(line_width(line) for line in lines) <= width
            told = " ".join(" ".join(texts(lines)).split())
            for text in (item.question.detail, *(choice.effect for choice in item.question.choices)):
                assert text in told
            assert f"no answer {item.question.unanswered}" in told


def test_an_order_that_the_detail_does_not_name_is_named_after_it() -> None:
    question = replace(vanished().question, detail="it is gone", rows=(), choices=(), unanswered="it waits")
    item = OpenQuestion(grid=scenes.grid(), question=question)
    assert texts(detail_lines(item, 60, is_airy=True)) == [
        "it is gone (order gabc01e00700003k)",
        "",
        "no answer  it waits",
    ]


def test_notes_that_do_not_fit_behind_the_effect_have_a_line_of_their_own() -> None:
    question = replace(
        vanished().question,
        rows=(),
        choices=(question_scenes.choice(Resolution.RELEASE, "Take the order as closed.", moves_money=True),),
        proposed=Resolution.RELEASE,
    )
    item = OpenQuestion(grid=scenes.grid(), question=question)
    assert texts(detail_lines(item, 60, is_airy=False))[4:7] == [
        "1 release  Take the order as closed.",
        "           proposed  moves money: asks first",
        "no answer  the slot stays frozen: nothing is placed or",
    ]


@pytest.mark.parametrize(
    "values, odd",
    [
        (("1", "1", "1"), (False, False, False)),
        (("1", "1", "2"), (False, False, True)),
        (("1", "2", "1"), (False, True, False)),
        (("2", "1", "1"), (True, False, False)),
        (("1", "2", "3"), (True, True, True)),
    ],
)
def test_the_view_that_stands_against_the_others_is_marked(
    values: tuple[str, str, str], odd: tuple[bool, bool, bool]
) -> None:
    assert odd_ones(values) == odd
    line = view_lines([question_scenes.view_row("filled", *values)], 60)[1]
    assert ["≠" in piece.text for piece in line if piece.tone is not Tone.FAINT][1:] == list(odd)


def test_a_long_value_goes_on_below_itself_and_is_marked_once() -> None:
    rows = [question_scenes.view_row("order", "-", "-", "sell 0.00166 at 60,800.00 partially filled")]
    assert texts(view_lines(rows, 60)) == [
        "      │  journal        │  memory         │  exchange",
        "order │  -              │  -              │≠ sell 0.00166",
        "      │                 │                 │  at 60,800.00",
        "      │                 │                 │  partially",
        "      │                 │                 │  filled",
    ]


def test_text_of_the_exchange_is_shown_as_it_is_and_cannot_steer_the_terminal() -> None:
    odd = question_scenes.vanished(
        name="[q]\x1b[2J",
        client_order_id="x\u202ey",
        detail="[red]gone[/red]\n",
        rows=(question_scenes.view_row("\x07n", "[b]", "[b]", "\x9b31m"),),
        unanswered="\ttab",
    )
    item = OpenQuestion(grid=scenes.grid(name="[g]"), question=odd)
    shown = [question_title(item), *texts(detail_lines(item, 90, is_airy=False))]
    assert all(text.isprintable() for text in shown)
    assert shown[:2] == [
        "[q]<U+001B>[2J  [g] slot 7 vanished order",
        "[red]gone[/red]<U+000A> (order x<U+202E>y)",
    ]


def test_without_a_question_the_last_comparison_and_foreign_orders_are_told() -> None:
    engine = question_scenes.reconciled(scenes.grid(foreign_orders=2))
    assert texts(nothing_lines(view(engine), 110)) == [
        "No open questions.",
        "",
        "last comparison  2020-03-12T08:14:02.000Z: 24 orders compared, nothing to correct",
        "foreign orders   2 on the market of btc; never touched",
        "",
        "What the books and the exchange disagree on is asked here, with what each answer would do.",
    ]
    assert texts(nothing_lines(view(scenes.running()), 110))[2] == (
        "last comparison  no comparison of the books with the exchange has been reported yet"
    )
    assert texts(nothing_lines(View(), 110)) == ["starting: waiting for the engine"]


def test_an_answer_that_moves_money_is_asked_about_with_its_effect() -> None:
    item = vanished()
    assert texts(answer_lines(Stage.LIVE, item, item.question.choices[1], 70)) == [
        "Answer release?   ▲ LIVE ▲",
        "",
        "q1  btc slot 7 vanished order",
        "closes the order in the books with 0.0004 filled; the slot trades",
        "again, with a new order",
        "",
        "y yes    n or esc no",
    ]


def test_the_screen_opens_at_the_question_about_the_selected_slot_else_of_the_chosen_grid() -> None:
    questions = open_questions(question_scenes.with_questions())
    assert first_wanted(questions, "btc", 7) == ("btc", "q1")
    assert first_wanted(questions, "eth", 7) == ("eth", "q1")
    assert first_wanted(questions, "eth", None) == ("eth", "q1")
    assert first_wanted(questions, "sol", 7) == ("btc", "q1")
    assert first_wanted((), "btc", 7) is None


@pytest.mark.parametrize(
    "before, selected, after, wanted",
    [
        ([A, B, C], B, [A, B, C], B),
        ([A, B, C], B, [B], B),
        ([A, B, C], B, [A, C], C),
        ([A, B, C], A, [C], C),
        ([A, B, C], C, [A, B], B),
        ([A, B, C], B, [A, D], D),
        ([A, B, C], B, [], None),
        ([], None, [A, B], A),
    ],
)
def test_the_selection_stays_or_goes_on_to_the_next_question(
    before: list[QuestionKey], selected: QuestionKey | None, after: list[QuestionKey], wanted: QuestionKey | None
) -> None:
    assert still_selected(before, selected, after) == wanted

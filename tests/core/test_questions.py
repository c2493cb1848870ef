"""Questions on the books: what each holds back while it is open, and what its answer sets free again."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core import corrections
from engine.core.books import GridBooks
from engine.core.corrections import RECONCILER
from engine.core.differences import about_holding, about_market, about_order
from engine.model.events import (
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    GridStateChanged,
    SlotFrozen,
    SlotThawed,
)
from engine.model.grid import Disposal, GridState
from engine.model.market import MarketKind
from engine.model.order import OrderStatus
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution
from tests.builders import a_report, a_state, some_books
from tests.core.discrepancy_builders import (
    ENTRY,
    MARKET,
    OPENED,
    books_with,
    bought,
    correct,
    fold,
    found_about,
    short_of,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
OPEN, PARTIAL, FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED


def second_instance() -> Discrepancy:
    return about_order(K.SECOND_INSTANCE, None, journalled=None, order=None, report=a_report(ENTRY, OPEN))


def vanished(books: GridBooks) -> Discrepancy:
    return found_about(books, K.VANISHED_ORDER, None)


def mismatch() -> Discrepancy:
    return about_market(MARKET, replace(MARKET, notional_min=D(7)), fits=True)


def over() -> Discrepancy:
    return about_holding(K.HOLDING_OVER, MarketKind.SPOT, total=D(5), held=D(2), quantity=D(3))


def state_of(books: GridBooks) -> GridState:
    """The state, which mypy does not take for unchanged between two calls."""
    return books.state


def settle(books: GridBooks, name: str, way: Resolution = R.QUERY) -> tuple[Fact, ...]:
    facts = corrections.settle(books, name, way, outcome="done", by="ann")
    fold(books, facts)
    return facts[1:]


def test_a_question_about_a_slot_freezes_it_and_its_answer_thaws_it() -> None:
    books = books_with(*OPENED)
    found = vanished(books)
    facts = corrections.ask(books, found)
    assert facts == (
        DiscrepancyFound(name="q1", discrepancy=found, asks=True),
        SlotFrozen(slot=5, reason="question q1: vanished order", by=RECONCILER),
    )
    fold(books, facts)
    assert (list(books.questions), books.slots[5].freeze_reason) == (["q1"], "question q1: vanished order")
    assert corrections.settle(books, "q1", R.RELEASE, outcome="done", by="ann") == (
        DiscrepancyResolved(name="q1", resolution=R.RELEASE, outcome="done", by="ann"),
        SlotThawed(slot=5, by="ann"),
    )
    settle(books, "q1")
    assert (books.questions, books.slots[5].freeze_reason, books.state) == ({}, None, GridState.RUNNING)


def test_a_slot_that_was_frozen_by_wish_stays_frozen_after_the_answer() -> None:
    books = books_with(*OPENED, SlotFrozen(slot=5, reason="frozen by wish", by="ann"))
    facts = corrections.ask(books, vanished(books))
    assert [type(fact) for fact in facts] == [DiscrepancyFound]
    fold(books, facts)
    assert settle(books, "q1") == ()
    assert books.slots[5].freeze_reason == "frozen by wish"


def test_the_second_question_about_a_slot_leaves_the_thaw_to_the_first() -> None:
    books = books_with(*OPENED)
    fold(books, corrections.ask(books, vanished(books)))
    fold(books, corrections.ask(books, found_about(books, K.ORDER_MISMATCH, a_report(ENTRY, OPEN))))
    assert list(books.questions) == ["q1", "q2"]
    assert settle(books, "q2") == ()
    assert books.slots[5].freeze_reason == "question q1: vanished order"
    assert settle(books, "q1") == (SlotThawed(slot=5, by="ann"),)


def test_the_first_question_about_a_slot_leaves_it_frozen_for_the_second() -> None:
    books = books_with(*OPENED)
    fold(books, corrections.ask(books, vanished(books)))
    fold(books, corrections.ask(books, found_about(books, K.ORDER_MISMATCH, a_report(ENTRY, OPEN))))
    assert settle(books, "q1") == (SlotFrozen(slot=5, reason="question q2: order mismatch", by="ann"),)
    assert books.slots[5].freeze_reason == "question q2: order mismatch"
    assert settle(books, "q2") == (SlotThawed(slot=5, by="ann"),)


@pytest.mark.parametrize("found", [short_of("1"), over(), mismatch()], ids=["short", "over", "market"])
def test_a_question_about_holding_or_rules_lets_the_grid_only_exit_and_its_answer_lets_it_run(
    found: Discrepancy,
) -> None:
    books = books_with(*bought(3))
    (_, fact) = corrections.ask(books, found)
    reason = f"question q1: {found.detail}"
    assert fact == GridStateChanged(state=GridState.EXITS_ONLY, disposal=None, reason=reason, by=RECONCILER)
    fold(books, corrections.ask(books, found))
    assert state_of(books) is GridState.EXITS_ONLY
    (back,) = settle(books, "q1", R.KEEP)
    assert back == GridStateChanged(
        state=GridState.RUNNING, disposal=None, reason="question q1 is answered: keep", by="ann"
    )


def test_another_engine_halts_the_grid_and_keeping_lets_it_run_again() -> None:
    books = books_with()
    (_, fact) = corrections.ask(books, second_instance())
    assert isinstance(fact, GridStateChanged)
    assert (fact.state, fact.by) == (GridState.HALTED, RECONCILER)
    fold(books, corrections.ask(books, second_instance()))
    (back,) = settle(books, "q1", R.KEEP)
    assert isinstance(back, GridStateChanged)
    assert state_of(books) is GridState.RUNNING


@pytest.mark.parametrize("found", [short_of("1"), mismatch(), second_instance()], ids=["holding", "market", "engine"])
def test_an_answer_that_halts_leaves_the_grid_halted(found: Discrepancy) -> None:
    books = books_with(*bought(3))
    fold(books, corrections.ask(books, found))
    fold(books, correct(books, found, R.HALT).facts)
    assert settle(books, "q1", R.HALT) == ()
    assert (books.state, books.state_reason, books.questions) == (GridState.HALTED, found.detail, {})


@pytest.mark.parametrize("first", ["q1", "q2"])
def test_a_grid_held_by_two_questions_runs_again_only_after_both_answers(first: str) -> None:
    books = books_with(*bought(3))
    fold(books, corrections.ask(books, short_of("1")))
    fold(books, corrections.ask(books, mismatch()))
    assert corrections.holding_question({n: q.found.discrepancy for n, q in books.questions.items()}) == "q1"
    assert settle(books, first, R.KEEP) == ()
    assert state_of(books) is GridState.EXITS_ONLY
    (back,) = settle(books, "q2" if first == "q1" else "q1", R.KEEP)
    assert isinstance(back, GridStateChanged)
    assert state_of(books) is GridState.RUNNING


def test_a_question_about_a_slot_does_not_hold_the_grid() -> None:
    books = books_with(*OPENED, *bought(3))
    fold(books, corrections.ask(books, vanished(books)))
    assert corrections.holding_question({n: q.found.discrepancy for n, q in books.questions.items()}) is None
    fold(books, corrections.ask(books, short_of("1")))
    assert corrections.holding_question({n: q.found.discrepancy for n, q in books.questions.items()}) == "q2"
    (back,) = settle(books, "q2", R.WRITE_OFF)
    assert isinstance(back, GridStateChanged)


@pytest.mark.parametrize("state", [GridState.PAUSED, GridState.STOPPING, GridState.STOPPED, GridState.HALTED])
def test_what_was_held_back_for_another_reason_is_left_as_it_is(state: GridState) -> None:
    """A question about the holding neither lets a paused grid exit only, nor lets it run when it is answered."""
    books = books_with(*bought(3), a_state(state))
    found = short_of("1")
    assert corrections.ask(books, found) == (DiscrepancyFound(name="q1", discrepancy=found, asks=True),)
    fold(books, corrections.ask(books, found))
    assert settle(books, "q1", R.WRITE_OFF) == ()
    assert books.state == state


@pytest.mark.parametrize("state", [GridState.PAUSED, GridState.STOPPING])
def test_a_grid_that_another_engine_halted_goes_back_to_what_it_was(state: GridState) -> None:
    """Paused stays paused and stopping goes on stopping, its disposal included: an answer starts nothing."""
    disposal = Disposal.CANCEL if state is GridState.STOPPING else None
    books = books_with(*bought(3), a_state(state, disposal))
    fold(books, corrections.ask(books, second_instance()))
    assert state_of(books) is GridState.HALTED
    settle(books, "q1", R.KEEP)
    assert (books.state, books.disposal) == (state, disposal)


def test_another_engine_beside_a_grid_that_has_stopped_changes_nothing_of_it() -> None:
    books = books_with(a_state(GridState.STOPPED, Disposal.CANCEL))
    assert corrections.ask(books, second_instance()) == (
        DiscrepancyFound(name="q1", discrepancy=second_instance(), asks=True),
    )
    fold(books, corrections.ask(books, second_instance()))
    assert settle(books, "q1", R.KEEP) == ()
    assert state_of(books) is GridState.STOPPED


def test_a_stopped_grid_beside_another_engine_stays_stopped_when_another_question_is_answered() -> None:
    books = books_with(*bought(3), a_state(GridState.STOPPED, Disposal.LEAVE))
    fold(books, corrections.ask(books, second_instance()))
    fold(books, corrections.ask(books, short_of("1")))
    assert settle(books, "q2", R.WRITE_OFF) == ()
    assert state_of(books) is GridState.STOPPED


def test_a_grid_asked_before_it_started_runs_after_the_answer() -> None:
    books = some_books(market=MARKET, state=GridState.STARTING)
    fold(books, corrections.ask(books, mismatch()))
    assert state_of(books) is GridState.EXITS_ONLY
    settle(books, "q1", R.KEEP)
    assert state_of(books) is GridState.RUNNING


def test_the_answer_about_another_engine_leaves_the_grid_exiting_only_while_the_holding_is_asked() -> None:
    books = books_with(*bought(3))
    fold(books, corrections.ask(books, short_of("1")))
    fold(books, corrections.ask(books, second_instance()))
    assert state_of(books) is GridState.HALTED
    settle(books, "q2", R.KEEP)
    assert state_of(books) is GridState.EXITS_ONLY
    settle(books, "q1", R.WRITE_OFF)
    assert state_of(books) is GridState.RUNNING


def test_a_grid_halted_by_an_answer_stays_halted_when_another_question_is_answered() -> None:
    books = books_with(*bought(3), *OPENED)
    fold(books, corrections.ask(books, short_of("1")))
    fold(books, corrections.ask(books, vanished(books)))
    fold(books, correct(books, vanished(books), R.HALT).facts)
    settle(books, "q2", R.HALT)
    assert settle(books, "q1", R.WRITE_OFF) == ()
    assert state_of(books) is GridState.HALTED


def test_names_count_every_discrepancy_whether_it_was_asked_or_not() -> None:
    books = books_with(*OPENED)
    found = vanished(books)
    fold(books, [DiscrepancyFound(name="q1", discrepancy=found, asks=False)])
    assert (corrections.next_name(books), books.questions) == ("q2", {})
    fold(books, corrections.ask(books, found))
    assert (corrections.next_name(books), list(books.questions)) == ("q3", ["q2"])

"""A discrepancy in words: what it is, the three views, what each choice does, and what happens unanswered."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core.differences import about_holding, about_market, about_order
from engine.model.market import MarketKind
from engine.model.order import Order, OrderReport, OrderStatus
from engine.model.reconcile import RESOLUTIONS, Discrepancy, DiscrepancyKind, Resolution
from tests.builders import a_fill, a_market, a_report, a_slot, an_id, an_order

D = Decimal
K, R = DiscrepancyKind, Resolution
NAME = an_id()
ORDER = an_order(status=OrderStatus.OPEN)
BOOKED = replace(ORDER, status=OrderStatus.PARTIALLY_FILLED, filled=D("0.4"), reported_filled=D("0.4"))
PARTLY = a_report(ORDER, OrderStatus.PARTIALLY_FILLED, a_fill(amount="0.7"))
CLOSED = replace(PARTLY, status=OrderStatus.CANCELED)


def about(
    kind: DiscrepancyKind,
    *,
    journalled: Order | None = BOOKED,
    order: Order | None = BOOKED,
    report: OrderReport | None = PARTLY,
) -> Discrepancy:
    return about_order(kind, a_slot(), journalled=journalled, order=order, report=report)


def effects(found: Discrepancy) -> dict[Resolution, tuple[str, bool]]:
    return {choice.resolution: (choice.effect, choice.moves_money) for choice in found.choices}


DETAILS = {
    K.OFFLINE_FILL: f"order {NAME} was executed further than reported: partially_filled with 0.7 filled, "
    "0.4 of 1 booked",
    K.PARTIAL_CANCEL: f"order {NAME} was executed in part and closed: partially_filled with 0.7 filled, "
    "0.4 of 1 booked",
    K.ORDER_CLOSED: f"order {NAME} was closed: partially_filled with 0.7 filled, 0.4 of 1 booked",
    K.UNKNOWN_OUTCOME: f"order {NAME} had no known outcome: partially_filled with 0.7 filled, 0.4 of 1 booked",
    K.ORDER_MISMATCH: f"order {NAME} is not as it was intended: partially_filled with 0.7 filled, 0.4 of 1 booked",
    K.DUPLICATE_ORDER: f"order {NAME} is a second one for its slot, beside {NAME}: partially_filled with 0.7 filled",
    K.ORPHAN_ORDER: f"order {NAME} is of this grid and not in its journal: partially_filled with 0.7 filled",
    K.SECOND_INSTANCE: f"order {NAME} was placed by another engine: two engines on one market would undo each "
    "other's work",
}


@pytest.mark.parametrize(("kind", "detail"), DETAILS.items(), ids=DETAILS)
def test_the_detail_names_the_order_what_is_told_and_what_is_booked(kind: DiscrepancyKind, detail: str) -> None:
    assert about(kind).detail == detail


def test_a_vanished_order_asks_whether_this_is_the_right_account() -> None:
    assert about(K.VANISHED_ORDER, report=None).detail == (
        f"order {NAME} was on the exchange, which now does not know it, 0.4 of 1 booked: is this the account this "
        "journal belongs to? Then release it; else restore that account, or start over with --fresh"
    )


def test_the_three_views_stand_side_by_side_and_a_dash_where_one_has_nothing() -> None:
    found = about(K.OFFLINE_FILL, journalled=None)
    assert [(row.name, row.journal, row.memory, row.exchange) for row in found.rows] == [
        ("status", "-", "partially_filled", "partially_filled"),
        ("side", "-", "buy", "buy"),
        ("price", "-", "150", "150"),
        ("amount", "-", "1", "1"),
        ("filled", "-", "0.4", "0.7"),
    ]
    gone = about(K.VANISHED_ORDER, report=None)
    assert {row.exchange for row in gone.rows} == {"-"}
    assert [row.memory for row in gone.rows] == ["partially_filled", "buy", "150", "1", "0.4"]


ORDER_EFFECTS: list[tuple[Discrepancy, dict[Resolution, tuple[str, bool]]]] = [
    (
        about(K.OFFLINE_FILL),
        {R.ADOPT: ("books 0.3 bought at 150 or better, and the order as partially_filled", False)},
    ),
    (
        about(K.PARTIAL_CANCEL, report=CLOSED),
        {R.ADOPT: ("books 0.3 bought at 150 or better, and the order as canceled", False)},
    ),
    (
        about(K.ORPHAN_ORDER, journalled=None, order=None),
        {
            R.ADOPT: ("books 0.7 bought at 150 or better, and the order as partially_filled", False),
            R.CANCEL: (
                (
                    "cancels the order on the exchange (0.3 unfilled); "
                    "the 0.7 it has executed stays on the account, in no lot"
                ),
                True,
            ),
            R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
        },
    ),
    (
        about(K.DUPLICATE_ORDER, report=a_report(ORDER, OrderStatus.OPEN)),
        {
            R.CANCEL: ("cancels the order on the exchange (1 unfilled); it has executed nothing", True),
            R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
        },
    ),
    (
        about(K.ORDER_MISMATCH),
        {
            R.CANCEL: ("cancels the order on the exchange (0.3 unfilled); what it executes until then is booked", True),
            R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
        },
    ),
    (
        about(K.VANISHED_ORDER, report=None),
        {
            R.QUERY: ("asks the exchange again; changes nothing", False),
            R.RELEASE: (
                "closes the order in the books with 0.4 filled; the slot trades again, with a new order",
                True,
            ),
            R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
        },
    ),
    (
        about(K.SECOND_INSTANCE),
        {
            R.KEEP: ("goes on although the other engine may trade here too; its orders are not touched", True),
            R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
        },
    ),
]


@pytest.mark.parametrize(("found", "expected"), ORDER_EFFECTS, ids=[found.kind for found, _ in ORDER_EFFECTS])
def test_each_choice_about_an_order_says_what_it_will_do_and_whether_money_moves(
    found: Discrepancy, expected: dict[Resolution, tuple[str, bool]]
) -> None:
    assert effects(found) == expected


def test_an_order_that_cannot_be_adopted_does_not_offer_it() -> None:
    found = about_order(K.ORPHAN_ORDER, a_slot(), journalled=None, order=None, report=PARTLY, can_adopt=False)
    assert ([choice.resolution for choice in found.choices], found.proposed) == ([R.CANCEL, R.HALT], R.CANCEL)


@pytest.mark.parametrize("kind", DETAILS)
def test_a_question_about_a_slot_freezes_it_and_one_about_another_engine_halts(kind: DiscrepancyKind) -> None:
    assert about(kind).unanswered == (
        "the grid stays halted: nothing is placed or cancelled"
        if kind is K.SECOND_INSTANCE
        else "the slot stays frozen: nothing is placed or cancelled there, fills are still booked"
    )


def test_a_short_holding_says_what_is_missing_and_what_the_choices_do() -> None:
    found = about_holding(K.HOLDING_SHORT, MarketKind.SPOT, total=D("1.50000"), held=D(2), quantity=D("0.50000"))
    assert found.detail == "the account holds 1.5, the lots of its grids are 2: 0.5 is missing"
    assert [(row.name, row.journal, row.memory, row.exchange) for row in found.rows] == [("base held", "2", "2", "1.5")]
    assert effects(found) == {
        R.WRITE_OFF: ("books 0.5 as lost, at its cost; places and cancels nothing", True),
        R.QUERY: ("looks again with the next comparison; the grid only exits until it is there again", False),
        R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
    }
    assert (found.proposed, found.unanswered) == (R.WRITE_OFF, "the grid only exits: nothing new opens")


def test_too_large_a_holding_is_not_ours_and_opens_nothing_while_it_is_asked_about() -> None:
    found = about_holding(K.HOLDING_OVER, MarketKind.SPOT, total=D(5), held=D(2), quantity=D(3))
    assert found.detail == "the account holds 3 more beside the lots of its grids than before"
    assert effects(found) == {
        R.NOTE: ("remembers what is beside the lots as not ours; nothing else changes", False),
        R.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
    }
    assert found.unanswered == "the grid only exits: nothing new opens"


def test_new_rules_are_named_with_what_they_were() -> None:
    told = a_market(tick_size=D(10), notional_min=D(7))
    found = about_market(a_market(), told, fits=True)
    assert found.detail == (
        "BTC/USDT has new rules (tick 0.01 is now 10, smallest order 5 is now 7); the lattice fits the new rules"
    )
    assert [(row.name, row.journal, row.exchange) for row in found.rows] == [
        ("tick", "0.01", "10"),
        ("lot", "0.00001", "0.00001"),
        ("smallest amount", "0.00001", "0.00001"),
        ("smallest order", "5", "7"),
    ]
    assert (found.market, found.unanswered) == (told, "the grid only exits: nothing new opens")


def test_a_largest_amount_that_alone_has_changed_is_named_too() -> None:
    found = about_market(a_market(), a_market(amount_max=D("0.5")), fits=False)
    assert found.detail == "BTC/USDT has new rules (largest amount); the lattice does not fit the new rules"


@pytest.mark.parametrize("kind", DiscrepancyKind)
def test_no_kind_is_left_without_a_way_out(kind: DiscrepancyKind) -> None:
    assert len(RESOLUTIONS[kind]) == len(set(RESOLUTIONS[kind])) > 0

"""The comparison: which differences of books and exchange are found, which are none, and what is done unasked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core import reconcile
from engine.core.reconcile import AccountEvidence, GridEvidence
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.market import MarketKind
from engine.model.money import ZERO
from engine.model.order import Leg, Order, OrderReport, OrderStatus, Side
from engine.model.reconcile import DEFAULT_POLICY, RESOLUTIONS, Discrepancy, DiscrepancyKind, Policy, Resolution
from engine.model.slot import Entering, Exiting, Holding, Slot
from tests.builders import (
    INSTANCE,
    a_fill,
    a_lattice,
    a_lot,
    a_market,
    a_report,
    a_slot,
    an_id,
    an_order,
    some_slots,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
INTENT, UNKNOWN, OPEN = OrderStatus.INTENT, OrderStatus.UNKNOWN, OrderStatus.OPEN
PARTIAL, FILLED = OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED, EXPIRED, REJECTED = OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED
ENTRY = an_order(status=OPEN)
HALF_FILL = a_fill("1", amount="0.4")
HALF = replace(ENTRY, status=PARTIAL, filled=D("0.4"), reported_filled=D("0.4"), fills=(HALF_FILL,))
ASK_EVERYTHING: Policy = dict.fromkeys(DiscrepancyKind)


def entering(order: Order = ENTRY, **changes: object) -> Slot:
    """A slot whose entry is out, as its generation says."""
    lot = a_lot(order.filled, order.filled * order.price)
    return a_slot(order.slot, **{"state": Entering(order=order, lot=lot), "generation": 1, **changes})


def books_of(
    *special: Slot,
    closed: Mapping[str, Decimal] | None = None,
    at_start: bool = False,
    journal: Sequence[Slot] | None = None,
) -> GridEvidence:
    """The default grid with these slots in memory, and in the journal too unless that is said."""
    slots = some_slots(*special)
    return GridEvidence(
        number=0,
        instance=INSTANCE,
        slots=slots,
        journal_slots=slots if journal is None else journal,
        filled_of_closed=closed or {},
        expects_lost_records=at_start,
    )


def told(*reports: OrderReport, asked: Mapping[str, OrderReport | None] | None = None) -> AccountEvidence:
    """What the exchange says: open orders, and answers about single ones."""
    return AccountEvidence(open_orders={report.client_order_id: report for report in reports}, asked=asked or {})


def found(grid: GridEvidence, account: AccountEvidence) -> list[tuple[DiscrepancyKind, int | None, str]]:
    """Kind, slot and order of everything that differs."""
    return [(each.kind, each.slot, each.client_order_id) for each in reconcile.compare_orders(grid, account)]


def the_one(grid: GridEvidence, account: AccountEvidence) -> Discrepancy:
    (only,) = reconcile.compare_orders(grid, account)
    return only


def ways(discrepancy: Discrepancy) -> list[Resolution]:
    return [choice.resolution for choice in discrepancy.choices]


# Orders of the books

DIFFERENCES = {
    "open on both sides": (ENTRY, a_report(ENTRY, OPEN), None),
    "a part booked, the same part told": (HALF, a_report(HALF, PARTIAL, HALF_FILL), None),
    "an old answer from before the part": (HALF, a_report(HALF, OPEN), None),
    "filled": (ENTRY, a_report(ENTRY, FILLED, a_fill()), K.OFFLINE_FILL),
    "filled in part": (ENTRY, a_report(ENTRY, PARTIAL, HALF_FILL), K.OFFLINE_FILL),
    "filled, and the fills are not told": (ENTRY, a_report(ENTRY, FILLED, filled=1), K.OFFLINE_FILL),
    "filled further": (HALF, a_report(HALF, FILLED, HALF_FILL, a_fill("2", amount="0.6")), K.OFFLINE_FILL),
    "filled before it was acknowledged": (an_order(), a_report(ENTRY, FILLED, a_fill()), K.OFFLINE_FILL),
    "filled in part and cancelled": (ENTRY, a_report(ENTRY, CANCELED, HALF_FILL), K.PARTIAL_CANCEL),
    "filled in part and expired": (ENTRY, a_report(ENTRY, EXPIRED, HALF_FILL), K.PARTIAL_CANCEL),
    "cancelled without a fill": (ENTRY, a_report(ENTRY, CANCELED), K.ORDER_CLOSED),
    "rejected after all": (an_order(status=UNKNOWN), a_report(ENTRY, REJECTED), K.ORDER_CLOSED),
    "cancelled with what was booked": (HALF, a_report(HALF, CANCELED, HALF_FILL), K.ORDER_CLOSED),
    "not yet acknowledged, open": (an_order(), a_report(ENTRY, OPEN), K.UNKNOWN_OUTCOME),
    "unknown, open": (an_order(status=UNKNOWN), a_report(ENTRY, OPEN), K.UNKNOWN_OUTCOME),
    "another price": (ENTRY, replace(a_report(ENTRY, OPEN), price=D(149)), K.ORDER_MISMATCH),
    "another amount": (ENTRY, replace(a_report(ENTRY, OPEN), amount=D(2)), K.ORDER_MISMATCH),
    "the other side": (ENTRY, replace(a_report(ENTRY, OPEN), side=Side.SELL), K.ORDER_MISMATCH),
    "more filled than ordered": (ENTRY, a_report(ENTRY, OPEN, filled=2), K.ORDER_MISMATCH),
    "one trade told in two ways": (HALF, a_report(HALF, PARTIAL, a_fill("1", amount="0.3")), K.ORDER_MISMATCH),
}


@pytest.mark.parametrize(("order", "report", "kind"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_what_the_exchange_says_of_an_order_is_told_apart(
    order: Order, report: OrderReport, kind: DiscrepancyKind | None
) -> None:
    """The same whether it is among the open orders or was asked for."""
    grid = books_of(entering(order))
    expected = [] if kind is None else [(kind, 5, order.client_order_id)]
    assert found(grid, told(report)) == expected
    assert found(grid, told(asked={report.client_order_id: report})) == expected


@pytest.mark.parametrize("status", OrderStatus)
def test_only_an_order_that_the_exchange_has_shown_can_vanish(status: OrderStatus) -> None:
    order = an_order(status=status)
    has_been_shown = status not in (INTENT, OrderStatus.SENT, UNKNOWN)
    expected = [(K.VANISHED_ORDER, 5, an_id())] if has_been_shown else []
    assert found(books_of(entering(order)), told(asked={an_id(): None})) == expected


def test_an_order_without_an_answer_is_no_discrepancy() -> None:
    assert found(books_of(entering()), told()) == []


def test_open_orders_are_believed_before_the_answer_about_one_order() -> None:
    """It was asked for because it was missing; it is open after all."""
    assert found(books_of(entering()), told(a_report(ENTRY, OPEN), asked={an_id(): None})) == []


def test_the_order_of_an_exit_is_compared_like_that_of_an_entry() -> None:
    order = an_order(leg=Leg.EXIT, status=OPEN)
    lot = a_lot(1, 150)
    slot = a_slot(5, state=Exiting(lot=lot, offered=lot, order=order), generation=2)
    report = a_report(order, CANCELED, a_fill("2", price=160, amount="0.25"))
    assert found(books_of(slot), told(asked={order.client_order_id: report})) == [
        (K.PARTIAL_CANCEL, 5, order.client_order_id)
    ]


# Orders that are in no slot


def test_a_second_order_of_a_slot_is_a_duplicate() -> None:
    newer = entering(replace(ENTRY, client_order_id=an_id(generation=1)), generation=2)
    old = a_report(ENTRY, OPEN)
    accounts = told(old, a_report(newer.state.order, OPEN))  # type: ignore[union-attr]
    assert found(books_of(newer), accounts) == [(K.DUPLICATE_ORDER, 5, an_id())]
    assert found(books_of(newer, at_start=True), accounts) == [(K.DUPLICATE_ORDER, 5, an_id())]
    discrepancy = the_one(books_of(newer), accounts)
    assert (ways(discrepancy), discrepancy.proposed) == ([R.CANCEL, R.HALT], R.CANCEL)


def test_an_order_whose_record_is_lost_can_be_adopted_at_the_start() -> None:
    discrepancy = the_one(books_of(at_start=True), told(a_report(ENTRY, OPEN)))
    assert (discrepancy.kind, discrepancy.slot, discrepancy.client_order_id) == (K.ORPHAN_ORDER, 5, an_id())
    assert (ways(discrepancy), discrepancy.proposed) == ([R.ADOPT, R.CANCEL, R.HALT], R.ADOPT)


def test_a_lost_order_that_has_been_executed_and_closed_is_an_orphan_too() -> None:
    filled = a_report(ENTRY, FILLED, a_fill())
    assert found(books_of(at_start=True), told(asked={an_id(): filled})) == [(K.ORPHAN_ORDER, 5, an_id())]


def test_an_open_order_that_the_books_have_passed_can_only_be_cancelled() -> None:
    """It was closed once; adopting it would use its id again."""
    passed = books_of(a_slot(5, generation=1))
    discrepancy = the_one(passed, told(a_report(ENTRY, OPEN)))
    assert (discrepancy.kind, discrepancy.slot) == (K.ORPHAN_ORDER, 5)
    assert (ways(discrepancy), discrepancy.proposed) == ([R.CANCEL, R.HALT], R.CANCEL)


def test_an_order_of_a_slot_that_does_not_exist_can_only_be_cancelled() -> None:
    stray = replace(ENTRY, client_order_id=an_id(10))
    discrepancy = the_one(books_of(at_start=True), told(a_report(stray, OPEN)))
    assert (discrepancy.kind, discrepancy.slot, ways(discrepancy)) == (K.ORPHAN_ORDER, None, [R.CANCEL, R.HALT])


def test_a_closed_order_that_the_books_have_passed_is_no_discrepancy() -> None:
    filled = a_report(ENTRY, FILLED, a_fill())
    assert found(books_of(a_slot(5, generation=1)), told(asked={an_id(): filled})) == []
    assert found(books_of(closed={an_id(): D(1)}), told(asked={an_id(): filled})) == []


def test_the_lost_orders_of_a_slot_are_taken_up_one_after_the_other_the_oldest_first() -> None:
    """Entry 0, exit 1, entry 2 of slot 5, all lost; slot 2 has lost one too."""
    chain = {
        report.client_order_id: report
        for report in (
            a_report(an_order(client_order_id=an_id(generation=2)), FILLED, a_fill("3")),
            a_report(an_order(leg=Leg.EXIT, client_order_id=an_id(leg=Leg.EXIT, generation=1)), FILLED, a_fill("2")),
            a_report(an_order(2), OPEN),
            a_report(ENTRY, FILLED, a_fill()),
        )
    }
    assert found(books_of(at_start=True), told(asked=chain)) == [
        (K.ORPHAN_ORDER, 2, an_id(2)),
        (K.ORPHAN_ORDER, 5, an_id()),
    ]


def test_an_order_of_this_grid_ahead_of_its_running_books_is_another_engines() -> None:
    """A copy of this journal runs elsewhere: while running nothing of ours can be ahead of the books."""
    discrepancy = the_one(books_of(), told(a_report(ENTRY, OPEN)))
    assert (discrepancy.kind, discrepancy.slot) == (K.SECOND_INSTANCE, None)
    assert (ways(discrepancy), discrepancy.proposed) == ([R.KEEP, R.HALT], R.HALT)


def test_an_open_order_of_another_instance_is_another_engines_and_a_closed_one_is_nothing() -> None:
    theirs = client_order_id_from_key(OrderKey(instance="xyz", grid=0, slot=5, leg=Leg.ENTRY, generation=0))
    order = replace(ENTRY, client_order_id=theirs)
    assert found(books_of(at_start=True), told(a_report(order, OPEN))) == [(K.SECOND_INSTANCE, None, theirs)]
    assert found(books_of(), told(asked={theirs: a_report(order, FILLED, a_fill())})) == []


def test_an_order_of_another_grid_of_this_journal_is_that_grids_concern() -> None:
    theirs = replace(ENTRY, client_order_id=an_id(grid=1))
    assert found(replace(books_of(), known_grids=(0, 1)), told(a_report(theirs, OPEN))) == []


def test_an_order_of_our_instance_and_of_no_grid_of_this_journal_is_another_engines() -> None:
    theirs = replace(ENTRY, client_order_id=an_id(grid=1))
    assert found(replace(books_of(), known_grids=(0,)), told(a_report(theirs, OPEN))) == [
        (K.SECOND_INSTANCE, None, an_id(grid=1))
    ]


FOREIGN_NAMES = ("manual-1", "gabc00e00500000", "x-7qL0Vb8sT2nM4kP6wR9", f"{an_id()}0", an_id().upper())


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_a_foreign_order_is_counted_and_never_a_discrepancy(name: str) -> None:
    account = told(replace(a_report(ENTRY, OPEN), client_order_id=name))
    assert found(books_of(at_start=True), account) == []
    assert found(books_of(entering()), account) == []
    assert reconcile.foreign_orders(account) == 1


def test_orders_of_ours_are_not_counted_as_foreign() -> None:
    assert reconcile.foreign_orders(told(a_report(ENTRY, OPEN), a_report(an_order(2), OPEN))) == 0


# What is done about it


def discrepancy_of(kind: DiscrepancyKind) -> Discrepancy:
    """A discrepancy of a kind with all the choices that it can have."""
    order = a_report(ENTRY, OPEN)
    if kind in (K.HOLDING_SHORT, K.HOLDING_OVER):
        total = D(1) if kind is K.HOLDING_SHORT else D(4)
        holding = reconcile.compare_holding(MarketKind.SPOT, total=total, held=D(2), noted=ZERO)
        assert holding is not None
        return holding
    if kind is K.LATTICE_MISMATCH:
        market = reconcile.compare_market(a_market(), a_market(notional_min=D(6)), a_lattice())
        assert market is not None
        return market
    if kind in (K.ORPHAN_ORDER, K.SECOND_INSTANCE):
        return the_one(books_of(at_start=kind is K.ORPHAN_ORDER), told(order))
    if kind is K.DUPLICATE_ORDER:
        newer = entering(replace(ENTRY, client_order_id=an_id(generation=1)), generation=2)
        return the_one(books_of(newer), told(order))
    if kind is K.VANISHED_ORDER:
        return the_one(books_of(entering()), told(asked={an_id(): None}))
    case = next(case for case in DIFFERENCES.values() if case[2] is kind)
    return the_one(books_of(entering(case[0])), told(case[1]))


KINDS_FOUND = [kind for kind in DiscrepancyKind if kind is not K.FOREIGN_ORDER]


@pytest.mark.parametrize("kind", KINDS_FOUND)
def test_every_kind_has_the_choices_and_the_proposal_of_its_row(kind: DiscrepancyKind) -> None:
    discrepancy = discrepancy_of(kind)
    assert discrepancy.kind is kind
    assert tuple(ways(discrepancy)) == RESOLUTIONS[kind]
    assert discrepancy.proposed is (R.HALT if kind is K.SECOND_INSTANCE else RESOLUTIONS[kind][0])
    assert all(choice.effect and choice.effect[-1] != "." for choice in discrepancy.choices)


@pytest.mark.parametrize("kind", KINDS_FOUND)
def test_a_policy_that_asks_decides_nothing_and_the_default_policy_does_what_is_safe(kind: DiscrepancyKind) -> None:
    discrepancy = discrepancy_of(kind)
    assert reconcile.automatic_resolution(discrepancy, ASK_EVERYTHING) is None
    assert reconcile.automatic_resolution(discrepancy, DEFAULT_POLICY) is DEFAULT_POLICY[kind]


def test_a_policy_can_decide_what_is_asked_by_default() -> None:
    policy = {**DEFAULT_POLICY, K.HOLDING_SHORT: R.WRITE_OFF, K.VANISHED_ORDER: R.RELEASE}
    assert reconcile.automatic_resolution(discrepancy_of(K.HOLDING_SHORT), policy) is R.WRITE_OFF
    assert reconcile.automatic_resolution(discrepancy_of(K.VANISHED_ORDER), policy) is R.RELEASE


def test_missing_base_that_is_looked_for_again_is_a_question_so_that_the_grid_opens_nothing_meanwhile() -> None:
    policy = {**DEFAULT_POLICY, K.HOLDING_SHORT: R.QUERY}
    assert reconcile.automatic_resolution(discrepancy_of(K.HOLDING_SHORT), policy) is None


def test_an_orphan_that_cannot_be_adopted_is_cancelled_instead() -> None:
    passed = the_one(books_of(a_slot(5, generation=1)), told(a_report(ENTRY, OPEN)))
    assert reconcile.automatic_resolution(passed, DEFAULT_POLICY) is R.CANCEL


@pytest.mark.parametrize("way", [R.ADOPT, R.CANCEL])
def test_a_stray_order_that_has_executed_is_never_cancelled_unasked(way: Resolution) -> None:
    """What it bought is in no lot: a person has to know."""
    executed = a_report(ENTRY, PARTIAL, HALF_FILL)
    orphan = the_one(books_of(a_slot(5, generation=1)), told(executed))
    newer = entering(replace(ENTRY, client_order_id=an_id(generation=1)), generation=2)
    duplicate = the_one(books_of(newer), told(executed))
    assert reconcile.automatic_resolution(orphan, {**DEFAULT_POLICY, K.ORPHAN_ORDER: way}) is None
    assert reconcile.automatic_resolution(duplicate, DEFAULT_POLICY) is None


def test_an_order_of_ours_that_was_changed_may_be_cancelled_unasked_though_it_has_executed() -> None:
    """It is in a slot: what it executes is booked there."""
    changed = replace(a_report(ENTRY, PARTIAL, HALF_FILL), price=D(149))
    mismatch = the_one(books_of(entering()), told(changed))
    assert reconcile.automatic_resolution(mismatch, {**DEFAULT_POLICY, K.ORDER_MISMATCH: R.CANCEL}) is R.CANCEL


# Holdings


@pytest.mark.parametrize(
    ("total", "noted", "expected"),
    [
        ("2", None, None),
        ("2", "0", None),
        ("5", None, None),
        ("5", "3", None),
        ("5", "4", None),
        ("5", "2.99999", (K.HOLDING_OVER, "0.00001")),
        ("5", "0", (K.HOLDING_OVER, "3")),
        ("1.99999", None, (K.HOLDING_SHORT, "0.00001")),
        ("1.99999", "0", (K.HOLDING_SHORT, "0.00001")),
        ("0", "7", (K.HOLDING_SHORT, "2")),
    ],
)
def test_a_holding_is_short_below_the_lots_and_over_above_what_was_noted_beside_them(
    total: str, noted: str | None, expected: tuple[DiscrepancyKind, str] | None
) -> None:
    """The lots are 2. What is beside them may become less without a word: it is not ours."""
    before = None if noted is None else D(noted)
    told_of = reconcile.compare_holding(MarketKind.SPOT, total=D(total), held=D(2), noted=before)
    if expected is None:
        assert told_of is None
    else:
        assert told_of is not None
        assert (told_of.kind, told_of.quantity, told_of.slot) == (expected[0], D(expected[1]), None)


# The market


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({"maker_fee_rate": D("0.002"), "taker_fee_rate": D("0.003")}, None),
        ({"symbol": "BTC/USDT"}, None),
        ({"notional_min": D(100)}, True),
        ({"notional_min": D("100.01")}, False),
        ({"tick_size": D(10)}, True),
        ({"tick_size": D(20)}, False),
        ({"lot_size": D(1)}, True),
        ({"lot_size": D(2)}, False),
        ({"amount_min": D(1)}, True),
        ({"amount_min": D("1.1")}, False),
        ({"amount_max": D(1)}, True),
        ({"amount_max": D("0.9")}, False),
    ],
)
def test_new_rules_are_a_mismatch_that_fits_or_does_not(change: dict[str, object], fits: bool | None) -> None:
    """The lattice: 100 to 200 in steps of 10, 1 BTC each; so the smallest order is 100."""
    told_of = reconcile.compare_market(a_market(), a_market(**change), a_lattice())
    if fits is None:
        assert told_of is None
        return
    assert told_of is not None
    assert (told_of.kind, told_of.market) == (K.LATTICE_MISMATCH, a_market(**change))
    assert ways(told_of) == ([R.ADOPT, R.KEEP, R.HALT] if fits else [R.KEEP, R.HALT])
    assert told_of.proposed is (R.ADOPT if fits else R.HALT)


# Memory against journal


def test_the_slots_that_journal_and_memory_have_otherwise_are_named() -> None:
    memory = some_slots(entering(), a_slot(7, state=Holding(lot=a_lot(1, 170))))
    assert reconcile.differing_slots(some_slots(), memory) == [5, 7]
    assert reconcile.differing_slots(memory, list(memory)) == []

"""Resolutions on the books: the facts of each, and the books after them, with nothing lost and nothing unexplained."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core import reconcile
from engine.core.books import GridBooks
from engine.core.corrections import Correction
from engine.core.differences import about_holding, about_market, about_order
from engine.model.errors import CommandRefused
from engine.model.events import (
    CancelRequested,
    Fact,
    GridStateChanged,
    HoldingNoted,
    LotCorrected,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
)
from engine.model.grid import GridState
from engine.model.market import MarketKind
from engine.model.money import ZERO
from engine.model.order import Leg, OrderReport, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import EMPTY, Entering, Exiting, Holding, Lot, order_of
from tests.builders import a_fill, a_lot, a_report, an_id, an_intent, an_order
from tests.core.discrepancy_builders import (
    ENTRY,
    HALF,
    HALVED,
    MARKET,
    OPENED,
    assert_exact,
    books_with,
    bought,
    correct,
    fold,
    found_about,
    reported,
    short_of,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
OPEN, PARTIAL, FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED


# Adoption


ADOPTIONS = {
    "a fill": (OPENED, a_report(ENTRY, FILLED, a_fill()), K.OFFLINE_FILL, Holding(lot=a_lot(1, 150)), "-150"),
    "the rest of a fill": (
        HALVED,
        a_report(ENTRY, FILLED, HALF, a_fill("2", amount="0.6", price=149)),
        K.OFFLINE_FILL,
        Holding(lot=a_lot(1, "149.4")),
        "-149.4",
    ),
    "a part, then cancelled": (
        OPENED,
        a_report(ENTRY, CANCELED, HALF),
        K.PARTIAL_CANCEL,
        Holding(lot=a_lot("0.4", 60)),
        "-60",
    ),
    "closed without a fill": (OPENED, a_report(ENTRY, CANCELED), K.ORDER_CLOSED, EMPTY, "0"),
    "closed with what is booked": (
        HALVED,
        a_report(ENTRY, CANCELED, HALF),
        K.ORDER_CLOSED,
        Holding(lot=a_lot("0.4", 60)),
        "-60",
    ),
}


@pytest.mark.parametrize(("facts", "report", "kind", "state", "cash"), ADOPTIONS.values(), ids=ADOPTIONS)
def test_adopting_what_became_of_an_order_books_exactly_the_news(
    facts: Sequence[Fact], report: OrderReport, kind: DiscrepancyKind, state: object, cash: str
) -> None:
    books = books_with(*facts)
    correction = correct(books, found_about(books, kind, report), R.ADOPT)
    assert correction == Correction(facts=(OrderReported(slot=5, report=report),))
    fold(books, correction.facts)
    assert (books.slots[5].state, books.ledger.cash, books.slot_of_order) == (state, D(cash), {})
    assert_exact(books)


def test_adopting_twice_books_once() -> None:
    books = books_with(*OPENED)
    facts = correct(books, found_about(books, K.OFFLINE_FILL, a_report(ENTRY, FILLED, a_fill())), R.ADOPT).facts
    once = fold(books.copy(), facts)
    twice = fold(books.copy(), (*facts, *facts))
    assert (twice.slots, twice.ledger) == (once.slots, once.ledger)


def test_adopting_an_executed_part_of_an_order_that_goes_on_leaves_it_open() -> None:
    books = books_with(*OPENED)
    found = found_about(books, K.OFFLINE_FILL, a_report(ENTRY, PARTIAL, HALF))
    fold(books, correct(books, found, R.ADOPT).facts)
    state = books.slots[5].state
    assert isinstance(state, Entering)
    assert (state.lot, state.order.filled, state.order.status) == (a_lot("0.4", 60), D("0.4"), PARTIAL)
    assert books.slot_of_order == {ENTRY.client_order_id: 5}
    assert_exact(books)


def test_adopting_an_orphan_restores_its_intent_and_books_what_it_did() -> None:
    books = books_with()
    report = replace(a_report(ENTRY, PARTIAL, HALF), price=D("149.5"), amount=D("0.9"))
    found = about_order(K.ORPHAN_ORDER, books.slots[5], journalled=None, order=None, report=report)
    facts = correct(books, found, R.ADOPT).facts
    assert facts == (
        OrderIntended(
            slot=5,
            client_order_id=an_id(),
            leg=Leg.ENTRY,
            side=Side.BUY,
            price=D("149.5"),
            amount=D("0.9"),
            post_only=False,
            dust=Lot(),
            price_seen=ZERO,
            reason="found on the exchange; the record of it was lost",
            is_adopted=True,
        ),
        OrderReported(slot=5, report=report),
    )
    fold(books, facts)
    assert (books.slots[5].generation, books.slot_of_order) == (1, {an_id(): 5})
    assert_exact(books)


def test_an_adopted_orphan_may_be_ahead_of_the_journal_and_later_ids_are_ahead_of_it() -> None:
    books = books_with()
    name = an_id(generation=4)
    report = a_report(an_order(client_order_id=name), FILLED, a_fill())
    found = about_order(K.ORPHAN_ORDER, books.slots[5], journalled=None, order=None, report=report)
    fold(books, correct(books, found, R.ADOPT).facts)
    assert (books.slots[5].generation, books.slots[5].state) == (5, Holding(lot=a_lot(1, 150)))
    assert_exact(books)


def test_the_exit_of_an_orphaned_chain_is_adopted_after_its_entry() -> None:
    """The entry and its exit are both lost; one after the other they end in an empty slot with its profit."""
    books = books_with()
    exit_order = an_order(leg=Leg.EXIT, client_order_id=an_id(leg=Leg.EXIT, generation=1))
    sale = a_report(exit_order, FILLED, a_fill("2", price=160))
    for report in (a_report(ENTRY, FILLED, a_fill()), sale):
        found = about_order(K.ORPHAN_ORDER, books.slots[5], journalled=None, order=None, report=report)
        fold(books, correct(books, found, R.ADOPT).facts)
    assert (books.slots[5].state, books.ledger.base, books.ledger.realised) == (EMPTY, ZERO, D(10))
    assert_exact(books)


def test_an_orphan_that_the_slot_cannot_take_is_refused_with_the_reason_and_changes_nothing() -> None:
    """An exit of 1 for a slot that holds nothing."""
    books = books_with()
    exit_order = an_order(leg=Leg.EXIT, client_order_id=an_id(leg=Leg.EXIT))
    found = about_order(K.ORPHAN_ORDER, books.slots[5], journalled=None, order=None, report=a_report(exit_order, OPEN))
    with pytest.raises(CommandRefused) as told:
        correct(books, found, R.ADOPT)
    name = exit_order.client_order_id
    assert str(told.value) == f"order {name} cannot be adopted: slot 5 is empty and cannot take an exit order"
    assert (books.slots[5].generation, books.slot_of_order) == (0, {})


def test_there_is_nothing_to_adopt_where_the_exchange_says_nothing() -> None:
    books = books_with(*OPENED)
    with pytest.raises(CommandRefused, match="there is nothing to adopt"):
        correct(books, found_about(books, K.VANISHED_ORDER, None), R.ADOPT)


def test_adopting_new_rules_leaves_levels_and_orders_and_takes_the_rules() -> None:
    books = books_with(*OPENED)
    told = replace(MARKET, notional_min=D(50))
    before = (list(books.slots), books.lattice)
    found = about_market(MARKET, told, fits=True)
    facts = correct(books, found, R.ADOPT).facts
    assert facts == (MarketAdopted(market=told),)
    fold(books, facts)
    assert (books.market, (books.slots, books.lattice)) == (told, before)


# Cancelling


def test_cancelling_an_order_of_a_slot_marks_it_and_asks_the_exchange() -> None:
    books = books_with(*OPENED)
    found = found_about(books, K.ORDER_MISMATCH, a_report(ENTRY, OPEN))
    correction = correct(books, found, R.CANCEL)
    assert correction == Correction(
        facts=(CancelRequested(slot=5, client_order_id=an_id(), reason=found.detail),), cancellations=(an_id(),)
    )
    fold(books, correction.facts)
    order = order_of(books.slots[5])
    assert order is not None
    assert order.is_cancel_requested
    assert correct(books, found, R.CANCEL) == Correction(facts=(), cancellations=(an_id(),))


@pytest.mark.parametrize("kind", [K.DUPLICATE_ORDER, K.ORPHAN_ORDER])
def test_cancelling_an_order_that_is_in_no_slot_only_asks_the_exchange(kind: DiscrepancyKind) -> None:
    books = books_with(*bought(3)) if kind is K.ORPHAN_ORDER else books_with(*OPENED)
    stray = a_report(an_order(client_order_id=an_id(generation=9)), OPEN)
    found = about_order(kind, books.slots[5], journalled=None, order=order_of(books.slots[5]), report=stray)
    before = (list(books.slots), books.ledger)
    correction = correct(books, found, R.CANCEL)
    assert correction == Correction(facts=(), cancellations=(an_id(generation=9),))
    assert (fold(books, correction.facts).slots, books.ledger) == before


def test_a_lost_exit_that_took_dust_along_is_adopted_with_it() -> None:
    """0.3 of dust and a lot of 1: the exit that was lost offers 1.3."""
    books = dusty(*bought(5), dust="0.3")
    sale = an_intent(leg=Leg.EXIT, generation=1, amount=D("1.3"))
    found = found_about(books, K.ORPHAN_ORDER, a_report(sale, OPEN))
    facts = correct(books, found, R.ADOPT).facts
    fold(books, facts)
    state = books.slots[5].state
    assert isinstance(state, Exiting)
    assert (state.lot.quantity, books.ledger.dust.quantity) == (D("1.3"), ZERO)
    assert_exact(books)


# Releasing


@pytest.mark.parametrize(
    ("facts", "state", "filled"), [(OPENED, EMPTY, "0"), (HALVED, Holding(lot=a_lot("0.4", 60)), "0.4")]
)
def test_releasing_a_vanished_order_closes_it_with_what_is_booked(
    facts: Sequence[Fact], state: object, filled: str
) -> None:
    books = books_with(*facts)
    correction = correct(books, found_about(books, K.VANISHED_ORDER, None), R.RELEASE)
    reason = "released: the exchange does not know it any more"
    assert correction.facts == (OrderReleased(slot=5, client_order_id=an_id(), reason=reason),)
    fold(books, correction.facts)
    assert (books.slots[5].state, books.slot_of_order, books.slots[5].generation) == (state, {}, 1)
    assert books.closed.filled == {an_id(): D(filled)}
    assert_exact(books)


def test_releasing_an_order_of_which_executions_were_told_and_never_shown_frees_its_slot_too() -> None:
    """Half of it was reported as filled, the fills themselves are lost with the order."""
    told = a_report(ENTRY, PARTIAL, filled="0.5")
    books = books_with(*reported(ENTRY, told))
    fold(books, correct(books, found_about(books, K.VANISHED_ORDER, None), R.RELEASE).facts)
    assert (books.slots[5].state, books.slot_of_order) == (EMPTY, {})
    assert_exact(books)


def test_releasing_a_vanished_exit_leaves_its_lot_to_be_sold() -> None:
    sale = an_intent(leg=Leg.EXIT, generation=1)
    books = books_with(*bought(5), *reported(sale, a_report(sale, OPEN)))
    fold(books, correct(books, found_about(books, K.VANISHED_ORDER, None), R.RELEASE).facts)
    assert books.slots[5].state == Holding(lot=a_lot(1, 150))
    assert_exact(books)


def test_an_order_that_has_been_closed_meanwhile_cannot_be_released() -> None:
    books = books_with(*OPENED)
    found = found_about(books, K.VANISHED_ORDER, None)
    fold(books, [OrderReported(slot=5, report=a_report(ENTRY, CANCELED))])
    with pytest.raises(CommandRefused, match=f"order {an_id()} is closed already"):
        correct(books, found, R.RELEASE)


# Writing off


def dusty(*facts: Fact, dust: str) -> GridBooks:
    """Books with so much dust, that cost 100 a unit."""
    books = books_with(*facts)
    lot = a_lot(dust, D(dust) * 100)
    ledger = books.ledger
    books.ledger = replace(ledger, dust=lot, base=ledger.base + lot.quantity, cash=ledger.cash - lot.cost_quote)
    return books


WRITE_OFFS = {
    "from the dust alone": ("0.25", "0.1", [(None, "0.1", "10")], {3: "1", 7: "1"}, "0.15"),
    "all of the dust": ("0.25", "0.25", [(None, "0.25", "25")], {3: "1", 7: "1"}, "0"),
    "dust, then the highest lot": (
        "0.25",
        "0.5",
        [(None, "0.25", "25"), (7, "0.25", "42.5")],
        {3: "1", 7: "0.75"},
        "0",
    ),
    "whole lots from above": ("0", "1.5", [(7, "1", "170"), (3, "0.5", "65")], {3: "0.5"}, "0"),
    "everything": ("0.25", "2.25", [(None, "0.25", "25"), (7, "1", "170"), (3, "1", "130")], {}, "0"),
}


@pytest.mark.parametrize(("dust", "missing", "taken", "left", "dust_left"), WRITE_OFFS.values(), ids=WRITE_OFFS)
def test_what_is_missing_is_written_off_from_the_dust_and_then_from_free_lots_at_its_cost(
    dust: str, missing: str, taken: list[tuple[int | None, str, str]], left: dict[int, str], dust_left: str
) -> None:
    """Slots 3 and 7 hold 1 each, bought at 130 and 170; the loss is what it had cost."""
    books = dusty(*bought(3), *bought(7), dust=dust)
    base = books.ledger.base
    facts = correct(books, short_of(missing), R.WRITE_OFF).facts
    assert facts == tuple(
        LotCorrected(slot=slot, lot=a_lot(quantity, cost), reason="missing on the account")
        for slot, quantity, cost in taken
    )
    fold(books, facts)
    assert {slot.index: slot.state.lot.quantity for slot in books.slots if isinstance(slot.state, Holding)} == {
        index: D(quantity) for index, quantity in left.items()
    }
    assert (books.ledger.dust.quantity, books.ledger.base) == (D(dust_left), base - D(missing))
    assert books.ledger.realised == -sum(D(cost) for _, _, cost in taken)
    assert_exact(books)


def test_a_part_of_an_odd_lot_leaves_cost_and_quantity_together() -> None:
    """1 for 100, a third of it gone: no unit of the cost is lost in the division."""
    third = D("0.33333")
    books = books_with(*bought(0))
    fold(books, correct(books, short_of(str(third)), R.WRITE_OFF).facts)
    state = books.slots[0].state
    assert isinstance(state, Holding)
    assert (state.lot.quantity, state.lot.cost_quote - books.ledger.realised) == (1 - third, D(100))
    assert books.slots[0].profit_quote == books.ledger.realised
    assert_exact(books)


def test_a_write_off_that_resting_exits_bind_is_refused_with_how_much_and_changes_nothing() -> None:
    sale = an_intent(7, leg=Leg.EXIT, generation=1)
    books = books_with(*bought(3), *bought(7), *reported(sale, a_report(sale, OPEN)))
    before = (list(books.slots), books.ledger)
    with pytest.raises(CommandRefused) as told:
        correct(books, short_of("1.5"), R.WRITE_OFF)
    assert str(told.value) == (
        "expected free lots of 1.5 to write off, 0.5 of it is offered by resting exits: pause does not free it; "
        "freeze and cancel them, or bring it back"
    )
    assert (books.slots, books.ledger) == before


# Notes, halts, and leaving things as they are


def test_noting_adds_to_what_was_beside_the_lots_before() -> None:
    over = about_holding(K.HOLDING_OVER, MarketKind.SPOT, total=D(5), held=D(2), quantity=D(3))
    books = books_with(HoldingNoted(beside=D("0.5")))
    fold(books, correct(books, over, R.NOTE).facts)
    assert books.beside == D("3.5")
    fresh = books_with()
    fold(fresh, correct(fresh, over, R.NOTE).facts)
    assert fresh.beside == 3
    assert fresh.ledger == books_with().ledger


def test_halting_says_why_and_by_whom() -> None:
    books = books_with(*OPENED)
    found = found_about(books, K.ORDER_MISMATCH, a_report(ENTRY, OPEN))
    (fact,) = correct(books, found, R.HALT).facts
    assert fact == GridStateChanged(state=GridState.HALTED, disposal=None, reason=found.detail, by="ann")


@pytest.mark.parametrize("way", [R.KEEP, R.QUERY])
def test_keeping_and_asking_again_change_nothing(way: Resolution) -> None:
    books = books_with(*OPENED)
    assert correct(books, found_about(books, K.VANISHED_ORDER, None), way) == Correction(facts=())


def test_an_exit_of_a_released_entry_is_reconciled_like_any_other() -> None:
    """After the release the comparison finds nothing, though the exchange still knows nothing of the order."""
    books = books_with(*OPENED)
    fold(books, correct(books, found_about(books, K.VANISHED_ORDER, None), R.RELEASE).facts)
    evidence = reconcile.GridEvidence(
        number=0,
        instance="abc",
        slots=books.slots,
        journal_slots=books.slots,
        filled_of_closed=books.closed.filled,
        expects_lost_records=False,
    )
    assert reconcile.compare_orders(evidence, reconcile.AccountEvidence(open_orders={}, asked={})) == []
    assert not isinstance(books.slots[5].state, Entering | Exiting)

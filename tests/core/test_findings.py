# ruff: noqa: N802 -- a regression test carries the id of its finding, as it is written
"""What went wrong in the systems before ours and is decided in core: each defect, and what holds instead."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core.books import GridBooks
from engine.core.grid_view import view_of
from engine.core.ladder import decide
from engine.model.actions import CancelOrder, PlaceOrder
from engine.model.errors import InvariantBroken
from engine.model.events import CancelRequested, Fact, OrderReported, SlotFrozen
from engine.model.grid import GridState, InitialPurchase, SizedBy
from engine.model.ids import key_from_client_order_id
from engine.model.market import FeeCurrency
from engine.model.order import Leg, OrderReport, OrderStatus
from engine.model.slot import EMPTY, Entering, Exiting, Holding, Slot, lot_of
from tests.builders import (
    a_fill,
    a_lattice,
    a_lot,
    a_market,
    a_report,
    a_slot,
    a_spec,
    a_view,
    an_id,
    an_intent,
    an_opening,
    an_order,
    some_books,
    some_slots,
)
from tests.core.harness import GridRun

D = Decimal
UNKNOWN, OPEN, PARTIAL = OrderStatus.UNKNOWN, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
REJECTED, EXPIRED = OrderStatus.REJECTED, OrderStatus.EXPIRED
ENTRY = an_intent()
EXIT = an_intent(leg=Leg.EXIT, generation=1)


def books_after(*facts_or_reports: Fact | OrderReport) -> GridBooks:
    """The books of the default grid after facts; a bare report is one of slot 5."""
    books = some_books()
    for told in facts_or_reports:
        fact = OrderReported(slot=5, report=told) if isinstance(told, OrderReport) else told
        books.apply(fact, at_ms=0)
    return books


def slot_after(*facts_or_reports: Fact | OrderReport) -> Slot:
    return books_after(*facts_or_reports).slots[5]


def test_seed_002_3_an_offline_fill_books_its_quantity_and_never_its_price() -> None:
    """0.001 at 50 000, found when the order was asked for after a restart, is 0.001 and not 50 000."""
    intent = an_intent(amount="0.001", price=50000)
    fill = a_fill(price=50000, amount="0.001", fee="0.000001")
    books = books_after(intent, a_report(intent, FILLED, fill))
    assert books.slots[5].state == Holding(lot=a_lot("0.000999", 50))
    assert (books.ledger.base, books.ledger.cash) == (D("0.000999"), D(-50))


def test_seed_002_4_a_reserved_slot_is_not_decided_on_again() -> None:
    """Between the decision and the exchange's answer rapid prices find nothing to do."""
    books = some_books()
    price = D(145)
    first = [action for action in decide(view_of(books), price).actions if isinstance(action, PlaceOrder)]
    for action in first:
        books.apply(an_intent(action.slot), at_ms=0)
    assert [action.slot for action in first] == [4, 3, 2, 1, 0]
    assert decide(view_of(books), price).actions == ()
    assert decide(view_of(books), D("149.99")).actions == ()


def test_mm_009_reports_repeated_after_a_reconnect_or_a_restart_are_booked_once() -> None:
    reports = [a_report(ENTRY, PARTIAL, a_fill("1", amount="0.4")), a_report(ENTRY, FILLED, a_fill("2", amount="0.6"), filled=1)]  # fmt: skip # noqa: E501
    once = books_after(ENTRY, *reports)
    thrice = books_after(ENTRY, *reports, *reports, a_report(ENTRY, FILLED, a_fill("1", amount="0.4"), a_fill("2", amount="0.6")))  # fmt: skip # noqa: E501
    assert once.slots == thrice.slots
    assert once.ledger == thrice.ledger
    assert once.ledger.base == 1


def test_audit_3_a_late_result_does_not_overwrite_what_the_stream_told_since() -> None:
    told = slot_after(ENTRY, a_report(ENTRY, PARTIAL, a_fill(amount="0.4")))
    late = slot_after(
        ENTRY, a_report(ENTRY, PARTIAL, a_fill(amount="0.4")), a_report(ENTRY, OPEN), a_report(ENTRY, UNKNOWN)
    )
    assert late == told


def test_037a_an_order_whose_outcome_is_unknown_stays_its_slots_until_the_exchange_says_it() -> None:
    slot = slot_after(ENTRY, a_report(ENTRY, UNKNOWN, reason="no answer"))
    assert isinstance(slot.state, Entering)
    assert slot.state.order.status is UNKNOWN
    assert decide(a_view(some_slots(slot), state=GridState.PAUSED), D(155)).actions == ()


def test_L03_the_closing_order_belongs_to_the_slot_that_holds_the_lot() -> None:
    """The neighbour above has an order of its own at the same price; both live, each in its slot."""
    holder, neighbour = a_slot(5, state=Holding(lot=a_lot(1, 150))), a_slot(6)
    actions = decide(a_view(some_slots(holder, neighbour)), D(165)).actions
    placed = {(a.slot, a.leg): a.price for a in actions if isinstance(a, PlaceOrder)}
    assert placed[5, Leg.EXIT] == 160
    assert placed[6, Leg.ENTRY] == 160
    assert slot_after(ENTRY, a_report(ENTRY, FILLED, a_fill()), EXIT, a_report(EXIT, FILLED, a_fill("2", price=160))).state == EMPTY  # fmt: skip # noqa: E501


def test_L04_the_closing_order_sells_what_is_held_and_not_the_slots_amount() -> None:
    held = a_slot(5, state=Holding(lot=a_lot("0.4567", 68)))
    sale = next(a for a in decide(a_view(some_slots(held)), D(95)).actions if isinstance(a, PlaceOrder))
    assert (sale.slot, sale.amount) == (5, D("0.4567"))


def test_L05_what_could_not_be_reserved_is_refused_and_changes_nothing() -> None:
    books = books_after(ENTRY)
    before = books.slots[5]
    with pytest.raises(InvariantBroken, match="slot 5 already has order"):
        books.reserve(an_intent(generation=1), at_ms=0)
    assert books.slots[5] == before
    assert books.slot_of_order == {an_id(): 5}


def test_L06_late_acknowledgement_after_fill_changes_nothing() -> None:
    filled = books_after(ENTRY, a_report(ENTRY, FILLED, a_fill()))
    late = books_after(ENTRY, a_report(ENTRY, FILLED, a_fill()), a_report(ENTRY, OPEN))
    assert late.slots == filled.slots
    assert late.slots[5].state == Holding(lot=a_lot(1, 150))
    assert late.ledger == filled.ledger


def test_L07_quote_is_quote_and_base_is_base() -> None:
    """30 USDT a slot are 30 USDT worth of base at every level, not 30 BTC."""
    lattice = a_lattice(a_spec(sized_by=SizedBy.QUOTE_PER_SLOT, size=D(30)))
    worth = [price * amount for price, amount in zip(lattice.levels, lattice.amounts, strict=False)]
    assert all(D("29.99") < quote <= 30 for quote in worth)
    assert a_lattice(a_spec(sized_by=SizedBy.BASE_PER_SLOT, size=D("0.3"))).amounts == (D("0.3"),) * 10


def test_L08_every_restart_ends_with_the_same_lots() -> None:
    run = GridRun(an_opening())
    run.trade(200, 125, 145)
    quantities = [lot_of(slot).quantity for slot in run.books.slots]
    for _ in range(3):
        again = GridBooks(run.opened)
        for at_ms, fact in enumerate(run.facts):
            again.apply(fact, at_ms)
        assert [lot_of(slot).quantity for slot in again.slots] == quantities
        assert again.ledger.base == sum(quantities) == run.exchange.base


def test_L10_the_lattice_of_a_restart_is_the_one_of_the_start_whatever_the_price_is_now() -> None:
    opened = an_opening(a_spec(initial_purchase=InitialPurchase.LIMIT), anchor=137)
    books = GridBooks(opened)
    assert books.lattice == opened.lattice
    assert books.lattice.anchor == 137
    assert [slot.lower for slot in books.slots] == list(opened.lattice.levels[:-1])


def test_L11_partial_then_cancel_keeps_what_was_filled() -> None:
    books = books_after(
        ENTRY,
        a_report(ENTRY, PARTIAL, a_fill(amount="0.4", fee="0.0004")),
        CancelRequested(slot=5, client_order_id=an_id(), reason="a test"),
        a_report(ENTRY, CANCELED, filled="0.4"),
    )
    assert books.slots[5].state == Holding(lot=a_lot("0.3996", 60))
    assert books.ledger.base == D("0.3996")


@pytest.mark.parametrize("ending", [CANCELED, EXPIRED])
def test_L11_a_partly_filled_exit_that_ends_keeps_what_was_not_sold(ending: OrderStatus) -> None:
    bought = (ENTRY, a_report(ENTRY, FILLED, a_fill()))
    slot = slot_after(*bought, EXIT, a_report(EXIT, ending, a_fill("2", price=160, amount="0.25")))
    assert slot.state == Holding(lot=a_lot("0.75", "112.5"))
    assert slot.cycles == 0


def test_L12_the_next_order_of_a_slot_starts_with_nothing_filled() -> None:
    """An early partial of the second order is news, though it is smaller than what the first one had."""
    first = (ENTRY, a_report(ENTRY, CANCELED, a_fill(amount="0.4")))
    sale = replace(EXIT, amount=D("0.4"))
    slot = slot_after(*first, sale, a_report(sale, PARTIAL, a_fill("2", price=160, amount="0.1")))
    assert isinstance(slot.state, Exiting)
    assert (slot.state.order.filled, slot.state.lot.quantity) == (D("0.1"), D("0.3"))


@pytest.mark.parametrize("ending", [REJECTED, EXPIRED, CANCELED])
def test_L13_an_order_that_ends_without_a_fill_frees_its_slot(ending: OrderStatus) -> None:
    books = books_after(ENTRY, a_report(ENTRY, ending, reason="no"))
    assert (books.slots[5].state, books.slot_of_order) == (EMPTY, {})
    again = decide(view_of(books), D(155)).actions[0]
    assert isinstance(again, PlaceOrder)
    assert (again.slot, books.slots[5].generation) == (5, 1)


@pytest.mark.parametrize("ending", [REJECTED, EXPIRED, CANCELED])
def test_L13_an_exit_that_ends_without_a_fill_leaves_its_lot_to_be_sold(ending: OrderStatus) -> None:
    books = books_after(ENTRY, a_report(ENTRY, FILLED, a_fill()), EXIT, a_report(EXIT, ending))
    assert books.slots[5].state == Holding(lot=a_lot(1, 150))
    assert [action.slot for action in decide(view_of(books), D(95)).actions] == [5]


def test_L15_asking_for_a_cancel_frees_nothing() -> None:
    asked = (ENTRY, a_report(ENTRY, OPEN), CancelRequested(slot=5, client_order_id=an_id(), reason="a test"))
    slot = slot_after(*asked)
    assert isinstance(slot.state, Entering)
    assert all(action.slot != 5 for action in decide(a_view(some_slots(slot)), D(155)).actions)


def test_L15_a_cancel_that_lost_the_race_is_a_fill() -> None:
    asked = (ENTRY, a_report(ENTRY, OPEN), CancelRequested(slot=5, client_order_id=an_id(), reason="a test"))
    assert slot_after(*asked, a_report(ENTRY, FILLED, a_fill())).state == Holding(lot=a_lot(1, 150))


def test_L18_a_fill_belongs_to_the_order_that_was_asked_for_and_to_no_other_slot() -> None:
    """Several orders are missing on the exchange; only the one that was executed gets its quantity."""
    others = [an_intent(index) for index in (3, 4)]
    books = books_after(ENTRY, *others, a_report(ENTRY, FILLED, a_fill()))
    books.apply(OrderReported(slot=3, report=a_report(others[0], REJECTED)), at_ms=0)
    assert [slot.index for slot in books.slots if lot_of(slot).quantity] == [5]
    assert books.slots[3].state == EMPTY
    assert isinstance(books.slots[4].state, Entering)


def test_L27_an_id_is_never_used_again_in_the_life_of_a_grid() -> None:
    """I4."""
    run = GridRun(an_opening(a_spec(window=4)))
    for _ in range(25):
        run.trade(200, 150, 95, 130, 205)
    ids = list(run.exchange.orders)
    assert len(ids) == len(set(ids)) > 500
    keys = [key_from_client_order_id(text) for text in ids]
    assert all(key is not None and key.grid == 0 for key in keys)
    with pytest.raises(InvariantBroken, match="was used before"):
        run.books.reserve(replace(ENTRY, client_order_id=ids[-1]), at_ms=0)


def test_L30_a_late_event_of_an_older_order_does_not_free_the_slot() -> None:
    """The first order was cancelled, the second has only been decided; the first is told of again."""
    second = an_intent(generation=1)
    before = slot_after(ENTRY, a_report(ENTRY, CANCELED), second)
    after = slot_after(ENTRY, a_report(ENTRY, CANCELED), second, a_report(ENTRY, CANCELED), a_report(ENTRY, REJECTED))  # fmt: skip # noqa: E501
    assert after == before
    assert isinstance(after.state, Entering)
    assert after.state.order.client_order_id == an_id(generation=1)


def test_L34_an_exit_is_never_cancelled_because_of_the_price() -> None:
    lot = a_lot(1, 150)
    order = an_order(5, Leg.EXIT, status=OPEN)
    slot = a_slot(5, state=Exiting(lot=lot, offered=lot, order=order))
    for price in (1, 100, 150, 155, "159.99", 160, 161, 10**6):
        for action in decide(a_view(some_slots(slot)), D(price)).actions:
            assert not isinstance(action, CancelOrder)


def test_L35_an_order_is_cancelled_once_however_many_reasons_there_are() -> None:
    """Paused, outside the window, and the price has passed it."""
    slot = a_slot(0, state=Entering(order=an_order(0, status=PARTIAL, filled=D("0.4")), lot=a_lot("0.4", 40)))
    spec = a_spec(window=1)
    actions = decide(a_view(some_slots(slot), spec=spec, state=GridState.PAUSED), D(205)).actions
    assert [type(action) for action in actions] == [CancelOrder]


@pytest.mark.parametrize("fee_currency", FeeCurrency)
def test_L50_profit_is_what_the_fills_left_after_their_fees(fee_currency: FeeCurrency) -> None:
    """Not sold quantity times interval: buy 1 at 150, sell at 160, 0.1 % on both legs."""
    run = GridRun(an_opening(market=a_market(fee_currency=fee_currency)))
    run.trade("155", 150, 160)
    profit = {FeeCurrency.QUOTE: D("9.69"), FeeCurrency.RECEIVED: D("9.68016")}[fee_currency]
    assert run.books.ledger.realised == profit == run.books.slots[5].profit_quote


def test_a_slot_refused_three_times_is_frozen_instead_of_asking_for_ever() -> None:
    run = GridRun(an_opening())
    run.exchange.price = D(105)
    for _ in range(3):
        run.refuse_next = REJECTED
        run.act()
        run.read()
    assert [fact.slot for fact in run.facts if isinstance(fact, SlotFrozen)] == [0]
    assert decide(view_of(run.books), D(105)).actions == ()

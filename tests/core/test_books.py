"""The books of one grid: facts in, slots, index and ledger out."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core.closed_orders import REMEMBERED_MS
from engine.core.ledger import Ledger
from engine.model.errors import InvariantBroken
from engine.model.events import (
    CancelRequested,
    LotAdopted,
    LotSetAside,
    OrderReported,
    SlotFrozen,
    SlotThawed,
)
from engine.model.grid import Disposal, GridState, InitialPurchase
from engine.model.order import Leg, OrderStatus
from engine.model.slot import EMPTY, NO_LOT, Entering, Exiting, Holding
from tests.builders import (
    a_fill,
    a_lot,
    a_report,
    a_spec,
    a_state,
    an_id,
    an_intent,
    an_opening,
    some_books,
)

D = Decimal
OPEN, FILLED, REJECTED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.REJECTED


def test_a_new_grid_is_starting_empty_and_owns_nothing() -> None:
    books = some_books(state=GridState.STARTING)
    assert books.state is GridState.STARTING
    assert [slot.state for slot in books.slots] == [EMPTY] * 10
    assert [(slot.lower, slot.upper) for slot in books.slots] == [
        (D(100 + 10 * index), D(110 + 10 * index)) for index in range(10)
    ]
    assert books.ledger == Ledger()
    assert books.slot_of_order == {}


@pytest.mark.parametrize(
    "initial_purchase, initial",
    [
        (InitialPurchase.NONE, []),
        (InitialPurchase.LIMIT, [6, 7, 8, 9]),
        (InitialPurchase.MARKET, [6, 7, 8, 9]),
        (InitialPurchase.HOLDINGS, [6, 7, 8, 9]),
    ],
)
def test_the_slots_above_the_start_price_wait_for_their_first_lot(
    initial_purchase: InitialPurchase, initial: list[int]
) -> None:
    books = some_books(a_spec(initial_purchase=initial_purchase), anchor=150)
    assert [slot.index for slot in books.slots if slot.is_initial] == initial


def test_a_reserved_order_is_indexed_before_anything_is_sent() -> None:
    books = some_books()
    books.apply(an_intent(), at_ms=7)
    state = books.slots[5].state
    assert isinstance(state, Entering)
    assert (state.order.status, state.order.created_ms) == (OrderStatus.INTENT, 7)
    assert books.slot_of_order == {an_id(): 5}
    assert books.live_slots() == [books.slots[5]]


def test_a_whole_cycle_moves_the_order_index_the_slot_and_the_ledger_together() -> None:
    books = some_books()
    entry, leave = an_intent(), an_intent(leg=Leg.EXIT, generation=1, amount="0.999")
    books.apply(entry, at_ms=1)
    books.apply(OrderReported(slot=5, report=a_report(entry, FILLED, a_fill(fee="0.001"))), at_ms=2)
    bought = books.slots[5]
    assert bought.state == Holding(lot=a_lot("0.999", 150))
    assert books.slot_of_order == {}
    assert books.booked_of_closed(an_id()) == 1
    books.apply(leave, at_ms=3)
    sale = a_fill("2", price=160, amount="0.999", fee="0.15984", fee_currency="USDT")
    books.apply(OrderReported(slot=5, report=a_report(leave, FILLED, sale)), at_ms=4)
    assert books.slots[5].state == EMPTY
    assert (books.slots[5].generation, books.slots[5].cycles) == (2, 1)
    assert books.ledger.cash == books.ledger.realised == books.slots[5].profit_quote == D("9.68016")
    assert (books.ledger.base, books.ledger.cycles) == (D(0), 1)
    assert books.ledger.fees == (("BTC", D("0.001")), ("USDT", D("0.15984")))


@pytest.mark.parametrize("slot, generation", [(4, 0), (5, 1)])
def test_an_id_of_another_slot_or_generation_is_not_taken(slot: int, generation: int) -> None:
    wrong = replace(an_intent(slot, generation=generation), slot=5)
    with pytest.raises(InvariantBroken, match="does not belong to slot 5"):
        some_books().reserve(wrong, at_ms=0)


def test_a_closed_order_is_remembered_with_what_was_booked_of_it_but_not_for_ever() -> None:
    """Four for every slot and all of the last quarter of an hour: enough to recognise late reports, bounded."""
    books = some_books()
    for generation in range(41):
        intent = an_intent(generation=generation)
        books.apply(intent, at_ms=0)
        at_ms = REMEMBERED_MS + 1 if generation == 40 else 0
        assert books.booked_of_closed(an_id(generation=0)) == (0 if generation else None)
        books.apply(OrderReported(slot=5, report=a_report(intent, OrderStatus.EXPIRED)), at_ms=at_ms)
    assert books.booked_of_closed(an_id(generation=0)) is None
    assert [books.booked_of_closed(an_id(generation=n)) for n in range(1, 41)] == [0] * 40


def test_a_cancel_is_marked_and_the_order_stays_the_slots() -> None:
    books = some_books()
    books.apply(an_intent(), at_ms=0)
    books.apply(CancelRequested(slot=5, client_order_id=an_id(), reason="a test"), at_ms=0)
    state = books.slots[5].state
    assert isinstance(state, Entering)
    assert state.order.is_cancel_requested
    assert books.slot_of_order == {an_id(): 5}


def test_a_lot_set_aside_is_dust_and_dust_that_is_taken_along_is_gone() -> None:
    books = some_books()
    for index, lot in ((5, a_lot("0.02", 3)), (6, a_lot("0.03", "4.5"))):
        books.apply(LotAdopted(slot=index, lot=lot), at_ms=0)
        books.apply(LotSetAside(slot=index, reason="too small"), at_ms=0)
    assert books.ledger.dust == a_lot("0.05", "7.5")
    books.apply(LotAdopted(slot=7, lot=a_lot("0.97", 145)), at_ms=0)
    books.apply(an_intent(7, Leg.EXIT, amount=1, dust=a_lot("0.03", "4.5")), at_ms=0)
    assert books.ledger.dust == a_lot("0.02", 3)
    state = books.slots[7].state
    assert isinstance(state, Exiting)
    assert state.lot == a_lot(1, "149.5")
    assert books.profit(D(150)).residual == 0


def test_adopted_base_is_a_lot_at_the_start_price_and_no_initial_purchase_any_more() -> None:
    books = some_books(a_spec(initial_purchase=InitialPurchase.HOLDINGS))
    books.apply(LotAdopted(slot=7, lot=a_lot(1, 150)), at_ms=0)
    assert (books.slots[7].state, books.slots[7].is_initial) == (Holding(lot=a_lot(1, 150)), False)
    assert books.ledger == Ledger(cash=D(-150), base=D(1), adopted=D(150))
    assert books.profit(D(150)).total == 0


def test_freezing_keeps_everything_and_thawing_forgets_the_refusals() -> None:
    books = some_books()
    intent = an_intent()
    books.apply(intent, at_ms=0)
    books.apply(SlotFrozen(slot=5, reason="by wish", by="ann"), at_ms=0)
    books.apply(OrderReported(slot=5, report=a_report(intent, REJECTED)), at_ms=0)
    assert (books.slots[5].freeze_reason, books.slots[5].refusals) == ("by wish", 1)
    books.apply(SlotThawed(slot=5, by="ann"), at_ms=0)
    assert (books.slots[5].freeze_reason, books.slots[5].refusals) == (None, 0)


def test_a_frozen_slot_still_books_its_fills() -> None:
    books = some_books()
    intent = an_intent()
    books.apply(intent, at_ms=0)
    books.apply(SlotFrozen(slot=5, reason="by wish", by="ann"), at_ms=0)
    books.apply(OrderReported(slot=5, report=a_report(intent, FILLED, a_fill())), at_ms=0)
    assert books.slots[5].state == Holding(lot=a_lot(1, 150))
    assert books.slots[5].freeze_reason == "by wish"


def test_the_state_of_a_grid_comes_with_its_disposal_and_reason() -> None:
    books = some_books()
    books.apply(a_state(GridState.STOPPING, Disposal.FLATTEN), at_ms=0)
    assert (books.state, books.disposal, books.state_reason) == (
        GridState.STOPPING, Disposal.FLATTEN, "stopping by a test",
    )  # fmt: skip


def test_a_grid_is_opened_once() -> None:
    with pytest.raises(InvariantBroken, match="grid 'main' was opened twice"):
        some_books().apply(an_opening(), at_ms=0)


def test_a_report_told_again_after_its_order_was_closed_changes_nothing() -> None:
    books = some_books()
    intent = an_intent()
    told = OrderReported(slot=5, report=a_report(intent, FILLED, a_fill()))
    books.apply(intent, at_ms=0)
    books.apply(told, at_ms=0)
    before = (books.slots[5], books.ledger)
    books.apply(told, at_ms=0)
    books.apply(OrderReported(slot=5, report=a_report(intent, OPEN)), at_ms=0)
    assert (books.slots[5], books.ledger) == before
    assert books.ledger.dust == NO_LOT

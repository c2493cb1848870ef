# ruff: noqa: N802 -- an invariant is named as it is written
"""Slot transitions: what becomes of a slot when its order is reserved, filled, cancelled or refused."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.slots import (
    REFUSALS_MAX,
    SlotChange,
    apply_report,
    mark_cancel_requested,
    reserve,
    set_aside,
)
from engine.model.errors import InvariantBroken
from engine.model.money import ZERO
from engine.model.order import Leg, OrderReport, OrderStatus
from engine.model.slot import EMPTY, NO_LOT, Entering, Exiting, Holding, Slot
from tests.builders import a_fill, a_lot, a_market, a_report, a_slot, an_id, an_intent, an_order

D = Decimal
MARKET = a_market()
UNKNOWN, OPEN, PARTIAL = OrderStatus.UNKNOWN, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
REJECTED, EXPIRED = OrderStatus.REJECTED, OrderStatus.EXPIRED


def an_entering(**changes: object) -> Slot:
    return a_slot(5, state=Entering(order=an_order(status=OPEN)), generation=1, **changes)


def an_exiting(quantity: str = "1", cost: str = "150", amount: str = "1") -> Slot:
    lot = a_lot(quantity, cost)
    order = an_order(leg=Leg.EXIT, status=OPEN, amount=D(amount))
    return a_slot(5, state=Exiting(lot=lot, offered=lot, order=order), generation=1)


def told(slot: Slot, report: OrderReport) -> SlotChange:
    change = apply_report(slot, report, MARKET)
    assert change is not None
    return change


def test_an_empty_slot_takes_an_entry() -> None:
    slot = reserve(a_slot(5), an_intent(), at_ms=7)
    assert slot.generation == 1
    assert slot.state == Entering(order=an_order(created_ms=7), lot=NO_LOT)


def test_a_lot_takes_an_exit_with_the_dust_that_comes_along() -> None:
    slot = a_slot(5, state=Holding(lot=a_lot("0.999", "149.85")))
    intent = an_intent(leg=Leg.EXIT, amount="1", dust=a_lot("0.001", "0.14"))
    lot = a_lot("1.000", "149.99")
    assert reserve(slot, intent, at_ms=7).state == Exiting(
        lot=lot, offered=lot, order=an_order(leg=Leg.EXIT, created_ms=7)
    )


@pytest.mark.parametrize("leg", [Leg.EXIT, Leg.FLATTEN])
def test_I8_a_sale_never_exceeds_its_lot(leg: Leg) -> None:
    slot = a_slot(5, state=Holding(lot=a_lot("0.99999", "150")))
    with pytest.raises(InvariantBroken, match=r"slot 5 holds 0\.99999 and cannot take an .* of 1"):
        reserve(slot, an_intent(leg=leg), at_ms=0)


@pytest.mark.parametrize("slot", [an_entering(), an_exiting()])
def test_I1_a_slot_with_an_order_takes_no_second_one(slot: Slot) -> None:
    with pytest.raises(InvariantBroken, match="slot 5 already has order"):
        reserve(slot, an_intent(generation=1), at_ms=0)


@pytest.mark.parametrize("leg", [Leg.EXIT, Leg.FLATTEN])
def test_an_empty_slot_has_nothing_to_sell(leg: Leg) -> None:
    with pytest.raises(InvariantBroken, match="slot 5 is empty and cannot take an"):
        reserve(a_slot(5), an_intent(leg=leg), at_ms=0)


def test_a_holding_slot_takes_no_entry() -> None:
    with pytest.raises(InvariantBroken, match="slot 5 holds 1 and cannot take an entry of 1"):
        reserve(a_slot(5, state=Holding(lot=a_lot(1, 150))), an_intent(), at_ms=0)


def test_a_filled_entry_leaves_a_lot_net_of_its_fee() -> None:
    fill = a_fill(fee="0.001")
    change = told(an_entering(is_initial=True), a_report(an_order(), FILLED, fill))
    assert change.slot == a_slot(5, state=Holding(lot=a_lot("0.999", 150)), generation=1)
    assert [(booking.fill, booking.realised) for booking in change.bookings] == [(fill, ZERO)]
    assert (change.cycles, change.dust) == (0, NO_LOT)


def test_a_partly_filled_entry_holds_what_it_has_and_goes_on() -> None:
    slot = told(an_entering(), a_report(an_order(), PARTIAL, a_fill(amount="0.4"))).slot
    assert isinstance(slot.state, Entering)
    assert slot.state.lot == a_lot("0.4", 60)
    assert slot.state.order.status is PARTIAL


def test_an_initial_purchase_stays_wanted_until_something_of_it_is_bought() -> None:
    waiting = told(an_entering(is_initial=True), a_report(an_order(), CANCELED)).slot
    bought = told(an_entering(is_initial=True), a_report(an_order(), PARTIAL, a_fill(amount="0.1"))).slot
    assert (waiting.state, waiting.is_initial) == (EMPTY, True)
    assert bought.is_initial is False


def test_a_filled_exit_completes_a_cycle_and_leaves_its_profit() -> None:
    fill = a_fill(price=160, fee="0.16", fee_currency="USDT")
    change = told(an_exiting(), a_report(an_order(leg=Leg.EXIT), FILLED, fill))
    assert change.slot == a_slot(5, generation=1, cycles=1, profit_quote=D("9.84"))
    assert (change.cycles, change.dust) == (1, NO_LOT)


def test_what_an_exit_could_not_sell_is_dust_at_its_cost() -> None:
    slot = an_exiting("1.000009", "150.00135", "1")
    change = told(slot, a_report(an_order(leg=Leg.EXIT), FILLED, a_fill(price=160)))
    assert change.dust.quantity == D("0.000009")
    assert change.dust.cost_quote == D("0.00135")
    assert change.slot.profit_quote == 160 - D("150.00135") + D("0.00135")


def test_an_exit_that_ends_early_leaves_a_lot_and_no_cycle() -> None:
    exit_order = an_order(leg=Leg.EXIT)
    change = told(an_exiting(), a_report(exit_order, CANCELED, a_fill(price=160, amount="0.25")))
    assert change.slot.state == Holding(lot=a_lot("0.75", "112.5"))
    assert (change.cycles, change.slot.cycles, change.slot.profit_quote) == (0, 0, D("2.5"))


def test_a_closed_order_whose_fills_are_missing_keeps_its_slot() -> None:
    """CANCELED with 0.4 filled, of which nothing was told: the slot waits for the execution."""
    slot = told(an_entering(), a_report(an_order(), CANCELED, filled="0.4")).slot
    assert isinstance(slot.state, Entering)
    later = told(slot, a_report(an_order(), CANCELED, a_fill(amount="0.4")))
    assert later.slot.state == Holding(lot=a_lot("0.4", 60))


def test_a_report_of_another_order_changes_nothing() -> None:
    report = a_report(an_order(client_order_id=an_id(5, generation=7)), FILLED, a_fill())
    assert apply_report(an_entering(), report, MARKET) is None
    assert apply_report(a_slot(5), report, MARKET) is None
    assert apply_report(a_slot(5, state=Holding(lot=a_lot(1, 150))), report, MARKET) is None


def test_refusals_are_counted_in_a_row_until_an_order_is_filled_or_canceled() -> None:
    slot = a_slot(5)
    for generation in range(REFUSALS_MAX):
        slot = reserve(slot, an_intent(generation=generation), at_ms=0)
        slot = told(slot, a_report(an_intent(generation=generation), REJECTED)).slot
    assert (slot.state, slot.refusals) == (EMPTY, 3)
    slot = reserve(slot, an_intent(generation=3), at_ms=0)
    slot = told(slot, a_report(an_intent(generation=3), OPEN)).slot
    assert slot.refusals == 3
    assert told(slot, a_report(an_intent(generation=3), CANCELED)).slot.refusals == 0


def test_an_expired_order_is_no_refusal() -> None:
    assert told(an_entering(refusals=2), a_report(an_order(), EXPIRED)).slot.refusals == 2


def test_a_cancel_is_marked_on_the_order_and_on_nothing_else() -> None:
    slot = an_entering()
    assert mark_cancel_requested(slot) == a_slot(
        5, state=Entering(order=an_order(status=OPEN, is_cancel_requested=True)), generation=1
    )
    with pytest.raises(InvariantBroken, match="slot 5 has no order to cancel"):
        mark_cancel_requested(a_slot(5))


def test_only_a_lot_without_an_order_can_be_set_aside() -> None:
    lot = a_lot("0.00002", "0.003")
    assert set_aside(a_slot(5, state=Holding(lot=lot))) == (a_slot(5), lot)
    for slot in (a_slot(5), an_entering(), an_exiting()):
        with pytest.raises(InvariantBroken, match="slot 5 has no free lot to set aside"):
            set_aside(slot)


@st.composite
def reports_of_a_sale(draw: st.DrawFn) -> list[OrderReport]:
    """Executions of a sale of 1 at odd prices, one by one and all at once, then its end."""
    order = an_order(leg=Leg.EXIT)
    parts = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    fills = [
        a_fill(str(number), price=160 + number, amount=D(part) / 100, at_ms=number) for number, part in enumerate(parts)
    ]
    filled = D(sum(parts)) / 100
    ending = FILLED if filled == 1 else draw(st.sampled_from([PARTIAL, CANCELED]))
    reports = [a_report(order, PARTIAL, fill, filled=fill.amount) for fill in fills]
    return [a_report(order, OPEN), *reports, a_report(order, ending, *fills)]


@given(reports_of_a_sale(), st.randoms(use_true_random=False))
def test_I5_a_sale_ends_the_same_in_whatever_order_its_executions_are_told(
    reports: list[OrderReport], random: Random
) -> None:
    """The cost cannot be divided evenly, and still no order of arrival moves a unit of it."""

    def end(story: list[OrderReport]) -> tuple[Slot, Decimal]:
        slot, realised = an_exiting("1.23456789", "75.3375123", "1"), ZERO
        for report in story:
            change = apply_report(slot, report, MARKET)
            if change is not None:
                slot = change.slot
                realised += sum((booking.realised for booking in change.bookings), ZERO)
        return slot, realised

    expected = end(reports)
    shuffled = [*reports, *random.choices(reports, k=2)]
    random.shuffle(shuffled)
    assert end(shuffled) == expected

"""What was found wrong once in the books of market sense, risk and swaps: each with the scene in which it was."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core import corrections
from engine.core.books import GridBooks
from engine.core.differences import about_holding
from engine.core.migration import MigrationPlan, grid_now
from engine.core.reading import foresee
from engine.core.trailing import shift
from engine.model.errors import CommandRefused, InvariantBroken
from engine.model.events import (
    FundingBooked,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    OrderIntended,
    OrderReported,
    PositionLiquidated,
    ShadowChanged,
)
from engine.model.grid import Direction, GridState, StartTrigger, Trailing, TriggerSide
from engine.model.market import MarketKind
from engine.model.order import Leg, OrderReport, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.regime import SuppressedEntry
from engine.model.slot import NO_LOT, Lot
from engine.model.swap import FundingPayment, Liquidation
from tests.builders import a_fill, a_lot, a_report, a_spec, an_id, an_intent, some_books
from tests.core.discrepancy_builders import MARKET, assert_exact, correct, fold, found_about, short_of
from tests.core.shape_builders import a_swap

D = Decimal
SWAP = "BTC/USDT:USDT"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NEUTRAL = a_spec(direction=Direction.NEUTRAL)
"""Slots 0 to 5 buy first, slots 6 to 9 sell first."""


# Funding


def a_payment(number: int) -> FundingBooked:
    """The payment of this hour."""
    payment = FundingPayment(
        symbol=SWAP,
        funding_id=f"{number}",
        amount=D("-0.01"),
        rate=D("0.0001"),
        position=D(1),
        mark_price=D(100),
        at_ms=number * HOUR_MS,
    )
    return FundingBooked(payment=payment)


def test_payments_of_funding_are_remembered_for_eight_days_of_the_market_and_no_longer() -> None:
    books = some_books(a_spec(symbol=SWAP), a_swap(symbol=SWAP))
    sizes = []
    for hour in range(20 * 24):
        books.apply(a_payment(hour), hour * HOUR_MS)
        sizes.append(len(books.funding_ids))
    assert sizes == [min(hour + 1, 8 * 24 + 1) for hour in range(20 * 24)]
    assert list(books.funding_ids) == [f"{hour}" for hour in range(20 * 24 - 8 * 24 - 1, 20 * 24)]
    assert books.ledger.funding == D("-4.8")


# The shadow ledger


def a_virtual(slot: int, *, price: int) -> SuppressedEntry:
    """One base bought at a level and sold at the next."""
    return SuppressedEntry(slot=slot, side=Side.BUY, price=D(price), exit_price=D(price + 10), amount=D(1))


def filled_at(intent: OrderIntended, price: int) -> OrderReport:
    return a_report(intent, OrderStatus.FILLED, a_fill("r1", price=price))


def test_a_journal_in_which_a_virtual_lot_leaves_a_slot_that_a_fill_took_before_can_be_folded() -> None:
    """The real entry filled at 125 instead of 130: 5, and 0.005 of fees, were avoided; nothing was missed."""
    books = some_books()
    intent = an_intent(3)
    books.apply(ShadowChanged(filled=(a_virtual(3, price=130), a_virtual(2, price=120)), left=()), 0)
    fold(books, [intent, OrderReported(slot=3, report=filled_at(intent, 125))])
    fold(books, [ShadowChanged(filled=(), left=(3, 2))])
    assert dict(books.shadow.held) == {}
    assert (books.shadow.cycles_missed, books.shadow.settled) == (1, D("5.005"))
    # 10 of the cycle from 120 to 130, less 0.12 and 0.13 of fees.
    assert books.shadow.profit_missed == D("9.75")


def test_virtual_lots_of_slots_that_get_other_levels_are_dropped_and_the_others_stay() -> None:
    """The lattice follows by one level: slot 0, from 100 to 110, lies from 200 to 210 now."""
    books = some_books(a_spec(trailing=Trailing(up_to=D(300))), MARKET)
    books.apply(ShadowChanged(filled=(a_virtual(0, price=100), a_virtual(5, price=150)), left=()), 0)
    plan = shift(grid_now(books), D(210))
    assert isinstance(plan, MigrationPlan)
    books.apply(plan.fact, 1)
    assert (books.slots[0].lower, books.slots[0].upper) == (D(200), D(210))
    assert dict(books.shadow.held) == {5: a_virtual(5, price=150)}
    assert (books.shadow.cycles_missed, books.shadow.settled) == (0, D(0))


# Questions about the holding


@pytest.mark.parametrize("kind", [DiscrepancyKind.HOLDING_OVER, DiscrepancyKind.HOLDING_SHORT])
def test_a_grid_that_waits_for_its_trigger_waits_on_once_a_question_about_the_holding_is_answered(
    kind: DiscrepancyKind,
) -> None:
    trigger = StartTrigger(side=TriggerSide.BELOW, price=D(140))
    books = some_books(a_spec(start=trigger), state=GridState.STARTING)
    total, held = (D(2), D(1)) if kind is DiscrepancyKind.HOLDING_OVER else (D(0), D(1))
    found = about_holding(kind, MarketKind.SPOT, total=total, held=held, quantity=D(1))
    fold(books, corrections.ask(books, found))
    assert books.state is GridState.EXITS_ONLY
    fold(books, corrections.settle(books, "q1", Resolution.QUERY, outcome="", by="ann"))
    assert (books.state, books.questions) == (GridState.STARTING, {})


def test_a_grid_without_a_trigger_runs_once_a_question_from_its_start_is_answered() -> None:
    books = some_books(state=GridState.STARTING)
    found = about_holding(DiscrepancyKind.HOLDING_OVER, MarketKind.SPOT, total=D(2), held=D(1), quantity=D(1))
    fold(books, corrections.ask(books, found))
    fold(books, corrections.settle(books, "q1", Resolution.QUERY, outcome="", by="ann"))
    assert books.state is GridState.RUNNING


# Missing base of a neutral grid


def neutral_books(*lots: tuple[int, str, str], dust: tuple[str, str] | None = None) -> GridBooks:
    """A neutral grid with these lots, as slot, quantity and cost, and what became dust in slot 0."""
    books = some_books(NEUTRAL, MARKET)
    for slot, quantity, cost in lots:
        books.apply(LotAdopted(slot=slot, lot=a_lot(quantity, cost)), 0)
    if dust is not None:
        index = 0 if D(dust[0]) > 0 else 9
        books.apply(LotAdopted(slot=index, lot=a_lot(*dust)), 0)
        books.apply(LotSetAside(slot=index, reason="too small", price_seen=D(150)), 0)
    return books


def quantities(books: GridBooks) -> dict[int, Decimal]:
    """What slots hold, where they do."""
    return {index: lot.quantity for index, lot in enumerate(books.lots()) if lot.quantity}


LONG_AND_SHORT = ((2, "1", "120"), (3, "1", "130"), (7, "-1", "-180"))


def test_missing_base_is_taken_from_long_lots_and_those_that_were_sold_first_are_left_alone() -> None:
    books = neutral_books(*LONG_AND_SHORT)
    facts = correct(books, short_of("0.5"), Resolution.WRITE_OFF).facts
    assert facts == (LotCorrected(slot=3, lot=a_lot("0.5", 65), reason="missing on the account"),)
    fold(books, facts)
    assert quantities(books) == {2: 1, 3: D("0.5"), 7: -1}
    assert_exact(books)


def test_missing_base_is_taken_from_dust_that_is_held_before_any_lot() -> None:
    books = neutral_books(*LONG_AND_SHORT, dust=("0.2", "22"))
    fold(books, correct(books, short_of("0.5"), Resolution.WRITE_OFF).facts)
    assert quantities(books) == {2: 1, 3: D("0.7"), 7: -1}
    assert books.ledger.dust == NO_LOT
    assert_exact(books)


def test_dust_that_was_sold_first_does_not_count_when_base_is_missing() -> None:
    books = neutral_books(*LONG_AND_SHORT, dust=("-0.2", "-38"))
    fold(books, correct(books, short_of("0.5"), Resolution.WRITE_OFF).facts)
    assert quantities(books) == {2: 1, 3: D("0.5"), 7: -1}
    assert books.ledger.dust == a_lot("-0.2", -38)
    assert_exact(books)


def test_more_than_all_long_lots_cannot_be_written_off() -> None:
    books = neutral_books(*LONG_AND_SHORT)
    with pytest.raises(CommandRefused) as refused:
        correct(books, short_of("2.5"), Resolution.WRITE_OFF)
    assert "0.5 of it is offered by resting exits" in str(refused.value)


def a_lost_exit(slot: int, side: Side, amount: str) -> OrderReport:
    """What the exchange says of an exit of which the record was lost."""
    return OrderReport(
        client_order_id=an_id(slot, Leg.EXIT, 1),
        symbol=NEUTRAL.symbol,
        side=side,
        price=D(170),
        amount=D(amount),
        status=OrderStatus.OPEN,
        filled=D(0),
        at_ms=1,
    )


@pytest.mark.parametrize(
    "lot, dust, exit_of, expected",
    [
        ((7, "-1", "-180"), ("-0.4", "-76"), a_lost_exit(7, Side.BUY, "1.4"), a_lot("-0.4", -76)),
        ((7, "-1", "-180"), ("-0.4", "-76"), a_lost_exit(7, Side.BUY, "1.1"), a_lot("-0.1", -19)),
        ((7, "-1", "-180"), ("-0.4", "-76"), a_lost_exit(7, Side.BUY, "1"), NO_LOT),
        ((7, "-1", "-180"), None, a_lost_exit(7, Side.BUY, "1"), NO_LOT),
        ((2, "1", "120"), ("0.4", "44"), a_lost_exit(2, Side.SELL, "1.4"), a_lot("0.4", 44)),
    ],
    ids=["short, all of it", "short, a part of it", "short, none of it", "short, no dust", "long, all of it"],
)
def test_a_lost_exit_has_taken_the_dust_of_its_own_side_beyond_its_lot(
    lot: tuple[int, str, str], dust: tuple[str, str] | None, exit_of: OrderReport, expected: Lot
) -> None:
    books = neutral_books(lot, dust=dust)
    found = found_about(books, DiscrepancyKind.ORPHAN_ORDER, exit_of, slot=lot[0])
    facts = correct(books, found, Resolution.ADOPT).facts
    (intent,) = [fact for fact in facts if isinstance(fact, OrderIntended)]
    assert intent.dust == expected
    fold(books, facts)
    assert_offered(books, lot[0], exit_of)


def assert_offered(books: GridBooks, slot: int, exit_of: OrderReport) -> None:
    """The slot offers what rests, and after it has filled nothing is left but what rests elsewhere."""
    assert books.slot_of_order == {exit_of.client_order_id: slot}
    fill = a_fill("x1", price=170, amount=exit_of.amount)
    report = replace(exit_of, status=OrderStatus.FILLED, filled=exit_of.amount, fills=(fill,))
    (change,), _ = foresee(books, [report])
    books.settle(change, 0)
    assert quantities(books) == {}
    assert_exact(books)


@pytest.mark.parametrize("dust", [None, ("0.4", "44")], ids=["no dust", "dust of the other side"])
def test_a_lost_exit_of_a_short_slot_that_nothing_explains_is_not_adopted(dust: tuple[str, str] | None) -> None:
    books = neutral_books((7, "-1", "-180"), dust=dust)
    found = found_about(books, DiscrepancyKind.ORPHAN_ORDER, a_lost_exit(7, Side.BUY, "1.4"), slot=7)
    with pytest.raises(CommandRefused) as refused:
        correct(books, found, Resolution.ADOPT)
    assert f"order {an_id(7, Leg.EXIT, 1)} cannot be adopted" in str(refused.value)


# Liquidation


def a_liquidation(amount: str) -> PositionLiquidated:
    told = Liquidation(symbol=SWAP, trade_id="L1", amount=D(amount), price=D(90), fee=D(0), at_ms=1)
    return PositionLiquidated(liquidation=told)


def three_lots() -> GridBooks:
    """A grid on a swap that holds three lots of one base."""
    books = some_books(a_spec(symbol=SWAP), a_swap(symbol=SWAP))
    for slot in (1, 2, 3):
        books.apply(LotAdopted(slot=slot, lot=a_lot(1, 100 + 10 * slot)), 0)
    return books


@pytest.mark.parametrize("amount", ["-1", "-4", "3"])
def test_the_books_refuse_a_liquidation_of_another_position_than_their_own(amount: str) -> None:
    books = three_lots()
    with pytest.raises(InvariantBroken) as broken:
        books.apply(a_liquidation(amount), 1)
    assert str(broken.value) == f"expected the whole position of 3 liquidated, found {amount}"
    assert (quantities(books), books.ledger.base) == (dict.fromkeys((1, 2, 3), D(1)), D(3))


def test_the_books_take_a_liquidation_of_their_whole_position() -> None:
    books = three_lots()
    books.apply(a_liquidation("-3"), 1)
    assert (quantities(books), books.ledger.base) == ({}, D(0))

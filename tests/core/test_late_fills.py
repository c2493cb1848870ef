# ruff: noqa: N802 -- a known failure is named as it is written
"""Executions that are told after their order was closed: each is booked once, wherever its slot is by then."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.books import GridBooks
from engine.core.reading import late_facts
from engine.model.errors import InvariantBroken
from engine.model.events import Fact, LateFillBooked
from engine.model.grid import Direction, GridSpec, GridState
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import Leg, OrderReport, OrderStatus, Side
from engine.model.slot import EMPTY, NO_LOT, Exiting, Holding, lot_of, order_of
from tests.builders import a_fill, a_lot, a_market, a_report, a_spec, a_state, an_id, an_intent, an_opening
from tests.core.harness import GridRun
from tests.core.shape_builders import a_swap

D = Decimal
FREE = a_market(maker_fee_rate=D(0), taker_fee_rate=D(0))
CANCELED, FILLED = OrderStatus.CANCELED, OrderStatus.FILLED
FIRST = an_intent()


def a_run(spec: GridSpec | None = None, market: Market = FREE, *prices: int, anchor: int = 155) -> GridRun:
    """A grid that has seen these prices; the default one rests its entry of slot 5 at 150."""
    run = GridRun(an_opening(spec or a_spec(), market, anchor=anchor))
    run.trade(*(prices or (155,)))
    return run


def cancel_all(run: GridRun) -> None:
    """A pause and its end: every entry is canceled and placed again."""
    run.record(a_state(GridState.PAUSED))
    run.settle()
    run.record(a_state(GridState.RUNNING))


def order_id(run: GridRun, slot: int) -> str:
    order = order_of(run.books.slots[slot])
    assert order is not None
    return order.client_order_id


def tell_late(run: GridRun, name: str, amount: str = "1") -> None:
    """An execution of a closed order comes out; the grid acts on it."""
    run.exchange.execute_late(name, D(amount))
    run.settle()


def assert_exact(run: GridRun) -> None:
    """What was booked is what happened, to the last unit, and the lots are all of it."""
    books, ledger = run.books, run.books.ledger
    held = ledger.dust
    for lot in books.lots():
        held = held.plus(lot)
    assert (held.quantity, ledger.base, ledger.cash) == (ledger.base, run.exchange.base, run.exchange.cash)
    assert books.profit(D("123.45")).residual == 0
    for slot in books.slots:
        if isinstance(slot.state, Exiting):
            assert slot.state.order.amount - slot.state.order.filled <= abs(slot.state.lot.quantity)


# An entry's execution


def test_REL_15_a_fill_told_after_its_cancellation_becomes_the_slots_lot_and_gets_its_exit() -> None:
    run = a_run()
    entry = order_id(run, 5)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    assert run.books.slots[5].state == EMPTY
    tell_late(run, entry)
    slot = run.books.slots[5]
    assert (slot.state, lot_of(slot)) == (slot.state, a_lot(1, 150))
    order = order_of(slot)
    assert order is not None
    assert (order.leg, order.side, order.amount, order.price) == (Leg.EXIT, Side.SELL, D(1), D(160))
    assert_exact(run)


def test_a_slot_that_has_entered_again_keeps_its_order_and_sells_both_lots_with_one_exit() -> None:
    run = a_run()
    first = order_id(run, 5)
    cancel_all(run)
    run.settle()
    again = order_id(run, 5)
    tell_late(run, first)
    assert order_id(run, 5) == again != first
    assert lot_of(run.books.slots[5]) == a_lot(1, 150)
    run.trade(149, 155)
    slot = run.books.slots[5]
    exit_order = order_of(slot)
    assert exit_order is not None
    assert (lot_of(slot), exit_order.amount) == (a_lot(2, 300), D(2))
    run.trade(161)
    assert (run.books.ledger.base, run.books.ledger.realised, run.books.ledger.cycles) == (D(0), D(20), 1)
    assert_exact(run)


def test_REL_14_what_was_filled_before_and_what_is_told_late_are_sold_once_each() -> None:
    """0.4 were told before the cancellation and are on offer; 0.3 more come out: the exit of 0.4 is left alone."""
    run = a_run()
    entry = order_id(run, 5)
    run.exchange.fill(run.exchange.orders[entry], D("0.4"))
    run.exchange.cancel(entry)
    run.settle()
    exit_order = order_id(run, 5)
    tell_late(run, entry, "0.3")
    state = run.books.slots[5].state
    assert isinstance(state, Exiting)
    assert (order_id(run, 5), state.order.amount, state.late) == (exit_order, D("0.4"), a_lot("0.3", 45))
    assert_exact(run)
    run.exchange.fill(run.exchange.orders[exit_order], D("0.4"))
    run.settle()
    rest = order_of(run.books.slots[5])
    assert rest is not None
    assert (rest.amount, rest.price, run.books.ledger.realised) == (D("0.3"), D(160), D(4))
    run.trade(161)
    assert (run.books.ledger.base, run.books.ledger.dust, run.books.ledger.realised) == (D(0), NO_LOT, D(7))
    assert_exact(run)


def test_a_fill_of_a_slot_that_the_lattice_has_no_more_becomes_dust_that_the_next_exit_takes_along() -> None:
    run = a_run()
    entry = order_id(run, 5)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    others = tuple(place for place in run.books.lattice.places if place != 5)
    run.books.lattice = replace(run.books.lattice, ids=(*others, 10))
    run.books.apply(_late(run, entry), 0)
    assert (run.books.ledger.dust, run.books.slots[5].state) == (a_lot(1, 150), EMPTY)


def _late(run: GridRun, name: str) -> Fact:
    run.exchange.execute_late(name, D(1))
    (fact,) = late_facts(run.books, run.exchange.mail)
    return fact


# An exit's execution


def a_run_with_a_canceled_exit() -> tuple[GridRun, str]:
    """Slot 5 holds one that was bought at 150; its exit was canceled and, for all that is known, did nothing."""
    run = a_run(None, FREE, 155, 149, 155)
    name = order_id(run, 5)
    run.exchange.cancel(name)
    run.read()
    assert run.books.slots[5].state == Holding(lot=a_lot(1, 150))
    return run, name


def test_an_exit_told_late_empties_the_slot_and_nothing_is_sold_again() -> None:
    run, name = a_run_with_a_canceled_exit()
    run.exchange.execute_late(name, D(1))
    run.read()
    slot, ledger = run.books.slots[5], run.books.ledger
    assert (slot.state, slot.cycles, slot.profit_quote) == (EMPTY, 1, D(10))
    assert (ledger.base, ledger.realised, ledger.cycles) == (D(0), D(10), 1)
    assert_exact(run)


def test_an_exit_told_late_while_another_one_offers_the_same_lot_takes_that_one_back() -> None:
    run, name = a_run_with_a_canceled_exit()
    run.settle()
    again = order_id(run, 5)
    assert again != name
    run.exchange.execute_late(name, D(1))
    run.read()
    assert lot_of(run.books.slots[5]).quantity == 0
    run.settle()
    assert run.exchange.orders[again].status is CANCELED
    slot, ledger = run.books.slots[5], run.books.ledger
    entry = order_of(slot)
    assert entry is not None
    assert (entry.leg, slot.cycles, slot.profit_quote, ledger.base, ledger.realised) == (
        Leg.ENTRY,
        1,
        D(10),
        D(0),
        D(10),
    )
    assert_exact(run)


def test_a_part_of_a_lot_sold_late_leaves_the_rest_of_it_to_the_next_exit() -> None:
    run, name = a_run_with_a_canceled_exit()
    run.settle()
    tell_late(run, name, "0.4")
    order = order_of(run.books.slots[5])
    assert order is not None
    assert (order.leg, order.amount, run.books.ledger.realised) == (Leg.EXIT, D("0.6"), D(4))
    assert_exact(run)


def test_a_lot_that_both_exits_have_sold_is_owed_and_kept_back_from_the_next_lot() -> None:
    """Never a second order for money that is already there: the next exit sells one less."""
    run, name = a_run_with_a_canceled_exit()
    run.settle()
    run.trade(161)
    assert run.books.ledger.base == 0
    tell_late(run, name)
    assert run.books.ledger.dust == a_lot(-1, -160)
    assert_exact(run)
    run.trade(159)
    assert (run.books.ledger.base, run.books.ledger.dust.quantity) == (D(0), D(0))
    assert [slot.index for slot in run.books.slots if isinstance(slot.state, Exiting)] == []
    assert_exact(run)


# Exactly once


def test_what_is_told_again_is_booked_once_and_the_fold_of_the_facts_is_the_same() -> None:
    run = a_run()
    entry = order_id(run, 5)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    tell_late(run, entry, "0.4")
    (report,) = [run.exchange.orders[entry].report(*run.exchange.orders[entry].fills)]
    run.hear(report)
    run.hear(report)
    assert [fact.fills[0].amount for fact in run.facts if isinstance(fact, LateFillBooked)] == [D("0.4")]
    assert run.books.booked_of_closed(entry) == D("0.4")
    again = GridBooks(run.opened)
    for at_ms, fact in enumerate(run.facts):
        again.apply(fact, at_ms)
    assert (again.slots, again.ledger, again.closed.trades) == (
        run.books.slots,
        run.books.ledger,
        run.books.closed.trades,
    )


def test_reports_of_one_order_that_come_together_make_one_fact() -> None:
    run = a_run()
    entry = order_id(run, 5)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    one, two = a_fill("a", amount="0.4"), a_fill("b", amount="0.6")
    reports = [
        a_report(FIRST, CANCELED, one),
        a_report(FIRST, FILLED, one, two),
        a_report(FIRST, FILLED, two, filled=1),
    ]
    (fact,) = late_facts(run.books, reports)
    assert (fact.client_order_id, fact.fills, fact.slot) == (entry, (one, two), 5)


def test_a_trade_cannot_be_booked_twice_and_more_than_was_ordered_is_never_booked() -> None:
    run = a_run()
    entry = order_id(run, 5)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    fact = _late(run, entry)
    run.books.apply(fact, 0)
    with pytest.raises(InvariantBroken, match="expected new trades of a closed order"):
        run.books.apply(fact, 0)
    more: OrderReport = a_report(FIRST, FILLED, a_fill("other", amount="0.5"), filled="1.5")
    with pytest.raises(InvariantBroken, match=r"expected at most 1 filled, found 1\.5"):
        late_facts(run.books, [more])


def test_an_order_that_is_not_remembered_is_left_alone() -> None:
    run = a_run()
    stranger = a_report(an_intent(generation=7), FILLED, a_fill())
    assert late_facts(run.books, [stranger]) == []
    assert run.books.booked_of_closed(an_id(generation=7)) is None


# Everywhere

FOUR = a_spec(upper=D(140), slots=4, window=3)
SWAP, PERPETUAL = a_swap(symbol="BTC/USDT:USDT"), replace(FOUR, symbol="BTC/USDT:USDT", leverage=D(2))
SHAPES: dict[str, tuple[GridSpec, Market]] = {
    "long": (FOUR, a_market()),
    "long, fees in quote": (FOUR, a_market(fee_currency=FeeCurrency.QUOTE)),
    "short": (replace(FOUR, direction=Direction.SHORT), a_market()),
    "neutral": (replace(FOUR, direction=Direction.NEUTRAL), a_market()),
    "swap long": (PERPETUAL, SWAP),
    "swap short": (replace(PERPETUAL, direction=Direction.SHORT), SWAP),
    "swap neutral": (replace(PERPETUAL, direction=Direction.NEUTRAL), SWAP),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(seed=st.integers(0, 2**32))
def test_in_every_state_of_every_shape_late_executions_are_booked_exactly_and_never_sold_twice(
    shape: str, seed: int
) -> None:
    dice = Random(seed)
    spec, market = SHAPES[shape]
    run = a_run(spec, market, 120, anchor=120)
    for _ in range(16):
        match dice.choice(("trade", "trade", "pause", "cancel", "part", "late", "late")):
            case "trade":
                run.trade(dice.randint(95, 145))
            case "pause":
                cancel_all(run)
                run.settle()
            case "cancel" | "part" as what if run.exchange.live:
                name = dice.choice(sorted(run.exchange.live))
                if what == "part":
                    run.exchange.fill(run.exchange.orders[name], _part_of(dice, run, name))
                if name in run.exchange.live:
                    run.exchange.cancel(name)
                run.read()
            case _:
                _tell_something_late(dice, run)
        assert_exact(run)
    run.settle()
    _assert_exits_fit(run)
    again = GridBooks(run.opened)
    for at_ms, fact in enumerate(run.facts):
        again.apply(fact, at_ms)
    assert (again.slots, again.ledger) == (run.books.slots, run.books.ledger)


def _part_of(dice: Random, run: GridRun, name: str) -> Decimal:
    order = run.exchange.orders[name]
    return (order.intent.amount - order.filled) * dice.randint(1, 4) / 4


def _tell_something_late(dice: Random, run: GridRun) -> None:
    """An execution of one of the canceled orders that the books remember."""
    orders = run.exchange.orders
    closed = [
        name
        for name in run.books.closed.filled
        if orders[name].status is CANCELED and orders[name].filled < orders[name].intent.amount
    ]
    if not closed:
        return
    name = dice.choice(closed)
    run.exchange.execute_late(name, _part_of(dice, run, name))
    if dice.random() < 0.5:
        run.exchange.mail += run.exchange.mail[-1:]
    run.read()
    if dice.random() < 0.5:
        run.settle()


def _assert_exits_fit(run: GridRun) -> None:
    """Every exit that rests once the grid is content offers no more than its slot has."""
    for slot in run.books.slots:
        state = slot.state
        if isinstance(state, Exiting):
            assert state.order.amount - state.order.filled <= abs(lot_of(slot).quantity)
            assert lot_of(slot).quantity * (1 if slot.entry_side is Side.BUY else -1) > ZERO

# ruff: noqa: N802 -- a regression test carries the id of its finding, as it is written
"""Orders that are not what the books say: found, confirmed, corrected or asked, with the whole engine at work."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.core.differences import about_market
from engine.model.commands import Pause, Stop
from engine.model.errors import CommandRefused
from engine.model.events import DiscrepancyFound, DiscrepancyResolved, OrderReported
from engine.model.grid import Disposal, GridState
from engine.model.order import OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import EMPTY, Exiting
from engine.runtime.engine import Engine
from engine.runtime.reconciler import CONFIRM_SECONDS
from tests.builders import SYMBOL
from tests.sim.engine_builders import Bench, assert_balanced
from tests.sim.reconcile_builders import (
    NEVER_TOLD,
    PERIOD,
    SURE,
    a_bench,
    an_id_of,
    books_of,
    buys,
    by_hand,
    compare,
    corrections,
    entry_of,
    live_order,
    put_back,
    question_views,
    questions,
    reports_of,
    resolve,
    resting,
    sells,
    take_away,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
FALL = (155, 155, 155, *[145] * 8)
"""Slot 5 buys at 150 in the fourth minute."""
LADDER = buys(100, 110, 120, 130, 140, 150)


def run(bench: Bench, script: object, *, seconds: float | None = None) -> Engine:
    """One life with a script that is told bench and engine; its books are balanced at the end."""

    async def scene(engine: Engine) -> None:
        if seconds is not None:
            await anyio.sleep(seconds)
        await script(bench, engine)  # type: ignore[operator]

    engine = bench.run(scene)
    assert_balanced(bench, engine)
    return engine


async def nothing(bench: Bench, engine: Engine) -> None:
    """Only the engine acts."""


# Executions that nobody told


def test_a_fill_that_no_report_told_is_found_twice_adopted_and_offered_for_sale() -> None:
    bench = a_bench(*FALL, faults=NEVER_TOLD)
    engine = run(bench, nothing, seconds=300)
    assert corrections(bench) == [(K.OFFLINE_FILL, R.ADOPT, "reconciler")]
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.OPEN, D(0)), (OrderStatus.FILLED, D(1))]
    assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
    state = books_of(engine).slots[5].state
    assert isinstance(state, Exiting)
    assert state.lot.quantity == 1


def test_a_correction_stands_in_the_journal_as_finding_facts_and_outcome() -> None:
    bench = a_bench(*FALL, faults=NEVER_TOLD)
    run(bench, nothing, seconds=300)
    facts = [record.fact for record in bench.records()]
    first = next(index for index, fact in enumerate(facts) if isinstance(fact, DiscrepancyFound))
    found, adopted, resolved = facts[first : first + 3]
    assert isinstance(found, DiscrepancyFound)
    assert isinstance(adopted, OrderReported)
    assert (found.name, found.asks, found.discrepancy.slot) == ("q1", False, 5)
    assert adopted.report == found.discrepancy.report
    assert resolved == DiscrepancyResolved(
        name="q1",
        resolution=R.ADOPT,
        outcome="books 1 bought at 150 or better, and the order as filled",
        by="reconciler",
    )


def test_a_part_filled_and_then_cancelled_by_hand_leaves_a_lot_that_is_sold() -> None:
    bench = a_bench(faults=NEVER_TOLD)

    async def fill_a_part_and_cancel(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        matching = bench.exchange.matching
        order, book = bench.exchange.open_order(entry_of(5)), matching._books[SYMBOL]
        matching._execute(book, order, order.price, D("0.4"), 10_000, is_maker=True)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
        await anyio.sleep(SURE)

    engine = run(bench, fill_a_part_and_cancel)
    assert corrections(bench) == [(K.PARTIAL_CANCEL, R.ADOPT, "reconciler")]
    assert reports_of(bench, entry_of(5))[-1] == (OrderStatus.CANCELED, D("0.4"))
    assert [order.amount for order in bench.exchange.matching.open_orders(SYMBOL) if order.side is Side.SELL] == [
        D("0.4")
    ]
    assert books_of(engine).ledger.base == D("0.4")


@pytest.mark.parametrize("is_told", [True, False])
def test_an_order_cancelled_by_hand_gets_a_successor_under_a_new_id(is_told: bool) -> None:
    """Told by the stream it is a report like any other; untold it is found."""
    bench = a_bench(faults=None if is_told else NEVER_TOLD)

    async def cancel(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
        await anyio.sleep(SURE)
        assert live_order(engine, 5) == entry_of(5, 1)

    run(bench, cancel)
    assert corrections(bench) == ([] if is_told else [(K.ORDER_CLOSED, R.ADOPT, "reconciler")])
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.OPEN, D(0)), (OrderStatus.CANCELED, D(0))]
    assert resting(bench) == LADDER


# Orders that are gone


async def lose_the_entry_of_slot_5(bench: Bench, engine: Engine) -> None:
    """After the time in which its request might still arrive."""
    await anyio.sleep(50)
    take_away(bench, entry_of(5))
    await anyio.sleep(SURE)


def test_a_vanished_order_is_a_question_and_releasing_it_places_a_new_one() -> None:
    bench = a_bench()

    async def release(bench: Bench, engine: Engine) -> None:
        await lose_the_entry_of_slot_5(bench, engine)
        assert questions(engine) == [("q1", K.VANISHED_ORDER, 5)]
        (view,) = question_views(engine)
        assert (view.client_order_id, view.proposed, [row.exchange for row in view.rows]) == (
            entry_of(5),
            R.QUERY,
            ["-"] * 5,
        )
        assert books_of(engine).slots[5].freeze_reason == "question q1: vanished order"
        assert await resolve(engine, "q1", R.RELEASE) == (
            "main: q1 release: closes the order in the books with 0 filled; the slot trades again, with a new order"
        )
        await anyio.sleep(3)
        assert (questions(engine), live_order(engine, 5)) == ([], entry_of(5, 1))
        assert books_of(engine).slots[5].freeze_reason is None

    run(bench, release)
    assert corrections(bench) == [(K.VANISHED_ORDER, R.RELEASE, "ann")]
    assert resting(bench) == LADDER


def test_an_unanswered_question_keeps_its_slot_as_it_is_whatever_the_price_does() -> None:
    bench = a_bench(155, 155, 165, 205, 151, 155, 205, *[155] * 6)

    async def do_not_answer(bench: Bench, engine: Engine) -> None:
        await lose_the_entry_of_slot_5(bench, engine)
        await anyio.sleep(500)
        assert questions(engine) == [("q1", K.VANISHED_ORDER, 5)]
        assert live_order(engine, 5) == entry_of(5)
        assert bench.exchange.placed_per_slot_and_leg[0, 5, "entry"] == 1
        await resolve(engine, "q1", R.RELEASE)
        await anyio.sleep(1)

    run(bench, do_not_answer)
    assert len(bench.facts(DiscrepancyFound)) == 1


def test_a_vanished_order_that_is_there_again_withdraws_its_question() -> None:
    bench = a_bench()

    async def bring_back(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(50)
        order = take_away(bench, entry_of(5))
        await anyio.sleep(SURE)
        assert questions(engine) == [("q1", K.VANISHED_ORDER, 5)]
        put_back(bench, order)
        await anyio.sleep(PERIOD)
        assert (questions(engine), books_of(engine).slots[5].freeze_reason) == ([], None)

    run(bench, bring_back)
    (resolved,) = bench.facts(DiscrepancyResolved)
    assert (resolved.outcome, resolved.by) == ("books and exchange agree again", "reconciler")
    assert resting(bench) == LADDER


def test_asking_again_leaves_the_question_open_and_looks_at_once() -> None:
    bench = a_bench(period=0.0)

    async def ask_again(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(50)
        order = take_away(bench, entry_of(5))
        assert await compare(engine) == "main: 5 orders compared, 0 corrected, 1 put to you as questions"
        await resolve(engine, "q1", R.QUERY)
        await anyio.sleep(1)
        assert questions(engine) == [("q1", K.VANISHED_ORDER, 5)]
        put_back(bench, order)
        await resolve(engine, "q1", R.QUERY)
        await anyio.sleep(1)
        assert questions(engine) == []

    run(bench, ask_again)


@pytest.mark.parametrize(
    ("name", "way", "problem"),
    [
        ("q1", R.RELEASE, "question q1 is answered already"),
        ("q2", R.RELEASE, "expected an open question (there is none), found 'q2'"),
        ("nonsense", R.HALT, "expected an open question (there is none), found 'nonsense'"),
    ],
)
def test_an_answer_to_no_open_question_is_refused_and_changes_nothing(name: str, way: Resolution, problem: str) -> None:
    bench = a_bench()

    async def answer_twice(bench: Bench, engine: Engine) -> None:
        await lose_the_entry_of_slot_5(bench, engine)
        await resolve(engine, "q1", R.RELEASE)
        await anyio.sleep(3)
        head = bench.journal.head
        with pytest.raises(CommandRefused) as told:
            await resolve(engine, name, way)
        assert (str(told.value), bench.journal.head) == (problem, head)

    run(bench, answer_twice)


def test_an_answer_that_the_question_does_not_offer_is_refused_with_those_it_does() -> None:
    bench = a_bench()

    async def answer_wrongly(bench: Bench, engine: Engine) -> None:
        await lose_the_entry_of_slot_5(bench, engine)
        with pytest.raises(CommandRefused, match="question q1: expected one of query, release, halt, found adopt"):
            await resolve(engine, "q1", R.ADOPT)
        assert questions(engine) == [("q1", K.VANISHED_ORDER, 5)]
        await resolve(engine, "q1", R.RELEASE)
        await anyio.sleep(3)

    run(bench, answer_wrongly)


# What never stops the comparison


async def be_paused(bench: Bench, engine: Engine) -> None:
    await engine.command(Pause(grid="main"), by="ann")


async def be_halted(bench: Bench, engine: Engine) -> None:
    bench.exchange.place_by_hand(by_hand(an_id_of("xyz"), price=91))


async def exit_only(bench: Bench, engine: Engine) -> None:
    told = replace(books_of(engine).market, notional_min=D(50))
    found = about_market(books_of(engine).market, told, fits=True)
    await engine._grids.controls["main"].ask(found, is_current=lambda: True)


async def be_stopped(bench: Bench, engine: Engine) -> None:
    await engine.command(Stop(grid="main", disposal=Disposal.LEAVE), by="ann")


HELD_BACK = {
    GridState.PAUSED: be_paused,
    GridState.HALTED: be_halted,
    GridState.EXITS_ONLY: exit_only,
    GridState.STOPPED: be_stopped,
}


@pytest.mark.parametrize(("state", "hold_back"), HELD_BACK.items(), ids=HELD_BACK)
def test_L24_the_comparison_goes_on_in_every_state_of_the_grid(
    state: GridState, hold_back: Callable[[Bench, Engine], Awaitable[None]]
) -> None:
    """An exit that was filled untold is booked, whatever the grid may do."""
    bench = a_bench(155, 155, 145, 145, 145, 145, 145, 165, *[165] * 12, faults=NEVER_TOLD)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(350)
        assert isinstance(books_of(engine).slots[5].state, Exiting)
        await hold_back(bench, engine)
        await anyio.sleep(300)
        assert (books_of(engine).state, books_of(engine).slots[5].cycles) == (state, 1)
        assert books_of(engine).ledger.base == 0

    bench.run(scene)
    assert corrections(bench).count((K.OFFLINE_FILL, R.ADOPT, "reconciler")) == 2


def test_without_a_period_it_compares_on_demand() -> None:
    bench = a_bench(*FALL, faults=NEVER_TOLD, period=0.0)

    async def demand(bench: Bench, engine: Engine) -> None:
        assert reports_of(bench, entry_of(5)) == [(OrderStatus.OPEN, D(0))]
        assert await compare(engine) == "main: 6 orders compared, 1 corrected, 0 put to you as questions"
        assert await compare(engine) == "main: 6 orders compared, nothing to correct"

    run(bench, demand, seconds=300)


# What a person has to decide first


def test_what_is_automatic_by_default_can_be_asked_instead() -> None:
    bench = a_bench(*FALL, faults=NEVER_TOLD, policy={K.OFFLINE_FILL: None})

    async def adopt(bench: Bench, engine: Engine) -> None:
        assert questions(engine) == [("q1", K.OFFLINE_FILL, 5)]
        assert books_of(engine).ledger.base == 0
        await resolve(engine, "q1", R.ADOPT)
        await anyio.sleep(3)

    run(bench, adopt, seconds=300)
    assert corrections(bench) == [(K.OFFLINE_FILL, R.ADOPT, "ann")]
    assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]


def test_what_is_asked_by_default_can_be_automatic() -> None:
    bench = a_bench(policy={K.VANISHED_ORDER: R.RELEASE, K.ORDER_MISMATCH: R.CANCEL})

    async def lose_and_change(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.open_order(entry_of(4)).price = D("139.5")
        await lose_the_entry_of_slot_5(bench, engine)

    engine = run(bench, lose_and_change)
    assert sorted(corrections(bench)) == [
        (K.ORDER_MISMATCH, R.CANCEL, "reconciler"),
        (K.VANISHED_ORDER, R.RELEASE, "reconciler"),
    ]
    assert (books_of(engine).questions, resting(bench)) == ({}, LADDER)


def test_a_resolution_that_changes_nothing_is_put_on_record_once() -> None:
    """vanished_order = "query": asked again with every comparison, told once."""
    bench = a_bench(policy={K.VANISHED_ORDER: R.QUERY})

    async def lose(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(50)
        order = take_away(bench, entry_of(5))
        await anyio.sleep(20 * CONFIRM_SECONDS + 10 * PERIOD)
        assert len(bench.facts(DiscrepancyFound)) == 1
        put_back(bench, order)

    engine = run(bench, lose)
    assert books_of(engine).slots[6].state == EMPTY

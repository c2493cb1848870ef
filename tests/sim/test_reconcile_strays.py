"""Orders too many, changed, of others and of other engines, with the whole engine at work."""

from decimal import Decimal

import anyio

from engine.model.commands import Stop
from engine.model.grid import Disposal, GridState
from engine.model.order import Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import Holding
from engine.runtime.engine import Engine
from tests.builders import SYMBOL
from tests.sim.engine_builders import Bench, assert_balanced
from tests.sim.reconcile_builders import (
    SURE,
    a_bench,
    an_id_of,
    books_of,
    buys,
    by_hand,
    corrections,
    entry_of,
    exit_of,
    live_order,
    questions,
    resolve,
    resting,
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


# Orders too many, and orders changed


def test_a_second_order_of_a_slot_is_cancelled_and_the_slot_keeps_its_own() -> None:
    """The first entry of slot 5, long closed, is open again beside its successor."""
    bench = a_bench()

    async def revive(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
        await anyio.sleep(3)
        bench.exchange.matching._used_ids.discard(entry_of(5))
        bench.exchange.place_by_hand(by_hand(entry_of(5), price=91))
        await anyio.sleep(SURE)
        assert live_order(engine, 5) == entry_of(5, 1)

    run(bench, revive)
    assert corrections(bench) == [(K.DUPLICATE_ORDER, R.CANCEL, "reconciler")]
    assert resting(bench) == LADDER


def test_a_changed_order_is_asked_and_cancelling_it_books_it_and_places_what_was_meant() -> None:
    bench = a_bench()

    async def change(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.open_order(entry_of(5)).price = D("149.5")
        await anyio.sleep(SURE)
        assert questions(engine) == [("q1", K.ORDER_MISMATCH, 5)]
        assert await resolve(engine, "q1", R.CANCEL) == (
            "main: q1 cancel: cancels the order on the exchange (1 unfilled); what it executes until then is booked"
        )
        await anyio.sleep(3)
        assert (questions(engine), live_order(engine, 5)) == ([], entry_of(5, 1))

    run(bench, change)
    assert resting(bench) == LADDER


def test_a_foreign_order_is_counted_and_never_touched_over_a_whole_run() -> None:
    """Two of them, while the price crosses the ladder up and down, and while the grid is stopped."""
    bench = a_bench(155, *[145, 125, 165, 205, 95, 150] * 3, *[150] * 8)
    strangers = [by_hand("manual-1", price=60, amount="0.5"), by_hand("my order 2", Side.SELL, 900, "0.5")]
    bench.exchange.transfer("BTC", D("0.5"))

    async def trade_beside(bench: Bench, engine: Engine) -> None:
        for request in strangers:
            bench.exchange.place_by_hand(request)
        await anyio.sleep(1_200)
        (grid,) = engine.snapshot().grids
        assert (grid.foreign_orders, questions(engine), grid.state) == (2, [], GridState.RUNNING)
        assert grid.cycles > 5
        await engine.command(Stop(grid="main", disposal=Disposal.CANCEL), by="ann")
        await anyio.sleep(60)

    bench.run(lambda engine: trade_beside(bench, engine))
    left = [(order.client_order_id, order.price, order.filled) for order in bench.exchange.matching.open_orders(SYMBOL)]
    assert left == [("manual-1", D(60), D(0)), ("my order 2", D(900), D(0))]
    assert [kind for kind, _, _ in corrections(bench) if kind is not K.HOLDING_OVER] == []


# Another engine


def test_another_engine_halts_the_grid_and_keeping_goes_on_without_asking_again() -> None:
    """Two of its orders are one question: it is about the engine."""
    bench = a_bench()
    theirs = [an_id_of("xyz"), an_id_of("xyz", slot=4)]

    async def meet(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        for name, price in zip(theirs, (91, 92), strict=True):
            bench.exchange.place_by_hand(by_hand(name, price=price))
        await anyio.sleep(SURE)
        assert questions(engine) == [("q1", K.SECOND_INSTANCE, None)]
        assert books_of(engine).state is GridState.HALTED
        await resolve(engine, "q1", R.KEEP)
        assert books_of(engine).state is GridState.RUNNING
        bench.exchange.place_by_hand(by_hand(an_id_of("xyz", slot=3), price=93))
        await anyio.sleep(3 * SURE)
        assert questions(engine) == []
        for name in (*theirs, an_id_of("xyz", slot=3)):
            bench.exchange.cancel_by_hand(SYMBOL, name)

    engine = run(bench, meet)
    assert books_of(engine).state is GridState.RUNNING
    assert corrections(bench) == [(K.SECOND_INSTANCE, R.KEEP, "ann")]


def test_while_another_engine_is_asked_about_nothing_is_placed_and_fills_are_still_booked() -> None:
    bench = a_bench(155, 155, 155, 145, 145, 155, 165, 155, 145)

    async def meet(bench: Bench, engine: Engine) -> None:
        await anyio.sleep(10)
        bench.exchange.place_by_hand(by_hand(an_id_of("xyz"), price=91))
        await anyio.sleep(430)
        assert books_of(engine).slots[5].state == Holding(lot=books_of(engine).lots()[5])
        bench.exchange.cancel_by_hand(SYMBOL, an_id_of("xyz"))

    run(bench, meet)
    assert [name for name in bench.exchange.placed if name == exit_of(5)] == []

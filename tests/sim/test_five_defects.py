"""The five defects that started this project, each as the scenario in which it used to happen."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any, SupportsIndex

import anyio
import pytest

from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.errors import CommandRefused
from engine.model.events import OrderIntended
from engine.model.order import Leg
from engine.model.slot import Exiting, Slot, lot_of
from engine.model.snapshot import Connection, EngineState
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.engine import START_SECONDS_MAX, Engine
from engine.runtime.grid_control import GridControl
from engine.runtime.locks import LockOrderBroken
from tests.builders import a_market, a_spec
from tests.sim.engine_builders import (
    QUOTE_FEES,
    Bench,
    SlowJournal,
    a_path,
    assert_balanced,
    assert_settled,
    until_quiet,
)

D = Decimal
ETH = "ETH/USDT"


def a_restless_path(rows: int, *, seed: int) -> list[Decimal]:
    """A walk in steps of up to 12 between 95 and 205: most steps cross a level of the default grid."""
    dice = Random(seed)
    price, path = D(155), [D(155)]
    for _ in range(rows):
        price = min(max(price + D(dice.randrange(-1200, 1201)) / 100, D(95)), D(205))
        path.append(price)
    return path


def a_crowded_bench(*, seed: int, rows: int = 1_500) -> Bench:
    """A price that crosses a level every 400 ms, and a journal that takes 100 ms to write."""
    return Bench(a_path(*a_restless_path(rows, seed=seed), step_ms=400), journal=SlowJournal(commit_seconds=0.1))


# A deadlock between the manager and the slots


async def _report_again(grid: GridCoordinator, bench: Bench, dice: Random) -> None:
    """Tell of some orders what the exchange would say if it were asked."""
    reports = bench.exchange.accepted(grid.books.slot_of_order)
    await grid.apply_reports(dice.sample(reports, min(len(reports), 4)))


async def _command(control: GridControl, dice: Random) -> None:
    index = dice.randrange(10)
    commands = [lambda: control.pause("a"), lambda: control.resume("a")]
    commands += [lambda: control.freeze(index, "a"), lambda: control.thaw(index, "a")]
    try:
        await dice.choice(commands)()
    except CommandRefused:
        return


async def _put_in_order(grid: GridCoordinator, control: GridControl) -> None:
    """Thaw and resume whatever the crowd has left frozen and paused."""
    for slot in list(grid.books.slots):
        if slot.freeze_reason is not None:
            await control.thaw(slot.index, "a")
    if grid.books.state == "paused":
        await control.resume("a")


def test_manager_slot_deadlock_reports_decisions_and_commands_on_the_same_slots_all_finish() -> None:
    """seed-002.1: Forty tasks, a journal that lets all of them interleave, and a bound in virtual time."""
    bench = a_crowded_bench(seed=1)
    finished = []

    async def crowd(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        control = GridControl(grid, clock=bench.clock, cancel=engine._executor.cancel, look_again=lambda: None)

        async def one(number: int) -> None:
            dice = Random(number)
            for _ in range(200):
                await anyio.sleep(3 * dice.random())
                match number % 4:
                    case 0:
                        await _command(control, dice)
                    case 1:
                        await _report_again(grid, bench, dice)
                    case _:
                        await grid.decide()
            finished.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(one, number)
        await _put_in_order(grid, control)
        await until_quiet(engine)

    engine = bench.run(crowd)
    manager, slots = engine.coordinators["main"].manager.locks.statistics()
    assert sorted(finished) == list(range(40))
    assert engine.coordinators["main"].books.state == "running"
    assert manager.waited > 100
    assert slots.waited > 50
    assert_balanced(bench, engine)


def test_manager_slot_deadlock_the_planted_inversion_is_refused_at_once() -> None:
    """seed-002.1, 031a: Slot, then manager: the order that deadlocks is refused although both locks could be had."""
    bench = Bench(a_path(155, 155))

    async def invert(engine: Engine) -> None:
        locks = engine.coordinators["main"].manager.locks
        with await locks.hold_slots((3,)), pytest.raises(LockOrderBroken, match="manager before slot"):
            await locks.manager.acquire()
        async with locks.manager:
            assert repr(locks.manager) == "<RankedLock manager[0] held>"

    bench.run(invert)


# Iteration over the live slot table


class WatchedSlots(list[Slot]):
    """A slot table that notices when it is changed while somebody is still reading it."""

    def __init__(self, slots: list[Slot]) -> None:
        super().__init__(slots)
        self.readers = 0
        self.changes = 0
        self.readings = 0
        self.changed_while_read = 0

    def __iter__(self) -> Iterator[Slot]:
        self.readers += 1
        self.readings += 1
        try:
            yield from super().__iter__()
        finally:
            self.readers -= 1

    def __setitem__(self, index: SupportsIndex | slice, slot: Any) -> None:
        self.changes += 1
        self.changed_while_read += self.readers
        super().__setitem__(index, slot)


def test_iteration_over_the_live_slot_table_never_spans_a_change_of_it_and_misses_nothing() -> None:
    """seed-002.2, 032a: Decisions and snapshots are made while reports change slots; none of them sees half of one."""
    bench = a_crowded_bench(seed=2)

    async def read_and_change(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        grid.books.slots = WatchedSlots(grid.books.slots)

        async def decide_often(number: int) -> None:
            dice = Random(number)
            for _ in range(100):
                await anyio.sleep(10 * dice.random())
                await grid.decide()
                engine.snapshot()

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(decide_often, number)
        await until_quiet(engine)

    engine = bench.run(read_and_change)
    grid = engine.coordinators["main"]
    slots = grid.books.slots
    assert isinstance(slots, WatchedSlots)
    assert (slots.changed_while_read, slots.readers) == (0, 0)
    assert slots.changes > 300
    assert slots.readings > 1_000
    assert_settled(engine)
    assert_balanced(bench, engine)


# An offline fill adopted with the order's price as its quantity


def _run_fill_offline_and_run_again(bench: Bench, *, offline_seconds: float) -> Engine:
    async def scene() -> Engine:
        async with bench.engine():
            await anyio.sleep(50)
        await anyio.sleep(offline_seconds)
        async with bench.engine() as engine:
            await anyio.sleep(5)
            await engine.wait_quiet()
        return engine

    return bench.run_scene(scene)


def test_an_offline_fill_is_adopted_with_exactly_the_quantity_that_was_executed() -> None:
    """seed-002.3: Two entries of 1 BTC at 150 and 140 fill while nobody is there; the fee is taken in BTC."""
    bench = Bench(a_path(155, 135, 138, 138, 138), markets=[a_market()])
    engine = _run_fill_offline_and_run_again(bench, offline_seconds=100)
    slots = engine.coordinators["main"].books.slots
    assert [lot_of(slot).quantity for slot in slots] == [0, 0, 0, 0, D("0.999"), D("0.999"), 0, 0, 0, 0]
    assert [lot_of(slots[index]).cost_quote for index in (4, 5)] == [140, 150]
    exits = [slot.state.order for slot in slots if isinstance(slot.state, Exiting)]
    assert [(order.price, order.amount) for order in exits] == [(D(150), D("0.999")), (D(160), D("0.999"))]
    assert_balanced(bench, engine)


def test_an_offline_fill_in_parts_is_adopted_with_the_sum_of_its_parts() -> None:
    """Every trade through 150 executes only a part; three of them happen while nobody is there."""
    options = SimulatedOptions(matching=MatchingOptions(partial_fill_chance=D(1), seed=5))
    bench = Bench(a_path(155, 149, 148, 147, 151, 151, 151), options=options)
    engine = _run_fill_offline_and_run_again(bench, offline_seconds=220)
    slot = engine.coordinators["main"].books.slots[5]
    order = bench.exchange.open_order(slot.state.order.client_order_id)  # type: ignore[union-attr]
    assert len(order.fills) == 3
    assert 0 < order.filled < 1
    assert lot_of(slot).quantity == order.filled == bench.balance("BTC")
    assert_balanced(bench, engine)


# Double execution between decision and reservation


def test_double_execution_between_decision_and_reservation_many_deciders_place_each_order_once() -> None:
    """seed-002.4: Twenty tasks decide on every price at once, while the journal still writes the first decision."""
    bench = a_crowded_bench(seed=3)

    async def decide_together(engine: Engine) -> None:
        grid = engine.coordinators["main"]

        async def decide_on_and_on() -> None:
            while engine.connection is not Connection.ENDED:
                await grid.decide()
                await anyio.sleep(0.5)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(decide_on_and_on)
        await until_quiet(engine)

    engine = bench.run(decide_together)
    intents = bench.facts(OrderIntended)
    assert len(intents) > 100
    assert sorted(bench.exchange.placed.elements()) == sorted(fact.client_order_id for fact in intents)
    for slot in engine.coordinators["main"].books.slots:
        sold = [fact for fact in intents if fact.slot == slot.index and fact.leg is Leg.EXIT]
        assert len(sold) - slot.cycles == isinstance(slot.state, Exiting)
    assert_balanced(bench, engine)


# A part that nobody started


def test_a_part_nobody_started_keeps_the_engine_starting_and_then_halts_it_with_its_name() -> None:
    """seed-002.5: The second grid's market never trades in time: starting, still starting, halted; never running."""
    grids = [a_spec(), a_spec(name="second", symbol=ETH)]
    eth = a_market(symbol=ETH, base="ETH")
    sources = [a_path(*[155] * 10), a_path(155, start_ms=600_000, symbol=ETH)]
    bench = Bench(*sources, grids=grids, markets=[QUOTE_FEES, eth])
    seen = []

    async def scene() -> Engine:
        engine = Engine(bench.settings, clock=bench.clock, exchange=bench.port, journal=bench.journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            for _ in range(13):
                await anyio.sleep(START_SECONDS_MAX / 12)
                seen.append(engine.state)
                if engine.state is EngineState.STARTING:
                    missing = [part.name for part in engine.snapshot().parts if not part.has_reported]
                    assert missing == ["grid second", "reconciliation"]
            engine.close()
        return engine

    engine = bench.run_scene(scene)
    assert set(seen[:11]) == {EngineState.STARTING}
    assert seen[12] is engine.state is EngineState.HALTED
    assert "grid second (the first price of ETH/USDT)" in engine.state_reason

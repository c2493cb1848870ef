# ruff: noqa: N802 -- a known failure is named as it is written
"""Whole engines on an exchange that cancels orders which it has just executed, and tells of that later, or never."""

from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Pause, Reconcile, Resume
from engine.model.errors import OrderNotFound, OutcomeUnknown
from engine.model.events import DiscrepancyFound, LateFillBooked, OrderIntended, OrderReported
from engine.model.order import Leg, OrderReport, OrderRequest, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import EMPTY, Entering, lot_of, order_of
from engine.model.snapshot import EngineState
from engine.runtime.engine import Engine
from engine.runtime.executor import REQUEST_LIFE_SECONDS
from tests.builders import SYMBOL, a_spec, an_id
from tests.sim.crash_scenarios import SCENARIOS
from tests.sim.engine_builders import AuditedExchange, Bench, a_path, assert_balanced
from tests.sim.reconcile_builders import a_bench, books_of, corrections, live_order, questions
from tests.sim.sim_world import GRID
from tests.sim.swarm import run_drawn

D = Decimal
K, R = DiscrepancyKind, Resolution
SECONDS = 20_000
HIDDEN = FaultPlan(seed=7, hidden_fill_chance=D(1), hidden_ms_max=SECONDS)
NEVER_TOLD = FaultPlan(seed=7, hidden_fill_chance=D(1), hidden_ms_max=SECONDS, report_dropped_chance=D(1))


def late(bench: Bench) -> list[tuple[int, Decimal]]:
    """Slot and amount of everything that was booked late."""
    return [(fact.slot, fill.amount) for fact in bench.facts(LateFillBooked) for fill in fact.fills]


def executed(bench: Bench) -> Decimal:
    """What the exchange has executed in all."""
    return sum((own.fill.amount for own in bench.exchange.matching.recent_fills(SYMBOL)), D(0))


async def pause_and_resume(engine: Engine) -> None:
    """Every entry is cancelled, and executed just before; all slots enter again before that is told."""
    await engine.command(Pause(grid=GRID), by="test")
    await engine.wait_quiet()
    await engine.command(Resume(grid=GRID), by="test")
    await engine.wait_quiet()


def test_REL_15_what_was_executed_before_its_cancellation_is_booked_once_when_the_stream_tells_it() -> None:
    bench = Bench(a_path(*[155] * 10), grids=[a_spec(window=1)], options=SimulatedOptions(faults=HIDDEN))
    held: list[Decimal] = []

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        await pause_and_resume(engine)
        held.append(books_of(engine).ledger.base)
        await engine.wait_over()
        await engine.wait_quiet()

    engine = bench.run(script)
    assert engine.state is not EngineState.HALTED
    assert held == [0]
    assert [slot for slot, _ in late(bench)] == [5]
    assert sum(amount for _, amount in late(bench)) == executed(bench) > 0
    assert_balanced(bench, engine)
    slot = books_of(engine).slots[5]
    assert isinstance(slot.state, Entering)
    assert lot_of(slot).quantity == executed(bench)


def test_REL_15_what_the_stream_never_tells_is_found_by_a_comparison() -> None:
    bench = a_bench(faults=NEVER_TOLD, window=1)

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        await pause_and_resume(engine)
        await anyio.sleep(120)
        await engine.wait_quiet()

    engine = bench.run(script)
    assert sum(amount for _, amount in late(bench)) == executed(bench) > 0
    assert corrections(bench) == [(K.OFFLINE_FILL, R.ADOPT, "reconciler")]
    assert questions(engine) == []
    assert_balanced(bench, engine)


def test_I7_what_nobody_told_before_the_end_is_found_by_the_next_start() -> None:
    bench = a_bench(faults=NEVER_TOLD, period=0.0, window=1)

    async def cancel_and_end(engine: Engine) -> None:
        await engine.wait_quiet()
        await engine.command(Pause(grid=GRID), by="test")
        await engine.wait_quiet()

    bench.run(cancel_and_end)
    assert late(bench) == []
    bench.clock.advance(60)

    async def look(engine: Engine) -> None:
        await engine.wait_quiet()

    engine = bench.run(look)
    assert sum(amount for _, amount in late(bench)) == executed(bench) > 0
    assert_balanced(bench, engine)
    order = order_of(books_of(engine).slots[5])
    assert order is not None
    assert (order.leg, order.price, order.amount) == (Leg.EXIT, D(160), executed(bench))


def test_the_story_of_the_crash_points_has_executions_that_are_told_late() -> None:
    story = SCENARIOS["a fill that is told after its cancellation"]
    outcome = run_drawn(story)
    assert outcome.problems == ()
    assert outcome.fills > 0


# Cancellations


class Losing(AuditedExchange):
    """Cancels, and then says what its owner does not expect: that there is no such order, or nothing at all."""

    says: type[OrderNotFound] | type[OutcomeUnknown] = OrderNotFound

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        await super().cancel(symbol, client_order_id)
        raise self.says(f"nothing is known of {client_order_id}")


class Silent(Losing):
    says = OutcomeUnknown


@pytest.mark.parametrize("exchange_type", [Losing, Silent])
def test_REL_15_REL_16_a_cancellation_that_is_denied_or_not_answered_is_known_from_the_order_alone(
    exchange_type: type[Losing],
) -> None:
    bench = a_bench(faults=FaultPlan(report_dropped_chance=D(1)), exchange_type=exchange_type)

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        await pause_and_resume(engine)

    engine = bench.run(script)
    ended = [fact.report for fact in bench.facts(OrderReported) if fact.report.status is OrderStatus.CANCELED]
    assert len(ended) == 6
    assert len(bench.facts(OrderIntended)) == 12
    assert bench.exchange.refused == []
    assert_balanced(bench, engine)


def test_REL_14_an_order_that_was_filled_in_part_and_then_cancelled_leaves_a_lot_of_what_was_filled() -> None:
    bench = a_bench()

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        name = live_order(engine, 5)
        now = bench.clock.now_ms()
        bench.exchange._report(bench.exchange._venue.execute(SYMBOL, name, D("0.4"), now), now)
        bench.exchange.cancel_by_hand(SYMBOL, name)
        await engine.wait_quiet()
        await anyio.sleep(1)
        await engine.wait_quiet()

    engine = bench.run(script)
    slot = books_of(engine).slots[5]
    assert lot_of(slot).quantity == D("0.4")
    order = order_of(slot)
    assert order is not None
    assert (order.leg, order.side, order.amount) == (Leg.EXIT, Side.SELL, D("0.4"))
    assert_balanced(bench, engine)


# Never arrived, and then it does


class Delaying(AuditedExchange):
    """Swallows the first placement of slot 5; ``deliver`` lets it arrive after all."""

    swallowed: OrderRequest | None = None

    async def place(self, request: OrderRequest) -> OrderReport:
        if request.client_order_id == an_id(5):
            self.swallowed = request
            raise OutcomeUnknown("no answer")
        return await super().place(request)

    def deliver(self) -> None:
        assert self.swallowed is not None
        self.place_by_hand(self.swallowed)


@pytest.mark.parametrize("with_stream", [True, False])
def test_I2_an_order_that_was_given_up_as_never_arrived_and_arrives_after_all_is_cancelled(with_stream: bool) -> None:
    plan = FaultPlan() if with_stream else FaultPlan(report_dropped_chance=D(1))
    bench = a_bench(faults=plan, exchange_type=Delaying)

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        assert live_order(engine, 5) != an_id(5)
        assert isinstance(bench.exchange, Delaying)
        bench.exchange.deliver()
        await anyio.sleep(60)
        await engine.wait_quiet()
        await engine.command(Reconcile(grid=GRID), by="test")
        await engine.wait_quiet()

    engine = bench.run(script)
    assert engine.state is not EngineState.HALTED
    assert corrections(bench) == [(K.DUPLICATE_ORDER, R.CANCEL, "reconciler")]
    assert questions(engine) == []
    assert_balanced(bench, engine)
    assert bench.clock.now_ms() > REQUEST_LIFE_SECONDS * 1_000


def test_an_order_that_arrives_after_all_and_is_executed_is_booked_as_late_and_the_rest_of_it_cancelled() -> None:
    bench = a_bench(faults=FaultPlan(report_dropped_chance=D(1)), exchange_type=Delaying)

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        assert isinstance(bench.exchange, Delaying)
        bench.exchange.deliver()
        bench.exchange._venue.execute(SYMBOL, an_id(5), D("0.4"), bench.clock.now_ms())
        await anyio.sleep(120)
        await engine.wait_quiet()

    engine = bench.run(script)
    assert late(bench) == [(5, D("0.4"))]
    assert corrections(bench) == [(K.OFFLINE_FILL, R.ADOPT, "reconciler"), (K.DUPLICATE_ORDER, R.CANCEL, "reconciler")]
    assert [fact.asks for fact in bench.facts(DiscrepancyFound)] == [False, False]
    assert questions(engine) == []
    assert_balanced(bench, engine)


def test_an_order_that_arrives_after_its_slot_has_left_the_lattice_is_cancelled_too() -> None:
    """A slot without a lot and without an order: the stray is an orphan that cannot be taken up."""
    bench = a_bench(exchange_type=Delaying)

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        await engine.command(Pause(grid=GRID), by="test")
        await engine.wait_quiet()
        assert books_of(engine).slots[5].state == EMPTY
        assert isinstance(bench.exchange, Delaying)
        bench.exchange.deliver()
        await anyio.sleep(60)
        await engine.wait_quiet()

    engine = bench.run(script)
    assert corrections(bench) == [(K.ORPHAN_ORDER, R.CANCEL, "reconciler")]
    assert bench.exchange.open_ids(SYMBOL) == []
    assert books_of(engine).spec == a_spec()

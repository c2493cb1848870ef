"""A part that dies halts the engine: the reason is shown, nothing trades any more, nothing pretends to live."""

from collections.abc import Callable
from decimal import Decimal

import anyio
import pytest
from anyio.abc import TaskStatus

from engine.exchange.port import ExchangeListener
from engine.model.commands import Freeze, Pause, Resume, SetSpeed
from engine.model.errors import CommandRefused, EngineStopped, JournalFailed
from engine.model.events import OrderIntended
from engine.model.grid import GridState
from engine.model.order import OrderReport, OrderRequest
from engine.model.snapshot import EngineState, EventLevel
from engine.runtime import executor
from engine.runtime.engine import Engine
from tests.builders import a_spec
from tests.sim.engine_builders import AuditedExchange, Bench, SlowJournal, a_path, assert_balanced

D = Decimal
BUSY_PATH = (155, 145, 135, 125, 135, 145, 155, 165, 155, 145)


class DyingStream(AuditedExchange):
    """Its stream breaks after half a minute."""

    async def run(
        self, listener: ExchangeListener, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        with anyio.move_on_after(30):
            await super().run(listener, task_status=task_status)
        raise ConnectionError("the stream broke")


class BrokenAdapter(AuditedExchange):
    """Cannot translate what the exchange says of an order at 140."""

    async def place(self, request: OrderRequest) -> OrderReport:
        if request.price == 140:
            raise KeyError("status")
        return await super().place(request)


class TornJournal(SlowJournal):
    """Its disk is full from a certain record on."""

    def __init__(self, *, records_max: int) -> None:
        super().__init__(commit_seconds=0.001)
        self._records_max = records_max

    async def commit(self) -> None:
        if self.head[0] > self._records_max:
            raise JournalFailed(f"record {self.head[0]} is not durable: the disk is full")
        await super().commit()


def run_until_halted(bench: Bench, check: Callable[[Engine], None] = lambda _: None) -> Engine:
    """Let an engine run into its end; commands are refused, snapshots served, nothing more is sent, it closes."""

    async def scene(engine: Engine) -> None:
        await engine.wait_over()
        assert engine.state is EngineState.HALTED
        placed = bench.exchange.placed.copy()
        for command in (Pause(grid="main"), Resume(grid="main"), Freeze(grid="main", slot=1)):
            with pytest.raises(CommandRefused, match="the engine is halted: "):
                await engine.command(command, by="test")
        await engine.command(SetSpeed(speed=0), by="test")
        await anyio.sleep(3_600)
        snapshot = engine.snapshot()
        assert (snapshot.state, snapshot.state_reason) == (EngineState.HALTED, engine.state_reason)
        assert {grid.state for grid in snapshot.grids if grid.slots} <= {GridState.HALTED}
        assert bench.exchange.placed == placed
        check(engine)

    engine = bench.run(scene)
    assert engine.state is EngineState.HALTED
    (told,) = (event for event in engine.story.after(0, 2_000) if event.text.startswith("halted: "))
    assert (told.level, told.text) == (EventLevel.ERROR, f"halted: {engine.state_reason}")
    return engine


def test_a_stream_that_dies_halts_the_engine_with_its_reason() -> None:
    bench = Bench(a_path(*BUSY_PATH), exchange_type=DyingStream)
    engine = run_until_halted(bench)
    assert engine.state_reason == "ConnectionError: the stream broke"
    assert len(bench.exchange.placed) == 6


def test_a_worker_that_meets_what_no_port_may_raise_halts_the_engine() -> None:
    bench = Bench(a_path(*BUSY_PATH), exchange_type=BrokenAdapter)
    engine = run_until_halted(bench)
    assert engine.state_reason == "KeyError: 'status'"


def test_more_requests_than_the_queue_holds_halt_the_engine_before_any_of_them_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """019: Six entries and room for two requests; all six intents are durable, so a restart asks about each."""
    monkeypatch.setattr(executor, "QUEUE_MAX", 2)
    monkeypatch.setattr(executor, "WORKERS", 1)
    bench = Bench(a_path(*BUSY_PATH))
    engine = run_until_halted(bench)
    assert engine.state_reason == "InvariantBroken: expected at most 2 requests waiting to be sent, one more came"
    assert len(bench.facts(OrderIntended)) == 6


@pytest.mark.parametrize("records_max", range(34))
def test_a_journal_that_fails_at_any_record_halts_the_engine_and_no_order_leaves_without_its_intent(
    records_max: int,
) -> None:
    """I6: whatever has arrived at the exchange was durable before it was sent."""
    journal = TornJournal(records_max=records_max)
    bench = Bench(a_path(*BUSY_PATH), journal=journal)
    engine = run_until_halted(bench)
    assert engine.state_reason.startswith("JournalFailed: record ")
    safe = [record.fact for record in journal.records() if record.sequence <= journal.durable]
    durable = {fact.client_order_id for fact in safe if isinstance(fact, OrderIntended)}
    assert set(bench.exchange.placed) <= durable
    assert journal.durable <= records_max


def test_a_command_that_cannot_be_made_durable_halts_the_engine_and_says_so_to_who_gave_it() -> None:
    journal = TornJournal(records_max=1_000)
    bench = Bench(a_path(*[155] * 5), journal=journal)
    answers: list[str] = []

    async def scene(engine: Engine) -> None:
        await anyio.sleep(30)
        journal._records_max = 0
        with pytest.raises(EngineStopped, match="the engine has halted: JournalFailed: ") as told:
            await engine.command(Pause(grid="main"), by="test")
        answers.append(str(told.value))

    engine = bench.run(scene)
    assert engine.state is EngineState.HALTED
    assert answers == [f"the engine has halted: {engine.state_reason}"]


def test_a_command_whose_sender_has_gone_is_done_all_the_same() -> None:
    """Half a command would leave orders that are intended, and never sent."""
    bench = Bench(a_path(*[155] * 5), journal=SlowJournal(commit_seconds=1), grids=[a_spec(window=4)])

    async def scene(engine: Engine) -> None:
        await engine.command(Pause(grid="main"), by="test")
        await anyio.sleep(20)
        with anyio.move_on_after(1.5) as impatient:
            await engine.command(Resume(grid="main"), by="test")
        assert impatient.cancelled_caught is False
        await anyio.sleep(20)

    engine = bench.run(scene)
    grid = engine.coordinators["main"]
    assert grid.books.state is GridState.RUNNING
    assert len(bench.exchange.open_ids("BTC/USDT")) == 3
    assert_balanced(bench, engine)


def test_waiting_for_quiet_ends_when_the_engine_halts() -> None:
    """Else a replay that halts on its last fill would never end."""
    bench = Bench(a_path(155, 145, 135))

    async def scene(engine: Engine) -> None:
        await engine.wait_over()
        engine.coordinators["main"].on_report(object())  # type: ignore[arg-type]
        await engine.wait_quiet()

    engine = bench.run(scene)
    assert engine.state is EngineState.HALTED

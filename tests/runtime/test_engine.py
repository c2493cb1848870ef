"""The engine's own life: what it says while it starts, what it waits for, how it ends."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan, RequestFate
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Command, CommandDone, Pause, Resume
from engine.model.errors import CommandRefused, EngineStopped
from engine.model.events import OrderIntended
from engine.model.order import Leg, OrderStatus
from engine.model.slot import order_of
from engine.model.snapshot import Connection, EngineState
from engine.runtime.desk import COMMANDS_MAX
from engine.runtime.engine import Engine
from tests.builders import a_report, an_id, an_intent
from tests.sim.engine_builders import Bench, a_path, a_timed_path, assert_balanced, until_quiet

D = Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LostQuestions(FaultPlan):
    """The first half minute nobody is told a market or a balance."""

    def fate_of(self, request: str, sent_ms: int) -> RequestFate:
        is_lost = sent_ms < 30_000 and request.startswith(("market", "balances"))
        return RequestFate.ANSWER_LOST if is_lost else RequestFate.ANSWERED


def test_a_running_engine_says_that_every_part_has_reported_in() -> None:
    bench = Bench(a_path(155, 155))

    async def look(engine: Engine) -> None:
        snapshot = engine.snapshot()
        assert (snapshot.state, snapshot.connection) == (EngineState.RUNNING, Connection.CONNECTED)
        assert snapshot.state_reason == "every configured part has reported in"
        assert [part.name for part in snapshot.parts] == [
            "journal",
            "exchange",
            "orders",
            "grid main",
            "reconciliation",
        ]
        assert all(part.has_reported for part in snapshot.parts)
        assert engine.snapshot().sequence == snapshot.sequence + 1

    engine = bench.run(look)
    assert (engine.state, engine.state_reason) == (EngineState.STOPPED, "closed")


def test_answers_lost_while_it_starts_are_asked_for_again() -> None:
    bench = Bench(a_path(*[155] * 5), options=SimulatedOptions(faults=LostQuestions()))
    engine = bench.run()
    assert len(bench.exchange.placed) == 6
    assert_balanced(bench, engine)


def test_balances_that_cannot_be_seen_stop_nothing_and_are_asked_for_at_the_next_look() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class LostOnce(FaultPlan):
        def fate_of(self, request: str, sent_ms: int) -> RequestFate:
            is_lost = request == "balances" and 20_000 < sent_ms < 40_000
            return RequestFate.ANSWER_LOST if is_lost else RequestFate.ANSWERED

    bench = Bench(a_path(*[155] * 5), options=SimulatedOptions(faults=LostOnce()))

    async def look_three_times(engine: Engine) -> None:
        await anyio.sleep(30)
        engine.snapshot()
        await anyio.sleep(10)
        assert engine.state is EngineState.RUNNING
        assert engine.snapshot().balances == ()
        await anyio.sleep(10)
        (btc, usdt) = engine.snapshot().balances
        assert (btc.currency, usdt.currency, usdt.free + usdt.locked) == ("BTC", "USDT", D(100_000))
        await until_quiet(engine)

    engine = bench.run(look_three_times)
    warnings = [event.text for event in engine.story.after(0, 2_000) if "balances" in event.text]
    assert warnings == ["the balances cannot be seen: no answer to balances within 5000 ms"]


def test_quiet_is_only_when_the_report_of_the_last_fill_has_come_and_been_dealt_with() -> None:
    """The data end with a fill; its report is 25 ms under way, and the exit that follows takes 50 ms."""
    bench = Bench(a_timed_path((0, 155), (60_000, 145)))
    engine = bench.run()
    intents = [fact.client_order_id for fact in bench.facts(OrderIntended) if fact.leg is Leg.EXIT]
    assert intents == [an_id(5, Leg.EXIT, generation=1)]
    order = order_of(engine.coordinators["main"].books.slots[5])
    assert order is not None
    assert order.status is OrderStatus.OPEN
    assert engine.balances["BTC"].locked == 1
    assert_balanced(bench, engine)


def test_reports_of_other_instances_and_of_strangers_are_not_ours() -> None:
    bench = Bench(a_path(155, 155))

    async def scene(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        await anyio.sleep(10)
        before = list(grid.books.slots)
        ours = a_report(an_intent(), OrderStatus.FILLED)
        for name in ("somebody else's", an_id(grid=3), an_id().replace("abc", "abd")):
            engine.on_report(replace(ours, client_order_id=name))
        await anyio.sleep(1)
        assert grid.books.slots == before

    bench.run(scene)


def test_commands_from_other_threads_are_done_in_turn_and_their_refusals_told() -> None:
    bench = Bench(a_path(*[155] * 3))
    futures: list[Future[CommandDone]] = [Future() for _ in range(3)]

    async def scene(engine: Engine) -> None:
        commands: list[Command] = [Pause(grid="main"), Pause(grid="main"), Resume(grid="main")]
        for command, done in zip(commands, futures, strict=True):
            engine.post(command, done, by="test")
        await anyio.sleep(1)

    bench.run(scene)
    first, second, third = futures
    assert first.result(0).message == "main: paused, resting entries are being cancelled"
    assert isinstance(second.exception(0), CommandRefused)
    assert third.result(0).message == "main: running"


def test_more_commands_than_wait_in_line_are_turned_away_and_none_is_taken_after_the_end() -> None:
    bench = Bench(a_path(*[155] * 3))

    async def scene(engine: Engine) -> None:
        taken = [Future[CommandDone]() for _ in range(COMMANDS_MAX + 2)]
        for done in taken:
            engine.post(Pause(grid="nobody"), done, by="test")
        assert isinstance(taken[-1].exception(0), EngineStopped)
        await anyio.sleep(1)
        assert isinstance(taken[0].exception(0), CommandRefused)

    engine = bench.run(scene)
    late: Future[CommandDone] = Future()
    engine.post(Pause(grid="main"), late, by="test")
    with pytest.raises(EngineStopped, match="the engine takes no commands now"):
        late.result(0)

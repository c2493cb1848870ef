"""The remote client and the server, over a real socket: the same answers as from the engine itself."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from engine.api import Client
from engine.model.commands import (
    Command,
    CommandDone,
    EditGrid,
    Freeze,
    GridChange,
    LiftBlock,
    Panic,
    Pause,
    Reconcile,
    Resolve,
    Resume,
    SetSpeed,
    Stop,
    Thaw,
)
from engine.model.errors import CommandRefused, EngineStopped, GridwrightError, JournalFailed
from engine.model.grid import Disposal
from engine.model.preflight import Preflight
from engine.model.reconcile import Resolution
from engine.model.risk import BreakerKind
from engine.model.snapshot import EngineSnapshot
from engine.remote.address import listening_socket
from engine.remote.client import RemoteClient, connect
from engine.remote.lines import accept_lines
from engine.remote.server import serve
from tests import preflight_scenes
from tests.remote.builders import FakeEngine, make_event, make_grid, make_question, make_slot, make_snapshot


@asynccontextmanager
async def serving(engine: FakeEngine, path: Path) -> AsyncIterator[None]:
    """The engine behind a socket at ``path``."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve, engine, path)
        yield
        tasks.cancel_scope.cancel()


async def test_a_snapshot_arrives_as_it_was_sent(tmp_path: Path) -> None:
    engine = FakeEngine(make_snapshot(make_grid("a", price=None, anchor=None), make_grid("b"), speed=None))
    async with serving(engine, tmp_path / "s"):
        client: Client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        await client.close()


async def test_open_questions_arrive_as_they_were_sent(tmp_path: Path) -> None:
    questions = (make_question(), make_question("q4", slot=2, client_order_id="gabc02x000000001"))
    engine = FakeEngine(make_snapshot(make_grid(questions=questions, foreign_orders=3)))
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        (grid,) = (await client.snapshot()).grids
        assert (grid.questions, grid.foreign_orders) == (questions, 3)
        await client.close()


async def test_decimals_keep_every_digit_on_the_way(tmp_path: Path) -> None:
    exact = Decimal("123456789012345678.123456789012345678")
    engine = FakeEngine(make_snapshot(make_grid(cash=exact)))
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        assert str((await client.snapshot()).grids[0].cash) == str(exact)
        await client.close()


async def test_a_snapshot_of_ten_thousand_slots_arrives_whole(tmp_path: Path) -> None:
    engine = FakeEngine(make_snapshot(make_grid(slots=tuple(make_slot(index) for index in range(10_000)))))
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        await client.close()


async def test_events_are_asked_for_by_number_and_limit(tmp_path: Path) -> None:
    engine = FakeEngine(events=[make_event(number) for number in range(1, 11)])
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        assert await client.events(4, limit=3) == [make_event(8), make_event(9), make_event(10)]
        assert await client.events(10) == []
        assert len(await client.events(-5, limit=5000)) == 10
        await client.close()


EVERY_CHANGE = GridChange(
    lower=Decimal("51999.00000000000000000001"), upper=Decimal("7E+4"), slots=1, size=Decimal("1E-8")
)


@pytest.mark.parametrize("flight", [preflight_scenes.preflight(), preflight_scenes.forbidden()])
async def test_a_preflight_arrives_as_it_was_sent(flight: Preflight, tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.flight = flight
    async with serving(engine, tmp_path / "s"):
        client: Client = await connect(tmp_path / "s")
        assert await client.preflight("btc") == flight
        await client.close()
    assert engine.asked == [("btc", None)]


@pytest.mark.parametrize("change", [GridChange(), GridChange(slots=46656), EVERY_CHANGE])
async def test_a_preview_arrives_as_it_was_sent_and_so_did_the_change(change: GridChange, tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.preview_now = preflight_scenes.impossible()
    async with serving(engine, tmp_path / "s"):
        client: Client = await connect(tmp_path / "s")
        assert await client.preview("eth", change) == engine.preview_now
        await client.close()
    assert engine.asked == [("eth", change)]
    assert engine.commands == []


async def test_a_preflight_of_ten_thousand_slots_arrives_whole(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.flight = preflight_scenes.preflight(rows=tuple(preflight_scenes.row(slot) for slot in range(10_000)))
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        assert await client.preflight("btc") == engine.flight
        await client.close()


@pytest.mark.parametrize("trouble", [CommandRefused("no grid eth"), EngineStopped("the engine has ended")])
async def test_a_question_that_the_engine_refuses_is_refused_here_in_its_words(
    trouble: GridwrightError, tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        engine.trouble = trouble
        with pytest.raises(type(trouble), match=str(trouble)):
            await client.preflight("eth")
        with pytest.raises(type(trouble), match=str(trouble)):
            await client.preview("eth", GridChange(slots=3))
        await client.close()


@pytest.mark.parametrize(
    "command",
    [
        Pause(grid="btc"),
        Resume(grid="btc"),
        Freeze(grid="btc", slot=0),
        Thaw(grid="btc", slot=46655),
        Stop(grid="btc", disposal=Disposal.FLATTEN),
        SetSpeed(speed=0.0),
        SetSpeed(speed=2.5),
        Reconcile(grid="btc"),
        *(Resolve(grid="btc", name="q12", resolution=resolution) for resolution in Resolution),
        Panic(grid="btc"),
        *(LiftBlock(grid="btc", kind=kind) for kind in BreakerKind),
        EditGrid(grid="btc", change=EVERY_CHANGE),
        EditGrid(grid="btc", change=GridChange(slots=46656)),
    ],
)
async def test_every_command_arrives_as_it_was_sent(command: Command, tmp_path: Path) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        assert await client.send(command) == CommandDone(message=f"did {type(command).__name__}")
        await client.close()
    assert engine.commands == [command]


@pytest.mark.parametrize(
    "trouble", [CommandRefused("no slot 99"), EngineStopped("the engine has ended"), GridwrightError("oh")]
)
async def test_an_error_of_the_engine_is_raised_here_and_the_client_goes_on(
    trouble: GridwrightError, tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        engine.trouble = trouble
        with pytest.raises(type(trouble), match=str(trouble)):
            await client.send(Pause(grid="btc"))
        engine.trouble = None
        assert await client.snapshot() == engine.current
        await client.close()


async def test_a_failed_journal_reaches_the_other_side_as_a_plain_failure(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.trouble = JournalFailed("disk full")
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        with pytest.raises(GridwrightError, match="disk full"):
            await client.snapshot()
        await client.close()


async def test_a_command_that_the_protocol_forbids_is_refused_and_does_nothing(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        for command in (
            SetSpeed(speed=-1.0),
            Freeze(grid="btc", slot=-1),
            Pause(grid="x" * 33),
            Pause(grid=""),
            Freeze(grid="btc", slot=46656),
            Reconcile(grid=""),
            Resolve(grid="x" * 33, name="q1", resolution=Resolution.HALT),
            Resolve(grid="btc", name="", resolution=Resolution.HALT),
            Resolve(grid="btc", name="q" * 65, resolution=Resolution.HALT),
            Panic(grid=""),
            LiftBlock(grid="x" * 33, kind=BreakerKind.PANIC_KEY),
            EditGrid(grid="btc", change=GridChange(lower=Decimal(-1))),
            EditGrid(grid="btc", change=GridChange(size=Decimal("1e999999"))),
            EditGrid(grid="btc", change=GridChange(slots=0)),
        ):
            with pytest.raises(CommandRefused):
                await client.send(command)
        await client.close()
    assert engine.commands == []


async def test_text_that_is_not_unicode_is_an_error_and_no_end(tmp_path: Path) -> None:
    engine = FakeEngine(make_snapshot(state_reason="\ud800"))
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        with pytest.raises(GridwrightError, match="expected Unicode text"):
            await client.snapshot()
        engine.trouble = CommandRefused("file \udcff")
        with pytest.raises(CommandRefused, match=r"file \\udcff"):
            await client.send(Pause(grid="btc"))
        await client.close()


class SlowEngine(FakeEngine):
    """An engine whose commands take until ``let_go`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = anyio.Event()
        self.let_go = anyio.Event()

    async def send(self, command: Command) -> CommandDone:
        self.begun.set()
        await self.let_go.wait()
        return await super().send(command)


async def test_a_slow_command_holds_up_no_snapshot_of_the_same_client(tmp_path: Path) -> None:
    engine = SlowEngine()
    answers: list[CommandDone] = []
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")

        async def stop() -> None:
            answers.append(await client.send(Stop(grid="btc")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            await engine.begun.wait()
            assert await client.snapshot() == engine.current
            assert answers == []
            engine.let_go.set()
        assert answers == [CommandDone(message="did Stop")]
        await client.close()


async def test_a_request_cancelled_half_way_leaves_the_next_one_the_right_answer(tmp_path: Path) -> None:
    engine = SlowEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send, Stop(grid="btc"))
            await engine.begun.wait()
            tasks.cancel_scope.cancel()
        assert await client.snapshot() == engine.current
        engine.let_go.set()
        assert await client.send(Pause(grid="btc")) == CommandDone(message="did Pause")
        await client.close()


async def test_the_end_of_the_server_is_told_as_the_end_of_the_engine(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"):
        client = await connect(tmp_path / "s")
    with pytest.raises(EngineStopped, match=str(tmp_path)):
        await client.snapshot()
    with pytest.raises(EngineStopped, match="no engine is running: there is no socket at"):
        await client.snapshot()
    await client.close()


async def test_no_socket_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(EngineStopped) as caught:
        await connect(tmp_path / "control.sock")
    assert str(caught.value) == f"no engine is running: there is no socket at {tmp_path / 'control.sock'}"


async def test_a_file_that_is_no_socket_is_told_as_nobody_answering(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(EngineStopped, match="nobody answers on the socket at"):
        await connect(tmp_path / "s")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"gridwright": "9.0", "protocol": 2}\n', "expected an engine with protocol 1, found 2"),
        (b"HTTP/1.1 400 Bad Request\r\n", "expected a gridwright engine, found something else"),
        (b"", "the engine closed the connection"),
        (b"x" * 70_000, "expected a gridwright engine, found something else"),
        (b'{"id": null, "error": {"kind": "busy", "message": "too many"}}\n', "found too many"),
    ],
)
async def test_a_stranger_on_the_socket_is_told_as_what_it_is(line: bytes, message: str, tmp_path: Path) -> None:
    async def greet(listener: socket.socket) -> None:
        peer = await accept_lines(listener)
        await peer.write(line)
        peer.close()

    with listening_socket(tmp_path / "s") as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(greet, listener)
            with pytest.raises(EngineStopped, match=message):
                await connect(tmp_path / "s")


async def test_a_socket_in_a_very_deep_folder_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    engine = FakeEngine()
    async with serving(engine, folder / "control.sock"):
        client = await connect(folder / "control.sock")
        assert await client.snapshot() == engine.current
        await client.close()
    assert os.listdir(folder) == []


async def test_many_clients_ask_at_once_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    engine = FakeEngine(events=[make_event(number) for number in range(100)])

    async def ask(client: RemoteClient, number: int) -> None:
        for after in range(number, 90, 7):
            assert [event.number for event in await client.events(after)] == list(range(after + 1, 100))
        snapshot: EngineSnapshot = await client.snapshot()
        assert snapshot.sequence == 42

    async with serving(engine, tmp_path / "s"):
        clients = [await connect(tmp_path / "s") for _ in range(10)]
        async with anyio.create_task_group() as tasks:
            for number, client in enumerate(clients):
                tasks.start_soon(ask, client, number)
        for client in clients:
            await client.close()

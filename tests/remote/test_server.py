"""The control socket's server against peers that misbehave, and its socket file."""

import json
import os
import random
import socket
import stat
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.model.commands import GridChange, Pause
from engine.model.errors import SettingsInvalid
from engine.remote.address import listening_socket, open_address
from engine.remote.client import connect
from engine.remote.lines import LineSocket, connect_lines
from engine.remote.server import CONNECTIONS_MAX
from tests.remote.builders import FakeEngine, make_grid, make_slot, make_snapshot
from tests.remote.test_round_trip import serving


class Peer:
    """A raw connection that says whatever it likes."""

    def __init__(self, lines: LineSocket) -> None:
        self.lines = lines

    async def say(self, text: bytes) -> None:
        await self.lines.write(text)

    async def read(self) -> Any:
        return json.loads(await self.lines.read_line(1 << 20))

    async def ask(self, line: bytes) -> Any:
        await self.say(line + b"\n")
        return await self.read()

    def leave(self) -> None:
        self.lines.close()


@asynccontextmanager
async def peer_at(path: Path) -> AsyncIterator[Peer]:
    """A peer that has not read anything yet."""
    peer = Peer(await connect_lines(str(path)))
    try:
        yield peer
    finally:
        peer.leave()


@asynccontextmanager
async def greeted(path: Path) -> AsyncIterator[Peer]:
    """A peer that has read the greeting."""
    async with peer_at(path) as peer:
        assert (await peer.read())["protocol"] == 1
        yield peer


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "Input data was truncated"),
        (b"hello", "malformed"),
        (b"[]", "Expected `object`"),
        (b'{"op": "snapshot"}', "missing required field `id`"),
        (b'{"op": "snapshot", "id": -1}', ">= 0"),
        (b'{"op": "snapshot", "id": 1, "x": 1}', "unknown field `x`"),
        (b'{"op": "fly", "id": 1}', "Invalid value 'fly'"),
        (b'{"op": "events", "id": 1, "limit": 1001}', "<= 1000"),
        (b'{"op": "preflight", "id": 1}', "missing required field `grid`"),
        (b'{"op": "preflight", "id": 1, "grid": "btc", "price": "1"}', "unknown field `price`"),
        (b'{"op": "preview", "id": 1, "grid": "btc"}', "missing required field `change`"),
        (b'{"op": "preview", "id": 1, "grid": "btc", "change": {"spacing": "1"}}', "unknown field `spacing`"),
        (b'{"op": "preview", "id": 1, "grid": "btc", "change": {"lower": 1.5}}', "Expected `str | null`, got `float`"),
        (b'{"op": "preview", "id": 1, "grid": "btc", "change": {"slots": "4"}}', "Expected `int | null`, got `str`"),
        (b'{"op": "preview", "id": 1, "grid": "btc", "change": {"slots": true}}', "Expected `int | null`, got `bool`"),
        (b"\xff\xfe", "malformed"),
        (b'{"op": "snapshot", "id": 1, "\xff": 1}', "not a request"),
        (b"[" * 5000, "not a request"),
    ],
)
async def test_a_line_that_is_no_request_is_answered_with_what_is_wrong(
    line: bytes, message: str, tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        answer = await peer.ask(line)
        assert answer["id"] is None
        assert answer["error"]["kind"] == "bad_request"
        assert message in answer["error"]["message"]
        assert (await peer.ask(b'{"op": "events", "id": 7}')) == {"id": 7, "ok": []}


BAD_AMOUNTS = ("", "0", "0.0", "-1", "NaN", "Infinity", "1_000", " 1", "\u0663", "1E+100", "9" * 41, "1.", "1E9")
BAD_CHANGES: list[tuple[dict[str, object], str]] = [
    ({"slots": 0}, "expected from 1 to 46656 slots, found 0"),
    ({"slots": 46657}, "expected from 1 to 46656 slots, found 46657"),
]
BAD_CHANGES += [
    ({"lower": text}, f"lower: expected a decimal number above 0 as a string, found {text[:40]!r}")
    for text in BAD_AMOUNTS
]


@pytest.mark.parametrize(("change", "message"), BAD_CHANGES)
async def test_a_preview_of_a_change_with_an_impossible_figure_is_refused_with_the_figure(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        request = {"op": "preview", "id": 5, "grid": "btc", "change": change}
        answer = await peer.ask(json.dumps(request).encode())
        assert answer == {"id": 5, "error": {"kind": "bad_request", "message": message}}
    assert engine.asked == []


@pytest.mark.parametrize("question", [{"op": "preflight"}, {"op": "preview", "change": {}}])
@pytest.mark.parametrize("name", ["", "x" * 33])
async def test_a_question_about_what_can_be_no_grid_is_refused(
    name: str, question: dict[str, object], tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        answer = await peer.ask(json.dumps({"id": 5, "grid": name, **question}).encode())
        text = "expected the name of a grid, at most 32 characters long"
        assert answer == {"id": 5, "error": {"kind": "bad_request", "message": text}}
    assert engine.asked == []


async def test_amounts_of_a_preflight_and_a_preview_travel_as_strings(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        flight = (await peer.ask(b'{"op": "preflight", "id": 1, "grid": "btc"}'))["ok"]
        assert (flight["needs_quote"], flight["rows"][3]["lower"]) == ("3982.2155", "53200")
        line = b'{"op": "preview", "id": 2, "grid": "btc", "change": {"upper": "72000", "slots": 46}}'
        preview = (await peer.ask(line))["ok"]
        assert (preview["buys_base"], preview["lots_moved"]) == ("0.0166", [[39, 41], [38, 40]])
    assert engine.asked == [("btc", None), ("btc", GridChange(upper=Decimal(72_000), slots=46))]


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (
            "fly",
            {},
            (
                "expected a command of pause, resume, freeze, thaw, stop, set_speed, reconcile, resolve, panic, lift,"
                " edit, shutdown, found 'fly'"
            ),
        ),
        ("pause", {}, "pause: Object missing required field `grid`"),
        ("pause", {"grid": 3}, "pause: Expected `str`, got `int` - at `$.grid`"),
        ("pause", {"grid": "btc", "slot": 3}, "pause has no argument 'slot'"),
        ("freeze", {"grid": "btc", "slot": "3"}, "freeze: Expected `int`, got `str` - at `$.slot`"),
        (
            "freeze",
            {"grid": "btc", "slot": 10**30},
            "expected a slot from 0 to 46655, found " + "1" + "0" * 30,
        ),
        ("stop", {"grid": "btc", "disposal": "burn"}, "stop: Invalid enum value 'burn' - at `$.disposal`"),
        ("reconcile", {}, "reconcile: Object missing required field `grid`"),
        ("reconcile", {"grid": "btc", "name": "q1"}, "reconcile has no argument 'name'"),
        (
            "resolve",
            {"grid": "btc", "name": "q1", "resolution": "burn"},
            "resolve: Invalid enum value 'burn' - at `$.resolution`",
        ),
        ("resolve", {"grid": "btc", "name": "q1"}, "resolve: Object missing required field `resolution`"),
        (
            "resolve",
            {"grid": "btc", "name": 1, "resolution": "halt"},
            "resolve: Expected `str`, got `int` - at `$.name`",
        ),
        (
            "resolve",
            {"grid": "btc", "name": "", "resolution": "halt"},
            "expected the id of a question, at most 64 characters long",
        ),
        ("panic", {}, "panic: Object missing required field `grid`"),
        ("panic", {"grid": ""}, "expected the name of a grid, at most 32 characters long"),
        ("lift", {"grid": "btc", "kind": "joy"}, "lift: Invalid enum value 'joy' - at `$.kind`"),
        ("lift", {"grid": "", "kind": "drawdown"}, "expected the name of a grid, at most 32 characters long"),
        ("edit", {"grid": "btc"}, "edit: Object missing required field `change`"),
        (
            "edit",
            {"grid": "btc", "change": {"spacing": "1"}},
            "edit: Object contains unknown field `spacing` - at `$.change`",
        ),
        ("edit", {"grid": "", "change": {"slots": 4}}, "expected the name of a grid, at most 32 characters long"),
        *(("edit", {"grid": "btc", "change": change}, message) for change, message in BAD_CHANGES),
        ("set_speed", {"speed": -1}, "expected a finite speed of at least 0, found -1.0"),
    ],
)
async def test_a_command_that_does_not_exist_so_is_refused_with_the_reason(
    command: str, arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        request = {"op": "send", "id": 5, "command": command, "arguments": arguments}
        answer = await peer.ask(json.dumps(request).encode())
        assert answer == {"id": 5, "error": {"kind": "bad_request", "message": message}}
    assert engine.commands == []


async def test_requests_sent_in_one_go_are_answered_in_their_order(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"), greeted(tmp_path / "s") as peer:
        await peer.say(b"".join(b'{"op": "events", "id": %d}\n' % number for number in range(500)))
        assert [(await peer.read())["id"] for _ in range(500)] == list(range(500))


async def test_a_line_that_never_ends_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"), greeted(tmp_path / "s") as peer:
        await peer.say(b"x" * (64 * 1024 + 1))
        answer = await peer.read()
        assert answer["error"]["message"] == "expected a line of at most 65536 bytes, found a longer one"
        with pytest.raises(ConnectionError):
            await peer.read()


async def test_a_peer_that_leaves_in_the_middle_disturbs_nobody(tmp_path: Path) -> None:
    engine = FakeEngine(make_snapshot(make_grid(slots=tuple(make_slot(index) for index in range(5_000)))))
    async with serving(engine, tmp_path / "s"):
        for text in (b"", b'{"op": "sn', b'{"op": "snapshot", "id": 1}\n'):
            async with greeted(tmp_path / "s") as peer:
                await peer.say(text)
                await anyio.wait_all_tasks_blocked()
        client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        await client.close()


async def test_one_connection_too_many_is_told_so_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"), AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(greeted(tmp_path / "s")) for _ in range(CONNECTIONS_MAX)]
        async with peer_at(tmp_path / "s") as late:
            assert (await late.read())["error"]["kind"] == "busy"
        assert (await peers[0].ask(b'{"op": "events", "id": 1}'))["ok"] == []
        peers[0].leave()
        await anyio.wait_all_tasks_blocked()
        async with greeted(tmp_path / "s") as late:
            assert (await late.ask(b'{"op": "events", "id": 1}'))["ok"] == []


async def test_a_peer_that_does_not_read_is_dropped_when_its_place_is_needed(tmp_path: Path) -> None:
    engine = FakeEngine(make_snapshot(make_grid(slots=tuple(make_slot(index) for index in range(5_000)))))
    async with serving(engine, tmp_path / "s"), AsyncExitStack() as stack:
        idle, *_ = [await stack.enter_async_context(greeted(tmp_path / "s")) for _ in range(CONNECTIONS_MAX - 1)]
        stalled = await stack.enter_async_context(greeted(tmp_path / "s"))
        await stalled.say(b'{"op": "snapshot", "id": 1}\n')
        await anyio.wait_all_tasks_blocked()
        client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        with pytest.raises(ConnectionError):
            await stalled.read()
        assert (await idle.ask(b'{"op": "events", "id": 1}'))["ok"] == []
        await client.close()


def _seeds(dice: random.Random) -> bytes:
    return dice.choice(
        (
            b'{"op": "snapshot", "id": 1}',
            b'{"op": "events", "id": 2, "after": 3, "limit": 4}',
            b'{"op": "send", "id": 3, "command": "freeze", "arguments": {"grid": "btc", "slot": 4}}',
            b'{"op": "send", "id": 3, "command": "set_speed", "arguments": {"speed": 1e308}}',
            b'{"op": "send", "id": 3, "command": "edit", "arguments": {"grid": "btc", "change": {"size": "7E+2"}}}',
            b'{"op": "preview", "id": 4, "grid": "btc", "change": {"lower": "52000.5", "slots": 40}}',
        )
    )


def _fuzzed(dice: random.Random) -> bytes:
    """A request with some of its bytes changed, cut, doubled, or nothing but noise."""
    line = bytearray(_seeds(dice))
    if dice.random() < 0.2:
        return dice.randbytes(dice.randrange(200))
    for _ in range(dice.randrange(1, 6)):
        place = dice.randrange(len(line) + 1)
        line[place : place + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
    return bytes(line) * dice.choice((1, 1, 1, 2))


async def test_two_thousand_broken_messages_do_no_harm(tmp_path: Path) -> None:
    engine = FakeEngine()
    dice = random.Random(11)
    async with serving(engine, tmp_path / "s"), greeted(tmp_path / "s") as peer:
        for _ in range(2000):
            line = _fuzzed(dice)
            await peer.say(line + b"\n")
            for _ in range(line.count(b"\n") + 1):
                answer = await peer.read()
                assert ("ok" in answer) != ("error" in answer)
        assert (await peer.ask(b'{"op": "events", "id": 9}')) == {"id": 9, "ok": []}
        client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        await client.close()
    assert {type(command).__name__ for command in engine.commands} <= {"Freeze", "SetSpeed", "EditGrid"}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


async def test_the_socket_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    with umask(0):
        async with serving(FakeEngine(), tmp_path / "state" / "control.sock"):
            assert stat.S_IMODE((tmp_path / "state" / "control.sock").stat().st_mode) == 0o600
            assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the mode of the file is set after the bind")
def test_the_socket_file_is_born_narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    bind = socket.socket.bind

    def watched(self: socket.socket, address: str) -> None:
        bind(self, address)
        modes.append(stat.S_IMODE(Path(address).stat().st_mode))

    monkeypatch.setattr(socket.socket, "bind", watched)
    with umask(0):
        listening_socket(tmp_path / "s").close()
    assert modes == [0o600]


async def test_the_socket_is_gone_after_the_server(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"):
        assert (tmp_path / "s").is_socket()
    assert os.listdir(tmp_path) == []


async def test_a_file_that_took_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    async with serving(FakeEngine(), tmp_path / "s"):
        (tmp_path / "s").unlink()
        (tmp_path / "s").write_text("somebody else's")
    assert (tmp_path / "s").read_text() == "somebody else's"


def test_a_symbolic_link_in_the_sockets_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "s").symlink_to(tmp_path / "target")
    with pytest.raises(SettingsInvalid, match="expected a socket or nothing, found a symbolic link"):
        listening_socket(tmp_path / "s")
    assert (tmp_path / "target").read_text() == "kept"


def test_another_file_in_the_sockets_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("kept")
    with pytest.raises(SettingsInvalid, match="expected a socket or nothing, found another file"):
        listening_socket(tmp_path / "s")
    assert (tmp_path / "s").read_text() == "kept"


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(SettingsInvalid, match=r"found mode 0770 \(chmod 700 makes it so\)"):
        listening_socket(tmp_path / "s")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(SettingsInvalid, match="expected a folder of ours"):
        listening_socket(tmp_path / "state" / "s")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_socket_of_another_user_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
    os.chown(tmp_path / "s", 12345, 12345)
    with pytest.raises(SettingsInvalid, match="expected a socket of user 0, found user 12345"):
        listening_socket(tmp_path / "s")


async def test_a_socket_left_by_a_dead_engine_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
        dead.listen()
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        client = await connect(tmp_path / "s")
        await client.send(Pause(grid="btc"))
        await client.close()
    assert engine.commands == [Pause(grid="btc")]


async def test_the_socket_of_a_living_engine_is_never_taken(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with serving(engine, tmp_path / "s"):
        with pytest.raises(SettingsInvalid, match="another engine is running with this state folder"):
            listening_socket(tmp_path / "s")
        client = await connect(tmp_path / "s")
        assert await client.snapshot() == engine.current
        await client.close()


def test_an_engine_too_busy_to_answer_counts_as_living(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, open_address(tmp_path / "s") as address:
        busy.bind(address)
        busy.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(address)
            with pytest.raises(SettingsInvalid, match="another engine is running"):
                listening_socket(tmp_path / "s")


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system cannot tell who the peer is")
async def test_a_peer_of_another_user_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's word on the peer is the only part that is replaced."""
    async with serving(FakeEngine(), tmp_path / "s"):
        stranger = struct.pack("3i", 1, os.geteuid() + 1, 1)
        ask = socket.socket.getsockopt

        def answer(self: socket.socket, level: int, option: int, *size: int) -> int | bytes:
            return stranger if option == socket.SO_PEERCRED else ask(self, level, option, *size)

        monkeypatch.setattr(socket.socket, "getsockopt", answer)
        async with peer_at(tmp_path / "s") as peer:
            with pytest.raises(ConnectionError):
                await peer.read()

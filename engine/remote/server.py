"""The control socket's server: it lets other processes of the same user talk to the engine.

Promises: whatever arrives on the socket, the engine goes on; memory is bounded (one request
and one reply for each of at most ``CONNECTIONS_MAX`` connections, no queue); nobody is waited
for with a clock, so it runs in virtual time too. A reader that is too slow holds up itself
alone, and is dropped when its place is needed.
"""

import socket
import struct
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import count
from os import geteuid
from pathlib import Path
from typing import Protocol

import anyio
from anyio.abc import TaskStatus

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import CommandRefused, EngineStopped, GridwrightError
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot
from engine.remote.address import identity_of, listening_socket, remove_socket
from engine.remote.lines import LineSocket, LineTooLong, accept_lines
from engine.remote.messages import (
    PROTOCOL,
    REQUEST_BYTES_MAX,
    BadRequest,
    ErrorKind,
    EventsRequest,
    Hello,
    PreflightRequest,
    PreviewRequest,
    Request,
    SendRequest,
    SnapshotRequest,
    change_from_body,
    command_from_request,
    encode_line,
    error_line,
    grid_from_request,
    ok_line,
    request_from_line,
)
from engine.version import program_version

CONNECTIONS_MAX = 16
_SHORTAGE_SECONDS = 1.0
"""How long nobody is welcomed when the system has no descriptor or memory for one more."""


class Backend(Protocol):
    """What is served: the asking half of a client of the engine."""

    async def snapshot(self) -> EngineSnapshot:
        """The engine as it is now."""

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The newest events with a number above ``after``."""

    async def send(self, command: Command) -> CommandDone:
        """Do a command."""

    async def preflight(self, grid: str) -> Preflight:
        """The grid as it would be started now."""

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        """What a live edit would do."""


async def serve(backend: Backend, path: Path, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Answer on a unix socket at ``path`` until cancelled; started once it can be connected to.

    Raises:
        SettingsInvalid: the socket cannot be made there.
    """
    server = _Server(backend)
    with listening_socket(path) as listener:
        identity = identity_of(path)
        try:
            async with anyio.create_task_group() as peers:
                task_status.started()
                while True:
                    try:
                        lines = await accept_lines(listener)
                    except OSError:
                        await anyio.sleep(_SHORTAGE_SECONDS)
                        continue
                    peers.start_soon(server.welcome, lines)
        finally:
            remove_socket(path, identity)


class _Connection:
    """One peer. ``is_writing`` while a reply waits for the peer to read."""

    def __init__(self, lines: LineSocket) -> None:
        self.lines = lines
        self.scope = anyio.CancelScope()
        self.is_writing = False

    async def write(self, line: bytes) -> None:
        self.is_writing = True
        await self.lines.write(line)
        self.is_writing = False


class _Server:
    """Invariant: ``_connections`` holds at most ``CONNECTIONS_MAX``, in the order they came."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._connections: dict[int, _Connection] = {}
        self._numbers = count()
        self._hello = encode_line(Hello(gridwright=program_version(), protocol=PROTOCOL))

    async def welcome(self, lines: LineSocket) -> None:
        """Talk to one peer until it leaves."""
        with closing(lines), suppress(ConnectionError):
            if not _is_ours(lines.raw):
                return
            if not self._has_room():
                text = f"expected at most {CONNECTIONS_MAX} connections, found all of them in use"
                await lines.write(error_line(None, ErrorKind.BUSY, text))
                return
            await self._keep(_Connection(lines))

    def _has_room(self) -> bool:
        if len(self._connections) < CONNECTIONS_MAX:
            return True
        for number, connection in self._connections.items():
            if connection.is_writing:
                connection.scope.cancel()
                del self._connections[number]
                return True
        return False

    async def _keep(self, connection: _Connection) -> None:
        number = next(self._numbers)
        self._connections[number] = connection
        try:
            with connection.scope:
                await connection.write(self._hello)
                await self._converse(connection)
        finally:
            self._connections.pop(number, None)

    async def _converse(self, connection: _Connection) -> None:
        while True:
            try:
                line = await connection.lines.read_line(REQUEST_BYTES_MAX)
            except LineTooLong as error:
                await connection.write(error_line(None, ErrorKind.BAD_REQUEST, str(error)))
                return
            await connection.write(await self._reply(line))

    async def _reply(self, line: bytes) -> bytes:
        try:
            request = request_from_line(line)
        except BadRequest as error:
            return error_line(None, ErrorKind.BAD_REQUEST, str(error))
        try:
            return await self._do(request)
        except BadRequest as error:
            kind, text = ErrorKind.BAD_REQUEST, str(error)
        except CommandRefused as error:
            kind, text = ErrorKind.REFUSED, str(error)
        except EngineStopped as error:
            kind, text = ErrorKind.STOPPED, str(error)
        except GridwrightError as error:
            kind, text = ErrorKind.FAILED, str(error)
        except UnicodeEncodeError:
            kind, text = ErrorKind.FAILED, "expected Unicode text in the answer, found something else"
        return error_line(request.id, kind, text.encode(errors="backslashreplace").decode())

    async def _do(self, request: Request) -> bytes:
        match request:
            case SnapshotRequest():
                return ok_line(request.id, await self._backend.snapshot())
            case EventsRequest():
                return ok_line(request.id, list(await self._backend.events(request.after, request.limit)))
            case SendRequest():
                return ok_line(request.id, await self._backend.send(command_from_request(request)))
            case PreflightRequest():
                return ok_line(request.id, await self._backend.preflight(grid_from_request(request)))
            case PreviewRequest():
                grid, change = grid_from_request(request), change_from_body(request.change)
                return ok_line(request.id, await self._backend.preview(grid, change))


def _is_ours(raw: socket.socket) -> bool:
    """Whether the peer runs as our user; where the system cannot tell, the socket's mode has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == geteuid())

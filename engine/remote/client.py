"""A client of an engine in another process, over its control socket.

Requests may be made at the same time: each takes a connection of its own from those that
are idle, or opens one, so a slow command holds up no snapshot, and a request that is
cancelled half way takes only its own connection with it.
"""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

import anyio
import msgspec

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import CommandRefused, EngineStopped, GridwrightError
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot
from engine.remote.address import open_address
from engine.remote.lines import LineSocket, LineTooLong, connect_lines
from engine.remote.messages import (
    EVENTS_MAX,
    PROTOCOL,
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    ErrorBody,
    ErrorKind,
    EventsRequest,
    Hello,
    PreflightRequest,
    PreviewRequest,
    Request,
    SnapshotRequest,
    body_from_change,
    done_from_raw,
    encode_line,
    events_from_raw,
    hello_from_line,
    preflight_from_raw,
    preview_from_raw,
    reply_from_line,
    send_request,
    snapshot_from_raw,
)

HELLO_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
COMMAND_SECONDS_MAX = 120.0

T = TypeVar("T")


async def connect(path: Path) -> "RemoteClient":
    """A client of the engine whose control socket lies at ``path``.

    Raises:
        EngineStopped: no socket is there, nobody answers, or it speaks another version.
    """
    channel = await _Channel.open(path)
    return RemoteClient(path, channel)


class RemoteClient:
    """The engine's client interface over a unix socket; ``version`` is the engine's program version.

    Every request raises ``EngineStopped`` when the engine has gone or does not answer in time.
    """

    def __init__(self, path: Path, channel: "_Channel") -> None:
        self.version = channel.hello.gridwright
        self._path = path
        self._idle = [channel]
        self._numbers = count(1)

    async def snapshot(self) -> EngineSnapshot:
        """The engine as it is now."""
        request = SnapshotRequest(id=next(self._numbers))
        return await self._ask(request, snapshot_from_raw, ANSWER_SECONDS_MAX)

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The newest events with a number above ``after``, oldest first, at most ``limit`` (and 1000)."""
        request = EventsRequest(id=next(self._numbers), after=max(after, -1), limit=min(limit, EVENTS_MAX))
        return await self._ask(request, events_from_raw, ANSWER_SECONDS_MAX)

    async def send(self, command: Command) -> CommandDone:
        """Do a command. Raises ``CommandRefused``; after a silence it may still be carried out."""
        return await self._ask(send_request(next(self._numbers), command), done_from_raw, COMMAND_SECONDS_MAX)

    async def preflight(self, grid: str) -> Preflight:
        """The grid as it would be started now. Raises ``CommandRefused``."""
        request = PreflightRequest(id=next(self._numbers), grid=grid)
        return await self._ask(request, preflight_from_raw, ANSWER_SECONDS_MAX)

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        """What a live edit would do; nothing happens. Raises ``CommandRefused``."""
        request = PreviewRequest(id=next(self._numbers), grid=grid, change=body_from_change(change))
        return await self._ask(request, preview_from_raw, ANSWER_SECONDS_MAX)

    async def close(self) -> None:
        """Leave; the engine goes on."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, request: Request, read: Callable[[msgspec.Raw], T], seconds_max: float) -> T:
        channel = self._idle.pop() if self._idle else await _Channel.open(self._path)
        is_in_step = False
        try:
            with anyio.fail_after(seconds_max):
                line = await channel.exchange(encode_line(request))
            result = _result(line, request.id, read)
            is_in_step = True
        except TimeoutError:
            text = f"{self._path}: expected an answer within {seconds_max:g} seconds, found none"
            raise EngineStopped(text) from None
        except GridwrightError:
            is_in_step = True
            raise
        except ConnectionError:
            raise EngineStopped(f"{self._path}: the engine has ended") from None
        except (OSError, ValueError) as error:
            raise EngineStopped(f"{self._path}: expected an answer of the engine, found: {error}") from error
        finally:
            if is_in_step:
                self._idle.append(channel)
            else:
                channel.close()
        return result


class _Channel:
    """One connection; one request at a time."""

    def __init__(self, lines: LineSocket, hello: Hello) -> None:
        self.hello = hello
        self._lines = lines

    @classmethod
    async def open(cls, path: Path) -> "_Channel":
        """Connect and read the greeting. Raises ``EngineStopped``."""
        try:
            with open_address(path) as address:
                with anyio.fail_after(HELLO_SECONDS_MAX):
                    lines = await connect_lines(address)
        except (FileNotFoundError, NotADirectoryError):
            raise EngineStopped(f"no engine is running: there is no socket at {path}") from None
        except ConnectionRefusedError:
            raise EngineStopped(f"no engine is running: nobody answers on the socket at {path}") from None
        except (OSError, TimeoutError) as error:
            raise EngineStopped(f"no engine can be reached on the socket at {path}: {error}") from None
        channel = None
        try:
            channel = await cls._greeted(lines, path)
        finally:
            if channel is None:
                lines.close()
        return channel

    @classmethod
    async def _greeted(cls, lines: LineSocket, path: Path) -> "_Channel":
        try:
            with anyio.fail_after(HELLO_SECONDS_MAX):
                line = await lines.read_line(REQUEST_BYTES_MAX)
        except TimeoutError:
            raise EngineStopped(
                f"{path}: expected a greeting within {HELLO_SECONDS_MAX:g} seconds, found silence"
            ) from None
        except ConnectionError:
            raise EngineStopped(f"{path}: the engine closed the connection") from None
        except LineTooLong:
            raise EngineStopped(_refusal(b"", path)) from None
        try:
            hello = hello_from_line(line)
        except ValueError:
            raise EngineStopped(_refusal(line, path)) from None
        if hello.protocol != PROTOCOL:
            raise EngineStopped(
                f"{path}: expected an engine with protocol {PROTOCOL}, found {hello.protocol}"
                f" (gridwright {hello.gridwright}); use the program of that version"
            )
        return cls(lines, hello)

    async def exchange(self, line: bytes) -> bytes:
        """Send one line and wait for one."""
        await self._lines.write(line)
        return await self._lines.read_line(REPLY_BYTES_MAX)

    def close(self) -> None:
        self._lines.close()


def _refusal(line: bytes, path: Path) -> str:
    try:
        error = reply_from_line(line).error
    except ValueError:
        error = None
    found = "something else" if error is None else error.message
    return f"{path}: expected a gridwright engine, found {found}"


def _result(line: bytes, request_id: int, read: Callable[[msgspec.Raw], T]) -> T:
    reply = reply_from_line(line)
    if reply.error is not None:
        raise _error(reply.error)
    if reply.id != request_id:
        raise ValueError(f"expected the reply to request {request_id}, found {reply.id}")
    return read(reply.ok)


def _error(error: ErrorBody) -> GridwrightError:
    kind = error.kind
    match kind:
        case ErrorKind.REFUSED | ErrorKind.BAD_REQUEST:
            return CommandRefused(error.message)
        case ErrorKind.STOPPED | ErrorKind.BUSY:
            return EngineStopped(error.message)
        case ErrorKind.FAILED:
            return GridwrightError(error.message)

"""Lines over a unix socket, with backpressure and a limit, on any event loop.

anyio's own streams for unix sockets complain to the loop when a task that waits for data is
cancelled in the very moment the data comes (anyio 4.14 to 4.16, asyncio); its ``wait_readable``
does not, so the sockets are read and written here.
"""

import socket

import anyio
from anyio.lowlevel import checkpoint

_CHUNK_BYTES = 256 * 1024
_RETRY_SECONDS = 0.05


class LineTooLong(ValueError):
    """The peer sent more than the limit without ending the line."""


async def connect_lines(address: str) -> "LineSocket":
    """Connect to a listening unix socket; waits while its backlog is full. Raises ``OSError``."""
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    is_connected = False
    try:
        raw.setblocking(False)
        while not is_connected:
            try:
                raw.connect(address)
                is_connected = True
            except BlockingIOError:
                await anyio.sleep(_RETRY_SECONDS)
    finally:
        if not is_connected:
            raw.close()
    return LineSocket(raw)


async def accept_lines(listener: socket.socket) -> "LineSocket":
    """The next connection of a listening socket that does not block. Raises ``OSError``."""
    while True:
        await checkpoint()
        try:
            raw, _ = listener.accept()
        except BlockingIOError:
            await anyio.wait_readable(listener)
            continue
        raw.setblocking(False)
        return LineSocket(raw)


class LineSocket:
    """One connection, read by one task and written by one task. Owns the socket.

    Invariant: at most one line and one chunk are held.
    """

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self._held = bytearray()

    async def read_line(self, bytes_max: int) -> bytes:
        """The next line without its end.

        Raises:
            LineTooLong: there are ``bytes_max`` bytes and no end.
            ConnectionError: the peer has gone.
        """
        searched = 0
        while True:
            end = self._held.find(b"\n", searched)
            if end > bytes_max or (end < 0 and len(self._held) > bytes_max):
                raise LineTooLong(f"expected a line of at most {bytes_max} bytes, found a longer one")
            if end >= 0:
                line = bytes(self._held[:end])
                del self._held[: end + 1]
                return line
            searched = len(self._held)
            self._held += await self._receive()

    async def write(self, data: bytes) -> None:
        """Hand all of ``data`` to the system, as fast as the peer reads. Raises ``ConnectionError``."""
        rest = memoryview(data)
        while rest:
            await checkpoint()
            try:
                rest = rest[self.raw.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self.raw)

    def close(self) -> None:
        """Leave; nobody may be waiting on it."""
        self.raw.close()

    async def _receive(self) -> bytes:
        while True:
            await checkpoint()
            try:
                data = self.raw.recv(_CHUNK_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self.raw)
                continue
            if not data:
                raise ConnectionResetError("the peer has closed the connection")
            return data

"""The real program beside a loopback exchange that is served on the test's own loop."""

import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import tomli_w
from anyio.abc import Process
from anyio.streams.tls import TLSListener

from tests.canary import PLANTED_NAME
from tests.loopback.scene import wall_ms
from tests.loopback.server import LoopbackServer
from tests.program import GRID, TOP, Outcome

SECONDS_MAX = 60


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms


class Outside:
    """A folder with a configuration that names an exchange, and the program run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.environment: dict[str, str] = {}

    def configure(self, mode: str, exchange: dict[str, Any], *, grid: str = GRID) -> None:
        """Write ``my.toml``."""
        tables = {"engine": {"mode": mode}, "exchange": exchange}
        (self.folder / "my.toml").write_text(tomli_w.dumps(tables) + grid)

    def plant_keys(self, api_key: str, secret: str) -> str:
        """A file of keys as it should be, as the configuration names it."""
        path = self.folder / PLANTED_NAME
        path.write_text(f'api_key = "{api_key}"\nsecret = "{secret}"\n')
        path.chmod(0o600)
        return f"file:{path}"

    async def run(self, *words: str) -> Outcome:
        """Run the program to its end."""
        with anyio.fail_after(SECONDS_MAX):
            done = await anyio.run_process(
                self._command(words), cwd=self.folder, env=self._around(), check=False, input=b""
            )
        return Outcome(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    @asynccontextmanager
    async def started(self, *words: str) -> AsyncIterator[Process]:
        """Run the program beside the test; killed if the test has not ended it."""
        async with await anyio.open_process(self._command(words), cwd=self.folder, env=self._around()) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    def _command(self, words: tuple[str, ...]) -> list[str]:
        places = ["--config", "my.toml", "--state-dir", str(self.state)]
        return [sys.executable, "-m", "tui.main", *places, *words]

    def _around(self) -> dict[str, str]:
        own = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg"), "PYTHONPATH": str(TOP)}
        return {**os.environ, **own, **self.environment}


def exchange_of(server: LoopbackServer, **more: object) -> dict[str, Any]:
    """The ``[exchange]`` of a configuration that trades on this server."""
    return {"id": server.protocol.name, "ccxt": server.ccxt_options(), **more}


def minutes_ago(count: int, now_ms: int | None = None) -> int:
    """The beginning of the minute so many minutes before the present one."""
    minute = int(timedelta(minutes=1).total_seconds() * 1000)
    now = wall_ms() if now_ms is None else now_ms
    return (now // minute - count) * minute


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def self_signed(folder: Path) -> AsyncIterator[int]:
    """Somebody who shows a certificate of his own making."""
    certificate, key = folder / "own.pem", folder / "own.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    await anyio.run_process([*request, "-keyout", str(key), "-out", str(certificate)])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        secured = TLSListener(listener, context, standard_compatible=False)
        tasks.start_soon(secured.serve, _hang_up)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def _hang_up(stream: anyio.abc.AnyByteStream) -> None:
    await stream.aclose()

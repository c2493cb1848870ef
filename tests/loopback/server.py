"""The loopback exchange as a server on this machine: HTTP and WebSocket, one protocol, one account, every fault.

``async with loopback("binance") as server:`` serves until the block ends; what went wrong inside the server itself
is raised there. ``server.venue`` is the truth, ``server.faults`` the switches, ``server.requests`` and
``server.told`` the logs of what came and of every private report.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import anyio
from aiohttp import WSMsgType, web
from anyio.abc import TaskGroup

from tests.loopback.control import obey
from tests.loopback.desk import Desk
from tests.loopback.faults import Faults
from tests.loopback.scene import DEFAULT_BALANCES, default_markets, open_markets, options_of, wall_ms
from tests.loopback.streams import TOLD_MAX, StreamSocket, Told
from tests.loopback.venue import Venue, VenueMarket, VenueOptions
from tests.loopback.wire import Call, Logged, Permissions, WireProtocol

API_KEY = "loopbackKEY7c1f0a9e5b3d24680ACEGIKMOQSUWYbdfhjlnprtvxz135790aceg"
SECRET = "loopbackSECRET9d8e7f6a5b4c3d2e1f0ZYXWVUTSRQPONMLKJIHGFEDCBA0246"
REQUESTS_MAX = 200_000


class LoopbackServer:
    """One running exchange. Everything happens on the loop that opened it.

    Invariant: ``errors`` is empty, or the block that opened the server ends with them.
    """

    def __init__(
        self,
        protocol: str,
        *,
        markets: Iterable[VenueMarket],
        balances: dict[str, Decimal],
        clock_ms: Callable[[], int],
        options: VenueOptions,
        seed: int,
    ) -> None:
        """Not serving yet."""
        self.faults = Faults(seed)
        self.clock_ms = clock_ms
        self.venue = Venue(markets, balances, self.now_ms, options=options, seed=seed)
        self.api_key = API_KEY
        self.secret = SECRET
        self.permissions = Permissions()
        self.requests: deque[Logged] = deque(maxlen=REQUESTS_MAX)
        self.told: deque[Told] = deque(maxlen=TOLD_MAX)
        self.sockets: dict[int, StreamSocket] = {}
        self.errors: list[Exception] = []
        self.port = 0
        self.protocol: WireProtocol = _protocol(protocol, self)
        self.venue.listeners += [self.protocol.told, lambda _: self.notify()]
        self._desk = Desk(self)
        self._tasks: TaskGroup | None = None
        self._changed = anyio.Event()
        self._open: dict[int, web.WebSocketResponse] = {}
        self._transports: dict[int, asyncio.Transport] = {}
        self._sockets_opened = 0

    def now_ms(self) -> int:
        """The exchange's clock: ours and the skew."""
        return self.clock_ms() + self.faults.skew_ms

    @property
    def http(self) -> str:
        """The base address of the requests."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """The base address of the streams."""
        return f"ws://127.0.0.1:{self.port}"

    def ccxt_options(self) -> dict[str, Any]:
        """What the unmodified ccxt client is constructed with to speak to this server; keys apart."""
        return self.protocol.ccxt_options(self.http, self.ws)

    def ccxt_keys(self) -> dict[str, str]:
        """The keys, for the same constructor."""
        return {"apiKey": self.api_key, "secret": self.secret}

    async def until(self, condition: Callable[[], bool], seconds: float = 5) -> None:
        """Wait until something is so; asked again whenever anything happened here.

        Raises:
            TimeoutError: it was not so for so many seconds.
        """
        with anyio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    def notify(self) -> None:
        """Something happened."""
        self._changed.set()
        self._changed = anyio.Event()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Call something after so many seconds; never after the server has ended."""
        assert self._tasks is not None
        self._tasks.start_soon(self._wait_and_do, seconds, do)

    def cut(self) -> None:
        """Break every stream now, without a word."""
        self.faults.count("cut")
        for transport in list(self._transports.values()):
            transport.abort()

    def disconnect(self) -> None:
        """Close every stream now, with a closing frame."""
        self.faults.count("disconnect")
        assert self._tasks is not None
        for socket in list(self._open.values()):
            self._tasks.start_soon(socket.close)

    def tear(self, text: str = '{"stream": "btcusdt@trade", "data": {"e": "tra') -> None:
        """Send half a message, or any other text, on every stream now."""
        for socket in list(self.sockets.values()):
            socket.send_torn(text)

    # --- serving ---------------------------------------------------------------------------------------

    async def serve(self, tasks: TaskGroup, port: int) -> web.AppRunner:
        """Listen; the runner must be cleaned up."""
        self._tasks = tasks
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/_control", self._control)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.port = runner.addresses[0][1]
        return runner

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._converse(request)
            call = await self._read(request)
            line = Logged(
                name=call.name,
                method=call.method,
                path=call.path,
                params=call.params,
                at_ms=self.now_ms(),
                weight=self.protocol.weight(call),
                headers=call.headers,
            )
            self.requests.append(line)
            return await self._desk.serve(request, call, line)
        except Exception as error:  # noqa: BLE001 - a mistake of the server must end the test, not look like a fault
            self.errors.append(error)
            return web.Response(status=500, text=f"the loopback server failed: {error!r}")
        finally:
            self.notify()

    async def _read(self, request: web.Request) -> Call:
        body = (await request.read()).decode()
        params = dict(parse_qsl(request.query_string, keep_blank_values=True))
        if body.startswith("{"):
            params.update({key: _text(value) for key, value in json.loads(body).items()})
        else:
            params.update(parse_qsl(body, keep_blank_values=True))
        return Call(
            name=self.protocol.request_name(request.method, request.path, params),
            method=request.method,
            path=request.path,
            params=params,
            query=request.rel_url.raw_query_string,
            body=body,
            headers={key.lower(): value for key, value in request.headers.items()},
        )

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if self.now_ms() < self.faults.refuse_until_ms:
            self.faults.count("refused_connection")
            return web.Response(status=503)
        stream = web.WebSocketResponse(compress=False)
        await stream.prepare(request)
        self._sockets_opened += 1
        socket = StreamSocket(
            socket_id=self._sockets_opened,
            path=request.path,
            faults=self.faults,
            now_ms=self.now_ms,
            later=self.later,
            log=self.told,
        )
        self.sockets[socket.socket_id], self._open[socket.socket_id] = socket, stream
        if request.transport is not None:
            self._transports[socket.socket_id] = request.transport
        self.notify()
        try:
            await self._exchange(socket, stream)
        finally:
            for kept in (self.sockets, self._open, self._transports):
                kept.pop(socket.socket_id, None)
            socket.close()
        return stream

    async def _exchange(self, socket: StreamSocket, stream: web.WebSocketResponse) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, socket, stream)
            with suppress(ConnectionResetError):  # a ping that comes while the stream is cut cannot be answered
                async for message in stream:
                    if message.type is WSMsgType.TEXT:
                        self.protocol.heard(socket, json.loads(message.data))
                        self.notify()
            tasks.cancel_scope.cancel()

    async def _control(self, request: web.Request) -> web.Response:
        return web.json_response(obey(self, await request.json()))

    async def _wait_and_do(self, seconds: float, do: Callable[[], None]) -> None:
        await anyio.sleep(seconds)
        do()
        self.notify()

    def end(self) -> None:
        """Cut what is open. Raises what went wrong inside the server."""
        self.cut()
        if self.errors:
            raise ExceptionGroup("the loopback server failed", self.errors)


@asynccontextmanager
async def loopback(
    protocol: str,
    *,
    markets: Iterable[VenueMarket] | None = None,
    balances: dict[str, Decimal] | None = None,
    clock_ms: Callable[[], int] = wall_ms,
    options: VenueOptions | None = None,
    seed: int = 0,
    port: int = 0,
) -> AsyncIterator[LoopbackServer]:
    """Serve one exchange on this loop until the block ends; ``protocol`` is ``binance`` or ``bybit``.

    Every market has printed once, so that it has a price. Raises what went wrong inside the server.
    """
    server = LoopbackServer(
        protocol,
        markets=default_markets(protocol) if markets is None else markets,
        balances=dict(DEFAULT_BALANCES if balances is None else balances),
        clock_ms=clock_ms,
        options=options or options_of(protocol),
        seed=seed,
    )
    open_markets(server.venue)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        runner = await server.serve(tasks, port)
        try:
            yield server
        except Exception as error:  # noqa: BLE001 - raised below as it is, not as a group of one
            failure = error
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                server.cut()
                await runner.cleanup()
    if failure is not None:
        raise failure
    server.end()


async def _pump(socket: StreamSocket, stream: web.WebSocketResponse) -> None:
    async for text in socket.outgoing:
        if stream.closed:
            return
        try:
            await stream.send_str(text)
        except ConnectionResetError:
            return


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _protocol(name: str, server: LoopbackServer) -> WireProtocol:
    if name == "binance":
        from tests.loopback.binance import BinanceSpot

        return BinanceSpot(server)
    if name == "bybit":
        from tests.loopback.bybit import Bybit

        return Bybit(server)
    raise ValueError(f"expected 'binance' or 'bybit', found {name!r}")

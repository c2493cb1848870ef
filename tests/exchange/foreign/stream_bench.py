"""The streams of a real client on a loopback exchange, with a listener that can be waited for, and quick clocks."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from engine.exchange.foreign.exchange import CcxtExchange
from engine.exchange.foreign.streams import connections, price_stream, private_watch, streams
from engine.model.order import OrderReport
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from tests.exchange.simulated_builders import Diary
from tests.live.bench import an_exchange
from tests.loopback.server import LoopbackServer
from tests.loopback.venue import NewOrder, Side

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
PROTOCOLS = ["binance", "bybit"]
UP, DOWN = Connection.CONNECTED, Connection.DISCONNECTED


class Ear(Diary):
    """A diary that somebody may wait at."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], object], seconds: float = 8) -> None:
        """Wait until something is so. Raises ``TimeoutError``."""
        with anyio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    async def until_up(self, times: int) -> None:
        """Wait until the streams have been whole so often. Raises ``TimeoutError``."""
        await self.until(lambda: self.states.count(UP) >= times)

    async def until_price(self, price: int) -> None:
        """Wait until this is the newest price. Raises ``TimeoutError``."""
        await self.until(lambda: D(self.prices[-1][1]) == price)

    @property
    def states(self) -> list[Connection]:
        """Every state of the connection, in order."""
        return [state for _, state in self.connections]

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        super().on_price(symbol, price, at_ms)
        self._wake()

    def on_report(self, report: OrderReport) -> None:
        super().on_report(report)
        self._wake()

    def on_connection(self, connection: Connection) -> None:
        super().on_connection(connection)
        self._wake()

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        super().on_candle(symbol, interval_ms, candle, is_closed)
        self._wake()

    def on_notice(self, text: str, level: EventLevel) -> None:
        super().on_notice(text, level)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short; nothing else is different."""
    monkeypatch.setattr(private_watch, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(private_watch, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(private_watch, "_FIRST_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(private_watch, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(private_watch, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(private_watch, "STALE_SECONDS", 0.3)
    monkeypatch.setattr(private_watch, "GRACE_MS", 0)
    monkeypatch.setattr(price_stream, "QUIET_MS", 200)
    monkeypatch.setattr(price_stream, "STALE_SECONDS", 0.3)
    monkeypatch.setattr(price_stream, "_SAME_MS", 0)
    monkeypatch.setattr(price_stream, "_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(price_stream, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(streams, "_BACK_OFF_SECONDS", (0.02,))
    monkeypatch.setattr(connections, "CLOSE_SECONDS_MAX", 0.5)


@asynccontextmanager
async def opened(server: LoopbackServer, **lacks: bool) -> AsyncIterator[CcxtExchange]:
    """An exchange that is open and not yet streaming; ``lacks`` are what its client says that it has."""
    exchange = an_exchange(server, [SYMBOL])
    client = client_of(exchange)
    client.has = {**client.has, **lacks}
    client.timeout_on_exit = 0
    await exchange.open()
    try:
        yield exchange
    finally:
        await exchange.close()


@asynccontextmanager
async def streaming(exchange: CcxtExchange) -> AsyncIterator[Ear]:
    """What a listener hears from when every stream is there until the block ends."""
    ear = Ear()
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            await tasks.start(exchange.run, ear)
        try:
            yield ear
        except Exception as error:  # noqa: BLE001 - raised below as it is, not as a group of one
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


@contextmanager
def nothing_unhandled() -> Iterator[list[dict[str, Any]]]:
    """Nothing reaches the last handler of the loop: no failed callback, no error that nobody fetched."""
    loop = asyncio.get_running_loop()
    found: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: found.append(context))
    try:
        yield found
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert found == []


def client_of(exchange: CcxtExchange) -> Any:
    """The library's client under an exchange."""
    return exchange._client


def place(server: LoopbackServer, client_id: str, price: str = "59000") -> None:
    """A limit buy of a thousandth by the account's owner."""
    order = NewOrder(market=MARKET, side=Side.BUY, amount=D("0.001"), price=D(price), client_id=client_id)
    server.venue.place(order)


def private_sockets(server: LoopbackServer) -> int:
    """On how many streams the account is told of."""
    return sum(bool(socket.accounts) for socket in server.sockets.values())


def public_sockets(server: LoopbackServer) -> int:
    """On how many streams the market is told of."""
    return sum(bool(socket.topics) for socket in server.sockets.values())


def trade_ids(ear: Ear) -> list[str]:
    """The executions that were told, each as often as it was."""
    return [fill.trade_id for _, report in ear.reports for fill in report.fills]

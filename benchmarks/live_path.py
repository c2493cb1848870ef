"""From a fill on the stream to the counter order's signed request on the wire: the engine, and the library alone.

The same loopback exchange, the same library, the same fills, one after the other in the same run. The clock starts
when the exchange trades and stops when the request has arrived there, so both ways of the wire are in it, alike.
"""

import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import anyio

from benchmarks.table import Row, Unit
from engine.runtime.clock import run_on
from engine.runtime.journal import Journal, MemoryJournal
from engine.runtime.journal_file import open_journal
from tests.live.bench import CLOCK, a_live_spec, started, trading
from tests.loopback.faults import RequestName
from tests.loopback.server import LoopbackServer, loopback

MARKET, SYMBOL = "BTCUSDT", "BTC/USDT"
LOW, HIGH = Decimal(59_695), Decimal(60_005)
ROUNDS, WARM_UP = 60, 6
_PAUSE_SECONDS = 0.26
"""The account's budget of orders lets no more than four a second through."""
_ADDED_MS_MAX = 1.0


def measure() -> Iterator[Row]:
    """Milliseconds from the trade to the request, and what the engine and its journal add."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = run_on(CLOCK, _library_alone, {})
        bare = run_on(CLOCK, _library_alone, {"enableRateLimit": False})
        in_memory = run_on(CLOCK, _engine, folder, _memory_journal)
        durable = run_on(CLOCK, _engine, folder, open_journal)
    for what, found in (("median", median), ("95 of 100", _p95)):
        base = found(alone)
        against, unit = f"the library alone, {what}", Unit.MILLISECONDS
        allowed = max(base * 1.25, base + _ADDED_MS_MAX)
        value = found(durable)
        yield Row(
            what=f"engine, durable journal, {what}",
            value=value,
            unit=unit,
            yardstick=base,
            against=against,
            target=allowed,
        )
        yield Row(
            what=f"engine, journal in memory, {what}",
            value=found(in_memory),
            unit=unit,
            yardstick=base,
            against=against,
        )
        yield Row(
            what=f"the library alone, its queue off, {what}",
            value=found(bare),
            unit=unit,
            yardstick=base,
            against=against,
        )
        yield Row(what=f"yardstick: the library alone, {what}", value=base, unit=unit)
    yield Row(what="added to the bare library, median", value=median(durable) - median(bare), unit=Unit.MILLISECONDS)
    yield Row(
        what="of it commits to the disk, median", value=median(durable) - median(in_memory), unit=Unit.MILLISECONDS
    )


def _p95(found: list[float]) -> float:
    return quantiles(found, n=20)[-1]


class _Arrivals(deque[Any]):
    """The server's log of requests, which notes the instant of every placement."""

    def __init__(self) -> None:
        super().__init__(maxlen=10_000)
        self.came = anyio.Event()
        self.at = 0.0

    def append(self, line: Any) -> None:
        super().append(line)
        if line.name is RequestName.PLACE:
            self.at = perf_counter()
            self.came.set()


async def _rounds(server: LoopbackServer, is_ready: Callable[[], bool]) -> list[float]:
    """Trade down and up through one slot, and wait each time for the counter order."""
    arrivals = _Arrivals()
    server.requests = arrivals
    found: list[float] = []
    for number in range(ROUNDS + WARM_UP):
        with anyio.fail_after(10):
            while not is_ready():  # noqa: ASYNC110 - the exchange tells nobody
                await anyio.sleep(0.005)
        await anyio.sleep(_PAUSE_SECONDS)
        arrivals.came = anyio.Event()
        begun = perf_counter()
        server.venue.print_trade(MARKET, LOW if number % 2 == 0 else HIGH)
        with anyio.fail_after(10):
            await arrivals.came.wait()
        if number >= WARM_UP:
            found.append((arrivals.at - begun) * 1000)
    return found


async def _library_alone(options: dict[str, Any]) -> list[float]:
    """The least that anybody can do: watch the orders, and answer every fill with the counter order."""
    import ccxt.pro

    async with loopback("binance") as server:
        client = ccxt.pro.binance({**server.ccxt_options(), **server.ccxt_keys(), "newUpdates": True, **options})

        async def place(side: str) -> None:
            price = "59700" if side == "buy" else "60000"
            await client.create_order(SYMBOL, "limit", side, "0.002", price, {"postOnly": True})

        async def answer() -> None:
            while True:
                for order in await client.watch_orders():
                    if order["status"] == "closed":
                        await place("sell" if order["side"] == "buy" else "buy")

        try:
            await client.load_markets()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)
                await anyio.sleep(1.0)
                await place("buy")
                found = await _rounds(server, lambda: len(server.venue.open_orders(MARKET)) == 1)
                tasks.cancel_scope.cancel()
        finally:
            await client.close()
    return found


OpenJournal = Callable[[Path, Any], AbstractAsyncContextManager[Journal]]


@asynccontextmanager
async def _memory_journal(_: Path, identity: Any) -> AsyncIterator[Journal]:
    yield MemoryJournal(identity)


async def _engine(folder: Path, journal: OpenJournal) -> list[float]:
    made = Path(tempfile.mkdtemp(dir=folder))
    async with loopback("binance") as server:
        spec = a_live_spec()
        async with trading(server, made, spec, reconcile_seconds=0, open_journal=journal) as engine:
            await started(engine)
            await anyio.sleep(12.0)  # the first ladder may use up the account's budget of orders
            await engine.wait_quiet()
            expected = len(server.venue.open_orders(MARKET))
            return await _rounds(server, lambda: len(server.venue.open_orders(MARKET)) == expected)

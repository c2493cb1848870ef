"""The journal alone: durable appends by concurrent tasks, rows in batches, replay, and memory."""

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from time import perf_counter

import anyio

from benchmarks.durable_reports import raw_commits_per_second
from benchmarks.table import Row
from benchmarks.timing import rate_of
from engine.model.events import Fact, OrderIntended
from engine.model.order import Leg, Side
from engine.model.slot import NO_LOT
from engine.runtime.facts_codec import Chain, JournalIdentity, first_hash
from engine.runtime.journal import Journal, MemoryJournal
from engine.runtime.journal_file import open_journal

IDENTITY = JournalIdentity(instance="abc", created_ms=0)
FACT: Fact = OrderIntended(
    slot=3,
    client_order_id="gabc00e0030000a1",
    leg=Leg.ENTRY,
    side=Side.BUY,
    price=Decimal("61250.00"),
    amount=Decimal("0.00120"),
    post_only=True,
    dust=NO_LOT,
    price_seen=Decimal("61300.1"),
    reason="the price is above slot 3, which is empty",
)
_AT_MS = 1_700_000_000_000
_APPENDS = {1: 2_000, 10: 1_000, 100: 200}
_CHAINED = 40_000


def measure() -> Iterator[Row]:
    """Appends a second, against commits of one row on the same disk."""
    with tempfile.TemporaryDirectory() as name:
        raw = raw_commits_per_second(Path(name) / "raw.db")
        durable = anyio.run(_durable_rates, Path(name))
    for what, rate in durable.items():
        yield Row(what=what, value=rate, yardstick=raw, against="raw commits of one row")
    memory = anyio.run(_appends_per_second, MemoryJournal(keep=False), 1, _CHAINED, 1)
    encoded = rate_of(_chain, _CHAINED)
    yield Row(what="appends in memory", value=memory, yardstick=encoded, against="facts encoded and hashed")
    yield Row(what="yardstick: facts encoded, proven and hashed", value=encoded)
    yield Row(what="yardstick: raw commits of one row, synchronous=FULL", value=raw)


async def _durable_rates(folder: Path) -> dict[str, float]:
    rates: dict[str, float] = {}
    async with open_journal(folder, IDENTITY) as journal:
        for tasks, appends in _APPENDS.items():
            rates[f"durable appends by {tasks}"] = await _appends_per_second(journal, tasks, appends, 1)
        rates["durable rows, batches of 50"] = 50 * await _appends_per_second(journal, 1, 200, 50)
        start = perf_counter()
        count = sum(1 for _ in journal.records())
        rates["records read back and verified"] = count / (perf_counter() - start)
    return rates


async def _appends_per_second(journal: Journal, tasks: int, appends: int, rows: int) -> float:
    """Rate at which concurrent tasks see their appends return."""

    async def append() -> None:
        for _ in range(appends):
            await journal.append("btc", [FACT] * rows, _AT_MS)

    start = perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(append)
    return tasks * appends / (perf_counter() - start)


def _chain() -> None:
    chain = Chain(0, first_hash(IDENTITY))
    for _ in range(_CHAINED // 50):
        chain.extend("btc", [FACT] * 50, _AT_MS)

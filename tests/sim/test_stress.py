"""Ten tasks, a thousand operations a second each, on one engine in real time with its journal on disk.

Reports, prices, results of questions and commands come from all of them at once. Whatever the
machine achieves: no deadlock, no fill lost or booked twice, no request made under a lock, and books
that balance to the last unit. ``pytest -s`` shows the figures; GRIDWRIGHT_SOAK_SECONDS says how long
the soak lasts.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from engine.core.books import GridBooks
from engine.core.ladder import decide
from engine.model.commands import Command, Freeze, Pause, Resume, Thaw
from engine.model.errors import CommandRefused
from engine.model.events import GridOpened, OrderReported
from engine.model.grid import GridState, InitialPurchase
from engine.model.money import ZERO
from engine.model.slot import order_of
from engine.model.snapshot import EngineState
from engine.runtime.clock import RealClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.engine import Engine
from engine.runtime.journal_file import FileJournal, open_journal
from engine.runtime.locks import LockOrderBroken, LockStatistics
from engine.runtime.rate_budget import AccountRate, RateBudget
from tests.builders import SYMBOL, a_market, a_spec
from tests.sim.busy_exchange import BusyExchange
from tests.sim.engine_builders import IDENTITY, some_settings
from tests.sim.lock_audit import audited
from tests.sim.lock_storm import LagMeter, in_milliseconds

TASKS = 10
OPERATIONS_PER_SECOND = 1_000
SLOTS = 40
QUOTE = Decimal(1_000_000)
MARKET = a_market()
GRID = "main"
START = Decimal(150)
STEPS_MAX = 300
"""Ticks a price may jump; a slot has 250."""
LATE_MAX = 200
"""Reports that may be late before nothing else is reported."""
Record = Callable[[str, object], None]


@audited
class AuditedBusyExchange(BusyExchange):
    """The busy exchange, where a request under a lock fails."""


class Stress:
    """One engine, its exchange, and what was done to it."""

    def __init__(self, engine: Engine, exchange: BusyExchange, journal: FileJournal, dice: Random) -> None:
        self.engine = engine
        self.exchange = exchange
        self.journal = journal
        self.done: Counter[str] = Counter()
        self.seconds = 0.0
        self.lag = LagMeter()
        self._dice = dice
        self._kinds: tuple[tuple[float, str, Callable[[], Awaitable[None]]], ...] = (
            (0.55, "prices", self._price),
            (0.80, "reports", self._report),
            (0.99, "results", self._result),
            (1.00, "commands", self._command),
        )

    @property
    def coordinator(self) -> GridCoordinator:
        return self.engine.coordinators[GRID]

    async def run(self, seconds: float) -> None:
        """All tasks, each on its own schedule, until every operation is done; then all late reports."""
        start = anyio.current_time()
        operations = round(seconds * OPERATIONS_PER_SECOND)
        async with anyio.create_task_group() as beside:
            beside.start_soon(self.lag.run)
            async with anyio.create_task_group() as tasks:
                for _ in range(TASKS):
                    tasks.start_soon(self._work, start, operations)
            beside.cancel_scope.cancel()
        self.seconds = anyio.current_time() - start
        if self.coordinator.books.state is not GridState.RUNNING:
            await self.engine.command(Resume(grid=GRID), by="stress")
        await self.engine.wait_quiet()
        while self.exchange.late:
            self.exchange.deliver_late()
            await self.engine.wait_quiet()

    async def _work(self, start: float, operations: int) -> None:
        for number in range(operations):
            await self._operate()
            await checkpoint()
            due = start + (number + 1) / OPERATIONS_PER_SECOND
            if anyio.current_time() < due:
                await anyio.sleep_until(due)

    async def _operate(self) -> None:
        thrown = self._dice.random()
        for below, kind, operate in self._kinds:
            if thrown < below:
                self.done[kind] += 1
                await operate()
                return

    async def _price(self) -> None:
        """Mostly a tick away; often through a level or two, and rather back to the middle than away."""
        price = self.exchange.price
        steps = STEPS_MAX if self._dice.random() < 0.2 else 1
        down, up = (steps, steps * 3 // 4) if price > START else (steps * 3 // 4, steps)
        self.exchange.trade(price + self._dice.randint(-down, up) * MARKET.tick_size)

    async def _report(self) -> None:
        """Something that is late, or something told before, again."""
        if len(self.exchange.late) > LATE_MAX or self._dice.random() < 0.4:
            self.exchange.deliver_late()
        else:
            self.exchange.tell_again()

    async def _result(self) -> None:
        """What a question about an order brings: half of it by the engine's own way, half beside it."""
        report = self.exchange.known_order()
        if report is None:
            return
        if self._dice.random() < 0.5:
            self.engine._executor.ask(SYMBOL, report.client_order_id)
        else:
            if await self.coordinator.apply_reports([report]):
                await self.coordinator.decide()

    async def _command(self) -> None:
        wanted: Command
        if self.coordinator.books.state is not GridState.RUNNING:
            wanted = Resume(grid=GRID)
        elif self._dice.random() < 0.05:
            wanted = Pause(grid=GRID)
        else:
            thaws = [Thaw(grid=GRID, slot=slot) for slot in self._frozen()]
            freeze = Freeze(grid=GRID, slot=self._dice.randrange(SLOTS))
            choices: list[Command] = [freeze, *thaws]
            wanted = self._dice.choice(choices)
        try:
            await self.engine.command(wanted, by="stress")
        except CommandRefused:
            self.done["commands refused"] += 1

    def _frozen(self) -> list[int]:
        return [slot.index for slot in self.coordinator.books.slots if slot.freeze_reason is not None]

    def figures(self) -> dict[str, str]:
        """What was done and achieved, in words."""
        manager, slots = self.coordinator.manager.locks.statistics()
        operations = sum(self.done[kind] for _, kind, _ in self._kinds)
        journal = self.journal.statistics()
        return {
            "operations": ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.done.items())),
            "operations/s": f"{operations / self.seconds:,.0f} of {TASKS * OPERATIONS_PER_SECOND:,} wanted",
            "fills": f"{self.exchange.fills:,}, {self.exchange.fills / self.seconds:,.0f}/s",
            "journal": f"{journal.records:,} records in {journal.commits:,} commits, "
            f"{journal.records / self.seconds:,.0f} records/s",
            "loop lag": in_milliseconds(self.lag.lags),
            "locks": "; ".join(map(_in_words, (manager, slots, self.engine._gate.lock.statistics()))),
        }


def _in_words(lock: LockStatistics) -> str:
    held, waited = lock.held_seconds_max * 1000, lock.waited_seconds_max * 1000
    return (
        f"{lock.name} taken {lock.acquired:,}, waited {lock.waited:,} for at most {waited:.1f} ms, "
        f"held at most {held:.1f} ms"
    )


@asynccontextmanager
async def stressed(folder: Path, seed: int) -> AsyncIterator[Stress]:
    """A started engine on a fresh journal, closed at the end; its rate budget never makes it wait."""
    clock, dice = RealClock(), Random(seed)
    spec = a_spec(slots=SLOTS, window=SLOTS, initial_purchase=InitialPurchase.LIMIT)
    exchange = AuditedBusyExchange(MARKET, quote=QUOTE, price=START, clock=clock, dice=dice)
    async with open_journal(folder, IDENTITY) as journal:
        engine = Engine(some_settings(spec), clock=clock, exchange=exchange, journal=journal)
        engine._executor._budget = RateBudget(clock, AccountRate(orders_max=1_000_000, requests_max=2_000_000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await engine.wait_started()
            yield Stress(engine, exchange, journal, dice)
            engine.close()


def assert_nothing_was_lost(stress: Stress) -> None:
    """Every fill booked once, the account explained, one order a slot, nothing left undone at the last
    price, and the journal tells the same."""
    books, exchange = stress.coordinator.books, stress.exchange
    assert (stress.engine.state, stress.engine.state_reason) == (
        EngineState.RUNNING,
        "every configured part has reported in",
    )
    ledger = books.ledger
    assert books.profit(exchange.price).residual == 0
    assert ledger.base == exchange.change(MARKET.base, ZERO)
    assert ledger.cash == exchange.change(MARKET.quote, QUOTE)
    assert ledger.base == ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO)
    orders = [order for order in map(order_of, books.slots) if order is not None]
    assert sorted(order.client_order_id for order in orders) == sorted(exchange.open_ids)
    assert decide(stress.coordinator.manager.view(), exchange.price).actions == ()
    again, bookings = refolded(stress.journal)
    assert bookings == exchange.fills
    assert again.slots == books.slots
    assert again.ledger == ledger


def refolded(journal: FileJournal) -> tuple[GridBooks, int]:
    """The books as the journal alone tells them, and how many fills it books."""
    records = iter(journal.records())
    opened = next(records).fact
    assert isinstance(opened, GridOpened)
    books, bookings = GridBooks(opened), 0
    for record in records:
        fact = record.fact
        if isinstance(fact, OrderReported):
            change = books.foresee(books.slots[fact.slot], fact.report)
            assert change is not None
            bookings += len(change.bookings)
        books.apply(fact, record.at_ms)
    return books, bookings


async def stress_and_check(folder: Path, record: Record, *, seconds: float, seed: int) -> None:
    """The whole of it; a deadlock ends in ``TimeoutError``, not in waiting for ever."""
    with anyio.fail_after(10 * seconds + 60):
        async with stressed(folder, seed) as stress:
            await stress.run(seconds)
            assert_nothing_was_lost(stress)
            for name, figure in stress.figures().items():
                record(name, figure)
                print(f"\n{name}: {figure}", end="")


async def test_ten_busy_tasks_lose_nothing(tmp_path: Path, record_property: Record) -> None:
    """seed-000, mm-008: slots and order index change together, under load, and the state is compared."""
    await stress_and_check(tmp_path, record_property, seconds=5, seed=7)


@pytest.mark.soak
async def test_ten_busy_tasks_lose_nothing_in_minutes(tmp_path: Path, record_property: Record) -> None:
    seconds = float(os.environ.get("GRIDWRIGHT_SOAK_SECONDS", "600"))
    await stress_and_check(tmp_path, record_property, seconds=seconds, seed=11)


async def test_a_busy_task_that_takes_locks_out_of_order_is_refused_at_once_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    refused: list[str] = []

    async def take_out_of_order(stress: Stress) -> None:
        locks, journal = stress.coordinator.manager.locks, stress.engine._gate.lock
        for _ in range(100):
            with await locks.hold_slots((5,)):
                waited = locks.manager.waited
                with pytest.raises(LockOrderBroken, match="manager before slot") as manager:
                    await locks.manager.acquire()
                with pytest.raises(LockOrderBroken) as slot:
                    await locks.hold_slots((4,))
                with pytest.raises(LockOrderBroken) as twice:
                    await locks.hold_slots((5,))
                assert locks.manager.waited == waited
            async with journal:
                with pytest.raises(LockOrderBroken) as last:
                    await locks.hold_slots((5,))
            refused.extend(str(caught.value).split(":")[0] for caught in (manager, slot, twice, last))
            await checkpoint()

    with anyio.fail_after(60):
        async with stressed(tmp_path, 3) as stress:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stress.run, 1)
                tasks.start_soon(take_out_of_order, stress)
            assert_nothing_was_lost(stress)
    assert len(refused) == 400

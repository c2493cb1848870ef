"""The whole engine in virtual time, on the simulated exchange and a given list of prices.

A ``Bench`` is one market, one account and one clock; engines come and go on it. Its exchange
counts what arrives and refuses to see two live orders of one slot; ``assert_balanced`` compares
the engine's books with the exchange's to the last unit.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import anyio

from engine.core import ladder
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.port import Exchange
from engine.exchange.prices import PriceSource
from engine.exchange.replay import replay_from_trades
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import Books
from engine.model.events import Fact, LotAdopted, Record
from engine.model.grid import Disposal, GridSpec
from engine.model.ids import key_from_client_order_id
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import OrderReport, OrderRequest
from engine.model.slot import order_of
from engine.model.snapshot import Mode
from engine.runtime.clock import VirtualClock, run_on
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal import Journal, MemoryJournal
from engine.settings import (
    EngineSettings,
    ExchangeSettings,
    FillRule,
    JournalKind,
    MarketOverrides,
    MarketType,
    Settings,
    SimulationSettings,
    Source,
)
from tests.builders import INSTANCE, SYMBOL, Number, a_market, a_spec
from tests.sim.lock_audit import audited

D = Decimal
F = TypeVar("F")
STEP_MS = 60_000
HANGS_AFTER_SECONDS = 100_000_000.0
"""Virtual seconds: a test that waits for what never comes fails at once instead of standing still."""
QUOTE_FEES = a_market(fee_currency=FeeCurrency.QUOTE)
BALANCES = {"BTC": D(0), "USDT": D(100_000)}
IDENTITY = JournalIdentity(instance=INSTANCE, created_ms=0)
Script = Callable[[Engine], Awaitable[None]]


def some_settings(*grids: GridSpec, on_exit: Disposal = Disposal.LEAVE) -> Settings:
    """Settings of a simulation; the bench takes the grids and ``on_exit`` from it, the rest is for show."""
    return Settings(
        engine=EngineSettings(mode=Mode.SIMULATION, state_dir=Path("nowhere"), reconcile_seconds=60.0, on_exit=on_exit),
        exchange=ExchangeSettings(id="binance", market_type=MarketType.SPOT, sandbox=False, keys="keyring", ccxt={}),
        simulation=SimulationSettings(
            source=Source.REPLAY,
            seed=7,
            speed=0.0,
            path=None,
            base=ZERO,
            quote=D(100_000),
            market=MarketOverrides(),
            fill=FillRule.THROUGH,
            latency_ms=25,
            partial_fills=0.0,
            every_tick=False,
            journal=JournalKind.MEMORY,
            start_price=None,
        ),
        grids=grids or (a_spec(),),
        file=None,
    )


def a_path(*prices: Number, step_ms: int = STEP_MS, start_ms: int = 0, symbol: str = SYMBOL) -> PriceSource:
    """One trade at each price, ``step_ms`` apart."""
    return a_timed_path(*((start_ms + index * step_ms, price) for index, price in enumerate(prices)), symbol=symbol)


def a_timed_path(*trades: tuple[int, Number], symbol: str = SYMBOL) -> PriceSource:
    """Trades as (at_ms, price)."""
    exact = [(at_ms, D(price)) for at_ms, price in trades]
    return replay_from_trades(exact, symbol=symbol, tick_size=D("0.01"))


@audited
class AuditedExchange(SimulatedExchange):
    """The simulated exchange, which counts requests on arrival and allows a slot one live order."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.placed: Counter[str] = Counter()
        """Arrived placements by client order id."""
        self.refused: list[str] = []
        """Client order ids that arrived for a slot that already had a live order."""

    @property
    def placed_per_slot_and_leg(self) -> Counter[tuple[int, int, str]]:
        """Arrived placements by grid number, slot and leg."""
        keys = [key_from_client_order_id(name) for name in self.placed.elements()]
        return Counter((key.grid, key.slot, str(key.leg)) for key in keys if key is not None)

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        slots = Counter(map(_slot_of, (request.client_order_id, *self.open_ids(request.symbol))))
        if max(slots.values()) > 1:
            self.refused.append(request.client_order_id)
        self.placed[request.client_order_id] += 1
        return super()._place(request, at_ms)

    def open_ids(self, symbol: str) -> list[str]:
        """Client order ids of the open orders."""
        return list(self.matching._books[symbol].orders)

    def accepted(self, names: Iterable[str]) -> list[OrderReport]:
        """What it says of those of these orders that it has accepted."""
        orders = self.matching._register._orders
        return [orders[name].full_report() for name in names if name in orders]

    def open_order(self, client_order_id: str) -> ExchangeOrder:
        """An open order as the exchange has it."""
        return self.matching._register._orders[client_order_id]


class Bench:
    """One exchange with its market and clock, one journal, and the settings of the engines on it."""

    def __init__(
        self,
        *sources: PriceSource,
        grids: Sequence[GridSpec] = (),
        markets: Iterable[Market] = (QUOTE_FEES,),
        balances: Mapping[str, Decimal] = BALANCES,
        options: SimulatedOptions | None = None,
        journal: Journal | None = None,
        books: Books | None = None,
        on_exit: Disposal = Disposal.LEAVE,
        reconcile_seconds: float = 0.0,
        exchange_type: type[AuditedExchange] = AuditedExchange,
    ) -> None:
        self.settings = some_settings(*grids, on_exit=on_exit)
        self.clock = VirtualClock(start_ms=0)
        self.reconcile_seconds = reconcile_seconds
        self.before = dict(balances)
        self.exchange = exchange_type(
            markets={market.symbol: market for market in markets},
            sources={source.symbol: source for source in sources},
            balances=balances,
            now_ms=self.clock.now_ms,
            options=options or SimulatedOptions(),
            books=books,
        )
        self.port: Exchange = self.exchange
        self.clock.start_at(self.exchange.start_ms)
        self.journal: Journal = journal or MemoryJournal(IDENTITY)

    def run(self, script: Script | None = None) -> Engine:
        """One engine's life: it starts, ``script`` runs beside it (else: until the prices end), it closes."""

        async def one_life() -> Engine:
            async with self.engine() as engine:
                await (script or until_quiet)(engine)
            return engine

        return self.run_scene(one_life)

    def run_scene(self, scene: Callable[[], Awaitable[Engine]]) -> Engine:
        """Run a coroutine in virtual time; what hangs fails at once."""

        async def bounded() -> Engine:
            with anyio.fail_after(HANGS_AFTER_SECONDS):
                return await scene()

        return run_on(self.clock, bounded)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """A started engine on the journal and the exchange as they are; closed in order at the end."""
        if type(self.journal) is MemoryJournal:
            self.journal = _reopened(self.journal)
        engine = Engine(
            self.settings,
            clock=self.clock,
            exchange=self.port,
            journal=self.journal,
            reconcile_seconds=self.reconcile_seconds,
        )
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run)
                await engine.wait_started()
                yield engine
                engine.close()
        except BaseExceptionGroup as group:
            raise _first(group) from None

    def records(self) -> list[Record]:
        """The journal so far."""
        return list(self.journal.records())

    def facts(self, kind: type[F], grid: str = "main") -> list[F]:
        """The facts of one kind, in their order."""
        facts = (record.fact for record in self.records() if record.grid == grid)
        return [fact for fact in facts if isinstance(fact, kind)]

    def balance(self, currency: str) -> Decimal:
        """Everything the account holds of a currency."""
        balance = self.exchange.matching.balances()[currency]
        return balance.free + balance.locked


class SlowJournal(MemoryJournal):
    """A journal on a disk that takes its virtual time: while it writes, other tasks run."""

    def __init__(self, *, commit_seconds: float) -> None:
        super().__init__(IDENTITY)
        self.commits = 0
        self._commit_seconds = commit_seconds
        self._safe = 0

    @property
    def durable(self) -> int:
        return self._safe

    async def commit(self) -> None:
        last = self.head[0]
        self.commits += 1
        await anyio.sleep(self._commit_seconds)
        self._safe = max(self._safe, last)

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        records = self.stage(grid, facts, at_ms)
        await self.commit()
        return records


async def until_quiet(engine: Engine) -> None:
    """Wait until the prices have ended and nothing is on its way."""
    await engine.wait_over()
    await engine.wait_quiet()


def assert_balanced(bench: Bench, engine: Engine) -> None:
    """Residual 0, the exchange's balances to the last unit, and every live order in exactly one slot."""
    grids = list(engine.coordinators.values())
    expected = dict(bench.before)
    for grid in grids:
        books, ledger = grid.books, grid.books.ledger
        held = ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO)
        adopted = _adopted_base(bench, books.spec.name)
        assert grid.books.profit(grid.mark or ZERO).residual == 0
        assert held == ledger.base
        expected[books.market.quote] += ledger.cash + ledger.adopted
        expected[books.market.base] += ledger.base - adopted
    assert {name: bench.balance(name) for name in expected} == expected
    live = [order_of(slot) for grid in grids for slot in grid.books.live_slots()]
    ids = sorted(order.client_order_id for order in live if order is not None)
    symbols = {grid.books.spec.symbol for grid in grids}
    assert ids == sorted(name for symbol in symbols for name in bench.exchange.open_ids(symbol))
    assert bench.exchange.refused == []
    assert max(bench.exchange.placed.values(), default=1) == 1


def assert_settled(engine: Engine) -> None:
    """Nothing was missed: at the newest price no grid has anything left to do that it has the money for."""
    for grid in engine.coordinators.values():
        assert grid.mark is not None
        actions = ladder.decide(grid.manager.view(), grid.mark).actions
        assert [action for action in actions if action.slot not in grid.manager.short_slots] == []


def _adopted_base(bench: Bench, grid: str) -> Decimal:
    return sum((fact.lot.quantity for fact in bench.facts(LotAdopted, grid)), ZERO)


def _slot_of(client_order_id: str) -> str:
    """Grid and slot, as they stand in a client order id; foreign ids stand for themselves."""
    is_ours = client_order_id.startswith(f"g{INSTANCE}")
    return client_order_id[4:6] + client_order_id[7:10] if is_ours else client_order_id


def _reopened(journal: MemoryJournal) -> MemoryJournal:
    """The same journal as its next engine finds it."""
    again = MemoryJournal(journal.identity)
    for record in journal.records():
        again.stage(record.grid, [record.fact], record.at_ms)
    return again


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""The world of a simulated engine: a market, an account, a disk and a clock, on which engines live and die.

What must hold is looked at in four ways: by the exchange whenever a request arrives, by a cheap check after
every step, by ``sim_truths`` once nothing moves any more, and by the independent checker of the whole history.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import anyio

from engine.core.books import GridBooks
from engine.exchange.faults import NO_FAULTS
from engine.exchange.prices import PriceSource
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Command, Reconcile
from engine.model.errors import CommandRefused, EngineStopped, Rejected
from engine.model.grid import GridSpec
from engine.model.ids import key_from_client_order_id
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import OrderReport, OrderRequest
from engine.model.slot import Exiting, order_of
from engine.model.snapshot import EngineState
from engine.runtime.clock import VirtualClock
from engine.runtime.engine import Engine
from engine.runtime.locks import _held_by_task
from engine.settings import Settings
from tests.builders import INSTANCE
from tests.sim.engine_builders import IDENTITY, some_settings
from tests.sim.gap_witness import GapWitness
from tests.sim.history import RecordedJournal
from tests.sim.schedules import Schedule, SimCrash, SimLoop, Watch, mix, run_simulated
from tests.sim.sim_journal import CommitKill, SimDisk, SimJournal

Scene = Callable[[Engine], Awaitable[None]]
GRID = "main"
LIFE_SECONDS_MAX = 20_000.0
"""Virtual; a life that lasts longer waits for what never comes."""
LATE_SECONDS = 70.0
"""After so long nothing that was sent before is still on its way."""
SETTLING_PASSES_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """When an engine is killed: so many steps after a moment of its life, or in a commit of its disk.

    ``appends_kept`` of what it was writing survive; the next engine starts ``dead_seconds`` later.
    """

    after_seconds: float = 0.0
    steps: int | None = None
    commit: CommitKill | None = None
    appends_kept: int = 0
    dead_seconds: float = 0.0


class SwornExchange(GapWitness):
    """The witness, which knows the disk and keeps a list of everything that must not arrive."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.disk = SimDisk(IDENTITY)
        self.hides_fills = bool(self._faults.hidden_fill_chance)
        self.broken: list[str] = []
        self.is_severed = False
        self.moved: Counter[str] = Counter()
        """What the account's owner brought in or took away, by currency."""

    async def place(self, request: OrderRequest) -> OrderReport:
        self._check_alive()
        return await super().place(request)

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        self._check_alive()
        return await super().cancel(symbol, client_order_id)

    @property
    def ends_in_silence(self) -> bool:
        """Whether the stream is stalled or cut when the last price comes."""
        last_ms = max(self._venue._last_at_ms.values())
        return any(silence.from_ms <= last_ms < silence.until_ms for silence in self._stream._silences)

    def stop_faults(self) -> None:
        """From now on everything arrives."""
        self._faults = NO_FAULTS
        self._requests._faults = NO_FAULTS

    def move_money(self, currency: str, amount: Decimal) -> None:
        """The account's owner brings money in or takes it away; what is not free stays."""
        try:
            self.transfer(currency, amount)
        except Rejected:
            return
        self.moved[currency] += amount  # type: ignore[assignment]

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        name = request.client_order_id
        intent = self.disk.intents.get(name)
        if intent is None:
            self.broken.append(f"I6: {name} arrived without a durable intent")
        elif (intent.side, intent.price, intent.amount) != (request.side, request.price, request.amount):
            self.broken.append(f"I6: {name} arrived as {request}, intended was {intent}")
        if name in self.matching._used_ids:
            self.broken.append(f"I4: {name} arrived again after it had been accepted")
        return super()._place(request, at_ms)

    def _cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        if not is_ours(client_order_id):
            self.broken.append(f"the foreign order {client_order_id} was to be cancelled")
        return super()._cancel(symbol, client_order_id, at_ms)

    def _check_alive(self) -> None:
        if self.is_severed:
            raise EngineStopped("the dead ask for nothing")


def is_ours(client_order_id: str) -> bool:
    """Whether an id is of the engine of this world."""
    key = key_from_client_order_id(client_order_id)
    return key is not None and key.instance == INSTANCE


class SimWorld:
    """One market and account, one disk, one clock; ``engine`` is the last that lived on it."""

    def __init__(
        self,
        source: PriceSource,
        *,
        spec: GridSpec,
        market: Market,
        balances: Mapping[str, Decimal],
        options: SimulatedOptions,
        schedule: Schedule,
        commit_seconds: Callable[[int], float] = lambda _: 0.0,
        reconcile_seconds: float = 0.0,
        settings: Settings | None = None,
        exchange_type: type[SwornExchange] = SwornExchange,
    ) -> None:
        """``settings`` None: those of one grid with nothing limited and nobody watching its market."""
        self.clock = VirtualClock(start_ms=0)
        self.before = dict(balances)
        self.market = market
        self.exchange = exchange_type(
            markets={market.symbol: market},
            sources={source.symbol: source},
            balances=balances,
            now_ms=self.clock.now_ms,
            options=options,
        )
        self.disk = self.exchange.disk
        self.engine: Engine | None = None
        self.lives = self.deaths = self.steps = 0
        self.digest = ""
        self._settings = settings or some_settings(spec)
        self._schedule = schedule
        self._commit_seconds = commit_seconds
        self._reconcile_seconds = reconcile_seconds
        self.clock.start_at(self.exchange.start_ms)

    @property
    def books(self) -> GridBooks:
        """Those of the last engine."""
        assert self.engine is not None
        return self.engine.coordinators[GRID].books

    def live(self, scene: Scene, death: Death | None = None) -> bool:
        """One engine's life, with ``scene`` beside it; whether it came to its end, or else was killed.

        Raises:
            BaseException: whatever went wrong, but being killed.
        """
        journal, loop = self._begin_life(death)
        self.engine = None

        async def life() -> None:
            engine = self.engine = Engine(
                self._settings,
                clock=self.clock,
                exchange=self.exchange,
                journal=RecordedJournal(journal, self.exchange.history),
                reconcile_seconds=self._reconcile_seconds,
            )
            if death is not None and death.steps is not None:
                steps = death.steps
                loop.call_later(death.after_seconds, lambda: loop.kill(loop.queue.steps + steps))
            with anyio.fail_after(LIFE_SECONDS_MAX):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(engine.run)
                    await engine.wait_started()
                    await scene(engine)
                    engine.close()

        try:
            run_simulated(loop, life)
        except SimCrash:
            assert death is not None
            self.deaths += 1
            self.exchange.history.crash()
            self.clock.advance(death.dead_seconds)
            return False
        finally:
            self.steps = loop.queue.steps
            self.digest += loop.queue.digest
            _held_by_task.clear()
        return True

    def _begin_life(self, death: Death | None) -> tuple[SimJournal, SimLoop]:
        self.lives += 1
        self.exchange.is_severed = False
        self.disk.kill = None if death is None else death.commit
        appends_kept = 0 if death is None else death.appends_kept

        def sever() -> None:
            self.exchange.is_severed = True
            self.exchange.forget_client()
            journal.die(appends_kept=appends_kept)
            if self.engine is not None:
                # What ends with the process; left to the collector it would be complained of.
                self.engine._executor.close()
                self.engine._desk.close()

        schedule = replace(self._schedule, seed=mix(self._schedule.seed, self.lives))
        loop = SimLoop(self.clock, schedule, Watch(check=self.check_invariants, every=1, at_death=sever))
        journal = SimJournal(self.disk, commit_seconds=self._commit_seconds, kill=loop.kill)
        history, matching = self.exchange.history, self.exchange.matching
        totals = {name: balance.free + balance.locked for name, balance in matching.balances().items()}
        history.start(IDENTITY, totals, {self.market.symbol: self.market})
        return journal, loop

    def check_invariants(self) -> None:
        """What must hold at every step, as far as it is cheap to see."""
        exchange = self.exchange
        if exchange.broken or exchange.refused:
            raise AssertionError("; ".join(exchange.broken) or f"I1: second live orders {exchange.refused}")
        if self.engine is None:
            return
        for grid in self.engine.coordinators.values():
            books = grid.books
            live = {order.client_order_id: slot.index for slot in books.slots if (order := order_of(slot)) is not None}
            assert live == books.slot_of_order, f"I2: {live} in the slots, {books.slot_of_order} in the index"
            held = books.ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO)
            assert held == books.ledger.base, f"I3: the slots hold {held}, the ledger says {books.ledger.base}"
            for slot in books.slots:
                if isinstance(slot.state, Exiting):
                    rest, lot = slot.state.order.amount - slot.state.order.filled, abs(slot.state.lot.quantity)
                    assert rest <= lot, f"I8: the exit of slot {slot.index} sells {rest} more of a lot of {lot}"


# Scenes


async def until_over(engine: Engine) -> None:
    """Until the prices have ended, or the engine has halted."""
    await engine.wait_over()


async def settle(engine: Engine) -> None:
    """Nothing is on its way any more and no faults come: let the engine compare and correct until it has no doubts."""
    await anyio.sleep(LATE_SECONDS)
    for _ in range(SETTLING_PASSES_MAX):
        await engine.wait_quiet()
        changes = [grid.changes for grid in engine.coordinators.values()]
        if engine.state is not EngineState.RUNNING:
            return
        await engine.command(Reconcile(grid=GRID), by="test")
        await engine.wait_quiet()
        if changes == [grid.changes for grid in engine.coordinators.values()]:
            return


async def give(engine: Engine, command: Command) -> bool:
    """Give a command; whether the engine took it."""
    try:
        await engine.command(command, by="test")
    except (CommandRefused, EngineStopped):
        return False
    return True

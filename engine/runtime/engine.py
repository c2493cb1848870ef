"""The engine: its task tree, its start, its end, and what happens when a part dies.

Start-up is one road: fold the journal, open the exchange, ask about every order that is
not terminal, and only then trade. A part that dies halts the engine: everything that
trades is cancelled, the state and the reason stay visible, and nothing pretends to live.
"""

from concurrent.futures import Future
from decimal import Decimal

import anyio
from anyio.abc import TaskGroup, TaskStatus

from engine.exchange.port import Balance, Exchange
from engine.model.commands import Command, CommandDone, GridChange, SetSpeed, Shutdown
from engine.model.errors import (
    CommandRefused,
    EngineStopped,
    InvariantBroken,
    SettingsInvalid,
)
from engine.model.grid import Disposal, GridState
from engine.model.market import is_swap
from engine.model.order import OrderReport
from engine.model.preflight import EditPreview, Preflight
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EngineSnapshot, EngineState, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.model.text import clean_text
from engine.model.times import time_text
from engine.runtime.balance_watch import BalanceWatch
from engine.runtime.causes import first_cause
from engine.runtime.clock import RealClock, VirtualClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.desk import CommandDesk
from engine.runtime.engine_view import EngineViewer
from engine.runtime.executor import OrderExecutor
from engine.runtime.grid_hall import GridHall
from engine.runtime.grid_router import GridRouter
from engine.runtime.health import Roster
from engine.runtime.journal import Journal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.leaving import leave
from engine.runtime.market_watch import MarketWatch
from engine.runtime.mirror import JournalMirror
from engine.runtime.opening import GridOpener
from engine.runtime.price_board import PriceBoard
from engine.runtime.rate_budget import USUAL_RATE, AccountRate, RateBudget
from engine.runtime.reconciler import Reconciler
from engine.runtime.recovery import ask_about_unseen_orders
from engine.runtime.story import Story
from engine.runtime.tally import Tally
from engine.settings import Settings

START_SECONDS_MAX = 300.0
BALANCES_REST_SECONDS = 2.0
_JOURNAL, _EXCHANGE, _ORDERS, _RECONCILIATION = "journal", "exchange", "orders", "reconciliation"


class Engine:
    """One engine over one exchange account; an ``ExchangeListener``.

    ``reconcile_seconds`` are of its own clock; 0: at start, after gaps and on demand only. ``rate`` is what the
    account's exchange takes of all grids together.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: RealClock | VirtualClock,
        exchange: Exchange,
        journal: Journal,
        reconcile_seconds: float = 0.0,
        rate: AccountRate = USUAL_RATE,
    ) -> None:
        self.state = EngineState.STARTING
        self.state_reason = "starting"
        self.connection = Connection.CONNECTING
        self.roster = Roster()
        self.story = Story()
        self.settings = settings
        self.clock = clock
        self.exchange = exchange
        self._journal = journal
        self._reconcile_seconds = reconcile_seconds
        self._rate = rate
        self._gate = JournalGate(journal, self.story)
        self._grids = GridRouter(journal.identity.instance)
        self._executor = OrderExecutor(
            exchange,
            clock=clock,
            budget=RateBudget(clock, rate),
            report=self.on_report,
            is_wanted=self._grids.is_wanted,
            is_booked=self._grids.is_booked,
            note=self._warn,
        )
        self._viewer = EngineViewer(self)
        self._reconciler: Reconciler | None = None
        self._prices = PriceBoard()
        has_swaps = any(is_swap(spec.symbol) for spec in settings.grids)
        rest = BALANCES_REST_SECONDS if clock.speed is None else 0.0  # a real exchange counts every question
        self._balance_watch = BalanceWatch(exchange, note=self._warn, has_swaps=has_swaps, rest_seconds=rest)
        self._markets = MarketWatch(
            settings, exchange=exchange, clock=clock, tell=self._tell, changed=self._grids.decide_soon
        )
        self._trading = anyio.CancelScope()
        self._started = anyio.Event()
        self._over = anyio.Event()
        self._closing = anyio.Event()
        self._desk = CommandDesk(self._grids.controls, clock, reconcile=self._reconcile_now, shut_down=self._shut_down)

    @property
    def coordinators(self) -> dict[str, GridCoordinator]:
        """The open grids by name."""
        return self._grids.coordinators

    @property
    def balances(self) -> dict[str, Balance]:
        """The account's balances, as of when somebody last looked."""
        return self._balance_watch.balances

    # What clients ask for

    def snapshot(self) -> EngineSnapshot:
        """The engine as it is now."""
        self._balance_watch.look()
        if self.state is EngineState.RUNNING:
            self._let_tell_prices()
        return self._viewer.snapshot()

    def _let_tell_prices(self) -> None:
        try:
            self.exchange.tell_prices()
        except Exception as error:  # noqa: BLE001 - whatever breaks while somebody looks broke in the engine
            self._halt(error)
            self._trading.cancel()

    def preflight(self, grid: str) -> Preflight:
        """A grid as it would be started now. Raises ``CommandRefused``."""
        return self._desk.grid(grid).preflight()

    def preview(self, grid: str, change: GridChange) -> EditPreview:
        """What an edit of a grid would do. Raises ``CommandRefused``."""
        self._balance_watch.look()
        return self._desk.grid(grid).preview(change)

    async def command(self, command: Command, *, by: str) -> CommandDone:
        """Do what an operator asks, even if nobody stays to hear. Raises ``CommandRefused``; ``EngineStopped`` when
        doing it halted the engine."""
        if self.state is not EngineState.RUNNING and not isinstance(command, SetSpeed | Shutdown):
            missing = "; ".join(self.roster.missing())
            why = f"waiting for {missing}" if self.state is EngineState.STARTING and missing else self.state_reason
            raise CommandRefused(f"the engine is {self.state}: {why}")
        try:
            with anyio.CancelScope(shield=True):
                done = await self._desk.do(command, by)
        except (CommandRefused, EngineStopped):
            raise
        except Exception as error:  # whatever breaks in a command broke in the engine
            self._halt(error)
            self._trading.cancel()
            raise EngineStopped(f"the engine has halted: {self.state_reason}") from error
        return done

    async def _command_by(self, command: Command, by: str) -> CommandDone:
        return await self.command(command, by=by)

    def post(self, command: Command, done: "Future[CommandDone]", *, by: str) -> None:
        """Do a command as soon as possible and tell ``done``; for callers on other threads."""
        self._desk.post(command, done, by=by)

    def note_lag(self, milliseconds: float) -> None:
        """Somebody's call had to wait this long for the engine's loop."""
        self._viewer.note_lag(milliseconds)

    async def wait_started(self) -> None:
        """Wait until the engine trades, or has halted."""
        await self._started.wait()

    async def wait_over(self) -> None:
        """Wait until no price will come any more, or the engine has halted."""
        await self._over.wait()

    def close(self) -> None:
        """Ask the engine to end in order; ``run`` returns when it has."""
        self._closing.set()

    def _shut_down(self) -> str:
        self.close()
        return f"the engine is ending; on exit: {self.settings.engine.on_exit}"

    # What the exchange says

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self._prices.note(symbol, price, at_ms)
        self._grids.on_price(symbol, price, at_ms)

    def on_report(self, report: OrderReport) -> None:
        self._grids.on_report(report)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001 - as the port
        self._markets.on_candle(symbol, interval_ms, candle, is_closed)

    def on_funding(self, payment: FundingPayment) -> None:
        self._grids.on_funding(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self._grids.on_liquidation(liquidation)

    def on_notice(self, text: str, level: EventLevel) -> None:
        self._tell(clean_text(text, 300), level)

    def on_connection(self, connection: Connection) -> None:
        was_down = self.connection is Connection.DISCONNECTED
        self.connection = connection
        self._markets.on_connection(connection)
        if connection is Connection.DISCONNECTED:
            self._grids.hold_back("the streams are down: nothing is placed before books and exchange were compared")
        elif was_down:
            self._look_again()
        level = EventLevel.WARNING if connection is Connection.DISCONNECTED else EventLevel.INFO
        self.story.tell(f"exchange {self.exchange.name}: {connection}", at_ms=self.clock.now_ms(), level=level)
        if connection is Connection.ENDED:
            self._over.set()

    # Life

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until ``close``.

        Raises:
            SettingsInvalid: the configured grids cannot trade on this exchange, account or journal.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._trade)
                tasks.start_soon(self._balance_watch.run, lambda: self.state is EngineState.RUNNING)
                tasks.start_soon(self._desk.serve, self._command_by)
                task_status.started()
                await self._closing.wait()
                await self._leave()
                tasks.cancel_scope.cancel()
        except* SettingsInvalid as group:
            raise first_cause(group) from None
        finally:
            self._executor.close()
            self._desk.close()
            with anyio.CancelScope(shield=True):
                await self._journal.close()
            if self.state is not EngineState.HALTED:
                self.state, self.state_reason = EngineState.STOPPED, "closed"

    async def wait_quiet(self) -> None:
        """Wait until nothing is on its way: no request in flight, no report unread; the balances are of then."""
        while self.state is EngineState.RUNNING:
            while self._is_busy() and self.state is EngineState.RUNNING:  # noqa: ASYNC110 - rare
                await anyio.sleep(0.01)
            changes = [grid.changes for grid in self.coordinators.values()]
            # Asking takes longer than a report that is already on its way.
            is_told = await self._balance_watch.fetch()
            is_unchanged = changes == [grid.changes for grid in self.coordinators.values()]
            if is_told and is_unchanged and not self._is_busy():
                return

    def _is_busy(self) -> bool:
        return self._executor.is_busy or any(grid.is_busy for grid in self.coordinators.values())

    async def _trade(self) -> None:
        with self._trading:
            try:
                await self._start_and_run()
            except Exception as error:  # noqa: BLE001 - whatever kills a part, the engine must halt and say so
                cause = first_cause(error)
                if isinstance(cause, SettingsInvalid):
                    raise cause from None
                self._halt(cause)

    async def _start_and_run(self) -> None:
        self._enlist()
        async with anyio.create_task_group() as parts:
            try:
                with anyio.fail_after(START_SECONDS_MAX):
                    await self._start(parts)
            except TimeoutError:
                missing = "; ".join(self.roster.missing())
                raise InvariantBroken(f"expected every configured part to report in, missing: {missing}") from None
            self.state, self.state_reason = EngineState.RUNNING, "every configured part has reported in"
            self._started.set()

    def _enlist(self) -> None:
        self.roster.enlist(_JOURNAL, "folding its records")
        self.roster.enlist(_EXCHANGE, "opening its streams")
        self.roster.enlist(_ORDERS, "starting its workers")
        for spec in self.settings.grids:
            self.roster.enlist(f"grid {spec.name}", f"the first price of {spec.symbol}")
        self._markets.enlist(self.roster)
        self.roster.enlist(_RECONCILIATION, "comparing books and exchange")

    async def _start(self, parts: TaskGroup) -> None:
        opener = GridOpener(
            self.settings.grids,
            exchange=self.exchange,
            journal=self._journal,
            gate=self._gate,
            clock=self.clock,
            risk_of=self.settings.risk_of,
        )
        books_by_name = opener.fold()
        reconciler = Reconciler(
            exchange=self.exchange,
            clock=self.clock,
            journal=self._journal,
            mirror=JournalMirror(self._journal, books_by_name),
            policy=self.settings.reconcile,
            caught_up=self._caught_up,
            saw_positions=self._balance_watch.see_positions,
        )
        self._reconciler = reconciler
        self.roster.report_in(_JOURNAL, f"{self._journal.head[0]} records")
        await parts.start(self.exchange.run, self)
        self.roster.report_in(_EXCHANGE, self.exchange.name)
        await parts.start(self._executor.run)
        self.roster.report_in(_ORDERS, "ready")
        await self._markets.start(parts, self.roster)
        await self._hall().open_all(opener, books_by_name, parts=parts, roster=self.roster, reconciler=reconciler)
        await ask_about_unseen_orders(self.coordinators.values(), self._executor, now_ms=self.clock.now_ms())
        await reconciler.at_start()
        self._tell_compared(reconciler.last)
        records = f"{self._journal.head[0]:,} records in the journal"
        self.story.tell(f"{records}; {reconciler.last}", at_ms=self.clock.now_ms(), level=EventLevel.INFO)
        await self.roster.wait_complete()
        for coordinator in self.coordinators.values():
            await coordinator.start()
        parts.start_soon(reconciler.run, self._reconcile_seconds)

    def _hall(self) -> GridHall:
        return GridHall(
            self.settings,
            exchange=self.exchange,
            clock=self.clock,
            gate=self._gate,
            executor=self._executor,
            prices=self._prices,
            markets=self._markets,
            router=self._grids,
            viewer=self._viewer,
            account=self._balance_watch,
            look_again=self._look_again,
            orders_per_minute=self._rate.orders_per_minute,
        )

    async def _leave(self) -> None:
        disposal = self.settings.engine.on_exit
        if disposal is Disposal.LEAVE or self.state is not EngineState.RUNNING:
            return
        orders = await leave(self.coordinators, self._grids.controls, disposal)
        if orders:
            self._halt(InvariantBroken(f"asked to {disposal} at the end, {orders} orders are still on the exchange"))

    def _caught_up(self, tally: Tally) -> None:
        """Books and exchange were compared, and nothing is in doubt."""
        self._tell_compared(tally)
        if self.connection is not Connection.DISCONNECTED:
            self._grids.let_go()

    def _tell_compared(self, tally: Tally) -> None:
        self.roster.report_in(_RECONCILIATION, f"{time_text(self.clock.now_ms())}: {tally}")

    def _look_again(self) -> None:
        if self._reconciler is not None:
            self._reconciler.wake()

    async def _reconcile_now(self) -> str:
        """Compare on demand: what came of it. Raises ``CommandRefused`` before there is anything to compare."""
        if self._reconciler is None:
            raise CommandRefused("the engine has not started yet")
        tally = await self._reconciler.now()
        if tally is None:
            raise EngineStopped("the engine has ended before books and exchange were compared")
        return str(tally)

    def _halt(self, cause: BaseException) -> None:
        self.state = EngineState.HALTED
        self.state_reason = f"{type(cause).__name__}: {cause}"
        for coordinator in self.coordinators.values():
            coordinator.books.state = GridState.HALTED
            coordinator.books.state_reason = self.state_reason
        self.story.tell(f"halted: {self.state_reason}", at_ms=self.clock.now_ms(), level=EventLevel.ERROR)
        self._started.set()
        self._over.set()

    def _warn(self, text: str) -> None:
        self._tell(text, EventLevel.WARNING)

    def _tell(self, text: str, level: EventLevel) -> None:
        self.story.tell(text, at_ms=self.clock.now_ms(), level=level)

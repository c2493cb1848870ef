"""The engine: its task tree, its start, its end, and what happens when a part dies.

Start-up is one road: fold the journal, open the exchange, ask about every order that is
not terminal, and only then trade. A part that dies halts the engine: everything that
trades is cancelled, the state and the reason stay visible, and nothing pretends to live.
"""

from concurrent.futures import Future
from contextlib import suppress
from decimal import Decimal
from functools import partial

import anyio
from anyio.abc import TaskGroup, TaskStatus

from engine.core.books import GridBooks
from engine.exchange.port import Balance, Exchange
from engine.model.actions import QuietBand
from engine.model.commands import Command, CommandDone, SetSpeed
from engine.model.errors import (
    CommandRefused,
    EngineStopped,
    InvariantBroken,
    OutcomeUnknown,
    Rejected,
    SettingsInvalid,
    Transient,
)
from engine.model.grid import Disposal, GridState
from engine.model.ids import key_from_client_order_id
from engine.model.order import Leg, OrderReport, OrderRequest
from engine.model.snapshot import Connection, EngineSnapshot, EngineState, EventLevel
from engine.runtime.clock import RealClock, VirtualClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.desk import CommandDesk
from engine.runtime.engine_view import EngineViewer
from engine.runtime.executor import NEVER_ARRIVED, OrderExecutor
from engine.runtime.health import Roster
from engine.runtime.journal import Journal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.opening import GridOpener
from engine.runtime.rate_budget import RateBudget
from engine.runtime.story import Story
from engine.runtime.views import GridViewer
from engine.settings import Settings

START_SECONDS_MAX = 300.0
CLOSE_SECONDS_MAX = 60.0
_JOURNAL, _EXCHANGE, _ORDERS = "journal", "exchange", "orders"


class Engine:
    """One engine over one exchange account; an ``ExchangeListener``."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: RealClock | VirtualClock,
        exchange: Exchange,
        journal: Journal,
    ) -> None:
        self.state = EngineState.STARTING
        self.state_reason = "starting"
        self.connection = Connection.CONNECTING
        self.balances: dict[str, Balance] = {}
        self.roster = Roster()
        self.story = Story()
        self.coordinators: dict[str, GridCoordinator] = {}
        self.settings = settings
        self.clock = clock
        self.exchange = exchange
        self._journal = journal
        self._gate = JournalGate(journal, self.story)
        self._executor = OrderExecutor(
            exchange,
            clock=clock,
            budget=RateBudget(clock),
            report=self.on_report,
            is_wanted=self._is_wanted,
            note=self._warn,
        )
        self._viewer = EngineViewer(self)
        self._by_number: dict[int, GridCoordinator] = {}
        self._by_symbol: dict[str, list[GridCoordinator]] = {}
        self._prices: dict[str, tuple[Decimal, int]] = {}
        self._price_came = anyio.Event()
        self._balances_wanted = anyio.Event()
        self._trading = anyio.CancelScope()
        self._started = anyio.Event()
        self._over = anyio.Event()
        self._closing = anyio.Event()
        self._desk = CommandDesk(self.coordinators, clock)

    # What clients ask for

    def snapshot(self) -> EngineSnapshot:
        """The engine as it is now."""
        self._balances_wanted.set()
        if self.state is EngineState.RUNNING:
            self._let_tell_prices()
        return self._viewer.snapshot()

    def _let_tell_prices(self) -> None:
        try:
            self.exchange.tell_prices()
        except Exception as error:  # noqa: BLE001 - whatever breaks while somebody looks broke in the engine
            self._halt(error)
            self._trading.cancel()

    async def command(self, command: Command, *, by: str) -> CommandDone:
        """Do what an operator asks, even if nobody stays to hear. Raises ``CommandRefused``; ``EngineStopped`` when
        doing it halted the engine."""
        if self.state is not EngineState.RUNNING and not isinstance(command, SetSpeed):
            missing = "; ".join(self.roster.missing())
            why = f"waiting for {missing}" if self.state is EngineState.STARTING and missing else self.state_reason
            raise CommandRefused(f"the engine is {self.state}: {why}")
        try:
            with anyio.CancelScope(shield=True):
                done = await self._desk.do(command, by)
        except CommandRefused:
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

    # What the exchange says

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self._prices[symbol] = (price, at_ms)
        coordinators = self._by_symbol.get(symbol)
        if coordinators is None:
            self._price_came.set()
            return
        for coordinator in coordinators:
            coordinator.on_price(price, at_ms)

    def on_report(self, report: OrderReport) -> None:
        key = key_from_client_order_id(report.client_order_id)
        if key is None or key.instance != self._journal.identity.instance:
            return
        coordinator = self._by_number.get(key.grid)
        if coordinator is not None:
            coordinator.on_report(report)

    def on_connection(self, connection: Connection) -> None:
        self.connection = connection
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
                tasks.start_soon(self._refresh_balances)
                tasks.start_soon(self._desk.serve, self._command_by)
                task_status.started()
                await self._closing.wait()
                await self._leave()
                tasks.cancel_scope.cancel()
        except* SettingsInvalid as group:
            raise _first(group) from None
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
            is_told = await self._fetch_balances()
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
                cause = _first(error)
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

    async def _start(self, parts: TaskGroup) -> None:
        opener = GridOpener(
            self.settings.grids,
            exchange=self.exchange,
            journal=self._journal,
            gate=self._gate,
            clock=self.clock,
        )
        books_by_name = opener.fold()
        self.roster.report_in(_JOURNAL, f"{self._journal.head[0]} records")
        await parts.start(self.exchange.run, self)
        self.roster.report_in(_EXCHANGE, self.exchange.name)
        await parts.start(self._executor.run)
        self.roster.report_in(_ORDERS, "ready")
        problems: list[str] = []
        for spec in self.settings.grids:
            books = books_by_name.get(spec.name)
            try:
                books = books or await opener.open(spec, anchor=await self._first_price(spec.symbol))
            except SettingsInvalid as error:
                problems.extend(error.problems)
                continue
            await self._ask_about_live_orders(self._make_coordinator(opener, books))
            self.roster.report_in(f"grid {spec.name}", f"{len(books.slots)} slots")
        if problems:
            raise SettingsInvalid(*problems)
        await self.roster.wait_complete()
        for coordinator in self.coordinators.values():
            await coordinator.start()
            parts.start_soon(coordinator.run)

    def _make_coordinator(self, opener: GridOpener, books: GridBooks) -> GridCoordinator:
        spec = books.spec

        def watch(band: QuietBand) -> None:
            self.exchange.set_quiet_band(spec.symbol, spec.name, band)

        coordinator = GridCoordinator(
            opener.make_manager(books),
            journal=self._gate,
            executor=self._executor,
            clock=self.clock,
            watch=watch,
        )
        self.coordinators[spec.name] = coordinator
        self._by_number[books.number] = coordinator
        self._by_symbol.setdefault(spec.symbol, []).append(coordinator)
        self._viewer.add(spec.name, GridViewer(coordinator, in_flight=self._executor.in_flight))
        self.exchange.tell_prices()
        price = self._prices.get(spec.symbol)
        if price is not None:
            coordinator.on_price(*price)
        return coordinator

    async def _ask_about_live_orders(self, coordinator: GridCoordinator) -> None:
        """Orders that were live when the journal ended may have become anything since."""
        reports: list[OrderReport] = []
        now_ms = self.clock.now_ms()

        async def ask(request: OrderRequest, *, was_seen: bool) -> None:
            # It may have been sent up to the moment in which the engine before this one ended.
            report = await self._executor.resolve(request, sent_until_ms=now_ms)
            if was_seen and report.reason == NEVER_ARRIVED:
                raise InvariantBroken(
                    f"order {request.client_order_id} was on the exchange, which now does not know it: "
                    f"restore the account this journal belongs to, or start over with --fresh"
                )
            reports.append(report)

        async with anyio.create_task_group() as asking:
            for request, was_seen in coordinator.manager.live_requests():
                asking.start_soon(partial(ask, request, was_seen=was_seen))
        if reports:
            await coordinator.apply_reports(reports)

    async def _first_price(self, symbol: str) -> Decimal:
        while symbol not in self._prices:
            await self._price_came.wait()
            self._price_came = anyio.Event()
        self.exchange.tell_prices()
        return self._prices[symbol][0]

    async def _refresh_balances(self) -> None:
        """Fetch the balances whenever somebody has looked."""
        while True:
            await self._balances_wanted.wait()
            self._balances_wanted = anyio.Event()
            if self.state is EngineState.RUNNING:
                await self._fetch_balances()

    async def _fetch_balances(self) -> bool:
        """Fetch the balances; without an answer the old ones stay until somebody looks again."""
        try:
            self.balances = await self.exchange.fetch_balances()
        except (Transient, Rejected, OutcomeUnknown) as error:
            self._warn(f"the balances cannot be seen: {error}")
            return False
        return True

    async def _leave(self) -> None:
        disposal = self.settings.engine.on_exit
        if disposal is Disposal.LEAVE or self.state is not EngineState.RUNNING:
            return
        running = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY, GridState.STOPPING)
        leaving = [grid for grid in self.coordinators.values() if grid.books.state in running]
        for coordinator in leaving:
            # A grid that has just ended by itself needs no more.
            with suppress(CommandRefused):
                await coordinator.stop(disposal, by="exit")
        with anyio.move_on_after(CLOSE_SECONDS_MAX):
            while any(grid.books.state is not GridState.STOPPED for grid in leaving):  # noqa: ASYNC110 - once
                await anyio.sleep(0.05)
        orders = sum(len(grid.books.slot_of_order) for grid in leaving if grid.books.state is not GridState.STOPPED)
        if orders:
            self._halt(InvariantBroken(f"asked to {disposal} at the end, {orders} orders are still on the exchange"))

    def _is_wanted(self, request: OrderRequest) -> bool:
        """Whether an order that has waited for its turn may still go out."""
        key = key_from_client_order_id(request.client_order_id)
        if key is None:
            return False
        state = self._by_number[key.grid].books.state
        match key.leg:
            case Leg.ENTRY:
                return state is GridState.RUNNING
            case Leg.EXIT:
                return state in (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
            case Leg.FLATTEN:
                return state is GridState.STOPPING

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
        self.story.tell(text, at_ms=self.clock.now_ms(), level=EventLevel.WARNING)


def _first(error: BaseException) -> BaseException:
    """The first real cause inside nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

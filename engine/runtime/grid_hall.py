"""GridHall: takes a grid's books in, with everything that runs, guards, controls and shows it."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import anyio
from anyio.abc import TaskGroup

from engine.core.books import GridBooks
from engine.core.costs import Funds
from engine.exchange.port import Exchange
from engine.model.actions import QuietBand
from engine.model.errors import InvariantBroken, SettingsInvalid
from engine.model.grid import GridSpec
from engine.model.market import Market
from engine.model.money import ZERO
from engine.runtime.balance_watch import BalanceWatch, owned_by
from engine.runtime.clock import Clock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.engine_view import EngineViewer
from engine.runtime.executor import OrderExecutor
from engine.runtime.grid_control import GridControl
from engine.runtime.grid_guard import GridGuard
from engine.runtime.grid_router import GridRouter
from engine.runtime.health import Roster
from engine.runtime.holdings import ReconciledGrid
from engine.runtime.journal_gate import JournalGate
from engine.runtime.manager import SlotManager
from engine.runtime.market_watch import MarketWatch
from engine.runtime.opening import GridOpener
from engine.runtime.price_board import PriceBoard
from engine.runtime.reconciler import Reconciler
from engine.runtime.views import GridViewer
from engine.settings import Settings

_ACCOUNT_SECONDS_MAX = 5.0


class GridHall:
    """What all grids of one engine share."""

    def __init__(
        self,
        settings: Settings,
        *,
        exchange: Exchange,
        clock: Clock,
        gate: JournalGate,
        executor: OrderExecutor,
        prices: PriceBoard,
        markets: MarketWatch,
        router: GridRouter,
        viewer: EngineViewer,
        account: BalanceWatch,
        look_again: Callable[[], None],
        orders_per_minute: int,
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._clock = clock
        self._gate = gate
        self._executor = executor
        self._prices = prices
        self._markets = markets
        self._router = router
        self._viewer = viewer
        self._account = account
        self._look_again = look_again
        self._orders_per_minute = orders_per_minute
        self._retired: Mapping[str, Decimal] = {}
        account.owned = self._owned

    async def open_all(
        self,
        opener: GridOpener,
        books_by_name: Mapping[str, GridBooks],
        *,
        parts: TaskGroup,
        roster: Roster,
        reconciler: Reconciler,
    ) -> None:
        """Open every configured grid, from the journal or new.

        Raises:
            SettingsInvalid: with the problems of all grids that cannot be.
        """
        self._retired = opener.retired
        problems: list[str] = []
        for spec in self._settings.grids:
            try:
                coordinator = self.take_in(opener.make_manager(await self._books(opener, spec, books_by_name)))
            except SettingsInvalid as error:
                problems.extend(error.problems)
                continue
            # Decides nothing yet, but what the streams say is booked while the questions are asked.
            parts.start_soon(coordinator.run)
            reconciler.add(ReconciledGrid(coordinator=coordinator, control=self._router.controls[spec.name]))
            roster.report_in(f"grid {spec.name}", f"{len(coordinator.books.slots_by_price)} slots")
        if problems:
            raise SettingsInvalid(*problems)

    async def _books(self, opener: GridOpener, spec: GridSpec, books_by_name: Mapping[str, GridBooks]) -> GridBooks:
        books = books_by_name.get(spec.name)
        if books is not None:
            await opener.set_leverage(spec)
            return await opener.go_on(books)
        await self._prices.wait_first(spec.symbol)
        self._exchange.tell_prices()
        return await opener.open(spec, anchor=self.start_price(spec))

    def start_price(self, spec: GridSpec) -> Decimal:
        """Where a new grid starts: at its trigger, else at the newest price, which must have come."""
        if spec.start is not None:
            return spec.start.price
        newest = self._prices.newest(spec.symbol)
        if newest is None:
            raise InvariantBroken(f"grid {spec.name!r} was to start before the first price of {spec.symbol}")
        return newest[0]

    def take_in(self, manager: SlotManager) -> GridCoordinator:
        """A grid that waits until books and exchange have been compared."""
        books = manager.books
        spec = books.spec

        def watch(band: QuietBand) -> None:
            self._exchange.set_quiet_band(spec.symbol, spec.name, band)

        coordinator = GridCoordinator(
            manager,
            journal=self._gate,
            executor=self._executor,
            clock=self._clock,
            watch=watch,
            guard=self._guard_of(books),
            beyond=lambda: self._beyond(books.market),
            look_at_account=self._fetch_account,
            account_moved=self._account.look,
            regime=self._markets.regime_of(spec),
            freshen=self._exchange.tell_prices,
        )
        coordinator.wait_reason = "books and exchange have not been compared yet"
        control = GridControl(coordinator, clock=self._clock, cancel=self._executor.cancel, look_again=self._look_again)
        self._router.add(coordinator, control)
        self._viewer.add(spec.name, GridViewer(coordinator, in_flight=self._executor.in_flight))
        self._exchange.tell_prices()
        price = self._prices.newest(spec.symbol)
        if price is not None:
            coordinator.on_price(*price)
        return coordinator

    async def _fetch_account(self) -> None:
        """Look at the account now, unless the exchange takes its time: fills are waiting to be booked."""
        with anyio.move_on_after(_ACCOUNT_SECONDS_MAX):
            await self._account.fetch()

    def _owned(self) -> Mapping[str, Decimal]:
        """What all grids own of every currency: those that are open, also by an edit that is being written, and the
        base of those that are in the journal and not in the configuration."""
        grids = self._router.coordinators.values()
        owned = owned_by(coordinator.books for coordinator in grids)
        for coordinator in grids:
            market, more = coordinator.books.market, coordinator.migrator.more_funds
            owned[market.quote] += more.quote
            owned[market.base] = owned.get(market.base, ZERO) + more.base
        for currency, amount in self._retired.items():
            owned[currency] = owned.get(currency, ZERO) + amount
        return owned

    def _beyond(self, market: Market) -> Funds:
        """What the account has, as of when somebody last looked, beyond what every grid has for its own."""
        return Funds(quote=self._account.beyond(market.quote), base=self._account.beyond(market.base))

    def _guard_of(self, books: GridBooks) -> GridGuard:
        spec = books.spec
        regime = self._markets.regime_of(spec)
        return GridGuard(
            books,
            self._settings.risk_of(spec.name),
            panic_trips=self._markets.panic_trips_of(spec),
            candles_age_ms=(lambda _: None) if regime is None else regime.candles_age_ms,
            journal_lag_ms=self._gate.lag_ms,
            position=lambda: self._account.positions.get(spec.symbol),
            orders_per_minute=self._orders_per_minute,
        )

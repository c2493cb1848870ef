"""The simulated exchange: our own market, behind the same port as a real one.

It plays a remote machine: requests and reports travel ``latency_ms`` each way, requests are
executed when they arrive, reports come over one stream in order, and every order is reported
twice, by the answer and by the stream. It lives in the engine's time alone: ``now_ms`` and
``anyio.sleep``, which are virtual in simulation.

At one instant things happen in a fixed order: the market's rows first, then requests that
arrive, then stream reports, then answers. So a run that stops only at the rows that leave all
quiet bands cannot be told from one that stops at every row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskStatus

from engine.exchange.faults import NO_FAULTS, FaultPlan
from engine.exchange.feed import Feed
from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.pacing import Pacer
from engine.exchange.port import Balance, ExchangeListener
from engine.exchange.prices import PriceSource, Tick
from engine.exchange.rate_limit import RateLimit, SlidingWindow
from engine.exchange.requests import Requests
from engine.exchange.simulated_books import FRESH_ADVICE, Books, NullBooks
from engine.exchange.timeline import Arrival, Timeline
from engine.model.actions import QuietBand
from engine.model.errors import (
    DataInvalid,
    OrderNotFound,
    OutcomeUnknown,
    Rejected,
    SettingsInvalid,
    Transient,
)
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest
from engine.model.snapshot import Connection

T = TypeVar("T")

_MATCHING = MatchingOptions()
_ORDER_LIMIT = RateLimit(requests_max=50, window_ms=10_000)
_CANCEL_LIMIT = RateLimit(requests_max=200, window_ms=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOptions:
    """``latency_ms`` is one way; ``every_tick`` stops at every row of the market, quiet or not."""

    matching: MatchingOptions = _MATCHING
    latency_ms: int = 25
    order_limit: RateLimit = _ORDER_LIMIT
    cancel_limit: RateLimit = _CANCEL_LIMIT
    every_tick: bool = False
    faults: FaultPlan = NO_FAULTS


class SimulatedExchange:
    """An ``Exchange`` with a market, an account and books of its own.

    Invariant: everything due at or before ``_settle``'s time has happened when it returns.
    """

    name = "simulated"

    def __init__(
        self,
        *,
        markets: Mapping[str, Market],
        sources: Mapping[str, PriceSource],
        balances: Mapping[str, Decimal],
        now_ms: Callable[[], int],
        options: SimulatedOptions,
        books: Books | None = None,
    ) -> None:
        """Open the exchange as its books left it, or new with ``balances``.

        Raises:
            SettingsInvalid: a market without prices, or books that cannot be gone on with.
        """
        without = sorted(markets.keys() ^ sources.keys())
        if without:
            raise SettingsInvalid(*(f"{symbol} needs both market rules and prices" for symbol in without))
        self._markets = dict(markets)
        self._now_ms = now_ms
        self._latency_ms = options.latency_ms
        self._faults = options.faults
        self._matching = MatchingEngine(markets=markets.values(), balances=balances, options=options.matching)
        self._feeds = {symbol: Feed(sources[symbol], every_tick=options.every_tick) for symbol in sorted(sources)}
        self._books: Books = NullBooks() if books is None else books
        self._has_run = False
        self.kept_orders: int | None = None
        """How many orders the books remember of an earlier life; None where there were no books."""
        self._start_ms = self._open_books()
        self._untold: set[str] = set()
        self._is_settling = False
        self._last_at_ms = dict.fromkeys(self._feeds, self._start_ms)
        self._order_window = SlidingWindow("orders", options.order_limit)
        self._cancel_window = SlidingWindow("cancels", options.cancel_limit)
        self._timeline = Timeline()
        self._pacer = Pacer(now_ms=now_ms, settle=self._settle, next_ms=self._next_ms)
        self._requests = Requests(
            timeline=self._timeline,
            pacer=self._pacer,
            latency_ms=options.latency_ms,
            faults=options.faults,
            now_ms=now_ms,
        )
        self._listener: ExchangeListener | None = None
        self._has_told_end = False

    @property
    def start_ms(self) -> int:
        """Where the engine's clock begins: the first row's time, or where the kept books stopped."""
        return self._start_ms

    @property
    def matching(self) -> MatchingEngine:
        """The exchange's own truth, for audits and tests."""
        return self._matching

    async def run(
        self,
        listener: ExchangeListener,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream prices and reports until cancelled, or until the last price and report are delivered.

        It begins with the last price of every market; what happened before it began is not told.

        Raises:
            JournalFailed: the exchange's books cannot be written.
        """
        self._has_run = True
        self._listener = None
        self._settle(self._now_ms())
        self._listener = listener
        self._has_told_end = False
        is_over = False
        try:
            listener.on_connection(Connection.CONNECTED)
            for symbol in self._feeds:
                price = self._matching.last_price(symbol)
                if price is not None:
                    listener.on_price(symbol, price, self._last_at_ms[symbol])
            task_status.started()
            await self._pacer.move(lambda: False)
            is_over = True
        finally:
            if not is_over:
                self._listener = None

    def close(self) -> None:
        """Keep the time and the quiet rows passed, so that the next start goes on from now.

        An exchange that never ran leaves its books as they were.

        Raises:
            JournalFailed: the books cannot be written.
        """
        try:
            if self._has_run:
                self._keep_passed_rows(max(self._now_ms(), self._start_ms))
        finally:
            self._books.close()

    def _keep_passed_rows(self, now_ms: int) -> None:
        self._settle(now_ms)
        for symbol in self._feeds:
            self._catch_up(symbol, now_ms)
            self._save(now_ms, symbol)

    async def fetch_market(self, symbol: str) -> Market:
        """Filters and fees. Raises ``SettingsInvalid`` for a symbol that is not traded here."""
        return await self._ask(f"market {symbol}", lambda _: self._market(symbol))

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the account holds, by currency."""
        return await self._ask("balances", lambda _: self._matching.balances())

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``."""
        return await self._ask(f"order {client_order_id}", lambda _: self._find(symbol, client_order_id))

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders on a symbol, oldest first, foreign ones too, each with all of its fills."""
        return await self._ask(f"open orders {symbol}", lambda _: self._matching.open_orders(symbol))

    async def place(self, request: OrderRequest) -> OrderReport:
        """Place a limit order; its report, with its fills when it took at once.

        Raises:
            Transient: the rate limit.
            Rejected: filters, funds, duplicate id, too many open orders; ``PostOnlyRejected``.
            OutcomeUnknown: no answer came.
        """
        return await self._requests.send(
            f"place {request.client_order_id}",
            lambda at_ms: self._place(request, at_ms),
            unanswered=OutcomeUnknown,
        )

    async def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an open order; its final report, with all of its fills.

        Raises:
            Transient: the rate limit.
            OrderNotFound: it is not open (any more).
            OutcomeUnknown: no answer came.
        """
        return await self._requests.send(
            f"cancel {client_order_id}",
            lambda at_ms: self._cancel(symbol, client_order_id, at_ms),
            unanswered=OutcomeUnknown,
        )

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """What a listener need not be told from now on; None: tell every price."""
        self._tell_newest(symbol)
        self._feeds[symbol].set_band(listener_key, band)
        self._pacer.look_again()

    def tell_prices(self) -> None:
        """Tell the newest price of every market that has traded unseen."""
        for symbol in self._feeds:
            self._tell_newest(symbol)

    async def _ask(self, name: str, answer: Callable[[int], T]) -> T:
        """A request that changes nothing, and so may be sent again."""
        return await self._requests.send(name, answer, unanswered=Transient)

    def _settle(self, now_ms: int) -> None:
        """Let everything happen that is due by now, in order of time; at one instant rows come first."""
        if self._is_settling:
            return
        self._is_settling = True
        try:
            self._settle_all(now_ms)
        finally:
            self._is_settling = False

    def _settle_all(self, now_ms: int) -> None:
        while True:
            row = self._next_row()
            due_ms = self._timeline.next_ms
            if row is not None and row[0] <= now_ms and (due_ms is None or row[0] <= due_ms):
                self._trade(row[1], row[2])
            elif due_ms is not None and due_ms <= now_ms:
                self._timeline.deliver_next()
            else:
                break
        if row is None and self._listener is not None and not self._has_told_end:
            self._has_told_end = True
            self._listener.on_connection(Connection.ENDED)

    def _next_ms(self) -> int | None:
        """When something happens next; None: never, unless it is asked for."""
        row = self._next_row()
        due_ms = self._timeline.next_ms
        if row is None:
            return due_ms
        return row[0] if due_ms is None else min(row[0], due_ms)

    def _next_row(self) -> tuple[int, str, Tick] | None:
        """The earliest row of all markets that is worth a stop, with its time and symbol."""
        earliest: tuple[int, str, Tick] | None = None
        for symbol, feed in self._feeds.items():
            tick = feed.next_row(self._matching.quiet_band(symbol))
            if tick is not None and (earliest is None or tick.at_ms < earliest[0]):
                earliest = tick.at_ms, symbol, tick
        return earliest

    def _trade(self, symbol: str, tick: Tick) -> None:
        self._feeds[symbol].pass_row(tick)
        self._last_at_ms[symbol] = tick.at_ms
        reports = self._matching.trade(symbol, tick.price, tick.at_ms)
        self._save(tick.at_ms, symbol)
        self._report(reports, tick.at_ms)
        self._untold.discard(symbol)
        if self._listener is not None:
            self._listener.on_price(symbol, tick.price, tick.at_ms)

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self._order_window.admit(at_ms)
        self._catch_up(request.symbol, at_ms)
        reports = self._matching.place(request, at_ms)
        self._keep(request.symbol, reports, at_ms)
        return self._matching.order(request.symbol, request.client_order_id)

    def _cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self._cancel_window.admit(at_ms)
        self._catch_up(symbol, at_ms)
        report = self._matching.cancel(symbol, client_order_id, at_ms)
        self._keep(symbol, (replace(report, fills=()),), at_ms)
        return report

    def _keep(self, symbol: str, reports: Sequence[OrderReport], at_ms: int) -> None:
        """A request changed the orders: keep it, then tell of it."""
        self._feeds[symbol].search_again()
        self._save(at_ms, symbol)
        self._report(reports, at_ms)

    def _catch_up(self, symbol: str, at_ms: int) -> None:
        """Pass the quiet rows up to now, so that the last price is the market's."""
        feed = self._feeds.get(symbol)
        if feed is None:
            raise Rejected(f"expected one of {', '.join(self._feeds)}, found {symbol}")
        tick = feed.pass_quiet_rows(at_ms)
        if tick is not None:
            self._last_at_ms[symbol] = tick.at_ms
            self._matching.see_price(symbol, tick.price)
            self._untold.add(symbol)

    def _tell_newest(self, symbol: str) -> None:
        """Let the market go on to now, and tell its price if that went by unseen.

        A listener that asks while it is being told hears the rest in its turn.
        """
        if self._is_settling:
            return
        now = self._now_ms()
        self._settle(now)
        self._catch_up(symbol, now)
        price = self._matching.last_price(symbol)
        if symbol in self._untold and price is not None and self._listener is not None:
            self._untold.discard(symbol)
            self._listener.on_price(symbol, price, self._last_at_ms[symbol])

    def _save(self, at_ms: int, symbol: str) -> None:
        self._books.save(at_ms=at_ms, matching=self._matching, source=self._feeds[symbol].source)

    def _report(self, reports: Sequence[OrderReport], at_ms: int) -> None:
        for report in reports:
            for delay_ms in self._faults.delays_ms_of(report):
                self._timeline.send(Arrival.REPORT, at_ms + self._latency_ms + delay_ms, partial(self._tell, report))

    def _tell(self, report: OrderReport, _due_ms: int) -> None:
        if self._listener is not None:
            self._listener.on_report(report)

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise SettingsInvalid(f"expected one of {', '.join(sorted(self._markets))}, found {symbol}")
        return market

    def _find(self, symbol: str, client_order_id: str) -> OrderReport:
        try:
            return self._matching.order(symbol, client_order_id)
        except OrderNotFound:
            order = self._books.find_order(client_order_id)
            if order is None or order.symbol != symbol:
                raise
            return order.full_report()

    def _open_books(self) -> int:
        """Go on from the kept books, if there are any; the time at which the exchange begins."""
        sources = [feed.source for feed in self._feeds.values()]
        kept = self._books.load()
        if kept is None:
            return min(source.start_ms for source in sources)
        self.kept_orders = len(kept.used_ids)
        try:
            for source in sources:
                state = kept.sources.get(source.symbol)
                if state is None:
                    source.pass_until(kept.at_ms)
                else:
                    source.restore(state)
            self._matching.restore(kept.matching, kept.open_orders, kept.used_ids)
        except (DataInvalid, ValueError) as error:
            raise SettingsInvalid(f"{kept.origin}: {error}; {FRESH_ADVICE}") from error
        return kept.at_ms

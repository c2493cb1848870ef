"""The simulated exchange: our own market, behind the same port as a real one.

It plays a remote machine: requests and reports travel ``latency_ms`` each way, requests are
executed when they arrive, reports come over one stream in order, and every order is reported
twice, by the answer and by the stream. It lives in the engine's time alone: ``now_ms`` and
``anyio.sleep``, which are virtual in simulation.

At one instant things happen in a fixed order: windows of faults begin and end, then come the
market's rows, then requests that arrive, then stream reports, then answers. So a run that stops
only at the rows that leave all quiet bands cannot be told from one that stops at every row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskStatus

from engine.exchange.faults import NO_FAULTS, FaultPlan
from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.pacing import Pacer
from engine.exchange.port import Balance, ExchangeListener
from engine.exchange.prices import PriceSource, Tick
from engine.exchange.rate_limit import RateLimit, SlidingWindow
from engine.exchange.requests import Requests
from engine.exchange.simulated_books import Books, NullBooks
from engine.exchange.stream import Edge, Stream
from engine.exchange.timeline import Arrival, Timeline
from engine.exchange.venue import Venue
from engine.model.actions import QuietBand
from engine.model.errors import OutcomeUnknown, SettingsInvalid, Transient
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OwnFill
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
        self._venue = Venue(
            matching=MatchingEngine(markets=markets.values(), balances=balances, options=options.matching),
            sources=sources,
            books=NullBooks() if books is None else books,
            every_tick=options.every_tick,
            clock_skew_ms=options.faults.clock_skew_ms,
        )
        self._has_run = False
        self._is_settling = False
        self._order_window = SlidingWindow("orders", options.order_limit)
        self._cancel_window = SlidingWindow("cancels", options.cancel_limit)
        self._timeline = Timeline()
        self._stream = Stream(options.faults)
        self._pacer = Pacer(now_ms=now_ms, settle=self._settle, next_ms=self._next_ms)
        self._requests = Requests(
            timeline=self._timeline,
            pacer=self._pacer,
            latency_ms=options.latency_ms,
            faults=options.faults,
            now_ms=now_ms,
        )

    @property
    def start_ms(self) -> int:
        """Where the engine's clock begins: the first row's time, or where the kept books stopped."""
        return self._venue.start_ms

    @property
    def kept_orders(self) -> int | None:
        """How many orders the books remember of an earlier life; None where there were no books."""
        return self._venue.kept_orders

    @property
    def matching(self) -> MatchingEngine:
        """The exchange's own truth, for audits and tests."""
        return self._venue.matching

    async def run(
        self,
        listener: ExchangeListener,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream prices and reports until cancelled, or until the last price and report are delivered.

        It begins with the last price of every market; what happened before it began is not told,
        and no band of an earlier listener holds. During a disconnect it begins at its end.

        Raises:
            JournalFailed: the exchange's books cannot be written.
        """
        self._has_run = True
        self._stream.close()
        now = self._now_ms()
        self._settle(now)
        for feed in self._venue.feeds.values():
            feed.forget_bands()
        opening = self._stream.open(listener)
        is_over = False
        try:
            if self._stream.is_cut(now):
                self._stream.tell_connection(Connection.DISCONNECTED)
                await self._pacer.move(lambda: not self._stream.is_cut(self._now_ms()))
            else:
                self._join(now, rows_until_ms=now)
            task_status.started()
            await self._pacer.move(lambda: False)
            is_over = True
        finally:
            if not is_over:
                self._stream.close(opening)

    def forget_client(self) -> None:
        """The client was killed: nobody listens or waits any more, without a word.

        Its requests on their way still arrive. To be called before its event loop is let go of,
        which is not touched from then on.
        """
        self._stream.close()
        self._pacer.forget_all()

    def close(self) -> None:
        """Keep the time and the quiet rows passed, so that the next start goes on from now.

        An exchange that never ran leaves its books as they were.

        Raises:
            JournalFailed: the books cannot be written.
        """
        try:
            if self._has_run:
                self._keep_passed_rows(max(self._now_ms(), self.start_ms))
        finally:
            self._venue.close()

    def _keep_passed_rows(self, now_ms: int) -> None:
        self._settle(now_ms)
        self._venue.keep_passed_rows(now_ms)

    async def fetch_market(self, symbol: str) -> Market:
        """Filters and fees. Raises ``SettingsInvalid`` for a symbol that is not traded here."""
        return await self._ask(f"market {symbol}", lambda _: self._market(symbol))

    async def fetch_balances(self) -> dict[str, Balance]:
        """What the account holds, by currency."""
        return await self._ask("balances", lambda _: self.matching.balances())

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``."""
        name = f"order {client_order_id}"
        return await self._ask(
            name, lambda at_ms: self._venue.order(symbol, client_order_id, as_of_ms=self._shown_ms(name, at_ms))
        )

    async def fetch_open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """All open orders on a symbol, oldest first, foreign ones too, each with all of its fills."""
        name = f"open orders {symbol}"
        return await self._ask(
            name, lambda at_ms: self._venue.open_orders(symbol, as_of_ms=self._shown_ms(name, at_ms))
        )

    async def fetch_fills(self, symbol: str, since_ms: int) -> Sequence[OwnFill]:
        """The account's executions on a symbol at or after ``since_ms`` of the exchange's clock, oldest first."""
        name = f"fills {symbol}"
        return await self._ask(
            name, lambda at_ms: self._venue.fills(symbol, since_ms, as_of_ms=self._shown_ms(name, at_ms))
        )

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

    def place_by_hand(self, request: OrderRequest) -> OrderReport:
        """The account's owner places an order on the exchange's own site, now; as ``place`` without its limits."""
        return self._place_now(request, self._now_settled())

    def cancel_by_hand(self, symbol: str, client_order_id: str) -> OrderReport:
        """The account's owner cancels any open order on the exchange's own site, now. Raises ``OrderNotFound``."""
        return self._cancel_now(symbol, client_order_id, self._now_settled())

    def transfer(self, currency: str, amount: Decimal) -> None:
        """The account's owner brings an amount in, or takes it away when negative, now; no report tells of it.

        Raises:
            Rejected: no such currency, or less of it is free.
        """
        self._venue.transfer(currency, amount, self._now_settled())

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """What a listener need not be told from now on; None: tell every price."""
        self._tell_newest(symbol)
        self._venue.feeds[symbol].set_band(listener_key, band)
        self._pacer.look_again()

    def tell_prices(self) -> None:
        """Tell the newest price of every market that has traded unseen."""
        for symbol in self._venue.feeds:
            self._tell_newest(symbol)

    async def _ask(self, name: str, answer: Callable[[int], T]) -> T:
        """A request that changes nothing, and so may be sent again."""
        return await self._requests.send(name, answer, unanswered=Transient)

    def _settle(self, now_ms: int) -> None:
        """Let everything happen that is due by now, in order of time."""
        if self._is_settling:
            return
        self._is_settling = True
        try:
            self._settle_all(now_ms)
        finally:
            self._is_settling = False

    def _settle_all(self, now_ms: int) -> None:
        while True:
            row = self._venue.next_row()
            due_ms, edge_ms = self._timeline.next_ms, self._stream.next_edge_ms
            at_ms = _earlier(edge_ms, _earlier(None if row is None else row[0], due_ms))
            if at_ms is None or at_ms > now_ms:
                break
            if at_ms == edge_ms:
                self._pass_edge()
            elif row is not None and at_ms == row[0]:
                self._trade(row[1], row[2])
            else:
                self._timeline.deliver_next()
        stream = self._stream
        if row is None and stream.is_open and not stream.has_ended and not stream.is_silent(now_ms):
            stream.end()

    def _next_ms(self) -> int | None:
        """When something happens next; None: never, unless it is asked for."""
        row = self._venue.next_row()
        due_ms = _earlier(None if row is None else row[0], self._timeline.next_ms)
        return _earlier(self._stream.next_edge_ms, due_ms)

    def _pass_edge(self) -> None:
        """A window in which the stream is silent begins or ends."""
        at_ms, edge = self._stream.take_edge()
        match edge:
            case Edge.SILENCE:
                for symbol in self._venue.feeds:
                    self._catch_up(symbol, at_ms - 1)
                    self._stream.tell_untold(symbol)
            case Edge.CUT:
                self._stream.tell_connection(Connection.DISCONNECTED)
            case Edge.JOIN:
                self._join(at_ms, rows_until_ms=at_ms - 1)
            case Edge.VOICE:
                pass  # A stop, for the end of the market may have waited for it.

    def _join(self, at_ms: int, *, rows_until_ms: int) -> None:
        """The connection is there: it begins with the last price of every market."""
        self._stream.tell_connection(Connection.CONNECTED)
        for symbol in self._venue.feeds:
            self._catch_up(symbol, rows_until_ms)
            newest = self._venue.newest(symbol)
            if newest is not None:
                self._stream.tell_price(symbol, *newest, told_ms=at_ms)

    def _trade(self, symbol: str, tick: Tick) -> None:
        self._report(self._venue.trade(symbol, tick), tick.at_ms)
        self._stream.tell_price(symbol, tick.price, tick.at_ms, told_ms=tick.at_ms)

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self._order_window.admit(at_ms)
        return self._place_now(request, at_ms)

    def _place_now(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self._catch_up(request.symbol, at_ms)
        self._report(self._venue.place(request, at_ms), at_ms)
        return self.matching.order(request.symbol, request.client_order_id)

    def _cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self._cancel_window.admit(at_ms)
        return self._cancel_now(symbol, client_order_id, at_ms)

    def _cancel_now(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self._catch_up(symbol, at_ms)
        report, told = self._venue.cancel(symbol, client_order_id, at_ms)
        self._report((told,), at_ms)
        return report

    def _catch_up(self, symbol: str, at_ms: int) -> None:
        """Pass the quiet rows up to now, so that the last price is the market's."""
        tick = self._venue.catch_up(symbol, at_ms)
        if tick is not None:
            self._stream.pass_unseen(symbol, tick)

    def _tell_newest(self, symbol: str) -> None:
        """Let the market go on to now, and tell its price if that went by unseen.

        A listener that asks while it is being told hears the rest in its turn.
        """
        if not self._is_settling:
            self._catch_up(symbol, self._now_settled())
            self._stream.tell_untold(symbol)

    def _now_settled(self) -> int:
        """The time, everything due by then having happened; whoever moves looks again at what comes next."""
        now = self._now_ms()
        self._settle(now)
        self._pacer.look_again()
        return now

    def _report(self, reports: Sequence[OrderReport], at_ms: int) -> None:
        for report in reports:
            for delay_ms in self._faults.delays_ms_of(report):
                told_ms = at_ms + self._latency_ms + delay_ms
                self._timeline.send(Arrival.REPORT, told_ms, partial(self._stream.tell_report, report))

    def _shown_ms(self, question: str, at_ms: int) -> int | None:
        """As of when, by the exchange's clock, a question that arrives now is answered; None: as things are."""
        staleness_ms = self._faults.staleness_ms_of(question, at_ms)
        return self._venue.clock_ms(at_ms) - staleness_ms if staleness_ms else None

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise SettingsInvalid(f"expected one of {', '.join(sorted(self._markets))}, found {symbol}")
        return market


def _earlier(one_ms: int | None, other_ms: int | None) -> int | None:
    if one_ms is None or other_ms is None:
        return other_ms if one_ms is None else one_ms
    return min(one_ms, other_ms)

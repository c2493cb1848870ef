"""The simulated exchange: our own market, behind the same port as a real one.

It plays a remote machine: requests and reports travel ``latency_ms`` each way, requests are
executed when they arrive, reports come over one stream in order, and every order is reported
twice, by the answer and by the stream. It lives in the engine's time alone: ``now_ms`` and
``anyio.sleep``, which are virtual in simulation.

In which order things happen, and what the stream tells of them, is left to ``happenings``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

import anyio
from anyio.abc import TaskStatus

from engine.exchange.candles import CandleDesk
from engine.exchange.faults import NO_FAULTS, FaultPlan
from engine.exchange.happenings import Happenings
from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.port import Balance, ExchangeListener
from engine.exchange.positions import MarginTerms
from engine.exchange.prices import PriceSource
from engine.exchange.rate_limit import RateLimit, SlidingWindow
from engine.exchange.requests import Requests
from engine.exchange.simulated_books import Books, NullBooks
from engine.exchange.veils import Veils
from engine.exchange.venue import Venue
from engine.model.errors import OutcomeUnknown, RetryScope, SettingsInvalid, Transient
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OrderStatus, OwnFill
from engine.model.regime import Candle
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment, Liquidation, Position

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


class SimulatedExchange(Happenings):
    """An ``Exchange`` with a market, an account and books of its own."""

    name = "simulated"
    request_life_seconds = 0.0

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
        venue = Venue(
            matching=MatchingEngine(markets=markets.values(), balances=balances, options=options.matching),
            sources=sources,
            books=NullBooks() if books is None else books,
            every_tick=options.every_tick,
            clock_skew_ms=options.faults.clock_skew_ms,
        )
        super().__init__(venue=venue, now_ms=now_ms, latency_ms=options.latency_ms, faults=options.faults)
        self._markets = dict(markets)
        self._has_run = False
        self._veils = Veils()
        self._order_window = SlidingWindow("orders", options.order_limit, scope=RetryScope.ORDERS)
        self._cancel_window = SlidingWindow("cancels", options.cancel_limit)
        self._requests = Requests(
            timeline=self._timeline,
            pacer=self._pacer,
            latency_ms=options.latency_ms,
            faults=options.faults,
            now_ms=now_ms,
        )

        self._candles = CandleDesk(
            sources=sources,
            timeline=self._timeline,
            stream=self._stream,
            expect=self._pacer.expect,
            latency_ms=options.latency_ms,
        )

    @property
    def start_ms(self) -> int:
        """Where the engine's clock begins: the first row's time, or where the kept books stopped."""
        return self._venue.start_ms

    @property
    def kept_orders(self) -> int | None:
        """How many orders the books remember of an earlier life; None where there were no books."""
        return self._venue.kept_orders

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
            if not is_over and self._stream.close(opening):
                self._candles.forget_watches()

    def forget_client(self) -> None:
        """The client was killed: nobody listens or waits any more, without a word.

        Its requests on their way still arrive. To be called before its event loop is let go of,
        which is not touched from then on.
        """
        self._stream.close()
        self._candles.forget_watches()
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
        return await self._ask("balances", self._venue.balances)

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order with all of its fills, open or not. Raises ``OrderNotFound``."""
        name = f"order {client_order_id}"
        return await self._ask(
            name, lambda at_ms: self._veils.shown_order(self._order(symbol, client_order_id, name, at_ms), at_ms)
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
            name, lambda at_ms: self._veils.shown_fills(self._fills(symbol, since_ms, name, at_ms), at_ms)
        )

    async def fetch_positions(self) -> dict[str, Position]:
        """The swap positions of the account by symbol; none where it is flat."""
        return await self._ask("positions", self._venue.positions)

    async def fetch_funding(self, symbol: str, since_ms: int) -> Sequence[FundingPayment]:
        """Funding of a swap at or after ``since_ms`` of the exchange's clock, oldest first."""
        name = f"funding {symbol}"
        return await self._ask(
            name, lambda at_ms: self._venue.funding(symbol, since_ms, as_of_ms=self._shown_ms(name, at_ms))
        )

    async def fetch_liquidations(self, symbol: str, since_ms: int) -> Sequence[Liquidation]:
        """Liquidations of the account at or after ``since_ms`` of the exchange's clock, oldest first."""
        name = f"liquidations {symbol}"
        return await self._ask(
            name, lambda at_ms: self._venue.liquidations(symbol, since_ms, as_of_ms=self._shown_ms(name, at_ms))
        )

    async def set_leverage(self, symbol: str, leverage: Decimal, mode: MarginMode) -> None:
        """Trade a swap with this leverage and margin from now on; asking twice is the same as once.

        Raises:
            Transient: no answer came.
            Rejected: no such swap, more leverage than its market allows, or what is there cannot be carried.
        """
        terms = MarginTerms(leverage=leverage, mode=mode)
        await self._ask(f"leverage {symbol}", lambda at_ms: self._venue.set_leverage(symbol, terms, at_ms))

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The newest candles that are closed when the request arrives, oldest first, at most ``limit``.

        Raises:
            SettingsInvalid: no such market, or an interval that is not whole minutes.
        """
        return await self._ask(
            f"candles {symbol} {interval_ms}",
            lambda at_ms: self._candles.newest(symbol, interval_ms, limit, at_ms),
        )

    def watch_candles(self, symbol: str, interval_ms: int) -> None:
        """Tell these candles until the stream ends; see ``candles``.

        Raises:
            SettingsInvalid: no such market, or an interval that is not whole minutes.
        """
        self._candles.watch(symbol, interval_ms, self._now_ms())

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

    async def _ask(self, name: str, answer: Callable[[int], T]) -> T:
        """A request that may be sent again."""
        return await self._requests.send(name, answer, unanswered=Transient)

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self._order_window.admit(at_ms)
        return self._place_now(request, at_ms)

    def _place_now(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self._catch_up(request.symbol, at_ms)
        self._report(self._venue.place(request, at_ms), at_ms)
        return self.matching.order(request.symbol, request.client_order_id)

    def _cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self._cancel_window.admit(at_ms)
        hidden_ms = self._faults.hidden_ms_of(client_order_id, at_ms)
        if hidden_ms and client_order_id in {report.client_order_id for report in self.matching.open_orders(symbol)}:
            return self._cancel_executed(symbol, client_order_id, at_ms, hidden_ms)
        return self._cancel_now(symbol, client_order_id, at_ms)

    def _cancel_executed(self, symbol: str, client_order_id: str, at_ms: int, hidden_ms: int) -> OrderReport:
        """Cancel an order that was executed just before, which whoever answers does not know yet."""
        self._catch_up(symbol, at_ms)
        order, lot = self.matching.find(symbol, client_order_id), self._markets[symbol].lot_size
        lots = self._faults.hidden_lots_of(client_order_id, int(order.remaining / lot))
        before = len(order.fills)
        news = list(self._venue.execute(symbol, client_order_id, lots * lot, at_ms))
        if order.is_open:
            _, closed = self._venue.cancel(symbol, client_order_id, at_ms)
            news.append(closed)
        mine = [told for told in news if isinstance(told, OrderReport) and told.client_order_id == client_order_id]
        self._report([told for told in news if told not in mine], at_ms)
        hidden = tuple(order.fills[before:])
        self._note_hidden(mine, at_ms)
        until_ms = at_ms + hidden_ms
        for fill in hidden:
            self._veils.hide(client_order_id, fill.trade_id, until_ms=until_ms)
            self._tell([order.report((fill,))], until_ms)
        answer = replace(
            self._veils.shown_order(order.full_report(), at_ms), status=OrderStatus.CANCELED, at_ms=order.at_ms
        )
        self._tell([replace(answer, fills=())], at_ms)
        return answer

    def _note_hidden(self, reports: Sequence[OrderReport], at_ms: int) -> None:
        """This has happened, and is told to nobody yet; for audits."""

    def _order(self, symbol: str, client_order_id: str, question: str, at_ms: int) -> OrderReport:
        return self._venue.order(symbol, client_order_id, as_of_ms=self._shown_ms(question, at_ms))

    def _fills(self, symbol: str, since_ms: int, question: str, at_ms: int) -> Sequence[OwnFill]:
        return self._venue.fills(symbol, since_ms, as_of_ms=self._shown_ms(question, at_ms))

    def _cancel_now(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self._catch_up(symbol, at_ms)
        report, told = self._venue.cancel(symbol, client_order_id, at_ms)
        self._report((told,), at_ms)
        return report

    def _shown_ms(self, question: str, at_ms: int) -> int | None:
        """As of when, by the exchange's clock, a question that arrives now is answered; None: as things are."""
        staleness_ms = self._faults.staleness_ms_of(question, at_ms)
        return self._venue.clock_ms(at_ms) - staleness_ms if staleness_ms else None

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise SettingsInvalid(f"expected one of {', '.join(sorted(self._markets))}, found {symbol}")
        return market

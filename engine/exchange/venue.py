"""What stands on the simulated exchange's own machine: its markets, matching engine, clock and books.

It is synchronous and knows no client: things are done at a time that it is told, in the order of
time, and what the client should hear of them is returned. Its clock may differ from the market's:
all times in orders and fills are its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import takewhile

from engine.exchange.feed import Feed
from engine.exchange.matching import MatchingEngine
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.prices import PriceSource, Tick
from engine.exchange.simulated_books import FRESH_ADVICE, Books
from engine.model.errors import DataInvalid, OrderNotFound, Rejected, SettingsInvalid
from engine.model.order import OrderReport, OrderRequest, OwnFill


class Venue:
    """One account on the machine of one exchange.

    Invariant: between two calls the books hold exactly the matching engine as it is.
    """

    def __init__(
        self,
        *,
        matching: MatchingEngine,
        sources: Mapping[str, PriceSource],
        books: Books,
        every_tick: bool,
        clock_skew_ms: int,
    ) -> None:
        """Open the machine as its books left it, or new.

        Raises:
            SettingsInvalid: books that cannot be gone on with.
        """
        self.matching = matching
        self.feeds = {symbol: Feed(sources[symbol], every_tick=every_tick) for symbol in sorted(sources)}
        self.kept_orders: int | None = None
        """How many orders the books remember of an earlier life; None where there were no books."""
        self._books = books
        self._clock_skew_ms = clock_skew_ms
        self.start_ms = self._open_books()
        """The first row's time, or where the kept books stopped."""
        self._last_at_ms = dict.fromkeys(self.feeds, self.start_ms)

    def clock_ms(self, at_ms: int) -> int:
        """What its clock shows at a time."""
        return at_ms + self._clock_skew_ms

    def next_row(self) -> tuple[int, str, Tick] | None:
        """The earliest row of all markets that is worth a stop, with its time and symbol."""
        earliest: tuple[int, str, Tick] | None = None
        for symbol, feed in self.feeds.items():
            tick = feed.next_row(self.matching.quiet_band(symbol))
            if tick is not None and (earliest is None or tick.at_ms < earliest[0]):
                earliest = tick.at_ms, symbol, tick
        return earliest

    def newest(self, symbol: str) -> tuple[Decimal, int] | None:
        """The last trade that was looked at, and its time; None before the first."""
        price = self.matching.last_price(symbol)
        return None if price is None else (price, self._last_at_ms[symbol])

    def trade(self, symbol: str, tick: Tick) -> tuple[OrderReport, ...]:
        """The market trades; what it filled."""
        self.feeds[symbol].pass_row(tick)
        self._last_at_ms[symbol] = tick.at_ms
        reports = self.matching.trade(symbol, tick.price, self.clock_ms(tick.at_ms))
        self._save(tick.at_ms, symbol)
        return reports

    def catch_up(self, symbol: str, at_ms: int) -> Tick | None:
        """Pass the quiet rows up to a time, so that the last price is the market's; the last of them, if any.

        Raises:
            Rejected: the symbol is not traded here.
        """
        feed = self.feeds.get(symbol)
        if feed is None:
            raise Rejected(f"expected one of {', '.join(self.feeds)}, found {symbol}")
        tick = feed.pass_quiet_rows(at_ms)
        if tick is not None:
            self._last_at_ms[symbol] = tick.at_ms
            self.matching.see_price(symbol, tick.price)
        return tick

    def place(self, request: OrderRequest, at_ms: int) -> tuple[OrderReport, ...]:
        """Accept an order; what the stream says of it. Raises ``Rejected``."""
        reports = self.matching.place(request, self.clock_ms(at_ms))
        self._keep_orders(request.symbol, at_ms)
        return reports

    def cancel(self, symbol: str, client_order_id: str, at_ms: int) -> tuple[OrderReport, OrderReport]:
        """Cancel an open order; its final report, and what the stream says of it. Raises ``OrderNotFound``."""
        report = self.matching.cancel(symbol, client_order_id, self.clock_ms(at_ms))
        self._keep_orders(symbol, at_ms)
        return report, replace(report, fills=())

    def transfer(self, currency: str, amount: Decimal, at_ms: int) -> None:
        """Bring an amount in from elsewhere, or take it away when negative. Raises ``Rejected``."""
        self.matching.transfer(currency, amount)
        self._save(at_ms, next(iter(self.feeds)))

    def order(self, symbol: str, client_order_id: str, *, as_of_ms: int | None) -> OrderReport:
        """An order as it was at a time of its clock, or as it is. Raises ``OrderNotFound``."""
        order = self._find(symbol, client_order_id)
        report = order.full_report() if as_of_ms is None else order.report_as_of(as_of_ms)
        if report is None:
            raise OrderNotFound(f"no order {client_order_id} on {symbol}")
        return report

    def open_orders(self, symbol: str, *, as_of_ms: int | None) -> tuple[OrderReport, ...]:
        """The open orders as they were at a time of its clock, or as they are, oldest first."""
        if as_of_ms is None:
            return self.matching.open_orders(symbol)
        return self.matching.open_orders_as_of(symbol, as_of_ms)

    def fills(self, symbol: str, since_ms: int, *, as_of_ms: int | None) -> tuple[OwnFill, ...]:
        """The account's executions from ``since_ms`` of its clock on, as far as it knew then, oldest first."""
        recent = self.matching.recent_fills(symbol)
        found = tuple(takewhile(lambda own: own.fill.at_ms >= since_ms, reversed(recent)))[::-1]
        first_remembered = self.matching.trades(symbol) - len(recent) + 1
        if len(found) == len(recent) and first_remembered > 1:
            found = (*self._books.find_fills(symbol, since_ms, before_trade=first_remembered), *found)
        return found if as_of_ms is None else tuple(own for own in found if own.fill.at_ms <= as_of_ms)

    def keep_passed_rows(self, at_ms: int) -> None:
        """Keep the time and the quiet rows passed. Raises ``JournalFailed``."""
        for symbol in self.feeds:
            self.catch_up(symbol, at_ms)
            self._save(at_ms, symbol)

    def close(self) -> None:
        """Let go of the books."""
        self._books.close()

    def _find(self, symbol: str, client_order_id: str) -> ExchangeOrder:
        try:
            return self.matching.find(symbol, client_order_id)
        except OrderNotFound:
            order = self._books.find_order(client_order_id)
            if order is None or order.symbol != symbol:
                raise
            return order

    def _keep_orders(self, symbol: str, at_ms: int) -> None:
        self.feeds[symbol].search_again()
        self._save(at_ms, symbol)

    def _save(self, at_ms: int, symbol: str) -> None:
        self._books.save(at_ms=at_ms, matching=self.matching, source=self.feeds[symbol].source)

    def _open_books(self) -> int:
        """Go on from the kept books, if there are any; the time at which the exchange begins."""
        sources = [feed.source for feed in self.feeds.values()]
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
            self.matching.restore(kept.matching, kept.open_orders, kept.used_ids)
        except (DataInvalid, ValueError) as error:
            raise SettingsInvalid(f"{kept.origin}: {error}; {FRESH_ADVICE}") from error
        return kept.at_ms

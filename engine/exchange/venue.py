"""What stands on the simulated exchange's own machine: its markets, matching engine, clock and books.

It is synchronous and knows no client: things are done at a time that it is told, in the order of
time, and what the client should hear of them is returned. Its clock may differ from the market's:
all times in orders and fills are its own.

Whether a swap position is lost can depend on the prices of several markets. So whatever is done looks
at the newest price of every swap first, quiet or not, and bands that this moves are looked at again.
Funding that is due at an instant comes before the rows of that instant.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import takewhile
from typing import TypeVar

from engine.exchange.feed import Feed
from engine.exchange.matching import MatchingEngine
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.port import Balance
from engine.exchange.positions import MarginTerms
from engine.exchange.prices import PriceSource, Tick
from engine.exchange.simulated_books import FRESH_ADVICE, Books
from engine.exchange.swaps import SwapNews
from engine.model.errors import DataInvalid, OrderNotFound, Rejected, SettingsInvalid
from engine.model.order import OrderReport, OrderRequest, OwnFill
from engine.model.swap import FundingPayment, Liquidation, Position

Told = OrderReport | SwapNews
"""What the stream says, in this order, of one thing that happened."""
_HISTORY_KEPT = 10_000
"""So many of the newest funding payments and liquidations can be asked for."""


def _nobody(symbol: str, tick: Tick) -> None:
    """A price went by unseen, and there is nobody who may want it."""


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
        self.has_end = all(source.end_ms is not None for source in sources.values())
        """Whether the markets end with their rows; a live one only has none at the moment."""
        self.kept_orders: int | None = None
        """How many orders the books remember of an earlier life; None where there were no books."""
        self._books = books
        self._clock_skew_ms = clock_skew_ms
        self.on_unseen: Callable[[str, Tick], None] = _nobody
        """Hears of the quiet rows of swaps that were looked at, the newest of each time."""
        self._funding: deque[FundingPayment] = deque(maxlen=_HISTORY_KEPT)
        self._liquidations: deque[Liquidation] = deque(maxlen=_HISTORY_KEPT)
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

    def next_funding(self) -> tuple[int, str] | None:
        """When a swap's funding is due next, and whose, while its market has rows to come; None: never."""
        found: tuple[int, str] | None = None
        for symbol, due_ms in self.matching.funding_due_ms().items():
            at_ms, end_ms = due_ms - self._clock_skew_ms, self.feeds[symbol].source.end_ms
            if (end_ms is None or at_ms <= end_ms) and (found is None or (at_ms, symbol) < found):
                found = at_ms, symbol
        return found

    def newest(self, symbol: str) -> tuple[Decimal, int] | None:
        """The last trade that was looked at, and its time; None before the first."""
        price = self.matching.last_price(symbol)
        return None if price is None else (price, self._last_at_ms[symbol])

    def trade(self, symbol: str, tick: Tick) -> tuple[Told, ...]:
        """The market trades; what it filled, and what it took away."""
        for swap in self.matching.swaps():
            if swap != symbol:
                # At one instant the rows of a market come after those of the markets sorted before it.
                self._look_at(swap, tick.at_ms if swap < symbol else tick.at_ms - 1)
        self.feeds[symbol].pass_row(tick)
        self._last_at_ms[symbol] = tick.at_ms
        reports = self.matching.trade(symbol, tick.price, self.clock_ms(tick.at_ms))
        return self._keep(reports, tick.at_ms, symbol)

    def fund(self, symbol: str, at_ms: int) -> tuple[Told, ...]:
        """Pay the funding of a swap that is due now, before the rows of this instant."""
        self._look_at_swaps(at_ms - 1)
        reports = self.matching.fund(symbol, self.clock_ms(at_ms))
        payment, *lost = self._take_news()
        return (payment, *self._keep_all(reports, at_ms, symbol, (payment, *lost)), *lost)

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

    def place(self, request: OrderRequest, at_ms: int) -> tuple[Told, ...]:
        """Accept an order; what the stream says of it. Raises ``Rejected``."""
        self._look_at_swaps(at_ms)
        reports = self.matching.place(request, self.clock_ms(at_ms))
        self.feeds[request.symbol].search_again()
        return self._keep(reports, at_ms, request.symbol)

    def cancel(self, symbol: str, client_order_id: str, at_ms: int) -> tuple[OrderReport, OrderReport]:
        """Cancel an open order; its final report, and what the stream says of it. Raises ``OrderNotFound``."""
        self._look_at_swaps(at_ms)
        report = self.matching.cancel(symbol, client_order_id, self.clock_ms(at_ms))
        self.feeds[symbol].search_again()
        self._keep((), at_ms, symbol)
        return report, replace(report, fills=())

    def execute(self, symbol: str, client_order_id: str, amount: Decimal, at_ms: int) -> tuple[Told, ...]:
        """Fill an open order at its price, wherever the market is; what came of it."""
        self._look_at_swaps(at_ms)
        reports = self.matching.execute(symbol, client_order_id, amount, self.clock_ms(at_ms))
        self.feeds[symbol].search_again()
        return self._keep(reports, at_ms, symbol)

    def transfer(self, currency: str, amount: Decimal, at_ms: int) -> None:
        """Bring an amount in from elsewhere, or take it away when negative. Raises ``Rejected``."""
        self._look_at_swaps(at_ms)
        self.matching.transfer(currency, amount)
        self._keep((), at_ms, next(iter(self.feeds)))

    def set_leverage(self, symbol: str, terms: MarginTerms, at_ms: int) -> None:
        """Trade a swap on these terms from now on. Raises ``Rejected``."""
        self._look_at_swaps(at_ms)
        self.matching.set_leverage(symbol, terms)
        self._keep((), at_ms, symbol)

    def balances(self, at_ms: int) -> dict[str, Balance]:
        """What the account holds, by currency; what swaps bind of it depends on their prices now."""
        self._look_at_swaps(at_ms)
        return self.matching.balances()

    def positions(self, at_ms: int) -> dict[str, Position]:
        """The swap positions by symbol; none where the account is flat."""
        self._look_at_swaps(at_ms)
        return self.matching.positions()

    def funding(self, symbol: str, since_ms: int, *, as_of_ms: int | None) -> tuple[FundingPayment, ...]:
        """Funding of a swap at or after ``since_ms`` of its clock, as far as it knew then, oldest first."""
        return tuple(_within(self._funding, symbol, since_ms, as_of_ms))

    def liquidations(self, symbol: str, since_ms: int, *, as_of_ms: int | None) -> tuple[Liquidation, ...]:
        """Liquidations on a swap at or after ``since_ms`` of its clock, as far as it knew then, oldest first."""
        return tuple(_within(self._liquidations, symbol, since_ms, as_of_ms))

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

    def _look_at_swaps(self, until_ms: int) -> None:
        for symbol in self.matching.swaps():
            self._look_at(symbol, until_ms)

    def _look_at(self, symbol: str, until_ms: int) -> None:
        tick = self.catch_up(symbol, until_ms)
        if tick is not None:
            self.on_unseen(symbol, tick)

    def _keep(self, reports: tuple[OrderReport, ...], at_ms: int, symbol: str) -> tuple[Told, ...]:
        """Keep a step, and look again where it has moved a band; all that is to be told of it."""
        news = self._take_news()
        return (*self._keep_all(reports, at_ms, symbol, news), *news)

    def _keep_all(
        self, reports: tuple[OrderReport, ...], at_ms: int, symbol: str, news: Iterable[SwapNews]
    ) -> tuple[OrderReport, ...]:
        for moved in self.matching.take_moved_bands():
            self.feeds[moved].search_again()
        self._save(at_ms, symbol, news)
        return reports

    def _take_news(self) -> tuple[SwapNews, ...]:
        news = self.matching.take_news()
        for one in news:
            self._remember(one)
        return news

    def _remember(self, news: SwapNews) -> None:
        match news:
            case FundingPayment():
                self._funding.append(news)
            case Liquidation():
                self._liquidations.append(news)

    def _save(self, at_ms: int, symbol: str, news: Iterable[SwapNews] = ()) -> None:
        # A step on one market can look at the rows of every swap: what was passed must not come again.
        sources = [self.feeds[name].source for name in {symbol: None, **dict.fromkeys(self.matching.swaps())}]
        self._books.save(at_ms=at_ms, matching=self.matching, source=sources[0], others=sources[1:], news=news)

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
            for news in kept.news:
                self._remember(news)
        except (DataInvalid, ValueError) as error:
            raise SettingsInvalid(f"{kept.origin}: {error}; {FRESH_ADVICE}") from error
        return kept.at_ms


_T = TypeVar("_T", FundingPayment, Liquidation)


def _within(history: Iterable[_T], symbol: str, since_ms: int, until_ms: int | None) -> Iterator[_T]:
    for news in history:
        if news.symbol == symbol and since_ms <= news.at_ms and (until_ms is None or news.at_ms <= until_ms):
            yield news

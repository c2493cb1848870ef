"""The matching engine of the simulated exchange: orders and trades in, reports and exact books out.

It is synchronous and pure: no clock, no I/O, no dice but seeded ones; time is an argument.
Every request is done whole or raises ``Rejected`` and changes nothing.

The rules:

* The market is as deep as needed and takes no notice of our orders: the data alone make its price.
* An order beyond the last price takes at once: one tick worse than the last price, never beyond
  its limit, wholly, as taker. At the last price or before it the order rests; nothing is post-only
  rejected for that. Before the first trade of a market everything rests.
* A resting order fills at its own price as maker when the market trades through it
  (``FillModel.THROUGH``) or touches it (``FillModel.TOUCH``); one trade fills all that it passes,
  nearest first, the earlier first at one price.
* A buy locks its cost, and the worst possible fee when fees are taken in quote; a sell locks its amount.
* A fee is rounded to 8 decimals, halves to even. It never exceeds what the order has locked for it,
  which can matter only to the last digit of an order filled in several parts.
* A client order id is used for ever, whatever became of its order.
* Swaps: ``swaps`` and ``holdings`` say what they bind and when they are lost. A row of the market first
  fills orders, then takes away the positions that are lost at its price. A reduce-only order is trimmed
  to the position when it fills and the rest of it canceled; so is what cannot be carried of any order.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.exchange.dice import faces_from_chance, throw
from engine.exchange.matching_books import MatchingBooks
from engine.exchange.matching_options import FillModel, MatchingOptions, MatchingState
from engine.exchange.order_book import ExchangeOrder, OrderBook
from engine.exchange.positions import MarginTerms
from engine.exchange.settlement import settle_fill
from engine.exchange.swaps import SwapNews
from engine.exchange.terms import funds_for, price_of_taker, takes
from engine.model.errors import DuplicateOrder, OrderNotFound, PostOnlyRejected, Rejected
from engine.model.market import Market
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import Fill, OrderReport, OrderRequest, OrderStatus, OwnFill, Side

__all__ = ["FillModel", "MatchingEngine", "MatchingOptions", "MatchingState"]


class MatchingEngine(MatchingBooks):
    """Accepts, fills and cancels one account's orders on every market of the exchange."""

    def __init__(self, *, markets: Iterable[Market], balances: Mapping[str, Decimal], options: MatchingOptions) -> None:
        super().__init__(markets=markets, balances=balances, options=options)
        self._options = options
        self._with_touched = options.fill is FillModel.TOUCH
        self._partial_faces = faces_from_chance(options.partial_fill_chance)

    def place(self, request: OrderRequest, at_ms: int) -> tuple[OrderReport, ...]:
        """Accept a limit order; what the stream says of it: OPEN, and FILLED when it takes at once.

        On a swap it can take for less than its amount, and can be the loss of a position.

        Raises:
            PostOnlyRejected: it is post-only and would take.
            Rejected: a filter, the funds or the number of open orders forbids it.
            DuplicateOrder: the id was used before.
        """
        book = self._book(request.symbol)
        self._check_request(request, book)
        needed = self._needed(request, book)
        is_taker = takes(request, book.last_price)
        if is_taker and request.post_only:
            raise PostOnlyRejected(
                f"a post-only {request.side} must not cross the last price {book.last_price}, was {request.price}"
            )
        order = self._accept(request, book, needed, at_ms)
        reports = [order.report(())]
        if book.last_price is not None and is_taker:
            price = price_of_taker(order, book.market, book.last_price)
            reports += self._fill(book, order, price, order.amount, at_ms, is_maker=False)
        return (*reports, *self._close_lost(at_ms))

    def cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        """Cancel an open order; its final report, with all of its fills.

        Raises:
            OrderNotFound: no such order is open on the symbol.
        """
        book = self._book(symbol)
        order = book.orders.get(client_order_id)
        if order is None:
            raise OrderNotFound(f"no open order {client_order_id} on {symbol}")
        self._cancel(book, order, at_ms, reason="")
        self._desk.draw_bands()
        return order.full_report()

    def trade(self, symbol: str, price: Decimal, at_ms: int) -> tuple[OrderReport, ...]:
        """The market traded at ``price``; a report for every order that it filled, wholly or in part."""
        book = self._books[symbol]
        book.last_price = price
        if book.best_buy < price < book.best_sell and book.market.swap is None:
            return ()
        # Late news of a trade fills nothing that came after it, and is booked after what is booked already.
        crossed = [order for order in book.crossed(price, with_touched=self._with_touched) if order.at_ms <= at_ms]
        at_ms = max(at_ms, book.recent_fills[-1].fill.at_ms) if book.recent_fills else at_ms
        filled = [
            report
            for order in crossed
            for report in self._fill(book, order, order.price, self._amount_of_fill(book, order), at_ms, is_maker=True)
        ]
        return (*filled, *self._close_lost(at_ms))

    def execute(self, symbol: str, client_order_id: str, amount: Decimal, at_ms: int) -> tuple[OrderReport, ...]:
        """Fill an open order at its price though the market is elsewhere. Raises ``KeyError`` if it is not open."""
        book = self._books[symbol]
        order = book.orders[client_order_id]
        reports = self._fill(book, order, order.price, amount, at_ms, is_maker=True)
        return (*reports, *self._close_lost(at_ms))

    def fund(self, symbol: str, at_ms: int) -> tuple[OrderReport, ...]:
        """Pay the funding of a swap that is due; what became of orders if a position was lost by it."""
        self._news.append(self._desk.fund(symbol))
        return self._close_lost(at_ms)

    def funding_due_ms(self) -> Mapping[str, int]:
        """When funding is due next on every swap that is not flat."""
        return self._desk.funding_due_ms()

    def set_leverage(self, symbol: str, terms: MarginTerms) -> None:
        """Trade a swap on these terms from now on. Raises ``Rejected``."""
        for order in self._desk.set_terms(symbol, terms):
            self._register.note_change(order)
        self._desk.draw_bands()

    def take_news(self) -> tuple[SwapNews, ...]:
        """What happened to positions since this was last asked, oldest first."""
        news = tuple(self._news)
        self._news.clear()
        return news

    def see_price(self, symbol: str, price: Decimal) -> None:
        """The market traded, inside the quiet band, and this was its last price."""
        self._books[symbol].last_price = price

    def transfer(self, currency: str, amount: Decimal) -> None:
        """Bring ``amount`` in from elsewhere, or take it away when negative.

        Raises:
            Rejected: no such currency, or less of it is free.
        """
        if currency not in self._account.free:
            raise Rejected(f"expected one of {', '.join(self._account.free)}, found {currency}")
        free = self._desk.held.available(currency)
        if free + amount < 0:
            raise Rejected(
                f"insufficient funds: {text_from_decimal(-amount)} {currency} needed, {text_from_decimal(free)} free"
            )
        self._account.transfer(currency, amount)
        self._desk.draw_bands()

    def _check_request(self, request: OrderRequest, book: OrderBook) -> None:
        if request.client_order_id in self._used_ids:
            raise DuplicateOrder(f"duplicate client order id {request.client_order_id}")
        problem = book.market.problem_with(request.price, request.amount)
        if problem is not None:
            raise Rejected(problem)
        if len(book.orders) >= self._options.open_orders_max:
            raise Rejected(f"{request.symbol} allows {self._options.open_orders_max} open orders")
        if request.reduce_only and book.market.swap is None:
            raise Rejected(f"a reduce-only order needs a swap, found {request.symbol}")

    def _needed(self, request: OrderRequest, book: OrderBook) -> Decimal:
        """What an order will bind, which is there. Raises ``Rejected``."""
        if book.market.swap is not None:
            return self._desk.locked_for(request)
        currency, needed = funds_for(request, book.market)
        free = self._desk.held.available(currency)
        if free < needed:
            raise Rejected(
                f"insufficient funds: {text_from_decimal(needed)} {currency} needed, {text_from_decimal(free)} free"
            )
        return needed

    def _accept(self, request: OrderRequest, book: OrderBook, needed: Decimal, at_ms: int) -> ExchangeOrder:
        if book.market.swap is None:
            self._account.lock(book.market.quote if request.side is Side.BUY else book.market.base, needed)
        self._register.sequence += 1
        order = ExchangeOrder(
            sequence=self._register.sequence,
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            price=request.price,
            amount=request.amount,
            post_only=request.post_only,
            locked=needed,
            at_ms=at_ms,
            accepted_ms=at_ms,
            reduce_only=request.reduce_only,
        )
        self._register.add(order)
        book.add(order)
        return order

    def _amount_of_fill(self, book: OrderBook, order: ExchangeOrder) -> Decimal:
        """All that is left, or by chance some whole lots of it: at least one, at least one left over."""
        remaining = order.remaining
        words = (order.client_order_id, len(order.fills))
        if not self._partial_faces or throw(self._options.seed, *words) >= self._partial_faces:
            return remaining
        lots = int(remaining / book.market.lot_size)
        if lots < 2:
            return remaining
        return (1 + throw(self._options.seed, "lots", *words) % (lots - 1)) * book.market.lot_size

    def _fill(
        self, book: OrderBook, order: ExchangeOrder, price: Decimal, amount: Decimal, at_ms: int, *, is_maker: bool
    ) -> list[OrderReport]:
        """Fill an order as far as the account can carry it, and cancel it if that is not the whole of the fill."""
        if book.market.swap is None:
            return [self._execute(book, order, price, amount, at_ms, is_maker=is_maker)]
        rate = _fee_rate(book.market, is_maker=is_maker)
        possible, reason = self._desk.fillable(order, price=price, amount=amount, fee_rate=rate)
        reports = [self._execute(book, order, price, possible, at_ms, is_maker=is_maker)] if possible else []
        if possible < amount:
            self._cancel(book, order, at_ms, reason=reason)
            reports.append(order.report(()))
        return reports

    def _execute(
        self,
        book: OrderBook,
        order: ExchangeOrder,
        price: Decimal,
        amount: Decimal,
        at_ms: int,
        *,
        is_maker: bool,
    ) -> OrderReport:
        """Fill an order in part or whole; the stream's report of it."""
        market = book.market
        rate = _fee_rate(market, is_maker=is_maker)
        if market.swap is None:
            fee, fee_currency = settle_fill(self._account, market, order, price=price, amount=amount, fee_rate=rate)
        else:
            fee, fee_currency = self._desk.settle_fill(order, price=price, amount=amount, fee_rate=rate, at_ms=at_ms)
        book.trades += 1
        fill = Fill(
            trade_id=str(book.trades),
            price=price,
            amount=amount,
            fee=fee,
            fee_currency=fee_currency,
            is_maker=is_maker,
            at_ms=at_ms,
        )
        order.fills.append(fill)
        book.recent_fills.append(
            OwnFill(client_order_id=order.client_order_id, symbol=order.symbol, side=order.side, fill=fill)
        )
        order.filled += amount
        order.at_ms = at_ms
        self._register.note_change(order)
        if order.filled == order.amount:
            order.status = OrderStatus.FILLED
            self._close(book, order)
        else:
            order.status = OrderStatus.PARTIALLY_FILLED
        return order.report((fill,))

    def _close_lost(self, at_ms: int) -> tuple[OrderReport, ...]:
        """Cancel the orders of swaps whose positions are lost, and close those; what became of the orders."""
        lost = self._desk.held.lost()
        reports = []
        for symbol in lost:
            book = self._books[symbol]
            for order in tuple(book.orders.values()):
                self._cancel(book, order, at_ms, reason="the position was liquidated")
                reports.append(order.report(()))
        self._news += self._desk.liquidate(lost, at_ms)
        self._desk.draw_bands()
        return tuple(reports)

    def _cancel(self, book: OrderBook, order: ExchangeOrder, at_ms: int, *, reason: str) -> None:
        order.status = OrderStatus.CANCELED
        order.at_ms = at_ms
        order.reason = reason
        self._close(book, order)

    def _close(self, book: OrderBook, order: ExchangeOrder) -> None:
        """Take a finished order off the book and free what it still binds."""
        market = book.market
        if market.swap is None:
            self._account.unlock(market.quote if order.side is Side.BUY else market.base, order.locked)
        order.locked = ZERO
        book.remove(order)
        self._register.note_close(order)


def _fee_rate(market: Market, *, is_maker: bool) -> Decimal:
    return market.maker_fee_rate if is_maker else market.taker_fee_rate

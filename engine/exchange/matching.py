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
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from engine.exchange.account import Account
from engine.exchange.dice import faces_from_chance, throw
from engine.exchange.order_book import ExchangeOrder, OrderBook
from engine.exchange.port import Balance
from engine.exchange.settlement import settle_fill
from engine.exchange.terms import funds_for, price_of_taker, takes
from engine.model.actions import QuietBand
from engine.model.errors import DuplicateOrder, OrderNotFound, PostOnlyRejected, Rejected
from engine.model.market import Market
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import Fill, OrderReport, OrderRequest, OrderStatus, OwnFill, Side


class FillModel(StrEnum):
    """When a resting order fills."""

    THROUGH = "through"
    """The market trades beyond its price."""
    TOUCH = "touch"
    """The market trades at its price or beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingOptions:
    """``partial_fill_chance`` (a fraction) is that of a fill to stop part-way and go on at the next trade.

    ``closed_orders_kept`` bounds how many closed orders can be asked for; older ones are forgotten,
    their ids are not. ``fills_kept`` bounds how many executions of each market are remembered.
    """

    fill: FillModel = FillModel.THROUGH
    seed: int = 0
    partial_fill_chance: Decimal = ZERO
    open_orders_max: int = 200
    closed_orders_kept: int = 10_000
    fills_kept: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingState:
    """All of the engine's books except its orders; amounts by currency, the rest by symbol."""

    sequence: int
    free: Mapping[str, Decimal]
    locked: Mapping[str, Decimal]
    counterparty: Mapping[str, Decimal]
    fee_pot: Mapping[str, Decimal]
    trades: Mapping[str, int]
    last_prices: Mapping[str, Decimal | None]
    transferred: Mapping[str, Decimal] = field(default_factory=dict)


class MatchingEngine:
    """One account's orders on every market of the exchange.

    Invariant: what is locked in a currency is the sum over the open orders.
    Invariant: an id is in ``_used_ids`` from the moment its order is accepted, for ever.
    """

    def __init__(self, *, markets: Iterable[Market], balances: Mapping[str, Decimal], options: MatchingOptions) -> None:
        self._books = {market.symbol: OrderBook(market, fills_kept=options.fills_kept) for market in markets}
        currencies = {name for book in self._books.values() for name in (book.market.base, book.market.quote)}
        self._account = Account({**dict.fromkeys(sorted(currencies), ZERO), **balances})
        self._options = options
        self._with_touched = options.fill is FillModel.TOUCH
        self._partial_faces = faces_from_chance(options.partial_fill_chance)
        self._sequence = 0
        self._orders: dict[str, ExchangeOrder] = {}
        self._closed_ids: deque[str] = deque()
        self._used_ids: set[str] = set()
        self._changed: dict[str, ExchangeOrder] = {}

    def place(self, request: OrderRequest, at_ms: int) -> tuple[OrderReport, ...]:
        """Accept a limit order; what the stream says of it: OPEN, and FILLED when it takes at once.

        Raises:
            PostOnlyRejected: it is post-only and would take.
            Rejected: a filter, the funds or the number of open orders forbids it.
            DuplicateOrder: the id was used before.
        """
        book = self._book(request.symbol)
        self._check_request(request, book)
        is_taker = takes(request, book.last_price)
        if is_taker and request.post_only:
            raise PostOnlyRejected(
                f"a post-only {request.side} must not cross the last price {book.last_price}, was {request.price}"
            )
        order = self._accept(request, book, at_ms)
        opened = order.report(())
        if book.last_price is None or not is_taker:
            return (opened,)
        price = price_of_taker(order, book.market, book.last_price)
        return opened, self._execute(book, order, price, order.amount, at_ms, is_maker=False)

    def cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        """Cancel an open order; its final report, with all of its fills.

        Raises:
            OrderNotFound: no such order is open on the symbol.
        """
        book = self._book(symbol)
        order = book.orders.get(client_order_id)
        if order is None:
            raise OrderNotFound(f"no open order {client_order_id} on {symbol}")
        order.status = OrderStatus.CANCELED
        order.at_ms = at_ms
        self._close(book, order)
        return order.full_report()

    def trade(self, symbol: str, price: Decimal, at_ms: int) -> tuple[OrderReport, ...]:
        """The market traded at ``price``; a report for every order that it filled, wholly or in part."""
        book = self._books[symbol]
        book.last_price = price
        if book.best_buy < price < book.best_sell:
            return ()
        return tuple(
            self._execute(book, order, order.price, self._amount_of_fill(book, order), at_ms, is_maker=True)
            for order in book.crossed(price, with_touched=self._with_touched)
        )

    def see_price(self, symbol: str, price: Decimal) -> None:
        """The market traded, inside the quiet band, and this was its last price."""
        self._books[symbol].last_price = price

    def quiet_band(self, symbol: str) -> QuietBand:
        """The open interval of prices in which no resting order fills."""
        return self._books[symbol].quiet_band()

    def last_price(self, symbol: str) -> Decimal | None:
        """The market's last trade; None before its first."""
        return self._books[symbol].last_price

    def transfer(self, currency: str, amount: Decimal) -> None:
        """Bring ``amount`` in from elsewhere, or take it away when negative.

        Raises:
            Rejected: no such currency, or less of it is free.
        """
        free = self._account.free.get(currency)
        if free is None:
            raise Rejected(f"expected one of {', '.join(self._account.free)}, found {currency}")
        if free + amount < 0:
            raise Rejected(
                f"insufficient funds: {text_from_decimal(-amount)} {currency} needed, {text_from_decimal(free)} free"
            )
        self._account.transfer(currency, amount)

    def find(self, symbol: str, client_order_id: str) -> ExchangeOrder:
        """An order, open or closed.

        Raises:
            OrderNotFound: it was never accepted on the symbol, or is closed and forgotten.
        """
        order = self._orders.get(client_order_id)
        if order is None or order.symbol != symbol:
            raise OrderNotFound(f"no order {client_order_id} on {symbol}")
        return order

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        """What is said of an order, with all of its fills; as ``find``."""
        return self.find(symbol, client_order_id).full_report()

    def open_orders(self, symbol: str) -> tuple[OrderReport, ...]:
        """All open orders of a symbol, oldest first, each with all of its fills."""
        return tuple(order.full_report() for order in self._book(symbol).orders.values())

    def open_orders_as_of(self, symbol: str, at_ms: int) -> tuple[OrderReport, ...]:
        """The orders that were open on a symbol at an earlier time, oldest first, as they were then."""
        orders = list(self._book(symbol).orders.values())
        for client_order_id in reversed(self._closed_ids):
            order = self._orders[client_order_id]
            if order.at_ms <= at_ms:
                break
            if order.symbol == symbol:
                orders.append(order)
        orders.sort(key=lambda order: order.sequence)
        reports = (order.report_as_of(at_ms) for order in orders)
        return tuple(report for report in reports if report is not None)

    def recent_fills(self, symbol: str) -> Sequence[OwnFill]:
        """The newest executions on a symbol since the engine was made, oldest first, without a gap."""
        return self._book(symbol).recent_fills

    def trades(self, symbol: str) -> int:
        """How many executions there ever were on a symbol; each has its number as ``trade_id``, from 1."""
        return self._book(symbol).trades

    def balances(self) -> dict[str, Balance]:
        """What the account holds, by currency."""
        return self._account.balances()

    def totals(self) -> dict[str, Decimal]:
        """Account, counterparty and fee pot together, less what was transferred, by currency; constant for ever."""
        return self._account.totals()

    def fees(self) -> dict[str, Decimal]:
        """What the exchange earned, by currency."""
        return dict(self._account.fee_pot)

    def transferred(self) -> dict[str, Decimal]:
        """What was brought in from elsewhere, less what was taken away, by currency."""
        return dict(self._account.transferred)

    def take_changes(self) -> tuple[ExchangeOrder, ...]:
        """The orders that changed since this was last asked."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

    def state(self) -> MatchingState:
        """The books without the orders; valid until the next change."""
        account = self._account
        return MatchingState(
            sequence=self._sequence,
            free=account.free,
            locked=account.locked,
            counterparty=account.counterparty,
            fee_pot=account.fee_pot,
            trades={symbol: book.trades for symbol, book in self._books.items()},
            last_prices={symbol: book.last_price for symbol, book in self._books.items()},
            transferred=account.transferred,
        )

    def restore(self, state: MatchingState, open_orders: Iterable[ExchangeOrder], used_ids: Iterable[str]) -> None:
        """Go on from kept books; what they do not speak of stays as it was made.

        Raises:
            ValueError: the books do not fit together, or an order's market is gone.
        """
        self._sequence = state.sequence
        account = self._account
        account.free.update(state.free)
        for own, kept in (
            (account.locked, state.locked),
            (account.counterparty, state.counterparty),
            (account.fee_pot, state.fee_pot),
            (account.transferred, state.transferred),
        ):
            own.update({**dict.fromkeys(account.free, ZERO), **kept})
        for symbol, book in self._books.items():
            book.trades = state.trades.get(symbol, 0)
            book.last_price = state.last_prices.get(symbol)
        self._used_ids.update(used_ids)
        for order in sorted(open_orders, key=lambda order: order.sequence):
            if order.symbol not in self._books:
                raise ValueError(f"order {order.client_order_id} is open on {order.symbol}, which is gone")
            self._orders[order.client_order_id] = order
            self._books[order.symbol].add(order)
        self._check_locks()

    def _book(self, symbol: str) -> OrderBook:
        book = self._books.get(symbol)
        if book is None:
            raise Rejected(f"expected one of {', '.join(sorted(self._books))}, found {symbol}")
        return book

    def _check_request(self, request: OrderRequest, book: OrderBook) -> None:
        if request.client_order_id in self._used_ids:
            raise DuplicateOrder(f"duplicate client order id {request.client_order_id}")
        problem = book.market.problem_with(request.price, request.amount)
        if problem is not None:
            raise Rejected(problem)
        if len(book.orders) >= self._options.open_orders_max:
            raise Rejected(f"{request.symbol} allows {self._options.open_orders_max} open orders")
        currency, needed = funds_for(request, book.market)
        free = self._account.free[currency]
        if free < needed:
            raise Rejected(
                f"insufficient funds: {text_from_decimal(needed)} {currency} needed, {text_from_decimal(free)} free"
            )

    def _accept(self, request: OrderRequest, book: OrderBook, at_ms: int) -> ExchangeOrder:
        currency, needed = funds_for(request, book.market)
        self._account.lock(currency, needed)
        self._sequence += 1
        order = ExchangeOrder(
            sequence=self._sequence,
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            price=request.price,
            amount=request.amount,
            post_only=request.post_only,
            locked=needed,
            at_ms=at_ms,
            accepted_ms=at_ms,
        )
        self._used_ids.add(order.client_order_id)
        self._orders[order.client_order_id] = order
        self._changed[order.client_order_id] = order
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
        rate = market.maker_fee_rate if is_maker else market.taker_fee_rate
        fee, fee_currency = settle_fill(self._account, market, order, price=price, amount=amount, fee_rate=rate)
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
        self._changed[order.client_order_id] = order
        if order.filled == order.amount:
            order.status = OrderStatus.FILLED
            self._close(book, order)
        else:
            order.status = OrderStatus.PARTIALLY_FILLED
        return order.report((fill,))

    def _close(self, book: OrderBook, order: ExchangeOrder) -> None:
        """Take a finished order off the book and free what it still binds."""
        market = book.market
        self._account.unlock(market.quote if order.side is Side.BUY else market.base, order.locked)
        order.locked = ZERO
        book.remove(order)
        self._changed[order.client_order_id] = order
        self._closed_ids.append(order.client_order_id)
        if len(self._closed_ids) > self._options.closed_orders_kept:
            del self._orders[self._closed_ids.popleft()]

    def _check_locks(self) -> None:
        for currency, locked in self._account.locked.items():
            bound = ZERO
            for book in self._books.values():
                for order in book.orders.values():
                    bound_in = book.market.quote if order.side is Side.BUY else book.market.base
                    bound += order.locked if bound_in == currency else ZERO
            if bound != locked:
                raise ValueError(f"orders bind {bound} {currency}, but {locked} are locked")

"""What the matching engine of the simulated exchange knows: its answers, and how it is kept and restored."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from engine.exchange.account import Account
from engine.exchange.matching_options import MatchingOptions, MatchingState
from engine.exchange.order_book import ExchangeOrder, OrderBook
from engine.exchange.order_register import OrderRegister
from engine.exchange.port import Balance
from engine.exchange.swaps import SwapDesk, SwapNews
from engine.model.actions import QuietBand
from engine.model.errors import Rejected
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import OrderReport, OwnFill, Side
from engine.model.swap import Position


class MatchingBooks:
    """One account's orders, money and positions on every market of the exchange, to be asked.

    Invariant: what is locked in a currency is the sum over the open orders on spot markets.
    """

    def __init__(self, *, markets: Iterable[Market], balances: Mapping[str, Decimal], options: MatchingOptions) -> None:
        self._books = {market.symbol: OrderBook(market, fills_kept=options.fills_kept) for market in markets}
        currencies = {name for book in self._books.values() for name in _currencies_of(book.market)}
        self._account = Account({**dict.fromkeys(sorted(currencies), ZERO), **balances})
        self._register = OrderRegister(closed_kept=options.closed_orders_kept)
        self._used_ids = self._register.used_ids
        self._desk = SwapDesk(self._account, self._books, options.funding)
        self._news: list[SwapNews] = []

    def quiet_band(self, symbol: str) -> QuietBand:
        """The open interval of prices in which no resting order fills and no position is lost."""
        band, carried = self._books[symbol].quiet_band(), self._desk.band(symbol)
        return band if carried is None else QuietBand(max(band.low, carried.low), min(band.high, carried.high))

    def take_moved_bands(self) -> frozenset[str]:
        """The swaps whose quiet band may have moved although nothing was done on them."""
        return self._desk.take_moved_bands()

    def swaps(self) -> tuple[str, ...]:
        """The symbols of all swaps, sorted."""
        return self._desk.symbols

    def last_price(self, symbol: str) -> Decimal | None:
        """The market's last trade; None before its first."""
        return self._books[symbol].last_price

    def find(self, symbol: str, client_order_id: str) -> ExchangeOrder:
        """An order, open or closed.

        Raises:
            OrderNotFound: it was never accepted on the symbol, or is closed and forgotten.
        """
        return self._register.find(symbol, client_order_id)

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        """What is said of an order, with all of its fills; as ``find``."""
        return self.find(symbol, client_order_id).full_report()

    def open_orders(self, symbol: str) -> tuple[OrderReport, ...]:
        """All open orders of a symbol, oldest first, each with all of its fills."""
        return tuple(order.full_report() for order in self._book(symbol).orders.values())

    def open_orders_as_of(self, symbol: str, at_ms: int) -> tuple[OrderReport, ...]:
        """The orders that were open on a symbol at an earlier time, oldest first, as they were then."""
        return self._register.open_as_of(symbol, self._book(symbol).orders.values(), at_ms)

    def recent_fills(self, symbol: str) -> Sequence[OwnFill]:
        """The newest executions on a symbol since the engine was made, oldest first, without a gap."""
        return self._book(symbol).recent_fills

    def trades(self, symbol: str) -> int:
        """How many executions there ever were on a symbol; each has its number as ``trade_id``, from 1."""
        return self._book(symbol).trades

    def balances(self) -> dict[str, Balance]:
        """What the account holds, by currency; what positions and orders of swaps bind counts as locked."""
        return {currency: self._desk.held.balance(currency) for currency in self._account.free}

    def positions(self) -> dict[str, Position]:
        """The swap positions by symbol; none where the account is flat."""
        found = ((symbol, self._desk.position(symbol)) for symbol in self._desk.symbols)
        return {symbol: position for symbol, position in found if position is not None}

    def totals(self) -> dict[str, Decimal]:
        """Account and all pots together, less what was transferred, by currency; constant for ever."""
        return self._account.totals()

    def fees(self) -> dict[str, Decimal]:
        """What the exchange earned, by currency."""
        return dict(self._account.fee_pot)

    def transferred(self) -> dict[str, Decimal]:
        """What was brought in from elsewhere, less what was taken away, by currency."""
        return dict(self._account.transferred)

    def take_changes(self) -> tuple[ExchangeOrder, ...]:
        """The orders that changed since this was last asked."""
        return self._register.take_changes()

    def state(self) -> MatchingState:
        """The books without the orders; valid until the next change."""
        account = self._account
        return MatchingState(
            sequence=self._register.sequence,
            free=account.free,
            locked=account.locked,
            counterparty=account.counterparty,
            fee_pot=account.fee_pot,
            trades={symbol: book.trades for symbol, book in self._books.items()},
            last_prices={symbol: book.last_price for symbol, book in self._books.items()},
            transferred=account.transferred,
            swaps=self._desk.state(),
        )

    def restore(self, state: MatchingState, open_orders: Iterable[ExchangeOrder], used_ids: Iterable[str]) -> None:
        """Go on from kept books; what they do not speak of stays as it was made.

        Raises:
            ValueError: the books do not fit together, or an order's market is gone.
        """
        self._register.sequence = state.sequence
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
            self._register.restore(order)
            self._books[order.symbol].add(order)
        self._check_locks()
        if state.swaps is not None:
            self._desk.restore(state.swaps)

    def _book(self, symbol: str) -> OrderBook:
        book = self._books.get(symbol)
        if book is None:
            raise Rejected(f"expected one of {', '.join(sorted(self._books))}, found {symbol}")
        return book

    def _check_locks(self) -> None:
        for currency, locked in self._account.locked.items():
            bound = ZERO
            for book in self._books.values():
                for order in book.orders.values() if book.market.swap is None else ():
                    bound_in = book.market.quote if order.side is Side.BUY else book.market.base
                    bound += order.locked if bound_in == currency else ZERO
            if bound != locked:
                raise ValueError(f"orders bind {bound} {currency}, but {locked} are locked")


def _currencies_of(market: Market) -> tuple[str, ...]:
    """What an account of the market holds: of a swap its quote alone."""
    return (market.base, market.quote) if market.swap is None else (market.quote,)

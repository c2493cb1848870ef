"""What the account has of swaps on the simulated exchange, what that binds of its wallet, and what backs it.

Nothing is moved aside for positions and orders: the wallet is what the account has free of a quote
currency, and how much of it is bound is worked out when asked.

* A resting order binds its notional / leverage and the worst fee; a reduce-only order binds nothing.
* An isolated position binds its margin; a cross position its initial margin, or its maintenance margin
  where that is more; and cross positions together their floating loss. Floating profit cannot be used
  before it is realised.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.exchange.account import Account
from engine.exchange.margin import Stake, floating_loss, slack_of
from engine.exchange.order_book import OrderBook
from engine.exchange.port import Balance
from engine.exchange.positions import FLAT, MarginTerms, PositionChange
from engine.exchange.terms import worst_fee
from engine.model.grid import MarginMode
from engine.model.market import Market, SwapRules
from engine.model.money import ZERO


class SwapHoldings:
    """Positions and terms of every swap; ``swaps.SwapDesk`` changes them, all else here is worked out from them."""

    def __init__(self, account: Account, books: Mapping[str, OrderBook]) -> None:
        self.books = {symbol: books[symbol] for symbol in sorted(books) if books[symbol].market.swap is not None}
        self.positions = dict.fromkeys(self.books, FLAT)
        self.terms = dict.fromkeys(self.books, MarginTerms())
        self._account = account
        self._quotes = frozenset(book.market.quote for book in self.books.values())

    def available(self, currency: str) -> Decimal:
        """What new orders can use of a currency; never negative where swaps bind some of it."""
        free = self._account.free[currency]
        return max(self.unbound(currency), ZERO) if currency in self._quotes else free

    def balance(self, currency: str) -> Balance:
        """What the account holds of a currency; what swaps bind counts as locked."""
        free = self.available(currency)
        bound = max(self._account.free[currency], ZERO) - free
        return Balance(free=free, locked=self._account.locked[currency] + bound)

    def lost(self) -> tuple[str, ...]:
        """Every position that is to be liquidated now."""
        return tuple(
            symbol for symbol, position in self.positions.items() if position.amount and self.slack_behind(symbol) <= 0
        )

    def unbound(self, quote: str) -> Decimal:
        """What neither positions nor orders bind of a wallet; negative where losses have eaten into that."""
        symbols = self._symbols_of(quote)
        wallet = min(self._account.free[quote], self.cross_wallet(quote))
        crossed = [symbol for symbol in symbols if self.terms[symbol].mode is MarginMode.CROSS]
        margins = sum((self.margin_bound(symbol) for symbol in crossed), ZERO)
        orders = sum((order.locked for symbol in symbols for order in self.books[symbol].orders.values()), ZERO)
        return wallet - margins - orders - floating_loss(self._cross_stakes(quote))

    def margin_bound(self, symbol: str) -> Decimal:
        """How much of the wallet a position binds for itself."""
        position, terms = self.positions[symbol], self.terms[symbol]
        match terms.mode:
            case MarginMode.ISOLATED:
                return position.margin
            case MarginMode.CROSS:
                maintenance = self.stake(symbol).maintenance if position.amount else ZERO
                return max(terms.margin_for(position.cost), maintenance)

    def slack_behind(self, symbol: str) -> Decimal:
        """What can be lost before the position of a symbol is, with all other marks as they are."""
        match self.terms[symbol].mode:
            case MarginMode.ISOLATED:
                return slack_of(self.positions[symbol].margin, (self.stake(symbol),))
            case MarginMode.CROSS:
                quote = self.books[symbol].market.quote
                return slack_of(self.cross_wallet(quote), self._cross_stakes(quote))

    def sharing(self, symbol: str) -> Sequence[str]:
        """The symbols whose prices can use up the slack behind a position."""
        match self.terms[symbol].mode:
            case MarginMode.ISOLATED:
                return (symbol,)
            case MarginMode.CROSS:
                return self.crossed(self.books[symbol].market.quote)

    def is_carried(self, symbol: str, change: PositionChange, *, price: Decimal, fee: Decimal) -> bool:
        """Whether a fill at ``price`` leaves no position of its wallet lost."""
        quote, position = self.books[symbol].market.quote, change.position
        others = [self.stake(other) for other in self.crossed(quote) if other != symbol]
        wallet = self.cross_wallet(quote) + self.positions[symbol].margin - position.margin
        wallet += change.realised + change.shortfall - fee
        own = Stake(
            position=position, mark=price, maintenance_rate=rules_of(self.books[symbol].market).maintenance_rate
        )
        match self.terms[symbol].mode:
            case MarginMode.ISOLATED:
                is_backed = slack_of(position.margin, (own,)) > 0 and wallet >= 0
                return is_backed and (not others or slack_of(wallet, others) > 0)
            case MarginMode.CROSS:
                return slack_of(wallet, (*others, own)) > 0

    def cross_wallet(self, quote: str) -> Decimal:
        """The wallet less what belongs to isolated positions."""
        return self._account.free[quote] - sum((self.positions[name].margin for name in self._symbols_of(quote)), ZERO)

    def _symbols_of(self, quote: str) -> list[str]:
        return [symbol for symbol, book in self.books.items() if book.market.quote == quote]

    def crossed(self, quote: str) -> list[str]:
        """The symbols of the cross positions that one wallet backs."""
        return [
            symbol
            for symbol in self._symbols_of(quote)
            if self.terms[symbol].mode is MarginMode.CROSS and self.positions[symbol].amount
        ]

    def _cross_stakes(self, quote: str) -> list[Stake]:
        return [self.stake(symbol) for symbol in self.crossed(quote)]

    def stake(self, symbol: str) -> Stake:
        """A position at its mark."""
        book = self.books[symbol]
        return Stake(
            position=self.positions[symbol],
            mark=ZERO if book.last_price is None else book.last_price,
            maintenance_rate=rules_of(book.market).maintenance_rate,
        )

    def locked_at(self, market: Market, notional: Decimal) -> Decimal:
        """What an order of this notional binds on today's terms."""
        return self.terms[market.symbol].margin_for(notional) + worst_fee(market, notional)


def rules_of(market: Market) -> SwapRules:
    """What makes a market a swap, which it must be."""
    assert market.swap is not None, "only swaps are traded here"
    return market.swap

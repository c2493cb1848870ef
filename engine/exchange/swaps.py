"""What happens to swaps on the simulated exchange: fills, funding, liquidation, other leverage.

A fill moves no base: it changes the position, and what it realises goes into the wallet or out of it.

* A fee is taken from the wallet; a loss of an isolated position never costs more than its margin, a
  loss of cross positions never more than the wallet: the exchange's insurance bears the rest.
* A fill that opens is carried only if the account would not lose a position by it, at its own price.
* What is lost is closed in full at the mark with the taker's fee: an isolated position for itself,
  of cross positions all that one wallet backs, gains first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.exchange.account import Account
from engine.exchange.funding import FundingRates, funding_amount, next_funding_ms
from engine.exchange.holdings import SwapHoldings, rules_of
from engine.exchange.order_book import ExchangeOrder, OrderBook
from engine.exchange.positions import FLAT, MarginTerms, PositionChange, SwapPosition, change_by_fill
from engine.exchange.terms import rounded_fee
from engine.model.actions import QuietBand
from engine.model.errors import Rejected
from engine.model.grid import MarginMode
from engine.model.money import ZERO, floor_quotient, text_from_decimal
from engine.model.order import OrderRequest, Side
from engine.model.swap import FundingPayment, Liquidation, Position

SwapNews = FundingPayment | Liquidation
"""What the account is told of besides its orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapState:
    """All that is kept of swaps but their history: pots by currency, the rest by symbol."""

    positions: Mapping[str, SwapPosition]
    terms: Mapping[str, MarginTerms]
    funding_due_ms: Mapping[str, int]
    liquidations: Mapping[str, int]
    funding_pot: Mapping[str, Decimal]
    insurance: Mapping[str, Decimal]


class SwapDesk:
    """Positions of one account on every swap of the exchange.

    Invariant: funding is due for exactly the symbols that are not flat.
    Invariant: between two steps of the engine no position is lost, and ``_bands`` are drawn for the marks then.
    """

    def __init__(self, account: Account, books: Mapping[str, OrderBook], rates: FundingRates) -> None:
        self.held = SwapHoldings(account, books)
        self._account = account
        self._rates = rates
        self._funding_due_ms: dict[str, int] = {}
        self._liquidations = dict.fromkeys(self.held.books, 0)
        self._bands: dict[str, QuietBand] = {}
        self._moved: set[str] = set()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every swap of the exchange, sorted."""
        return tuple(self.held.books)

    def position(self, symbol: str) -> Position | None:
        """What the account has of a swap; None where it is flat."""
        position, terms = self.held.positions[symbol], self.held.terms[symbol]
        if not position.amount:
            return None
        stake = self.held.stake(symbol)
        liquidation_price = stake.price_without(self.held.slack_behind(symbol))
        return Position(
            symbol=symbol,
            amount=position.amount,
            entry_price=position.entry_price,
            margin=self.held.margin_bound(symbol),
            liquidation_price=liquidation_price if liquidation_price > 0 else None,
            leverage=terms.leverage,
            mode=terms.mode,
        )

    def band(self, symbol: str) -> QuietBand | None:
        """The prices at which no position is lost while every other mark stays in its own band; None: all."""
        return self._bands.get(symbol)

    def take_moved_bands(self) -> frozenset[str]:
        """Whose band is another than when this was last asked."""
        moved = frozenset(self._moved)
        self._moved.clear()
        return moved

    def draw_bands(self) -> None:
        """Find the bands again; to be called when money, positions or marks have changed.

        Where several cross positions share a wallet each may use up an equal share of its slack.
        """
        for symbol in self.held.books:
            band = None
            if self.held.positions[symbol].amount:
                shares = len(self.held.sharing(symbol))
                band = self.held.stake(symbol).band_within(
                    floor_quotient(self.held.slack_behind(symbol), Decimal(shares))
                )
            if band != self._bands.get(symbol):
                self._moved.add(symbol)
            if band is None:
                self._bands.pop(symbol, None)
            else:
                self._bands[symbol] = band

    # Orders

    def locked_for(self, request: OrderRequest) -> Decimal:
        """What an order will bind; one that takes may trade at a better price than its own, and so for more.

        Raises:
            Rejected: it is reduce-only and there is nothing to reduce, or its margin is not there.
        """
        book = self.held.books[request.symbol]
        if request.reduce_only:
            if not self.held.positions[request.symbol].reducible_by(_signed(request.side, request.amount)):
                raise Rejected(
                    f"a reduce-only {request.side} needs a position to reduce, found none on {book.market.symbol}"
                )
            return ZERO
        price = request.price
        if request.side is Side.SELL and book.last_price is not None:
            price = max(price, book.last_price)
        needed = self.held.locked_at(book.market, price * request.amount)
        free = self.held.available(book.market.quote)
        if free < needed:
            amounts = f"{text_from_decimal(needed)} {book.market.quote} needed, {text_from_decimal(free)} free"
            raise Rejected(f"insufficient margin: {amounts}")
        return needed

    def fillable(
        self, order: ExchangeOrder, *, price: Decimal, amount: Decimal, fee_rate: Decimal
    ) -> tuple[Decimal, str]:
        """How much of a fill can be, and why the rest cannot."""
        signed = _signed(order.side, amount)
        closing = self.held.positions[order.symbol].reducible_by(signed)
        if order.reduce_only:
            return closing, "reduce-only: no position is left to reduce"
        if closing == amount:
            return amount, ""
        change = self._change(order.symbol, signed, price)
        if self.held.is_carried(order.symbol, change, price=price, fee=rounded_fee(price * amount * fee_rate)):
            return amount, ""
        return closing, "insufficient margin when it was to fill"

    def settle_fill(
        self, order: ExchangeOrder, *, price: Decimal, amount: Decimal, fee_rate: Decimal, at_ms: int
    ) -> tuple[Decimal, str]:
        """Move the money of a fill that the order does not yet count; the fee and its currency."""
        symbol, market = order.symbol, self.held.books[order.symbol].market
        change = self._change(symbol, _signed(order.side, amount), price)
        fee = rounded_fee(price * amount * fee_rate)
        self._account.receive(market.quote, change.realised)
        self._account.pay_fee_from_free(market.quote, fee)
        self._account.be_insured(market.quote, change.shortfall)
        self._put(symbol, change.position, at_ms)
        if not order.reduce_only:
            order.locked = self.held.locked_at(market, order.price * (order.remaining - amount))
        self._insure_wallet(market.quote)
        return fee, market.quote

    # What the exchange does by itself

    def liquidate(self, symbols: Iterable[str], at_ms: int) -> tuple[Liquidation, ...]:
        """Close positions at their marks, gains first."""
        by_profit = sorted(symbols, key=lambda symbol: self.held.stake(symbol).profit, reverse=True)
        return tuple(self._liquidate(symbol, at_ms) for symbol in by_profit)

    def _liquidate(self, symbol: str, at_ms: int) -> Liquidation:
        market, stake, account = self.held.books[symbol].market, self.held.stake(symbol), self._account
        fee = rounded_fee(stake.position.notional_at(stake.mark) * market.taker_fee_rate)
        left, insured_before = stake.position.margin + stake.profit - fee, account.insurance[market.quote]
        account.receive(market.quote, stake.profit)
        account.pay_fee_from_free(market.quote, fee)
        if self.held.terms[symbol].mode is MarginMode.ISOLATED:
            account.be_insured(market.quote, max(-left, ZERO))
        self._put(symbol, FLAT, at_ms)
        self._insure_wallet(market.quote)
        self._liquidations[symbol] += 1
        return Liquidation(
            symbol=symbol,
            trade_id=f"L{self._liquidations[symbol]}",
            amount=-stake.position.amount,
            price=stake.mark,
            fee=fee,
            at_ms=at_ms,
            insured=insured_before - account.insurance[market.quote],
        )

    def funding_due_ms(self) -> Mapping[str, int]:
        """When funding is due next on every swap that is not flat."""
        return self._funding_due_ms

    def fund(self, symbol: str) -> FundingPayment:
        """Pay or receive the funding that is due next on a swap."""
        stake, market, due_ms = self.held.stake(symbol), self.held.books[symbol].market, self._funding_due_ms[symbol]
        rate = self._rates.rate_at(symbol, due_ms)
        amount = funding_amount(stake.position.amount, stake.mark, rate)
        self._account.receive_funding(market.quote, amount)
        if self.held.terms[symbol].mode is MarginMode.ISOLATED:
            self.held.positions[symbol] = replace(stake.position, margin=stake.position.margin + amount)
        self._funding_due_ms[symbol] = next_funding_ms(due_ms, rules_of(market).funding_interval_ms)
        return FundingPayment(
            symbol=symbol,
            funding_id=str(due_ms),
            amount=amount,
            rate=rate,
            position=stake.position.amount,
            mark_price=stake.mark,
            at_ms=due_ms,
        )

    # Leverage

    def set_terms(self, symbol: str, terms: MarginTerms) -> tuple[ExchangeOrder, ...]:
        """Trade a swap on other terms from now on; the orders that bind another amount than before.

        The margin of an isolated position changes by the difference of its initial margins.

        Raises:
            Rejected: no such swap, more leverage than the market allows, or what is there cannot be carried.
        """
        book = self.held.books.get(symbol)
        if book is None:
            raise Rejected(f"leverage needs a swap, found {symbol}")
        leverage_max = rules_of(book.market).leverage_max
        if not 1 <= terms.leverage <= leverage_max:
            bounds = f"between 1 and {text_from_decimal(leverage_max)}"
            raise Rejected(f"leverage on {symbol} must be {bounds}, was {text_from_decimal(terms.leverage)}")
        before = self.held.terms[symbol], self.held.positions[symbol]
        unbound = self.held.unbound(book.market.quote)
        self._apply_terms(symbol, terms, _margin_on_terms(before[1], before[0], terms))
        if self.held.unbound(book.market.quote) < min(unbound, ZERO) or self.held.lost():
            self._apply_terms(symbol, *before)
            raise Rejected(
                f"the account cannot carry {symbol} with {terms.mode} margin and leverage "
                f"{text_from_decimal(terms.leverage)}"
            )
        return tuple(order for order in book.orders.values() if not order.reduce_only)

    def _apply_terms(self, symbol: str, terms: MarginTerms, position: SwapPosition) -> None:
        self.held.terms[symbol] = terms
        self.held.positions[symbol] = position
        book = self.held.books[symbol]
        for order in book.orders.values():
            if not order.reduce_only:
                order.locked = self.held.locked_at(book.market, order.price * order.remaining)

    # Keeping

    def state(self) -> SwapState | None:
        """What has to be kept; None where there are no swaps. Valid until the next change."""
        if not self.held.books:
            return None
        return SwapState(
            positions=self.held.positions,
            terms=self.held.terms,
            funding_due_ms=self._funding_due_ms,
            liquidations=self._liquidations,
            funding_pot=self._account.funding_pot,
            insurance=self._account.insurance,
        )

    def restore(self, state: SwapState) -> None:
        """Go on from what was kept; to be called when books and account are as they were.

        Raises:
            ValueError: a position's market is gone, or has no price.
        """
        for symbol, position in state.positions.items():
            if position.amount and (symbol not in self.held.books or self.held.books[symbol].last_price is None):
                raise ValueError(f"a position is open on {symbol}, which is gone or has no price")
        for symbol in self.held.books:
            self.held.positions[symbol] = state.positions.get(symbol, FLAT)
            self.held.terms[symbol] = state.terms.get(symbol, MarginTerms())
            self._liquidations[symbol] = state.liquidations.get(symbol, 0)
        self._funding_due_ms.update(state.funding_due_ms)
        self._account.funding_pot.update(state.funding_pot)
        self._account.insurance.update(state.insurance)
        self.draw_bands()

    # Changes

    def _insure_wallet(self, quote: str) -> None:
        """A wallet that backs no position any more cannot owe anything."""
        owed = -self.held.cross_wallet(quote)
        if owed > 0 and not self.held.crossed(quote):
            self._account.be_insured(quote, owed)

    def _change(self, symbol: str, signed_amount: Decimal, price: Decimal) -> PositionChange:
        return change_by_fill(self.held.positions[symbol], signed_amount, price, self.held.terms[symbol])

    def _put(self, symbol: str, position: SwapPosition, at_ms: int) -> None:
        was_flat = not self.held.positions[symbol].amount
        self.held.positions[symbol] = position
        if not position.amount:
            self._funding_due_ms.pop(symbol, None)
        elif was_flat:
            interval_ms = rules_of(self.held.books[symbol].market).funding_interval_ms
            self._funding_due_ms[symbol] = next_funding_ms(at_ms, interval_ms)


def _margin_on_terms(position: SwapPosition, before: MarginTerms, terms: MarginTerms) -> SwapPosition:
    """A position with the margin that it has when its terms change."""
    match terms.mode:
        case MarginMode.CROSS:
            return replace(position, margin=ZERO)
        case MarginMode.ISOLATED:
            had = position.margin - before.margin_for(position.cost) if before.mode is MarginMode.ISOLATED else ZERO
            return replace(position, margin=had + terms.margin_for(position.cost))


def _signed(side: Side, amount: Decimal) -> Decimal:
    match side:
        case Side.BUY:
            return amount
        case Side.SELL:
            return -amount

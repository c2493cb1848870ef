"""What a grid may still spend: its own funds, what trading made of them, and what is bound already.

Exits are never held back for money. What an entry binds is bound until its lot is closed: on a
spot market an entry that sells has to be bought back, and what it brought is kept for that.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.lattice import Funds
from engine.model.actions import PlaceOrder
from engine.model.grid import GridSpec
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO
from engine.model.order import Leg, Order, Side
from engine.model.slot import Empty, Entering, Exiting, Holding, Slot, lot_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """Amounts of quote and of base; negative is what is missing."""

    quote: Decimal
    base: Decimal

    def minus(self, other: "Purse") -> "Purse":
        return Purse(quote=self.quote - other.quote, base=self.base - other.base)

    def covers(self, cost: "Purse") -> bool:
        """Whether this is enough for a cost; what costs nothing is always covered."""
        return all(need <= max(have, ZERO) for need, have in ((cost.quote, self.quote), (cost.base, self.base)))


NOTHING = Purse(quote=ZERO, base=ZERO)


def cost_of(action: PlaceOrder, market: Market, spec: GridSpec) -> Purse:
    """What an order binds that is not bound already: exits bind nothing."""
    if action.leg is not Leg.ENTRY:
        return NOTHING
    return _entry_cost(market, spec, action.side, action.price, action.amount)


def free_purse(books: GridBooks, funds: Funds) -> Purse:
    """What a grid may bind in new entries."""
    market, spec, ledger = books.market, books.spec, books.ledger
    bound = NOTHING
    for slot in books.slots:
        bound = _plus(bound, _bound_by(slot, market, spec))
    if market.swap is not None:
        return Purse(quote=funds.quote + ledger.realised + ledger.funding, base=ZERO).minus(bound)
    return Purse(quote=funds.quote + ledger.cash + ledger.adopted, base=funds.base + _sold_first(books, funds)).minus(
        bound
    )


def own_quote(books: GridBooks) -> Decimal:
    """The quote on the account that is a grid's own, bound or free."""
    funds, ledger = books.funds, books.ledger
    if books.market.swap is not None:
        return funds.quote + ledger.realised + ledger.funding
    return funds.quote + ledger.cash + ledger.adopted


def own_base(books: GridBooks) -> Decimal:
    """The base on the account that is a grid's own: what it holds, and on a spot market what it still has to sell."""
    has_sellers = books.market.swap is None and Side.SELL in books.lattice.sides
    return books.ledger.base + (books.funds.base if has_sellers else ZERO)


def _sold_first(books: GridBooks, funds: Funds) -> Decimal:
    """What entries that sell have taken from the base that the grid began with, as an amount below 0."""
    if not funds.base:
        return ZERO
    return sum((min(lot.quantity, ZERO) for lot in books.lots()), min(books.ledger.dust.quantity, ZERO))


def _bound_by(slot: Slot, market: Market, spec: GridSpec) -> Purse:
    state = slot.state
    match state:
        case Empty():
            return NOTHING
        case Entering():
            return _plus(_bound_by_order(state.order, market, spec), _bound_by_lot(slot, market, spec))
        case Holding() | Exiting():
            return _bound_by_lot(slot, market, spec)


def _bound_by_order(order: Order, market: Market, spec: GridSpec) -> Purse:
    return _entry_cost(market, spec, order.side, order.price, order.amount - order.filled)


def _bound_by_lot(slot: Slot, market: Market, spec: GridSpec) -> Purse:
    state = slot.state
    match state:
        case Empty():
            return NOTHING
        case Entering() | Holding() | Exiting():
            lot = lot_of(slot)
    if market.swap is not None:
        return Purse(quote=abs(lot.cost_quote) / spec.leverage, base=ZERO)
    if lot.quantity >= 0:
        return NOTHING
    return Purse(quote=-lot.quantity * slot.exit_price * (ONE + _fee_rate_in_quote(market)), base=ZERO)


def _entry_cost(market: Market, spec: GridSpec, side: Side, price: Decimal, amount: Decimal) -> Purse:
    notional = price * amount
    fee = notional * _fee_rate_in_quote(market)
    if market.swap is not None:
        return Purse(quote=notional / spec.leverage + fee, base=ZERO)
    match side:
        case Side.BUY:
            return Purse(quote=notional + fee, base=ZERO)
        case Side.SELL:
            return Purse(quote=ZERO, base=amount)


def _fee_rate_in_quote(market: Market) -> Decimal:
    """The worst fee rate, where fees are taken in quote; else 0."""
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            return ZERO
        case FeeCurrency.QUOTE:
            return max(market.maker_fee_rate, market.taker_fee_rate, ZERO)


def _plus(one: Purse, other: Purse) -> Purse:
    return Purse(quote=one.quote + other.quote, base=one.base + other.base)

"""What a grid would have left of its own money, summed up from orders and lots without the purse."""

from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.costs import Funds, worst_fee_rate
from engine.model.market import FeeCurrency
from engine.model.money import ONE, ZERO
from engine.model.order import Leg, Side
from engine.model.slot import order_of


def left_over(books: GridBooks, funds: Funds, adopted: Decimal = ZERO) -> tuple[Decimal, Decimal]:
    """Quote and base that would be left if every live order filled at its own price, on a swap the quote beyond what
    lots and entries bind; ``adopted`` is the base that the grid took in when it began."""
    market, ledger = books.market, books.ledger
    orders = [order for slot in books.slots if (order := order_of(slot)) is not None]
    rate = worst_fee_rate(market, FeeCurrency.QUOTE)
    if market.swap is not None:
        entries = [order for order in orders if order.leg is Leg.ENTRY]
        notional = sum(((order.amount - order.filled) * order.price for order in entries), ZERO)
        margin = (notional + sum((abs(lot.cost_quote) for lot in books.lots()), ZERO)) / books.spec.leverage
        return funds.quote + ledger.realised + ledger.funding - margin - notional * rate, ZERO
    quote, base = funds.quote + ledger.cash + ledger.adopted, funds.base + ledger.base - adopted
    for order in orders:
        amount = order.amount - order.filled
        match order.side:
            case Side.BUY:
                quote -= amount * order.price * (ONE + rate)
            case Side.SELL:
                base -= amount
    return quote, base

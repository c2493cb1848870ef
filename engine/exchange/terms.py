"""What an order costs on the simulated exchange: funds it locks, price it takes at, its fee."""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

from engine.exchange.order_book import ExchangeOrder
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import OrderRequest, Side

FEE_QUANTUM = Decimal("0.00000001")
"""Fees are whole multiples of it, in any currency."""
_NEAREST = Context(prec=100, rounding=ROUND_HALF_EVEN)
_UP = Context(prec=100, rounding=ROUND_CEILING)


def takes(request: OrderRequest, last_price: Decimal | None) -> bool:
    """Whether an order would trade at once; at the last price itself it rests."""
    if last_price is None:
        return False
    match request.side:
        case Side.BUY:
            return request.price > last_price
        case Side.SELL:
            return request.price < last_price


def price_of_taker(order: ExchangeOrder, market: Market, last_price: Decimal) -> Decimal:
    """One tick worse than the last price, never beyond the limit of the order."""
    match order.side:
        case Side.BUY:
            return min(order.price, market.ceil_price(last_price + market.tick_size))
        case Side.SELL:
            return max(order.price, market.floor_price(last_price - market.tick_size))


def funds_for(request: OrderRequest, market: Market) -> tuple[str, Decimal]:
    """The currency and the amount that an order locks."""
    match request.side:
        case Side.SELL:
            return market.base, request.amount
        case Side.BUY:
            return market.quote, quote_locked_by_buy(market, request.price, request.amount)


def quote_locked_by_buy(market: Market, price: Decimal, amount: Decimal) -> Decimal:
    """The cost of a buy, and the worst possible fee, rounded up, where it is taken in quote."""
    cost = price * amount
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            return cost
        case FeeCurrency.QUOTE:
            return cost + worst_fee(market, cost)


def rounded_fee(fee: Decimal) -> Decimal:
    """A fee as it is booked: to 8 decimals, halves to even."""
    return _NEAREST.quantize(fee, FEE_QUANTUM)


def worst_fee(market: Market, cost: Decimal) -> Decimal:
    """The most that trading for ``cost`` can cost in fees, rounded up."""
    return _UP.quantize(cost * max(market.maker_fee_rate, market.taker_fee_rate, ZERO), FEE_QUANTUM)

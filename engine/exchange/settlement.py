"""The money of one fill on the simulated exchange: what moves between account, counterparty and fee pot."""

from decimal import Decimal

from engine.exchange.account import Account
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.terms import quote_locked_by_buy, rounded_fee
from engine.model.market import FeeCurrency, Market
from engine.model.order import Side


def settle_fill(
    account: Account, market: Market, order: ExchangeOrder, *, price: Decimal, amount: Decimal, fee_rate: Decimal
) -> tuple[Decimal, str]:
    """Move the money of a fill that the order does not yet count; the fee and its currency."""
    cost = price * amount
    match order.side:
        case Side.SELL:
            fee = rounded_fee(cost * fee_rate)
            account.pay(market.base, amount)
            account.receive(market.quote, cost)
            account.pay_fee_from_free(market.quote, fee)
            order.locked -= amount
            return fee, market.quote
        case Side.BUY:
            account.pay(market.quote, cost)
            account.receive(market.base, amount)
            return _settle_buy_fee(account, market, order, cost=cost, amount=amount, fee_rate=fee_rate)


def _settle_buy_fee(
    account: Account, market: Market, order: ExchangeOrder, *, cost: Decimal, amount: Decimal, fee_rate: Decimal
) -> tuple[Decimal, str]:
    match market.fee_currency:
        case FeeCurrency.RECEIVED:
            fee = rounded_fee(amount * fee_rate)
            account.pay_fee_from_free(market.base, fee)
            order.locked -= cost
            return fee, market.base
        case FeeCurrency.QUOTE:
            locked_for_fees = order.locked - order.price * order.remaining
            fee = min(rounded_fee(cost * fee_rate), locked_for_fees)
            account.pay_fee_from_locked(market.quote, fee)
            order.locked -= cost + fee
            needed = quote_locked_by_buy(market, order.price, order.remaining - amount)
            if order.locked > needed:
                account.unlock(market.quote, order.locked - needed)
                order.locked = needed
            return fee, market.quote

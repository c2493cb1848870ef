"""The filters of the loopback venue: what an order must satisfy before anything else is looked at."""

import re
from decimal import Decimal

from tests.loopback.venue_words import MarketStatus, NewOrder, Refusal, RefusalReason, VenueMarket

CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{0,36}")


def check(new: NewOrder, market: VenueMarket, *, last: Decimal | None, open_count: int) -> None:
    """Raises ``Refusal`` with the first filter that the order fails."""
    if market.status is not MarketStatus.TRADING:
        raise Refusal(RefusalReason.MARKET_CLOSED, "Market is closed.")
    if CLIENT_ID.fullmatch(new.client_id) is None:
        raise Refusal(RefusalReason.CLIENT_ID, "Illegal characters found in parameter 'newClientOrderId'")
    if open_count >= market.open_orders_max:
        raise Refusal(RefusalReason.TOO_MANY_ORDERS, f"at most {market.open_orders_max} open orders")
    _check_price(new, market, last)
    if new.amount % market.lot:
        raise Refusal(RefusalReason.FILTER_LOT, f"amount {new.amount} is not a multiple of {market.lot}")
    if not market.min_amount <= new.amount <= market.max_amount:
        raise Refusal(RefusalReason.FILTER_AMOUNT, f"amount {new.amount} is out of bounds")
    price = new.price or last
    if price is not None and not new.reduce_only and market.value(price, new.amount) < market.min_notional:
        raise Refusal(RefusalReason.FILTER_NOTIONAL, f"value is below {market.min_notional}")


def _check_price(new: NewOrder, market: VenueMarket, last: Decimal | None) -> None:
    if new.price is None:
        return
    if new.price <= 0 or new.price % market.tick:
        raise Refusal(RefusalReason.FILTER_PRICE, f"price {new.price} is not a positive multiple of {market.tick}")
    band = market.price_band
    if band is not None and last is not None and not last / band <= new.price <= last * band:
        raise Refusal(RefusalReason.FILTER_BAND, f"price {new.price} is too far from {last}")

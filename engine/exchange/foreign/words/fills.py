"""Executions of a foreign exchange in our words.

A fee that is not told yet is not guessed: such an execution waits until it is asked for again. A fee in any
currency is exact, and negative where the exchange paid a rebate.
"""

from collections.abc import Iterator
from decimal import Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.numbers import (
    Unreadable,
    decimal_from,
    mapping_from,
    millis_from,
    positive_decimal,
    text_from,
)
from engine.exchange.foreign.words.scale import base_from_foreign
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, OwnFill, Side
from engine.model.text import clean_text

_ID_MAX = 128
_CURRENCY_MAX = 32


def fill_from_foreign(raw_trade: Raw, market: Market, *, at_ms: int | None = None) -> Fill | None:
    """One execution; None: its fee has not been told yet.

    ``at_ms`` is when it happened where the trade does not say, as in the answer to an order.

    Raises:
        Unreadable: it has no id, price, amount or time, or its fee is in two currencies at once.
    """
    trade_id = text_from(raw_trade.get("id"))
    if trade_id is None:
        raise Unreadable("the id of a trade", raw_trade.get("id"))
    price, amount = (positive_decimal(raw_trade, key) for key in ("price", "amount"))
    if price is None or amount is None:
        missing = "price" if price is None else "amount"
        raise Unreadable(f"the {missing} of trade {clean_text(trade_id, 40)}", raw_trade.get(missing))
    happened_ms = millis_from(raw_trade.get("timestamp")) or at_ms
    if happened_ms is None:
        raise Unreadable(f"the time of trade {clean_text(trade_id, 40)}", raw_trade.get("timestamp"))
    fee = _fee_of(raw_trade, market)
    if fee is None:
        return None
    return Fill(
        trade_id=clean_text(trade_id, _ID_MAX),
        price=price,
        amount=base_from_foreign(amount, market),
        fee=fee[1],
        fee_currency=fee[0],
        is_maker=raw_trade.get("takerOrMaker") == "maker",
        at_ms=happened_ms,
    )


def own_fill_from_foreign(raw_trade: Raw, market: Market, client_order_id: str) -> OwnFill | None:
    """One execution of an order of the account; None: its fee has not been told yet.

    Raises:
        Unreadable: it has no id, side, price, amount or time, or its fee is in two currencies at once.
    """
    fill = fill_from_foreign(raw_trade, market)
    if fill is None:
        return None
    side = side_from_foreign(raw_trade)
    return OwnFill(client_order_id=clean_text(client_order_id, _ID_MAX), symbol=market.symbol, side=side, fill=fill)


def fills_in_order(raw_order: Raw, market: Market, *, now_ms: int) -> tuple[Fill, ...]:
    """The executions that an order's own answer carries whole; those of which it says less are left out."""
    trades = raw_order.get("trades")
    at_ms = millis_from(raw_order.get("lastUpdateTimestamp")) or millis_from(raw_order.get("timestamp")) or now_ms
    whole = [trade for trade in trades if _is_whole(trade)] if isinstance(trades, list) else []
    told = [fill_from_foreign(trade, market, at_ms=at_ms) for trade in whole]
    return tuple(fill for fill in told if fill is not None)


def side_from_foreign(raw: Raw) -> Side:
    """Buy or sell.

    Raises:
        Unreadable: it is neither.
    """
    word = raw.get("side")
    if word == "buy":
        return Side.BUY
    if word == "sell":
        return Side.SELL
    raise Unreadable("buy or sell as a side", word)


def _is_whole(trade: object) -> bool:
    told = mapping_from(trade)
    has_numbers = positive_decimal(told, "price") is not None and positive_decimal(told, "amount") is not None
    return has_numbers and text_from(told.get("id")) is not None


def _fee_of(raw_trade: Raw, market: Market) -> tuple[str, Decimal] | None:
    """The currency and the amount of the fee; None: not told yet."""
    costs: dict[str, Decimal] = {}
    for currency, cost in _told_fees(raw_trade):
        if cost is None or (currency is None and cost != 0):
            return None
        name = clean_text(currency or market.quote, _CURRENCY_MAX)
        costs[name] = costs.get(name, ZERO) + cost
    paid = {currency: cost for currency, cost in costs.items() if cost != 0}
    if len(paid) > 1:
        raise Unreadable("a fee in one currency", " and ".join(f"{cost} {name}" for name, cost in paid.items()))
    return next(iter((paid or costs).items()), None)


def _told_fees(raw_trade: Raw) -> Iterator[tuple[str | None, Decimal | None]]:
    """Every fee of the trade; ccxt repeats the only one of ``fees`` in ``fee``."""
    listed = raw_trade.get("fees")
    fees = [mapping_from(fee) for fee in listed] if isinstance(listed, list) and listed else []
    for fee in fees or [mapping_from(raw_trade.get("fee"))]:
        yield text_from(fee.get("currency")), decimal_from(fee.get("cost"))

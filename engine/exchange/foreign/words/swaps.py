"""Positions, funding and liquidations of a foreign account in our words.

Amounts are base and signed, money is quote; positions are of the one-way mode.
"""

from decimal import Context, Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.fills import side_from_foreign
from engine.exchange.foreign.words.numbers import (
    Unreadable,
    decimal_from,
    mapping_from,
    millis_from,
    positive_decimal,
    text_from,
)
from engine.exchange.foreign.words.scale import base_from_foreign
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.money import ONE, ZERO
from engine.model.order import Side
from engine.model.swap import FundingPayment, Liquidation, Position
from engine.model.text import clean_text

_ROUGHLY = Context(prec=12)
"""Leverage that is only implied is a ratio: it is shown, and nothing is booked by it."""
_PAID_NAMES = ("execFee", "execFeeRv", "execFeeEv")
"""Bybit and Phemex tell funding as a fee, above 0 when it was paid; ccxt hands it on as it is.
Source: Bybit's transaction log, whose funding has the opposite sign."""
_LEVERAGE_NAMES = ("leverage", "lever")


def position_from_foreign(raw: Raw, market: Market) -> Position | None:
    """What the account has of a swap; None: nothing.

    The leverage is what is told, else what the initial margin implies, else 1. A margin mode that is not told is
    cross, where the whole account stands for the position.

    Raises:
        Unreadable: amount, side or entry price is missing, or the account is in hedge mode.
    """
    contracts = decimal_from(raw.get("contracts"))
    if contracts is None:
        raise Unreadable(f"the amount of the position in {market.symbol}", raw.get("contracts"))
    if contracts == 0:
        return None
    if raw.get("hedged") is True:
        raise Unreadable(f"one-way position mode on {market.symbol}", "hedge mode: switch the account to one-way mode")
    entry = positive_decimal(raw, "entryPrice")
    if entry is None:
        raise Unreadable(f"the entry price of the position in {market.symbol}", raw.get("entryPrice"))
    return Position(
        symbol=market.symbol,
        amount=base_from_foreign(_signed(raw, contracts), market),
        entry_price=entry,
        margin=positive_decimal(raw, "collateral") or positive_decimal(raw, "initialMargin") or ZERO,
        liquidation_price=positive_decimal(raw, "liquidationPrice"),
        leverage=_leverage_of(raw),
        mode=_mode_of(raw),
    )


def funding_from_foreign(raw: Raw, market: Market) -> FundingPayment | None:
    """One payment of funding, its amount above 0 when received; None: of another market.

    It is in quote, whatever currency it is said to be in: ccxt calls all of Bybit's USDT. What the exchange does
    not tell of rate, position and mark price is 0.

    Raises:
        Unreadable: amount or time is missing.
    """
    symbol = raw.get("symbol")
    if symbol is not None and symbol != market.symbol:
        return None
    at_ms = millis_from(raw.get("timestamp"))
    if at_ms is None:
        raise Unreadable(f"the time of a funding payment of {market.symbol}", raw.get("timestamp"))
    amount = _funding_received(raw, market)
    info = mapping_from(raw.get("info"))
    rate = decimal_from(raw.get("rate")) or decimal_from(info.get("feeRate")) or ZERO
    size = positive_decimal(info, "execQty")
    return FundingPayment(
        symbol=market.symbol,
        funding_id=clean_text(text_from(raw.get("id")) or f"{at_ms}"),
        amount=amount,
        rate=rate,
        position=_funded_position(size, amount, rate, market),
        mark_price=positive_decimal(info, "execPrice") or positive_decimal(info, "markPrice") or ZERO,
        at_ms=at_ms,
    )


def liquidation_from_foreign(raw: Raw, market: Market) -> Liquidation | None:
    """The exchange closed a position; None: of another market, or nothing was closed.

    Without an id of its own it is named by its time, which is the same whenever it is asked for.

    Raises:
        Unreadable: amount, side, price or time is missing.
    """
    symbol = raw.get("symbol")
    contracts = decimal_from(raw.get("contracts"))
    if (symbol is not None and symbol != market.symbol) or contracts == 0:
        return None
    price, at_ms = positive_decimal(raw, "price"), millis_from(raw.get("timestamp"))
    if contracts is None or price is None or at_ms is None:
        missing = "amount" if contracts is None else "price" if price is None else "time"
        raise Unreadable(f"the {missing} of a liquidation of {market.symbol}", None)
    info = mapping_from(raw.get("info"))
    told = text_from(raw.get("side")) or text_from(info.get("side"))
    side = side_from_foreign({"side": told.lower() if told else None})
    closed = base_from_foreign(abs(contracts), market)
    name = text_from(info.get("execId")) or text_from(info.get("tradeId")) or text_from(info.get("orderId"))
    fee = positive_decimal(info, "execFee")
    return Liquidation(
        symbol=market.symbol,
        trade_id=clean_text(name or f"liquidation-{at_ms}"),
        amount=closed if side is Side.BUY else -closed,
        price=price,
        fee=fee or ZERO,
        at_ms=at_ms,
    )


def _funded_position(size: Decimal | None, amount: Decimal, rate: Decimal, market: Market) -> Decimal:
    """Who is long pays where the rate is above 0."""
    if size is None or rate == 0:
        return ZERO
    is_long = (amount < 0) == (rate > 0)
    return base_from_foreign(size if is_long else -size, market)


def _signed(raw: Raw, contracts: Decimal) -> Decimal:
    side = raw.get("side")
    if side == "long":
        return abs(contracts)
    if side == "short":
        return -abs(contracts)
    if contracts < 0:
        return contracts
    raise Unreadable("long or short as the side of a position", side)


def _leverage_of(raw: Raw) -> Decimal:
    info = mapping_from(raw.get("info"))
    told = positive_decimal(raw, "leverage")
    if told is None:
        told = next((found for found in (positive_decimal(info, name) for name in _LEVERAGE_NAMES) if found), None)
    notional, initial = positive_decimal(raw, "notional"), positive_decimal(raw, "initialMargin")
    if told is None and notional is not None and initial is not None:
        told = _ROUGHLY.divide(notional, initial).quantize(Decimal("0.1"), context=_ROUGHLY)
    return max(told or ONE, ONE)


def _mode_of(raw: Raw) -> MarginMode:
    mode = raw.get("marginMode")
    if mode is None:
        return MarginMode.CROSS
    try:
        return MarginMode(str(mode).lower())
    except ValueError:
        raise Unreadable("cross or isolated margin", mode) from None


def _funding_received(raw: Raw, market: Market) -> Decimal:
    amount = decimal_from(raw.get("amount"))
    if amount is None:
        raise Unreadable(f"the amount of a funding payment of {market.symbol}", raw.get("amount"))
    info = mapping_from(raw.get("info"))
    return -amount if any(name in info for name in _PAID_NAMES) else amount

"""What was assumed of a market because the exchange does not tell it, and what of it our rules do not hold."""

from collections.abc import Iterator
from decimal import Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.numbers import decimal_from, mapping_from, positive_decimal, text_from
from engine.model.market import MarketKind
from engine.model.money import text_from_decimal
from engine.model.text import clean_text

FEE_RATES = {MarketKind.SPOT: Decimal("0.004"), MarketKind.SWAP: Decimal("0.001")}
"""Fees nobody tells are taken for these: the dearest regular ones of large exchanges (Kraken's spot taker fee)."""
LEVERAGE_MAX = Decimal(20)
"""Where the exchange tells none, as Binance without keys, whose exchange information asks 5 % of margin."""
AMOUNT_MAX = Decimal(10) ** 12
"""Where the exchange tells no largest amount: no order of a grid comes near."""
PRICE_HEADROOM = 10
"""A tick made out of significant digits is valid up to so many times the price now."""


def market_notes(
    raw: Raw, *, maker: Decimal | None = None, taker: Decimal | None = None, around: Decimal | None = None
) -> tuple[str, ...]:
    """One line for each thing a trader should know; the arguments are those of ``market_from_foreign``."""
    kind = MarketKind.SPOT if raw.get("spot") is True else MarketKind.SWAP
    notes = [*_about_fees(raw, kind, maker, taker), *_about_limits(raw)]
    if around is not None:
        top = text_from_decimal(around * PRICE_HEADROOM)
        notes.append(f"the exchange counts significant digits: the tick is valid at prices up to {top}")
    if kind is MarketKind.SWAP:
        notes.extend(_about_margin(raw))
    return tuple(clean_text(note) for note in notes)


def rate_of(raw: Raw, side: str) -> Decimal | None:
    """The fee that the market names, as a fraction; None where it names none, or one that is no fraction."""
    rate = decimal_from(raw.get(side))
    is_fraction = raw.get("percentage") is not False
    return rate if rate is not None and is_fraction and Decimal("-0.01") <= rate < Decimal("0.1") else None


def maintenance_told(raw: Raw) -> Decimal | None:
    """The maintenance rate that the market names, as a fraction.

    Source: ccxt's market of KuCoin and Gate, Binance's exchange information, there in percent.
    """
    info = mapping_from(raw.get("info"))
    for name in ("maintainMargin", "maintenance_rate", "base_mmr"):
        rate = positive_decimal(info, name)
        if rate is not None:
            return rate
    percent = positive_decimal(info, "maintMarginPercent")
    return None if percent is None else percent / 100


def leverage_told(raw: Raw) -> Decimal | None:
    """The highest leverage that the market names."""
    found = positive_decimal(mapping_from(mapping_from(raw.get("limits")).get("leverage")), "max")
    return found if found is not None and found >= 1 else None


def notional_told(raw: Raw) -> Decimal | None:
    """What an order must be worth at least, in quote; ccxt leaves out that of Bybit's swaps."""
    costs = mapping_from(mapping_from(raw.get("limits")).get("cost"))
    own = mapping_from(mapping_from(raw.get("info")).get("lotSizeFilter"))
    return positive_decimal(costs, "min") or positive_decimal(own, "minNotionalValue")


def _about_fees(raw: Raw, kind: MarketKind, maker: Decimal | None, taker: Decimal | None) -> Iterator[str]:
    for side, given in (("maker", maker), ("taker", taker)):
        if given is not None:
            continue
        told = rate_of(raw, side)
        shown = _percent(FEE_RATES[kind] if told is None else told)
        if told is None:
            yield f"the exchange does not tell the {side} fee: {shown} is assumed, more than most take"
        else:
            yield f"the {side} fee of {shown} is the exchange's regular one, not the account's own"


def _about_limits(raw: Raw) -> Iterator[str]:
    limits = mapping_from(raw.get("limits"))
    quote = text_from(raw.get("quote")) or "quote"
    costs, prices = mapping_from(limits.get("cost")), mapping_from(limits.get("price"))
    if notional_told(raw) is None:
        yield "the exchange does not tell what an order must be worth at least"
    most = positive_decimal(costs, "max")
    if most is not None:
        yield f"the exchange may refuse orders worth more than {text_from_decimal(most)} {quote}"
    for key, words in (("min", "below"), ("max", "above")):
        bound = positive_decimal(prices, key)
        if bound is not None:
            yield f"the exchange refuses prices {words} {text_from_decimal(bound)} {quote}"


def _about_margin(raw: Raw) -> Iterator[str]:
    if leverage_told(raw) is None:
        yield f"the exchange does not tell the highest leverage: {text_from_decimal(LEVERAGE_MAX)} is assumed"
    if maintenance_told(raw) is None:
        yield "the maintenance margin is assumed to be half of what the highest leverage asks at the start"
    yield "the maintenance margin rises with the position: a large one is liquidated earlier than shown"


def _percent(rate: Decimal) -> str:
    return f"{text_from_decimal(rate * 100)} %"

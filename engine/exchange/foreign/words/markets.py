"""A market of a foreign exchange in our words: steps, limits, fees, and why it cannot be traded.

What is not told is assumed on the careful side and named by ``market_notes``. What would make an order wrong,
as a step that is not told, is never assumed: such a market is refused.
"""

from decimal import ROUND_FLOOR, Context, Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.market_notes import (
    AMOUNT_MAX,
    FEE_RATES,
    LEVERAGE_MAX,
    PRICE_HEADROOM,
    leverage_told,
    maintenance_told,
    market_notes,
    notional_told,
    rate_of,
)
from engine.exchange.foreign.words.numbers import decimal_from, mapping_from, positive_decimal, text_from
from engine.exchange.foreign.words.untradable import Untradable, check_tradable
from engine.model.market import FeeCurrency, Market, MarketKind, SwapRules
from engine.model.money import ONE, ZERO, text_from_decimal
from engine.model.text import clean_text

__all__ = ["Untradable", "market_from_foreign", "market_notes"]

DECIMAL_PLACES = 2
SIGNIFICANT_DIGITS = 3
TICK_SIZE = 4
"""How ccxt counts precision: digits after the point, significant digits, or the step itself."""
_DECIMALS_MAX = 8
"""Source: ccxt cuts prices of exchanges that count significant digits to as many decimals."""
_DIGITS_MAX = 30
_AMOUNT_MAX_NAMES = ("maxLmtSz", "base_max_size")
_FLOOR = Context(prec=12, rounding=ROUND_FLOOR)


def market_from_foreign(
    raw: Raw,
    *,
    precision_mode: int,
    fee_currency: FeeCurrency,
    maker: Decimal | None = None,
    taker: Decimal | None = None,
    around: Decimal | None = None,
) -> Market:
    """The rules of a market. ``maker`` and ``taker`` are the account's own fees, as fractions.

    An exchange that counts significant digits has no fixed tick: the one here is valid at every price up to ten
    times ``around``, the price now.

    Raises:
        Untradable: with the one reason, and what to do.
    """
    check_tradable(raw)
    symbol, base, quote = (_name(raw, key) for key in ("symbol", "base", "quote"))
    rules = None if raw.get("spot") is True else _swap_rules(raw, symbol)
    unit = ONE if rules is None else rules.contract_size
    lot = _lot(raw, symbol, precision_mode) * unit
    limits = mapping_from(raw.get("limits"))
    amounts = mapping_from(limits.get("amount"))
    try:
        return Market(
            symbol=symbol,
            base=base,
            quote=quote,
            tick_size=_tick(raw, symbol, precision_mode, around),
            lot_size=_plain(lot),
            amount_min=_plain(max(_amount_min(raw, amounts) * unit, lot)),
            amount_max=_plain(_amount_max(raw, amounts) * unit),
            notional_min=_plain(notional_told(raw) or ZERO),
            maker_fee_rate=_fee_rate(raw, "maker", maker),
            taker_fee_rate=_fee_rate(raw, "taker", taker),
            fee_currency=fee_currency if rules is None else FeeCurrency.QUOTE,
            swap=rules,
        )
    except ValueError as error:
        raise Untradable(symbol, f"its rules contradict each other: {error}") from error


def _name(raw: Raw, key: str) -> str:
    name = text_from(raw.get(key))
    symbol = text_from(raw.get("symbol")) or "a market without a name"
    if name is None or clean_text(name) != name:
        raise Untradable(symbol, f"the exchange does not tell its {key}")
    return name


def _tick(raw: Raw, symbol: str, precision_mode: int, around: Decimal | None) -> Decimal:
    told = decimal_from(mapping_from(raw.get("precision")).get("price"))
    if told is None or (told <= 0 and precision_mode != DECIMAL_PLACES):
        raise Untradable(symbol, "the exchange does not tell the step of its prices")
    if precision_mode == TICK_SIZE:
        return _plain(told)
    digits = _whole(told, symbol, "prices")
    if precision_mode == DECIMAL_PLACES:
        return _step(digits)
    if around is None or around <= 0:
        reason = "the exchange counts significant digits, and there is no price yet to derive a tick from"
        raise Untradable(symbol, reason, "try again when the market has a price")
    highest = around * PRICE_HEADROOM
    return max(Decimal(1).scaleb(highest.adjusted() - digits + 1), _step(_DECIMALS_MAX))


def _lot(raw: Raw, symbol: str, precision_mode: int) -> Decimal:
    """Exchanges that count significant digits in prices count decimals in amounts. Source: ccxt's bitfinex, bithumb."""
    told = decimal_from(mapping_from(raw.get("precision")).get("amount"))
    if told is None or (told <= 0 and precision_mode == TICK_SIZE):
        raise Untradable(symbol, "the exchange does not tell the step of its amounts")
    return told if precision_mode == TICK_SIZE else _step(_whole(told, symbol, "amounts"))


def _whole(digits: Decimal, symbol: str, what: str) -> int:
    if digits != digits.to_integral_value() or abs(digits) > _DIGITS_MAX:
        raise Untradable(symbol, f"expected whole digits for its {what}, found {text_from_decimal(digits)}")
    return int(digits)


def _step(decimals: int) -> Decimal:
    return _plain(Decimal(1).scaleb(-decimals))


def _amount_min(raw: Raw, amounts: Raw) -> Decimal:
    """In units of the exchange; ccxt leaves Coinbase's out."""
    info = mapping_from(raw.get("info"))
    return max(positive_decimal(amounts, "min") or ZERO, positive_decimal(info, "base_min_size") or ZERO)


def _amount_max(raw: Raw, amounts: Raw) -> Decimal:
    """In units of the exchange; OKX, Coinbase and Bybit tell it in words of their own."""
    info = mapping_from(raw.get("info"))
    own = [positive_decimal(info, name) for name in _AMOUNT_MAX_NAMES]
    post_only = positive_decimal(mapping_from(info.get("lotSizeFilter")), "postOnlyMaxOrderQty")
    told = (positive_decimal(amounts, "max"), post_only, *own)
    return min((most for most in told if most is not None), default=AMOUNT_MAX)


def _fee_rate(raw: Raw, side: str, given: Decimal | None) -> Decimal:
    """The account's, else the market's, else what is assumed."""
    told = rate_of(raw, side) if given is None else given
    return FEE_RATES[MarketKind.SPOT if raw.get("spot") is True else MarketKind.SWAP] if told is None else told


def _swap_rules(raw: Raw, symbol: str) -> SwapRules:
    """Not told, the maintenance rate is half of the initial margin at the highest leverage.

    Source: Hyperliquid's rule, and the first bracket of Binance, Bybit and OKX is at or below it. A rate that the
    highest leverage could not bear bounds the leverage instead.
    """
    size = positive_decimal(raw, "contractSize")
    if size is None:
        raise Untradable(symbol, "the exchange does not tell the size of a contract")
    leverage = leverage_told(raw) or LEVERAGE_MAX
    rate = maintenance_told(raw) or _FLOOR.divide(ONE, 2 * leverage)
    if rate >= 1:
        raise Untradable(symbol, "no position could bear its maintenance margin")
    if rate * leverage >= 1:
        leverage = max(_FLOOR.divide_int(ONE, 2 * rate), ONE)
    return SwapRules(contract_size=_plain(size), leverage_max=leverage, maintenance_rate=rate)


def _plain(number: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent, so that it is shown as a person would write it."""
    return Decimal(text_from_decimal(number))

"""Rules of the simulated exchange's markets: built in for known pairs, from the data's decimals for others.

Source: Binance spot exchange information of the pairs named here; fees are its regular 0.1 %.
"""

from decimal import Decimal

from engine.model.errors import SettingsInvalid
from engine.model.market import FeeCurrency, Market

FEE_RATE = Decimal("0.001")
_AMOUNT_MAX = Decimal(9_000_000)
_NOTIONAL_MIN = Decimal(5)
_STEPS = {
    "BTC/USDT": ("0.01", "0.00001"),
    "ETH/USDT": ("0.01", "0.0001"),
    "BNB/USDT": ("0.1", "0.001"),
    "SOL/USDT": ("0.01", "0.001"),
    "XRP/USDT": ("0.0001", "0.1"),
    "DOGE/USDT": ("0.00001", "1"),
    "ADA/USDT": ("0.0001", "0.1"),
    "LTC/USDT": ("0.01", "0.001"),
    "SUI/USDT": ("0.0001", "0.1"),
}
_OTHER_LOT = Decimal("0.0001")
_OTHER_TICK = Decimal("0.01")


def known_tick(symbol: str) -> Decimal | None:
    """The tick of a pair with built-in rules, else None."""
    steps = _STEPS.get(symbol)
    return Decimal(steps[0]) if steps else None


def simulated_market(symbol: str, *, data_tick: Decimal | None) -> Market:
    """The rules of a pair; one that is not known takes its tick from the data, ``data_tick``.

    Raises:
        SettingsInvalid: the symbol is not of the form BASE/QUOTE.
    """
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote) or "/" in quote:
        raise SettingsInvalid(f"expected a symbol of the form BASE/QUOTE, found {symbol!r}")
    steps = _STEPS.get(symbol)
    tick = Decimal(steps[0]) if steps else data_tick or _OTHER_TICK
    lot = Decimal(steps[1]) if steps else _OTHER_LOT
    is_dollar = quote in ("USDT", "USDC", "USD", "EUR", "BUSD", "FDUSD")
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=tick,
        lot_size=lot,
        amount_min=lot,
        amount_max=_AMOUNT_MAX,
        notional_min=_NOTIONAL_MIN if is_dollar else Decimal("0.0001"),
        maker_fee_rate=FEE_RATE,
        taker_fee_rate=FEE_RATE,
        fee_currency=FeeCurrency.RECEIVED,
    )

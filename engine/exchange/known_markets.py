"""Rules of the simulated exchange's markets: built in for known pairs, from the data's decimals for others.

A linear perpetual swap is named BASE/QUOTE:QUOTE, as ccxt does.
Source: Binance spot exchange information of the pairs named here, fees are its regular 0.1 %; of swaps its
USD-margined futures', with contracts of one lot, the first bracket's maintenance rate, 0.02 % and 0.05 %.
"""

from decimal import Decimal

from engine.model.errors import SettingsInvalid
from engine.model.market import FeeCurrency, Market, SwapRules

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
_SWAP_STEPS = {
    "BTC/USDT:USDT": ("0.1", "0.001"),
    "ETH/USDT:USDT": ("0.01", "0.01"),
}
SWAP_MAKER_FEE_RATE = Decimal("0.0002")
SWAP_TAKER_FEE_RATE = Decimal("0.0005")
_MAINTENANCE_RATE = Decimal("0.004")
_LEVERAGE_MAX = Decimal(100)
_OTHER_LOT = Decimal("0.0001")
_OTHER_TICK = Decimal("0.01")


def known_tick(symbol: str) -> Decimal | None:
    """The tick of a pair or swap with built-in rules, else None."""
    steps = _STEPS.get(symbol) or _SWAP_STEPS.get(symbol)
    return Decimal(steps[0]) if steps else None


def simulated_market(symbol: str, *, data_tick: Decimal | None) -> Market:
    """The rules of a pair or a swap; one that is not known takes its tick from the data, ``data_tick``.

    Raises:
        SettingsInvalid: the symbol is not of the form BASE/QUOTE or BASE/QUOTE:QUOTE, or its swap is not linear.
    """
    pair, colon, settled_in = symbol.partition(":")
    if colon:
        return _simulated_swap(symbol, pair, settled_in, data_tick)
    base, quote = _currencies(symbol, pair)
    steps = _STEPS.get(symbol)
    tick = Decimal(steps[0]) if steps else data_tick or _OTHER_TICK
    lot = Decimal(steps[1]) if steps else _OTHER_LOT
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=tick,
        lot_size=lot,
        amount_min=lot,
        amount_max=_AMOUNT_MAX,
        notional_min=_notional_min(quote),
        maker_fee_rate=FEE_RATE,
        taker_fee_rate=FEE_RATE,
        fee_currency=FeeCurrency.RECEIVED,
    )


def _simulated_swap(symbol: str, pair: str, settled_in: str, data_tick: Decimal | None) -> Market:
    base, quote = _currencies(symbol, pair)
    if settled_in != quote:
        raise SettingsInvalid(f"expected a linear swap, {pair}:{quote}, found {symbol!r}")
    tick, lot = _SWAP_STEPS.get(symbol, (None, None))
    contract = Decimal(lot) if lot else _OTHER_LOT
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=Decimal(tick) if tick else data_tick or _OTHER_TICK,
        lot_size=contract,
        amount_min=contract,
        amount_max=_AMOUNT_MAX,
        notional_min=_notional_min(quote),
        maker_fee_rate=SWAP_MAKER_FEE_RATE,
        taker_fee_rate=SWAP_TAKER_FEE_RATE,
        fee_currency=FeeCurrency.QUOTE,
        swap=SwapRules(contract_size=contract, leverage_max=_LEVERAGE_MAX, maintenance_rate=_MAINTENANCE_RATE),
    )


def _currencies(symbol: str, pair: str) -> tuple[str, str]:
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote) or "/" in quote:
        raise SettingsInvalid(f"expected a symbol of the form BASE/QUOTE, found {symbol!r}")
    return base, quote


def _notional_min(quote: str) -> Decimal:
    return _NOTIONAL_MIN if quote in ("USDT", "USDC", "USD", "EUR", "BUSD", "FDUSD") else Decimal("0.0001")

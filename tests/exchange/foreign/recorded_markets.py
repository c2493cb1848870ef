"""Real market metadata of five exchanges: as ccxt's own parsers read it, and as the exchange wrote it.

``Filters`` come out of the exchange's own words, never through ccxt or the engine: they judge the orders.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.markets import DECIMAL_PLACES, TICK_SIZE

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not beside the project")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the exchange wrote of one market."""

    tick: Decimal
    step: Decimal
    amount_min: Decimal = _ZERO
    amount_max: Decimal | None = None
    notional_min: Decimal = _ZERO
    price_min: Decimal = _ZERO
    price_max: Decimal | None = None
    offset_amount: Decimal = _ZERO
    """Binance counts steps from the least amount."""

    def problem_with(self, price: Decimal, amount: Decimal) -> str | None:
        """Which filter an order of this price and amount fails, or None."""
        if price % self.tick != 0:
            return f"tick {self.tick}"
        if (amount - self.offset_amount) % self.step != 0:
            return f"step {self.step}"
        if amount < self.amount_min or (self.amount_max is not None and amount > self.amount_max):
            return f"amount between {self.amount_min} and {self.amount_max}"
        if price * amount < self.notional_min:
            return f"notional {self.notional_min}"
        if price < self.price_min or (self.price_max is not None and price > self.price_max):
            return f"price between {self.price_min} and {self.price_max}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMarket:
    """One market: as ccxt reads it, and as the exchange wrote it."""

    exchange: str
    raw: Raw
    filters: Filters
    precision_mode: int = TICK_SIZE


@cache
def recorded_markets(exchange: str) -> tuple[RecordedMarket, ...]:
    """Every recorded market of an exchange."""
    return tuple(_LOADERS[exchange]())


def load(name: str) -> Any:
    """What is in a file of recorded data; numbers with a point stay text."""
    path = DATA / name
    content = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return json.loads(content, parse_float=str)


def _binance() -> Iterator[RecordedMarket]:
    import ccxt

    client = ccxt.binance()
    client.options.update(crossMarginPairsData=[], isolatedMarginPairsData=[])
    for told in load("markets/binance_spot_exchangeInfo_2021-10-12.json.gz")["symbols"]:
        yield RecordedMarket(exchange="binance", raw=client.parse_market(told), filters=binance_filters(told))


def binance_filters(told: Mapping[str, Any]) -> Filters:
    """The filters of a symbol of Binance's exchange information."""
    by_type = {each["filterType"]: each for each in told["filters"]}
    price, lot = by_type["PRICE_FILTER"], by_type["LOT_SIZE"]
    notional = by_type.get("MIN_NOTIONAL") or by_type["NOTIONAL"]
    return Filters(
        tick=Decimal(price["tickSize"]),
        step=Decimal(lot["stepSize"]),
        amount_min=Decimal(lot["minQty"]),
        amount_max=Decimal(lot["maxQty"]),
        notional_min=Decimal(notional["minNotional"]),
        price_min=Decimal(price["minPrice"]),
        price_max=Decimal(price["maxPrice"]),
        offset_amount=Decimal(lot["minQty"]),
    )


def _binance_2022() -> Iterator[RecordedMarket]:
    """The same exchange a year later, in a format of its own: put into ccxt's shape here."""
    for told in load("markets/binance_spot_markets_2022-12_bbgo_format.json.gz").values():
        filters = Filters(
            tick=Decimal(told["tickSize"]),
            step=Decimal(told["stepSize"]),
            amount_min=Decimal(told["minQuantity"]),
            amount_max=Decimal(told["maxQuantity"]),
            notional_min=Decimal(told["minNotional"]),
            price_min=Decimal(told["minPrice"]),
            price_max=Decimal(told["maxPrice"]),
            offset_amount=Decimal(told["minQuantity"]),
        )
        yield RecordedMarket(
            exchange="binance_2022",
            filters=filters,
            raw={
                "symbol": f"{told['baseCurrency']}/{told['quoteCurrency']}",
                "base": told["baseCurrency"],
                "quote": told["quoteCurrency"],
                "spot": True,
                "active": True,
                "maker": 0.001,
                "taker": 0.001,
                "precision": {"price": float(told["tickSize"]), "amount": float(told["stepSize"])},
                "limits": {
                    "amount": {"min": float(told["minQuantity"]), "max": float(told["maxQuantity"])},
                    "cost": {"min": float(told["minNotional"]), "max": None},
                    "price": {"min": float(told["minPrice"]), "max": float(told["maxPrice"])},
                },
                "info": told,
            },
        )


def _binance_in_decimal_places() -> Iterator[RecordedMarket]:
    """Markets of an older ccxt, whose precision is digits after the point."""
    for raw in load("markets/ccxt_static_binance_spot_3_markets.json").values():
        yield RecordedMarket(
            exchange="binance_in_decimal_places",
            raw=raw,
            filters=binance_filters(raw["info"]),
            precision_mode=DECIMAL_PLACES,
        )


def _kraken() -> Iterator[RecordedMarket]:
    """The recording is older than the status of a pair."""
    import ccxt

    answer = load("markets/kraken_AssetPairs_2021-04-17.json.gz")
    for told in answer["result"].values():
        told.setdefault("status", "online")
    client = ccxt.kraken()
    client.publicGetAssetPairs = lambda _params: answer
    for raw in client.fetch_markets():
        info = raw["info"]
        filters = Filters(
            tick=Decimal(1).scaleb(-int(info["pair_decimals"])),
            step=Decimal(1).scaleb(-int(info["lot_decimals"])),
            amount_min=Decimal(info["ordermin"]) if "ordermin" in info else _ZERO,
        )
        yield RecordedMarket(exchange="kraken", raw=raw, filters=filters)


def _coinbase() -> Iterator[RecordedMarket]:
    import ccxt

    answer = load("markets/coinbase_products_2021-04-17.json.gz")
    client = ccxt.coinbaseexchange()
    client.publicGetProducts = lambda _params: answer
    for raw in client.fetch_markets():
        info = raw["info"]
        filters = Filters(
            tick=Decimal(info["quote_increment"]),
            step=Decimal(info["base_increment"]),
            amount_min=Decimal(info["base_min_size"]),
            amount_max=Decimal(info["base_max_size"]),
            notional_min=Decimal(info["min_market_funds"]),
        )
        yield RecordedMarket(exchange="coinbase", raw=raw, filters=filters)


def _okx() -> Iterator[RecordedMarket]:
    import ccxt

    client = ccxt.okx()
    for told in load("markets/okx_instruments_SPOT_2022-05-13.json.gz")["data"]:
        filters = Filters(
            tick=Decimal(told["tickSz"]),
            step=Decimal(told["lotSz"]),
            amount_min=Decimal(told["minSz"]),
            amount_max=Decimal(told["maxLmtSz"]),
        )
        yield RecordedMarket(exchange="okx", raw=client.parse_market(told), filters=filters)


def _bybit() -> Iterator[RecordedMarket]:
    """Perpetuals of an interface that is gone: put into ccxt's shape here. Those in USD are inverse."""
    for told in load("markets/bybit_v2_symbols_perp_2021-04-17.json.gz")["result"]:
        base, quote = told["base_currency"], told["quote_currency"]
        is_linear = quote == "USDT"
        settle = quote if is_linear else base
        lot, price = told["lot_size_filter"], told["price_filter"]
        filters = Filters(
            tick=Decimal(price["tick_size"]),
            step=Decimal(lot["qty_step"]),
            amount_min=Decimal(lot["min_trading_qty"]),
            amount_max=Decimal(lot["max_trading_qty"]),
            price_min=Decimal(price["min_price"]),
            price_max=Decimal(price["max_price"]),
        )
        yield RecordedMarket(
            exchange="bybit",
            filters=filters,
            raw={
                "symbol": f"{base}/{quote}:{settle}",
                "base": base,
                "quote": quote,
                "settle": settle,
                "spot": False,
                "swap": True,
                "type": "swap",
                "linear": is_linear,
                "inverse": not is_linear,
                "active": told["status"] == "Trading",
                "contractSize": 1.0,
                "maker": float(told["maker_fee"]),
                "taker": float(told["taker_fee"]),
                "precision": {"price": float(price["tick_size"]), "amount": float(lot["qty_step"])},
                "limits": {
                    "leverage": {"min": 1.0, "max": float(told["leverage_filter"]["max_leverage"])},
                    "amount": {"min": float(lot["min_trading_qty"]), "max": float(lot["max_trading_qty"])},
                    "cost": {"min": None, "max": None},
                    "price": {"min": float(price["min_price"]), "max": float(price["max_price"])},
                },
                "info": told,
            },
        )


def _okx_swaps() -> Iterator[RecordedMarket]:
    """A contract is a part of a base, and parts of a contract are traded; in quote where it is inverse."""
    import ccxt

    client = ccxt.okx()
    answers = load("fixtures/nautilus_okx_messages.json.gz")
    for told in answers["crates/adapters/okx/test_data/http_get_instruments_swap.json"]["data"]:
        size = Decimal(told["ctVal"])
        filters = Filters(
            tick=Decimal(told["tickSz"]),
            step=Decimal(told["lotSz"]) * size,
            amount_min=Decimal(told["minSz"]) * size,
            amount_max=Decimal(told["maxLmtSz"]) * size,
        )
        yield RecordedMarket(exchange="okx_swaps", raw=client.parse_market(told), filters=filters)


def _bybit_swaps() -> Iterator[RecordedMarket]:
    import ccxt

    answers = load("fixtures/nautilus_bybit_messages.json.gz")
    answer = answers["crates/adapters/bybit/test_data/http_get_instruments_linear.json"]
    client = ccxt.bybit()
    client.publicGetV5MarketInstrumentsInfo = lambda params: {} if "status" in params else answer
    for raw in client.fetch_future_markets({"category": "linear"}):
        told = raw["info"]
        lot, price = told["lotSizeFilter"], told["priceFilter"]
        filters = Filters(
            tick=Decimal(price["tickSize"]),
            step=Decimal(lot["qtyStep"]),
            amount_min=Decimal(lot["minOrderQty"]),
            amount_max=Decimal(lot["postOnlyMaxOrderQty"]),
            notional_min=Decimal(lot["minNotionalValue"]),
            price_min=Decimal(price["minPrice"]),
            price_max=Decimal(price["maxPrice"]),
        )
        yield RecordedMarket(exchange="bybit_swaps", raw={**raw, "linear": True, "inverse": False}, filters=filters)


_LOADERS = {
    "binance": _binance,
    "binance_2022": _binance_2022,
    "binance_in_decimal_places": _binance_in_decimal_places,
    "kraken": _kraken,
    "coinbase": _coinbase,
    "okx": _okx,
    "bybit": _bybit,
    "okx_swaps": _okx_swaps,
    "bybit_swaps": _bybit_swaps,
}
EXCHANGES = tuple(_LOADERS)

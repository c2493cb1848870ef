"""Recorded messages of real exchanges, and the markets they are of in our words and in ccxt's."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.exchange.foreign.words.scale import contract_size_of
from engine.model.market import Market, SwapRules
from tests.builders import a_market
from tests.exchange.foreign.raw_builders import a_swap_market
from tests.exchange.foreign.recorded_markets import DATA, load

D = Decimal
Message = Mapping[str, Any]
NOW_MS = 1
_QUOTES = ("USDT", "USDC", "BUSD", "USD", "BTC")


def market_called(name: str) -> Market:
    """A market of this name on the exchange, its currencies told apart by the usual quotes."""
    quote = next(quote for quote in _QUOTES if name.endswith(quote))
    base = name.removesuffix(quote)
    return a_market(symbol=f"{base}/{quote}", base=base, quote=quote)


def a_linear_swap(name: str) -> Market:
    """A linear swap whose contract is one base, traded in thousandths, as Binance and Bybit have them."""
    base = name.removesuffix("USDT")
    rules = SwapRules(contract_size=D(1), leverage_max=D(100), maintenance_rate=D("0.005"))
    return a_swap_market(symbol=f"{base}/USDT:USDT", base=base, lot_size=D("0.001"), amount_min=D("0.001"), swap=rules)


def ccxts_market(market: Market, name: str) -> dict[str, Any]:
    """The same market as ccxt's parsers want it handed in."""
    is_spot = market.swap is None
    return {
        "id": name,
        "symbol": market.symbol,
        "base": market.base,
        "quote": market.quote,
        "settle": None if is_spot else market.quote,
        "type": "spot" if is_spot else "swap",
        "spot": is_spot,
        "swap": not is_spot,
        "contract": not is_spot,
        "option": False,
        "margin": False,
        "linear": not is_spot,
        "inverse": False,
        "contractSize": None if is_spot else float(contract_size_of(market)),
    }


def unwrapped(message: Message) -> Message:
    """The event itself, out of the stream's or the interface's envelope."""
    for key in ("data", "event", "result"):
        if isinstance(message.get(key), Mapping):
            return message[key]  # type: ignore[no-any-return]
    return message


def execution_reports() -> Iterator[Message]:
    """Every spot message of Binance's user stream about an order: of real sessions, and of another project's tests."""
    for name in ("binance_spot_user_stream_real.jsonl", "binance_user_stream_bbgo.jsonl"):
        for line in (DATA / "fixtures" / name).read_text().splitlines():
            told = json.loads(line)
            yield unwrapped(told.get("msg", told))
    for name, told in load("fixtures/nautilus_binance_spot_messages.json.gz").items():
        if "execution_report" in name:
            yield unwrapped(told)


def answers(part: str, of: str) -> list[Any]:
    """The recorded answers whose name has this part."""
    told = load(f"fixtures/nautilus_{of}_messages.json.gz")
    return [value for name, value in told.items() if part in name.rpartition("/")[2]]

"""The real, unmodified client library, offline: its HTTP session records what would go out and tells what was set.

Everything above the socket runs as it does live: signing, the library's own reading of answers, its exceptions.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.model.market import MarketKind

ID = "gabc01e00200003z"
TRIED = (
    *("binance", "binanceusdm", "bybit", "okx", "kraken", "krakenfutures", "kucoin", "gate", "coinbase", "bitget"),
    *("mexc", "htx", "hyperliquid"),
)
API_KEY = "k9PLANTEDkey7Qw3eR5tY1uI8oP0aS2dF4gH6jK"
SECRET = "czNjcmV0UExBTlRFRDlzaWduYXR1cmU0a2V5MDAwMTIzNDU="
PASSPHRASE = "p4ssPLANTEDphrase77"
WALLET = "0x" + "ab12" * 10
PRIVATE_KEY = "0x" + "1f" * 32

_SPOT_IDS = {
    "binance": "BTCUSDT",
    "bybit": "BTCUSDT",
    "okx": "BTC-USDT",
    "kraken": "XBTUSDT",
    "kucoin": "BTC-USDT",
    "gate": "BTC_USDT",
    "coinbase": "BTC-USDT",
    "bitget": "BTCUSDT",
    "mexc": "BTCUSDT",
    "htx": "btcusdt",
    "hyperliquid": "@142",
}
_SWAP_IDS = {
    "binance": "BTCUSDT",
    "binanceusdm": "BTCUSDT",
    "bybit": "BTCUSDT",
    "okx": "BTC-USDT-SWAP",
    "krakenfutures": "PF_XBTUSD",
    "gate": "BTC_USDT",
    "bitget": "BTCUSDT",
    "hyperliquid": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request as it would have gone over the wire."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def fields(self) -> dict[str, object]:
        """Every named value of the query and of the body, however deep; an inner name hides no outer one."""
        found: dict[str, object] = dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
        try:
            _gather(json.loads(self.body), found)
        except ValueError:
            found |= dict(parse_qsl(self.body, keep_blank_values=True))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the exchange says to the next request."""

    body: str = "{}"
    status: int = 200
    headers: Mapping[str, str] | None = None


class _Response:
    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.reason = {200: "OK", 400: "Bad Request", 418: "I'm a teapot", 429: "Too Many Requests"}.get(
            answer.status, "Status"
        )
        self.headers = {"Content-Type": "application/json", **(answer.headers or {})}
        self.content = object()
        self._body = answer.body

    async def text(self, errors: str = "strict") -> str:
        return self._body

    async def __aenter__(self) -> "_Response":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class RecordedSession:
    """Stands where the library keeps its HTTP session; ``reply`` answers, or raises what a network raises."""

    def __init__(self, reply: Callable[[Sent], Answer]) -> None:
        self.sent: list[Sent] = []
        self.headers: dict[str, str] = {}
        self.reply = reply

    def _request(self, method: str, url: object, data: bytes | None, headers: Mapping[str, str]) -> _Response:
        body = "" if data is None else data.decode()
        sent = Sent(method=method, url=str(url), headers=dict(headers), body=body)
        self.sent.append(sent)
        return _Response(self.reply(sent))

    def get(self, url: object, *, data: bytes | None, headers: Mapping[str, str], **_: object) -> _Response:
        return self._request("GET", url, data, headers)

    def post(self, url: object, *, data: bytes | None, headers: Mapping[str, str], **_: object) -> _Response:
        return self._request("POST", url, data, headers)

    def delete(self, url: object, *, data: bytes | None, headers: Mapping[str, str], **_: object) -> _Response:
        return self._request("DELETE", url, data, headers)


def symbol_of(exchange: str, kind: MarketKind) -> str:
    """The one market that ``recorded_client`` knows."""
    quote = {"krakenfutures": "USD", "hyperliquid": "USDC"}.get(exchange, "USDT")
    return f"BTC/{quote}" if kind is MarketKind.SPOT else f"BTC/{quote}:{quote}"


@asynccontextmanager
async def recorded_client(
    exchange: str, kind: MarketKind, reply: Callable[[Sent], Answer] = lambda _: Answer()
) -> AsyncIterator[tuple[Any, RecordedSession]]:
    """The library's client of one exchange with one market, made with its dialect's options."""
    import ccxt.pro as ccxt

    session = RecordedSession(reply)
    client = getattr(ccxt, exchange)(
        {
            "apiKey": API_KEY,
            "secret": SECRET,
            "password": PASSPHRASE,
            "walletAddress": WALLET,
            "privateKey": PRIVATE_KEY,
            "session": session,
            "enableRateLimit": False,
            "timeout_on_exit": 0,
            "options": dialect_of(exchange).market_options(kind),
        }
    )
    client.timeout_on_exit = 0
    client.set_markets([client.safe_market_structure(_market(exchange, kind))])
    try:
        yield client, session
    finally:
        await client.close()


def _market(exchange: str, kind: MarketKind) -> dict[str, Any]:
    is_swap = kind is MarketKind.SWAP
    symbol = symbol_of(exchange, kind)
    quote = symbol.partition("/")[2].partition(":")[0]
    swap = {"settle": quote, "settleId": quote.lower() if exchange == "gate" else quote, "contractSize": 1.0}
    return {
        "id": (_SWAP_IDS if is_swap else _SPOT_IDS)[exchange],
        "symbol": symbol,
        "base": "BTC",
        "quote": quote,
        "baseId": "0" if exchange == "hyperliquid" else "BTC",
        "quoteId": quote,
        "type": kind.value,
        "spot": not is_swap,
        "swap": is_swap,
        "future": False,
        "option": False,
        "margin": False,
        "contract": is_swap,
        "linear": True if is_swap else None,
        "inverse": False if is_swap else None,
        "subType": "linear" if is_swap else None,
        "active": True,
        "precision": {"amount": 1.0 if exchange == "gate" and is_swap else 0.00001, "price": 0.01},
        "limits": {"amount": {"min": 0.00001}, "cost": {"min": 1}},
        "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER"]},
        **(swap if is_swap else {}),
    }


def _gather(value: object, found: dict[str, object]) -> None:
    if isinstance(value, list):
        for part in value:
            _gather(part, found)
    elif isinstance(value, dict):
        for name, part in value.items():
            found.setdefault(name, part)
            _gather(part, found)

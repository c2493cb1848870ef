"""The only file that knows the ccxt library: it makes the library's client as the configuration says.

What is around the client, and is the exchange that the engine sees, is in ``foreign``. Nothing of the library,
neither its objects nor its errors nor its texts, leaves this file and that folder.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

import ccxt.pro

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.exchange import CcxtExchange, ForeignAccount
from engine.exchange.foreign.habits.dialects import Dialect, dialect_of
from engine.exchange.foreign.proof.whole_answers import guard_answers
from engine.exchange.foreign.requests.pace import Pace
from engine.model.errors import SettingsInvalid
from engine.model.market import MarketKind
from engine.model.secret import ExchangeKeys
from engine.model.text import clean_text

_TIMEOUT_MS = 10_000
_KEEP_ALIVE_MS = 10_000
"""A WebSocket that leaves two pings without an answer is dead; the library's own is three minutes on some."""
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_PLAIN_SCHEMES = frozenset(("http", "ws"))
_ENCRYPTED_SCHEMES = frozenset(("https", "wss"))
_CONFIGURABLE: Mapping[str, type | tuple[type, ...]] = {
    "timeout": (int, float),
    "rateLimit": (int, float),
    "urls": Mapping,
    "hostname": str,
    "options": Mapping,
    "headers": Mapping,
    "userAgent": str,
    "streaming": Mapping,
    "aiohttp_trust_env": bool,
    **dict.fromkeys(("httpProxy", "httpsProxy", "socksProxy", "wsProxy", "wssProxy", "wsSocksProxy"), str),
    **dict.fromkeys(("http_proxy", "https_proxy", "socks_proxy", "ws_proxy", "wss_proxy", "ws_socks_proxy"), str),
    "aiohttp_proxy": str,
}
"""What ``[exchange.ccxt]`` may say. Not what would show or send keys elsewhere, skip checks, or send twice."""
_FIXED_OPTIONS = frozenset(
    ("recvWindow", "recv_window", "recv-window", "maxRetriesOnFailure", "timeDifference", "adjustForTimeDifference")
)
"""How long a request may arrive and how often it is sent decides when an order may be called gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CcxtOptions:
    """``ccxt`` goes to the library's constructor as it is; ``keys`` None: public data alone.

    ``dead_man_seconds`` 0: the switch is not used. ``state_dir`` None keeps nothing. ``redact`` takes out of what
    the exchange says what nobody must see, such as a key that it repeats.
    """

    exchange_id: str
    market_type: MarketKind
    is_sandbox: bool
    keys: ExchangeKeys | None
    ccxt: Mapping[str, Any]
    symbols: Sequence[str]
    now_ms: Callable[[], int]
    state_dir: Path | None = None
    dead_man_seconds: float = 0.0
    redact: Callable[[str], str] = str


def open_ccxt(options: CcxtOptions) -> CcxtExchange:
    """The exchange of a configuration; nothing is asked of it before its ``open``.

    Raises:
        SettingsInvalid: no such exchange, no such market type on it, no sandbox, or an option that is refused.
    """
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    if options.exchange_id not in ccxt.pro.exchanges:
        raise SettingsInvalid(_unknown_exchange(options.exchange_id))
    dialect = dialect_of(options.exchange_id)
    if options.market_type not in dialect.market_kinds:
        raise SettingsInvalid(
            f"exchange.market_type: {dialect.id} can be traded here on {' and '.join(sorted(dialect.market_kinds))} "
            f"markets only, found {options.market_type}"
        )
    _check_dead_man(options.dead_man_seconds, dialect)
    account = ForeignAccount(
        name=f"{dialect.id} sandbox" if options.is_sandbox else dialect.id,
        dialect=dialect,
        kind=options.market_type,
        has_keys=options.keys is not None,
        symbols=tuple(options.symbols),
        now_ms=options.now_ms,
        state_dir=options.state_dir,
        dead_man_seconds=options.dead_man_seconds,
        redact=options.redact,
    )
    return CcxtExchange(account, _client(options, dialect))


def _unknown_exchange(name: str) -> str:
    """With the one that was perhaps meant."""
    meant = get_close_matches(name.lower(), ccxt.pro.exchanges, n=1, cutoff=0.7)
    hint = f" (perhaps {meant[0]})" if meant else ""
    known = "one of ccxt's exchanges with streams, such as binance, bybit, okx or kraken"
    return f"exchange.id: expected {known}, found {clean_text(name, 40)}{hint}"


def _client(options: CcxtOptions, dialect: Dialect) -> ForeignClient:
    """The library's client, made as the configuration says and as safety asks."""
    given = dict(options.ccxt)
    _check_lines(given)
    own = given.pop("options", {})
    try:
        client = getattr(ccxt.pro, dialect.id)(
            {
                "timeout": _TIMEOUT_MS,
                "streaming": {"keepAlive": _KEEP_ALIVE_MS},
                **given,
                **_revealed(options.keys, dialect),
                "enableRateLimit": True,
                "newUpdates": True,
                "options": {**dialect.market_options(options.market_type), **own, "maxRetriesOnFailure": 0},
            }
        )
    except (TypeError, ValueError, LookupError, AttributeError, ccxt.BaseError) as error:
        text = clean_text(f"{type(error).__name__}", 60)
        raise SettingsInvalid(f"exchange.ccxt: {dialect.id} cannot be made with these options ({text})") from None
    client.number = str
    client.decimal_to_precision = _apart(client.decimal_to_precision)
    client.throttler = Pace(client.rateLimit, now_ms=lambda: perf_counter() * 1000)
    guard_answers(client)
    if options.is_sandbox:
        _use_sandbox(client, dialect)
    _check_addresses(client.urls)
    return cast("ForeignClient", client)


def _check_lines(given: Mapping[str, object]) -> None:
    """Raises ``SettingsInvalid`` with every line that is not open to configuration or not what it must be."""
    problems = []
    for name, value in given.items():
        shown = clean_text(name, 40)
        expected = _CONFIGURABLE.get(name)
        if expected is None:
            problems.append(f"exchange.ccxt.{shown}: expected no such line: it is not open to configuration")
        elif not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            names = " or ".join(sorted(kind.__name__.lower() for kind in _kinds(expected)))
            problems.append(f"exchange.ccxt.{shown}: expected {names}, found {type(value).__name__}")
        elif isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value <= 600_000:
            problems.append(f"exchange.ccxt.{shown}: expected milliseconds above 0, at most 600000")
    own = given.get("options")
    if isinstance(own, Mapping):
        problems += [
            f"exchange.ccxt.options.{name}: expected no such line: it is not open to configuration"
            for name in sorted(_FIXED_OPTIONS & own.keys())
        ]
    if problems:
        raise SettingsInvalid(*problems)


def _kinds(expected: type | tuple[type, ...]) -> tuple[type, ...]:
    return expected if isinstance(expected, tuple) else (expected,)


def _apart(function: Callable[..., str]) -> Callable[..., str]:
    """A function of the library in a decimal context of its own: it changes rounding and traps of whoever calls it."""

    @wraps(function)
    def apart(*arguments: Any, **named: Any) -> str:
        with localcontext():
            return function(*arguments, **named)

    return apart


def _revealed(keys: ExchangeKeys | None, dialect: Dialect) -> dict[str, str]:
    """The keys under the names that the exchange has for them. Raises ``SettingsInvalid`` where one is missing."""
    if keys is None:
        return {}
    needed = {name for name, is_needed in getattr(ccxt.pro, dialect.id)().requiredCredentials.items() if is_needed}
    found = {"apiKey": keys.api_key.reveal(), "secret": keys.secret.reveal()}
    if keys.password is not None:
        found["password"] = keys.password.reveal()
    if "privateKey" in needed:
        # A wallet signs there: its address is the public half, and its private key the secret one.
        found = {"walletAddress": found["apiKey"], "privateKey": found["secret"]}
    if missing := sorted(needed - found.keys()):
        words = ", ".join("the key's passphrase (password)" if name == "password" else name for name in missing)
        raise SettingsInvalid(f"exchange.keys: {dialect.id} needs {words} beside the API key and its secret")
    return found


def _use_sandbox(client: Any, dialect: Dialect) -> None:
    try:
        client.set_sandbox_mode(True)
        is_there = bool(client.isSandboxModeEnabled or client.options.get("sandboxMode"))
    except (ccxt.NotSupported, TypeError, LookupError, AttributeError):  # where it has no such addresses at all
        is_there = False
    if not is_there:
        raise SettingsInvalid(
            f'exchange.sandbox: {dialect.id} has no sandbox; use mode = "paper", or an exchange that has one'
        )


def _check_dead_man(seconds: float, dialect: Dialect) -> None:
    """Raises ``SettingsInvalid`` where the exchange has no switch that counts down so many seconds."""
    if not seconds:
        return
    if dialect.countdown_seconds is None:
        raise SettingsInvalid(
            f"exchange.dead_man_seconds: expected 0: {dialect.id} has no dead man's switch that counts down and can be "
            f"told to let go, found {seconds:g}"
        )
    shortest, longest = dialect.countdown_seconds
    if not shortest <= seconds <= longest:
        raise SettingsInvalid(
            f"exchange.dead_man_seconds: {dialect.id} takes {shortest} to {longest} seconds, found {seconds:g}"
        )


def _check_addresses(urls: object) -> None:
    """Keys and orders travel encrypted, except to this very machine."""
    pending: list[object] = [urls.get("api") if isinstance(urls, Mapping) else urls]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, str) and value and not _is_safe(value):
            raise SettingsInvalid(
                f"exchange.ccxt.urls: expected an encrypted address (https, wss), found {clean_text(value, 100)}"
            )


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in _ENCRYPTED_SCHEMES or (parts.scheme in _PLAIN_SCHEMES and host in _LOOPBACK)


__all__ = ["CcxtExchange", "CcxtOptions", "open_ccxt"]

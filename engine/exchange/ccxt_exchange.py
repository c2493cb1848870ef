"""The only file that knows the ccxt library: it makes the library's client as the configuration says.

What is around the client, and is the exchange that the engine sees, is in ``foreign``. Nothing of the library,
neither its objects nor its errors nor its texts, leaves this file and that folder.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

import ccxt.pro

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.dialects import Dialect, dialect_of
from engine.exchange.foreign.exchange import CcxtExchange, ForeignAccount
from engine.exchange.foreign.pace import Pace
from engine.exchange.foreign.whole_answers import guard_answers
from engine.model.errors import SettingsInvalid
from engine.model.market import MarketKind
from engine.model.secret import ExchangeKeys
from engine.model.text import clean_text

_TIMEOUT_MS = 10_000
_KEEP_ALIVE_MS = 10_000
"""A WebSocket that leaves two pings without an answer is dead; the library's own is three minutes on some."""
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_PLAIN_SCHEMES = frozenset(("http", "ws"))
_NOT_OURS_TO_SET = frozenset(("apiKey", "secret", "password", "verbose", "enableRateLimit", "verify", "number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CcxtOptions:
    """``ccxt`` goes to the library's constructor as it is; ``keys`` None: public data alone.

    ``dead_man_seconds`` 0: the switch is not used. ``state_dir`` None keeps nothing.
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


def open_ccxt(options: CcxtOptions) -> CcxtExchange:
    """The exchange of a configuration; nothing is asked of it before its ``open``.

    Raises:
        SettingsInvalid: no such exchange, no such market type on it, no sandbox, or an option that is refused.
    """
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    if options.exchange_id not in ccxt.pro.exchanges:
        known = "one of ccxt's exchanges with streams, such as binance, bybit, okx or kraken"
        raise SettingsInvalid(f"exchange.id: expected {known}, found {clean_text(options.exchange_id, 40)}")
    dialect = dialect_of(options.exchange_id)
    if options.market_type not in dialect.market_kinds:
        raise SettingsInvalid(
            f"exchange.market_type: {dialect.id} can be traded here on {' and '.join(sorted(dialect.market_kinds))} "
            f"markets only, found {options.market_type}"
        )
    account = ForeignAccount(
        name=f"{dialect.id} sandbox" if options.is_sandbox else dialect.id,
        dialect=dialect,
        kind=options.market_type,
        has_keys=options.keys is not None,
        symbols=tuple(options.symbols),
        now_ms=options.now_ms,
        state_dir=options.state_dir,
        dead_man_seconds=options.dead_man_seconds,
    )
    return CcxtExchange(account, _client(options, dialect))


def _client(options: CcxtOptions, dialect: Dialect) -> ForeignClient:
    """The library's client, made as the configuration says and as safety asks."""
    given = dict(options.ccxt)
    if refused := sorted(_NOT_OURS_TO_SET & given.keys()):
        raise SettingsInvalid(f"exchange.ccxt.{refused[0]}: expected no such line: it is not open to configuration")
    own = given.pop("options", {})
    if not isinstance(own, Mapping):
        raise SettingsInvalid("exchange.ccxt.options: expected a table")
    try:
        client = getattr(ccxt.pro, dialect.id)(
            {
                "timeout": _TIMEOUT_MS,
                "streaming": {"keepAlive": _KEEP_ALIVE_MS},
                **given,
                **_revealed(options.keys),
                "enableRateLimit": True,
                "newUpdates": True,
                "options": {**dialect.market_options(options.market_type), **own, "maxRetriesOnFailure": 0},
            }
        )
    except (TypeError, ValueError, AttributeError, ccxt.BaseError) as error:
        text = clean_text(f"{type(error).__name__}", 60)
        raise SettingsInvalid(f"exchange.ccxt: {dialect.id} cannot be made with these options ({text})") from None
    client.number = str
    client.throttler = Pace(client.rateLimit, now_ms=lambda: perf_counter() * 1000)
    guard_answers(client)
    if options.is_sandbox:
        _use_sandbox(client, dialect)
    _check_addresses(client.urls)
    return cast("ForeignClient", client)


def _revealed(keys: ExchangeKeys | None) -> dict[str, str]:
    if keys is None:
        return {}
    found = {"apiKey": keys.api_key.reveal(), "secret": keys.secret.reveal()}
    return found if keys.password is None else {**found, "password": keys.password.reveal()}


def _use_sandbox(client: Any, dialect: Dialect) -> None:
    try:
        client.set_sandbox_mode(True)
    except ccxt.NotSupported:
        raise SettingsInvalid(
            f'exchange.sandbox: {dialect.id} has no sandbox; use mode = "paper", or an exchange that has one'
        ) from None


def _check_addresses(urls: object) -> None:
    """Keys and orders travel encrypted, except to this very machine."""
    pending: list[object] = [urls.get("api") if isinstance(urls, Mapping) else urls]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, str):
            parts = urlsplit(value)
            if parts.scheme in _PLAIN_SCHEMES and parts.hostname not in _LOOPBACK:
                raise SettingsInvalid(
                    f"exchange.ccxt.urls: expected an encrypted address (https, wss), found {clean_text(value, 100)}"
                )


__all__ = ["CcxtExchange", "CcxtOptions", "open_ccxt"]

"""Markets that no grid here can trade, each with its reason and what to do instead."""

import re

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.numbers import mapping_from, text_from
from engine.model.text import clean_text

_TOKEN = re.compile(r"[A-Z0-9]{2,}[2345][LS]")
"""Tokens of Gate, KuCoin and MEXC that hold a leveraged position: BTC3L."""
_HELD = "BTC|ETH|BNB|XRP|ADA|DOT|LINK|EOS|TRX|XTZ|LTC|UNI|FIL|SUSHI|SXP|AAVE|YFI|BCH|1INCH|XLM"
_NAMED_TOKEN = re.compile(f"(?:{_HELD})(?:UP|DOWN|BULL|BEAR)|BULL|BEAR")
"""The same of Binance and others. Named one by one, because JUP and SYRUP are currencies."""


class Untradable(ValueError):
    """A market that cannot be traded here; the message is the one reason and what to do."""

    def __init__(self, symbol: str, reason: str, advice: str = "choose another market") -> None:
        name = clean_text(symbol, 60)
        super().__init__(f"{name} cannot be traded: {clean_text(reason)}; {clean_text(advice)}")
        self.symbol = name


def check_tradable(raw: Raw) -> None:
    """Whether it is a market that trades now, spot or a linear perpetual swap.

    Raises:
        Untradable: it is not.
    """
    symbol = text_from(raw.get("symbol")) or "a market without a name"
    if clean_text(symbol) != symbol:
        raise Untradable(symbol, "its name has characters that cannot be shown")
    if raw.get("active") is False:
        raise Untradable(symbol, "the exchange has closed it or not opened it yet", "choose a market that is active")
    if raw.get("spot") is True:
        _check_spot(raw, symbol)
    else:
        _check_contract(raw, symbol)


def _check_spot(raw: Raw, symbol: str) -> None:
    info = mapping_from(raw.get("info"))
    permissions = info.get("permissions")
    base = text_from(raw.get("base")) or ""
    is_marked = isinstance(permissions, list) and "LEVERAGED" in permissions
    if is_marked or _TOKEN.fullmatch(base) or _NAMED_TOKEN.fullmatch(base):
        reason = f"{base} is a leveraged token, which loses value by itself whenever its price swings"
        raise Untradable(symbol, reason, "choose the market of what it holds")
    if info.get("isSpotTradingAllowed") in (False, "false"):
        raise Untradable(symbol, "the exchange does not open it to spot accounts")
    kinds = info.get("orderTypes")
    if isinstance(kinds, list) and kinds and "LIMIT_MAKER" not in kinds:
        raise Untradable(symbol, "it takes no post-only orders, and a grid enters with nothing else")


def _check_contract(raw: Raw, symbol: str) -> None:
    if raw.get("option") is True or raw.get("type") == "option":
        raise Untradable(symbol, "it is an option", "choose a spot market or a perpetual swap")
    if raw.get("future") is True or raw.get("type") == "future" or raw.get("expiry") is not None:
        raise Untradable(symbol, "it is a future that expires", "choose a perpetual swap such as BTC/USDT:USDT")
    if raw.get("swap") is not True:
        kind = text_from(raw.get("type")) or "unknown"
        raise Untradable(symbol, f"it is neither spot nor a perpetual swap but {kind}")
    settle, quote = raw.get("settle"), raw.get("quote")
    if raw.get("inverse") is True or raw.get("linear") is False or settle != quote:
        found = text_from(settle) or "another currency"
        reason = f"it is settled in {found} and not in its quote {text_from(quote) or 'currency'}"
        raise Untradable(symbol, reason, "choose a linear swap such as BTC/USDT:USDT")

"""What an API key may do, asked of the exchange before anything is trusted to it.

Every exchange tells it in its own words, and some do not tell it at all: then it is not known, which is not no.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.proof.errors import RequestKind, error_from_foreign
from engine.model.text import clean_text


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPermissions:
    """What a key may do; None: the exchange does not tell. ``detail`` is a clean line for the screen."""

    may_trade: bool | None
    may_withdraw: bool | None
    """Money may leave the account: withdrawals, or transfers to others."""
    has_ip_list: bool | None
    """The key works from listed addresses only."""
    detail: str


def unknown_permissions(reason: str) -> KeyPermissions:
    """Nothing is known of a key, and why."""
    return KeyPermissions(may_trade=None, may_withdraw=None, has_ip_list=None, detail=clean_text(reason))


async def key_permissions(client: ForeignClient, dialect: Dialect) -> KeyPermissions:
    """What the client's key may do, by the exchange's own words.

    Raises:
        SettingsInvalid: the exchange does not accept the key, or not from here.
        Transient: no answer, or too many requests.
    """
    way = _WAYS.get(dialect.id)
    # an exchange's sandbox may lack the endpoint; the library then has no address for it
    call = None if way is None else getattr(client, way[0], None)
    if way is None or call is None or not _has_address(client, way[0]):
        return unknown_permissions(f"{dialect.id} does not tell what a key may do")
    try:
        answer: object = await call()
    except Exception as error:  # noqa: BLE001 - every foreign error becomes one of ours here
        raise error_from_foreign(error, RequestKind.READ, dialect, what="what the API key may do") from None
    try:
        return way[1](answer)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return unknown_permissions(f"{dialect.id} answered in a way that cannot be read")


def _has_address(client: ForeignClient, method: str) -> bool:
    """Whether the library knows where to send it: Binance's sandbox has no ``sapi``."""
    return not method.startswith("sapi_") or "sapi" in _mapping(client.urls.get("api"))


def _of_binance(answer: object) -> KeyPermissions:
    told = _mapping(answer)
    may_trade = _flag(told["enableSpotAndMarginTrading"]) or _flag(told.get("enableFutures", False))
    return _permissions(may_trade, _flag(told["enableWithdrawals"]), _flag(told["ipRestrict"]))


def _of_bybit(answer: object) -> KeyPermissions:
    told = _mapping(_mapping(answer)["result"])
    granted = _mapping(told["permissions"])
    may_write = str(told["readOnly"]) == "0"
    trades = {*_texts(granted.get("Spot", ())), *_texts(granted.get("ContractTrade", ()))}
    may_withdraw = may_write and "Withdraw" in _texts(granted.get("Wallet", ()))
    addresses = _texts(told["ips"])
    return _permissions(may_write and bool(trades), may_withdraw, bool(addresses) and "*" not in addresses)


def _of_okx(answer: object) -> KeyPermissions:
    told = _mapping(_sequence(_mapping(answer)["data"])[0])
    granted = _words(told["perm"])
    return _permissions("trade" in granted, "withdraw" in granted, bool(_words(told.get("ip", ""))))


def _of_kucoin(answer: object) -> KeyPermissions:
    told = _mapping(_mapping(answer)["data"])
    granted = _words(told["permission"])
    may_withdraw = not granted.isdisjoint(("withdrawal", "withdraw", "transfer"))
    return _permissions(
        not granted.isdisjoint(("spot", "trade", "unified")), may_withdraw, bool(_words(told.get("ipWhitelist", "")))
    )


def _of_coinbase(answer: object) -> KeyPermissions:
    told = _mapping(answer)
    return _permissions(_flag(told["can_trade"]), _flag(told["can_transfer"]), None)


def _of_kraken(answer: object) -> KeyPermissions:
    told = _mapping(_mapping(answer)["result"])
    granted = {text.lower() for text in _texts(told["permissions"])}
    may_trade = any("modify" in text or text == "trade" for text in granted)
    may_withdraw = any("withdraw" in text for text in granted)
    addresses = told.get("ip_allowlist")
    return _permissions(may_trade, may_withdraw, None if addresses is None else bool(_texts(addresses)))


_WAYS: Mapping[str, tuple[str, Callable[[object], KeyPermissions]]] = MappingProxyType(
    {
        "binance": ("sapi_get_account_apirestrictions", _of_binance),
        "binanceusdm": ("sapi_get_account_apirestrictions", _of_binance),
        "bybit": ("private_get_v5_user_query_api", _of_bybit),
        "okx": ("private_get_account_config", _of_okx),
        "kucoin": ("private_get_user_api_key", _of_kucoin),
        "coinbase": ("v3_private_get_brokerage_key_permissions", _of_coinbase),
        "kraken": ("private_post_getapikeyinfo", _of_kraken),
    }
)
"""By exchange: the library's method for its endpoint, and how the answer reads."""


def _permissions(may_trade: bool, may_withdraw: bool, has_ip_list: bool | None) -> KeyPermissions:  # noqa: FBT001
    listed = {True: "from listed addresses only", False: "from any address", None: "addresses not told"}[has_ip_list]
    can = [word for word, is_granted in (("trade", may_trade), ("withdraw", may_withdraw)) if is_granted]
    return KeyPermissions(
        may_trade=may_trade,
        may_withdraw=may_withdraw,
        has_ip_list=has_ip_list,
        detail=f"may {' and '.join(can) or 'only read'}; {listed}",
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a mapping, found {type(value).__name__}")
    return value


def _sequence(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return list(value)


def _texts(value: object) -> list[str]:
    return [str(part) for part in _sequence(value)]


def _words(value: object) -> frozenset[str]:
    """The words of a comma-separated text, in small letters."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return frozenset(word.strip().lower() for word in value.split(",") if word.strip())


def _flag(value: object) -> bool:
    """True or false as exchanges write it."""
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError(f"expected true or false, found {text[:20]!r}")
    return text in ("true", "1")

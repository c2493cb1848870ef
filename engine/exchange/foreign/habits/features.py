"""What an exchange can and cannot do, read from what the client library says of it, in words for the user."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """``instead`` is what is done where the exchange cannot."""

    name: str
    is_there: bool
    instead: str


_FEATURES = (
    ("trades as they happen", ("watchTrades",), "the last price by ticker, or asked for every 2 s"),
    ("candles as they form", ("watchOHLCV",), "asked for four times per candle"),
    ("own orders as they change", ("watchOrders",), "asked for every 3 s"),
    ("own executions as they happen", ("watchMyTrades",), "asked for every 3 s"),
    ("the account's own fees", ("fetchTradingFee",), "the market's public fees"),
    ("its clock", ("fetchTime",), "this machine's clock is trusted"),
    ("executions of one order", ("fetchOrderTrades",), "searched for among all executions"),
    ("funding history", ("fetchFundingHistory",), "funding is seen in the balance alone"),
    ("liquidations", ("fetchMyLiquidations",), "a lost position is seen when positions are compared"),
)
_NEEDED = {
    "fetchBalance": "balances",
    "createOrder": "orders",
    "cancelOrder": "cancelling",
    "fetchOrder": "asking for one order",
    "fetchOpenOrders": "the list of open orders",
    "fetchMyTrades": "the list of the account's executions",
}


def features_of(has: Mapping[str, Any], *, has_countdown: bool) -> tuple[Feature, ...]:
    """What is there, and what is done instead of what is not.

    ``has_countdown``: its dead man's switch really counts down, which the library does not say.
    """
    switch = Feature(
        name="dead man's switch",
        is_there=has_countdown and bool(has.get("cancelAllOrdersAfter")),
        instead="orders stay on the book when the line is lost",
    )
    return (*_told(has), switch)


def _told(has: Mapping[str, Any]) -> tuple[Feature, ...]:
    return tuple(
        Feature(name=name, is_there=any(has.get(key) for key in keys), instead=instead)
        for name, keys, instead in _FEATURES
    )


def missing_of(has: Mapping[str, Any]) -> tuple[str, ...]:
    """What an exchange lacks without which no grid can be traded safely on it."""
    return tuple(words for key, words in _NEEDED.items() if not has.get(key))

"""Orders of a foreign exchange in our words: their state, whose they are, and reports of them.

The door to executions too (``fills``).

Amounts come in contracts where a contract is not one base; ours are base. A state, side or amount that cannot
be read is an ``Unreadable`` and never a default: a wrong word would free a slot whose order lives.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.fills import (
    fill_from_foreign,
    fills_in_order,
    own_fill_from_foreign,
    side_from_foreign,
)
from engine.exchange.foreign.words.numbers import (
    Unreadable,
    decimal_from,
    mapping_from,
    millis_from,
    positive_decimal,
    text_from,
)
from engine.exchange.foreign.words.scale import base_from_foreign
from engine.model.ids import key_from_client_order_id
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, OrderReport, OrderStatus
from engine.model.text import clean_text

__all__ = [
    "client_id_of",
    "fill_from_foreign",
    "fills_in_order",
    "is_bare",
    "order_id_of",
    "own_fill_from_foreign",
    "reason_of",
    "report_from_foreign",
    "side_from_foreign",
    "status_from_foreign",
]

_OPEN_WORDS = frozenset(("open", "canceling", "pending", "PENDING_NEW"))
_CANCELED_WORDS = frozenset(("canceled", "cancelled", "mmp_canceled"))
"""The last of each is the exchange's own: ccxt hands on what it does not know, of Binance and of OKX."""
_REJECTED_WORDS = frozenset(("rejected", "failed", "invalid"))
_ENDED_BY_FILLS = frozenset((OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED))
"""Ended orders whose fills are counted: that nothing is told of them does not mean that nothing was filled."""
_EXECUTION_REPORT = frozenset(("c", "x", "X"))
"""What a message of Binance's user stream has in it."""
_RAW_ID_NAMES = (
    "orderLinkId",
    "clOrdId",
    "cl_ord_id",
    "clientOid",
    "client_order_id",
    "clientOrderId",
    "client-order-id",
    "cloid",
    "text",
)
"""Bybit, OKX, Kraken, KuCoin and Bitget, Coinbase, Binance and others, HTX, Hyperliquid, Gate."""
_WOULD_HAVE_TAKEN = (("rejectReason", "EC_PostOnlyWillTakeLiquidity"), ("cancelSource", "31"), ("finish_as", "poc"))
"""How Bybit, OKX and Gate end a post-only order that they had acknowledged."""
_REFUSED = frozenset((OrderStatus.REJECTED, OrderStatus.CANCELED))
_GATE_PREFIX = "t-"
_PACKED = re.compile("0x[0-9a-f]{32}")
_REASON_NAMES = ("rejectReason", "r", "eR", "cancelSourceReason", "cancelType", "reason", "sMsg")
_NO_REASONS = frozenset(("none", "unknown", "ec_noerror", "cancelbyuser", "user requested"))
_REASON_MAX = 120
_ID_MAX = 64


def status_from_foreign(raw_order: Raw) -> OrderStatus:
    """The state of an order.

    Closed means filled, unless less was filled than was ordered: then the rest was cancelled. Canceled, or
    expired (as by self-trade prevention), with everything filled is filled.

    Raises:
        Unreadable: the word is none we know.
    """
    word = text_from(raw_order.get("status"))
    filled = decimal_from(raw_order.get("filled"))
    amount = positive_decimal(raw_order, "amount")
    is_whole = filled is not None and amount is not None and filled >= amount
    if word in _OPEN_WORDS:
        return OrderStatus.PARTIALLY_FILLED if filled is not None and filled > 0 else OrderStatus.OPEN
    if word == "closed":
        is_short = filled is not None and amount is not None and filled < amount
        return OrderStatus.CANCELED if is_short else OrderStatus.FILLED
    if word in _CANCELED_WORDS:
        return OrderStatus.FILLED if is_whole else OrderStatus.CANCELED
    if word == "expired":
        return OrderStatus.FILLED if is_whole else OrderStatus.EXPIRED
    if word in _REJECTED_WORDS:
        return _rejected(filled, is_whole=is_whole)
    raise Unreadable("the state of an order", raw_order.get("status"))


def _rejected(filled: Decimal | None, *, is_whole: bool) -> OrderStatus:
    """Some exchanges call an order rejected whose rest they refused after a part was filled."""
    if filled is None or filled <= 0:
        return OrderStatus.REJECTED
    return OrderStatus.FILLED if is_whole else OrderStatus.CANCELED


def _would_have_taken(raw_order: Raw) -> bool:
    info = mapping_from(raw_order.get("info"))
    return any(text_from(info.get(name)) == word for name, word in _WOULD_HAVE_TAKEN)


def is_bare(raw_order: Raw) -> bool:
    """Whether the exchange said no more than that it has the order: an id and no state."""
    return order_id_of(raw_order) is not None and raw_order.get("status") is None


def report_from_foreign(
    raw_order: Raw, market: Market, *, client_order_id: str | None, fills: Sequence[Fill], now_ms: int
) -> OrderReport:
    """What the exchange says of one order.

    ``client_order_id`` is what it was asked for by, and counts where the answer names none; an order without
    one is known by the exchange's id. The price of a market order is what it was filled at on average, 0 before.
    ``filled`` is never below what ``fills`` sum up to.

    Raises:
        Unreadable: state, side, amount, every id or what an ended order filled is missing.
    """
    name = client_id_of(raw_order) or client_order_id or order_id_of(raw_order)
    if name is None:
        raise Unreadable("the id of an order", None)
    name = clean_text(name, _ID_MAX)
    amount = positive_decimal(raw_order, "amount")
    if amount is None:
        raise Unreadable(f"the amount of order {name}", raw_order.get("amount"))
    status = status_from_foreign(raw_order)
    filled = decimal_from(raw_order.get("filled"))
    if not filled and status in _REFUSED and _would_have_taken(raw_order):
        status = OrderStatus.EXPIRED  # the market has moved: another price decides anew, and nothing was wrong
    if filled is None and status in _ENDED_BY_FILLS:
        raise Unreadable(f"what was filled of order {name}", raw_order.get("filled"))
    told = base_from_foreign(filled or ZERO, market)
    return OrderReport(
        client_order_id=name,
        symbol=market.symbol,
        side=side_from_foreign(raw_order),
        price=_price_of(raw_order),
        amount=base_from_foreign(amount, market),
        status=status,
        filled=max(told, sum((fill.amount for fill in fills), ZERO), ZERO),
        fills=tuple(fills),
        at_ms=_at_ms(raw_order, now_ms),
        reason=reason_of(raw_order),
    )


def client_id_of(raw: Raw) -> str | None:
    """The client order id of an order or a trade, or None.

    A cancel on Binance has an id of its own where the order's is expected; the order's is then in
    ``origClientOrderId`` of the answer, and in ``C`` of the stream. Gate puts ``t-`` before ours, Hyperliquid
    writes our sixteen letters as 128 bits.
    """
    info = mapping_from(raw.get("info"))
    original = text_from(info.get("origClientOrderId"))
    if original is None and info.keys() >= _EXECUTION_REPORT:
        original = text_from(info.get("C")) or text_from(info.get("c"))
    found = original or text_from(raw.get("clientOrderId")) or _raw_id(info)
    if found is None:
        return None
    if found == text_from(info.get("text")):
        found = found.removeprefix(_GATE_PREFIX)
    return _unpacked(found)


def order_id_of(raw: Raw) -> str | None:
    """The exchange's own id of an order, or of the order that a trade belongs to."""
    return text_from(raw.get("order") if "order" in raw else raw.get("id"))


def reason_of(raw_order: Raw) -> str:
    """Why the exchange ended the order, as it says it and safe to show; empty where it gives none."""
    info = mapping_from(raw_order.get("info"))
    if "EXPIRED_IN_MATCH" in (info.get("X"), info.get("status")):
        return "self-trade prevention"
    for name in _REASON_NAMES:
        found = text_from(info.get(name))
        if found is not None and found.lower() not in _NO_REASONS:
            return clean_text(found, _REASON_MAX)
    return ""


def _raw_id(info: Mapping[str, object]) -> str | None:
    told = (text_from(info.get(name)) for name in _RAW_ID_NAMES)
    return next((name for name in told if name is not None), None)


def _unpacked(name: str) -> str:
    """Our id out of its 128 bits; any other name as it is."""
    if _PACKED.fullmatch(name) is None:
        return name
    letters = bytes.fromhex(name[2:]).decode("ascii", errors="replace")
    return letters if key_from_client_order_id(letters) is not None else name


def _price_of(raw_order: Raw) -> Decimal:
    """The limit, else the average it was filled at; 0 for an order of others that has neither."""
    return positive_decimal(raw_order, "price") or positive_decimal(raw_order, "average") or ZERO


def _at_ms(raw_order: Raw, now_ms: int) -> int:
    """When the exchange last changed it."""
    told = (millis_from(raw_order.get(key)) for key in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp"))
    return max((at_ms for at_ms in told if at_ms is not None), default=now_ms)

"""Reading what a Bybit v5 request asks for: category, symbol, ids, time window and page. Also the request's context."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote

from engine.model.money import decimal_from_text
from tests.loopback.bybit_codes import BAD_PARAMETER, BybitError, error_from_refusal
from tests.loopback.bybit_orders import order_id_from_wire, wire_symbol
from tests.loopback.venue import Venue
from tests.loopback.venue_words import MarketKind, Refusal, RefusalReason, VenueMarket, VenueOrder
from tests.loopback.views import Books
from tests.loopback.wire import Call, Permissions

WEEK_MS = 7 * 86_400_000
Params = Mapping[str, object]
Row = TypeVar("Row")


@dataclass(slots=True, kw_only=True)
class State:
    """What the exchange remembers of the account beside its books. Plain switches."""

    margin_mode: str = "REGULAR_MARGIN"
    dead_man_seconds: dict[MarketKind, int] = field(default_factory=dict)
    busted: set[int] = field(default_factory=set)
    """The orders by which the exchange itself closed positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request and everything that answers it. ``params`` of a POST keep their JSON types."""

    venue: Venue
    books: Books
    state: State
    permissions: Permissions
    api_key: str
    params: Params


def params_of(call: Call) -> Params:
    """The parameters of a query, or of a JSON body. Raises ``BybitError``."""
    if call.method != "POST":
        return call.params
    try:
        body = json.loads(call.body or "{}")
    except ValueError:
        raise BybitError(BAD_PARAMETER, "params error: invalid JSON") from None
    if not isinstance(body, dict):
        raise BybitError(BAD_PARAMETER, "params error: expected a JSON object")
    return body


def markets_of(venue: Venue, params: Params) -> list[VenueMarket]:
    """The markets of the category that is asked for, of one symbol if one is named. Raises ``BybitError``."""
    kind = kind_of(params)
    found = [market for market in venue.markets.values() if market.kind is kind]
    symbol = text_of(params, "symbol")
    if not symbol or kind is None:
        return found
    named = [market for market in found if wire_symbol(market) == symbol]
    if not named:
        raise error_from_refusal(Refusal(RefusalReason.UNKNOWN_MARKET, symbol), kind)
    return named


def market_of(venue: Venue, params: Params) -> VenueMarket:
    """The one market that must be named. Raises ``BybitError``."""
    if not text_of(params, "symbol"):
        raise BybitError(BAD_PARAMETER, "params error: symbol is required")
    named = markets_of(venue, params)
    if not named:
        raise BybitError(BAD_PARAMETER, "Not supported symbols")
    return named[0]


def kind_of(params: Params) -> MarketKind | None:
    """What the category trades; None for those that are empty here. Raises ``BybitError``."""
    category = text_of(params, "category")
    kinds = {"spot": MarketKind.SPOT, "linear": MarketKind.LINEAR, "inverse": None, "option": None}
    if category not in kinds:
        raise BybitError(BAD_PARAMETER, "params error: Illegal category")
    return kinds[category]


def text_of(params: Params, name: str) -> str:
    """A parameter as text, empty where it is missing."""
    value = params.get(name)
    return "" if value is None else str(value)


def number_of(params: Params, name: str) -> int | None:
    """A whole number, None where it is missing. Raises ``BybitError``."""
    text = text_of(params, name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BybitError(BAD_PARAMETER, f"params error: {name} invalid") from None


def decimal_of(params: Params, name: str, complaint: str) -> Decimal:
    """A decimal number that must be there. Raises ``BybitError`` with the complaint."""
    try:
        return decimal_from_text(text_of(params, name))
    except ValueError:
        raise BybitError(BAD_PARAMETER, complaint) from None


def is_set(params: Params, name: str) -> bool:
    """Whether a flag is up."""
    return params.get(name) is True or params.get(name) == "true"


def window_of(params: Params, now_ms: int) -> tuple[int, int]:
    """The time that is asked for, seven days at most. Raises ``BybitError``."""
    start, end = number_of(params, "startTime"), number_of(params, "endTime")
    if start is None:
        newest = now_ms if end is None else end
        return newest - WEEK_MS, newest
    if end is None:
        return start, start + WEEK_MS
    if not 0 <= end - start <= WEEK_MS:
        raise BybitError(BAD_PARAMETER, "The time range between startTime and endTime cannot exceed 7 days")
    return start, end


def orders_by_id(orders: Sequence[VenueOrder], params: Params) -> list[VenueOrder] | None:
    """The orders of the id that is named, the exchange's before the client's; None where none is named."""
    order_id, link = text_of(params, "orderId"), text_of(params, "orderLinkId")
    if order_id:
        return [order for order in orders if order.order_id == order_id_from_wire(order_id)]
    return [order for order in orders if order.client_id == link] if link else None


def page_of(
    rows: Sequence[Row], params: Params, *, default: int, most: int, key: Callable[[Row], str]
) -> tuple[list[Row], str]:
    """One page and the cursor of the next, percent-encoded, as Bybit gives it. Raises ``BybitError``.

    The cursor is empty only where the page is: the last page still names a next one.
    """
    limit = number_of(params, "limit") or default
    if not 1 <= limit <= most:
        raise BybitError(BAD_PARAMETER, f"params error: limit must be 1 to {most}")
    start = 0
    if cursor := text_of(params, "cursor"):
        keys = [key(row) for row in rows]
        last = cursor.rsplit(",", 1)[-1]
        if last not in keys:
            raise BybitError(BAD_PARAMETER, "params error: cursor invalid")
        start = keys.index(last) + 1
    page = list(rows[start : start + limit])
    return page, quote(f"{key(page[0])},{key(page[-1])}", safe="") if page else ""

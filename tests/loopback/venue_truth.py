"""The whole state of a venue as plain values, so that an engine's books, or another process, can be compared."""

import hashlib
import json
from typing import TYPE_CHECKING, TypedDict

from engine.model.money import text_from_decimal
from tests.loopback.venue_words import VenueFill, VenueOrder

if TYPE_CHECKING:
    from tests.loopback.venue_reads import VenueReads

Plain = dict[str, str | int | bool | None]


class Truth(TypedDict):
    """Amounts are exact decimal text, times UTC milliseconds; lists are oldest first."""

    orders: list[Plain]
    fills: list[Plain]
    balances: dict[str, dict[str, str]]
    positions: list[Plain]
    funding: list[Plain]
    prices: dict[str, str]


def truth_of(venue: "VenueReads") -> Truth:
    """Everything that the venue knows."""
    return Truth(
        orders=[_order(order) for order in venue.orders()],
        fills=[_fill(fill) for fill in venue.trades()],
        balances={
            currency: {"free": text_from_decimal(held.free), "locked": text_from_decimal(held.locked)}
            for currency, held in venue.balances().items()
        },
        positions=[
            {
                "market": held.market,
                "size": text_from_decimal(held.size),
                "entry": text_from_decimal(held.entry),
                "leverage": text_from_decimal(held.leverage),
                "realized": text_from_decimal(held.realized),
            }
            for held in venue.positions()
        ],
        funding=[
            {
                "payment_id": paid.payment_id,
                "market": paid.market,
                "rate": text_from_decimal(paid.rate),
                "amount": text_from_decimal(paid.amount),
                "at_ms": paid.at_ms,
            }
            for paid in venue.funding()
        ],
        prices={
            market: text_from_decimal(last) for market in venue.markets if (last := venue.last(market)) is not None
        },
    )


def checksum_of(truth: Truth) -> str:
    """A word that is equal only for equal truths."""
    return hashlib.sha256(json.dumps(truth, sort_keys=True).encode()).hexdigest()


def _order(order: VenueOrder) -> Plain:
    return {
        "order_id": order.order_id,
        "client_id": order.client_id,
        "market": order.market,
        "side": order.side.value,
        "price": None if order.price is None else text_from_decimal(order.price),
        "amount": text_from_decimal(order.amount),
        "filled": text_from_decimal(order.filled),
        "quote_filled": text_from_decimal(order.quote_filled),
        "status": order.status.value,
        "is_open": order.is_open,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
        "reason": order.reason,
    }


def _fill(fill: VenueFill) -> Plain:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_id": fill.client_id,
        "market": fill.market,
        "side": fill.side.value,
        "price": text_from_decimal(fill.price),
        "amount": text_from_decimal(fill.amount),
        "fee": text_from_decimal(fill.fee),
        "fee_currency": fill.fee_currency,
        "is_maker": fill.is_maker,
        "at_ms": fill.at_ms,
    }

"""What the real library sends for the lists of orders and executions: the pages that we ask for are asked for."""

from contextlib import suppress
from typing import Any

import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.model.market import MarketKind
from tests.exchange.foreign.recorded_client import recorded_client, symbol_of

SPOT, SWAP = MarketKind.SPOT, MarketKind.SWAP


async def sent(exchange: str, kind: MarketKind, call: str, *parts: Any) -> dict[str, object]:
    """The fields of the last request of a call; whatever the library makes of the empty answer."""
    async with recorded_client(exchange, kind) as (client, session):
        with suppress(Exception):  # the answer is empty, and what was sent is what is asked
            await getattr(client, call)(*parts)
        return session.sent[-1].fields


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        *(("bybit", SPOT), ("bybit", SWAP), ("okx", SPOT), ("okx", SWAP), ("gate", SPOT), ("gate", SWAP)),
        *(("bitget", SPOT), ("bitget", SWAP), ("coinbase", SPOT)),
    ],
)
async def test_the_next_page_of_open_orders_is_asked_for(exchange: str, kind: MarketKind) -> None:
    dialect = dialect_of(exchange)
    pages = dialect.swap_orders if kind is SWAP and dialect.swap_orders is not None else dialect.open_orders
    params = {**pages.extra, pages.name: "7"}
    fields = await sent(exchange, kind, "fetch_open_orders", symbol_of(exchange, kind), None, pages.limit, params)
    assert (str(fields["limit"]), str(fields[pages.name])) == (str(pages.limit), "7")


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        *(("binance", SPOT), ("binanceusdm", SWAP), ("bybit", SPOT), ("okx", SPOT), ("kucoin", SPOT), ("gate", SPOT)),
        *(("bitget", SPOT), ("bitget", SWAP), ("mexc", SPOT)),
    ],
)
async def test_the_executions_of_one_order_are_asked_for_by_its_id(exchange: str, kind: MarketKind) -> None:
    trades = dialect_of(exchange).trades
    assert trades.of_order is not None
    fields = await sent(
        exchange, kind, "fetch_my_trades", symbol_of(exchange, kind), None, trades.limit, {trades.of_order: "77"}
    )
    assert str(fields[trades.of_order]) == "77"


@pytest.mark.parametrize(
    ("exchange", "kind", "since", "until"),
    [
        ("binance", SPOT, "startTime", "endTime"),
        ("binanceusdm", SWAP, "startTime", "endTime"),
        ("bybit", SWAP, "startTime", "endTime"),
        ("okx", SPOT, "begin", "end"),
        ("kucoin", SPOT, "startAt", "endAt"),
        ("gate", SPOT, "from", "to"),
        ("bitget", SPOT, "startTime", "endTime"),
        ("mexc", SPOT, "startTime", "endTime"),
        ("htx", SPOT, "start-time", "end-time"),
        ("coinbase", SPOT, "start_sequence_timestamp", "end_sequence_timestamp"),
    ],
)
async def test_both_ends_of_a_span_of_executions_are_asked_for(
    exchange: str, kind: MarketKind, since: str, until: str
) -> None:
    limit = dialect_of(exchange).trades.limit
    params = {"until": 1_700_000_600_000}
    fields = await sent(exchange, kind, "fetch_my_trades", symbol_of(exchange, kind), 1_700_000_000_000, limit, params)
    assert {since, until} <= fields.keys()
    assert "until" not in fields


@pytest.mark.parametrize(
    ("exchange", "kind", "params", "expected"),
    [
        ("kraken", SPOT, {"until": 1_700_000_600_000, "ofs": 50}, {"start", "end", "ofs"}),
        ("krakenfutures", SWAP, {"lastFillTime": "2023-11-14T22:23:20.000Z"}, {"lastFillTime"}),
        ("hyperliquid", SWAP, {"until": 1_700_000_600_000}, {"startTime", "endTime"}),
    ],
)
async def test_where_executions_are_listed_of_all_markets_no_market_needs_to_be_named(
    exchange: str, kind: MarketKind, params: dict[str, object], expected: set[str]
) -> None:
    assert dialect_of(exchange).trades.are_of_all_symbols
    fields = await sent(exchange, kind, "fetch_my_trades", None, 1_700_000_000_000, 50, params)
    assert expected <= fields.keys()


async def test_bybit_is_asked_for_one_order_within_one_week() -> None:
    params = {"orderLinkId": "ours", "until": 1_700_600_000_000}
    fields = await sent("bybit", SPOT, "fetch_canceled_and_closed_orders", "BTC/USDT", 1_700_000_000_000, 50, params)
    assert {name: str(fields[name]) for name in ("orderLinkId", "startTime", "endTime")} == {
        "orderLinkId": "ours",
        "startTime": "1700000000000",
        "endTime": "1700600000000",
    }

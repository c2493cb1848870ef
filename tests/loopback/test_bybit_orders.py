"""Orders and executions of Bybit, spot and linear, through the real client."""

from decimal import Decimal

import pytest

from tests.loopback.bybit_scene import (
    MARKET_IDS,
    SPOT,
    SPOT_ID,
    SWAP,
    SWAP_ID,
    bought,
    bybit_scene,
    looked_up,
    protocol_of,
)
from tests.loopback.venue_words import NewOrder, OrderStatus, Side

both = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@both
async def test_an_acknowledgement_holds_the_ids_and_nothing_else(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        placed = await bought(client, symbol, "0.01", 59_000, "gack000000000001")
        truth = server.venue.order(MARKET_IDS[symbol], client_id="gack000000000001")
    assert placed["clientOrderId"] == "gack000000000001"
    assert placed["status"] is None
    assert placed["amount"] is None
    assert (truth.price, truth.amount, truth.is_open) == (Decimal(59_000), Decimal("0.01"), True)


@both
async def test_an_order_is_looked_up_by_our_own_id_open_filled_and_cancelled(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gopen")
        await bought(client, symbol, "0.01", 59_500, "gfilled")
        await bought(client, symbol, "0.01", 58_000, "ggone")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(59_400))
        await client.cancel_order("", symbol, {"orderLinkId": "ggone"})
        found = [await looked_up(client, symbol, name) for name in ("gopen", "gfilled", "ggone")]
    assert [(order["clientOrderId"], order["status"], order["filled"]) for order in found] == [
        ("gopen", "open", 0.0),
        ("gfilled", "closed", 0.01),
        ("ggone", "canceled", 0.0),
    ]
    assert [order["symbol"] for order in found] == [symbol] * 3


@both
async def test_a_lookup_with_no_id_of_the_exchange_finds_nothing_because_the_client_sends_the_word_none(
    symbol: str,
) -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gopen")
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, symbol, {"orderLinkId": "gopen", "acknowledged": True})
    assert server.requests[-1].params["orderId"] == "None"


@both
async def test_the_exchanges_own_id_goes_before_ours(symbol: str) -> None:
    async with bybit_scene() as (_, client):
        first = await bought(client, symbol, "0.01", 59_000, "gfirst")
        await bought(client, symbol, "0.01", 58_000, "gsecond")
        found = await client.fetch_order(first["id"], symbol, {"orderLinkId": "gsecond", "acknowledged": True})
        await client.cancel_order(first["id"], symbol, {"orderLinkId": "gsecond"})
        left = await client.fetch_open_orders(symbol)
    assert found["clientOrderId"] == "gfirst"
    assert [order["clientOrderId"] for order in left] == ["gsecond"]


async def test_spot_and_linear_orders_of_one_name_are_kept_apart() -> None:
    async with bybit_scene() as (_, client):
        await bought(client, SPOT, "0.01", 59_000, "gspot")
        await bought(client, SWAP, "0.01", 59_000, "gswap")
        spot, swap = await client.fetch_open_orders(SPOT), await client.fetch_open_orders(SWAP)
    assert [(order["symbol"], order["clientOrderId"]) for order in [*spot, *swap]] == [(SPOT, "gspot"), (SWAP, "gswap")]


@both
async def test_a_foreign_order_without_a_client_id_has_none(symbol: str) -> None:
    async with bybit_scene() as (_, client):
        await client.create_order(symbol, "limit", "buy", 0.01, 59_000)
        [order] = await client.fetch_open_orders(symbol)
    assert order["clientOrderId"] is None


@both
async def test_open_orders_come_in_pages_of_twenty_newest_first(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        protocol_of(server).gate.is_limiting = False
        for number in range(25):
            await bought(client, symbol, "0.01", 59_000 - number, f"g{number:02}")
        first = await client.fetch_open_orders(symbol)
        cursor = next(order["info"]["nextPageCursor"] for order in first if "nextPageCursor" in order["info"])
        second = await client.fetch_open_orders(symbol, None, None, {"cursor": cursor})
        full = await client.fetch_open_orders(symbol, None, 50)
    assert sorted(order["clientOrderId"] for order in first) == [f"g{number:02}" for number in range(5, 25)]
    assert sorted(order["clientOrderId"] for order in second) == [f"g{number:02}" for number in range(5)]
    assert len(full) == 25


@both
async def test_a_fill_is_told_with_its_price_amount_fee_and_maker_flag(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.5", 59_000, "gfill")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_990))
        [trade] = await client.fetch_my_trades(symbol)
        [truth] = server.venue.trades(MARKET_IDS[symbol])
    assert (trade["price"], trade["amount"], trade["takerOrMaker"], trade["side"]) == (59_000.0, 0.5, "maker", "buy")
    assert Decimal(trade["info"]["execFee"]) == truth.fee
    assert trade["fee"]["currency"] == truth.fee_currency == {SPOT: "BTC", SWAP: "USDT"}[symbol]
    assert trade["timestamp"] == truth.at_ms
    assert trade["info"]["orderLinkId"] == "gfill"


@both
async def test_executions_are_asked_for_by_order_by_our_id_and_since_a_time(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        placed = await bought(client, symbol, "0.01", 59_000, "gone")
        await bought(client, symbol, "0.01", 58_900, "gtwo")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_800))
        by_order = await client.fetch_my_trades(symbol, None, None, {"orderId": placed["id"]})
        by_ours = await client.fetch_my_trades(symbol, None, None, {"orderLinkId": "gtwo"})
        since_now = await client.fetch_my_trades(symbol, server.now_ms() + 1)
        since_then = await client.fetch_my_trades(symbol, server.now_ms() - 60_000)
    assert [trade["info"]["orderLinkId"] for trade in by_order] == ["gone"]
    assert [trade["info"]["orderLinkId"] for trade in by_ours] == ["gtwo"]
    assert since_now == []
    assert {trade["info"]["orderLinkId"] for trade in since_then} == {"gone", "gtwo"}


@both
async def test_executions_come_in_pages_and_the_last_page_still_names_a_next_one(symbol: str) -> None:
    market_id = MARKET_IDS[symbol]
    async with bybit_scene() as (server, client):
        for number in range(5):
            place_at(server.venue, market_id, 59_000 - number, f"g{number}")
        server.venue.print_trade(market_id, Decimal(58_000))
        seen: list[str] = []
        cursor, pages = "", 0
        while page := await client.fetch_my_trades(symbol, None, 2, {"cursor": cursor} if cursor else {}):
            seen += [trade["info"]["orderLinkId"] for trade in page]
            cursor = next(trade["info"]["nextPageCursor"] for trade in page if "nextPageCursor" in trade["info"])
            pages += 1
    assert pages == 3
    assert sorted(seen) == ["g0", "g1", "g2", "g3", "g4"]


@both
async def test_more_than_seven_days_of_executions_are_refused(symbol: str) -> None:
    import ccxt

    async with bybit_scene() as (server, client):
        now_ms = server.now_ms()
        with pytest.raises(ccxt.BadRequest, match="cannot exceed 7 days"):
            await client.fetch_my_trades(symbol, now_ms - 8 * 86_400_000, None, {"until": now_ms})


@both
async def test_closed_orders_are_the_filled_ones_and_cancelled_ones_are_asked_for_by_name(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gfilled")
        await bought(client, symbol, "0.01", 58_000, "ggone")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_900))
        await client.cancel_order("", symbol, {"orderLinkId": "ggone"})
        closed = await client.fetch_closed_orders(symbol)
        cancelled = await client.fetch_canceled_orders(symbol)
        all_closed = await client.fetch_canceled_and_closed_orders(symbol)
    assert [(order["clientOrderId"], order["status"]) for order in closed] == [("gfilled", "closed")]
    assert [(order["clientOrderId"], order["status"]) for order in cancelled] == [("ggone", "canceled")]
    assert [order["clientOrderId"] for order in all_closed] == ["gfilled", "ggone"]


async def test_a_post_only_order_that_would_take_is_accepted_and_then_rejected_on_spot() -> None:
    async with bybit_scene() as (server, client):
        placed = await bought(client, SPOT, "0.01", 61_000, "gpost", postOnly=True)
        found = await looked_up(client, SPOT, "gpost")
    assert placed["id"] is not None
    assert found["status"] == "rejected"
    assert found["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert server.venue.trades() == []


async def test_a_post_only_order_that_would_take_is_accepted_and_then_cancelled_on_linear() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SWAP, "0.01", 61_000, "gpost", postOnly=True)
        found = await looked_up(client, SWAP, "gpost")
    assert found["status"] == "canceled"
    assert found["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert server.venue.trades() == []


async def test_a_spot_order_that_traded_in_part_before_its_cancel_has_a_status_of_its_own() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SPOT, "0.5", 59_000, "gpart")
        server.venue.print_trade(SPOT_ID, Decimal(59_000), Decimal("0.2"))
        await client.cancel_order("", SPOT, {"orderLinkId": "gpart"})
        found = await looked_up(client, SPOT, "gpart")
    assert found["info"]["orderStatus"] == "PartiallyFilledCanceled"
    assert (found["filled"], found["info"]["leavesQty"]) == (0.2, "0")


async def test_a_linear_order_that_traded_in_part_is_cancelled_with_what_it_traded() -> None:
    async with bybit_scene() as (server, client):
        await bought(client, SWAP, "0.5", 59_000, "gpart")
        server.venue.print_trade(SWAP_ID, Decimal(59_000), Decimal("0.2"))
        await client.cancel_order("", SWAP, {"orderLinkId": "gpart"})
        found = await looked_up(client, SWAP, "gpart")
    assert (found["info"]["orderStatus"], found["filled"]) == ("Cancelled", 0.2)


@both
async def test_all_orders_of_a_symbol_are_cancelled_and_those_of_the_other_kind_live(symbol: str) -> None:
    other = SWAP if symbol == SPOT else SPOT
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gone")
        await bought(client, symbol, "0.01", 58_000, "gtwo")
        await bought(client, other, "0.01", 58_000, "gother")
        gone = await client.cancel_all_orders(symbol)
        left = server.venue.open_orders()
    assert sorted(order["clientOrderId"] for order in gone) == ["gone", "gtwo"]
    assert [order.client_id for order in left] == ["gother"]


@both
async def test_several_orders_are_placed_at_once_and_each_fails_by_itself(symbol: str) -> None:
    async with bybit_scene() as (server, client):
        rows = [
            {"symbol": symbol, "type": "limit", "side": "buy", "amount": 0.01, "price": 59_000, "params": {}},
            {"symbol": symbol, "type": "limit", "side": "buy", "amount": 500, "price": 58_000, "params": {}},
        ]
        for number, row in enumerate(rows):
            row["params"] = {"clientOrderId": f"g{number}"}
        placed = await client.create_orders(rows)
        gone = await client.cancel_orders([], symbol, {"clientOrderIds": ["g0", "g1"]})
        truth = server.venue.orders()
    assert [order["status"] for order in placed] == [None, "rejected"]
    assert len(gone) == 2
    assert [(order.client_id, order.status) for order in truth] == [("g0", OrderStatus.CANCELED)]


async def test_a_market_order_of_spot_takes_base_or_a_sum_of_quote() -> None:
    async with bybit_scene() as (server, client):
        await client.create_order(SPOT, "market", "buy", 0.01)
        await client.create_order(SPOT, "market", "buy", 0.01, None, {"cost": 600})
        await client.create_order(SPOT, "market", "sell", 0.02)
        fills = server.venue.trades(SPOT_ID)
    assert [(fill.side, fill.amount, fill.is_maker) for fill in fills] == [
        (Side.BUY, Decimal("0.01"), False),
        (Side.BUY, Decimal("0.00999"), False),
        (Side.SELL, Decimal("0.02"), False),
    ]


async def test_a_reduce_only_order_travels_as_such() -> None:
    async with bybit_scene() as (server, client):
        await client.create_order(SWAP, "market", "buy", 0.5)
        await client.create_order(SWAP, "limit", "sell", 0.5, 61_000, {"reduceOnly": True, "clientOrderId": "gout"})
        found = await looked_up(client, SWAP, "gout")
        server.venue.print_trade(SWAP_ID, Decimal(61_001))
        left = await client.fetch_positions([SWAP])
    assert found["reduceOnly"] is True
    assert left[0]["contracts"] == 0.0


@both
async def test_an_order_that_closed_before_the_newest_500_is_found_in_the_history_alone(symbol: str) -> None:
    import ccxt

    market_id = MARKET_IDS[symbol]
    async with bybit_scene() as (server, client):
        for number in range(502):
            place_at(server.venue, market_id, 50_000, f"g{number}")
            server.venue.cancel(market_id, client_id=f"g{number}")
        newest = await looked_up(client, symbol, "g2")
        with pytest.raises(ccxt.OrderNotFound):
            await looked_up(client, symbol, "g1")
        [old] = await client.fetch_canceled_and_closed_orders(symbol, None, None, {"orderLinkId": "g1"})
    assert (newest["status"], old["status"], old["clientOrderId"]) == ("canceled", "canceled", "g1")


async def test_orders_placed_by_hand_are_in_the_lists() -> None:
    async with bybit_scene() as (server, client):
        place_at(server.venue, SPOT_ID, 58_000, "byhand")
        [order] = await client.fetch_open_orders(SPOT)
    assert order["clientOrderId"] == "byhand"


def place_at(venue: object, market_id: str, price: int, client_id: str) -> None:
    """An order of the account's owner."""
    from tests.loopback.venue import Venue

    assert isinstance(venue, Venue)
    venue.place(
        NewOrder(market=market_id, side=Side.BUY, amount=Decimal("0.01"), price=Decimal(price), client_id=client_id)
    )

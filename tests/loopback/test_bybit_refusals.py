"""Every code with which Bybit refuses, and what the real client makes of it. Nothing is executed by any of them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.loopback.bybit_scene import (
    MARKET_IDS,
    SPOT,
    SWAP,
    SWAP_ID,
    Client,
    bought,
    bybit_client,
    bybit_scene,
    protocol_of,
)
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue_words import MarketStatus

Change = Callable[[LoopbackServer], object]


def _market(symbol: str, **changes: Any) -> Change:
    def change(server: LoopbackServer) -> None:
        server.venue.change_market(replace(server.venue.markets[MARKET_IDS[symbol]], **changes))

    return change


def _raw(side: str = "Buy", **changes: str) -> dict[str, str]:
    """A request past the client's own rounding."""
    order = {"side": side, "orderType": "Limit", "qty": "0.01", "price": "59000", "orderLinkId": "gone"}
    return {"symbol": "BTCUSDT", **order, **changes}


NO_CHANGE: Change = id
CASES = [
    ("170134", "spot", _raw(price="59000.005"), "InvalidOrder", NO_CHANGE),
    ("170137", "spot", _raw(qty="0.000015"), "InvalidOrder", NO_CHANGE),
    ("170136", "spot", _raw(qty="0"), "InvalidOrder", NO_CHANGE),
    ("170135", "spot", _raw(qty="9001"), "InvalidOrder", NO_CHANGE),
    ("170140", "spot", _raw(qty="0.00001"), "InvalidOrder", NO_CHANGE),
    ("170131", "spot", _raw(qty="10"), "InsufficientFunds", NO_CHANGE),
    ("170131", "spot", _raw("Sell", qty="3", price="61000"), "InsufficientFunds", NO_CHANGE),
    ("170193", "spot", _raw(price="400000"), "InvalidOrder", NO_CHANGE),
    ("170194", "spot", _raw("Sell", price="1000"), "InvalidOrder", NO_CHANGE),
    ("170121", "spot", _raw(symbol="DOGEUSDT"), "InvalidOrder", NO_CHANGE),
    ("170157", "spot", _raw(), "ExchangeError", _market(SPOT, status=MarketStatus.HALTED)),
    ("170810", "spot", _raw(), "ExchangeError", _market(SPOT, open_orders_max=0)),
    ("170130", "spot", _raw(orderLinkId="g" * 37), "BadRequest", NO_CHANGE),
    ("170115", "spot", _raw(timeInForce="DAY"), "InvalidOrder", NO_CHANGE),
    ("10001", "linear", _raw(price="59000.05"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(qty="0.0015"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(qty="0"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(qty="1001"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(symbol="DOGEUSDT"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(orderLinkId="g" * 37), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw(qty="much"), "BadRequest", NO_CHANGE),
    ("10001", "linear", _raw("Long"), "BadRequest", NO_CHANGE),
    ("110094", "linear", _raw(price="100", qty="0.01"), "InvalidOrder", NO_CHANGE),
    ("110007", "linear", _raw(qty="10"), "InsufficientFunds", NO_CHANGE),
    ("110017", "linear", _raw("Sell", reduceOnly="true"), "InvalidOrder", NO_CHANGE),
    ("110074", "linear", _raw(), "ExchangeError", _market(SWAP, status=MarketStatus.HALTED)),
    ("110020", "linear", _raw(), "InvalidOrder", _market(SWAP, open_orders_max=0)),
    ("30208", "linear", _raw(price="900000"), "ExchangeError", _market(SWAP, price_band=Decimal(5))),
    ("30209", "linear", _raw("Sell", price="1000"), "ExchangeError", _market(SWAP, price_band=Decimal(5))),
    ("10001", "futures", _raw(), "BadRequest", NO_CHANGE),
]


@pytest.mark.parametrize(("code", "category", "order", "error", "change"), CASES)
async def test_an_order_is_refused_with_the_code_of_its_category(
    code: str, category: str, order: dict[str, str], error: str, change: Change
) -> None:
    async with bybit_scene() as (server, client):
        change(server)
        raised = await _refusal(lambda: client.privatePostV5OrderCreate({"category": category, **order}))
        assert server.venue.orders() == []
    assert f'"retCode": {code},' in str(raised)
    assert error in [kind.__name__ for kind in type(raised).__mro__]
    assert server.requests[-1].executed is False
    assert server.requests[-1].status == 200


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, "170141"), (SWAP, "110072")])
async def test_a_client_id_is_taken_for_ever_even_after_its_order_is_gone(symbol: str, code: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gone")
        while_open = await _refusal(lambda: bought(client, symbol, "0.01", 59_000, "gone"))
        await client.cancel_order("", symbol, {"orderLinkId": "gone"})
        when_gone = await _refusal(lambda: bought(client, symbol, "0.01", 59_000, "gone"))
        assert len(server.venue.orders()) == 1
    assert [type(each).__name__ for each in (while_open, when_gone)] == ["InvalidOrder", "InvalidOrder"]
    assert f'"retCode": {code},' in str(while_open)
    assert f'"retCode": {code},' in str(when_gone)


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, "170213"), (SWAP, "110001")])
async def test_a_cancel_of_an_order_that_is_unknown_filled_or_gone_finds_nothing(symbol: str, code: str) -> None:
    async with bybit_scene() as (server, client):
        await bought(client, symbol, "0.01", 59_000, "gfilled")
        server.venue.print_trade(MARKET_IDS[symbol], Decimal(58_999))
        await bought(client, symbol, "0.01", 58_000, "ggone")
        await client.cancel_order("", symbol, {"orderLinkId": "ggone"})
        names = ["gnever", "gfilled", "ggone"]
        raised = [await _refusal(partial(_cancel, client, symbol, name)) for name in names]
        by_id = await _refusal(lambda: client.cancel_order("12345", symbol))
    assert {type(each).__name__ for each in [*raised, by_id]} == {"OrderNotFound"}
    assert all(f'"retCode": {code},' in str(each) for each in [*raised, by_id])


async def test_a_cancel_without_an_id_is_a_bad_request() -> None:
    async with bybit_scene() as (_, client):
        raised = await _refusal(lambda: client.cancel_order("", SPOT))
    assert "OrderId or orderLinkId is required" in str(raised)


async def test_leverage_that_is_the_same_too_high_or_uneven_is_refused() -> None:
    async with bybit_scene() as (server, client):
        same = await _refusal(lambda: client.set_leverage(1, SWAP))
        high = await _refusal(lambda: client.set_leverage(101, SWAP))
        uneven = await _refusal(lambda: client.set_leverage(3, SWAP, {"sellLeverage": "4"}))
        leverage = server.venue.position(SWAP_ID).leverage
    assert ['"retCode": 110043,' in str(same), '"retCode": 110013,' in str(high)] == [True, True]
    assert "buy leverage not equal sell leverage" in str(uneven)
    assert leverage == 1


async def test_modes_that_cannot_be_had_are_refused() -> None:
    async with bybit_scene() as (_, client):
        portfolio = await _refusal(lambda: client.set_margin_mode("portfolio"))
        hedged = await _refusal(lambda: client.set_position_mode(True, SWAP))
        same = await _refusal(lambda: client.set_position_mode(False, SWAP))
    codes = ["3400045", "110029", "110025"]
    assert all(f'"retCode": {code},' in str(each) for code, each in zip(codes, [portfolio, hedged, same], strict=True))


@pytest.mark.parametrize("milliseconds", [2_000, 301_000])
async def test_a_dead_mans_window_out_of_bounds_is_refused(milliseconds: int) -> None:
    async with bybit_scene() as (server, client):
        raised = await _refusal(lambda: client.cancel_all_orders_after(milliseconds))
    assert "timeWindow must be 3 to 300" in str(raised)
    assert protocol_of(server).state.dead_man_seconds == {}


async def test_a_key_that_is_not_known_is_refused() -> None:
    async with bybit_scene(apiKey="somebodyElse") as (_, client):
        raised = await _refusal(lambda: client.load_markets())
    assert ('"retCode": 10003,' in str(raised), type(raised).__name__) == (True, "AuthenticationError")


async def test_a_wrong_signature_is_refused_with_a_text_that_repeats_the_key() -> None:
    async with bybit_scene(secret="wrong") as (server, client):
        raised = await _refusal(lambda: client.privateGetV5UserQueryApi())
    assert ('"retCode": 10004,' in str(raised), type(raised).__name__) == (True, "AuthenticationError")
    assert server.api_key in str(raised)


@pytest.mark.parametrize("skew_ms", [6_000, -2_000])
async def test_a_request_outside_its_time_window_is_refused(skew_ms: int) -> None:
    async with bybit_scene() as (server, client):
        await client.load_markets()
        server.faults.skew_ms = skew_ms
        raised = await _refusal(lambda: bought(client, SPOT, "0.01", 59_000, "gone"))
        assert server.venue.orders() == []
    assert ('"retCode": 10002,' in str(raised), type(raised).__name__) == (True, "InvalidNonce")


async def test_the_client_corrects_a_skew_that_it_measured() -> None:
    async with bybit_scene() as (server, client):
        server.faults.skew_ms = 60_000
        await client.load_time_difference()
        await bought(client, SPOT, "0.01", 59_000, "gone")
        assert len(server.venue.open_orders()) == 1


async def test_a_key_without_permission_may_read_but_not_trade() -> None:
    async with bybit_scene() as (server, client):
        server.permissions.may_trade = False
        raised = await _refusal(lambda: bought(client, SPOT, "0.01", 59_000, "gone"))
        orders = await client.fetch_open_orders(SPOT)
    assert ('"retCode": 10005,' in str(raised), type(raised).__name__) == (True, "PermissionDenied")
    assert orders == []


async def test_the_limit_per_second_is_counted_by_endpoint_and_category_and_ends_with_the_second() -> None:
    clock = [1_700_000_000_000]
    async with loopback("bybit", clock_ms=lambda: clock[0]) as server, bybit_client(server) as client:
        client.milliseconds = lambda: clock[0]
        for number in range(10):
            await bought(client, SWAP, "0.001", 59_000, f"g{number}")
        raised = await _refusal(lambda: bought(client, SWAP, "0.001", 59_000, "gtoomany"))
        headers = client.last_response_headers
        await bought(client, SPOT, "0.001", 59_000, "gspot")
        clock[0] += 1_000
        await bought(client, SWAP, "0.001", 59_000, "gnext")
        assert len(server.venue.open_orders()) == 12
    assert ('"retCode": 10006,' in str(raised), type(raised).__name__) == (True, "RateLimitExceeded")
    assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("10", "0")
    assert headers["X-Bapi-Limit-Reset-Timestamp"] == "1700000001000"


async def test_a_path_that_does_not_exist_is_not_found() -> None:
    async with bybit_scene() as (_, client):
        raised = await _refusal(lambda: client.privateGetV5AssetTransferQueryAccountCoinsBalance({}))
    assert '"retCode": 10017,' in str(raised)


def _cancel(client: Client, symbol: str, name: str) -> Awaitable[Any]:
    cancelled: Awaitable[Any] = client.cancel_order("", symbol, {"orderLinkId": name})
    return cancelled


async def _refusal(ask: Callable[[], Awaitable[Any]]) -> Exception:
    """What the client raises."""
    import ccxt

    with pytest.raises(ccxt.BaseError) as raised:
        await ask()
    refusal: Exception = raised.value
    return refusal

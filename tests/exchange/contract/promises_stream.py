"""Promises about what is told without being asked: prices and the connection."""

from decimal import Decimal

from engine.model.actions import QuietBand
from engine.model.order import Side
from engine.model.snapshot import Connection
from tests.exchange.contract.harness import AMOUNT, START_PRICE, Harness, order, own_id, promise
from tests.exchange.contract.promises_orders import BELOW, FAR_BELOW, FILLED

D = Decimal


@promise()
async def it_begins_connected_and_with_a_price(harness: Harness) -> None:
    await harness.listener.until("a price", lambda: bool(harness.listener.prices))
    assert harness.listener.connections[-1] is Connection.CONNECTED
    symbol, price, at_ms = harness.listener.prices[0]
    assert (symbol, price) == (harness.symbol, START_PRICE)
    assert at_ms <= harness.now_ms() + 1_000


@promise()
async def what_the_market_trades_at_is_told(harness: Harness) -> None:
    await harness.market_trades_at(START_PRICE + 1)
    await harness.listener.until_price(START_PRICE + 1)
    await harness.market_trades_at(START_PRICE - 1)
    await harness.listener.until_price(START_PRICE - 1)


@promise()
async def a_quiet_price_is_told_when_somebody_looks(harness: Harness) -> None:
    await harness.listener.until("a price", lambda: bool(harness.listener.prices))
    harness.exchange.set_quiet_band(harness.symbol, "main", QuietBand(D(1), D(10_000_000)))
    await harness.market_trades_at(START_PRICE + 2)
    harness.exchange.set_quiet_band(harness.symbol, "main", None)
    harness.exchange.tell_prices()
    await harness.listener.until_price(START_PRICE + 2)


@promise()
async def a_price_outside_the_quiet_band_is_told(harness: Harness) -> None:
    harness.exchange.set_quiet_band(harness.symbol, "main", QuietBand(START_PRICE - 100, START_PRICE + 100))
    await harness.market_trades_at(START_PRICE + 100)
    await harness.listener.until_price(START_PRICE + 100)


@promise()
async def a_break_of_the_streams_is_told_and_its_end(harness: Harness) -> None:
    await harness.stream_breaks()
    await harness.listener.until_connection(Connection.DISCONNECTED)
    harness.listener.forget()
    await harness.stream_heals()
    await harness.listener.until("a connection", lambda: Connection.CONNECTED in harness.listener.connections)
    await harness.listener.until("a price", lambda: bool(harness.listener.prices))


@promise()
async def what_happened_during_a_break_is_there_after_it(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.stream_breaks()
    await harness.listener.until_connection(Connection.DISCONNECTED)
    harness.listener.forget()
    await harness.market_trades_at(FAR_BELOW)
    await harness.stream_heals()
    await harness.listener.until("a connection", lambda: Connection.CONNECTED in harness.listener.connections)
    report = await harness.exchange.fetch_order(harness.symbol, own_id(1))
    assert (report.status, report.filled, len(report.fills) > 0) == (FILLED, AMOUNT, True)
    assert harness.truth().open_orders == {}
    await harness.listener.until_price(FAR_BELOW)

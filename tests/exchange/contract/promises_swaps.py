"""Promises about linear perpetual swaps."""

from decimal import Decimal

import pytest

from engine.model.errors import OrderNotFound, Rejected
from engine.model.grid import MarginMode
from engine.model.order import Side
from tests.exchange.contract.harness import AMOUNT, Harness, Need, order, own_id, promise
from tests.exchange.contract.promises_orders import ABOVE, BELOW, FAR_ABOVE, FAR_BELOW, FILLED

D = Decimal


async def go_long(harness: Harness, number: int = 1) -> None:
    """Buy ``AMOUNT`` at ``BELOW``."""
    await harness.exchange.place(order(harness, number, Side.BUY, BELOW))
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(own_id(number), FILLED)


@promise(Need.SPOT)
async def a_spot_account_has_no_positions(harness: Harness) -> None:
    assert await harness.exchange.fetch_positions() == {}


@promise(Need.SWAP)
async def a_flat_account_has_no_positions(harness: Harness) -> None:
    assert await harness.exchange.fetch_positions() == {}


@promise(Need.SWAP)
async def leverage_is_set_and_shown_by_the_position(harness: Harness) -> None:
    await harness.exchange.set_leverage(harness.symbol, D(5), MarginMode.CROSS)
    await harness.exchange.set_leverage(harness.symbol, D(5), MarginMode.CROSS)
    await go_long(harness)
    position = (await harness.exchange.fetch_positions())[harness.symbol]
    assert (position.leverage, position.mode) == (D(5), MarginMode.CROSS)


@promise(Need.SWAP)
async def more_leverage_than_the_market_allows_is_rejected(harness: Harness) -> None:
    with pytest.raises(Rejected):
        await harness.exchange.set_leverage(harness.symbol, D(10_000), MarginMode.CROSS)


@promise(Need.SWAP)
async def a_position_is_what_was_bought_and_gone_when_sold(harness: Harness) -> None:
    await go_long(harness)
    position = (await harness.exchange.fetch_positions())[harness.symbol]
    assert (position.symbol, position.amount, position.entry_price) == (harness.symbol, AMOUNT, BELOW)
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE, reduce_only=True))
    await harness.market_trades_at(FAR_ABOVE)
    await harness.listener.until_status(own_id(2), FILLED)
    assert await harness.exchange.fetch_positions() == {}


@promise(Need.SWAP)
async def a_short_position_is_negative(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.SELL, ABOVE))
    await harness.market_trades_at(FAR_ABOVE)
    await harness.listener.until_status(own_id(1), FILLED)
    position = (await harness.exchange.fetch_positions())[harness.symbol]
    assert (position.amount, position.entry_price) == (-AMOUNT, ABOVE)


@promise(Need.SWAP)
async def a_reduce_only_order_opens_nothing(harness: Harness) -> None:
    with pytest.raises(Rejected):
        await harness.exchange.place(order(harness, 1, Side.SELL, ABOVE, reduce_only=True))
    assert harness.truth().open_orders == {}
    with pytest.raises(OrderNotFound):
        await harness.exchange.fetch_order(harness.symbol, own_id(1))


@promise(Need.SWAP)
async def profit_and_fees_of_a_round_trip_are_in_the_wallet(harness: Harness) -> None:
    start = harness.truth().total("USDT")
    await go_long(harness)
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE, reduce_only=True))
    await harness.market_trades_at(FAR_ABOVE)
    await harness.listener.until_status(own_id(2), FILLED)
    told = (await harness.exchange.fetch_balances())["USDT"]
    rate = harness.market.maker_fee_rate
    earned = AMOUNT * (ABOVE - BELOW) - AMOUNT * (ABOVE + BELOW) * rate
    assert told.free + told.locked == start + earned
    assert told.free + told.locked == harness.truth().total("USDT")


@promise(Need.SWAP)
async def funding_is_told_and_can_be_asked_for(harness: Harness) -> None:
    before_ms = harness.now_ms()
    await go_long(harness)
    await harness.funding_is_due()
    payments = list(await harness.exchange.fetch_funding(harness.symbol, before_ms))
    assert len(payments) == 1
    (payment,) = payments
    assert (payment.symbol, payment.amount != 0) == (harness.symbol, True)
    assert list(await harness.exchange.fetch_funding(harness.symbol, payment.at_ms + 1)) == []


@promise(Need.SWAP)
async def without_a_loss_there_are_no_liquidations(harness: Harness) -> None:
    assert list(await harness.exchange.fetch_liquidations(harness.symbol, 0)) == []

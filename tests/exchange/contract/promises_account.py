"""Promises about the account and the market: facts, balances, executions, candles, and what outlives us."""

from decimal import Decimal

import pytest

from engine.model.errors import DuplicateOrder, SettingsInvalid
from engine.model.order import OrderStatus, Side
from tests.exchange.contract.harness import (
    AMOUNT,
    MINUTE_MS,
    START_BALANCES,
    Harness,
    Need,
    TrueOrder,
    order,
    own_id,
    promise,
)
from tests.exchange.contract.promises_orders import ABOVE, BELOW, FAR_ABOVE, FAR_BELOW, FILLED, OPEN

D = Decimal


@promise()
async def the_facts_of_a_market_are_exact(harness: Harness) -> None:
    told, true = await harness.exchange.fetch_market(harness.symbol), harness.market
    assert (told.symbol, told.base, told.quote, told.kind) == (true.symbol, true.base, true.quote, true.kind)
    assert (told.tick_size, told.lot_size) == (true.tick_size, true.lot_size)
    assert (told.amount_min, told.amount_max, told.notional_min) == (
        true.amount_min,
        true.amount_max,
        true.notional_min,
    )
    assert (told.maker_fee_rate, told.taker_fee_rate) == (true.maker_fee_rate, true.taker_fee_rate)


@promise()
async def a_symbol_that_is_not_traded_is_a_wrong_setting(harness: Harness) -> None:
    with pytest.raises(SettingsInvalid):
        await harness.exchange.fetch_market("NONE/SUCH")


@promise()
async def it_has_a_name_to_show(harness: Harness) -> None:
    assert harness.exchange.name.isprintable()
    assert harness.exchange.name.strip()


@promise()
async def balances_say_what_is_free_and_what_orders_bind(harness: Harness) -> None:
    start = await harness.exchange.fetch_balances()
    assert start["USDT"].free == START_BALANCES["USDT"]
    assert start["USDT"].locked == 0
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    told = await harness.exchange.fetch_balances()
    for currency, (free, locked) in harness.truth().balances.items():
        if free or locked:
            assert (told[currency].free, told[currency].locked) == (free, locked)
    assert told["USDT"].free + told["USDT"].locked == START_BALANCES["USDT"]
    assert told["USDT"].locked > 0


@promise(Need.SPOT)
async def a_sell_binds_what_it_sells(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.SELL, ABOVE))
    told = (await harness.exchange.fetch_balances())["BTC"]
    assert (told.free, told.locked) == (START_BALANCES["BTC"] - AMOUNT, AMOUNT)


@promise(Need.SPOT)
async def balances_add_up_after_a_buy_and_a_sell(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(own_id(1), FILLED)
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))
    await harness.market_trades_at(FAR_ABOVE)
    await harness.listener.until_status(own_id(2), FILLED)
    told, rate = await harness.exchange.fetch_balances(), harness.market.maker_fee_rate
    earned = AMOUNT * ABOVE * (1 - rate) - AMOUNT * BELOW
    assert told["USDT"].free == START_BALANCES["USDT"] + earned
    assert told["BTC"].free == START_BALANCES["BTC"] - AMOUNT * rate
    assert told["USDT"].locked == told["BTC"].locked == 0


@promise()
async def executions_are_told_since_a_time_oldest_first(harness: Harness) -> None:
    before_ms = harness.now_ms()
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))
    await harness.market_trades_at(FAR_BELOW)
    await harness.market_trades_at(FAR_ABOVE)
    await harness.listener.until_status(own_id(1), FILLED)
    await harness.listener.until_status(own_id(2), FILLED)
    fills = list(await harness.exchange.fetch_fills(harness.symbol, before_ms))
    assert list(dict.fromkeys(own.client_order_id for own in fills)) == [own_id(1), own_id(2)]
    assert [own.fill.at_ms for own in fills] == sorted(own.fill.at_ms for own in fills)
    assert sum(own.fill.amount for own in fills) == 2 * AMOUNT
    assert {own.side for own in fills if own.client_order_id == own_id(2)} == {Side.SELL}
    told = {**harness.listener.fills_of(own_id(1)), **harness.listener.fills_of(own_id(2))}
    assert {own.fill.trade_id: own.fill for own in fills} == told
    assert list(await harness.exchange.fetch_fills(harness.symbol, fills[-1].fill.at_ms + 1)) == []


@promise()
async def executions_of_the_owners_orders_are_told_too(harness: Harness) -> None:
    before_ms = harness.now_ms()
    by_hand = await harness.place_by_hand(Side.BUY, BELOW, AMOUNT)
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(by_hand, FILLED)
    fills = await harness.exchange.fetch_fills(harness.symbol, before_ms)
    assert {own.client_order_id for own in fills} == {by_hand}


@promise()
async def candles_are_closed_and_oldest_first(harness: Harness) -> None:
    candles = list(await harness.exchange.fetch_candles(harness.symbol, MINUTE_MS, 5))
    opens = [candle.open_ms for candle in candles]
    assert 1 <= len(candles) <= 5
    assert opens == sorted(set(opens))
    assert all(open_ms % MINUTE_MS == 0 and open_ms + MINUTE_MS <= harness.now_ms() for open_ms in opens)
    newest = list(await harness.exchange.fetch_candles(harness.symbol, MINUTE_MS, 1))
    assert newest == candles[-1:]


@promise()
async def a_watched_candle_is_told(harness: Harness) -> None:
    harness.exchange.watch_candles(harness.symbol, MINUTE_MS)
    await harness.candle_is_told()
    await harness.listener.until("a candle", lambda: bool(harness.listener.candles))
    symbol, interval_ms, candle, _ = harness.listener.candles[-1]
    assert (symbol, interval_ms, candle.open_ms % MINUTE_MS) == (harness.symbol, MINUTE_MS, 0)
    assert candle.low <= candle.close <= candle.high


@promise()
async def a_restart_loses_nothing(harness: Harness) -> None:
    before_ms = harness.now_ms()
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(own_id(1), FILLED)
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))
    await harness.exchange.place(order(harness, 3, Side.SELL, FAR_ABOVE))
    await harness.exchange.cancel(harness.symbol, own_id(3))
    truth, fills = harness.truth(), list(await harness.exchange.fetch_fills(harness.symbol, before_ms))
    asked = [await harness.exchange.fetch_order(harness.symbol, own_id(number)) for number in (1, 2, 3)]
    await harness.restart()
    assert harness.truth() == truth
    assert [await harness.exchange.fetch_order(harness.symbol, own_id(number)) for number in (1, 2, 3)] == asked
    assert list(await harness.exchange.fetch_fills(harness.symbol, before_ms)) == fills
    with pytest.raises(DuplicateOrder):
        await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))


@promise()
async def what_the_market_did_while_we_were_gone_has_happened(harness: Harness) -> None:
    before_ms = harness.now_ms()
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))
    await harness.stop()
    await harness.market_trades_at(FAR_BELOW)
    await harness.start()
    report = await harness.exchange.fetch_order(harness.symbol, own_id(1))
    assert (report.status, report.filled) == (OrderStatus.FILLED, AMOUNT)
    assert (await harness.exchange.fetch_order(harness.symbol, own_id(2))).status is OPEN
    assert [own.client_order_id for own in await harness.exchange.fetch_fills(harness.symbol, before_ms)] == [own_id(1)]
    assert harness.truth().open_orders == {
        own_id(2): TrueOrder(side=Side.SELL, price=ABOVE, amount=AMOUNT, filled=D(0))
    }

"""Promises about orders: placed, refused, filled, cancelled, asked for."""

from decimal import Decimal

import pytest

from engine.model.errors import DuplicateOrder, OrderNotFound, PostOnlyRejected, Rejected
from engine.model.money import ZERO
from engine.model.order import Fill, OrderReport, OrderStatus, Side
from tests.exchange.contract.harness import AMOUNT, START_PRICE, Harness, Need, TrueOrder, order, own_id, promise

D = Decimal
BELOW, FAR_BELOW, ABOVE, FAR_ABOVE = D(59_000), D(58_000), D(61_000), D(62_000)
OPEN, PART, FILLED, CANCELED = (
    OrderStatus.OPEN,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


def fee_of(harness: Harness, side: Side, price: Decimal, amount: Decimal) -> tuple[Decimal, str]:
    """What a maker pays."""
    market = harness.market
    if side is Side.BUY and market.swap is None:
        return amount * market.maker_fee_rate, market.base
    return price * amount * market.maker_fee_rate, market.quote


def assert_whole(report: OrderReport) -> None:
    """An answer to a question holds all executions, and they are what is filled."""
    assert sum((fill.amount for fill in report.fills), ZERO) == report.filled
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills)


@promise()
async def a_placed_order_is_answered_as_it_was_placed_and_rests(harness: Harness) -> None:
    report = await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    assert (report.client_order_id, report.symbol, report.side) == (own_id(1), harness.symbol, Side.BUY)
    assert (report.price, report.amount, report.filled, report.fills) == (BELOW, AMOUNT, ZERO, ())
    assert report.status is OPEN
    assert harness.truth().open_orders == {own_id(1): TrueOrder(side=Side.BUY, price=BELOW, amount=AMOUNT, filled=ZERO)}


@promise()
async def every_change_of_an_order_is_told_by_the_stream(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.listener.until_status(own_id(1), OPEN)
    await harness.market_trades_at(FAR_BELOW)
    report = await harness.listener.until_status(own_id(1), FILLED)
    assert (report.filled, report.amount, report.side) == (AMOUNT, AMOUNT, Side.BUY)
    await harness.exchange.place(order(harness, 2, Side.BUY, BELOW - 5_000))
    await harness.exchange.cancel(harness.symbol, own_id(2))
    await harness.listener.until_status(own_id(2), CANCELED)


@promise()
async def a_fill_is_complete_and_exact_with_its_fee(harness: Harness) -> None:
    for number, side, price, beyond in ((1, Side.BUY, BELOW, FAR_BELOW), (2, Side.SELL, ABOVE, FAR_ABOVE)):
        await harness.exchange.place(order(harness, number, side, price))
        await harness.market_trades_at(beyond)
        await harness.listener.until_status(own_id(number), FILLED)
        told = harness.listener.fills_of(own_id(number)).values()
        asked = (await harness.exchange.fetch_order(harness.symbol, own_id(number))).fills
        for fills in (tuple(told), asked):
            assert_is_one_fill(harness, side, price, fills)
        assert {fill.trade_id for fill in told} == {fill.trade_id for fill in asked}


def assert_is_one_fill(harness: Harness, side: Side, price: Decimal, fills: tuple[Fill, ...]) -> None:
    """However many executions they are, together they are the whole order, at its price, as maker."""
    fee, currency = fee_of(harness, side, price, AMOUNT)
    assert sum((fill.amount for fill in fills), ZERO) == AMOUNT
    assert sum((fill.fee for fill in fills), ZERO) == fee
    assert {(fill.price, fill.fee_currency, fill.is_maker) for fill in fills} == {(price, currency, True)}


@promise()
async def an_order_beyond_the_market_takes_at_once_and_never_beyond_its_price(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, ABOVE))
    await harness.listener.until_status(own_id(1), FILLED)
    report = await harness.exchange.fetch_order(harness.symbol, own_id(1))
    assert (report.status, report.filled) == (FILLED, AMOUNT)
    assert_whole(report)
    assert {fill.is_maker for fill in report.fills} == {False}
    assert all(START_PRICE <= fill.price <= ABOVE for fill in report.fills)


@promise(Need.PART)
async def a_partial_fill_is_told_with_what_was_executed(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.market_trades_at(BELOW, amount=AMOUNT / 2)
    report = await harness.listener.until_status(own_id(1), PART)
    true = harness.truth().open_orders[own_id(1)]
    assert ZERO < true.filled < AMOUNT
    assert report.filled == true.filled
    assert sum((fill.amount for fill in harness.listener.fills_of(own_id(1)).values()), ZERO) == true.filled


@promise(Need.PART)
async def a_cancel_answers_with_the_final_report_and_all_fills(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.market_trades_at(BELOW, amount=AMOUNT / 2)
    await harness.listener.until_status(own_id(1), PART)
    filled = harness.truth().open_orders[own_id(1)].filled
    report = await harness.exchange.cancel(harness.symbol, own_id(1))
    assert (report.status, report.filled) == (CANCELED, filled)
    assert report.fills
    assert_whole(report)
    assert harness.truth().open_orders == {}


@promise()
async def a_cancelled_order_is_gone_and_frees_its_funds(harness: Harness) -> None:
    before = harness.truth()
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    report = await harness.exchange.cancel(harness.symbol, own_id(1))
    assert (report.client_order_id, report.status, report.filled) == (own_id(1), CANCELED, ZERO)
    assert harness.truth() == before


@promise()
async def cancelling_what_is_not_open_finds_no_order(harness: Harness) -> None:
    with pytest.raises(OrderNotFound):
        await harness.exchange.cancel(harness.symbol, own_id(9))
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.exchange.cancel(harness.symbol, own_id(1))
    with pytest.raises(OrderNotFound):
        await harness.exchange.cancel(harness.symbol, own_id(1))
    await harness.exchange.place(order(harness, 2, Side.BUY, BELOW))
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(own_id(2), FILLED)
    with pytest.raises(OrderNotFound):
        await harness.exchange.cancel(harness.symbol, own_id(2))


@promise()
async def a_post_only_order_never_takes(harness: Harness) -> None:
    """It is refused, or, where the exchange accepts and cancels it, ends without a fill."""
    before = harness.truth()
    try:
        await harness.exchange.place(order(harness, 1, Side.BUY, ABOVE, post_only=True))
    except PostOnlyRejected:
        pass
    else:
        report = await harness.listener.until_status(own_id(1), CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
        assert (report.filled, report.fills) == (ZERO, ())
    assert harness.truth() == before
    report = await harness.exchange.place(order(harness, 2, Side.BUY, BELOW, post_only=True))
    assert report.status is OPEN


async def assert_refused(harness: Harness, price: Decimal, amount: Decimal) -> None:
    """Rejected, and nothing was executed."""
    before = harness.truth()
    with pytest.raises(Rejected):
        await harness.exchange.place(order(harness, 1, Side.BUY, price, amount))
    assert harness.truth() == before
    with pytest.raises(OrderNotFound):
        await harness.exchange.fetch_order(harness.symbol, own_id(1))


@promise()
async def a_price_off_the_tick_is_rejected(harness: Harness) -> None:
    await assert_refused(harness, BELOW + harness.market.tick_size / 10, AMOUNT)


@promise()
async def an_amount_off_the_lot_is_rejected(harness: Harness) -> None:
    await assert_refused(harness, BELOW, AMOUNT + harness.market.lot_size / 10)


@promise(Need.SPOT)
async def a_notional_below_the_minimum_is_rejected(harness: Harness) -> None:
    await assert_refused(harness, BELOW, harness.market.amount_min)


@promise()
async def an_amount_above_the_maximum_is_rejected(harness: Harness) -> None:
    await assert_refused(harness, BELOW, harness.market.amount_max + harness.market.lot_size)


@promise()
async def what_the_account_cannot_pay_is_rejected(harness: Harness) -> None:
    await assert_refused(harness, BELOW, D(500))


@promise()
async def an_id_of_an_open_order_never_places_a_second_one(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    before = harness.truth()
    with pytest.raises(DuplicateOrder):
        await harness.exchange.place(order(harness, 1, Side.BUY, BELOW - 1_000))
    assert harness.truth() == before
    report = await harness.exchange.fetch_order(harness.symbol, own_id(1))
    assert (report.status, report.price) == (OPEN, BELOW)


@promise()
async def an_order_is_found_by_its_id_open_filled_and_cancelled(harness: Harness) -> None:
    fetch = harness.exchange.fetch_order
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.exchange.place(order(harness, 2, Side.SELL, ABOVE))
    opened = await fetch(harness.symbol, own_id(1))
    assert (opened.status, opened.side, opened.price, opened.amount) == (OPEN, Side.BUY, BELOW, AMOUNT)
    await harness.market_trades_at(FAR_BELOW)
    await harness.listener.until_status(own_id(1), FILLED)
    await harness.exchange.cancel(harness.symbol, own_id(2))
    filled, cancelled = await fetch(harness.symbol, own_id(1)), await fetch(harness.symbol, own_id(2))
    assert (filled.status, filled.filled) == (FILLED, AMOUNT)
    assert (cancelled.status, cancelled.filled, cancelled.fills) == (CANCELED, ZERO, ())
    assert_whole(filled)


@promise()
async def an_order_that_never_was_is_not_found(harness: Harness) -> None:
    with pytest.raises(OrderNotFound):
        await harness.exchange.fetch_order(harness.symbol, own_id(9))


@promise()
async def all_open_orders_are_told_the_owners_too(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    by_hand = await harness.place_by_hand(Side.SELL, ABOVE, AMOUNT * 2)
    found = {report.client_order_id: report for report in await harness.exchange.fetch_open_orders(harness.symbol)}
    assert sorted(found) == sorted((own_id(1), by_hand))
    report = found[by_hand]
    assert (report.side, report.price, report.amount, report.status) == (Side.SELL, ABOVE, AMOUNT * 2, OPEN)


@promise(Need.PART)
async def open_orders_are_told_with_all_of_their_fills(harness: Harness) -> None:
    await harness.exchange.place(order(harness, 1, Side.BUY, BELOW))
    await harness.market_trades_at(BELOW, amount=AMOUNT / 2)
    await harness.listener.until_status(own_id(1), PART)
    (report,) = await harness.exchange.fetch_open_orders(harness.symbol)
    assert (report.client_order_id, report.status) == (own_id(1), PART)
    assert report.fills
    assert_whole(report)


@promise()
async def nothing_open_is_an_empty_list(harness: Harness) -> None:
    assert list(await harness.exchange.fetch_open_orders(harness.symbol)) == []

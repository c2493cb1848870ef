"""The books of the loopback venue are exact: what an order binds, what a fill moves, what is refused."""

from decimal import Decimal

import pytest

from tests.loopback.scene import spot_market
from tests.loopback.venue import (
    DuplicateRule,
    NewOrder,
    OrderStatus,
    OrderTold,
    PostOnlyRule,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    Venue,
    VenueBalance,
    VenueOptions,
)

D = Decimal

MARKET = "BTCUSDT"


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def make_venue(*, options: VenueOptions | None = None, seed: int = 0, now: Now | None = None) -> Venue:
    """One market at 60 000 and an account with 10 000 USDT, 1 BTC and 1 BNB."""
    venue = Venue(
        [spot_market("BTC", "0.01", "0.00001")],
        {"USDT": D(10_000), "BTC": D(1), "BNB": D(1)},
        now or Now(),
        options=options,
        seed=seed,
    )
    venue.print_trade(MARKET, D(60_000))
    return venue


def new(side: Side, price: str | None, amount: str = "0.01", client_id: str = "g1", **changes: object) -> NewOrder:
    """An order on the one market."""
    return NewOrder(
        market=MARKET,
        side=side,
        amount=D(amount),
        price=None if price is None else D(price),
        client_id=client_id,
        **changes,  # type: ignore[arg-type]
    )


def held(venue: Venue, currency: str) -> tuple[D, D]:
    """Free and locked."""
    balance = venue.balances()[currency]
    return balance.free, balance.locked


def test_a_resting_buy_binds_its_cost_and_a_cancel_frees_it() -> None:
    venue = make_venue()
    venue.place(new(Side.BUY, "59000"))
    assert held(venue, "USDT") == (D(9_410), D(590))
    venue.cancel(MARKET, client_id="g1")
    assert held(venue, "USDT") == (D(10_000), D(0))


def test_a_buy_fills_at_its_own_price_and_pays_its_fee_in_what_it_received() -> None:
    venue = make_venue()
    order = venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(58_000))
    (fill,) = venue.trades(MARKET)
    assert (fill.price, fill.amount, fill.fee, fill.fee_currency) == (D(59_000), D("0.01"), D("0.00001"), "BTC")
    assert fill.is_maker
    assert fill.order_id == order.order_id
    assert held(venue, "USDT") == (D(9_410), D(0))
    assert held(venue, "BTC") == (D("1.00999"), D(0))
    assert venue.last(MARKET) == D(58_000)


def test_a_sell_pays_its_fee_in_the_quote_currency() -> None:
    venue = make_venue()
    venue.place(new(Side.SELL, "61000"))
    assert held(venue, "BTC") == (D("0.99"), D("0.01"))
    venue.print_trade(MARKET, D(61_000))
    assert held(venue, "USDT") == (D("10609.39"), D(0))
    assert held(venue, "BTC") == (D("0.99"), D(0))


def test_a_print_fills_the_orders_on_its_way_nearest_first_and_no_other() -> None:
    venue = make_venue()
    for client_id, price in (("far", "57000"), ("near", "59000"), ("mid", "58000"), ("below", "56999")):
        venue.place(new(Side.BUY, price, client_id=client_id))
    venue.print_trade(MARKET, D(57_000))
    assert [fill.client_id for fill in venue.trades()] == ["near", "mid", "far"]
    assert [order.client_id for order in venue.open_orders()] == ["below"]


def test_a_market_that_has_too_little_stops_at_the_order_that_used_it_up() -> None:
    venue = make_venue()
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(58_000), D("0.004"))
    order = venue.order(MARKET, client_id="g1")
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, D("0.004"))
    assert venue.last(MARKET) == D(59_000)
    assert held(venue, "USDT") == (D(9_410), D(354))


def test_a_market_that_has_exactly_enough_stops_at_the_order_too() -> None:
    venue = make_venue()
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(58_000), D("0.01"))
    assert venue.order(MARKET, client_id="g1").status is OrderStatus.FILLED
    assert [trade.price for trade in venue.public_trades(MARKET)] == [D(60_000), D(59_000)]


def test_dice_make_a_touched_order_fill_in_part_and_a_passed_one_in_two_pieces() -> None:
    venue = make_venue(options=VenueOptions(partial_fill_chance=1.0))
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(59_000))
    assert venue.order(MARKET, client_id="g1").filled == D("0.004")
    venue.place(new(Side.SELL, "59500", client_id="g2"))
    venue.print_trade(MARKET, D(59_600))
    assert [fill.amount for fill in venue.trades() if fill.client_id == "g2"] == [D("0.004"), D("0.006")]
    assert venue.order(MARKET, client_id="g2").status is OrderStatus.FILLED


def test_a_market_order_takes_one_tick_behind_the_last_print() -> None:
    venue = make_venue()
    order = venue.place(new(Side.SELL, None))
    assert (order.status, order.fills[0].price) == (OrderStatus.FILLED, D("59999.99"))
    assert not order.fills[0].is_maker


def test_an_order_that_may_not_wait_expires_where_it_cannot_trade() -> None:
    venue = make_venue()
    order = venue.place(new(Side.BUY, "59000", time_in_force=TimeInForce.IOC))
    assert (order.status, order.filled) == (OrderStatus.EXPIRED, D(0))
    assert held(venue, "USDT") == (D(10_000), D(0))


def test_a_crossing_post_only_order_is_refused_or_accepted_and_cancelled_as_the_exchange_does_it() -> None:
    with pytest.raises(Refusal) as refused:
        make_venue().place(new(Side.BUY, "60000.01", post_only=True))
    assert refused.value.reason is RefusalReason.POST_ONLY
    venue = make_venue(options=VenueOptions(post_only=PostOnlyRule.CANCELED))
    order = venue.place(new(Side.BUY, "60000.01", post_only=True))
    assert (order.status, order.filled) == (OrderStatus.CANCELED, D(0))
    assert held(venue, "USDT") == (D(10_000), D(0))


def test_an_own_resting_order_expires_before_the_account_trades_with_itself() -> None:
    venue = make_venue(options=VenueOptions(partial_fill_chance=1.0))
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(59_000))
    venue.place(new(Side.SELL, "59000", client_id="g2"))
    resting = venue.order(MARKET, client_id="g1")
    assert (resting.status, resting.filled) == (OrderStatus.EXPIRED, D("0.004"))
    assert venue.order(MARKET, client_id="g2").status is OrderStatus.NEW


REFUSED = [
    (new(Side.BUY, "59000.005"), RefusalReason.FILTER_PRICE),
    (new(Side.BUY, "0"), RefusalReason.FILTER_PRICE),
    (new(Side.BUY, "11999"), RefusalReason.FILTER_BAND),
    (new(Side.BUY, "59000", "0.000015"), RefusalReason.FILTER_LOT),
    (new(Side.BUY, "59000", "0"), RefusalReason.FILTER_AMOUNT),
    (new(Side.BUY, "59000", "0.00008"), RefusalReason.FILTER_NOTIONAL),
    (new(Side.BUY, "59000", "0.2"), RefusalReason.FUNDS),
    (new(Side.SELL, "61000", "1.00001"), RefusalReason.FUNDS),
    (new(Side.BUY, "59000", client_id="with.dot"), RefusalReason.CLIENT_ID),
    (new(Side.BUY, "59000", client_id="x" * 37), RefusalReason.CLIENT_ID),
    (new(Side.BUY, "59000", client_id="taken"), RefusalReason.DUPLICATE_ID),
    (new(Side.SELL, "61000", reduce_only=True), RefusalReason.REDUCE_ONLY),
]


@pytest.mark.parametrize(("order", "reason"), REFUSED, ids=lambda each: str(getattr(each, "value", "")))
def test_what_is_refused_changes_nothing(order: NewOrder, reason: RefusalReason) -> None:
    venue = make_venue()
    venue.place(new(Side.BUY, "50000", "0.001", client_id="taken"))
    before = venue.checksum()
    with pytest.raises(Refusal) as refused:
        venue.place(order)
    assert refused.value.reason is reason
    assert venue.checksum() == before


@pytest.mark.parametrize("rule", DuplicateRule)
def test_a_client_id_is_free_again_after_its_order_or_never(rule: DuplicateRule) -> None:
    venue = make_venue(options=VenueOptions(duplicates=rule))
    venue.place(new(Side.BUY, "59000"))
    venue.cancel(MARKET, client_id="g1")
    match rule:
        case DuplicateRule.WHILE_OPEN:
            again = venue.place(new(Side.BUY, "58000"))
            assert venue.order(MARKET, client_id="g1") == again
        case DuplicateRule.FOR_EVER:
            with pytest.raises(Refusal, match="duplicate_id"):
                venue.place(new(Side.BUY, "58000"))


def test_a_cancel_tells_an_order_that_is_gone_from_one_that_never_was() -> None:
    venue = make_venue()
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(59_000))
    with pytest.raises(Refusal, match="order_closed"):
        venue.cancel(MARKET, client_id="g1")
    with pytest.raises(Refusal, match="unknown_order"):
        venue.cancel(MARKET, client_id="g2")


def test_fees_in_a_third_currency_end_in_the_middle_when_it_runs_out() -> None:
    venue = make_venue()
    venue.ledger.pay_fees_in("BNB", D(1))
    venue.place(new(Side.BUY, "60000"))
    venue.print_trade(MARKET, D(60_000))
    venue.place(new(Side.BUY, "59000", client_id="g2"))
    venue.print_trade(MARKET, D(59_000))
    assert [(fill.fee, fill.fee_currency) for fill in venue.trades()] == [(D("0.6"), "BNB"), (D("0.00001"), "BTC")]
    assert held(venue, "BNB") == (D("0.4"), D(0))


def test_listeners_hear_each_order_with_its_fill_and_the_balances_after_it() -> None:
    venue = make_venue()
    heard: list[object] = []
    venue.listeners.append(heard.append)
    venue.place(new(Side.BUY, "59000"))
    venue.print_trade(MARKET, D(59_000))
    told = [event for event in heard if isinstance(event, OrderTold)]
    assert [(event.order.status, event.fill is not None) for event in told] == [
        (OrderStatus.NEW, False),
        (OrderStatus.FILLED, True),
    ]
    assert venue.balances()["USDT"] == VenueBalance(free=D(9_410), locked=D(0))


def test_an_order_is_remembered_as_it_was_at_any_time() -> None:
    now = Now()
    venue = make_venue(now=now)
    order = venue.place(new(Side.BUY, "59000"))
    placed_ms, now.ms = now.ms, now.ms + 1_000
    venue.cancel(MARKET, client_id="g1")
    assert venue.register.as_of(order.order_id, placed_ms - 1) is None
    assert venue.register.as_of(order.order_id, placed_ms + 999) == order
    cancelled = venue.register.as_of(order.order_id, placed_ms + 1_000)
    assert cancelled is not None
    assert cancelled.status is OrderStatus.CANCELED


def test_equal_truths_have_equal_checksums_and_others_have_not() -> None:
    one, two = make_venue(), make_venue()
    assert one.checksum() == two.checksum()
    two.place(new(Side.BUY, "59000"))
    assert one.checksum() != two.checksum()

"""The rules of the simulated exchange, one by one, with exact numbers."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.matching import FillModel, MatchingEngine, MatchingOptions
from engine.exchange.port import Balance
from engine.model.actions import QuietBand
from engine.model.errors import DuplicateOrder, OrderNotFound, PostOnlyRejected, Rejected
from engine.model.market import FeeCurrency, Market
from engine.model.order import Fill, OrderReport, OrderRequest, OrderStatus, Side
from tests.exchange.simulated_builders import (
    BALANCES,
    BTC,
    MARKET,
    brief,
    buy,
    make_engine,
    make_request,
    sell,
    without_fills,
)

D = Decimal
OPEN, PARTIAL, FILLED, CANCELED = (
    OrderStatus.OPEN,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)
TOUCH = MatchingOptions(fill=FillModel.TOUCH)
QUOTE_FEES = replace(MARKET, fee_currency=FeeCurrency.QUOTE)


def of(engine: MatchingEngine, currency: str) -> tuple[Decimal, Decimal]:
    """Free and locked."""
    balance = engine.balances()[currency]
    return balance.free, balance.locked


# Acceptance


@pytest.mark.parametrize(
    "request_",
    [
        buy("a", "99.995"),
        buy("a", "0"),
        buy("a", "99", "0.0005"),
        buy("a", "99", "0"),
        buy("a", "99", "101"),
        buy("a", "99", "0.050"),
    ],
)
def test_an_order_that_a_filter_forbids_is_rejected(request_: OrderRequest) -> None:
    engine = make_engine()
    with pytest.raises(Rejected) as caught:
        engine.place(request_, 5)
    assert str(caught.value) == MARKET.problem_with(request_.price, request_.amount)
    assert engine.balances() == make_engine().balances()
    assert engine.open_orders(BTC) == ()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (buy("a", "100", "100"), None),
        (buy("a", "100.01", "100"), "insufficient funds: 10001 USDT needed, 10000 free"),
        (sell("a", "101", "10"), None),
        (sell("a", "101", "10.001"), "insufficient funds: 10.001 BTC needed, 10 free"),
    ],
)
def test_an_order_is_accepted_only_within_the_free_funds(request_: OrderRequest, expected: str | None) -> None:
    engine = make_engine()
    if expected is None:
        (report,) = engine.place(request_, 5)
        assert brief(report) == ("a", OPEN, "0")
        return
    with pytest.raises(Rejected) as caught:
        engine.place(request_, 5)
    assert str(caught.value) == expected
    assert engine.balances() == make_engine().balances()


def test_an_order_for_an_unknown_symbol_is_rejected() -> None:
    with pytest.raises(Rejected, match=r"expected one of BTC/USDT, found ETH/USDT"):
        make_engine().place(replace(buy("a", "99"), symbol="ETH/USDT"), 5)


def test_a_buy_locks_its_cost_and_a_sell_its_amount() -> None:
    engine = make_engine()
    engine.place(buy("a", "99.50", "2"), 5)
    engine.place(sell("b", "101", "3"), 5)
    assert of(engine, "USDT") == (D("9801.00"), D("199.00"))
    assert of(engine, "BTC") == (D(7), D(3))


def test_with_fees_in_quote_a_buy_locks_the_worst_fee_rounded_up() -> None:
    engine = make_engine(replace(QUOTE_FEES, taker_fee_rate=D("0.00123456789")))
    engine.place(buy("a", "99", "0.101"), 5)
    assert of(engine, "USDT") == (D(10_000) - D("10.01134445"), D("10.01134445"))


def test_with_fees_in_quote_the_fee_must_be_affordable_too() -> None:
    engine = make_engine(QUOTE_FEES)
    with pytest.raises(Rejected, match=r"insufficient funds: 10020 USDT needed, 10000 free"):
        engine.place(buy("a", "100", "100"), 5)


def test_what_one_order_locks_another_cannot_use() -> None:
    engine = make_engine()
    engine.place(sell("a", "101", "6"), 5)
    with pytest.raises(Rejected, match=r"insufficient funds: 5 BTC needed, 4 free"):
        engine.place(sell("b", "102", "5"), 5)


def test_a_client_order_id_is_used_for_ever() -> None:
    engine = make_engine(options=MatchingOptions(closed_orders_kept=1))
    engine.place(buy("open", "99"), 5)
    engine.place(buy("canceled", "98"), 5)
    engine.cancel(BTC, "canceled", 6)
    engine.place(buy("filled", "99.5"), 7)
    engine.trade(BTC, D("99.2"), 8)
    for used in ("open", "canceled", "filled"):
        with pytest.raises(DuplicateOrder, match=f"duplicate client order id {used}"):
            engine.place(sell(used, "150"), 9)


def test_the_id_of_a_rejected_order_is_not_used() -> None:
    engine = make_engine()
    with pytest.raises(Rejected):
        engine.place(sell("a", "101", "11"), 5)
    assert [brief(report) for report in engine.place(sell("a", "101", "1"), 6)] == [("a", OPEN, "0")]


def test_no_more_orders_than_allowed_may_be_open_on_a_symbol() -> None:
    engine = make_engine(options=MatchingOptions(open_orders_max=2))
    engine.place(buy("a", "99"), 5)
    engine.place(buy("b", "98"), 5)
    with pytest.raises(Rejected, match=r"BTC/USDT allows 2 open orders"):
        engine.place(buy("c", "97"), 5)
    engine.cancel(BTC, "a", 6)
    assert [brief(report) for report in engine.place(buy("c", "97"), 7)] == [("c", OPEN, "0")]


# Taking


@pytest.mark.parametrize(
    ("request_", "price"),
    [
        (buy("a", "100.01"), "100.01"),
        (buy("a", "100.02"), "100.01"),
        (buy("a", "105"), "100.01"),
        (buy("a", "100"), None),
        (buy("a", "99.99"), None),
        (sell("a", "99.99"), "99.99"),
        (sell("a", "99.98"), "99.99"),
        (sell("a", "50"), "99.99"),
        (sell("a", "100"), None),
        (sell("a", "100.01"), None),
    ],
)
def test_an_order_beyond_the_last_price_takes_one_tick_worse_within_its_limit(
    request_: OrderRequest, price: str | None
) -> None:
    engine = make_engine()
    reports = engine.place(request_, 5)
    assert [brief(report) for report in reports[:1]] == [("a", OPEN, "0")]
    if price is None:
        assert len(reports) == 1
        return
    (fill,) = reports[1].fills
    assert (brief(reports[1]), fill.price, fill.is_maker) == (("a", FILLED, "1"), D(price), False)


def test_a_taker_of_an_untidy_last_price_still_trades_on_the_tick() -> None:
    engine = make_engine(last="100.004")
    (fill,) = engine.place(buy("a", "101"), 5)[1].fills
    assert fill.price == D("100.02")


@pytest.mark.parametrize("request_", [buy("a", "100.01", post_only=True), sell("a", "99.99", post_only=True)])
def test_a_post_only_order_that_would_take_is_rejected(request_: OrderRequest) -> None:
    engine = make_engine()
    with pytest.raises(PostOnlyRejected, match=r"must not cross the last price 100, was"):
        engine.place(request_, 5)
    assert engine.balances() == make_engine().balances()


@pytest.mark.parametrize("request_", [buy("a", "100", post_only=True), sell("a", "100", post_only=True)])
def test_a_post_only_order_at_the_last_price_rests(request_: OrderRequest) -> None:
    assert [brief(report) for report in make_engine().place(request_, 5)] == [("a", OPEN, "0")]


def test_before_the_first_trade_every_order_rests() -> None:
    engine = make_engine(last=None)
    assert [brief(report) for report in engine.place(buy("a", "500", post_only=True), 5)] == [("a", OPEN, "0")]


def test_what_a_taker_did_not_need_is_free_again() -> None:
    engine = make_engine()
    engine.place(buy("a", "110", "2"), 5)
    assert of(engine, "USDT") == (D("9799.98"), D(0))
    assert of(engine, "BTC") == (D("11.996"), D(0))


# Resting orders


@pytest.mark.parametrize(
    ("options", "request_", "price", "fills"),
    [
        (MatchingOptions(), buy("a", "99"), "99.01", False),
        (MatchingOptions(), buy("a", "99"), "99.00", False),
        (MatchingOptions(), buy("a", "99"), "98.99", True),
        (MatchingOptions(), sell("a", "101"), "100.99", False),
        (MatchingOptions(), sell("a", "101"), "101.00", False),
        (MatchingOptions(), sell("a", "101"), "101.01", True),
        (TOUCH, buy("a", "99"), "99.01", False),
        (TOUCH, buy("a", "99"), "99.00", True),
        (TOUCH, sell("a", "101"), "100.99", False),
        (TOUCH, sell("a", "101"), "101.00", True),
    ],
)
def test_a_resting_order_fills_at_its_own_price_when_the_market_goes_through_or_touches(
    options: MatchingOptions, request_: OrderRequest, price: str, fills: bool
) -> None:
    engine = make_engine(options=options)
    engine.place(request_, 5)
    reports = engine.trade(BTC, D(price), 9)
    if not fills:
        assert reports == ()
        return
    (report,) = reports
    (fill,) = report.fills
    assert brief(report) == ("a", FILLED, "1")
    assert (fill.price, fill.is_maker, fill.at_ms, report.at_ms) == (request_.price, True, 9, 9)


def test_a_jump_fills_everything_it_passes_nearest_first_and_the_earlier_first() -> None:
    engine = make_engine()
    for name, price in (("far", "97"), ("near", "99"), ("second", "98"), ("third", "98"), ("below", "95")):
        engine.place(buy(name, price), 5)
    engine.place(sell("above", "101"), 5)
    reports = engine.trade(BTC, D(96), 9)
    assert [report.client_order_id for report in reports] == ["near", "second", "third", "far"]
    assert [report.fills[0].price for report in reports] == [D(99), D(98), D(98), D(97)]
    assert [report.fills[0].trade_id for report in reports] == ["1", "2", "3", "4"]
    assert [report.client_order_id for report in engine.open_orders(BTC)] == ["below", "above"]


def test_own_orders_never_trade_with_each_other() -> None:
    engine = make_engine()
    engine.place(sell("s", "100"), 5)
    (_, taken) = engine.place(buy("b", "100.01"), 6)
    assert taken.fills[0].price == D("100.01")
    assert [brief(report) for report in engine.open_orders(BTC)] == [("s", OPEN, "0")]


# Fees


@pytest.mark.parametrize(
    ("market", "side", "fee", "currency", "btc", "usdt"),
    [
        (MARKET, Side.BUY, "0.00033300", "BTC", "10.33266700", "9967.03300"),
        (MARKET, Side.SELL, "0.03363300", "USDT", "9.667", "10033.59936700"),
        (QUOTE_FEES, Side.BUY, "0.03296700", "USDT", "10.333", "9967.00003300"),
        (QUOTE_FEES, Side.SELL, "0.03363300", "USDT", "9.667", "10033.59936700"),
    ],
)
def test_fees_are_taken_in_the_right_currency(
    market: Market, side: Side, fee: str, currency: str, btc: str, usdt: str
) -> None:
    engine = make_engine(market)
    engine.place(make_request("a", side, "99" if side is Side.BUY else "101", "0.333"), 5)
    (report,) = engine.trade(BTC, D(90) if side is Side.BUY else D(110), 9)
    expected = Fill(
        trade_id="1",
        price=report.price,
        amount=D("0.333"),
        fee=D(fee),
        fee_currency=currency,
        is_maker=True,
        at_ms=9,
    )
    assert report.fills == (expected,)
    assert of(engine, "BTC") == (D(btc), D(0))
    assert of(engine, "USDT") == (D(usdt), D(0))
    assert engine.fees()[currency] == D(fee)


def test_takers_pay_the_taker_rate_and_makers_the_maker_rate() -> None:
    engine = make_engine()
    (_, taken) = engine.place(buy("taker", "101"), 5)
    engine.place(buy("maker", "99"), 5)
    (made,) = engine.trade(BTC, D(98), 6)
    assert (taken.fills[0].fee, made.fills[0].fee) == (D("0.002"), D("0.001"))


@pytest.mark.parametrize(
    ("rate", "fee"),
    [("0.000000125", "0.00000012"), ("0.000000375", "0.00000038"), ("-0.0000001", "-0.00000010")],
)
def test_fees_are_rounded_to_eight_decimals_halves_to_even_and_rebates_are_negative(rate: str, fee: str) -> None:
    market = replace(MARKET, maker_fee_rate=D(rate))
    engine = make_engine(market)
    engine.place(buy("a", "99", "0.100"), 5)
    engine.place(buy("b", "99", "1"), 5)
    reports = engine.trade(BTC, D(98), 6)
    assert reports[1].fills[0].fee == D(fee)
    assert engine.totals() == BALANCES


def test_a_fee_in_quote_never_exceeds_what_the_order_locked_for_it() -> None:
    """Three fills whose fees all round up may not draw on money that is not there."""
    market = replace(QUOTE_FEES, maker_fee_rate=D("0.00000006"), taker_fee_rate=D("0.00000006"), notional_min=D(0))
    options = MatchingOptions(partial_fill_chance=D(1), seed=3)
    engine = make_engine(market, balances={"USDT": D("0.40000003")}, options=options, last="200")
    engine.place(buy("a", "100", "0.004"), 5)
    assert of(engine, "USDT") == (D(0), D("0.40000003"))
    fees = []
    while engine.open_orders(BTC):
        (report,) = engine.trade(BTC, D(99), 6)
        fees.append(report.fills[0].fee)
    assert sum(fees) <= D("0.00000003")
    assert of(engine, "USDT")[0] >= 0
    assert of(engine, "USDT")[1] == 0


# Partial fills


def partial_engine() -> MatchingEngine:
    return make_engine(options=MatchingOptions(partial_fill_chance=D(1), seed=1))


def test_a_partial_fill_leaves_the_rest_for_the_next_trade() -> None:
    engine = partial_engine()
    engine.place(buy("a", "99", "0.100"), 5)
    (first,) = engine.trade(BTC, D(98), 6)
    assert first.status is PARTIAL
    assert engine.trade(BTC, D(99), 7) == ()
    (second,) = engine.trade(BTC, D(98), 8)
    assert second.filled == first.filled + second.fills[0].amount
    assert len(second.fills) == 1
    assert engine.order(BTC, "a").fills == (*first.fills, *second.fills)


def test_partial_fills_are_whole_lots_and_end_in_the_whole_amount() -> None:
    engine = partial_engine()
    engine.place(sell("a", "101", "0.100"), 5)
    amounts = []
    while engine.open_orders(BTC):
        (report,) = engine.trade(BTC, D(102), 6)
        amounts.append(report.fills[0].amount)
    assert sum(amounts) == D("0.1")
    assert len(amounts) > 2
    assert all(amount >= D("0.001") and amount % D("0.001") == 0 for amount in amounts)
    assert report.status is FILLED


def test_a_single_lot_is_never_split() -> None:
    engine = make_engine(replace(MARKET, notional_min=D(0)), options=MatchingOptions(partial_fill_chance=D(1), seed=1))
    engine.place(buy("a", "99", "0.001"), 5)
    assert [brief(report) for report in engine.trade(BTC, D(98), 6)] == [("a", FILLED, "0.001")]


def test_partial_fills_depend_on_the_seed_and_the_order_alone() -> None:
    def amounts(seed: int) -> list[Decimal]:
        engine = make_engine(options=MatchingOptions(partial_fill_chance=D("0.5"), seed=seed))
        for index in range(20):
            engine.place(buy(f"o{index}", "99", "0.100"), 5)
        return [report.filled for report in engine.trade(BTC, D(98), 6)]

    assert amounts(1) == amounts(1)
    assert amounts(1) != amounts(2)
    assert {amount == D("0.1") for amount in amounts(1)} == {True, False}


@pytest.mark.parametrize("chance", ["-0.1", "1.1"])
def test_a_chance_is_a_fraction(chance: str) -> None:
    with pytest.raises(ValueError, match=r"a chance must be a fraction in \[0, 1\]"):
        make_engine(options=MatchingOptions(partial_fill_chance=D(chance)))


# Cancelling and asking


def test_cancelling_frees_what_the_order_locked() -> None:
    engine = make_engine()
    engine.place(buy("a", "99", "2"), 5)
    report = engine.cancel(BTC, "a", 8)
    assert (brief(report), report.at_ms) == (("a", CANCELED, "0"), 8)
    assert engine.balances()["USDT"] == Balance(free=D(10_000), locked=D(0))


def test_cancelling_a_part_filled_order_frees_the_rest_and_keeps_the_fill() -> None:
    engine = partial_engine()
    engine.place(buy("a", "99", "0.100"), 5)
    (part,) = engine.trade(BTC, D(98), 6)
    report = engine.cancel(BTC, "a", 8)
    assert brief(report) == ("a", CANCELED, str(part.filled))
    assert report.fills == part.fills
    assert of(engine, "USDT") == (10_000 - 99 * part.filled, D(0))
    assert engine.trade(BTC, D(90), 9) == ()


def test_only_an_open_order_can_be_cancelled() -> None:
    engine = make_engine()
    engine.place(buy("filled", "99"), 5)
    engine.trade(BTC, D(98), 6)
    engine.place(buy("canceled", "97"), 7)
    engine.cancel(BTC, "canceled", 8)
    for client_order_id in ("filled", "canceled", "never"):
        with pytest.raises(OrderNotFound, match=f"no open order {client_order_id} on BTC/USDT"):
            engine.cancel(BTC, client_order_id, 9)


def test_an_order_is_found_by_its_client_id_with_all_of_its_fills_open_or_closed() -> None:
    engine = make_engine()
    (opened,) = engine.place(buy("a", "99"), 5)
    assert engine.order(BTC, "a") == opened
    (filled,) = engine.trade(BTC, D(98), 6)
    assert engine.order(BTC, "a") == filled
    assert without_fills(filled) == OrderReport(
        client_order_id="a",
        symbol=BTC,
        side=Side.BUY,
        price=D(99),
        amount=D(1),
        status=FILLED,
        filled=D(1),
        at_ms=6,
    )


@pytest.mark.parametrize(("symbol", "client_order_id"), [(BTC, "b"), ("ETH/USDT", "a")])
def test_an_order_unknown_on_the_symbol_is_not_found(symbol: str, client_order_id: str) -> None:
    engine = make_engine()
    engine.place(buy("a", "99"), 5)
    with pytest.raises(OrderNotFound):
        engine.order(symbol, client_order_id)


def test_closed_orders_are_forgotten_when_there_are_too_many() -> None:
    engine = make_engine(options=MatchingOptions(closed_orders_kept=2))
    for index in range(4):
        engine.place(buy(f"o{index}", "99"), 5)
    for index in range(3):
        engine.cancel(BTC, f"o{index}", 6)
    with pytest.raises(OrderNotFound):
        engine.order(BTC, "o0")
    assert [engine.order(BTC, f"o{index}").status for index in (1, 2, 3)] == [CANCELED, CANCELED, OPEN]


def test_open_orders_are_told_oldest_first_foreign_ones_too() -> None:
    engine = make_engine()
    engine.place(buy("ours", "98"), 5)
    engine.place(sell("somebody-elses-7", "101"), 6)
    engine.place(buy("newest", "99"), 7)
    assert [report.client_order_id for report in engine.open_orders(BTC)] == [
        "ours",
        "somebody-elses-7",
        "newest",
    ]


def test_trade_ids_count_up_on_each_symbol() -> None:
    other = replace(MARKET, symbol="ETH/USDT", base="ETH")
    engine = MatchingEngine(markets=[MARKET, other], balances=BALANCES, options=MatchingOptions())
    engine.trade(BTC, D(100), 0)
    engine.trade("ETH/USDT", D(100), 0)
    ids = [
        engine.place(replace(buy(f"o{index}", "101"), symbol=symbol), 5)[1].fills[0].trade_id
        for index, symbol in enumerate((BTC, "ETH/USDT", BTC, BTC, "ETH/USDT"))
    ]
    assert ids == ["1", "1", "2", "3", "2"]


# The quiet band


def test_the_quiet_band_lies_between_the_nearest_orders() -> None:
    engine = make_engine()
    assert engine.quiet_band(BTC) == QuietBand(D(0), D("Infinity"))
    for name, price in (("a", "98"), ("b", "99")):
        engine.place(buy(name, price), 5)
    for name, price in (("c", "103"), ("d", "101")):
        engine.place(sell(name, price), 5)
    assert engine.quiet_band(BTC) == QuietBand(D(99), D(101))
    engine.cancel(BTC, "b", 6)
    engine.trade(BTC, D(102), 7)
    assert engine.quiet_band(BTC) == QuietBand(D(98), D(103))


# For all


@dataclass(frozen=True)
class Place:
    side: Side
    cents: int
    lots: int
    post_only: bool


@dataclass(frozen=True)
class Cancel:
    number: int


@dataclass(frozen=True)
class Trade:
    mills: int


ORDERS = st.builds(Place, st.sampled_from(list(Side)), st.integers(9_900, 10_100), st.integers(1, 3_000), st.booleans())
CANCELS = st.builds(Cancel, st.integers(0, 40))
TRADES = st.builds(Trade, st.integers(98_900, 101_100))


@given(
    steps=st.lists(st.one_of(ORDERS, CANCELS, TRADES), max_size=60),
    fill=st.sampled_from(list(FillModel)),
    chance=st.sampled_from([D(0), D("0.5"), D(1)]),
    fee_currency=st.sampled_from(list(FeeCurrency)),
    maker=st.sampled_from([D(0), D("0.001"), D("-0.00025"), D("0.00123456789")]),
    quote=st.sampled_from([D(50), D("99.87654321"), D(10_000)]),
)
def test_no_order_flow_creates_or_loses_money(
    steps: list[Place | Cancel | Trade],
    fill: FillModel,
    chance: Decimal,
    fee_currency: FeeCurrency,
    maker: Decimal,
    quote: Decimal,
) -> None:
    market = replace(MARKET, fee_currency=fee_currency, maker_fee_rate=maker, notional_min=D(0))
    balances = {"BTC": D("1.00000001"), "USDT": quote}
    options = MatchingOptions(fill=fill, partial_fill_chance=chance, seed=5, open_orders_max=10)
    engine = make_engine(market, balances=balances, options=options)
    for index, step in enumerate(steps):
        match step:
            case Place():
                price, amount = str(D(step.cents) / 100), str(step.lots * D("0.001"))
                request = make_request(f"o{index}", step.side, price, amount, post_only=step.post_only)
                place_if_allowed(engine, request, index)
            case Cancel():
                if f"o{step.number}" in {report.client_order_id for report in engine.open_orders(BTC)}:
                    engine.cancel(BTC, f"o{step.number}", index)
            case Trade():
                trade_outside_the_band_only(engine, D(step.mills) / 1000, index)
        check_books(engine, balances)


def trade_outside_the_band_only(engine: MatchingEngine, price: Decimal, at_ms: int) -> None:
    band = engine.quiet_band(BTC)
    reports = engine.trade(BTC, price, at_ms)
    assert not (reports and band.low < price < band.high)


def place_if_allowed(engine: MatchingEngine, request: OrderRequest, at_ms: int) -> None:
    before = engine.balances()
    try:
        engine.place(request, at_ms)
    except Rejected:
        assert engine.balances() == before


def check_books(engine: MatchingEngine, paid_in: dict[str, Decimal]) -> None:
    assert engine.totals() == paid_in
    assert all(balance.free >= 0 and balance.locked >= 0 for balance in engine.balances().values())
    opened = engine.open_orders(BTC)
    left = [(report.side, report.price, report.amount - report.filled) for report in opened]
    assert of(engine, "BTC")[1] == sum((amount for side, _, amount in left if side is Side.SELL), D(0))
    cost = sum((price * amount for side, price, amount in left if side is Side.BUY), D(0))
    assert cost <= of(engine, "USDT")[1] <= cost * D("1.003") + D("0.0000002")
    for report in opened:
        assert report.filled == sum((fill.amount for fill in report.fills), D(0)) < report.amount


def test_news_of_a_trade_fills_nothing_that_was_accepted_after_it() -> None:
    engine = make_engine()
    engine.place(buy("early", "99"), 5)
    engine.place(buy("late", "98"), 9)
    assert [brief(report) for report in engine.trade(BTC, D(90), 8)] == [("early", FILLED, "1")]
    assert [brief(report) for report in engine.trade(BTC, D(90), 9)] == [("late", FILLED, "1")]


def test_an_execution_found_late_is_booked_after_what_is_booked_already() -> None:
    engine = make_engine()
    engine.place(buy("early", "99"), 5)
    engine.place(buy("taker", "105"), 20)
    engine.trade(BTC, D(90), 8)
    assert [(own.client_order_id, own.fill.at_ms) for own in engine.recent_fills(BTC)] == [("taker", 20), ("early", 20)]

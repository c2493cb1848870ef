"""Swaps on the simulated exchange, by hand: wallets, margins, reduce-only orders, funding, liquidation."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.exchange.funding import FundingRates, funding_amount, next_funding_ms
from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.port import Balance
from engine.exchange.positions import MarginTerms
from engine.model.actions import QuietBand
from engine.model.errors import Rejected
from engine.model.grid import MarginMode
from engine.model.order import OrderStatus, Side
from engine.model.swap import FundingPayment, Liquidation, Position
from tests.exchange.simulated_builders import BALANCES, BTC, MARKET, brief, buy
from tests.exchange.swap_builders import (
    BTC_SWAP,
    CROSS,
    ETH_SWAP,
    HOUR_MS,
    ISOLATED,
    OTHER_SWAP,
    SWAP,
    fill,
    insured,
    swap_engine,
    swap_order,
    wallet_of,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
INFINITY = D("Infinity")


def of(engine: MatchingEngine) -> tuple[object, ...]:
    """Free and locked quote."""
    balance = engine.balances()["USDT"]
    return balance.free, balance.locked


def position_of(engine: MatchingEngine, symbol: str = BTC_SWAP) -> Position:
    return engine.positions()[symbol]


# Wallet and profit


def test_the_account_of_a_swap_holds_quote_only() -> None:
    assert swap_engine().balances() == {"USDT": Balance(free=D(1000), locked=D(0))}


@pytest.mark.parametrize("mode", list(MarginMode))
def test_fills_move_the_wallet_by_profit_and_fees(mode: MarginMode) -> None:
    """side, price and amount of a maker's fill; wallet, position and entry price after it."""
    table = [
        (BUY, "99", "1", "999.9802", "1", "99"),
        (BUY, "97", "1", "999.9608", "2", "98"),
        (SELL, "101", "0.5", "1001.4507", "1.5", "98"),
        (SELL, "102", "2", "1007.4099", "-0.5", "102"),
        (BUY, "95", "0.5", "1010.9004", None, None),
    ]
    engine = swap_engine(mode=mode)
    for side, price, amount, wallet, position, entry_price in table:
        fill(engine, side, price, amount)
        assert wallet_of(engine) == D(wallet)
        held = engine.positions().get(BTC_SWAP)
        assert (held and held.amount, held and held.entry_price) == (
            position and D(position),
            entry_price and D(entry_price),
        )
    assert of(engine) == (D("1010.9004"), 0)
    assert engine.fees() == {"USDT": D("0.0198") + D("0.0194") + D("0.0101") + D("0.0408") + D("0.0095")}
    assert engine.totals() == {"USDT": D(1000)}


def test_a_resting_order_binds_its_margin_and_the_worst_fee_until_it_is_gone() -> None:
    engine = swap_engine(leverage="10")
    engine.place(swap_order("a", BUY, "90", "2"), 1)
    assert of(engine) == (D("981.91"), D("18.09"))
    engine.place(swap_order("b", SELL, "110", "1"), 1)
    assert of(engine) == (D("970.855"), D("29.145"))
    engine.cancel(BTC_SWAP, "a", 2)
    engine.cancel(BTC_SWAP, "b", 2)
    assert of(engine) == (1000, 0)


def test_a_sell_that_takes_binds_what_it_will_trade_for() -> None:
    engine = swap_engine("10", leverage="10")
    with pytest.raises(Rejected, match=r"insufficient margin: 10\.05 USDT needed, 10 free"):
        engine.place(swap_order("a", SELL, "50"), 1)


def test_a_position_binds_its_initial_margin_and_cross_its_floating_loss() -> None:
    """Long 1 at 100, ten times: 10 of margin; at 97 cross has lost 3 more, an isolated one has 10 all the same."""
    table = [(CROSS, "100", "989.98", "10"), (CROSS, "97", "986.98", "13"), (CROSS, "105", "989.98", "10")]
    table += [(ISOLATED, "100", "989.98", "10"), (ISOLATED, "97", "989.98", "10")]
    for mode, mark, free, locked in table:
        engine = swap_engine(mode=mode)
        fill(engine, BUY, "100")
        engine.trade(BTC_SWAP, D(mark), 2)
        assert of(engine) == (D(free), D(locked))


def test_what_orders_and_positions_bind_new_orders_cannot_use() -> None:
    engine = swap_engine("25", leverage="10")
    fill(engine, BUY, "100")
    engine.place(swap_order("a", BUY, "90"), 2)
    with pytest.raises(Rejected, match=r"insufficient margin: 8\.04 USDT needed, 5\.935 free"):
        engine.place(swap_order("b", BUY, "80"), 2)
    with pytest.raises(Rejected, match=r"insufficient funds: 6 USDT needed, 5\.935 free"):
        engine.transfer("USDT", D(-6))


def test_a_spot_order_cannot_use_what_a_swap_binds_and_stays_as_it_was_otherwise() -> None:
    engine = swap_engine(markets=(MARKET, SWAP), balances=BALANCES)
    engine.trade(BTC, D(100), 0)
    engine.place(buy("spot", "99", "2"), 1)
    assert of(engine) == (D(10_000) - 198, 198)
    fill(engine, SELL, "100", "100")
    assert of(engine) == (D("10000") - 198 - 2 - 1000, 1198)
    with pytest.raises(Rejected, match=r"insufficient funds: 8900 USDT needed, 8800 free"):
        engine.place(buy("more", "89", "100"), 2)
    engine.trade(BTC, D(98), 3)
    assert of(engine) == (D("10000") - 198 - 2 - 1000, 1000)
    assert engine.balances()["BTC"] == Balance(free=D("11.998"), locked=D(0))
    assert engine.totals() == BALANCES


# Reduce-only


@pytest.mark.parametrize(("opened", "side"), [(None, BUY), (None, SELL), (BUY, BUY), (SELL, SELL)])
def test_a_reduce_only_order_without_a_position_to_reduce_is_rejected(opened: Side | None, side: Side) -> None:
    engine = swap_engine()
    if opened is not None:
        fill(engine, opened, "100")
    with pytest.raises(Rejected, match=f"a reduce-only {side} needs a position to reduce, found none on BTC/USDT"):
        engine.place(swap_order("exit", side, "101", reduce_only=True), 2)


def test_a_reduce_only_order_binds_nothing() -> None:
    engine = swap_engine("10.05", leverage="10")
    fill(engine, BUY, "100")
    assert of(engine) == (D("0.03"), 10)
    engine.place(swap_order("exit", SELL, "110", reduce_only=True), 2)
    assert of(engine) == (D("0.03"), 10)


def test_a_reduce_only_order_is_trimmed_to_the_position_and_the_rest_is_canceled() -> None:
    engine = swap_engine()
    fill(engine, BUY, "100", "1")
    engine.place(swap_order("a", SELL, "110", "0.7", reduce_only=True), 2)
    engine.place(swap_order("b", SELL, "111", "0.7", reduce_only=True), 2)
    engine.place(swap_order("c", SELL, "112", "0.7", reduce_only=True), 2)
    reports = engine.trade(BTC_SWAP, D(120), 3)
    assert [(brief(report), report.reason) for report in reports] == [
        (("a", OrderStatus.FILLED, "0.7"), ""),
        (("b", OrderStatus.PARTIALLY_FILLED, "0.3"), ""),
        (("b", OrderStatus.CANCELED, "0.3"), "reduce-only: no position is left to reduce"),
        (("c", OrderStatus.CANCELED, "0"), "reduce-only: no position is left to reduce"),
    ]
    assert (engine.positions(), engine.open_orders(BTC_SWAP)) == ({}, ())


def test_a_reduce_only_order_that_takes_is_trimmed_at_once() -> None:
    engine = swap_engine()
    fill(engine, SELL, "100", "1")
    reports = engine.place(swap_order("exit", BUY, "105", "3", reduce_only=True), 2)
    assert [brief(report) for report in reports] == [
        ("exit", OrderStatus.OPEN, "0"),
        ("exit", OrderStatus.PARTIALLY_FILLED, "1"),
        ("exit", OrderStatus.CANCELED, "1"),
    ]
    assert wallet_of(engine) == 1000 - D("0.02") - D("0.1") - D("0.05005")


def test_a_spot_market_knows_no_reduce_only() -> None:
    engine = MatchingEngine(markets=[MARKET], balances=BALANCES, options=MatchingOptions())
    with pytest.raises(Rejected, match="a reduce-only order needs a swap, found BTC/USDT"):
        engine.place(replace(buy("a", "99"), reduce_only=True), 1)


def test_what_the_account_cannot_carry_is_canceled_when_it_would_fill() -> None:
    """Long 10 at 100 with 29.8: ten more at 98.1 leave 2.7558 above the maintenance of both, at 97.6 2.2032 less."""
    engine = swap_engine("30", leverage="100")
    fill(engine, BUY, "100", "10")
    engine.place(swap_order("more", BUY, "98.1", "10"), 2)
    (report,) = engine.trade(BTC_SWAP, D("97.9"), 3)
    assert brief(report) == ("more", OrderStatus.FILLED, "10")
    engine = swap_engine("30", leverage="100")
    fill(engine, BUY, "100", "10")
    engine.place(swap_order("more", BUY, "97.6", "10"), 2)
    (report,) = engine.trade(BTC_SWAP, D("97.5"), 3)
    assert (brief(report), report.reason) == (
        ("more", OrderStatus.CANCELED, "0"),
        "insufficient margin when it was to fill",
    )


# Leverage


@pytest.mark.parametrize("leverage", ["0.9", "100.1", "-3"])
def test_leverage_outside_the_markets_is_rejected(leverage: str) -> None:
    with pytest.raises(Rejected, match=f"leverage on {BTC_SWAP} must be between 1 and 100, was {leverage}"):
        swap_engine().set_leverage(BTC_SWAP, MarginTerms(leverage=D(leverage)))


def test_a_spot_market_has_no_leverage() -> None:
    engine = swap_engine(markets=(MARKET, SWAP), balances=BALANCES)
    with pytest.raises(Rejected, match="leverage needs a swap, found BTC/USDT"):
        engine.set_leverage(BTC, MarginTerms())


def test_other_terms_change_what_positions_and_orders_bind() -> None:
    engine = swap_engine(leverage="10", mode=ISOLATED)
    fill(engine, BUY, "100")
    engine.place(swap_order("a", BUY, "90"), 2)
    assert of(engine) == (D("999.98") - D("19.045"), D("19.045"))
    for leverage, mode, margin, locked in [
        ("5", ISOLATED, "20", "38.045"),
        ("20", ISOLATED, "5", "9.545"),
        ("20", CROSS, "5", "9.545"),
        ("10", ISOLATED, "10", "19.045"),
    ]:
        engine.set_leverage(BTC_SWAP, MarginTerms(leverage=D(leverage), mode=mode))
        position = position_of(engine)
        assert (position.leverage, position.mode, position.margin) == (D(leverage), mode, D(margin))
        assert of(engine) == (D("999.98") - D(locked), D(locked))
    assert {order.client_order_id for order in engine.take_changes()} >= {"a"}


@pytest.mark.parametrize(
    ("wallet", "before", "after"),
    [
        ("25", MarginTerms(leverage=D(10), mode=ISOLATED), MarginTerms(leverage=D(4), mode=ISOLATED)),
        ("25", MarginTerms(leverage=D(10), mode=CROSS), MarginTerms(leverage=D(4), mode=CROSS)),
        ("25", MarginTerms(leverage=D(10), mode=ISOLATED), MarginTerms(leverage=D(50), mode=ISOLATED)),
        ("25", MarginTerms(leverage=D(10), mode=CROSS), MarginTerms(leverage=D(50), mode=ISOLATED)),
    ],
)
def test_terms_that_what_is_there_cannot_be_carried_with_are_rejected(
    wallet: str, before: MarginTerms, after: MarginTerms
) -> None:
    """Long 1 at 100, the mark at 97: a quarter of it is not there, and a fiftieth would not stand for the loss."""
    engine = swap_engine(wallet, leverage="10", mode=before.mode)
    fill(engine, BUY, "100")
    engine.trade(BTC_SWAP, D(97), 2)
    was = engine.state(), of(engine), position_of(engine)
    with pytest.raises(Rejected, match=f"the account cannot carry {BTC_SWAP} with {after.mode} margin and leverage"):
        engine.set_leverage(BTC_SWAP, after)
    assert (engine.state(), of(engine), position_of(engine)) == was


# Funding


def test_funding_of_a_day_is_paid_by_who_is_long_and_received_by_who_is_short() -> None:
    """Two at 100: 8 h at 100, 110 and 90 at a rate of 0.0001 are 0.02, 0.022 and 0.018."""
    table = [(8, "100", "0.02"), (16, "110", "0.022"), (24, "90", "0.018")]
    for side, sign in ((BUY, -1), (SELL, 1)):
        for mode in MarginMode:
            engine = swap_engine(leverage="4", mode=mode)
            fill(engine, side, "100", "2", at_ms=5)
            wallet, margin = wallet_of(engine), position_of(engine).margin
            for hours, mark, amount in table:
                assert engine.funding_due_ms() == {BTC_SWAP: hours * HOUR_MS}
                engine.trade(BTC_SWAP, D(mark), hours * HOUR_MS - 1)
                assert engine.fund(BTC_SWAP, hours * HOUR_MS) == ()
                assert engine.take_news() == (
                    FundingPayment(
                        symbol=BTC_SWAP,
                        funding_id=str(hours * HOUR_MS),
                        amount=sign * D(amount),
                        rate=D("0.0001"),
                        position=-2 * D(sign),
                        mark_price=D(mark),
                        at_ms=hours * HOUR_MS,
                    ),
                )
            assert wallet_of(engine) == wallet + sign * D("0.06")
            paid_from_margin = sign * D("0.06") if mode is ISOLATED else 0
            assert position_of(engine).margin == margin + paid_from_margin
            assert engine.totals() == {"USDT": D(1000)}


def test_who_is_flat_pays_no_funding_and_who_opens_at_the_time_pays_the_next() -> None:
    engine = swap_engine()
    assert engine.funding_due_ms() == {}
    fill(engine, BUY, "100", at_ms=8 * HOUR_MS)
    assert engine.funding_due_ms() == {BTC_SWAP: 16 * HOUR_MS}
    fill(engine, SELL, "100", "2", at_ms=9 * HOUR_MS)
    assert engine.funding_due_ms() == {BTC_SWAP: 16 * HOUR_MS}
    fill(engine, BUY, "100", at_ms=9 * HOUR_MS)
    assert engine.funding_due_ms() == {}


@pytest.mark.parametrize(
    ("position", "mark", "rate", "amount"),
    [
        ("1", "0.25", "0.0000001", "-0.00000002"),
        ("-1", "0.35", "0.0000001", "0.00000004"),
        ("1.5", "60000.1", "-0.000125", "11.25001875"),
        ("0.001", "60000.1", "0.0001", "-0.00600001"),
    ],
)
def test_funding_is_rounded_to_eight_decimals_halves_to_even(position: str, mark: str, rate: str, amount: str) -> None:
    assert funding_amount(D(position), D(mark), D(rate)) == D(amount)


def test_funding_is_due_at_whole_multiples_later_than_now() -> None:
    assert [next_funding_ms(at_ms, 8) for at_ms in (0, 1, 7, 8, 9)] == [8, 8, 8, 16, 16]


def test_rates_stray_within_their_spread_by_seed_symbol_and_time_alone() -> None:
    rates = FundingRates(rate=D("0.0001"), by_symbol={ETH_SWAP: D("-0.0002")}, spread=D("0.00005"), seed=3)
    path = [rates.rate_at(BTC_SWAP, hours * HOUR_MS) for hours in range(0, 800, 8)]
    assert path == [rates.rate_at(BTC_SWAP, hours * HOUR_MS) for hours in range(0, 800, 8)]
    assert path != [replace(rates, seed=4).rate_at(BTC_SWAP, hours * HOUR_MS) for hours in range(0, 800, 8)]
    assert D("0.00005") <= min(path) < D("0.00006")
    assert D("0.00014") < max(path) <= D("0.00015")
    assert all(rate == rate.quantize(D("0.00000001")) for rate in path)
    assert D("-0.00025") <= rates.rate_at(ETH_SWAP, 0) <= D("-0.00015")
    assert FundingRates().rate_at(ETH_SWAP, 0) == D("0.0001")


def test_funding_can_be_the_loss_of_a_position() -> None:
    """Isolated margin 10 of long 1 at 100; at 91 there is 1 left, of which 0.364 maintain: 0.91 is too much."""
    rates = MatchingOptions(funding=FundingRates(rate=D("0.01")))
    engine = swap_engine(mode=ISOLATED, options=rates)
    fill(engine, BUY, "100")
    engine.place(swap_order("exit", SELL, "110", reduce_only=True), 2)
    engine.trade(BTC_SWAP, D(91), 3)
    assert engine.take_news() == ()
    (report,) = engine.fund(BTC_SWAP, 8 * HOUR_MS)
    assert (brief(report), report.reason) == (("exit", OrderStatus.CANCELED, "0"), "the position was liquidated")
    payment, lost = engine.take_news()
    assert isinstance(payment, FundingPayment)
    assert payment.amount == D("-0.91")
    assert isinstance(lost, Liquidation)
    assert lost.price == 91
    # 10 of margin less 0.91 of funding, 9 of loss and 0.0455 of fee: 0.0445 come back.
    assert wallet_of(engine) == 1000 - D("0.02") - 10 + D("0.0445")


# Liquidation


@pytest.mark.parametrize(
    ("mode", "wallet", "side", "price", "carried", "lost", "left", "fee"),
    [
        # (100 - 10) / 0.996 = 90.36...; 10 - 9.7 - 0.04515 come back
        (ISOLATED, "1000", BUY, "90.361445783133", "90.4", "90.3", "990.23485", "0.04515"),
        # (100 + 10) / 1.004 = 109.56...; 10 - 9.6 - 0.0548 come back
        (ISOLATED, "1000", SELL, "109.561752988047", "109.5", "109.6", "990.3252", "0.0548"),
        # (100 - 49.98) / 0.996; 49.98 - 49.8 - 0.0251 are left
        (CROSS, "50", BUY, "50.220883534137", "50.3", "50.2", "0.1549", "0.0251"),
        # (100 + 49.98) / 1.004; 49.98 - 49.4 - 0.0747 are left
        (CROSS, "50", SELL, "149.382470119521", "149.3", "149.4", "0.5053", "0.0747"),
    ],
)
def test_a_position_is_lost_when_what_backs_it_is_no_more_than_maintenance(
    mode: MarginMode, wallet: str, side: Side, price: str, carried: str, lost: str, left: str, fee: str
) -> None:
    engine = swap_engine(wallet, mode=mode)
    fill(engine, side, "100")
    assert position_of(engine).liquidation_price == D(price)
    assert engine.trade(BTC_SWAP, D(carried), 5) == ()
    assert engine.take_news() == ()
    engine.trade(BTC_SWAP, D(lost), 6)
    assert engine.take_news() == (
        Liquidation(
            symbol=BTC_SWAP,
            trade_id="L1",
            amount=D(-1) if side is BUY else D(1),
            price=D(lost),
            fee=D(fee),
            at_ms=6,
        ),
    )
    assert engine.positions() == {}
    assert (of(engine), insured(engine)) == ((D(left), 0), D(0))
    assert engine.totals() == {"USDT": D(wallet)}


@pytest.mark.parametrize(
    ("mode", "wallet", "side", "mark", "left", "insurance"),
    [
        # 20 lost and 0.04 of fee on a margin of 10
        (ISOLATED, "1000", BUY, "80", "989.98", "10.04"),
        (ISOLATED, "1000", SELL, "130", "989.98", "20.065"),
        # 60 lost and 0.02 of fee on a wallet of 49.98
        (CROSS, "50", BUY, "40", "0", "10.04"),
        (CROSS, "50", SELL, "170", "0", "20.105"),
    ],
)
def test_a_jump_costs_no_more_than_what_backs_a_position(
    mode: MarginMode, wallet: str, side: Side, mark: str, left: str, insurance: str
) -> None:
    engine = swap_engine(wallet, mode=mode)
    fill(engine, side, "100")
    engine.trade(BTC_SWAP, D(mark), 6)
    assert (of(engine), insured(engine)) == ((D(left), 0), D(insurance))
    assert engine.totals() == {"USDT": D(wallet)}


def test_a_long_that_the_wallet_backs_in_full_has_no_liquidation_price() -> None:
    engine = swap_engine("1000")
    fill(engine, BUY, "100")
    assert position_of(engine).liquidation_price is None
    fill(engine, SELL, "100", "2")
    assert position_of(engine).liquidation_price == D("1095.557768924302")  # (100 + 999.94) / 1.004


def test_open_orders_of_a_lost_position_are_cancelled_with_reports_and_others_stay() -> None:
    engine = swap_engine("100", markets=(SWAP, OTHER_SWAP))
    fill(engine, BUY, "100", "2")
    engine.place(swap_order("exit", SELL, "110", "2", reduce_only=True), 2)
    engine.place(swap_order("more", BUY, "45"), 2)
    engine.place(swap_order("other", BUY, "90", symbol=ETH_SWAP), 2)
    reports = engine.trade(BTC_SWAP, D(50), 3)
    assert [(brief(report), report.reason) for report in reports] == [
        (("exit", OrderStatus.CANCELED, "0"), "the position was liquidated"),
        (("more", OrderStatus.CANCELED, "0"), "the position was liquidated"),
    ]
    assert engine.open_orders(BTC_SWAP) == ()
    assert [report.client_order_id for report in engine.open_orders(ETH_SWAP)] == ["other"]
    assert engine.find(BTC_SWAP, "more").full_report().reason == "the position was liquidated"


def test_an_isolated_loss_leaves_the_others_alone_and_cross_positions_are_lost_together() -> None:
    engine = swap_engine("70", markets=(SWAP, OTHER_SWAP), mode=CROSS)
    fill(engine, BUY, "100")
    fill(engine, SELL, "100", symbol=ETH_SWAP)
    assert wallet_of(engine) == D("69.96")
    # each alone, the other at 100: 69.96 - 0.4 are left for the one
    assert position_of(engine).liquidation_price == D("30.562248995984")
    assert position_of(engine, ETH_SWAP).liquidation_price == D("168.884462151394")
    engine.trade(ETH_SWAP, D(140), 3)
    assert engine.take_news() == ()
    assert engine.quiet_band(BTC_SWAP).low < position_of(engine).entry_price
    assert position_of(engine).liquidation_price == D("70.883534136547")
    engine.trade(BTC_SWAP, D(70), 4)
    lost = [(one.symbol, one.trade_id) for one in engine.take_news() if isinstance(one, Liquidation)]
    assert lost == [(BTC_SWAP, "L1"), (ETH_SWAP, "L1")]
    # 69.96 - 30 - 40 - 0.035 - 0.07 is below nothing
    assert (of(engine), insured(engine)) == ((0, 0), D("0.145"))
    engine = swap_engine("70", markets=(SWAP, OTHER_SWAP), mode=ISOLATED)
    fill(engine, BUY, "100")
    fill(engine, SELL, "100", symbol=ETH_SWAP)
    engine.trade(BTC_SWAP, D(70), 4)
    assert list(engine.positions()) == [ETH_SWAP]


def test_the_quiet_band_ends_where_a_position_is_lost() -> None:
    engine = swap_engine(mode=ISOLATED)
    assert engine.quiet_band(BTC_SWAP) == QuietBand(D(0), INFINITY)
    fill(engine, BUY, "100")
    assert engine.quiet_band(BTC_SWAP) == QuietBand(D("90.361445783133"), INFINITY)
    engine.place(swap_order("a", BUY, "95"), 2)
    engine.place(swap_order("b", SELL, "105"), 2)
    assert engine.quiet_band(BTC_SWAP) == QuietBand(D(95), D(105))
    fill(engine, SELL, "100", "2")
    engine.cancel(BTC_SWAP, "b", 3)
    assert engine.quiet_band(BTC_SWAP) == QuietBand(D(95), D("109.561752988047"))


@pytest.mark.parametrize("mode", list(MarginMode))
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("entry", "amount", "leverage"), [("61.3", "1.7", "9"), ("99.9", "0.333", "25"), ("140", "3", "3")]
)
def test_the_liquidation_price_is_the_first_tick_at_which_it_happens(
    mode: MarginMode, side: Side, entry: str, amount: str, leverage: str
) -> None:
    """Tick by tick away from the entry, until it is lost."""
    engine = swap_engine("142", leverage=leverage, mode=mode)
    fill(engine, side, entry, amount)
    price = position_of(engine).liquidation_price
    step = D("-0.1") if side is BUY else D("0.1")
    mark = D(entry)
    while engine.positions() and mark > 0:
        mark += step
        engine.trade(BTC_SWAP, mark, 5)
    if price is None:
        assert engine.positions()
        return
    expected = SWAP.floor_price(price) if side is BUY else SWAP.ceil_price(price)
    (lost,) = engine.take_news()
    assert isinstance(lost, Liquidation)
    assert lost.price == expected


def test_an_order_that_closes_beyond_the_margin_costs_no_more_than_that_either() -> None:
    """Long 1 at 100 with a margin of 10, sold a tick under 90.5 at 89: 11 are lost; the fee is the wallet's."""
    engine = swap_engine(mode=ISOLATED, markets=(replace(SWAP, tick_size=D(1)),))
    engine.place(swap_order("entry", BUY, "100"), 1)
    engine.trade(BTC_SWAP, D(99), 1)
    engine.trade(BTC_SWAP, D("90.5"), 2)
    engine.place(swap_order("exit", SELL, "80", reduce_only=True), 3)
    assert (of(engine), insured(engine)) == ((1000 - D("0.02") - 10 - D("0.0445"), 0), D(1))
    assert engine.take_news() == ()

"""The books of a linear market: entry, realized profit, margin, funding, leverage."""

from decimal import Decimal

import pytest

from tests.loopback.scene import linear_market
from tests.loopback.venue import NewOrder, Refusal, RefusalReason, Side, Venue

D = Decimal

MARKET = "BTCUSDT.P"


def make_venue() -> Venue:
    """One swap at 60 000, ten thousand USDT, leverage 10."""
    venue = Venue([linear_market("BTC", "0.1", "0.001")], {"USDT": D(10_000)}, lambda: 1_700_000_000_000)
    venue.print_trade(MARKET, D(60_000))
    venue.set_leverage(MARKET, D(10))
    return venue


def trade(venue: Venue, side: Side, price: str, amount: str, *, reduce_only: bool = False) -> None:
    """A resting order that the market then touches."""
    venue.place(
        NewOrder(
            market=MARKET,
            side=side,
            amount=D(amount),
            price=D(price),
            client_id=f"g{len(venue.orders())}",
            reduce_only=reduce_only,
        )
    )
    venue.print_trade(MARKET, D(price))


def test_adding_averages_the_entry_and_reducing_realizes_profit() -> None:
    venue = make_venue()
    trade(venue, Side.BUY, "60000", "0.1")
    trade(venue, Side.BUY, "59000", "0.1")
    assert (venue.position(MARKET).size, venue.position(MARKET).entry) == (D("0.2"), D(59_500))
    trade(venue, Side.SELL, "60500", "0.1", reduce_only=True)
    assert (venue.position(MARKET).size, venue.position(MARKET).entry) == (D("0.1"), D(59_500))
    assert venue.trades()[-1].realized == D(100)
    fees = D("1.2") + D("1.18") + D("1.21")
    assert venue.ledger.totals["USDT"] == D(10_000) + D(100) - fees
    assert venue.balances()["USDT"].locked == D(595)


def test_a_fill_through_flat_turns_the_position_round_at_its_own_price() -> None:
    venue = make_venue()
    trade(venue, Side.BUY, "60000", "0.1")
    trade(venue, Side.SELL, "61000", "0.3")
    assert (venue.position(MARKET).size, venue.position(MARKET).entry) == (D("-0.2"), D(61_000))
    assert venue.trades()[-1].realized == D(100)


def test_longs_pay_a_positive_funding_rate() -> None:
    venue = make_venue()
    trade(venue, Side.BUY, "60000", "0.1")
    before = venue.ledger.totals["USDT"]
    assert venue.settle_funding(MARKET, D("0.0001")).amount == D("-0.6")
    assert venue.ledger.totals["USDT"] == before - D("0.6")
    assert [paid.amount for paid in venue.funding(MARKET)] == [D("-0.6")]


@pytest.mark.parametrize(("side", "amount"), [(Side.BUY, "0.1"), (Side.SELL, "0.2")])
def test_an_order_that_would_not_reduce_is_refused_as_reduce_only(side: Side, amount: str) -> None:
    venue = make_venue()
    trade(venue, Side.BUY, "60000", "0.1")
    with pytest.raises(Refusal) as refused:
        trade(venue, side, "60000", amount, reduce_only=True)
    assert refused.value.reason is RefusalReason.REDUCE_ONLY


def test_leverage_out_of_bounds_or_unchanged_is_refused() -> None:
    venue = make_venue()
    with pytest.raises(Refusal, match="leverage_same"):
        venue.set_leverage(MARKET, D(10))
    with pytest.raises(Refusal, match="leverage: leverage must be 1 to 100, was 101"):
        venue.set_leverage(MARKET, D(101))


def test_an_opening_order_needs_margin_and_a_closing_one_none() -> None:
    venue = make_venue()
    trade(venue, Side.BUY, "60000", "1.6")
    with pytest.raises(Refusal, match="funds"):
        trade(venue, Side.BUY, "60000", "0.2")
    trade(venue, Side.SELL, "60000", "1.6")
    assert venue.positions() == []
    assert venue.balances()["USDT"].locked == D(0)

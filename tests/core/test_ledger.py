"""The ledger against brute force: whole cycles booked by hand, fees in every currency, dust and shares."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.lattice import cycle_profit_rate
from engine.core.ledger import Ledger, adopt, book_fill, closed, fees_of, opened, part_of_lot, profit_at
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.slot import NO_LOT, Lot
from tests.builders import a_fill, a_lot, a_market

D = Decimal
MARKET = a_market()


def test_a_buy_with_its_fee_in_base_by_hand() -> None:
    fill = a_fill(price="61250.01", amount="0.00123", fee="0.00000123")
    assert book_fill(Ledger(), MARKET, Side.BUY, fill, ZERO) == Ledger(
        cash=D("-75.3375123"),
        base=D("0.00122877"),
        fees=(("BTC", D("0.00000123")),),
        fees_quote=D("0.0753375123"),
    )
    assert opened(NO_LOT, MARKET, Side.BUY, fill) == a_lot("0.00122877", "75.3375123")


def test_a_sale_with_its_fee_in_quote_by_hand() -> None:
    lot = a_lot("0.00122877", "75.3375123")
    fill = a_fill(price="62000", amount="0.00122", fee="0.07564", fee_currency="USDT")
    rest, realised = closed(lot, lot, MARKET, Side.SELL, fill)
    assert rest == a_lot("0.00000877", "0.537700287987")
    assert realised == D("75.64") - D("0.07564") - (lot.cost_quote - rest.cost_quote)
    assert book_fill(Ledger(), MARKET, Side.SELL, fill, realised) == Ledger(
        cash=D("75.56436"),
        base=D("-0.00122"),
        fees=(("USDT", D("0.07564")),),
        fees_quote=D("0.07564"),
        realised=realised,
    )


def test_a_fee_in_a_third_currency_is_counted_there_and_nowhere_else() -> None:
    fill = a_fill(fee="0.0002", fee_currency="BNB")
    ledger = book_fill(Ledger(), MARKET, Side.BUY, fill, ZERO)
    assert fees_of(MARKET, fill) == (ZERO, ZERO)
    assert (ledger.cash, ledger.base, ledger.fees_quote) == (D(-150), D(1), ZERO)
    assert ledger.fees == (("BNB", D("0.0002")),)


def test_fees_are_summed_by_currency_in_alphabetical_order() -> None:
    ledger = Ledger()
    for currency, fee in (("USDT", "0.1"), ("BTC", "0.001"), ("USDT", "0.2"), ("BTC", "0")):
        ledger = book_fill(ledger, MARKET, Side.BUY, a_fill(fee=fee, fee_currency=currency), ZERO)
    assert ledger.fees == (("BTC", D("0.001")), ("USDT", D("0.3")))


def test_adopted_base_costs_what_it_was_worth_and_leaves_no_profit() -> None:
    lot = a_lot(2, 300)
    ledger = adopt(Ledger(), lot)
    assert ledger == Ledger(cash=D(-300), base=D(2), adopted=D(300))
    assert profit_at(ledger, [lot], D(160)).total == 20


@given(
    st.decimals(min_value=1, max_value=10**5, places=2),
    st.decimals(min_value=D("1.001"), max_value=2, places=3),
    st.decimals(min_value=D("0.01"), max_value=10, places=5),
    st.sampled_from(FeeCurrency),
)
def test_a_booked_cycle_earns_what_the_formula_says(
    entry: Decimal, ratio: Decimal, amount: Decimal, fee_currency: FeeCurrency
) -> None:
    """Everything that was received is sold, so that no dust stands between the formula and the books."""
    market = a_market(fee_currency=fee_currency)
    rate, exit_price = market.maker_fee_rate, entry * ratio
    is_quote = fee_currency is FeeCurrency.QUOTE
    buy = a_fill(
        price=entry,
        amount=amount,
        fee=amount * entry * rate if is_quote else amount * rate,
        fee_currency="USDT" if is_quote else "BTC",
    )
    lot = opened(NO_LOT, market, Side.BUY, buy)
    sale = a_fill(
        price=exit_price,
        amount=lot.quantity,
        fee=lot.quantity * exit_price * rate,
        fee_currency="USDT",
    )
    rest, realised = closed(lot, lot, market, Side.SELL, sale)
    ledger = book_fill(book_fill(Ledger(), market, Side.BUY, buy, ZERO), market, Side.SELL, sale, realised)
    assert rest == NO_LOT
    assert ledger.base == ZERO
    assert ledger.cash == realised == ledger.realised
    expected = cycle_profit_rate(market, entry, exit_price) * entry * amount
    assert abs(realised - expected) < D("1E-15")


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.decimals(1, 10**6, places=6))
def test_the_parts_of_a_sale_cost_together_exactly_what_the_lot_cost(parts: list[int], cost: Decimal) -> None:
    lot = offered = Lot(quantity=D(sum(parts)), cost_quote=cost)
    costs = ZERO
    for part in parts:
        fill = a_fill(price=0, amount=part)
        lot, realised = closed(lot, offered, MARKET, Side.SELL, fill)
        costs -= realised
    assert lot == NO_LOT
    assert costs == cost


@given(st.decimals(0, 10**6, places=8), st.decimals(D("0.00000001"), 10, places=8), st.integers(1, 100))
def test_a_part_and_the_rest_of_a_lot_are_the_lot(cost: Decimal, quantity: Decimal, percent: int) -> None:
    lot = Lot(quantity=quantity, cost_quote=cost)
    part = part_of_lot(lot, quantity * percent / 100)
    assert part.plus(lot.minus(part)) == lot
    assert ZERO <= part.cost_quote <= cost


@pytest.mark.parametrize("mark", ["0", "0.01", "150", "61250.37"])
def test_profit_is_grid_and_floating_and_nothing_else(mark: str) -> None:
    lots = [a_lot("0.999", 150), a_lot("0.5", 80)]
    ledger = Ledger(cash=D(-220), base=D("1.5"), realised=D("10.25"), dust=a_lot("0.001", "0.25"))
    profit = profit_at(ledger, lots, D(mark))
    assert profit.grid == D("10.25")
    assert profit.floating == D("1.5") * D(mark) - D("230.25")
    assert profit.total == D("1.5") * D(mark) - 220
    assert profit.residual == 0


def test_what_the_books_cannot_explain_is_the_residual() -> None:
    profit = profit_at(Ledger(cash=D(-150), base=D(1)), [a_lot("0.999", 150)], D(200))
    assert profit.residual == D("0.200")

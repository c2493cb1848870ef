"""What a grid, a slot and an order bind: worked cases, and random walks of the price that never need more."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.core.costs import Funds, bound_by_entry, initial_price, is_left_behind, margin_of
from engine.core.funds import funds_needed
from engine.core.lattice import make_lattice
from engine.core.sizing import slots_of
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, GridSpec, InitialPurchase, SizedBy, SizeProfile, Trailing
from engine.model.market import FeeCurrency, Market
from engine.model.order import Side
from engine.model.slot import Slot
from tests.builders import a_market, a_spec
from tests.core.shape_builders import a_swap, without_fees
from tests.core.test_sizing import wishes

D = Decimal
LIMIT, MARKET, NONE = InitialPurchase.LIMIT, InitialPurchase.MARKET, InitialPurchase.NONE
HOLDINGS = InitialPurchase.HOLDINGS


@pytest.mark.parametrize(
    "purchase, side, anchor, price",
    [
        (MARKET, Side.BUY, "100", "100.5"),
        (MARKET, Side.SELL, "100", "99.5"),
        (MARKET, Side.BUY, "100.01", "100.52"),
        (MARKET, Side.SELL, "100.01", "99.5"),
        (LIMIT, Side.BUY, "100.017", "100.01"),
        (LIMIT, Side.SELL, "100.017", "100.02"),
    ],
)
def test_a_first_sale_is_priced_as_the_mirror_of_a_first_purchase(
    purchase: InitialPurchase, side: Side, anchor: str, price: str
) -> None:
    assert initial_price(purchase, a_market(), D(anchor), side) == D(price)


def test_what_an_entry_binds() -> None:
    spot, swap = a_market(fee_currency=FeeCurrency.QUOTE), a_swap()
    assert bound_by_entry(a_market(), D(1), Side.BUY, D(100), D(2)) == Funds(quote=D(200), base=D(0))
    assert bound_by_entry(spot, D(1), Side.BUY, D(100), D(2)) == Funds(quote=D("200.2"), base=D(0))
    assert bound_by_entry(spot, D(1), Side.SELL, D(100), D(2)) == Funds(quote=D(0), base=D(2))
    for side in Side:
        assert bound_by_entry(swap, D(10), side, D(100), D(2)) == Funds(quote=D("20.2"), base=D(0))
    assert (margin_of(swap, D(10), D(100), D(2)), margin_of(spot, D(10), D(100), D(2))) == (D(20), D(200))


def funds_of(spec: GridSpec, market: Market, anchor: str = "150") -> Funds:
    return funds_needed(spec, market, make_lattice(spec, market, D(anchor)))


def test_slots_that_sell_first_need_their_base_and_no_quote() -> None:
    market = without_fees(a_market())
    assert funds_of(a_spec(direction=Direction.SHORT), market) == Funds(quote=D(0), base=D(10))
    assert funds_of(a_spec(direction=Direction.NEUTRAL), market) == Funds(quote=D(750), base=D(4))


def test_fees_in_base_are_owed_until_they_make_a_lot_and_are_bought_at_any_level() -> None:
    """4 slots from 160 to 190 of 1: 4/0.999 up to whole lots, and a lot; 0.001001 of each at up to 200 instead."""
    funds = funds_of(a_spec(direction=Direction.NEUTRAL), a_market())
    assert funds.base == D("4.00401") + D("0.00001")
    owed = 1 / D("0.999") - 1
    assert abs(funds.quote - (750 + owed * (40 + 30 + 20 + 10) + D("0.00001") * 100)) < D("1E-20")


def test_a_swap_needs_margin_and_the_fees_of_entry_and_exit() -> None:
    """Entries from 100 to 190 are 1450 / 10; all levels twice less the ends are (1450 + 1550) * 0.1 %."""
    assert funds_of(a_spec(leverage=D(10)), a_swap()) == Funds(quote=D("148"), base=D(0))
    short = a_spec(leverage=D(10), direction=Direction.SHORT)
    assert funds_of(short, a_swap()) == Funds(quote=D("158"), base=D(0))


def test_a_first_purchase_on_a_swap_that_may_lose_leaves_enough_for_the_next() -> None:
    """Slot 155 to 156 bought at up to 155.75 at 154.97: at leverage 50 a loss of fees is more than the margin saved."""
    spec = a_spec(lower=D(155), upper=D(156), slots=1, leverage=D(50), initial_purchase=MARKET)
    bought, fee = initial_price(MARKET, a_swap(), D("154.97")), D("0.001")
    lost = bought - 156 + fee * (bought + 156)
    needed = D(155) / 50 + fee * (155 + 156) + lost
    assert lost > 0
    assert funds_of(spec, a_swap(), "154.97").quote == needed


def test_trailing_against_the_price_needs_a_lot_for_every_level() -> None:
    market = without_fees(a_market())
    long = a_spec(trailing=Trailing(down_to=D(75)))
    assert funds_of(long, market) == Funds(quote=D(1450 + 90 + 80), base=D(0))
    short = a_spec(direction=Direction.SHORT, trailing=Trailing(up_to=D(235)))
    assert funds_of(short, market) == Funds(quote=D(0), base=D(13))
    swap = replace(long, leverage=D(10))
    assert funds_of(swap, without_fees(a_swap())) == Funds(quote=D(162), base=D(0))
    neutral = a_spec(direction=Direction.NEUTRAL, trailing=Trailing(up_to=D(210), down_to=D(90)))
    assert funds_of(neutral, market) == Funds(quote=D(750 + 90), base=D(5))


def test_trailing_along_with_the_price_needs_the_difference_only_where_the_same_size_costs_more() -> None:
    """A slot at 200 instead of that at 100, and one at 210 instead of that at 110."""
    market, trailing = without_fees(a_market()), Trailing(up_to=D(225))
    assert funds_of(a_spec(trailing=trailing), market).quote == 1450 + 200
    in_quote = a_spec(trailing=trailing, sized_by=SizedBy.QUOTE_PER_SLOT, size=D(1000))
    assert funds_of(in_quote, market) == funds_of(replace(in_quote, trailing=Trailing()), market)


def test_a_short_grid_in_quote_that_trails_down_needs_more_base_for_the_same_quote() -> None:
    """1000 at 100 instead of 200 is 5 more, 1000 at 90 instead of 190 is 11.11111 instead of 5.26315."""
    market = without_fees(a_market())
    spec = a_spec(direction=Direction.SHORT, sized_by=SizedBy.QUOTE_PER_SLOT, size=D(1000))
    trailing = replace(spec, trailing=Trailing(down_to=D(80)))
    more = funds_of(trailing, market).base - funds_of(spec, market).base
    assert more == D(10) - D(5) + D("11.11111") - D("5.26315")
    in_base = replace(trailing, sized_by=SizedBy.BASE_PER_SLOT, size=D(1))
    assert funds_of(in_base, market) == Funds(quote=D(0), base=D(10))


@pytest.mark.parametrize(
    "market, changes, problem",
    [
        (a_market(), {"leverage": D(2)}, "leverage: expected 1 on the spot market BTC/USDT, found 2"),
        (a_swap(), {"leverage": D(51)}, "leverage: expected at most 50 on BTC/USDT, found 51"),
        (a_swap(), {"initial_purchase": HOLDINGS},
         "initial_purchase: expected limit, market or none on a swap, found holdings"),
        (a_market(), {"initial_purchase": HOLDINGS, "direction": Direction.SHORT},
         "initial_purchase: expected limit, market or none for a short grid, found holdings"),
    ],
)  # fmt: skip
def test_a_shape_that_the_market_cannot_do(market: Market, changes: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        make_lattice(a_spec(**changes), market, D(150))
    assert refused.value.problems == (f"grid 'main': {problem}",)


class Wallet:
    """Trades slots at their levels as a price walks, and knows the least that was ever left.

    Fees in base are bought back with a later exit, in whole lots, as dust is. On a swap a lot's margin is
    bound from its entry to its exit; a floating loss is none until it is realised.
    """

    def __init__(self, spec: GridSpec, market: Market, anchor: Decimal, funds: Funds) -> None:
        self.spec, self.market, self.anchor = spec, market, anchor
        self.quote, self.base = funds.quote, funds.base
        self.quote_least, self.base_least = funds.quote, funds.base
        self.owed = D(0)
        self.held: dict[int, Decimal] = {}
        self.entered: dict[int, tuple[Decimal, Decimal]] = {}

    def enter(self, slot: Slot, price: Decimal, fee_rate: Decimal) -> None:
        received = slot.amount
        if self.market.swap is not None:
            margin = margin_of(self.market, self.spec.leverage, price, slot.amount)
            self._pay(margin + price * slot.amount * fee_rate)
            self.entered[slot.index] = (price, margin)
        elif slot.entry_side is Side.BUY:
            received -= self._buy(price, slot.amount, fee_rate)
            self.base -= received
        else:
            self.base -= slot.amount
            self.quote += price * slot.amount * (1 - fee_rate)
        self.held[slot.index] = received
        self._note()

    def leave(self, slot: Slot, fee_rate: Decimal) -> None:
        lot, price = self.held.pop(slot.index), slot.exit_price
        if self.market.swap is not None:
            entry, margin = self.entered.pop(slot.index)
            gained = (price - entry) * lot * (1 if slot.entry_side is Side.BUY else -1)
            self._pay(price * lot * fee_rate - margin - gained)
        elif slot.entry_side is Side.BUY:
            self.quote += price * self.market.floor_amount(lot) * (1 - fee_rate)
        else:
            dust = self.market.floor_amount(self.owed)
            self.owed += self._buy(price, lot + dust, fee_rate) - dust
        self._note()

    def _buy(self, price: Decimal, amount: Decimal, fee_rate: Decimal) -> Decimal:
        """The fee that was taken in base."""
        in_base = self.market.fee_currency is FeeCurrency.RECEIVED
        fee = amount * fee_rate if in_base else D(0)
        self._pay(price * amount * (1 if in_base else 1 + fee_rate))
        self.base += amount - fee
        return fee

    def _pay(self, quote: Decimal) -> None:
        self.quote -= quote

    def _note(self) -> None:
        self.quote_least, self.base_least = min(self.quote_least, self.quote), min(self.base_least, self.base)


def walk(wallet: Wallet, slots: Sequence[Slot], prices: Sequence[Decimal]) -> None:
    """Fill what rests at each price: entries that are reached, exits of what is held, first trades at the start."""
    spec, market, anchor = wallet.spec, wallet.market, wallet.anchor
    maker = market.maker_fee_rate
    if spec.initial_purchase is not NONE:
        for slot in slots:
            if is_left_behind(slot, anchor):
                takes = spec.initial_purchase is MARKET
                price = initial_price(spec.initial_purchase, market, anchor, slot.entry_side)
                wallet.enter(slot, price, market.taker_fee_rate if takes else maker)
    before = anchor
    for price in prices:
        falls = price < before
        low, high = min(before, price), max(before, price)
        for slot in reversed(slots) if falls else slots:
            if slot.index in wallet.held and low <= slot.exit_price <= high:
                wallet.leave(slot, maker)
            elif slot.index not in wallet.held and low <= slot.entry_price <= high:
                wallet.enter(slot, slot.entry_price, maker)
        before = price


@given(wishes(), st.lists(st.decimals(min_value=60, max_value=500, places=2), max_size=30))
def test_no_walk_of_the_price_needs_more_than_the_funds(
    wish: tuple[GridSpec, Market, Decimal], prices: list[Decimal]
) -> None:
    spec, market, anchor = wish
    try:
        lattice = make_lattice(spec, market, anchor)
    except SettingsInvalid:
        assume(False)
    funds = funds_needed(spec, market, lattice)
    assert funds.quote >= 0
    assert funds.base >= 0
    wallet = Wallet(spec, market, anchor, funds)
    walk(wallet, slots_of(lattice), prices)
    assert wallet.quote_least >= D("-1E-15")
    assert wallet.base_least >= 0


def test_a_first_sale_that_may_bring_less_than_buying_back_costs_needs_the_difference() -> None:
    """Sold at 155.22 at worst, less the fee, and bought back at 155 with the fee on top."""
    market = a_market(fee_currency=FeeCurrency.QUOTE)
    spec = a_spec(lower=D(155), upper=D(156), slots=1, direction=Direction.SHORT, initial_purchase=MARKET)
    short_by = 155 * D("1.001") - D("155.22") * D("0.999")
    assert short_by > 0
    assert funds_of(spec, market, "156.01") == Funds(quote=short_by * D("1.001"), base=D(1))


def test_trailing_along_counts_the_most_that_is_needed_on_the_way() -> None:
    """0.6 at 130 instead of 100 is 18 more; 0.6 at 140 instead of 1.8 at 110 is 114 less again."""
    spec = a_spec(slots=3, upper=D(130), profile=SizeProfile.PYRAMID)
    market = without_fees(a_market())
    trailing = replace(spec, trailing=Trailing(up_to=D(150)))
    assert funds_of(trailing, market).quote == funds_of(spec, market).quote + 18

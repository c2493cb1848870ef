"""A grid never binds more than its own money, whatever its shape is and whatever the price does."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.books import GridBooks
from engine.core.costs import Funds
from engine.core.grid_view import view_of
from engine.core.ladder import decide
from engine.core.purse import Purse, cost_of, free_purse
from engine.model.actions import PlaceOrder
from engine.model.grid import Direction, GridSpec, InitialPurchase, ProfitUse, SizeProfile, Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.money import ZERO
from engine.model.order import Leg, Side
from tests.builders import a_market, a_spec, an_opening, some_books
from tests.core.grid_money import left_over
from tests.core.harness import GridRun
from tests.core.shape_builders import a_swap

D = Decimal
_FEE_ROUNDING = D("0.00000001")
BINDING = st.sampled_from((InitialPurchase.NONE, InitialPurchase.LIMIT))


class FundedRun(GridRun):
    """A grid that has ``funds`` for its own, whatever it needs: it places what the purse covers."""

    def __init__(self, spec: GridSpec, market: Market, share: Decimal) -> None:
        super().__init__(an_opening(spec, market))
        needed = self.books.funds
        self.funds = Funds(quote=needed.quote * share, base=needed.base * share)
        self.held_back = 0
        self.entries = 0

    def act(self) -> int:
        actions = decide(view_of(self.books), self.exchange.price).actions
        done = 0
        for action in actions:
            if isinstance(action, PlaceOrder):
                is_entry = action.leg is Leg.ENTRY
                if not free_purse(self.books, self.funds).covers(cost_of(action, self.books.market, self.books.spec)):
                    assert is_entry, "an exit is never held back for money"
                    self.held_back += 1
                    continue
                self.entries += is_entry
            self._do(action)
            done += 1
            quote, base = left_over(self.books, self.funds)
            if self.books.market.swap is None or (isinstance(action, PlaceOrder) and action.leg is Leg.ENTRY):
                assert quote >= -_FEE_ROUNDING * len(self.facts)
                assert base >= 0
        return done


@st.composite
def _grids(draw: st.DrawFn) -> tuple[GridSpec, Market]:
    is_swap = draw(st.booleans())
    market = a_swap() if is_swap else a_market(fee_currency=draw(st.sampled_from(FeeCurrency)))
    spec = a_spec(
        direction=draw(st.sampled_from(Direction)),
        spacing=draw(st.sampled_from(Spacing)),
        window=draw(st.integers(1, 10)),
        profile=draw(st.sampled_from(SizeProfile)),
        profit_use=draw(st.sampled_from(ProfitUse)),
        initial_purchase=draw(BINDING),
        leverage=D(draw(st.sampled_from((1, 3)))) if is_swap else D(1),
    )
    return spec, market


@settings(max_examples=150)
@given(_grids(), st.integers(15, 100), st.lists(st.integers(9_000, 21_000), min_size=5, max_size=40))
def test_no_walk_of_the_price_makes_a_grid_bind_more_than_it_has(
    grid: tuple[GridSpec, Market], percent: int, ticks: list[int]
) -> None:
    """Nor one that has only a part of what it needs."""
    run = FundedRun(*grid, share=D(percent) / 100)
    run.trade(*(D(each) / 100 for each in ticks))
    assert run.held_back == 0 or percent < 100 or grid[0].profit_use is ProfitUse.REINVEST


def test_a_tenth_of_the_funds_lets_a_tenth_of_the_entries_out() -> None:
    """Ten slots of 1 BTC from 100 to 200 without fees need 1 450: 145 are enough for the one at 140."""
    market = a_market(maker_fee_rate=D(0), taker_fee_rate=D(0))
    run = FundedRun(a_spec(), market, share=D("0.1"))
    assert run.funds == Funds(quote=D(145), base=D(0))
    run.trade(145)
    assert [(order.side, order.price) for order in run.live_orders()] == [(Side.BUY, D(140))]
    assert run.held_back > 0


# What an entry binds, by hand: 0.1 % of fees in quote where they are taken there


def _entry(side: Side, leg: Leg = Leg.ENTRY) -> PlaceOrder:
    return PlaceOrder(slot=5, leg=leg, side=side, price=D(150), amount=D(2), post_only=True, reason="a test")


def test_an_entry_binds_quote_base_or_margin_and_an_exit_nothing() -> None:
    spot, in_quote, swap = a_market(), a_market(fee_currency=FeeCurrency.QUOTE), a_swap()
    plain, threefold = a_spec(), a_spec(leverage=D(3))
    table = [
        (_entry(Side.BUY), spot, plain, "300", "0"),
        (_entry(Side.BUY), in_quote, plain, "300.3", "0"),
        (_entry(Side.SELL), in_quote, plain, "0", "2"),
        (_entry(Side.BUY), swap, threefold, "100.3", "0"),
        (_entry(Side.SELL), swap, threefold, "100.3", "0"),
        (_entry(Side.SELL, Leg.EXIT), swap, threefold, "0", "0"),
        (_entry(Side.BUY, Leg.EXIT), spot, plain, "0", "0"),
    ]
    for action, market, spec, quote, base in table:
        assert cost_of(action, market, spec) == Purse(quote=D(quote), base=D(base))


def test_what_a_short_sale_brought_is_kept_for_buying_back() -> None:
    """1 BTC of slot 5 is sold at 160: its proceeds of 160 are bound but for the 10 above its exit at 150."""
    market = a_market(maker_fee_rate=D(0), taker_fee_rate=D(0))
    spec = a_spec(direction=Direction.SHORT)
    run = GridRun(an_opening(spec, market))
    run.trade(155, 161)
    books: GridBooks = run.books
    before = free_purse(some_books(spec, market), books.funds)
    assert before == Purse(quote=books.funds.quote, base=D(10))
    assert books.ledger.cash == 160
    assert books.ledger.base == -1
    resting = sum((order.amount for order in run.live_orders() if order.leg is Leg.ENTRY), ZERO)
    assert free_purse(books, books.funds) == Purse(quote=books.funds.quote + 10, base=D(9) - resting)

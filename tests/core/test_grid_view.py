"""Quiet bands that keep their word for every shape of grid, and entries that grow with the profit they are made of."""

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.grid_view import GridView, view_of
from engine.core.ladder import decide, suppressed
from engine.model.events import OrderIntended, RegimeChanged
from engine.model.grid import Direction, GridSpec, ProfitUse
from engine.model.market import Market
from engine.model.order import Leg, Side
from engine.model.regime import EntryRule, RegimeName
from engine.model.slot import Slot
from tests.builders import a_market, a_spec, an_opening
from tests.core.harness import GridRun
from tests.core.shape_builders import a_swap, without_fees
from tests.core.test_ladder_properties import views
from tests.core.test_sides import mirrored_slot

D = Decimal
STEP = D("0.25")
FARTHEST = D(215)


@st.composite
def _shapes(draw: st.DrawFn) -> GridView:
    """A grid in any state: the slots from some place on sell first, which is none, all or some of them."""
    view = draw(views())
    first_seller = draw(st.integers(0, 10))
    slots = [slot if place < first_seller else _selling_first(view, place) for place, slot in enumerate(view.slots)]
    rules = st.sampled_from(EntryRule)
    regime = RegimeChanged(
        name=RegimeName.TRENDING_UP, since_ms=0, reasons=(), long_entries=draw(rules), short_entries=draw(rules)
    )
    sides = tuple(slot.entry_side for slot in slots)
    return replace(
        view,
        slots=slots,
        lattice=replace(view.lattice, sides=sides if Side.SELL in sides else ()),
        regime=draw(st.sampled_from((None, regime))),
        is_blocked=draw(st.integers(0, 4)) == 0,
    )


def _selling_first(view: GridView, place: int) -> Slot:
    """What the mirrored slot would be in the mirror, at this place."""
    return replace(mirrored_slot(view.slots[len(view.slots) - 1 - place]), index=place)


@settings(max_examples=80)
@given(_shapes(), st.decimals(min_value=85, max_value=215, places=2))
def test_no_price_inside_the_quiet_band_of_any_shape_leads_to_another_decision(view: GridView, price: Decimal) -> None:
    """Every quarter between the edges is tried, not a sample of them."""
    decision = decide(view, price)
    held_back = [replace(entry, price=D(0)) for entry in suppressed(view, price)]
    low, high = max(decision.band.low, D(85)), min(decision.band.high, FARTHEST)
    assert decision.band.low <= price < decision.band.high
    other = low + STEP
    while other < high:
        assert decide(view, other) == decision
        assert [replace(entry, price=D(0)) for entry in suppressed(view, other)] == held_back
        other += STEP


# Reinvesting


def grown(spec: GridSpec, market: Market, *prices: int) -> list[str]:
    """The amounts of all entries that a grid on this path makes, as text."""
    run = GridRun(an_opening(spec, market, anchor=prices[0]))
    run.trade(*prices)
    return [f"{fact.amount}" for fact in run.facts if isinstance(fact, OrderIntended) and fact.leg is Leg.ENTRY]


ONE_SLOT = a_spec(lower=D(100), upper=D(110), slots=1, window=1)
NO_FEES = without_fees(a_market(lot_size=D("0.001"), amount_min=D("0.001")))


def test_entries_grow_by_the_realised_profit_over_the_funds() -> None:
    """100 USDT earn 10 %, cycle by cycle: 1, 1.1, 1.21, 1.331 and 1.4641 in whole lots."""
    swings = (105, 99, 111) * 4
    expected = ["1.000", "1.100", "1.210", "1.331", "1.464"]
    assert grown(replace(ONE_SLOT, profit_use=ProfitUse.REINVEST), NO_FEES, *swings, 105) == expected
    assert grown(ONE_SLOT, NO_FEES, *swings, 105) == ["1.000"] * 5


def test_entries_of_a_short_swap_grow_by_the_realised_profit_over_their_margin() -> None:
    """110 USDT of margin earn 10: 1, then 1 + 10/110 in contracts of 0.001, then with 10.9 more."""
    spec = replace(ONE_SLOT, direction=Direction.SHORT, profit_use=ProfitUse.REINVEST)
    market = without_fees(a_swap())
    swings = (105, 111, 99) * 2
    assert grown(spec, market, *swings, 105) == ["1.000", "1.090", "1.190"]


def test_entries_never_shrink_below_their_size_after_a_loss() -> None:
    run = GridRun(an_opening(replace(ONE_SLOT, profit_use=ProfitUse.REINVEST), NO_FEES, anchor=105))
    run.books.ledger = replace(run.books.ledger, realised=D(-50))
    assert view_of(run.books).growth == 1


@given(st.integers(0, 10**9), st.sampled_from(Direction))
def test_growth_is_one_and_the_profit_over_the_funds_to_the_last_digit_that_is_kept(
    cents: int, direction: Direction
) -> None:
    run = GridRun(an_opening(a_spec(direction=direction, profit_use=ProfitUse.REINVEST), NO_FEES))
    realised = D(cents) / 100
    run.books.ledger = replace(run.books.ledger, realised=realised)
    funds = run.books.funds
    exact = realised / (funds.quote + funds.base * 150)
    growth = view_of(run.books).growth - 1
    assert growth <= exact
    assert growth == exact.quantize(D("0.000000000001"), ROUND_FLOOR)

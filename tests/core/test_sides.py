"""A short grid is the mirror of a long one: at the mirrored price it does the mirrored things."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid_view import GridView
from engine.core.ladder import decide, suppressed
from engine.model.actions import Action, CancelOrder, PlaceOrder, QuietBand, SetAside
from engine.model.events import RegimeChanged
from engine.model.grid import GridState, Lattice
from engine.model.order import Order, Side
from engine.model.regime import EntryRule, RegimeName
from engine.model.slot import Empty, Entering, Exiting, Holding, Lot, Slot
from tests.builders import a_market
from tests.core.test_ladder_properties import views

D = Decimal
AXIS = D(300)
"""Levels from 100 to 200 lie alike on both sides of its half."""
MARKET = a_market(notional_min=D(0))
"""A minimum of the notional has no mirror: the same amount is worth more at a higher price."""
STATES = (GridState.RUNNING, GridState.RUNNING, GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
off_the_levels = st.integers(9_001, 20_999).filter(lambda cents: cents % 1_000 != 0).map(lambda cents: D(cents) / 100)


def mirrored_view(view: GridView) -> GridView:
    """The short grid in the mirror; every slot keeps its identity."""
    lattice = view.lattice
    return replace(
        view,
        lattice=Lattice(
            version=lattice.version,
            anchor=AXIS - lattice.anchor,
            levels=tuple(AXIS - level for level in reversed(lattice.levels)),
            amounts=tuple(reversed(lattice.amounts)),
            ids=tuple(reversed(lattice.places)),
            sides=tuple(OPPOSITE[lattice.side_at(place)] for place in reversed(range(len(lattice.amounts)))),
        ),
        slots=[mirrored_slot(slot) for slot in reversed(view.slots)],
        dust=mirrored_lot(view.dust),
        regime=None if view.regime is None else mirrored_regime(view.regime),
    )


def mirrored_slot(slot: Slot) -> Slot:
    state = slot.state
    match state:
        case Empty():
            after: Empty | Entering | Holding | Exiting = state
        case Entering():
            after = Entering(order=mirrored_order(state.order), lot=mirrored_lot(state.lot))
        case Holding():
            after = Holding(lot=mirrored_lot(state.lot))
        case Exiting():
            after = Exiting(
                lot=mirrored_lot(state.lot), offered=mirrored_lot(state.offered), order=mirrored_order(state.order)
            )
    return replace(
        slot,
        lower=AXIS - slot.upper,
        upper=AXIS - slot.lower,
        entry_side=OPPOSITE[slot.entry_side],
        state=after,
    )


def mirrored_order(order: Order) -> Order:
    return replace(order, side=OPPOSITE[order.side], price=AXIS - order.price)


def mirrored_lot(lot: Lot) -> Lot:
    return Lot(quantity=-lot.quantity, cost_quote=-lot.cost_quote)


def mirrored_regime(regime: RegimeChanged) -> RegimeChanged:
    return replace(regime, long_entries=regime.short_entries, short_entries=regime.long_entries)


def mirrored_action(action: Action) -> Action:
    """What the mirrored grid has to do."""
    if isinstance(action, PlaceOrder):
        dust = mirrored_lot(action.dust)
        action = replace(action, side=OPPOSITE[action.side], price=AXIS - action.price, dust=dust)
    return bare(action)


def bare(action: Action) -> Action:
    """Without its reason, which names the directions, and the cost of its dust, a share that is always rounded down."""
    match action:
        case PlaceOrder():
            return replace(action, reason="", dust=replace(action.dust, cost_quote=D(0)))
        case CancelOrder() | SetAside():
            return replace(action, reason="")


def mirrored_band(band: QuietBand) -> QuietBand:
    infinity = D("Infinity")
    return QuietBand(
        D(0) if band.high == infinity else AXIS - band.high, infinity if band.low == 0 else AXIS - band.low
    )


@st.composite
def _views(draw: st.DrawFn) -> GridView:
    """As those of a long grid, with a regime and blocks."""
    rules = st.sampled_from(EntryRule)
    regime = RegimeChanged(
        name=RegimeName.VOLATILE, since_ms=0, reasons=(), long_entries=draw(rules), short_entries=draw(rules)
    )
    return replace(
        draw(views(*STATES)),
        market=MARKET,
        regime=draw(st.sampled_from((regime, None, regime))),
        is_blocked=draw(st.integers(0, 5)) == 5,
    )


@given(_views(), off_the_levels)
def test_a_short_grid_does_at_the_mirrored_price_what_the_long_one_does(view: GridView, price: Decimal) -> None:
    here, there = decide(view, price), decide(mirrored_view(view), AXIS - price)
    assert {mirrored_action(action) for action in here.actions} == {bare(action) for action in there.actions}
    assert there.band == mirrored_band(here.band)


@given(_views(), off_the_levels)
def test_a_regime_holds_back_the_mirrored_entries_of_a_short_grid(view: GridView, price: Decimal) -> None:
    here, there = suppressed(view, price), suppressed(mirrored_view(view), AXIS - price)
    assert {
        (entry.slot, OPPOSITE[entry.side], AXIS - entry.price, AXIS - entry.exit_price, entry.amount) for entry in here
    } == {(entry.slot, entry.side, entry.price, entry.exit_price, entry.amount) for entry in there}


@given(_views())
def test_the_mirror_of_the_mirror_is_the_grid_itself(view: GridView) -> None:
    """So the two tests above compare what they say."""
    twice = mirrored_view(mirrored_view(view))
    assert twice.slots == list(view.slots)
    assert twice.lattice.levels == view.lattice.levels
    assert (twice.dust, twice.regime, twice.market) == (view.dust, view.regime, view.market)

"""Whatever is placed, cancelled and printed: no money appears or vanishes, and what is bound is what orders need."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.loopback.scene import spot_market
from tests.loopback.venue import NewOrder, Refusal, Side, Venue, VenueOptions

D = Decimal

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("place", "cancel", "print")),
        st.sampled_from(Side),
        st.integers(90, 110),
        st.integers(1, 30),
    ),
    max_size=60,
)


@given(steps=STEPS, seed=st.integers(0, 5))
def test_the_books_always_add_up(steps: list[tuple[str, Side, int, int]], seed: int) -> None:
    venue = Venue(
        [spot_market("SOL", "0.1", "0.01")],
        {"USDT": D(2_000), "SOL": D(20)},
        lambda: 1_700_000_000_000,
        options=VenueOptions(partial_fill_chance=0.5),
        seed=seed,
    )
    venue.print_trade("SOLUSDT", D(100))
    for number, (what, side, price, amount) in enumerate(steps):
        step(venue, what, side, D(price), D(amount) / 10, number)
        assert_sound(venue)


def step(venue: Venue, what: str, side: Side, price: D, amount: D, number: int) -> None:
    """One thing that may happen; refusals are fine."""
    try:
        if what == "place":
            order = NewOrder(market="SOLUSDT", side=side, amount=amount, price=price, client_id=f"g{number}")
            venue.place(order)
        elif what == "print":
            venue.print_trade("SOLUSDT", price)
        elif orders := venue.open_orders():
            venue.cancel("SOLUSDT", order_id=orders[number % len(orders)].order_id)
    except Refusal:
        return


def assert_sound(venue: Venue) -> None:
    """Totals are the deposits and the fills; what is bound is what open orders need; no order is overfilled."""
    totals = {"USDT": D(2_000), "SOL": D(20)}
    bound = {"USDT": D(0), "SOL": D(0)}
    for fill in venue.trades():
        totals["SOL"] += fill.amount * fill.side.sign
        totals["USDT"] -= fill.price * fill.amount * fill.side.sign
        totals[fill.fee_currency] -= fill.fee
    for order in venue.open_orders():
        assert order.price is not None
        is_buy = order.side is Side.BUY
        bound["USDT" if is_buy else "SOL"] += order.remaining * (order.price if is_buy else 1)
    for order in venue.orders():
        assert order.filled == sum((fill.amount for fill in order.fills), D(0))
        assert D(0) <= order.filled <= order.amount
    for currency, held in venue.balances().items():
        assert (held.free, held.locked) == (totals[currency] - bound[currency], bound[currency])
        assert held.free >= 0

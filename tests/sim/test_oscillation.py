"""An oscillating market, a thousand times through every level: every cycle is booked, nothing is left over."""

from decimal import Decimal

from engine.model.grid import GridState
from tests.sim.engine_builders import QUOTE_FEES, Bench, a_path, assert_balanced

D = Decimal
ROUND_TRIPS = 1_000
SLOTS = 10
DOWN = [D(195) - 10 * index for index in range(SLOTS)]
"""Between the levels 190 to 100, and below the lowest."""
UP = [D(105) + 10 * index for index in range(SLOTS + 1)]
"""Between the levels from 100 up, and above the highest."""


def profit_of_a_round_trip() -> Decimal:
    """One cycle of each slot: one BTC bought at its lower and sold at its upper level, 0.1 % fee on both."""
    rate = QUOTE_FEES.maker_fee_rate
    return sum((D(10) - rate * (lower + lower + 10) for lower in range(100, 200, 10)), D(0))


def test_a_thousand_round_trips_through_every_level_book_every_cycle_to_the_last_unit() -> None:
    prices = [D(205), *([*DOWN, D(95), *UP] * ROUND_TRIPS)]
    bench = Bench(a_path(*prices))
    engine = bench.run()
    books = engine.coordinators["main"].books
    profit = books.profit(prices[-1])
    assert books.state is GridState.RUNNING
    assert [slot.cycles for slot in books.slots] == [ROUND_TRIPS] * SLOTS
    assert books.ledger.cycles == ROUND_TRIPS * SLOTS
    assert books.ledger.base == 0
    assert bench.balance("BTC") == 0
    assert profit.grid == profit.total == bench.balance("USDT") - 100_000
    assert profit.grid == ROUND_TRIPS * profit_of_a_round_trip()
    assert profit.floating == profit.residual == 0
    assert set(bench.exchange.placed_per_slot_and_leg.values()) == {ROUND_TRIPS, ROUND_TRIPS + 1}
    assert_balanced(bench, engine)

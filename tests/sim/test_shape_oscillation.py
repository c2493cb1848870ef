"""Short and neutral grids in a market that swings a thousand times through every level: the profit is exact.

What a cycle earns is worked out here by hand: ``amount * (upper - lower) - fee rate * amount * (upper + lower)``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

import pytest

from engine.exchange.funding import FundingRates
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.grid import Direction, GridSpec, GridState, SizedBy, Spacing
from engine.model.market import Market
from tests.builders import a_spec
from tests.core.shape_builders import a_swap
from tests.sim.engine_builders import QUOTE_FEES, Bench, a_path, assert_settled
from tests.sim.shape_truths import ShapeExchange, assert_account
from tests.sim.shapes_draw import SWAP_SYMBOL

D = Decimal
ROUND_TRIPS = 1_000
FEE_RATE = D("0.001")
SWAP = a_swap(symbol=SWAP_SYMBOL)
NO_FUNDING = SimulatedOptions(matching=MatchingOptions(funding=FundingRates(rate=D(0))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """A grid, the levels and amounts that it must have, and where a round trip of the price begins and ends."""

    spec: GridSpec
    market: Market
    levels: tuple[Decimal, ...]
    amounts: tuple[Decimal, ...]
    start: Decimal
    round_trips: int = ROUND_TRIPS

    def path(self) -> Iterator[Decimal]:
        """Through every level and beyond both ends, from and to the start."""
        between = [(low + high) / 2 for low, high in zip(self.levels, self.levels[1:], strict=False)]
        below, above = self.levels[0] - 5, self.levels[-1] + 5
        falling = [price for price in reversed(between) if price < self.start]
        back = [price for price in reversed(between) if price > self.start]
        trip = [*falling, below, *between, above, *back, self.start]
        yield self.start
        for _ in range(self.round_trips):
            yield from (price.quantize(D("0.01")) for price in trip)

    def profit_of_a_round_trip(self) -> Decimal:
        """One cycle of each slot."""
        return sum(
            (
                amount * (upper - lower) - FEE_RATE * amount * (upper + lower)
                for lower, upper, amount in zip(self.levels, self.levels[1:], self.amounts, strict=False)
            ),
            D(0),
        )


QUARTERS = tuple(D(level) for level in range(100, 201, 25))
ONE_EACH = (D(1),) * 4
POWERS = tuple((100 * D(2) ** (D(index) / 8)).quantize(D("0.01")) for index in range(9))
"""Eight geometric steps from 100 to 200: 109.05, 118.92, 129.68, 141.42, 154.22, 168.18, 183.40 between them."""
ENTRIES = (*POWERS[:4], *POWERS[5:])
"""A neutral grid that starts at 141 buys at the lower level of the four slots that begin at or below it, and sells
first at the upper level of the four others."""
WORTH_300 = tuple((300 / price).quantize(D("0.001"), ROUND_FLOOR) for price in ENTRIES)


def quarters(direction: Direction, market: Market, start: str, round_trips: int = ROUND_TRIPS) -> Swing:
    spec = a_spec(symbol=market.symbol, direction=direction, slots=4)
    return Swing(spec=spec, market=market, levels=QUARTERS, amounts=ONE_EACH, start=D(start), round_trips=round_trips)


def powers(market: Market) -> Swing:
    spec = a_spec(
        symbol=market.symbol,
        direction=Direction.NEUTRAL,
        spacing=Spacing.GEOMETRIC,
        slots=8,
        window=8,
        sized_by=SizedBy.QUOTE_PER_SLOT,
        size=D(300),
        leverage=D(3),
    )
    return Swing(spec=spec, market=market, levels=POWERS, amounts=WORTH_300, start=D("141"), round_trips=100)


@pytest.mark.parametrize(
    "swing",
    [
        quarters(Direction.SHORT, QUOTE_FEES, "95"),
        quarters(Direction.SHORT, SWAP, "95"),
        quarters(Direction.NEUTRAL, SWAP, "140"),
        quarters(Direction.NEUTRAL, QUOTE_FEES, "140", 100),
        powers(SWAP),
    ],
    ids=["spot short", "swap short", "swap neutral", "spot neutral", "swap neutral geometric"],
)
def test_a_thousand_round_trips_of_a_shape_earn_exactly_the_computed_profit(swing: Swing) -> None:
    is_swap = swing.market.swap is not None
    coin = D(0) if is_swap else D(10)
    prices = list(swing.path())
    bench = Bench(
        a_path(*prices, symbol=swing.spec.symbol),
        grids=[swing.spec],
        markets=[swing.market],
        balances={"USDT": D(100_000), "BTC": coin},
        options=NO_FUNDING,
        exchange_type=ShapeExchange,
    )
    engine = bench.run()
    books = engine.coordinators["main"].books
    profit = books.profit(prices[-1])
    assert (books.lattice.levels, books.lattice.amounts) == (swing.levels, swing.amounts)
    assert books.state is GridState.RUNNING
    assert [slot.cycles for slot in books.slots] == [swing.round_trips] * swing.spec.slots
    assert profit.grid == profit.total == swing.round_trips * swing.profit_of_a_round_trip()
    assert bench.balance("USDT") == 100_000 + profit.total
    assert bench.balance("BTC") == coin
    assert bench.exchange.matching.positions() == {}
    assert profit.floating == profit.residual == profit.funding == books.ledger.base == 0
    assert set(bench.exchange.placed_per_slot_and_leg.values()) <= {swing.round_trips, swing.round_trips + 1}
    assert_account(bench, books)
    assert_settled(engine)


def test_the_profits_by_hand() -> None:
    """The figures that the runs above must have earned a thousand times, written out."""
    assert quarters(Direction.SHORT, SWAP, "95").profit_of_a_round_trip() == D(
        "98.800"
    )  # 4 * 25 - 0.001 * (225 + 275 + 325 + 375)
    assert tuple(map(D, ("3", "2.751", "2.522", "2.313", "1.945", "1.783", "1.635", "1.5"))) == WORTH_300

"""A lattice that follows the price, on the whole engine: every cycle booked, every shift in the journal, none lost."""

from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.core.books import GridBooks
from engine.core.ledger import sum_of
from engine.core.trailing import NEAR_TOP
from engine.exchange.datafiles import Candles, read_market_data
from engine.exchange.matching import MatchingOptions
from engine.exchange.replay import ReplaySource
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Freeze, Thaw
from engine.model.events import LatticeMigrated, OrderIntended
from engine.model.grid import Direction, GridSpec, InitialPurchase, SizedBy, Spacing, Trailing
from engine.model.ids import key_from_client_order_id
from engine.model.market import Market
from engine.model.order import Leg, OrderStatus
from engine.model.slot import NO_LOT, lot_of
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_market, a_spec
from tests.sim.engine_builders import QUOTE_FEES, Bench, a_path, assert_settled, until_quiet
from tests.sim.migration_scenes import a_drift, assert_drift_free, assert_told, folds, history_of, lattices
from tests.sim.recorded import REBOUND, a_recorded_bench, forty_slots, needs_data
from tests.sim.test_quiet_band import first_difference

D = Decimal
UP = Trailing(up_to=D(300))
BOTH = Trailing(up_to=D(300), down_to=D(60))
RALLY = ((248, 250), (92, 350))
"""Sixty percent up, and back, and further."""
RICH = {"BTC": D(100), "USDT": D(100_000)}
LONG = a_spec(trailing=UP, window=4, initial_purchase=InitialPurchase.LIMIT)
LONG_BOTH = replace(LONG, trailing=BOTH)
GEOMETRIC = replace(LONG_BOTH, spacing=Spacing.GEOMETRIC, slots=12, sized_by=SizedBy.QUOTE_PER_SLOT, size=D(50))
SHORT = a_spec(trailing=BOTH, window=4, direction=Direction.SHORT)


def a_rally(spec: GridSpec, *, market: Market = QUOTE_FEES, every_tick: bool = False) -> tuple[Bench, Engine]:
    """A grid through a rally of 60 % and back, its orders filled in parts."""
    matching = MatchingOptions(partial_fill_chance=D("0.3"), seed=5)
    bench = Bench(
        a_drift(*RALLY, start=155, swing=900),
        grids=[spec],
        markets=[market],
        balances=RICH,
        options=SimulatedOptions(matching=matching, every_tick=every_tick),
    )
    return bench, bench.run()


def lows(bench: Bench) -> list[Decimal]:
    """The lowest level of every lattice, in their order."""
    return [lattice.levels[0] for lattice in lattices(bench)]


def exits_filled(bench: Bench) -> int:
    """How many exits the exchange has filled whole."""
    orders = bench.exchange.matching._register._orders.values()
    keys = [key_from_client_order_id(order.client_order_id) for order in orders if order.status is OrderStatus.FILLED]
    return sum(key is not None and key.leg is Leg.EXIT for key in keys)


UP_AND_DOWN = (100, 110, 120, 130, 140, 150, 140, 130, 120, 110, 100, 90)


@pytest.mark.parametrize(
    ("spec", "market", "path"),
    [
        (LONG, a_market(), UP_AND_DOWN[:6]),
        (LONG_BOTH, QUOTE_FEES, UP_AND_DOWN),
        (SHORT, a_market(), UP_AND_DOWN),
        (SHORT, QUOTE_FEES, UP_AND_DOWN),
    ],
    ids=["up", "both", "short", "short with fees in quote"],
)
def test_a_grid_trails_a_rally_of_sixty_percent_and_back_and_books_every_cycle(
    spec: GridSpec, market: Market, path: tuple[int, ...]
) -> None:
    bench, engine = a_rally(spec, market=market)
    assert_told(bench, engine)
    assert_settled(engine)
    assert_drift_free(bench, engine)
    assert lows(bench) == [D(low) for low in path]
    assert [lattice.version for lattice in lattices(bench)] == list(range(1, len(path) + 1))
    told = {(fact.by, fact.spec) for fact in bench.facts(LatticeMigrated)}
    assert told == {("trailing", spec)}
    assert engine.coordinators["main"].books.ledger.cycles == exits_filled(bench) >= 15


def test_a_geometric_grid_of_the_same_quote_comes_back_to_the_very_levels_that_it_left() -> None:
    bench, engine = a_rally(GEOMETRIC, market=a_market())
    assert_told(bench, engine)
    assert_settled(engine)
    assert_drift_free(bench, engine)
    seen = {lattice.levels[0]: (lattice.levels, lattice.amounts) for lattice in lattices(bench)}
    assert [(lattice.levels, lattice.amounts) for lattice in lattices(bench)] == [seen[low] for low in lows(bench)]
    assert len(seen) < len(lows(bench)) >= 10


@pytest.mark.parametrize("spec", [LONG_BOTH, SHORT], ids=["long", "short"])
def test_a_trailing_run_that_skips_quiet_prices_has_the_journal_of_one_that_stops_at_each(spec: GridSpec) -> None:
    skipping, _ = a_rally(spec)
    stopping, _ = a_rally(spec, every_tick=True)
    assert len(lows(skipping)) > 5
    assert first_difference(skipping.records(), stopping.records()) is None


def test_no_lattice_goes_beyond_its_limits() -> None:
    tight = replace(LONG_BOTH, trailing=Trailing(up_to=D(235), down_to=D("81.5")))
    bench = Bench(a_path(155, 248, 300, 248, 60, 90), grids=[tight], balances=RICH)
    engine = bench.run()
    assert_told(bench, engine)
    assert {level for lattice in lattices(bench) for level in lattice.levels} <= {
        D(each) for each in range(90, 240, 10)
    }
    assert (max(lows(bench)), min(lows(bench))) == (D(130), D(90))


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (replace(LONG_BOTH, window=10), (205, 145, 105, 89, 81, 79, 70, 61, 90, 115)),
        (replace(SHORT, window=10), (95, 155, 195, 211, 219, 221, 230, 239, 215, 185)),
    ],
    ids=["long", "short"],
)
def test_what_the_grid_holds_is_carried_along_against_it_and_none_is_lost(
    spec: GridSpec, path: tuple[int, ...]
) -> None:
    bench = Bench(a_path(*path), grids=[spec], balances=RICH)
    engine = bench.run()
    assert_told(bench, engine)
    assert_settled(engine)
    carried = 0
    states = list(folds(bench.records()))
    for number, (record, after) in enumerate(zip(bench.records(), folds(bench.records()), strict=True)):
        if isinstance(record.fact, LatticeMigrated):
            before = next_before(bench, number)
            carried += len(record.fact.moved)
            assert (sum_of(before.lots(), NO_LOT), before.ledger) == (sum_of(after.lots(), NO_LOT), after.ledger)
            assert all(lot_of(slot) == NO_LOT or slot.index in after.lattice.places for slot in after.slots)
    assert carried >= 3
    assert len(states) == len(bench.records())
    assert engine.coordinators["main"].books.ledger.base != 0


def next_before(bench: Bench, number: int) -> GridBooks:
    """The books right before a record."""
    return list(folds(bench.records()[:number]))[-1]


def test_the_past_shows_the_lattice_as_it_was() -> None:
    bench = Bench(a_path(155, 205, 211, 231, 205), grids=[replace(LONG, window=10)], balances=RICH)
    bench.run()
    history = history_of(bench)
    shifts = [(each.sequence, each.fact) for each in bench.records() if isinstance(each.fact, LatticeMigrated)]
    assert [fact.lattice.levels[0] for _, fact in shifts] == [110, 130]
    for sequence, fact in shifts:
        (before,) = history.frame(sequence - 1).snapshot.grids
        (after,) = history.frame(sequence).snapshot.grids
        assert after.lattice_version == before.lattice_version + 1
        assert after.slots[0].lower == fact.lattice.levels[0]
        assert [slot.lower for slot in after.slots] == list(fact.lattice.levels[:-1])
        assert before.slots[0].lower < after.slots[0].lower
    (first,) = history.frame(1).snapshot.grids
    assert [slot.lower for slot in first.slots] == [D(level) for level in range(100, 200, 10)]


def test_a_frozen_slot_holds_the_lattice_and_the_screen_says_why() -> None:
    """Its exit is not placed, so that the price runs away from it; once it is thawed, the lattice follows."""
    bench = Bench(a_path(155, 105, 155, 155, 250, 250), grids=[replace(LONG, initial_purchase=InitialPurchase.NONE)])

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await anyio.sleep(90)
        await engine.command(Freeze(grid="main", slot=1), by="test")
        await until_quiet(engine)
        assert books.lattice.version == 1
        (hindered,) = (block.reason for block in engine.snapshot().grids[0].blocks if block.what == "lattice")
        assert hindered == "slot 1 would disappear, and is frozen: frozen by wish"
        await engine.command(Thaw(grid="main", slot=1), by="test")
        await engine.wait_quiet()
        assert books.lattice.levels[0] == 150
        assert books.ledger.base == 0
        assert [block for block in engine.snapshot().grids[0].blocks if block.what == "lattice"] == []

    assert_told(bench, bench.run(scene))


INFINITE = a_spec(
    is_infinite=True,
    spacing=Spacing.GEOMETRIC,
    slots=20,
    upper=D(110),
    sized_by=SizedBy.QUOTE_PER_SLOT,
    size=D(50),
    window=5,
)


def test_an_infinite_grid_grows_with_the_price_and_never_uses_an_id_twice() -> None:
    bench = Bench(a_drift((130, 60), (110, 40), (150, 60), start=105, swing=150), grids=[INFINITE], balances=RICH)
    engine = bench.run()
    assert_told(bench, engine)
    assert_settled(engine)
    assert_drift_free(bench, engine)
    books = engine.coordinators["main"].books
    tops = [lattice.levels[-1] for lattice in lattices(bench)]
    assert tops == sorted(set(tops))
    assert len(tops) > 5
    assert {lattice.levels[0] for lattice in lattices(bench)} == {D(100)}
    assert sum(level > 150 for level in books.lattice.levels[:-1]) >= NEAR_TOP
    assert books.lattice.places == tuple(range(len(books.slots)))
    ids = [fact.client_order_id for fact in bench.facts(OrderIntended)]
    assert len(ids) == len(set(ids)) > 60
    assert books.ledger.cycles > 20


def test_an_infinite_grid_without_ids_left_says_so_and_trades_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("trailing", "migration"):
        monkeypatch.setattr(f"engine.core.{module}.SLOTS_MAX", 57)
    bench = Bench(a_drift((150, 60), (112, 40), start=105, swing=100), grids=[INFINITE], balances=RICH)
    grown: list[str] = []

    async def scene(engine: Engine) -> None:
        await anyio.sleep_until(60 * 5)
        grown.append(engine.coordinators["main"].migrator.hindrance)
        await until_quiet(engine)

    engine = bench.run(scene)
    assert_told(bench, engine)
    assert_settled(engine)
    assert grown == ["expected at most 57 slots ever used, found 57"]
    assert len(engine.coordinators["main"].books.slots) == 57
    assert engine.coordinators["main"].books.ledger.base > 0


@needs_data
@pytest.mark.parametrize(
    ("minutes", "shifts_min"), [(300, 5), pytest.param(2_880, 40, marks=pytest.mark.hunt)], ids=["5 hours", "2 days"]
)
def test_a_recorded_rally_is_trailed_with_books_that_explain_the_account(minutes: int, shifts_min: int) -> None:
    """From 19 March 2020: from 5,390 to 6,900 and back to 6,200."""
    data = read_market_data(REBOUND)
    assert isinstance(data, Candles)
    first = 3 * 1_440 + 600
    columns = ("at_ms", "open", "high", "low", "close", "volume")
    part = {name: getattr(data, name)[first : first + minutes] for name in columns}
    source = ReplaySource(symbol=SYMBOL, data=Candles(tick_size=data.tick_size, **part))
    spec = forty_slots(4_900, 5_600, trailing=Trailing(up_to=D(9_000), down_to=D(4_000)))
    bench = a_recorded_bench(source, spec, partial_fills=D("0.2"))
    engine = bench.run()
    assert_told(bench, engine)
    assert_drift_free(bench, engine)
    assert len(lows(bench)) > shifts_min
    assert engine.coordinators["main"].books.ledger.cycles == exits_filled(bench) > 50

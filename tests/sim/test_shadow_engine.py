"""The shadow ledger in a whole engine: worth what a second reckoning says, through restarts, stops and replays."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

import anyio
import pytest

from engine.exchange.matching import MatchingOptions
from engine.exchange.replay import ReplaySource
from engine.exchange.simulated import SimulatedOptions
from engine.model.events import (
    BlocksChanged,
    DecisionNarrowed,
    OrderIntended,
    Record,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
)
from engine.model.grid import Disposal, GridSpec, GridState, InitialPurchase
from engine.model.money import ZERO
from engine.model.regime import EntryRule, PerRegime, RegimeEffect, ShadowView
from engine.model.risk import BreakerKind, BreakerRule, Limits, RiskSettings, StopBasis, StopLoss, TrailingTakeProfit
from engine.runtime.engine import Engine
from engine.runtime.replaying import replay
from tests.builders import INSTANCE, a_spec
from tests.sim.engine_builders import Bench, assert_balanced
from tests.sim.regime_builders import REGIME, a_regime_bench, folded, until
from tests.sim.test_quiet_band import first_difference

D = Decimal
NOTHING = RegimeEffect(long_entries=EntryRule.NONE, short_entries=EntryRule.NONE)
NO_OPENINGS = replace(
    REGIME,
    effects=PerRegime(ranging=NOTHING, trending_up=NOTHING, trending_down=NOTHING, volatile=NOTHING, unknown=NOTHING),
)
FEE_RATE = D("0.001")
WALK = 240
EVERYTHING = RiskSettings(
    limits=Limits(
        exposure_quote_max=D(700),
        open_orders_max=9,
        order_notional_max=D(195),
        price_band=D("0.25"),
        orders_per_minute_max=6,
        daily_loss_max=D(60),
        drawdown_max=D(70),
        floating_loss_max=D(45),
        price_stale_seconds=D(300),
        reports_stale_seconds=D(120),
        candles_stale_seconds=D(300),
        journal_lag_seconds_max=D(10),
    ),
    stops=(
        StopLoss(basis=StopBasis.PRICE_FALLS, at=D(95), disposal=Disposal.FLATTEN),
        StopLoss(basis=StopBasis.TOTAL, at=D(-150), disposal=Disposal.FLATTEN),
        TrailingTakeProfit(basis=StopBasis.TOTAL, at=D(60), trail=D(15), disposal=Disposal.FLATTEN),
    ),
    breakers=(BreakerRule(kind=BreakerKind.DRAWDOWN, cooldown_seconds=600),),
)
"""Every limit and stop that the price drives, near enough to be met."""


def a_walk(seed: int, minutes: int = WALK) -> list[float]:
    """Closes around 155 that wander through several levels an hour."""
    dice = Random(seed)
    price, found = 155.0, []
    for _ in range(minutes):
        price = min(max(price + dice.uniform(-5, 5), 92.0), 208.0)
        found.append(round(price, 2))
    return found


@dataclass
class Reckoning:
    """What a grid of one base a slot would have done on its own, row by row, had its entries rested.

    An entry rests from the moment at which the price is at or above it, fills below it and leaves above its exit.
    """

    spec: GridSpec
    armed: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    cycles: int = 0
    cash: Decimal = ZERO
    earned: Decimal = ZERO

    def level(self, slot: int) -> Decimal:
        """The level at the bottom of a slot."""
        return self.spec.lower + slot * (self.spec.upper - self.spec.lower) / self.spec.slots

    def after(self, price: Decimal) -> None:
        """The market has traded at this price."""
        for slot in range(self.spec.slots):
            entry, leave = self.level(slot), self.level(slot + 1)
            if slot in self.armed and price < entry:
                self.armed.remove(slot)
                self.held.add(slot)
                self.cash -= entry * (1 + FEE_RATE)
            elif slot in self.held and price > leave:
                self.held.remove(slot)
                self.cycles += 1
                self.cash += leave * (1 - FEE_RATE)
                self.earned += leave * (1 - FEE_RATE) - entry * (1 + FEE_RATE)
            if slot not in self.held and price >= entry:
                self.armed.add(slot)

    def view(self, mark: Decimal) -> tuple[int, int, int, Decimal, Decimal]:
        """Waiting, held, cycles, their profit, and the worth of having done nothing of it."""
        worth = -(self.cash + len(self.held) * mark)
        return len(self.armed), len(self.held), self.cycles, self.earned, worth


def figures(view: ShadowView) -> tuple[int, int, int, Decimal, Decimal]:
    """A ledger in the same order."""
    return view.waiting, view.lots, view.cycles_missed, view.profit_missed, view.net_worth


def rows_of(bench: Bench, from_ms: int) -> list[Decimal]:
    """Every price of the market from a time on, in order."""
    [feed] = bench.exchange._venue.feeds.values()
    source = feed.source
    assert isinstance(source, ReplaySource)
    first = source._rows_before(from_ms)
    return [int(price) * source.tick_size for price in source._prices[first:]]


def shadow_of(engine: Engine) -> ShadowView:
    """What the ledger says at the newest price."""
    regime = engine.snapshot().grids[0].regime
    assert regime is not None
    assert regime.shadow is not None
    return regime.shadow


def since_running_ms(bench: Bench) -> int:
    """When the first decision was made by a regime."""
    return next(record.at_ms for record in bench.records() if isinstance(record.fact, RegimeChanged))


# Worth


@pytest.mark.parametrize("seed", range(8))
def test_the_ledger_is_what_a_second_reckoning_of_the_same_prices_says_to_the_last_unit(seed: int) -> None:
    """Nothing opens for four hours; entries below the start rest at once, those above it when the price comes there."""
    bench = a_regime_bench(a_walk(seed), regime=NO_OPENINGS)
    engine = bench.run()
    reckoning, prices = Reckoning(spec=bench.settings.grids[0]), rows_of(bench, since_running_ms(bench))
    start = bench.exchange._venue.feeds["BTC/USDT"].source.start_ms
    for price in [*rows_of(bench, start)[:1], *prices]:
        reckoning.after(price)
    shadow = shadow_of(engine)
    assert figures(shadow) == reckoning.view(prices[-1])
    assert shadow.cycles_missed >= 5
    assert bench.facts(OrderIntended) == []
    assert bench.exchange.placed.total() == 0


@pytest.mark.parametrize("purchase", [InitialPurchase.LIMIT, InitialPurchase.MARKET])
def test_an_initial_purchase_that_the_regime_held_back_is_in_the_ledger(purchase: InitialPurchase) -> None:
    """The five slots above 150.65 would have bought at the start and lost on the way down; only four rest below."""
    closes = [155 - minute for minute in range(45)]
    bench = a_regime_bench(closes, regime=NO_OPENINGS, spec=a_spec(initial_purchase=purchase))
    engine = bench.run()
    first = bench.facts(ShadowChanged)[0]
    anchor = engine.coordinators["main"].books.lattice.anchor
    assert [entry.slot for entry in first.filled] == [6, 7, 8, 9]
    assert {entry.price for entry in first.filled} == {anchor}
    mark = D("111")
    lots = [*([anchor] * 4), D(150), D(140), D(130), D(120)]
    lost = sum(price * (1 + FEE_RATE) - mark for price in lots)
    assert shadow_of(engine).losses_avoided == lost


# Through restarts


@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_survives_restarts_and_is_the_fold_of_the_journal(seed: int) -> None:
    """Three lives over one walk say what one life says, fact by fact."""
    whole = a_regime_bench(a_walk(seed), regime=NO_OPENINGS)
    expected = shadow_of(whole.run())
    bench = a_regime_bench(a_walk(seed), regime=NO_OPENINGS)
    for minute in (80.2, 151.7):

        async def a_while(engine: Engine, minute: float = minute) -> None:
            await until(bench, minute)
            live, fold = engine.coordinators["main"].books.shadow, folded(bench.records()).shadow
            assert replace(fold, waiting=live.waiting) == live

        bench.run(a_while)
    engine = bench.run()
    assert shadow_of(engine) == expected
    assert bench.facts(ShadowChanged) == whole.facts(ShadowChanged)


# Stops


@pytest.mark.parametrize("disposal", [Disposal.FLATTEN, Disposal.CANCEL])
def test_a_grid_that_stops_ends_its_virtual_lots_and_misses_no_cycle_after_it(disposal: Disposal) -> None:
    """It stops at 125, where slots 3, 4 and 5 would hold; then the price comes all the way back."""
    closes = [155 - 3 * minute for minute in range(11)] + [126 + 4 * minute for minute in range(14)] + [182] * 3
    risk = RiskSettings(stops=(StopLoss(basis=StopBasis.PRICE_FALLS, at=D(125), disposal=disposal),))
    bench = a_regime_bench(closes, regime=NO_OPENINGS, risk=risk)
    engine = bench.run()
    assert engine.coordinators["main"].books.state is GridState.STOPPED
    last = bench.facts(ShadowChanged)[-1]
    assert (last.filled, last.left, last.ended) == ((), (), (5, 4, 3))
    lost = sum(price * (1 + FEE_RATE) - last.ended_at for price in (D(150), D(140), D(130)))
    assert figures(shadow_of(engine)) == (0, 0, 0, D(0), lost)


# Replays and quiet prices


def a_busy_bench(seed: int, *, every_tick: bool = False) -> Bench:
    """A walk of two hours with a regime that changes, stops, and every limit that the price drives."""
    options = SimulatedOptions(matching=MatchingOptions(partial_fill_chance=D("0.3"), seed=seed), every_tick=every_tick)
    spec = a_spec(window=4, initial_purchase=InitialPurchase.LIMIT, slots=20, size=D("0.5"))
    return a_regime_bench(a_walk(seed, 120), regime=REGIME, risk=EVERYTHING, spec=spec, options=options)


async def until_the_last_late_report(engine: Engine) -> None:
    await engine.wait_over()
    await anyio.sleep(60)
    await engine.wait_quiet()


def journal_of(seed: int, *, every_tick: bool) -> list[Record]:
    bench = a_busy_bench(seed, every_tick=every_tick)
    engine = bench.run(until_the_last_late_report)
    assert_balanced(bench, engine)
    return bench.records()


def assert_skipping_shows_nothing(seed: int) -> None:
    assert first_difference(journal_of(seed, every_tick=False), journal_of(seed, every_tick=True)) is None


@pytest.mark.parametrize("seed", range(4))
def test_skipping_quiet_prices_gives_the_journal_of_every_tick_with_regime_stops_and_limits(seed: int) -> None:
    assert_skipping_shows_nothing(seed)


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(100, 300))
def test_skipping_gives_the_journal_of_every_tick_on_many_walks(seed: int) -> None:
    assert_skipping_shows_nothing(seed)


def test_the_busy_walks_really_meet_regimes_limits_and_stops() -> None:
    """Else the tests around this one would say little."""
    facts, states = [], set()
    for seed in range(4):
        records = journal_of(seed, every_tick=False)
        facts += [record.fact for record in records]
        states.add(folded(records).state)
    blocks = {block.kind for fact in facts if isinstance(fact, BlocksChanged) for block in fact.blocks}
    assert {RegimeChanged, ShadowChanged, RiskMarked} <= set(map(type, facts))
    assert any(isinstance(fact, DecisionNarrowed) and fact.left_out for fact in facts)
    assert blocks == {
        BreakerKind.DAILY_LOSS,
        BreakerKind.DRAWDOWN,
        BreakerKind.FLOATING_LOSS,
        BreakerKind.TRAILING_TAKE_PROFIT,
    }
    assert states == {GridState.RUNNING, GridState.STOPPED}


@pytest.mark.parametrize("seed", range(4))
def test_a_journal_with_regime_stops_and_limits_is_reproduced_over_two_lives(seed: int) -> None:
    bench = a_busy_bench(seed)

    async def a_while(engine: Engine) -> None:
        await until(bench, 60.3)

    bench.run(a_while)
    engine = bench.run()
    records = bench.records()
    found = replay(records, instance=INSTANCE)
    assert (found.difference, found.records) == (None, len(records))
    assert found.decisions > 8
    assert_balanced(bench, engine)

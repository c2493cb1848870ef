"""Regime and stops over recorded crashes and a bear year: exact books, and what the filter really did."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.filters import MARKETS, Kind, Market, Outcome, cut, outcomes_of, terms_of
from engine.core.stops import DAY_MS
from engine.exchange.replay import ReplaySource, replay_from_file
from engine.model.events import BlocksChanged, OrderIntended, OrderReported, Record, RegimeChanged
from engine.model.grid import Disposal
from engine.model.money import ZERO
from engine.model.order import Leg, OrderStatus, Side
from engine.model.regime import EntryRule, RegimeName, RegimeSettings
from engine.model.risk import BreakerKind, Limits, RiskSettings, StopBasis, StopLoss
from engine.runtime.replaying import replay
from tests.builders import INSTANCE, SYMBOL
from tests.sim.engine_builders import Bench, assert_balanced
from tests.sim.recorded import CRASH, YEAR_2022, a_recorded_bench, forty_slots, needs_data
from tests.sim.regime_builders import folded, sensing
from tests.sim.test_quiet_band import first_difference

pytestmark = needs_data
D = Decimal
WORST = Market(
    name="12 and 13 March 2020",
    path=CRASH,
    since=date(2020, 3, 9),
    start=datetime(2020, 3, 12, tzinfo=UTC),
    until=date(2020, 3, 13),
    interval="15m",
)
DAY = replace(WORST, until=date(2020, 3, 12))
MARCH = MARKETS[0]
QUARTERS = RegimeSettings(interval_ms=900_000)
EVERYTHING = RiskSettings(
    limits=Limits(
        exposure_quote_max=D(3_990),
        open_orders_max=45,
        order_notional_max=D(110),
        price_band=D("0.4"),
        orders_per_minute_max=30,
        daily_loss_max=D(250),
        drawdown_max=D(320),
        floating_loss_max=D(200),
        price_stale_seconds=D(600),
        reports_stale_seconds=D(120),
        candles_stale_seconds=D(600),
    ),
    stops=(
        StopLoss(basis=StopBasis.PRICE_FALLS, at=D(4_200), disposal=Disposal.FLATTEN),
        StopLoss(basis=StopBasis.TOTAL, at=D(-900), disposal=Disposal.FLATTEN),
    ),
)


def figures(outcome: Outcome) -> tuple[str, ...]:
    """Grid profit, floating, total, drawdown and fees to the cent, and how many cycles."""
    profit = outcome.profit
    amounts = (profit.grid, profit.floating, profit.total, outcome.drawdown, profit.fees)
    return (*(f"{amount:.2f}" for amount in amounts), str(outcome.cycles))


def shadow_figures(outcome: Outcome) -> tuple[str, ...]:
    """Losses avoided, profit missed and worth to the cent, cycles missed, and how often the rules changed."""
    shadow = outcome.shadow
    if shadow is None:
        return ()
    amounts = (shadow.losses_avoided, shadow.profit_missed, shadow.net_worth)
    return (*(f"{amount:.2f}" for amount in amounts), str(shadow.cycles_missed), str(outcome.changes))


def assert_explained(outcomes: list[Outcome]) -> None:
    """Books that explain everything, and a shadow ledger near to what two whole runs differ by."""
    assert {amount for each in outcomes for amount in (each.profit.residual, each.difference)} == {ZERO}
    off, filtered, _ = outcomes
    assert filtered.shadow is not None
    apart = filtered.profit.total - off.profit.total
    assert abs(filtered.shadow.net_worth - apart) < abs(apart) / 100


def source_of(market: Market, folder: Path) -> ReplaySource:
    """The prices of a market, with what lies before its start."""
    return replay_from_file(cut(market, folder), symbol=SYMBOL, start_ms=int(market.start.timestamp()) * 1000)


def a_bench(market: Market, folder: Path, *, risk: RiskSettings, every_tick: bool = False) -> Bench:
    """The grid of the table on a market, with a regime of quarters of an hour."""
    source = source_of(market, folder)
    terms = terms_of(source)
    bench = a_recorded_bench(
        source, forty_slots(terms.lower, terms.upper), partial_fills=D("0.2"), every_tick=every_tick
    )
    return sensing(bench, regime=QUARTERS, risk=risk)


def with_rule(records: list[Record]) -> Iterator[tuple[RegimeChanged | None, Record]]:
    """Every record with the regime in force when it was journalled."""
    rule: RegimeChanged | None = None
    for record in records:
        if isinstance(record.fact, RegimeChanged):
            rule = record.fact
        yield rule, record


def test_the_worst_two_days_of_march_2020_with_each_kind_of_filter() -> None:
    """What ``make bench ARGS=filters`` prints, over a part of it, to the cent."""
    outcomes = list(outcomes_of(WORST))
    assert [outcome.kind for outcome in outcomes] == list(Kind)
    assert [figures(outcome) for outcome in outcomes] == [
        ("17.96", "-951.73", "-933.77", "1872.71", "8.27", "22"),
        ("1.63", "-629.87", "-628.24", "1123.41", "2.55", "2"),
        ("-430.04", "-0.31", "-430.34", "435.20", "4.28", "2"),
    ]
    assert [shadow_figures(outcome) for outcome in outcomes] == [
        (),
        ("322.11", "16.35", "305.76", "20", "9"),
        ("141.31", "3.27", "138.04", "4", "9"),
    ]
    stopped = "stop loss: the total PnL is -428.52341 USDT, at or below -400 USDT"
    assert [outcome.ended for outcome in outcomes] == ["", "", stopped]
    assert_explained(outcomes)


@pytest.mark.soak
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: f"{market.name}, {market.interval}")
def test_every_market_of_the_table_is_explained(market: Market) -> None:
    """The crashes whole, and the bear year; the exact figures of the year are its own."""
    outcomes = list(outcomes_of(market))
    assert_explained(outcomes)
    if market.path == YEAR_2022:
        assert [figures(outcome) for outcome in outcomes] == [
            ("625.04", "-2170.91", "-1545.87", "2103.11", "121.56", "587"),
            ("423.04", "-1488.32", "-1065.27", "1491.24", "70.52", "339"),
            ("-166.06", "-1.28", "-167.34", "515.29", "61.04", "290"),
        ]
        assert [shadow_figures(outcome) for outcome in outcomes[1:]] == [
            ("681.05", "202.49", "478.57", "248", "64"),
            ("326.33", "171.44", "154.89", "210", "64"),
        ]


@pytest.fixture(scope="module")
def march(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The journal of the first half of March 2020 with the regime on, by quarters of an hour."""
    bench = a_bench(MARCH, tmp_path_factory.mktemp("march"), risk=RiskSettings())
    assert_balanced(bench, bench.run())
    return bench.records()


def test_while_the_market_trends_down_no_long_entry_goes_out_and_exits_go_on(march: list[Record]) -> None:
    """Three exits fill in those times; while every second slot is left out, only even ones enter."""
    placed: Counter[tuple[EntryRule, str]] = Counter()
    sold: Counter[EntryRule] = Counter()
    for rule, record in with_rule(march):
        fact = record.fact
        if rule is not None and isinstance(fact, OrderIntended) and fact.leg is Leg.ENTRY:
            placed[rule.long_entries, "odd" if fact.slot % 2 else "even"] += 1
        if rule is not None and isinstance(fact, OrderReported) and fact.report.side is Side.SELL:
            sold[rule.long_entries] += fact.report.status is OrderStatus.FILLED
    assert placed == {
        (EntryRule.ALL, "even"): 66,
        (EntryRule.ALL, "odd"): 67,
        (EntryRule.ALTERNATE, "even"): 1,
    }
    assert sold == {EntryRule.ALL: 19, EntryRule.ALTERNATE: 1, EntryRule.NONE: 3}


def test_the_regimes_of_a_crash_last_their_dwell_and_bound_the_changes_of_a_day(march: list[Record]) -> None:
    """A gap of the recording on 4 March makes it unknown at once, for 113 quarters of an hour."""
    facts = [record.fact for record in march if isinstance(record.fact, RegimeChanged)]
    named = [facts[0], *(after for before, after in pairwise(facts) if before.name is not after.name)]
    for before, after in pairwise(named):
        if after.name is not RegimeName.UNKNOWN:
            assert after.since_ms - before.since_ms >= QUARTERS.dwell.of(before.name) * QUARTERS.interval_ms
    [unknown] = [index for index, fact in enumerate(named) if fact.name is RegimeName.UNKNOWN]
    assert named[unknown].reasons == ("8 candles missing from 2020-03-04 09:30 UTC", "1 of 113 candles")
    assert named[unknown + 1].since_ms - named[unknown].since_ms == 112 * QUARTERS.interval_ms
    assert max(Counter(fact.since_ms // DAY_MS for fact in named[1:]).values()) == 5


def test_the_worst_day_is_the_same_whether_quiet_prices_are_skipped_or_not_and_is_reproduced(tmp_path: Path) -> None:
    """With regime, stops and limits on; the ledgers are the fold of the journal."""
    journals = []
    for every_tick in (False, True):
        bench = a_bench(DAY, tmp_path, risk=EVERYTHING, every_tick=every_tick)
        engine = bench.run()
        assert_balanced(bench, engine)
        journals.append(bench.records())
        live, fold = engine.coordinators["main"].books, folded(bench.records())
        assert (fold.regime, fold.blocks, fold.risk_state) == (live.regime, live.blocks, live.risk_state)
        assert replace(fold.shadow, waiting=live.shadow.waiting) == live.shadow
    assert first_difference(*journals) is None
    found = replay(journals[0], instance=INSTANCE)
    assert (found.difference, found.records) == (None, len(journals[0]))
    told = [record.fact for record in journals[0]]
    assert sum(isinstance(fact, RegimeChanged) for fact in told) == 3
    raised = {block.kind for fact in told if isinstance(fact, BlocksChanged) for block in fact.blocks}
    assert raised == {
        BreakerKind.DAILY_LOSS,
        BreakerKind.DRAWDOWN,
        BreakerKind.FLOATING_LOSS,
        BreakerKind.STOP_LOSS,
    }

"""Recorded BTC/USDT candles under the whole engine, as a replay of the shipped settings would run them."""

from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from engine.exchange.known_markets import simulated_market
from engine.exchange.matching import MatchingOptions
from engine.exchange.prices import PriceSource
from engine.exchange.replay import replay_from_file
from engine.exchange.simulated import SimulatedOptions
from engine.model.grid import GridSpec, InitialPurchase, SizedBy, Spacing
from engine.model.money import ZERO
from tests.builders import SYMBOL, a_spec
from tests.sim.engine_builders import Bench

D = Decimal
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CRASH = DATA / "samples" / "BTCUSDT_1m_2020-03-01_2020-03-15_crash.csv.gz"
REBOUND = DATA / "samples" / "BTCUSDT_1m_2020-03-16_2020-03-31_rebound.csv.gz"
AUGUST = DATA / "samples" / "BTCUSDT_1m_2024-08-01_2024-08-12_crash_and_rebound.csv.gz"
YEAR_2020 = DATA / "candles" / "binance_spot_BTCUSDT_1m_2020.parquet"
YEAR_2022 = DATA / "candles" / "binance_spot_BTCUSDT_1m_2022.parquet"
YEAR_2024 = DATA / "candles" / "binance_spot_BTCUSDT_1m_2024.parquet"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not beside the project")


def forty_slots(lower: int, upper: int, **changes: object) -> GridSpec:
    """Forty geometric slots of 100 USDT with a window of 20 and an initial purchase."""
    values: dict[str, object] = {
        "lower": D(lower),
        "upper": D(upper),
        "spacing": Spacing.GEOMETRIC,
        "slots": 40,
        "sized_by": SizedBy.QUOTE_PER_SLOT,
        "size": D(100),
        "window": 20,
        "initial_purchase": InitialPurchase.LIMIT,
    }
    return a_spec(**(values | changes))


def candles_of(path: Path) -> PriceSource:
    """The whole of a file."""
    return replay_from_file(path, symbol=SYMBOL)


CRASH_GRID = forty_slots(4_000, 9_600)


def a_recorded_bench(
    source: PriceSource, *grids: GridSpec, partial_fills: Decimal = ZERO, every_tick: bool = False
) -> Bench:
    """A bench on recorded prices; fees are taken in what is received, as the pair has it."""
    return Bench(
        source,
        grids=grids,
        markets=[simulated_market(SYMBOL, data_tick=source.tick_size)],
        balances={"USDT": D(10_000), "BTC": D(0)},
        options=SimulatedOptions(
            matching=MatchingOptions(partial_fill_chance=partial_fills, seed=7), every_tick=every_tick
        ),
    )


def digest_of_crash() -> str:
    """The journal of the crash with partial fills: its length, its head's hash and a hash over its rows."""
    bench = a_recorded_bench(candles_of(CRASH), CRASH_GRID, partial_fills=D("0.3"))
    bench.run()
    sequence, head = bench.journal.head
    rows = sha256("\n".join(map(repr, bench.records())).encode()).hexdigest()
    return f"{sequence} {head} {rows}"

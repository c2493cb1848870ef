"""Whole engines that listen to a regime: a market of minutes with an hour and more of past, and what they said.

Minutes are counted from noon, as in ``candle_builders``. A bench starts in the middle of minute 3, at
12:03:30, after a hundred candles around 155 that say ranging; each close is one minute's, from minute 3 on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import sin

import anyio
import numpy as np

from engine.core.books import GridBooks
from engine.exchange.datafiles import market_data_from_columns
from engine.exchange.replay import ReplaySource
from engine.exchange.simulated import SimulatedOptions
from engine.model.events import GridOpened, Record, RegimeChanged
from engine.model.grid import GridSpec
from engine.model.ids import key_from_client_order_id
from engine.model.order import Leg
from engine.model.regime import EntryRule, RegimeName, RegimeSettings
from engine.model.risk import RiskSettings
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_spec
from tests.runtime.candle_builders import MINUTE_MS, NOON_MS, START_MS
from tests.runtime.test_regime_monitor import SETTINGS
from tests.sim.engine_builders import BALANCES, AuditedExchange, Bench

REGIME = replace(SETTINGS, history=100)
FIRST = 3
"""The minute in which a bench starts, and of the first close that a test says."""
_PAST = 100
NO_RISK = RiskSettings()


def a_still_close(minute: int) -> float:
    """Around 155: far from the levels of the default grid at 150 and 160."""
    return 155 + 3 * sin(minute * 2.1)


def a_market_of_minutes(closes: Sequence[float], *, missing: Collection[int] = ()) -> ReplaySource:
    """A hundred still minutes, then these; every candle begins where the last closed, unless its minute is missing."""
    minutes = range(FIRST - _PAST, FIRST + len(closes))
    every = [round(a_still_close(minute), 2) for minute in range(FIRST - _PAST, FIRST)] + [round(x, 2) for x in closes]
    opens = [every[0], *every[:-1]]
    kept = [index for index, minute in enumerate(minutes) if minute not in missing]
    columns = {
        "ts_ms": np.array([NOON_MS + minutes[i] * MINUTE_MS for i in kept], dtype=np.int64),
        "open": np.array([opens[i] for i in kept]),
        "high": np.array([round(max(opens[i], every[i]) + 0.01, 2) for i in kept]),
        "low": np.array([round(min(opens[i], every[i]) - 0.01, 2) for i in kept]),
        "close": np.array([every[i] for i in kept]),
        "volume": np.ones(len(kept)),
    }
    data = market_data_from_columns("minutes", columns, Decimal("0.01"))
    return ReplaySource(symbol=SYMBOL, data=data, start_ms=START_MS)


def a_regime_bench(
    closes: Sequence[float],
    *,
    regime: RegimeSettings | None = REGIME,
    risk: RiskSettings = NO_RISK,
    spec: GridSpec | None = None,
    missing: Collection[int] = (),
    options: SimulatedOptions | None = None,
    exchange_type: type[AuditedExchange] = AuditedExchange,
    balances: Mapping[str, Decimal] = BALANCES,
) -> Bench:
    """A bench whose grid listens to a regime and is bounded by risk."""
    grid = spec or a_spec()
    bench = Bench(
        a_market_of_minutes(closes, missing=missing),
        grids=[grid],
        options=options,
        exchange_type=exchange_type,
        balances=balances,
    )
    return sensing(bench, regime=regime, risk=risk)


def sensing(bench: Bench, *, regime: RegimeSettings | None, risk: RiskSettings = NO_RISK) -> Bench:
    """The same bench, every grid of which listens to a regime and is bounded by risk."""
    risks = {spec.name: risk for spec in bench.settings.grids}
    bench.settings = replace(bench.settings, regime=regime, risk=risks)
    return bench


async def until(bench: Bench, minute: float) -> None:
    """Wait until so many minutes after noon."""
    await anyio.sleep((NOON_MS + minute * MINUTE_MS - bench.clock.now_ms()) / 1000)


def told(engine: Engine, *words: str) -> list[str]:
    """What the engine has told that begins with one of these words."""
    return [event.text for event in engine.story.after(0, 10_000) if event.text.startswith(words)]


def changes(bench: Bench) -> list[tuple[float, RegimeName, EntryRule]]:
    """The journalled changes: how many minutes after noon, which regime, and what it lets open long."""
    return [
        ((record.at_ms - NOON_MS) // 1000 / 60, record.fact.name, record.fact.long_entries)
        for record in bench.records()
        if isinstance(record.fact, RegimeChanged)
    ]


def resting(bench: Bench, leg: Leg) -> list[int]:
    """The slots whose order of this leg is open on the exchange, lowest first."""
    keys = map(key_from_client_order_id, bench.exchange.open_ids(SYMBOL))
    return sorted(key.slot for key in keys if key is not None and key.leg is leg)


def folded(records: Iterable[Record]) -> GridBooks:
    """The books of the one grid of a journal."""
    books: GridBooks | None = None
    for record in records:
        if isinstance(record.fact, GridOpened):
            books = GridBooks(record.fact, record.at_ms)
        elif books is not None:
            books.apply(record.fact, record.at_ms)
    assert books is not None
    return books

"""What the regime filter and the stops are worth: recorded crashes and a bear year with and without them, in a table.

Every run is the whole engine over a recorded file, as fast as possible, with its journal in memory. The figures
are those of the engine's own snapshot at the end; the worst drawdown is taken at every row of the data.
"""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from time import perf_counter

from benchmarks.drawdown import drawdown_max, holdings_from_journal
from benchmarks.worlds import settings_from
from engine.core.stops import DAY_MS
from engine.exchange.datafiles import Candles, read_market_data
from engine.exchange.replay import ReplaySource, replay_from_file
from engine.model.errors import DataInvalid
from engine.model.events import Record, RegimeChanged
from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.regime import ShadowView
from engine.model.snapshot import EngineState, GridSnapshot, ProfitView
from engine.runtime.assembly import run_world
from engine.runtime.clock import run_on
from engine.runtime.engine import Engine
from engine.runtime.worlds import SimulatedWorld, open_simulated_world
from tests.sim.recorded import AUGUST, CRASH, YEAR_2020, YEAR_2022, YEAR_2024

_SYMBOL = "BTC/USDT"
_SLOTS, _QUOTE_PER_SLOT, _QUOTE = 40, 100, 10_000
_LOSS_MAX = _SLOTS * _QUOTE_PER_SLOT // 10
_SETTINGS = """
[simulation]
source = "replay"
path = "{path}"
start = {start}
journal = "memory"
speed = 0
quote = {quote}

[[grid]]
name = "main"
symbol = "{symbol}"
lower = {lower}
upper = {upper}
slots = {slots}
quote_per_slot = {quote_per_slot}
window = 20
initial_purchase = "limit"
"""
_STOPS = """
[[grid.stop]]
kind = "stop_loss"
basis = "price_falls"
at = {stop}
disposal = "flatten"

[[grid.stop]]
kind = "stop_loss"
basis = "total"
at = -{loss_max}
disposal = "flatten"
"""
_REGIME = """
[regime]
interval = "{interval}"
"""


class Kind(StrEnum):
    """What is switched on in a run."""

    OFF = "filter and stops off"
    REGIME = "regime on"
    STOPS = "regime and stops on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A recorded market from ``start`` to the end of ``until``.

    What lies between ``since`` and ``start``, two hundred candles or more, is the past of the regime.
    """

    name: str
    path: Path
    since: date
    start: datetime
    until: date
    interval: str

    @property
    def title(self) -> str:
        """What stands above its rows."""
        return f"{self.name}: {self.path.name}, {self.start:%Y-%m-%d %H:%M} to {self.until}, candles of {self.interval}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A range of a fifth around the first price, and a stop a twentieth below it: chosen without looking ahead."""

    lower: int
    upper: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one run. Amounts are in quote; ``shadow`` None: no regime was listened to.

    ``difference`` is how far the books and the exchange's account are apart, in quote at the last price; it and
    the residual must be 0. ``ended`` is the reason with which a stop ended the grid, empty where none did.
    """

    kind: Kind
    profit: ProfitView
    drawdown: Decimal
    cycles: int
    shadow: ShadowView | None
    difference: Decimal
    changes: int
    ended: str
    records: int
    seconds: float


MARKETS = (
    Market(
        name="March 2020",
        path=CRASH,
        since=date(2020, 3, 1),
        start=datetime(2020, 3, 3, 4, tzinfo=UTC),
        until=date(2020, 3, 15),
        interval="15m",
    ),
    Market(
        name="March 2020",
        path=YEAR_2020,
        since=date(2020, 1, 25),
        start=datetime(2020, 3, 1, tzinfo=UTC),
        until=date(2020, 3, 15),
        interval="4h",
    ),
    Market(
        name="August 2024",
        path=AUGUST,
        since=date(2024, 8, 1),
        start=datetime(2024, 8, 3, 4, tzinfo=UTC),
        until=date(2024, 8, 12),
        interval="15m",
    ),
    Market(
        name="August 2024",
        path=YEAR_2024,
        since=date(2024, 6, 27),
        start=datetime(2024, 8, 1, tzinfo=UTC),
        until=date(2024, 8, 12),
        interval="4h",
    ),
    Market(
        name="2022",
        path=YEAR_2022,
        since=date(2022, 1, 1),
        start=datetime(2022, 2, 4, tzinfo=UTC),
        until=date(2022, 12, 31),
        interval="4h",
    ),
)
_HEADINGS = (
    *("run", "grid", "floating", "total", "drawdown", "fees", "cycles"),
    *("avoided", "missed", "cycles", "worth", "apart", "changes", "residual", "seconds"),
)
_LAYOUT = "  {:<20}" + " {:>8}" * 5 + " {:>6}" + " {:>8} {:>7} {:>6} {:>8} {:>8}" + " {:>7} {:>8} {:>7}"


def lines() -> Iterator[str]:
    """The table, each row as soon as it is known.

    Raises:
        DataInvalid: the recorded data is not there.
        AssertionError: books do not explain an account.
    """
    logging.disable(logging.CRITICAL)
    yield "Amounts in USDT. grid + floating = total. drawdown: the most that the total was below its highest before, at"
    yield "every row of the data. The shadow ledger says what the regime prevented: avoided - missed = worth, after so"
    yield "many cycles missed; apart is by how much the total differs from that of the run without, and should be near."
    yield f"Each grid: {_SLOTS} slots of {_QUOTE_PER_SLOT} USDT a fifth around the first price, bought by limit."
    yield f"Stops: a twentieth below the range, and a total of -{_LOSS_MAX}; both flatten."
    worst = ZERO
    for market in MARKETS:
        yield ""
        yield market.title
        yield _LAYOUT.format(*_HEADINGS)
        plain: Outcome | None = None
        for outcome in outcomes_of(market):
            plain = plain or outcome
            worst = max(worst, abs(outcome.profit.residual), abs(outcome.difference))
            yield _LAYOUT.format(*_cells(outcome, outcome.profit.total - plain.profit.total))
            if outcome.ended:
                yield f"    {outcome.ended}"
    yield ""
    if worst:
        raise AssertionError(f"expected books that explain every account, they are off by {worst}")
    yield "the residual is 0 in every run, and the books are the exchange's account to the last unit"


def outcomes_of(market: Market) -> Iterator[Outcome]:
    """One run of every kind over a market."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = cut(market, folder)
        for kind in Kind:
            yield outcome_of(market, kind, file, folder)


def outcome_of(market: Market, kind: Kind, file: Path, folder: Path) -> Outcome:
    """A fresh engine over the ``cut`` of a market until its end."""
    source = replay_from_file(file, symbol=_SYMBOL, start_ms=_ms(market.start))
    settings = settings_from(_settings_text(market, kind, file, terms_of(source)), folder)
    begin = perf_counter()
    with open_simulated_world(settings, fresh=True) as world:
        grid, records = run_on(world.clock, _live, world)
        seconds = perf_counter() - begin
        account = world.exchange.matching.balances()
    held = {name: balance.free + balance.locked for name, balance in account.items()}
    apart = held[grid.quote] - _QUOTE - grid.cash + (held[grid.base] - grid.inventory) * (grid.price or ZERO)
    return Outcome(
        kind=kind,
        profit=grid.profit,
        drawdown=drawdown_max(holdings_from_journal(records), source),
        cycles=grid.cycles,
        shadow=None if grid.regime is None else grid.regime.shadow,
        difference=apart,
        changes=sum(isinstance(record.fact, RegimeChanged) for record in records),
        ended=grid.state_reason if grid.state is GridState.STOPPED else "",
        records=len(records),
        seconds=seconds,
    )


def cut(market: Market, folder: Path) -> Path:
    """A file with the candles of a market from ``since`` to the end of ``until``."""
    import numpy as np
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    candles = read_market_data(market.path)
    if not isinstance(candles, Candles):
        raise DataInvalid(f"{market.path}: expected candles, found trades")
    first, last = np.datetime64(market.since, "ms").astype(int), np.datetime64(market.until, "ms").astype(int) + DAY_MS
    rows = slice(*np.searchsorted(candles.at_ms, [first, last]))
    tick = float(candles.tick_size)
    prices = {name: np.round(getattr(candles, name)[rows] * tick, 8) for name in ("open", "high", "low", "close")}
    columns = {"ts_ms": candles.at_ms[rows], **prices, "volume": candles.volume[rows]}
    file = folder / "cut.parquet"
    parquet.write_table(arrow.table(columns), file)
    return file


def terms_of(source: ReplaySource) -> Terms:
    """The range and the stop of a grid that starts with the first price of a source."""
    tick = source.next()
    if tick is None:
        raise DataInvalid("expected a first price, found none")
    lower, upper = int(tick.price * 4 / 5), int(tick.price * 6 / 5)
    return Terms(lower=lower, upper=upper, stop=lower * 19 // 20)


def _settings_text(market: Market, kind: Kind, file: Path, terms: Terms) -> str:
    text = _SETTINGS.format(
        path=file,
        start=f"{market.start:%Y-%m-%dT%H:%M:%SZ}",
        quote=_QUOTE,
        symbol=_SYMBOL,
        lower=terms.lower,
        upper=terms.upper,
        slots=_SLOTS,
        quote_per_slot=_QUOTE_PER_SLOT,
    )
    regime = _REGIME.format(interval=market.interval)
    match kind:
        case Kind.OFF:
            return text
        case Kind.REGIME:
            return text + regime
        case Kind.STOPS:
            return text + _STOPS.format(stop=terms.stop, loss_max=_LOSS_MAX) + regime


async def _live(world: SimulatedWorld) -> tuple[GridSnapshot, list[Record]]:
    """What the engine says at the end of the data. Raises ``AssertionError`` if it did not get there."""
    found: list[tuple[GridSnapshot, list[Record]]] = []

    async def started(engine: Engine) -> None:
        await engine.wait_started()
        await engine.wait_over()
        await engine.wait_quiet()
        if engine.state is not EngineState.RUNNING:
            raise AssertionError(f"the engine is {engine.state}: {engine.state_reason}")
        found.append((engine.snapshot().grids[0], list(engine._journal.records())))
        engine.close()

    await run_world(world, started)
    return found[0]


def _cells(outcome: Outcome, apart: Decimal) -> Iterator[str]:
    profit, shadow = outcome.profit, outcome.shadow
    yield str(outcome.kind)
    yield from map(_amount, (profit.grid, profit.floating, profit.total, outcome.drawdown, profit.fees))
    yield str(outcome.cycles)
    if shadow is None:
        yield from "------"
    else:
        yield from (_amount(shadow.losses_avoided), _amount(shadow.profit_missed), str(shadow.cycles_missed))
        yield from (_amount(shadow.net_worth), _amount(apart), str(outcome.changes))
    yield str(profit.residual.normalize())
    yield f"{outcome.seconds:.1f}"


def _amount(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000

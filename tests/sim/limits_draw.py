"""What a seed of the second swarm means: a grid of any shape whose limits bite, on a market whose kind changes.

Beside market, faults, schedule and deaths, which are drawn as in the first swarm, each seed draws stops,
breakers, a regime of candles of one minute and maybe a panic filter. The market has a past, so that
the first regime is known soon.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from random import Random

import numpy as np

from engine.core.lattice import make_lattice
from engine.exchange.datafiles import market_data_from_columns
from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.replay import ReplaySource
from engine.model.commands import Command, EditGrid, GridChange, LiftBlock, Panic, Pause, Resume
from engine.model.grid import (
    NO_TRAILING,
    Direction,
    Disposal,
    GridSpec,
    InitialPurchase,
    MarginMode,
    ProfitUse,
    SizeProfile,
    Spacing,
    StartTrigger,
    Trailing,
    TriggerSide,
)
from engine.model.market import FeeCurrency, Market
from engine.model.regime import PerRegime, RegimeSettings
from engine.model.risk import (
    BreakerKind,
    BreakerRule,
    Limits,
    PanicSettings,
    RiskSettings,
    StopBasis,
    StopLoss,
    StopRule,
    TakeProfit,
    TrailingTakeProfit,
)
from tests.builders import SYMBOL, a_market, a_spec
from tests.core.shape_builders import a_swap
from tests.sim.schedules import Schedule, Strategy
from tests.sim.sim_world import GRID, Death
from tests.sim.swarm_draw import VIRTUAL_SECONDS, _draw_commands, _draw_death, _draw_faults

D = Decimal
DAY_MS = 86_400_000
MINUTE_MS = 60_000
FIRST_MS = 20_000 * DAY_MS
"""Rows begin on some midnight; the first ``PAST_SECONDS`` of them are the past."""
PAST_SECONDS = 480
FUNDING_MS = 120_000
SWAP_SYMBOL = "BTC/USDT:USDT"
_TICK = D("0.01")
_LOSSES = (BreakerKind.DAILY_LOSS, BreakerKind.DRAWDOWN, BreakerKind.FLOATING_LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsDraw:
    """Everything that a seed has drawn; ``looks_every_seconds`` None: no terminal ever looks."""

    seed: int
    spec: GridSpec
    market: Market
    quote: Decimal
    start_ms: int
    path: tuple[tuple[int, Decimal], ...]
    faults: FaultPlan
    partial_fill_chance: Decimal
    latency_ms: int
    schedule: Schedule
    commit_seconds: float
    stall_seconds: float
    reconcile_seconds: float
    deaths: tuple[Death, ...]
    commands: tuple[tuple[float, Command], ...]
    risk: RiskSettings
    regime: RegimeSettings | None
    looks_every_seconds: float | None
    ends_with_restart: bool

    def __str__(self) -> str:
        """In one line, without the path."""
        values = (f"{field.name}={getattr(self, field.name)}" for field in fields(self) if field.name != "path")
        return " ".join(values)

    def source(self) -> ReplaySource:
        """The market, with its past."""
        columns = {
            "ts_ms": np.array([at_ms for at_ms, _ in self.path], dtype=np.int64),
            "price": np.array([float(price) for _, price in self.path]),
            "amount": np.ones(len(self.path)),
        }
        data = market_data_from_columns("trades", columns, _TICK)
        return ReplaySource(symbol=self.market.symbol, data=data, start_ms=self.start_ms)


def draw_limits(seed: int) -> LimitsDraw:
    """What a seed means."""
    dice = Random(f"limits {seed}")
    is_swap = dice.random() < 0.5
    spec, market = _draw_spec(dice, is_swap=is_swap), _draw_market(dice, is_swap=is_swap)
    regime = _draw_regime(dice) if dice.random() < 0.85 else None
    crosses_midnight = dice.random() < 0.3
    # The past ends three minutes before a midnight, or where no midnight comes.
    first_ms = FIRST_MS - PAST_SECONDS * 1000 - (180_000 if crosses_midnight else 7_200_000)
    # No payment falls on the very beginning, where it depends on two clocks whether it is the grid's own.
    start_ms = first_ms + PAST_SECONDS * 1000 + 21_000
    return LimitsDraw(
        seed=seed,
        spec=spec,
        market=market,
        quote=D(dice.choice((2_500, 100_000))),
        start_ms=start_ms,
        path=_draw_path(dice, first_ms),
        faults=_draw_faults_from(dice, seed, start_ms),
        partial_fill_chance=dice.choice((D(0), D("0.3"), D("0.8"))),
        latency_ms=dice.choice((1, 25, 300, 1200)),
        schedule=Schedule(
            strategy=dice.choice((Strategy.FIFO, Strategy.RANDOM, Strategy.PRIORITY)),
            seed=seed,
            step_cost_seconds=dice.choice((0.0, 1e-6)),
        ),
        commit_seconds=dice.choice((0.0, 0.001, 0.02)),
        stall_seconds=dice.choice((0.0, 0.0, 1.5, 8.0)),
        reconcile_seconds=dice.choice((5.0, 20.0, 60.0)),
        deaths=tuple(_draw_death(dice) for _ in range(dice.choice((0, 0, 1, 1, 2)))),
        commands=tuple(_draw_all_commands(dice, spec.slots)),
        risk=_draw_risk(dice, spec, market, has_regime=regime is not None),
        regime=regime,
        looks_every_seconds=dice.choice((None, 1.0, 10.0)),
        ends_with_restart=dice.random() < 0.4,
    )


def _draw_market(dice: Random, *, is_swap: bool) -> Market:
    if not is_swap:
        return a_market(fee_currency=dice.choice(list(FeeCurrency)))
    swap = a_swap(symbol=SWAP_SYMBOL)
    assert swap.swap is not None
    return replace(swap, swap=replace(swap.swap, funding_interval_ms=FUNDING_MS))


def _draw_spec(dice: Random, *, is_swap: bool) -> GridSpec:
    slots = dice.randint(2, 10)
    direction = dice.choice(list(Direction))
    is_infinite = direction is Direction.LONG and dice.random() < 0.2
    trails = not is_infinite and dice.random() < 0.3
    purchases = (InitialPurchase.NONE, InitialPurchase.LIMIT, InitialPurchase.MARKET)
    start = None
    if dice.random() < 0.2:
        side = dice.choice(list(TriggerSide))
        start = StartTrigger(side=side, price=D(dice.choice((148, 150, 152))))
    return a_spec(
        symbol=SWAP_SYMBOL if is_swap else SYMBOL,
        direction=direction,
        slots=slots,
        spacing=dice.choice(list(Spacing)),
        window=dice.randint(1, slots),
        initial_purchase=dice.choice(purchases),
        size=dice.choice((D(1), D("0.5"), D("0.123"))),
        profile=dice.choice(list(SizeProfile)),
        profit_use=dice.choice(list(ProfitUse)),
        start=start,
        is_infinite=is_infinite,
        trailing=Trailing(up_to=dice.choice((None, D(230))), down_to=dice.choice((None, D(70))))
        if trails
        else NO_TRAILING,
        leverage=D(dice.choice((1, 2, 4))) if is_swap else D(1),
        margin=dice.choice(list(MarginMode)) if is_swap else MarginMode.CROSS,
    )


def _draw_path(dice: Random, first_ms: int) -> tuple[tuple[int, Decimal], ...]:
    """Minutes that walk, swing, leap or trend, in turn; in ticks of the market."""
    price, step_ms = 15_000 + dice.randint(-1_000, 1_000), dice.choice((500, 1_000, 2_000, 5_000))
    width = dice.choice((10, 40, 120))
    middle, path, kind, drift = price, [], "walk", 0
    rows_per_phase = dice.choice((60_000, 120_000)) // step_ms
    for row in range((PAST_SECONDS + VIRTUAL_SECONDS) * 1000 // step_ms):
        if row % rows_per_phase == 0:
            kind = dice.choice(("walk", "gaps", "swing", "trend"))
            drift = dice.choice((-1, 1)) * dice.choice((600, 1_500, 3_000)) // rows_per_phase
        move = dice.randint(-width, width)
        if kind == "gaps" and dice.random() < 0.04:
            move *= 20
        if kind == "swing":
            move += (middle - price) // 3 + (1_000 if row // 6 % 2 else -1_000)
        if kind == "trend":
            move = move // 4 + drift
        if row * step_ms < PAST_SECONDS * 1000:
            move = move // 2 + (middle - price) // 20  # a grid begins inside of its range
        price = min(max(price + move, 7_500), 22_500)
        path.append((first_ms + row * step_ms, price * _TICK))
    return tuple(path)


def _draw_faults_from(dice: Random, seed: int, start_ms: int) -> FaultPlan:
    """A third of all runs meet no fault: there nothing has an excuse."""
    if dice.random() < 0.35:
        return FaultPlan(seed=seed)
    plan = _draw_faults(dice, seed)
    windows = {
        kind: tuple(_later(window, start_ms) for window in getattr(plan, kind))
        for kind in ("bans", "stalls", "disconnects")
    }
    fates = ("request_lost_chance", "answer_lost_chance", "request_late_chance", "answer_torn_chance")
    chances = {name: getattr(plan, name) for name in fates}
    if sum(chances.values()) > D("0.6"):
        # An engine that three requests in four fail cannot start in its time: a swap asks for more than a spot market.
        chances = {name: chance / 2 for name, chance in chances.items()}
    return replace(plan, **windows, **chances)  # type: ignore[arg-type]


def _later(window: Outage, by_ms: int) -> Outage:
    return Outage(from_ms=window.from_ms + by_ms, until_ms=window.until_ms + by_ms)


def _draw_all_commands(dice: Random, slots: int) -> Iterator[tuple[float, Command]]:
    yield from _draw_commands(dice, slots)
    for _ in range(dice.choice((0, 0, 1, 3))):
        at_seconds = round(dice.uniform(0, VIRTUAL_SECONDS), 1)
        what = dice.choice(("panic", "lift", "edit", "pause"))
        match what:
            case "panic":
                yield at_seconds, Panic(grid=GRID)
                yield at_seconds + dice.choice((5.0, 60.0)), LiftBlock(grid=GRID, kind=BreakerKind.PANIC_KEY)
            case "lift":
                yield at_seconds, LiftBlock(grid=GRID, kind=dice.choice(list(BreakerKind)))
            case "edit":
                change = dice.choice((GridChange(size=D("0.4")), GridChange(slots=slots + 2), GridChange(lower=D(110))))
                yield at_seconds, EditGrid(grid=GRID, change=change)
            case _:
                yield at_seconds, Pause(grid=GRID)
                yield at_seconds + dice.choice((0.0, 5.0)), Resume(grid=GRID)


# Risk


def _draw_risk(dice: Random, spec: GridSpec, market: Market, *, has_regime: bool) -> RiskSettings:
    """Limits that a grid can begin with, and that are soon in its way."""
    lattice = make_lattice(spec, market, D(150) if spec.start is None else spec.start.price)
    notional = max(price * amount for price, amount in zip(lattice.levels[1:], lattice.amounts, strict=True))
    while True:
        try:
            return RiskSettings(
                limits=_draw_limits(dice, spec, notional, has_regime=has_regime),
                stops=tuple(_draw_stops(dice, notional)),
                breakers=tuple(_draw_breakers(dice)),
                panic=_draw_panic(dice, market.symbol),
            )
        except ValueError:
            continue  # stops that contradict each other: draw again


def _draw_limits(dice: Random, spec: GridSpec, notional: Decimal, *, has_regime: bool) -> Limits:
    def maybe(*values: str | int | Decimal, off: float = 0.12) -> Decimal | None:
        value = D(dice.choice(values))
        return None if dice.random() < off else value

    order = maybe(notional * D("1.02"), notional * D("1.6"))
    exposure = maybe(notional * D("2.2"), notional * 4, notional * 8)
    orders, rate = maybe(2, 3, 5, 9), maybe(3, 8, 30)
    return Limits(
        order_notional_max=order,
        exposure_quote_max=exposure if exposure is None or order is None else max(order, exposure),
        open_orders_max=None if orders is None else int(orders),
        orders_per_minute_max=None if rate is None else int(rate),
        price_band=maybe("0.001", "0.01", "0.1"),
        daily_loss_max=maybe(notional / 20, notional / 5, notional, off=0.5),
        drawdown_max=maybe(notional / 20, notional / 5, notional, off=0.3),
        floating_loss_max=maybe(notional / 20, notional / 5, notional, off=0.3),
        price_stale_seconds=maybe(4, 15, 60),
        reports_stale_seconds=maybe(1, 5, 30),
        candles_stale_seconds=maybe(5, 30, 90) if has_regime else None,
        journal_lag_seconds_max=maybe("0.5", 1, 5),
        liquidation_distance_min=maybe("0.05", "0.15", "0.4") if ":" in spec.symbol and dice.random() < 0.6 else None,
    )


def _draw_stops(dice: Random, notional: Decimal) -> Iterator[StopRule]:
    def disposal() -> Disposal:
        return dice.choice(list(Disposal))

    if dice.random() < 0.15:
        yield StopLoss(basis=StopBasis.PRICE_FALLS, at=D(dice.choice((95, 110, 125))), disposal=disposal())
    if dice.random() < 0.08:
        yield StopLoss(basis=StopBasis.TOTAL, at=-notional * D(dice.choice(("0.1", "0.5"))), disposal=disposal())
    if dice.random() < 0.08:
        yield TakeProfit(basis=StopBasis.PRICE_RISES, at=D(dice.choice((175, 190, 210))), disposal=disposal())
    if dice.random() < 0.08:
        yield TakeProfit(basis=StopBasis.TOTAL, at=notional * D(dice.choice(("0.1", "0.4"))), disposal=disposal())
    if dice.random() < 0.15:
        at = notional * D(dice.choice(("0.02", "0.08")))
        yield TrailingTakeProfit(basis=StopBasis.TOTAL, at=at, trail=at / 2, disposal=disposal())
    if dice.random() < 0.1:
        yield TrailingTakeProfit(basis=StopBasis.PRICE_RISES, at=D(170), trail=D(6), disposal=disposal())


def _draw_breakers(dice: Random) -> Iterator[BreakerRule]:
    for kind in _LOSSES:
        if dice.random() < 0.9:
            yield BreakerRule(
                kind=kind,
                cooldown_seconds=dice.choice((0, 10, 60)),
                needs_person=dice.random() < 0.1,
                disposal=dice.choice(list(Disposal)) if dice.random() < 0.15 else None,
            )


def _draw_panic(dice: Random, symbol: str) -> PanicSettings | None:
    if dice.random() < 0.7:
        return None
    multiplier = D(dice.choice(("0.3", "0.9")))
    return PanicSettings(
        symbols=(symbol,), trigger=1, recovery=1, average_window=4, volume_multiplier=multiplier, stale_after_ms=20_000
    )


def _draw_regime(dice: Random) -> RegimeSettings:
    """Windows so short that a minute or two make a regime."""
    return RegimeSettings(
        interval_ms=MINUTE_MS,
        history=8,
        adx_candles=2,
        efficiency_candles=3,
        choppiness_candles=2,
        atr_candles=2,
        volatility_candles=2,
        ema_candles=2,
        slope_candles=1,
        confirmations=dice.choice((0, 1)),
        dwell=PerRegime(ranging=1, trending_up=1, trending_down=1, volatile=1, unknown=1),
        gap_max=2,
        gap_recovery=1,
        stale_after_ms=dice.choice((5_000, 20_000, 90_000)),
    )

"""What a seed means: a grid, a market, faults, a schedule, deaths, commands and deeds, all drawn from it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from random import Random

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage, draw_outages
from engine.model.commands import Command, Freeze, Pause, Resume, Thaw
from engine.model.grid import GridSpec, InitialPurchase, Spacing
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.order import Side
from tests.builders import a_spec
from tests.sim.schedules import Schedule, Strategy
from tests.sim.sim_journal import CommitKill, Cut
from tests.sim.sim_world import GRID, Death

D = Decimal
VIRTUAL_SECONDS = 360
ORDERS_MAX = 50
_TICK = D("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What the account's owner does by hand: ``amount`` is quote or base; ``price`` None: our nearest order goes."""

    at_seconds: float
    name: str
    side: Side | None = None
    price: Decimal | None = None
    currency: str = ""
    amount: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Everything that a seed has drawn."""

    seed: int
    spec: GridSpec
    fee_currency: FeeCurrency
    path: tuple[tuple[int, Decimal], ...]
    faults: FaultPlan
    partial_fill_chance: Decimal
    latency_ms: int
    schedule: Schedule
    commit_seconds: float
    stall_seconds: float
    full_from_commit: int | None
    reconcile_seconds: float
    deaths: tuple[Death, ...]
    commands: tuple[tuple[float, Command], ...]
    deeds: tuple[Deed, ...]
    ends_with_restart: bool
    orders_max: int = ORDERS_MAX
    """Placements that the exchange takes within ten seconds; the engine's own budget is 45."""

    def __str__(self) -> str:
        """In one line, without the path."""
        values = (f"{field.name}={getattr(self, field.name)}" for field in fields(self) if field.name != "path")
        return " ".join(values)


def draw(seed: int) -> Draw:
    """What a seed means."""
    dice = Random(f"swarm {seed}")
    slots = dice.randint(2, 12)
    purchase = dice.choice(list(InitialPurchase))
    spec = a_spec(
        slots=slots,
        spacing=dice.choice(list(Spacing)),
        window=dice.randint(1, slots),
        initial_purchase=purchase,
        size=dice.choice((D(1), D("0.5"), D("0.07123"), D("0.05001"))),
    )
    return Draw(
        seed=seed,
        spec=spec,
        fee_currency=dice.choice(list(FeeCurrency)),
        path=_draw_path(dice),
        faults=_draw_faults(dice, seed),
        partial_fill_chance=dice.choice((D(0), D("0.3"), D("0.8"))),
        latency_ms=dice.choice((1, 25, 300, 1200)),
        schedule=Schedule(
            strategy=dice.choice((Strategy.FIFO, Strategy.RANDOM, Strategy.RANDOM, Strategy.PRIORITY)),
            seed=seed,
            step_cost_seconds=dice.choice((0.0, 1e-6)),
        ),
        commit_seconds=dice.choice((0.0, 0.001, 0.02)),
        stall_seconds=dice.choice((0.0, 0.0, 1.5, 8.0)),
        full_from_commit=dice.randint(3, 60) if dice.random() < 0.08 else None,
        reconcile_seconds=dice.choice((5.0, 20.0, 60.0)),
        deaths=tuple(_draw_death(dice) for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))),
        commands=tuple(_draw_commands(dice, slots)),
        deeds=tuple(_draw_deeds(dice)),
        ends_with_restart=dice.random() < 0.3,
        orders_max=dice.choice((ORDERS_MAX, ORDERS_MAX, 8, 3)),
    )


def _draw_path(dice: Random) -> tuple[tuple[int, Decimal], ...]:
    """A random walk, one with gaps, or a swing; in ticks of the market."""
    kind = dice.choice(("walk", "gaps", "swing"))
    price, step_ms = 15_000 + dice.randint(-2_000, 2_000), dice.choice((500, 1_000, 2_000, 5_000))
    width = dice.choice((20, 80, 250))
    middle, path = price, []
    for row in range(VIRTUAL_SECONDS * 1_000 // step_ms):
        move = dice.randint(-width, width)
        if kind == "gaps" and dice.random() < 0.04:
            move *= 20
        if kind == "swing":
            move += (middle - price) // 3 + (1_200 if row // 6 % 2 else -1_200)
        price = min(max(price + move, 7_000), 23_000)
        path.append((row * step_ms, price * _TICK))
    return tuple(path)


def _draw_faults(dice: Random, seed: int) -> FaultPlan:
    """Each fault is on or off; what is on is hard."""

    def chance(most: str) -> Decimal:
        return dice.choice((D(0), D(0), D(0), D(most) / 5, D(most)))

    def outages(what: str, length_ms_max: int) -> tuple[Outage, ...]:
        if dice.random() < 0.7:
            return ()
        end = VIRTUAL_SECONDS * 1_000
        return draw_outages(seed, what, from_ms=0, until_ms=end, outages_max=3, length_ms_max=length_ms_max)

    return FaultPlan(
        seed=seed,
        request_lost_chance=chance("0.2"),
        answer_lost_chance=chance("0.2"),
        request_late_chance=chance("0.2"),
        answer_torn_chance=chance("0.2"),
        stale_answer_chance=chance("0.3"),
        report_dropped_chance=chance("0.3"),
        report_doubled_chance=chance("0.3"),
        report_delayed_chance=chance("0.4"),
        delay_ms_max=dice.choice((500, 3_000, 15_000)),
        timeout_ms=dice.choice((400, 1_000, 5_000)),
        stale_ms=dice.choice((500, 2_000, 4_000)),
        hidden_fill_chance=Random(f"hidden fills {seed}").choice((D(0), D(0), D("0.2"), D(1))),
        clock_skew_ms=dice.choice((0, 0, -800, 800)),
        bans=outages("bans", 20_000),
        stalls=outages("stalls", 60_000),
        disconnects=outages("disconnects", 40_000),
    )


def _draw_death(dice: Random) -> Death:
    dead_seconds = dice.choice((0.0, 1.0, 10.0, 60.0)) * dice.random()
    if dice.random() < 0.4:
        cut = dice.choice(list(Cut))
        return Death(commit=CommitKill(number=dice.randint(1, 120), cut=cut), dead_seconds=dead_seconds)
    after_seconds = dice.choice((0.0, 1.0, 60.0, 300.0)) * dice.random()
    steps, kept = dice.randint(0, 200), dice.choice((0, 1, 9))
    return Death(after_seconds=after_seconds, steps=steps, appends_kept=kept, dead_seconds=dead_seconds)


def _draw_commands(dice: Random, slots: int) -> Iterator[tuple[float, Command]]:
    for _ in range(dice.choice((0, 0, 2, 6))):
        at_seconds, slot = round(dice.uniform(0, VIRTUAL_SECONDS), 1), dice.randrange(slots)
        undone = at_seconds + dice.choice((0.0, 0.1, 5.0, 60.0))
        if dice.random() < 0.5:
            yield at_seconds, Pause(grid=GRID)
            yield undone, Resume(grid=GRID)
        else:
            yield at_seconds, Freeze(grid=GRID, slot=slot)
            yield undone, Thaw(grid=GRID, slot=slot)


def _draw_deeds(dice: Random) -> Iterator[Deed]:
    for number in range(dice.choice((0, 0, 0, 1, 3))):
        at_seconds = round(dice.uniform(0, VIRTUAL_SECONDS), 1)
        what = dice.choice(("order", "order", "cancel", "quote", "base"))
        if what == "order":
            side, price = dice.choice(((Side.BUY, D(130)), (Side.SELL, D(170)), (Side.BUY, D(20))))
            yield Deed(at_seconds=at_seconds, name=f"hand{number}", side=side, price=price, amount=D("0.3"))
        elif what == "cancel":
            yield Deed(at_seconds=at_seconds, name=f"hand{number}")
        else:
            currency, amount = ("USDT", D(dice.choice((-50, 500)))) if what == "quote" else ("BTC", D("0.25"))
            yield Deed(at_seconds=at_seconds, name=f"hand{number}", currency=currency, amount=amount)

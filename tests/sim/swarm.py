"""Whole-engine runs in which everything is drawn from one seed: grid, market, faults, schedule, deaths, deeds.

``run_swarm(seed)`` lives 0.1 virtual hour of trading, lets the world come to rest and says what is
not as it must be; ``shrink(seed)`` takes away what the failure does not need. From the command line:
``python -m tests.sim.swarm SEED`` tells one seed, and shrinks it if it fails.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from random import Random

import anyio

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.outages import Outage, draw_outages
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Command, Freeze, Pause, Resume, Thaw
from engine.model.errors import OrderNotFound, Rejected
from engine.model.grid import GridSpec, InitialPurchase, Spacing
from engine.model.market import FeeCurrency
from engine.model.order import OrderRequest, Side
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_market, a_spec
from tests.sim.engine_builders import a_timed_path
from tests.sim.schedules import SimulationEnded, Schedule, Strategy, mix
from tests.sim.sim_journal import CommitKill, Cut
from tests.sim.sim_truths import problems_of, problems_of_history
from tests.sim.sim_world import GRID, Death, SimWorld, give, is_ours, settle, until_over

D = Decimal
VIRTUAL_SECONDS = 360
_TICK = D("0.01")
_LOWER, _UPPER = D(100), D(200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What the account's owner does by hand: ``amount`` is quote or base; ``price`` None: our nearest order goes."""

    at_seconds: float
    name: str
    side: Side | None = None
    price: Decimal | None = None
    currency: str = ""
    amount: Decimal = D(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Everything that a seed has drawn; ``faults`` beside zeros are on."""

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

    def __str__(self) -> str:
        """In one line, without the path."""
        values = (f"{field.name}={getattr(self, field.name)}" for field in fields(self) if field.name != "path")
        return " ".join(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run; ``problems`` is empty when everything is as it must be. ``steps`` are those of the last
    life, ``digest`` is of the schedule and of the journal."""

    drawn: Draw
    problems: tuple[str, ...]
    fills: int
    deaths: int
    records: int
    commits: int
    steps: int
    digest: str

    def __str__(self) -> str:
        found = "; ".join(self.problems) or "ok"
        return f"seed {self.drawn.seed}: {found} | {self.drawn}"


def run_swarm(seed: int) -> Outcome:
    """Draw everything from a seed and live it."""
    return run_drawn(draw(seed))


# Drawing


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


# Living


def run_drawn(drawn: Draw) -> Outcome:
    """Live what was drawn, and look at what is left."""
    world = _world_of(drawn)
    try:
        problems = _live_through(world, drawn)
    except (Exception, SimulationEnded) as error:  # noqa: BLE001 - whatever a run ends with is what it found
        problems = [_in_words(error)]
    return Outcome(
        drawn=drawn,
        problems=tuple(problems),
        fills=world.exchange.matching.trades(SYMBOL),
        deaths=world.deaths,
        records=len(world.disk.records),
        commits=world.disk.commits,
        steps=world.steps,
        digest=f"{mix(*(int(world.digest[part : part + 12], 16) for part in range(0, len(world.digest), 12))):016x}"
        f" {world.disk.head[1][:16]}",
    )


def _world_of(drawn: Draw) -> SimWorld:
    def commit_seconds(number: int) -> float:
        stalls = drawn.stall_seconds and mix(drawn.seed, number) % 25 == 0
        return drawn.stall_seconds if stalls else drawn.commit_seconds

    matching = MatchingOptions(seed=drawn.seed, partial_fill_chance=drawn.partial_fill_chance)
    world = SimWorld(
        a_timed_path(*drawn.path),
        spec=drawn.spec,
        market=a_market(fee_currency=drawn.fee_currency),
        balances={"BTC": D(20), "USDT": D(100_000)},
        options=SimulatedOptions(matching=matching, latency_ms=drawn.latency_ms, faults=drawn.faults),
        schedule=drawn.schedule,
        commit_seconds=commit_seconds,
        reconcile_seconds=drawn.reconcile_seconds,
    )
    world.disk.full_from_commit = drawn.full_from_commit
    return world


def _live_through(world: SimWorld, drawn: Draw) -> list[str]:
    found: list[str] = []

    async def trade(engine: Engine) -> None:
        async with anyio.create_task_group() as tasks:
            for at_seconds, command in drawn.commands:
                tasks.start_soon(_at, world, at_seconds, lambda command=command: give(engine, command))
            for deed in drawn.deeds:
                tasks.start_soon(_at, world, deed.at_seconds, lambda deed=deed: _do(world, deed))
            await until_over(engine)
            tasks.cancel_scope.cancel()

    async def come_to_rest(engine: Engine) -> None:
        world.exchange.stop_faults()
        await settle(engine)
        found.extend(problems_of(world))

    async def trade_and_rest(engine: Engine) -> None:
        await trade(engine)
        if world.disk.full_from_commit is None:
            await come_to_rest(engine)

    for death in drawn.deaths:
        if world.live(trade, death) and world.disk.full_from_commit is None:
            break
        world.disk.full_from_commit = None
    world.live(trade_and_rest)
    if world.disk.full_from_commit is not None:
        world.disk.full_from_commit = None
        world.live(trade_and_rest)
    if drawn.ends_with_restart:
        world.live(come_to_rest)
    return [*found, *problems_of_history(world)]


async def _at(world: SimWorld, at_seconds: float, act: Callable[[], object]) -> None:
    """Act at a time of the world, if that is still to come."""
    wait = at_seconds - world.clock.seconds
    if wait >= 0:
        await anyio.sleep(wait)
        done = act()
        if done is not None:
            await done


async def _do(world: SimWorld, deed: Deed) -> None:
    exchange = world.exchange
    try:
        if deed.currency:
            exchange.move_money(deed.currency, deed.amount)
        elif deed.side is not None and deed.price is not None:
            request = OrderRequest(
                client_order_id=deed.name,
                symbol=SYMBOL,
                side=deed.side,
                price=deed.price,
                amount=deed.amount,
                post_only=False,
            )
            exchange.place_by_hand(request)
        else:
            ours = sorted(name for name in exchange.open_ids(SYMBOL) if is_ours(name))
            if ours:
                exchange.cancel_by_hand(SYMBOL, ours[0])
    except (Rejected, OrderNotFound):
        return


def _in_words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


# Shrinking


def shrink(seed: int) -> Outcome:
    """The smallest run that still fails of what a seed has drawn; the seed's own run if it does not fail."""
    smallest = run_swarm(seed)
    if not smallest.problems:
        return smallest
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for less in _with_less(smallest.drawn):
            outcome = run_drawn(less)
            if outcome.problems:
                smallest, is_smaller = outcome, True
                break
    return smallest


def _with_less(drawn: Draw) -> Iterator[Draw]:
    """The same run with one thing taken away."""
    for name in ("deaths", "commands", "deeds"):
        things = getattr(drawn, name)
        for index in range(len(things)):
            yield _but(drawn, name, things[:index] + things[index + 1 :])
    for field in fields(FaultPlan):
        value = getattr(drawn.faults, field.name)
        if value != field.default and field.name not in ("seed", "delay_ms_max", "timeout_ms", "stale_ms"):
            yield replace(drawn, faults=_but(drawn.faults, field.name, field.default))
    for name, nothing in (("full_from_commit", None), ("stall_seconds", 0.0), ("commit_seconds", 0.0)):
        if getattr(drawn, name) != nothing:
            yield _but(drawn, name, nothing)
    if drawn.partial_fill_chance:
        yield replace(drawn, partial_fill_chance=D(0))
    if drawn.ends_with_restart:
        yield replace(drawn, ends_with_restart=False)
    if drawn.schedule.strategy is not Strategy.FIFO:
        yield replace(drawn, schedule=replace(drawn.schedule, strategy=Strategy.FIFO))
    if drawn.schedule.step_cost_seconds:
        yield replace(drawn, schedule=replace(drawn.schedule, step_cost_seconds=0.0))


def _but(value: object, name: str, other: object) -> object:
    return replace(value, **{name: other})


if __name__ == "__main__":
    print(shrink(int(sys.argv[1])))

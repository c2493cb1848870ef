"""Whole-engine runs in which every limit is on: nothing that is forbidden is sent, and no exit is ever held back.

``run_limits(seed)`` lives 0.1 virtual hour and says what is not as it must be. From the command line:
``python -m tests.sim.limits_swarm SEED [SEEDS]`` tells one seed, or all failures of so many from there on.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import anyio

from engine.exchange.matching import MatchingOptions
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedOptions
from engine.model.errors import InvariantBroken, SettingsInvalid
from engine.model.events import BlocksChanged, GridStateChanged, LatticeMigrated, OrderIntended, RegimeChanged
from engine.model.order import Leg
from engine.model.snapshot import EngineState
from engine.runtime.causes import first_cause
from engine.runtime.engine import Engine
from tests.sim.engine_builders import some_settings
from tests.sim.limits_draw import LimitsDraw, draw_limits
from tests.sim.limits_rest import ExitWatch, problems_at_rest, problems_of_replay
from tests.sim.limits_truths import forbidden
from tests.sim.limits_witness import LimitWitness
from tests.sim.schedules import SimulationEnded, mix
from tests.sim.sim_truths import problems_of_history
from tests.sim.sim_world import GRID, SimWorld, give, is_ours, settle, until_over
from tests.sim.swarm import _in_words
from tests.sim.swarm_draw import ORDERS_MAX

D = Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of a run; ``problems`` is empty when everything is as it must be. ``is_refused``: the grid could
    not even be opened, and nothing was sent. The counts are of what the run went through."""

    drawn: LimitsDraw
    problems: tuple[str, ...]
    is_refused: bool
    entries: int
    fills: int
    deaths: int
    regimes: int
    blocks: int
    migrations: int
    stops: int
    exits_seen_due: int
    digest: str

    def __str__(self) -> str:
        found = "; ".join(self.problems) or "ok"
        return f"seed {self.drawn.seed}: {found} | {self.drawn}"


def run_limits(seed: int) -> Lived:
    """Draw everything from a seed and live it."""
    return live_drawn(draw_limits(seed))


def live_drawn(drawn: LimitsDraw) -> Lived:
    """Live what was drawn, and look at what is left."""
    world = LimitsWorld(drawn)
    is_refused = False
    try:
        problems = _live_through(world, drawn)
    except (Exception, SimulationEnded) as error:  # noqa: BLE001 - whatever a run ends with is what it found
        is_refused = isinstance(first_cause(error), SettingsInvalid) and not any(map(is_ours, world.exchange.placed))
        problems = [] if is_refused else [_in_words(error)]
    problems += _judged(drawn, world.witness)
    return _told(world, drawn, problems, is_refused=is_refused)


def _judged(drawn: LimitsDraw, witness: LimitWitness) -> list[str]:
    try:
        return forbidden(drawn, witness)
    except (InvariantBroken, LookupError) as error:
        return [f"the records cannot be followed: {_in_words(error)}"]


class LimitsWorld(SimWorld):
    """The simulated world with a witness at the exchange's door, and an eye on the exits."""

    def __init__(self, drawn: LimitsDraw) -> None:
        def commit_seconds(number: int) -> float:
            stalls = drawn.stall_seconds and mix(drawn.seed, number) % 25 == 0
            return drawn.stall_seconds if stalls else drawn.commit_seconds

        settings = replace(some_settings(drawn.spec), regime=drawn.regime, risk={GRID: drawn.risk})
        base = D(0) if drawn.market.swap is not None else D(20)
        super().__init__(
            drawn.source(),
            spec=drawn.spec,
            market=drawn.market,
            balances={"BTC": base, "USDT": drawn.quote},
            options=SimulatedOptions(
                matching=MatchingOptions(seed=drawn.seed, partial_fill_chance=drawn.partial_fill_chance),
                latency_ms=drawn.latency_ms,
                order_limit=RateLimit(requests_max=ORDERS_MAX, window_ms=10_000),
                faults=drawn.faults,
            ),
            schedule=drawn.schedule,
            commit_seconds=commit_seconds,
            reconcile_seconds=drawn.reconcile_seconds,
            settings=settings,
            exchange_type=LimitWitness,
        )
        self.exits = ExitWatch(drawn)

    @property
    def witness(self) -> LimitWitness:
        """The exchange, which has seen everything."""
        assert isinstance(self.exchange, LimitWitness)
        return self.exchange

    def check_invariants(self) -> None:
        super().check_invariants()
        if self.engine is None:
            self.exits.forget()
        else:
            self.exits.look(self.engine, self.clock.now_ms())


def _live_through(world: LimitsWorld, drawn: LimitsDraw) -> list[str]:
    found: list[str] = []

    async def trade(engine: Engine) -> None:
        async with anyio.create_task_group() as tasks:
            for at_seconds, command in drawn.commands:
                tasks.start_soon(_at, world, at_seconds, lambda command=command: give(engine, command))
            if drawn.looks_every_seconds is not None:
                tasks.start_soon(_look_on, engine, drawn.looks_every_seconds)
            await until_over(engine)
            tasks.cancel_scope.cancel()
        if engine.state is EngineState.HALTED:
            found.append(f"halted while trading: {engine.state_reason}")

    async def come_to_rest(engine: Engine) -> None:
        world.exchange.stop_faults()
        await settle(engine)
        found.extend(problems_at_rest(world, drawn))

    async def trade_and_rest(engine: Engine) -> None:
        await trade(engine)
        await come_to_rest(engine)

    for death in drawn.deaths:
        if world.live(trade, death):
            break
        world.exits.forget()
    world.live(trade_and_rest)
    if drawn.ends_with_restart:
        world.exits.forget()
        world.live(come_to_rest)
    return [*found, *problems_of_history(world), *problems_of_replay(world)]


async def _at(world: SimWorld, at_seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Act at a time of the world, if that is still to come."""
    wait = at_seconds - world.clock.seconds
    if wait >= 0:
        await anyio.sleep(wait)
        await act()


async def _look_on(engine: Engine, every_seconds: float) -> None:
    """A terminal is there."""
    while True:
        await anyio.sleep(every_seconds)
        engine.snapshot()


def _told(world: LimitsWorld, drawn: LimitsDraw, problems: list[str], *, is_refused: bool) -> Lived:
    facts = [record.fact for record in world.disk.records]
    sent = world.witness.sent
    entries = [
        fact
        for fact in facts
        if isinstance(fact, OrderIntended) and fact.leg is Leg.ENTRY and fact.client_order_id in sent
    ]
    digests = range(0, len(world.digest), 12)
    return Lived(
        drawn=drawn,
        problems=tuple(problems),
        is_refused=is_refused,
        entries=len(entries),
        fills=world.exchange.matching.trades(drawn.market.symbol),
        deaths=world.deaths,
        regimes=sum(isinstance(fact, RegimeChanged) for fact in facts),
        blocks=sum(isinstance(fact, BlocksChanged) for fact in facts),
        migrations=sum(isinstance(fact, LatticeMigrated) for fact in facts),
        stops=sum(isinstance(fact, GridStateChanged) and fact.by == "risk" for fact in facts),
        exits_seen_due=world.exits.looks,
        digest=f"{mix(*(int(world.digest[part : part + 12], 16) for part in digests)):016x} {world.disk.head[1][:16]}",
    )


def main(arguments: list[str]) -> None:
    """Tell one seed whole, or the first problem of each that fails."""
    first = int(arguments[0])
    if len(arguments) == 1:
        print(run_limits(first))
        return
    for seed in range(first, first + int(arguments[1])):
        lived = run_limits(seed)
        if lived.problems:
            print(f"seed {seed}: {lived.problems[0][:300]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

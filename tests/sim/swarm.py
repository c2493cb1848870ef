"""Whole-engine runs in which everything is drawn from one seed: grid, market, faults, schedule, deaths, deeds.

``run_swarm(seed)`` lives 0.1 virtual hour of trading, lets the world come to rest and says what is
not as it must be; ``shrink(seed)`` takes away what the failure does not need. From the command line:
``python -m tests.sim.swarm SEED`` tells one seed, and shrinks it if it fails.
"""

import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal

import anyio

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.rate_limit import RateLimit
from engine.exchange.simulated import SimulatedOptions
from engine.model.errors import OrderNotFound, Rejected, SettingsInvalid
from engine.model.order import OrderRequest
from engine.model.snapshot import EngineState
from engine.runtime.causes import first_cause
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, a_market
from tests.sim.engine_builders import a_timed_path
from tests.sim.schedules import SimulationEnded, Strategy, mix
from tests.sim.sim_journal import NO_SPACE
from tests.sim.sim_truths import problems_of, problems_of_history
from tests.sim.sim_world import SimWorld, give, is_ours, settle, until_over
from tests.sim.swarm_draw import ORDERS_MAX, Deed, Draw, draw

D = Decimal
_OFF = (("full_from_commit", None), ("stall_seconds", 0.0), ("commit_seconds", 0.0), ("orders_max", ORDERS_MAX))
"""What is not there to go wrong."""


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


# Living


def run_drawn(drawn: Draw) -> Outcome:
    """Live what was drawn, and look at what is left."""
    world = _world_of(drawn)
    try:
        problems = _live_through(world, drawn)
    except (Exception, SimulationEnded) as error:  # noqa: BLE001 - whatever a run ends with is what it found
        problems = [] if _is_refused_below_its_range(world, error) else [_in_words(error)]
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
        options=SimulatedOptions(
            matching=matching,
            latency_ms=drawn.latency_ms,
            order_limit=RateLimit(requests_max=drawn.orders_max, window_ms=10_000),
            faults=drawn.faults,
        ),
        schedule=drawn.schedule,
        commit_seconds=commit_seconds,
        reconcile_seconds=drawn.reconcile_seconds,
    )
    world.disk.full_from_commit = drawn.full_from_commit
    return world


def _is_refused_below_its_range(world: SimWorld, error: BaseException) -> bool:
    """Its first price came when the market was so low that the first orders would have been too small."""
    cause = first_cause(error)
    is_refused = isinstance(cause, SettingsInvalid) and "expected an initial purchase" in str(cause)
    return is_refused and not any(map(is_ours, world.exchange.placed))


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
        if engine.state is EngineState.HALTED and NO_SPACE not in engine.state_reason:
            found.append(f"halted while trading: {engine.state_reason}")

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


async def _at(world: SimWorld, at_seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Act at a time of the world, if that is still to come."""
    wait = at_seconds - world.clock.seconds
    if wait >= 0:
        await anyio.sleep(wait)
        await act()


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
            yield replace(drawn, **{name: things[:index] + things[index + 1 :]})
    for field in fields(FaultPlan):
        value = getattr(drawn.faults, field.name)
        if value != field.default and field.name not in ("seed", "delay_ms_max", "timeout_ms", "stale_ms"):
            yield replace(drawn, faults=replace(drawn.faults, **{field.name: field.default}))  # type: ignore[arg-type]
    for name, nothing in _OFF:
        if getattr(drawn, name) != nothing:
            yield replace(drawn, **{name: nothing})  # type: ignore[arg-type]
    if drawn.partial_fill_chance:
        yield replace(drawn, partial_fill_chance=D(0))
    if drawn.ends_with_restart:
        yield replace(drawn, ends_with_restart=False)
    if drawn.schedule.strategy is not Strategy.FIFO:
        yield replace(drawn, schedule=replace(drawn.schedule, strategy=Strategy.FIFO))
    if drawn.schedule.step_cost_seconds:
        yield replace(drawn, schedule=replace(drawn.schedule, step_cost_seconds=0.0))


def main(arguments: list[str]) -> None:
    """Tell one seed, or with ``--digests`` the digests of the first so many."""
    match arguments:
        case ["--digests", count]:
            for seed in range(int(count)):
                print(run_swarm(seed).digest)
        case _:
            print(shrink(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])

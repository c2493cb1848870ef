"""Puts an engine together from its settings: state directory, market, exchange, clock, journal, socket."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from engine.exchange.simulated import SimulatedExchange
from engine.exchange.simulated_books import BOOKS_NAME
from engine.model.errors import GridwrightError, SettingsInvalid
from engine.remote.server import serve
from engine.runtime.causes import first_cause
from engine.runtime.clock import RealClock, VirtualClock
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal import Journal, MemoryJournal
from engine.runtime.journal_file import JOURNAL_NAME, CommitWait, open_journal
from engine.runtime.local_client import LocalClient
from engine.runtime.simulation import open_simulated_exchange
from engine.runtime.state_dir import KEPT_NAMES, open_state_dir, set_aside
from engine.settings import JournalKind, Settings

SOCKET_NAME = "control.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that exists before the engine's loop runs."""

    settings: Settings
    folder: Path
    clock: VirtualClock
    exchange: SimulatedExchange


@contextmanager
def open_world(settings: Settings, *, fresh: bool) -> Iterator[World]:
    """Hold the state directory and open the simulated exchange in it; ``fresh`` sets the old aside.

    A first start that is refused is set aside as well: the next one finds the directory as it was,
    so a better configuration begins with its own market and account.

    Raises:
        SettingsInvalid: the state directory, the data or the books cannot be used.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(open_state_dir(settings.engine.state_dir))
        if fresh:
            set_aside(folder, at_ms=RealClock().now_ms())
        if not any((folder / name).exists() for name in KEPT_NAMES):
            stack.push(partial(_set_refused_aside, folder))
        clock = VirtualClock(start_ms=0, speed=settings.simulation.speed)
        exchange = open_simulated_exchange(settings, folder, clock)
        stack.callback(exchange.close)
        clock.start_at(exchange.start_ms)
        yield World(settings=settings, folder=folder, clock=clock, exchange=exchange)


def _set_refused_aside(folder: Path, _: object, error: BaseException | None, __: object) -> None:
    if isinstance(error, SettingsInvalid):
        set_aside(folder, at_ms=RealClock().now_ms())


async def run_world(world: World, started: Callable[[Engine], Coroutine[None, None, None]]) -> None:
    """Run the engine of a world until it is closed; ``started`` is run beside it once it lives.

    Raises:
        SettingsInvalid: the configured grids cannot trade on this exchange, account or journal, or
            there is no place for the control socket.
        JournalFailed: the journal cannot be read or made.
    """
    async with AsyncExitStack() as stack:
        journal = await _open_journal(world, stack)
        _check_same_life(world, journal)
        engine = Engine(
            world.settings,
            clock=world.clock,
            exchange=world.exchange,
            journal=journal,
            reconcile_seconds=_market_seconds(world),
        )
        try:
            await _run_with_socket(engine, world.folder / SOCKET_NAME, started)
        except* GridwrightError as group:
            raise first_cause(group) from None


async def _run_with_socket(
    engine: Engine, socket: Path, started: Callable[[Engine], Coroutine[None, None, None]]
) -> None:
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve, LocalClient(engine, by="socket"), socket)
        tasks.start_soon(started, engine)
        try:
            await engine.run()
        finally:
            tasks.cancel_scope.cancel()


def _market_seconds(world: World) -> float:
    """The period of reconciliation on the market's clock: the configured seconds are the wall's."""
    return world.settings.engine.reconcile_seconds * world.settings.simulation.speed


def _check_same_life(world: World, journal: Journal) -> None:
    """An intent is in the journal before its order can be in the books, and the first price before both."""
    records, orders = journal.head[0], world.exchange.kept_orders
    if orders and not records:
        lost, known = world.folder / JOURNAL_NAME, f"the {orders} orders that {BOOKS_NAME} knows"
    elif records and orders is None:
        lost, known = world.folder / BOOKS_NAME, f"the orders of the {records} records in {JOURNAL_NAME}"
    else:
        return
    raise SettingsInvalid(
        f"{lost}: expected {known}, found nothing; restore it from a copy, or start over with --fresh "
        "(the old is kept aside)"
    )


async def _open_journal(world: World, stack: AsyncExitStack) -> Journal:
    simulation = world.settings.simulation
    identity = JournalIdentity(instance=_instance(simulation.seed), created_ms=world.exchange.start_ms)
    match simulation.journal:
        case JournalKind.MEMORY:
            return MemoryJournal(identity)
        case JournalKind.FILE:
            opening = open_journal(world.folder, identity, hold=world.clock.hold, wait=CommitWait.BLOCK)
            return await stack.enter_async_context(opening)


def _instance(seed: int) -> str:
    """Three characters that tell one simulated account's engines apart, from the seed alone."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number = seed % 36**3
    return digits[number // 1296] + digits[number // 36 % 36] + digits[number % 36]

"""Runs the engine of a world: its exchange, its journal, its control socket, and their end in order."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio

from engine.exchange.port import Exchange
from engine.exchange.simulated_books import BOOKS_NAME
from engine.model.errors import GridwrightError, SettingsInvalid
from engine.remote.address import SOCKET_NAME
from engine.remote.server import serve
from engine.runtime.causes import first_cause
from engine.runtime.engine import Engine
from engine.runtime.journal import Journal, MemoryJournal
from engine.runtime.journal_file import JOURNAL_NAME, CommitWait, open_journal
from engine.runtime.local_client import LocalClient
from engine.runtime.worlds import RealWorld, SimulatedWorld, World
from engine.settings import JournalKind


@runtime_checkable
class KeepsOrders(Protocol):
    """An exchange of ours whose books lie beside the journal."""

    @property
    def kept_orders(self) -> int | None:
        """How many orders its books know; None where there were no books."""


async def run_world(world: World, started: Callable[[Engine], Coroutine[None, None, None]]) -> None:
    """Run the engine of a world until it is closed; ``started`` is run beside it once it lives.

    Raises:
        SettingsInvalid: the exchange cannot be used, the configured grids cannot trade on this exchange, account or
            journal, or there is no place for the control socket.
        JournalFailed: the journal cannot be read or made.
    """
    async with AsyncExitStack() as stack:
        try:
            exchange = await stack.enter_async_context(_open_exchange(world))
            journal = await stack.enter_async_context(_open_journal(world))
            _check_same_life(world.folder, exchange, journal)
            engine = Engine(
                world.settings,
                clock=world.clock,
                exchange=exchange,
                journal=journal,
                reconcile_seconds=_period(world),
            )
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


@asynccontextmanager
async def _open_exchange(world: World) -> AsyncIterator[Exchange]:
    match world:
        case SimulatedWorld():
            yield world.exchange
        case RealWorld():
            async with world.open_exchange(world) as exchange:
                yield exchange


def _period(world: World) -> float:
    """The period of reconciliation on the engine's clock: the configured seconds are the wall's."""
    seconds = world.settings.engine.reconcile_seconds
    match world:
        case SimulatedWorld():
            return seconds * world.settings.simulation.speed
        case RealWorld():
            return seconds


def _check_same_life(folder: Path, exchange: Exchange, journal: Journal) -> None:
    """An intent is in the journal before its order can be in the books, and the first price before both."""
    if not isinstance(exchange, KeepsOrders):
        return
    records, orders = journal.head[0], exchange.kept_orders
    if orders and not records:
        lost, known = folder / JOURNAL_NAME, f"the {orders} orders that {BOOKS_NAME} knows"
    elif records and orders is None:
        lost, known = folder / BOOKS_NAME, f"the orders of the {records} records in {JOURNAL_NAME}"
    else:
        return
    raise SettingsInvalid(
        f"{lost}: expected {known}, found nothing; restore it from a copy, or start over with --fresh "
        "(the old is kept aside)"
    )


@asynccontextmanager
async def _open_journal(world: World) -> AsyncIterator[Journal]:
    match world:
        case RealWorld():
            async with open_journal(world.folder, world.identity) as journal:
                yield journal
        case SimulatedWorld(settings=settings):
            match settings.simulation.journal:
                case JournalKind.MEMORY:
                    yield MemoryJournal(world.identity)
                case JournalKind.FILE:
                    hold = world.clock.hold
                    async with open_journal(world.folder, world.identity, hold=hold, wait=CommitWait.BLOCK) as journal:
                        yield journal

"""One engine on a loopback exchange: real clock, real sockets, the real client library, a journal on the disk.

``trading`` runs an engine until its block ends; engines come and go on one server and one folder. ``assert_equal``
compares the engine's books with the server's truth to the last unit.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio

from engine.exchange.ccxt_exchange import CcxtOptions, open_ccxt
from engine.exchange.foreign.exchange import CcxtExchange
from engine.model.grid import GridSpec
from engine.model.ids import OrderKey, key_from_client_order_id
from engine.model.market import MarketKind, is_swap
from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.secret import ExchangeKeys, Secret
from engine.model.slot import order_of
from engine.model.snapshot import EngineState
from engine.runtime.clock import RealClock
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal import Journal
from engine.runtime.journal_file import open_journal
from tests.builders import INSTANCE, a_spec
from tests.loopback.server import LoopbackServer
from tests.loopback.venue import OrderStatus, VenueOrder
from tests.sim.engine_builders import some_settings

D = Decimal
OpenJournal = Callable[[Path, JournalIdentity], AbstractAsyncContextManager[Journal]]
CLOCK = RealClock()
SETTLE_SECONDS = 150.0
"""An order whose request was lost is known to be lost after 35 s; a few of them may follow each other."""


def a_live_spec(**changes: object) -> GridSpec:
    """Forty slots around the loopback's first price of BTC, or what it becomes with ``changes``."""
    plain: dict[str, object] = {
        "name": "live",
        "lower": D(54_000),
        "upper": D(66_000),
        "slots": 40,
        "size": D("0.002"),
        "window": 40,
    }
    return a_spec(**{**plain, **changes})


def keys_of(server: LoopbackServer) -> ExchangeKeys:
    """The keys that the server takes."""
    return ExchangeKeys(api_key=Secret(server.api_key), secret=Secret(server.secret))


def an_exchange(server: LoopbackServer, symbols: Sequence[str], folder: Path | None = None) -> CcxtExchange:
    """The real client on the server; to be opened and closed."""
    kind = MarketKind.SWAP if any(is_swap(symbol) for symbol in symbols) else MarketKind.SPOT
    options = CcxtOptions(
        exchange_id=server.protocol.name,
        market_type=kind,
        is_sandbox=False,
        keys=keys_of(server),
        ccxt={**server.ccxt_options(), "timeout": 2_000},
        symbols=symbols,
        now_ms=CLOCK.now_ms,
        state_dir=folder,
    )
    return open_ccxt(options)


@asynccontextmanager
async def trading(
    server: LoopbackServer,
    folder: Path,
    *grids: GridSpec,
    reconcile_seconds: float = 5.0,
    open_journal: OpenJournal = open_journal,
) -> AsyncIterator[Engine]:
    """An engine that trades until the block ends; its journal stays in ``folder``."""
    exchange = an_exchange(server, [spec.symbol for spec in grids], folder)
    await exchange.open()
    identity = JournalIdentity(instance=INSTANCE, created_ms=CLOCK.now_ms())
    try:
        async with open_journal(folder, identity) as journal:
            engine = Engine(
                some_settings(*grids),
                clock=CLOCK,
                exchange=exchange,
                journal=journal,
                reconcile_seconds=reconcile_seconds,
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run)
                try:
                    yield engine
                finally:
                    engine.close()
    finally:
        await exchange.close()


async def until(condition: Callable[[], object], *, seconds: float = 30.0, what: str = "it") -> None:
    """Wait for something to become true; fails when it does not in time."""
    try:
        with anyio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await anyio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {seconds:g} s") from None


async def started(engine: Engine) -> None:
    """Wait until the engine trades."""
    with anyio.fail_after(60):
        await engine.wait_started()
    assert engine.state is EngineState.RUNNING, engine.state_reason


async def settled(engine: Engine, server: LoopbackServer, *, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until books and truth are equal and stay so for two reconciliations; fails with what differs."""
    with anyio.move_on_after(seconds):
        while True:
            differs = differences(engine, server)
            if not differs:
                await engine.wait_quiet()
                await engine._reconcile_now()
                if not differences(engine, server):
                    return
            assert engine.state is EngineState.RUNNING, engine.state_reason
            await anyio.sleep(0.25)
    told = [f"{event.slot} {event.text}" for event in engine.story.after(-1, 60)]
    differs = differences(engine, server) or ["books and exchange did not stay equal"]
    raise AssertionError("\n".join([*differs, *told]))


def differences(engine: Engine, server: LoopbackServer) -> list[str]:
    """What the engine's books say otherwise than the server's truth; nothing where they are equal."""
    found: list[str] = []
    for coordinator in engine.coordinators.values():
        books = coordinator.books
        market_id = _market_id(server, books.spec.symbol)
        own = [order for order in server.venue.orders(market_id) if _grid_of(order) == books.number]
        found += _differences_of_orders(engine, own)
        base, cash, fees = ZERO, ZERO, Counter[str]()
        for fill in (fill for order in own for fill in order.fills):
            sign = 1 if fill.side.value == Side.BUY.value else -1
            base += sign * fill.amount - (fill.fee if fill.fee_currency == books.market.base else ZERO)
            cash -= sign * fill.amount * fill.price + (fill.fee if fill.fee_currency == books.market.quote else ZERO)
            fees[fill.fee_currency] += fill.fee  # type: ignore[assignment]
        told = books.ledger
        for what, ours, theirs in (("base", told.base, base), ("cash", told.cash, cash)):
            # A swap moves no cash: its profit is realised against the entry price.
            if ours != theirs and (what == "base" or books.market.swap is None):
                found.append(f"{what}: books {ours}, exchange {theirs}")
        if dict(told.fees) != dict(fees):
            found.append(f"fees: books {dict(told.fees)}, exchange {dict(fees)}")
        if (residual := books.profit(coordinator.mark or ZERO).residual) != 0:
            found.append(f"residual {residual}")
    return found


def live_orders(engine: Engine) -> dict[str, tuple[str, Decimal, Decimal, Decimal]]:
    """The orders that the books call live: side, price, amount, filled."""
    orders = [order_of(slot) for each in engine.coordinators.values() for slot in each.books.live_slots()]
    return {
        order.client_order_id: (order.side.value, order.price, order.amount, order.filled)
        for order in orders
        if order is not None
    }


def assert_alone(server: LoopbackServer) -> None:
    """There never were two own orders at once on one side and level, and no client order id came twice."""
    own = [order for order in server.venue.orders() if _key(order) is not None]
    assert [name for name, count in Counter(order.client_id for order in own).items() if count > 1] == []
    places = Counter((order.market, order.side, order.price) for order in own if order.status in _OPEN)
    assert [place for place, count in places.items() if count > 1] == []


_OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


def _differences_of_orders(engine: Engine, own: Sequence[VenueOrder]) -> list[str]:
    theirs = {
        order.client_id: (order.side.value, order.price, order.amount, order.filled)
        for order in own
        if order.status in _OPEN
    }
    ours = live_orders(engine)
    return [
        f"order {name}: books {ours.get(name)}, exchange {theirs.get(name)}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _market_id(server: LoopbackServer, symbol: str) -> str:
    return next(market.id for market in server.venue.markets.values() if market.symbol == symbol)


def _key(order: VenueOrder) -> OrderKey | None:
    return key_from_client_order_id(order.client_id)


def _grid_of(order: VenueOrder) -> int | None:
    key = _key(order)
    return None if key is None or key.instance != INSTANCE else key.grid

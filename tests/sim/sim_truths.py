"""What must be true of a world in which nothing moves any more: each way in which it is not, in words."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from engine.core import ladder
from engine.core.books import GridBooks
from engine.model.events import (
    DiscrepancyFound,
    Fact,
    GridOpened,
    LotAdopted,
    LotCorrected,
    OrderIntended,
    OrderReported,
    PositionLiquidated,
)
from engine.model.money import ZERO
from engine.model.order import OrderReport, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind
from engine.model.slot import order_of
from engine.model.snapshot import EngineState
from engine.runtime.coordinator import GridCoordinator
from tests.sim.checker import check
from tests.sim.sim_world import GRID, SimWorld, is_ours

NEVER_TRUE = frozenset(
    (
        DiscrepancyKind.VANISHED_ORDER,
        DiscrepancyKind.ORPHAN_ORDER,
        DiscrepancyKind.DUPLICATE_ORDER,
        DiscrepancyKind.ORDER_MISMATCH,
        DiscrepancyKind.SECOND_INSTANCE,
        DiscrepancyKind.HOLDING_SHORT,
        DiscrepancyKind.LATTICE_MISMATCH,
    )
)
"""What cannot be where neither disk nor exchange loses anything and nobody takes base away."""
_ORDER_OF_STATUS = [OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.OPEN]


def problems_of(world: SimWorld) -> list[str]:
    """Everything that is not as it must be, with the engine still alive and its exchange at rest."""
    engine = world.engine
    assert engine is not None
    problems = [*world.exchange.broken, *world.exchange.too_early]
    problems += [f"I1: {name} arrived for a slot with a live order" for name in world.exchange.refused]
    if engine.state is not EngineState.RUNNING:
        return [*problems, f"the engine is {engine.state}: {engine.state_reason}"]
    grid = engine.coordinators[GRID]
    problems += _money(world, grid.books)
    problems += _orders(world, grid.books)
    problems += _journal(world, grid.books)
    problems += _news(world)
    problems += _liveness(world, grid)
    return [*problems, *false_alarms(world)]


def false_alarms(world: SimWorld) -> Iterator[str]:
    """Differences that the reconciler has found where there were none."""
    # What was sold and is not told yet is missing from the account for all that can be known.
    never_true = NEVER_TRUE - ({DiscrepancyKind.HOLDING_SHORT} if world.exchange.hides_fills else set())
    for fact in _facts(world):
        if isinstance(fact, DiscrepancyFound) and fact.discrepancy.kind in never_true:
            yield f"false alarm: {fact.discrepancy.kind}: {fact.discrepancy.detail}"


def problems_of_history(world: SimWorld) -> list[str]:
    """What the independent checker has to say of everything that happened; finishes the history."""
    exchange, matching = world.exchange, world.exchange.matching
    books = {GRID: world.books} if world.engine is not None and GRID in world.engine.coordinators else {}
    positions = {symbol: matching._desk.held.positions[symbol] for symbol in matching.swaps()}
    balances, orders = matching.balances(), matching.open_orders(world.market.symbol)
    exchange.history.end(balances, orders, books, positions, matching._account.insurance)
    return check(exchange.history.lines)


def refolded(world: SimWorld) -> GridBooks:
    """The books as the disk alone tells them."""
    records = iter(world.disk.records)
    first = next(records)
    assert isinstance(first.fact, GridOpened)
    books = GridBooks(first.fact, first.at_ms)
    for record in records:
        books.apply(record.fact, record.at_ms)
    return books


def _money(world: SimWorld, books: GridBooks) -> Iterator[str]:
    """The account's balances to the last unit, and nothing unexplained."""
    ledger, market, exchange = books.ledger, books.market, world.exchange
    adopted = sum((fact.lot.quantity for fact in _facts(world) if isinstance(fact, LotAdopted)), ZERO)
    gone = sum((fact.lot.quantity for fact in _facts(world) if isinstance(fact, LotCorrected)), ZERO)
    foreign_base, foreign_quote = _foreign(world)
    expected = {
        market.base: world.before[market.base] + ledger.base - adopted + gone + foreign_base,
        market.quote: world.before[market.quote] + ledger.cash + ledger.adopted + foreign_quote,
    }
    if market.swap is not None:
        # A position is no coin, and what it was entered at has neither left the wallet nor come into it.
        position = exchange.matching._desk.held.positions[market.symbol]
        expected[market.base] = world.before[market.base]
        expected[market.quote] += position.cost if position.amount > 0 else -position.cost
        # What the exchange bore of losses that nothing backed; of a liquidation its word names it.
        booked = [fact.liquidation.insured for fact in _facts(world) if isinstance(fact, PositionLiquidated)]
        expected[market.quote] -= exchange.matching._account.insurance[market.quote] + sum(booked, ZERO)
    for currency, amount in expected.items():
        balance = exchange.matching.balances()[currency]
        found = balance.free + balance.locked
        amount += exchange.moved.get(currency, 0)
        if found != amount:
            yield f"I3: the books explain {amount} {currency}, the account has {found}"
    residual = books.profit(world.market.tick_size * 12345).residual
    if residual:
        yield f"I13: a residual of {residual}"


def _foreign(world: SimWorld) -> tuple[Decimal, Decimal]:
    """What orders placed by hand did to base and quote."""
    base = quote = ZERO
    for own in world.exchange.matching.recent_fills(world.market.symbol):
        if is_ours(own.client_order_id):
            continue
        sign = 1 if own.side is Side.BUY else -1
        base += sign * own.fill.amount - (own.fill.fee if own.fill.fee_currency == world.market.base else ZERO)
        quote -= sign * own.fill.amount * own.fill.price
        quote -= own.fill.fee if own.fill.fee_currency == world.market.quote else ZERO
    return base, quote


def _orders(world: SimWorld, books: GridBooks) -> Iterator[str]:
    """Every live order with our prefix in exactly one slot; every intent at most once; ids for ever unique."""
    there = sorted(name for name in world.exchange.open_ids(world.market.symbol) if is_ours(name))
    here = sorted(books.slot_of_order)
    vanished = {question.found.discrepancy.client_order_id for question in books.questions.values()}
    if [name for name in here if name not in vanished] != there:
        yield f"I2: the books have {here} live, the exchange {there}"
    for order in _open(world):
        index = books.slot_of_order.get(order.client_order_id)
        ours = None if index is None else order_of(books.slots[index])
        if ours is not None and ours.filled != order.filled:
            yield f"I3: {order.client_order_id} is filled {order.filled}, {ours.filled} is booked"
    ids = [fact.client_order_id for fact in _facts(world) if isinstance(fact, OrderIntended)]
    if len(ids) != len(set(ids)):
        yield f"I4: intended twice: {sorted(name for name in set(ids) if ids.count(name) > 1)}"


def _open(world: SimWorld) -> list[OrderReport]:
    return [
        order for order in world.exchange.matching.open_orders(world.market.symbol) if is_ours(order.client_order_id)
    ]


def _journal(world: SimWorld, books: GridBooks) -> Iterator[str]:
    """The fold of the journal is the memory, field by field."""
    again, here = dict(vars(refolded(world))), dict(vars(books))
    for told in (again, here):
        # What the regime holds back now is known from the newest decision alone.
        told["shadow"] = replace(told["shadow"], waiting={}, left_out=0)
    for name, value in here.items():
        if again[name] != value:
            yield f"I7: {name} is {value} in memory, {again[name]} in the journal"


def _news(world: SimWorld) -> Iterator[str]:
    """Every booked report says something new: a fill, more filled, a higher rank."""
    seen: dict[str, tuple[int, Decimal]] = {}
    trades: set[tuple[str, str]] = set()
    for fact in _facts(world):
        if isinstance(fact, OrderReported):
            report, name = fact.report, fact.report.client_order_id
            rank, filled = seen.get(name, (0, ZERO))
            told = _rank(report.status)
            news = {(name, fill.trade_id) for fill in report.fills} - trades
            if told <= rank and report.filled <= filled and not news:
                yield f"I5: {name} was {report.status} with {report.filled} filled, which was no news"
            seen[name] = max(rank, told), max(filled, report.filled)
            trades |= news


def _rank(status: OrderStatus) -> int:
    """How far an order has come: open and further after unknown, closed after everything."""
    if status is OrderStatus.PARTIALLY_FILLED:
        return len(_ORDER_OF_STATUS)
    return _ORDER_OF_STATUS.index(status) if status in _ORDER_OF_STATUS else len(_ORDER_OF_STATUS) + 1


def _liveness(world: SimWorld, grid: GridCoordinator) -> Iterator[str]:
    """At the newest price nothing is left to do that the grid has the money for, unless it says why it waits."""
    if world.exchange.ends_in_silence:
        return  # the stall has outlasted the market: whatever its last price was, nobody has told it
    if grid.mark is None or grid.wait_reason is not None:
        yield f"I15: the grid waits: {grid.wait_reason}"
        return
    for slot in grid.books.live_slots():
        order = order_of(slot)
        if order is not None and order.is_cancel_requested:
            yield f"I15: {order.client_order_id} was to be cancelled and is open still"
    for action in ladder.decide(grid.manager.view(), grid.mark).actions:
        if action.slot not in grid.manager.short_slots:
            yield f"I15: left undone: {action}"


def _facts(world: SimWorld) -> Iterator[Fact]:
    return (record.fact for record in world.disk.records)

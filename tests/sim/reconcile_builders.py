"""Scenes for the tests of reconciliation: the whole engine, comparing every 30 virtual seconds.

The price stands still unless a scene says otherwise, so that only what somebody does to the account happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.core.books import GridBooks
from engine.exchange.faults import FaultPlan
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Reconcile, Resolve
from engine.model.events import DiscrepancyFound, DiscrepancyResolved, OrderReported, Record
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.order import Leg, OrderRequest, OrderStatus, Side
from engine.model.reconcile import DEFAULT_POLICY, DiscrepancyKind, Resolution
from engine.model.slot import order_of
from engine.model.snapshot import QuestionView
from engine.runtime.engine import Engine
from engine.runtime.journal import MemoryJournal
from tests.builders import SYMBOL, Number, a_spec, an_id
from tests.sim.engine_builders import IDENTITY, AuditedExchange, Bench, a_path

D = Decimal
PERIOD = 30.0
SURE = 40.0
"""A period and a second look later, everything that can be corrected has been."""
NEVER_TOLD = FaultPlan(report_dropped_chance=D(1))
"""Answers come, reports never do."""


def a_bench(
    *prices: Number,
    policy: Mapping[DiscrepancyKind, Resolution | None] | None = None,
    faults: FaultPlan | None = None,
    window: int = 10,
    step_ms: int = 60_000,
    period: float = PERIOD,
    balances: Mapping[str, Decimal] | None = None,
    exchange_type: type[AuditedExchange] = AuditedExchange,
) -> Bench:
    """The default grid on a market that trades once a minute at these prices, an hour at 155 if none is given."""
    bench = Bench(
        a_path(*(prices or [155] * 60), step_ms=step_ms),
        grids=[a_spec(window=window)],
        options=SimulatedOptions(faults=faults or FaultPlan()),
        balances=balances or {"BTC": D(0), "USDT": D(100_000)},
        reconcile_seconds=period,
        exchange_type=exchange_type,
    )
    bench.settings = replace(bench.settings, reconcile={**DEFAULT_POLICY, **(policy or {})})
    return bench


def books_of(engine: Engine) -> GridBooks:
    return engine.coordinators["main"].books


def live_order(engine: Engine, slot: int) -> str:
    """The client order id of a slot's live order."""
    order = order_of(books_of(engine).slots[slot])
    assert order is not None
    return order.client_order_id


def corrections(bench: Bench) -> list[tuple[DiscrepancyKind, Resolution, str]]:
    """Kind, resolution and who decided, of everything that was resolved, in the order in which it was found."""
    found = {fact.name: fact.discrepancy.kind for fact in bench.facts(DiscrepancyFound)}
    return [(found[fact.name], fact.resolution, fact.by) for fact in bench.facts(DiscrepancyResolved)]


def questions(engine: Engine) -> list[tuple[str, DiscrepancyKind, int | None]]:
    """Name, kind and slot of the open questions, as a terminal sees them."""
    return [(view.name, view.kind, view.slot) for view in question_views(engine)]


def question_views(engine: Engine) -> Sequence[QuestionView]:
    (grid,) = engine.snapshot().grids
    return grid.questions


def reports_of(bench: Bench, client_order_id: str) -> list[tuple[OrderStatus, Decimal]]:
    """What was booked of an order: status and executed amount."""
    reports = [fact.report for fact in bench.facts(OrderReported) if fact.report.client_order_id == client_order_id]
    return [(report.status, report.filled) for report in reports]


def resting(bench: Bench) -> list[tuple[Side, Decimal]]:
    """Side and price of the open orders, the lowest first."""
    return sorted(((order.side, order.price) for order in bench.exchange.matching.open_orders(SYMBOL)), key=_by_price)


def buys(*prices: Number) -> list[tuple[Side, Decimal]]:
    return [(Side.BUY, D(price)) for price in prices]


def sells(*prices: Number) -> list[tuple[Side, Decimal]]:
    return [(Side.SELL, D(price)) for price in prices]


def by_hand(
    name: str, side: Side = Side.BUY, price: Number = 90, amount: Number = 1, *, post_only: bool = False
) -> OrderRequest:
    """An order that somebody places on the exchange's own site."""
    return OrderRequest(
        client_order_id=name, symbol=SYMBOL, side=side, price=D(price), amount=D(amount), post_only=post_only
    )


def an_id_of(instance: str, *, slot: int = 5, leg: Leg = Leg.ENTRY, generation: int = 0) -> str:
    """A client order id of another engine."""
    return client_order_id_from_key(OrderKey(instance=instance, grid=0, slot=slot, leg=leg, generation=generation))


def take_away(bench: Bench, client_order_id: str) -> ExchangeOrder:
    """The exchange does not know an open order any more, as another account would not; the order."""
    matching = bench.exchange.matching
    del matching._books[SYMBOL].orders[client_order_id]
    return matching._register._orders.pop(client_order_id)


def put_back(bench: Bench, order: ExchangeOrder) -> None:
    """The exchange knows an order again that was taken away."""
    matching = bench.exchange.matching
    matching._books[SYMBOL].orders[order.client_order_id] = order
    matching._register._orders[order.client_order_id] = order


async def compare(engine: Engine) -> str:
    """Compare on demand; what came of it, in words."""
    return (await engine.command(Reconcile(grid="main"), by="ann")).message


async def resolve(engine: Engine, name: str, way: Resolution) -> str:
    """Answer a question; what was done about it, in words."""
    return (await engine.command(Resolve(grid="main", name=name, resolution=way), by="ann")).message


def lose_records(bench: Bench, count: int) -> list[Record]:
    """Open the journal again without its newest records, as an older copy of it would be; what was lost."""
    records = bench.records()
    kept, lost = records[: len(records) - count], records[len(records) - count :]
    journal = MemoryJournal(IDENTITY)
    for record in kept:
        journal.stage(record.grid, [record.fact], record.at_ms)
    bench.journal = journal
    return lost


def entry_of(slot: int, generation: int = 0) -> str:
    return an_id(slot, Leg.ENTRY, generation)


def exit_of(slot: int, generation: int = 1) -> str:
    return an_id(slot, Leg.EXIT, generation)


def _by_price(order: tuple[Side, Decimal]) -> Decimal:
    return order[1]

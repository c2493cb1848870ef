"""What must be true of a grid of any shape: of its account when nothing moves any more, and of every record before.

Nothing here asks the engine for a judgement: sums are over what the exchange has, and over the fold of the journal.
"""

from decimal import Decimal

from engine.core.books import GridBooks
from engine.model.events import GridOpened, LotAdopted, OrderIntended, PositionLiquidated, Record
from engine.model.grid import Disposal, GridState
from engine.model.money import ZERO
from engine.model.order import Leg, OrderReport, OrderRequest, Side
from engine.model.slot import Exiting, Holding, lot_of, order_of
from engine.runtime.engine import Engine
from engine.runtime.replaying import replay
from tests.builders import INSTANCE
from tests.core.grid_money import left_over
from tests.sim.engine_builders import AuditedExchange, Bench
from tests.sim.shapes_draw import Shape

D = Decimal
_FEE_ROUNDING = D("0.00000001")
"""A fee is rounded to 8 decimals by the exchange; what a grid needs is exact."""


class ShapeExchange(AuditedExchange):
    """Keeps every request that arrives, beside what it is audited for."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.requests: dict[str, OrderRequest] = {}

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self.requests[request.client_order_id] = request
        return super()._place(request, at_ms)


def assert_true(bench: Bench, engine: Engine, shape: Shape) -> None:
    """The account to the last unit, every order in one slot, nothing unexplained."""
    books = engine.coordinators["main"].books
    assert engine.state_reason == "closed"
    assert_account(bench, books)
    live = sorted(books.slot_of_order)
    assert live == sorted(bench.exchange.open_ids(books.spec.symbol))
    assert len(set(books.slot_of_order.values())) == len(live)
    assert bench.exchange.refused == []
    assert max(bench.exchange.placed.values(), default=1) == 1
    for price in (D(1), D("123.45")):
        assert books.profit(price).residual == 0
    assert not books.questions
    # To buy back at a loss may take more than an account has that was only made for the grid.
    if shape.ends_by is Disposal.FLATTEN and books.state is GridState.STOPPED and not shape.is_tight:
        assert all(lot_of(slot).quantity == 0 for slot in books.slots)


def assert_account(bench: Bench, books: GridBooks) -> None:
    """Coin and quote on the account, or position and wallet, are what the ledger says; what insurance bore aside."""
    matching, ledger, market = bench.exchange.matching, books.ledger, books.market
    assert ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO) == ledger.base
    if market.swap is None:
        adopted = sum((fact.lot.quantity for fact in bench.facts(LotAdopted)), ZERO)
        assert bench.balance(market.base) == bench.before[market.base] + ledger.base - adopted
        assert bench.balance(market.quote) == bench.before[market.quote] + ledger.cash + ledger.adopted
        return
    position = matching._desk.held.positions[market.symbol]
    booked = sum((fact.liquidation.insured for fact in bench.facts(PositionLiquidated)), ZERO)
    insured = -matching._account.insurance[market.quote] - booked
    entered_for = position.cost if position.amount > 0 else -position.cost
    wallet = matching._account.free[market.quote]
    assert position.amount == ledger.base
    assert wallet - entered_for == bench.before[market.quote] + ledger.cash + insured
    if not ledger.base and not ledger.dust.quantity:
        assert wallet == bench.before[market.quote] + ledger.realised + ledger.funding + insured


def assert_history(bench: Bench) -> None:
    """Every record, folded anew: each order as the market takes it, and what holds after each of them."""
    assert isinstance(bench.exchange, ShapeExchange)
    records = bench.records()
    found = replay(records, instance=INSTANCE)
    assert (found.difference, found.records) == (None, len(records))
    first = records[0].fact
    assert isinstance(first, GridOpened)
    books = GridBooks(first, records[0].at_ms)
    adopted = ZERO
    for record in records[1:]:
        if isinstance(record.fact, OrderIntended):
            _assert_order(books, record.fact, bench.exchange.requests.get(record.fact.client_order_id))
        books.apply(record.fact, record.at_ms)
        _assert_sound(books, record)
        adopted += record.fact.lot.quantity if isinstance(record.fact, LotAdopted) else ZERO
        if _is_held_back(books, record):
            assert min(left_over(books, books.funds, adopted)) >= -_FEE_ROUNDING * len(records), (
                record,
                left_over(books, books.funds, adopted),
            )


def _assert_order(books: GridBooks, intent: OrderIntended, request: OrderRequest | None) -> None:
    """``request`` None: it was not wanted any more when its turn came."""
    market, slot = books.market, books.slots[intent.slot]
    assert market.problem_with(intent.price, intent.amount) is None
    held = books.ledger.base
    is_closing = intent.leg is not Leg.ENTRY
    if is_closing:
        assert isinstance(slot.state, Holding)
        assert intent.amount <= abs(slot.state.lot.quantity + intent.dust.quantity)
        assert intent.side is slot.exit_side
    reducible = held if intent.side is Side.SELL else -held
    if request is not None:
        assert (request.side, request.price, request.amount) == (intent.side, intent.price, intent.amount)
        assert request.reduce_only == (market.swap is not None and is_closing and intent.amount <= reducible)


def _assert_sound(books: GridBooks, record: Record) -> None:
    orders = [order for slot in books.slots if (order := order_of(slot)) is not None]
    assert sorted(order.client_order_id for order in orders) == sorted(books.slot_of_order), record
    for slot in books.slots:
        if isinstance(slot.state, Exiting):
            assert slot.state.order.amount - slot.state.order.filled <= abs(slot.state.lot.quantity), record
        if lot_of(slot).quantity:
            assert (lot_of(slot).quantity > 0) == (slot.entry_side is Side.BUY), record
    assert books.ledger.base == books.ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO), record


def _is_held_back(books: GridBooks, record: Record) -> bool:
    """Whether money is what the grid must not exceed now: a flattening may cost more than there is, and on a swap
    funding and losses may take what lots have bound, so that only a new entry has to leave something over."""
    if books.market.swap is not None:
        return isinstance(record.fact, OrderIntended) and record.fact.leg is Leg.ENTRY
    return books.state not in (GridState.STOPPING, GridState.STOPPED)

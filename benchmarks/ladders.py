"""One grid with an entry resting on every slot, without an exchange: what is reported to it is ours to say."""

from dataclasses import dataclass
from decimal import Decimal

from engine.core.books import GridBooks
from engine.core.lattice import make_lattice
from engine.model.events import GridOpened
from engine.model.grid import Direction, GridSpec, GridState, InitialPurchase, SizedBy, Spacing
from engine.model.market import Market
from engine.model.order import Fill, OrderReport, OrderRequest, OrderStatus
from engine.model.slot import Entering
from engine.runtime.clock import RealClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.journal import Journal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.manager import SlotManager
from engine.runtime.story import Story

SYMBOL = "BTC/USDT"
_LOWER, _STEP = Decimal(10_000), Decimal(50)
_PARTS = 4
_MARKET = Market(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
    amount_min=Decimal("0.00001"),
    amount_max=Decimal(9000),
    notional_min=Decimal(5),
    maker_fee_rate=Decimal(0),
    taker_fee_rate=Decimal(0),
)


class SilentExecutor:
    """Takes note of placements and answers nothing."""

    def __init__(self) -> None:
        self.placed: list[OrderRequest] = []

    def place(self, request: OrderRequest) -> None:
        """Take note."""
        self.placed.append(request)

    def cancel(self, symbol: str, client_order_id: str) -> None:
        """Nothing here is cancelled."""
        raise AssertionError(f"cancel {client_order_id} on {symbol}")

    def ask(self, symbol: str, client_order_id: str) -> None:
        """Every report here carries its fills."""
        raise AssertionError(f"ask {client_order_id} on {symbol}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """A coordinator and the one who would send its orders."""

    coordinator: GridCoordinator
    executor: SilentExecutor

    async def reports_of_a_life(self) -> list[list[OrderReport]]:
        """Let every slot place its entry; for each, all that an exchange tells of it until it is filled."""
        top = self.coordinator.books.slots[-1].upper
        self.coordinator.on_price(top, 0)
        await self.coordinator.decide()
        return [_life_of(request, number) for number, request in enumerate(self.executor.placed)]

    def check_everything_is_filled(self) -> None:
        """No slot still waits for its entry. Raises ``AssertionError``."""
        waiting = [slot.index for slot in self.coordinator.books.slots if isinstance(slot.state, Entering)]
        if waiting or self.coordinator.books.profit(_LOWER).residual:
            raise AssertionError(f"slots {waiting} still wait for their entry")


def make_ladder(journal: Journal, *, slots: int) -> Ladder:
    """A running grid of ``slots`` arithmetic slots on a market without fees."""
    spec = GridSpec(
        name="main",
        symbol=SYMBOL,
        direction=Direction.LONG,
        spacing=Spacing.ARITHMETIC,
        lower=_LOWER,
        upper=_LOWER + _STEP * slots,
        slots=slots,
        sized_by=SizedBy.QUOTE_PER_SLOT,
        size=Decimal(1000),
        window=slots,
        initial_purchase=InitialPurchase.NONE,
    )
    lattice = make_lattice(spec, _MARKET, spec.upper)
    books = GridBooks(GridOpened(number=0, spec=spec, market=_MARKET, lattice=lattice))
    books.state = GridState.RUNNING
    executor = SilentExecutor()
    coordinator = GridCoordinator(
        SlotManager(books, instance=journal.identity.instance),
        journal=JournalGate(journal, Story()),
        executor=executor,
        clock=RealClock(),
        watch=lambda _: None,
    )
    return Ladder(coordinator=coordinator, executor=executor)


def _life_of(request: OrderRequest, number: int) -> list[OrderReport]:
    """Open, then filled in ``_PARTS`` parts."""
    part = _MARKET.floor_amount(request.amount / _PARTS)
    amounts = [part] * (_PARTS - 1)
    amounts.append(request.amount - sum(amounts))
    reports = [_report(request, OrderStatus.OPEN, Decimal(0), ())]
    filled = Decimal(0)
    for place, amount in enumerate(amounts):
        filled += amount
        status = OrderStatus.FILLED if filled == request.amount else OrderStatus.PARTIALLY_FILLED
        fill = Fill(
            trade_id=f"{number}-{place}",
            price=request.price,
            amount=amount,
            fee=Decimal(0),
            fee_currency="BTC",
            is_maker=True,
            at_ms=place,
        )
        reports.append(_report(request, status, filled, (fill,)))
    return reports


def _report(request: OrderRequest, status: OrderStatus, filled: Decimal, fills: tuple[Fill, ...]) -> OrderReport:
    return OrderReport(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        price=request.price,
        amount=request.amount,
        status=status,
        filled=filled,
        fills=fills,
        at_ms=0,
    )

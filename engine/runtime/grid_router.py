"""Which grid a price or a report is for."""

from decimal import Decimal

from engine.core.grid_view import view_of
from engine.core.ladder import is_still_wanted
from engine.model.ids import key_from_client_order_id
from engine.model.order import OrderReport, OrderRequest
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.grid_control import GridControl


class GridRouter:
    """The open grids of one engine by name, by number in client order ids, and by symbol."""

    def __init__(self, instance: str) -> None:
        self.coordinators: dict[str, GridCoordinator] = {}
        self.controls: dict[str, GridControl] = {}
        self._instance = instance
        self._by_number: dict[int, GridCoordinator] = {}
        self._by_symbol: dict[str, list[GridCoordinator]] = {}

    def add(self, coordinator: GridCoordinator, control: GridControl) -> None:
        """A grid is open."""
        books = coordinator.books
        self.coordinators[books.spec.name] = coordinator
        self.controls[books.spec.name] = control
        self._by_number[books.number] = coordinator
        self._by_symbol.setdefault(books.spec.symbol, []).append(coordinator)

    def of_order(self, client_order_id: str) -> GridCoordinator | None:
        """The grid whose order this is; None: not ours, or of no open grid."""
        key = key_from_client_order_id(client_order_id)
        if key is None or key.instance != self._instance:
            return None
        return self._by_number.get(key.grid)

    def is_wanted(self, request: OrderRequest) -> bool:
        """Whether an order that has waited for its turn may still go out."""
        key = key_from_client_order_id(request.client_order_id)
        grid = self.of_order(request.client_order_id)
        if key is None or grid is None or grid.wait_reason is not None or grid.bookkeeper.states_on_their_way:
            return False
        books = grid.books
        return key.slot < len(books.slots) and is_still_wanted(view_of(books), books.slots[key.slot], key.leg)

    def is_booked(self, client_order_id: str) -> bool:
        """Whether an order is in a slot, and not settled."""
        grid = self.of_order(client_order_id)
        return grid is not None and client_order_id in grid.books.slot_of_order

    def hold_back(self, reason: str) -> None:
        """Let no grid decide anything until ``let_go``."""
        for coordinator in self.coordinators.values():
            coordinator.wait_reason = reason

    def let_go(self) -> None:
        """Let every grid decide again that was held back."""
        for coordinator in self.coordinators.values():
            if coordinator.wait_reason is not None:
                coordinator.wait_reason = None
                coordinator.decide_soon()

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """A market traded."""
        for coordinator in self._by_symbol.get(symbol, ()):
            coordinator.on_price(price, at_ms)

    def decide_soon(self) -> None:
        """Something that every grid listens to has changed."""
        for coordinator in self.coordinators.values():
            coordinator.decide_soon()

    def on_funding(self, payment: FundingPayment) -> None:
        """Funding was paid for a position."""
        for coordinator in self._by_symbol.get(payment.symbol, ()):
            coordinator.on_funding(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """A position was closed by the exchange."""
        for coordinator in self._by_symbol.get(liquidation.symbol, ()):
            coordinator.on_liquidation(liquidation)

    def on_report(self, report: OrderReport) -> None:
        """An order of the account changed."""
        coordinator = self.of_order(report.client_order_id)
        if coordinator is not None:
            coordinator.on_report(report)

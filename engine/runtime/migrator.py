"""Migrator: carries a change of one grid's lattice out: clears what is in the way, then lets one fact do it all.

Until that fact is durable the old lattice stands, so a crash at any moment leaves the old one or the new
one. What is in the way is cancelled and waited for; nothing is placed there meanwhile.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import anyio

from engine.core import trailing
from engine.core.editing import EditTerms, edit_plan
from engine.core.lattice import Funds
from engine.core.migration import MigrationPlan, MigrationRefused, grid_now, is_quiet
from engine.model.commands import GridChange
from engine.model.errors import CommandRefused
from engine.model.events import CancelRequested, Fact
from engine.model.grid import NO_TRAILING, GridState
from engine.model.order import OrderStatus
from engine.model.preflight import EditPreview
from engine.model.slot import order_of
from engine.runtime.bookkeeper import GridBookkeeper

EDIT_SECONDS_MAX = 60.0
"""How long an edit may wait for the orders in its way, by the engine's clock, before it is given up."""
_ACTIVE = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
_CANCELLABLE = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class _Edit:
    """An edit under way; ``outcome`` None: not over, else why it could not be, empty if it was done."""

    def __init__(self, change: GridChange, price: Decimal, by: str) -> None:
        self.change = change
        self.price = price
        self.by = by
        self.outcome: str | None = None
        self.is_over = anyio.Event()

    def end(self, outcome: str) -> None:
        self.outcome = outcome
        self.is_over.set()


class Migrator:
    """One grid's. ``beyond`` is what the account has beyond every grid's own; ``cancel`` takes symbol and order id."""

    def __init__(
        self,
        bookkeeper: GridBookkeeper,
        *,
        cancel: Callable[[str, str], None],
        terms: Callable[[], EditTerms],
        beyond: Callable[[], Funds],
    ) -> None:
        self.hindrance = ""
        """Why the lattice does not follow the price though it should."""
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._manager = bookkeeper.manager
        self._cancel = cancel
        self._terms = terms
        self._beyond = beyond
        self._edit: _Edit | None = None

    @property
    def is_clearing(self) -> bool:
        """Whether orders are in the way of a new lattice, so that every report of them matters."""
        return bool(self._manager.withheld)

    def preview(self, change: GridChange, price: Decimal) -> EditPreview:
        """What an edit would do at this price."""
        return edit_plan(grid_now(self._books, beyond=self._beyond()), price, change, self._terms(), by="").preview

    async def edit(self, change: GridChange, price: Decimal, by: str, decide_soon: Callable[[], None]) -> str:
        """Change the lattice, and say what became of it; it is done when this returns.

        Raises:
            CommandRefused: it cannot be, or could not be in time; the lattice is what it was.
        """
        if self._edit is not None:
            raise CommandRefused("another edit of this grid is under way")
        if self._books.state not in _ACTIVE:
            raise CommandRefused(f"the grid is {self._books.state}: {self._books.state_reason}")
        preview = self.preview(change, price)
        if preview.problems:
            raise CommandRefused("; ".join(preview.problems))
        edit = self._edit = _Edit(change, price, by)
        decide_soon()
        try:
            with anyio.move_on_after(EDIT_SECONDS_MAX):
                await edit.is_over.wait()
        finally:
            self._edit = None
            self._manager.withheld = frozenset()
            decide_soon()
        if edit.outcome is None:
            raise CommandRefused(f"orders in the way were not gone after {EDIT_SECONDS_MAX:g} s; nothing was changed")
        if edit.outcome:
            raise CommandRefused(edit.outcome)
        lattice = self._books.lattice
        return f"lattice {lattice.version} with {len(lattice.amounts)} slots is in force"

    async def advance(self, price: Decimal) -> None:
        """Take the next step towards the lattice that should be, if it is another one."""
        plan = self._plan(price) if self._books.state in _ACTIVE else None
        if plan is None:
            self._manager.withheld = frozenset()
            return
        self._manager.withheld = frozenset(plan.must_be_quiet)
        if not is_quiet(plan, self._books.slots):
            await self._clear(plan)
            return
        facts = await self._bookkeeper.transition(range(len(self._books.slots)), lambda: self._migration(price))
        if facts:
            self._manager.withheld = frozenset()
            if self._edit is not None:
                self._edit.end("")

    def _plan(self, price: Decimal) -> MigrationPlan | None:
        """The plan of the edit under way, else of the lattice following the price."""
        edit = self._edit
        if edit is not None and edit.outcome is None:
            found = edit_plan(
                grid_now(self._books, beyond=self._beyond()), edit.price, edit.change, self._terms(), by=edit.by
            )
            if found.plan is None:
                edit.end("; ".join(found.preview.problems))
            return found.plan
        if self._books.spec.trailing == NO_TRAILING and not self._books.spec.is_infinite:
            return None
        shift = trailing.shift_or_reason(grid_now(self._books, beyond=self._beyond()), price)
        match shift:
            case MigrationPlan():
                self.hindrance = ""
                return shift
            case MigrationRefused():
                self.hindrance = "; ".join(shift.reasons)
                return None
            case None:
                self.hindrance = ""
                return None

    def _migration(self, price: Decimal) -> Sequence[Fact]:
        """The fact, from the slots as they are now that nobody else holds them."""
        plan = self._plan(price) if self._books.state in _ACTIVE else None
        return (plan.fact,) if plan is not None and is_quiet(plan, self._books.slots) else ()

    async def _clear(self, plan: MigrationPlan) -> None:
        facts = await self._bookkeeper.transition(plan.must_be_quiet, lambda: self._cancellations(plan))
        for fact in facts:
            if isinstance(fact, CancelRequested):
                self._cancel(self._books.spec.symbol, fact.client_order_id)

    def _cancellations(self, plan: MigrationPlan) -> Sequence[Fact]:
        orders = (order_of(self._books.slots[index]) for index in plan.must_be_quiet)
        return tuple(
            CancelRequested(slot=order.slot, client_order_id=order.client_order_id, reason=plan.fact.reason)
            for order in orders
            if order is not None and order.status in _CANCELLABLE and not order.is_cancel_requested
        )

"""Migrator: carries a change of one grid's lattice out: clears what is in the way, then lets one fact do it all.

Until that fact is durable the old lattice stands, so a crash at any moment leaves the old one or the new
one. What is in the way is cancelled and waited for; nothing is placed there meanwhile.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import anyio

from engine.core import trailing
from engine.core.costs import NO_FUNDS, Funds
from engine.core.edit_hindrance import why_not_edited
from engine.core.editing import EditTerms, edit_plan
from engine.core.migration import MigrationPlan, MigrationRefused, grid_now, is_quiet
from engine.model.commands import GridChange
from engine.model.errors import CommandRefused
from engine.model.events import CancelRequested, Fact
from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.order import OrderStatus
from engine.model.preflight import EditPreview
from engine.model.slot import order_of
from engine.runtime.bookkeeper import GridBookkeeper

EDIT_SECONDS_MAX = 60.0
"""How long an edit may wait for the orders in its way, by the engine's clock, before it is given up."""
_ACTIVE = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
_UNKNOWN = "the engine ended while the change was written: its next start says whether it was made"
_CANCELLABLE = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class _Edit:
    """An edit under way; ``outcome`` None: not over, else why it could not be, empty if it was done.

    ``is_decided``: its fact is on its way to the disk, and nothing takes that back.
    """

    def __init__(self, change: GridChange, price: Decimal, by: str) -> None:
        self.change = change
        self.price = price
        self.by = by
        self.is_decided = False
        self.outcome: str | None = None
        self.is_over = anyio.Event()

    @property
    def is_open(self) -> bool:
        """Whether it may still be made, or given up."""
        return self.outcome is None and not self.is_decided

    def end(self, outcome: str) -> None:
        self.outcome = outcome
        self.is_over.set()


class Migrator:
    """One grid's. ``beyond`` is what the account has beyond every grid's own, as of when ``look`` last looked;
    ``cancel`` takes symbol and order id."""

    def __init__(
        self,
        bookkeeper: GridBookkeeper,
        *,
        cancel: Callable[[str, str], None],
        terms: Callable[[], EditTerms],
        beyond: Callable[[], Funds],
        look: Callable[[], Awaitable[object]],
    ) -> None:
        self.hindrance = ""
        """Why the lattice does not follow the price though it should."""
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._manager = bookkeeper.manager
        self._cancel = cancel
        self._terms = terms
        self._beyond = beyond
        self._look = look
        self._edit: _Edit | None = None
        self.more_funds = NO_FUNDS
        """What a new lattice that is being written takes beyond what the grid has: no other grid may have it."""

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
        self._check_editable()
        await self._look()
        self._check_editable()
        preview = self.preview(change, price)
        if preview.problems:
            raise CommandRefused("; ".join(preview.problems))
        edit = self._edit = _Edit(change, price, by)
        decide_soon()
        try:
            with anyio.move_on_after(EDIT_SECONDS_MAX):
                await edit.is_over.wait()
            if edit.is_decided:
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

    def give_up(self, reason: str) -> None:
        """Nothing will be decided any more: an edit under way ends, and changes nothing."""
        if self._edit is not None and self._edit.is_open:
            self._edit.end(reason)

    async def advance(self, price: Decimal) -> None:
        """Take the next step towards the lattice that should be, if it is another one."""
        books = self._books
        if books.state not in _ACTIVE:
            self.give_up(f"the grid is {books.state}: {books.state_reason}; nothing was changed")
        plan = self._plan(price)
        if plan is None:
            self._manager.withheld = frozenset()
            return
        self._manager.withheld = frozenset(plan.must_be_quiet)
        if not is_quiet(plan, books.slots):
            await self._clear(plan)
            return
        if plan.needs.quote > books.funds.quote or plan.needs.base > books.funds.base:
            await self._look()
        held = range(len(books.slots))
        try:
            facts = await self._bookkeeper.transition(held, lambda: self._migration(price, held))
        except BaseException:  # whatever it was, somebody waits to hear of it
            self._end_decided(_UNKNOWN)
            raise
        finally:
            self.more_funds = NO_FUNDS
        if facts:
            self._manager.withheld = frozenset()
            self._end_decided("")

    def _check_editable(self) -> None:
        if self._edit is not None:
            raise CommandRefused("another edit of this grid is under way")
        hindrance = why_not_edited(self._books.state, self._books.state_reason)
        if hindrance:
            raise CommandRefused(hindrance)

    def _end_decided(self, outcome: str) -> None:
        if self._edit is not None and self._edit.is_decided:
            self._edit.end(outcome)

    def _plan(self, price: Decimal) -> MigrationPlan | None:
        """The plan of the edit under way, else of the lattice following the price; None: it stays as it is."""
        books, edit = self._books, self._edit
        if books.state not in _ACTIVE:
            return None
        if edit is not None and edit.is_open:
            found = edit_plan(
                grid_now(books, beyond=self._beyond()), edit.price, edit.change, self._terms(), by=edit.by
            )
            if found.plan is None:
                edit.end("; ".join(found.preview.problems))
            return found.plan
        if edit is not None and edit.outcome is None:
            return None  # its new lattice is being written
        band = trailing.trail_band(books.spec, books.market, books.lattice, price)
        if band.low < price < band.high:
            self.hindrance = ""
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

    def _migration(self, price: Decimal, held: range) -> Sequence[Fact]:
        """The fact, from the slots as they are now that nobody else holds them."""
        slots, edit = self._books.slots, self._edit
        is_of_edit = edit is not None and edit.is_open
        plan = self._plan(price) if len(slots) == len(held) else None
        if plan is None or not is_quiet(plan, slots):
            return ()
        if edit is not None and is_of_edit:
            edit.is_decided = True
        now = self._books.funds
        self.more_funds = Funds(
            quote=max(plan.fact.funds_quote - now.quote, ZERO), base=max(plan.fact.funds_base - now.base, ZERO)
        )
        return (plan.fact,)

    async def _clear(self, plan: MigrationPlan) -> None:
        facts = await self._bookkeeper.transition(plan.must_be_quiet, lambda: self._cancellations(plan))
        for fact in facts:
            if isinstance(fact, CancelRequested):
                self._cancel(self._books.spec.symbol, fact.client_order_id)

    def _cancellations(self, plan: MigrationPlan) -> Sequence[Fact]:
        if self._books.lattice.version >= plan.fact.lattice.version:
            return ()  # another one came first
        orders = (order_of(self._books.slots[index]) for index in plan.must_be_quiet)
        return tuple(
            CancelRequested(slot=order.slot, client_order_id=order.client_order_id, reason=plan.fact.reason)
            for order in orders
            if order is not None and order.status in _CANCELLABLE and not order.is_cancel_requested
        )

"""The migrator: it clears what is in the way, once, and one durable fact does everything or nothing."""

from collections.abc import Sequence
from decimal import Decimal

import anyio
import pytest

from engine.core.costs import Funds
from engine.core.editing import EditTerms
from engine.model.commands import GridChange
from engine.model.errors import CommandRefused, JournalFailed
from engine.model.events import Fact, LatticeMigrated
from engine.model.grid import GridState, Trailing
from engine.model.order import OrderStatus
from engine.model.risk import Limits
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.clock import VirtualClock
from engine.runtime.journal_gate import Staged
from engine.runtime.manager import SlotManager
from engine.runtime.migrator import Migrator
from tests.builders import INSTANCE, a_report, a_spec, a_state, an_id, an_intent, some_books

D = Decimal
HIGHER = GridChange(lower=D(120), upper=D(220))


class Table:
    """A migrator on books of its own; its journal fails when ``is_full``, and then or else waits for ``may_write``."""

    def __init__(self, **wish: object) -> None:
        self.books = some_books(a_spec(**wish))
        self.manager = SlotManager(self.books, instance=INSTANCE)
        self.facts: list[Fact] = []
        self.cancelled: list[str] = []
        self.beyond = Funds(quote=D(10_000), base=D(0))
        self.looks = 0
        self.is_full = False
        self.may_write = anyio.Event()
        self.may_write.set()
        self.migrator = Migrator(
            GridBookkeeper(self.manager, journal=self, clock=VirtualClock(start_ms=0)),
            cancel=lambda symbol, name: self.cancelled.append(name),
            terms=lambda: EditTerms(limits=Limits()),
            beyond=lambda: self.beyond,
            look=self.look,
        )

    async def look(self) -> None:
        self.looks += 1

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> Staged:
        first = len(self.facts) + 1
        self.facts += facts
        return Staged(grid=grid, facts=tuple(facts), at_ms=at_ms, sequences=range(first, first + len(facts)))

    async def make_durable(self, staged: Staged) -> None:
        await self.may_write.wait()
        if self.is_full:
            raise JournalFailed("no space left on the device")

    def rest(self, *slots: int, status: OrderStatus = OrderStatus.OPEN) -> None:
        """Orders of slots that the exchange has, or not yet."""
        for slot in slots:
            self.books.apply(an_intent(slot), 0)
            if status is not OrderStatus.INTENT:
                self.say(slot, status)

    def say(self, slot: int, status: OrderStatus) -> None:
        """The exchange says something of the entry of a slot."""
        change = self.books.foresee(self.books.slots[slot], a_report(an_intent(slot), status))
        assert change is not None
        self.books.settle(change, 0)

    @property
    def migrations(self) -> list[LatticeMigrated]:
        return [fact for fact in self.facts if isinstance(fact, LatticeMigrated)]


async def outcome_of(table: Table, told: list[str], change: GridChange = HIGHER) -> None:
    """Edit at 155, and note what is said of it."""
    try:
        told.append(await table.migrator.edit(change, D(155), "ann", lambda: None))
    except CommandRefused as refused:
        told.append(str(refused))


async def test_what_is_in_the_way_is_cancelled_once_and_nothing_is_placed_there_until_it_is_gone() -> None:
    table, told = Table(), list[str]()
    table.rest(0, 1, 2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            await table.migrator.advance(D(155))
        assert table.cancelled == [an_id(0), an_id(1)]
        assert table.manager.withheld == {0, 1}
        assert table.migrator.is_clearing
        table.say(0, OrderStatus.CANCELED)
        await table.migrator.advance(D(155))
        assert (table.migrations, told) == ([], [])
        table.say(1, OrderStatus.CANCELED)
        await table.migrator.advance(D(155))
    assert told == ["lattice 2 with 10 slots is in force"]
    assert [fact.by for fact in table.migrations] == ["ann"]
    assert table.manager.withheld == frozenset()
    assert table.books.slot_of_order == {an_id(2): 2}


async def test_an_order_that_the_exchange_has_not_shown_yet_is_waited_for_before_it_is_cancelled() -> None:
    table, told = Table(), list[str]()
    table.rest(0, status=OrderStatus.INTENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        await table.migrator.advance(D(155))
        assert table.cancelled == []
        assert table.manager.withheld == {0, 1}
        table.say(0, OrderStatus.OPEN)
        await table.migrator.advance(D(155))
        assert table.cancelled == [an_id(0)]
        table.migrator.give_up("enough")
    assert told == ["enough"]
    assert table.migrations == []


async def test_an_edit_that_the_disk_is_writing_cannot_be_given_up() -> None:
    table, told = Table(), list[str]()
    table.may_write = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(table.migrator.advance, D(155))
        await anyio.wait_all_tasks_blocked()
        table.migrator.give_up("too late")
        table.beyond = Funds(quote=D(0), base=D(0))
        await table.migrator.advance(D(155))
        assert told == []
        table.may_write.set()
    assert told == ["lattice 2 with 10 slots is in force"]
    assert len(table.migrations) == 1


async def test_an_edit_that_the_disk_does_not_take_says_that_the_next_start_will_know() -> None:
    table, told = Table(), list[str]()
    table.is_full = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(JournalFailed):
            await table.migrator.advance(D(155))
    assert told == ["the engine ended while the change was written: its next start says whether it was made"]
    assert table.books.lattice.version == 1


@pytest.mark.parametrize("state", [GridState.STOPPING, GridState.STOPPED, GridState.HALTED])
async def test_an_edit_ends_when_its_grid_is_not_active_any_more(state: GridState) -> None:
    table, told = Table(), list[str]()
    table.rest(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        await table.migrator.advance(D(155))
        table.books.apply(a_state(state), 0)
        await table.migrator.advance(D(155))
    assert told == [f"the grid is {state}: {state} by a test; nothing was changed"]
    assert table.manager.withheld == frozenset()
    assert table.migrations == []


async def test_money_of_the_account_that_is_gone_meanwhile_ends_the_edit_with_the_figures() -> None:
    table, told = Table(), list[str]()
    table.rest(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome_of, table, told)
        await anyio.wait_all_tasks_blocked()
        table.beyond = Funds(quote=D(3), base=D(0))
        await table.migrator.advance(D(155))
    assert told == [
        "the new lattice needs 1650 USDT from the start on, the grid has 1450 and the account has 3 USDT beyond"
    ]


async def test_a_lattice_follows_the_price_and_says_what_hinders_it() -> None:
    table = Table(trailing=Trailing(up_to=D(300)))
    await table.migrator.advance(D("209.99"))
    assert (table.migrations, table.migrator.hindrance) == ([], "")
    await table.migrator.advance(D(215))
    assert [fact.lattice.levels[0] for fact in table.migrations] == [110]
    table.rest(1, status=OrderStatus.INTENT)
    await table.migrator.advance(D(225))
    assert table.manager.withheld == {1}
    table.say(1, OrderStatus.OPEN)
    await table.migrator.advance(D(225))
    assert table.cancelled == [an_id(1)]
    await table.migrator.advance(D(155))
    assert table.manager.withheld == frozenset()
    assert len(table.migrations) == 1


async def test_the_account_is_looked_at_before_its_money_is_given_to_an_edit_or_a_growing_lattice() -> None:
    table = Table(is_infinite=True)
    await table.migrator.advance(D(155))
    assert table.looks == 1
    assert len(table.books.slots) > 10
    with pytest.raises(CommandRefused, match="nothing would change"):
        await table.migrator.edit(GridChange(), D(155), "ann", lambda: None)
    assert table.looks == 2

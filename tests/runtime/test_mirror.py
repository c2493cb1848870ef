"""The mirror: a second fold of the journal as it lies there, and memory held against it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.errors import InvariantBroken
from engine.model.events import Fact, OrderIntended, OrderReported, SlotFrozen
from engine.model.grid import GridState
from engine.model.order import OrderStatus
from engine.model.slot import Entering, Holding
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.clock import VirtualClock
from engine.runtime.journal import MemoryJournal
from engine.runtime.journal_gate import JournalGate
from engine.runtime.manager import SlotManager
from engine.runtime.mirror import JournalMirror, MemoryPhoto
from engine.runtime.story import Story
from tests.builders import INSTANCE, a_fill, a_report, a_spec, a_state, an_intent, an_opening, some_books
from tests.sim.engine_builders import IDENTITY

D = Decimal
ENTRY = an_intent()
BOUGHT = OrderReported(slot=5, report=a_report(ENTRY, OrderStatus.FILLED, a_fill()))


class Scene:
    """A grid's books in memory, and its journal."""

    def __init__(self) -> None:
        self.journal = MemoryJournal(IDENTITY)
        self.journal.stage("main", [an_opening(), a_state(GridState.RUNNING)], 0)
        manager = SlotManager(some_books(), instance=INSTANCE)
        self.keeper = GridBookkeeper(
            manager, journal=JournalGate(self.journal, Story()), clock=VirtualClock(start_ms=0)
        )
        self.books = self.keeper.books
        self.mirror = JournalMirror(self.journal, {"main": self.books})

    def photo(self) -> MemoryPhoto:
        return MemoryPhoto(self.keeper, self.journal.head[0])

    def live(self, *facts: Fact) -> None:
        """Facts come true in the journal and in memory alike."""
        self.journal.stage("main", facts, 0)
        for fact in facts:
            self.books.apply(fact, 0)

    async def check(self, photo: MemoryPhoto) -> None:
        await self.mirror.catch_up(photo.through)
        photo.check(self.mirror, "main")


async def test_the_mirror_folds_what_is_stored_up_to_a_record_and_no_further() -> None:
    scene = Scene()
    head = scene.journal.head[0]
    scene.live(ENTRY, BOUGHT)
    await scene.mirror.catch_up(head + 1)
    assert isinstance(scene.mirror.books("main").slots[5].state, Entering)
    await scene.mirror.catch_up(head + 2)
    assert isinstance(scene.mirror.books("main").slots[5].state, Holding)
    assert scene.mirror.books("main").ledger == scene.books.ledger


async def test_the_mirror_shares_nothing_with_the_memory_it_is_held_against() -> None:
    scene = Scene()
    scene.books.apply(ENTRY, 0)
    assert scene.mirror.books("main").slots[5].generation == 0
    assert scene.mirror.books("main").slot_of_order == {}


async def test_a_grid_that_is_opened_later_is_mirrored_too() -> None:
    scene = Scene()
    scene.journal.stage("second", [an_opening(a_spec(name="second"), number=1), ENTRY_OF_SECOND], 0)
    await scene.mirror.catch_up(scene.journal.head[0])
    assert scene.mirror.numbers() == (0, 1)
    assert isinstance(scene.mirror.books("second").slots[5].state, Entering)


ENTRY_OF_SECOND = replace(ENTRY, client_order_id="gabc01e005000009")


async def test_memory_that_is_what_the_journal_says_passes() -> None:
    scene = Scene()
    scene.live(ENTRY, BOUGHT, SlotFrozen(slot=3, reason="a test", by="test"))
    await scene.check(scene.photo())


async def test_memory_that_has_another_slot_than_the_journal_is_told_with_both() -> None:
    scene = Scene()
    scene.live(ENTRY, BOUGHT)
    scene.books.slots[5] = replace(scene.books.slots[5], cycles=7)
    with pytest.raises(InvariantBroken, match=r"grid 'main', slot 5: expected the memory to be what the journal says"):
        await scene.check(scene.photo())


async def test_memory_with_another_ledger_than_the_journal_is_told() -> None:
    scene = Scene()
    scene.live(ENTRY, BOUGHT)
    scene.books.ledger = replace(scene.books.ledger, cash=scene.books.ledger.cash + 1)
    with pytest.raises(InvariantBroken, match="grid 'main': expected the ledger of the journal"):
        await scene.check(scene.photo())


async def test_mm_023_a_photo_stays_as_it_was_taken() -> None:
    """L-23 too: Facts that come afterwards are in neither side of the comparison."""
    scene = Scene()
    scene.live(ENTRY)
    photo = scene.photo()
    scene.live(BOUGHT)
    assert photo.slots[5] != scene.books.slots[5]
    await scene.check(photo)


async def test_a_slot_between_its_reading_and_its_transition_is_left_for_the_next_pass() -> None:
    scene = Scene()
    scene.live(ENTRY)
    async with scene.keeper.manager.locks.manager:
        hold = await scene.keeper.manager.locks.hold_slots((5,))
    with hold:
        scene.journal.stage("main", [BOUGHT], 0)  # durable, and not yet applied
        photo = scene.photo()
        await scene.check(photo)
    with pytest.raises(InvariantBroken, match="slot 5"):
        await scene.check(scene.photo())


async def test_what_grids_hold_that_are_not_open_is_known_from_the_journal() -> None:
    scene = Scene()
    intent = ENTRY_OF_SECOND
    bought = OrderReported(slot=5, report=a_report(intent, OrderStatus.FILLED, a_fill()))
    scene.journal.stage("second", [an_opening(a_spec(name="second"), number=1), intent, bought], 0)
    await scene.mirror.catch_up(scene.journal.head[0])
    assert scene.mirror.base_of_others("BTC", {"main"}) == 1
    assert scene.mirror.base_of_others("BTC", {"main", "second"}) == 0
    assert scene.mirror.base_of_others("ETH", {"main"}) == 0
    assert isinstance(intent, OrderIntended)

"""The slot manager: what is decided stands at once, once, and within the grid's own money."""

from decimal import Decimal

import anyio
import pytest

from engine.core import ladder
from engine.core.lattice import Funds
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.errors import InvariantBroken
from engine.model.events import CancelRequested, LotSetAside, OrderIntended
from engine.model.money import ZERO
from engine.model.order import Leg, OrderStatus, Side
from engine.model.slot import Empty, Entering, Slot, lot_of, order_of
from engine.runtime.manager import SlotManager
from tests.builders import INSTANCE, a_fill, a_report, an_id, some_books

D = Decimal


def a_manager(quote: int = 10_000) -> SlotManager:
    """The default grid at 155 with this much money of its own."""
    books = some_books()
    books.migrated_funds = Funds(quote=D(quote), base=ZERO)
    return SlotManager(books, instance=INSTANCE)


def an_entry(slot: int) -> PlaceOrder:
    return PlaceOrder(
        slot=slot,
        leg=Leg.ENTRY,
        side=Side.BUY,
        price=D(100 + 10 * slot),
        amount=D(1),
        post_only=True,
        reason="a test wants it",
    )


async def reserve(manager: SlotManager, *actions: Action) -> list[str]:
    """Reserve and give the slots back at once: the ids to place and to cancel."""
    async with manager.locks.manager:
        hold, reservation = manager.reserve(actions, price_seen=D(155), at_ms=1)
    with hold:
        return [request.client_order_id for request in reservation.requests] + list(reservation.cancellations)


async def test_a_reservation_stands_before_anything_is_awaited_so_the_next_decision_has_nothing_to_do() -> None:
    manager = a_manager()
    async with manager.locks.manager:
        decision = ladder.decide(manager.view(), D(155))
        hold, reservation = manager.reserve(decision.actions, price_seen=D(155), at_ms=1)
        assert ladder.decide(manager.view(), D(155)).actions == ()
        hold.__exit__(None, None, None)
    assert [request.price for request in reservation.requests] == [150, 140, 130, 120, 110, 100]
    assert [fact.price_seen for fact in reservation.facts if isinstance(fact, OrderIntended)] == [155] * 6
    assert all(isinstance(slot.state, Entering) == (slot.index < 6) for slot in manager.books.slots)


async def test_a_slot_on_its_way_to_durability_is_left_out_and_can_be_reserved_afterwards() -> None:
    """Another task has read slot 3 and writes what it became; a decision on what it was would be one too many."""
    manager = a_manager()
    is_held, is_durable = anyio.Event(), anyio.Event()

    async def book_a_report() -> None:
        with await manager.locks.hold_slots((3,)):
            is_held.set()
            await is_durable.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(book_a_report)
        await is_held.wait()
        assert await reserve(manager, an_entry(3), an_entry(4)) == [an_id(4)]
        assert manager.books.slots[3].state == Empty()
        is_durable.set()
    assert await reserve(manager, an_entry(3)) == [an_id(3)]


async def test_two_orders_of_one_slot_are_refused_whoever_asks() -> None:
    """I1: not even a decision that is wrong gets a second order into a slot."""
    manager = a_manager()
    assert await reserve(manager, an_entry(3)) == [an_id(3)]
    with pytest.raises(InvariantBroken, match="slot 3 already has order"):
        await reserve(manager, an_entry(3))


async def test_entries_beyond_the_grids_own_money_are_left_out_with_need_and_found() -> None:
    """250 pay for 140 and 100; 150 does not fit in between, though the account may have more."""
    manager = a_manager(250)
    assert await reserve(manager, an_entry(4), an_entry(5), an_entry(0)) == [an_id(4), an_id(0)]
    assert manager.money_block is not None
    assert manager.money_block.what == "entry of slot 5"
    assert manager.money_block.reason == "needs 150 USDT, the grid has 110 USDT free"
    assert manager.free().quote == 10


async def test_money_bound_by_an_order_is_free_again_as_what_was_paid_or_when_it_is_gone() -> None:
    manager = a_manager(250)
    await reserve(manager, an_entry(5))
    assert manager.free().quote == 100
    order = order_of(manager.books.slots[5])
    assert order is not None
    report = a_report(order, OrderStatus.CANCELED, a_fill(amount="0.4", fee="0.0004"))
    change = manager.books.foresee(manager.books.slots[5], report)
    assert change is not None
    manager.books.settle(change, 0)
    assert manager.free().quote == 250 - 60


async def test_cancelling_and_setting_aside_are_reserved_as_facts_too() -> None:
    manager = a_manager()
    await reserve(manager, an_entry(5), an_entry(4))
    order = order_of(manager.books.slots[5])
    assert order is not None
    change = manager.books.foresee(manager.books.slots[5], a_report(order, OrderStatus.FILLED, a_fill()))
    assert change is not None
    manager.books.settle(change, 0)
    async with manager.locks.manager:
        actions: list[Action] = [
            CancelOrder(slot=4, client_order_id=an_id(4), reason="enough"),
            SetAside(slot=5, reason="too small"),
        ]
        hold, reservation = manager.reserve(actions, price_seen=D(155), at_ms=2)
    with hold:
        assert [type(fact) for fact in reservation.facts] == [CancelRequested, LotSetAside]
    assert reservation.cancellations == (an_id(4),)
    assert isinstance(manager.books.slots[5].state, Empty)
    assert manager.books.ledger.dust.quantity == 1
    cancelled = order_of(manager.books.slots[4])
    assert cancelled is not None
    assert cancelled.is_cancel_requested


async def test_live_requests_are_the_orders_as_they_were_sent() -> None:
    manager = a_manager()
    await reserve(manager, an_entry(5), an_entry(2))
    requests = [(request.client_order_id, request.price, seen) for request, seen in manager.live_requests()]
    assert requests == [(an_id(2), D(120), False), (an_id(5), D(150), False)]


def test_the_lots_of_a_new_grid_are_empty_and_it_is_wound_down() -> None:
    manager = a_manager()
    slots: list[Slot] = manager.books.slots
    assert {lot_of(slot).quantity for slot in slots} == {0}
    assert manager.is_wound_down

"""The coordinator: an event in, a journalled decision out; reports by id and rank, in any order, however often."""

from collections.abc import Sequence
from decimal import Decimal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.actions import QuietBand
from engine.model.errors import InvariantBroken
from engine.model.events import Fact, LateFillBooked, OrderIntended, OrderReported
from engine.model.order import OrderReport, OrderRequest, OrderStatus
from engine.model.slot import Empty, Entering, Exiting
from engine.runtime import coordinator as coordinators
from engine.runtime.clock import VirtualClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.journal_gate import Staged
from engine.runtime.manager import SlotManager
from tests.builders import INSTANCE, a_fill, a_report, an_id, an_intent, some_books

D = Decimal


class Desk:
    """A coordinator with everything it does written down in order: journal, executor, bands."""

    def __init__(self) -> None:
        manager = SlotManager(some_books(), instance=INSTANCE)
        self.done: list[str] = []
        self.facts: list[Fact] = []
        self.bands: list[QuietBand] = []
        self.grid = GridCoordinator(
            manager,
            journal=self,
            executor=self,
            clock=VirtualClock(start_ms=0),
            watch=self.bands.append,
        )

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> Staged:
        first = len(self.facts) + 1
        self.facts += facts
        return Staged(grid=grid, facts=tuple(facts), at_ms=at_ms, sequences=range(first, first + len(facts)))

    async def make_durable(self, staged: Staged) -> None:
        await anyio.lowlevel.checkpoint()
        self.done += [f"journal {type(fact).__name__}" for fact in staged.facts]

    def place(self, request: OrderRequest) -> None:
        self.done.append(f"place {request.price}")

    def cancel(self, symbol: str, client_order_id: str) -> None:
        self.done.append(f"cancel {client_order_id}")

    def ask(self, symbol: str, client_order_id: str) -> None:
        self.done.append(f"ask {client_order_id}")

    async def hear(self, *reports: OrderReport) -> None:
        """Deliver reports and let the coordinator work on them."""
        for report in reports:
            self.grid.on_report(report)
        await self.grid.step()

    def state_of(self, index: int) -> type:
        """Which state a slot is in."""
        return type(self.grid.books.slots[index].state)

    async def see(self, price: str) -> list[str]:
        """Deliver a price and let the coordinator work on it: what it did."""
        self.done.clear()
        self.grid.on_price(D(price), 0)
        await self.grid.step()
        return list(self.done)


def opened(slot: int) -> OrderReport:
    return a_report(an_intent(slot), OrderStatus.OPEN)


def filled(slot: int) -> OrderReport:
    fill = a_fill(f"t{slot}", price=100 + 10 * slot)
    return a_report(an_intent(slot), OrderStatus.FILLED, fill, at_ms=2)


async def test_every_intent_of_a_decision_is_journalled_before_the_first_order_is_placed() -> None:
    desk = Desk()
    done = await desk.see("125")
    assert done == [*["journal OrderIntended"] * 3, "place 120.00", "place 110.00", "place 100.00"]


async def test_a_price_inside_the_quiet_band_leads_to_nothing_and_one_on_its_edge_to_a_decision() -> None:
    desk = Desk()
    await desk.see("155")
    assert desk.bands[-1] == QuietBand(D(150), D(160))
    assert await desk.see("159.99") == []
    assert await desk.see("160") == ["journal OrderIntended", "place 160.00"]
    assert desk.grid.mark == 160


async def test_a_fill_is_journalled_before_its_exit_is_intended_and_the_exit_before_it_is_placed() -> None:
    desk = Desk()
    await desk.see("155")
    await desk.hear(opened(5))
    desk.done.clear()
    await desk.hear(filled(5))
    assert desk.done == ["journal OrderReported", "journal OrderIntended", "place 160.00"]
    assert desk.state_of(5) is Exiting


@settings(max_examples=100)
@given(order=st.permutations([opened(5), opened(5), filled(5), filled(5), opened(4), filled(4), opened(3)]))
def test_reports_in_any_order_and_twice_end_in_the_same_books(order: list[OrderReport]) -> None:
    """I5: one fill each, one exit each, whatever came first."""

    async def deliver() -> None:
        desk = Desk()
        await desk.see("155")
        for report in order:
            await desk.hear(report)
        books = desk.grid.books
        assert [desk.state_of(index) for index in (3, 4, 5)] == [Entering, Exiting, Exiting]
        assert (books.ledger.base, books.ledger.cash) == (D(2), D(-290))
        exits = [fact.slot for fact in desk.facts if isinstance(fact, OrderIntended) and fact.leg == "exit"]
        assert sorted(exits) == [4, 5]

    anyio.run(deliver)


async def test_a_report_that_is_no_news_leaves_no_trace() -> None:
    desk = Desk()
    await desk.see("155")
    await desk.hear(opened(5))
    desk.done.clear()
    await desk.hear(opened(5), opened(5))
    assert desk.done == []


async def test_a_report_whose_fills_are_missing_is_asked_for_and_booked_when_they_come() -> None:
    """The stream says two were filled and carries one: the slot waits for the other."""
    desk = Desk()
    await desk.see("155")
    half = a_fill("a", amount="0.5")
    await desk.hear(a_report(an_intent(5), OrderStatus.FILLED, half, filled=1))
    assert desk.done[-1] == f"ask {an_id(5)}"
    assert desk.state_of(5) is Entering
    await desk.hear(a_report(an_intent(5), OrderStatus.FILLED, half, a_fill("b", amount="0.5")))
    assert desk.state_of(5) is Exiting
    assert desk.grid.books.ledger.base == 1


async def test_a_fill_that_is_told_after_its_order_was_closed_is_booked_and_gets_its_exit() -> None:
    desk = Desk()
    await desk.see("155")
    await desk.hear(a_report(an_intent(5), OrderStatus.CANCELED))
    desk.done.clear()
    await desk.hear(filled(5))
    assert desk.done[:1] == ["journal LateFillBooked"]
    assert desk.grid.books.ledger.base == 1
    await desk.hear(filled(5))
    assert desk.grid.books.ledger.base == 1
    assert sum(isinstance(fact, LateFillBooked) for fact in desk.facts) == 1


async def test_a_cancellation_and_the_fill_that_belies_it_are_both_booked_though_they_come_together() -> None:
    desk = Desk()
    await desk.see("155")
    await desk.hear(a_report(an_intent(5), OrderStatus.CANCELED), filled(5))
    assert desk.grid.books.ledger.base == 1


async def test_a_closed_order_that_is_said_to_have_filled_more_is_asked_for_once() -> None:
    """The executions are missing: nothing is inferred, and what is not told then is the reconciler's to find."""
    desk = Desk()
    await desk.see("155")
    await desk.hear(a_report(an_intent(5), OrderStatus.CANCELED))
    bare = a_report(an_intent(5), OrderStatus.FILLED, filled=1)
    desk.done.clear()
    await desk.hear(bare)
    await desk.hear(bare)
    assert desk.done == [f"ask {an_id(5)}"]
    await desk.hear(filled(5))
    assert desk.grid.books.ledger.base == 1


async def test_a_report_of_an_order_that_nobody_knows_changes_nothing() -> None:
    desk = Desk()
    await desk.see("155")
    before = list(desk.grid.books.slots)
    await desk.hear(a_report(an_intent(5, generation=7), OrderStatus.FILLED, a_fill()))
    assert desk.grid.books.slots == before


async def test_a_post_only_rejection_decides_again_only_at_another_price() -> None:
    desk = Desk()
    await desk.see("155")
    desk.done.clear()
    await desk.hear(a_report(an_intent(5), OrderStatus.EXPIRED, reason="would take"))
    assert desk.done == ["journal OrderReported"]
    assert await desk.see("154.99") == ["journal OrderIntended", "place 150.00"]


async def test_more_reports_than_fit_stop_the_engine_rather_than_drop_a_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinators, "REPORTS_MAX", 3)
    desk = Desk()
    for _ in range(3):
        desk.grid.on_report(opened(5))
    with pytest.raises(InvariantBroken, match="expected at most 3 waiting reports, one more arrived"):
        desk.grid.on_report(opened(5))


async def test_thousands_of_waiting_reports_are_booked_in_batches_each_once() -> None:
    desk = Desk()
    await desk.see("155")
    await desk.hear(*([opened(5)] * 2_000), *([filled(5), filled(4)] * 500))
    reported = [fact for fact in desk.facts if isinstance(fact, OrderReported)]
    assert len(reported) == 3
    assert desk.grid.books.ledger.base == 2
    assert desk.state_of(5) is Exiting


async def test_a_slot_whose_lot_became_dust_enters_again_without_waiting_for_a_price() -> None:
    """Its entry is cancelled after a fill that is too small to sell."""
    desk = Desk()
    await desk.see("155")
    await desk.hear(opened(5))
    crumb = a_fill("t5", price=150, amount="0.00002")
    await desk.hear(a_report(an_intent(5), OrderStatus.CANCELED, crumb, filled="0.00002", at_ms=2))
    assert "journal LotSetAside" in desk.done
    assert desk.state_of(5) is Empty
    await desk.grid.step()
    assert desk.state_of(5) is Entering

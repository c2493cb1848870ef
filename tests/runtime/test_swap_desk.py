"""What the exchange does to a position by itself is booked once, in order, and only if it is the grid's own."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.core.books import GridBooks
from engine.core.slots import SlotChange
from engine.model.events import Fact, FundingBooked, GridStateChanged, PositionLiquidated
from engine.model.grid import GridState
from engine.model.order import Leg, OrderReport, OrderStatus
from engine.model.slot import EMPTY, Holding
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.clock import VirtualClock
from engine.runtime.journal_gate import Staged
from engine.runtime.manager import SlotManager
from engine.runtime.swap_desk import SwapDesk
from tests.builders import INSTANCE, a_fill, a_lot, a_report, a_spec, a_state, an_id, an_intent, an_opening
from tests.core.shape_builders import a_swap

D = Decimal
OPENED_MS = 1_000
FILLED_MS = 1_500
SWAP = "BTC/USDT:USDT"


class Scene:
    """A grid on a swap that began at ``OPENED_MS`` and bought slot 5 at 150; its exit rests with ``is_offered``."""

    def __init__(self, *, is_offered: bool = False) -> None:
        self.books = GridBooks(an_opening(a_spec(symbol=SWAP), a_swap(symbol=SWAP)), OPENED_MS)
        self.facts: list[Fact] = []
        self.done: list[str] = []
        keeper = GridBookkeeper(
            SlotManager(self.books, instance=INSTANCE), journal=self, clock=VirtualClock(start_ms=OPENED_MS)
        )
        self.desk = SwapDesk(keeper, orders=self)
        self.books.apply(a_state(GridState.RUNNING), OPENED_MS)
        bought = a_report(an_intent(), OrderStatus.FILLED, a_fill(fee="0.15", fee_currency="USDT", at_ms=FILLED_MS))
        self._do(an_intent())
        self.books.settle(self._change(bought), 0)
        if is_offered:
            self._do(an_intent(5, Leg.EXIT, generation=1))

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> Staged:
        first = len(self.facts) + 1
        self.facts += facts
        return Staged(grid=grid, facts=tuple(facts), at_ms=at_ms, sequences=range(first, first + len(facts)))

    async def make_durable(self, staged: Staged) -> None:
        await anyio.lowlevel.checkpoint()

    def cancelled(self) -> None:
        """The exit's end is told."""
        self.books.settle(self._change(a_report(an_intent(5, Leg.EXIT, generation=1), OrderStatus.CANCELED)), 0)

    def acknowledged(self) -> None:
        """The exit rests."""
        self.books.settle(self._change(a_report(an_intent(5, Leg.EXIT, generation=1), OrderStatus.OPEN)), 0)

    def ask(self, symbol: str, client_order_id: str) -> None:
        self.done.append(f"ask {symbol} {client_order_id}")

    def cancel(self, symbol: str, client_order_id: str) -> None:
        self.done.append(f"cancel {symbol} {client_order_id}")

    def _do(self, fact: Fact) -> None:
        self.books.apply(fact, OPENED_MS)

    def _change(self, report: OrderReport) -> SlotChange:
        change = self.books.foresee(self.books.slots[5], report)
        assert change is not None
        return change


def a_payment(number: int = 1, *, amount: str = "-0.015", at_ms: int = 2_000) -> FundingPayment:
    return FundingPayment(
        symbol=SWAP,
        funding_id=f"{number}",
        amount=D(amount),
        rate=D("0.0001"),
        position=D(1),
        mark_price=D(150),
        at_ms=at_ms,
    )


def a_liquidation(number: int = 1, *, at_ms: int = 2_000) -> Liquidation:
    return Liquidation(
        symbol=SWAP, trade_id=f"L{number}", amount=D(-1), price=D("120.50"), fee=D("0.1205"), at_ms=at_ms
    )


async def test_a_payment_told_twice_before_and_after_it_is_booked_is_booked_once() -> None:
    scene = Scene()
    for _ in range(2):
        scene.desk.on_funding(a_payment())
    assert await scene.desk.book()
    scene.desk.on_funding(a_payment())
    assert not await scene.desk.book()
    assert scene.facts == [FundingBooked(payment=a_payment())]
    assert scene.books.ledger.funding == D("-0.015")
    assert scene.books.ledger.cash == D("-150.165")
    assert not scene.desk.has_news


async def test_payments_and_losses_from_before_the_first_fill_of_the_grid_are_not_its_own() -> None:
    scene = Scene()
    scene.desk.on_funding(a_payment(at_ms=FILLED_MS - 1))
    scene.desk.on_liquidation(a_liquidation(at_ms=FILLED_MS - 1))
    assert not scene.desk.has_news
    scene.desk.on_funding(a_payment(at_ms=FILLED_MS))
    assert scene.desk.has_news


async def test_a_liquidation_closes_the_lot_and_halts_with_its_reason() -> None:
    """120.5 - 150 - 0.15 - 0.1205 of fees."""
    scene = Scene()
    scene.desk.on_liquidation(a_liquidation())
    assert await scene.desk.book()
    books = scene.books
    assert [type(fact) for fact in scene.facts] == [GridStateChanged, PositionLiquidated]
    assert (books.state, books.state_reason) == (
        GridState.HALTED,
        "the exchange liquidated 1 BTC of the position at 120.5 USDT",
    )
    assert books.slots[5].state == EMPTY
    assert books.ledger.realised == books.ledger.cash == D("-29.7705")
    assert books.profit(D(7)).residual == books.ledger.base == 0


@pytest.mark.parametrize("is_resting, verb", [(False, "ask"), (True, "cancel")])
async def test_a_liquidation_told_before_the_end_of_an_order_halts_and_waits_for_that(
    *, is_resting: bool, verb: str
) -> None:
    """Once it has asked for the end, it does not ask again."""
    scene = Scene(is_offered=True)
    if is_resting:
        scene.acknowledged()
    scene.desk.on_liquidation(a_liquidation())
    for _ in range(2):
        assert not await scene.desk.book()
    assert scene.done == [f"{verb} {SWAP} {an_id(5, Leg.EXIT, 1)}"]
    assert [type(fact) for fact in scene.facts] == [GridStateChanged]
    assert scene.books.state is GridState.HALTED
    assert scene.books.ledger.base == 1
    assert scene.desk.has_news
    scene.cancelled()
    assert await scene.desk.book()
    assert [type(fact) for fact in scene.facts] == [GridStateChanged, PositionLiquidated]
    assert scene.books.ledger.base == 0
    assert not scene.desk.has_news


async def test_a_liquidation_of_more_than_the_grid_holds_halts_and_is_left_to_a_person() -> None:
    """Who had the rest of the position can only be asked."""
    scene = Scene()
    scene.desk.on_liquidation(replace(a_liquidation(), amount=D("-1.4")))
    await scene.desk.book()
    told = replace(a_liquidation(), amount=D("-1.4"))
    assert scene.facts[1:] == [PositionLiquidated(liquidation=told, is_booked=False)]
    scene.desk.on_liquidation(told)
    assert (scene.books.state, scene.books.ledger.base) == (GridState.HALTED, D(1))
    assert not scene.desk.has_news


async def test_a_liquidation_of_a_part_of_what_the_grid_holds_halts_and_books_nothing() -> None:
    """Which lots it took can only be asked."""
    scene = Scene()
    scene.desk.on_liquidation(replace(a_liquidation(), amount=D("-0.4")))
    await scene.desk.book()
    told = replace(a_liquidation(), amount=D("-0.4"))
    assert scene.facts[1:] == [PositionLiquidated(liquidation=told, is_booked=False)]
    scene.desk.on_liquidation(told)
    assert (scene.books.state, scene.books.ledger.base) == (GridState.HALTED, D(1))
    assert scene.books.slots[5].state == Holding(lot=a_lot(1, "150.15"))
    assert not scene.desk.has_news


async def test_a_liquidation_told_twice_is_booked_once() -> None:
    scene = Scene()
    for _ in range(2):
        scene.desk.on_liquidation(a_liquidation())
    await scene.desk.book()
    scene.desk.on_liquidation(a_liquidation())
    assert not scene.desk.has_news
    assert sum(isinstance(fact, PositionLiquidated) for fact in scene.facts) == 1


async def test_funding_told_with_a_liquidation_is_booked_before_it() -> None:
    scene = Scene()
    scene.desk.on_liquidation(a_liquidation())
    scene.desk.on_funding(a_payment())
    assert await scene.desk.book()
    assert [type(fact) for fact in scene.facts] == [FundingBooked, GridStateChanged, PositionLiquidated]
    assert scene.books.ledger.cash == D("-29.7855")

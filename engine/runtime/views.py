"""Snapshots: the engine's state as immutable views, built when somebody looks.

A slot that has not changed keeps its view object, so that a reader can tell by identity
and a snapshot of thousands of slots costs little.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.books import GridBooks, Question
from engine.core.cycles import cycle_profit
from engine.core.ladder import RULE_WORDS
from engine.core.lattice import funds_needed
from engine.core.ledger import sum_of
from engine.model.grid import NO_TRAILING, Direction, GridState
from engine.model.money import ZERO
from engine.model.order import Order, OrderStatus
from engine.model.regime import EntryRule, RegimeView
from engine.model.risk_view import RiskView
from engine.model.slot import Empty, Entering, Exiting, Holding, Slot, SlotState, lot_of, order_of
from engine.model.snapshot import (
    BlockView,
    GridSnapshot,
    OrderView,
    ProfitView,
    QuestionView,
    SlotStateName,
    SlotView,
)
from engine.model.swap import PositionView
from engine.model.words import cause_text
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.manager import SlotManager

NO_PROFIT = ProfitView(grid=ZERO, floating=ZERO, fees=ZERO, total=ZERO, residual=ZERO, fees_by_currency=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a grid's books do not say: the newest price, None before the first, and what the money is short of.

    ``wait_reason`` is why nothing is decided whatever the state of the grid is, None if that is not so.
    """

    mark: Decimal | None
    mark_at_ms: int
    money_block: BlockView | None = None
    foreign_orders: int = 0
    wait_reason: str | None = None
    regime: RegimeView | None = None
    risk: RiskView | None = None
    position: PositionView | None = None
    hindrance: str = ""


class GridViewer:
    """Builds the snapshots of a running grid. ``in_flight`` holds the client order ids being sent right now."""

    def __init__(self, coordinator: GridCoordinator, *, in_flight: Collection[str]) -> None:
        self._coordinator = coordinator
        self._viewer = BooksViewer(coordinator.books, in_flight=in_flight)

    def snapshot(self) -> GridSnapshot:
        """The grid as it is now, valued at the newest price."""
        coordinator = self._coordinator
        seen = Seen(
            mark=coordinator.mark,
            mark_at_ms=coordinator.mark_at_ms,
            money_block=_money_block(coordinator.manager),
            foreign_orders=coordinator.foreign_orders,
            wait_reason=coordinator.wait_reason,
            regime=coordinator.sense.regime_view(coordinator.mark),
            risk=coordinator.risk_view(),
            position=_position_view(coordinator),
            hindrance=coordinator.migrator.hindrance,
        )
        return self._viewer.snapshot(coordinator.books, seen)


class BooksViewer:
    """Builds snapshots of one grid's books, as they are now or were at any time; all share one lattice."""

    def __init__(self, books: GridBooks, *, in_flight: Collection[str] = ()) -> None:
        self._in_flight = in_flight
        self._follow(books)

    def _follow(self, books: GridBooks) -> None:
        """Show another lattice from now on."""
        self._lattice, self._market = books.lattice, books.market
        # What the levels need that it may trail to is set aside, and earns nothing where it never gets there.
        here = funds_needed(replace(books.spec, trailing=NO_TRAILING), books.market, books.lattice)
        self._invested = here.quote + here.base * books.lattice.anchor
        slots = books.slots_by_price
        self._slots: list[Slot | None] = [None] * len(slots)
        self._was_sent: list[bool] = [False] * len(slots)
        self._views: list[SlotView] = []
        self._cycle_profits = [
            (slot.amount * cycle_profit(books.market, slot.lower, slot.upper, slot.entry_side)).quantize(
                books.market.tick_size
            )
            for slot in slots
        ]

    def snapshot(self, books: GridBooks, seen: Seen) -> GridSnapshot:
        """The grid with these books, valued at the price that was seen."""
        if books.lattice is not self._lattice or books.market is not self._market:
            self._follow(books)
        spec, market, ledger = books.spec, books.market, books.ledger
        return GridSnapshot(
            name=spec.name,
            symbol=spec.symbol,
            base=market.base,
            quote=market.quote,
            tick_size=market.tick_size,
            lot_size=market.lot_size,
            state=books.state,
            state_reason=books.state_reason,
            price=seen.mark,
            price_at_ms=seen.mark_at_ms,
            anchor=books.lattice.anchor,
            window=spec.window,
            slots=self._slot_views(books.slots_by_price),
            blocks=_blocks(books, seen),
            profit=_profit(books, seen.mark if seen.mark is not None else books.lattice.anchor),
            cash=ledger.cash,
            inventory=ledger.base,
            dust=ledger.dust.quantity,
            invested=self._invested,
            cycles=ledger.cycles,
            questions=tuple(_question(question) for question in books.questions.values()),
            foreign_orders=seen.foreign_orders,
            direction=spec.direction,
            sized_by=spec.sized_by,
            size=spec.size,
            lattice_version=books.lattice.version,
            regime=seen.regime,
            risk=seen.risk or RiskView(blocks=books.blocks),
            position=seen.position,
        )

    def _slot_views(self, slots: Sequence[Slot]) -> tuple[SlotView, ...]:
        if not self._views:
            self._views = [self._slot_view(slot, place) for place, slot in enumerate(slots)]
        for place, slot in enumerate(slots):
            order = order_of(slot)
            is_sent = order is not None and order.client_order_id in self._in_flight
            if slot is not self._slots[place] or is_sent != self._was_sent[place]:
                self._slots[place], self._was_sent[place] = slot, is_sent
                self._views[place] = self._slot_view(slot, place)
        return tuple(self._views)

    def _slot_view(self, slot: Slot, place: int) -> SlotView:
        order = order_of(slot)
        return SlotView(
            index=slot.index,
            lower=slot.lower,
            upper=slot.upper,
            state=_state_name(slot.state),
            quantity=lot_of(slot).quantity,
            order=None if order is None else self._order_view(order),
            freeze_reason=slot.freeze_reason,
            cycles=slot.cycles,
            profit=slot.profit_quote,
            cycle_profit=self._cycle_profits[place],
            entry_side=slot.entry_side,
        )

    def _order_view(self, order: Order) -> OrderView:
        is_sent = order.status is OrderStatus.INTENT and order.client_order_id in self._in_flight
        return OrderView(
            client_order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            amount=order.amount,
            filled=order.filled,
            status=OrderStatus.SENT if is_sent else order.status,
        )


def _state_name(state: SlotState) -> SlotStateName:
    match state:
        case Empty():
            return SlotStateName.EMPTY
        case Entering():
            return SlotStateName.ENTERING
        case Holding():
            return SlotStateName.HOLDING
        case Exiting():
            return SlotStateName.EXITING


def _money_block(manager: SlotManager) -> BlockView | None:
    """What the money is short of: the nearest entry with its figures, and how many there are beside it."""
    block, others = manager.money_block, len(manager.short_slots) - 1
    if block is None or others == 0:
        return block
    return replace(block, what=f"{block.what} and {others} more")


def _blocks(books: GridBooks, seen: Seen) -> tuple[BlockView, ...]:
    blocks: list[BlockView] = []
    match books.state:
        case GridState.RUNNING:
            pass
        case GridState.PAUSED | GridState.EXITS_ONLY:
            blocks.append(BlockView(what="entries", reason=books.state_reason))
        case GridState.STARTING | GridState.HALTED | GridState.STOPPING | GridState.STOPPED:
            blocks.append(BlockView(what="everything", reason=books.state_reason))
    if seen.mark is None:
        blocks.append(BlockView(what="decisions", reason=f"no price of {books.spec.symbol} has come yet"))
    if seen.wait_reason is not None:
        blocks.append(BlockView(what="decisions", reason=seen.wait_reason))
    if seen.hindrance:
        blocks.append(BlockView(what="lattice", reason=seen.hindrance))
    blocks.extend(BlockView(what="entries", reason=cause_text(block.kind, block.reason)) for block in books.blocks)
    blocks.extend(_regime_blocks(books))
    if seen.money_block is not None:
        blocks.append(seen.money_block)
    if seen.risk is not None:
        blocks.extend(BlockView(what="entries", reason=reason) for reason in seen.risk.refusals)
    blocks.extend(
        BlockView(what=f"slot {slot.index}", reason=slot.freeze_reason)
        for slot in books.slots
        if slot.freeze_reason is not None
    )
    return tuple(blocks)


def _regime_blocks(books: GridBooks) -> Iterator[BlockView]:
    """What the market's kind keeps from opening, on the sides that this grid opens on."""
    regime, direction = books.regime, books.spec.direction
    if regime is None or books.state is not GridState.RUNNING:
        return
    sides = (
        ("long entries", regime.long_entries, direction is not Direction.SHORT),
        ("short entries", regime.short_entries, direction is not Direction.LONG),
    )
    for what, rule, is_opened in sides:
        if is_opened and rule is not EntryRule.ALL:
            kind = regime.name.replace("_", " ")
            yield BlockView(what=what, reason=f"the market is {kind}: {RULE_WORDS[rule]}: {'; '.join(regime.reasons)}")


def _position_view(coordinator: GridCoordinator) -> PositionView | None:
    books = coordinator.books
    if books.market.swap is None:
        return None
    held = sum_of(books.lots(), books.ledger.dust)
    told = coordinator.guard.position
    return PositionView(
        amount=held.quantity,
        leverage=books.spec.leverage,
        mode=books.spec.margin,
        margin=abs(held.cost_quote) / books.spec.leverage if told is None else told.margin,
        liquidation_price=None if told is None else told.liquidation_price,
        funding=books.ledger.funding,
    )


def _profit(books: GridBooks, mark: Decimal) -> ProfitView:
    profit = books.profit(mark)
    return ProfitView(
        grid=profit.grid,
        floating=profit.floating,
        fees=profit.fees,
        total=profit.total,
        residual=profit.residual,
        fees_by_currency=books.ledger.fees,
        funding=profit.funding,
    )


def _question(question: Question) -> QuestionView:
    discrepancy = question.found.discrepancy
    return QuestionView(
        name=question.found.name,
        kind=discrepancy.kind,
        slot=discrepancy.slot,
        client_order_id=discrepancy.client_order_id,
        detail=discrepancy.detail,
        rows=discrepancy.rows,
        choices=discrepancy.choices,
        proposed=discrepancy.proposed,
        unanswered=discrepancy.unanswered,
        asked_ms=question.asked_ms,
    )

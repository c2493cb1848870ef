"""A small engine that can be asked, and snapshots with something in every field."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.model.commands import Command, CommandDone, GridChange
from engine.model.errors import GridwrightError
from engine.model.grid import GridState
from engine.model.order import OrderStatus, Side
from engine.model.preflight import EditPreview, Preflight
from engine.model.reconcile import Choice, DiscrepancyKind, Resolution, ViewRow
from engine.model.snapshot import (
    BalanceView,
    BlockView,
    Connection,
    EngineEvent,
    EngineSnapshot,
    EngineState,
    EventLevel,
    GridSnapshot,
    Mode,
    OrderView,
    PartView,
    ProfitView,
    QuestionView,
    SlotStateName,
    SlotView,
)
from tests import preflight_scenes

AT_MS = 1_583_971_200_123
"""2020-03-12T00:00:00.123Z"""


def make_slot(index: int, **changes: Any) -> SlotView:
    """An empty slot of 100 quote width above 1000."""
    slot = SlotView(
        index=index,
        lower=Decimal(1000 + 100 * index),
        upper=Decimal(1100 + 100 * index),
        state=SlotStateName.EMPTY,
        quantity=Decimal(0),
        order=None,
        freeze_reason=None,
        cycles=0,
        profit=Decimal(0),
        cycle_profit=Decimal(1),
    )
    return replace(slot, **changes)


def make_grid(name: str = "btc", **changes: Any) -> GridSnapshot:
    """A running grid of three slots: an entry is out, one is frozen, one holds a lot."""
    order = OrderView(
        client_order_id="gabc00e000000001",
        side=Side.BUY,
        price=Decimal("1000.00"),
        amount=Decimal("0.10"),
        filled=Decimal("0.04"),
        status=OrderStatus.PARTIALLY_FILLED,
    )
    slots = (
        make_slot(0, state=SlotStateName.ENTERING, quantity=Decimal("0.04"), order=order),
        make_slot(1, freeze_reason="by the operator"),
        make_slot(2, state=SlotStateName.HOLDING, quantity=Decimal("0.083"), cycles=4, profit=Decimal("1.5")),
    )
    grid = GridSnapshot(
        name=name,
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        state=GridState.RUNNING,
        state_reason="",
        price=Decimal("1150.50"),
        price_at_ms=AT_MS,
        anchor=Decimal(1150),
        window=2,
        slots=slots,
        blocks=(BlockView(what="entries", reason="the price is outside"),),
        profit=ProfitView(
            grid=Decimal("1.50"),
            floating=Decimal("-0.25"),
            fees=Decimal("0.3"),
            total=Decimal("1.25"),
            residual=Decimal("0E-12"),
            fees_by_currency=(("BTC", Decimal("0.0001")), ("USDT", Decimal("0.2"))),
        ),
        cash=Decimal("9876.543"),
        inventory=Decimal("0.123"),
        dust=Decimal("1E-8"),
        invested=Decimal(300),
        cycles=4,
    )
    return replace(grid, **changes)


def make_question(name: str = "q3", **changes: Any) -> QuestionView:
    """Half a coin is missing on the account; only writing it off moves money."""
    question = QuestionView(
        name=name,
        kind=DiscrepancyKind.HOLDING_SHORT,
        slot=None,
        client_order_id="",
        detail="the account holds 1, the lots of its grids are 1.5: 0.5 is missing",
        rows=(ViewRow(name="base held", journal="1.5", memory="1.5", exchange="1"),),
        choices=(
            Choice(resolution=Resolution.WRITE_OFF, effect="books 0.5 as lost", moves_money=True),
            Choice(resolution=Resolution.QUERY, effect="looks again", moves_money=False),
            Choice(resolution=Resolution.HALT, effect="halts the grid", moves_money=False),
        ),
        proposed=Resolution.WRITE_OFF,
        unanswered="the grid only exits",
        asked_ms=AT_MS,
    )
    return replace(question, **changes)


def make_snapshot(*grids: GridSnapshot, **changes: Any) -> EngineSnapshot:
    """A running engine; without ``grids`` it has one."""
    snapshot = EngineSnapshot(
        sequence=42,
        at_ms=AT_MS,
        started_ms=0,
        mode=Mode.SIMULATION,
        exchange="simulated",
        connection=Connection.CONNECTED,
        state=EngineState.RUNNING,
        state_reason="",
        speed=60.0,
        loop_lag_ms=0.5,
        parts=(PartView(name="journal", has_reported=True, detail=""),),
        balances=(BalanceView(currency="USDT", free=Decimal("9000.10"), locked=Decimal("876.443")),),
        grids=grids or (make_grid(),),
    )
    return replace(snapshot, **changes)


def make_event(number: int, **changes: Any) -> EngineEvent:
    """Something that happened to slot 3 of the grid ``btc``."""
    event = EngineEvent(number=number, at_ms=AT_MS, level=EventLevel.INFO, grid="btc", slot=3, text=f"event {number}")
    return replace(event, **changes)


class FakeEngine:
    """An ``engine.api.Client`` that remembers commands; ``trouble`` is raised by whatever is asked next."""

    def __init__(self, snapshot: EngineSnapshot | None = None, events: Sequence[EngineEvent] = ()) -> None:
        self.current = snapshot or make_snapshot()
        self.story = list(events)
        self.commands: list[Command] = []
        self.asked: list[tuple[str, GridChange | None]] = []
        self.flight = preflight_scenes.preflight()
        self.preview_now = preflight_scenes.preview()
        self.trouble: GridwrightError | None = None
        self.trouble_after_events: GridwrightError | None = None

    async def snapshot(self) -> EngineSnapshot:
        self._fail()
        return self.current

    async def events(self, after: int, limit: int = 200) -> Sequence[EngineEvent]:
        self._fail()
        self.trouble = self.trouble_after_events
        return [event for event in self.story if event.number > after][-limit:]

    async def send(self, command: Command) -> CommandDone:
        self._fail()
        self.commands.append(command)
        return CommandDone(message=f"did {type(command).__name__}")

    async def preflight(self, grid: str) -> Preflight:
        self._fail()
        self.asked.append((grid, None))
        return self.flight

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        self._fail()
        self.asked.append((grid, change))
        return self.preview_now

    async def close(self) -> None:
        raise AssertionError("a server never closes the engine it serves")

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble

"""The engine's story: a bounded, numbered ring of events, told from the facts as they become durable."""

from collections import deque
from collections.abc import Callable, Sequence

from engine.model.events import (
    CancelRequested,
    Fact,
    GridOpened,
    GridStateChanged,
    LotAdopted,
    LotSetAside,
    OrderIntended,
    OrderReported,
    SlotFrozen,
    SlotThawed,
)
from engine.model.grid import GridState
from engine.model.money import text_from_decimal
from engine.model.order import OrderReport, OrderStatus
from engine.model.snapshot import EngineEvent, EventLevel

EVENTS_MAX = 2_000


class Story:
    """The newest ``EVENTS_MAX`` events; ``listener`` hears each one as it is told."""

    def __init__(self) -> None:
        self._events: deque[EngineEvent] = deque(maxlen=EVENTS_MAX)
        self._number = 0
        self.listener: Callable[[EngineEvent], None] | None = None

    def after(self, number: int, limit: int) -> Sequence[EngineEvent]:
        """The newest events above ``number``, oldest first, at most ``limit``."""
        missing = min(self._number - number, len(self._events), limit)
        if missing <= 0:
            return ()
        return tuple(list(self._events)[-missing:])

    def tell(
        self,
        text: str,
        *,
        at_ms: int,
        level: EventLevel = EventLevel.INFO,
        grid: str = "",
        slot: int | None = None,
    ) -> None:
        """Add an event."""
        self._number += 1
        event = EngineEvent(number=self._number, at_ms=at_ms, level=level, grid=grid, slot=slot, text=text)
        self._events.append(event)
        if self.listener is not None:
            self.listener(event)

    def tell_fact(self, grid: str, fact: Fact, at_ms: int) -> None:
        """Add a fact in words, if it is of interest to an operator."""
        match fact:
            case OrderReported():
                told = _report_in_words(fact.report)
                if told:
                    level, text = told
                    self.tell(text, at_ms=at_ms, level=level, grid=grid, slot=fact.slot)
            case OrderIntended():
                text = f"{fact.side} {_text(fact.amount)} at {_text(fact.price)}: {fact.reason}"
                self.tell(text, at_ms=at_ms, grid=grid, slot=fact.slot)
            case CancelRequested():
                self.tell(f"cancelling its order: {fact.reason}", at_ms=at_ms, grid=grid, slot=fact.slot)
            case LotSetAside():
                self.tell(f"lot booked as dust: {fact.reason}", at_ms=at_ms, grid=grid, slot=fact.slot)
            case LotAdopted():
                text = f"took {_text(fact.lot.quantity)} from the account's holdings"
                self.tell(text, at_ms=at_ms, grid=grid, slot=fact.slot)
            case SlotFrozen():
                text = f"frozen by {fact.by}: {fact.reason}"
                self.tell(text, at_ms=at_ms, level=EventLevel.WARNING, grid=grid, slot=fact.slot)
            case SlotThawed():
                self.tell(f"thawed by {fact.by}", at_ms=at_ms, grid=grid, slot=fact.slot)
            case GridStateChanged():
                level = EventLevel.ERROR if fact.state is GridState.HALTED else EventLevel.INFO
                self.tell(f"{fact.state}: {fact.reason} ({fact.by})", at_ms=at_ms, level=level, grid=grid)
            case GridOpened():
                lattice = fact.lattice
                text = (
                    f"opened {len(lattice.amounts)} slots ({len(lattice.levels)} levels) from "
                    f"{_text(lattice.levels[0])} to {_text(lattice.levels[-1])} around {_text(lattice.anchor)}"
                )
                self.tell(text, at_ms=at_ms, grid=grid)


def _report_in_words(report: OrderReport) -> tuple[EventLevel, str] | None:
    match report.status:
        case OrderStatus.FILLED | OrderStatus.PARTIALLY_FILLED:
            return EventLevel.INFO, _fill_in_words(report)
        case OrderStatus.REJECTED:
            return EventLevel.WARNING, f"the exchange rejected the {report.side}: {report.reason}"
        case OrderStatus.EXPIRED:
            return (
                EventLevel.WARNING,
                f"the {report.side} would have taken and was not placed: {report.reason}",
            )
        case OrderStatus.UNKNOWN:
            return EventLevel.WARNING, f"outcome unknown, asking the exchange: {report.reason}"
        case OrderStatus.CANCELED:
            return (
                EventLevel.INFO,
                f"{report.side} at {_text(report.price)} canceled, {_text(report.filled)} filled",
            )
        case OrderStatus.INTENT | OrderStatus.SENT | OrderStatus.OPEN:
            return None


def _fill_in_words(report: OrderReport) -> str:
    verb = "bought" if report.side == "buy" else "sold"
    is_whole = report.status is OrderStatus.FILLED
    if len(report.fills) == 1:
        fill = report.fills[0]
        fee = f", fee {_text(fill.fee)} {fill.fee_currency}"
        rest = "" if is_whole else f" ({_text(report.filled)} of {_text(report.amount)})"
        return f"{verb} {_text(fill.amount)} at {_text(fill.price)}{rest}{fee}"
    return f"{verb} {_text(report.filled)} of {_text(report.amount)} at {_text(report.price)}"


_text = text_from_decimal

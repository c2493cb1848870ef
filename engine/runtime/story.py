"""The engine's story: a bounded, numbered ring of events, told from the facts as they become durable."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.model.events import (
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.grid import GridState
from engine.model.market import Market
from engine.model.money import text_from_decimal
from engine.model.order import OrderReport, OrderStatus
from engine.model.snapshot import EngineEvent, EventLevel

EVENTS_MAX = 2_000
_OF_NO_INTEREST = frozenset((OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.OPEN))
_Words = tuple[EventLevel, int | None, str]
"""Level, slot and text."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A fact that somebody may want to read; it is put into words when somebody does."""

    number: int
    at_ms: int
    grid: str
    fact: Fact


class Story:
    """The newest ``EVENTS_MAX`` events; ``listener`` hears each one as it is told."""

    def __init__(self) -> None:
        self._events: deque[EngineEvent | _Told] = deque(maxlen=EVENTS_MAX)
        self._number = 0
        self.listener: Callable[[EngineEvent], None] | None = None

    def after(self, number: int, limit: int) -> Sequence[EngineEvent]:
        """The newest events above ``number``, oldest first, at most ``limit``."""
        missing = min(self._number - number, len(self._events), limit)
        newest = islice(reversed(self._events), max(missing, 0))
        return tuple(reversed([_in_words(told) for told in newest]))

    def tell(self, text: str, *, at_ms: int, level: EventLevel = EventLevel.INFO) -> None:
        """Add an event of the engine itself."""
        self._number += 1
        self._add(EngineEvent(number=self._number, at_ms=at_ms, level=level, grid="", slot=None, text=text))

    def tell_fact(self, grid: str, fact: Fact, at_ms: int) -> None:
        """Add a fact, if it is of interest to an operator."""
        if isinstance(fact, DecisionNarrowed):
            return
        if isinstance(fact, OrderReported) and fact.report.status in _OF_NO_INTEREST:
            return
        self._number += 1
        self._add(_Told(self._number, at_ms, grid, fact))

    def _add(self, told: EngineEvent | _Told) -> None:
        self._events.append(told)
        if self.listener is not None:
            self.listener(_in_words(told))


def _in_words(told: EngineEvent | _Told) -> EngineEvent:
    match told:
        case EngineEvent():
            return told
        case _Told():
            return event_from_fact(told.grid, told.fact, number=told.number, at_ms=told.at_ms)


def event_from_fact(grid: str, fact: Fact, *, number: int, at_ms: int) -> EngineEvent:
    """Any fact in words, whether a running engine would tell of it or not."""
    level, slot, text = _fact_in_words(fact)
    return EngineEvent(number=number, at_ms=at_ms, level=level, grid=grid, slot=slot, text=text)


def _fact_in_words(fact: Fact) -> _Words:
    info = EventLevel.INFO
    match fact:
        case OrderReported():
            level, text = _report_in_words(fact.report)
            return level, fact.slot, text
        case OrderIntended():
            return info, fact.slot, f"{fact.side} {_text(fact.amount)} at {_text(fact.price)}: {fact.reason}"
        case CancelRequested():
            return info, fact.slot, f"cancelling its order: {fact.reason}"
        case OrderReleased():
            return EventLevel.WARNING, fact.slot, f"order {fact.client_order_id} closed in the books: {fact.reason}"
        case LotSetAside():
            return info, fact.slot, f"lot booked as dust: {fact.reason}"
        case LotAdopted():
            return info, fact.slot, f"took {_text(fact.lot.quantity)} from the account's holdings"
        case SlotFrozen():
            return EventLevel.WARNING, fact.slot, f"frozen by {fact.by}: {fact.reason}"
        case SlotThawed():
            return info, fact.slot, f"thawed by {fact.by}"
        case GridStateChanged():
            level = EventLevel.ERROR if fact.state is GridState.HALTED else info
            return level, None, f"{fact.state}: {fact.reason} ({fact.by})"
        case GridOpened():
            lattice = fact.lattice
            slots = f"{len(lattice.amounts)} slots ({len(lattice.levels)} levels)"
            ends = f"{_text(lattice.levels[0])} to {_text(lattice.levels[-1])}"
            return info, None, f"opened {slots} from {ends} around {_text(lattice.anchor)}"
        case DiscrepancyFound():
            return _discrepancy_in_words(fact)
        case DiscrepancyResolved():
            outcome = f", {fact.outcome}" if fact.outcome else ""
            return info, None, f"{fact.name} resolved by {fact.by}: {fact.resolution}{outcome}"
        case LotCorrected():
            return EventLevel.WARNING, fact.slot, _correction_in_words(fact)
        case HoldingNoted():
            return info, None, f"{_text(fact.beside)} on the account beside the lots: not ours, left alone"
        case MarketAdopted():
            return info, None, _market_in_words(fact.market)
        case WindowChanged():
            return info, None, f"window {fact.window}, as the configuration now says"
        case DecisionNarrowed():
            slots = ", ".join(map(str, fact.left_out))
            return info, None, f"decided without what was just changing (slots: {slots or 'none'})"


def _discrepancy_in_words(fact: DiscrepancyFound) -> _Words:
    found = fact.discrepancy
    if not fact.asks:
        text = f"{fact.name}: {found.detail}; dealt with as configured"
        return EventLevel.INFO, found.slot, text
    effect = next((choice.effect for choice in found.choices if choice.resolution is found.proposed), "")
    proposal = f"{found.proposed} ({effect})" if effect else found.proposed.value
    text = f"question {fact.name}: {found.detail}; proposed: {proposal}; until it is answered {found.unanswered}"
    return EventLevel.WARNING, found.slot, text


def _correction_in_words(fact: LotCorrected) -> str:
    lot = f"{_text(fact.lot.quantity)} of cost {_text(fact.lot.cost_quote)}"
    return f"written off {'from the dust' if fact.slot is None else 'from the lot'}: {lot}: {fact.reason}"


def _market_in_words(market: Market) -> str:
    tick, lot, notional = map(_text, (market.tick_size, market.lot_size, market.notional_min))
    return f"goes by the new rules of {market.symbol}: tick {tick}, lot {lot}, smallest order {notional} {market.quote}"


def _report_in_words(report: OrderReport) -> tuple[EventLevel, str]:
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
            return EventLevel.INFO, f"{report.side} at {_text(report.price)} is {report.status}"


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

"""The engine's story: a bounded, numbered ring of events, told from the facts as they become durable."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.model.events import DecisionNarrowed, Fact, OrderReported, RiskMarked
from engine.model.order import OrderStatus
from engine.model.snapshot import EngineEvent, EventLevel
from engine.runtime.fact_words import event_from_fact

EVENTS_MAX = 2_000
_OF_NO_INTEREST = frozenset((OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.OPEN))


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
        if isinstance(fact, DecisionNarrowed | RiskMarked):
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

"""Replaying a journal: every decision in it is made again from what was known, and compared.

A decision is reproduced when the ladder, at the price that the record names and on the books as
they were, wants exactly the facts that were journalled, in their order, to the last digit. What
was staged but not yet applied when a decision was made stays out of the books for it, and the
slots that were busy are left out of it: ``DecisionNarrowed`` says which.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from engine.core import ladder
from engine.core.books import GridBooks
from engine.model.errors import InvariantBroken
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    FundingBooked,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LateFillBooked,
    LatticeMigrated,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    PositionLiquidated,
    Record,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.money import text_from_decimal
from engine.runtime.manager import SlotManager

Decided = OrderIntended | CancelRequested | LotSetAside
_UNNARROWED = DecisionNarrowed(left_out=(), unsettled=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first record that does not follow from those before it; both sides in words."""

    sequence: int
    at_ms: int
    grid: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How far a journal could be reproduced: all of it where ``difference`` is None."""

    records: int
    decisions: int
    grids: tuple[str, ...]
    difference: Difference | None


_Words = tuple[str, str]
"""What was expected, and what was found."""


def replay(records: Iterable[Record], *, instance: str) -> Replay:
    """Make every decision of a journal again; ``instance`` is the part of client order ids that is its own.

    Raises:
        JournalFailed: the records cannot be read.
    """
    grids: dict[str, _GridReplay] = {}
    count, at_ms = 0, 0
    difference: Difference | None = None
    for record in records:
        at_ms = record.at_ms
        words = _follow(grids, record, instance)
        if words is not None:
            difference = _difference(record.sequence, at_ms, record.grid, words)
            break
        count += 1
    for name, grid in grids.items():
        owed = grid.owed_in_words()
        if difference is None and owed is not None:
            difference = _difference(count + 1, at_ms, name, (owed, "the end of the journal"))
    decisions = sum(grid.decisions for grid in grids.values())
    return Replay(records=count, decisions=decisions, grids=tuple(grids), difference=difference)


def _difference(sequence: int, at_ms: int, grid: str, words: _Words) -> Difference:
    return Difference(sequence=sequence, at_ms=at_ms, grid=grid, expected=words[0], found=words[1])


def _follow(grids: dict[str, "_GridReplay"], record: Record, instance: str) -> _Words | None:
    fact = record.fact
    for name, other in grids.items():
        owed = other.owed_in_words()
        if owed is not None and name != record.grid:
            return owed, f"a record of grid {record.grid!r}"
    grid = grids.get(record.grid)
    if grid is not None:
        try:
            return grid.follow(record)
        except InvariantBroken as broken:
            return "a fact that fits the books", str(broken)
    if not isinstance(fact, GridOpened):
        return f"that grid {record.grid!r} is opened first", _in_words(fact)
    grids[record.grid] = _GridReplay(fact, record.at_ms, instance)
    return None


class _GridReplay:
    """One grid followed record by record.

    ``_unsettled`` waits until the next decision: what was journalled before it had been applied
    when it was made, or is named by it. ``_owed`` is what the decision that is being read must still say.
    """

    def __init__(self, opened: GridOpened, at_ms: int, instance: str) -> None:
        self.decisions = 0
        self._books = GridBooks(opened, at_ms)
        self._instance = instance
        self._manager = self._make_manager()
        self._unsettled: deque[Record] = deque()
        self._owed: deque[Fact] = deque()
        self._narrowed = _UNNARROWED

    def owed_in_words(self) -> str | None:
        """What the next fact must be, if a decision has begun and must go on."""
        return _in_words(self._owed[0]) if self._owed else None

    def follow(self, record: Record) -> _Words | None:
        """Go on by one record; says what differs if it does not follow from those before it.

        Raises:
            InvariantBroken: it contradicts them.
        """
        fact = record.fact
        if isinstance(fact, Decided) and fact.price_seen:
            return self._compare(record, fact)
        if self._owed:
            return _in_words(self._owed[0]), _in_words(fact)
        self._narrowed = _UNNARROWED
        match fact:
            case DecisionNarrowed():
                self._narrowed = fact
            case GridStateChanged() | RegimeChanged() | BlocksChanged() | RiskMarked():
                # In force from the moment in which it is journalled, unlike what waits for the disk.
                self._books.apply(fact, record.at_ms)
            case ShadowChanged():
                pass  # nothing is decided on it, and it follows fills that wait here for the next decision
            case (
                OrderIntended()
                | CancelRequested()
                | LotSetAside()
                | OrderReported()
                | LateFillBooked()
                | OrderReleased()
                | LotAdopted()
                | SlotFrozen()
                | SlotThawed()
                | DiscrepancyFound()
                | DiscrepancyResolved()
                | LotCorrected()
                | HoldingNoted()
                | MarketAdopted()
                | WindowChanged()
                | LatticeMigrated()
                | FundingBooked()
                | PositionLiquidated()
                | GridOpened()
            ):
                self._unsettled.append(record)
        return None

    def _compare(self, record: Record, fact: Decided) -> _Words | None:
        if not self._owed:
            self._decide(fact.price_seen, record.at_ms)
        if not self._owed:
            return f"nothing to do at a price of {text_from_decimal(fact.price_seen)}", _in_words(fact)
        expected = self._owed.popleft()
        return None if expected == fact else _difference_in_words(expected, fact)

    def _decide(self, price: Decimal, at_ms: int) -> None:
        """Decide as it was decided then; the books go on with the result, as they did."""
        narrowed, self._narrowed = self._narrowed, _UNNARROWED
        self._settle_all_but(frozenset(narrowed.unsettled))
        left_out = frozenset(narrowed.left_out)
        actions = ladder.decide(self._manager.view(), price).actions
        free = [action for action in actions if action.slot not in left_out]
        self._owed.extend(self._manager.reserve_free(free, price_seen=price, at_ms=at_ms).facts)
        self.decisions += 1

    def _settle_all_but(self, unsettled: frozenset[int]) -> None:
        waiting: deque[Record] = deque()
        for record in self._unsettled:
            if record.sequence in unsettled:
                waiting.append(record)
                continue
            self._books.apply(record.fact, record.at_ms)
            if isinstance(record.fact, MarketAdopted | LatticeMigrated):
                self._manager = self._make_manager()
        self._unsettled = waiting

    def _make_manager(self) -> SlotManager:
        return SlotManager(self._books, instance=self._instance)


def _in_words(fact: Fact) -> str:
    return _parts_in_words(fact, [field.name for field in fields(fact)])


def _difference_in_words(expected: Fact, found: Fact) -> _Words:
    """Two facts by what differs between them; whole where they are of different kinds or slots."""
    if type(expected) is not type(found) or getattr(expected, "slot", None) != getattr(found, "slot", None):
        return _in_words(expected), _in_words(found)
    names = [field.name for field in fields(expected) if getattr(expected, field.name) != getattr(found, field.name)]
    names.insert(0, "slot")
    return _parts_in_words(expected, names), _parts_in_words(found, names)


def _parts_in_words(fact: Fact, names: Sequence[str]) -> str:
    """``OrderIntended: slot 3, price 61250``."""
    return f"{type(fact).__name__}: " + ", ".join(f"{name} {getattr(fact, name)}" for name in names)

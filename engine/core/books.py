"""The books of one grid: the fold of its facts, the same live and after a restart.

A fact is applied only after it is durable, except a reservation, which stands from the
moment of the decision so that no second decision can be made on the same slot.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core import ledger as ledgers
from engine.core import migrating, shadow
from engine.core import slots as transitions
from engine.core.closed_orders import ClosedOrders
from engine.core.first_slots import first_slots
from engine.core.late_fills import book_late
from engine.core.lattice import Funds, funds_needed
from engine.core.ledger import Ledger, Profit
from engine.core.shadow import ShadowLedger
from engine.core.slots import SlotChange
from engine.core.stops import first_state
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
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.grid import Disposal, GridState
from engine.model.ids import OrderKey, key_from_client_order_id
from engine.model.order import Leg, OrderReport, OwnFill
from engine.model.reconcile import Discrepancy, Resolution
from engine.model.risk import Block, RiskState
from engine.model.slot import NO_LOT, Holding, Lot, Slot, lot_of, order_of

FUNDING_REMEMBERED_MS = 8 * 86_400_000
"""Longer than any comparison looks back."""
_LIQUIDATIONS_REMEMBERED = 16
_INTENTS_REMEMBERED_MS = 60_000
HELD_BY_QUESTION = "question "
"""How the reason of every state begins that a question brought about, or its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A discrepancy that waits for a person."""

    found: DiscrepancyFound
    asked_ms: int


class GridBooks:
    """Slots, order index, ledger and state of one grid.

    Invariant: every live order is in ``slot_of_order`` and is the order of exactly that slot.
    Invariant: the slots' lots and the dust add up to ``ledger.base``.
    """

    def __init__(self, opened: GridOpened, opened_ms: int = 0) -> None:
        self.number = opened.number
        self.spec = opened.spec
        self.opened_spec = opened.spec
        """The wish that the grid began with; edits have changed it since."""
        self.market = opened.market
        self.lattice = opened.lattice
        self.state = GridState.STARTING
        self.state_reason = "starting"
        self.disposal: Disposal | None = None
        self.has_run = False
        """Whether it ever traded: a grid that waits for its start goes on waiting after a pause."""
        self.state_unheld = self.state
        """What the state is apart from what open questions hold back."""
        self.ledger = Ledger()
        self.slots: list[Slot] = first_slots(opened)
        self.slot_of_order: dict[str, int] = {}
        self.questions: dict[str, Question] = {}
        self.kept: list[Discrepancy] = []
        """What a person said to leave as it is; it is not asked again."""
        self.halted_over: list[Discrepancy] = []
        """What a person halted the grid for; it is not asked again before the grid goes on."""
        self.discrepancies = 0
        self._found: DiscrepancyFound | None = None
        """The newest finding; what is resolved without a question is resolved before the next."""
        self.opened_ms = opened_ms
        self.first_fill_ms: int | None = None
        """Time of the first execution booked, by the exchange's clock: before that no position was the grid's."""
        self.last_fill_ms = opened_ms
        """Time of the newest execution booked, by the exchange's clock; of the opening before the first."""
        self.beside: Decimal | None = None
        """Base on the account that is in no lot of any grid; None until it was first compared."""
        self.closed = ClosedOrders()
        self.regime: RegimeChanged | None = None
        """Which entries the market's kind lets through; None: nobody watches it."""
        self.shadow = ShadowLedger(fee_rate=self.market.maker_fee_rate)
        """What the entries would have done that the regime held back; its waiting entries are of the last decision."""
        self.blocks: tuple[Block, ...] = ()
        self.risk_state: RiskState = first_state(opened_ms)
        self.migrated_funds: Funds | None = None
        """What the grid has for its own since its lattice last changed; None: what the lattice needs."""
        self.funding_ids: OrderedDict[str, int] = OrderedDict()
        """The payments of funding of the last days with their times, so that none is booked twice."""
        self.liquidations: tuple[str, ...] = ()
        self.intended_ms: deque[int] = deque()
        """When the orders of the last minute were intended: a restart does not begin a new minute."""

    @property
    def slots_by_price(self) -> Sequence[Slot]:
        """The slots of the lattice, lowest first; those that it no longer has are left out."""
        ids = self.lattice.ids
        return [self.slots[index] for index in ids] if ids else self.slots

    @property
    def funds(self) -> Funds:
        """What the grid has for its own, counted from its start."""
        return self.migrated_funds or funds_needed(self.spec, self.market, self.lattice)

    def copy(self) -> "GridBooks":
        """Books that go on by themselves from here; what they are made of never changes."""
        other = copy(self)
        other.slots = list(self.slots)
        other.slot_of_order = dict(self.slot_of_order)
        other.questions = dict(self.questions)
        other.kept = list(self.kept)
        other.halted_over = list(self.halted_over)
        other.closed = self.closed.copy()
        other.funding_ids = OrderedDict(self.funding_ids)
        other.intended_ms = deque(self.intended_ms)
        return other

    def apply(self, fact: Fact, at_ms: int) -> None:
        """Fold one fact of the journal into the books."""
        match fact:
            case OrderIntended():
                self.reserve(fact, at_ms)
            case OrderReported():
                change = self.foresee(self.slots[fact.slot], fact.report)
                if change is not None:
                    self.settle(change, at_ms)
            case LateFillBooked():
                self._book_late(fact, at_ms)
            case OrderReleased():
                self.settle(transitions.close_as_booked(self.slots[fact.slot], fact.reason, self.market), at_ms)
            case CancelRequested():
                self.slots[fact.slot] = transitions.mark_cancel_requested(self.slots[fact.slot])
            case LotSetAside():
                self.slots[fact.slot], lot = transitions.set_aside(self.slots[fact.slot])
                self.ledger = replace(self.ledger, dust=self.ledger.dust.plus(lot))
            case LotAdopted():
                self._adopt(fact)
            case SlotFrozen():
                self._replace(fact.slot, freeze_reason=fact.reason)
            case SlotThawed():
                self._replace(fact.slot, freeze_reason=None, refusals=0)
            case GridStateChanged():
                self._change_state(fact)
            case DiscrepancyFound():
                self._find(fact, at_ms)
            case DiscrepancyResolved():
                self._resolve(fact)
            case LotCorrected():
                self._correct(fact)
            case HoldingNoted():
                self.beside = fact.beside
            case MarketAdopted():
                self.market = fact.market
            case WindowChanged():
                self.spec = replace(self.spec, window=fact.window)
            case DecisionNarrowed():
                pass
            case RegimeChanged() | ShadowChanged() | BlocksChanged() | RiskMarked():
                self._sense(fact)
            case LatticeMigrated():
                self._migrate(fact)
            case FundingBooked():
                self._fund(fact)
            case PositionLiquidated():
                self._liquidate(fact)
            case GridOpened():
                raise InvariantBroken(f"grid {self.spec.name!r} was opened twice")

    def reserve(self, intent: OrderIntended, at_ms: int) -> None:
        """Put an intended order into its slot and the index; takes its dust out of the ledger."""
        if intent.client_order_id in self.slot_of_order or intent.client_order_id in self.closed.filled:
            raise InvariantBroken(f"client order id {intent.client_order_id} was used before")
        key = key_from_client_order_id(intent.client_order_id)
        slot = self.slots[intent.slot]
        if key is None or key.slot != intent.slot or not _is_next(key, slot, intent):
            raise InvariantBroken(f"client order id {intent.client_order_id} does not belong to slot {slot.index}")
        self.slots[intent.slot] = transitions.reserve(replace(slot, generation=key.generation), intent, at_ms)
        self.slot_of_order[intent.client_order_id] = intent.slot
        self.intended_ms.append(at_ms)
        while self.intended_ms[0] < at_ms - _INTENTS_REMEMBERED_MS:
            self.intended_ms.popleft()
        if intent.dust.quantity:
            self.ledger = replace(self.ledger, dust=self.ledger.dust.minus(intent.dust))

    def foresee(self, slot: Slot, report: OrderReport) -> SlotChange | None:
        """What a report will change once it is durable; None if it is no news."""
        return transitions.apply_report(slot, report, self.market)

    def settle(self, change: SlotChange, at_ms: int) -> None:
        """Make a foreseen change true: the slot, the ledger and the index together; ``at_ms`` is its record's."""
        slot = change.slot
        before = order_of(self.slots[slot.index])
        self.slots[slot.index] = slot
        books = self.ledger
        for booking in change.bookings:
            fill_ms = booking.fill.at_ms
            self.last_fill_ms = max(self.last_fill_ms, fill_ms)
            self.first_fill_ms = fill_ms if self.first_fill_ms is None else min(self.first_fill_ms, fill_ms)
            books = ledgers.book_fill(books, self.market, booking.side, booking.fill, booking.realised)
            if slot.index in self.shadow.held:
                self.shadow = shadow.enter_in_earnest(self.shadow, slot.index, booking.fill.price)
        if change.cycles or change.dust != NO_LOT or change.realised:
            realised, dust = books.realised + change.realised, books.dust.plus(change.dust)
            books = replace(books, realised=realised, dust=dust, cycles=books.cycles + change.cycles)
        self.ledger = books
        if before is not None and order_of(slot) is None:
            fills = (*before.fills, *(booking.fill for booking in change.bookings))
            del self.slot_of_order[before.client_order_id]
            self.closed.note(before.client_order_id, fills, at_ms, slots=len(self.slots))

    def booked_of_closed(self, client_order_id: str) -> Decimal | None:
        """How much was booked of an order that is closed; None if it is not remembered."""
        return self.closed.filled.get(client_order_id)

    def has_booked(self, own: OwnFill) -> bool:
        """Whether an execution is booked, or of an order that the books have open, or have forgotten."""
        name, key = own.client_order_id, key_from_client_order_id(own.client_order_id)
        if key is None or key.grid != self.number or key.slot >= len(self.slots):
            return False
        if name in self.closed.trades:
            return own.fill.trade_id in self.closed.trades[name]
        return name in self.slot_of_order or key.generation < self.slots[key.slot].generation

    def intended_since(self, at_ms: int) -> int:
        """How many orders were intended after a time that is at most a minute ago."""
        return sum(intended_ms > at_ms for intended_ms in self.intended_ms)

    def lots(self) -> list[Lot]:
        """What the slots hold, in their order."""
        return [lot_of(slot) for slot in self.slots]

    def profit(self, mark: Decimal) -> Profit:
        """Where the grid stands with its inventory valued at ``mark``."""
        return ledgers.profit_at(self.ledger, self.lots(), mark)

    def live_slots(self) -> Sequence[Slot]:
        """The slots that have an order which is not settled."""
        return [self.slots[index] for index in sorted(self.slot_of_order.values())]

    def _book_late(self, fact: LateFillBooked, at_ms: int) -> None:
        key = key_from_client_order_id(fact.client_order_id)
        is_whole = self.closed.book(fact.client_order_id, fact.fills) == fact.amount
        is_exit, is_here = key is not None and key.leg is Leg.EXIT, fact.slot in self.lattice.places
        slot = self.slots[fact.slot]
        self.settle(book_late(slot, fact, self.market, is_here=is_here, ends_exit=is_exit and is_whole), at_ms)

    def _change_state(self, fact: GridStateChanged) -> None:
        self.has_run |= fact.state is GridState.RUNNING
        self.state, self.disposal, self.state_reason = fact.state, fact.disposal, fact.reason
        if not fact.reason.startswith(HELD_BY_QUESTION):
            self.state_unheld = fact.state
        if fact.state is not GridState.HALTED:
            self.halted_over.clear()

    def _find(self, fact: DiscrepancyFound, at_ms: int) -> None:
        self.discrepancies += 1
        self._found = fact
        if fact.asks:
            self.questions[fact.name] = Question(found=fact, asked_ms=at_ms)

    def _resolve(self, fact: DiscrepancyResolved) -> None:
        question = self.questions.pop(fact.name, None)
        found = self._found if question is None else question.found
        if found is None or found.name != fact.name:
            return
        if question is not None and fact.resolution is Resolution.KEEP:
            self.kept.append(found.discrepancy)
        if question is not None and fact.resolution is Resolution.HALT:
            self.halted_over.append(found.discrepancy)
        if fact.resolution is Resolution.CANCEL and found.discrepancy.slot is not None:
            self._pass_id(found.discrepancy.slot, found.discrepancy.client_order_id)

    def _pass_id(self, index: int, client_order_id: str) -> None:
        """Never use the id of an order whose record was lost, now that the order is not taken up."""
        key = key_from_client_order_id(client_order_id)
        if key is not None and key.generation >= self.slots[index].generation:
            self._replace(index, generation=key.generation + 1)

    def _sense(self, fact: RegimeChanged | ShadowChanged | BlocksChanged | RiskMarked) -> None:
        """What market and risk have to say."""
        match fact:
            case RegimeChanged():
                self.regime = fact
            case ShadowChanged():
                self.shadow = shadow.book(self.shadow, fact)
            case BlocksChanged():
                self.blocks = fact.blocks
            case RiskMarked():
                self.risk_state = fact.state

    def _fund(self, fact: FundingBooked) -> None:
        paid = fact.payment
        self.funding_ids[paid.funding_id] = paid.at_ms
        for name, at_ms in list(self.funding_ids.items()):
            if at_ms >= paid.at_ms - FUNDING_REMEMBERED_MS:
                break
            del self.funding_ids[name]
        self.ledger = ledgers.fund(self.ledger, fact.payment.amount)

    def _migrate(self, fact: LatticeMigrated) -> None:
        before = self.slots
        self.slots = migrating.migrated_slots(before, fact)
        changed = (slot.index for slot in before if not migrating.has_same_levels(slot, self.slots[slot.index]))
        self.shadow = shadow.without(self.shadow, changed)
        self.spec, self.lattice = fact.spec, fact.lattice
        self.migrated_funds = Funds(quote=fact.funds_quote, base=fact.funds_base)

    def _liquidate(self, fact: PositionLiquidated) -> None:
        told = fact.liquidation
        self.liquidations = (*self.liquidations, told.trade_id)[-_LIQUIDATIONS_REMEMBERED:]
        if not fact.is_booked:
            return
        if told.amount != -self.ledger.base:
            raise InvariantBroken(f"expected the whole position of {self.ledger.base} liquidated, found {told.amount}")
        self.ledger = ledgers.liquidate(self.ledger, self.lots(), told, self.market.quote)
        self.slots = [migrating.without_lot(slot) for slot in self.slots]

    def _adopt(self, fact: LotAdopted) -> None:
        self._replace(fact.slot, state=Holding(lot=fact.lot), is_initial=False)
        self.ledger = ledgers.adopt(self.ledger, fact.lot)

    def _correct(self, fact: LotCorrected) -> None:
        if fact.slot is None:
            self.ledger = replace(self.ledger, dust=self.ledger.dust.minus(fact.lot))
        else:
            self.slots[fact.slot] = transitions.take_out(self.slots[fact.slot], fact.lot)
        self.ledger = ledgers.write_off(self.ledger, fact.lot)

    def _replace(self, index: int, **changes: object) -> None:
        self.slots[index] = replace(self.slots[index], **changes)  # type: ignore[arg-type]


def _is_next(key: OrderKey, slot: Slot, intent: OrderIntended) -> bool:
    """Whether an id is the slot's next one; an order adopted from the exchange may be ahead of the journal."""
    return key.generation == slot.generation or (intent.is_adopted and key.generation > slot.generation)

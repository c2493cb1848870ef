"""What a resolution does to the books: the facts that record it, and the orders to cancel on the exchange."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.books import HELD_BY_QUESTION, GridBooks
from engine.core.ledger import part_of_lot
from engine.core.reading import late_facts
from engine.core.reconcile import is_same
from engine.model.errors import CommandRefused, InvariantBroken
from engine.model.events import (
    CancelRequested,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    GridStateChanged,
    HoldingNoted,
    LotCorrected,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    SlotFrozen,
    SlotThawed,
)
from engine.model.grid import GridState
from engine.model.ids import key_from_client_order_id
from engine.model.money import ZERO, text_from_decimal
from engine.model.order import Leg, OrderReport
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution
from engine.model.slot import NO_LOT, Holding, Lot, lot_of, order_of

RECONCILER = "reconciler"
_OPENS_NOTHING = frozenset(
    (DiscrepancyKind.HOLDING_SHORT, DiscrepancyKind.HOLDING_OVER, DiscrepancyKind.LATTICE_MISMATCH)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """``facts`` in the order in which they are applied, then ``cancellations`` to send."""

    facts: tuple[Fact, ...]
    cancellations: tuple[str, ...] = ()


def correct(books: GridBooks, found: Discrepancy, way: Resolution, *, by: str) -> Correction:
    """What has to be done for this resolution, on the books as they are now.

    Raises:
        CommandRefused: the books do not allow it (any more).
    """
    match way:
        case Resolution.ADOPT:
            return Correction(facts=tuple(_adoption(books, found)))
        case Resolution.CANCEL:
            return _cancellation(books, found)
        case Resolution.RELEASE:
            return Correction(facts=(_release(books, found),))
        case Resolution.WRITE_OFF:
            return Correction(facts=tuple(_write_off(books, found.quantity)))
        case Resolution.NOTE:
            return Correction(facts=(HoldingNoted(beside=(books.beside or ZERO) + found.quantity),))
        case Resolution.HALT:
            halted = GridStateChanged(state=GridState.HALTED, disposal=None, reason=found.detail, by=by)
            return Correction(facts=(halted,))
        case Resolution.KEEP | Resolution.QUERY:
            return Correction(facts=())


def ask(books: GridBooks, found: Discrepancy) -> tuple[Fact, ...]:
    """The facts that put a discrepancy to a person: its slot is frozen, or its grid opens nothing, or halts."""
    name = next_name(books)
    outdated = [old for old, question in books.questions.items() if is_same(question.found.discrepancy, found)]
    facts: list[Fact] = [_asked_again(old, name) for old in outdated]
    facts.append(DiscrepancyFound(name=name, discrepancy=found, asks=True))
    own_freezes = {None, *(freeze_reason(old, books.questions[old].found.discrepancy) for old in outdated)}
    if found.slot is not None and books.slots[found.slot].freeze_reason in own_freezes:
        facts.append(SlotFrozen(slot=found.slot, reason=freeze_reason(name, found), by=RECONCILER))
    state = _state_while_asked(books, found)
    if state is not None:
        reason = f"{HELD_BY_QUESTION}{name}: {found.detail}"
        facts.append(GridStateChanged(state=state, disposal=books.disposal, reason=reason, by=RECONCILER))
    return tuple(facts)


def settle(books: GridBooks, name: str, way: Resolution, *, outcome: str, by: str) -> tuple[Fact, ...]:
    """The facts that close a question and undo what was held back because of it alone."""
    found = books.questions[name].found.discrepancy
    facts: list[Fact] = [DiscrepancyResolved(name=name, resolution=way, outcome=outcome, by=by)]
    if found.slot is not None and books.slots[found.slot].freeze_reason == freeze_reason(name, found):
        facts.append(_after_question(books, name, found.slot, by=by))
    others = [question.found.discrepancy for other, question in books.questions.items() if other != name]
    is_held = books.state_reason.startswith(HELD_BY_QUESTION)
    state = _state_held_by(books, others)
    if _holds_grid(found) and is_held and way is not Resolution.HALT and state is not books.state:
        reason = f"{HELD_BY_QUESTION}{name} is answered: {way}"
        facts.append(GridStateChanged(state=state, disposal=books.disposal, reason=reason, by=by))
    return tuple(facts)


def _after_question(books: GridBooks, name: str, slot: int, *, by: str) -> SlotFrozen | SlotThawed:
    """What becomes of a slot that this question froze: it stays frozen while another is open about it."""
    for other, question in books.questions.items():
        if other != name and question.found.discrepancy.slot == slot:
            return SlotFrozen(slot=slot, reason=freeze_reason(other, question.found.discrepancy), by=by)
    return SlotThawed(slot=slot, by=by)


def next_name(books: GridBooks) -> str:
    """The name of the next discrepancy of a grid; counted from its first."""
    return f"q{books.discrepancies + 1}"


def freeze_reason(name: str, found: Discrepancy) -> str:
    """Why a slot is frozen while a question about it is open."""
    return f"question {name}: {found.kind.replace('_', ' ')}"


def holding_question(questions: Mapping[str, Discrepancy]) -> str | None:
    """The name of an open question that keeps the whole grid from opening, if there is one."""
    return next((name for name, found in questions.items() if _holds_grid(found)), None)


def _holds_grid(found: Discrepancy) -> bool:
    return found.kind in _OPENS_NOTHING or found.kind is DiscrepancyKind.SECOND_INSTANCE


def _asked_again(old: str, name: str) -> DiscrepancyResolved:
    """The same question with other figures is asked in place of the one before."""
    outcome = f"asked again as {name}: its figures have changed"
    return DiscrepancyResolved(name=old, resolution=Resolution.QUERY, outcome=outcome, by=RECONCILER)


def _state_while_asked(books: GridBooks, found: Discrepancy) -> GridState | None:
    """The state that a new question brings about; None: it leaves the state as it is."""
    if found.kind is DiscrepancyKind.SECOND_INSTANCE:
        # A grid that has stopped places nothing, and must not begin again with the answer.
        return None if books.state in (GridState.HALTED, GridState.STOPPED) else GridState.HALTED
    if found.kind in _OPENS_NOTHING and books.state in (GridState.RUNNING, GridState.STARTING):
        return GridState.EXITS_ONLY
    return None


def _state_held_by(books: GridBooks, questions: Sequence[Discrepancy]) -> GridState:
    """The state of a grid that nothing but these open questions holds back."""
    kinds = {found.kind for found in questions}
    waits = books.spec.start is not None
    free = GridState.RUNNING if books.state_unheld is GridState.STARTING and not waits else books.state_unheld
    if DiscrepancyKind.SECOND_INSTANCE in kinds:
        return GridState.HALTED
    return GridState.EXITS_ONLY if free is GridState.RUNNING and kinds & _OPENS_NOTHING else free


def _adoption(books: GridBooks, found: Discrepancy) -> Iterator[Fact]:
    if found.market is not None:
        yield MarketAdopted(market=found.market)
        return
    report = found.report
    if report is None or found.slot is None:
        raise CommandRefused("there is nothing to adopt: the exchange does not say what the order is")
    if report.client_order_id in books.closed.filled:
        yield from late_facts(books, (report,))
        return
    if found.kind is DiscrepancyKind.ORPHAN_ORDER:
        yield _lost_intent(books, found.slot, report)
    yield OrderReported(slot=found.slot, report=report)


def _dust_taken(books: GridBooks, slot: int, leg: Leg, amount: Decimal) -> Lot:
    """The dust that a lost exit must have taken along: what it offers beyond its lot, if there is so much."""
    held, dust = lot_of(books.slots[slot]).quantity, books.ledger.dust
    beyond = amount - abs(held)
    has_it = ZERO < beyond <= (dust.quantity if held > 0 else -dust.quantity)
    return part_of_lot(dust, beyond if held > 0 else -beyond) if leg is not Leg.ENTRY and has_it else NO_LOT


def _lost_intent(books: GridBooks, slot: int, report: OrderReport) -> OrderIntended:
    """The intent that the journal has lost, from what the exchange has kept of it."""
    key = key_from_client_order_id(report.client_order_id)
    if key is None:
        raise CommandRefused(f"order {report.client_order_id} is not one of ours")
    intent = OrderIntended(
        slot=slot,
        client_order_id=report.client_order_id,
        leg=key.leg,
        side=report.side,
        price=report.price,
        amount=report.amount,
        post_only=False,
        dust=_dust_taken(books, slot, key.leg, report.amount),
        price_seen=ZERO,
        reason="found on the exchange; the record of it was lost",
        is_adopted=True,
    )
    try:
        books.copy().reserve(intent, 0)
    except InvariantBroken as error:
        raise CommandRefused(f"order {report.client_order_id} cannot be adopted: {error}") from error
    return intent


def _cancellation(books: GridBooks, found: Discrepancy) -> Correction:
    name = found.client_order_id
    index = books.slot_of_order.get(name)
    if index is None:
        return Correction(facts=(), cancellations=(name,))
    order = order_of(books.slots[index])
    if order is None or order.is_cancel_requested:
        return Correction(facts=(), cancellations=(name,))
    requested = CancelRequested(slot=index, client_order_id=name, reason=found.detail)
    return Correction(facts=(requested,), cancellations=(name,))


def _release(books: GridBooks, found: Discrepancy) -> OrderReleased:
    index = books.slot_of_order.get(found.client_order_id)
    if index is None:
        raise CommandRefused(f"order {found.client_order_id} is closed already")
    return OrderReleased(
        slot=index,
        client_order_id=found.client_order_id,
        reason="released: the exchange does not know it any more",
    )


def _write_off(books: GridBooks, quantity: Decimal) -> Iterator[Fact]:
    """Takes what is missing from the dust, then from free lots, the highest slots first."""
    if books.market.swap is not None:
        raise CommandRefused("expected coin to write off, found the position of a swap: look at what traded it")
    missing = quantity
    dust = min(missing, books.ledger.dust.quantity)
    if dust > 0:
        missing -= dust
        yield LotCorrected(slot=None, lot=part_of_lot(books.ledger.dust, dust), reason="missing on the account")
    for slot in reversed(books.slots):
        state = slot.state
        if missing > 0 and isinstance(state, Holding) and state.lot.quantity > 0:
            taken = min(missing, state.lot.quantity)
            missing -= taken
            yield LotCorrected(slot=slot.index, lot=_part(state.lot, taken), reason="missing on the account")
    if missing > 0:
        raise CommandRefused(
            f"expected free lots of {text_from_decimal(quantity)} to write off, {text_from_decimal(missing)} of it is "
            f"offered by resting exits: pause does not free it; freeze and cancel them, or bring it back"
        )


def _part(lot: Lot, quantity: Decimal) -> Lot:
    """``quantity`` of a lot with the rest of the cost left exactly where the rest of the quantity is."""
    rest = part_of_lot(lot, lot.quantity - quantity)
    return replace(lot, quantity=quantity, cost_quote=lot.cost_quote - rest.cost_quote)

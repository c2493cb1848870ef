"""Compares a grid's books with what the exchange says: discrepancies, each with its proposed resolution.

Three views of every order meet here: the fold of the journal as it lies on disk, the memory that
decides, and the exchange. What is compared was read at different moments; the caller drops whatever
was touched meanwhile, and acts only on what two comparisons have found alike.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.core import orders
from engine.core.differences import about_holding, about_market, about_order
from engine.core.ledger import fees_of
from engine.model.errors import InvariantBroken
from engine.model.grid import Lattice
from engine.model.ids import OrderKey, key_from_client_order_id
from engine.model.market import Market, MarketKind
from engine.model.money import ZERO
from engine.model.order import TERMINAL_STATUSES, Order, OrderReport, OrderStatus, Side
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Policy, Resolution
from engine.model.slot import Slot, order_of

_SEEN = frozenset((OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)) | TERMINAL_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEvidence:
    """One grid as it was when the exchange was asked.

    ``slots`` are the memory's, ``journal_slots`` those of the journal's fold; ``filled_of_closed`` how much
    was booked of closed orders, as far as they are remembered. ``expects_lost_records`` at the start, when the
    end of the journal may be missing: an order ahead of it is then ours, later it is another engine's.
    """

    number: int
    instance: str
    slots: Sequence[Slot]
    journal_slots: Sequence[Slot]
    filled_of_closed: Mapping[str, Decimal]
    expects_lost_records: bool
    trades_of_closed: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The trades that are booked of those closed orders."""
    strays_known: Collection[str] = ()
    """Orders outside of the books that were found before: what they are is not judged anew."""
    known_grids: Collection[int] = ()
    """Numbers of all grids in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvidence:
    """What the exchange said of one market: every open order, and what it answered about single ones.

    ``asked`` holds None for an order that the exchange does not know and that can no longer arrive; an
    order that is in neither was not asked for, or got no answer. ``newest_fill_ms`` is the exchange's time of
    the newest execution it told, 0 for none.
    """

    open_orders: Mapping[str, OrderReport]
    asked: Mapping[str, OrderReport | None]
    newest_fill_ms: int = 0


def compare_orders(grid: GridEvidence, account: AccountEvidence) -> list[Discrepancy]:
    """Everything that differs between a grid's orders and those of the account on its market."""
    found = list(_own_orders(grid, account))
    known = {order.client_order_id for slot in grid.slots if (order := order_of(slot)) is not None}
    candidates = dict(account.open_orders)
    candidates.update((name, report) for name, report in account.asked.items() if report is not None)
    has_lost: set[int | None] = set()
    for name in sorted(candidates.keys() - known, key=_oldest_first):
        discrepancy = _stray_order(grid, candidates[name])
        if discrepancy is None:
            continue
        if discrepancy.kind is DiscrepancyKind.ORPHAN_ORDER:
            # A slot's lost orders can only be taken up one after the other.
            if discrepancy.slot is not None and discrepancy.slot in has_lost:
                continue
            has_lost.add(discrepancy.slot)
        found.append(discrepancy)
    return found


def _oldest_first(client_order_id: str) -> tuple[int, str]:
    key = key_from_client_order_id(client_order_id)
    return (0 if key is None else key.generation), client_order_id


def automatic_resolution(found: Discrepancy, policy: Policy, market: MarketKind = MarketKind.SPOT) -> Resolution | None:
    """What is to be done without asking; None: a person decides.

    An order that has executed outside of every lot is never cancelled away unseen. Missing base that is to be
    looked for again is a question all the same, which keeps the grid from opening and ends by itself. A position
    that somebody else has made greater is nothing that lies beside the grid's: it is one position.
    """
    way = policy[found.kind]
    if market is MarketKind.SWAP and found.kind is DiscrepancyKind.HOLDING_OVER and way is Resolution.NOTE:
        return None
    if found.kind is DiscrepancyKind.HOLDING_SHORT and way is Resolution.QUERY:
        return None
    ways = [choice.resolution for choice in found.choices]
    if way is Resolution.ADOPT and way not in ways and Resolution.CANCEL in ways:
        way = Resolution.CANCEL
    is_stray = found.kind in (DiscrepancyKind.ORPHAN_ORDER, DiscrepancyKind.DUPLICATE_ORDER) and not found.is_booked
    if way is Resolution.CANCEL and is_stray and found.report is not None and found.report.filled > 0:
        return None
    return next((choice.resolution for choice in found.choices if choice.resolution is way), None)


def was_looked_for(
    found: Discrepancy, account: AccountEvidence, *, is_live: bool, with_holding: bool, with_market: bool
) -> bool:
    """Whether a comparison that has not found it again shows that it is gone. ``is_live``: its order is in a slot."""
    name = found.client_order_id
    match found.kind:
        case DiscrepancyKind.SECOND_INSTANCE:
            return False  # it may be back any moment: a person says that it is over
        case DiscrepancyKind.LATTICE_MISMATCH:
            return with_market
        case DiscrepancyKind.HOLDING_SHORT | DiscrepancyKind.HOLDING_OVER:
            return with_holding
        case DiscrepancyKind.FOREIGN_ORDER:
            return True
        case DiscrepancyKind.ORPHAN_ORDER | DiscrepancyKind.DUPLICATE_ORDER:
            return name in account.asked
        case (
            DiscrepancyKind.OFFLINE_FILL
            | DiscrepancyKind.PARTIAL_CANCEL
            | DiscrepancyKind.ORDER_CLOSED
            | DiscrepancyKind.VANISHED_ORDER
            | DiscrepancyKind.ORDER_MISMATCH
            | DiscrepancyKind.UNKNOWN_OUTCOME
        ):
            return not is_live or name in account.open_orders or name in account.asked


def is_same(one: Discrepancy, other: Discrepancy) -> bool:
    """Whether two findings are about the same thing, whatever its figures are; of another engine, about that engine."""
    return (one.kind, one.slot, subject_of(one)) == (other.kind, other.slot, subject_of(other))


def subject_of(found: Discrepancy) -> str:
    """What a finding is about: an order, or another engine whichever its orders are; empty for a holding or rules."""
    key = key_from_client_order_id(found.client_order_id)
    if key is not None and found.kind is DiscrepancyKind.SECOND_INSTANCE:
        return key.instance
    return found.client_order_id


def is_kept(found: Discrepancy, kept: Iterable[Discrepancy]) -> bool:
    """Whether a person has said to leave this as it is, just as it is."""
    return any(is_same(found, other) and found.market == other.market for other in kept)


def foreign_orders(account: AccountEvidence) -> int:
    """How many open orders on the market carry no id of ours; they are never touched."""
    return sum(key_from_client_order_id(name) is None for name in account.open_orders)


def holding_key(market: Market) -> str:
    """What a grid's lots are part of: the coin on the account, or the position of its swap."""
    return market.symbol if market.swap is not None else market.base


def compare_holding(kind: MarketKind, *, total: Decimal, held: Decimal, noted: Decimal | None) -> Discrepancy | None:
    """What is wrong with an account that has ``total`` base where the books hold ``held``.

    ``noted`` is the base beside the books when it was last compared; None before the first time. A position
    has nothing beside it but what a person trades by hand.
    """
    beside = total - held
    match kind:
        case MarketKind.SPOT:
            least, most = ZERO, noted
        case MarketKind.SWAP:
            least = most = noted or ZERO
    if beside < least:
        return about_holding(DiscrepancyKind.HOLDING_SHORT, kind, total=total, held=held, quantity=least - beside)
    if most is not None and beside > most:
        return about_holding(DiscrepancyKind.HOLDING_OVER, kind, total=total, held=held, quantity=beside - most)
    return None


def told_and_not_booked(
    found: Discrepancy, slots: Sequence[Slot], market: Market, closed: Mapping[str, Collection[str]]
) -> Decimal:
    """The base that an order in question has moved on the account, and in no lot, by the exchange's own word.

    ``closed`` are the trades that are booked of closed orders.
    """
    if found.report is None or found.kind is DiscrepancyKind.SECOND_INSTANCE:
        return ZERO
    own = None if found.slot is None else order_of(slots[found.slot])
    is_own = own is not None and own.client_order_id == found.client_order_id
    booked = {fill.trade_id for fill in own.fills} if own is not None and is_own else set()
    booked.update(closed.get(found.client_order_id, ()))
    moved = ZERO
    for fill in found.report.fills:
        if fill.trade_id not in booked:
            base_fee, _ = fees_of(market, fill)
            moved += (fill.amount if found.report.side is Side.BUY else -fill.amount) - base_fee
    return moved


def compare_market(journalled: Market, told: Market, lattice: Lattice) -> Discrepancy | None:
    """Whether the market's rules, fees apart, are still those that the lattice was made for."""
    if _rules(journalled) == _rules(told):
        return None
    fits = all(told.floor_price(level) == level for level in lattice.levels) and all(
        told.problem_with(level, amount) is None for level, amount in zip(lattice.levels, lattice.amounts, strict=False)
    )
    return about_market(journalled, told, fits=fits)


def differing_slots(journal: Sequence[Slot], memory: Sequence[Slot]) -> list[int]:
    """The slots of which the journal says something else than the memory; those that only one of them has yet, because
    a migration is on its way, are left out."""
    return [here.index for there, here in zip(journal, memory, strict=False) if there != here]


def _own_orders(grid: GridEvidence, account: AccountEvidence) -> Iterator[Discrepancy]:
    for slot in grid.slots:
        order = order_of(slot)
        if order is None:
            continue
        name = order.client_order_id
        is_journalled = slot.index < len(grid.journal_slots)
        journalled = order_of(grid.journal_slots[slot.index]) if is_journalled else None
        if name in account.open_orders:
            report: OrderReport | None = account.open_orders[name]
        elif name in account.asked:
            report = account.asked[name]
        else:
            continue
        kind = _kind_of_vanished(order) if report is None else _kind_of_difference(order, report)
        if kind is not None:
            yield about_order(kind, slot, journalled=journalled, order=order, report=report)


def _kind_of_vanished(order: Order) -> DiscrepancyKind | None:
    """What was never seen there is not missed: whoever sent it finds out that it never arrived."""
    return DiscrepancyKind.VANISHED_ORDER if order.status in _SEEN else None


def _kind_of_difference(order: Order, report: OrderReport) -> DiscrepancyKind | None:
    if (order.side, order.price, order.amount) != (report.side, report.price, report.amount):
        return DiscrepancyKind.ORDER_MISMATCH
    try:
        change = orders.apply_report(order, report)
    except InvariantBroken:
        return DiscrepancyKind.ORDER_MISMATCH
    if change is None:
        return None
    is_closed = change.order.status in TERMINAL_STATUSES - {OrderStatus.FILLED}
    if change.new_fills or change.order.reported_filled > order.reported_filled:
        return DiscrepancyKind.PARTIAL_CANCEL if is_closed else DiscrepancyKind.OFFLINE_FILL
    return DiscrepancyKind.ORDER_CLOSED if is_closed else DiscrepancyKind.UNKNOWN_OUTCOME


def _stray_order(grid: GridEvidence, report: OrderReport) -> Discrepancy | None:
    """What an order that is in no slot of this grid is to it; None: it is somebody else's concern."""
    key = key_from_client_order_id(report.client_order_id)
    if key is None:
        return None
    is_ours = key.instance == grid.instance and key.grid in (grid.number, *grid.known_grids)
    if is_ours and key.grid != grid.number:
        return None
    if not is_ours:
        if report.status in TERMINAL_STATUSES:
            return None
        return about_order(DiscrepancyKind.SECOND_INSTANCE, None, journalled=None, order=None, report=report)
    return _lost_order(grid, key, report)


def _lost_order(grid: GridEvidence, key: OrderKey, report: OrderReport) -> Discrepancy | None:
    """An order of this very grid that its books do not have."""
    is_closed = report.status in TERMINAL_STATUSES
    slot = grid.slots[key.slot] if key.slot < len(grid.slots) else None
    is_ahead = slot is not None and key.generation >= slot.generation
    name = report.client_order_id
    was_closed = name in grid.filled_of_closed
    if was_closed and _has_news_of_closed(grid, report):
        return about_order(DiscrepancyKind.OFFLINE_FILL, slot, journalled=None, order=None, report=report)
    if is_closed and (was_closed or not is_ahead):
        return None
    is_expected = grid.expects_lost_records or name in grid.strays_known
    if is_ahead and not is_expected:
        return about_order(DiscrepancyKind.SECOND_INSTANCE, None, journalled=None, order=None, report=report)
    if slot is not None and order_of(slot) is not None:
        stray = about_order(DiscrepancyKind.DUPLICATE_ORDER, slot, journalled=None, order=order_of(slot), report=report)
    else:
        stray = about_order(
            DiscrepancyKind.ORPHAN_ORDER, slot, journalled=None, order=None, report=report, can_adopt=is_ahead
        )
    return replace(stray, is_booked=was_closed)


def _has_news_of_closed(grid: GridEvidence, report: OrderReport) -> bool:
    """Whether a closed order was executed further than is booked of it."""
    booked = grid.trades_of_closed.get(report.client_order_id)
    has_news = booked is not None and any(fill.trade_id not in booked for fill in report.fills)
    return has_news or report.filled > grid.filled_of_closed[report.client_order_id]


def _rules(market: Market) -> tuple[Decimal, ...]:
    return (
        market.tick_size,
        market.lot_size,
        market.amount_min,
        market.amount_max,
        market.notional_min,
    )

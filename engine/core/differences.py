"""Discrepancies put into words: the three views, what each choice would do, and what happens without an answer."""

from collections.abc import Sequence
from decimal import Decimal

from engine.model.market import Market, MarketKind
from engine.model.money import text_from_decimal
from engine.model.order import Order, OrderReport, Side
from engine.model.reconcile import RESOLUTIONS, Choice, Discrepancy, DiscrepancyKind, Resolution, ViewRow
from engine.model.slot import Slot

NONE = "-"
SLOT_WAITS = "the slot stays frozen: nothing is placed or cancelled there, fills are still booked"
GRID_ONLY_EXITS = "the grid only exits: nothing new opens"
GRID_HALTED = "the grid stays halted: nothing is placed or cancelled"

_text = text_from_decimal


def about_order(
    kind: DiscrepancyKind,
    slot: Slot | None,
    *,
    journalled: Order | None,
    order: Order | None,
    report: OrderReport | None,
    can_adopt: bool = True,
) -> Discrepancy:
    """A discrepancy about one order; ``report`` None says that the exchange does not know it.

    ``can_adopt`` False leaves adoption out of the choices, for an order whose id the books have passed.
    """
    name = report.client_order_id if report is not None else _id_of(order)
    allowed = [way for way in RESOLUTIONS[kind] if can_adopt or way is not Resolution.ADOPT]
    is_of_grid = kind is DiscrepancyKind.SECOND_INSTANCE
    return Discrepancy(
        kind=kind,
        slot=None if slot is None else slot.index,
        client_order_id=name,
        detail=_order_detail(kind, name, order, report),
        rows=_order_rows(journalled, order, report),
        choices=tuple(_order_choice(way, kind, order, report) for way in allowed),
        proposed=Resolution.HALT if is_of_grid else allowed[0],
        unanswered=GRID_HALTED if is_of_grid else SLOT_WAITS,
        report=report,
    )


def about_holding(
    kind: DiscrepancyKind, market: MarketKind, *, total: Decimal, held: Decimal, quantity: Decimal
) -> Discrepancy:
    """A discrepancy between the base or the position on the account and the lots of its grids."""
    if market is MarketKind.SWAP:
        detail = (
            f"the account's position is {_text(total)}, the lots of its grid are {_text(held)}: it is "
            f"{_text(quantity)} {'smaller' if kind is DiscrepancyKind.HOLDING_SHORT else 'greater'} than expected"
        )
    elif kind is DiscrepancyKind.HOLDING_SHORT:
        detail = (
            f"the account holds {_text(total)}, the lots of its grids are {_text(held)}: {_text(quantity)} is missing"
        )
    else:
        detail = f"the account holds {_text(quantity)} more beside the lots of its grids than before"
    effects = {
        Resolution.WRITE_OFF: (f"books {_text(quantity)} as lost, at its cost; places and cancels nothing", True),
        Resolution.QUERY: ("looks again with the next comparison; the grid only exits until it is there again", False),
        Resolution.NOTE: ("remembers what is beside the lots as not ours; nothing else changes", False),
        Resolution.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
    }
    # A position has no coin that could be lost: what is missing was traded, and only a person knows by whom.
    ways = [way for way in RESOLUTIONS[kind] if market is MarketKind.SPOT or way is not Resolution.WRITE_OFF]
    view = ViewRow(name="base held", journal=_text(held), memory=_text(held), exchange=_text(total))
    return Discrepancy(
        kind=kind,
        slot=None,
        client_order_id="",
        detail=detail,
        rows=(view,),
        choices=tuple(Choice(resolution=way, effect=effects[way][0], moves_money=effects[way][1]) for way in ways),
        proposed=ways[0],
        unanswered=GRID_ONLY_EXITS,
        quantity=quantity,
    )


def about_market(journalled: Market, told: Market, *, fits: bool) -> Discrepancy:
    """The market's rules have changed; ``fits`` says whether the lattice satisfies the new ones."""
    kind = DiscrepancyKind.LATTICE_MISMATCH
    effects = {
        Resolution.ADOPT: ("new orders follow the new rules; the levels and the resting orders stay", False),
        Resolution.KEEP: ("goes on by the old rules; the exchange may reject orders, which freezes their slots", False),
        Resolution.HALT: ("halts the grid: nothing is placed or cancelled, its orders stay", False),
    }
    ways = [way for way in RESOLUTIONS[kind] if fits or way is not Resolution.ADOPT]
    names = {"tick_size": "tick", "lot_size": "lot", "amount_min": "smallest amount", "notional_min": "smallest order"}
    rows = tuple(
        ViewRow(
            name=word,
            journal=_text(getattr(journalled, name)),
            memory=_text(getattr(journalled, name)),
            exchange=_text(getattr(told, name)),
        )
        for name, word in names.items()
    )
    changed = ", ".join(
        f"{row.name} {row.journal} is now {row.exchange}" for row in rows if row.journal != row.exchange
    )
    fit = "the lattice fits the new rules" if fits else "the lattice does not fit the new rules"
    return Discrepancy(
        kind=kind,
        slot=None,
        client_order_id="",
        detail=f"{told.symbol} has new rules ({changed or 'largest amount'}); {fit}",
        rows=rows,
        choices=tuple(Choice(resolution=way, effect=effects[way][0], moves_money=effects[way][1]) for way in ways),
        proposed=Resolution.ADOPT if fits else Resolution.HALT,
        unanswered=GRID_ONLY_EXITS,
        market=told,
    )


def _id_of(order: Order | None) -> str:
    return NONE if order is None else order.client_order_id


def _order_rows(journalled: Order | None, order: Order | None, report: OrderReport | None) -> tuple[ViewRow, ...]:
    views = [_view_of(journalled), _view_of(order), _view_of(report)]
    names = ("status", "side", "price", "amount", "filled")
    return tuple(
        ViewRow(name=name, journal=journal, memory=memory, exchange=exchange)
        for name, journal, memory, exchange in zip(names, *views, strict=True)
    )


def _view_of(order: Order | OrderReport | None) -> Sequence[str]:
    if order is None:
        return (NONE,) * 5
    return (str(order.status), str(order.side), _text(order.price), _text(order.amount), _text(order.filled))


def _order_detail(kind: DiscrepancyKind, name: str, order: Order | None, report: OrderReport | None) -> str:
    told = "nothing is known of it" if report is None else f"{report.status} with {_text(report.filled)} filled"
    booked = "" if order is None else f", {_text(order.filled)} of {_text(order.amount)} booked"
    match kind:
        case DiscrepancyKind.OFFLINE_FILL:
            return f"order {name} was executed further than reported: {told}{booked}"
        case DiscrepancyKind.PARTIAL_CANCEL:
            return f"order {name} was executed in part and closed: {told}{booked}"
        case DiscrepancyKind.ORDER_CLOSED:
            return f"order {name} was closed: {told}{booked}"
        case DiscrepancyKind.UNKNOWN_OUTCOME:
            return f"order {name} had no known outcome: {told}{booked}"
        case DiscrepancyKind.VANISHED_ORDER:
            return (
                f"order {name} was on the exchange, which now does not know it{booked}: is this the account this "
                f"journal belongs to? Then release it; else restore that account, or start over with --fresh"
            )
        case DiscrepancyKind.ORDER_MISMATCH:
            return f"order {name} is not as it was intended: {told}{booked}"
        case DiscrepancyKind.DUPLICATE_ORDER:
            return f"order {name} is a second one for its slot, beside {_id_of(order)}: {told}"
        case DiscrepancyKind.ORPHAN_ORDER:
            return f"order {name} is of this grid and not in its journal: {told}"
        case DiscrepancyKind.SECOND_INSTANCE:
            return f"order {name} was placed by another engine: two engines on one market would undo each other's work"
        case (
            DiscrepancyKind.FOREIGN_ORDER
            | DiscrepancyKind.HOLDING_SHORT
            | DiscrepancyKind.HOLDING_OVER
            | DiscrepancyKind.LATTICE_MISMATCH
        ):
            return f"order {name}: {told}"


def _order_choice(way: Resolution, kind: DiscrepancyKind, order: Order | None, report: OrderReport | None) -> Choice:
    match way:
        case Resolution.ADOPT:
            return Choice(resolution=way, effect=_effect_of_adoption(order, report), moves_money=False)
        case Resolution.CANCEL:
            rest = "" if report is None else f" ({_text(report.amount - report.filled)} unfilled)"
            effect = f"cancels the order on the exchange{rest}; {_fate_of_executed(kind, report)}"
            return Choice(resolution=way, effect=effect, moves_money=True)
        case Resolution.RELEASE:
            booked = NONE if order is None else _text(order.filled)
            effect = f"closes the order in the books with {booked} filled; the slot trades again, with a new order"
            return Choice(resolution=way, effect=effect, moves_money=True)
        case Resolution.QUERY:
            return Choice(resolution=way, effect="asks the exchange again; changes nothing", moves_money=False)
        case Resolution.KEEP:
            effect = "goes on although the other engine may trade here too; its orders are not touched"
            return Choice(resolution=way, effect=effect, moves_money=True)
        case Resolution.HALT:
            effect = "halts the grid: nothing is placed or cancelled, its orders stay"
            return Choice(resolution=way, effect=effect, moves_money=False)
        case Resolution.WRITE_OFF | Resolution.NOTE:
            return Choice(resolution=way, effect=f"takes note of this {kind.value}; changes nothing", moves_money=False)


def _fate_of_executed(kind: DiscrepancyKind, report: OrderReport | None) -> str:
    if kind is DiscrepancyKind.ORDER_MISMATCH:
        return "what it executes until then is booked"
    if report is None or report.filled == 0:
        return "it has executed nothing"
    return f"the {_text(report.filled)} it has executed stays on the account, in no lot"


def _effect_of_adoption(order: Order | None, report: OrderReport | None) -> str:
    if report is None:
        return "books nothing"
    news = report.filled - (report.filled * 0 if order is None else order.filled)
    if news == 0:
        return f"books no execution, and the order as {report.status}"
    verb = "bought" if report.side is Side.BUY else "sold"
    return f"books {_text(news)} {verb} at {_text(report.price)} or better, and the order as {report.status}"

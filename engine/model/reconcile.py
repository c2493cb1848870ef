"""Where the books and the exchange differ, and what can be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import OrderReport


class DiscrepancyKind(StrEnum):
    """How the books and the exchange differ."""

    OFFLINE_FILL = "offline_fill"
    """An order of ours was executed further than we were told."""
    PARTIAL_CANCEL = "partial_cancel"
    """An order of ours was executed in part and then closed, and we were told neither."""
    ORDER_CLOSED = "order_closed"
    """An order of ours was closed without a further execution, and we were not told."""
    VANISHED_ORDER = "vanished_order"
    """The exchange showed this order once and now does not know it."""
    ORPHAN_ORDER = "orphan_order"
    """The exchange has an order of this grid that is not in the journal."""
    DUPLICATE_ORDER = "duplicate_order"
    """The exchange has a second order for a slot that has one already."""
    ORDER_MISMATCH = "order_mismatch"
    """An order of ours has another price, amount or side than was intended."""
    FOREIGN_ORDER = "foreign_order"
    """An order that is not ours; it is never touched."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The exchange does not say what became of a request, long after it must have arrived."""
    HOLDING_SHORT = "holding_short"
    """The account holds less base than the lots of its grids."""
    HOLDING_OVER = "holding_over"
    """The account holds more base beside the lots than it did before."""
    LATTICE_MISMATCH = "lattice_mismatch"
    """The exchange's rules of the market are no longer those that the lattice was made for."""
    SECOND_INSTANCE = "second_instance"
    """Another engine trades this market on this account."""


class Resolution(StrEnum):
    """What can be done about a discrepancy."""

    ADOPT = "adopt"
    """Book what the exchange says."""
    CANCEL = "cancel"
    """Cancel the order on the exchange, and book what it had executed."""
    RELEASE = "release"
    """Take the order as closed with what is booked of it; its slot goes on."""
    WRITE_OFF = "write_off"
    """Take what is missing out of the books, as a loss at its cost."""
    NOTE = "note"
    """Take note that it is not ours, and go on."""
    KEEP = "keep"
    """Leave everything as it is, and go on."""
    QUERY = "query"
    """Ask the exchange again until it says."""
    HALT = "halt"
    """Nothing is placed or cancelled any more until a person says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRow:
    """One property as the journal, the memory and the exchange have it, in words; ``-`` where one has none."""

    name: str
    journal: str
    memory: str
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to resolve a discrepancy; ``effect`` says what it will do, in one sentence."""

    resolution: Resolution
    effect: str
    moves_money: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One difference, with the three views of it and the ways out.

    ``report`` is what the exchange says of the order, if it is about one; ``quantity`` is base
    that is missing or too much, ``market`` what the exchange's rules are now. ``unanswered`` says what happens
    while nobody answers. ``is_booked``: all that the order has executed is in the books, though they closed it.
    """

    kind: DiscrepancyKind
    slot: int | None
    client_order_id: str
    detail: str
    rows: tuple[ViewRow, ...]
    choices: tuple[Choice, ...]
    proposed: Resolution
    unanswered: str
    report: OrderReport | None = None
    quantity: Decimal = ZERO
    market: Market | None = None
    is_booked: bool = False


Policy = Mapping[DiscrepancyKind, Resolution | None]
"""What is done about each kind of discrepancy without asking; None asks a person."""

RESOLUTIONS: Mapping[DiscrepancyKind, tuple[Resolution, ...]] = {
    DiscrepancyKind.OFFLINE_FILL: (Resolution.ADOPT,),
    DiscrepancyKind.PARTIAL_CANCEL: (Resolution.ADOPT,),
    DiscrepancyKind.ORDER_CLOSED: (Resolution.ADOPT,),
    DiscrepancyKind.VANISHED_ORDER: (Resolution.QUERY, Resolution.RELEASE, Resolution.HALT),
    DiscrepancyKind.ORPHAN_ORDER: (Resolution.ADOPT, Resolution.CANCEL, Resolution.HALT),
    DiscrepancyKind.DUPLICATE_ORDER: (Resolution.CANCEL, Resolution.HALT),
    DiscrepancyKind.ORDER_MISMATCH: (Resolution.CANCEL, Resolution.HALT),
    DiscrepancyKind.FOREIGN_ORDER: (Resolution.NOTE,),
    DiscrepancyKind.UNKNOWN_OUTCOME: (Resolution.QUERY,),
    DiscrepancyKind.HOLDING_SHORT: (Resolution.WRITE_OFF, Resolution.QUERY, Resolution.HALT),
    DiscrepancyKind.HOLDING_OVER: (Resolution.NOTE, Resolution.HALT),
    DiscrepancyKind.LATTICE_MISMATCH: (Resolution.ADOPT, Resolution.KEEP, Resolution.HALT),
    DiscrepancyKind.SECOND_INSTANCE: (Resolution.KEEP, Resolution.HALT),
}
"""What may be done about each kind; the first is proposed."""

DEFAULT_POLICY: Policy = {
    DiscrepancyKind.OFFLINE_FILL: Resolution.ADOPT,
    DiscrepancyKind.PARTIAL_CANCEL: Resolution.ADOPT,
    DiscrepancyKind.ORDER_CLOSED: Resolution.ADOPT,
    DiscrepancyKind.VANISHED_ORDER: None,
    DiscrepancyKind.ORPHAN_ORDER: Resolution.ADOPT,
    DiscrepancyKind.DUPLICATE_ORDER: Resolution.CANCEL,
    DiscrepancyKind.ORDER_MISMATCH: None,
    DiscrepancyKind.FOREIGN_ORDER: Resolution.NOTE,
    DiscrepancyKind.UNKNOWN_OUTCOME: Resolution.QUERY,
    DiscrepancyKind.HOLDING_SHORT: None,
    DiscrepancyKind.HOLDING_OVER: Resolution.NOTE,
    DiscrepancyKind.LATTICE_MISMATCH: None,
    DiscrepancyKind.SECOND_INSTANCE: None,
}
"""What is safe is done at once; whatever gives up money, an order or the lattice is asked."""

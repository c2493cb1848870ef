"""Facts: what happened, in the order it happened. The journal is made of these and of nothing else.

A grid's whole state is the fold of its facts (``core.books``), live and after a restart alike.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import Disposal, GridSpec, GridState, Lattice
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Leg, OrderReport, Side
from engine.model.reconcile import Discrepancy, Resolution
from engine.model.slot import Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOpened:
    """A grid began: its wish, its market as it was then, its lattice and its number in client order ids."""

    number: int
    spec: GridSpec
    market: Market
    lattice: Lattice


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntended:
    """A decision to place an order, durable before anything is sent. ``price_seen`` is the price that led to it.

    ``is_adopted``: it was found on the exchange, and the record of its intent was lost.
    """

    slot: int
    client_order_id: str
    leg: Leg
    side: Side
    price: Decimal
    amount: Decimal
    post_only: bool
    dust: Lot
    price_seen: Decimal
    reason: str
    is_adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """A decision to cancel the order of a slot; ``price_seen`` 0 stands for none."""

    slot: int
    client_order_id: str
    reason: str
    price_seen: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReported:
    """A report of the exchange that told us something new about an order."""

    slot: int
    report: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReleased:
    """A person said that the exchange will do nothing more with an order: it is closed with what is booked of it."""

    slot: int
    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSetAside:
    """A lot too small to sell became dust of the grid."""

    slot: int
    reason: str
    price_seen: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class LotAdopted:
    """Base that was already on the account became the first lot of a slot, valued at the start price."""

    slot: int
    lot: Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFrozen:
    slot: int
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotThawed:
    slot: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GridStateChanged:
    """``disposal`` is set while stopping and after it."""

    state: GridState
    disposal: Disposal | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyFound:
    """The books and the exchange differ. ``name`` is unique in its grid; ``asks`` while a person has to choose."""

    name: str
    discrepancy: Discrepancy
    asks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyResolved:
    """What was decided about a discrepancy; the facts that do it follow."""

    name: str
    resolution: Resolution
    outcome: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LotCorrected:
    """Base that the account no longer has was taken out of a slot, or out of the dust where ``slot`` is None."""

    slot: int | None
    lot: Lot
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingNoted:
    """``beside`` is base on the account that is in no lot of any grid, and not ours to touch."""

    beside: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketAdopted:
    """The exchange's rules of the market have changed, and the lattice fits them still."""

    market: Market


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChanged:
    """The configuration asks for another window than before."""

    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNarrowed:
    """The decision whose facts follow left these slots out, since each was between its reading and its
    transition; ``unsettled`` are the sequences of facts that were durable but not yet applied."""

    left_out: tuple[int, ...]
    unsettled: tuple[int, ...]


Fact = (
    GridOpened
    | OrderIntended
    | CancelRequested
    | OrderReported
    | OrderReleased
    | LotSetAside
    | LotAdopted
    | SlotFrozen
    | SlotThawed
    | GridStateChanged
    | DiscrepancyFound
    | DiscrepancyResolved
    | LotCorrected
    | HoldingNoted
    | MarketAdopted
    | WindowChanged
    | DecisionNarrowed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the journal. ``hash`` chains over ``previous_hash`` and everything else, as hex."""

    sequence: int
    at_ms: int
    grid: str
    fact: Fact
    previous_hash: str
    hash: str

"""Facts: what happened, in the order it happened. The journal is made of these and of nothing else.

A grid's whole state is the fold of its facts (``core.books``), live and after a restart alike.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import Disposal, GridSpec, GridState, Lattice
from engine.model.market import Market
from engine.model.order import Leg, OrderReport, Side
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
    """A decision to place an order, durable before anything is sent. ``price_seen`` is the price that led to it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """A decision to cancel the order of a slot."""

    slot: int
    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReported:
    """A report of the exchange that told us something new about an order."""

    slot: int
    report: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSetAside:
    """A lot too small to sell became dust of the grid."""

    slot: int
    reason: str


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


Fact = (
    GridOpened
    | OrderIntended
    | CancelRequested
    | OrderReported
    | LotSetAside
    | LotAdopted
    | SlotFrozen
    | SlotThawed
    | GridStateChanged
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

"""Facts: what happened, in the order it happened. The journal is made of these and of nothing else.

A grid's whole state is the fold of its facts (``core.books``), live and after a restart alike.
"""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import Disposal, GridSpec, GridState, Lattice
from engine.model.market import Market
from engine.model.money import ZERO
from engine.model.order import Fill, Leg, OrderReport, Side
from engine.model.reconcile import Discrepancy, Resolution
from engine.model.regime import EntryRule, RegimeName, SuppressedEntry
from engine.model.risk import Block, RiskState
from engine.model.slot import Lot
from engine.model.swap import FundingPayment, Liquidation


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
class LateFillBooked:
    """The exchange told of executions of an order that the books had closed; ``fills`` are those not yet booked.

    ``amount`` is what was ordered.
    """

    slot: int
    client_order_id: str
    side: Side
    amount: Decimal
    fills: tuple[Fill, ...]


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
    transition, or the risk gate refused what it wanted; ``unsettled`` are the sequences of facts that
    were durable but not yet applied."""

    left_out: tuple[int, ...]
    unsettled: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeChanged:
    """The market is of another kind, or which entries may open has changed; ``reasons`` are the figures."""

    name: RegimeName
    since_ms: int
    reasons: tuple[str, ...]
    long_entries: EntryRule
    short_entries: EntryRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowChanged:
    """Entries that the regime suppressed would have filled; the lots of these slots would have left at their exits.

    ``ended`` are slots whose lots count no further, since the grid stops; they are valued at ``ended_at``.
    """

    filled: tuple[SuppressedEntry, ...]
    left: tuple[int, ...]
    ended: tuple[int, ...] = ()
    ended_at: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class BlocksChanged:
    """These blocks stand from now on; ``reason`` says what was raised or lifted."""

    blocks: tuple[Block, ...]
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskMarked:
    """What the stops and loss limits have to remember of the prices gone by has moved on."""

    state: RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class LotMoved:
    """The lot of one slot, whole, goes to another; both are identities."""

    source: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatticeMigrated:
    """The lattice became another one, all at once: by an edit, or because it trails the price.

    Slots that are not in the new lattice have neither order nor lot when this is done: ``moved`` says
    where their lots went. ``initial`` are the slots whose first lot is bought at the new anchor.
    ``funds_quote`` and ``funds_base`` are what the grid has for its own from now on, counted from its start.
    """

    spec: GridSpec
    lattice: Lattice
    moved: tuple[LotMoved, ...]
    initial: tuple[int, ...]
    funds_quote: Decimal
    funds_base: Decimal
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingBooked:
    """Funding was paid or received for the grid's position."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLiquidated:
    """The exchange closed the grid's position: all lots are gone at its price.

    ``is_booked`` false: it closed another position than the books have, and a person has to say what is whose.
    """

    liquidation: Liquidation
    is_booked: bool = True


Fact = (
    GridOpened
    | OrderIntended
    | CancelRequested
    | OrderReported
    | LateFillBooked
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
    | RegimeChanged
    | ShadowChanged
    | BlocksChanged
    | RiskMarked
    | LatticeMigrated
    | FundingBooked
    | PositionLiquidated
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

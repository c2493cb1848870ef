"""What a terminal, a script or a remote sees of the engine: numbered, immutable, complete.

Amounts are Decimal, times are UTC milliseconds of the engine's clock (market time in simulation).
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.model.grid import Direction, Disposal, GridState, SizedBy
from engine.model.order import OrderStatus, Side
from engine.model.reconcile import Choice, DiscrepancyKind, Resolution, ViewRow
from engine.model.regime import RegimeView
from engine.model.risk_view import NO_RISK, RiskView
from engine.model.swap import PositionView


class Mode(StrEnum):
    SIMULATION = "simulation"
    PAPER = "paper"
    LIVE = "live"


class EngineState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    HALTED = "halted"
    STOPPED = "stopped"


class Connection(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ENDED = "ended"
    """The replayed data is at its end; no further price will come."""


class SlotStateName(StrEnum):
    EMPTY = "empty"
    ENTERING = "entering"
    HOLDING = "holding"
    EXITING = "exiting"


class EventLevel(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    client_order_id: str
    side: Side
    price: Decimal
    amount: Decimal
    filled: Decimal
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """``quantity`` is held base; ``profit`` is realised quote of this slot, net of fees.

    ``cycle_profit`` is what one whole cycle at its own levels earns, net of maker fees, in quote.
    """

    index: int
    lower: Decimal
    upper: Decimal
    state: SlotStateName
    quantity: Decimal
    order: OrderView | None
    freeze_reason: str | None
    cycles: int
    profit: Decimal
    cycle_profit: Decimal
    entry_side: Side = Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitView:
    """All in quote. ``total = grid + floating + funding``; ``fees`` are already inside; ``residual`` must be 0."""

    grid: Decimal
    floating: Decimal
    fees: Decimal
    total: Decimal
    residual: Decimal
    fees_by_currency: tuple[tuple[str, Decimal], ...]
    funding: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """Something that keeps the grid from acting, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionView:
    """A discrepancy that waits for an answer; ``name`` is what the answer is addressed to."""

    name: str
    kind: DiscrepancyKind
    slot: int | None
    client_order_id: str
    detail: str
    rows: tuple[ViewRow, ...]
    choices: tuple[Choice, ...]
    proposed: Resolution
    unanswered: str
    asked_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSnapshot:
    """``price`` is None until the first one has arrived; ``invested`` is the quote the whole lattice can need.

    ``slots`` are in the order of price, lowest first. ``regime`` None: no monitor is configured; ``position``
    None: a spot market. ``lattice_version`` rises with every migration. ``size`` is in the unit of ``sized_by``.
    """

    name: str
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    state: GridState
    state_reason: str
    price: Decimal | None
    price_at_ms: int
    anchor: Decimal | None
    window: int
    slots: tuple[SlotView, ...]
    blocks: tuple[BlockView, ...]
    profit: ProfitView
    cash: Decimal
    inventory: Decimal
    dust: Decimal
    invested: Decimal
    cycles: int
    questions: tuple[QuestionView, ...] = ()
    foreign_orders: int = 0
    direction: Direction = Direction.LONG
    lattice_version: int = 1
    regime: RegimeView | None = None
    risk: RiskView = NO_RISK
    position: PositionView | None = None
    sized_by: SizedBy | None = None
    size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceView:
    currency: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """A part of the engine and whether it has reported in."""

    name: str
    has_reported: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSnapshot:
    """``speed`` is market seconds per wall second (0: as fast as possible), None where time is real.

    ``exchange_id`` names a real exchange and is empty in simulation; ``is_sandbox``: it is its testnet. ``on_exit``
    is what becomes of orders and inventory when the engine ends.
    """

    sequence: int
    at_ms: int
    started_ms: int
    mode: Mode
    exchange: str
    connection: Connection
    state: EngineState
    state_reason: str
    speed: float | None
    loop_lag_ms: float
    parts: tuple[PartView, ...]
    balances: tuple[BalanceView, ...]
    grids: tuple[GridSnapshot, ...]
    exchange_id: str = ""
    is_sandbox: bool = False
    on_exit: Disposal = Disposal.LEAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEvent:
    """One line of the engine's story; ``number`` rises by one. ``grid`` is empty for the engine itself."""

    number: int
    at_ms: int
    level: EventLevel
    grid: str
    slot: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFrame:
    """A past run right after one record of its journal: the engine as it was, and the event with its reason."""

    sequence: int
    last_sequence: int
    event: EngineEvent
    snapshot: EngineSnapshot

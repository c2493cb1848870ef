"""What an operator can ask of the engine."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import Disposal
from engine.model.reconcile import Resolution
from engine.model.risk import BreakerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Open nothing new: resting entries are cancelled, exits stay and go on."""

    grid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Open again."""

    grid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Touch one slot no more: nothing is placed or cancelled there; fills are still booked."""

    grid: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw:
    """Let a frozen slot trade again."""

    grid: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End a grid and dispose of its orders and inventory."""

    grid: str
    disposal: Disposal = Disposal.LEAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpeed:
    """Run the simulated market at this many market seconds per wall second; 0 is as fast as possible."""

    speed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Compare the books with the exchange now."""

    grid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Answer an open question of a grid."""

    grid: str
    name: str
    resolution: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Panic:
    """The panic key: entries are cancelled and nothing opens until a person lifts the block; exits go on."""

    grid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftBlock:
    """A person ends a block; if its cause is still there, it is raised again."""

    grid: str
    kind: BreakerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChange:
    """What to change of a running grid; None stays as it is. ``size`` is in the unit of its ``sized_by``."""

    lower: Decimal | None = None
    upper: Decimal | None = None
    slots: int | None = None
    size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditGrid:
    """Change a running grid: its lattice migrates at once, or not at all."""

    grid: str
    change: GridChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """End the engine in order, by the ``on_exit`` of its configuration."""


Command = (
    Pause | Resume | Freeze | Thaw | Stop | SetSpeed | Reconcile | Resolve | Panic | LiftBlock | EditGrid | Shutdown
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone:
    """The engine has done it; ``message`` says what, in one line for the operator."""

    message: str

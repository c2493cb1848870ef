"""What an operator can ask of the engine."""

from dataclasses import dataclass

from engine.model.grid import Disposal
from engine.model.reconcile import Resolution


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


Command = Pause | Resume | Freeze | Thaw | Stop | SetSpeed | Reconcile | Resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone:
    """The engine has done it; ``message`` says what, in one line for the operator."""

    message: str

"""What a terminal sees of a grid's risk."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import Disposal
from engine.model.risk import Block, BreakerKind, LimitName


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """One limit as a bar. ``value`` None: not known, or judged order by order, as ``reason`` says.

    ``used`` is the fraction of the limit that is used up, above 1 beyond it, None where it cannot be
    said. ``is_blocking``: nothing new opens because of it.
    """

    name: LimitName
    value: Decimal | None
    limit: Decimal
    unit: str
    used: Decimal | None
    is_blocking: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """One stop: what it is in words, the price at which it would end the grid now, and what it does then.

    ``price`` None: no price does, for example while nothing is held.
    """

    kind: BreakerKind
    words: str
    price: Decimal | None
    disposal: Disposal


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskView:
    """Everything that bounds a grid: its limits as bars, its stops, and every block that stands.

    ``refusals`` are what the gate refused at the newest decision, with the reasons.
    """

    limits: tuple[LimitView, ...] = ()
    stops: tuple[StopView, ...] = ()
    blocks: tuple[Block, ...] = ()
    refusals: tuple[str, ...] = ()


NO_RISK = RiskView()

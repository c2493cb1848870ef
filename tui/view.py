"""What one frame is drawn from: the newest snapshot, the chosen grid, and a short history."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.snapshot import EngineSnapshot, GridSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One frame's worth of facts.

    ``engine`` and ``grid`` are None until the first snapshot has arrived; ``ended`` says why
    the engine can no longer be asked, and is None while it can; ``starting`` is what an engine that does not
    answer yet is said to be doing. ``move`` is the sign of the
    last price change. ``prices`` and ``totals`` are the chosen grid's history, oldest first.
    """

    engine: EngineSnapshot | None = None
    grid: GridSnapshot | None = None
    ended: str | None = None
    move: int = 0
    prices: tuple[Decimal, ...] = ()
    totals: tuple[Decimal, ...] = ()
    starting: str = ""

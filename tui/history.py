"""A short memory of prices and totals for the small drawings; bounded, whatever the run lasts."""

from dataclasses import dataclass, field
from decimal import Decimal

from engine.model.snapshot import EngineSnapshot, GridSnapshot
from tui.view import View


class Series:
    """A bounded history of one number: when it is full every second value goes, so it always spans all time.

    Invariant: at most ``limit`` values are kept.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._values: list[Decimal] = []
        self._stride = 1
        self._skipped = 0
        self._newest: Decimal | None = None

    def append(self, value: Decimal) -> None:
        """Add the newest value."""
        self._newest = value
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self._values.append(value)
        if len(self._values) >= self._limit:
            self._values = self._values[1::2]
            self._stride *= 2

    def values(self) -> tuple[Decimal, ...]:
        """The kept values, oldest first; the newest is always among them."""
        if self._newest is None or self._skipped == 0:
            return tuple(self._values)
        return (*self._values, self._newest)


@dataclass(slots=True, kw_only=True)
class _GridHistory:
    """``move`` is the sign of the last price change."""

    prices: Series = field(default_factory=Series)
    totals: Series = field(default_factory=Series)
    price: Decimal | None = None
    move: int = 0

    def add(self, grid: GridSnapshot) -> None:
        if grid.price is None:
            return
        if self.price is not None and grid.price != self.price:
            self.move = 1 if grid.price > self.price else -1
        self.price = grid.price
        self.prices.append(grid.price)
        self.totals.append(grid.profit.total)


class History:
    """What earlier snapshots said of every grid."""

    def __init__(self) -> None:
        self._grids: dict[str, _GridHistory] = {}

    def add(self, engine: EngineSnapshot) -> None:
        """Remember a snapshot; grids that are gone are forgotten."""
        kept = {grid.name: self._grids.get(grid.name) or _GridHistory() for grid in engine.grids}
        for grid in engine.grids:
            kept[grid.name].add(grid)
        self._grids = kept

    def view(self, engine: EngineSnapshot | None, position: int, ended: str | None) -> View:
        """One frame's worth of facts for the grid at ``position``."""
        if engine is None or not engine.grids:
            return View(engine=engine, ended=ended)
        grid = engine.grids[position % len(engine.grids)]
        known = self._grids[grid.name]
        return View(
            engine=engine,
            grid=grid,
            ended=ended,
            move=known.move,
            prices=known.prices.values(),
            totals=known.totals.values(),
        )

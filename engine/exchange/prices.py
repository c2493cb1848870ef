"""Price sources: what the simulated market trades at, row by row, without I/O once opened.

Promises: rows are numbered from 0, their times never fall, every price is a multiple of
``tick_size``; ``position`` never falls. Where rows come from is left to ``synthetic`` and ``replay``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Protocol

from engine.model.actions import QuietBand
from engine.model.regime import Candle

BOUND_TICKS = 2**62
"""Prices are whole ticks in 64 bits, always below this."""

_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Tick:
    """One row of a source: the market traded at ``price`` at ``at_ms``."""

    index: int
    at_ms: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a span of rows amounts to: prices in whole ticks, volume in the base currency."""

    open: int
    high: int
    low: int
    close: int
    volume: float


class PriceSource(Protocol):
    """The path of one market's price, with a position in it."""

    @property
    def symbol(self) -> str:
        """The pair these are prices of."""

    @property
    def tick_size(self) -> Decimal:
        """All prices are multiples of it."""

    @property
    def position(self) -> int:
        """Index of the first row not yet passed. Never falls."""

    @property
    def rows(self) -> int | None:
        """How many rows there are; None: endless."""

    @property
    def start_ms(self) -> int:
        """Time of the first row."""

    @property
    def end_ms(self) -> int | None:
        """Time of the last row; None: endless."""

    @property
    def history_ms(self) -> int | None:
        """How far back from any time candles may be asked for; None: as far as there are rows."""

    def next(self) -> Tick | None:
        """The row at ``position``, without moving; None at the end."""

    def next_outside(self, band: QuietBand | None) -> Tick | None:
        """First row at or after ``position`` with a price at or beyond an edge of the band, without moving.

        None: the source ends first. No band: ``next()``. A source that makes its rows while it
        looks may stop early and give the last row it looked at, inside the band, so that a
        search takes bounded time.
        """

    def last_before(self, index: int) -> Tick | None:
        """The row just before ``index`` (at or after ``position``); None when there is none."""

    def pass_until(self, at_ms: int) -> None:
        """Move to the first row later than ``at_ms``."""

    def pass_row(self, index: int) -> None:
        """Move just behind row ``index``."""

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """All rows at or after ``open_ms``, a whole minute, and before ``end_ms``; None when there are none.

        Passed or not makes no difference: the same span always has the same candle.
        """

    def last_ms_before(self, at_ms: int) -> int | None:
        """Time of the last row before ``at_ms``, passed or not; None when there is none."""

    def state(self) -> dict[str, object]:
        """What ``restore`` needs to go on from here, fit for JSON."""

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a kept state.

        Raises:
            DataInvalid: the state is damaged, or of another source.
        """


def bounds_in_ticks(band: QuietBand, tick_size: Decimal) -> tuple[int, int]:
    """Whole ticks ``(low, high)``: a price is outside the band exactly if it is ``<= low`` or ``>= high``.

    An infinite edge becomes plus or minus ``BOUND_TICKS``.
    """
    low, high = -BOUND_TICKS, BOUND_TICKS
    if band.low.is_finite():
        whole, rest = _EXACT.divmod(band.low, tick_size)
        low = int(whole) - 1 if rest < 0 else int(whole)
    if band.high.is_finite():
        whole, rest = _EXACT.divmod(band.high, tick_size)
        high = int(whole) + 1 if rest > 0 else int(whole)
    return low, high


def joined(earlier: Bar | None, later: Bar | None) -> Bar | None:
    """Two spans, one right after the other, as one; None: nothing in it."""
    if earlier is None or later is None:
        return later if earlier is None else earlier
    return Bar(
        open=earlier.open,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
    )


def candle_from_bar(open_ms: int, bar: Bar, tick_size: Decimal) -> Candle:
    """The bar as the candle that began at ``open_ms``."""
    return Candle(
        open_ms=open_ms,
        open=float(bar.open * tick_size),
        high=float(bar.high * tick_size),
        low=float(bar.low * tick_size),
        close=float(bar.close * tick_size),
        volume=bar.volume,
    )

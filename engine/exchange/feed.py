"""One market's prices on their way to the simulated exchange: which row is worth stopping at next.

A row strictly inside the band of every listener, and inside the quiet band of the matching
engine, changes nothing; so the feed may pass it unseen, and nobody can tell the difference.
"""

from engine.exchange.prices import PriceSource, Tick
from engine.model.actions import QuietBand


class Feed:
    """A price source, the bands its listeners set, and the next row that matters.

    Invariant: ``_next`` is what a search would find now, or ``_is_searched`` is False.
    """

    def __init__(self, source: PriceSource, *, every_tick: bool) -> None:
        self.source = source
        self._every_tick = every_tick
        self._bands: dict[str, QuietBand | None] = {}
        self._next: Tick | None = None
        self._is_searched = False

    def set_band(self, listener_key: str, band: QuietBand | None) -> None:
        """What one listener need not be told from now on; None: nothing."""
        self._bands[listener_key] = band
        self.search_again()

    def forget_bands(self) -> None:
        """Nobody has said what is quiet."""
        self._bands.clear()
        self.search_again()

    def search_again(self) -> None:
        """The next row that matters may be another now."""
        self._is_searched = False

    def next_row(self, exchange_band: QuietBand) -> Tick | None:
        """The next row to stop at, without passing it; the last row always is one. None: all are passed."""
        if not self._is_searched:
            self._next = self._search(exchange_band)
            self._is_searched = True
        return self._next

    def pass_row(self, tick: Tick) -> None:
        """The row is dealt with."""
        self.source.pass_row(tick.index)
        self._is_searched = False

    def pass_quiet_rows(self, at_ms: int) -> Tick | None:
        """Pass the rows up to ``at_ms``, all known to be quiet; the last of them, if any."""
        source = self.source
        before = source.position
        source.pass_until(at_ms)
        return source.last_before(source.position) if source.position != before else None

    def _search(self, exchange_band: QuietBand) -> Tick | None:
        source = self.source
        if self._every_tick:
            return source.next()
        tick = source.next_outside(self._band_of_all(exchange_band))
        if tick is None and source.rows is not None and source.position < source.rows:
            return source.last_before(source.rows)
        return tick

    def _band_of_all(self, exchange_band: QuietBand) -> QuietBand | None:
        """Where nobody has anything to see; None when somebody wants every price, or nobody has said."""
        low, high = exchange_band.low, exchange_band.high
        if not self._bands:
            return None
        for band in self._bands.values():
            if band is None:
                return None
            low, high = max(low, band.low), min(high, band.high)
        return QuietBand(low, high)

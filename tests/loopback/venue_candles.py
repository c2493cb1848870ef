"""Candles of a venue's markets, built from prints; one minute is kept, longer ones are added up on demand."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCandle:
    """One candle; ``volume`` in base, ``turnover`` in quote, ``count`` of trades."""

    opened_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    count: int


class CandleBook:
    """The candles of one market, oldest first.

    Invariant: opening times of the minutes rise strictly and lie on the minute.
    """

    def __init__(self) -> None:
        """No history."""
        self._minutes: list[VenueCandle] = []

    def add(self, price: Decimal, amount: Decimal, at_ms: int) -> None:
        """A print; one that is late belongs to the newest minute."""
        opened_ms = at_ms - at_ms % MINUTE_MS
        if self._minutes and opened_ms <= self._minutes[-1].opened_ms:
            last = self._minutes[-1]
            self._minutes[-1] = replace(
                last,
                high=max(last.high, price),
                low=min(last.low, price),
                close=price,
                volume=last.volume + amount,
                turnover=last.turnover + price * amount,
                count=last.count + 1,
            )
            return
        self._minutes.append(
            VenueCandle(
                opened_ms=opened_ms,
                open=price,
                high=price,
                low=price,
                close=price,
                volume=amount,
                turnover=price * amount,
                count=1,
            )
        )

    def load(self, minutes: Sequence[VenueCandle]) -> None:
        """History from before the first print, one-minute candles, oldest first."""
        self._minutes = [*minutes, *self._minutes]
        if any(b.opened_ms <= a.opened_ms for a, b in zip(self._minutes, self._minutes[1:], strict=False)):
            raise ValueError("candles must be loaded in rising order and before those that are known")

    def candles(
        self, interval_ms: int, *, since_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[VenueCandle]:
        """At most ``limit`` candles of whole minutes: the first from ``since_ms`` on, else the newest."""
        first = 0 if since_ms is None else self._index(since_ms - since_ms % interval_ms)
        last = len(self._minutes) if end_ms is None else self._index(end_ms + 1)
        per_candle = interval_ms // MINUTE_MS
        if since_ms is None:
            first = max(first, last - per_candle * (limit + 1))
        whole = _joined(self._minutes[first:last], interval_ms)
        if since_ms is None:
            return whole[-limit:]
        return [candle for candle in whole if candle.opened_ms >= since_ms][:limit]

    def current(self, interval_ms: int) -> VenueCandle | None:
        """The candle that is forming."""
        newest = self.candles(interval_ms, limit=1)
        return newest[0] if newest else None

    def day(self, now_ms: int) -> VenueCandle | None:
        """The last 24 hours as one candle, None without a print."""
        minutes = self._minutes[self._index(now_ms - DAY_MS) :] or self._minutes[-1:]
        return _sum(minutes, minutes[0].opened_ms) if minutes else None

    def _index(self, at_ms: int) -> int:
        return bisect_left(self._minutes, at_ms, key=lambda candle: candle.opened_ms)


def _joined(minutes: Sequence[VenueCandle], interval_ms: int) -> list[VenueCandle]:
    groups: dict[int, list[VenueCandle]] = {}
    for minute in minutes:
        groups.setdefault(minute.opened_ms - minute.opened_ms % interval_ms, []).append(minute)
    return [_sum(group, opened_ms) for opened_ms, group in groups.items()]


def _sum(minutes: Sequence[VenueCandle], opened_ms: int) -> VenueCandle:
    return VenueCandle(
        opened_ms=opened_ms,
        open=minutes[0].open,
        high=max(minute.high for minute in minutes),
        low=min(minute.low for minute in minutes),
        close=minutes[-1].close,
        volume=sum((minute.volume for minute in minutes), Decimal(0)),
        turnover=sum((minute.turnover for minute in minutes), Decimal(0)),
        count=sum(minute.count for minute in minutes),
    )

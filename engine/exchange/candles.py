"""The candles of the simulated exchange: asked for, or watched and told as they close.

A candle covers ``interval_ms`` from ``open_ms`` on, which is a multiple of it since 1970, and closes
before the row of the instant at which it ends. It is made of the market's rows, whether anybody
stopped at them or not, so it says the same in every run; where there are no rows there is none.
A watched candle is told three times while it forms, after each quarter, and when it has closed; each
time the news is on its way as long as a report is, and lost where the stream is silent. The
unfinished candle that the data ends in never closes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from engine.exchange.prices import PriceSource
from engine.exchange.stream import Stream
from engine.exchange.timeline import Arrival, Timeline
from engine.model.errors import SettingsInvalid
from engine.model.regime import Candle

_MINUTE_MS = 60_000
_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Watch:
    symbol: str
    source: PriceSource
    interval_ms: int


def newest_candles(source: PriceSource, interval_ms: int, limit: int, at_ms: int) -> tuple[Candle, ...]:
    """The newest candles of a source closed by a time, oldest first, at most ``limit``."""
    end_ms = at_ms if source.end_ms is None else min(at_ms, source.end_ms + 1)
    end_ms -= end_ms % interval_ms
    oldest_ms = 0 if source.history_ms is None else end_ms - source.history_ms
    found: list[Candle] = []
    while len(found) < limit:
        row_ms = source.last_ms_before(end_ms)
        if row_ms is None or row_ms < oldest_ms:
            break
        end_ms = row_ms - row_ms % interval_ms
        candle = source.candle(end_ms, end_ms + interval_ms)
        if candle is not None:
            found.append(candle)
    return tuple(reversed(found))


class CandleDesk:
    """Answers for candles, and tells the watched ones.

    Invariant: of every watch exactly one telling is on its way, until its data ends.
    """

    def __init__(
        self,
        *,
        sources: Mapping[str, PriceSource],
        timeline: Timeline,
        stream: Stream,
        expect: Callable[[int], None],
        latency_ms: int,
    ) -> None:
        """``expect`` is told when something was put on its way."""
        self._sources = dict(sources)
        self._timeline = timeline
        self._stream = stream
        self._expect = expect
        self._latency_ms = latency_ms
        self._watches: dict[tuple[str, int], _Watch] = {}

    def newest(self, symbol: str, interval_ms: int, limit: int, at_ms: int) -> tuple[Candle, ...]:
        """The newest candles closed by a time, oldest first, at most ``limit``.

        Raises:
            SettingsInvalid: no such market, or an interval that is not whole minutes.
        """
        return newest_candles(self._source(symbol, interval_ms), interval_ms, limit, at_ms)

    def watch(self, symbol: str, interval_ms: int, now_ms: int) -> None:
        """Tell these candles from now on, to the client there is.

        What is on its way now is told too: no candle is missed between an answer and the watch.

        Raises:
            SettingsInvalid: no such market, or an interval that is not whole minutes.
        """
        source = self._source(symbol, interval_ms)
        if (symbol, interval_ms) not in self._watches:
            watch = _Watch(symbol=symbol, source=source, interval_ms=interval_ms)
            self._watches[symbol, interval_ms] = watch
            self._send_next(watch, now_ms - self._latency_ms)

    def forget_watches(self) -> None:
        """Nobody has said what is to be told."""
        self._watches.clear()

    def _source(self, symbol: str, interval_ms: int) -> PriceSource:
        source = self._sources.get(symbol)
        if source is None:
            raise SettingsInvalid(f"expected one of {', '.join(sorted(self._sources))}, found {symbol}")
        if interval_ms < _MINUTE_MS or interval_ms % _MINUTE_MS:
            raise SettingsInvalid(f"candles must have an interval of whole minutes, was {interval_ms} ms")
        return source

    def _send_next(self, watch: _Watch, after_ms: int) -> None:
        """Put on its way what is told of a watch first after a time."""
        part_ms = watch.interval_ms // _PARTS
        until_ms = after_ms - after_ms % part_ms + part_ms
        end_ms = watch.source.end_ms
        if end_ms is None or until_ms <= end_ms + 1:
            told_ms = until_ms + self._latency_ms
            self._timeline.send(Arrival.CANDLE, told_ms, partial(self._tell, watch, until_ms))
            self._expect(told_ms)

    def _tell(self, watch: _Watch, until_ms: int, told_ms: int) -> None:
        if self._watches.get((watch.symbol, watch.interval_ms)) is not watch:
            return
        self._send_next(watch, until_ms)
        is_closed = until_ms % watch.interval_ms == 0
        open_ms = (until_ms - 1) - (until_ms - 1) % watch.interval_ms
        candle = watch.source.candle(open_ms, until_ms)
        if candle is not None:
            self._stream.tell_candle(watch.symbol, watch.interval_ms, candle, is_closed=is_closed, told_ms=told_ms)

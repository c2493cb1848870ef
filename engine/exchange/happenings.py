"""What happens on the simulated exchange, in the order of time, and what its stream tells of it.

At one instant things happen in a fixed order: windows of faults begin and end, then comes funding
that is due, then the market's rows, then requests that arrive, then candles and reports of the stream, then answers. So
a run that stops only at the rows that leave all quiet bands cannot be told from one that stops at
every row. What may be asked of the exchange is left to ``simulated``.
"""

from collections.abc import Callable, Sequence
from functools import partial

from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingEngine
from engine.exchange.pacing import Pacer
from engine.exchange.prices import Tick
from engine.exchange.stream import Edge, Stream
from engine.exchange.timeline import Arrival, Timeline
from engine.exchange.venue import Told, Venue
from engine.model.actions import QuietBand
from engine.model.order import OrderReport
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment, Liquidation


class Happenings:
    """The machine of the exchange on its way through time.

    Invariant: everything due at or before ``_settle``'s time has happened when it returns.
    """

    def __init__(self, *, venue: Venue, now_ms: Callable[[], int], latency_ms: int, faults: FaultPlan) -> None:
        self._venue = venue
        self._now_ms = now_ms
        self._latency_ms = latency_ms
        self._faults = faults
        self._is_settling = False
        self._timeline = Timeline()
        self._stream = Stream(faults)
        venue.on_unseen = self._stream.pass_unseen
        self._pacer = Pacer(now_ms=now_ms, settle=self._settle, next_ms=self._next_ms)

    @property
    def matching(self) -> MatchingEngine:
        """The exchange's own truth, for audits and tests."""
        return self._venue.matching

    def set_quiet_band(self, symbol: str, listener_key: str, band: QuietBand | None) -> None:
        """What a listener need not be told from now on; None: tell every price."""
        self._tell_newest(symbol)
        self._venue.feeds[symbol].set_band(listener_key, band)
        self._pacer.look_again()

    def tell_prices(self) -> None:
        """Tell the newest price of every market that has traded unseen."""
        for symbol in self._venue.feeds:
            self._tell_newest(symbol)

    def _settle(self, now_ms: int) -> None:
        """Let everything happen that is due by now, in order of time."""
        if self._is_settling:
            return
        self._is_settling = True
        try:
            self._settle_all(now_ms)
        finally:
            self._is_settling = False

    def _settle_all(self, now_ms: int) -> None:
        while True:
            row = self._venue.next_row()
            due_ms, edge_ms, funding = self._timeline.next_ms, self._stream.next_edge_ms, self._venue.next_funding()
            at_ms = _earlier(edge_ms, _earlier(None if row is None else row[0], due_ms))
            at_ms = _earlier(at_ms, None if funding is None else funding[0])
            if at_ms is None or at_ms > now_ms:
                break
            if at_ms == edge_ms:
                self._pass_edge()
            elif funding is not None and at_ms == funding[0]:
                self._report(self._venue.fund(funding[1], at_ms), at_ms)
            elif row is not None and at_ms == row[0]:
                self._trade(row[1], row[2])
            else:
                self._timeline.deliver_next()
        stream = self._stream
        is_over = row is None and self._venue.has_end
        if is_over and stream.is_open and not stream.has_ended and not stream.is_silent(now_ms):
            stream.end()

    def _next_ms(self) -> int | None:
        """When something happens next; None: never, unless it is asked for."""
        row, funding = self._venue.next_row(), self._venue.next_funding()
        due_ms = _earlier(None if row is None else row[0], self._timeline.next_ms)
        due_ms = _earlier(due_ms, None if funding is None else funding[0])
        return _earlier(self._stream.next_edge_ms, due_ms)

    def _pass_edge(self) -> None:
        """A window in which the stream is silent begins or ends."""
        at_ms, edge = self._stream.take_edge()
        match edge:
            case Edge.SILENCE:
                for symbol in self._venue.feeds:
                    self._catch_up(symbol, at_ms - 1)
                    self._stream.tell_untold(symbol)
            case Edge.CUT:
                self._stream.tell_connection(Connection.DISCONNECTED)
            case Edge.JOIN:
                self._join(at_ms, rows_until_ms=at_ms - 1)
            case Edge.VOICE:
                pass  # A stop, for the end of the market may have waited for it.

    def _join(self, at_ms: int, *, rows_until_ms: int) -> None:
        """The connection is there: it begins with the last price of every market."""
        self._stream.tell_connection(Connection.CONNECTED)
        for symbol in self._venue.feeds:
            self._catch_up(symbol, rows_until_ms)
            newest = self._venue.newest(symbol)
            if newest is not None:
                self._stream.tell_price(symbol, *newest, told_ms=at_ms)

    def _trade(self, symbol: str, tick: Tick) -> None:
        self._report(self._venue.trade(symbol, tick), tick.at_ms)
        self._stream.tell_price(symbol, tick.price, tick.at_ms, told_ms=tick.at_ms)

    def _catch_up(self, symbol: str, at_ms: int) -> None:
        """Pass the quiet rows up to now, so that the last price is the market's."""
        tick = self._venue.catch_up(symbol, at_ms)
        if tick is not None:
            self._stream.pass_unseen(symbol, tick)

    def _tell_newest(self, symbol: str) -> None:
        """Let the market go on to now, and tell its price if that went by unseen.

        A listener that asks while it is being told hears the rest in its turn.
        """
        if not self._is_settling:
            self._catch_up(symbol, self._now_settled())
            self._stream.tell_untold(symbol)

    def _now_settled(self) -> int:
        """The time, everything due by then having happened; whoever moves looks again at what comes next."""
        now = self._now_ms()
        self._settle(now)
        self._pacer.look_again()
        return now

    def _report(self, happened: Sequence[Told], at_ms: int) -> None:
        """What has happened just now goes to the stream."""
        self._tell(happened, at_ms)

    def _tell(self, happened: Sequence[Told], at_ms: int) -> None:
        """Send news to the stream, in this order; only reports of orders meet faults on their way."""
        for told in happened:
            match told:
                case OrderReport():
                    deliver, delays_ms = partial(self._stream.tell_report, told), self._faults.delays_ms_of(told)
                case FundingPayment():
                    deliver, delays_ms = partial(self._stream.tell_funding, told), (0,)
                case Liquidation():
                    deliver, delays_ms = partial(self._stream.tell_liquidation, told), (0,)
            for delay_ms in delays_ms:
                self._timeline.send(Arrival.REPORT, at_ms + self._latency_ms + delay_ms, deliver)


def _earlier(one_ms: int | None, other_ms: int | None) -> int | None:
    if one_ms is None or other_ms is None:
        return other_ms if one_ms is None else one_ms
    return min(one_ms, other_ms)

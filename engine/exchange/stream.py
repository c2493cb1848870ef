"""The stream from the simulated exchange to its one listener, and the windows in which it is silent.

Whether a message is told depends on nothing but the time at which it would be: a stall or a
disconnect swallows it, however often the market is looked at. A window begins before and ends
before everything else of that instant.
"""

from collections import deque
from decimal import Decimal
from enum import IntEnum

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import merged, outage_at
from engine.exchange.port import ExchangeListener
from engine.exchange.prices import Tick
from engine.model.order import OrderReport
from engine.model.regime import Candle
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment, Liquidation


class Edge(IntEnum):
    """Where a window begins or ends; at one instant in this order."""

    SILENCE = 0
    """From here on nothing is told; prices that went untold as quiet are told before it."""
    CUT = 1
    """The connection breaks."""
    JOIN = 2
    """The connection is there again."""
    VOICE = 3
    """What happens from here on is told again."""


class Stream:
    """Tells one listener at a time, or nobody.

    Invariant: ``_untold`` holds a price only if it would have been told in time, had it not been quiet.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self.has_ended = False
        """Whether the listener has been told that no price will come any more."""
        self._listener: ExchangeListener | None = None
        self._openings = 0
        self._untold: dict[str, Tick] = {}
        self._silences = merged((*plan.stalls, *plan.disconnects))
        self._cuts = plan.disconnects
        edges = [(silence.from_ms, Edge.SILENCE) for silence in self._silences]
        edges += [(silence.until_ms, Edge.VOICE) for silence in self._silences]
        edges += [(cut.from_ms, Edge.CUT) for cut in self._cuts]
        edges += [(cut.until_ms, Edge.JOIN) for cut in self._cuts]
        self._edges = deque(sorted(edges))

    @property
    def is_open(self) -> bool:
        return self._listener is not None

    @property
    def next_edge_ms(self) -> int | None:
        """When a window begins or ends next; None: never, or nobody cares any more."""
        return self._edges[0][0] if self._edges and not self.has_ended else None

    def take_edge(self) -> tuple[int, Edge]:
        """What begins or ends next, and when; the caller does what it means."""
        return self._edges.popleft()

    def open(self, listener: ExchangeListener) -> int:
        """Tell this listener from now on; the number of this opening."""
        self._listener = listener
        self._untold.clear()
        self._openings += 1
        return self._openings

    def close(self, opening: int | None = None) -> bool:
        """Tell nobody any more; False if it was opened again since the opening with this number, and stays open."""
        is_newest = opening is None or opening == self._openings
        if is_newest:
            self._listener = None
            self.has_ended = False
        return is_newest

    def is_silent(self, at_ms: int) -> bool:
        """Whether what would be told at this time is lost."""
        return bool(self._silences) and outage_at(self._silences, at_ms) is not None

    def is_cut(self, at_ms: int) -> bool:
        """Whether there is no connection at this time."""
        return outage_at(self._cuts, at_ms) is not None

    def pass_unseen(self, symbol: str, tick: Tick) -> None:
        """The market passed quiet rows, and this was the newest of them."""
        if not self.is_silent(tick.at_ms):
            self._untold[symbol] = tick

    def tell_untold(self, symbol: str) -> None:
        """Tell the newest price if it went by unseen."""
        tick = self._untold.pop(symbol, None)
        if tick is not None and self._listener is not None:
            self._listener.on_price(symbol, tick.price, tick.at_ms)

    def tell_price(self, symbol: str, price: Decimal, at_ms: int, *, told_ms: int) -> None:
        """The newest price of a market, which traded at ``at_ms``."""
        self._untold.pop(symbol, None)
        if self._listener is not None and not self.is_silent(told_ms):
            self._listener.on_price(symbol, price, at_ms)

    def tell_report(self, report: OrderReport, told_ms: int) -> None:
        """A report arrives."""
        if self._listener is not None and not self.is_silent(told_ms):
            self._listener.on_report(report)

    def tell_funding(self, payment: FundingPayment, told_ms: int) -> None:
        """News of funding arrives."""
        if self._listener is not None and not self.is_silent(told_ms):
            self._listener.on_funding(payment)

    def tell_liquidation(self, liquidation: Liquidation, told_ms: int) -> None:
        """News of a lost position arrives."""
        if self._listener is not None and not self.is_silent(told_ms):
            self._listener.on_liquidation(liquidation)

    def tell_candle(self, symbol: str, interval_ms: int, candle: Candle, *, is_closed: bool, told_ms: int) -> None:
        """News of a watched candle arrives."""
        if self._listener is not None and not self.is_silent(told_ms):
            self._listener.on_candle(symbol, interval_ms, candle, is_closed)

    def tell_connection(self, connection: Connection) -> None:
        """The listener sees this for itself, silence or not."""
        if self._listener is not None:
            self._listener.on_connection(connection)

    def end(self) -> None:
        """No price will come any more."""
        self.has_ended = True
        self.tell_connection(Connection.ENDED)

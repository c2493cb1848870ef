"""The machine of the paper exchange: the simulated exchange on live rows, whose time stands still without them.

While the market cannot be heard nothing happens here, not even funding: what comes next would be decided
at a price that is no longer true. When it can be heard again the rows of the gap are passed first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.exchange.paper_source import LiveSource
from engine.exchange.port import ExchangeListener
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import Books
from engine.model.market import Market
from engine.model.snapshot import Connection

_LOOK_AGAIN_MS = 60_000
"""Rows come from outside, so there is always something to wait for."""


class PaperClock:
    """The machine's time: that of the engine's clock, but it never falls, and it can stand still.

    Invariant: what ``now_ms`` says never falls, whatever the clock of the computer is set to.
    """

    def __init__(self, now_ms: Callable[[], int], *, start_ms: int) -> None:
        """It stands still at ``start_ms`` at first."""
        self._now_ms = now_ms
        self._newest_ms = start_ms
        self._ahead_ms = 0
        self.is_still = True

    def now_ms(self) -> int:
        """The time."""
        if not self.is_still:
            now = self._now_ms()
            self._ahead_ms = max(self._ahead_ms, self._newest_ms - now)
            self._newest_ms = now + self._ahead_ms
        return self._newest_ms

    def stop(self, at_ms: int) -> None:
        """Stand still at a time that is not over."""
        self._newest_ms = max(self.now_ms(), at_ms)
        self.is_still = True

    def go_on(self) -> None:
        """Be the time of now again."""
        self.is_still = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One price on its way into the machine, a multiple of the tick; ``at_ms`` is when it happens there."""

    symbol: str
    price: Decimal
    traded_ms: int
    at_ms: int


class PaperMachine(SimulatedExchange):
    """One account on live markets.

    Invariant: while its time stands still nobody listens and nothing is on its way.
    """

    def __init__(
        self,
        *,
        markets: Mapping[str, Market],
        sources: Mapping[str, LiveSource],
        balances: Mapping[str, Decimal],
        clock: PaperClock,
        options: SimulatedOptions,
        books: Books,
    ) -> None:
        """Open the machine as its books left it, or new.

        Raises:
            SettingsInvalid: books that cannot be gone on with.
        """
        super().__init__(
            markets=markets, sources=sources, balances=balances, now_ms=clock.now_ms, options=options, books=books
        )
        self._clock = clock
        self._sources = dict(sources)

    @property
    def is_live(self) -> bool:
        """Whether the market is heard, and its time goes on."""
        return not self._clock.is_still

    def time_ms(self) -> int:
        """The machine's time, which stands still while the market is not heard."""
        return self._now_ms()

    def hear(self, heard: Heard) -> None:
        """The market trades."""
        self._offer(heard)
        self._now_settled()
        # Whatever is quiet now is passed now, so that nothing piles up.
        self._catch_up(heard.symbol, self._now_ms())

    def hear_late(self, symbol: str, rows: Sequence[tuple[int, Decimal]]) -> None:
        """The market traded before its newest price too, as is known only now: when, and at which price.

        What rested then fills; the newest price stays what it was.
        """
        newest, source, now = self._venue.newest(symbol), self._sources[symbol], self._now_ms()
        for traded_ms, price in rows:
            self._offer(Heard(symbol=symbol, price=price, traded_ms=traded_ms, at_ms=min(traded_ms, now)))
        if newest is not None and source.traded_ms is not None and source.traded_ms >= rows[-1][0]:
            self._offer(Heard(symbol=symbol, price=newest[0], traded_ms=source.traded_ms, at_ms=now))
        self._now_settled()
        self._catch_up(symbol, now)

    def go_on(self, missed: Iterable[Heard], listener: ExchangeListener) -> None:
        """Let what was missed happen, in the order of time, and tell from now on.

        What was missed is not told: who listens asks, as after any break.
        """
        for heard in missed:
            self._offer(heard)
        self._has_run = True
        self._clock.go_on()
        now = self._now_settled()
        self._stream.open(listener)
        self._join(now, rows_until_ms=now)

    def stand_still(self) -> None:
        """The market cannot be heard any more: what is on its way arrives, then nothing happens."""
        self._stop()
        self._stream.tell_connection(Connection.DISCONNECTED)
        self._stream.close()

    def hush(self) -> None:
        """Nobody listens any more, and nothing happens until somebody does; what is on its way arrives unheard."""
        self._stream.close()
        self._stop()

    def forget_bands(self) -> None:
        """Nobody has said what is quiet."""
        for feed in self._venue.feeds.values():
            feed.forget_bands()

    async def move_on(self) -> None:
        """Let things happen when they are due, until cancelled."""
        await self._pacer.move(lambda: False)

    def _stop(self) -> None:
        """Who waits for an answer gets it now: no request may be executed after the break that it was sent before."""
        self._now_settled()
        last_ms = 0
        while self._timeline.next_ms is not None:
            last_ms = max(last_ms, self._timeline.next_ms)
            self._timeline.deliver_next()
        self._clock.stop(last_ms)

    def _offer(self, heard: Heard) -> None:
        self._sources[heard.symbol].offer(heard.price, heard.traded_ms, at_ms=heard.at_ms)
        self._venue.feeds[heard.symbol].search_again()

    def _next_ms(self) -> int | None:
        later_ms = self._now_ms() + _LOOK_AGAIN_MS
        due_ms = None if self._clock.is_still else super()._next_ms()
        return later_ms if due_ms is None else min(due_ms, later_ms)

"""What the paper exchange hears of the real market, and what it makes of it.

A price becomes a row of the machine if it can be one. After a break, and at the start, the gap is
fetched first, while what is told meanwhile waits.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import anyio

from engine.exchange.paper_feed import PublicFeed
from engine.exchange.paper_gap import sane_rows, tell_gap
from engine.exchange.paper_machine import Heard, PaperMachine
from engine.exchange.paper_source import LiveSource, PriceFault
from engine.exchange.port import ExchangeListener
from engine.model.errors import JournalFailed, Rejected, SettingsInvalid, Transient
from engine.model.market import Market
from engine.model.order import OrderReport
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.model.text import clean_text

_WAITING_MAX = 10_000
"""So many prices can wait while a gap is being fetched; of more the oldest are let go."""
_SECOND_LOOK_SECONDS = 3.0
"""A stream begins some time after it was asked for: what it may have missed is fetched once it surely has begun."""
_WRONG = frozenset((PriceFault.ABSURD, PriceFault.FUTURE))


class Ear:
    """The feed's listener for one run of the paper exchange.

    Invariant: at most one task fetches a gap, and only while the machine's time stands still.
    """

    def __init__(
        self,
        *,
        feed: PublicFeed,
        machine: PaperMachine,
        markets: Mapping[str, Market],
        sources: Mapping[str, LiveSource],
        listener: ExchangeListener,
        now_ms: Callable[[], int],
        refused: Counter[PriceFault],
    ) -> None:
        self.is_ready = anyio.Event()
        """Set when the market was heard and caught up with for the first time."""
        self._feed = feed
        self._machine = machine
        self._markets = markets
        self._sources = sources
        self._listener = listener
        self._now_ms = now_ms
        self._refused = refused
        self._told_faults: set[tuple[str, PriceFault]] = set()
        self._waiting: deque[tuple[str, Decimal, int]] = deque(maxlen=_WAITING_MAX)
        self._work: anyio.Event = anyio.Event()
        self._catching_up: anyio.CancelScope | None = None
        self._is_connected = False
        self._is_told_of_break = False
        self._beginning: set[tuple[str, int, Decimal]] | None = None
        """What was heard since the stream began, until the second look."""
        self._failure: JournalFailed | None = None

    async def run(self) -> None:
        """Catch up whenever the feed is connected again, until cancelled.

        Raises:
            JournalFailed: the books cannot be written.
        """
        while True:
            await self._work.wait()
            self._work = anyio.Event()
            if self._failure is not None:
                raise self._failure
            if self._is_connected and not self._machine.is_live:
                with anyio.CancelScope() as self._catching_up:
                    await self._catch_up()
                    await self._look_again()
                self._catching_up, self._beginning = None, None

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """The real market traded."""
        if not self._machine.is_live:
            self._waiting.append((symbol, price, at_ms))
            return
        with self._ending_this_run():
            self._hear(symbol, price, at_ms)

    def on_connection(self, connection: Connection) -> None:
        """The feed came up or broke."""
        match connection:
            case Connection.CONNECTED:
                self._is_connected = True
                self._work.set()
            case Connection.DISCONNECTED | Connection.ENDED:
                self._is_connected = False
                with self._ending_this_run():
                    self._break_off()
            case Connection.CONNECTING:
                self._is_connected = False

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:  # noqa: FBT001
        """A candle of the real market; one that comes in a gap is not told, as the port has it."""
        if self._machine.is_live:
            self._listener.on_candle(symbol, interval_ms, candle, is_closed)

    def on_report(self, report: OrderReport) -> None:
        """A public feed has no orders; those of somebody's real account are none of ours."""

    def on_funding(self, payment: FundingPayment) -> None:
        """As reports: what the paper account pays its own machine says."""

    def on_liquidation(self, liquidation: Liquidation) -> None:
        """As reports."""

    def on_notice(self, text: str, level: EventLevel) -> None:
        """What the feed has to say."""
        self._listener.on_notice(text, level)

    @contextmanager
    def _ending_this_run(self) -> Iterator[None]:
        """The feed could take it for trouble of its own when books fail; it is this run that has to end."""
        try:
            yield
        except JournalFailed as error:
            self._failure = error
            self._work.set()

    def _break_off(self) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
        if self._machine.is_live:
            self._machine.stand_still()
        elif not self._is_told_of_break:
            self._listener.on_connection(Connection.DISCONNECTED)
        self._is_told_of_break = True

    async def _catch_up(self) -> None:
        """Fetch what was missed on every market, let it happen, and listen again."""
        missed: list[Heard] = []
        for symbol, source in self._sources.items():
            if source.traded_ms is None:
                continue
            told = await tell_gap(self._feed, self._markets[symbol], from_ms=source.traded_ms, now_ms=self._now_ms())
            now = self._now_ms()
            missed += [
                Heard(symbol=symbol, price=price, traded_ms=at_ms, at_ms=min(at_ms, now)) for at_ms, price in told.rows
            ]
            for notice in told.notices:
                self._warn(notice)
        if len(self._waiting) == _WAITING_MAX:
            self._warn(f"more than {_WAITING_MAX} prices came while a gap was being fetched; the oldest were let go")
        if not self._is_connected:
            return
        self._machine.go_on(missed, self._listener)
        self._is_told_of_break = False
        while self._waiting:
            symbol, price, traded_ms = self._waiting.popleft()
            if not self._is_known(symbol, traded_ms):
                self._hear(symbol, price, traded_ms)
        self.is_ready.set()

    async def _look_again(self) -> None:
        """Let happen what was traded after the gap was fetched and before the stream had begun."""
        marks = {symbol: source.traded_ms for symbol, source in self._sources.items() if source.traded_ms is not None}
        self._beginning = set()
        await anyio.sleep(_SECOND_LOOK_SECONDS)
        for symbol, mark_ms in marks.items():
            try:
                trades = await self._feed.fetch_public_trades(symbol, mark_ms)
            except (Transient, Rejected, SettingsInvalid):
                continue  # what could not be asked for before the stream began was said then
            rows = sane_rows(((at_ms, price) for at_ms, price, _ in trades), self._markets[symbol])
            late = [row for row in rows if row[0] > mark_ms and (symbol, *row) not in self._beginning]
            if late and self._is_connected:
                self._machine.hear_late(symbol, late)

    def _is_known(self, symbol: str, traded_ms: int) -> bool:
        """Whether the rows of the gap reach further than this."""
        source = self._sources.get(symbol)
        return source is None or (source.traded_ms is not None and traded_ms <= source.traded_ms)

    def _hear(self, symbol: str, price: Decimal, traded_ms: int) -> None:
        source = self._sources.get(symbol)
        if source is None:
            return
        now = self._machine.time_ms()
        judged = source.judge(price, traded_ms, now_ms=now)
        match judged:
            case PriceFault():
                self._refuse(symbol, price, judged)
            case Decimal():
                if self._beginning is not None:
                    self._beginning.add((symbol, traded_ms, judged))
                self._machine.hear(Heard(symbol=symbol, price=judged, traded_ms=traded_ms, at_ms=now))

    def _refuse(self, symbol: str, price: Decimal, fault: PriceFault) -> None:
        """Count it. Doubled and late news are everyday; of the others the first is told."""
        self._refused[fault] += 1
        if fault in _WRONG and (symbol, fault) not in self._told_faults:
            self._told_faults.add((symbol, fault))
            self._warn(f"{symbol}: the price {clean_text(str(price), 40)} was refused: {fault}")

    def _warn(self, text: str) -> None:
        self._listener.on_notice(text, EventLevel.WARNING)

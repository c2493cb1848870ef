"""The closed candles of one market and interval: history, then live, in order, each exactly once.

Promises: none is handed on twice or after a newer one, and none while the exchange may still have one that
comes before it. What is missing between history and stream, after a gap of the streams, or before a live
candle that does not follow the last is fetched first; what the exchange itself does not have stays missing,
and who takes the candles sees the gap. Trouble is told once and is never fatal. Memory is bounded by ``history``.

What the candles mean is left to the monitors; that they are late is theirs to notice too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto

import anyio

from engine.exchange.port import Exchange
from engine.model.errors import OutcomeUnknown, Rejected, SettingsInvalid, Transient
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.text import clean_text
from engine.runtime.clock import Clock
from engine.runtime.executor import REQUEST_LIFE_SECONDS

START_SECONDS = 20.0
"""So long the engine waits for history; then it starts without, and nothing opens until it is there."""
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 60.0
"""The wait after a failed request doubles from the one to the other."""
ASK_AGAIN_MAX = 3
ASK_AGAIN_SECONDS = 1.0
"""An answer that is behind what the stream has told is stale: the exchange is asked again, so often, so far apart."""
_SKEW_MS_MAX = 60_000
"""The exchange's clock may be ahead by this, and by half an interval at most."""
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))

Tell = Callable[[str, EventLevel], None]


class _Trouble(Enum):
    """What is told once: a candle's until the streams come again, a request's until one is answered."""

    UNALIGNED = auto()
    UNFINISHED = auto()
    UNREADABLE = auto()
    UNANSWERED = auto()
    REFUSED = auto()


_OF_CANDLES = frozenset((_Trouble.UNALIGNED, _Trouble.UNFINISHED))


def interval_text(interval_ms: int) -> str:
    """An interval in its largest whole unit: ``1m``, ``15m``, ``4h``, ``1d``."""
    return next(f"{interval_ms // unit_ms}{unit}" for unit_ms, unit in _UNITS if interval_ms % unit_ms == 0)


class CandleFeed:
    """Candles of one (symbol, interval), for one who ``take``s them in batches, oldest first.

    Invariants: what is handed on rises strictly in ``open_ms``; ``_waiting`` holds only candles newer than
    the last, at most ``history``, and nothing once the exchange has been asked for what comes before them.
    """

    def __init__(
        self,
        symbol: str,
        interval_ms: int,
        *,
        history: int,
        exchange: Exchange,
        clock: Clock,
        take: Callable[[Sequence[Candle]], None],
        tell: Tell,
    ) -> None:
        self.name = f"{clean_text(symbol, 60)} {interval_text(interval_ms)}"
        self.last: Candle | None = None
        """The newest closed candle that was handed on."""
        self.forming: Candle | None = None
        """The newest that is not finished, as it was last told."""
        self._symbol = symbol
        self._interval_ms = interval_ms
        self._history = history
        self._exchange = exchange
        self._clock = clock
        self._take = take
        self._tell = tell
        self._waiting: dict[int, Candle] = {}
        self._known_ms = -1
        """When the newest closed candle began that there must be, by what the stream has told."""
        self._settled_ms = -1
        """Up to here it has been asked for what is missing."""
        self._loaded = anyio.Event()
        self._wanted = anyio.Event()
        self._is_behind = True
        self._is_down = False
        self._is_to_confirm = True
        self._loaded_count: int | None = 0
        """None once the subscription was confirmed for the first time."""
        self._missed_count = 0
        self._first_live_ms: int | None = None
        self._told: set[_Trouble] = set()

    # What the exchange says

    def on_closed(self, candle: Candle) -> None:
        """A candle of the stream closed."""
        if not self._is_sound(candle, told_from_ms=self._end_of(candle)):
            return
        self._heard(candle)
        if self.last is None or candle.open_ms > self.last.open_ms:
            self._waiting.setdefault(candle.open_ms, candle)
            if len(self._waiting) > self._history:
                del self._waiting[min(self._waiting)]
            self._know(candle.open_ms)
        self._confirm()

    def on_forming(self, candle: Candle) -> None:
        """A candle of the stream is as it is so far; the one before it must have closed."""
        if not self._is_sound(candle, told_from_ms=candle.open_ms):
            return
        self._heard(candle)
        newest = max((each.open_ms for each in (self.last, self.forming) if each is not None), default=-1)
        if candle.open_ms >= newest and not (self.last is not None and candle.open_ms == self.last.open_ms):
            self.forming = candle
            self._know(candle.open_ms - self._interval_ms)
        self._confirm()

    def on_connection(self, connection: Connection) -> None:
        """The streams came up, broke, or ended for good."""
        match connection:
            case Connection.DISCONNECTED:
                self._is_down = True
            case Connection.CONNECTED if self._is_down:
                self._is_down = False
                self._is_to_confirm, self._first_live_ms = True, None
                self._told -= _OF_CANDLES
                self._want()
            case Connection.CONNECTED | Connection.CONNECTING | Connection.ENDED:
                return

    # Life

    async def wait_loaded(self) -> None:
        """Wait until history has been handed on, or the exchange has said that there is none."""
        await self._loaded.wait()

    async def run(self) -> None:
        """Subscribe, load history, and fetch what is missing whenever something is, until cancelled."""
        try:
            # Before history is asked for: what closes meanwhile is kept, so there is no gap between the two.
            self._exchange.watch_candles(self._symbol, self._interval_ms)
        except (SettingsInvalid, Rejected) as error:
            self._trouble(_Trouble.REFUSED, f"the exchange does not stream candles of {self.name}: {_said(error)}")
            self._settle({})
            return
        self._want()
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            await self._catch_up()

    async def _catch_up(self) -> None:
        found: dict[int, Candle] = {}
        for attempt in range(1 + ASK_AGAIN_MAX):
            if attempt:
                await anyio.sleep(ASK_AGAIN_SECONDS)
            answer = await self._fetch()
            if answer is None:
                break
            sound = [each for each in answer if self._is_sound(each, told_from_ms=self._end_of(each))]
            found |= {candle.open_ms: candle for candle in sound}
            if not self._is_missing(found) or max((each.open_ms for each in sound), default=-1) >= self._known_ms:
                break
        self._settle(found)

    async def _fetch(self) -> Sequence[Candle] | None:
        """What the exchange answers, however long it takes; None: it says that it has none to give."""
        delay = RETRY_SECONDS
        while True:
            try:
                with anyio.fail_after(REQUEST_LIFE_SECONDS):
                    answer = await self._exchange.fetch_candles(self._symbol, self._interval_ms, self._limit())
            except (SettingsInvalid, Rejected) as error:
                self._trouble(_Trouble.REFUSED, f"the exchange has no candles of {self.name}: {_said(error)}")
                return None
            except (Transient, OutcomeUnknown) as error:
                self._trouble(_Trouble.UNANSWERED, f"candles of {self.name} cannot be loaded yet: {_said(error)}")
                wait = max(delay, error.retry_after_seconds) if isinstance(error, Transient) else delay
            except TimeoutError:
                text = f"candles of {self.name} cannot be loaded yet: no answer in {REQUEST_LIFE_SECONDS:g} seconds"
                self._trouble(_Trouble.UNANSWERED, text)
                wait = delay
            except ValueError as error:
                self._trouble(_Trouble.UNREADABLE, f"candles of {self.name} cannot be read: {_said(error)}")
                wait = delay
            else:
                self._told &= _OF_CANDLES
                return answer[-self._history :]
            await anyio.sleep(wait)
            delay = min(2 * delay, RETRY_SECONDS_MAX)

    # Steps

    def _know(self, closed_ms: int) -> None:
        """A candle that began then has closed: hand on what follows the last, fetch what is missing before it."""
        is_news = closed_ms > self._known_ms
        self._known_ms = max(self._known_ms, closed_ms)
        if not self._loaded.is_set():
            return
        batch = []
        due_ms = min(self._waiting, default=0) if self.last is None else self.last.open_ms + self._interval_ms
        while (candle := self._waiting.pop(due_ms, None)) is not None:
            batch.append(candle)
            due_ms += self._interval_ms
        self._hand_on(batch)
        if self.last is None or (self._is_behind and not is_news):
            return
        if self._waiting or max(self.last.open_ms, self._settled_ms) < self._known_ms:
            self._want()

    def _settle(self, found: Mapping[int, Candle]) -> None:
        """The exchange was asked: hand on all there is, whatever is still missing."""
        last_ms = -1 if self.last is None else self.last.open_ms
        newer = {open_ms: each for open_ms, each in {**found, **self._waiting}.items() if open_ms > last_ms}
        fetched = len(newer.keys() - self._waiting.keys()) if self._loaded.is_set() else len(found)
        if self._loaded_count is None:
            self._missed_count += fetched
        else:
            self._loaded_count += fetched
        self._waiting.clear()
        self._settled_ms = self._known_ms
        self._is_behind = False
        self._is_to_confirm = self._is_to_confirm or self._missed_count > 0
        self._loaded.set()
        self._confirm()
        self._hand_on([newer[open_ms] for open_ms in sorted(newer)])

    def _hand_on(self, batch: Sequence[Candle]) -> None:
        if not batch:
            return
        self.last = batch[-1]
        if self.forming is not None and self.forming.open_ms <= self.last.open_ms:
            self.forming = None
        self._take(batch)

    def _want(self) -> None:
        self._is_behind = True
        self._wanted.set()

    def _heard(self, candle: Candle) -> None:
        if self._first_live_ms is None:
            self._first_live_ms = candle.open_ms

    def _confirm(self) -> None:
        """Tell that the stream works, once candles have been loaded and one has come by the stream."""
        if not self._is_to_confirm or self._is_behind or self._first_live_ms is None:
            return
        self._is_to_confirm = False
        if self._loaded_count is not None:
            # Whole seconds: a candle begins on a whole minute.
            first = datetime.fromtimestamp(self._first_live_ms // 1000, UTC)
            loaded = f"{_candles(self._loaded_count)} loaded, first live candle {first:%H:%M}"
            self._tell(f"kline subscription confirmed: {self.name}, {loaded}", EventLevel.INFO)
        else:
            missed = (
                f"{_candles(self._missed_count)} fetched that {'was' if self._missed_count == 1 else 'were'} missed"
            )
            self._tell(f"kline stream of {self.name} goes on, {missed}", EventLevel.INFO)
        self._loaded_count, self._missed_count = None, 0

    # Questions

    def _limit(self) -> int:
        """How many candles to ask for: history, or what may be missing since the last and one more."""
        if self.last is None:
            return self._history
        newest_ms = max(self._clock.now_ms() - self._interval_ms, self._known_ms)
        return max(1, min(self._history, (newest_ms - self.last.open_ms) // self._interval_ms + 1))

    def _is_missing(self, found: Mapping[int, Candle]) -> bool:
        """Whether a candle is missing between the last that was handed on and the newest that there must be."""
        have: Collection[int] = found.keys() | self._waiting.keys()
        first_ms = min(have, default=None) if self.last is None else self.last.open_ms + self._interval_ms
        if first_ms is None:
            return False
        needed = (self._known_ms - first_ms) // self._interval_ms + 1
        return sum(first_ms <= open_ms <= self._known_ms for open_ms in have) < needed

    def _end_of(self, candle: Candle) -> int:
        return candle.open_ms + self._interval_ms

    def _is_sound(self, candle: Candle, *, told_from_ms: int) -> bool:
        """Whether it can be a candle of this interval that nobody can tell before ``told_from_ms``."""
        if candle.open_ms % self._interval_ms:
            off = f"one begins {candle.open_ms % self._interval_ms} ms off the interval"
            self._trouble(_Trouble.UNALIGNED, f"candles of {self.name} are left out: {off}")
            return False
        early_ms = told_from_ms - self._clock.now_ms()
        if early_ms > min(_SKEW_MS_MAX, self._interval_ms // 2):
            # A candle of the future would make every true one look old, and an unfinished one is no closed one.
            ahead = f"one comes {early_ms // 1000} seconds before its time"
            self._trouble(_Trouble.UNFINISHED, f"candles of {self.name} are left out: {ahead}")
            return False
        return True

    def _trouble(self, trouble: _Trouble, text: str) -> None:
        if trouble not in self._told:
            self._told.add(trouble)
            self._tell(text, EventLevel.WARNING)


def _candles(count: int) -> str:
    return f"{count} candle" if count == 1 else f"{count} candles"


def _said(error: Exception) -> str:
    return clean_text(str(error))

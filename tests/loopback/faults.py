"""The switches of everything a live exchange has ever done wrong, consulted for each request and each message.

All are off at first. A fault is forced for the next requests of a kind (``script``), happens by chance
(``chances``, or ``storm``), or lasts until a time (``silent_until_ms`` and its like). Each that strikes is
counted. The dice are seeded, so that one order of requests gives one order of faults.
"""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Collection
from enum import StrEnum

HOSTILE_TEXTS = (
    "\x1b]52;c;aGVsbG8=\x07 \x1b[2J\x1b[31m cleared",
    "[red]markup[/red] [/] [@click=app.quit]leave[/]",
    "\u202egnihtemos\u202c \u2066isolate\u2069 \u200b\ufeff",
    "\u009b31m C1 \u0085 next \u2028 line\nTIME INFO forged line\r\n",
    "%s %d {0} {request.__class__} ${HOME} `id`",
)
"""Terminal escapes, markup, bidirectional controls, forged lines, format strings."""


class RequestName(StrEnum):
    """The kinds of requests, alike on every protocol."""

    TIME = "time"
    MARKETS = "markets"
    CURRENCIES = "currencies"
    TICKER = "ticker"
    PUBLIC_TRADES = "public_trades"
    CANDLES = "candles"
    BOOK = "book"
    FEES = "fees"
    PERMISSIONS = "permissions"
    BALANCES = "balances"
    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    ORDERS = "orders"
    MY_TRADES = "my_trades"
    POSITIONS = "positions"
    FUNDING = "funding"
    LEVERAGE = "leverage"
    DEAD_MAN = "dead_man"
    OTHER = "other"


class Fault(StrEnum):
    """Everything that may go wrong, each with what really happened to the request or the message."""

    # Requests. At most one of these strikes a request.
    LOST_REQUEST = "lost_request"
    """Connection closed; nothing was executed."""
    LOST_ANSWER = "lost_answer"
    """Executed; connection closed without a reply."""
    LATE_ANSWER = "late_answer"
    """Executed at once; answered after ``late_seconds``."""
    LATE_REQUEST = "late_request"
    """Connection closed; executed after ``late_seconds`` if its time window still allows it."""
    TORN_JSON = "torn_json"
    """Executed; a complete reply that holds half of the JSON."""
    CUT_BODY = "cut_body"
    """Executed; the connection ends in the middle of the body."""
    ERROR_BEFORE = "error_before"
    """A 5xx; nothing was executed."""
    ERROR_AFTER = "error_after"
    """A 5xx; executed."""
    MAINTENANCE = "maintenance"
    """The protocol's words for maintenance; nothing was executed."""
    RATE_LIMIT = "rate_limit"
    """429 with Retry-After ``retry_after_seconds``; nothing was executed."""
    BAN = "ban"
    """418, and every request until ``ban_seconds`` later is answered so."""
    STALE_TIMESTAMP = "stale_timestamp"
    """Refused as outside its time window; nothing was executed."""
    CANCEL_NOT_FOUND = "cancel_not_found"
    """Cancelled; answered that there is no such order. Strikes cancels alone."""
    FILL_BEFORE_ACK = "fill_before_ack"
    """The order is placed and fills, its reports go out, then the acknowledgement. Strikes places alone.

    It does not fill where better orders of its side stand in the way; the acknowledgement is late all the same.
    """
    MISSING_IDS = "missing_ids"
    """Executed; order ids and client order ids are missing in the answer."""
    HOSTILE_TEXT = "hostile_text"
    """Executed; unknown fields and reasons hold ``HOSTILE_TEXTS``."""
    # Lists and lookups that lag behind.
    STALE_LIST = "stale_list"
    """Orders are told as they were ``lag_ms`` ago."""
    HIDDEN_ORDERS = "hidden_orders"
    """Orders younger than ``hide_ms`` are in no list and not found."""
    EMPTY_BALANCES = "empty_balances"
    """An account without any balance."""
    # Private reports on a stream.
    DROP_REPORT = "drop_report"
    """Never sent."""
    DOUBLE_REPORT = "double_report"
    """Sent twice."""
    SWAP_REPORT = "swap_report"
    """Sent after the next one of its kind, or ``delay_seconds`` later if none comes."""
    DELAY_REPORT = "delay_report"
    """Sent ``delay_seconds`` later."""


LIST_FAULTS = (Fault.STALE_LIST, Fault.HIDDEN_ORDERS, Fault.EMPTY_BALANCES)
REPORT_FAULTS = (Fault.DROP_REPORT, Fault.DOUBLE_REPORT, Fault.SWAP_REPORT, Fault.DELAY_REPORT)
REQUEST_FAULTS = tuple(each for each in Fault if each not in (*LIST_FAULTS, *REPORT_FAULTS))
ONLY_FOR: dict[Fault, Collection[RequestName]] = {
    Fault.CANCEL_NOT_FOUND: (RequestName.CANCEL,),
    Fault.FILL_BEFORE_ACK: (RequestName.PLACE,),
    Fault.STALE_LIST: (RequestName.OPEN_ORDERS, RequestName.ORDERS, RequestName.ORDER),
    Fault.HIDDEN_ORDERS: (RequestName.OPEN_ORDERS, RequestName.ORDERS, RequestName.ORDER, RequestName.MY_TRADES),
    Fault.EMPTY_BALANCES: (RequestName.BALANCES,),
}
"""Faults that make sense for some requests alone; all others strike any."""
STORM: dict[Fault, float] = {
    Fault.LOST_REQUEST: 0.02,
    Fault.LOST_ANSWER: 0.03,
    Fault.LATE_ANSWER: 0.01,
    Fault.LATE_REQUEST: 0.01,
    Fault.TORN_JSON: 0.01,
    Fault.CUT_BODY: 0.01,
    Fault.ERROR_BEFORE: 0.01,
    Fault.ERROR_AFTER: 0.02,
    Fault.MAINTENANCE: 0.002,
    Fault.RATE_LIMIT: 0.01,
    Fault.BAN: 0.001,
    Fault.STALE_TIMESTAMP: 0.01,
    Fault.CANCEL_NOT_FOUND: 0.05,
    Fault.FILL_BEFORE_ACK: 0.02,
    Fault.MISSING_IDS: 0.01,
    Fault.HOSTILE_TEXT: 0.02,
    Fault.STALE_LIST: 0.05,
    Fault.HIDDEN_ORDERS: 0.05,
    Fault.EMPTY_BALANCES: 0.02,
    Fault.DROP_REPORT: 0.05,
    Fault.DOUBLE_REPORT: 0.05,
    Fault.SWAP_REPORT: 0.05,
    Fault.DELAY_REPORT: 0.05,
}
"""How often each strikes in a storm of level 1."""


class Faults:
    """The switches of one server. Plain attributes may be changed at any time.

    Invariant: a fault that is neither scripted nor given a chance never strikes.
    """

    def __init__(self, seed: int = 0) -> None:
        """All off."""
        self.chances: dict[Fault, float] = {}
        self.counts: Counter[str] = Counter()
        self.late_seconds = 0.5
        self.delay_seconds = 0.2
        self.retry_after_seconds = 1
        self.ban_seconds = 2
        self.lag_ms = 2_000
        self.hide_ms = 2_000
        self.skew_ms = 0
        """How far the exchange's clock is ahead of ours."""
        self.banned_until_ms = 0
        self.silent_until_ms = 0
        """Streams send no data until then; pings are answered."""
        self.refuse_until_ms = 0
        """New stream connections are refused until then."""
        self.maintenance_until_ms = 0
        self._scripts: dict[str, deque[Fault]] = defaultdict(deque)
        self._dice = random.Random(seed)

    # --- switching -------------------------------------------------------------------------------------

    def script(self, name: str, fault: Fault, times: int = 1) -> None:
        """Force a fault on the next ``times`` requests of a kind, or ``"report"`` for private reports."""
        key = str(name)
        if key != "report" and key not in set(RequestName):
            raise ValueError(f"expected a request name or 'report', found {key!r}")
        self._scripts[key].extend([fault] * times)

    def set_chance(self, fault: Fault, chance: float) -> None:
        """Strike with this probability, 0 to 1, from now on."""
        self.chances[fault] = chance

    def storm(self, level: float = 1.0) -> None:
        """A mixture of all faults; level 1 strikes about one request in five."""
        self.chances = {fault: min(1.0, chance * level) for fault, chance in STORM.items()}

    def calm(self) -> None:
        """Everything off, also what was scripted or would last; the counts stay."""
        self.chances.clear()
        self._scripts.clear()
        self.skew_ms = 0
        self.banned_until_ms = self.silent_until_ms = self.refuse_until_ms = self.maintenance_until_ms = 0

    # --- asking ----------------------------------------------------------------------------------------

    def for_request(self, name: RequestName) -> Fault | None:
        """What strikes this request on its way, counted."""
        return self._struck(name, REQUEST_FAULTS, name)

    def for_list(self, name: RequestName) -> Fault | None:
        """What is wrong with the list or lookup that this request asks for, counted."""
        return self._struck(name, LIST_FAULTS, name)

    def for_report(self) -> Fault | None:
        """What becomes of this private report, counted."""
        return self._struck("report", REPORT_FAULTS, None)

    def count(self, name: str) -> None:
        """Something lasting struck: silence, a refused connection, a ban."""
        self.counts[name] += 1

    def hostile(self) -> str:
        """One hostile text."""
        return self._dice.choice(HOSTILE_TEXTS)

    def roll(self) -> float:
        """The seeded dice, 0 to below 1."""
        return self._dice.random()

    def _struck(self, key: str, kinds: Collection[Fault], name: RequestName | None) -> Fault | None:
        scripted = self._scripts.get(key)
        if scripted and scripted[0] in kinds:
            return self._counted(scripted.popleft())
        at, edge = self._dice.random(), 0.0
        for fault in kinds:
            if fault in ONLY_FOR and name not in ONLY_FOR[fault]:
                continue
            edge += self.chances.get(fault, 0.0)
            if at < edge:
                return self._counted(fault)
        return None

    def _counted(self, fault: Fault) -> Fault:
        self.counts[fault] += 1
        return fault

"""What goes wrong between the engine and the simulated exchange: a seeded plan.

The plan is a pure function of its seed and of what is asked (who, what, when), never of how
often it was asked; so the same run meets the same faults, whether quiet prices are skipped or not.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.exchange.dice import faces_from_chance, throw
from engine.exchange.outages import Outage, merged, outage_at
from engine.model.money import ZERO
from engine.model.order import OrderReport

LATE_MS_BOUND = 30_000
"""No request arrives so late after it was sent: an exchange's receive window is shorter."""


class RequestFate(StrEnum):
    """What becomes of one request."""

    ANSWERED = "answered"
    REQUEST_LOST = "request_lost"
    """It never arrives; nothing is executed."""
    ANSWER_LOST = "answer_lost"
    """It is executed, but the answer never comes back."""
    REQUEST_LATE = "request_late"
    """It arrives, and is executed, after its sender has given up."""
    ANSWER_TORN = "answer_torn"
    """It is executed, and the answer comes in time, but cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Chances are fractions; the default plan has no faults.

    ``timeout_ms`` is how long a caller waits for an answer that never comes; a late request
    arrives after that, up to ``late_ms_max`` after it was sent. Late reports come up to
    ``delay_ms_max`` after their time, so they may overtake each other. A stale answer shows the
    account as it was ``stale_ms`` before. A hidden fill is made just before its order is cancelled and
    comes out, in stream and answers alike, up to ``hidden_ms_max`` after. ``clock_skew_ms`` is added to every
    time that the exchange says of an order or a fill; prices keep the market's own time.

    Requests that arrive during one of ``bans`` are refused. What the streams would tell during one
    of ``stalls`` is lost without a sign; during one of ``disconnects`` too, but with a sign.
    Invariant: the windows of a kind are in the order of time, apart from each other.
    """

    seed: int = 0
    request_lost_chance: Decimal = ZERO
    answer_lost_chance: Decimal = ZERO
    request_late_chance: Decimal = ZERO
    answer_torn_chance: Decimal = ZERO
    stale_answer_chance: Decimal = ZERO
    report_dropped_chance: Decimal = ZERO
    report_doubled_chance: Decimal = ZERO
    report_delayed_chance: Decimal = ZERO
    delay_ms_max: int = 3_000
    timeout_ms: int = 5_000
    late_ms_max: int = 20_000
    stale_ms: int = 2_000
    clock_skew_ms: int = 0
    hidden_fill_chance: Decimal = ZERO
    hidden_ms_max: int = 20_000
    bans: tuple[Outage, ...] = ()
    stalls: tuple[Outage, ...] = ()
    disconnects: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        faces_from_chance(sum((chance for _, chance in self._chances_of_fates()), ZERO))
        faces_from_chance(self.report_dropped_chance + self.report_doubled_chance + self.report_delayed_chance)
        faces_from_chance(self.stale_answer_chance)
        faces_from_chance(self.hidden_fill_chance)
        if self.delay_ms_max < 1 or self.timeout_ms < 0 or self.stale_ms < 1:
            raise ValueError(
                "delay_ms_max and stale_ms must be at least 1 and timeout_ms at least 0, "
                f"was {self.delay_ms_max}, {self.stale_ms} and {self.timeout_ms}"
            )
        if self.hidden_ms_max < 1:
            raise ValueError(f"hidden_ms_max must be at least 1, was {self.hidden_ms_max}")
        if not self.timeout_ms < self.late_ms_max < LATE_MS_BOUND:
            raise ValueError(
                f"late_ms_max must be above timeout_ms {self.timeout_ms} and below {LATE_MS_BOUND}, "
                f"was {self.late_ms_max}"
            )
        for name, outages in (("bans", self.bans), ("stalls", self.stalls), ("disconnects", self.disconnects)):
            object.__setattr__(self, name, merged(outages))

    def fate_of(self, request: str, sent_ms: int) -> RequestFate:
        """What becomes of ``request`` (its kind and what it is about), sent at this time."""
        bound = ZERO
        thrown: int | None = None
        for fate, chance in self._chances_of_fates():
            if chance:
                bound += chance
                thrown = throw(self.seed, "request", request, sent_ms) if thrown is None else thrown
                if thrown < faces_from_chance(bound):
                    return fate
        return RequestFate.ANSWERED

    def lateness_ms_of(self, request: str, sent_ms: int) -> int:
        """How long after it was sent a late request arrives: its sender has given up by then."""
        since_given_up = 1 + throw(self.seed, "late", request, sent_ms) % (self.late_ms_max - self.timeout_ms)
        return self.timeout_ms + since_given_up

    def staleness_ms_of(self, question: str, at_ms: int) -> int:
        """How old the answer to a question is that arrives at this time; 0: it shows what is."""
        chance = self.stale_answer_chance
        if not chance or throw(self.seed, "stale", question, at_ms) >= faces_from_chance(chance):
            return 0
        return self.stale_ms

    def hidden_ms_of(self, client_order_id: str, at_ms: int) -> int:
        """How long the execution stays hidden that an order meets as it is cancelled; 0: it meets none."""
        chance = self.hidden_fill_chance
        if not chance or throw(self.seed, "hidden", client_order_id, at_ms) >= faces_from_chance(chance):
            return 0
        return 1 + throw(self.seed, "hidden for", client_order_id, at_ms) % self.hidden_ms_max

    def hidden_lots_of(self, client_order_id: str, lots: int) -> int:
        """How many of so many lots are executed then: at least one."""
        return 1 + throw(self.seed, "hidden lots", client_order_id) % lots

    def ban_at(self, at_ms: int) -> Outage | None:
        """The ban that a request arriving at this time meets."""
        return outage_at(self.bans, at_ms) if self.bans else None

    def delays_ms_of(self, report: OrderReport) -> tuple[int, ...]:
        """How late each copy of a stream report comes: ``(0,)`` in time and once, ``()`` never."""
        dropped = self.report_dropped_chance
        doubled = dropped + self.report_doubled_chance
        delayed = doubled + self.report_delayed_chance
        if not delayed:
            return (0,)
        words = (report.client_order_id, report.status, report.filled, report.at_ms)
        thrown = throw(self.seed, "report", *words)
        delay = 1 + throw(self.seed, "delay", *words) % self.delay_ms_max
        if thrown < faces_from_chance(dropped):
            return ()
        if thrown < faces_from_chance(doubled):
            return 0, delay
        if thrown < faces_from_chance(delayed):
            return (delay,)
        return (0,)

    def _chances_of_fates(self) -> tuple[tuple[RequestFate, Decimal], ...]:
        return (
            (RequestFate.REQUEST_LOST, self.request_lost_chance),
            (RequestFate.ANSWER_LOST, self.answer_lost_chance),
            (RequestFate.REQUEST_LATE, self.request_late_chance),
            (RequestFate.ANSWER_TORN, self.answer_torn_chance),
        )


NO_FAULTS = FaultPlan()

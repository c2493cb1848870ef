"""What goes wrong between the engine and the simulated exchange: a seeded plan.

The plan is a pure function of its seed and of what is asked (who, what, when), never of how
often it was asked; so the same run meets the same faults, whether quiet prices are skipped or not.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.exchange.dice import faces_from_chance, throw
from engine.model.money import ZERO
from engine.model.order import OrderReport


class RequestFate(StrEnum):
    """What becomes of one request."""

    ANSWERED = "answered"
    REQUEST_LOST = "request_lost"
    """It never arrives; nothing is executed."""
    ANSWER_LOST = "answer_lost"
    """It is executed, but the answer never comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Chances are fractions; the default plan has no faults.

    ``timeout_ms`` is how long a caller waits for an answer that never comes; late reports
    come up to ``delay_ms_max`` after their time, so they may overtake each other.
    """

    seed: int = 0
    request_lost_chance: Decimal = ZERO
    answer_lost_chance: Decimal = ZERO
    report_dropped_chance: Decimal = ZERO
    report_doubled_chance: Decimal = ZERO
    report_delayed_chance: Decimal = ZERO
    delay_ms_max: int = 3_000
    timeout_ms: int = 5_000

    def __post_init__(self) -> None:
        faces_from_chance(self.request_lost_chance + self.answer_lost_chance)
        faces_from_chance(self.report_dropped_chance + self.report_doubled_chance + self.report_delayed_chance)
        if self.delay_ms_max < 1 or self.timeout_ms < 0:
            raise ValueError(
                "delay_ms_max must be at least 1 and timeout_ms at least 0, "
                f"was {self.delay_ms_max} and {self.timeout_ms}"
            )

    def fate_of(self, request: str, sent_ms: int) -> RequestFate:
        """What becomes of ``request`` (its kind and what it is about), sent at this time."""
        lost = self.request_lost_chance
        either = lost + self.answer_lost_chance
        if not either:
            return RequestFate.ANSWERED
        thrown = throw(self.seed, "request", request, sent_ms)
        if thrown < faces_from_chance(lost):
            return RequestFate.REQUEST_LOST
        if thrown < faces_from_chance(either):
            return RequestFate.ANSWER_LOST
        return RequestFate.ANSWERED

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


NO_FAULTS = FaultPlan()

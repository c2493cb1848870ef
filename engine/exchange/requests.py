"""The way of a request to the simulated exchange and of its answer back.

A request is executed when it arrives, even if its sender has given up meanwhile, unless it meets
a ban; what came of it comes back as the answer. The fault plan loses, delays or tears the one or
the other.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from engine.exchange.faults import FaultPlan, RequestFate
from engine.exchange.pacing import Pacer, Waiting
from engine.exchange.timeline import Arrival, Timeline
from engine.model.errors import GridwrightError, InvariantBroken, RetryScope, Transient

T = TypeVar("T")


class _Execution(Generic[T]):
    """What is done when a request arrives, and what came of it."""

    __slots__ = ("_error", "_execute", "_results")

    def __init__(self, execute: Callable[[int], T]) -> None:
        self._execute = execute
        self._results: list[T] = []
        self._error: GridwrightError | None = None

    def run(self, at_ms: int) -> None:
        """The request has arrived."""
        try:
            self._results.append(self._execute(at_ms))
        except GridwrightError as error:
            self._error = error

    def result(self) -> T:
        """What the answer says. Raises what the execution raised."""
        if self._error is not None:
            raise self._error
        if not self._results:
            raise InvariantBroken("expected a request to arrive before its answer")
        return self._results[0]


class Requests:
    """Sends requests along the timeline and waits for their answers."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        pacer: Pacer,
        latency_ms: int,
        faults: FaultPlan,
        now_ms: Callable[[], int],
    ) -> None:
        self._timeline = timeline
        self._pacer = pacer
        self._latency_ms = latency_ms
        self._faults = faults
        self._now_ms = now_ms

    async def send(self, name: str, execute: Callable[[int], T], *, unanswered: type[GridwrightError]) -> T:
        """There, ``execute(at_ms)``, and back with what it returned or raised.

        Raises:
            GridwrightError: ``unanswered`` when no answer came within the time of the fault plan, or none to be read.
            Transient: it met a ban, and was not executed.
        """
        sent_ms = self._now_ms()
        arrives_ms = sent_ms + self._latency_ms
        gives_up_ms = sent_ms + self._faults.timeout_ms
        answers_ms = arrives_ms + self._latency_ms
        execution, answer = _Execution(partial(self._serve, execute)), Waiting()
        fate = self._faults.fate_of(name, sent_ms)
        match fate:
            case RequestFate.ANSWERED | RequestFate.ANSWER_TORN:
                self._timeline.send(Arrival.REQUEST, arrives_ms, execution.run)
            case RequestFate.ANSWER_LOST:
                self._timeline.send(Arrival.REQUEST, arrives_ms, execution.run)
                answers_ms = gives_up_ms
            case RequestFate.REQUEST_LATE:
                lateness_ms = self._faults.lateness_ms_of(name, sent_ms)
                self._timeline.send(Arrival.REQUEST, sent_ms + lateness_ms, execution.run)
                answers_ms = gives_up_ms
            case RequestFate.REQUEST_LOST:
                answers_ms = gives_up_ms
        self._timeline.send(Arrival.ANSWER, answers_ms, answer.happen)
        self._pacer.expect(min(arrives_ms, answers_ms))
        await self._pacer.wait(answer)
        match fate:
            case RequestFate.ANSWERED:
                return execution.result()
            case RequestFate.ANSWER_TORN:
                raise unanswered(f"the answer to {name} cannot be read")
            case RequestFate.REQUEST_LOST | RequestFate.ANSWER_LOST | RequestFate.REQUEST_LATE:
                raise unanswered(f"no answer to {name} within {self._faults.timeout_ms} ms")

    def _serve(self, execute: Callable[[int], T], at_ms: int) -> T:
        """A request is at the door."""
        ban = self._faults.ban_at(at_ms)
        if ban is not None:
            wait_seconds = (ban.until_ms - at_ms) / 1000
            raise Transient("banned for a while", retry_after_seconds=wait_seconds, scope=RetryScope.ACCOUNT)
        return execute(at_ms)

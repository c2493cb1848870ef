"""The way of a request to the simulated exchange and of its answer back.

A request is executed when it arrives, even if its sender has given up meanwhile; what came of
it comes back as the answer, unless the fault plan loses the one or the other.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from engine.exchange.faults import FaultPlan, RequestFate
from engine.exchange.pacing import Pacer, Waiting
from engine.exchange.timeline import Arrival, Timeline
from engine.model.errors import GridwrightError, InvariantBroken

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
            GridwrightError: ``unanswered`` when no answer came within the time of the fault plan.
        """
        sent_ms = self._now_ms()
        arrives_ms = sent_ms + self._latency_ms
        gives_up_ms = sent_ms + self._faults.timeout_ms
        execution, answer = _Execution(execute), Waiting()
        fate = self._faults.fate_of(name, sent_ms)
        match fate:
            case RequestFate.ANSWERED:
                self._timeline.send(Arrival.REQUEST, arrives_ms, execution.run)
                self._timeline.send(Arrival.ANSWER, arrives_ms + self._latency_ms, answer.happen)
            case RequestFate.ANSWER_LOST:
                self._timeline.send(Arrival.REQUEST, arrives_ms, execution.run)
                self._timeline.send(Arrival.ANSWER, gives_up_ms, answer.happen)
            case RequestFate.REQUEST_LOST:
                self._timeline.send(Arrival.ANSWER, gives_up_ms, answer.happen)
        self._pacer.expect(arrives_ms)
        await self._pacer.wait(answer)
        if fate is not RequestFate.ANSWERED:
            raise unanswered(f"no answer to {name} within {self._faults.timeout_ms} ms")
        return execution.result()

"""What is on its way between the engine and the simulated exchange, in the order it arrives."""

from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush


class Arrival(IntEnum):
    """What arrives; at one instant in this order, and each kind in the order it was sent."""

    REQUEST = 0
    CANDLE = 1
    REPORT = 2
    ANSWER = 3


class Timeline:
    """Deliveries by due time."""

    def __init__(self) -> None:
        self._due: list[tuple[int, Arrival, int, Callable[[int], None]]] = []
        self._sent = 0

    @property
    def next_ms(self) -> int | None:
        """When the next delivery is due; None: nothing is on its way."""
        return self._due[0][0] if self._due else None

    def send(self, arrival: Arrival, due_ms: int, deliver: Callable[[int], None]) -> None:
        """Put something on its way; ``deliver`` is called with its due time."""
        self._sent += 1
        heappush(self._due, (due_ms, arrival, self._sent, deliver))

    def deliver_next(self) -> None:
        """Deliver what is due next, late or not."""
        due_ms, _, _, deliver = heappop(self._due)
        deliver(due_ms)

"""A history without a journal: any number of records, each showing one of the scenes."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from engine.model.errors import JournalFailed
from engine.model.snapshot import Connection, EngineEvent, EngineState, EventLevel, HistoryFrame
from tests import scenes

LAST = 4_031
STEP_MS = 7_000
TEXTS = (
    "buy 0.00166 at 60000: entry 1 below the price",
    "bought 0.00166 at 60000, fee 0.00000166 BTC",
    "sell 0.00166 at 60400: exit 1 above the price",
    "sold 0.00166 at 60400, fee 0.100264 USDT",
    "frozen by engine: refused 3 times: the amount is below the exchange's minimum of 5 USDT at this price",
)


class SceneHistory:
    """Record n at ``STEP_MS`` after the one before it; the last one a minute before the scenes' own time.

    ``asked`` are the frames that were asked for; ``failure`` is why none can be read any more.
    """

    def __init__(self, last: int = LAST) -> None:
        self.last_sequence = last
        self.asked: list[int] = []
        self.failure: str | None = None
        self.may_read = threading.Event()
        self.may_read.set()

    def at_ms(self, sequence: int) -> int:
        """When a record was written."""
        return scenes.AT_MS - 60_000 - (self.last_sequence - sequence) * STEP_MS

    def frame(self, sequence: int) -> HistoryFrame:
        """A scene whose price tells which record it is of."""
        self.may_read.wait()
        self.asked.append(sequence)
        if self.failure is not None:
            raise JournalFailed(self.failure)
        price = Decimal(60_000) + sequence % 1_000
        grids = (scenes.grid(price), scenes.grid(price, name="eth", symbol="ETH/USDT", base="ETH"))
        snapshot = replace(
            scenes.engine(*grids[: 1 + (self.last_sequence != LAST)], sequence=sequence, at_ms=self.at_ms(sequence)),
            connection=Connection.ENDED,
            state=EngineState.STOPPED,
            speed=None,
        )
        return HistoryFrame(
            sequence=sequence, last_sequence=self.last_sequence, event=self._event(sequence), snapshot=snapshot
        )

    def events(self, sequence: int, limit: int = 200) -> Sequence[EngineEvent]:
        """The records up to this one."""
        return [self._event(number) for number in range(max(sequence - limit, 0) + 1, sequence + 1)]

    def sequence_at(self, at_ms: int) -> int:
        """The last record that is not later."""
        return max(self.last_sequence - max(-(-(self.at_ms(self.last_sequence) - at_ms) // STEP_MS), 0), 1)

    def _event(self, sequence: int) -> EngineEvent:
        text = TEXTS[sequence % len(TEXTS)]
        level = EventLevel.WARNING if text.startswith("frozen") else EventLevel.INFO
        return EngineEvent(
            number=sequence, at_ms=self.at_ms(sequence), level=level, grid="btc", slot=20 + sequence % 5, text=text
        )

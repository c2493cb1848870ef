"""The words of a download: what is wanted, what has come so far, what is missing, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from engine.exchange.foreign.desks.history_desk import PastCandle, PastTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in UTC milliseconds, the end not included."""

    from_ms: int
    to_ms: int

    def __post_init__(self) -> None:
        if self.from_ms > self.to_ms:
            raise ValueError(f"a span must not end before it begins, was {self.from_ms} to {self.to_ms}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where the exchange told nothing. ``candles`` is how many are missing, None where trades were asked for."""

    from_ms: int
    to_ms: int
    candles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWish:
    """What is to be in the file. ``interval_ms`` None: trades. ``to_ms`` None: until now."""

    symbol: str
    interval_ms: int | None
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a download is: it goes from ``from_ms`` to ``to_ms`` and has come to ``at_ms``; ``rows`` are new."""

    from_ms: int
    to_ms: int
    at_ms: int
    rows: int


class End(StrEnum):
    """How a download ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    GIVEN_UP = "given_up"
    """The exchange did not answer, or wants silence for too long; the next run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReport:
    """What there is now. ``span`` is what the file covers, None where there is no file yet.

    ``gaps`` are those of the file, at most so many as are worth showing; ``gaps_total`` counts all. ``rows`` is how
    many rows the file has, ``new_rows`` how many were downloaded. ``reason`` says why it was given up, else empty.
    ``aside_rows`` were downloaded and are kept beside the file until what lies between is there as well.
    """

    end: End
    reason: str
    file: Path
    span: Span | None
    rows: int
    new_rows: int
    aside_rows: int
    gaps: tuple[Gap, ...]
    gaps_total: int


class PastSource(Protocol):
    """Where history comes from; ``HistoryDesk`` is one."""

    def has_interval(self, interval_ms: int) -> bool: ...
    def page_size(self, symbol: str, *, is_trades: bool) -> int: ...
    async def candles(self, symbol: str, interval_ms: int, since_ms: int) -> Sequence[PastCandle]: ...
    async def trades(self, symbol: str, since_ms: int) -> Sequence[PastTrade]: ...

"""Where a download is kept: one file, and beside it the parts that have come since, until they are joined.

Promises: whatever ends the program, however, the file is whole and so is every part; what a part covers is never
asked for again. ``<symbol>_<interval>.parquet`` is what a replay reads, ``<symbol>_<interval>.parts/`` is ours.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from engine.lab.history_file import Piece, Row, join_pieces, newest_ms, read_piece, write_piece
from engine.lab.history_words import Gap, Span
from engine.model.errors import SettingsInvalid
from engine.model.text import clean_text

FOLDER = "history"
_PART = re.compile(r"([0-9]{1,15})-([0-9]{1,15})\.parquet")


def history_file(state_dir: Path, exchange: str, symbol: str, kind: str) -> Path:
    """The file of a market's history; ``kind`` is an interval, such as ``1m``, or ``trades``."""
    plain = quote(symbol.replace("/", "-").replace(":", "-"), safe="-")
    return state_dir / FOLDER / quote(exchange, safe="-") / f"{plain}_{kind}.parquet"


@contextmanager
def open_store(file: Path, *, named: dict[str, str], is_trades: bool) -> Iterator["HistoryStore"]:
    """Hold the file for this download alone.

    Raises:
        SettingsInvalid: another download works on it, it is no file of ours, or it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = file.with_suffix(".parts")
        parts.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(parts / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unwritable(file, error) from error
    try:
        _hold(lock, file)
        yield HistoryStore(file, parts, named=named, is_trades=is_trades)
    finally:
        os.close(lock)


class HistoryStore:
    """One market's candles of one interval, or its trades.

    Invariant: ``pieces`` are in order and do not overlap.
    """

    def __init__(self, file: Path, parts: Path, *, named: dict[str, str], is_trades: bool) -> None:
        """Raises ``DataInvalid`` where something else lies in its place."""
        self.file = file
        self.added_rows = 0
        self.pieces: list[Piece] = []
        self._parts = parts
        self._named = named
        self._is_trades = is_trades
        whole = read_piece(file) if os.path.lexists(file) else None
        found = [] if whole is None else [whole]
        for path in sorted(parts.iterdir()):
            if path.name.endswith(".new"):
                path.unlink()
            elif _PART.fullmatch(path.name) is not None:
                part = read_piece(path)
                if whole is not None and _is_within(part.span, whole.span):
                    path.unlink()  # joined, before the program was ended
                else:
                    found.append(part)
        self.pieces = sorted(found, key=lambda piece: piece.span.from_ms)

    def missing(self, wanted: Span) -> list[Span]:
        """What of a stretch has not been downloaded, oldest first; never leaves a hole beside what is there."""
        if not self.pieces:
            return [wanted]
        first, last = self.pieces[0].span.from_ms, self.pieces[-1].span.to_ms
        begin, end = min(wanted.from_ms, last), max(wanted.to_ms, first)
        edges = [min(begin, first), *(edge for piece in self.pieces for edge in _edges(piece.span)), max(end, last)]
        spans = [Span(from_ms=a, to_ms=b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return [span for span in spans if span.from_ms < span.to_ms]

    def newest_before(self, at_ms: int) -> int | None:
        """The time of the newest row of the piece that ends at ``at_ms``, None where there is none."""
        piece = next((piece for piece in self.pieces if piece.span.to_ms == at_ms), None)
        return None if piece is None else newest_ms(piece.path)

    def add(self, rows: Sequence[Row], span: Span, holes: Sequence[Gap] = ()) -> None:
        """Keep a stretch that was downloaded; durable when this returns. Raises ``SettingsInvalid``."""
        if span.from_ms == span.to_ms:
            return
        path = self._parts / f"{span.from_ms:015d}-{span.to_ms:015d}.parquet"
        try:
            part = write_piece(path, rows, span, holes=holes, named=self._named, is_trades=self._is_trades)
        except OSError as error:
            raise _unwritable(self.file, error) from error
        self.added_rows += len(rows)
        self.pieces = sorted([*self.pieces, part], key=lambda piece: piece.span.from_ms)

    def join(self) -> Piece | None:
        """Make one file of all pieces if they follow each other; None where something lies between them still.

        Raises:
            SettingsInvalid: it cannot be written.
        """
        if not self.pieces or self._has_holes():
            return None
        if [piece.path for piece in self.pieces] == [self.file]:
            return self.pieces[0]
        old = self.pieces
        try:
            whole = join_pieces(self.file, old, named=self._named, is_trades=self._is_trades)
        except OSError as error:
            raise _unwritable(self.file, error) from error
        self.pieces = [whole]
        for piece in old:
            if piece.path != self.file:
                piece.path.unlink()
        return whole

    def _has_holes(self) -> bool:
        spans = [piece.span for piece in self.pieces]
        return any(before.to_ms != after.from_ms for before, after in pairwise(spans))


def _hold(lock: int, file: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsInvalid(f"{_shown(file)}: expected no other download of it, found one that runs") from None


def _edges(span: Span) -> tuple[int, int]:
    """What ends before a piece, and what begins after it."""
    return span.from_ms, span.to_ms


def _is_within(inner: Span, outer: Span) -> bool:
    return outer.from_ms <= inner.from_ms and inner.to_ms <= outer.to_ms


def _unwritable(file: Path, error: OSError) -> SettingsInvalid:
    return SettingsInvalid(f"{_shown(file)}: expected a place to write, found: {error.strerror or error}")


def _shown(file: Path) -> str:
    return clean_text(str(file), 1000)

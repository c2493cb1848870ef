"""Parquet files of history: the columns that a replay reads, and beside them what stretch of time they cover.

Numbers are float64, as in every recording that a replay takes. A price whose digits a float64 does not give back is
refused; of an amount the nearest float64 is kept. Source: shortest round-trip texts, which hold for 15 digits.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exchange.datafiles import CANDLE_COLUMNS, TRADE_COLUMNS
from engine.exchange.foreign.desks.history_desk import PastCandle, PastTrade
from engine.lab.history_words import Gap, Span
from engine.model.errors import DataInvalid
from engine.model.text import clean_text

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[float, ...]
"""The time in milliseconds and the numbers of one candle or trade, in the order of the columns."""
_PREFIX = "gridwright."
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file. ``holes`` are where the exchange told no trades; those of candles show in the rows themselves."""

    path: Path
    span: Span
    rows: int
    holes: tuple[Gap, ...]


def row_from_candle(candle: PastCandle) -> Row:
    """Raises ``DataInvalid`` for a price with more digits than the file can hold."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    return (candle.open_ms, *(_exact(price) for price in prices), float(candle.volume))


def row_from_trade(trade: PastTrade) -> Row:
    """Raises ``DataInvalid`` for a price with more digits than the file can hold."""
    return (trade.at_ms, _exact(trade.price), float(trade.amount))


def write_piece(
    path: Path, rows: Sequence[Row], span: Span, *, holes: Sequence[Gap], named: Mapping[str, str], is_trades: bool
) -> Piece:
    """Write a file whole or not at all, durably; ``named`` is what else is said of it.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa

    schema = _schema(_said(span, holes, named), is_trades=is_trades)
    arrays = [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(schema)]
    return _write(path, [pa.table(arrays, schema=schema)], schema)


def join_pieces(path: Path, pieces: Sequence[Piece], *, named: Mapping[str, str], is_trades: bool) -> Piece:
    """One file of pieces that follow each other; it may replace one of them. Memory is bounded.

    Raises:
        OSError: it cannot be written.
        DataInvalid: a piece cannot be read.
    """
    span = Span(from_ms=pieces[0].span.from_ms, to_ms=pieces[-1].span.to_ms)
    holes = [hole for piece in pieces for hole in piece.holes]
    schema = _schema(_said(span, holes, named), is_trades=is_trades)
    return _write(path, (table for piece in pieces for table in _tables(piece.path)), schema)


def read_piece(path: Path) -> Piece:
    """What a file covers.

    Raises:
        DataInvalid: it is no file of ours.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(path)
        said = {key.decode(): value.decode() for key, value in (found.metadata or {}).items()}
        span = Span(from_ms=int(said[f"{_PREFIX}from_ms"]), to_ms=int(said[f"{_PREFIX}to_ms"]))
        holes = [Gap(from_ms=int(a), to_ms=int(b), candles=None) for a, b in json.loads(said[f"{_PREFIX}holes"])]
        return Piece(path=path, span=span, rows=int(found.num_rows), holes=tuple(holes))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise DataInvalid(
            f"{clean_text(str(path), 1000)}: expected a file that gridwright history has written, found "
            f"something else ({type(error).__name__}); move it away"
        ) from error


def times_of(path: Path) -> Iterator[Sequence[int]]:
    """The times of all rows, a few at once. Raises ``DataInvalid``."""
    for table in _tables(path):
        yield table.column("ts_ms").to_pylist()


def newest_ms(path: Path) -> int | None:
    """The time of the last row; None where there is none. Raises ``DataInvalid``."""
    last: int | None = None
    for times in times_of(path):
        last = times[-1] if times else last
    return last


def _exact(price: Decimal) -> float:
    nearest = float(price)
    if Decimal(repr(nearest)) != price:
        raise DataInvalid(f"expected a price of at most 15 digits, found {price}")
    return nearest


def _schema(said: Mapping[str, str], *, is_trades: bool) -> "pa.Schema":
    import pyarrow as pa

    columns = TRADE_COLUMNS if is_trades else CANDLE_COLUMNS
    return pa.schema([(name, pa.float64() if at else pa.int64()) for at, name in enumerate(columns)], metadata=said)


def _said(span: Span, holes: Sequence[Gap], named: Mapping[str, str]) -> dict[str, str]:
    own = {
        "from_ms": str(span.from_ms),
        "to_ms": str(span.to_ms),
        "holes": json.dumps([(hole.from_ms, hole.to_ms) for hole in holes]),
    }
    return {**named, **{f"{_PREFIX}{key}": value for key, value in own.items()}}


def _tables(path: Path) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise DataInvalid(f"{clean_text(str(path), 1000)}: cannot be read ({type(error).__name__})") from error


def _write(path: Path, tables: "Iterable[pa.Table]", schema: "pa.Schema") -> Piece:
    import pyarrow.parquet as pq

    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600), "wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(schema))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, path)
    _sync(path.parent)
    return read_piece(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

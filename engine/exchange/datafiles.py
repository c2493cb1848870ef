"""Files of recorded market data: .csv, .csv.gz and .parquet, read whole and checked row by row.

Candles have the columns ``ts_ms,open,high,low,close,volume``, trades ``ts_ms,price,amount``
(or ``qty``); a CSV without a header line has exactly these. Other columns are ignored. Prices
come out as whole ticks; a file that is not what it should be is a ``DataInvalid`` that names
the file, the row (data rows count from 1), what was expected and what was found.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.exchange.prices import BOUND_TICKS
from engine.model.errors import DataInvalid
from engine.model.money import text_from_decimal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

CANDLE_COLUMNS = ("ts_ms", "open", "high", "low", "close", "volume")
TRADE_COLUMNS = ("ts_ms", "price", "amount")
_OTHER_NAMES = {"qty": "amount"}
_DECIMALS_MAX = 12
_EXACT_MAX = 2**53
"""Every whole number below has a float64 of its own."""
_SINGLE_CANDLE_MS = 60_000
_SECONDS_LOOK = (10**8, 10**11)
"""A first time in here, read as milliseconds, lies in early 1970: it must be in seconds."""
_TIME_MAX = 10**14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candles:
    """Checked candles; prices in whole ticks. ``at_ms`` is when each begins, strictly increasing.

    ``volume`` is in the base currency.
    """

    tick_size: Decimal
    at_ms: "Integers"
    open: "Integers"
    high: "Integers"
    low: "Integers"
    close: "Integers"
    volume: "Floats"

    @property
    def interval_ms(self) -> int:
        """The smallest spacing between candles; a minute for a single one."""
        if len(self.at_ms) < 2:
            return _SINGLE_CANDLE_MS
        return int((self.at_ms[1:] - self.at_ms[:-1]).min())

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Where candles are missing: when the first missing one would begin, and how many there are."""
        interval = self.interval_ms
        missing = (self.at_ms[1:] - self.at_ms[:-1]) // interval - 1
        return [(int(self.at_ms[i]) + interval, int(missing[i])) for i in missing.nonzero()[0]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trades:
    """Checked trades in the order they happened; prices in whole ticks. Several may share a millisecond.

    ``amount`` is in the base currency.
    """

    tick_size: Decimal
    at_ms: "Integers"
    price: "Integers"
    amount: "Floats"


MarketData = Candles | Trades


def read_market_data(path: Path, tick_size: Decimal | None = None) -> MarketData:
    """Read and check a file; its columns say whether it holds candles or trades.

    ``tick_size`` None: a unit of the finest decimal that any price uses.

    Raises:
        DataInvalid: the file is missing, torn, unsorted or not what was promised.
    """
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            columns = _read_parquet(path)
        elif name.endswith(".csv.gz"):
            columns = _read_csv(path, _unpacked(path))
        elif name.endswith(".csv"):
            columns = _read_csv(path, path.read_bytes())
        else:
            raise DataInvalid(f"{path}: expected a .csv, .csv.gz or .parquet file")
    except OSError as error:
        raise DataInvalid(f"{path}: cannot be read: {error.strerror or error}") from error
    if not len(columns["ts_ms"]):
        raise DataInvalid(f"{path}: expected rows of data, found none")
    return market_data_from_columns(str(path), columns, tick_size)


def market_data_from_columns(name: str, columns: dict[str, Any], tick_size: Decimal | None) -> MarketData:
    """Check columns of int64 times and float64 prices; ``name`` is what messages call them.

    Raises:
        DataInvalid: a row is not what it should be.
    """
    is_candles = "open" in columns
    price_names = CANDLE_COLUMNS[1:5] if is_candles else TRADE_COLUMNS[1:2]
    volume_name = CANDLE_COLUMNS[5] if is_candles else TRADE_COLUMNS[2]
    at_ms = columns["ts_ms"]
    _check_times(name, at_ms, is_strict=is_candles)
    volume = columns[volume_name]
    _require(name, (volume >= 0) & (volume < inf), f"{volume_name} of at least 0", volume)
    floats = {key: columns[key] for key in price_names}
    for key, values in floats.items():
        _require(name, (values > 0) & (values < _EXACT_MAX), f"{key} above 0 and below {_EXACT_MAX}", values)
    tick, ticks = _ticks_from_floats(name, floats, tick_size)
    if not is_candles:
        return Trades(tick_size=tick, at_ms=at_ms, price=ticks["price"], amount=volume)
    high, low = floats["high"], floats["low"]
    for key in ("open", "close"):
        _require(name, high >= floats[key], f"high at or above {key} {{}}", high, floats[key])
        _require(name, low <= floats[key], f"low at or below {key} {{}}", low, floats[key])
    return Candles(tick_size=tick, at_ms=at_ms, volume=volume, **ticks)


def _check_times(name: str, at_ms: "Integers", *, is_strict: bool) -> None:
    first = int(at_ms[0])
    if _SECONDS_LOOK[0] <= first < _SECONDS_LOOK[1] or first >= _TIME_MAX:
        raise DataInvalid(f"{name}: row 1: expected ts_ms in milliseconds since 1970, found {first}")
    _require(name, at_ms >= 0, "ts_ms in milliseconds since 1970", at_ms)
    step = at_ms[1:] - at_ms[:-1]
    wrong = (step <= 0 if is_strict else step < 0).nonzero()[0]
    if len(wrong):
        row = int(wrong[0])
        bound = "above" if is_strict else "at or above"
        raise DataInvalid(
            f"{name}: row {row + 2}: expected ts_ms {bound} {at_ms[row]} of the row before, found {at_ms[row + 1]}"
        )


def _require(name: str, is_good: "Flags", expected: str, found: Any, beside: Any = None) -> None:
    """Raise for the first row that is not good; ``{}`` in ``expected`` stands for the value ``beside``."""
    if is_good.all():
        return
    row = int(is_good.argmin())
    wanted = expected if beside is None else expected.format(beside[row])
    raise DataInvalid(f"{name}: row {row + 1}: expected {wanted}, found {found[row]}")


def _ticks_from_floats(
    name: str, floats: "dict[str, Floats]", tick_size: Decimal | None
) -> "tuple[Decimal, dict[str, Integers]]":
    import numpy as np

    decimals = 0
    for key, values in floats.items():
        decimals = _decimals_of(name, key, values, decimals)
    units = {key: np.rint(values * 10.0**decimals).astype(np.int64) for key, values in floats.items()}
    unit = Decimal(1).scaleb(-decimals)
    if tick_size is None:
        return unit, units
    common = min(-decimals, int(tick_size.as_tuple().exponent))
    finer, step = int(unit.scaleb(-common)), int(tick_size.scaleb(-common))
    for key, counts in units.items():
        if max(int(counts.max()) * finer, step) >= BOUND_TICKS:
            raise DataInvalid(f"{name}: expected a tick that suits {key}, found {tick_size}")
        expected = f"{key} to be a multiple of the tick {text_from_decimal(tick_size)}"
        _require(name, counts * finer % step == 0, expected, floats[key])
        units[key] = counts * finer // step
    return tick_size, units


def _decimals_of(name: str, key: str, values: "Floats", at_least: int) -> int:
    """How many decimals the values need.

    A float64 is the nearest one to the decimal ``n / 10**d`` exactly when dividing gives it back,
    as long as ``n`` has a float64 of its own.
    """
    import numpy as np

    rest, decimals = values, at_least
    while True:
        scale = 10.0**decimals
        units = np.rint(rest * scale)
        is_exact = (units / scale == rest) & (units < _EXACT_MAX)
        if is_exact.all():
            return decimals
        rest = rest[~is_exact]
        if decimals == _DECIMALS_MAX:
            row = int((values == rest[0]).argmax())
            raise DataInvalid(
                f"{name}: row {row + 1}: expected {key} with at most {_DECIMALS_MAX} decimals and 15 digits, "
                f"found {rest[0]}"
            )
        decimals += 1


def _columns_wanted(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The columns to read, in our names, from those a file has."""
    if len(set(names)) != len(names):
        raise DataInvalid(f"{path}: expected every column once, found {', '.join(names)}")
    looks_like_trades = "price" in names and not {"open", "high", "low", "close"} & set(names)
    wanted = TRADE_COLUMNS if looks_like_trades else CANDLE_COLUMNS
    missing = [column for column in wanted if column not in names]
    if not missing:
        return wanted
    either = "" if "price" in names or "open" in names else f" or {','.join(TRADE_COLUMNS)}"
    raise DataInvalid(
        f"{path}: expected the columns {','.join(wanted)}{either}, found {','.join(names)} "
        f"(missing: {', '.join(missing)})"
    )


def _our_names(names: Sequence[str]) -> list[str]:
    plain = [name.strip().lower() for name in names]
    return [_OTHER_NAMES.get(name, name) if "amount" not in plain else name for name in plain]


def _read_parquet(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(path.read_bytes())) as file:
            theirs = file.schema_arrow.names
            ours = _our_names(theirs)
            wanted = {column: theirs[ours.index(column)] for column in _columns_wanted(path, ours)}
            table = file.read(columns=list(wanted.values()), use_threads=False)
        return {ours: _array_from_column(path, ours, table.column(name)) for ours, name in wanted.items()}
    except pa.ArrowException as error:
        raise DataInvalid(f"{path}: not a readable parquet file: {_first_line(error)}") from error


def _array_from_column(path: Path, name: str, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if name == "ts_ms" and not pa.types.is_integer(kind):
        raise DataInvalid(f"{path}: expected ts_ms in whole milliseconds, found the type {kind}")
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataInvalid(f"{path}: expected numbers in {name}, found the type {kind}")
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataInvalid(f"{path}: row {row + 1}: expected a number in {name}, found nothing")
    return column.cast(pa.int64() if name == "ts_ms" else pa.float64()).to_numpy()


def _unpacked(path: Path) -> bytes:
    packed = path.read_bytes()
    try:
        return gzip.decompress(packed)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataInvalid(f"{path}: not a whole gzip file: {error}") from error


def _read_csv(path: Path, text: bytes) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)
    first = lines[0].decode("utf-8", "replace").strip()
    if not first:
        raise DataInvalid(f"{path}: expected a header or a row in the first line, found nothing")
    cells = first.split(",")
    has_header = not _reads_as(int, cells[0])
    if has_header and len(lines) == 1:
        raise DataInvalid(f"{path}: expected rows of data, found none")
    names = _our_names([cell.strip('"') for cell in cells]) if has_header else _plain_names(path, cells)
    wanted = _columns_wanted(path, names)
    try:
        # Without threads: pyarrow's may still run when the program ends at once, and that aborts the process.
        table = pa_csv.read_csv(
            pa.BufferReader(text),
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=int(has_header), use_threads=False),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(wanted),
                column_types={column: pa.int64() if column == "ts_ms" else pa.float64() for column in wanted},
                null_values=[],
            ),
        )
    except pa.ArrowException as error:
        problem = _first_bad_row(text, names, wanted, has_header=has_header) or _first_line(error)
        raise DataInvalid(f"{path}: {problem}") from error
    return {column: table.column(column).to_numpy() for column in wanted}


def _plain_names(path: Path, cells: Sequence[str]) -> list[str]:
    for columns in (CANDLE_COLUMNS, TRADE_COLUMNS):
        if len(cells) == len(columns):
            return list(columns)
    raise DataInvalid(
        f"{path}: expected a header line, or the columns {','.join(CANDLE_COLUMNS)} or "
        f"{','.join(TRADE_COLUMNS)}, found {len(cells)} columns without a header"
    )


def _first_bad_row(text: bytes, names: Sequence[str], wanted: Sequence[str], *, has_header: bool) -> str | None:
    """The first row that cannot be read, in words; the fast reader does not say which it was."""
    lines = (line for line in text.decode("utf-8", "replace").splitlines()[int(has_header) :] if line)
    for row, cells in enumerate(csv.reader(lines), 1):
        if len(cells) != len(names):
            return f"row {row}: expected {len(names)} columns, found {len(cells)}"
        for name, cell in zip(names, cells, strict=True):
            reader = int if name == "ts_ms" else float
            if name in wanted and not _reads_as(reader, cell):
                kind = "whole milliseconds" if name == "ts_ms" else "a number"
                return f"row {row}: expected {kind} in {name}, found {cell!r}"
    return None


def _reads_as(reader: Callable[[str], object], cell: str) -> bool:
    try:
        reader(cell)
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Files of market data: what is read from good ones, and what is said about bad ones."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.datafiles import Candles, MarketData, Trades, market_data_from_columns, read_market_data
from engine.model.errors import DataInvalid

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not beside the project")

CANDLES_TEXT = """ts_ms,open,high,low,close,volume
0,100.5,101,99.25,100,3.5
60000,100,100.5,99,99.5,0
"""
TRADES_TEXT = """ts_ms,price,amount
5,61837.63000000,0.02000000
7,61837.6,1
7,61838,0.5
"""


def write(tmp_path: Path, text: str, name: str = "data.csv") -> Path:
    """A file with this text, packed if its name says so."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def write_parquet(tmp_path: Path, columns: dict[str, Sequence[object]]) -> Path:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def candles(data: MarketData) -> list[list[int]]:
    """Rows of candles, prices in ticks."""
    assert isinstance(data, Candles)
    arrays = (data.at_ms, data.open, data.high, data.low, data.close)
    return [list(row) for row in zip(*(array.tolist() for array in arrays), strict=True)]


def trades(data: MarketData) -> list[tuple[int, int]]:
    """Rows of trades, prices in ticks."""
    assert isinstance(data, Trades)
    return list(zip(data.at_ms.tolist(), data.price.tolist(), strict=True))


CANDLE_ROWS = [[0, 10050, 10100, 9925, 10000], [60000, 10000, 10050, 9900, 9950]]
TRADE_ROWS = [(5, 6183763), (7, 6183760), (7, 6183800)]


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "DATA.CSV"])
def test_candles_are_read_in_ticks_of_their_finest_decimal(tmp_path: Path, name: str) -> None:
    data = read_market_data(write(tmp_path, CANDLES_TEXT, name))
    assert data.tick_size == Decimal("0.01")
    assert candles(data) == CANDLE_ROWS


@pytest.mark.parametrize(
    "text",
    [
        CANDLES_TEXT.split("\n", 1)[1],
        CANDLES_TEXT.replace("\n", "\r\n"),
        "\ufeff" + CANDLES_TEXT,
        CANDLES_TEXT.rstrip("\n"),
        CANDLES_TEXT.replace("\n60000", "\n\n60000"),
        CANDLES_TEXT.replace("ts_ms,open", "TS_MS, Open"),
    ],
    ids=["no header", "windows lines", "byte order mark", "no last line end", "blank line", "capitals"],
)
def test_ways_to_write_the_same_candles_read_the_same(tmp_path: Path, text: str) -> None:
    assert candles(read_market_data(write(tmp_path, text))) == CANDLE_ROWS


@pytest.mark.parametrize(
    "text",
    [
        TRADES_TEXT,
        TRADES_TEXT.replace("amount", "qty"),
        TRADES_TEXT.split("\n", 1)[1],
        "amount,price,ts_ms,note\n0.02,61837.63,5,a\n1,61837.6,7,b\n.5,61838,7,c\n",
    ],
    ids=["as documented", "qty", "no header", "other order and more columns"],
)
def test_trades_keep_their_order_and_may_share_a_millisecond(tmp_path: Path, text: str) -> None:
    data = read_market_data(write(tmp_path, text))
    assert data.tick_size == Decimal("0.01")
    assert trades(data) == TRADE_ROWS


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "volume": [3.5, 0.0],
        "ts_ms": [0, 60000],
        "open": [100.5, 100.0],
        "high": [101.0, 100.5],
        "low": [99.25, 99.0],
        "close": [Decimal("100.00"), Decimal("99.50")],
    }
    data = read_market_data(write_parquet(tmp_path, columns))
    assert data.tick_size == Decimal("0.01")
    assert candles(data) == CANDLE_ROWS


@pytest.mark.parametrize(
    "tick, prices",
    [
        ("0.01", [6183763, 6183760, 6183800]),
        ("0.001", [61837630, 61837600, 61838000]),
        ("0.005", [12367526, 12367520, 12367600]),
    ],
)
def test_a_given_tick_sets_the_unit(tmp_path: Path, tick: str, prices: list[int]) -> None:
    data = read_market_data(write(tmp_path, TRADES_TEXT), Decimal(tick))
    assert data.tick_size == Decimal(tick)
    assert [price for _, price in trades(data)] == prices


@given(
    st.lists(st.integers(1, 10**15 - 1), min_size=1, max_size=20),
    st.integers(0, 12),
)
def test_floats_become_exactly_the_decimals_they_were_written_as(units: list[int], decimals: int) -> None:
    """For all prices of up to 15 digits: ticks times tick size is the decimal text of the float."""
    import numpy as np

    texts = [Decimal(unit).scaleb(-decimals) for unit in units]
    columns = {
        "ts_ms": np.arange(len(units)),
        "price": np.array([float(text) for text in texts]),
        "amount": np.ones(len(units)),
    }
    data = market_data_from_columns("made", columns, None)
    assert [price * data.tick_size for _, price in trades(data)] == texts
    assert any(price % 10 for _, price in trades(data)) or data.tick_size == 1


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("60000,100,", "0,100,", "row 2: expected ts_ms above 0 of the row before, found 0"),
        ("101,99.25", "100.4,99.25", "row 1: expected high at or above open 100.5, found 100.4"),
        ("100.5,99,99.5", "99.4,99,99.5", "row 2: expected high at or above open 100.0, found 99.4"),
        ("99.25,100,", "100.25,100,", "row 1: expected low at or below close 100.0, found 100.25"),
        ("\n0,100.5", "\n0,nan", "row 1: expected open above 0 and below 9007199254740992, found nan"),
        ("\n0,100.5", "\n0,inf", "row 1: expected open above 0 and below 9007199254740992, found inf"),
        ("99,99.5", "0,99.5", "row 2: expected low above 0 and below 9007199254740992, found 0.0"),
        ("99,99.5", "-99,99.5", "row 2: expected low above 0 and below 9007199254740992, found -99.0"),
        ("99.5,0\n", "99.5,-1\n", "row 2: expected volume of at least 0, found -1.0"),
        ("99.5,0\n", "99.5,nan\n", "row 2: expected volume of at least 0, found nan"),
        ("99.5,0\n", "99.5\n", "row 2: expected 6 columns, found 5"),
        ("99.5,0\n", "99.5,0,1\n", "row 2: expected 6 columns, found 7"),
        ("99.5,0\n", "x,0\n", "row 2: expected a number in close, found 'x'"),
        ("99.5,0\n", ",0\n", "row 2: expected a number in close, found ''"),
        ("60000", "60000.5", "row 2: expected whole milliseconds in ts_ms, found '60000.5'"),
        ("\n0,100.5", "\n-1,100.5", "row 1: expected ts_ms in milliseconds since 1970, found -1"),
        (
            "\n0,100.5",
            "\n1583020800,100.5",
            "row 1: expected ts_ms in milliseconds since 1970, found 1583020800",
        ),
        (
            "100.5,101",
            "100.5000000000001,101",
            "row 1: expected open with at most 12 decimals and 15 digits, found 100.5000000000001",
        ),
        (
            ",volume",
            "",
            (
                "expected the columns ts_ms,open,high,low,close,volume, found ts_ms,open,high,low,close "
                "(missing: volume)"
            ),
        ),
        (",close", ",open", "expected every column once, found ts_ms, open, high, low, open, volume"),
        (
            "open,high,low,close",
            "a,b,c,d",
            (
                "expected the columns ts_ms,open,high,low,close,volume or ts_ms,price,amount, "
                "found ts_ms,a,b,c,d,volume (missing: open, high, low, close)"
            ),
        ),
    ],
)
def test_bad_candles_are_named_with_row_and_reason(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert CANDLES_TEXT.count(old) == 1
    path = write(tmp_path, CANDLES_TEXT.replace(old, new))
    with pytest.raises(DataInvalid) as caught:
        read_market_data(path)
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    "text, tick, problem",
    [
        (
            TRADES_TEXT.replace("7,61838", "6,61838"),
            None,
            "row 3: expected ts_ms at or above 7 of the row before, found 6",
        ),
        (TRADES_TEXT, "0.1", "row 1: expected price to be a multiple of the tick 0.1, found 61837.63"),
        (TRADES_TEXT, "0.02", "row 1: expected price to be a multiple of the tick 0.02, found 61837.63"),
        (TRADES_TEXT, "0.00000000000001", "expected a tick that suits price, found 1E-14"),
        (
            TRADES_TEXT.replace("price,amount", "price,side"),
            None,
            "expected the columns ts_ms,price,amount, found ts_ms,price,side (missing: amount)",
        ),
        ("", None, "expected a header or a row in the first line, found nothing"),
        ("ts_ms,price,amount\n", None, "expected rows of data, found none"),
        (
            "5,1,2,3\n",
            None,
            (
                "expected a header line, or the columns ts_ms,open,high,low,close,volume or "
                "ts_ms,price,amount, found 4 columns without a header"
            ),
        ),
    ],
)
def test_bad_trades_are_named_with_row_and_reason(tmp_path: Path, text: str, tick: str | None, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataInvalid) as caught:
        read_market_data(path, None if tick is None else Decimal(tick))
    assert str(caught.value) == f"{path}: {problem}"


def test_a_missing_value_in_parquet_is_named_with_its_row(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, {"ts_ms": [1, 2, 3], "price": [1.5, 2.5, None], "qty": [1.0, 1.0, 1.0]})
    with pytest.raises(DataInvalid) as caught:
        read_market_data(path)
    assert str(caught.value) == f"{path}: row 3: expected a number in price, found nothing"


@pytest.mark.parametrize(
    "columns, problem",
    [
        (
            {"ts_ms": [1.5], "price": [1.0], "qty": [1.0]},
            "expected ts_ms in whole milliseconds, found the type double",
        ),
        ({"ts_ms": [1], "price": ["1"], "qty": [1.0]}, "expected numbers in price, found the type string"),
        (
            {"ts_ms": [1], "price": [1.0]},
            "expected the columns ts_ms,price,amount, found ts_ms,price (missing: amount)",
        ),
    ],
)
def test_parquet_of_another_shape_is_refused(
    tmp_path: Path, columns: dict[str, Sequence[object]], problem: str
) -> None:
    path = write_parquet(tmp_path, columns)
    with pytest.raises(DataInvalid) as caught:
        read_market_data(path)
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize("name", ["gone.csv", "gone.csv.gz", "gone.parquet"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        read_market_data(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read: No such file or directory"


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"data\.json: expected a \.csv, \.csv\.gz or \.parquet file"):
        read_market_data(write(tmp_path, "{}", "data.json"))


def test_a_torn_gzip_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, CANDLES_TEXT, "data.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataInvalid, match=r"data\.csv\.gz: not a whole gzip file"):
        read_market_data(path)


def test_text_that_calls_itself_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_text(CANDLES_TEXT)
    with pytest.raises(DataInvalid, match=r"data\.csv\.gz: not a whole gzip file"):
        read_market_data(path)


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, CANDLES_TEXT, "data.csv.gz")
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(DataInvalid, match=r"data\.csv\.gz: not a whole gzip file"):
        read_market_data(path)


@pytest.mark.parametrize("share", [0, 3, 2])
def test_a_torn_parquet_file_is_refused(tmp_path: Path, share: int) -> None:
    path = write_parquet(tmp_path, {"ts_ms": [1, 2], "price": [1.0, 2.0], "qty": [1.0, 1.0]})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * share // 4])
    with pytest.raises(DataInvalid, match=r"data\.parquet: not a readable parquet file"):
        read_market_data(path)


def test_gaps_say_when_the_first_missing_candle_would_begin_and_how_many_are_missing(tmp_path: Path) -> None:
    rows = "".join(f"{minute * 60000},1,1,1,1,0\n" for minute in (0, 1, 4, 5, 9))
    data = read_market_data(write(tmp_path, rows))
    assert isinstance(data, Candles)
    assert data.interval_ms == 60_000
    assert data.gaps == [(120_000, 2), (360_000, 3)]


def test_a_single_candle_is_taken_for_a_minute(tmp_path: Path) -> None:
    data = read_market_data(write(tmp_path, "0,1,1,1,1,0\n"))
    assert isinstance(data, Candles)
    assert (data.interval_ms, data.gaps) == (60_000, [])


@needs_data
def test_the_year_2020_has_the_gaps_its_provenance_lists() -> None:
    data = read_market_data(DATA / "candles" / "binance_spot_BTCUSDT_1m_2020.parquet")
    assert isinstance(data, Candles)
    assert (len(data.at_ms), data.tick_size, data.interval_ms) == (525_788, Decimal("0.01"), 60_000)
    assert data.gaps == [
        (1581213600000, 60),
        (1582112160000, 354),
        (1583313720000, 128),
        (1587780000000, 150),
        (1593309600000, 210),
        (1606716000000, 60),
        (1608559800000, 230),
        (1608861600000, 60),
    ]
    assert (int(data.high.max()), int(data.low.min())) == (2930000, 378213)


@needs_data
@pytest.mark.parametrize(
    "name, rows, tick, first",
    [
        ("samples/BTCUSDT_1m_2020-03-01_2020-03-15_crash.csv.gz", 21_472, "0.01", 852361),
        ("samples/XRPETH_aggTrades_2019-10-12.csv.gz", 4_134, "0.00000001", 148021),
        ("trades/binance_spot_BTCUSDT_trades_2024-08-08.parquet", 19_904, "0.01", 6183763),
        ("trades/bitstamp_BTCUSD_trades_2015-05-01.parquet", 575, "0.01", 23647),
        ("candles/binance_spot_ETHBTC_1m_2018-12.parquet", 43_200, "0.000001", 26095),
    ],
)
def test_recorded_files_are_read_whole(name: str, rows: int, tick: str, first: int) -> None:
    data = read_market_data(DATA / name)
    prices = data.open if isinstance(data, Candles) else data.price
    assert (len(data.at_ms), data.tick_size, int(prices[0])) == (rows, Decimal(tick), first)


@needs_data
def test_the_same_trades_read_the_same_from_csv_and_parquet() -> None:
    csv_data = read_market_data(DATA / "samples" / "BTCUSDT_trades_2024-08-08_11min.csv.gz")
    parquet_data = read_market_data(DATA / "trades" / "binance_spot_BTCUSDT_trades_2024-08-08.parquet")
    assert trades(csv_data) == trades(parquet_data)

"""The file of a history and the parts beside it: whole at any moment, joined in order, never downloaded twice."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.exchange.datafiles import Candles, read_market_data
from engine.lab.history_file import read_piece, row_from_candle, row_from_trade
from engine.lab.history_store import HistoryStore, history_file, open_store
from engine.lab.history_words import Gap, Span
from engine.model.errors import DataInvalid, SettingsInvalid
from tests.lab.past_builders import MINUTE, START, candle, row, times_in, trade

NAMED = {"exchange": "binance", "symbol": "BTC/USDT"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the history of a market would lie."""
    return history_file(tmp_path, "binance", "BTC/USDT", "1m")


@pytest.fixture
def store(file: Path) -> Iterator[HistoryStore]:
    """A store with nothing in it."""
    with open_store(file, named=NAMED, is_trades=False) as opened:
        yield opened


def span(begin: int, end: int) -> Span:
    """Minutes after the start."""
    return Span(from_ms=START + begin * MINUTE, to_ms=START + end * MINUTE)


def rows(begin: int, end: int) -> list[tuple[float, ...]]:
    """A row for each minute."""
    return [row(START + minute * MINUTE) for minute in range(begin, end)]


def reopened(file: Path) -> HistoryStore:
    """What the next program finds."""
    with open_store(file, named=NAMED, is_trades=False) as opened:
        return opened


@pytest.mark.parametrize(
    "exchange, symbol, kind, expected",
    [
        ("binance", "BTC/USDT", "1m", "history/binance/BTC-USDT_1m.parquet"),
        ("bybit-sandbox", "BTC/USDT:USDT", "trades", "history/bybit-sandbox/BTC-USDT-USDT_trades.parquet"),
        ("binance", "../X/USDT", "1m", "history/binance/..-X-USDT_1m.parquet"),
        ("binance", "\u5e01/US DT", "1m", "history/binance/%E5%B8%81-US%20DT_1m.parquet"),
    ],
)
def test_a_market_has_a_file_of_its_own_in_the_state_directory(
    tmp_path: Path, exchange: str, symbol: str, kind: str, expected: str
) -> None:
    """Whatever its name is made of."""
    assert history_file(tmp_path, exchange, symbol, kind) == tmp_path / expected


def test_parts_become_one_file_that_a_replay_reads(file: Path, store: HistoryStore) -> None:
    """Prices exactly as they were told; the parts are gone."""
    first, second = candle(START, "60000.01"), candle(START + MINUTE, "2.12345678")
    store.add([row_from_candle(second)], span(1, 2))
    store.add([row_from_candle(first)], span(0, 1))
    whole = store.join()
    assert whole is not None
    assert (whole.path, whole.span, whole.rows) == (file, span(0, 2), 2)
    data = read_market_data(file)
    assert isinstance(data, Candles)
    assert [int(ticks) * data.tick_size for ticks in data.open] == [first.open, second.open]
    assert data.gaps == []
    assert sorted(path.name for path in file.with_suffix(".parts").iterdir()) == ["lock"]


def test_the_next_download_begins_where_the_last_one_ended(file: Path, store: HistoryStore) -> None:
    """In whichever direction more is wished for."""
    store.add(rows(10, 20), span(10, 20))
    assert store.missing(span(10, 20)) == []
    assert store.missing(span(12, 18)) == []
    assert store.missing(span(10, 30)) == [span(20, 30)]
    assert store.missing(span(5, 30)) == [span(5, 10), span(20, 30)]
    # Neither leaves a hole in the middle.
    assert store.missing(span(40, 50)) == [span(20, 50)]
    assert store.missing(span(0, 2)) == [span(0, 10)]


def test_a_hole_between_parts_is_filled_before_they_are_joined(file: Path, store: HistoryStore) -> None:
    """A file never covers more than was downloaded."""
    store.add(rows(0, 5), span(0, 5))
    store.add(rows(8, 10), span(8, 10))
    assert store.join() is None
    assert not file.exists()
    assert store.missing(span(0, 10)) == [span(5, 8)]
    store.add(rows(5, 8), span(5, 8))
    assert store.join() is not None
    assert times_in(file) == [START + minute * MINUTE for minute in range(10)]


def test_a_stretch_in_which_nothing_was_told_is_covered_too(file: Path) -> None:
    """It is not asked for again."""
    with open_store(file, named=NAMED, is_trades=False) as store:
        store.add([], span(0, 5))
        store.add(rows(5, 6), span(5, 6))
        store.join()
    again = reopened(file)
    assert again.missing(span(0, 6)) == []
    assert times_in(file) == [START + 5 * MINUTE]


def test_parts_that_were_joined_before_the_program_was_killed_are_not_joined_twice(file: Path) -> None:
    """They lay beside the file that has them already, and a draft of another beside them."""
    with open_store(file, named=NAMED, is_trades=False) as store:
        store.add(rows(0, 3), span(0, 3))
        part = store.pieces[0].path
        content = part.read_bytes()
        store.join()
    part.write_bytes(content)
    (part.parent / "000-001.parquet.new").write_bytes(b"torn")
    assert [piece.path for piece in reopened(file).pieces] == [file]
    assert sorted(path.name for path in part.parent.iterdir()) == ["lock"]
    assert times_in(file) == [START + minute * MINUTE for minute in range(3)]


def test_holes_of_trades_are_kept_with_the_file(tmp_path: Path) -> None:
    """The rows themselves do not show them."""
    file = history_file(tmp_path, "binance", "BTC/USDT", "trades")
    hole = Gap(from_ms=START + 5, to_ms=START + 9, candles=None)
    with open_store(file, named=NAMED, is_trades=True) as store:
        store.add([row_from_trade(trade("a", 1))], Span(from_ms=START, to_ms=START + 10), [hole])
        store.add([row_from_trade(trade("b", 12))], Span(from_ms=START + 10, to_ms=START + 20))
        store.join()
        assert store.newest_before(START + 20) == START + 12
        assert store.newest_before(START + 10) is None
    assert read_piece(file).holes == (hole,)


def test_two_downloads_of_one_file_do_not_meet(file: Path, store: HistoryStore) -> None:
    """The second is told so."""
    with pytest.raises(SettingsInvalid, match="expected no other download of it, found one that runs"):
        reopened(file)


def test_a_file_of_somebody_else_is_left_as_it_is(file: Path) -> None:
    """It may be a recording that was put there."""
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PAR1 of mine")
    with pytest.raises(DataInvalid, match="expected a file that gridwright history has written"):
        reopened(file)
    assert file.read_bytes() == b"PAR1 of mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its path."""
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsInvalid, match="expected a place to write, found: Permission denied"):
        reopened(history_file(tmp_path, "binance", "BTC/USDT", "1m"))


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """With what is wrong."""
    (tmp_path / "history").write_text("")
    with pytest.raises(SettingsInvalid, match=r"expected a place to write, found: (Not a directory|File exists)"):
        reopened(history_file(tmp_path, "binance", "BTC/USDT", "1m"))


def test_a_price_that_the_file_would_change_is_refused() -> None:
    """Of an amount the nearest is kept."""
    with pytest.raises(DataInvalid, match=r"at most 15 digits, found 1234567890\.123456789"):
        row_from_trade(trade("a", 0, "1234567890.123456789"))
    assert row_from_trade(trade("a", 0, "0.00000001"))[1] == float(Decimal("0.00000001"))

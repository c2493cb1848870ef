"""Bad input, end to end: the real program says once what is wrong and where, and loses nothing."""

import gzip
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.model.snapshot import EngineSnapshot, EngineState
from engine.runtime.journal_store import read_records
from tests.program import GRID, REPLAY, RUN, RUN_TO_END, SYNTHETIC, TOP, Outcome, Place, candles, has_traded

CSV = candles()
HEADER, *ROWS = CSV.splitlines()
PACKED = gzip.compress(CSV.encode(), mtime=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """What is wrong with a configuration or its data; ``{folder}`` in a problem is where it lies."""

    problems: tuple[str, ...]
    config: str = REPLAY
    files: tuple[tuple[str, bytes], ...] = ()


def changed(old: str, new: str, *more: str, text: str = REPLAY) -> str:
    """The good configuration with ``old`` made ``new``, and so on in pairs."""
    assert old in text
    text = text.replace(old, new)
    return changed(*more, text=text) if more else text


def data(name: str, content: bytes, problem: str) -> Bad:
    """A file of data with a problem."""
    return Bad(
        config=changed("candles.csv", name), files=((name, content),), problems=(f"{{folder}}/{name}: {problem}",)
    )


def rows(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


def whole_parquet() -> bytes:
    columns = {name: [float(row.split(",")[place]) for row in ROWS] for place, name in enumerate(HEADER.split(","))}
    times = pa.array([int(at) for at in columns.pop("ts_ms")], pa.int64())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"ts_ms": times, **columns}), sink)
    return bytes(sink.getvalue())


BAD: dict[str, Bad] = {
    "data file missing": Bad(
        config=changed("candles.csv", "nowhere.csv"),
        problems=("{folder}/nowhere.csv: cannot be read: No such file or directory",),
    ),
    "data file a folder": Bad(
        config=changed("candles.csv", "folder.csv"), problems=("{folder}/folder.csv: cannot be read: Is a directory",)
    ),
    "gzip torn": data(
        "torn.csv.gz",
        PACKED[: len(PACKED) // 2],
        "not a whole gzip file: Compressed file ended before the end-of-stream marker was reached",
    ),
    "gzip that is none": data("plain.csv.gz", CSV.encode(), "not a whole gzip file: Not a gzipped file (b'ts')"),
    "row torn": data("torn.csv", CSV.encode()[:-30], "row 300: expected 6 columns, found 2"),
    "parquet torn": data(
        "torn.parquet",
        whole_parquet()[:-100],
        "not a readable parquet file: Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file.",
    ),
    "rows unsorted": data(
        "unsorted.csv",
        rows(ROWS[0], ROWS[2], ROWS[1]),
        "row 3: expected ts_ms above 1583020920000 of the row before, found 1583020860000",
    ),
    "no rows": data("empty.csv", HEADER.encode(), "expected rows of data, found none"),
    "lower above upper": Bad(
        config=changed("lower = 52000", "lower = 70000"),
        problems=("my.toml: grid[0].lower: expected a price below upper, found 70000 (upper is 68000)",),
    ),
    "step below the fees": Bad(
        config=changed("slots = 40", "slots = 400"),
        problems=(
            (
                "grid 'btc': slots: expected steps wider than the fees of a cycle, "
                "found a step of 0.0671 % at level 328, which loses 0.1330 % a cycle"
            ),
        ),
    ),
    "order below the minimum notional": Bad(
        config=changed("quote_per_slot = 100", "quote_per_slot = 4"),
        problems=(
            (
                "grid 'btc': quote_per_slot: expected orders that BTC/USDT takes, found 0.00007 BTC in slot 0: "
                "notional must be at least 5 USDT, was 3.64"
            ),
        ),
    ),
    "more slots than ticks": Bad(
        config=changed("lower = 52000", "lower = 67999.9"),
        problems=(
            "grid 'btc': slots: expected at most as many as ticks of 0.01 fit between lower and upper (10), found 40",
        ),
    ),
    "not enough money": Bad(
        config=changed("quote_per_slot = 100", "quote_per_slot = 1000"),
        problems=("grid 'btc': expected 39988.849 USDT on the account that no other grid needs, found 10000",),
    ),
    "unknown key": Bad(
        config=changed("speed", "sped"), problems=("my.toml: simulation.sped: unknown key, did you mean speed?",)
    ),
    "several at once": Bad(
        config=changed("speed", "sped", "BTC/USDT", "BTC", "= 52000", "= 70000", "slots = 40", "slots = 0"),
        problems=(
            "my.toml: simulation.sped: unknown key, did you mean speed?",
            'my.toml: grid[0].symbol: expected BASE/QUOTE, such as BTC/USDT, found "BTC"',
            "my.toml: grid[0].lower: expected a price below upper, found 70000 (upper is 68000)",
            "my.toml: grid[0].slots: expected a whole number from 1 to 46656, found 0",
        ),
    ),
    "not TOML": Bad(config="[grid", problems=("my.toml: line 1: Expected ']' at the end of a table declaration",)),
    "not UTF-8": Bad(
        files=(("my.toml", REPLAY.encode() + b"\xff\n"),),
        problems=(f"my.toml: line {REPLAY.count(chr(10)) + 1}: expected UTF-8 text, found other bytes",),
    ),
}


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a replay was run to its end."""
    place = Place(tmp_path_factory.mktemp("traded"))
    assert place.run(*RUN_TO_END).code == 0
    return place.folder


@pytest.fixture
def place(traded: Path, tmp_path: Path) -> Place:
    """A copy of it."""
    shutil.copytree(traded, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


def assert_refused(outcome: Outcome, *problems: str) -> None:
    """Exit code 2, these lines on stderr, and nothing on stdout."""
    assert (outcome.code, outcome.out, outcome.trouble) == (2, "", list(problems))


@pytest.mark.parametrize("case", list(BAD))
def test_what_cannot_be_run_is_told_once_and_costs_nothing(case: str, place: Place) -> None:
    """In a new directory, which is afterwards as good as new, and in one with history."""
    bad = BAD[case]
    place.configure(bad.config)
    for name, content in bad.files:
        (place.folder / name).write_bytes(content)
    (place.folder / "folder.csv").mkdir()
    new = place.folder / "new"
    assert_refused(
        place.run(*RUN_TO_END, state=new), *(problem.format(folder=place.folder) for problem in bad.problems)
    )
    assert list(new.glob("*.db*")) == []
    before = place.digests()
    again = place.run(*RUN_TO_END)
    assert (again.code, again.out, len(again.trouble)) == (2, "", len(bad.problems))
    assert place.digests() == before


def test_a_configuration_that_is_a_folder_or_missing_is_told(place: Place, tmp_path: Path) -> None:
    assert_refused(place.run(*RUN_TO_END, config="."), ".: expected a file, found a directory")
    missing = place.run(*RUN_TO_END, config="none.toml")
    assert_refused(missing, "none.toml: expected a readable file, found: No such file or directory")


def test_after_a_first_start_without_enough_money_more_money_in_the_configuration_is_enough(tmp_path: Path) -> None:
    """The refused start had opened an account; the next start must not meet it."""
    poor = changed("quote_per_slot = 100", "quote_per_slot = 1000")
    place = Place(tmp_path, poor)
    assert place.run(*RUN_TO_END).code == 2
    place.configure(changed("speed = 0", "speed = 0\nquote = 100000", text=poor))
    rich = place.run(*RUN_TO_END)
    assert (rich.code, rich.trouble, rich.grid["state"]) == (0, [], "running")


def test_a_second_grid_without_money_refuses_the_first_start_as_a_whole(tmp_path: Path) -> None:
    """Its neighbour had been opened already; smaller, it must not be held to what was refused."""
    both = REPLAY + changed('"btc"', '"two"', "= 100", "= 300", text=GRID)
    place = Place(tmp_path, both)
    refused = place.run(*RUN_TO_END)
    assert refused.code == 2
    assert refused.trouble[0].startswith("grid 'two': expected 11989.002 USDT on the account that no other grid")
    place.configure(changed("= 100", "= 50", "= 300", "= 150", text=both))
    assert place.run(*RUN_TO_END).code == 0


def flipped(path: Path) -> None:
    """One bit in the middle of a record."""
    content = bytearray(path.read_bytes())
    content[content.index(b'"price"', len(content) // 2) + 3] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def made_foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (thing)")
    connection.close()
    path.chmod(0o600)


def made_noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(9_000))


def made_newer(path: Path) -> None:
    """Its header says so; nothing else of it may be read."""
    content = bytearray(path.read_bytes())
    content[60:64] = (2).to_bytes(4)
    path.write_bytes(content)


def broken_at_its_end(path: Path) -> None:
    """As if the last transaction had reached the disk in part."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE head SET sequence = sequence - 1")
    connection.close()


RESTORE = "Restore it from a copy, or start with --fresh, which sets it aside and begins a new journal."
NEW_MARKET = "put it right, or start a new market with --fresh (the old is kept aside)"
UNREADABLE = "the simulated exchange's books cannot be read: "
DAMAGES: dict[str, tuple[str, Callable[[Path], None], int, tuple[str, ...]]] = {
    "journal flipped": ("journal.db", flipped, 2, ("expected record ", " with hash ", RESTORE)),
    "journal cut": ("journal.db", cut, 2, ("expected a readable journal, found: ", "malformed", RESTORE)),
    "journal foreign": ("journal.db", made_foreign, 2, ("expected a journal of gridwright, found ", RESTORE)),
    "journal noise": ("journal.db", made_noise, 2, ("an SQLite file, found 9000 bytes of something else", RESTORE)),
    "journal newer": (
        "journal.db",
        made_newer,
        2,
        ("journal format 1 or older, found 2: a newer gridwright", "--fresh"),
    ),
    "journal end broken": (
        "journal.db",
        broken_at_its_end,
        2,
        ("as the last one, found record ", "gridwright journal verify", "gridwright journal repair", RESTORE),
    ),
    "exchange cut": ("exchange.db", cut, 2, (UNREADABLE, "malformed", NEW_MARKET)),
    "exchange foreign": ("exchange.db", made_foreign, 2, ("expected books of a simulated exchange", NEW_MARKET)),
    "exchange noise": ("exchange.db", made_noise, 2, (UNREADABLE, "file is not a database", NEW_MARKET)),
}


@pytest.mark.parametrize("case", list(DAMAGES))
def test_a_damaged_file_is_refused_with_the_way_out_and_left_as_it_is(case: str, place: Place) -> None:
    name, damage, code, parts = DAMAGES[case]
    damage(place.state / name)
    before = place.digests()
    refused = place.run(*RUN_TO_END)
    assert refused.code == code
    (line,) = refused.trouble
    assert [part for part in (str(place.state / name), *parts) if part not in line] == []
    assert place.digests() == before
    fresh = place.run(*RUN_TO_END, "--fresh")
    assert (fresh.code, fresh.grid["profit"]["residual"]) == (0, "0")
    assert digests_aside(place) == before


@pytest.mark.parametrize(
    "name, expected", [("journal.db", "orders that exchange.db knows"), ("exchange.db", "records in journal.db")]
)
def test_one_of_the_two_files_missing_is_refused_and_the_other_left_as_it_is(
    name: str, expected: str, place: Place
) -> None:
    """A new journal beside old orders would leave them to nobody; a new account would not know the lots."""
    (place.state / name).unlink()
    before = place.digests()
    refused = place.run(*RUN_TO_END)
    assert (refused.code, refused.out, len(refused.trouble)) == (2, "", 1)
    assert refused.trouble[0].startswith(f"{place.state / name}: expected the ")
    assert expected in refused.trouble[0]
    assert before.items() <= place.digests().items()


def digests_aside(place: Place) -> dict[str, str]:
    (folder,) = (place.state / "aside").iterdir()
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_state_dir_in_whose_place_a_file_lies_is_told(place: Place) -> None:
    refused = place.run(*RUN_TO_END, state=place.data)
    assert_refused(
        refused, f"state_dir {place.data}: expected a directory to write in, found: File exists: {place.data}"
    )
    assert place.data.read_text() == CSV


async def test_a_second_engine_is_refused_by_name_and_the_first_does_not_notice(tmp_path: Path) -> None:
    place = Place(tmp_path, SYNTHETIC)
    with place.start(*RUN) as first:
        await first.wait_for(has_traded)
        assert_refused(
            place.run(*RUN),
            f"state_dir {place.state}: expected no other engine here, found one running as process "
            f"{first.process.pid}: attach to it, stop it, or use another --state-dir",
        )
        assert (await first.look()).state is EngineState.RUNNING
        assert first.end().code == 0


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("slots = 40", "slots = 50", "50 slots, quote_per_slot 100"),
        ("lower = 52000", "lower = 51000", "51000 to 68000"),
        ("= 100", "= 50", "40 slots, quote_per_slot 50"),
    ],
)
def test_another_lattice_than_the_one_that_runs_is_refused(old: str, new: str, words: str, place: Place) -> None:
    before = place.digests()
    place.configure(changed(old, new))
    refused = place.run(*RUN_TO_END)
    assert (refused.code, refused.out, len(refused.trouble)) == (2, "", 1)
    expected, found = refused.trouble[0].split(", found ")
    assert expected.startswith("grid 'btc': expected it as it runs (BTC/USDT long geometric 52000 to 68000, 40 slots,")
    assert words in found
    assert found.endswith("; put it back, or start over with --fresh")
    assert place.digests() == before


def test_another_window_is_no_other_lattice(place: Place) -> None:
    place.configure(REPLAY + "window = 5\n")
    outcome = place.run(*RUN_TO_END)
    assert (outcome.code, outcome.trouble) == (0, [])


def test_a_grid_with_live_orders_cannot_be_left_out(place: Place) -> None:
    before = place.digests()
    place.configure(changed('"btc"', '"other"'))
    assert_refused(
        place.run(*RUN_TO_END),
        "grid 'btc': expected it in the configuration, it has 24 live orders in the journal; "
        "put it back, or start over with --fresh",
    )
    assert place.digests() == before


def test_other_data_than_the_market_began_with_is_told_by_what_differs(place: Place) -> None:
    place.data.write_text(candles(200))
    refused = place.run(*RUN_TO_END)
    assert len(refused.trouble) == 1, refused.err
    (line,) = refused.trouble
    assert "the kept market state is of other data: expected rows 1200, found 800; expected end_ms" in line
    assert refused.code == 2


@pytest.mark.parametrize("price, side", [(75_000, "buy"), (45_000, "sell")])
async def test_a_market_that_begins_outside_the_range_is_allowed(price: int, side: str, tmp_path: Path) -> None:
    """Above it the entries of the window wait below the price; below it the base for every slot is bought at once."""
    place = Place(tmp_path, changed("speed = 3600", f"speed = 60\nstart_price = {price}", text=SYNTHETIC))

    def is_waiting(snapshot: EngineSnapshot) -> bool:
        live = [slot.order for grid in snapshot.grids for slot in grid.slots if slot.order is not None]
        return len([order for order in live if order.side == side]) >= 19

    with place.start(*RUN) as running:
        snapshot = await running.wait_for(is_waiting)
        assert snapshot.grids[0].state == "running"
        ended = running.end()
    assert (ended.code, ended.trouble) == (0, [])


COUNTING_THREADS = """
import os, sys
from pathlib import Path
import pyarrow.csv, pyarrow.parquet, pyarrow.compute
from engine.exchange.datafiles import read_market_data
before = len(os.listdir("/proc/self/task"))
read_market_data(Path(sys.argv[1]))
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell a process its threads")
@pytest.mark.parametrize("name, content, more", [("a.csv", CSV.encode(), 1), ("a.parquet", whole_parquet(), 0)])
def test_reading_data_leaves_no_threads_that_abort_a_program_that_ends_at_once(
    name: str, content: bytes, more: int, tmp_path: Path
) -> None:
    """With as many as there are processors, three of a hundred refused starts ended with SIGABRT, not with 2."""
    (tmp_path / name).write_bytes(content)
    child = subprocess.run(
        [sys.executable, "-c", COUNTING_THREADS, str(tmp_path / name)],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(child.stdout) <= more


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 66 MiB, a little more than a start asks for."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=66m,mode=700", "gridwright", str(disk)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of its own needs the right to mount one")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_disk_that_fills_up_halts_with_the_reason_and_with_space_the_grid_goes_on(
    small_disk: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path, SYNTHETIC)
    state, ballast = small_disk / "state", small_disk / "ballast"
    with place.start(*RUN, state=state) as running:
        await running.wait_for(has_traded)
        fill(ballast)
        halted = await running.wait_for(lambda snapshot: snapshot.state is EngineState.HALTED)
        assert "database or disk is full" in halted.state_reason
        ended = running.end()
    assert ended.code == 1
    assert [line for line in ended.trouble if "Traceback" in line] == []
    full = place.run(*RUN, state=state)
    assert (full.code, len(full.trouble)) == (2, 1)
    assert "bytes of free space, found" in full.trouble[0]
    acknowledged = list(read_records(state / "journal.db"))
    ballast.unlink()
    with place.start(*RUN, state=state) as running:
        resumed = await running.wait_for(lambda snapshot: snapshot.state is EngineState.RUNNING)
        assert resumed.grids[0].profit.residual == Decimal(0)
        later = await running.wait_for(lambda snapshot: snapshot.grids[0].cycles > halted.grids[0].cycles)
        assert later.grids[0].profit.residual == Decimal(0)
        assert running.end().code == 0
    assert list(read_records(state / "journal.db"))[: len(acknowledged)] == acknowledged


def fill(ballast: Path) -> None:
    """Take the last page of the disk."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    assert shutil.disk_usage(ballast.parent).free == 0

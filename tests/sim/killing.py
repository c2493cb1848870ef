"""A real headless program under load that is killed again and again, and a witness who reads what it noted.

The market is a file that ends, so that everything comes to rest in the end: three grids with narrow slots on a
restless price, two of them side by side on one account's market, half of the fills in parts.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from math import cos, pi
from pathlib import Path
from random import Random
from shutil import copyfile, rmtree
from signal import SIGKILL
from time import perf_counter
from typing import Any

import apsw

from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_store import read_records_above
from tests.program import RUN, START_MS, TOP, Place
from tests.sim.kill_child import BEGUN, EDITS, MIGRATING

QUOTE, BASE = 2_000_000, 3
ROW_MS = 10_000
LIFE_SECONDS_MAX = 120.0
"""A program that has noted nothing more for so long hangs, or does not trade any more."""
_START_SECONDS_FIRST = 0.5
_JITTER_SECONDS_MAX = 0.004
"""Longer than one commit and what follows it, so that every moment between two commits is met."""
_GRID = """
[[grid]]
name = "{name}"
symbol = "{symbol}"
spacing = "arithmetic"
lower = 9400
upper = 10600
slots = {slots}
quote_per_slot = {size}
window = {window}
initial_purchase = "{purchase}"
{more}
"""
_GRIDS = (
    {"name": "one", "symbol": "BTC/USDT", "slots": 120, "size": 200, "window": 12, "purchase": "limit"},
    {"name": "two", "symbol": "BTC/USDT", "slots": 100, "size": 377, "window": 8, "purchase": "none"},
    {"name": "three", "symbol": "BTC/USDT", "slots": 150, "size": 123, "window": 10, "purchase": "market"},
)
_TRAILS = "trail_up_to = 13000\ntrail_down_to = 8000"
_MIGRATING_GRIDS = (
    {"name": "one", "slots": 60, "size": 200, "window": 12, "purchase": "none", "more": _TRAILS},
    {"name": "two", "slots": 40, "size": 377, "window": 8, "purchase": "limit"},
    {"name": "three", "slots": 70, "size": 123, "window": 10, "purchase": "market", "more": _TRAILS},
)


class Moment(Enum):
    """Where in its life a program is killed."""

    START = "while it starts"
    RECOVERY = "in its first commits"
    LOAD = "under load"
    MIGRATION = "while a lattice changes"


_COMMITS = {Moment.RECOVERY: (2, 13), Moment.LOAD: (13, 101), Moment.MIGRATION: (0, 0)}
"""Lines, the first of which says only that the program has begun."""
_MIGRATIONS_MAX = 8


@dataclass(slots=True)
class Witness:
    """What has been acknowledged in all lives, and where the journal was after each death."""

    heads: dict[int, str] = field(default_factory=dict)
    """Hashes of noted heads, by sequence."""
    seen: tuple[int, str] | None = None
    """The journal's head at the last death, noted or not."""
    kills: dict[Moment, int] = field(default_factory=lambda: dict.fromkeys(Moment, 0))

    def note(self, lines: list[str]) -> None:
        """Take in what a program noted."""
        for line in lines:
            if line not in (BEGUN, MIGRATING):
                sequence, head = line.split(" ")
                assert self.heads.setdefault(int(sequence), head) == head, f"record {sequence} was written twice"

    def read(self, folder: Path) -> None:
        """Look at the journal as a death left it, on a copy: the next life finds what the kill left."""
        if not (folder / JOURNAL_NAME).exists():
            assert not self.heads, f"{len(self.heads)} commits were noted, and there is no journal"
            return
        beside = folder.with_name("copy")
        beside.mkdir()
        for name in (JOURNAL_NAME, f"{JOURNAL_NAME}-wal"):
            if (folder / name).exists():
                copyfile(folder / name, beside / name)
                (beside / name).chmod(0o600)
        assert integrity_of(beside / JOURNAL_NAME) == "ok"
        known = self.seen or (0, "")
        found: dict[int, str] = {}
        for record in read_records_above(beside / JOURNAL_NAME, max(known[0] - 1, 0)):
            found[record.sequence] = record.hash
        assert known[0] == 0 or found.get(known[0]) == known[1], f"record {known[0]} was there, and is not there now"
        lost = {number: head for number, head in self.heads.items() if number >= known[0] and found.get(number) != head}
        assert not lost, f"acknowledged, and not in the journal: {sorted(lost)}"
        if found:
            self.seen = max(found.items())
        rmtree(beside)


def integrity_of(path: Path) -> str:
    """What SQLite says of a file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return str(connection.execute("PRAGMA integrity_check").get)
    finally:
        connection.close()


class Arena:
    """One state directory, its market, and the program that lives and dies on it.

    ``migrates``: two of its grids trail a market that swings wide, and one is edited all the time.
    """

    def __init__(self, folder: Path, seed: int, *, rows: int, migrates: bool = False) -> None:
        folder.mkdir(exist_ok=True)
        self.dice = Random(seed)
        self.seed = seed
        self.migrates = migrates
        self.witness = Witness()
        self.place = Place(folder, self._config(speed=0))
        self.place.data.write_text(swinging_trades(rows, self.dice) if migrates else trades(rows, self.dice))
        self.told = folder / "told.txt"
        """What every life said on stderr."""
        self.answer = folder / "answer.json"
        self._start_seconds = _START_SECONDS_FIRST

    def live_and_die(self, moment: Moment) -> None:
        """Start the program, kill it at a random moment, and look at what it left."""
        self.place.configure(self._config(speed=self.dice.choice((0, 1_000))))
        with self._program() as (process, notes):
            lines = self._wait(notes, moment)
            process.kill()
            code = process.wait()
            lines += _rest_of(notes)
        assert code == -SIGKILL, f"it ended by itself with {code}"
        self.witness.kills[moment] += 1
        self.witness.note("".join(lines).splitlines())
        self.witness.read(self.place.state)

    def last_words(self) -> str:
        """The end of what was said on stderr."""
        return self.told.read_text()[-2_000:] if self.told.exists() else ""

    def live_to_the_end(self) -> dict[str, Any]:
        """Start the program once more and let the market end: the status at rest."""
        self.place.configure(self._config(speed=0))
        with self._program("--until-end") as (process, notes):
            lines = _rest_of(notes)
            code = process.wait(LIFE_SECONDS_MAX)
        assert code == 0, f"it ended with {code}"
        self.witness.note("".join(lines).splitlines())
        self.witness.read(self.place.state)
        status: dict[str, Any] = json.loads(self.answer.read_text())
        return status

    @contextmanager
    def _program(self, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
        """The program at work and its notes; killed if it lives still."""
        reader, writer = os.pipe()
        options = ["--config", "my.toml", "--state-dir", str(self.place.state), *RUN, *words]
        with self.told.open("ab") as told, self.answer.open("wb") as answer, os.fdopen(reader, "rb", buffering=0):
            with os.fdopen(writer, "wb", buffering=0):
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.sim.kill_child", str(writer), *options],
                    cwd=self.place.folder,
                    env={**os.environ, "HOME": str(self.place.folder), "PYTHONPATH": str(TOP), **self._edits()},
                    stdin=subprocess.DEVNULL,
                    stdout=answer,
                    stderr=told,
                    pass_fds=(writer,),
                )
            try:
                yield process, reader
            finally:
                process.kill()
                process.wait()

    def _wait(self, notes: int, moment: Moment) -> list[str]:
        """Until the moment has come: the notes so far."""
        lines = [_read_some(notes)]
        begun = perf_counter()
        if moment is Moment.START:
            return lines + self._wait_seconds(notes, self.dice.uniform(0, self._start_seconds))
        what, least = "\n", self.dice.randint(*_COMMITS[moment])
        if moment is Moment.MIGRATION:
            what, least = MIGRATING, self.dice.randint(1, _MIGRATIONS_MAX)
        has_started = False
        while "".join(lines).count(what) < least:
            lines.append(_read_some(notes))
            if not lines[-1]:
                break
            if not has_started:
                has_started, self._start_seconds = True, perf_counter() - begun
        return lines + self._wait_seconds(notes, self.dice.uniform(0, _JITTER_SECONDS_MAX))

    def _wait_seconds(self, notes: int, seconds: float) -> list[str]:
        lines, until = [], perf_counter() + seconds
        while (left := until - perf_counter()) > 0 and select.select([notes], [], [], left)[0]:
            lines.append(_read_some(notes))
            if not lines[-1]:
                break
        return lines

    def _edits(self) -> dict[str, str]:
        return {EDITS: "two"} if self.migrates else {}

    def _config(self, *, speed: int) -> str:
        kinds = _MIGRATING_GRIDS if self.migrates else _GRIDS
        grids = "".join(_GRID.format(**({"symbol": "BTC/USDT", "more": ""} | grid)) for grid in kinds)
        return (
            f"[engine]\nreconcile_seconds = 1\n\n"
            f'[simulation]\nsource = "replay"\npath = "candles.csv"\nspeed = {speed}\nseed = {self.seed}\n'
            f"base = {BASE}\nquote = {QUOTE}\npartial_fills = 0.5\n\n"
            f"[simulation.market]\ntick = 0.01\nlot = 0.00001\nmaker_fee = 0.0001\ntaker_fee = 0.0002\n" + grids
        )


def a_moment(dice: Random) -> Moment:
    """Half under load, the rest in the two halves of a start."""
    return dice.choice((Moment.START, Moment.RECOVERY, Moment.LOAD, Moment.LOAD))


def trades(rows: int, dice: Random) -> str:
    """A restless walk around 10000."""
    lines, price = ["ts_ms,price,amount"], 10_000.0
    for row in range(rows):
        price += dice.gauss(0, 60) + (10_000 - price) * 0.1
        price = min(max(price, 9_450), 10_550)
        lines.append(f"{START_MS + ROW_MS * row},{price:.2f},1")
    return "\n".join(lines) + "\n"


def swinging_trades(rows: int, dice: Random) -> str:
    """A restless walk that swings by a fifth around 10300, up and back every hundred rows."""
    lines, noise = ["ts_ms,price,amount"], 0.0
    for row in range(rows):
        noise = noise * 0.7 + dice.gauss(0, 60)
        price = 10_300 - 1_900 * cos(row * 2 * pi / 100 + 1.2) + noise
        lines.append(f"{START_MS + ROW_MS * row},{price:.2f},1")
    return "\n".join(lines) + "\n"


def _read_some(notes: int) -> str:
    """The next lines, whole; empty when their writer has ended."""
    ready = select.select([notes], [], [], LIFE_SECONDS_MAX)[0]
    assert ready, f"nothing was noted for {LIFE_SECONDS_MAX} seconds: it hangs, or its market has ended"
    return os.read(notes, 65_536).decode()


def _rest_of(notes: int) -> list[str]:
    lines = []
    while text := _read_some(notes):
        lines.append(text)
    return lines

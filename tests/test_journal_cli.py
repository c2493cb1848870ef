"""``gridwright journal``: what is in a journal, whether it is sound, and the repair of a broken end."""

import json
import os
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from engine.cli import main
from engine.model.snapshot import EngineState
from engine.runtime.facts_codec import first_hash
from engine.runtime.journal_store import read_records
from engine.runtime.state_dir import open_state_dir
from tests.program import RUN, RUN_TO_END, SYNTHETIC, TOP, Place, has_traded
from tests.runtime.journal_builders import IDENTITY, edit, grid_journal, open_and_read

UNLOCKED = ("DROP TRIGGER journal_never_updated", "DROP TRIGGER journal_never_deleted")
BREAK_THE_END = (*UNLOCKED, "UPDATE journal SET payload = '{}' WHERE sequence >= 39")
BREAK_THE_MIDDLE = (*UNLOCKED, "UPDATE journal SET payload = '{}' WHERE sequence = 17")


def run(*arguments: str | Path) -> int:
    """Exit code of the command line, in this process."""

    def no_terminal(*_: object, **__: object) -> int:
        raise AssertionError("the terminal was not asked for")

    return main([str(argument) for argument in arguments], run_terminal=no_terminal)


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    """stdout, and the lines on stderr."""
    out, err = capsys.readouterr()
    return out, err.splitlines()


def digests(folder: Path) -> dict[str, str]:
    """The files that hold something, byte for byte."""
    files = [path for path in folder.rglob("*.db*") if path.stat().st_size and not path.name.endswith("-shm")]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a journal of 40 records."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    grid_journal(folder)
    return folder


def test_verify_says_what_is_in_a_sound_journal(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = list(read_records(state / "journal.db"))[-1].hash
    assert run("journal", "verify", "--state-dir", state) == 0
    out, err = said(capsys)
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        ["journal", str(state / "journal.db")],
        ["state", "sound"],
        ["records", "40"],
        ["grids", "main"],
        ["orders", "0"],
        ["fills", "0"],
        ["first", "1970-01-01T00:00:00.001Z"],
        ["last", "1970-01-01T00:00:00.040Z"],
        ["head", head],
    ]
    assert err == []
    assert run("journal", "verify", "--json", "--file", state / "journal.db") == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(state / "journal.db"),
        "sound": True,
        "records": 40,
        "grids": ["main"],
        "orders": 0,
        "fills": 0,
        "first": "1970-01-01T00:00:00.001Z",
        "last": "1970-01-01T00:00:00.040Z",
        "head": head,
        "damage": None,
    }


def test_verify_of_an_empty_journal_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_and_read(tmp_path / "journal.db")
    assert run("journal", "verify", "--state-dir", tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["first"], report["head"]) == (0, None, None)


def test_verify_names_the_place_of_damage_and_what_can_be_done(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(state / "journal.db", *BREAK_THE_END)
    before = digests(state)
    assert run("journal", "verify", "--state-dir", state) == 1
    out, (line,) = said(capsys)
    assert "state    damaged after record 38" in out.splitlines()
    assert line.startswith(f"{state / 'journal.db'}: expected record 39 with hash ")
    assert line.endswith("gridwright journal repair keeps it all aside and cuts off what is behind record 38")
    assert run("journal", "verify", "--state-dir", state, "--json") == 1
    damage = json.loads(capsys.readouterr().out)["damage"]
    assert (damage["after"], damage["repairable"]) == (38, True)
    assert digests(state) == before


def test_verify_says_when_a_repair_would_lose_what_is_whole(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(state / "journal.db", *BREAK_THE_MIDDLE)
    assert run("journal", "verify", "--state-dir", state) == 1
    _, (line,) = said(capsys)
    assert "Record 40 behind that is whole, so it cannot be repaired: restore it from a copy, or start" in line


def test_verify_folds_the_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every hash is right, and what the records say is impossible."""
    from tests.runtime.journal_builders import small_journal

    small_journal(tmp_path, count=3)
    assert run("journal", "verify", "--state-dir", tmp_path) == 1
    _, (line,) = said(capsys)
    assert "expected facts that agree, found in record 1: InvariantBroken: grid 'btc' was never opened." in line
    assert run("journal", "repair", "--state-dir", tmp_path) == 1
    assert len(list(read_records(tmp_path / "journal.db"))) == 3


def test_export_prints_every_record_and_its_hash_can_be_computed_from_it(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("journal", "export", "--state-dir", state) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, 41))
    assert lines[0]["payload"]["lattice"]["anchor"] == "150"
    assert (lines[1]["kind"], lines[1]["grid"], lines[1]["time"]) == ("slot_frozen", "main", "1970-01-01T00:00:00.002Z")
    previous = first_hash(IDENTITY)
    for line in lines:
        payload = json.dumps(line["payload"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        grid, kind = line["grid"], line["kind"]
        text = f"{previous}|{line['sequence']}|{line['at_ms']}|{kind}|{len(grid)}|{grid}|{payload}"
        previous = sha256(text.encode()).hexdigest()
        assert line["hash"] == previous


@pytest.mark.parametrize(
    "words, sequences",
    [
        (["--from", "38"], [38, 39, 40]),
        (["--to", "2"], [1, 2]),
        (["--from", "5", "--to", "6"], [5, 6]),
        (["--from", "41"], []),
        (["--from", "99"], []),
    ],
)
def test_export_of_a_part(
    words: list[str], sequences: list[int], state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("journal", "export", "--state-dir", state, *words) == 0
    assert [json.loads(line)["sequence"] for line in capsys.readouterr().out.splitlines()] == sequences


def test_export_to_a_file_is_whole_or_leaves_what_stood_there(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "records.jsonl"
    assert run("journal", "export", "--state-dir", state, "--output", target) == 0
    whole = target.read_text()
    assert len(whole.splitlines()) == 40
    assert target.stat().st_mode & 0o777 == 0o600
    edit(state / "journal.db", *BREAK_THE_MIDDLE)
    assert run("journal", "export", "--state-dir", state, "--output", target) == 1
    out, (line,) = said(capsys)
    assert (out, "expected record 17 with hash" in line) == ("", True)
    assert target.read_text() == whole
    assert [path.name for path in tmp_path.glob("*records*")] == ["records.jsonl"]
    assert [path.name for path in tmp_path.glob(".records*")] == []
    assert run("journal", "export", "--state-dir", state, "--output", tmp_path / "none" / "x") == 1
    assert "expected a file that can be written, found: No such file or directory" in capsys.readouterr().err


def test_export_replaces_no_journal_and_nothing_that_is_no_file(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link, other = tmp_path / "link.jsonl", tmp_path / "exchange.db"
    link.symlink_to(state / "journal.db")
    sqlite3.connect(other).execute("CREATE TABLE books (thing)").connection.close()
    os.mkfifo(tmp_path / "pipe")
    before = digests(tmp_path)
    for target in (state / "journal.db", link, state / "journal.db-wal", other):
        assert run("journal", "export", "--state-dir", state, "--output", target) == 2
        (line,) = capsys.readouterr().err.splitlines()
        expected = "expected a file that may be replaced, found one of a database: name another"
        assert line == f"--output {target.resolve()}: {expected}"
    for target, found in ((tmp_path, "a folder"), (tmp_path / "pipe", "something else")):
        assert run("journal", "export", "--state-dir", state, "--output", target) == 2
        expected = f"--output {target}: expected a file or a name that is free, found {found}\n"
        assert capsys.readouterr().err == expected
    assert run("journal", "export", "--state-dir", state, "--output", "") == 2
    assert digests(tmp_path) == before


def test_export_of_no_record_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("journal", "export", "--state-dir", state, "--from", "41") == 0
    assert said(capsys) == ("", [f"{state / 'journal.db'}: no record from 41 on, nothing exported"])


def test_a_damaged_journal_elsewhere_is_told_without_what_only_helps_the_one_of_the_state_directory(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(state / "journal.db", *BREAK_THE_END)
    for task in ("verify", "export", "replay"):
        assert run("journal", task, "--file", state / "journal.db") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{state / 'journal.db'}: expected record 39 with hash ")
        assert "repair" not in line
        assert "--fresh" not in line
    assert run("journal", "verify", "--file", tmp_path) == 2
    _, (line,) = said(capsys)
    assert line == f"{tmp_path}: expected a regular file, found a link or a special file."
    assert run("journal", "replay", "--state-dir", state) == 1
    assert "gridwright journal repair" in capsys.readouterr().err


def test_a_broken_configuration_hides_no_journal(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "my.toml"
    config.write_text("nonsense = 1\n")
    assert run("--config", config, "journal", "verify", "--state-dir", state) == 2
    hint = "with --state-dir DIR alone, a journal is found without reading a configuration"
    assert capsys.readouterr().err.splitlines()[-1] == hint
    for task in ("verify", "export", "replay"):
        assert run("--config", config, "journal", task, "--file", state / "journal.db") == 0
    assert run("--config", config, "journal", "replay", "--file", state / "journal.db", "--until", "2") == 2


def test_a_full_disk_behind_stdout_is_one_line(state: Path, tmp_path: Path) -> None:
    for task in ("verify", "export", "replay"):
        words = ["journal", task, "--state-dir", str(state)]
        with open("/dev/full", "w") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "tui.main", *words],
                env={**os.environ, "PYTHONPATH": str(TOP)},
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        expected = "stdout: expected room to write, found: No space left on device\n"
        assert (ended.returncode, ended.stderr) == (1, expected)


def test_repair_cuts_the_end_off_and_says_so_in_one_line(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = list(read_records(state / "journal.db"))
    edit(state / "journal.db", *BREAK_THE_END)
    damaged = (state / "journal.db").read_bytes()
    assert run("journal", "repair", "--state-dir", state) == 0
    out, (line,) = said(capsys)
    (folder,) = (state / "aside").iterdir()
    assert out == ""
    assert "expected record 39 with hash" in line
    assert f"Everything is kept as it was in {folder}; the first 38 records remain" in line
    assert (folder / "journal.db").read_bytes() == damaged
    assert open_and_read(state / "journal.db") == records[:38]
    assert run("journal", "verify", "--state-dir", state) == 0
    assert run("journal", "repair", "--state-dir", state) == 0
    assert capsys.readouterr().err.endswith("is sound: nothing to repair, nothing changed\n")


def test_repair_of_the_middle_is_refused_and_changes_nothing(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(state / "journal.db", *BREAK_THE_MIDDLE)
    before = digests(state)
    assert run("journal", "repair", "--state-dir", state) == 1
    _, (line,) = said(capsys)
    assert "expected record 17 with hash" in line
    assert "found that record 40 is" in line
    assert digests(state) == before


def test_repair_beside_an_engine_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(state / "journal.db", *BREAK_THE_END)
    before = digests(state)
    with open_state_dir(state):
        assert run("journal", "repair", "--state-dir", state) == 2
    assert f"found one running as process {os.getpid()}" in capsys.readouterr().err
    assert digests(state) == before


def made_foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (thing)")
    connection.close()
    path.chmod(0o600)


def made_newer(path: Path) -> None:
    edit(path, "PRAGMA user_version = 2")


def made_text(path: Path) -> None:
    path.write_text("dear diary")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


STRANGERS = {
    "foreign": (made_foreign, "expected a journal of gridwright, found an SQLite file of application 0x0"),
    "newer": (made_newer, "expected journal format 1 or older, found 2: a newer gridwright wrote it"),
    "text": (made_text, "expected an SQLite file, found 10 bytes of something else"),
    "folder": (made_a_folder, "expected a regular file, found a link or a special file"),
    "readable by others": (lambda path: path.chmod(0o644), "expected mode 600, found 644: run chmod 600 on it"),
    "none": (lambda path: path.unlink(), "expected a journal, found none"),
}


@pytest.mark.parametrize("words", [["verify"], ["verify", "--json"], ["export"], ["repair"]], ids=" ".join)
@pytest.mark.parametrize("case", list(STRANGERS))
def test_what_is_no_journal_is_wrong_use_and_left_as_it_is(
    case: str, words: list[str], state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, expected = STRANGERS[case]
    damage(state / "journal.db")
    before = digests(state) if case != "folder" else {}
    assert run("journal", *words, "--state-dir", state) == 2
    out, (line,) = said(capsys)
    assert out == ""
    assert line.startswith(f"{state / 'journal.db'}: {expected}")
    assert before == (digests(state) if case != "folder" else {})


@pytest.mark.parametrize(
    "words",
    [
        ["journal"],
        ["journal", "mend"],
        ["journal", "export", "--from", "0"],
        ["journal", "export", "--to", "x"],
        ["journal", "repair", "--file", "journal.db"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2


def test_export_to_before_from_is_wrong_use(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("journal", "export", "--state-dir", state, "--from", "5", "--to", "4") == 2
    assert capsys.readouterr().err == "--to: expected at least 5 (--from), found 4\n"


async def test_journal_of_a_running_engine_is_verified_and_exported_and_the_engine_does_not_notice(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, SYNTHETIC)
    with place.start(*RUN) as running:
        await running.wait_for(has_traded)
        verified = place.run("journal", "verify", "--json")
        exported = place.run("journal", "export")
        assert (verified.code, verified.err) == (0, "")
        assert verified.status["sound"] is True
        assert verified.status["orders"] > 20
        assert verified.status["fills"] > 0
        assert (await running.look()).state is EngineState.RUNNING
        refused = place.run("journal", "repair")
        assert (refused.code, f"running as process {running.process.pid}" in refused.err) == (2, True)
        assert running.end().code == 0
    stored = [record.hash for record in read_records(place.state / "journal.db")]
    told = [json.loads(line)["hash"] for line in exported.out.splitlines()]
    assert len(told) >= verified.status["records"]
    assert told == stored[: len(told)]


async def test_start_on_a_broken_end_is_refused_and_after_the_repair_the_grid_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run(*RUN_TO_END).code == 0
    records = list(read_records(place.state / "journal.db"))
    edit(place.state / "journal.db", *UNLOCKED, f"UPDATE journal SET payload = '{{}}' WHERE sequence = {len(records)}")
    refused = place.run(*RUN_TO_END)
    assert (refused.code, len(refused.trouble)) == (2, 1)
    assert "gridwright journal verify" in refused.trouble[0]
    assert "gridwright journal repair" in refused.trouble[0]
    assert place.run("journal", "repair").code == 0
    assert list(read_records(place.state / "journal.db")) == records[:-1]
    again = place.run(*RUN_TO_END)
    assert (again.code, again.grid["profit"]["residual"]) == (0, "0")

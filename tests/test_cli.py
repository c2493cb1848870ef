"""The command line: exit codes, what goes to stdout and what to stderr, with a real socket behind it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.cli import main
from engine.model.commands import Freeze, Pause, Reconcile, Resume, Stop, Thaw
from engine.model.errors import CommandRefused, EngineStopped
from engine.model.grid import Disposal
from engine.remote.server import serve
from engine.settings import Settings, Start
from tests.remote.builders import FakeEngine, make_event, make_grid, make_snapshot

TOP = Path(__file__).parent.parent
GOOD = (TOP / "config.toml").read_text()


QUESTIONS = (["edit", "--slots", "4"], ["panic", "--yes"], ["lift", "panic_key", "--yes"])


class FakeTerminal:
    """Remembers how the terminal was started."""

    def __init__(self) -> None:
        self.started: list[tuple[Settings, Start]] = []

    def __call__(self, settings: Settings, *, start: Start) -> int:
        self.started.append((settings, start))
        return 0


def run(*arguments: str | Path, terminal: FakeTerminal | None = None) -> int:
    """Exit code of the command line, in this process."""
    return main([str(argument) for argument in arguments], run_terminal=terminal or FakeTerminal())


def run_child(*arguments: str | Path, folder: Path, interpreter: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the real program in a process of its own."""
    child = subprocess.run(
        [sys.executable, *interpreter, "-m", "tui.main", *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(TOP),
            "XDG_CONFIG_HOME": str(folder / "xdg"),
            "HOME": str(folder),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return child.returncode, child.stdout, child.stderr


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop on another thread, for engines to be served on."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def engine(portal: BlockingPortal, tmp_path: Path) -> Iterator[FakeEngine]:
    """An engine that answers on ``tmp_path / "state" / "control.sock"``."""
    engine = FakeEngine(events=[make_event(number) for number in range(1, 6)])
    future, _ = portal.start_task(serve, engine, tmp_path / "state" / "control.sock")
    yield engine
    future.cancel()


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder and a home without any configuration."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


def test_status_prints_a_table_or_one_object(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "--state-dir", tmp_path / "state") == 0
    out, err = capsys.readouterr()
    assert "btc  BTC/USDT  running  price 1150.5" in out.splitlines()
    assert err == ""
    assert run("--state-dir", tmp_path / "state", "status", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["grids"][0]["profit"]["residual"] == "0"
    assert err == ""


def test_events_prints_the_newest_oldest_first(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("events", "--state-dir", tmp_path / "state", "--limit", "2", "--json") == 0
    assert [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()] == [4, 5]
    assert run("events", "--state-dir", tmp_path / "state") == 0
    assert capsys.readouterr().out.splitlines()[0] == "2020-03-12T00:00:00.123Z info    btc slot 3: event 1"


def test_following_ends_with_the_engine(engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine.trouble_after_events = EngineStopped("the engine has stopped: by the operator")
    assert run("events", "--follow", "--json", "--state-dir", tmp_path / "state") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5
    assert err == "the engine has stopped: by the operator\n"


@pytest.mark.parametrize(
    "words, command",
    [
        (["pause"], Pause(grid="btc")),
        (["resume", "--grid", "btc"], Resume(grid="btc")),
        (["stop"], Stop(grid="btc", disposal=Disposal.LEAVE)),
        (["stop", "--cancel"], Stop(grid="btc", disposal=Disposal.CANCEL)),
        (["stop", "--flatten", "--grid", "btc"], Stop(grid="btc", disposal=Disposal.FLATTEN)),
        (["freeze", "3"], Freeze(grid="btc", slot=3)),
        (["thaw", "--grid", "btc", "0"], Thaw(grid="btc", slot=0)),
        (["reconcile"], Reconcile(grid="btc")),
        (["reconcile", "--grid", "btc"], Reconcile(grid="btc")),
    ],
)
def test_each_command_reaches_the_engine(
    words: list[str],
    command: object,
    engine: FakeEngine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*words, "--state-dir", tmp_path / "state") == 0
    assert engine.commands == [command]
    assert capsys.readouterr() == ("", f"did {type(command).__name__}\n")


def test_among_several_grids_one_must_be_named(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.current = make_snapshot(make_grid("a"), make_grid("b"))
    assert run("pause", "--state-dir", tmp_path / "state") == 2
    assert capsys.readouterr() == ("", "expected --grid NAME, one of: a, b\n")
    assert run("pause", "--grid", "c", "--state-dir", tmp_path / "state") == 2
    assert capsys.readouterr() == ("", "--grid: expected one of a, b, found c\n")
    assert run("pause", "--grid", "b", "--state-dir", tmp_path / "state") == 0
    assert engine.commands == [Pause(grid="b")]


def test_a_refusal_of_the_engine_is_a_failure_with_its_words(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.trouble = CommandRefused("slot 99 does not exist\x1b[2J")
    assert run("freeze", "99", "--state-dir", tmp_path / "state") == 1
    assert capsys.readouterr() == ("", "slot 99 does not exist<U+001B>[2J\n")


def test_without_an_engine_the_socket_is_named_and_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["status"],
        ["events", "--follow"],
        ["pause"],
        ["freeze", "1"],
        ["resolve", "q3", "halt"],
        *QUESTIONS,
    ):
        assert run(*words, "--state-dir", tmp_path / "no where") == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            f"no engine is running: there is no socket at {tmp_path / 'no where' / 'control.sock'}",
            f"start one with: gridwright run --headless --state-dir '{tmp_path / 'no where'}'",
        ]


def test_the_state_dir_of_the_configuration_leads_to_the_engine(engine: FakeEngine, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text(GOOD.replace("~/.local/state/gridwright", "state"))
    assert run("pause", "--config", config) == 0
    assert run("--config", config, "resume") == 0
    Path("config.toml").symlink_to(config)
    assert run("--state-dir", tmp_path / "elsewhere", "pause") == 1
    assert [type(command) for command in engine.commands] == [Pause, Resume]


def test_a_running_engine_is_reached_while_the_file_has_a_mistake(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("config.toml").write_text("oops")
    assert run("stop") == 2
    assert "with --state-dir DIR alone, a running engine is reached" in capsys.readouterr().err
    assert run("stop", "--state-dir", tmp_path / "state") == 0
    assert engine.commands == [Stop(grid="btc", disposal=Disposal.LEAVE)]


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["config"],
        ["config", "fly"],
        ["freeze"],
        ["freeze", "-1"],
        ["freeze", "x"],
        ["freeze", "\u0663"],
        ["resolve"],
        ["resolve", "q3"],
        ["resolve", "q3", "burn"],
        ["resolve", "", "halt"],
        ["resolve", "q" * 65, "halt"],
        ["reconcile", "q3"],
        ["preflight", "btc"],
        ["edit"],
        ["edit", "--yes"],
        ["edit", "--slots", "0"],
        ["edit", "--slots", "46657"],
        ["edit", "--lower", "0"],
        ["edit", "--lower", "-1"],
        ["edit", "--upper", "1e5"],
        ["edit", "--upper", "NaN"],
        ["edit", "--size", "\u0663"],
        ["edit", "--size", "9" * 21],
        ["edit", "--lower", "68000", "--upper", "52000"],
        ["panic", "btc"],
        ["lift"],
        ["lift", "joy"],
        ["events", "--limit", "0"],
        ["events", "--limit", "1001"],
        ["stop", "--cancel", "--flatten"],
        ["run", "--until-end"],
        ["--fresh", "status"],
        ["status", "--fresh"],
        ["status", "--jso"],
        ["--config"],
        ["attach"],
    ],
)
def test_wrong_use_is_exit_code_2_and_says_nothing_on_stdout(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: gridwright")


@pytest.mark.parametrize("words", [[], ["run"]])
def test_without_headless_the_terminal_is_run_with_the_settings(words: list[str], tmp_path: Path) -> None:
    terminal = FakeTerminal()
    assert run(*words, terminal=terminal) == 0
    assert run("--state-dir", tmp_path / "s", "--fresh", *words, terminal=terminal) == 0
    (plain, plain_start), (other, other_start) = terminal.started
    assert (plain_start, other_start) == (Start(), Start(is_fresh=True))
    assert plain.engine.state_dir == tmp_path / ".local" / "state" / "gridwright"
    assert other.engine.state_dir == tmp_path / "s"


def test_what_is_wished_of_a_start_is_handed_on() -> None:
    terminal = FakeTerminal()
    run("--yes-live", "run", "--key-renewed", terminal=terminal)
    assert [start for _, start in terminal.started] == [Start(is_live_confirmed=True, is_key_renewed=True)]


@pytest.mark.parametrize("words", [["--yes-live", "status"], ["--key-renewed", "pause"], ["run", "--log-file", "x"]])
def test_a_wish_for_a_start_is_wrong_use_where_nothing_is_started(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2


def test_fresh_is_taken_before_and_after_run() -> None:
    terminal = FakeTerminal()
    for words in (["run", "--fresh"], ["--fresh", "run"], ["run"]):
        run(*words, terminal=terminal)
    assert [start.is_fresh for _, start in terminal.started] == [True, True, False]


@pytest.mark.parametrize("words", [[], ["run"], ["run", "--headless"], ["config", "check"], ["status"]])
def test_a_bad_configuration_is_exit_code_2_with_every_problem(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = FakeTerminal()
    Path("bad.toml").write_text(GOOD.replace("slots = 40", "slots = 0").replace("seed = 7", "sed = 7"))
    assert run("--config", "bad.toml", *words, terminal=terminal) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == [
        "bad.toml: simulation.sed: unknown key, did you mean seed?",
        "bad.toml: grid[0].slots: expected a whole number from 1 to 46656, found 0",
    ]
    assert terminal.started == []


def test_until_end_needs_data_that_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--headless", "--until-end") == 2
    assert capsys.readouterr().err == "simulation.source: expected replay with --until-end, found synthetic\n"


def test_config_init_check_and_show_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "xdg" / "gridwright" / "config.toml"
    assert run("config", "init") == 0
    assert capsys.readouterr() == ("", f"wrote {target}\n")
    assert run("config", "init") == 1
    assert capsys.readouterr().err == f"{target} exists already; --force replaces it and keeps a backup\n"
    assert run("config", "init", "--force") == 0
    assert capsys.readouterr().err.splitlines()[0] == f"the old configuration is kept as {target}.bak"
    assert run("config", "check") == 0
    assert capsys.readouterr() == ("ok\n", f"configuration: {target}\n")
    assert run("config", "show") == 0
    shown = capsys.readouterr().out
    Path("shown.toml").write_text(shown)
    assert run("config", "show", "--config", "shown.toml") == 0
    assert capsys.readouterr().out == shown
    assert run("config", "show", "--json", "--state-dir", "/s") == 0
    assert json.loads(capsys.readouterr().out)["engine"]["state_dir"] == "/s"


def test_without_any_file_the_built_in_defaults_are_in_effect(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "check") == 0
    assert capsys.readouterr() == ("ok\n", "configuration: none found, the built-in defaults\n")


def test_the_program_says_its_version_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--version")
    assert caught.value.code == 0
    assert re.fullmatch(r"gridwright \d[\w.]*\n", capsys.readouterr().out)


def test_status_in_a_process_of_its_own_starts_light(engine: FakeEngine, tmp_path: Path) -> None:
    code, out, imports = run_child(
        "status",
        "--json",
        "--state-dir",
        tmp_path / "state",
        folder=tmp_path,
        interpreter=("-X", "importtime"),
    )
    assert code == 0
    assert json.loads(out)["engine"]["state"] == "running"
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in imports.splitlines() if "|" in line}
    assert "anyio" in imported
    heavy = {"textual", "rich", "numpy", "pyarrow", "apsw", "pydantic", "ccxt"}
    assert imported & heavy == set()


def test_a_bad_configuration_in_a_process_of_its_own_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[grid")
    assert run_child("--config", "bad.toml", "run", "--headless", folder=tmp_path) == (
        2,
        "",
        "bad.toml: line 1: Expected ']' at the end of a table declaration\n",
    )


def test_without_a_terminal_the_screen_is_refused_before_it_is_imported(tmp_path: Path) -> None:
    assert run_child(folder=tmp_path) == (
        2,
        "",
        "expected a terminal, found none; without one: gridwright run --headless\n",
    )


def test_no_engine_in_a_process_of_its_own_is_exit_code_1(tmp_path: Path) -> None:
    code, out, err = run_child("status", folder=tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"no engine is running: there is no socket at {tmp_path}/.local/state/gridwright/")


def test_a_reader_that_has_seen_enough_is_no_error(engine: FakeEngine, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "tui.main", "events", "--state-dir", str(tmp_path / "state")],
        cwd=TOP,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (child.returncode, child.stderr) == (0, b"")

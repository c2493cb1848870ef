"""``gridwright resolve``: what reaches the engine, what is asked back first, and every way to be refused."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.cli import main
from engine.model.commands import Command, CommandDone, Resolve
from engine.model.errors import CommandRefused
from engine.model.reconcile import Resolution
from engine.remote.server import serve
from engine.settings import Settings, Start
from tests.remote.builders import FakeEngine, make_grid, make_question, make_snapshot

TOP = Path(__file__).parent.parent
WRITE_OFF = Resolve(grid="btc", name="q3", resolution=Resolution.WRITE_OFF)
HALT = Resolve(grid="btc", name="q3", resolution=Resolution.HALT)


class AskingEngine(FakeEngine):
    """Has the open question ``q3``; the answer to it is refused if ``refusal`` is set."""

    def __init__(self) -> None:
        super().__init__(make_snapshot(make_grid(questions=(make_question(),))))
        self.refusal: CommandRefused | None = None

    async def send(self, command: Command) -> CommandDone:
        if self.refusal is not None:
            raise self.refusal
        return await super().send(command)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop on another thread, for engines to be served on."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def engine(portal: BlockingPortal, tmp_path: Path) -> Iterator[AskingEngine]:
    """An engine that answers on ``tmp_path / "control.sock"``."""
    engine = AskingEngine()
    future, _ = portal.start_task(serve, engine, tmp_path / "control.sock")
    yield engine
    future.cancel()


def run(*arguments: str, state: Path) -> int:
    """Exit code of the command line, in this process, without a terminal."""

    def no_terminal(settings: Settings, *, start: Start) -> int:
        raise AssertionError(f"no terminal is asked for: {settings} {start}")

    return main([*arguments, "--state-dir", str(state)], run_terminal=no_terminal)


def run_typing(typed: bytes, *arguments: str, state: Path) -> tuple[int, str]:
    """Exit code and screen of the real program at a terminal where somebody types."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tui.main", *arguments, "--state-dir", str(state)],
        cwd=TOP,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as child:
        os.close(theirs)
        os.write(ours, typed)
        code = child.wait(timeout=60)
    screen = os.read(ours, 65536).decode().replace("\r\n", "\n")
    os.close(ours)
    return code, screen


def test_an_answer_that_moves_no_money_is_given_at_once(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resolve", "q3", "halt", state=tmp_path) == 0
    assert run("resolve", "--grid", "btc", "q3", "query", state=tmp_path) == 0
    assert engine.commands == [HALT, Resolve(grid="btc", name="q3", resolution=Resolution.QUERY)]
    assert capsys.readouterr() == ("", "did Resolve\ndid Resolve\n")


def test_an_answer_that_moves_money_is_given_with_yes(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resolve", "q3", "write_off", "--yes", state=tmp_path) == 0
    assert engine.commands == [WRITE_OFF]
    assert capsys.readouterr() == ("", "did Resolve\n")


def test_an_answer_that_moves_money_needs_yes_where_nobody_can_type_it(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run("resolve", "q3", "write_off", state=tmp_path) == 2
    assert engine.commands == []
    assert capsys.readouterr() == (
        "",
        (
            "nothing was done: expected --yes, or a terminal to confirm this on\n"
            "meant: write_off moves money: books 0.5 as lost\n"
        ),
    )


def test_somebody_who_types_yes_at_the_terminal_has_confirmed(engine: AskingEngine, tmp_path: Path) -> None:
    code, screen = run_typing(b"yes\n", "resolve", "q3", "write_off", state=tmp_path)
    assert (code, engine.commands) == (0, [WRITE_OFF])
    assert "write_off moves money: books 0.5 as lost\ntype yes to do it: " in screen
    assert screen.endswith("did Resolve\n")


@pytest.mark.parametrize("typed", [b"y\n", b"\n", b"YES\n", b"\x04"])
def test_whatever_else_is_typed_does_nothing(typed: bytes, engine: AskingEngine, tmp_path: Path) -> None:
    code, screen = run_typing(typed, "resolve", "q3", "write_off", state=tmp_path)
    assert (code, engine.commands) == (1, [])
    assert screen.endswith("nothing was done\n")


@pytest.mark.parametrize("word", ["adopt", "release", "note"])
def test_a_choice_that_the_question_does_not_have_is_wrong_use_and_lists_those_it_has(
    word: str, engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resolve", "q3", word, "--yes", state=tmp_path) == 2
    assert engine.commands == []
    assert capsys.readouterr() == ("", f"q3: expected one of write_off, query, halt, found {word}\n")


def test_a_word_that_is_no_choice_at_all_is_wrong_use_and_lists_all_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("resolve", "q3", "burn", state=tmp_path)
    assert caught.value.code == 2
    words = "adopt, cancel, release, write_off, note, keep, query, halt"
    assert f"argument CHOICE: expected one of {words}, found 'burn'\n" in capsys.readouterr().err


def test_a_question_that_is_not_open_is_one_line_with_those_that_are(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resolve", "q4", "halt", state=tmp_path) == 1
    engine.current = make_snapshot(make_grid())
    assert run("resolve", "q3\x1b", "write_off", "--yes", state=tmp_path) == 1
    assert engine.commands == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "btc: q4 is no open question, it may be answered already (open: q3)",
        "btc: q3<U+001B> is no open question, it may be answered already (open: none)",
    ]


def test_of_many_open_questions_the_first_are_named(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.current = make_snapshot(make_grid(questions=tuple(make_question(name=f"q{n}") for n in range(1, 13))))
    assert run("resolve", "q99", "halt", state=tmp_path) == 1
    names = "q1, q2, q3, q4, q5, q6, q7, q8, q9, q10 and 2 more, see gridwright status"
    assert capsys.readouterr().err == f"btc: q99 is no open question, it may be answered already (open: {names})\n"


def test_a_question_answered_in_the_same_moment_by_somebody_else_is_the_engines_refusal(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.refusal = CommandRefused("btc: question q3 was answered by terminal: halt")
    assert run("resolve", "q3", "halt", state=tmp_path) == 1
    assert capsys.readouterr() == ("", "btc: question q3 was answered by terminal: halt\n")


def test_among_several_grids_the_one_with_the_question_must_be_named(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.current = make_snapshot(make_grid("a", questions=(make_question(),)), make_grid("b"))
    assert run("resolve", "q3", "halt", state=tmp_path) == 2
    assert run("resolve", "q3", "halt", "--grid", "c", state=tmp_path) == 2
    assert run("resolve", "q3", "halt", "--grid", "b", state=tmp_path) == 1
    assert run("resolve", "q3", "halt", "--grid", "a", state=tmp_path) == 0
    assert engine.commands == [Resolve(grid="a", name="q3", resolution=Resolution.HALT)]
    assert capsys.readouterr().err.splitlines() == [
        "expected --grid NAME, one of: a, b",
        "--grid: expected one of a, b, found c",
        "b: q3 is no open question, it may be answered already (open: none)",
        "did Resolve",
    ]


def test_an_engine_without_a_grid_has_no_question(
    engine: AskingEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.current = replace(make_snapshot(), grids=())
    assert run("resolve", "q3", "halt", state=tmp_path) == 1
    assert capsys.readouterr() == ("", "the engine has no grid\n")

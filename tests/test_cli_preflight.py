"""``gridwright preflight``, ``edit``, ``panic`` and ``lift``: what is printed, what is asked back, what is sent."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.cli.edit import preview_text
from engine.cli.preflight import preflight_figures
from engine.model.amounts import amount_from_text, slots_from_text, spans_text
from engine.model.commands import Command, CommandDone, EditGrid, GridChange, LiftBlock, Panic
from engine.model.errors import CommandRefused
from engine.model.grid import GridState
from engine.model.preflight import EditPreview
from engine.model.risk import (
    Block,
    BreakerKind,
)
from engine.model.risk_view import RiskView
from engine.remote.server import serve
from tests import preflight_scenes
from tests.remote.builders import FakeEngine, make_grid, make_snapshot
from tests.test_cli_resolve import run, run_typing

CHANGE = GridChange(lower=Decimal(53600), upper=Decimal(72000), slots=46)
EDIT = ("edit", "--lower", "53600", "--upper", "72000", "--slots", "46")
NOTHING_DONE = "nothing was done: expected --yes, or a terminal to confirm this on"
EFFECT = "buys 0.0166 BTC for about 1002.85 USDT at once, cancels 2 orders, 10 slots appear, 4 disappear, 36 stay"
BLOCK = Block(
    kind=BreakerKind.DRAWDOWN, reason="15% under the peak\x1b[2J", since_ms=0, until_ms=None, needs_person=True
)


class EditedEngine(FakeEngine):
    """Has a drawdown that blocks; ``previews`` are told one after the other, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(make_snapshot(make_grid(risk=RiskView(blocks=(BLOCK,)))))
        self.previews = [preflight_scenes.preview()]
        self.refusal: CommandRefused | None = None

    async def preview(self, grid: str, change: GridChange) -> EditPreview:
        self.preview_now = self.previews.pop(0) if len(self.previews) > 1 else self.previews[0]
        return await super().preview(grid, change)

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
def engine(portal: BlockingPortal, tmp_path: Path) -> Iterator[EditedEngine]:
    """An engine that answers on ``tmp_path / "control.sock"``."""
    engine = EditedEngine()
    future, _ = portal.start_task(serve, engine, tmp_path / "control.sock")
    yield engine
    future.cancel()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody sits at a terminal."""
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield


def test_a_preflight_is_printed_with_its_figures_and_the_ladder_from_the_highest_slot(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("preflight", state=tmp_path) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[:15] == [
        "btc  BTC/USDT  price 60412.37",
        "  range              52000 to 68000 in 40 slots",
        "  needs              3982.22 USDT and 0 BTC",
        "  least investment   412.50 USDT",
        "  break-even step    0.2002%",
        "  profit per cycle   0.4389 to 0.4907 USDT (0.3911% to 0.5685%)",
        "  traded at once     buys 0.0332 BTC for about 2005.69 USDT",
        "  average entry      58106.18",
        "  loss at the bound  405.61 USDT",
        "  orders live        24, at most 200 allowed",
        "  requests to start  32, at most 600 a minute allowed",
        "  loss at the stop   538.41 USDT at 50000",
        "  account            9000.1 USDT free and 876.443 locked",
        "  slot  lower  upper  side   amount  profit     rate  now",
        "    39  67600  68000   buy  0.00166  0.4389  0.3911%  buy",
    ]
    assert lines[-1] == "     0  52000  52400   buy  0.00166  0.4907  0.5685%    -"
    assert len(lines) == 14 + 40
    assert err == ""
    assert engine.asked == [("btc", None)]


def test_a_start_that_is_forbidden_is_a_failure_that_says_why(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.flight = replace(preflight_scenes.forbidden(), problems=("too little\x1b[2J money",))
    assert run("preflight", "--grid", "btc", state=tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  problem: too little<U+001B>[2J money"
    assert lines[2].startswith("  warning: the liquidation price 51234.5 lies above")
    assert "  liquidation price  51234.5" in lines
    assert not any("loss at the stop" in line for line in lines)


def test_a_preflight_for_programs_is_one_object_with_every_digit(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.flight = preflight_scenes.preflight(needs_base=Decimal("0E-8"), least_investment=Decimal("1.00E+3"))
    assert run("preflight", "--json", state=tmp_path) == 0
    flight = json.loads(capsys.readouterr().out)
    assert set(flight) == set(engine.flight.__dataclass_fields__)
    assert (flight["needs_quote"], flight["needs_base"], flight["least_investment"]) == ("3982.2155", "0", "1000")
    assert (flight["liquidation_price"], flight["problems"], flight["orders_max"]) == (None, [], 200)
    assert flight["rows"][39] == {
        "slot": 39,
        "lower": "67600",
        "upper": "68000",
        "side": "buy",
        "amount": "0.00166",
        "profit": "0.438904",
        "rate": "0.00391124",
        "opens_now": True,
    }


def test_a_grid_without_slots_has_figures_all_the_same() -> None:
    figures = dict(preflight_figures(preflight_scenes.preflight(rows=(), now_base=Decimal(0), orders_max=None)))
    assert (figures["range"], figures["profit per cycle"]) == ("no slots", "none")
    assert (figures["traded at once"], figures["orders live"]) == ("nothing", "24")


def test_what_is_needed_for_trailing_is_told_apart() -> None:
    trailing = preflight_scenes.preflight(trailing_quote=Decimal("982.2"), trailing_base=Decimal("0.5"))
    figures = dict(preflight_figures(trailing))
    assert figures["needs"] == "3982.22 USDT and 0 BTC, of which 982.20 USDT and 0.5 BTC for trailing"


def test_an_edit_prints_its_preview_and_is_done_with_yes(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*EDIT, "--yes", state=tmp_path) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [" ".join(line.split()) for line in lines[:5]] == [
        "btc BTC/USDT price 60412.37",
        "a grid like this one, and like the edited one, if it were started now:",
        "before after",
        "range 52000 to 68000 in 40 slots 53600 to 72000 in 46 slots",
        "needs 3982.22 USDT and 0 BTC 4600.10 USDT and 0 BTC",
    ]
    assert sum("loss" in line for line in lines) == 1, "the losses of a fresh start are not those of this grid"
    assert lines[-9:] == [
        "  the grid that runs:",
        "  stay               36: 4-39",
        "  gone               4: 0-3",
        "  new                10: 40-49",
        "  lots move          2: 39 to 41, 38 to 40",
        "  cancels            2: g1btc0009n000007, g1btc0010n000007",
        "  at once            buys 0.0166 BTC for about 1002.85 USDT",
        "  loss at the bound  405.61 -> 515.20 USDT, of what is held and may still open",
        "  warning: the highest level 72000 lies 19.2% above the price",
    ]
    assert err == "did EditGrid\n"
    assert (engine.asked, engine.commands) == ([("btc", CHANGE)], [EditGrid(grid="btc", change=CHANGE)])


def test_what_waits_for_a_block_is_not_said_to_happen_at_once(engine: EditedEngine, tmp_path: Path) -> None:
    engine.previews = [preflight_scenes.preview(waits_for="panic key: pressed")]
    code, screen = run_typing(b"no\n", *EDIT, state=tmp_path)
    assert code == 1
    waiting = "buys 0.0166 BTC for about 1002.85 USDT"
    printed = preview_text("btc", engine.previews[0])
    assert f"  at once            {waiting}, once it may: panic key: pressed" in printed.splitlines()
    assert f"the edit {waiting} once it may (panic key: pressed), cancels 2 orders" in screen


def test_the_preview_for_programs_is_one_object(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("edit", "--size", "120.5", "--json", "--yes", state=tmp_path) == 0
    preview = json.loads(capsys.readouterr().out)
    assert (preview["stays"][0], preview["lots_moved"], preview["buys_base"]) == (4, [[39, 41], [38, 40]], "0.0166")
    assert (preview["before"]["rows"][0]["lower"], preview["after"]["rows"][0]["lower"]) == ("52000", "53600")
    assert engine.commands == [EditGrid(grid="btc", change=GridChange(size=Decimal("120.5")))]


def test_an_edit_with_problems_is_not_done_even_with_yes(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.previews = [preflight_scenes.impossible()]
    assert run(*EDIT, "--yes", state=tmp_path) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-2:] == [
        "  problem: slot 12 is frozen and would disappear; thaw it first",
        "  problem: the account has 300 USDT free, [red]1002.85[/red] are needed",
    ]
    assert (err, engine.commands) == ("nothing was done: the edit has problems\n", [])


@pytest.mark.usefixtures("nobody")
def test_an_edit_needs_yes_where_nobody_can_type_it(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*EDIT, state=tmp_path) == 2
    assert capsys.readouterr().err.splitlines() == [NOTHING_DONE, f"meant: the edit {EFFECT}"]
    assert engine.commands == []


def test_somebody_who_types_yes_at_the_terminal_has_the_edit_done(engine: EditedEngine, tmp_path: Path) -> None:
    code, screen = run_typing(b"yes\n", *EDIT, state=tmp_path)
    assert (code, engine.commands) == (0, [EditGrid(grid="btc", change=CHANGE)])
    assert "the edit buys 0.0166 BTC for about 1002.85 USDT at once" in screen
    assert screen.endswith("did EditGrid\n")


@pytest.mark.parametrize("words", [EDIT, ("panic",), ("lift", "drawdown")])
def test_whatever_else_is_typed_does_nothing(words: tuple[str, ...], engine: EditedEngine, tmp_path: Path) -> None:
    code, screen = run_typing(b"y\n", *words, state=tmp_path)
    assert (code, engine.commands) == (1, [])
    assert screen.endswith("nothing was done\n")


@pytest.mark.parametrize("base, is_done", [("0.0167", False), ("-0.0001", False), ("0.0166", True), ("0.01", True)])
def test_an_edit_that_would_trade_more_than_was_agreed_to_is_not_done(
    base: str, is_done: bool, engine: EditedEngine, tmp_path: Path
) -> None:
    engine.previews.append(preflight_scenes.preview(buys_base=Decimal(base)))
    code, screen = run_typing(b"yes\n", *EDIT, state=tmp_path)
    assert (code, len(engine.commands)) == ((0, 1) if is_done else (1, 0))
    assert ("the market has moved and the edit would trade more now; look again" in screen) is not is_done


def test_a_refusal_of_the_edit_is_a_failure_in_the_engines_words(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.refusal = CommandRefused("btc: a migration is under way")
    assert run(*EDIT, "--yes", state=tmp_path) == 1
    assert capsys.readouterr().err == "btc: a migration is under way\n"


@pytest.mark.parametrize(
    "words, said",
    [
        (
            ["--lower", "x"],
            "argument --lower: expected a decimal number above 0 such as 52000.5, found 'x'",
        ),
        (["--slots", "1.5"], "argument --slots: expected a whole number from 1 to 46656, found '1.5'"),
        ([], "edit: expected something to change: --lower, --upper, --slots or --size"),
        (["--lower", "2", "--upper", "2.0"], "edit: expected --lower below --upper, found 2 and 2.0"),
    ],
)
def test_a_bad_figure_is_one_clear_error_and_wrong_use(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("edit", *words, state=tmp_path)
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {said}")


def test_panic_and_lift_reach_the_engine_with_yes(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("panic", "--yes", state=tmp_path) == 0
    assert run("lift", "drawdown", "--grid", "btc", "--yes", state=tmp_path) == 0
    assert engine.commands == [Panic(grid="btc"), LiftBlock(grid="btc", kind=BreakerKind.DRAWDOWN)]
    assert capsys.readouterr() == ("", "did Panic\ndid LiftBlock\n")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "words, said",
    [
        (["panic"], "a panic cancels the entries of btc and opens nothing until a person lifts it; exits go on"),
        (
            ["lift", "drawdown"],
            (
                "lifting ends this block, and btc opens again; it was raised because of drawdown: "
                "15% under the peak<U+001B>[2J"
            ),
        ),
    ],
)
def test_panic_and_lift_say_what_they_do_and_need_yes_where_nobody_can_type_it(
    words: list[str], said: str, engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, state=tmp_path) == 2
    assert capsys.readouterr().err.splitlines() == [NOTHING_DONE, f"meant: {said}"]
    assert engine.commands == []


def test_a_block_that_does_not_stand_cannot_be_lifted_and_those_that_do_are_named(
    engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lift", "panic_key", "--yes", state=tmp_path) == 1
    engine.current = make_snapshot(make_grid())
    assert run("lift", "panic_key", "--yes", state=tmp_path) == 1
    assert engine.commands == []
    assert capsys.readouterr().err.splitlines() == [
        "btc: no block of panic key stands, it may be lifted already (standing: drawdown)",
        "btc: no block of panic key stands, it may be lifted already (standing: none)",
    ]


def test_lifting_a_block_of_a_stopped_grid_says_that_it_stays_stopped(engine: EditedEngine, tmp_path: Path) -> None:
    stopped = make_grid(risk=RiskView(blocks=(BLOCK,)), state=GridState.STOPPED)
    engine.current = make_snapshot(stopped)
    code, screen = run_typing(b"no\n", "lift", "drawdown", state=tmp_path)
    assert code == 1
    assert "lifting ends this block, but btc stays stopped until it is resumed; it was raised because of" in screen


@pytest.mark.parametrize("kind", ["panic key", "panic-key", "panic_key"])
def test_a_block_is_named_as_the_status_names_it_or_as_a_script_does(
    kind: str, engine: EditedEngine, tmp_path: Path
) -> None:
    block = replace(BLOCK, kind=BreakerKind.PANIC_KEY, reason="the panic key was pressed by ann")
    engine.current = make_snapshot(make_grid(risk=RiskView(blocks=(block,))))
    assert run("lift", kind, "--yes", state=tmp_path) == 0
    assert engine.commands == [LiftBlock(grid="btc", kind=BreakerKind.PANIC_KEY)]


def test_a_word_that_is_no_block_is_wrong_use_and_lists_all_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("lift", "joy", state=tmp_path)
    assert caught.value.code == 2
    assert f"argument KIND: expected one of {', '.join(BreakerKind)}, found 'joy'\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["preflight"], [*EDIT, "--yes"], ["panic", "--yes"], ["lift", "drawdown", "--yes"]])
def test_among_several_grids_one_must_be_named(
    words: list[str], engine: EditedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    risk = RiskView(blocks=(BLOCK,))
    engine.current = make_snapshot(make_grid("a", risk=risk), make_grid("b", risk=risk))
    assert run(*words, state=tmp_path) == 2
    assert run(*words, "--grid", "c", state=tmp_path) == 2
    assert engine.commands == []
    assert capsys.readouterr().err.splitlines() == [
        "expected --grid NAME, one of: a, b",
        "--grid: expected one of a, b, found c",
    ]
    assert run(*words, "--grid", "b", state=tmp_path) == 0
    assert [grid for grid, _ in engine.asked] + [getattr(command, "grid", "") for command in engine.commands] in (
        ["b"],
        ["b", "b"],
    )


@pytest.mark.parametrize(
    "text", ["", "0", "0.000", "-1", "+1", "1e5", "NaN", "1_0", " 1", "1.", ".5", "\u0663", "1" * 21]
)
def test_an_amount_is_plain_and_above_zero(text: str) -> None:
    with pytest.raises(ValueError, match="expected a decimal number above 0"):
        amount_from_text(text)


def test_figures_are_read_to_the_last_digit() -> None:
    assert amount_from_text("52000.00000001") == Decimal("52000.00000001")
    assert (slots_from_text("1"), slots_from_text("46656")) == (1, 46656)
    for text in ("0", "46657", "", "-1", "1.5", "\u0663", "1" * 5000):
        with pytest.raises(ValueError, match="expected a whole number from 1 to 46656"):
            slots_from_text(text)


def test_runs_of_numbers_are_drawn_together_and_the_first_are_named() -> None:
    assert spans_text(tuple(range(0, 26, 2))) == "0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and 3 more runs"
    assert [spans_text(numbers) for numbers in ((), (4,), (1, 2), (0, 1, 2, 7, 9, 10))] == [
        "",
        "4",
        "1-2",
        "0-2, 7, 9-10",
    ]

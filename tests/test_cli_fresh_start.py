"""``gridwright preflight`` and ``config check`` without an engine: what a fresh start would be and would refuse."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.program import REPLAY, candles
from tests.settings_builders import GRID
from tests.test_cli import GOOD, run


def test_a_preflight_without_an_engine_is_of_a_fresh_start_and_touches_no_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, state = tmp_path / "my.toml", tmp_path / "state"
    config.write_text(GOOD)
    assert run("preflight", "--config", config, "--state-dir", state) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "btc  BTC/USDT  price 60000"
    assert "  account            10000 USDT and 0 BTC at a fresh start" in lines
    assert "  requests to start  56, at most 270 a minute allowed" in lines
    assert err.splitlines()[-1] == (
        "no engine runs: this is of a fresh start, at the first price and with the account of the configuration"
    )
    assert run("preflight", "--config", config, "--state-dir", state, "--json") == 0
    flight = json.loads(capsys.readouterr().out)
    assert (flight["price"], len(flight["rows"]), flight["problems"]) == ("60000", 40, [])
    assert not state.exists()


def test_a_preflight_of_one_of_several_grids_needs_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "my.toml"
    config.write_text(GRID + GRID.replace('"btc"', '"b2"'))
    words = ("preflight", "--config", config, "--state-dir", tmp_path / "state")
    assert run(*words) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "expected --grid NAME, one of: btc, b2"
    assert run(*words, "--grid", "b2") == 0
    assert capsys.readouterr().out.startswith("b2  BTC/USDT  price 60000")


def test_config_check_says_what_a_start_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "my.toml"
    config.write_text(GRID.replace("slots = 40", "slots = 900") + GRID.replace('"btc"', '"b2"') + "leverage = 2\n")
    assert run("config", "check", "--config", config) == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert problem == f"{config}: grid[1].leverage: expected no leverage on a spot market, found 2"
    config.write_text(GRID.replace("slots = 40", "slots = 900") + "[grid.risk]\norder_notional_max = 5\n")
    assert run("config", "check", "--config", config) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[1:]) == (
        "",
        [
            (
                f"{config}: grid[0].slots: expected steps wider than the fees of a cycle, "
                "found a step of 0.0298 % at level 158, which loses 0.1702 % a cycle"
            )
        ],
    )


def test_a_suggestion_is_a_range_that_can_be_written_into_the_configuration_with_its_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, state = tmp_path / "my.toml", tmp_path / "state"
    config.write_text(GOOD)
    words = ("suggest", "--config", config, "--state-dir", state, "--days", "30", "--slots", "25")
    assert run(*words) == 0
    out, err = capsys.readouterr()
    found = tomllib.loads(out)
    assert (found["slots"], found["lower"] < 60000 < found["upper"]) == (25, True)
    reasons = err.splitlines()[-6:]
    assert [reason.split(":")[0] for reason in reasons][-2:] == ["slots", "slots"]
    assert "the break-even step is 0.2003 %" in err
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["slots"] == 25
    changed = GOOD.replace("lower = 52000", f"lower = {found['lower']}").replace("slots = 40", "slots = 25")
    config.write_text(changed.replace("upper = 68000", f"upper = {found['upper']}"))
    assert run("preflight", "--config", config, "--state-dir", state) == 0
    assert not state.exists()


@pytest.mark.parametrize(
    "words, problem",
    [
        (("--grid", "eth"), "--grid: expected one of btc, found eth"),
        (("--slots", "20000"), "slots: 20000 are wanted, "),
    ],
)
def test_a_suggestion_that_cannot_be_as_wanted_says_why(
    words: tuple[str, ...], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "my.toml"
    config.write_text(GOOD)
    code = run("suggest", "--config", config, *words)
    err = capsys.readouterr().err
    assert problem in err
    assert code == (2 if "--grid" in words else 0)


def test_a_replay_without_days_before_its_start_has_nothing_to_suggest_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "candles.csv").write_text(candles())
    config = tmp_path / "my.toml"
    config.write_text(REPLAY)
    assert run("suggest", "--config", config) == 2
    (problem,) = capsys.readouterr().err.splitlines()[-1:]
    assert problem == (
        "BTC/USDT: expected candles of at least 3 whole days, found 0; a replay has them before simulation.start"
    )

"""What a fresh start would be and would refuse, without an engine."""

from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.errors import SettingsInvalid
from engine.runtime.fresh_start import fresh_preflight, start_problems
from tests.settings_builders import GRID, SWAP_GRID, load, with_grid

SECOND = GRID.replace('"btc"', '"b2"')
ACCOUNT = "[simulation]\nquote = 6000\nbase = 2\nstart_price = 61234.56\n"


def test_a_pre_flight_is_at_the_first_price_with_the_rules_and_the_account_of_the_file(tmp_path: Path) -> None:
    plan = fresh_preflight(load(f"[simulation]\nstart_price = 61234.56\n{GRID}", tmp_path), "btc")
    assert (plan.price, plan.symbol, len(plan.rows), plan.problems) == (Decimal("61234.56"), "BTC/USDT", 40, ())
    assert list(tmp_path.iterdir()) == [tmp_path / "my.toml"], "nothing is kept"


def test_the_grids_before_it_have_their_part_of_the_account(tmp_path: Path) -> None:
    settings = load(ACCOUNT + GRID + SECOND, tmp_path)
    needs = fresh_preflight(settings, "btc").needs_quote
    assert 3900 < needs < 4100
    assert fresh_preflight(settings, "btc").problems == ()
    (problem,) = fresh_preflight(settings, "b2").problems
    assert problem.startswith(f"the grid can need {needs:.4f}".rstrip("0")[:30])
    assert f"available are {6000 - needs:.3f}"[:20] in problem


def test_a_grid_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        fresh_preflight(load(GRID, tmp_path), "x")
    assert refused.value.problems == ("--grid: expected one of btc, found x",)


def test_everything_that_a_start_would_refuse_is_named_by_its_key(tmp_path: Path) -> None:
    """Steps of 0.03 % cost more than they earn, and no entry of 100 fits under 50; the third grid is sound."""
    narrow = with_grid("slots = 40", "slots = 900")
    limited = SECOND + "[grid.risk]\norder_notional_max = 50\n"
    swap = SWAP_GRID.replace('"btc"', '"swap"') + "leverage = 101\n"
    sound = GRID.replace('"btc"', '"b4"')
    problems = list(start_problems(load(narrow + limited + swap + sound, tmp_path)))
    assert [problem.partition(":")[0] for problem in problems] == [
        "grid[0].slots",
        "grid[1].risk.order_notional_max",
        "grid[2].leverage",
    ]
    assert problems[0].startswith("grid[0].slots: expected steps wider than the fees of a cycle, found a step of 0.02")
    assert problems[2] == "grid[2].leverage: expected at most 100 on BTC/USDT:USDT, found 101"


def test_what_only_the_data_of_a_replay_can_tell_is_left_to_the_start(tmp_path: Path) -> None:
    """The file is not there, and the rules of the pair would come from it."""
    replay = '[simulation]\nsource = "replay"\npath = "none.csv"\n'
    unknown = with_grid("slots = 40", "slots = 900").replace("BTC/USDT", "ABC/USDT")
    assert list(start_problems(load(replay + unknown, tmp_path))) == []
    known = with_grid("slots = 40", "slots = 900").replace("quote_per_slot = 100", "quote_per_slot = 1")
    assert [problem.partition(":")[0] for problem in start_problems(load(replay + known, tmp_path))] == [
        "grid[0].slots"
    ]

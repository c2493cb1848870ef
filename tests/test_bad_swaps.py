"""Grids on swaps that cannot be, end to end: the program ends with exit code 2, says why, and places nothing."""

from pathlib import Path

import pytest

from tests.program import GRID, REPLAY, RUN_TO_END, Place

SWAP = GRID.replace("BTC/USDT", "BTC/USDT:USDT")
TOP = REPLAY.replace(GRID, "")
OTHER = SWAP.replace('"btc"', '"two"').replace("slots = 40", "slots = 20")


@pytest.mark.parametrize(
    "grids, problems",
    [
        (
            SWAP + "leverage = 1000\n",
            ["grid 'btc': leverage: expected at most 100 on BTC/USDT:USDT, found 1000"],
        ),
        (
            SWAP + "leverage = 50\n",
            ["grid 'btc': the position is liquidated at "],
        ),
        (
            SWAP + OTHER,
            ["my.toml: grid[1].symbol: expected one grid on BTC/USDT:USDT, as a swap has one position, found grid[0]"],
        ),
    ],
    ids=["leverage above the market's", "liquidated inside its range", "two grids on one swap"],
)
def test_a_swap_grid_that_cannot_be_is_refused_with_exit_code_2(
    grids: str, problems: list[str], tmp_path: Path
) -> None:
    place = Place(tmp_path, TOP + grids)
    refused = place.run(*RUN_TO_END)
    assert (refused.code, refused.out) == (2, "")
    assert len(refused.trouble) == len(problems)
    for line, problem in zip(refused.trouble, problems, strict=True):
        assert line.startswith(problem)
    assert list(place.state.glob("*.db*")) == []

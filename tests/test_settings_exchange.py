"""The rules between mode, exchange and grids: what paper and live ask for, and a simulation does not look at."""

from pathlib import Path

import pytest

from engine.model.snapshot import Mode
from engine.settings import MarketType
from engine.settings.text import toml_from_settings
from tests.settings_builders import GRID, SWAP_GRID, load, problems_of

PAPER, LIVE = '[engine]\nmode = "paper"\n', '[engine]\nmode = "live"\n'
SWAP = '[exchange]\nmarket_type = "swap"\n'
PANIC = '[risk.panic]\nsymbols = ["ETH/USDT"]\ntrigger = 1\nrecovery = 1\n'


@pytest.mark.parametrize("text, mode", [(PAPER, Mode.PAPER), (LIVE, Mode.LIVE)])
def test_paper_and_live_are_modes_and_read_back_as_they_are_shown(text: str, mode: Mode, tmp_path: Path) -> None:
    settings = load(text + GRID, tmp_path)
    assert settings.engine.mode is mode
    assert load(toml_from_settings(settings), tmp_path) == settings


@pytest.mark.parametrize("mode", [PAPER, LIVE])
@pytest.mark.parametrize(
    "simulation",
    [
        '[simulation]\nsource = "replay"\n',
        "[simulation]\nstart = 2020-03-12\n",
        '[simulation]\njournal = "memory"\nspeed = 0\n',
        "[simulation.market]\ncontract_size = 0.001\n",
    ],
)
def test_the_keys_of_a_simulation_are_no_complaint_elsewhere(mode: str, simulation: str, tmp_path: Path) -> None:
    assert load(mode + simulation + GRID, tmp_path).grids[0].name == "btc"


def test_the_simulated_leverage_bounds_a_simulation_alone(tmp_path: Path) -> None:
    text = SWAP + "[simulation.market]\nleverage_max = 2\n" + SWAP_GRID + "leverage = 5\n"
    assert load(LIVE + text, tmp_path).exchange.market_type is MarketType.SWAP
    assert problems_of(text, tmp_path) == [
        "grid[0].leverage: expected at most 2, the leverage_max of simulation.market, found 5"
    ]


@pytest.mark.parametrize("mode", [PAPER, LIVE])
def test_a_symbol_has_to_be_of_the_type_of_market(mode: str, tmp_path: Path) -> None:
    assert problems_of(mode + SWAP_GRID, tmp_path) == [
        'grid[0].symbol: expected BTC/USDT on exchange.market_type spot, or market_type swap, found "BTC/USDT:USDT"'
    ]
    assert problems_of(mode + SWAP + GRID, tmp_path) == [
        'grid[0].symbol: expected BTC/USDT:USDT on exchange.market_type swap, or market_type spot, found "BTC/USDT"'
    ]
    assert load(mode + SWAP + SWAP_GRID, tmp_path).grids[0].symbol == "BTC/USDT:USDT"


def test_a_simulation_has_both_types_of_market(tmp_path: Path) -> None:
    assert load(SWAP + GRID, tmp_path).grids[0].symbol == "BTC/USDT"


def test_leaders_are_of_the_type_of_market_as_well(tmp_path: Path) -> None:
    assert problems_of(LIVE + SWAP + PANIC + SWAP_GRID, tmp_path) == [
        (
            "risk.panic.symbols[0]: expected ETH/USDT:USDT on exchange.market_type swap, or market_type spot, "
            'found "ETH/USDT"'
        )
    ]


def test_paper_has_no_sandbox_and_live_may_have_one(tmp_path: Path) -> None:
    sandbox = "[exchange]\nsandbox = true\n"
    assert problems_of(PAPER + sandbox + GRID, tmp_path) == [
        (
            "exchange.sandbox: expected false with engine.mode paper, found true: paper trades on the real market's "
            "prices (a sandbox has an account of its own: engine.mode live)"
        )
    ]
    assert load(LIVE + sandbox + GRID, tmp_path).exchange.sandbox
    assert load(sandbox + GRID, tmp_path).exchange.sandbox, "a simulation does not look at it"

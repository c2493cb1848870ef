"""Keys of a grid that are wrong, and those that contradict each other: all of them at once."""

from pathlib import Path

import pytest

from tests.settings_builders import (
    GRID,
    SWAP_GRID,
    load,
    problems_of,
    with_range,
    with_stop,
)

PRICE = "expected a price above 0, found"
AMOUNT = "expected an amount above 0, found"
WAYS = "grid[0]: expected lower and upper, or center and step, found"
LINEAR = "only perpetual swaps that settle in their quote can be traded"

RANGES = [
    ("lower = 1\nupper = 2\ncenter = 3\n", f"{WAYS} lower, upper and center"),
    ("lower = 1\nstep = 0.01\n", f"{WAYS} lower and step"),
    ("lower = 1\nupper = 2\ncenter = 3\nstep = 4\n", f"{WAYS} lower, upper, center and step"),
    ("", f"{WAYS} neither"),
    ("lower = 1\n", f"grid[0].upper: {PRICE} nothing"),
    ("center = 60000\n", f"grid[0].step: {AMOUNT} nothing"),
    ("step = 0.01\n", f"grid[0].center: {PRICE} nothing"),
    ("center = 60000\nstep = 0\n", f"grid[0].step: {AMOUNT} 0"),
    (
        "center = 60000\nstep = 1\n",
        "grid[0].step: expected a fraction below 1 with geometric spacing (0.005 is 0.5 %), found 1",
    ),
    (
        'center = 60000\nstep = 3000\nspacing = "arithmetic"\n',
        "grid[0].step: expected 20 steps below a center of 60000 to end above 0, found 3000",
    ),
    (
        "center = 60000\nstep = 0.000000000000001\n",
        "grid[0].step: expected a range of 40 slots that 12 digits can tell apart, found 0.000000000000001",
    ),
    (
        "center = 900000000000000\nstep = 0.1\n",
        "grid[0].step: expected a range of 40 slots that 12 digits can tell apart, found 0.1",
    ),
]


@pytest.mark.parametrize("written, problem", RANGES)
def test_a_range_is_written_in_exactly_one_way(written: str, problem: str, tmp_path: Path) -> None:
    assert problems_of(with_range(written), tmp_path) == [problem]


SHAPES = [
    ('profile = "round"', 'profile: expected one of flat, pyramid, valley, found "round"'),
    ('profit = "spend"', 'profit: expected one of bank, reinvest, found "spend"'),
    ('sizes = { "40" = 5 }', 'sizes: expected slots from 0 to 39, found "40"'),
    ('sizes = { "03" = 5 }', 'sizes: expected slots from 0 to 39, found "03"'),
    ("sizes = { first = 5 }", 'sizes: expected slots from 0 to 39, found "first"'),
    ("sizes = { 3 = 0 }", f"sizes.3: {AMOUNT} 0"),
    ("sizes = { 3 = [] }", f"sizes.3: {AMOUNT} a list of 0"),
    ("sizes = 3", 'sizes: expected a table of slots, such as { "3" = 250 }, found 3'),
    ("start_below = 0", f"start_below: {PRICE} 0"),
    ('start_above = "up"', f'start_above: {PRICE} "up"'),
    ("trail_up_to = 68000", "trail_up_to: expected a price above upper, found 68000 (upper is 68000)"),
    ("trail_down_to = 60000", "trail_down_to: expected a price below lower, found 60000 (lower is 52000)"),
    (
        "infinite = true\ntrail_up_to = 90000",
        "trail_up_to: expected no trail_up_to: an infinite grid does not trail, found 90000",
    ),
    (
        'infinite = true\ndirection = "short"',
        "infinite: expected false: a short grid cannot be infinite, found true",
    ),
    (
        'infinite = true\ndirection = "neutral"',
        "infinite: expected false: a neutral grid cannot be infinite, found true",
    ),
    ("infinite = 1", "infinite: expected true or false, found 1"),
    ("leverage = 3", "leverage: expected no leverage on a spot market, found 3"),
    ('margin = "cross"', 'margin: expected no margin on a spot market, found "cross"'),
    ("regime = true", "regime: expected a section [regime] that is enabled, found true without one"),
    (
        "[grid.risk]\nliquidation_distance_min = 0.2",
        "risk.liquidation_distance_min: expected no liquidation_distance_min on a spot market, found 0.2",
    ),
]


@pytest.mark.parametrize("written, problem", SHAPES)
def test_what_a_grid_cannot_be_is_named(written: str, problem: str, tmp_path: Path) -> None:
    assert problems_of(f"{GRID}{written}\n", tmp_path) == [f"grid[0].{problem}"]


def test_a_grid_starts_below_or_above_and_not_both(tmp_path: Path) -> None:
    assert problems_of(f"{GRID}start_below = 1\nstart_above = 2\n", tmp_path) == [
        "grid[0]: expected start_below or start_above, found both"
    ]


def test_a_regime_that_is_switched_off_is_none(tmp_path: Path) -> None:
    assert problems_of(f"[regime]\nenabled = false\n{GRID}regime = true\n", tmp_path) == [
        "grid[0].regime: expected a section [regime] that is enabled, found true without one"
    ]


SWAPS = [
    ("leverage = 0.5", "leverage: expected a number from 1 to 1000, found 0.5"),
    ("leverage = 1001", "leverage: expected a number from 1 to 1000, found 1001"),
    ('margin = "both"', 'margin: expected one of isolated, cross, found "both"'),
    (
        'initial_purchase = "holdings"',
        'initial_purchase: expected one of limit, market, none: an account holds no coin of a swap, found "holdings"',
    ),
]


@pytest.mark.parametrize("written, problem", SWAPS)
def test_what_a_grid_on_a_swap_cannot_be_is_named(written: str, problem: str, tmp_path: Path) -> None:
    assert problems_of(f"{SWAP_GRID}{written}\n", tmp_path) == [f"grid[0].{problem}"]


@pytest.mark.parametrize(
    "symbol, expected",
    [
        ("BTC/USD:BTC", f"BTC/USD:USD: {LINEAR}"),
        ("BTC/USDT:USDT-260327", f"BTC/USDT:USDT: {LINEAR}"),
        ("BTC/USDT:", "BASE/QUOTE, such as BTC/USDT"),
        ("USDT/USDT:USDT", "BASE/QUOTE, such as BTC/USDT"),
    ],
)
def test_only_linear_swaps_are_traded(symbol: str, expected: str, tmp_path: Path) -> None:
    problem = f'grid[0].symbol: expected {expected}, found "{symbol}"'
    assert problems_of(GRID.replace("BTC/USDT", symbol), tmp_path) == [problem]


def test_a_second_grid_on_a_swap_is_named_once_whatever_else_they_differ_in(tmp_path: Path) -> None:
    first = f'{SWAP_GRID}leverage = 3\nmargin = "isolated"\n'
    assert problems_of(first + SWAP_GRID.replace('"btc"', '"b2"'), tmp_path) == [
        "grid[1].symbol: expected one grid on BTC/USDT:USDT, as a swap has one position, found grid[0] on it as well",
    ]
    eth = SWAP_GRID.replace('"btc"', '"eth"').replace("BTC/", "ETH/")
    assert len(load(first + eth, tmp_path).grids) == 2


LOSS, TAKE, TRAILING = "stop_loss", "take_profit", "trailing_take_profit"
FALLS, RISES = "price_falls", "price_rises"
STOPS = [
    ("", LOSS, FALLS, "68000", "[0].at: expected a price below upper, found 68000 (upper is 68000)"),
    (
        "",
        LOSS,
        RISES,
        "70000",
        f'[0].basis: expected {FALLS} or total: a long grid loses when the price falls, found "{RISES}"',
    ),
    ("", LOSS, FALLS, "-3", "[0]: a stop loss must be above 0, was -3"),
    ("", LOSS, "total", "100", "[0]: a stop loss at a total PnL must be below 0, was 100"),
    ("", TAKE, "total", "-100", "[0]: a take profit must be above 0, was -100"),
    ("", TAKE, RISES, "52000", "[0].at: expected a price above lower, found 52000 (lower is 52000)"),
    (
        "",
        TAKE,
        FALLS,
        "40000",
        f'[0].basis: expected {RISES} or total: a long grid earns when the price rises, found "{FALLS}"',
    ),
    (
        'direction = "short"',
        LOSS,
        FALLS,
        "50000",
        f'[0].basis: expected {RISES} or total: a short grid loses when the price rises, found "{FALLS}"',
    ),
    (
        'direction = "short"',
        TAKE,
        RISES,
        "90000",
        f'[0].basis: expected {FALLS} or total: a short grid earns when the price falls, found "{RISES}"',
    ),
    (
        'direction = "short"',
        LOSS,
        RISES,
        "50000",
        "[0].at: expected a price above lower, found 50000 (lower is 52000)",
    ),
    (
        'direction = "neutral"',
        TAKE,
        FALLS,
        "70000",
        "[0].at: expected a price below upper, found 70000 (upper is 68000)",
    ),
    (
        "start_below = 55000",
        LOSS,
        FALLS,
        "55000",
        "[0].at: expected a price below start_below, found 55000 (start_below is 55000)",
    ),
    (
        "start_above = 66000",
        TAKE,
        RISES,
        "65000",
        "[0].at: expected a price above start_above, found 65000 (start_above is 66000)",
    ),
    ("", LOSS, FALLS, '"x"', '[0].at: expected a price, or a total PnL in quote, found "x"'),
    ("", LOSS, "total", "-9\ntrail = 5", "[0].trail: expected no trail for a stop_loss, found 5"),
    (
        "",
        TRAILING,
        "total",
        "100",
        "[0].trail: expected by how much it may come back, an amount above 0, found nothing",
    ),
    ("", TRAILING, "total", "100\ntrail = 100", "[0]: trail must be above 0 and below its start 100, was 100"),
    ("", LOSS, "total", '-9\ndisposal = "sell"', '[0].disposal: expected one of leave, cancel, flatten, found "sell"'),
    ("", "stop", "total", "-9", '[0].kind: expected one of stop_loss, take_profit, trailing_take_profit, found "stop"'),
    ("", LOSS, "price", "-9", '[0].basis: expected one of price_falls, price_rises, total, found "price"'),
]


@pytest.mark.parametrize("grid, kind, basis, at, problem", STOPS)
def test_a_stop_that_makes_no_sense_is_named(
    grid: str, kind: str, basis: str, at: str, problem: str, tmp_path: Path
) -> None:
    text = with_stop(f"{GRID}{grid}\n", kind, basis, at)
    assert problems_of(text, tmp_path) == [f"grid[0].stop{problem}"]


@pytest.mark.parametrize(
    "first, second, problem",
    [
        ((LOSS, "total", "-9"), (LOSS, "total", "-5"), "there must be one stop loss at a total PnL, found 2"),
        (
            (LOSS, FALLS, "60000"),
            (TAKE, RISES, "59000"),
            "the stop loss at a falling price of 60000 must be below the take profit at a rising price of 59000",
        ),
        (
            (TAKE, "total", "100"),
            (TRAILING, "total", "200\ntrail = 50"),
            (
                "the trailing take profit at a total PnL of 200 must be reached before "
                "the take profit at a total PnL of 100"
            ),
        ),
    ],
)
def test_two_stops_that_contradict_each_other_are_named(
    first: tuple[str, str, str], second: tuple[str, str, str], problem: str, tmp_path: Path
) -> None:
    assert problems_of(with_stop(with_stop(GRID, *first), *second), tmp_path) == [f"grid[0].stop: {problem}"]


@pytest.mark.parametrize(
    "written, problems",
    [
        ("stop = 3", ["grid[0].stop: expected sections [[grid.stop]], found 3"]),
        ("stop = [3]", ["grid[0].stop[0]: expected a table, found 3"]),
        ("risk = 3", ["grid[0].risk: expected a table, found 3"]),
        (
            "[[grid.stop]]\nwhen = 3",
            [
                "grid[0].stop[0].kind: expected one of stop_loss, take_profit, trailing_take_profit, found nothing",
                "grid[0].stop[0].basis: expected one of price_falls, price_rises, total, found nothing",
                "grid[0].stop[0].at: expected a price, or a total PnL in quote, found nothing",
                "grid[0].stop[0].when: unknown key, expected one of kind, basis, at, trail, disposal",
            ],
        ),
    ],
)
def test_a_table_within_a_grid_is_checked_to_its_depth(written: str, problems: list[str], tmp_path: Path) -> None:
    assert problems_of(f"{GRID}{written}\n", tmp_path) == problems


def test_contradictions_are_named_beside_wrong_keys_of_the_same_grid(tmp_path: Path) -> None:
    wrong = GRID.replace("slots = 40", "slots = 0") + "leverage = 2\ntrail_up_to = 1\nrisk = { price_band = 2 }\n"
    assert problems_of(with_stop(wrong, LOSS, FALLS, "68000"), tmp_path) == [
        "grid[0].slots: expected a whole number from 1 to 46656, found 0",
        "grid[0].risk.price_band: expected a fraction above 0 and below 1, found 2",
        "grid[0].trail_up_to: expected a price above upper, found 1 (upper is 68000)",
        "grid[0].leverage: expected no leverage on a spot market, found 2",
        "grid[0].stop[0].at: expected a price below upper, found 68000 (upper is 68000)",
    ]

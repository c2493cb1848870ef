"""Every way in which ``config.toml`` can be wrong: the key, what was expected, what was found."""

from pathlib import Path

import pytest

from engine.model.errors import SettingsInvalid
from engine.settings import load_settings
from tests.settings_builders import GRID, problems_of, with_grid

WHOLE = "expected a whole number from 1 to 46656, found"
SIZES = "expected one of quote_per_slot, base_per_slot, investment, found"
NO_SECRET = "expected no secret in this file: exchange.keys says where the keys are"
CASES = [
    (
        "lower = 52000",
        "lower = 68000",
        "grid[0].lower: expected a price below upper, found 68000 (upper is 68000)",
    ),
    ("lower = 52000", "lower = -1", "grid[0].lower: expected a price above 0, found -1"),
    ("lower = 52000", "lower = true", "grid[0].lower: expected a price above 0, found true"),
    ("lower = 52000", "lower = nan", "grid[0].lower: expected a price above 0, found NaN"),
    ("lower = 52000", "lower = -inf", "grid[0].lower: expected a price above 0, found -Infinity"),
    ("lower = 52000", "lower = 'x\\u001b'", 'grid[0].lower: expected a price above 0, found "x\\u001b"'),
    ("lower = 52000", 'lower = "x\\u001b"', 'grid[0].lower: expected a price above 0, found "x<U+001B>"'),
    ("lower = 52000", "lower = '\uff15'", 'grid[0].lower: expected a price above 0, found "\uff15"'),
    ("lower = 52000", "lower = []", "grid[0].lower: expected a price above 0, found a list of 0"),
    ("lower = 52000", "lower = 2020-01-01", "grid[0].lower: expected a price above 0, found 2020-01-01"),
    ("lower = 52000\n", "", "grid[0].lower: expected a price above 0, found nothing"),
    (
        "lower = 52000",
        "lower = 1e-30",
        ("grid[0].lower: expected at most 15 digits before the point, 18 after it, found 1E-30"),
    ),
    (
        "upper = 68000",
        "upper = '1e900'",
        'grid[0].upper: expected at most 15 digits before the point, 18 after it, found "1e900"',
    ),
    ("slots = 40", "slots = 0", f"grid[0].slots: {WHOLE} 0"),
    ("slots = 40", "slots = 46657", f"grid[0].slots: {WHOLE} 46657"),
    ("slots = 40", "slots = 4.5", f"grid[0].slots: {WHOLE} 4.5"),
    ("slots = 40", "slots = '40'", f'grid[0].slots: {WHOLE} "40"'),
    ("slots = 40", "slots = true", f"grid[0].slots: {WHOLE} true"),
    (
        "slots = 40",
        "slots = 40\nwindow = 0",
        f"grid[0].window: {WHOLE} 0",
    ),
    ('"btc"', '"BTC"', 'grid[0].name: expected 1 to 32 of a-z 0-9 _ -, found "BTC"'),
    ('"btc"', '"btc\\n"', 'grid[0].name: expected 1 to 32 of a-z 0-9 _ -, found "btc<U+000A>"'),
    ('"btc"', "7", "grid[0].name: expected 1 to 32 of a-z 0-9 _ -, found 7"),
    ('"BTC/USDT"', '"BTCUSDT"', 'grid[0].symbol: expected BASE/QUOTE, such as BTC/USDT, found "BTCUSDT"'),
    ('"BTC/USDT"', '"BTC/BTC"', 'grid[0].symbol: expected BASE/QUOTE, such as BTC/USDT, found "BTC/BTC"'),
    (
        '"BTC/USDT"',
        '"BTC\\u202e/USDT"',
        'grid[0].symbol: expected BASE/QUOTE, such as BTC/USDT, found "BTC<U+202E>/USDT"',
    ),
    (
        "slots = 40",
        'slots = 40\ndirection = "up"',
        'grid[0].direction: expected one of long, short, neutral, found "up"',
    ),
    ("slots = 40", "slots = 40\nslot = 3", "grid[0].slot: unknown key, did you mean slots?"),
    (
        "slots = 40",
        "slots = 40\nzzzzzzzz = 3",
        (
            "grid[0].zzzzzzzz: unknown key, expected one of name, symbol, direction, spacing, upper, lower, center, "
            "step, slots, quote_per_slot, investment, base_per_slot, profile, sizes, window, initial_purchase, profit, "
            "start_below, start_above, trail_up_to, trail_down_to, infinite, leverage, margin, regime, stop, risk"
        ),
    ),
    (
        "quote_per_slot = 100\n",
        "",
        f"grid[0]: {SIZES} none",
    ),
    (
        "quote_per_slot = 100",
        "quote_per_slot = 100\ninvestment = 5",
        f"grid[0]: {SIZES} quote_per_slot and investment",
    ),
    ("quote_per_slot = 100", "investment = 0", "grid[0].investment: expected an amount above 0, found 0"),
]


@pytest.mark.parametrize("old, new, problem", CASES)
def test_a_wrong_grid_is_named_by_key_expectation_and_finding(old: str, new: str, problem: str, tmp_path: Path) -> None:
    assert problems_of(with_grid(old, new), tmp_path) == [problem]


SECTIONS = [
    ('[engine]\nmode = "demo"', 'engine.mode: expected one of simulation, paper, live, found "demo"'),
    ('[engine]\non_exit = "sell"', 'engine.on_exit: expected one of leave, cancel, flatten, found "sell"'),
    (
        "[engine]\nreconcile_seconds = 0.5",
        "engine.reconcile_seconds: expected seconds from 1 to 86400, or 0 for no period, found 0.5",
    ),
    (
        "[engine]\nreconcile_seconds = -1",
        "engine.reconcile_seconds: expected seconds from 1 to 86400, or 0 for no period, found -1",
    ),
    (
        "[engine]\nreconcile_seconds = 86401",
        "engine.reconcile_seconds: expected seconds from 1 to 86400, or 0 for no period, found 86401",
    ),
    (
        '[reconcile]\noffline_fill = "write_off"',
        'reconcile.offline_fill: expected one of adopt, ask, found "write_off"',
    ),
    (
        '[reconcile]\nholding_short = "note"',
        'reconcile.holding_short: expected one of write_off, query, halt, ask, found "note"',
    ),
    (
        '[reconcile]\nholding_short = "Halt"',
        'reconcile.holding_short: expected one of write_off, query, halt, ask, found "Halt"',
    ),
    ('[reconcile]\norphan_order = ""', 'reconcile.orphan_order: expected one of adopt, cancel, halt, ask, found ""'),
    (
        "[reconcile]\nlattice_mismatch = true",
        "reconcile.lattice_mismatch: expected one of adopt, keep, halt, ask, found true",
    ),
    (
        '[reconcile]\nholding_over = "ask\\n"',
        'reconcile.holding_over: expected one of note, halt, ask, found "ask<U+000A>"',
    ),
    ('[reconcile]\nforeign_order = "ask"', 'reconcile.foreign_order: expected note, found "ask"'),
    ('[reconcile]\nunknown_outcome = "ask"', 'reconcile.unknown_outcome: expected query, found "ask"'),
    ('[reconcile]\noffline_fils = "adopt"', "reconcile.offline_fils: unknown key, did you mean offline_fill?"),
    (
        '[reconcile]\nzzz = "adopt"',
        (
            "reconcile.zzz: unknown key, expected one of offline_fill, partial_cancel, order_closed, vanished_order, "
            "orphan_order, duplicate_order, order_mismatch, foreign_order, unknown_outcome, holding_short, "
            "holding_over, lattice_mismatch, second_instance"
        ),
    ),
    ('reconcile = "ask"', 'reconcile: expected a table, found "ask"'),
    ('[engine]\nstate_dir = ""', 'engine.state_dir: expected a folder, found ""'),
    ('[engine]\nstate_dir = "a\\u0000b"', 'engine.state_dir: expected a folder, found "a<U+0000>b"'),
    ("engine = 3", "engine: expected a table, found 3"),
    ("[engin]\nmode = 3", "engin: unknown key, did you mean engine?"),
    (
        '"\\u001b" = 3',
        "<U+001B>: unknown key, expected one of engine, reconcile, exchange, simulation, regime, risk, grid",
    ),
    ("[exchange]\nsandbox = 1", "exchange.sandbox: expected true or false, found 1"),
    (
        '[exchange]\nkeys = "AKIA123"',
        "exchange.keys: expected keyring, env or file:PATH, found something else",
    ),
    ("[exchange]\nccxt = 5", "exchange.ccxt: expected a table, found 5"),
    (
        '[exchange.ccxt]\napiKey = "AKIA123"',
        f"exchange.ccxt.apiKey: {NO_SECRET}",
    ),
    (
        '[exchange.ccxt.options]\napi_secret = "x"',
        f"exchange.ccxt.options.api_secret: {NO_SECRET}",
    ),
    ('[exchange]\napiKey = "AKIA123"', "exchange.apiKey: unknown key, did you mean keys?"),
    (
        '[simulation]\nsource = "replay"',
        "simulation.path: expected a file of candles or trades to replay, found nothing",
    ),
    ("[simulation]\nsped = 3", "simulation.sped: unknown key, did you mean speed?"),
    (
        "[simulation]\nspeed = -1",
        "simulation.speed: expected market seconds per second, 0 for as fast as possible, found -1",
    ),
    ("[simulation]\nseed = -1", "simulation.seed: expected a whole number of at least 0, found -1"),
    ("[simulation]\nquote = -1", "simulation.quote: expected an amount of at least 0, found -1"),
    (
        "[simulation]\npartial_fills = 1.1",
        "simulation.partial_fills: expected a fraction from 0 to 1, found 1.1",
    ),
    (
        "[simulation]\nlatency_ms = 0.5",
        "simulation.latency_ms: expected whole milliseconds from 0 to 60000, found 0.5",
    ),
    ("[simulation.market]\ntick = 0", "simulation.market.tick: expected an amount above 0, found 0"),
    (
        "[simulation.market]\nmaker_fee = 0.1",
        "simulation.market.maker_fee: expected a fraction from -0.01 to 0.1, found 0.1",
    ),
    (
        '[simulation.market]\nfee_currency = "BNB"',
        'simulation.market.fee_currency: expected one of received, quote, found "BNB"',
    ),
    (
        "[simulation.market]\nmin_notion = 1",
        "simulation.market.min_notion: unknown key, did you mean min_notional?",
    ),
]


@pytest.mark.parametrize("text, problem", SECTIONS)
def test_a_wrong_section_is_named_by_key_expectation_and_finding(text: str, problem: str, tmp_path: Path) -> None:
    assert problems_of(f"{text}\n{GRID}", tmp_path) == [problem]


def test_a_file_without_a_grid_is_told_so(tmp_path: Path) -> None:
    assert problems_of("", tmp_path) == ["grid: expected 1 to 1296 sections [[grid]], found nothing"]
    assert problems_of("grid = []", tmp_path) == ["grid: expected 1 to 1296 sections [[grid]], found a list of 0"]
    assert problems_of("grid = [3]", tmp_path) == ["grid[0]: expected a table, found 3"]
    assert problems_of("[grid]\nname = 'x'", tmp_path) == ["grid: expected 1 to 1296 sections [[grid]], found a table"]


def test_grids_of_one_name_and_of_two_symbols_in_a_replay_are_named(tmp_path: Path) -> None:
    text = '[simulation]\nsource = "replay"\npath = "x.csv"\n' + GRID + GRID + with_grid("BTC/", "ETH/")
    assert problems_of(text, tmp_path) == [
        'grid[1].name: expected another name, found "btc" twice',
        'grid[2].symbol: expected BTC/USDT: a replay has one symbol, found "ETH/USDT"',
        'grid[2].name: expected another name, found "btc" twice',
    ]


def test_ten_mistakes_in_one_file_are_ten_lines(tmp_path: Path) -> None:
    text = """
[engine]
mode = "simulation"
on_exti = "leave"
[reconcile]
offline_fill = "release"
[exchange.ccxt]
secret = "hunter2"
[simulation]
source = "replay"
speed = "fast"
[simulation.market]
taker_fee = 5
[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 68000
upper = 52000
slots = 0
[[grid]]
name = "btc"
symbol = "BTC/USDT"
direction = "both"
lower = 1
upper = 2
slots = 3
investment = 5
"""
    assert problems_of(text, tmp_path) == [
        "engine.on_exti: unknown key, did you mean on_exit?",
        'reconcile.offline_fill: expected one of adopt, ask, found "release"',
        f"exchange.ccxt.secret: {NO_SECRET}",
        'simulation.speed: expected market seconds per second, 0 for as fast as possible, found "fast"',
        "simulation.market.taker_fee: expected a fraction from -0.01 to 0.1, found 5",
        "simulation.path: expected a file of candles or trades to replay, found nothing",
        "grid[0].lower: expected a price below upper, found 68000 (upper is 52000)",
        f"grid[0].slots: {WHOLE} 0",
        f"grid[0]: {SIZES} none",
        'grid[1].direction: expected one of long, short, neutral, found "both"',
        'grid[1].name: expected another name, found "btc" twice',
    ]


@pytest.mark.parametrize("secret", ["hunter2-AKIA", "\x1b"])
def test_a_secret_in_the_wrong_place_is_never_repeated(secret: str, tmp_path: Path) -> None:
    quoted = "'" + secret.replace("\x1b", "e") + "XYZZY'"
    text = f"[exchange]\nkeys = {quoted}\npassword = {quoted}\n[exchange.ccxt]\nsecret = {quoted}\n{GRID}"
    problems = problems_of(text, tmp_path)
    assert len(problems) == 3
    assert not any("XYZZY" in problem for problem in problems)


@pytest.mark.parametrize(
    "raw, problem",
    [
        (b"[engine]\nmode = \n", "line 2, column 8: Invalid value"),
        (b"[engine\n", "line 1, column 8: Expected ']' at the end of a table declaration"),
        (b"a = 1\na = 2\n", "line 2, column 6: Cannot overwrite a value"),
        (b'a = """\n', "line 2: Unterminated string"),
        (b"a = 1\n\nb = '\xff'\n", "line 3: expected UTF-8 text, found other bytes"),
        (b"a = " + b"[" * 20000, "expected simple TOML, found too deeply nested values"),
        (b"#" * (1024 * 1024 + 1), "expected at most 1048576 bytes, found more"),
    ],
)
def test_a_file_that_is_not_toml_is_one_line_with_its_place(raw: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(raw)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(path)
    assert caught.value.problems == (f"{path}: {problem}",)


def test_a_number_too_long_for_a_number_is_one_line(tmp_path: Path) -> None:
    (problem,) = problems_of("a = " + "9" * 5000, tmp_path)
    assert "integer string conversion" in problem

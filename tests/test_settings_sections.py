"""Sections of risk, regime, replays and simulated swaps that are wrong or contradict each other: all at once."""

from pathlib import Path

import pytest

from engine.model.risk import BreakerKind
from tests.settings_builders import GRID, SWAP_GRID, problems_of

TIME = "expected a date or a time in UTC, such as 2020-03-12 or 2020-03-12T10:30:00Z, found"
CANDLE = "expected the length of a candle, such as 1m, 15m, 4h or 1d, at most 7d, found"
REPLAY = '[simulation]\nsource = "replay"\npath = "x.csv"\n'
PANIC = '[risk.panic]\nsymbols = ["BTC/USDT", "ETH/USDT"]\ntrigger = 1\nrecovery = 1\n'

SECTIONS = [
    ("risk = 4", ["risk: expected a table, found 4"]),
    (
        "[risk]\norder_notional_max = 10\nexposure_quote_max = 5",
        ["risk: exposure_quote_max must be at least order_notional_max, was 5 and 10"],
    ),
    (
        '[risk]\nopen_orders_max = 0\nprice_band = 1\ndaily_loss_max = -1\nprice_stale_seconds = "1s"\ndrawdown = 3',
        [
            "risk.open_orders_max: expected a whole number from 1 to 1000000, found 0",
            "risk.price_band: expected a fraction above 0 and below 1, found 1",
            "risk.daily_loss_max: expected an amount above 0, found -1",
            'risk.price_stale_seconds: expected seconds above 0, found "1s"',
            "risk.drawdown: unknown key, did you mean drawdown_max?",
        ],
    ),
    (
        '[[risk.breaker]]\nkind = "drawdown"\n[[risk.breaker]]\nkind = "drawdown"',
        ["risk.breaker: there must be one rule for drawdown, found 2"],
    ),
    (
        (
            '[[risk.breaker]]\nkind = "panic_key"\nneeds_person = false\n'
            '[[risk.breaker]]\nkind = "stop_loss"\ndisposal = "cancel"'
        ),
        [
            "risk.breaker: panic_key: needs_person must be true: what a person did a person lifts",
            "risk.breaker: stop_loss: disposal belongs to the stop itself, was cancel here",
        ],
    ),
    (
        '[[risk.breaker]]\nkind = "daily_loss"\ncooldown_seconds = -1\nneeds_person = 1',
        [
            "risk.breaker[0].cooldown_seconds: expected whole seconds from 0 to 2592000, found -1",
            "risk.breaker[0].needs_person: expected true or false, found 1",
        ],
    ),
    (
        '[risk.panic]\nsymbols = ["A/B", "A/B"]\ntrigger = 2\nrecovery = 3',
        [
            "risk.panic: symbols must each be named once, A/B is named more often",
            "risk.panic: trigger must be between 1 and the number of symbols, 1, was 2",
            "risk.panic: recovery must be between 1 and the number of symbols, 1, was 3",
        ],
    ),
    (
        '[risk.panic]\nsymbols = ["BTC", 3]\ninterval = "90s"\ntrigger = 1\nstale_after = 0.0001',
        [
            'risk.panic.symbols[0]: expected BASE/QUOTE, such as BTC/USDT, found "BTC"',
            "risk.panic.symbols[1]: expected BASE/QUOTE, such as BTC/USDT, found 3",
            "risk.panic.recovery: expected a whole number from 1 to 50, found nothing",
            f'risk.panic.interval: {CANDLE} "90s"',
            "risk.panic.stale_after: expected seconds above 0, at most 86400, with at most 3 decimals, found 0.0001",
        ],
    ),
    (
        REPLAY + PANIC,
        ['risk.panic.symbols[1]: expected BTC/USDT: a replay has one symbol, found "ETH/USDT"'],
    ),
    ("regime = 3", ["regime: expected a table, found 3"]),
    ("regime = true", ["regime: expected a table, found true"]),
    (
        (
            "[regime]\nadx = { enter = 20, leave = 25 }\nchoppiness = { enter = 55, leave = 45 }\n"
            "slope = { enter = 1, leave = 1 }\nhistory = 80"
        ),
        [
            "regime.adx: enter must be above leave, was 20.0 and 25.0",
            "regime.choppiness: enter must be below leave, was 55.0 and 45.0",
            "regime.slope: enter and leave must be two different numbers, were 1.0 and 1.0",
            "regime: history must cover the 85 candles that the indicators need, was 80",
        ],
    ),
    (
        "[regime]\nadx = { enter = 20 }\nslope = 3\nvolatility = { enter = -1, leave = 1.2345678901234567, mid = 2 }",
        [
            "regime.adx.leave: expected a number above 0, found nothing",
            "regime.slope: expected a table of enter and leave, found 3",
            "regime.volatility.enter: expected a number above 0, found -1",
            "regime.volatility.leave: expected at most 15 digits, found 1.2345678901234567",
            "regime.volatility.mid: unknown key, expected one of enter, leave",
        ],
    ),
    (
        '[regime]\nenabled = 1\ninterval = "8d"\nadx_candles = 1\nconfirmations = 4\ngap_max = -1\nstale_after = 0',
        [
            "regime.enabled: expected true or false, found 1",
            f'regime.interval: {CANDLE} "8d"',
            "regime.adx_candles: expected a whole number from 2 to 5000, found 1",
            "regime.confirmations: expected a whole number from 0 to 3, found 4",
            "regime.gap_max: expected a whole number from 0 to 5000, found -1",
            "regime.stale_after: expected seconds above 0, at most 86400, with at most 3 decimals, found 0",
        ],
    ),
    (
        '[regime]\ndwell = { ranging = 0 }\n[regime.effects]\nvolatile = { long = "some", both = "all" }\nup = {}',
        [
            "regime.dwell.ranging: expected a whole number from 1 to 5000, found 0",
            'regime.effects.volatile.long: expected one of all, alternate, none, found "some"',
            "regime.effects.volatile.both: unknown key, expected one of long, short",
            "regime.effects.up: unknown key, expected one of ranging, trending_up, trending_down, volatile, unknown",
        ],
    ),
    (
        "[simulation]\nstart = 2020-01-01",
        ["simulation.start: expected no start: only a replay has a calendar, found one"],
    ),
    (REPLAY + 'start = "2020-13-01"', [f'simulation.start: {TIME} "2020-13-01"']),
    (REPLAY + "start = 1969-12-31", [f"simulation.start: {TIME} 1969-12-31"]),
    (REPLAY + "start = 10:00:00", [f"simulation.start: {TIME} 10:00:00"]),
    (REPLAY + "start = 1584000000", [f"simulation.start: {TIME} 1584000000"]),
    (
        "[simulation]\nfunding_rate = 1",
        ["simulation.funding_rate: expected a fraction above -1 and below 1, found 1"],
    ),
    (
        "[simulation.market]\ncontract_size = 0.001\nleverage_max = 20",
        [
            "simulation.market.contract_size: expected no contract_size: no grid trades a swap, found 0.001",
            "simulation.market.leverage_max: expected no leverage_max: no grid trades a swap, found 20",
        ],
    ),
]

NOTHING_HIDDEN = [
    (
        "[regime]\nadx = { enter = 20, leave = 25 }\nhistory = 80\ngap_max = -1\nslope = { enter = 0, leave = 3 }",
        [
            "regime.slope.enter: expected a number above 0, found 0",
            "regime.gap_max: expected a whole number from 0 to 5000, found -1",
            "regime.adx: enter must be above leave, was 20.0 and 25.0",
            "regime: history must cover the 85 candles that the indicators need, was 80",
        ],
    ),
    (
        '[risk.panic]\nsymbols = ["A/B", "A/B"]\ntrigger = 0\nrecovery = 3\ninterval = "90s"',
        [
            "risk.panic.trigger: expected a whole number from 1 to 50, found 0",
            f'risk.panic.interval: {CANDLE} "90s"',
            "risk.panic: symbols must each be named once, A/B is named more often",
            "risk.panic: recovery must be between 1 and the number of symbols, 1, was 3",
        ],
    ),
    (
        (
            "[risk]\norder_notional_max = 10\nexposure_quote_max = 5\n"
            '[risk.panic]\nsymbols = ["A/B", "C"]\ntrigger = 2\nrecovery = 2'
        ),
        [
            'risk.panic.symbols[1]: expected BASE/QUOTE, such as BTC/USDT, found "C"',
            "risk: exposure_quote_max must be at least order_notional_max, was 5 and 10",
        ],
    ),
    (
        (
            "[risk]\ndaily_loss_max = -1\norder_notional_max = 10\nexposure_quote_max = 5\n"
            '[[risk.breaker]]\nkind = "drawdown"\ncooldown_seconds = -1\n[[risk.breaker]]\nkind = "drawdown"\n'
            "[[risk.breaker]]\nneeds_person = true"
        ),
        [
            "risk.daily_loss_max: expected an amount above 0, found -1",
            "risk.breaker[0].cooldown_seconds: expected whole seconds from 0 to 2592000, found -1",
            f"risk.breaker[2].kind: expected one of {', '.join(BreakerKind)}, found nothing",
            "risk: exposure_quote_max must be at least order_notional_max, was 5 and 10",
            "risk.breaker: there must be one rule for drawdown, found 2",
        ],
    ),
    (
        "[simulation.market]\nleverage_max = 2000",
        ["simulation.market.leverage_max: expected no leverage_max: no grid trades a swap, found 2000"],
    ),
]


@pytest.mark.parametrize("text, problems", NOTHING_HIDDEN)
def test_one_bad_value_hides_no_contradiction_beside_it_and_no_key_is_told_twice(
    text: str, problems: list[str], tmp_path: Path
) -> None:
    assert problems_of(f"{text}\n{GRID}", tmp_path) == problems


def test_a_word_that_is_no_margin_is_one_problem_of_a_spot_grid(tmp_path: Path) -> None:
    assert problems_of(f'{GRID}margin = "lots"\n', tmp_path) == [
        'grid[0].margin: expected no margin on a spot market, found "lots"'
    ]


@pytest.mark.parametrize("text, problems", SECTIONS)
def test_everything_wrong_with_a_section_is_named_at_once(text: str, problems: list[str], tmp_path: Path) -> None:
    assert problems_of(f"{text}\n{GRID}", tmp_path) == problems


def test_the_rules_of_a_simulated_swap_fit_together(tmp_path: Path) -> None:
    market = '[simulation.market]\nfee_currency = "received"\nlot = 0.0015\ncontract_size = 0.001\n'
    text = f"{market}leverage_max = 100\nmaintenance_rate = 0.01\n{SWAP_GRID}leverage = 101\n"
    assert problems_of(text, tmp_path) == [
        'simulation.market.fee_currency: expected quote, or no such line: BTC/USDT:USDT is a swap, found "received"',
        "simulation.market.lot: expected whole contracts of 0.001, found 0.0015",
        "simulation.market.maintenance_rate: expected a fraction below 1/leverage_max, which is 1/100, found 0.01",
        "grid[0].leverage: expected at most 100, the leverage_max of simulation.market, found 101",
    ]


def test_a_rule_of_a_swap_that_is_wrong_itself_brings_no_second_problem(tmp_path: Path) -> None:
    market = "[simulation.market]\ncontract_size = 0\nmaintenance_rate = 1\nleverage_max = 0.5\n"
    assert problems_of(market + SWAP_GRID, tmp_path) == [
        "simulation.market.contract_size: expected an amount above 0, found 0",
        "simulation.market.maintenance_rate: expected a fraction above 0 and below 1, found 1",
        "simulation.market.leverage_max: expected a number from 1 to 1000, found 0.5",
    ]


def test_what_a_grid_contradicts_in_the_common_risk_is_named_at_the_grid(tmp_path: Path) -> None:
    own = "[grid.risk]\nexposure_quote_max = 5\n"
    assert problems_of(f"[risk]\norder_notional_max = 10\n{GRID}{own}", tmp_path) == [
        "grid[0].risk: exposure_quote_max must be at least order_notional_max, was 5 and 10"
    ]


def test_what_is_wrong_with_the_common_risk_is_not_repeated_for_each_grid(tmp_path: Path) -> None:
    common = "[risk]\norder_notional_max = 10\nexposure_quote_max = 5\n"
    assert problems_of(common + GRID + GRID.replace('"btc"', '"b2"'), tmp_path) == [
        "risk: exposure_quote_max must be at least order_notional_max, was 5 and 10"
    ]

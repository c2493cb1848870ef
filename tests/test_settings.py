"""``config.toml``: what it gives, and every way in which it can be wrong, all at once."""

import json
import os
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from engine import settings as settings_module
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, Disposal, GridSpec, InitialPurchase, SizedBy, Spacing
from engine.model.market import FeeCurrency
from engine.model.money import text_from_decimal
from engine.model.reconcile import DEFAULT_POLICY, RESOLUTIONS, DiscrepancyKind, Resolution
from engine.model.regime import RegimeName, RegimeSettings
from engine.model.risk import BreakerKind, Limits, PanicSettings, StopBasis, StopLoss, TrailingTakeProfit
from engine.model.snapshot import Mode
from engine.settings import (
    FillRule,
    JournalKind,
    MarketOverrides,
    MarketType,
    Source,
    find_config,
    load_settings,
)
from engine.settings.schema_regime import RegimeSection
from engine.settings.schema_risk import RiskSection
from engine.settings.text import json_from_settings, toml_from_settings, write_example
from tests.settings_builders import GRID, load, problems_of, with_grid

SHIPPED = Path(__file__).parent.parent / "config.toml"


def test_the_shipped_file_gives_what_it_says(tmp_path: Path) -> None:
    settings = load_settings(SHIPPED, state_dir=tmp_path)
    assert settings.engine.mode is Mode.SIMULATION
    assert settings.engine.state_dir == tmp_path
    assert (settings.engine.reconcile_seconds, settings.engine.on_exit) == (60.0, Disposal.LEAVE)
    assert (settings.exchange.id, settings.exchange.market_type) == ("binance", MarketType.SPOT)
    assert settings.reconcile == DEFAULT_POLICY
    simulation = settings.simulation
    assert (simulation.source, simulation.seed, simulation.speed) == (Source.SYNTHETIC, 7, 60.0)
    assert simulation.path == SHIPPED.parent / "candles.csv"
    assert (simulation.base, simulation.quote) == (Decimal(0), Decimal(10000))
    assert simulation.market == MarketOverrides(
        tick=Decimal("0.01"),
        lot=Decimal("0.00001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        fee_currency=FeeCurrency.RECEIVED,
    )
    assert (simulation.fill, simulation.latency_ms, simulation.partial_fills) == (FillRule.THROUGH, 25, 0.1)
    assert (simulation.every_tick, simulation.journal, simulation.start_price) == (
        False,
        JournalKind.FILE,
        None,
    )
    assert settings.grids == (
        GridSpec(
            name="btc",
            symbol="BTC/USDT",
            direction=Direction.LONG,
            spacing=Spacing.GEOMETRIC,
            lower=Decimal(52000),
            upper=Decimal(68000),
            slots=40,
            sized_by=SizedBy.QUOTE_PER_SLOT,
            size=Decimal(100),
            window=20,
            initial_purchase=InitialPurchase.LIMIT,
        ),
    )


def test_the_built_in_defaults_are_the_shipped_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_module.EXAMPLE_FILE.read_bytes() == SHIPPED.read_bytes()
    monkeypatch.chdir(SHIPPED.parent)
    defaults, shipped = load_settings(None), load_settings(SHIPPED)
    assert (defaults.engine, defaults.reconcile, defaults.exchange, defaults.simulation, defaults.grids) == (
        shipped.engine,
        shipped.reconcile,
        shipped.exchange,
        shipped.simulation,
        shipped.grids,
    )
    assert (defaults.file, shipped.file) == (None, SHIPPED)


def test_the_shipped_file_has_exactly_the_keys_of_the_contract() -> None:
    document = tomllib.loads(SHIPPED.read_text())
    assert {section: list(keys) for section, keys in document.items() if section != "grid"} == {
        "engine": ["mode", "state_dir", "reconcile_seconds", "on_exit"],
        "reconcile": list(DiscrepancyKind),
        "exchange": ["id", "market_type", "sandbox", "keys", "ccxt"],
        "simulation": ["source", "seed", "speed", "path", "base", "quote", "market"],
        "regime": ["enabled"],
    }
    market = ["tick", "lot", "min_notional", "maker_fee", "taker_fee", "fee_currency"]
    assert list(document["simulation"]["market"]) == market
    assert [list(grid) for grid in document["grid"]] == [
        [
            *("name", "symbol", "direction", "spacing", "lower", "upper", "slots"),
            *("quote_per_slot", "window", "initial_purchase"),
        ]
    ]


EXAMPLES = {"start", "start_price", "contract_size", "maintenance_rate", "leverage_max"} | {
    *("center", "step", "sizes", "start_below", "trail_up_to", "trail_down_to", "leverage", "margin", "regime"),
}
"""What the shipped file offers that has no default, or a default that is to have none."""


def test_every_line_that_the_shipped_file_offers_as_a_comment_is_its_default(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    offered = paragraphs_of(text, "[simulation]", "[simulation.market]", "[[grid]]")
    keys = [key_of(line) for line in offered]
    assert keys == [
        *("start", "start_price", "fill", "latency_ms", "partial_fills", "every_tick", "journal", "funding_rate"),
        *("contract_size", "maintenance_rate", "leverage_max", "center", "step", "profile", "sizes", "profit"),
        *("start_below", "trail_up_to", "trail_down_to", "infinite", "leverage", "margin", "regime"),
    ]
    for line in offered:
        if key_of(line) not in EXAMPLES:
            text = text.replace(line, line.removeprefix("# "))
    written = load(text, tmp_path, state_dir=tmp_path)
    assert text != SHIPPED.read_text()
    assert written == load(SHIPPED.read_text(), tmp_path, state_dir=tmp_path)


def test_the_regime_that_the_shipped_file_offers_is_the_default_one(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    for line in paragraphs_of(text, "[regime]", "[regime.effects]"):
        text = text.replace(line, line.removeprefix("# "))
    assert set(tomllib.loads(text)["regime"]) == set(RegimeSection.model_fields)
    assert set(tomllib.loads(text)["regime"]["effects"]) == set(RegimeName)
    assert load(text, tmp_path).regime == RegimeSettings()


def test_the_risk_that_the_shipped_file_offers_has_every_limit(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    for line in paragraphs_of(text, "[risk]", "[[risk.breaker]]", "[risk.panic]", "[[grid.stop]]", "[grid.risk]"):
        text = text.replace(line, line.removeprefix("# "))
    assert set(tomllib.loads(text)["risk"]) == set(RiskSection.model_fields)
    risk = load(text, tmp_path).risk_of("btc")
    assert risk.limits == Limits(
        exposure_quote_max=Decimal(5000),
        open_orders_max=100,
        order_notional_max=Decimal(1000),
        price_band=Decimal("0.1"),
        orders_per_minute_max=120,
        daily_loss_max=Decimal(250),
        drawdown_max=Decimal(500),
        floating_loss_max=Decimal(300),
        price_stale_seconds=Decimal(30),
        reports_stale_seconds=Decimal(120),
        candles_stale_seconds=Decimal(600),
        journal_lag_seconds_max=Decimal(10),
    )
    assert risk.panic == PanicSettings(symbols=("BTC/USDT",), trigger=1, recovery=1)
    assert [rule.kind for rule in risk.breakers] == [BreakerKind.DRAWDOWN]
    assert risk.stops == (
        StopLoss(basis=StopBasis.PRICE_FALLS, at=Decimal(50000), disposal=Disposal.FLATTEN),
        TrailingTakeProfit(basis=StopBasis.TOTAL, at=Decimal(300), trail=Decimal(50), disposal=Disposal.FLATTEN),
    )


@pytest.mark.parametrize(
    "keys, others",
    [
        (("center", "step"), {"lower = 52000": "", "upper = 68000": ""}),
        (("sizes", "start_below", "trail_up_to", "trail_down_to"), {}),
        (("start", "start_price"), {'source = "synthetic"': 'source = "replay"'}),
        (
            ("contract_size", "maintenance_rate", "leverage_max", "leverage", "margin"),
            {'"BTC/USDT"': '"BTC/USDT:USDT"', '"received"': '"quote"', "lot = 0.00001": "lot = 0.001"},
        ),
        (("regime",), {}),
    ],
)
def test_each_example_of_the_shipped_file_can_be_taken(
    keys: tuple[str, ...], others: dict[str, str], tmp_path: Path
) -> None:
    text = SHIPPED.read_text()
    for line in text.splitlines():
        if line.startswith("# ") and key_of(line) in keys:
            text = text.replace(line, line.removeprefix("# "))
    for old, new in others.items():
        assert f"\n{old}" in text or f" {old}" in text
        text = text.replace(f"\n{old}", f"\n{new}").replace(f" = {old}", f" = {new}")
    load(text, tmp_path)


def key_of(line: str) -> str:
    """The key of a line that is offered as a comment."""
    return line.removeprefix("# ").split(" = ")[0]


def paragraphs_of(text: str, *sections: str) -> list[str]:
    """The lines that are offered as comments in these sections; the headings too, where they are."""
    found: list[str] = []
    section = ""
    for line in text.splitlines():
        heading = line.removeprefix("# ").split(" ")[0]
        if heading.startswith("["):
            section = heading
        if section in sections and line.startswith("# ") and (" = " in line or heading == section):
            found.append(line)
    return found


def test_a_file_with_nothing_but_a_grid_takes_the_defaults(tmp_path: Path) -> None:
    short, shipped = load(GRID, tmp_path), load_settings(SHIPPED)
    assert short.engine == shipped.engine
    assert short.reconcile == shipped.reconcile == DEFAULT_POLICY
    assert short.grids == shipped.grids
    assert short.simulation.market == MarketOverrides()
    assert short.simulation.path is None


@pytest.mark.parametrize(
    "written, amount",
    [
        ("0.1", "0.1"),
        ("'0.1'", "0.1"),
        ("100", "100"),
        ("1_000.50", "1000.5"),
        ("'1e3'", "1000"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("'123456789.123456789123456789'", "123456789.123456789123456789"),
    ],
)
def test_an_amount_is_read_exactly_as_number_and_as_text(written: str, amount: str, tmp_path: Path) -> None:
    grid = load(with_grid("quote_per_slot = 100", f"quote_per_slot = {written}"), tmp_path).grids[0]
    assert text_from_decimal(grid.size) == amount


@pytest.mark.parametrize("way", list(SizedBy))
def test_each_way_to_size_a_grid_is_kept_apart(way: SizedBy, tmp_path: Path) -> None:
    grid = load(with_grid("quote_per_slot = 100", f"{way} = 2.5"), tmp_path).grids[0]
    assert (grid.sized_by, grid.size) == (way, Decimal("2.5"))


def test_a_replay_fills_whole_orders_unless_told_otherwise(tmp_path: Path) -> None:
    replay = '[simulation]\nsource = "replay"\npath = "data/x.csv"\n'
    assert load(replay + GRID, tmp_path).simulation.partial_fills == 0.0
    assert load(replay + "partial_fills = 0.3\n" + GRID, tmp_path).simulation.partial_fills == 0.3


NEVER_ASKED = (DiscrepancyKind.FOREIGN_ORDER, DiscrepancyKind.UNKNOWN_OUTCOME)


@pytest.mark.parametrize("kind, answer", [(kind, answer) for kind, words in RESOLUTIONS.items() for answer in words])
def test_each_discrepancy_takes_every_word_that_ends_it(
    kind: DiscrepancyKind, answer: Resolution, tmp_path: Path
) -> None:
    settings = load(f'[reconcile]\n{kind} = "{answer}"\n{GRID}', tmp_path)
    assert settings.reconcile == {**DEFAULT_POLICY, kind: answer}


@pytest.mark.parametrize("kind", [kind for kind in DiscrepancyKind if kind not in NEVER_ASKED])
def test_a_discrepancy_that_is_asked_has_no_resolution_of_its_own(kind: DiscrepancyKind, tmp_path: Path) -> None:
    settings = load(f'[reconcile]\n{kind} = "ask"\n{GRID}', tmp_path)
    assert settings.reconcile == {**DEFAULT_POLICY, kind: None}


@pytest.mark.parametrize("kind", list(DiscrepancyKind))
def test_the_shipped_file_names_every_word_of_every_discrepancy(kind: DiscrepancyKind) -> None:
    (line,) = [line for line in SHIPPED.read_text().splitlines() if line.startswith(f"{kind} = ")]
    words = [answer.value for answer in RESOLUTIONS[kind]] + ([] if kind in NEVER_ASKED else ["ask"])
    offered = line.split("# ", 1)[1].split(": ", 1)[1].split(" | ")
    assert [choice.split(" ")[0] for choice in offered] == words


@pytest.mark.parametrize("seconds", ["0", "1", "86400", "2.5"])
def test_the_books_are_compared_now_and_then_or_without_a_period(seconds: str, tmp_path: Path) -> None:
    settings = load(f"[engine]\nreconcile_seconds = {seconds}\n{GRID}", tmp_path)
    assert settings.engine.reconcile_seconds == float(seconds)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir("/")
    settings = load('[engine]\nstate_dir = "state"\n[simulation]\npath = "~/x.csv"\n' + GRID, tmp_path)
    assert settings.engine.state_dir == tmp_path / "state"
    assert settings.simulation.path == tmp_path / "home" / "x.csv"


def test_a_state_dir_of_the_command_line_starts_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(GRID, tmp_path, state_dir=Path("here")).engine.state_dir == tmp_path / "here"


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load("\ufeff" + GRID, tmp_path).grids[0].name == "btc"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path / "none.toml")
    assert caught.value.problems == (
        f"{tmp_path / 'none.toml'}: expected a readable file, found: No such file or directory",
    )
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path)
    assert caught.value.problems == (f"{tmp_path}: expected a file, found a directory",)


def test_the_home_of_nobody_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (problem,) = problems_of('[engine]\nstate_dir = "~nobody-of-that-name/x"\n' + GRID, tmp_path)
    assert "home directory" in problem
    with pytest.raises(SettingsInvalid, match="--state-dir: expected a folder"):
        load_settings(None, state_dir=Path("~nobody-of-that-name/x"))


def test_the_configuration_is_looked_for_here_then_at_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert find_config() is None
    user = tmp_path / "xdg" / "gridwright" / "config.toml"
    assert write_example(user, force=False) is None
    assert find_config() == user
    Path("config.toml").symlink_to("nowhere")
    assert find_config() == Path("config.toml")


def test_a_relative_configuration_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert settings_module.user_config_file() == tmp_path / ".config" / "gridwright" / "config.toml"


@pytest.mark.parametrize(
    "text",
    [
        GRID,
        '[simulation]\nsource = "replay"\npath = "x"\nspeed = 0.5\njournal = "memory"\n' + GRID,
        '[reconcile]\nholding_short = "write_off"\norphan_order = "ask"\n' + GRID,
        "[exchange.ccxt]\ntimeout = 3.5\n[exchange.ccxt.options]\nx = [1, 2.5]\n" + GRID + with_grid("btc", "b2"),
    ],
)
def test_settings_written_as_toml_read_back_the_same(text: str, tmp_path: Path) -> None:
    settings = load(text, tmp_path)
    assert load(toml_from_settings(settings), tmp_path) == settings


def test_settings_written_as_json_have_amounts_as_strings(tmp_path: Path) -> None:
    document = json.loads(json_from_settings(load(GRID, tmp_path)))
    assert document["grid"][0]["lower"] == "52000"
    assert document["grid"][0]["slots"] == 40
    assert document["reconcile"]["offline_fill"] == "adopt"
    assert document["reconcile"]["vanished_order"] == "ask"


def test_the_example_replaces_a_file_only_when_told_and_keeps_a_backup(tmp_path: Path) -> None:
    target = tmp_path / "config.toml"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="--force replaces it and keeps a backup"):
        write_example(target, force=False)
    assert target.read_text() == "mine"
    assert write_example(target, force=True) == tmp_path / "config.toml.bak"
    assert target.read_bytes() == SHIPPED.read_bytes()
    assert (tmp_path / "config.toml.bak").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["config.toml", "config.toml.bak"]


def test_a_linked_configuration_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "config.toml").symlink_to(tmp_path / "dotfiles" / "gridwright.toml")
    assert write_example(tmp_path / "config.toml", force=False) is None
    assert (tmp_path / "config.toml").is_symlink()
    assert (tmp_path / "dotfiles" / "gridwright.toml").read_bytes() == SHIPPED.read_bytes()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="expected a place to write, found: File exists"):
        write_example(tmp_path / "file" / "config.toml", force=False)

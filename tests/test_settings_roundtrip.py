"""``config show`` reads back to the same settings, for any configuration."""

import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.risk import BreakerKind, Limits
from engine.settings import Settings
from engine.settings.schema import settings_from_document
from engine.settings.text import document_from_settings, toml_from_settings
from tests.settings_builders import GRID, load

FOLDER = Path("/nowhere")
AMOUNTS = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(100_000), places=4)
FRACTIONS = st.decimals(min_value=Decimal("0.001"), max_value=Decimal("0.999"), places=3)
WHOLE = st.integers(min_value=1, max_value=500)
THRESHOLDS = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(90), places=3)
FRACTION_LIMITS = ("price_band", "liquidation_distance_min")
WHOLE_LIMITS = ("open_orders_max", "orders_per_minute_max")


def read(text: str) -> Settings:
    """The settings of this text, as of a file in no particular folder."""
    return settings_from_document(tomllib.loads(text, parse_float=Decimal), label="text", folder=FOLDER)


def some(draw: Callable[..., Any], **choices: Any) -> dict[str, Any]:
    """Some of these keys, each with a value of its strategy."""
    return {key: draw(choice) for key, choice in choices.items() if draw(st.booleans())}


def limits(draw: Callable[..., Any], *, swap: bool) -> dict[str, Any]:
    """Some limits; the one for a single order is never above the one for all."""
    kinds: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(Limits.__slots__, AMOUNTS)
    kinds |= dict.fromkeys(FRACTION_LIMITS, FRACTIONS) | dict.fromkeys(WHOLE_LIMITS, WHOLE)
    kinds["order_notional_max"] = st.just(Decimal("0.005"))
    if not swap:
        del kinds["liquidation_distance_min"]
    return some(draw, **kinds)


def breakers(draw: Callable[..., Any]) -> list[dict[str, Any]]:
    """Rules for some kinds of breaker."""
    kinds = draw(st.lists(st.sampled_from(list(BreakerKind)), unique=True, max_size=3))
    return [{"kind": kind.value, **some(draw, cooldown_seconds=st.integers(0, 9999))} for kind in kinds]


def panic(draw: Callable[..., Any]) -> dict[str, Any]:
    """A panic filter."""
    symbols = draw(st.lists(st.sampled_from(["BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"]), unique=True, min_size=1))
    return {
        "symbols": symbols,
        "trigger": draw(st.integers(1, len(symbols))),
        "recovery": draw(st.integers(1, len(symbols))),
        **some(draw, interval=st.sampled_from(["1m", "90m", "2h", "1d"]), stale_after=WHOLE),
        **some(draw, average_window=WHOLE, volume_multiplier=AMOUNTS),
    }


def risk(draw: Callable[..., Any], *, swap: bool) -> dict[str, Any]:
    """A section ``[risk]`` or ``[grid.risk]``."""
    table = {**limits(draw, swap=swap), "breaker": breakers(draw)}
    return {**table, "panic": panic(draw)} if draw(st.booleans()) else table


def stops(draw: Callable[..., Any], direction: str) -> list[dict[str, Any]]:
    """Stops that lie the right way round for a range from 1000 to 2000."""
    falls, rises = ("stop_loss", "take_profit") if direction == "long" else ("take_profit", "stop_loss")
    every = [
        {"kind": falls, "basis": "price_falls", "at": Decimal("900.5")},
        {"kind": rises, "basis": "price_rises", "at": Decimal(2100)},
        {"kind": "stop_loss", "basis": "total", "at": draw(AMOUNTS) * -1},
        {"kind": "trailing_take_profit", "basis": "total", "at": Decimal(50), "trail": draw(FRACTIONS)},
    ]
    words = st.sampled_from(["leave", "cancel", "flatten"])
    return [{**stop, **some(draw, disposal=words)} for stop in every if draw(st.booleans())]


def grid(draw: Callable[..., Any], name: str) -> dict[str, Any]:
    """A grid of any shape."""
    swap = draw(st.booleans())
    direction = draw(st.sampled_from(["long", "short", "neutral"]))
    slots = draw(st.integers(1, 60))
    infinite = direction == "long" and draw(st.booleans())
    ways: list[dict[str, Any]] = [
        {"lower": Decimal(1000), "upper": Decimal(2000)},
        {"center": Decimal(1500), "step": Decimal("0.0101")},
        {"center": Decimal(1500), "step": Decimal("7.25"), "spacing": "arithmetic"},
    ]
    return {
        "name": name,
        # Each swap has a symbol of its own: an account has one leverage for each.
        "symbol": f"{name.upper()}/USDT:USDT" if swap else "BTC/USDT",
        "direction": direction,
        "slots": slots,
        **draw(st.sampled_from(ways)),
        draw(st.sampled_from(["quote_per_slot", "base_per_slot", "investment"])): draw(AMOUNTS),
        "sizes": {str(slot): draw(AMOUNTS) for slot in draw(st.sets(st.integers(0, slots - 1), max_size=3))},
        "infinite": infinite,
        "stop": stops(draw, direction),
        "risk": risk(draw, swap=swap),
        **some(draw, profile=st.sampled_from(["flat", "pyramid", "valley"]), window=WHOLE),
        **some(draw, profit=st.sampled_from(["bank", "reinvest"]), regime=st.just(value=False)),
        **some(draw, **{draw(st.sampled_from(["start_below", "start_above"])): st.just(Decimal("1234.5"))}),
        **({} if infinite else some(draw, trail_up_to=st.just(9999), trail_down_to=st.just(Decimal("0.5")))),
        **(some(draw, leverage=st.just(Decimal("2.5")), margin=st.sampled_from(["isolated", "cross"])) if swap else {}),
    }


def regime(draw: Callable[..., Any]) -> dict[str, Any]:
    """A section ``[regime]`` whose thresholds lie the right way round."""
    names = ("efficiency", "adx", "choppiness", "slope", "volatility", "true_range")
    low = draw(THRESHOLDS)
    high = low + draw(THRESHOLDS)
    both = {name: {"enter": high, "leave": low} for name in names} | {"choppiness": {"enter": low, "leave": high}}
    words = st.sampled_from(["all", "alternate", "none"])
    regimes = ("ranging", "trending_up", "trending_down", "volatile", "unknown")
    return {
        **some(draw, enabled=st.booleans(), interval=st.sampled_from(["1m", "4h", "1d"]), history=st.just(900)),
        **some(draw, adx_candles=st.integers(2, 50), slope_candles=st.integers(1, 20), gap_max=st.integers(0, 9)),
        **some(draw, **{name: st.just(value) for name, value in both.items()}),
        **some(draw, confirmations=st.integers(0, 3), stale_after=st.just(Decimal("0.125"))),
        "dwell": some(draw, **dict.fromkeys(regimes, WHOLE)),
        "effects": {name: some(draw, long=words, short=words) for name in regimes},
    }


@st.composite
def documents(draw: Callable[..., Any]) -> dict[str, Any]:
    """Any configuration without contradictions."""
    names = [f"g{number}" for number in range(draw(st.integers(1, 3)))]
    document = {"risk": risk(draw, swap=True), "grid": [grid(draw, name) for name in names]}
    document |= some(draw, simulation=st.just({"funding_rate": Decimal("-0.0003"), "quote": Decimal("5.5")}))
    return {**document, "regime": regime(draw)} if draw(st.booleans()) else document


# A document is a hundred values: a sixth of the examples are as many choices as elsewhere.
@settings(max_examples=max(settings().max_examples // 6, 10))
@given(documents())
def test_any_configuration_reads_back_the_same_from_what_config_show_prints(document: dict[str, Any]) -> None:
    decided = read(tomli_w.dumps(document))
    assert read(toml_from_settings(decided)) == decided


def test_the_start_of_a_replay_and_the_rules_of_a_swap_read_back_the_same(tmp_path: Path) -> None:
    text = """[simulation]
source = "replay"
path = "x.csv"
start = "2024-08-05T00:00:00.125Z"
[simulation.market]
contract_size = 0.001
maintenance_rate = 0.005
leverage_max = 50
"""
    decided = load(text + GRID.replace("BTC/USDT", "BTC/USDT:USDT"), tmp_path)
    assert document_from_settings(decided)["simulation"]["start"] == "2024-08-05T00:00:00.125Z"
    assert load(toml_from_settings(decided), tmp_path) == decided


def test_what_all_grids_have_alike_is_shown_once(tmp_path: Path) -> None:
    grids = GRID + "[grid.risk]\ndrawdown_max = 9\n" + GRID.replace('"btc"', '"b2"')
    document = document_from_settings(load(f"[risk]\nprice_band = 0.1\ndrawdown_max = 5\n{grids}", tmp_path))
    assert document["risk"] == {"price_band": Decimal("0.1")}
    assert [table["risk"] for table in document["grid"]] == [
        {"drawdown_max": Decimal(9)},
        {"drawdown_max": Decimal(5)},
    ]


def test_a_breaker_and_a_panic_filter_that_all_grids_have_are_not_repeated_with_each(tmp_path: Path) -> None:
    common = '[[risk.breaker]]\nkind = "drawdown"\n[risk.panic]\nsymbols = ["A/B"]\ntrigger = 1\nrecovery = 1\n'
    own = '[[grid.risk.breaker]]\nkind = "daily_loss"\n'
    document = document_from_settings(load(common + GRID + own + GRID.replace('"btc"', '"b2"'), tmp_path))
    assert [rule["kind"] for rule in document["risk"]["breaker"]] == ["drawdown"]
    assert document["risk"]["panic"]["symbols"] == ["A/B"]
    assert [sorted(table.get("risk", {})) for table in document["grid"]] == [["breaker"], []]
    assert [rule["kind"] for rule in document["grid"][0]["risk"]["breaker"]] == ["daily_loss"]

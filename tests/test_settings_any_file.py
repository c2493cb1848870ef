"""Whatever stands in the file: settings, or problems of one line each, and never a crash."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.model.errors import SettingsInvalid
from engine.settings.schema import Document, settings_from_document
from engine.settings.schema_grid import GridSection
from engine.settings.schema_regime import RegimeSection
from engine.settings.schema_risk import BreakerSection, PanicSection, RiskSection, StopSection
from engine.settings.schema_simulation import MarketSection, SimulationSection
from tests.settings_builders import problems_of, with_grid

WORDS = (
    *("long", "short", "neutral", "geometric", "arithmetic", "flat", "reinvest", "isolated", "replay", "holdings"),
    *("BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "/", ":", "", "4h", "2020-03-12", "received", "x\x1b", "\u0663"),
    *("stop_loss", "take_profit", "trailing_take_profit", "price_falls", "price_rises", "total", "panic_key"),
)
PLAIN = st.one_of(
    st.sampled_from(WORDS),
    st.booleans(),
    st.integers(-2, 100),
    st.sampled_from([10**30, -(10**9), 46656]),
    st.decimals(min_value=-2, max_value=99, places=3),
    st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("1e-30"), Decimal("1e400"), Decimal("-0.0")]),
    st.dates(),
    st.datetimes(),
    st.times(),
)
VALUES = st.one_of(
    PLAIN,
    st.lists(PLAIN, max_size=3),
    st.dictionaries(st.sampled_from(["enter", "leave", "3", "03", "long", "ranging", "symbols"]), PLAIN, max_size=3),
)


def section(draw: Callable[..., Any], kind: type[BaseModel], **inner: Any) -> dict[str, Any]:
    """Any values under some keys of a section, and tables where tables belong."""
    keys = draw(st.sets(st.sampled_from([*kind.model_fields, "unknown"]), max_size=12))
    return {**{key: draw(VALUES) for key in sorted(keys)}, **inner}


@st.composite
def documents(draw: Callable[..., Any]) -> dict[str, Any]:
    """A parsed file with the right tables and anything in them."""
    risks = [
        section(draw, RiskSection, panic=section(draw, PanicSection), breaker=[section(draw, BreakerSection)])
        for _ in range(2)
    ]
    stops = [section(draw, StopSection) for _ in range(2)]
    grids = [section(draw, GridSection, stop=stops, risk=risks[0]), section(draw, GridSection)]
    market = section(draw, MarketSection)
    return section(
        draw,
        Document,
        grid=grids,
        risk=risks[1],
        regime=section(draw, RegimeSection),
        simulation=section(draw, SimulationSection, market=market),
    )


@settings(max_examples=max(settings().max_examples // 6, 10))
@given(documents())
def test_any_file_is_settings_or_problems_of_one_line(document: dict[str, Any]) -> None:
    problems: tuple[str, ...] = ()
    try:
        settings_from_document(document, label="my.toml", folder=Path("/nowhere"))
    except SettingsInvalid as error:
        problems = error.problems
    assert all(line.startswith("my.toml: ") and line.isprintable() for line in problems)
    assert len(set(problems)) == len(problems)


HUGE = "0x" + "f" * 5000
FOUND = "found a number of 20000 bits"


@pytest.mark.parametrize(
    "old, problem",
    [
        ("lower = 52000", "lower: expected at most 15 digits before the point, 18 after it"),
        ("slots = 40", "slots: expected a whole number from 1 to 46656"),
        ('name = "btc"', "name: expected 1 to 32 of a-z 0-9 _ -"),
    ],
)
def test_a_number_of_five_thousand_hexadecimal_digits_is_a_problem(old: str, problem: str, tmp_path: Path) -> None:
    key = old.partition(" ")[0]
    assert problems_of(with_grid(old, f"{key} = {HUGE}"), tmp_path) == [f"grid[0].{problem}, {FOUND}"]

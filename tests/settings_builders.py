"""Configuration files for tests: one good grid, and what is made of a file."""

from pathlib import Path
from typing import Any

import pytest

from engine.model.errors import SettingsInvalid
from engine.settings import Settings, load_settings

GRID = """[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 52000
upper = 68000
slots = 40
quote_per_slot = 100
"""
SWAP_GRID = GRID.replace("BTC/USDT", "BTC/USDT:USDT")
"""The good grid on the perpetual swap."""


def load(text: str, folder: Path, **arguments: Any) -> Settings:
    """The settings of a file with this text."""
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, **arguments)


def problems_of(text: str, folder: Path) -> list[str]:
    """The problems of a file with this text, without the file's name."""
    with pytest.raises(SettingsInvalid) as caught:
        load(text, folder)
    prefix = f"{folder / 'my.toml'}: "
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def with_grid(old: str, new: str) -> str:
    """The good grid with one line changed."""
    assert old in GRID
    return GRID.replace(old, new)


def with_range(written: str) -> str:
    """The good grid with another way of writing its range."""
    return with_grid("lower = 52000\nupper = 68000\n", written)


def with_stop(grid: str, kind: str, basis: str, at: str) -> str:
    """A grid with one more stop."""
    return f'{grid}[[grid.stop]]\nkind = "{kind}"\nbasis = "{basis}"\nat = {at}\n'

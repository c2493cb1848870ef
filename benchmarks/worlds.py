"""Settings for whole engines to measure, written as a user would write them."""

from pathlib import Path

from engine.settings import Settings, load_settings

SYNTHETIC = """
[simulation]
source = "synthetic"
journal = "memory"
speed = 0
"""
GRID = """
[[grid]]
name = "btc"
symbol = "BTC/USDT"
lower = 52000
upper = 68000
slots = 40
quote_per_slot = 100
window = 20
"""


def settings_from(text: str, folder: Path) -> Settings:
    """The settings of this text, with their state in ``folder``."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, state_dir=folder / "state")

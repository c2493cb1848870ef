"""Themes are data: every ``themes/*.toml`` becomes a Textual theme; a bad file is a message, not a crash.

A file has ``title``, ``dark``, a table ``[base]`` with Textual's own colours, and a table
``[grid]`` with a colour for every tone and every surface of ours.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from tui.present.pieces import Tone

FOLDER = Path(__file__).resolve().parents[1] / "themes"
FALLBACK = "textual-dark"
"""Textual's own theme, used when none of ours can be read."""

PREFIX = "grid-"
SURFACES = (
    "border",
    "focus",
    "scroll",
    "cursor-back",
    "price-back",
    "near-back",
    "alarm-back",
    "simulation-back",
    "paper-back",
    "sandbox-back",
    "live-back",
    "past-back",
)
"""Frames and backgrounds: pane borders, the focused pane, the selected row, the price line, banners."""

GRID_KEYS = (*(tone.value for tone in Tone), *SURFACES)
BASE_KEYS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
_FALLBACK_COLOURS = {
    Tone.BUY: "deepskyblue",
    Tone.SELL: "orange",
    Tone.HOLD: "plum",
    Tone.GAIN: "mediumspringgreen",
    Tone.LOSS: "lightcoral",
    Tone.WARN: "gold",
    Tone.DIM: "darkgray",
    Tone.FAINT: "gray",
}
_FALLBACK_BACKS = {"border": "dimgray", "focus": "deepskyblue", "scroll": "dimgray", "alarm-back": "darkred"}


class ThemeInvalid(Exception):
    """A theme file cannot be used; the message names the file, the key, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Themes:
    """What the folder gave: usable themes in the order of their files, and one line per problem."""

    themes: tuple[Theme, ...]
    problems: tuple[str, ...]


def load_themes(folder: Path = FOLDER) -> Themes:
    """Every theme of ``folder``; dark comes first, then the others by name."""
    themes: list[Theme] = []
    problems: list[str] = []
    paths = sorted(folder.glob("*.toml"), key=lambda path: (path.stem != "dark", path.stem != "light", path.stem))
    for path in paths:
        try:
            themes.append(read_theme(path))
        except ThemeInvalid as problem:
            problems.append(str(problem))
    if not themes and not problems:
        problems.append("no theme files were found; the built-in colours are used")
    return Themes(themes=tuple(themes), problems=tuple(problems))


def read_theme(path: Path) -> Theme:
    """One theme file; its name is the file's.

    Raises:
        ThemeInvalid: the file cannot be read, a key is missing or unknown, or a colour is none.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise ThemeInvalid(f"theme {path.name}: {trouble}") from trouble
    base = _colours(path, data, "base", BASE_KEYS)
    grid = _colours(path, data, "grid", GRID_KEYS)
    unknown = set(data) - {"title", "dark", "base", "grid"}
    if unknown or not isinstance(data.get("dark"), bool):
        raise ThemeInvalid(f"theme {path.name}: expected title, dark = true|false, [base] and [grid]")
    return Theme(
        name=path.stem,
        dark=data["dark"],
        variables={PREFIX + key: colour for key, colour in grid.items()},
        primary=base["primary"],
        secondary=base["secondary"],
        accent=base["accent"],
        foreground=base["foreground"],
        background=base["background"],
        surface=base["surface"],
        panel=base["panel"],
        success=base["success"],
        warning=base["warning"],
        error=base["error"],
    )


def _colours(path: Path, data: dict[str, Any], table: str, keys: tuple[str, ...]) -> dict[str, str]:
    found = data.get(table)
    if not isinstance(found, dict) or set(found) != set(keys):
        wrong = sorted(set(keys) ^ set(found if isinstance(found, dict) else ()))
        raise ThemeInvalid(f"theme {path.name}: [{table}] has missing or unknown keys: {', '.join(wrong)}")
    for key, value in found.items():
        try:
            Color.parse(str(value))
        except ColorParseError:
            raise ThemeInvalid(f"theme {path.name}: {table}.{key} must be a colour, was {value!r}") from None
    return {key: str(value) for key, value in found.items()}


def fallback_variables() -> dict[str, str]:
    """Named colours for every variable of ours, so that the screen works without any theme file."""
    tones = {PREFIX + tone.value: _FALLBACK_COLOURS.get(tone, "white") for tone in Tone}
    backs = {PREFIX + name: _FALLBACK_BACKS.get(name, "midnightblue") for name in SURFACES}
    return tones | backs

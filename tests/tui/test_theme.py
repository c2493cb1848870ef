"""Themes are data, complete, legible, and never fatal."""

from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from tui.present.pieces import Tone
from tui.theme import FOLDER, PREFIX, ThemeInvalid, fallback_variables, load_themes, read_theme

THEMES = load_themes()
ON_BACKS = {
    Tone.ALARM: "alarm-back",
    Tone.SIMULATION: "simulation-back",
    Tone.PAPER: "paper-back",
    Tone.SANDBOX: "sandbox-back",
    Tone.LIVE: "live-back",
    Tone.PAST: "past-back",
    Tone.PRICE_LINE: "price-back",
}
MUST_READ = [tone for tone in Tone if tone is not Tone.FAINT and tone not in ON_BACKS]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours. Source: WCAG 2.2, relative luminance."""

    def luminance(text: str) -> float:
        parts = [value / 255 for value in Color.parse(text).rgb]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_dark_is_first_then_light_then_the_others() -> None:
    assert [theme.name for theme in THEMES.themes] == ["dark", "light", "contrast"]
    assert THEMES.problems == ()


@pytest.mark.parametrize("theme", THEMES.themes, ids=lambda theme: theme.name)
def test_every_text_can_be_read_on_every_ground_it_lies_on(theme: Theme) -> None:
    variables = theme.variables
    grounds = [
        str(theme.background),
        str(theme.surface),
        variables[PREFIX + "cursor-back"],
        variables[PREFIX + "near-back"],
    ]
    poor = {
        (tone.value, ground): round(contrast(variables[PREFIX + tone.value], ground), 2)
        for tone in MUST_READ
        for ground in grounds
        if contrast(variables[PREFIX + tone.value], ground) < 4.5
    }
    poor |= {
        (tone.value, back): round(contrast(variables[PREFIX + tone.value], variables[PREFIX + back]), 2)
        for tone, back in ON_BACKS.items()
        if contrast(variables[PREFIX + tone.value], variables[PREFIX + back]) < 4.5
    }
    assert poor == {}
    assert contrast(variables[PREFIX + "faint"], str(theme.background)) >= 2.5


@pytest.mark.parametrize("theme", THEMES.themes, ids=lambda theme: theme.name)
def test_buys_and_sells_differ_along_blue_and_yellow_which_the_colour_blind_see(theme: Theme) -> None:
    buy, sell = (Color.parse(theme.variables[PREFIX + side]) for side in ("buy", "sell"))
    assert buy.b > buy.r + 80
    assert sell.r > sell.b + 80


def damaged(tmp_path: Path, old: str, new: str) -> Path:
    text = (FOLDER / "dark.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ('buy = "#63b4f7"\n', "", "[grid] has missing or unknown keys: buy"),
        ('buy = "#63b4f7"', 'buy = "bluish"', "grid.buy must be a colour, was 'bluish'"),
        ("[grid]", '[grid]\nextra = "red"', "[grid] has missing or unknown keys: extra"),
        ("dark = true", "dark = 1", "expected title, dark = true|false, [base] and [grid]"),
        ("[base]", "[[base", "theme mine.toml: "),
    ],
)
def test_a_damaged_theme_says_file_key_and_what_was_expected(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = damaged(tmp_path, old, new)
    with pytest.raises(ThemeInvalid) as caught:
        read_theme(path)
    assert str(caught.value).startswith("theme mine.toml: ")
    assert problem in str(caught.value)
    assert load_themes(tmp_path).problems == (str(caught.value),)


def test_a_missing_folder_is_a_message(tmp_path: Path) -> None:
    loaded = load_themes(tmp_path / "none")
    assert loaded.themes == ()
    assert loaded.problems == ("no theme files were found; the built-in colours are used",)


def test_the_fallback_has_every_variable_as_a_colour() -> None:
    variables = fallback_variables()
    assert set(variables) == set(THEMES.themes[0].variables)
    assert all(Color.parse(colour) for colour in variables.values())

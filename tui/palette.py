"""Tones become Rich styles here, and lines become strips; only this file knows what a theme looks like."""

from collections.abc import Mapping
from enum import StrEnum

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from tui.present.pieces import Line, Tone, line_width
from tui.theme import PREFIX

_BACKS = {
    Tone.ALARM: "alarm-back",
    Tone.SIMULATION: "simulation-back",
    Tone.PAPER: "paper-back",
    Tone.SANDBOX: "sandbox-back",
    Tone.LIVE: "live-back",
    Tone.PAST: "past-back",
}
_BOLD = frozenset(
    (
        *(Tone.STRONG, Tone.PRICE, Tone.PRICE_LINE, Tone.KEY, Tone.ALARM),
        *(Tone.SIMULATION, Tone.PAPER, Tone.SANDBOX, Tone.LIVE, Tone.PAST),
    )
)
_PLAIN_STYLES = {
    Tone.DIM: Style(dim=True),
    Tone.FAINT: Style(dim=True),
    Tone.HEAD: Style(underline=True),
    Tone.KEY: Style(bold=True),
    Tone.STRONG: Style(bold=True),
    Tone.PRICE: Style(bold=True),
    Tone.PRICE_LINE: Style(bold=True),
    Tone.SIMULATION: Style(bold=True, underline=True),
    Tone.PAPER: Style(reverse=True),
    Tone.SANDBOX: Style(reverse=True, underline=True),
    Tone.LIVE: Style(bold=True, reverse=True),
    Tone.PAST: Style(bold=True, reverse=True, underline=True),
    Tone.ALARM: Style(bold=True, reverse=True),
    Tone.WARN: Style(bold=True),
}
"""Attributes alone, for terminals whose user wants no colour."""


class Ground(StrEnum):
    """What a whole line lies on."""

    PLAIN = "plain"
    NEAR = "near"
    CURSOR = "cursor"
    PRICE = "price"


class Palette:
    """Styles of one theme. ``is_stale`` dims everything: the numbers are no longer renewed."""

    def __init__(self, variables: Mapping[str, str], *, is_plain: bool, is_stale: bool) -> None:
        self._variables = variables
        self._is_plain = is_plain
        self._stale = Style(dim=True) if is_stale else Style.null()
        self._styles: dict[tuple[Tone, Ground], Style] = {}

    def strip(self, line: Line, width: int, ground: Ground, base: Style) -> Strip:
        """``line`` as a strip of exactly ``width`` cells over ``base``, the widget's own style."""
        segments = [Segment(piece.text, base + self._style(piece.tone, ground)) for piece in line if piece.text]
        taken = line_width(line)
        if taken < width:
            segments.append(Segment(" " * (width - taken), base + self._style(Tone.TEXT, ground)))
            taken = width
        strip = Strip(segments, taken)
        return strip if taken == width else strip.crop(0, width)

    def _style(self, tone: Tone, ground: Ground) -> Style:
        key = (tone, ground)
        style = self._styles.get(key)
        if style is None:
            style = self._make(tone, ground)
            self._styles[key] = style
        return style

    def _make(self, tone: Tone, ground: Ground) -> Style:
        if self._is_plain:
            return _PLAIN_STYLES.get(tone, Style.null()) + _plain_ground(ground) + self._stale
        back = _BACKS.get(tone) or _back_of(ground)
        return self._stale + Style(
            color=self._colour(tone.value),
            bgcolor=None if back is None else self._colour(back),
            bold=tone in _BOLD or ground is Ground.NEAR,
        )

    def _colour(self, name: str) -> str:
        """The theme's colour as Rich writes it; themes may use names that only Textual knows."""
        return Color.parse(self._variables[PREFIX + name]).hex6


def _back_of(ground: Ground) -> str | None:
    match ground:
        case Ground.PLAIN:
            return None
        case Ground.NEAR:
            return "near-back"
        case Ground.CURSOR:
            return "cursor-back"
        case Ground.PRICE:
            return "price-back"


def _plain_ground(ground: Ground) -> Style:
    match ground:
        case Ground.PLAIN:
            return Style.null()
        case Ground.NEAR:
            return Style(bold=True)
        case Ground.CURSOR:
            return Style(reverse=True, dim=False)
        case Ground.PRICE:
            return Style(bold=True)

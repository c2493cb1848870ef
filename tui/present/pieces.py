"""Lines of text before they have colours: pieces of text, each with a tone.

Everything the terminal shows is made of these, so that words and layout are tested
without a terminal. A tone says what a text means; a theme says what that looks like.
Text from outside must have gone through ``numbers.clean_text`` before it becomes a piece.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size


class Tone(StrEnum):
    """What a piece of text means; the value is the theme's variable after ``grid-``."""

    TEXT = "text"
    STRONG = "strong"
    DIM = "dim"
    FAINT = "faint"
    HEAD = "head"
    KEY = "key"
    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"
    PRICE = "price"
    PRICE_LINE = "price-line"
    GAIN = "gain"
    LOSS = "loss"
    WARN = "warn"
    ALARM = "alarm"
    SIMULATION = "simulation"
    PAPER = "paper"
    SANDBOX = "sandbox"
    LIVE = "live"
    PAST = "past"


class Piece(NamedTuple):
    """A run of text in one tone."""

    text: str
    tone: Tone = Tone.TEXT


Line = tuple[Piece, ...]
BLANK: Line = ()


def line_width(line: Line) -> int:
    """Width in terminal cells."""
    return sum(cell_len(piece.text) for piece in line)


def line_text(line: Line) -> str:
    """The bare text."""
    return "".join(piece.text for piece in line)


def cut_text(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells; what is cut off leaves an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)) + "…" if width > 0 else ""


def fit_left(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells, at the left."""
    text = cut_text(text, width)
    return text + " " * (width - cell_len(text))


def fit_right(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells, at the right."""
    text = cut_text(text, width)
    return " " * (width - cell_len(text)) + text


def cut_line(line: Line, width: int) -> Line:
    """``line`` in at most ``width`` cells."""
    if line_width(line) <= width:
        return line
    kept: list[Piece] = []
    left = width
    for piece in line:
        text = cut_text(piece.text, left)
        kept.append(Piece(text, piece.tone))
        left -= cell_len(text)
        if text != piece.text:
            break
    return tuple(kept)


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` at the left edge and ``right`` at the right one; ``left`` is cut first."""
    room = width - line_width(right)
    if room <= 0:
        return cut_line(right, width)
    left = cut_line(left, room - 1)
    return (*left, Piece(" " * (room - line_width(left))), *right)


def join(groups: Iterable[Line], gap: str = "  ") -> Line:
    """Groups of pieces in one line with ``gap`` between them; empty groups are left out."""
    pieces: list[Piece] = []
    for group in groups:
        if not group:
            continue
        if pieces:
            pieces.append(Piece(gap))
        pieces.extend(group)
    return tuple(pieces)


def join_that_fit(groups: Iterable[Line], width: int, gap: str = "  ") -> Line:
    """As many whole groups, in order, as fit into ``width``; a group that does not fit is skipped."""
    kept: list[Line] = []
    left = width
    for group in groups:
        need = line_width(group) + (len(gap) if kept else 0)
        if group and need <= left:
            kept.append(group)
            left -= need
    return join(kept, gap)


def wrap_words(text: str, width: int) -> tuple[str, ...]:
    """``text`` broken at spaces into lines of at most ``width`` cells; longer words are broken inside."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cell_len(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        while cell_len(word) > width > 0:
            head = set_cell_size(word, width).rstrip() or word[0]
            lines.append(head)
            word = word[len(head) :]
        line = word
    return (*lines, line)

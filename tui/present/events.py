"""The engine's story: one event in as many lines as its text needs."""

from engine.model.snapshot import EngineEvent
from engine.model.text import clean_text
from tui.present.numbers import clock
from tui.present.pieces import Line, Piece, Tone, cut_text, fit_left, line_width, wrap_words
from tui.present.words import LEVEL_SIGNS

_GRID_LIMIT = 10


def event_lines(event: EngineEvent, width: int) -> tuple[Line, ...]:
    """Time, level, where, and the text, wrapped under itself."""
    sign = LEVEL_SIGNS[event.level]
    head: Line = (
        Piece(clock(event.at_ms) + " ", Tone.DIM),
        Piece(sign.glyph + " ", sign.tone),
        *_where(event),
    )
    indent = line_width(head)
    texts = wrap_words(clean_text(event.text), max(width - indent, 1))
    first: Line = (*head, Piece(texts[0], sign.tone))
    return first, *((Piece(" " * indent), Piece(text, sign.tone)) for text in texts[1:])


def _where(event: EngineEvent) -> tuple[Piece, ...]:
    """Grid and slot in columns; the engine itself has no grid."""
    name = cut_text(clean_text(event.grid or "engine"), _GRID_LIMIT)
    slot = "" if event.slot is None else f"{event.slot}"
    return Piece(fit_left(name, 6) + " ", Tone.HEAD), Piece(f"{slot:>4} ", Tone.HOLD)

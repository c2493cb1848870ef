"""The words for an engine that could not be started."""

from engine.model.errors import SettingsInvalid
from engine.model.text import clean_text
from tui.present.pieces import BLANK, Line, Piece, Tone, wrap_words

_PROBLEM_LIMIT = 1000


def failed_lines(failure: SettingsInvalid, width: int) -> tuple[Line, ...]:
    """Every problem in full, and how to leave."""
    lines: list[Line] = [(Piece("■ The engine could not be started", Tone.LOSS),), BLANK]
    for problem in failure.problems:
        first, *rest = wrap_words(clean_text(problem, _PROBLEM_LIMIT), max(width - 2, 8))
        lines += [(Piece("· ", Tone.LOSS), Piece(first)), *((Piece("  " + row),) for row in rest)]
    return (*lines, BLANK, (Piece("q", Tone.KEY), Piece(" leaves; the same is said again in the shell", Tone.DIM)))

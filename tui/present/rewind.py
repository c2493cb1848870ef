"""What the terminal says while it shows the past, and how a place in it is named."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.model.snapshot import EngineState, HistoryFrame
from engine.model.text import clean_text
from tui.present.events import event_lines
from tui.present.numbers import clock, date_clock
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, line_text, line_width, spread, wrap_words
from tui.view import View

READING = "reading the journal"
PLACES = "A record by its number, or a time in UTC: 812, 12:03, 12:03:05, 2026-08-01, 2026-08-01 12:03"
_SIGN = " ◀◀ NOT LIVE"
_WAY_OUT = "press escape for live "
_CLOCKS = ("%H:%M", "%H:%M:%S")
_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class ToRecord:
    """Go to the record with this number."""

    sequence: int


@dataclass(frozen=True, slots=True)
class ToTime:
    """Go to the last record that is not later than this UTC time."""

    at_ms: int


def place_typed(text: str, shown: HistoryFrame) -> ToRecord | ToTime | None:
    """Where a person wants to go; None if it cannot be read. A time alone is of the day that is shown."""
    words = " ".join(text.replace("T", " ").rstrip("Zz ").split())
    number = words.replace(",", "")
    if number.isascii() and number.isdigit():
        return ToRecord(int(number)) if 1 <= int(number) <= shown.last_sequence else None
    day = datetime.fromtimestamp(shown.snapshot.at_ms / 1000, UTC).strftime("%Y-%m-%d")
    for prefix, forms in ((f"{day} ", tuple(f"%Y-%m-%d {form}" for form in _CLOCKS)), ("", _DATES)):
        for form in forms:
            try:
                moment = datetime.strptime(prefix + words, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return ToTime(int(moment.timestamp()) * 1000)
    return None


def banner_line(frame: HistoryFrame | None, width: int) -> Line:
    """The bar that says that this is not now; as much of it as fits, and never less than that."""
    if frame is None:
        return _bar((_SIGN, READING), _WAY_OUT, width)
    record = f"record {frame.sequence:,} of {frame.last_sequence:,}"
    at_ms = frame.snapshot.at_ms
    for parts, right in (
        ((_SIGN, record, date_clock(at_ms)), _WAY_OUT),
        ((_SIGN, record, clock(at_ms) + "Z"), _WAY_OUT),
        ((_SIGN, record, clock(at_ms) + "Z"), "esc: live "),
        ((_SIGN, record), "esc: live "),
    ):
        if len("  ".join(parts)) + len(right) + 1 <= width:
            return _bar(parts, right, width)
    return _bar((_SIGN,), "", width)


def _bar(parts: Sequence[str], right: str, width: int) -> Line:
    tail: Line = (Piece(right, Tone.PAST),) if right else ()
    line = spread((Piece("  ".join(parts), Tone.PAST),), tail, width)
    filled = tuple(Piece(piece.text, Tone.PAST) for piece in line)
    return *filled, Piece(" " * (width - line_width(filled)), Tone.PAST)


def record_line(frame: HistoryFrame, width: int) -> Line:
    """The record itself in one line, with its reason."""
    lines = event_lines(frame.event, 10_000)
    return cut_line((Piece(" "), *lines[0]), width)


def live_lines(live: View, width: int) -> tuple[Line, ...]:
    """What a person must know of the engine as it is now, even while looking at the past."""
    if live.ended is not None:
        text = f"NOW: ENGINE STOPPED: {live.ended}"
    elif live.engine is not None and live.engine.state is EngineState.HALTED:
        text = f"NOW: HALTED: {live.engine.state_reason}"
    else:
        return ()
    line = cut_line((Piece(" ■ " + clean_text(text), Tone.ALARM),), width)
    return ((*line, Piece(" " * (width - line_width(line)), Tone.ALARM)),)


def place_lines(frame: HistoryFrame, text: str, width: int) -> tuple[Line, ...]:
    """The dialog that asks where to go; says at once what cannot be read or found."""
    first: Line = (Piece("Go to ", Tone.STRONG), Piece(f"record 1 to {frame.last_sequence:,}, or a time", Tone.DIM))
    hints = tuple((Piece(row, Tone.DIM),) for row in wrap_words(PLACES, width))
    place = place_typed(text, frame)
    match place:
        case ToRecord():
            said = Piece(f"record {place.sequence:,}", Tone.KEY)
        case ToTime():
            said = Piece(f"the last record by {date_clock(place.at_ms)}", Tone.KEY)
        case None:
            said = Piece("no such record or time" if text.strip() else "", Tone.WARN)
    return first, BLANK, *hints, BLANK, (said,)


def tiny_past_line(frame: HistoryFrame | None, width: int) -> Line:
    """All that fits when the terminal is too small."""
    return cut_line((Piece(line_text(banner_line(frame, width)), Tone.PAST),), width)

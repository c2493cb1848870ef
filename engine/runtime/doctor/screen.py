"""What the terminal can show: its size, its letters, its colours."""

import locale
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.runtime.doctor.finding import Finding, ok, skipped, warning

COLUMNS_MIN, ROWS_MIN = 80, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """``size`` is columns and rows, None where there is no terminal; ``encoding`` is what it is written to in."""

    size: tuple[int, int] | None
    encoding: str
    environment: Mapping[str, str]


def screen_here() -> Screen:
    """The terminal of this process: the one that asks and shows, whatever stdout is."""
    size = None
    if sys.stdin.isatty() and sys.stderr.isatty():
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        size = columns, rows
    encoding = getattr(sys.stderr, "encoding", None) or locale.getpreferredencoding(False)
    return Screen(size=size, encoding=encoding, environment=os.environ)


def look_at_screen(screen: Screen) -> Iterator[Finding]:
    """Size, letters and colours."""
    if screen.size is None:
        yield skipped(
            "terminal",
            "stdin and stderr are no terminal",
            "run it where the terminal shall be; without one: gridwright run --headless",
        )
        return
    columns, rows = screen.size
    kind = screen.environment.get("TERM", "")
    if kind in ("", "dumb"):
        advice = "set TERM to what the terminal is, such as xterm-256color"
        yield warning("terminal", f"TERM is {kind or 'not set'}: no screen can be drawn", advice)
    elif columns < COLUMNS_MIN or rows < ROWS_MIN:
        found = f"{columns} columns and {rows} rows, at least {COLUMNS_MIN} and {ROWS_MIN} show everything"
        yield warning("terminal", found, "make the window larger")
    else:
        yield ok("terminal", f"{kind}, {columns} columns and {rows} rows")
    yield _letters(screen)
    yield _colours(screen, kind)


def _letters(screen: Screen) -> Finding:
    if screen.encoding.lower().replace("-", "") == "utf8":
        return ok("letters", "UTF-8")
    return warning("letters", f"{screen.encoding}, not UTF-8", "set LANG to a UTF-8 locale, such as C.UTF-8")


def _colours(screen: Screen, kind: str) -> Finding:
    environment = screen.environment
    if environment.get("NO_COLOR"):
        return ok("colours", "none, as NO_COLOR wishes")
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ok("colours", "all (COLORTERM)")
    if "256color" in kind or "direct" in kind:
        return ok("colours", "256 (TERM)")
    return warning("colours", "16 at most", "set TERM to xterm-256color, or COLORTERM=truecolor, if it can show more")

"""Text from outside (symbols, reasons, paths) made safe to print on a terminal.

A symbol or an error message may carry escape sequences, direction marks or invisible
letters; printed raw they move the cursor, recolour the screen or show another text
than the one that is there.
"""

import unicodedata

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks by their category that draw nothing."""


def clean_text(text: str, limit: int = 200) -> str:
    """One line of ``text`` in which every character can be seen, at most ``limit`` characters long.

    Normalised to NFC; controls, direction marks, zero-width and unassigned characters and
    lone surrogates become ``<U+001B>``, foreign spaces a space; what is cut off becomes ``…``.
    """
    head = text[: limit + 1]
    if not (head.isascii() and head.isprintable()):
        head = "".join(map(_visible, unicodedata.normalize("NFC", head)))
    if len(head) <= limit and len(text) <= limit:
        return head
    return head[: max(limit - 1, 0)] + "…"


def _visible(letter: str) -> str:
    if letter.isprintable() and letter not in _BLANK_LETTERS and not _is_variation_selector(letter):
        return letter
    if unicodedata.category(letter) == "Zs":
        return " "
    return f"<U+{ord(letter):04X}>"


def _is_variation_selector(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"

"""Secrets taken out of text.

Two nets: the loaded values in every form they travel in, and the names under which exchanges carry keys and
signatures, for values that nobody has loaded, such as listen keys. Of a long value even a piece of six characters
is taken out, for a message that was cut off shows a piece. Rather too much is taken out than too little.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from engine.model.secret import MASK, Secret

PIECE = 6
"""So many characters of a long value in a row are taken out, whatever stands around them."""
_LONG = 16
"""A value of so many characters is hardly a word, so its pieces mean nothing else."""
_SHORTEST = 4
"""A shorter value is taken out beside its name alone: it would tear every text to shreds."""
_DISTINCT_MIN = 3
"""Pieces of fewer different characters are filling, such as ``=====-``."""

_NAMES = (
    # X-MBX-APIKEY, X-BAPI-API-KEY, X-BAPI-SIGN, OK-ACCESS-KEY, KC-API-PASSPHRASE, API-Sign, ACCESS-KEY
    r"(?:x-[a-z]{1,10}-(?:(?:api-?)?key|sign(?:ature)?)|(?:[a-z]{1,6}-)?(?:access|api)-(?:key|sign|passphrase)"
    r"|(?:proxy-)?authorization|(?:set-)?cookie|api_?key|access_?key(?:_?id)?|api_?secret|secret(?:_?key)?"
    r"|private_?key|signature|sign|listen_?key|passphrase|password|(?:access_?|refresh_?|listen_?)?token|jwt"
    # Gate's headers; in small letters they are words of everyday.
    r"|(?-i:KEY|SIGN))"
)
_START = r"(?<![\w-])"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # 'X-MBX-APIKEY': '...', "signature": "...", also with escaped quotation marks and as (b'..', b'..').
        rf"""{_START}{_NAMES}\\*["']\s*[:=,]\s*b?\\*["'](?P<value>(?:[^"'\\]|\\[^"'\\])*)""",
        # signature=... in an address, a form or a list of arguments.
        rf"""{_START}{_NAMES}(?:=|%3D)["']?(?P<value>[^\s&"'\\,;)\]}}<>]+)""",
        # Authorization: Bearer ..., as a line; what follows is long, or it is a word of a sentence.
        rf"""{_START}{_NAMES}:\s*(?:(?:bearer|basic|token|digest)\s+)?(?P<value>[^\s"',;)\]}}<>]{{12,}})""",
        # The private stream's login: its arguments are the key, a time and a signature.
        r"""["']op\\*["']\s*:\s*\\*["'](?:auth|login)\\*["']\s*,\s*\\*["']args\\*["']\s*:\s*(?P<value>\[[^\]]*\]?)""",
        # wss://HOST/ws/LISTENKEY
        r"/(?:ws|stream)/(?P<value>[A-Za-z0-9]{32,})",
    )
)


class Redactor:
    """Takes secrets out of texts: the given values, and whatever stands where an exchange has its keys."""

    __slots__ = ("_pieces", "_words")

    def __init__(self, values: Iterable[Secret] = ()) -> None:
        revealed = [value.reveal() for value in values]
        long = [form for value in revealed if len(value) >= _LONG for form in _forms(value)]
        short = {form for value in revealed if _SHORTEST <= len(value) < _LONG for form in _forms(value)}
        self._pieces = frozenset(piece for form in long for piece in _pieces(form))
        longest_first = sorted(short, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, longest_first))) if short else None

    def redact(self, text: str) -> str:
        """The text with ``***`` in place of every secret."""
        text = _without_spans(text, self._spans(text))
        if self._words is not None:
            text = self._words.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_masked_value, text)
        return text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where pieces stand, from and to; those that touch are one, and one of them tells that it is a secret."""
        start = end = -1
        is_telling = False
        for at in range(len(text) - PIECE + 1 if self._pieces else 0):
            piece = text[at : at + PIECE]
            if piece not in self._pieces:
                continue
            if at > end:
                if is_telling:
                    yield start, end
                start, is_telling = at, False
            end = at + PIECE
            is_telling = is_telling or _tells(piece)
        if is_telling:
            yield start, end


def _without_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    kept, behind = [], 0
    for start, end in spans:
        kept += [text[behind:start], MASK]
        behind = end
    return "".join((*kept, text[behind:])) if kept else text


def _masked_value(match: re.Match[str]) -> str:
    start, end = (at - match.start() for at in match.span("value"))
    return match[0][:start] + MASK + match[0][end:]


def _forms(value: str) -> Iterator[str]:
    """Every form in which a value travels: as it is, in addresses, in JSON, in base64 and in hexadecimal digits."""
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    for line in lines:
        yield line
        for quoted in (quote(line, safe=""), quote(line), quote_plus(line)):
            yield from (quoted, re.sub("%..", _small, quoted))
        yield from (json.dumps(line)[1:-1], repr(line)[1:-1])
        raw = line.encode()
        yield from (raw.hex(), raw.hex().upper())
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield from _in_base64(raw, encode)


def _small(match: re.Match[str]) -> str:
    return match[0].lower()


def _in_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """As it looks alone, and behind one or two other bytes, as in ``KEY:SECRET``."""
    yield encode(raw).decode().rstrip("=")
    for before in range(3):
        # A character has six bits; those at the ends may be a neighbour's in part.
        inner = encode(bytes(before) + raw).decode()[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        if len(inner) >= PIECE:
            yield inner


def _pieces(form: str) -> Iterator[str]:
    for at in range(len(form) - PIECE + 1):
        yield form[at : at + PIECE]


def _tells(piece: str) -> bool:
    """Whether a piece can be nothing else: six digits in a row are in every time and many prices."""
    return not piece.isdigit() and len(set(piece)) >= _DISTINCT_MIN

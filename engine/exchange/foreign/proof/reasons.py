"""What a foreign exception says, read without trusting it: class names, error codes, and a reason that is safe.

The text of a foreign exception may hold the signed address of the request, headers, and bytes that draw on a
terminal. What leaves here is one short line without any of these.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise

from engine.model.text import clean_text

REASON_LIMIT = 160
_TEXT_LIMIT = 20_000
_DEPTH_MAX = 6
_CODE_KEYS = frozenset(("code", "retcode", "scode", "errcode", "errorcode", "label", "error", "previewfailurereason"))
_WORD_KEYS = frozenset(("id", "status", "msg", "message", "retmsg"))
"""Keys that hold a code in words on some exchanges, and a number that is none on others."""
_MESSAGE_KEYS = ("msg", "message", "retMsg", "ret_msg", "sMsg", "err-msg", "err_msg", "error_description", "error")
_ADDRESS = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_QUERY = re.compile(r"\S*[?&][\w.\-]+=\S*")
_NAMED_SECRET = re.compile(
    r"[\w\-]*(?:api-?_?key|access-?_?key|secret|signature|\bsign\b|-sign\b|passphrase|password|token|listen-?_?key"
    r"|authorization|authent|private-?_?key)[\w\-]*[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?[^\s\"',}&]+[\"']?",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[A-Za-z0-9+/=_\-]{17,}")
_STATUS_WORD = re.compile(r"\bfailed due to (\w+)$")
"""How the library words a status of Kraken Futures."""
_HTTP_STATUS = re.compile(r"^\S+ (?:(?:GET|POST|PUT|DELETE|PATCH) \S+ )?([1-5]\d\d)(?: |$)")


def class_names(error: BaseException) -> tuple[str, ...]:
    """The names of the exception's class and all it derives from, nearest first."""
    return tuple(kind.__name__ for kind in type(error).__mro__)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it says caused it, nearest first; what it merely followed proves nothing of it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def text_of(error: BaseException) -> str:
    """The exception's own text, bounded, and dangerous: for judging only, never for showing."""
    return str(error)[:_TEXT_LIMIT]


def http_status_of(text: str) -> int | None:
    """The HTTP status in a text of the client library, where it tells one."""
    found = _HTTP_STATUS.match(text)
    return None if found is None else int(found.group(1))


def codes_in(text: str) -> frozenset[str]:
    """Every error code in the exchange's answer, as text; a message of one word counts as one."""
    status = _STATUS_WORD.search(text)
    return frozenset(_codes(_answer_in(text), 0)) | frozenset(() if status is None else (status.group(1),))


def has_any(entries: frozenset[str], text: str, codes: frozenset[str]) -> bool:
    """Whether an answer holds one of a dialect's codes or phrases; a phrase has a space or a colon in it."""
    return not entries.isdisjoint(codes) or any(entry in text for entry in entries if " " in entry or ":" in entry)


def clean_reason(error: BaseException) -> str:
    """One line that says what went wrong: class, code, the exchange's words; no address, key or signature."""
    text = text_of(error)
    answer = _answer_in(text)
    words = _message_in(answer, 0) or ("" if answer is not None else text)
    # an exception's text begins with the exchange's id, the method and the address
    codes = sorted(code for code in _codes(answer, 0) if code not in words and len(code) <= 60)
    parts = [type(error).__name__, " ".join(codes[:2]), words]
    return clean_text(_scrubbed(" ".join(part for part in parts if part)), REASON_LIMIT)


def _scrubbed(text: str) -> str:
    """Without addresses, queries, and what looks like a key or a signature."""
    for pattern in (_ADDRESS, _QUERY, _NAMED_SECRET):
        text = pattern.sub("", text)
    text = _TOKEN.sub(_token_or_stars, text)
    return " ".join(text.split())


def _token_or_stars(found: re.Match[str]) -> str:
    token = found.group()
    if token.isdigit():
        return token
    case_changes = sum(one.isupper() != other.isupper() for one, other in pairwise(token))
    is_word = not any(letter.isdigit() for letter in token) and case_changes * 3 < len(token)
    return token if is_word else "***"


def _answer_in(text: str) -> object:
    """The exchange's answer inside a library text; None where it holds no JSON."""
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if not starts:
        return None
    try:
        answer, _ = json.JSONDecoder().raw_decode(text[min(starts) :])
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict | list) else None


def _codes(answer: object, depth: int) -> Iterator[str]:
    if depth > _DEPTH_MAX:
        return
    if isinstance(answer, list):
        for part in answer:
            if isinstance(part, str):
                yield part  # Kraken: {"error": ["EOrder:Insufficient funds"]}
            yield from _codes(part, depth + 1)
    elif isinstance(answer, dict):
        for key, value in answer.items():
            if _is_code(str(key).lower().replace("_", "").replace("-", ""), value):
                yield str(value)
            yield from _codes(value, depth + 1)


def _is_code(key: str, value: object) -> bool:
    if isinstance(value, str):
        is_word = key in _WORD_KEYS and bool(value) and not value.isdigit() and " " not in value
        return is_word or (key in _CODE_KEYS and bool(value))
    return isinstance(value, int) and not isinstance(value, bool) and key in _CODE_KEYS


def _message_in(answer: object, depth: int) -> str:
    """The exchange's own words, the innermost that are not empty: the outer ones often say only that all failed."""
    if depth > _DEPTH_MAX:
        return ""
    if isinstance(answer, list):
        return next(filter(None, (_message_in(part, depth + 1) for part in answer)), "") or " ".join(
            part for part in answer if isinstance(part, str)
        )
    if not isinstance(answer, dict):
        return ""
    inner = next(filter(None, (_message_in(value, depth + 1) for value in answer.values())), "")
    own = (value for key in _MESSAGE_KEYS if isinstance(value := answer.get(key), str))
    return inner or next(filter(None, own), "")

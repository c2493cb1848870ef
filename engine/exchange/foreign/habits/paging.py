"""How the lists of an exchange are read whole: what a page is asked for with, and when there is none behind it.

A list that was cut off says that orders are gone which live, and that fills never happened which did.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.exchange.foreign.client import Raw
from engine.exchange.foreign.words.numbers import mapping_from, text_from
from engine.model.errors import Transient

PAGES_MAX = 40
"""More pages than any account fills; a list that goes on is no list."""
DAY_MS = 86_400_000
_MARGIN_MS = 10_000


class Paging(StrEnum):
    """How the next page is asked for."""

    WHOLE = "whole"
    """One answer has everything, or nobody knows how to ask for more."""
    BEFORE_ID = "before-id"
    """With the lowest id told so far."""
    CURSOR = "cursor"
    """With what the last page says."""
    NUMBER = "number"
    """With the number of the page, from 1."""
    OFFSET = "offset"
    """With how many were told so far."""


class Nonces(StrEnum):
    """What an exchange asks of the numbers that requests are signed with, beside being its time."""

    FREE = "free"
    UNIQUE = "unique"
    RISING = "rising"
    """Each higher than all that arrived before: two requests must not overtake each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """``limit`` is what a page is asked for with and cut off at; None: unknown, and nothing is asked for."""

    paging: Paging = Paging.WHOLE
    limit: int | None = None
    name: str = ""
    """The field that asks for the next page."""
    told_in: str = ""
    """Where a page tells the cursor of the next one."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """What goes with ``name``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePages:
    """How executions are listed: in spans of ``window_ms``, of which one page has at most ``limit``."""

    limit: int = 50
    """Fewer than the smallest page that any exchange cuts off at (Kraken's 50): a page this long may be cut off."""
    window_ms: int = DAY_MS - _MARGIN_MS
    """The longest span that one request may ask for; Binance spot has the shortest, 24 hours."""
    grain_ms: int = 1
    """What the exchange rounds times of the question to; both ends of a span are widened by it."""
    are_of_all_symbols: bool = False
    """The exchange lists every market's, and the library picks one's out of the page: so all are asked for."""
    of_order: str | None = None
    """The field that narrows the list to one order."""
    before_name: str | None = None
    """The field for the end of the span, as a text, where the library knows none."""
    crowd: Pages | None = None
    """How a span that cannot be divided any more is read further."""


async def read_pages(
    ask: Callable[[int | None, Mapping[str, object]], Awaitable[Sequence[Raw]]],
    pages: Pages,
    *,
    name_of: Callable[[Raw], str | None] = lambda raw: text_from(raw.get("id")),
    is_enough: Callable[[Sequence[Raw]], bool] = lambda _: False,
) -> tuple[list[Raw], bool]:
    """The rows of a list, each once, and whether that is all of it; a page that ``is_enough`` is the last.

    Raises what ``ask`` raises, and ``Transient`` where an answer is no list.
    """
    rows: dict[str, Raw] = {}
    params: Mapping[str, object] = {}
    for number in range(1, PAGES_MAX + 1):
        page = checked_rows(await ask(pages.limit, params))
        told_before = len(rows)
        for at, raw in enumerate(page):
            rows[name_of(raw) or f"unnamed {number} {at}"] = raw
        if pages.limit is None or len(page) < pages.limit or is_enough(page):
            return list(rows.values()), True
        if len(rows) == told_before:
            # The same again: a list that ends with a full page, or an exchange that does not know the question.
            return list(rows.values()), pages.paging in (Paging.BEFORE_ID, Paging.CURSOR)
        following = _next(pages, page, len(rows), number)
        if following is None:
            return list(rows.values()), pages.paging is Paging.CURSOR
        params = {**pages.extra, pages.name: following}
    return list(rows.values()), False


def checked_rows(page: object) -> list[Raw]:
    """The rows of an answer. Raises ``Transient`` where it is no list of dictionaries."""
    if not isinstance(page, list | tuple) or not all(isinstance(raw, Mapping) for raw in page):
        raise Transient(f"expected a list, the exchange answered with a {type(page).__name__}")
    return list(page)


def _next(pages: Pages, page: Sequence[Raw], told: int, number: int) -> object:
    """What the next page is asked for with; None: there is none, or nothing to ask with."""
    match pages.paging:
        case Paging.WHOLE:
            return None
        case Paging.BEFORE_ID:
            ids = [name for raw in page if (name := text_from(raw.get("id"))) is not None and name.isdecimal()]
            return min(ids, key=int) if ids else None
        case Paging.CURSOR:
            cursors = (text_from(mapping_from(raw.get("info")).get(pages.told_in)) for raw in reversed(page))
            return next((cursor for cursor in cursors if cursor is not None), None)
        case Paging.NUMBER:
            return number + 1
        case Paging.OFFSET:
            return told

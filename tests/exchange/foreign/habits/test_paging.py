"""A list is read to its end or called cut off; it is never both."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.habits.paging import PAGES_MAX, Pages, Paging, checked_rows, read_pages
from engine.model.errors import Transient

LIMIT = 10


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": str(1_000 + n), "info": {}} for n in range(count)]


class Listed:
    """Newest first, as exchanges list; ``style`` is what it understands."""

    def __init__(self, count: int, style: Paging, *, is_inclusive: bool = False) -> None:
        self.rows = rows_of(count)[::-1]
        self.style = style
        self.is_inclusive = is_inclusive
        self.questions: list[Mapping[str, object]] = []

    async def ask(self, limit: int | None, params: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        self.questions.append(params)
        size, at = limit or 1_000, 0
        asked: Any = params.get("next")
        if asked is not None:
            match self.style:
                case Paging.WHOLE:
                    at = 0
                case Paging.BEFORE_ID:
                    at = next((n for n, raw in enumerate(self.rows) if int(raw["id"]) < int(asked)), len(self.rows))
                    at -= self.is_inclusive
                case Paging.NUMBER:
                    at = (asked - 1) * size
                case Paging.OFFSET | Paging.CURSOR:
                    at = int(asked)
        page = [dict(raw) for raw in self.rows[at : at + size]]
        if page and at + size < len(self.rows):
            page[0]["info"] = {"more": str(at + size)}
        return page[::-1]


STYLES = [Paging.BEFORE_ID, Paging.CURSOR, Paging.NUMBER, Paging.OFFSET]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 80, 200])
async def test_every_row_is_told_once_and_the_list_is_whole(style: Paging, count: int) -> None:
    listed = Listed(count, style)
    pages = Pages(paging=style, limit=LIMIT, name="next", told_in="more")
    rows, is_whole = await read_pages(listed.ask, pages)
    assert sorted(raw["id"] for raw in rows) == sorted(raw["id"] for raw in listed.rows)
    assert is_whole


async def test_a_page_that_includes_the_id_it_was_asked_with_doubles_nothing() -> None:
    listed = Listed(45, Paging.BEFORE_ID, is_inclusive=True)
    rows, is_whole = await read_pages(listed.ask, Pages(paging=Paging.BEFORE_ID, limit=LIMIT, name="next"))
    assert (len(rows), is_whole) == (45, True)


@pytest.mark.parametrize("style", [Paging.NUMBER, Paging.OFFSET])
async def test_an_exchange_that_always_tells_the_same_full_page_is_not_taken_at_its_word(style: Paging) -> None:
    listed = Listed(45, Paging.WHOLE)
    rows, is_whole = await read_pages(listed.ask, Pages(paging=style, limit=LIMIT, name="next"))
    assert (len(rows), is_whole, len(listed.questions)) == (10, False, 2)


async def test_a_full_page_that_nothing_follows_is_cut_off() -> None:
    rows, is_whole = await read_pages(Listed(45, Paging.WHOLE).ask, Pages(limit=LIMIT))
    assert (len(rows), is_whole) == (10, False)


async def test_where_no_page_has_a_limit_one_answer_is_everything() -> None:
    rows, is_whole = await read_pages(Listed(45, Paging.WHOLE).ask, Pages())
    assert (len(rows), is_whole) == (45, True)


async def test_a_list_without_an_end_is_left_after_so_many_pages() -> None:
    listed = Listed(LIMIT * PAGES_MAX + 1, Paging.NUMBER)
    _, is_whole = await read_pages(listed.ask, Pages(paging=Paging.NUMBER, limit=LIMIT, name="next"))
    assert (is_whole, len(listed.questions)) == (False, PAGES_MAX)


async def test_rows_without_an_id_are_kept() -> None:
    async def ask(limit: int | None, params: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        return [{"id": None, "n": 1}, {"id": None, "n": 2}]

    rows, _ = await read_pages(ask, Pages(limit=LIMIT))
    assert [raw["n"] for raw in rows] == [1, 2]


@pytest.mark.parametrize("answer", [None, {}, "[]", 7, [None], [["id"]]])
def test_an_answer_that_is_no_list_of_rows_is_no_answer(answer: object) -> None:
    with pytest.raises(Transient, match="expected a list"):
        checked_rows(answer)


@pytest.mark.parametrize(
    ("exchange", "paging", "limit"),
    [
        ("bybit", Paging.CURSOR, 50),
        ("okx", Paging.BEFORE_ID, 100),
        ("gate", Paging.NUMBER, 100),
        ("bitget", Paging.BEFORE_ID, 100),
        ("htx", Paging.BEFORE_ID, 100),
        ("coinbase", Paging.CURSOR, 100),
    ],
)
def test_exchanges_that_cut_open_orders_off_are_asked_for_every_page(exchange: str, paging: Paging, limit: int) -> None:
    pages = dialect_of(exchange).open_orders
    assert (pages.paging, pages.limit) == (paging, limit)

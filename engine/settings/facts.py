"""What the raw tables of a file say, as far as each key is sound by itself.

A key that is missing or wrong reads as None: pydantic has named it already, and the rules between
the other keys are checked all the same.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.model.grid import Direction, Spacing
from engine.model.ids import SLOTS_MAX
from engine.settings.problems import Place, place_in
from engine.settings.schema_grid import range_around
from engine.settings.schema_types import is_exact, number, two_currencies
from engine.settings.words import is_swap

W = TypeVar("W", bound=StrEnum)
S = TypeVar("S", bound=BaseModel)

Table = Mapping[str, Any]
_STAND_INS: Mapping[str | int, object] = {"trigger": 1, "recovery": 1}
"""What contradicts nothing, for keys that must be written."""
_MENDINGS_MAX = 8
"""Mending one table may show that the one around it lacks something; there are not more tables than these in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFacts:
    """One ``[[grid]]``, the ``index``-th. ``lower`` and ``upper`` are the range, whichever way it is written."""

    index: int
    table: Table
    symbol: str | None
    direction: Direction | None
    slots: int | None
    lower: Decimal | None
    upper: Decimal | None

    @property
    def is_swap(self) -> bool | None:
        """Whether it trades a perpetual swap."""
        return None if self.symbol is None else is_swap(self.symbol)


def grids_of(document: Table) -> list[GridFacts]:
    """The grids of a file that are tables."""
    grids = document.get("grid")
    listed = enumerate(grids if isinstance(grids, list) else ())
    return [_grid(index, table) for index, table in listed if isinstance(table, dict)]


def table_of(document: Table, key: str) -> Table:
    """The table of this name, empty where there is none."""
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def amount_of(table: Table, key: str) -> Decimal | None:
    """An amount above 0."""
    try:
        amount = number(table.get(key))
    except ValueError:
        return None
    return amount if amount > 0 else None


def word_of(table: Table, key: str, words: type[W], default: W) -> W | None:
    """One of these words, the default where there is none."""
    text = table.get(key, default)
    return next((word for word in words if word == text), None)


def sound_section(section: type[S], table: object) -> S | None:
    """The section as pydantic reads it; None where anything in it is wrong."""
    try:
        return section.model_validate(table)
    except ValidationError:
        return None


def sound_part(section: type[S], table: object) -> S | None:
    """The section without what is wrong in it, so that one bad value does not hide what contradicts beside it.

    A key that must be written and is not sound counts as its stand-in, or else its table counts as not written. None
    where nothing is left to look at.
    """
    rest: Any = deepcopy(table)
    for _ in range(_MENDINGS_MAX):
        try:
            return section.model_validate(rest)
        except ValidationError as error:
            if not isinstance(rest, dict):
                return None
            for each in error.errors(include_url=False):
                place = place_in(each["loc"], section)
                if not place:
                    return None
                _mend(rest, place, is_missing=each["type"] == "missing")
            rest = {key: _without_gaps(value) for key, value in rest.items()}
    return None


def _without_gaps(value: Any) -> Any:
    """A list without what was taken out of it; only now, for places are counted from its beginning."""
    return [one for one in value if one is not None] if isinstance(value, list) else value


def _mend(table: Any, place: Place, *, is_missing: bool) -> None:
    """Take out what stands at a place; what was not there is stood in for, or its table goes. Nobody is hurt twice."""
    *way, last = place
    if isinstance(last, int) or (is_missing and last not in _STAND_INS):
        # One of a list cannot go alone: what is counted by its length would seem to be wrong.
        *way, last = way or [last]
    for part in way:
        table = table[int(part)] if isinstance(table, list) else table.get(part)
        if not isinstance(table, dict | list):
            return
    if isinstance(table, list):
        table[int(last)] = None
    elif is_missing and last in _STAND_INS:
        table[last] = _STAND_INS[last]
    else:
        table.pop(last, None)


def _grid(index: int, table: Table) -> GridFacts:
    slots = table.get("slots")
    is_count = isinstance(slots, int) and not isinstance(slots, bool) and 1 <= slots <= SLOTS_MAX
    lower, upper = _range(table, slots if is_count else None)
    return GridFacts(
        index=index,
        table=table,
        symbol=_symbol(table),
        direction=word_of(table, "direction", Direction, Direction.LONG),
        slots=slots if is_count else None,
        lower=lower,
        upper=upper,
    )


def _symbol(table: Table) -> str | None:
    symbol = table.get("symbol")
    if not isinstance(symbol, str) or "/" not in symbol:
        return None
    try:
        return two_currencies(symbol)
    except ValueError:
        return None


def _range(table: Table, slots: int | None) -> tuple[Decimal | None, Decimal | None]:
    """Both bounds, or neither where they are no range."""
    lower, upper = amount_of(table, "lower"), amount_of(table, "upper")
    center, step = amount_of(table, "center"), amount_of(table, "step")
    spacing = word_of(table, "spacing", Spacing, Spacing.GEOMETRIC)
    if lower is None and upper is None and center is not None and step is not None:
        if slots is None or spacing is None:
            return None, None
        lower, upper = range_around(center, step, slots, spacing)
    if lower is None or upper is None or not 0 < lower < upper or not (is_exact(lower) and is_exact(upper)):
        return None, None
    return lower, upper

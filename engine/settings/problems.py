"""Every problem of a configuration, in one line each: key, what was expected, what was found.

pydantic finds what is wrong with single keys, ``contradictions`` what is wrong between them.
Never shows a value that may be a secret.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from engine.model.money import text_from_decimal
from engine.model.text import clean_text

Place = tuple[str | int, ...]

_BITS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong at one place of the file."""

    place: Place
    text: str


def problem_lines(
    errors: Sequence[Mapping[str, Any]], between: Iterable[Problem], schema: type[BaseModel]
) -> list[str]:
    """All problems in the order of the sections, each as ``grid[0].lower: expected ..., found ...``."""
    rules = list(between)
    told = {problem.place for problem in rules}
    # A key that should not be there at all need not be told that its value is wrong too.
    problems = [problem for error in errors if (problem := _problem_of(error, schema)).place not in told]
    problems += rules
    order = {name: number for number, name in enumerate(schema.model_fields)}
    problems.sort(key=lambda problem: (order.get(str(problem.place[0]), len(order)), _grid_of(problem.place)))
    return list(dict.fromkeys(f"{_path(problem.place)}: {problem.text}" for problem in problems))


def _grid_of(place: Place) -> int:
    return next((part for part in place[:2] if isinstance(part, int)), -1)


def _path(place: Place) -> str:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{clean_text(part, 60)}"
    return path.removeprefix(".")


def _problem_of(error: Mapping[str, Any], schema: type[BaseModel]) -> Problem:
    place = place_in(error["loc"], schema)
    if error["type"] == "extra_forbidden":
        return Problem(place=place, text=_unknown_key(place, schema))
    expected, note = _expected(error, _description(place, schema))
    seen = "nothing" if error["type"] == "missing" else found(error["input"])
    if place == ("exchange", "keys"):
        seen = "something else"
    return Problem(place=place, text=f"expected {expected}, found {seen}{note}")


def _expected(error: Mapping[str, Any], description: str) -> tuple[str, str]:
    arguments: tuple[str, ...] = error["ctx"]["error"].args if error["type"] == "value_error" else ()
    expected = arguments[0] if arguments else description
    note = f" ({arguments[1]})" if len(arguments) > 1 else ""
    return expected, note


def place_in(location: Sequence[str | int], schema: type[BaseModel]) -> Place:
    """The part of pydantic's location that stands in the file."""
    place: Place = ()
    section: type[BaseModel] | None = schema
    for part in location:
        place = (*place, part)
        if isinstance(part, str):
            if section is None or part not in section.model_fields:
                break
            section = _section_of(section, part)
    return place


def _section_of(section: type[BaseModel], key: str) -> type[BaseModel] | None:
    annotation = section.model_fields[key].annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _parent_of(place: Place, schema: type[BaseModel]) -> type[BaseModel]:
    section = schema
    for part in place[:-1]:
        if isinstance(part, str):
            section = _section_of(section, part) or section
    return section


def _description(place: Place, schema: type[BaseModel]) -> str:
    key = place[-1]
    if isinstance(key, int):
        # The title of a list says what one of it is, its description what the whole list is.
        return _parent_of(place[:-1], schema).model_fields[str(place[-2])].title or "a table"
    return _parent_of(place, schema).model_fields[key].description or "another value"


def _unknown_key(place: Place, schema: type[BaseModel]) -> str:
    known = list(_parent_of(place, schema).model_fields)
    near = get_close_matches(str(place[-1]).lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
    return f"unknown key, {hint}"


def found(value: object) -> str:
    """A value of the file as a problem shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{clean_text(value, 60)}"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 30:
        return text_from_decimal(value)
    if isinstance(value, int) and value.bit_length() > _BITS_MAX:
        # Python itself refuses to write down a number of some thousand digits.
        return f"a number of {value.bit_length()} bits"
    return clean_text(str(value), 60)

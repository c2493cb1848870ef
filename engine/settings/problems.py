"""Every problem of a configuration, in one line each: key, what was expected, what was found.

pydantic finds what is wrong with single keys; the rules between keys are checked here on
the raw document, so that they are reported together with the rest and not after it.
Never shows a value that may be a secret.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from engine.model.grid import SizedBy
from engine.model.money import text_from_decimal
from engine.model.text import clean_text

_SECRET_WORDS = ("apikey", "secret", "password", "passphrase", "privatekey", "token", "twofa")

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    place: Place
    text: str


def problem_lines(
    errors: Sequence[Mapping[str, Any]], document: Mapping[str, Any], schema: type[BaseModel]
) -> list[str]:
    """All problems in the order of the sections, each as ``grid[0].lower: expected ..., found ...``."""
    problems = [_problem_of(error, schema) for error in errors]
    problems += _problems_between_keys(document)
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


def _problem_of(error: Mapping[str, Any], schema: type[BaseModel]) -> _Problem:
    place = _place_in(error["loc"], schema)
    if error["type"] == "extra_forbidden":
        return _Problem(place=place, text=_unknown_key(place, schema))
    expected, note = _expected(error, _description(place, schema))
    found = "nothing" if error["type"] == "missing" else _found(error["input"])
    if place == ("exchange", "keys"):
        found = "something else"
    return _Problem(place=place, text=f"expected {expected}, found {found}{note}")


def _expected(error: Mapping[str, Any], description: str) -> tuple[str, str]:
    arguments: tuple[str, ...] = error["ctx"]["error"].args if error["type"] == "value_error" else ()
    expected = arguments[0] if arguments else description
    note = f" ({arguments[1]})" if len(arguments) > 1 else ""
    return expected, note


def _place_in(location: Sequence[str | int], schema: type[BaseModel]) -> Place:
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
        return "a table"
    return _parent_of(place, schema).model_fields[key].description or "another value"


def _unknown_key(place: Place, schema: type[BaseModel]) -> str:
    known = list(_parent_of(place, schema).model_fields)
    near = get_close_matches(str(place[-1]).lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
    return f"unknown key, {hint}"


def _found(value: object) -> str:
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
    return clean_text(str(value), 60)


def _problems_between_keys(document: Mapping[str, Any]) -> Iterator[_Problem]:
    grids = document.get("grid")
    tables = [(index, grid) for index, grid in enumerate(grids if isinstance(grids, list) else ())]
    tables = [(index, grid) for index, grid in tables if isinstance(grid, dict)]
    yield from _secrets(document)
    yield from _replay(document.get("simulation"), tables)
    for index, grid in tables:
        given = [way.value for way in SizedBy if way in grid]
        if len(given) != 1:
            text = f"expected one of {', '.join(SizedBy)}, found {' and '.join(given) or 'none'}"
            yield _Problem(place=("grid", index), text=text)
    names = Counter(grid.get("name") for _, grid in tables if isinstance(grid.get("name"), str))
    seen: set[object] = set()
    for index, grid in tables:
        name = grid.get("name")
        if isinstance(name, str) and names[name] > 1:
            if name in seen:
                text = f"expected another name, found {_found(name)} twice"
                yield _Problem(place=("grid", index, "name"), text=text)
            seen.add(name)


def _replay(simulation: object, grids: list[tuple[int, dict[str, Any]]]) -> Iterator[_Problem]:
    if not isinstance(simulation, dict) or simulation.get("source") != "replay":
        return
    if "path" not in simulation:
        text = "expected a file of candles or trades to replay, found nothing"
        yield _Problem(place=("simulation", "path"), text=text)
    symbols = [(index, grid["symbol"]) for index, grid in grids if isinstance(grid.get("symbol"), str)]
    for index, symbol in symbols[1:]:
        if symbol != symbols[0][1]:
            expected = f"{clean_text(symbols[0][1], 60)}: a replay has one symbol"
            text = f"expected {expected}, found {_found(symbol)}"
            yield _Problem(place=("grid", index, "symbol"), text=text)


def _secrets(document: Mapping[str, Any]) -> Iterator[_Problem]:
    exchange = document.get("exchange")
    ccxt = exchange.get("ccxt") if isinstance(exchange, dict) else None
    pending: list[tuple[Place, object]] = [(("exchange", "ccxt"), ccxt)]
    while pending:
        place, value = pending.pop()
        if not isinstance(value, dict):
            continue
        for key, inner in value.items():
            plain = key.lower().replace("_", "").replace("-", "")
            if any(word in plain for word in _SECRET_WORDS):
                text = "expected no secret in this file: exchange.keys says where the keys are"
                yield _Problem(place=(*place, key), text=text)
            pending.append(((*place, key), inner))
